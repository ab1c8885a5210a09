/* Template: prompts with smlal, for a layout whose blocks unpack to codes 0 .. 2. A kernel file
 * includes it once, after it has defined
 *   TM_MAD_BLOCK_UNITS, TM_MAD_BLOCK_BYTES   units of a block, its packed bytes
 *   TM_MAD_BLOCKS_IN_PLACE   up to this many blocks of tokens, a tile is not worth its cost; 0:
 *                            always a tile
 *   unpack                   as in tm_panel_ops
 *   int8x16_t load_codes(const uint8_t *at, int quad, int p, bool packed)
 *                            only if TM_MAD_BLOCKS_IN_PLACE exceeds 0: 4 rows x 4 columns of codes,
 *                            rows 4 * quad .. of unit p of a block, or of a tile. The numbers are
 *                            literals.
 * It defines `ops`; all its functions are static. */
#ifndef TM_KERNELS_TERNARY_MAD_NEON_TEMPLATE_H
#define TM_KERNELS_TERNARY_MAD_NEON_TEMPLATE_H

#if !defined TM_MAD_BLOCK_UNITS || !defined TM_MAD_BLOCK_BYTES || !defined TM_MAD_BLOCKS_IN_PLACE
#error "mad_neon_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

/* A code 0..2 times an int8 is at most 254 in size: 128 of them, at most 32,512, stay in int16. */
_Static_assert(TM_PANEL_UNITS <= 128, "a unit adds one product to an int16 lane");

#if TM_MAD_BLOCKS_IN_PLACE == 0
TM_ALWAYS_INLINE int8x16_t load_codes(const uint8_t *at, int quad, int p, bool packed)
{
    (void)packed;
    return load_tile(at, quad, p);
}
#endif

/* acc[0], acc[1] += 4 rows x 4 columns of codes times 4 activations repeated. */
TM_ALWAYS_INLINE void multiply_add(int16x8_t *acc, int8x16_t codes, int8x16_t values)
{
    acc[0] = vmlal_s8(acc[0], vget_low_s8(codes), vget_low_s8(values));
    acc[1] = vmlal_high_s8(acc[1], codes, values);
}

/* 8 rows x WIDTH int16 sums of 4 columns in registers: 4 x 4 = 16 of 32; the other 8 rows of the
 * group afterwards. Callers pass literals for the constants, so that every loop over them
 * unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    (void)group_bytes;
    (void)n_groups;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights;
        const int32_t *values = (const int32_t *)(const void *)panel;
        int16x8_t acc[16];
#pragma GCC unroll 16
        for (int i = 0; i < 4 * width; i++) acc[i] = vdupq_n_s16(0);
        for (int u = 0; u < n_units;
             u += TM_MAD_BLOCK_UNITS, at += packed ? TM_MAD_BLOCK_BYTES : 64 * TM_MAD_BLOCK_UNITS) {
            if (packed && quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 6
            for (int p = 0; p < TM_MAD_BLOCK_UNITS; p++, values += width) {
                int8x16_t a = load_codes(at, quad, p, packed),
                          b = load_codes(at, quad + 1, p, packed);
#pragma GCC unroll 4
                for (int t = 0; t < width; t++) {
                    int8x16_t v = vreinterpretq_s8_s32(vld1q_dup_s32(values + t));
                    multiply_add(acc + 4 * t, a, v);
                    multiply_add(acc + 4 * t + 2, b, v);
                }
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < width; t++) {
            int32_t *to = &sums[t * TM_PANEL_ROWS + 4 * quad].i;
            int32x4_t low = vpaddq_s32(vpaddlq_s16(acc[4 * t]), vpaddlq_s16(acc[4 * t + 1]));
            int32x4_t high = vpaddq_s32(vpaddlq_s16(acc[4 * t + 2]), vpaddlq_s16(acc[4 * t + 3]));
            vst1q_s32(to, add ? vaddq_s32(low, vld1q_s32(to)) : low);
            vst1q_s32(to + 4, add ? vaddq_s32(high, vld1q_s32(to + 4)) : high);
        }
    }
}

TM_WIDTHS_2_4(TM_MICRO, 1, 0)
#if TM_MAD_BLOCKS_IN_PLACE > 0
TM_WIDTHS_2_4(TM_MICRO, 1, 1)
#endif

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const tiled[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 0)};
#if TM_MAD_BLOCKS_IN_PLACE > 0
    static tm_panel_micro *const in_place[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 1)};
    if (packed) return in_place[width];
#endif
    (void)groups;
    (void)packed;
    return tiled[width];
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 4,
    .width_step = 1,
    .block_units = TM_MAD_BLOCK_UNITS,
    .block_bytes = TM_MAD_BLOCK_BYTES,
    .blocks_in_place = TM_MAD_BLOCKS_IN_PLACE,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

#endif
