/* Times one kernel on one thread: random weights in its layout, random activations.
 *
 * A job runs passes: a pass is one call of the kernel's `rows` on a range of rows. In cache, the
 * matrix has as many rows as fit near_bytes, and every pass reads the same weights. From memory,
 * passes walk through copies of the matrix that together exceed the last-level cache several times.
 * Results are not checked here: harness/measure/kernel_matrix.h does that before it times anything.
 */
#ifndef TM_HARNESS_MEASURE_KERNEL_TIMER_H
#define TM_HARNESS_MEASURE_KERNEL_TIMER_H

#include "harness/machine/machine.h"
#include "kernels/kernel.h"

typedef struct tm_kernel_timer_options {
    size_t near_bytes;       /* most weights timed in cache: half of the second level */
    size_t far_bytes;        /* least weights timed from memory, in all copies together */
    size_t last_cache_bytes; /* far_bytes must be at least twice this */
    double seconds;          /* of timing for one row of results, without the warm-up */
    int check_rows;          /* most rows of a check */
    uint64_t seed;
    int64_t (*now_ns)(void *clock); /* NULL: tm_now_ns */
    void *clock;
} tm_kernel_timer_options;

/* Options for a machine: 32 MiB of last-level cache if it is unknown; at most a quarter of the
 * available memory. */
tm_kernel_timer_options tm_kernel_timer_options_for(const tm_machine *machine);

/* Copies of one random matrix in a layout. */
typedef struct tm_kernel_weights {
    const tm_format *format;
    int n_rows, n_cols; /* the rows of the shape, or those that fit */
    int n_copies;
    size_t copy_bytes;
    float scale;
    tm_pages pages; /* [n_copies][copy_bytes] */
} tm_kernel_weights;

/* n_rows, n_cols: of the shape. cold: from memory, else in cache. Errors: NOMEM; UNSUPPORTED if
 * cold and the copies cannot exceed the last-level cache. */
tm_status tm_kernel_weights_open(const tm_format *format, int n_rows, int n_cols, bool cold,
                                 const tm_kernel_timer_options *options, tm_kernel_weights *out,
                                 tm_error *err) TM_MUST_USE;
void tm_kernel_weights_close(tm_kernel_weights *weights);

/* A kernel ready to run on weights, which must outlive it. Threads: one at a time. */
typedef struct tm_kernel_job {
    const tm_kernel *kernel;
    const tm_kernel_weights *weights; /* borrowed */
    tm_act x;
    void *scratch;
    float *y;        /* [n_tokens][n_rows] */
    int n_rows_pass; /* rows of one pass: all, or fewer once timing finds that too long */
    int next_copy, next_row;
    void *memory[5]; /* owns what x, scratch and y point to */
} tm_kernel_job;

/* Prepares the scratch too. Errors: NOMEM. */
tm_status tm_kernel_job_open(const tm_kernel *kernel, const tm_kernel_weights *weights,
                             int n_tokens, uint64_t seed, tm_kernel_job *out,
                             tm_error *err) TM_MUST_USE;
void tm_kernel_job_close(tm_kernel_job *job);
void tm_kernel_job_prepare(tm_kernel_job *job);
void tm_kernel_job_pass(tm_kernel_job *job);
double tm_kernel_job_pass_bytes(const tm_kernel_job *job); /* of weights, padding included */
double tm_kernel_job_pass_macs(const tm_kernel_job *job);

/* Times of one job, ns of one pass. */
typedef struct tm_kernel_times {
    double ns;              /* median over the samples */
    double low_ns, high_ns; /* quartiles */
    double prepare_ns;      /* of one prepare, median; NaN: the kernel has none */
    int n_samples;
    int64_t n_passes; /* of one sample */
    int n_rows;       /* of one pass */
} tm_kernel_times;

/* A sample lasts at least 20 ms or 2^20 passes; the first one is dropped. Errors: UNSUPPORTED if
 * the clock does not advance. */
tm_status tm_kernel_job_time(tm_kernel_job *job, const tm_kernel_timer_options *options,
                             tm_kernel_times *out, tm_error *err) TM_MUST_USE;
/* The median of as many samples as gave *times, to detect that the machine has changed since. */
double tm_kernel_job_time_again(tm_kernel_job *job, const tm_kernel_timer_options *options,
                                const tm_kernel_times *times);

#endif
