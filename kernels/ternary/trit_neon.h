/* What the NEON variants of ternary layouts share, whatever the layout. */
#ifndef TM_KERNELS_TERNARY_TRIT_NEON_H
#define TM_KERNELS_TERNARY_TRIT_NEON_H

#include "kernels/panel.h"

#include <arm_neon.h>

/* Keeps later loads below this point and the vectors a and b computed above it. gcc 12 schedules
 * loads as early as it can, until they take more registers than the sums leave, and then spills
 * sums. */
#define TM_KEEP_LOADS_BELOW(a, b) __asm__ volatile("" : "+w"(a), "+w"(b)::"memory")

/* Codes of rows 4 * quad .. of unit p of a tile. */
TM_ALWAYS_INLINE int8x16_t load_tile(const uint8_t *at, int quad, int p)
{
    return vreinterpretq_s8_u8(vld1q_u8(at + 64 * p + 16 * quad));
}

/* y = ((float)(sums - offset) * x scale) * w scale for the first n of 16 rows. */
TM_ALWAYS_INLINE void store_rows(float *y, const int32x4_t *sums, int32_t offset,
                                 const tm_weight *w, const tm_act *x, int n)
{
    float piece[TM_GROUP];
    float *to = n >= TM_GROUP ? y : piece;
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        float32x4_t value = vcvtq_f32_s32(vsubq_s32(sums[i], vdupq_n_s32(offset)));
        vst1q_f32(to + 4 * i, vmulq_n_f32(vmulq_n_f32(value, x->scale[0]), w->scale));
    }
    if (n < TM_GROUP) memcpy(y, piece, (size_t)n * sizeof *y);
}

static inline int groups_of(int width)
{
    (void)width;
    return 1;
}

#endif
