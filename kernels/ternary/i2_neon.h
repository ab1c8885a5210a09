/* What the NEON variants of i2r16 share: the codes of a block. */
#ifndef TM_KERNELS_TERNARY_I2_NEON_H
#define TM_KERNELS_TERNARY_I2_NEON_H

#include "kernels/panel.h"
#include "kernels/ternary/i2.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

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
    return load_tile(at, quad, p);
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

#endif
