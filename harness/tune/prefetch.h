/* How far ahead kernels prefetch the weights they stream (tm_kernel_ahead), by measuring: the fp16
 * kernel of this machine decodes from memory with each distance in turn. It takes a few tenths of a
 * second, once per machine and build; the result is cached.
 *
 * TERNMARK_PREFETCH=BYTES overrides it. Children inherit the variable, and the chosen distance is
 * passed on the same way, so that all arms of a run stream alike.
 */
#ifndef TM_HARNESS_TUNE_PREFETCH_H
#define TM_HARNESS_TUNE_PREFETCH_H

#include "harness/tune/tuner.h"

#define TM_PREFETCH_VARIABLE  "TERNMARK_PREFETCH"
#define TM_PREFETCH_DISTANCES 5

/* The distances that are measured, in bytes, rising. */
extern const int tm_prefetch_distances[TM_PREFETCH_DISTANCES];

typedef struct tm_prefetch {
    int bytes;                                   /* the fastest */
    double gb_per_second[TM_PREFETCH_DISTANCES]; /* median of each distance */
} tm_prefetch;

/* Applies the variable if it is set. Errors: ARG (not a number, or out of range). */
tm_status tm_prefetch_from_environment(tm_error *err) TM_MUST_USE;

/* Errors: UNSUPPORTED, NOMEM (too little memory to exceed the caches). */
tm_status tm_prefetch_measure(const tm_machine *machine, tm_prefetch *out,
                              tm_error *err) TM_MUST_USE;

typedef struct tm_prefetch_choice {
    int bytes;
    char how[640]; /* one sentence: measured, cached, requested, or why not measured */
} tm_prefetch_choice;

/* Sets tm_kernel_ahead, and the variable for children. If the distance cannot be measured, it keeps
 * its value and `how` says why. */
void tm_prefetch_choose(const tm_tuner *tuner, tm_prefetch_choice *out);

#endif
