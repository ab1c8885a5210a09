/* q2r16 with AVX2: vpmaddubsw into int16 for 32 columns, lanes are rows. */
#define TM_Q2_TOKENS 4
#include "kernels/blocks/q2_rows.h"

#include <immintrin.h>

/* sums[token] = codes less 1, times q, over part `part` of 8 rows. A byte's even planes are read
 * after a shift by 0 and 4; the odd ones stay two bits up and count 4-fold. In int16, 32 columns
 * add at most 4 x 762 to even and 4 x 3048 to odd, a multiple of 4, so that its shift is exact. */
TM_ALWAYS_INLINE void dot(const q2_pass *pass, const uint8_t *codes, int part, __m256i *sums,
                          const int n_tokens)
{
    const __m256i mask_even = _mm256_set1_epi8(0x03), mask_odd = _mm256_set1_epi8(0x0c);
    __m256i even[TM_Q2_TOKENS], odd[TM_Q2_TOKENS];
#pragma GCC unroll 4
    for (int t = 0; t < n_tokens; t++) even[t] = odd[t] = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (int b = 0; b < 2; b++) {
        __m256i v = _mm256_loadu_si256((const void *)(codes + TM_Q2_BLOCK * b)),
                up = _mm256_srli_epi16(v, 4);
        __m256i plane[4] = {_mm256_and_si256(v, mask_even), _mm256_and_si256(v, mask_odd),
                            _mm256_and_si256(up, mask_even), _mm256_and_si256(up, mask_odd)};
#pragma GCC unroll 4
        for (int t = 0; t < n_tokens; t++) {
            const int8_t *q = pass->q + (size_t)t * pass->stride + TM_Q_WEIGHTS * part + 16 * b;
            __m256i p0 = _mm256_maddubs_epi16(plane[0], _mm256_set1_epi32(tm_load_i32(q))),
                    p1 = _mm256_maddubs_epi16(plane[1], _mm256_set1_epi32(tm_load_i32(q + 4))),
                    p2 = _mm256_maddubs_epi16(plane[2], _mm256_set1_epi32(tm_load_i32(q + 8))),
                    p3 = _mm256_maddubs_epi16(plane[3], _mm256_set1_epi32(tm_load_i32(q + 12)));
            even[t] = _mm256_add_epi16(even[t], _mm256_add_epi16(p0, p2));
            odd[t] = _mm256_add_epi16(odd[t], _mm256_add_epi16(p1, p3));
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < n_tokens; t++) {
        __m256i all = _mm256_add_epi16(even[t], _mm256_srai_epi16(odd[t], 2));
        sums[t] = _mm256_sub_epi32(_mm256_madd_epi16(all, _mm256_set1_epi16(1)),
                                   _mm256_set1_epi32(q2_sum(pass, t, part)));
    }
}

TM_ALWAYS_INLINE void rows_of_16(const tm_weight *w, const tm_act *x, int row, int token, float *y,
                                 const int n_tokens)
{
    q2_pass pass = q2_begin(w, x, row, token);
    size_t ahead = n_tokens == 1 ? (size_t)tm_kernel_ahead : 0;
    __m256 total[TM_Q2_TOKENS][2];
#pragma GCC unroll 4
    for (int t = 0; t < n_tokens; t++) total[t][0] = total[t][1] = _mm256_setzero_ps();
    for (size_t p = 0; p < pass.n_pieces; p++, q2_next(&pass)) {
        if (ahead != 0)
#pragma GCC unroll 9
            for (int line = 0; line < TM_Q2_BYTES; line += 64)
                _mm_prefetch((const char *)pass.piece + ahead + line, _MM_HINT_T0);
        for (int part = 0; part < TM_Q2_PARTS; part++)
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                __m256i sums[TM_Q2_TOKENS];
                const uint8_t *halves = pass.piece + part / 2 * 32 + 16 * k;
                __m256 d = _mm256_cvtph_ps(_mm_loadu_si128((const void *)halves));
                dot(&pass, pass.piece + TM_Q2_CODES + 2 * TM_Q2_BLOCK * part + 32 * k, part, sums,
                    n_tokens);
#pragma GCC unroll 4
                for (int t = 0; t < n_tokens; t++) {
                    __m256 factor = _mm256_mul_ps(d, _mm256_set1_ps(q2_scale(&pass, t, part)));
                    total[t][k] = _mm256_add_ps(total[t][k],
                                                _mm256_mul_ps(_mm256_cvtepi32_ps(sums[t]), factor));
                }
            }
    }
#pragma GCC unroll 4
    for (int t = 0; t < n_tokens; t++) {
        float totals[TM_GROUP];
        _mm256_storeu_ps(totals, total[t][0]);
        _mm256_storeu_ps(totals + 8, total[t][1]);
        q2_store(w, totals, row, token + t, y);
    }
}

TM_Q2_KERNEL(avx2, TM_ISA_AVX2)
