/* How `ternmark profile` measures: one worker process per arm of a plan, as `run --profile` does,
 * with whole profiles and traces. */
#ifndef TM_HARNESS_CLI_PROFILE_RUN_H
#define TM_HARNESS_CLI_PROFILE_RUN_H

#include "harness/base/interrupt.h"
#include "harness/cli/profile_output.h"
#include "harness/machine/roofline.h"
#include "harness/measure/profile_trace.h"
#include "harness/sweep/plan.h"

typedef struct tm_profile_run {
    const tm_suite *suite; /* for its counters */
    const tm_plan *plan;
    const tm_roofline *roofline; /* empty: no limits were measured */
    uint64_t seed;
    int n_pairs;
    bool fastest, quiet, oversubscribe;
    const tm_interrupt *interrupt; /* NULL: never */
    tm_profile_trace *trace;
    FILE *folded; /* NULL: none; trace->file is NULL when there is no trace */

    /* The outcome. */
    tm_profiled *items; /* [n_items]; free with tm_profile_run_free */
    int n_items, n_failed;
} tm_profile_run;

/* Adds an item per profiled cell, to the trace and the folded stacks as well. Prints each cell's
 * label (unless quiet) and every skipped or failed cell on stderr. Errors: INTERRUPTED (the items
 * so far stay), IO (the trace), NOMEM. */
tm_status tm_profile_run_arms(tm_profile_run *run, tm_error *err) TM_MUST_USE;
void tm_profile_run_free(tm_profile_run *run);

#endif
