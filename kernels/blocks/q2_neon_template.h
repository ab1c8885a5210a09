/* Template: q2r16 with NEON, and with sdot where the compiler has it. Vectors of sums are 4 rows. A
 * kernel file includes it once and names its row. */
#ifndef TM_KERNELS_BLOCKS_Q2_NEON_TEMPLATE_H
#define TM_KERNELS_BLOCKS_Q2_NEON_TEMPLATE_H

#define TM_Q2_TOKENS 4
#include "kernels/blocks/q2_rows.h"

#include <arm_neon.h>

#define QUADS (TM_GROUP / 4)

/* The products of 4 rows: int32 by row with sdot, else int16 by row and column. */
typedef struct row_sums {
#ifdef __ARM_FEATURE_DOTPROD
    int32x4_t all;
#else
    int16x8_t low, high; /* rows 0 and 1, rows 2 and 3; 32 columns add at most 8 x 381 to a lane */
#endif
} row_sums;

TM_ALWAYS_INLINE row_sums no_sums(void)
{
#ifdef __ARM_FEATURE_DOTPROD
    return (row_sums){vdupq_n_s32(0)};
#else
    return (row_sums){vdupq_n_s16(0), vdupq_n_s16(0)};
#endif
}

/* codes: 4 rows x 4 columns; q: their 4 activations, four times. */
TM_ALWAYS_INLINE row_sums add_products(row_sums sums, int8x16_t codes, int8x16_t q)
{
#ifdef __ARM_FEATURE_DOTPROD
    sums.all = vdotq_s32(sums.all, codes, q);
#else
    sums.low = vmlal_s8(sums.low, vget_low_s8(codes), vget_low_s8(q));
    sums.high = vmlal_high_s8(sums.high, codes, q);
#endif
    return sums;
}

TM_ALWAYS_INLINE int32x4_t by_row(row_sums sums)
{
#ifdef __ARM_FEATURE_DOTPROD
    return sums.all;
#else
    return vpaddlq_s16(vpaddq_s16(sums.low, sums.high));
#endif
}

/* Columns 4 i .. 4 i + 3 of 16 packed bytes. */
TM_ALWAYS_INLINE int8x16_t plane_of(uint8x16_t v, int i)
{
    return vreinterpretq_s8_u8(vandq_u8(vshlq_u8(v, vdupq_n_s8((int8_t)(-2 * i))), vdupq_n_u8(3)));
}

TM_ALWAYS_INLINE void rows_of_16(const tm_weight *w, const tm_act *x, int row, int token, float *y,
                                 const int n_tokens)
{
    q2_pass pass = q2_begin(w, x, row, token);
    size_t ahead = (size_t)tm_kernel_ahead;
    float32x4_t total[TM_Q2_TOKENS][QUADS];
    for (int t = 0; t < n_tokens; t++)
        for (int k = 0; k < QUADS; k++) total[t][k] = vdupq_n_f32(0);
    for (size_t p = 0; p < pass.n_pieces; p++, q2_next(&pass)) {
        for (int line = 0; n_tokens == 1 && line < TM_Q2_BYTES; line += 64)
            __builtin_prefetch(pass.piece + ahead + line);
        for (int part = 0; part < TM_Q2_PARTS; part++) {
            const uint8_t *codes = pass.piece + TM_Q2_CODES + 2 * TM_Q2_BLOCK * part;
            for (int k = 0; k < QUADS; k++) {
                const uint8_t *halves = pass.piece + part / 2 * 32 + 8 * k;
                float32x4_t d = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(halves)));
                row_sums sums[TM_Q2_TOKENS];
#pragma GCC unroll 4
                for (int t = 0; t < n_tokens; t++) sums[t] = no_sums();
#pragma GCC unroll 2
                for (int b = 0; b < 2; b++) {
                    uint8x16_t v = vld1q_u8(codes + TM_Q2_BLOCK * b + 16 * k);
#pragma GCC unroll 4
                    for (int i = 0; i < 4; i++) {
                        int8x16_t plane = plane_of(v, i);
#pragma GCC unroll 4
                        for (int t = 0; t < n_tokens; t++) {
                            const int8_t *q = pass.q + (size_t)t * pass.stride +
                                              TM_Q_WEIGHTS * part + 16 * b + 4 * i;
                            sums[t] = add_products(
                                sums[t], plane, vreinterpretq_s8_s32(vdupq_n_s32(tm_load_i32(q))));
                        }
                    }
                }
#pragma GCC unroll 4
                for (int t = 0; t < n_tokens; t++) {
                    int32x4_t sum = vsubq_s32(by_row(sums[t]), vdupq_n_s32(q2_sum(&pass, t, part)));
                    float32x4_t factor = vmulq_n_f32(d, q2_scale(&pass, t, part));
                    total[t][k] = vaddq_f32(total[t][k], vmulq_f32(vcvtq_f32_s32(sum), factor));
                }
            }
        }
    }
    for (int t = 0; t < n_tokens; t++) {
        float totals[TM_GROUP];
        for (int k = 0; k < QUADS; k++) vst1q_f32(totals + 4 * k, total[t][k]);
        q2_store(w, totals, row, token + t, y);
    }
}

#endif
