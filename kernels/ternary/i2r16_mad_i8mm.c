/* i2r16 with smmla: 2 tokens x 2 rows x 8 columns an instruction, twice sdot's work. */
#include "kernels/ternary/i2_dotprod.h"

/* A row pair has the 8 columns of two units of one row in its lower half, of the next row in its
 * upper one. Units p, p + 1 of 4 rows, interleaved by 32 bits, are two of them. */
TM_ALWAYS_INLINE int8x16_t row_pair(int8x16_t unit, int8x16_t next, bool upper)
{
    int32x4_t a = vreinterpretq_s32_s8(unit), b = vreinterpretq_s32_s8(next);
    return vreinterpretq_s8_s32(upper ? vzip2q_s32(a, b) : vzip1q_s32(a, b));
}

/* [2 tokens][2 rows] sums in sums[row pair][token pair] += 8 columns of 4 row pairs and `width`
 * tokens. */
TM_ALWAYS_INLINE void multiply_columns(int32x4_t sums[4][6], const int8x16_t *pairs,
                                       const int8_t *values, const int width)
{
#pragma GCC unroll 6
    for (int t = 0; t < width / 2; t++) {
        int8x16_t v = vld1q_s8(values + 16 * t);
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) sums[i][t] = vmmlaq_s32(sums[i][t], v, pairs[i]);
        /* All six loads at once exceed the registers that the sums leave. */
        if (t % 2 == 1) TM_KEEP_LOADS_BELOW(sums[2][t], sums[3][t]);
    }
}

/* 8 rows (4 pairs) x WIDTH sums in registers: 4 x 6 = 24 of 32, 4 for the row pairs, the rest for
 * values; 10 loads to 24 smmla. The other 8 rows of the group afterwards. Callers pass literals for
 * the constants, so that every loop over them unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    (void)group_bytes;
    (void)n_groups;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights;
        const int8_t *values = (const int8_t *)panel;
        int32x4_t acc[4][6];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
#pragma GCC unroll 6
            for (int t = 0; t < width / 2; t++) acc[i][t] = vdupq_n_s32(0);
        if (packed) {
            for (int u = 0; u < n_units; u += 4, at += TM_I2_BLOCK) {
                if (quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 2
                for (int p = 0; p < 4; p += 2, values += 8 * width) {
                    int8x16_t a = load_codes(at, quad, p, true);
                    int8x16_t b = load_codes(at, quad, p + 1, true);
                    int8x16_t c = load_codes(at, quad + 1, p, true);
                    int8x16_t d = load_codes(at, quad + 1, p + 1, true);
                    int8x16_t pairs[4] = {row_pair(a, b, false), row_pair(a, b, true),
                                          row_pair(c, d, false), row_pair(c, d, true)};
                    multiply_columns(acc, pairs, values, width);
                }
            }
        } else {
            for (int u = 0; u < n_units; u += 2, at += 128, values += 8 * width) {
                const int8_t *tile = (const int8_t *)at + 32 * quad;
                int8x16_t pairs[4] = {vld1q_s8(tile), vld1q_s8(tile + 16), vld1q_s8(tile + 32),
                                      vld1q_s8(tile + 48)};
                multiply_columns(acc, pairs, values, width);
            }
        }
#pragma GCC unroll 2
        for (int i = 0; i < 4; i += 2)
#pragma GCC unroll 6
            for (int t = 0; t < width / 2; t++) {
                int64x2_t a = vreinterpretq_s64_s32(acc[i][t]);
                int64x2_t b = vreinterpretq_s64_s32(acc[i + 1][t]);
                int32x4_t first = vreinterpretq_s32_s64(vzip1q_s64(a, b));
                int32x4_t second = vreinterpretq_s32_s64(vzip2q_s64(a, b));
                int32_t *to = &sums[2 * t * TM_PANEL_ROWS + 4 * quad + 2 * i].i;
                int32_t *other = to + TM_PANEL_ROWS;
                vst1q_s32(to, add ? vaddq_s32(first, vld1q_s32(to)) : first);
                vst1q_s32(other, add ? vaddq_s32(second, vld1q_s32(other)) : second);
            }
    }
}

/* Tile: [n_units / 2][8 row pairs][2 rows][8 columns]. */
static void unpack_pairs(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units; u += 4, packed += TM_I2_BLOCK, tile += 256) {
#pragma GCC unroll 4
        for (int quad = 0; quad < 4; quad++) {
            uint8x16_t v = vld1q_u8(packed + 16 * quad);
#pragma GCC unroll 2
            for (int p = 0; p < 4; p += 2) {
                int8x16_t a = code_plane(v, p), b = code_plane(v, p + 1);
                int8_t *to = (int8_t *)tile + 64 * p + 32 * quad;
                vst1q_s8(to, row_pair(a, b, false));
                vst1q_s8(to + 16, row_pair(a, b, true));
            }
        }
    }
}

TM_WIDTHS_EVEN_12(TM_MICRO, 1, 1)
TM_WIDTHS_EVEN_12(TM_MICRO, 1, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const in_place[13] = {TM_WIDTHS_EVEN_12(TM_MICRO_AT, 1, 1)};
    static tm_panel_micro *const tiled[13] = {TM_WIDTHS_EVEN_12(TM_MICRO_AT, 1, 0)};
    (void)groups;
    return (packed ? in_place : tiled)[width];
}

/* 16 rows x 16 columns are 4 loads and 40 instructions to decode in place, again for each block of
 * tokens; a tile costs that once, 16 stores, and 16 loads for each. It gains from 3 blocks on. */
static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 12,
    .width_step = 2,
    .pairs = true,
    .block_units = 4,
    .block_bytes = TM_I2_BLOCK,
    .blocks_in_place = 2,
    .unpack = unpack_pairs,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_i8mm = {
    .name = "i2r16_mad_i8mm",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NEON | TM_ISA_DOTPROD | TM_ISA_I8MM,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
