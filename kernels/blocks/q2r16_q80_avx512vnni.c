/* q2r16 with 512-bit vpdpbusd: codes as the unsigned operand, lanes are 16 rows. */
#define TM_Q2_TOKENS 8
#include "kernels/blocks/q2_rows.h"

#include <immintrin.h>

TM_ALWAYS_INLINE void rows_of_16(const tm_weight *w, const tm_act *x, int row, int token, float *y,
                                 const int n_tokens)
{
    const __m512i three = _mm512_set1_epi8(3);
    q2_pass pass = q2_begin(w, x, row, token);
    size_t ahead = n_tokens == 1 ? (size_t)tm_kernel_ahead : 0;
    __m512 total[TM_Q2_TOKENS];
#pragma GCC unroll 8
    for (int t = 0; t < n_tokens; t++) total[t] = _mm512_setzero_ps();
    for (size_t p = 0; p < pass.n_pieces; p++, q2_next(&pass)) {
        if (ahead != 0)
#pragma GCC unroll 9
            for (int line = 0; line < TM_Q2_BYTES; line += 64)
                _mm_prefetch((const char *)pass.piece + ahead + line, _MM_HINT_T0);
        for (int part = 0; part < TM_Q2_PARTS; part++) {
            const uint8_t *codes = pass.piece + TM_Q2_CODES + 2 * TM_Q2_BLOCK * part;
            const int8_t *q = pass.q + TM_Q_WEIGHTS * part;
            __m512 d =
                _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(pass.piece + part / 2 * 32)));
            __m512i sums[TM_Q2_TOKENS][2]; /* two chains of four products */
#pragma GCC unroll 8
            for (int t = 0; t < n_tokens; t++) {
                sums[t][0] = _mm512_set1_epi32(-q2_sum(&pass, t, part));
                sums[t][1] = _mm512_setzero_si512();
            }
#pragma GCC unroll 2
            for (int b = 0; b < 2; b++) {
                __m512i v = _mm512_loadu_si512(codes + TM_Q2_BLOCK * b);
#pragma GCC unroll 4
                for (int i = 0; i < 4; i++) {
                    __m512i plane =
                        _mm512_and_si512(_mm512_srli_epi32(v, (unsigned)(2 * i)), three);
#pragma GCC unroll 8
                    for (int t = 0; t < n_tokens; t++) {
                        const int8_t *at = q + (size_t)t * pass.stride + 16 * b + 4 * i;
                        sums[t][b] = _mm512_dpbusd_epi32(sums[t][b], plane,
                                                         _mm512_set1_epi32(tm_load_i32(at)));
                    }
                }
            }
#pragma GCC unroll 8
            for (int t = 0; t < n_tokens; t++) {
                __m512 factor = _mm512_mul_ps(d, _mm512_set1_ps(q2_scale(&pass, t, part)));
                __m512 value = _mm512_cvtepi32_ps(_mm512_add_epi32(sums[t][0], sums[t][1]));
                total[t] = _mm512_add_ps(total[t], _mm512_mul_ps(value, factor));
            }
        }
    }
#pragma GCC unroll 8
    for (int t = 0; t < n_tokens; t++) {
        float totals[TM_GROUP];
        _mm512_storeu_ps(totals, total[t]);
        q2_store(w, totals, row, token + t, y);
    }
}

TM_Q2_KERNEL(avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI)
