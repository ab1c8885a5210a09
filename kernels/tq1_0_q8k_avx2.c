/* tq1_0 with AVX2: bytes times powers of 3 by additions, trits by two comparisons. */
#define WEIGHTS  TM_K_WEIGHTS
#define BYTES    TM_TQ1_0_BYTES
#define SCALE_AT TM_TQ1_0_SCALE
#include "kernels/blocks_avx2.h"

TM_ALWAYS_INLINE __m256i times_3(__m256i bytes)
{
    return _mm256_add_epi8(_mm256_add_epi8(bytes, bytes), bytes);
}

/* byte * 3 >> 8: one from 86 on and one from 171. */
TM_ALWAYS_INLINE __m256i leading_trit(__m256i bytes)
{
    __m256i one = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, _mm256_set1_epi8(86)), bytes);
    __m256i two = _mm256_cmpeq_epi8(_mm256_max_epu8(bytes, _mm256_set1_epi8((char)171)), bytes);
    return _mm256_abs_epi8(_mm256_add_epi8(one, two));
}

/* total += codes * q: a pair is at most 2 x 127 x 2 = 508 in size, 8 of them 4064. */
TM_ALWAYS_INLINE __m256i add_products(__m256i total, __m256i bytes, const int8_t *q)
{
    __m256i x = _mm256_loadu_si256((const void *)q);
    return _mm256_add_epi16(total, _mm256_maddubs_epi16(leading_trit(bytes), x));
}

/* Each byte times its 16-bit lane's factor (below 256), modulo 256. */
TM_ALWAYS_INLINE __m256i times(__m256i bytes, __m256i factors)
{
    __m256i low = _mm256_set1_epi16(255);
    return _mm256_or_si256(_mm256_and_si256(_mm256_mullo_epi16(bytes, factors), low),
                           _mm256_mullo_epi16(_mm256_andnot_si256(low, bytes), factors));
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i total = _mm256_setzero_si256(), bytes = _mm256_loadu_si256((const void *)block);
#pragma GCC unroll 5
    for (int k = 0; k < 5; k++) {
        total = add_products(total, bytes, q + 32 * k);
        bytes = times_3(bytes);
    }
    /* 16 bytes with 5 trits: twice each, times 1 and 3, then 9 and 27, then 81; beside that the
     * last 4 bytes times 1, 3, 9, 27. */
    __m128i sixteen = _mm_loadu_si128((const void *)(block + 32));
    bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen),
                                    _mm_add_epi8(_mm_add_epi8(sixteen, sixteen), sixteen), 1);
    total = add_products(total, bytes, q + 160);
    bytes = times_3(times_3(bytes));
    total = add_products(total, bytes, q + 192);
    int32_t four;
    memcpy(&four, block + 48, sizeof four);
    const __m256i factors = _mm256_setr_epi16(81, 81, 81, 81, 81, 81, 81, 81, /* */
                                              1, 1, 3, 3, 9, 9, 27, 27);
    bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen), _mm_set1_epi32(four), 1);
    total = add_products(total, times(bytes, factors), q + 224);
    return _mm256_add_epi32(_mm256_madd_epi16(total, _mm256_set1_epi16(1)), minus_sums_of_256(sum));
}

TM_BLOCK_KERNEL(tq1_0, q8k, avx2, TM_ISA_AVX2, TM_K_TOLERANCE, "llama.cpp TQ1_0 x Q8_K")
