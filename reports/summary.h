/* From records to figures per cell, and from two cells to a ratio with its interval.
 *
 * The tables, plots and verdicts stand on this; it prints nothing and knows no file. A figure that was not
 * measured is NaN beside a sentence saying why. Rows with the same names but another cell_id (another build
 * or model file) are never mixed: they are summaries of their own, and all but the latest are `superseded`.
 */
#ifndef TM_REPORTS_SUMMARY_H
#define TM_REPORTS_SUMMARY_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"
#include "reports/energy_cell.h"
#include "reports/profile_cell.h"

#define TM_CONFIDENCE 0.95
#define TM_UNSTABLE_CV                                                                             \
    0.05 /* coefficient of variation over processes above which a warning is due */
#define TM_ROLE_BASELINE "baseline"
#define TM_ROLE_TERNARY  "ternary"
/* A cell run against itself: both arms carry the same process number, slots 0 and 1. */
#define TM_ROLE_AA "aa"

/* One fresh process of a cell: the unit of replication. */
typedef struct tm_process {
    int number, slot; /* as in the records; the two arms of a pair share the number */
    int n_repetitions;
    char run[24];             /* that its first repetition belongs to */
    double tokens_per_second; /* median of its repetitions */
    double control;           /* median of what the control hook gave; NaN: none */
    bool
        is_outlier; /* beyond Tukey's fences among the processes of its cell; kept in all figures */
} tm_process;

/* A percentile of the per-token times of all repetitions together. */
typedef struct tm_percentile {
    double value_ms; /* NaN where n < needed */
    int n, needed;
} tm_percentile;

typedef struct tm_cell_summary {
    tm_cell cell;
    char cell_id[24];
    bool superseded; /* a later summary has these names */
    char status[16]; /* "ok" when there is at least one valid sample, else "skipped" or "failed" */
    char missing[480];     /* why there is no figure at all; "" when there is */
    tm_process *processes; /* [n_processes] ascending by number, then slot; owned */
    int n_processes;
    int n_repetitions; /* valid ones, over all processes */
    int n_failed;      /* records of failure or without a valid time */
    char failure[480]; /* the last of them; "" if none */

    tm_interval
        tokens_per_second; /* over processes; pseudo-median instead of t on logs where n >= 6 and
                                      some process is an outlier (see .method) */
    double cv;             /* standard deviation / mean over processes; NaN for one */
    int n_outliers;
    tm_interval first_token_ms; /* over processes */
    char first_token_missing[160];
    tm_percentile token_p50, token_p90, token_p99;

    /* Medians over processes of the medians inside them. */
    tm_measured load_ms;
    tm_measured bytes_per_token, macs_per_token, bits_per_weight, head_bytes, predicted_bytes;
    tm_measured peak_rss_bytes, rss_anonymous_bytes, rss_file_bytes;
    tm_measured minor_faults, major_faults, voluntary_switches, involuntary_switches;
    tm_measured cpu_user_seconds, cpu_system_seconds, steal_percent, harness_ns_per_token;
    tm_measured frequency_after_hz, throttle_events, temperature_after_celsius;
    tm_cell_energy energy;
    tm_cell_profile profile; /* borrows from the records */
    /* Products with tokens_per_second.value. */
    tm_measured read_gb_per_second, gmac_per_second;

    /* Of the first sample's group, each a median over processes; share: the least. */
    char counter_group[64];
    tm_counter *counters; /* [n_counters]; owned */
    int n_counters;

    char tokens[24];   /* hash of the greedy tokens; "" when not recorded */
    int n_marked;      /* samples with marks */
    char marks[240];   /* each distinct mark once, "; " between */
    char warning[480]; /* what makes the speed doubtful and what to raise; "" if nothing */
} tm_cell_summary;

typedef struct tm_summaries {
    tm_cell_summary *items; /* in the order of first appearance; owned */
    int n;
} tm_summaries;

/* A quantity that should not depend on the arm (a fixed spin, say), to tell drift from a difference.
 * Returns NaN where the record has none; positive otherwise. */
typedef double (*tm_control_hook)(const tm_record *record, void *context);

/* Lines of kind run are passed over. control: NULL for none. Errors: NOMEM. */
tm_status tm_summaries_make(const tm_record *records, int n, tm_control_hook control, void *context,
                            tm_summaries *out, tm_error *err) TM_MUST_USE;
void tm_summaries_free(tm_summaries *summaries);

/* The one that is not superseded and not A/A, or NULL. */
const tm_cell_summary *tm_summaries_find(const tm_summaries *all, const char *engine,
                                         const char *model, const char *kernel, int threads,
                                         const char *test);
/* The fastest of a role ("baseline", "ternary") on a model, thread count and test, not superseded.
 * engine NULL: of any. like: only cells whose head has as many bytes as this one's; NULL: any head.
 * *n_kernels: how many had a figure ("best of n kernels"; picking the best of several favours them a
 * little). With none: the first, which says why; NULL when there is none at all. */
const tm_cell_summary *tm_summaries_best(const tm_summaries *all, const char *role,
                                         const char *engine, const char *model, int threads,
                                         const char *test, const tm_cell_summary *like,
                                         int *n_kernels);

typedef enum tm_verdict {
    TM_VERDICT_MISSING,       /* no pair: comparison->missing says why */
    TM_VERDICT_NO_INTERVAL,   /* one pair: a ratio, and nothing known about its uncertainty */
    TM_VERDICT_NO_DIFFERENCE, /* the interval holds 1: none shown, which is not "equal" */
    TM_VERDICT_FASTER,        /* a is: the interval lies above 1 */
    TM_VERDICT_SLOWER,
    TM_VERDICT_INCONCLUSIVE, /* the control moved as well */
} tm_verdict;

/* Two cells by their pairs: processes of the same number whose first repetitions belong to one run. */
typedef struct tm_comparison {
    const tm_cell_summary *a, *b; /* borrowed from the summaries */
    int n_pairs;
    int n_unpaired;              /* processes of either without a partner */
    double *a_values, *b_values; /* [n_pairs] tokens/s in the order of the numbers; owned */
    bool *first_is_a;            /* [n_pairs]; owned */
    tm_interval ratio;           /* a / b in tokens/s; above 1: a is faster */
    tm_interval ratio_t;         /* t on logs of the same, to print beside it */
    tm_interval
        slot; /* speed in the second slot / in the first; value 1: the order did not matter */
    bool slot_moved;     /* its interval excludes 1 */
    tm_interval control; /* a / b of the control; NaN without one */
    bool control_moved;
    tm_verdict verdict;
    char missing[480]; /* why there is no ratio; "" when there is */
    char warning[480]; /* "" if nothing */
} tm_comparison;

/* Errors: NOMEM. Cells that have no figure give a comparison that says so. */
tm_status tm_compare(const tm_cell_summary *a, const tm_cell_summary *b, tm_comparison *out,
                     tm_error *err) TM_MUST_USE;
/* The two arms of an A/A cell; arm a runs first in pairs of even number. */
tm_status tm_compare_aa(const tm_cell_summary *cell, tm_comparison *out, tm_error *err) TM_MUST_USE;
void tm_comparison_free(tm_comparison *comparison);

/* What this machine calls different although nothing is. */
typedef struct tm_noise_floor {
    double ratio; /* >= 1: the farther end of the A/A interval from 1; NaN when missing */
    int n_pairs;
    bool same_cell; /* from this very cell; else the largest of all A/A cells */
    char missing[160];
} tm_noise_floor;

/* The floor for a cell (NULL: for any). Errors: NOMEM. */
tm_status tm_noise_floor_find(const tm_summaries *all, const tm_cell *cell, tm_noise_floor *out,
                              tm_error *err) TM_MUST_USE;

/* "1.07x (95 % 1.03 to 1.11, 10 pairs); noise floor 1.02", "no difference shown (could be -2.1 % to
 * +5.0 %, 10 pairs)", "1.07x (95 % 1.01 to 1.13, 4 pairs, t: n < 6)", or why there is none. floor: NULL or
 * missing leaves it out. Returns `text`. */
char *tm_comparison_words(const tm_comparison *comparison, const tm_noise_floor *floor, char *text,
                          size_t size);

/* One column of the speed-up table. */
typedef struct tm_speedup {
    const tm_cell_summary *baseline; /* borrowed; NULL: no such cell */
    const tm_cell_summary *ternary;  /* the best kernel's; borrowed; NULL: no such cell */
    int n_baselines, n_kernels;      /* that had a figure */
    const tm_cell *cell;             /* engine, model, threads and test of the column; borrowed */
    tm_comparison comparison;        /* ternary / baseline; .missing says why there is none */
} tm_speedup;

typedef struct tm_speedups {
    tm_speedup *items; /* owned */
    int n;
} tm_speedups;

/* One per engine, model, threads and test with a baseline or a ternary cell, in the order of first
 * appearance. Borrows from `all`. Errors: NOMEM. */
tm_status tm_speedups_make(const tm_summaries *all, tm_speedups *out, tm_error *err) TM_MUST_USE;
void tm_speedups_free(tm_speedups *speedups);

#endif
