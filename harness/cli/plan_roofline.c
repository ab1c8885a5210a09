#include "harness/cli/plan_roofline.h"

#include "harness/measure/backend.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECONDS 0.5 /* per point */

tm_status tm_plan_roofline_measure(const tm_plan_roofline_request *r, double seconds,
                                   tm_roofline *out, tm_error *err)
{
    int counts[TM_ROOFLINE_MAX], n = 0;
    const char *cpus = NULL;
    *out = (tm_roofline){0};
    for (int i = 0; i < r->plan->n_arms; i++) {
        const tm_arm *arm = &r->plan->arms[i];
        if (arm->skip[0] || tm_backend_is_null(arm->cells[0].model)) continue;
        if (cpus && strcmp(cpus, arm->cells[0].cpus) != 0)
            return tm_fail(err, TM_UNSUPPORTED,
                           "cells run on different CPUs, and a roofline is of one choice");
        cpus = arm->cells[0].cpus;
        tm_roofline_add_count(counts, &n, arm->cells[0].threads);
    }
    if (n == 0) return TM_OK;
    tm_roofline_options options = tm_roofline_options_for(r->machine, counts, n);
    options.seconds_each = seconds;
    options.oversubscribe = r->oversubscribe;
    options.interrupt = r->interrupt;
    tm_affinity before;
    tm_status status = tm_cpu_choice_enter(cpus, &before, err);
    if (status == TM_OK) status = tm_roofline_measure(&options, out, err);
    tm_affinity_restore(&before);
    return status;
}

tm_json *tm_plan_roofline_of_run(void *request)
{
    const tm_plan_roofline_request *r = request;
    tm_roofline *roofline = malloc(sizeof *roofline);
    if (!roofline) return NULL;
    tm_error why = {0};
    tm_json *json = NULL;
    tm_status status = tm_plan_roofline_measure(r, SECONDS, roofline, &why);
    if (status != TM_OK && status != TM_INTERRUPTED) /* the sweep notices an interrupt */
        fprintf(stderr, "ternmark %s: cannot measure the roofline: %s\n", r->command, why.message);
    else if (status == TM_OK && roofline->n_read > 0)
        json = tm_roofline_to_json(roofline);
    free(roofline);
    return json;
}
