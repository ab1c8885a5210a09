/* Template: f32r16, f16r16 and bf16r16 with NEON. A kernel file includes it once, after it has
 * defined TM_FMA_WEIGHT (kernels/panel.h). It defines the functions of a kernel row; all are
 * static.
 *
 * Without half-precision arithmetic (FEAT_FP16): its fmla has 8 lanes, but it rounds each sum to 11
 * bits and overflows at 65504. The error of a row would grow by 2^-11 for each column, which is no
 * baseline to compare with. f16r16_fma_fhm.c has the products that are exact; it defines
 * TM_FMA_OWN_DECODE, and then decode() and the functions of the row itself. */
#ifndef TM_KERNELS_FLOATS_FMA_NEON_TEMPLATE_H
#define TM_KERNELS_FLOATS_FMA_NEON_TEMPLATE_H

#if !defined TM_FMA_WEIGHT
#error "fma_neon_template.h: define TM_FMA_WEIGHT first"
#endif

#include "kernels/panel.h"

#include <arm_neon.h>

#define TM_FMA_UNIT_BYTES                                                                          \
    (TM_FMA_WEIGHT == TM_FMA_F32 ? 64 : 32) /* 16 rows x 1 column in the layout */
#define TM_FMA_BLOCK_UNITS (TM_FMA_WEIGHT == TM_FMA_BF16 ? 2 : 1) /* columns stored together */
#define TM_FMA_CHAINS      4 /* x 4 vectors of 4 rows: a latency of 4 cycles x 4 a cycle */

/* Rows 4 * quad .. of column `c` of those that begin at `at`, on a multiple of TM_FMA_BLOCK_UNITS,
 * stored as `type`. */
TM_ALWAYS_INLINE float32x4_t load_quad(const uint8_t *at, int c, int quad, int type)
{
    if (type == TM_FMA_F32)
        return vld1q_f32((const float *)(const void *)(at + 64 * c + 16 * quad));
    if (type == TM_FMA_F16) {
        uint16x4_t bits = vld1_u16((const uint16_t *)(const void *)(at + 32 * c + 8 * quad));
        return vcvt_f32_f16(vreinterpret_f16_u16(bits));
    }
    uint32x4_t pair = vreinterpretq_u32_u8(vld1q_u8(at + 64 * (c / 2) + 16 * quad));
    return vreinterpretq_f32_u32(c % 2 != 0 ? vandq_u32(pair, vdupq_n_u32(0xffff0000))
                                            : vshlq_n_u32(pair, 16));
}

#if !defined TM_FMA_OWN_DECODE
/* One token: column c goes to chain c % 4, and the chains are added up every TM_PANEL_UNITS columns
 * of each, so that no sum is longer than TM_FLOAT_TOLERANCE counts. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int n_cols = w->n_cols,
        n_stored = (n_cols + TM_FMA_BLOCK_UNITS - 1) / TM_FMA_BLOCK_UNITS * TM_FMA_BLOCK_UNITS;
    size_t group_bytes = (size_t)n_stored * (size_t)TM_FMA_UNIT_BYTES,
           ahead = (size_t)tm_kernel_ahead;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
        float32x4_t total[4];
        int c = 0;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vdupq_n_f32(0);
        while (c < n_cols) {
            int piece_end = n_cols - c < TM_FMA_CHAINS * TM_PANEL_UNITS
                                ? n_cols
                                : c + TM_FMA_CHAINS * TM_PANEL_UNITS;
            float32x4_t chain[4 * TM_FMA_CHAINS];
#pragma GCC unroll 16
            for (int k = 0; k < 4 * TM_FMA_CHAINS; k++) chain[k] = vdupq_n_f32(0);
            for (; c + TM_FMA_CHAINS <= piece_end;
                 c += TM_FMA_CHAINS, data += TM_FMA_CHAINS * TM_FMA_UNIT_BYTES) {
#pragma GCC unroll 4
                for (int k = 0; k < TM_FMA_CHAINS; k++) {
                    if (k * TM_FMA_UNIT_BYTES % 64 == 0)
                        __builtin_prefetch(data + ahead + k * TM_FMA_UNIT_BYTES);
#pragma GCC unroll 4
                    for (int i = 0; i < 4; i++)
                        chain[4 * k + i] = vfmaq_n_f32(
                            chain[4 * k + i], load_quad(data, k, i, TM_FMA_WEIGHT), x->f32[c + k]);
                }
            }
            for (int k = 0; c < piece_end; c++, k++) { /* the last columns */
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
                    chain[i] =
                        vfmaq_n_f32(chain[i], load_quad(data, k, i, TM_FMA_WEIGHT), x->f32[c]);
            }
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                total[i] = vaddq_f32(total[i], vaddq_f32(vaddq_f32(chain[i], chain[i + 4]),
                                                         vaddq_f32(chain[i + 8], chain[i + 12])));
        }
        float piece[TM_GROUP];
        int n = row_end - row;
        float *to = n >= TM_GROUP ? y + row : piece;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) vst1q_f32(to + 4 * i, total[i]);
        if (n < TM_GROUP) memcpy(y + row, piece, (size_t)n * sizeof *y);
    }
}

#endif

/* 8 rows (2 vectors) x WIDTH sums in registers: 2 x 12 = 24 of 32; the other 8 rows of the group
 * afterwards. Callers pass literals for the constants, so that every loop over them unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const int type = packed ? TM_FMA_WEIGHT : TM_FMA_F32, n_block = packed ? TM_FMA_BLOCK_UNITS : 1;
    const size_t block_bytes = packed ? TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES : 64;
    (void)group_bytes;
    (void)n_groups;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights;
        const float *values = (const float *)(const void *)panel;
        float32x4_t low[12], high[12];
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) low[t] = high[t] = vdupq_n_f32(0);
        for (int u = 0; u < n_units; u += n_block, at += block_bytes) {
            if (packed && quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 2
            for (int k = 0; k < n_block; k++, values += width) {
                float32x4_t a = load_quad(at, k, quad, type), b = load_quad(at, k, quad + 1, type);
#pragma GCC unroll 3
                for (int t = 0; t < width; t += 4) {
                    float32x4_t v = vld1q_f32(values + t);
                    low[t] = vfmaq_laneq_f32(low[t], a, v, 0);
                    high[t] = vfmaq_laneq_f32(high[t], b, v, 0);
                    low[t + 1] = vfmaq_laneq_f32(low[t + 1], a, v, 1);
                    high[t + 1] = vfmaq_laneq_f32(high[t + 1], b, v, 1);
                    low[t + 2] = vfmaq_laneq_f32(low[t + 2], a, v, 2);
                    high[t + 2] = vfmaq_laneq_f32(high[t + 2], b, v, 2);
                    low[t + 3] = vfmaq_laneq_f32(low[t + 3], a, v, 3);
                    high[t + 3] = vfmaq_laneq_f32(high[t + 3], b, v, 3);
                }
            }
        }
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) {
            float *to = &sums[t * TM_PANEL_ROWS + 4 * quad].f;
            vst1q_f32(to, add ? vaddq_f32(low[t], vld1q_f32(to)) : low[t]);
            vst1q_f32(to + 4, add ? vaddq_f32(high[t], vld1q_f32(to + 4)) : high[t]);
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

static int groups_of(int width)
{
    (void)width;
    return 1;
}

#if TM_FMA_WEIGHT != TM_FMA_F32
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units;
         u += TM_FMA_BLOCK_UNITS, packed += TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES)
#pragma GCC unroll 2
        for (int k = 0; k < TM_FMA_BLOCK_UNITS; k++, tile += 64)
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                vst1q_f32((float *)(void *)tile + 4 * i, load_quad(packed, k, i, TM_FMA_WEIGHT));
}
#endif

static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .width_max = 12,
    .width_step = 4,
    .block_units = TM_FMA_BLOCK_UNITS,
    .block_bytes = TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES,
    .blocks_in_place = 3,
#if TM_FMA_WEIGHT != TM_FMA_F32
    .unpack = unpack,
#endif
    .groups = groups_of,
    .micro = micro,
};

#if !defined TM_FMA_OWN_DECODE
TM_PANEL_FUNCTIONS(ops)
#endif

#endif
