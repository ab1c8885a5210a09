/* The scripted fake: see harness/measure/subject.h. */
#ifndef TM_HARNESS_MEASURE_SUBJECT_NULL_H
#define TM_HARNESS_MEASURE_SUBJECT_NULL_H

#include "harness/measure/subject.h"

/* Errors: ARG for a script that cannot be read. */
tm_status tm_subject_open_null(const tm_subject_request *request, tm_subject *out,
                               tm_error *err) TM_MUST_USE;
/* Whether the script in a model's name can be read; its time per token. */
tm_status tm_subject_check_null(const char *model, int64_t *ns_per_token,
                                tm_error *err) TM_MUST_USE;

#endif
