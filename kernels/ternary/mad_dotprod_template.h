/* Template: prompts with sdot, for a layout whose blocks unpack to codes 0 .. 2. A kernel file
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
#ifndef TM_KERNELS_TERNARY_MAD_DOTPROD_TEMPLATE_H
#define TM_KERNELS_TERNARY_MAD_DOTPROD_TEMPLATE_H

#if !defined TM_MAD_BLOCK_UNITS || !defined TM_MAD_BLOCK_BYTES || !defined TM_MAD_BLOCKS_IN_PLACE
#error "mad_dotprod_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

#if TM_MAD_BLOCKS_IN_PLACE == 0
TM_ALWAYS_INLINE int8x16_t load_codes(const uint8_t *at, int quad, int p, bool packed)
{
    (void)packed;
    return load_tile(at, quad, p);
}
#endif

/* low, high += rows a, b x 4 columns of `width` tokens. */
TM_ALWAYS_INLINE void multiply_unit(int32x4_t *low, int32x4_t *high, int8x16_t a, int8x16_t b,
                                    const int8_t *values, const int width)
{
#pragma GCC unroll 3
    for (int t = 0; t < width; t += 4) {
        int8x16_t v = vld1q_s8(values + 4 * t);
        low[t] = vdotq_laneq_s32(low[t], a, v, 0);
        high[t] = vdotq_laneq_s32(high[t], b, v, 0);
        low[t + 1] = vdotq_laneq_s32(low[t + 1], a, v, 1);
        high[t + 1] = vdotq_laneq_s32(high[t + 1], b, v, 1);
        low[t + 2] = vdotq_laneq_s32(low[t + 2], a, v, 2);
        high[t + 2] = vdotq_laneq_s32(high[t + 2], b, v, 2);
        low[t + 3] = vdotq_laneq_s32(low[t + 3], a, v, 3);
        high[t + 3] = vdotq_laneq_s32(high[t + 3], b, v, 3);
    }
}

/* 8 rows (2 vectors) x WIDTH sums in registers: 2 x 12 = 24 of 32; the other 8 rows of the group
 * afterwards. Callers pass literals for the constants, so that every loop over them unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    (void)group_bytes;
    (void)n_groups;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights;
        const int8_t *values = (const int8_t *)panel;
        int32x4_t low[12], high[12];
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) low[t] = high[t] = vdupq_n_s32(0);
        if (packed) {
            for (int u = 0; u < n_units; u += TM_MAD_BLOCK_UNITS, at += TM_MAD_BLOCK_BYTES) {
                if (quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 6
                for (int p = 0; p < TM_MAD_BLOCK_UNITS; p++, values += 4 * width) {
                    multiply_unit(low, high, load_codes(at, quad, p, true),
                                  load_codes(at, quad + 1, p, true), values, width);
                    TM_KEEP_LOADS_BELOW(low[width - 1], high[width - 1]);
                }
            }
        } else {
            for (int u = 0; u < n_units; u++, at += 64, values += 4 * width)
                multiply_unit(low, high, load_tile(at, quad, 0), load_tile(at, quad + 1, 0), values,
                              width);
        }
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) {
            int32_t *to = &sums[t * TM_PANEL_ROWS + 4 * quad].i;
            vst1q_s32(to, add ? vaddq_s32(low[t], vld1q_s32(to)) : low[t]);
            vst1q_s32(to + 4, add ? vaddq_s32(high[t], vld1q_s32(to + 4)) : high[t]);
        }
    }
}

TM_WIDTHS_4_12(TM_MICRO, 1, 0)
#if TM_MAD_BLOCKS_IN_PLACE > 0
TM_WIDTHS_4_12(TM_MICRO, 1, 1)
#endif

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const tiled[13] = {TM_WIDTHS_4_12(TM_MICRO_AT, 1, 0)};
#if TM_MAD_BLOCKS_IN_PLACE > 0
    static tm_panel_micro *const in_place[13] = {TM_WIDTHS_4_12(TM_MICRO_AT, 1, 1)};
    if (packed) return in_place[width];
#endif
    (void)groups;
    (void)packed;
    return tiled[width];
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 12,
    .width_step = 4,
    .block_units = TM_MAD_BLOCK_UNITS,
    .block_bytes = TM_MAD_BLOCK_BYTES,
    .blocks_in_place = TM_MAD_BLOCKS_IN_PLACE,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

#endif
