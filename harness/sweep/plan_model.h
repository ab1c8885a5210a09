/* What a plan needs to know about a model: its config and identity, what "auto" means for it, and
 * what its processes will need. For plan.c. */
#ifndef TM_HARNESS_SWEEP_PLAN_MODEL_H
#define TM_HARNESS_SWEEP_PLAN_MODEL_H

#include "harness/sweep/plan.h"

/* Everything that all cells of a model share. */
typedef struct tm_plan_model {
    const char *name;
    bool is_null;
    int64_t null_ns; /* of the fake engine, per token */
    bool is_known;   /* source and config are set */
    tm_source source;
    tm_config config;
    char identity[256];
    char shape[32]; /* short name of its shape in models.json; "" */
    char skip[480]; /* why no cell of it can start; "" */
} tm_plan_model;

/* A file that is missing or not a model sets `skip`, unless the options need it. Errors: ARG,
 * NOMEM. */
tm_status tm_plan_model_open(const char *name, const tm_plan_options *options, tm_plan_model *out,
                             tm_error *err) TM_MUST_USE;
void tm_plan_model_close(tm_plan_model *model);

/* What "auto" means for a model; for a fake one as for a ternary one. kernel: that of the linear
 * weights if it was named, or NULL. */
tm_status tm_plan_model_families(tm_plan_model *model, const tm_kernel *kernel,
                                 tm_model_families *out, tm_error *err) TM_MUST_USE;

/* Set the memory and the seconds of a process of the arm. */
void tm_plan_predict(const tm_plan_model *model, const tm_kernel *kernel, const tm_kernel *head,
                     const tm_suite *suite, bool energy, int n_cores, tm_arm *arm);
void tm_plan_predict_peer(const tm_plan_model *model, const tm_suite *suite, tm_arm *arm);

#endif
