/* Google Benchmark as a second timer, behind a C interface.
 *
 * Its code is in a plugin, ternmark-gbench.so, that only `kernels --gbench` opens: the program
 * itself needs no C++ library. It is loaded from the program's folder, as after a build, or from
 * ../lib/ternmark, as after an installation.
 *
 * Google Benchmark prints: its reporters write to the chosen stream and to the file its flags name.
 */
#ifndef TM_HARNESS_MEASURE_GBENCH_H
#define TM_HARNESS_MEASURE_GBENCH_H

#include "kernels/base.h"

typedef enum tm_gbench_display { TM_GBENCH_STDOUT, TM_GBENCH_STDERR } tm_gbench_display;

/* What one pass of a benchmark does, for the counters bytes_per_second and items_per_second. */
typedef struct tm_gbench_costs {
    double bytes, items;
} tm_gbench_costs;

typedef struct tm_gbench_rows {
    int n;
    void *arg;
    /* The unique name to register a row under; an empty name leaves the row out. */
    void (*name)(void *arg, int row, char *text, size_t size);
    /* Called each time Google Benchmark starts a row, before its passes. An error skips the row. */
    tm_status (*ready)(void *arg, int row, tm_gbench_costs *costs, tm_error *err);
    void (*pass)(void *arg);
    /* ns of one pass: the median when there are several repetitions. */
    void (*result)(void *arg, int row, double ns);
} tm_gbench_rows;

/* Registers the rows and runs those that the flags select. flags: "--benchmark_filter=..." and so
 * on. Errors: ARG (an unknown flag or value, flags that select no row), IO (a file that cannot be
 * written), UNSUPPORTED (no row has a name), NOMEM. Threads: one call at a time in a process. */
typedef tm_status tm_gbench_run(const tm_gbench_rows *rows, const char *const *flags, int n_flags,
                                tm_gbench_display display, tm_error *err);

/* The plugin exports its tm_gbench_run under this name. */
#define TM_GBENCH_PLUGIN "ternmark-gbench.so"
#define TM_GBENCH_SYMBOL "tm_gbench_plugin_run"

/* Loads the plugin, which stays loaded until the process ends.
 * Errors: UNSUPPORTED (no plugin was found, or it cannot be loaded). */
tm_status tm_gbench_open(tm_gbench_run **run, tm_error *err) TM_MUST_USE;

#endif
