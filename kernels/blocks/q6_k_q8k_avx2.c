/* q6_k with AVX2: 6-bit codes times int8 in int16 pairs, then times the scales. */
#define TM_BLOCK_WEIGHTS  TM_K_WEIGHTS
#define TM_BLOCK_BYTES    TM_Q6_K_BYTES
#define TM_BLOCK_SCALE_AT TM_Q6_K_SCALE
/* In tiles: -32 .. 31 times 127, 8 times: a 16-bit sum is at most 32512 in size. */
#define TM_BLOCK_CODE_OFFSET 32
#define TM_BLOCK_CODE_BYTES  1
#define TM_BLOCK_SCALE_UNITS 4
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx2_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_q6_k(block, to);
}

/* Twice, for the two 16-bit halves of a sum. */
TM_ALWAYS_INLINE void scales(const uint8_t *block, int32_t *to)
{
    for (int i = 0; i < 16; i += 8) {
        __m256i eight = _mm256_cvtepi8_epi32(_mm_loadl_epi64((const void *)(block + 192 + i)));
        eight = _mm256_or_si256(_mm256_slli_epi32(eight, 16),
                                _mm256_and_si256(eight, _mm256_set1_epi32(0xffff)));
        _mm256_storeu_si256((void *)(to + i), eight);
    }
}

/* 32 products: codes (0 .. 63) x q, pairs at most 16002 in size, times the scales of groups 2i and
 * 2i + 1: word i of the lower half of `scales_by_half` for the lower half of the vector, and of the
 * upper. */
TM_ALWAYS_INLINE __m256i scaled_products(__m256i v, const int8_t *q, __m256i scales_by_half, int i)
{
    __m256i products = _mm256_maddubs_epi16(v, _mm256_loadu_si256((const void *)q));
    __m256i word = _mm256_set1_epi16((short)(2 * i | (2 * i + 1) << 8));
    return _mm256_madd_epi16(products, _mm256_shuffle_epi8(scales_by_half, word));
}

/* sum scale * (code - 32) * q: |sum| <= 128 x 32 x 127 x 256 = 2^27, with the codes alone 2^28. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    const __m128i even_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    __m128i of_groups = _mm_loadu_si128((const void *)(block + 192));
    __m256i by_half = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(of_groups, even_odd));
    /* Subtract the offset 32 of every code: 32 * scale * sum of 16 q, which is at most 2032. */
    __m256i sums = _mm256_packs_epi32(_mm256_loadu_si256((const void *)sum),
                                      _mm256_loadu_si256((const void *)(sum + 8)));
    __m256i offset =
        _mm256_madd_epi16(_mm256_cvtepi8_epi16(of_groups), _mm256_permute4x64_epi64(sums, 0xd8));
    __m256i total = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(offset, 5));
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i v[4];
        vectors_q6_k(block, h, v);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++)
            total = _mm256_add_epi32(
                total, scaled_products(v[g], q + 128 * h + 32 * g, by_half, 4 * h + g));
    }
    return total;
}

TM_BLOCK_KERNEL(q6_k, q8k, avx2, TM_ISA_AVX2, TM_K_TOLERANCE, "llama.cpp Q6_K x Q8_K")
