/* tq2_0 with AVX2: 2-bit codes times int8 in int16 pairs. */
#define TM_BLOCK_WEIGHTS    TM_K_WEIGHTS
#define TM_BLOCK_BYTES      TM_TQ2_0_BYTES
#define TM_BLOCK_SCALE_AT   TM_TQ2_0_SCALE
#define TM_BLOCK_TOKENS_MIN 5
/* In tiles: -1 .. 2 times 127, 128 times: a 16-bit sum is at most 32512 in size. */
#define TM_BLOCK_CODE_OFFSET 1
#define TM_BLOCK_CODE_BYTES  1
#define TM_BLOCK_SCALE_UNITS 64
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx2_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_tq2_0(block, to);
}

/* A pair of products is at most 3 x 127 x 2 = 762 in size, 8 of them 6096. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i three = _mm256_set1_epi8(3), total = _mm256_setzero_si256();
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i bytes = _mm256_loadu_si256((const void *)(block + 32 * h));
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) {
            __m256i codes = _mm256_and_si256(_mm256_srli_epi16(bytes, 2 * g), three);
            __m256i x = _mm256_loadu_si256((const void *)(q + 128 * h + 32 * g));
            total = _mm256_add_epi16(total, _mm256_maddubs_epi16(codes, x));
        }
    }
    return _mm256_add_epi32(_mm256_madd_epi16(total, _mm256_set1_epi16(1)), minus_sums_of_256(sum));
}

TM_BLOCK_KERNEL(tq2_0, q8k, avx2, TM_ISA_AVX2, TM_K_TOLERANCE, "llama.cpp TQ2_0 x Q8_K")
