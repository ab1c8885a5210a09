/* Two arms compared metric by metric: as pairs of processes that ran next to each other, or, from
 * two stores, as two independent sets of processes.
 *
 * A row is one cell of A, one of B and a metric. Ratios are B over A in the metric's unit: above 1
 * B has more tokens per second, or more joules.
 */
#ifndef TM_REPORTS_ARMS_H
#define TM_REPORTS_ARMS_H

#include "harness/stats/sequential.h"
#include "reports/metric.h"
#include "reports/output/text.h"

#define TM_ARMS_CONFIDENCE 0.95

typedef enum tm_arms_verdict {
    TM_ARMS_NOT_MEASURED,
    TM_ARMS_TOO_FEW,       /* pairs for an interval */
    TM_ARMS_INCONCLUSIVE,  /* `inconclusive` says why */
    TM_ARMS_NO_DIFFERENCE, /* shown; not "equal" */
    TM_ARMS_BETTER,        /* B than A */
    TM_ARMS_WORSE,
} tm_arms_verdict;

typedef struct tm_arms_row {
    tm_cell a, b;
    char a_id[24], b_id[24]; /* of their cells */
    const tm_metric *metric;
    bool is_paired;
    double *a_values, *b_values;     /* [n_a], [n_b] one per process, paired: by pair; owned */
    bool *first_is_a;                /* [n_a] if paired; owned */
    double *a_controls, *b_controls; /* [n_controls] owned */
    int n_a, n_b, n_controls;
    double a_median, b_median; /* NaN: none */
    tm_interval ratio;         /* b / a */
    tm_interval slot;          /* speed in the second slot over the first; NaN: not known */
    tm_interval control;       /* b / a of the control quantity; NaN: none */
    double p;                  /* of no difference, corrected for the looks */
    double p_holm;             /* the same, corrected for the number of rows */
    double noise_floor;        /* at least 1; NaN: not known */
    int noise_pairs;
    tm_arms_verdict verdict;
    const char *inconclusive; /* static text of that verdict; NULL otherwise */
    char missing[240];        /* why there is no ratio; "" when there is one */
    char warning[960];        /* "" without a warning */
    char peers[480];          /* why to distrust other engines among the two; "" none */
} tm_arms_row;

typedef struct tm_arms_mean {
    const tm_metric *metric;
    tm_interval ratio; /* geometric mean over the rows of the metric; n: rows */
} tm_arms_mean;

typedef struct tm_arms {
    tm_arms_row *rows; /* owned */
    int n_rows, room;
    tm_arms_mean means[16]; /* of metrics with several rows */
    int n_means;
} tm_arms;

/* Adds a row of pairs: processes of equal number and run of the two cells. Errors: NOMEM. */
tm_status tm_arms_add_pairs(tm_arms *arms, const tm_record *records, int n, const tm_cell *a,
                            const char *a_id, const tm_cell *b, const char *b_id,
                            const tm_metric *metric, tm_error *err) TM_MUST_USE;
/* Adds a row of two independent sets of processes. Errors: NOMEM. */
tm_status tm_arms_add_sets(tm_arms *arms, const tm_record *a_records, int n_a, const tm_cell *a,
                           const char *a_id, const tm_record *b_records, int n_b, const tm_cell *b,
                           const char *b_id, const tm_metric *metric, tm_error *err) TM_MUST_USE;
/* One value per process of a cell in a run (NULL: in any), in the order of runs and processes; one
 * of all processes together for a percentile that no process has enough tokens for. Free *values.
 * why[160]: why there is none, if *n_values is 0. Errors: NOMEM. */
tm_status tm_metric_values(const tm_record *records, int n, const char *cell_id, const char *run,
                           const tm_metric *metric, double **values, int *n_values, char *why,
                           tm_error *err) TM_MUST_USE;
/* Computes ratios, verdicts and means of all rows. looks: NULL if the number of pairs was fixed
 * before. */
void tm_arms_judge(tm_arms *arms, const tm_looks *looks);
void tm_arms_free(tm_arms *arms);

/* "B is 1.07x as fast as A (95 % 1.03 to 1.11, 10 pairs); noise floor 1.02", "no difference shown
 * (could be -2.1 % to +5.0 %, 10 pairs)", or the reason for a missing ratio. Returns text. */
char *tm_arms_words(const tm_arms_row *row, char *text, size_t size);
/* "faster", "slower", "no difference shown", ... */
const char *tm_arms_verdict_name(const tm_arms_row *row);

#endif
