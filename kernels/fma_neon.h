/* f32r16 and f16r16 with NEON: one body for both, chosen by TM_FMA_HALF before the include. Only
 * static inline and static: included by one kernel file of each layout. */
#ifndef TM_KERNELS_FMA_NEON_H
#define TM_KERNELS_FMA_NEON_H

#include <arm_neon.h>

#include "kernels/panel.h"

#define UNIT_BYTES (TM_FMA_HALF ? 32 : 64) /* 16 rows x 1 column in the layout */
#define CHAINS     4                       /* x 4 vectors of 4 rows: latency 4 x 4 a cycle */

/* Rows 4 * quad .. of a column. */
TM_ALWAYS_INLINE float32x4_t load_quad(const uint8_t *at, int quad, bool half)
{
    if (!half) return vld1q_f32((const float *)(const void *)at + 4 * quad);
    uint16x4_t bits = vld1_u16((const uint16_t *)(const void *)at + 4 * quad);
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
}

/* One token: column c goes to chain c % 4, and the chains are added up every TM_PANEL_UNITS columns
 * of each, so that no sum is longer than TM_FLOAT_TOLERANCE counts. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int n_cols = w->n_cols;
    const uint8_t *data = (const uint8_t *)w->data +
                          (size_t)row_begin / TM_GROUP * (size_t)n_cols * (size_t)UNIT_BYTES;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        float32x4_t total[4];
        int c = 0;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vdupq_n_f32(0);
        while (c < n_cols) {
            int piece_end =
                n_cols - c < CHAINS * TM_PANEL_UNITS ? n_cols : c + CHAINS * TM_PANEL_UNITS;
            float32x4_t chain[4 * CHAINS];
#pragma GCC unroll 16
            for (int k = 0; k < 4 * CHAINS; k++) chain[k] = vdupq_n_f32(0);
            for (; c + CHAINS <= piece_end; c += CHAINS, data += CHAINS * UNIT_BYTES) {
#pragma GCC unroll 4
                for (int k = 0; k < CHAINS; k++) {
                    const uint8_t *at = data + k * UNIT_BYTES;
                    if (k * UNIT_BYTES % 64 == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 4
                    for (int i = 0; i < 4; i++)
                        chain[4 * k + i] = vfmaq_n_f32(
                            chain[4 * k + i], load_quad(at, i, TM_FMA_HALF), x->f32[c + k]);
                }
            }
            for (; c < piece_end; c++, data += UNIT_BYTES) {
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
                    chain[i] = vfmaq_n_f32(chain[i], load_quad(data, i, TM_FMA_HALF), x->f32[c]);
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

/* 8 rows (2 vectors) x WIDTH sums in registers: 2 x 12 = 24 of 32; the other 8 rows of the group
 * afterwards. The constants are literals where this is called, so that every loop over them
 * unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const bool half = packed && TM_FMA_HALF;
    const size_t unit_bytes = half ? 32 : 64;
    (void)group_bytes;
    (void)n_groups;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights;
        const float *values = (const float *)(const void *)panel;
        float32x4_t low[12], high[12];
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) low[t] = high[t] = vdupq_n_f32(0);
        for (int u = 0; u < n_units; u++, at += unit_bytes, values += width) {
            float32x4_t a = load_quad(at, quad, half), b = load_quad(at, quad + 1, half);
            if (packed && quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
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

#if TM_FMA_HALF
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units; u++, packed += UNIT_BYTES, tile += 64) {
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            vst1q_f32((float *)(void *)tile + 4 * i, load_quad(packed, i, true));
    }
}
#endif

static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .width_max = 12,
    .width_step = 4,
    .block_units = 1,
    .block_bytes = UNIT_BYTES,
    .blocks_in_place = 3,
#if TM_FMA_HALF
    .unpack = unpack,
#endif
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

#endif
