/* Compares every kernel that a model uses with the reference, on the shapes of that model. */
#ifndef TM_HARNESS_MEASURE_MODEL_CHECK_H
#define TM_HARNESS_MEASURE_MODEL_CHECK_H

#include "engine/model.h"

/* Checks each pair of kernel and shape once, for one token and for several; of large shapes only as
 * many rows as take less than a second. Errors: CHECK, UNSUPPORTED, NOMEM. Threads: one check at a
 * time in a process. */
tm_status tm_model_check(const tm_model *model, uint64_t seed, tm_error *err) TM_MUST_USE;

#endif
