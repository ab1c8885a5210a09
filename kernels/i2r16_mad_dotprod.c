/* i2r16 with sdot: 4 rows x 4 columns a vector, one register of activations serves 16 columns. */
#include "kernels/i2_neon.h"

/* One token. Planes 1 and 2 stay where they are in the byte and count 4- and 16-fold; plane 3 is
 * what a shift leaves, since 128 does not fit a signed byte. A sum is at most 32 x 127 x n_cols / 4
 * in size: below 2^31 up to n_cols = 2,113,000. It is a multiple of 4^p, so the final shift is
 * exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const uint8x16_t mask0 = vdupq_n_u8(0x03), mask1 = vdupq_n_u8(0x0c), mask2 = vdupq_n_u8(0x30);
    size_t n_blocks = ((size_t)w->n_cols + 15) / 16;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        int32x4_t p0[4], p1[4], p2[4], p3[4];
        const int8_t *q = x->i8;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) p0[i] = p1[i] = p2[i] = p3[i] = vdupq_n_s32(0);
        for (size_t b = 0; b < n_blocks; b++, data += TM_I2_BLOCK, q += 16) {
            int8x16_t value = vld1q_s8(q);
            __builtin_prefetch(data + TM_PREFETCH_BYTES);
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
        store_rows(y + row, p0, w, x, row_end - row);
    }
}

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
                for (int p = 0; p < 4; p++, values += 4 * width)
                    multiply_unit(low, high, load_codes(at, quad, p, true),
                                  load_codes(at, quad + 1, p, true), values, width);
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
