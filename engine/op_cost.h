/* What one operation of a pass moves and multiplies, from the model's layouts and shapes alone. */
#ifndef TM_ENGINE_OP_COST_H
#define TM_ENGINE_OP_COST_H

#include "engine/stamps.h"
#include "engine/model.h"

typedef struct tm_op_cost {
    double memory_bytes;     /* what lies in memory from pass to pass: weights and norms read once,
                                cached keys and values read once, new ones written */
    double activation_bytes; /* inputs read once and outputs written once; caches may hold them */
    double macs;             /* of matrix products and attention; 0: the operation has none */
    bool is_int8;            /* both factors of these are int8, else at least one is a float */
} tm_op_cost;

/* One layer's (-1: outside the layers), of a pass described by its tokens, position and logits. The
 * last layer works for the tokens with logits only, but for its keys and values. f16_kv: the cache's
 * element is a half. */
tm_op_cost tm_op_cost_of(const tm_model *model, bool f16_kv, tm_op op, int layer,
                         const tm_stamps_pass *pass);

#endif
