/* The roofline of this machine at the thread counts of a plan, measured in the run whose results
 * are compared with it. */
#ifndef TM_HARNESS_CLI_PLAN_ROOFLINE_H
#define TM_HARNESS_CLI_PLAN_ROOFLINE_H

#include "harness/base/interrupt.h"
#include "harness/machine/roofline.h"
#include "harness/sweep/plan.h"

typedef struct tm_plan_roofline_request {
    const char *command; /* for the warning on stderr if it cannot be measured */
    const tm_machine *machine;
    const tm_plan *plan;
    bool oversubscribe;
    const tm_interrupt *interrupt; /* checked before each thread count; NULL: never */
} tm_plan_roofline_request;

/* Measures nothing and leaves *out empty if the plan starts only fake arms. seconds: per point.
 * Errors: UNSUPPORTED (the arms run on different CPUs), those of tm_roofline_measure. */
tm_status tm_plan_roofline_measure(const tm_plan_roofline_request *request, double seconds,
                                   tm_roofline *out, tm_error *err) TM_MUST_USE;

/* The roofline for the run line of a store, with half a second per point: tm_sweep_options.limits.
 * request: a tm_plan_roofline_request. NULL if nothing was measured. */
tm_json *tm_plan_roofline_of_run(void *request);

#endif
