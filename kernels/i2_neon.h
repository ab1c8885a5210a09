/* What the NEON variants of i2r16 share: the codes of a block and the end of a row group. */
#ifndef TM_KERNELS_I2_NEON_H
#define TM_KERNELS_I2_NEON_H

#include <arm_neon.h>

#include "kernels/panel.h"

/* No load after this moves up past it: gcc 12 schedules loads as early as it can, more of them than
 * the registers beside the sums hold, and would keep sums in memory. */
#define TM_KEEP_LOADS_BELOW() __asm__ volatile("" ::: "memory")

/* Codes 0..2 of 4 rows x 4 columns: plane p of 16 packed bytes. p is a literal after unrolling. */
TM_ALWAYS_INLINE int8x16_t code_plane(uint8x16_t v, int p)
{
    const uint8x16_t mask = vdupq_n_u8(3);
    switch (p) {
    case 0:
        return vreinterpretq_s8_u8(vandq_u8(v, mask));
    case 1:
        return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 2), mask));
    case 2:
        return vreinterpretq_s8_u8(vandq_u8(vshrq_n_u8(v, 4), mask));
    default:
        return vreinterpretq_s8_u8(vshrq_n_u8(v, 6));
    }
}

/* Codes of rows 4 * quad .. and columns 4 * p .. of the block: from the layout, or unit p of a
 * tile. */
TM_ALWAYS_INLINE int8x16_t load_codes(const uint8_t *at, int quad, int p, bool packed)
{
    if (packed) return code_plane(vld1q_u8(at + 16 * quad), p);
    return vreinterpretq_s8_u8(vld1q_u8(at + 64 * p + 16 * quad));
}

/* y = ((float)(sums - x sum) * x scale) * w scale for the first n of 16 rows. */
TM_ALWAYS_INLINE void store_rows(float *y, const int32x4_t *sums, const tm_weight *w,
                                 const tm_act *x, int n)
{
    float piece[TM_GROUP];
    float *to = n >= TM_GROUP ? y : piece;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        float32x4_t value = vcvtq_f32_s32(vsubq_s32(sums[i], vdupq_n_s32(x->sum[0])));
        vst1q_f32(to + 4 * i, vmulq_n_f32(vmulq_n_f32(value, x->scale[0]), w->scale));
    }
    if (n < TM_GROUP) memcpy(y, piece, (size_t)n * sizeof *y);
}

static inline void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units; u += 4, packed += TM_I2_BLOCK, tile += 256) {
#pragma GCC unroll 4
        for (int quad = 0; quad < 4; quad++) {
            uint8x16_t v = vld1q_u8(packed + 16 * quad);
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++)
                vst1q_s8((int8_t *)tile + 64 * p + 16 * quad, code_plane(v, p));
        }
    }
}

static inline int groups_of(int width)
{
    (void)width;
    return 1;
}

#endif
