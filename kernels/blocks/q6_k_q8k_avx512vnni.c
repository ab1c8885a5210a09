/* q6_k with AVX-512 VNNI: 64 codes a vector, four products a lane, times the lane's scale. */
#define TM_BLOCK_WEIGHTS     TM_K_WEIGHTS
#define TM_BLOCK_BYTES       TM_Q6_K_BYTES
#define TM_BLOCK_SCALE_AT    TM_Q6_K_SCALE
#define TM_BLOCK_CODE_OFFSET 32
#define TM_BLOCK_SCALE_UNITS 4
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx512_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_q6_k(block, to);
}

TM_ALWAYS_INLINE void scales(const uint8_t *block, int32_t *to)
{
    _mm512_storeu_si512(to, _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)(block + 192))));
}

/* Four products (63 x 127 x 4 = 32004 at most) fit 16 bits, so one multiply-add of 16-bit pairs
 * multiplies with a lane's scale: the pair's upper half meets zero. scales: 16 int32, each below
 * 2^16 as unsigned halves with the upper one cleared; i: the vector's number, groups 4i .. 4i+3. */
TM_ALWAYS_INLINE __m512i add_scaled(__m512i total, __m512i codes, const int8_t *q, __m512i scales,
                                    int i)
{
    __m512i products = _mm512_dpbusd_epi32(_mm512_setzero_si512(), codes, _mm512_loadu_si512(q));
    __m512i of_lane =
        _mm512_add_epi32(_mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3),
                         _mm512_set1_epi32(4 * i));
    return _mm512_dpwssd_epi32(total, products, _mm512_permutexvar_epi32(of_lane, scales));
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    const __m512i low = _mm512_set1_epi8(15), high = _mm512_set1_epi8(48);
    const __m512i left = _mm512_setr_epi64(4, 4, 4, 4, 2, 2, 2, 2);
    const __m512i right = _mm512_setr_epi64(0, 0, 0, 0, 2, 2, 2, 2);
    __m512i scales = _mm512_cvtepi8_epi32(_mm_loadu_si128((const void *)(block + 192)));
    scales = _mm512_and_si512(scales, _mm512_set1_epi32(0xffff));
    /* Subtract the offset 32 of every code: scale * sum of 16 q (at most 2032) * 32. */
    __m512i offset = _mm512_madd_epi16(scales, _mm512_loadu_si512(sum));
    __m512i total = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_slli_epi32(offset, 5));
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m512i ql = _mm512_loadu_si512(block + 64 * h);
        __m512i qh =
            _mm512_broadcast_i64x4(_mm256_loadu_si256((const void *)(block + 128 + 32 * h)));
        __m512i first = _mm512_or_si512(_mm512_and_si512(ql, low),
                                        _mm512_and_si512(_mm512_sllv_epi64(qh, left), high));
        __m512i second = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi16(ql, 4), low),
                                         _mm512_and_si512(_mm512_srlv_epi64(qh, right), high));
        total = add_scaled(total, first, q + 128 * h, scales, 2 * h);
        total = add_scaled(total, second, q + 128 * h + 64, scales, 2 * h + 1);
    }
    return _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
}

TM_BLOCK_KERNEL(q6_k, q8k, avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
                TM_K_TOLERANCE, "llama.cpp Q6_K x Q8_K")
