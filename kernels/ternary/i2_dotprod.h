/* Decoding with sdot, for the variants of i2r16 that have it. Two kernel files include it. */
#ifndef TM_KERNELS_TERNARY_I2_DOTPROD_H
#define TM_KERNELS_TERNARY_I2_DOTPROD_H

#include "kernels/ternary/i2_neon.h"

/* One token. Planes 1 and 2 keep their place in the byte and count 4- and 16-fold; plane 3 is what
 * a shift leaves, since 128 does not fit a signed byte. A sum is at most 32 x 127 x n_cols / 4 in
 * size: below 2^31 up to n_cols = 2,113,000. It is a multiple of 4^p, so the final shift is
 * exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const uint8x16_t mask0 = vdupq_n_u8(0x03), mask1 = vdupq_n_u8(0x0c), mask2 = vdupq_n_u8(0x30);
    size_t n_blocks = tm_i2_blocks(w->n_cols), ahead = (size_t)tm_kernel_ahead;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        int32x4_t p0[4], p1[4], p2[4], p3[4];
        const int8_t *q = x->i8;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) p0[i] = p1[i] = p2[i] = p3[i] = vdupq_n_s32(0);
        for (size_t b = 0; b < n_blocks; b++, data += TM_I2_BLOCK, q += 16) {
            int8x16_t value = vld1q_s8(q);
            __builtin_prefetch(data + ahead);
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                uint8x16_t v = vld1q_u8(data + 16 * i);
                p0[i] = vdotq_laneq_s32(p0[i], vreinterpretq_s8_u8(vandq_u8(v, mask0)), value, 0);
                p1[i] = vdotq_laneq_s32(p1[i], vreinterpretq_s8_u8(vandq_u8(v, mask1)), value, 1);
                p2[i] = vdotq_laneq_s32(p2[i], vreinterpretq_s8_u8(vandq_u8(v, mask2)), value, 2);
                p3[i] = vdotq_laneq_s32(p3[i], vreinterpretq_s8_u8(vshrq_n_u8(v, 6)), value, 3);
            }
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            p0[i] = vaddq_s32(vaddq_s32(p0[i], p3[i]),
                              vaddq_s32(vshrq_n_s32(p1[i], 2), vshrq_n_s32(p2[i], 4)));
        store_rows(y + row, p0, x->sum[0], w, x, row_end - row);
    }
}

#endif
