/* q4_0 with AVX2: nibbles times int8 in int16 pairs, 8 times the sum of q taken off. */
#define WEIGHTS  TM_Q_WEIGHTS
#define BYTES    TM_Q4_0_BYTES
#define SCALE_AT 0
#include "kernels/blocks_avx2.h"

/* A pair of products is at most 15 x 127 x 2 = 3810 in size. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m128i bytes = _mm_loadu_si128((const void *)(block + 2));
    __m256i codes = _mm256_and_si256(
        _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1),
        _mm256_set1_epi8(15));
    __m256i products = _mm256_maddubs_epi16(codes, _mm256_loadu_si256((const void *)q));
    __m256i offset = _mm256_zextsi128_si256(_mm_cvtsi32_si128(8 * (sum[0] + sum[1])));
    return _mm256_sub_epi32(_mm256_madd_epi16(products, _mm256_set1_epi16(1)), offset);
}

TM_BLOCK_KERNEL(q4_0, q80, avx2, TM_ISA_AVX2, TM_Q_TOLERANCE, "llama.cpp Q4_0 x Q8_0")
