/* i2r16 with NEON alone: smlal into int16, widened before it can overflow. */
#include "kernels/i2_neon.h"

/* A code 0..2 times an int8 is at most 254 in size: 128 of them, at most 32,512, stay in int16. */
#define BLOCKS_A_FLUSH 32 /* with 4 products a lane and block */
_Static_assert(TM_PANEL_UNITS <= 128, "a unit adds one product to an int16 lane");

/* acc[0], acc[1] += 4 rows x 4 columns of codes times 4 activations repeated. */
TM_ALWAYS_INLINE void multiply_add(int16x8_t *acc, int8x16_t codes, int8x16_t values)
{
    acc[0] = vmlal_s8(acc[0], vget_low_s8(codes), vget_low_s8(values));
    acc[1] = vmlal_high_s8(acc[1], codes, values);
}

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    size_t n_blocks = ((size_t)w->n_cols + 15) / 16;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        int32x4_t pairs[8], total[4]; /* pairs: the two halves of a row's 4 columns, apart */
        const int8_t *q = x->i8;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) pairs[i] = vdupq_n_s32(0);
        for (size_t b = 0; b < n_blocks;) {
            size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
            int16x8_t acc[8];
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) acc[i] = vdupq_n_s16(0);
            for (; b < end; b++, data += TM_I2_BLOCK, q += 16) {
                int32x4_t values = vreinterpretq_s32_s8(vld1q_s8(q));
                int8x16_t v0 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 0));
                int8x16_t v1 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 1));
                int8x16_t v2 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 2));
                int8x16_t v3 = vreinterpretq_s8_s32(vdupq_laneq_s32(values, 3));
                __builtin_prefetch(data + TM_PREFETCH_BYTES);
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) {
                    uint8x16_t bytes = vld1q_u8(data + 16 * i);
                    multiply_add(acc + 2 * i, code_plane(bytes, 0), v0);
                    multiply_add(acc + 2 * i, code_plane(bytes, 1), v1);
                    multiply_add(acc + 2 * i, code_plane(bytes, 2), v2);
                    multiply_add(acc + 2 * i, code_plane(bytes, 3), v3);
                }
            }
#pragma GCC unroll 8
            for (int i = 0; i < 8; i++) pairs[i] = vpadalq_s16(pairs[i], acc[i]);
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vpaddq_s32(pairs[2 * i], pairs[2 * i + 1]);
        store_rows(y + row, total, w, x, row_end - row);
    }
}

/* 8 rows x WIDTH int16 sums of 4 columns in registers: 4 x 4 = 16 of 32; the other 8 rows of the
 * group afterwards. The constants are literals where this is called, so that every loop over them
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
        for (int u = 0; u < n_units; u += 4, at += packed ? TM_I2_BLOCK : 256) {
            if (packed && quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++, values += width) {
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

TM_WIDTHS_2_4(TM_MICRO, 1, 1)
TM_WIDTHS_2_4(TM_MICRO, 1, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const in_place[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 1)};
    static tm_panel_micro *const tiled[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 0)};
    (void)groups;
    return (packed ? in_place : tiled)[width];
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 4,
    .width_step = 1,
    .block_units = 4,
    .block_bytes = TM_I2_BLOCK,
    .blocks_in_place = 3,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_neon = {
    .name = "i2r16_mad_neon",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NEON,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
