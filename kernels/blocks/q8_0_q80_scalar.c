/* q8_0 in plain C: int8 times int8 by blocks of 32. */
#include "kernels/blocks/blocks_scalar.h"

static int32_t dot(const uint8_t *block, const int8_t *q)
{
    const int8_t *codes = (const int8_t *)block + 2;
    int32_t sum = 0;
    for (int i = 0; i < TM_Q_WEIGHTS; i++) sum += codes[i] * q[i];
    return sum;
}

TM_BLOCK_KERNEL_SCALAR(q8_0, q80, TM_Q_WEIGHTS, TM_Q8_0_BYTES, 0, TM_Q_TOLERANCE,
                       "llama.cpp Q8_0 x Q8_0")
