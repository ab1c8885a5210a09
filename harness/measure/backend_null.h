/* The scripted fake: see harness/measure/backend.h. */
#ifndef TM_HARNESS_MEASURE_BACKEND_NULL_H
#define TM_HARNESS_MEASURE_BACKEND_NULL_H

#include "harness/measure/backend.h"

/* Errors: ARG (the script is not valid). */
tm_status tm_backend_open_null(const tm_backend_request *request, tm_backend *out,
                               tm_error *err) TM_MUST_USE;
/* Checks the script in the name of a model; *ns: its time per token. Errors: ARG. */
tm_status tm_backend_check_null(const char *model, int64_t *ns_per_token,
                                tm_error *err) TM_MUST_USE;

#endif
