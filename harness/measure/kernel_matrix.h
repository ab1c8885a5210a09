/* The rows of the kernel benchmark: every kernel on every shape of a model for some numbers of
 * tokens, in cache and from memory. Each is checked against the reference on that shape before it
 * is timed.
 */
#ifndef TM_HARNESS_MEASURE_KERNEL_MATRIX_H
#define TM_HARNESS_MEASURE_KERNEL_MATRIX_H

#include "engine/source.h"
#include "harness/base/json.h"
#include "harness/measure/gbench.h"
#include "harness/measure/kernel_timer.h"

typedef struct tm_kernel_matrix_row {
    const tm_kernel *kernel;
    char model[64];   /* its name on the command line */
    char used_by[64]; /* "q,o": the matrices of this shape */
    int n_rows, n_cols, n_tokens;
    bool cold; /* from memory, else in cache */

    /* The result of running it. */
    bool done;
    tm_status status; /* not OK: not timed; see reason */
    char reason[480];
    int n_rows_checked; /* with all columns and tokens; 0: not checked */
    tm_kernel_times times;
    double bytes, macs;  /* of the rows of one pass */
    double weight_bytes; /* of everything that passes walk through */
    double gbench_ns;    /* of one pass by Google Benchmark; NaN: not timed */
    double again_ns;     /* by our timer, after Google Benchmark; NaN: not timed */
} tm_kernel_matrix_row;

typedef struct tm_kernel_matrix {
    tm_kernel_matrix_row *items;
    int n;
} tm_kernel_matrix;

/* Appends model x shapes x kernels x tokens x places: linear shapes for all kernels, the shape of
 * the output head for kernels that are not ternary. Errors: NOMEM. */
tm_status tm_kernel_matrix_add(tm_kernel_matrix *rows, const char *model, const tm_config *config,
                               const tm_kernel *const *kernels, int n_kernels, const int *tokens,
                               int n_tokens, bool warm, bool cold, tm_error *err) TM_MUST_USE;
void tm_kernel_matrix_free(tm_kernel_matrix *rows);
/* Estimated seconds for running them: checks, packing, timing. */
double tm_kernel_matrix_estimate(const tm_kernel_matrix *rows,
                                 const tm_kernel_timer_options *options);

/* Keeps weights as long as the next rows need the same, and all checks. */
typedef struct tm_kernel_runner tm_kernel_runner;
/* options, rows: borrowed. Errors: NOMEM. */
tm_status tm_kernel_runner_open(const tm_kernel_timer_options *options, tm_kernel_matrix *rows,
                                tm_kernel_runner **out, tm_error *err) TM_MUST_USE;
void tm_kernel_runner_close(tm_kernel_runner *runner);
/* Makes a row ready to run. The first time it also checks and times the row, and stores the outcome
 * in it. Errors: those of the row: UNSUPPORTED, CHECK, NOMEM. */
tm_status tm_kernel_runner_ready(tm_kernel_runner *runner, int row, tm_error *err) TM_MUST_USE;

/* Times each row also with Google Benchmark (`gbench`), between two timings of our own.
 * flags, display, errors: as tm_gbench_run. */
tm_status tm_kernel_runner_gbench(tm_kernel_runner *runner, tm_gbench_run *gbench,
                                  const char *const *flags, int n_flags, tm_gbench_display display,
                                  tm_error *err) TM_MUST_USE;

/* Estimated time of the whole matrix with prepare, from the times of a pass; NaN if not timed. */
double tm_kernel_matrix_row_matrix_ns(const tm_kernel_matrix_row *row);
/* gbench_ns divided by the mean of ns and again_ns, in which a steady drift of the machine cancels;
 * NaN if one is missing. The timers agree if it is within TM_TIMERS_LIMIT of 1. */
double tm_kernel_matrix_row_timer_ratio(const tm_kernel_matrix_row *row);
bool tm_kernel_matrix_row_timers_agree(const tm_kernel_matrix_row *row);
#define TM_TIMERS_LIMIT 0.03

/* One object; a missing value is null with its reason. */
tm_json *tm_kernel_matrix_row_to_json(const tm_kernel_matrix_row *row);

#endif
