/* What one operation of a pass reads, writes and multiplies, from the model's layouts and shapes.
 */
#ifndef TM_ENGINE_OP_COST_H
#define TM_ENGINE_OP_COST_H

#include "engine/model.h"
#include "engine/stamps.h"

typedef struct tm_op_cost {
    /* What stays in memory from pass to pass: weights and norms read once, cached keys and values
     * read once, new ones written. */
    double memory_bytes;
    double activation_bytes; /* inputs read once and outputs written once; caches may hold them */
    double macs;             /* of matrix products and attention; 0: the operation has none */
    bool is_int8;            /* both factors are int8, else at least one is a float */
} tm_op_cost;

/* The cost of op in one layer (-1: outside the layers), for a pass described by its tokens,
 * position and logits. Except for keys and values, the last layer works only for tokens with
 * logits. f16_kv: elements of the cache are halves. */
tm_op_cost tm_op_cost_of(const tm_model *model, bool f16_kv, tm_op op, int layer,
                         const tm_stamps_pass *pass);

#endif
