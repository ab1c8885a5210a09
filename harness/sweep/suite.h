/* A suite: the axes of a sweep and how often to run it, from JSON or from command-line lists.
 * README.md of this room lists the keys.
 *
 *   { "name": "quick", "description": "...",
 *     "axes": { "model": ["synth:125M"], "kernel": ["f16", "auto"], "threads": [1, "all"],
 *               "head_kernel": ["auto", "q6_k"], "threads_batch": ["all"],
 *               "cpus": ["performance", "0-3,8"],   (these three are optional)
 *               "test": ["pp64", "tg16", "pp512+tg128", "tg32@d512"] },
 *     "exclude": [ { "model": "synth:125M", "test": "pp64" } ],
 *     "baseline": { "kernel": "f16" },
 *     "processes": 3, "repetitions": 3, "warmup": 1, "time_budget_seconds": 60, "min_pairs": 4,
 *     "counters": "memory", "profile": true,
 *     "energy": { "source": "auto", "seconds": 10, "idle_seconds": 10 } }   or "energy": "auto"
 */
#ifndef TM_HARNESS_SWEEP_SUITE_H
#define TM_HARNESS_SWEEP_SUITE_H

#include "harness/base/json.h"
#include "harness/probe/energy_source.h"
#include "harness/record/cell.h"
#include "harness/record/cell_test.h"

#define TM_SUITE_CPUS_MAX 8 /* values of the axis "cpus" */

/* Excludes every cell that equals all the fields that are set. A test may end in a star, which
 * matches any end of its name. */
typedef struct tm_exclude {
    /* "": any; kernel: as on the axis, or resolved */
    char model[TM_MODEL_NAME_SIZE], kernel[48], test[48];
    int threads; /* -1: any; TM_THREADS_ALL: all */
} tm_exclude;

typedef struct tm_suite {
    char name[64];
    char description[240];
    char models[TM_SUITE_MAX][TM_MODEL_NAME_SIZE];
    int n_models;
    char kernels[TM_SUITE_MAX][48]; /* "auto", a family ("f16", "ternary") or a kernel's name */
    int n_kernels;
    char head_kernels[TM_SUITE_MAX][48]; /* of the output head; none: the model's own */
    int n_head_kernels;
    int threads[TM_SUITE_MAX]; /* TM_THREADS_ALL or a number */
    int n_threads;
    /* For tests without generation; none: the same. */
    int threads_batch[TM_SUITE_MAX];
    int n_threads_batch;
    char cpus[TM_SUITE_CPUS_MAX][TM_CPU_CHOICE_SIZE]; /* see cpu_choice.h; none: all */
    int n_cpus;
    tm_test tests[TM_SUITE_MAX];
    int n_tests;
    tm_exclude excludes[TM_SUITE_MAX];
    int n_excludes;
    char baseline[48];          /* kernel that the others are paired with; "": no pairs */
    int processes;              /* fresh processes of each cell, or of each pair */
    int repetitions, warmup;    /* inside a process */
    double time_budget_seconds; /* 0: none */
    double precision;   /* of a ratio, as a fraction: pairs end when it is as narrow; 0: none */
    int min_pairs;      /* with a budget: a model starts only if so many pairs fit; 0: no minimum */
    char counters[128]; /* a counter group, by name or file; "": none */
    bool profile;       /* each process also profiles its tests */
    tm_energy_source_options energy;
} tm_suite;

/* No axes, no baseline; 1 process, 5 repetitions, 1 warm-up, no profile, no energy. */
void tm_suite_init(tm_suite *suite);

/* A built-in suite by name, or a file. Errors: ARG (neither; the nearest name), IO, FORMAT (line,
 * key, what is wrong; for an unknown key the nearest one), NOMEM. An empty axis is an error. */
tm_status tm_suite_read(const char *name_or_path, tm_suite *out, tm_error *err) TM_MUST_USE;
tm_status tm_suite_parse(const char *text, size_t length, const char *what, tm_suite *out,
                         tm_error *err) TM_MUST_USE;
/* The suite as JSON, with every default written out. NULL if memory ran out. */
tm_json *tm_suite_to_json(const tm_suite *suite);
/* Errors: ARG if an axis is empty. */
tm_status tm_suite_check(const tm_suite *suite, tm_error *err) TM_MUST_USE;

/* These add comma lists, as options give them. A value that is there already is not added again.
 * Errors: ARG with the wrong part. */
tm_status tm_suite_add_models(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
tm_status tm_suite_add_kernels(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
tm_status tm_suite_add_head_kernels(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
/* "1,2,4", "all", and ranges as in llama-bench: "1-4", "2-8+2", "1-16*2". */
tm_status tm_suite_add_threads(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
tm_status tm_suite_add_threads_batch(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
/* One value: "all", "performance", "efficiency", or CPU numbers as "0-3,8". */
tm_status tm_suite_add_cpus(tm_suite *suite, const char *value, tm_error *err) TM_MUST_USE;
/* A comma list of kinds of cores: performance, efficiency, all. */
tm_status tm_suite_add_cores(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
/* "pp64,tg16,pp512+tg128,tg32@d512,tg32@b8". */
tm_status tm_suite_add_tests(tm_suite *suite, const char *list, tm_error *err) TM_MUST_USE;
/* llama-bench's -p, -n, -pg and -d, and the numbers of sequences decoded together (NULL: not
 * given): a pp for every value of `prompts`, a tg for every value of `generated`, a pg for every
 * "P,N" pair of `both` (pairs separated by ';'), each at every depth, and a tg also with every
 * number of sequences. Values are as in tm_suite_add_threads, without "all"; 0 means none. */
tm_status tm_suite_add_lengths(tm_suite *suite, const char *prompts, const char *generated,
                               const char *both, const char *depths, const char *sequences,
                               tm_error *err) TM_MUST_USE;

/* A counter group by name or file; "": none. Errors: those of reading it, ARG (too long). */
tm_status tm_suite_set_counters(tm_suite *suite, const char *group, tm_error *err) TM_MUST_USE;

/* "pp512", "tg128", "pp512+tg128", each optionally followed by "@d1024"; "tg128@d1024@b8" decodes 8
 * sequences together. Errors: ARG. */
tm_status tm_test_parse(const char *text, tm_test *out, tm_error *err) TM_MUST_USE;
/* Names of the built-in suites; the list ends with NULL. */
const char *const *tm_suite_names(void);

#endif
