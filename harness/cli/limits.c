#include "harness/cli/limits.h"

#include <stdio.h>
#include <stdlib.h>

#include "harness/subject.h"

#define SECONDS 0.5 /* on each point of a run's limits */

tm_status tm_limits_measure(const tm_env *env, const tm_plan *plan, double seconds,
                            bool oversubscribe, tm_roofline *out, tm_error *err)
{
    int counts[TM_ROOFLINE_MAX], n = 0;
    *out = (tm_roofline){0};
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *arm = &plan->arms[i];
        if (arm->skip[0] || tm_subject_is_null(arm->cells[0].model)) continue;
        tm_roofline_add_count(counts, &n, arm->cells[0].threads);
    }
    if (n == 0) return TM_OK;
    tm_roofline_options options = tm_roofline_options_for(env, counts, n);
    options.seconds_each = seconds;
    options.oversubscribe = oversubscribe;
    return tm_roofline_measure(&options, out, err);
}

tm_json *tm_limits_of_run(void *request)
{
    const tm_limits_request *r = request;
    tm_roofline *roofline = malloc(sizeof *roofline);
    if (!roofline) return NULL;
    tm_error why = {0};
    tm_json *json = NULL;
    tm_status status =
        tm_limits_measure(r->env, r->plan, SECONDS, r->oversubscribe, roofline, &why);
    if (status != TM_OK)
        fprintf(stderr, "ternmark %s: the machine's limits were not measured: %s\n", r->command,
                why.message);
    else if (roofline->n_read > 0)
        json = tm_roofline_to_json(roofline);
    free(roofline);
    return json;
}
