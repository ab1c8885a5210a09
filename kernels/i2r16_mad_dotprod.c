/* i2r16 with sdot: 4 rows x 4 columns a vector, one register of activations serves 16 columns. */
#include "kernels/i2_dotprod.h"

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
 * afterwards. The constants are literals where this is called, so that every loop over them
 * unrolls. */
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
            for (int u = 0; u < n_units; u += 4, at += TM_I2_BLOCK) {
                if (quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 4
                for (int p = 0; p < 4; p++, values += 4 * width) {
                    multiply_unit(low, high, load_codes(at, quad, p, true),
                                  load_codes(at, quad + 1, p, true), values, width);
                    TM_KEEP_LOADS_BELOW(low[width - 1], high[width - 1]);
                }
            }
        } else {
            for (int u = 0; u < n_units; u++, at += 64, values += 4 * width)
                multiply_unit(low, high, load_codes(at, quad, 0, false),
                              load_codes(at, quad + 1, 0, false), values, width);
        }
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) {
            int32_t *to = &sums[t * TM_PANEL_ROWS + 4 * quad].i;
            vst1q_s32(to, add ? vaddq_s32(low[t], vld1q_s32(to)) : low[t]);
            vst1q_s32(to + 4, add ? vaddq_s32(high[t], vld1q_s32(to + 4)) : high[t]);
        }
    }
}

TM_WIDTHS_4_12(TM_MICRO, 1, 1)
TM_WIDTHS_4_12(TM_MICRO, 1, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const in_place[13] = {TM_WIDTHS_4_12(TM_MICRO_AT, 1, 1)};
    static tm_panel_micro *const tiled[13] = {TM_WIDTHS_4_12(TM_MICRO_AT, 1, 0)};
    (void)groups;
    return (packed ? in_place : tiled)[width];
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 12,
    .width_step = 4,
    .block_units = 4,
    .block_bytes = TM_I2_BLOCK,
    .blocks_in_place = 3,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_dotprod = {
    .name = "i2r16_mad_dotprod",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NEON | TM_ISA_DOTPROD,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
