/* bf16r16 with bfdot: pairs of columns at twice the rate of fmla, activations rounded to bfloat16.
 * Never the default: the FMA kernels do not round the activations. */
#include "kernels/half.h"
#include "kernels/panel.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>

#define UNIT_BYTES 64 /* 16 rows x 2 columns */
#define CHAINS     4  /* x 4 vectors of 4 rows: latency 5 x 2 a cycle */

/* An activation is rounded by at most 2^-8 of its size: 8 bits of mantissa. bfdot rounds to odd, by
 * less than 2^-23: a product, the sum of two, and each of the 128 sums of a piece; with the sums of
 * 256 pieces to nearest that is 516 times 2^-24, of 768 in TM_FLOAT_TOLERANCE. Values below 2^-126
 * count as zero. Source: Arm ARM, BFDotAdd. */
#define TOLERANCE (0x1p-8f + TM_FLOAT_TOLERANCE)

TM_ALWAYS_INLINE bfloat16x8_t load_pairs(const uint8_t *at)
{
    return vreinterpretq_bf16_u8(vld1q_u8(at));
}

static void decode(const tm_weight *w, const uint32_t *pairs, int row_begin, int row_end, float *y)
{
    int n_units = (w->n_cols + 1) / 2;
    size_t ahead = (size_t)tm_kernel_ahead;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)row / TM_GROUP * (size_t)n_units * UNIT_BYTES;
        float32x4_t total[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vdupq_n_f32(0);
        for (int u = 0; u < n_units;) {
            int rest = n_units - u, piece = CHAINS * TM_PANEL_UNITS;
            int end = u + (rest < piece ? rest : piece);
            float32x4_t chain[4 * CHAINS];
#pragma GCC unroll 16
            for (int k = 0; k < 4 * CHAINS; k++) chain[k] = vdupq_n_f32(0);
            for (; u + CHAINS <= end; u += CHAINS, data += CHAINS * UNIT_BYTES)
#pragma GCC unroll 4
                for (int k = 0; k < CHAINS; k++) {
                    const uint8_t *at = data + k * UNIT_BYTES;
                    bfloat16x8_t pair = vreinterpretq_bf16_u32(vdupq_n_u32(pairs[u + k]));
                    __builtin_prefetch(at + ahead);
#pragma GCC unroll 4
                    for (int i = 0; i < 4; i++)
                        chain[4 * k + i] =
                            vbfdotq_f32(chain[4 * k + i], load_pairs(at + 16 * i), pair);
                }
            for (; u < end; u++, data += UNIT_BYTES)
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++)
                    chain[i] = vbfdotq_f32(chain[i], load_pairs(data + 16 * i),
                                           vreinterpretq_bf16_u32(vdupq_n_u32(pairs[u])));
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

/* 8 rows (2 vectors) x WIDTH sums in registers, as in kernels/floats/fma_neon_template.h. The
 * layout is the tile. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    (void)group_bytes;
    (void)n_groups;
    (void)packed;
    for (int quad = 0; quad < 4; quad += 2) {
        const uint8_t *at = weights + 16 * quad, *values = panel;
        float32x4_t low[12], high[12];
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) low[t] = high[t] = vdupq_n_f32(0);
        for (int u = 0; u < n_units; u++, at += UNIT_BYTES, values += 4 * width) {
            bfloat16x8_t a = load_pairs(at), b = load_pairs(at + 16);
            if (quad == 0) __builtin_prefetch(at + TM_PREFETCH_BYTES);
#pragma GCC unroll 3
            for (int t = 0; t < width; t += 4) {
                bfloat16x8_t v = load_pairs(values + 4 * t);
                low[t] = vbfdotq_laneq_f32(low[t], a, v, 0);
                high[t] = vbfdotq_laneq_f32(high[t], b, v, 0);
                low[t + 1] = vbfdotq_laneq_f32(low[t + 1], a, v, 1);
                high[t + 1] = vbfdotq_laneq_f32(high[t + 1], b, v, 1);
                low[t + 2] = vbfdotq_laneq_f32(low[t + 2], a, v, 2);
                high[t + 2] = vbfdotq_laneq_f32(high[t + 2], b, v, 2);
                low[t + 3] = vbfdotq_laneq_f32(low[t + 3], a, v, 3);
                high[t + 3] = vbfdotq_laneq_f32(high[t + 3], b, v, 3);
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

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const micros[13] = {TM_WIDTHS_4_12(TM_MICRO_AT, 1, 1)};
    (void)groups;
    (void)packed;
    return micros[width];
}

static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .unit_cols = 2,
    .width_max = 12,
    .width_step = 4,
    .block_units = 1,
    .block_bytes = UNIT_BYTES,
    .blocks_in_place = 3,
    .groups = groups_of,
    .micro = micro,
};

#include "kernels/floats/bf16_pairs_template.h"

const tm_kernel tm_kernel_bf16r16_dot_bf16 = {
    .name = "bf16r16_dot_bf16",
    .format = &tm_format_bf16r16,
    .isa = TM_ISA_NEON | TM_ISA_BF16,
    .row_step = TM_GROUP,
    .tolerance = TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .by_name_only = true,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015), bfdot",
};
