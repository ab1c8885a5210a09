/* The weights of a tensor as numbers, whatever layout stores them: a hash that is equal for equal
 * weights, the number of zeros, and what differs between two models.
 */
#ifndef TM_ENGINE_WEIGHTS_H
#define TM_ENGINE_WEIGHTS_H

#include "engine/source.h"

typedef struct tm_weights {
    int64_t n, n_zero;
    /* Of shape and values: the sum over all weights i of a 64-bit mix of i and the weight's float
     * bits (-0 counts as 0). It names weights and does not protect against an attacker. */
    uint64_t hash;
} tm_weights;

/* Reads one tensor, which the model must have. Errors: those of source->describe, NOMEM. */
tm_status tm_weights_read(tm_source *source, tm_role role, int layer, tm_weights *out,
                          tm_error *err) TM_MUST_USE;

typedef struct tm_weights_difference {
    int64_t n_different;
    double largest; /* of |a - b| */
} tm_weights_difference;

/* Compares a tensor that both models have in the same shape. Errors: as above. */
tm_status tm_weights_compare(tm_source *a, tm_source *b, tm_role role, int layer,
                             tm_weights_difference *out, tm_error *err) TM_MUST_USE;

#endif
