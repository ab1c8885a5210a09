/* What the machine allows at the numbers of threads of a plan, measured in the run whose figures
 * are held against it. */
#ifndef TM_HARNESS_CLI_PLAN_ROOFLINE_H
#define TM_HARNESS_CLI_PLAN_ROOFLINE_H

#include "harness/machine/roofline.h"
#include "harness/sweep/plan.h"

typedef struct tm_plan_roofline_request {
    const char *command; /* that says on stderr why they could not be measured */
    const tm_machine *env;
    const tm_plan *plan;
    bool oversubscribe;
    int interrupt_fd; /* looked at before each number of threads; -1: never */
} tm_plan_roofline_request;

/* Nothing is measured, and *out is empty, where the plan starts no arm but fake ones.
 * seconds: on each point. Errors: as tm_roofline_measure. */
tm_status tm_plan_roofline_measure(const tm_plan_roofline_request *request, double seconds,
                                   tm_roofline *out, tm_error *err) TM_MUST_USE;

/* The same for the run line, each point half a second: tm_sweep_options.limits, with a
 * tm_plan_roofline_request. NULL where nothing was measured. */
tm_json *tm_plan_roofline_of_run(void *request);

#endif
