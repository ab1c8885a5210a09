/* Decisions while pairs are still being added, at error rates that hold for the whole procedure.
 *
 * Looking at the data several times and stopping when they look right raises the error rate. Here
 * the looks are fixed before the first pair, and each uses an equal share of the error (Bonferroni
 * over looks), so the intervals of all looks together cover the true ratio as often as one interval
 * would without looking. The share is conservative and needs no assumption about the data. Stopping
 * between two looks because time ran out costs nothing, as long as the clock decides and not the
 * data. Source of the idea: Jennison and Turnbull, Group Sequential Methods (2000), 9 (repeated
 * confidence intervals).
 */
#ifndef TM_HARNESS_STATS_SEQUENTIAL_H
#define TM_HARNESS_STATS_SEQUENTIAL_H

#include "harness/stats/stats.h"

#define TM_LOOKS_MAX 16
/* Before this many pairs no look can exclude 1: 8 pairs that agree have p = 2/256. */
#define TM_FIRST_LOOK 8

/* Numbers of pairs after which the data are examined, ascending. All are even, so that both orders
 * of a pair count equally. */
typedef struct tm_looks {
    int at[TM_LOOKS_MAX];
    int n;
} tm_looks;

/* 8, 12, 16, 24, 32, 48, 64, ... up to max_pairs, which is the last look. max_pairs at most 8: one
 * look. */
tm_looks tm_looks_make(int max_pairs);
/* Whether n pairs are a look. */
bool tm_is_look(const tm_looks *looks, int n);
/* The ratio a / b over n pairs, at a confidence that holds over all looks together. */
tm_interval tm_look_interval(const tm_looks *looks, const double *a, const double *b, int n,
                             double confidence);

/* Half the width of a ratio's interval on the log scale, as a fraction: 0.02 is 2 %. NaN without an
 * interval. */
double tm_interval_half_width(tm_interval ratio);

/* p-values adjusted for n tests after Holm (1979): compare them with the level directly. NaN stays
 * NaN and does not count as a test. adjusted may be p. n at most TM_HOLM_MAX. */
#define TM_HOLM_MAX 1024
void tm_holm(const double *p, int n, double *adjusted);

/* One row of a gate: is b worse than a by more than a threshold? Values of a row are costs: larger
 * is worse (times, bytes, joules; for rates their inverse). */
typedef enum tm_gate_state {
    TM_GATE_SCREENING,  /* needs more pairs */
    TM_GATE_CONFIRMING, /* looked like a regression; a second, independent batch is being run */
    TM_GATE_PASS,
    TM_GATE_REGRESSION,
    TM_GATE_INCONCLUSIVE,
} tm_gate_state;

typedef struct tm_gate_limits {
    int screen_pairs;  /* at most, in the first batch */
    int confirm_pairs; /* at most, in the second batch */
} tm_gate_limits;

#define TM_GATE_THRESHOLD 0.05
/* Most rows end after 8 to 16 pairs. */
#define TM_GATE_LIMITS                                                                             \
    {                                                                                              \
        .screen_pairs = 48, .confirm_pairs = 24                                                    \
    }

typedef struct tm_gate_row {
    double threshold; /* 0.05: worse by more than 5 % is a regression */
    /* Ratio that this machine reports for equal arms, at least 1; NaN: unknown. */
    double noise_floor;
    tm_gate_state state;
    int n_screen;        /* pairs of the first batch, once it is complete; 0 before */
    tm_interval ratio;   /* b / a over the batch that decided, or so far */
    double p;            /* of the last look, corrected for the looks; NaN before the first */
    const char *because; /* static text: why the row has this state */
} tm_gate_row;

/* A row before its first pair. */
void tm_gate_row_init(tm_gate_row *row, double threshold, double noise_floor);

/* Examines all rows after a round. a[i], b[i]: costs of the two arms of row i in n[i] pairs, in the
 * order in which they ran. out_of_time: no more pairs will come, so that every row gets its final
 * state. The p-values of rows are corrected for their number after Holm. */
void tm_gate_step(const tm_gate_limits *limits, tm_gate_row *rows, const double *const *a,
                  const double *const *b, const int *n, int n_rows, bool out_of_time);
/* Ends an open row as passed, for a reason other than its pairs. because: static text. */
void tm_gate_row_pass(tm_gate_row *row, const char *because);
/* Whether the row needs another pair. */
bool tm_gate_row_is_open(const tm_gate_row *row);

#endif
