/* tq1_0 in plain C: five trits of a byte times int8 by blocks of 256. */
#include "kernels/blocks/blocks_scalar.h"

static int32_t dot(const uint8_t *block, const int8_t *q)
{
    int8_t codes[TM_K_WEIGHTS];
    int32_t sum = 0; /* at most 2 x 127 x 256 */
    tm_tq1_0_codes(block, codes);
    for (int i = 0; i < TM_K_WEIGHTS; i++) sum += codes[i] * q[i];
    return sum;
}

TM_BLOCK_KERNEL_SCALAR(tq1_0, q8k, TM_K_WEIGHTS, TM_TQ1_0_BYTES, TM_TQ1_0_SCALE, TM_K_TOLERANCE,
                       "llama.cpp TQ1_0 x Q8_K")
