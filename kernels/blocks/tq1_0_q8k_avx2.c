/* tq1_0 with AVX2: trits times int8 in int16 pairs. */
#define TM_BLOCK_WEIGHTS    TM_K_WEIGHTS
#define TM_BLOCK_BYTES      TM_TQ1_0_BYTES
#define TM_BLOCK_SCALE_AT   TM_TQ1_0_SCALE
#define TM_BLOCK_TOKENS_MIN 4
/* In tiles: -1 .. 1 times 127, 128 times: a 16-bit sum is at most 16256 in size. */
#define TM_BLOCK_CODE_OFFSET 1
#define TM_BLOCK_CODE_BYTES  1
#define TM_BLOCK_SCALE_UNITS 64
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx2_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_tq1_0(block, to);
}

/* A pair is at most 2 x 127 x 2 = 508 in size, 8 of them 4064. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i total = _mm256_setzero_si256(), v[8];
    vectors_tq1_0(block, v);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) {
        __m256i x = _mm256_loadu_si256((const void *)(q + 32 * k));
        total = _mm256_add_epi16(total, _mm256_maddubs_epi16(v[k], x));
    }
    return _mm256_add_epi32(_mm256_madd_epi16(total, _mm256_set1_epi16(1)), minus_sums_of_256(sum));
}

TM_BLOCK_KERNEL(tq1_0, q8k, avx2, TM_ISA_AVX2, TM_K_TOLERANCE, "llama.cpp TQ1_0 x Q8_K")
