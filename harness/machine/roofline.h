/* What this machine allows, measured: read bandwidth by threads and size, and the rates of int8 and
 * float multiply-accumulates, with the loops of kernels/peak/peak.h.
 *
 * A limit is the best of several trials, not their mean: it says what the machine can do, and
 * fractions of it are what figures are held against.
 */
#ifndef TM_HARNESS_MACHINE_ROOFLINE_H
#define TM_HARNESS_MACHINE_ROOFLINE_H

#include "harness/machine/machine.h"
#include "harness/base/json.h"

#define TM_ROOFLINE_MAX 64

typedef struct tm_roofline_point {
    int threads;
    size_t bytes; /* memory read by all threads together; 0 for arithmetic */
    double
        value; /* GB/s (10^9 bytes), 10^9 multiply-accumulates per second or ns: the best trial */
    double median; /* over the trials */
    int n_trials;
    const char *method; /* the loop or instruction that reached it */
} tm_roofline_point;

typedef struct tm_roofline {
    tm_roofline_point read[TM_ROOFLINE_MAX];    /* from memory beyond every cache, by threads */
    tm_roofline_point by_size[TM_ROOFLINE_MAX]; /* all threads asked for, by size */
    tm_roofline_point int8[TM_ROOFLINE_MAX]; /* sums exact in int32 or, on AVX2 and NEON, int16 */
    tm_roofline_point fp32[TM_ROOFLINE_MAX];
    tm_roofline_point barrier[TM_ROOFLINE_MAX]; /* ns until all threads have met: the shortest; none
                                                   for one thread */
    int n_read, n_by_size, n_int8, n_fp32, n_barrier;
} tm_roofline;

typedef struct tm_roofline_options {
    const int *threads; /* counts to measure, ascending */
    int n_threads;
    size_t cache_bytes;     /* of the last level; the DRAM region is at least 8 times as large */
    size_t available_bytes; /* never use more than half of it */
    double seconds_each;    /* time spent on one point */
    bool sizes;             /* also the sweep over sizes */
    bool no_arithmetic;     /* only reading: no peaks, no barriers */
    bool oversubscribe;
    bool (*is_interrupted)(void *arg); /* asked before each number of threads; NULL: never */
    void *interrupt_arg;
} tm_roofline_options;

/* Puts a thread count into counts [TM_ROOFLINE_MAX], ascending; one that is there already, or that finds
 * no room, changes nothing. */
void tm_roofline_add_count(int *counts, int *n, int threads);

/* Options for a machine: regions far beyond its largest cache (32 MiB where it names none) and within
 * its memory. `threads` is borrowed. */
tm_roofline_options tm_roofline_options_for(const tm_machine *machine, const int *threads,
                                            int n_threads);

/* Errors: ARG, NOMEM, INTERRUPTED, those of tm_pool_open. Nothing else should run meanwhile. */
tm_status tm_roofline_measure(const tm_roofline_options *options, tm_roofline *out,
                              tm_error *err) TM_MUST_USE;

/* read_gb_per_second, int8_gmac_per_second, fp32_gmac_per_second, barrier_ns: arrays of {threads,
 * value, ...}. */
tm_json *tm_roofline_to_json(const tm_roofline *roofline);

#endif
