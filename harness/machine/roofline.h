/* The measured roofline of this machine: read bandwidth by threads and size, and the rates of int8
 * and float multiply-accumulates, with the loops of kernels/peak/peak.h.
 *
 * A point is the best of several trials, not their mean: it says what the machine can do. Results
 * are reported as fractions of it.
 */
#ifndef TM_HARNESS_MACHINE_ROOFLINE_H
#define TM_HARNESS_MACHINE_ROOFLINE_H

#include "harness/base/interrupt.h"
#include "harness/base/json.h"
#include "harness/machine/machine.h"

#define TM_ROOFLINE_MAX 64

typedef struct tm_roofline_point {
    int threads;
    size_t bytes; /* memory read by all threads together; 0 for arithmetic */
    /* All last-level caches that the threads can use, if the region should lie beyond them. */
    size_t caches_bytes;
    double value; /* best trial: 10^9 bytes/s, 10^9 multiply-accumulates/s, ns, or GHz */
    double median;
    int n_trials;
    const char *method; /* the loop or instruction of the best trial */
} tm_roofline_point;

typedef struct tm_roofline {
    tm_roofline_point read[TM_ROOFLINE_MAX];    /* from memory beyond every cache, by threads */
    tm_roofline_point by_size[TM_ROOFLINE_MAX]; /* with the most threads, by size */
    tm_roofline_point int8[TM_ROOFLINE_MAX]; /* exact sums: in int32, or int16 on AVX2 and NEON */
    tm_roofline_point fp32[TM_ROOFLINE_MAX];
    tm_roofline_point barrier[TM_ROOFLINE_MAX]; /* ns per barrier; none for one thread */
    tm_roofline_point clock[TM_ROOFLINE_MAX];   /* GHz: dependent additions, one per cycle */
    int n_read, n_by_size, n_int8, n_fp32, n_barrier, n_clock;
} tm_roofline;

typedef struct tm_roofline_options {
    const int *threads; /* counts to measure, ascending */
    int n_threads;
    size_t cache_bytes;     /* of one cache of the last level */
    int n_caches;           /* of the last level, of the whole machine; 0 and 1: one */
    size_t available_bytes; /* never use more than half of it */
    double seconds_each;    /* time spent on one point */
    bool sizes;             /* also sweep over sizes */
    bool no_arithmetic;     /* read bandwidth only: no peaks, no barriers, no clock */
    bool oversubscribe;
    const tm_interrupt *interrupt; /* checked before each thread count; NULL: never */
} tm_roofline_options;

/* Inserts a thread count into counts [TM_ROOFLINE_MAX], in ascending order. Does nothing if the
 * count is there already or the array is full. */
void tm_roofline_add_count(int *counts, int *n, int threads);

/* Options for a machine: its last-level caches (one of 32 MiB if unknown) and its memory. `threads`
 * is borrowed. */
tm_roofline_options tm_roofline_options_for(const tm_machine *machine, const int *threads,
                                            int n_threads);

/* Bytes of all last-level caches that so many threads can use together. On a machine with several
 * of them each thread may have one of its own. */
size_t tm_roofline_caches(const tm_roofline_options *options, int threads);
/* Bytes of the region that so many threads read: 8 times these caches, at least 512 MiB. Above 2
 * GiB twice the caches are enough. At most half of the available memory. */
size_t tm_roofline_region(const tm_roofline_options *options, int threads);

/* Run nothing else meanwhile. Errors: ARG, NOMEM, INTERRUPTED, those of tm_pool_open. */
tm_status tm_roofline_measure(const tm_roofline_options *options, tm_roofline *out,
                              tm_error *err) TM_MUST_USE;

/* read_gb_per_second, int8_gmac_per_second, fp32_gmac_per_second, barrier_ns, clock_ghz: arrays of
 * {threads, value, ...}. */
tm_json *tm_roofline_to_json(const tm_roofline *roofline);

#endif
