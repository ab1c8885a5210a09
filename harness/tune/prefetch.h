/* How far ahead kernels should ask for the weights they stream (tm_kernel_ahead), by measuring: the
 * fp16 kernel of this machine decodes from memory with each distance in turn. A few tenths of a
 * second, once per machine and build, then remembered.
 *
 * TERNMARK_PREFETCH=BYTES is what the user wants instead; children inherit it, and what was chosen
 * is handed to them the same way, so that all arms of a run stream alike.
 */
#ifndef TM_HARNESS_TUNE_PREFETCH_H
#define TM_HARNESS_TUNE_PREFETCH_H

#include "harness/tune/tuner.h"

#define TM_PREFETCH_VARIABLE  "TERNMARK_PREFETCH"
#define TM_PREFETCH_DISTANCES 5

/* Those that are measured, in bytes, rising. */
extern const int tm_prefetch_distances[TM_PREFETCH_DISTANCES];

typedef struct tm_prefetch {
    int bytes;                                   /* the choice */
    double gb_per_second[TM_PREFETCH_DISTANCES]; /* median, of each distance */
} tm_prefetch;

/* Takes the variable's value, if it is set. Errors: ARG (not a number, or out of range). */
tm_status tm_prefetch_from_environment(tm_error *err) TM_MUST_USE;

/* Errors: UNSUPPORTED, NOMEM (too little memory to leave the caches). */
tm_status tm_prefetch_measure(const tm_machine *env, tm_prefetch *out, tm_error *err) TM_MUST_USE;

/* Sets tm_kernel_ahead and the variable for children, and notes both in env->environment:
 * "prefetch_bytes" and how they were chosen. Where nothing can be measured the value stays as it is,
 * and the record says why. */
void tm_prefetch_choose(const tm_tuner *choice);

#endif
