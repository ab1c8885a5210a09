/* Blocks to codes with NEON: 16 at a time, in the order of columns, as bytes. i is the number of
 * the 16, a literal once the loops are unrolled. An unused function costs nothing. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_CODES_NEON_H
#define TM_KERNELS_BLOCKS_BLOCKS_CODES_NEON_H

#include "kernels/blocks/blocks.h"

#include <arm_neon.h>

TM_ALWAYS_INLINE uint8x16_t shift_right(uint8x16_t v, int n)
{
    return vshlq_u8(v, vdupq_n_s8((int8_t)-n));
}

/* w. */
TM_ALWAYS_INLINE int8x16_t codes_q8_0(const uint8_t *block, int i)
{
    return vld1q_s8((const int8_t *)block + 2 + 16 * i);
}

/* w + 8. */
TM_ALWAYS_INLINE int8x16_t codes_q4_0(const uint8_t *block, int i)
{
    uint8x16_t v = vld1q_u8(block + 2);
    return vreinterpretq_s8_u8(i == 0 ? vandq_u8(v, vdupq_n_u8(15)) : vshrq_n_u8(v, 4));
}

/* w + 1 in units of the block's scale: 32 bytes hold 2-bit codes of 4 times 32 columns. */
TM_ALWAYS_INLINE int8x16_t codes_tq2_0(const uint8_t *block, int i)
{
    uint8x16_t v = vld1q_u8(block + 32 * (i / 8) + 16 * (i % 2));
    return vreinterpretq_s8_u8(vandq_u8(shift_right(v, i % 8 / 2 * 2), vdupq_n_u8(3)));
}

/* w + 1 in units of the block's scale. A byte times 3^k, modulo 256, begins with trit k: that times
 * 3, the part above the byte is the code. 3 v >> 8 is (v + (v >> 1)) >> 7 for every v < 256. */
TM_ALWAYS_INLINE int8x16_t codes_tq1_0(const uint8_t *block, int i)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    uint8x16_t v;
    if (i < 10) { /* 32 bytes, 5 trits 32 columns apart */
        v = vmulq_u8(vld1q_u8(block + 16 * (i % 2)), vdupq_n_u8(powers[i / 2]));
    } else if (i < 15) { /* 16 bytes, 16 columns apart */
        v = vmulq_u8(vld1q_u8(block + 32), vdupq_n_u8(powers[i - 10]));
    } else { /* 4 bytes, 4 trits 4 columns apart */
        const uint8x16_t times = {1, 1, 1, 1, 3, 3, 3, 3, 9, 9, 9, 9, 27, 27, 27, 27};
        uint32_t four;
        memcpy(&four, block + 48, sizeof four);
        v = vmulq_u8(vreinterpretq_u8_u32(vdupq_n_u32(four)), times);
    }
    return vreinterpretq_s8_u8(vshrq_n_u8(vhaddq_u8(v, vshrq_n_u8(v, 1)), 6));
}

/* The code, -32 .. 31, without the scale of its 16. */
TM_ALWAYS_INLINE int8x16_t codes_q6_k(const uint8_t *block, int i)
{
    int h = i / 8, g = i % 8 / 2;
    uint8x16_t low = vld1q_u8(block + 64 * h + 32 * (g % 2) + 16 * (i % 2));
    uint8x16_t high = vld1q_u8(block + 128 + 32 * h + 16 * (i % 2));
    low = g < 2 ? vandq_u8(low, vdupq_n_u8(15)) : vshrq_n_u8(low, 4);
    high = vandq_u8(vshlq_u8(high, vdupq_n_s8((int8_t)(4 - 2 * g))), vdupq_n_u8(48));
    return vsubq_s8(vreinterpretq_s8_u8(vorrq_u8(low, high)), vdupq_n_s8(32));
}

#endif
