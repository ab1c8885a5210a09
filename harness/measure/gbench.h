/* Google Benchmark behind a C interface, so that no other file knows of it or of C++.
 *
 * It prints: its reporters write to the stream asked for, and to the file its flags name. Where the
 * build left it out (GBENCH=no, cross builds) tm_gbench_run answers UNSUPPORTED with that reason.
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
    /* The name to register a row by, which no two share; an empty one leaves the row out. */
    void (*name)(void *arg, int row, char *text, size_t size);
    /* Before the passes of a row, as often as Google Benchmark starts it. An error skips the row. */
    tm_status (*ready)(void *arg, int row, tm_gbench_costs *costs, tm_error *err);
    void (*pass)(void *arg);
    /* ns of one pass: the median of the repetitions where there are several. */
    void (*result)(void *arg, int row, double ns);
} tm_gbench_rows;

/* True when this build has it. */
bool tm_gbench_built(void);

/* Registers the rows and runs those that its flags choose. flags: "--benchmark_filter=..." and so on.
 * Errors: ARG (a flag or value it does not know, flags that choose no row), IO (a file that
 * cannot be written), UNSUPPORTED (not built, no row has a name), NOMEM.
 * Threads: once at a time in a process. */
tm_status tm_gbench_run(const tm_gbench_rows *rows, const char *const *flags, int n_flags,
                        tm_gbench_display display, tm_error *err) TM_MUST_USE;

#endif
