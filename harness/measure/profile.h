/* Where the time of a test goes, by operation, layer and thread, with the bytes and products of
 * each operation and the overhead of profiling.
 *
 * The test runs in pairs, with and without time stamps, interleaved (AB BA ...); the ratio of a
 * pair is the overhead. One run with stamps is shown, the one of median time, so that its parts add
 * up to the elapsed time of that run.
 */
#ifndef TM_HARNESS_MEASURE_PROFILE_H
#define TM_HARNESS_MEASURE_PROFILE_H

#include "harness/measure/bench.h"
#include "harness/record/record_profile.h"
#include "harness/stats/stats.h"

/* One operation of one layer, over all passes of the region. */
typedef struct tm_profile_op {
    tm_profile_part part; /* tm_profile_read leaves best_ns 0 */
    double longest_ns;    /* the work of the thread that worked longest */
    int64_t n_pieces;     /* pieces of work, over all threads */
} tm_profile_op;

/* One thread: three parts that add up to the region. */
typedef struct tm_profile_thread {
    double busy_ns; /* in operations */
    double wait_ns; /* at barriers, including the one that ends a pass */
    double idle_ns; /* waking up, and between passes; with one thread also the end of a pass */
    int64_t n_waits;
} tm_profile_thread;

typedef struct tm_profile {
    int n_layers, n_threads, n_tokens;
    int n_passes;               /* of the region */
    double region_ns;           /* from the start of its first pass to the end of its last */
    tm_profile_op *ops;         /* [n_layers + 1][TM_OP_COUNT]; row 0: outside the layers; owned */
    tm_profile_thread *threads; /* [n_threads]; owned */

    int n_pairs;
    double fastest_ratio;     /* the fastest run with stamps over the fastest one without */
    tm_interval overhead;     /* time with stamps over time without, from the pairs */
    double stamp_ns;          /* one stamp, by itself in a loop */
    double stamps_per_thread; /* in the region, mean over threads */
    char clock[24];           /* the clock that stamps are read from */
    int64_t elapsed_ns;       /* of the run that is shown, by the harness's clock */
    tm_interval plain_ns;     /* geometric mean of the runs without stamps */
    tm_record record;         /* of the last run without stamps: marks and counters; owned */
    /* [n_pairs] of the runs with and without stamps; owned */
    double *with_ns, *without_ns;
} tm_profile;

#define TM_PROFILE_ALL (-2)
/* The sum over one operation or TM_PROFILE_ALL, in one layer (-1: outside the layers) or
 * TM_PROFILE_ALL. */
tm_profile_sum tm_profile_sum_of(const tm_profile *profile, const tm_profile_limits *limits,
                                 int layer, int op);
/* The idle time of a thread, mean over threads. */
double tm_profile_idle_ns(const tm_profile *profile);
/* The profile as a store keeps it, without operations that took no time. Errors: NOMEM. */
tm_status tm_profile_to_table(const tm_profile *profile, tm_record_profile *out,
                              tm_error *err) TM_MUST_USE;

/* Gets the stamps of the last run, for writers of traces. They are valid during the call.
 * first_pass: the first of the region; the passes before it filled the cache. */
typedef void tm_profile_see(void *arg, const tm_stamps *stamps, int first_pass,
                            double ticks_per_ns);

typedef struct tm_profile_options {
    int n_pairs;         /* at least 1 */
    bool fastest;        /* show the fastest run with stamps instead of the median one */
    tm_profile_see *see; /* for the last run with stamps; or NULL */
    void *see_arg;
    int64_t available_bytes; /* memory for the stamps; 0 or negative: unknown */
} tm_profile_options;

/* Runs of the test: the pairs, and a warm-up with and without stamps. */
#define TM_PROFILE_RUNS(n_pairs) (2 + 2 * (n_pairs))
#define TM_PROFILE_PAIRS_MAX     1000

/* Runs the test TM_PROFILE_RUNS(n_pairs) times. Errors: ARG (the fake engine; a region without a
 * pass), NOMEM, those of eval, CHECK (stamps were lost). */
tm_status tm_profile_measure(tm_bench *bench, const tm_test *test,
                             const tm_profile_options *options, tm_profile *out,
                             tm_error *err) TM_MUST_USE;
void tm_profile_free(tm_profile *profile);
/* Sets overhead, fastest_ratio and plain_ns from with_ns and without_ns. */
void tm_profile_compare(tm_profile *profile);

/* The whole profile, as a worker sends it. Errors of reading: FORMAT (the key), NOMEM. */
tm_json *tm_profile_transfer_to_json(const tm_profile *profile);
tm_status tm_profile_transfer_from_json(const tm_json *json, tm_profile *out,
                                        tm_error *err) TM_MUST_USE;

/* Only the sums, over the passes from first_pass on. model NULL: no costs. Members of *out that do
 * not follow from stamps stay 0. Errors: NOMEM, ARG (no pass), CHECK (stamps were lost). */
tm_status tm_profile_read(const tm_stamps *stamps, int first_pass, double ticks_per_ns,
                          int n_layers, const tm_model *model, bool f16_kv, tm_profile *out,
                          tm_error *err) TM_MUST_USE;

#endif
