/* Summaries: from the records of a cell to its values, with intervals over fresh processes.
 *
 * Tables, plots and verdicts are built on them; this module prints nothing and knows no files. A
 * value that was not measured is NaN, with the reason next to it. Cells with the same names but a
 * different cell_id (another build or model file) are never mixed: each has its own summary, and
 * all but the latest are `superseded`. The same holds for cells of different machines, none of
 * which supersedes another. Processes with equal numbers in different runs are different processes.
 */
#ifndef TM_REPORTS_SUMMARY_H
#define TM_REPORTS_SUMMARY_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"
#include "reports/summary_energy.h"
#include "reports/summary_profile.h"

/* Coefficient of variation over processes above which a cell gets a warning. */
#define TM_UNSTABLE_CV 0.05

/* One fresh process of a cell: the unit of replication. */
typedef struct tm_process {
    int number, slot; /* as in the records; the two arms of a pair share the number */
    int n_repetitions;
    char run[24];
    const tm_json *document; /* the record of its run; borrowed; NULL: the store has none */
    /* Time of day, in seconds since 1970, when its first repetition began and its last one ended;
     * NaN: not recorded. */
    double begin, end;
    double tokens_per_second; /* median over its repetitions */
    double control;           /* median of the time of the control loop, in ns; NaN: not timed */
    bool is_outlier;          /* outside Tukey's fences among its cell's processes; still counted */
} tm_process;

/* A percentile of the per-token times of all repetitions together. */
typedef struct tm_percentile {
    double value_ms; /* NaN if n < needed */
    int n, needed;
} tm_percentile;

typedef struct tm_cell_summary {
    tm_cell cell;
    char cell_id[24];
    bool superseded;   /* a later summary of the same machine has the same names */
    char build[24];    /* of the run that measured it last; "": not recorded */
    char newest[24];   /* build of the newest run on its machine, if that is another; else "" */
    bool older_model;  /* the store has a later cell of another model of this name */
    int n_runs;        /* runs with valid samples of it */
    char status[16];   /* "ok" with at least one valid sample, otherwise "skipped" or "failed" */
    char missing[480]; /* why there is no value at all; "" when there is one */
    tm_process *processes; /* [n_processes] by number, then slot; owned */
    int n_processes;
    int n_repetitions; /* valid ones, over all processes */
    int n_duplicates;  /* samples left out: the same repetition was there already */
    int n_failed;      /* records that failed or have no valid time */
    char failure[480]; /* reason of the last of them; "" without any */

    /* Over processes, within-run. By t on logs, or the pseudo-median if n >= 6 and a process is an
     * outlier: see .method. */
    tm_interval tokens_per_second;
    double cv; /* standard deviation / mean over processes; NaN for one process */
    int n_outliers;
    tm_interval first_token_ms; /* over processes */
    char first_token_missing[160];
    tm_percentile token_p50, token_p90, token_p99;

    /* Medians over processes of the medians over repetitions. */
    tm_measured load_ms, check_ms;
    tm_measured bytes_per_token, macs_per_token, bits_per_weight, head_bytes, predicted_bytes;
    tm_measured peak_rss_bytes, rss_anonymous_bytes, rss_file_bytes;
    tm_measured minor_faults, major_faults, voluntary_switches, involuntary_switches;
    tm_measured cpu_user_seconds, cpu_system_seconds, steal_percent, harness_ns_per_token;
    tm_measured frequency_after_hz, throttle_events, temperature_after_celsius;
    tm_cell_energy energy;
    tm_cell_profile profile; /* borrows from the records */
    /* Products with tokens_per_second.value. */
    tm_measured read_gb_per_second, gmac_per_second;

    /* Counters of the first sample's group: medians over processes; share: the smallest. */
    char counter_group[64];
    tm_counter *counters; /* [n_counters]; owned */
    int n_counters;

    char tokens[24];   /* hash of the greedy tokens; "": not recorded */
    int n_marked;      /* samples with marks */
    char marks[480];   /* each distinct mark once, separated by "; " */
    char warning[480]; /* why the speed is uncertain and which option helps; "" without a warning */
} tm_cell_summary;

/* A machine that runs of the records were made on. */
typedef struct tm_summary_machine {
    const tm_json *run; /* its newest run record; borrowed; NULL: the records have none */
    const char *fingerprint, *name; /* borrowed from the records; name: the CPU */
} tm_summary_machine;

typedef struct tm_summaries {
    tm_cell_summary *items; /* in order of first appearance; owned */
    int n;
    tm_summary_machine *machines; /* [n_machines], at least one; by tm_cell.machine; owned */
    int n_machines;
    int n_refused; /* lines of the store that were refused, as its reader sets it; 0 before */
} tm_summaries;

/* Summarises the records of each cell; run records are skipped. Errors: NOMEM. */
tm_status tm_summaries_make(const tm_record *records, int n, tm_summaries *out,
                            tm_error *err) TM_MUST_USE;
void tm_summaries_free(tm_summaries *summaries);

/* The summary with these names that is neither superseded nor A/A, or NULL. */
const tm_cell_summary *tm_summaries_find(const tm_summaries *all, const char *engine,
                                         const char *model, const char *kernel, int threads,
                                         const char *test);
/* Appends why a cell does not belong to the newest build and model; nothing if it does. */
void tm_summary_age(const tm_cell_summary *summary, char *text, size_t size);
/* Whether two cells have a pair: processes of equal number in one run. */
bool tm_cells_are_paired(const tm_cell_summary *a, const tm_cell_summary *b);

/* What tm_summaries_best looks for. */
typedef struct tm_best_query {
    const char *role;
    const tm_cell *column; /* machine, model, threads and test */
    bool any_engine;       /* false: only cells of the column's engine */
    /* Only cells whose head has as many bytes as this one's, and those with a pair with it first;
     * NULL: any head, and those with a pair with any cell of the other role first. */
    const tm_cell_summary *partner;
} tm_best_query;
/* The cell to show for a role in a column: not superseded; of the newest build and model if there
 * is one; with pairs if one has any; then the fastest. If none has a value, the first, whose
 * `missing` has the reason; NULL without any cell. *n_kernels: number of cells it was the fastest
 * of; choosing the best of several favours them a little. */
const tm_cell_summary *tm_summaries_best(const tm_summaries *all, const tm_best_query *query,
                                         int *n_kernels);

#endif
