/* q4_0 in plain C: 4-bit codes times int8 by blocks of 32. */
#include "kernels/blocks/blocks_scalar.h"

static int32_t dot(const uint8_t *block, const int8_t *q)
{
    int32_t sum = 0;
    for (int j = 0; j < TM_Q_WEIGHTS / 2; j++) {
        int byte = block[2 + j];
        sum += ((byte & 15) - 8) * q[j] + ((byte >> 4) - 8) * q[j + 16];
    }
    return sum;
}

TM_BLOCK_KERNEL_SCALAR(q4_0, q80, TM_Q_WEIGHTS, TM_Q4_0_BYTES, 0, TM_Q_TOLERANCE,
                       "llama.cpp Q4_0 x Q8_0")
