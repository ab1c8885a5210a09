/* Every kernel a model uses against the reference, on the shapes it meets there. */
#ifndef TM_HARNESS_MEASURE_MODEL_CHECK_H
#define TM_HARNESS_MEASURE_MODEL_CHECK_H

#include "engine/model.h"

/* One token and several, each kernel and shape once; large shapes on as many of their rows as a
 * second allows. Errors: CHECK, UNSUPPORTED, NOMEM. Threads: one check at a time in a process. */
tm_status tm_model_check(const tm_model *model, uint64_t seed, tm_error *err) TM_MUST_USE;

#endif
