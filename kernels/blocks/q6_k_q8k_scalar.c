/* q6_k in plain C: 6-bit codes and their int8 scales times int8 by blocks of 256. */
#include "kernels/blocks/blocks_scalar.h"

static int32_t dot(const uint8_t *block, const int8_t *q)
{
    int8_t codes[TM_K_WEIGHTS];
    const int8_t *scales = (const int8_t *)block + 192;
    int32_t sum = 0; /* at most 128 x 32 x 127 x 256 = 2^27 */
    tm_q6_k_codes(block, codes);
    for (int g = 0; g < 16; g++) {
        int32_t group = 0;
        for (int i = 16 * g; i < 16 * g + 16; i++) group += codes[i] * q[i];
        sum += scales[g] * group;
    }
    return sum;
}

TM_BLOCK_KERNEL_SCALAR(q6_k, q8k, TM_K_WEIGHTS, TM_Q6_K_BYTES, TM_Q6_K_SCALE, TM_K_TOLERANCE,
                       "llama.cpp Q6_K x Q8_K")
