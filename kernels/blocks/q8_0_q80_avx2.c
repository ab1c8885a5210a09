/* q8_0 with AVX2: |w| times q with the sign of w, in int16 pairs. */
#define TM_BLOCK_WEIGHTS    TM_Q_WEIGHTS
#define TM_BLOCK_BYTES      TM_Q8_0_BYTES
#define TM_BLOCK_SCALE_AT   0
#define TM_BLOCK_TOKENS_MIN 5
/* In tiles: 16 bits per code, so that products of full range are added without separate signs. */
#define TM_BLOCK_CODE_OFFSET 0
#define TM_BLOCK_CODE_BYTES  2
#define TM_BLOCK_SCALE_UNITS 16
#include "kernels/blocks/blocks_panel_avx2_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        __m128i bytes = _mm_loadu_si128((const void *)(block + 2 + 16 * i));
        _mm256_storeu_si256((void *)(to + 32 * i), _mm256_cvtepi8_epi16(bytes));
    }
}

/* A pair of products is at most 128 x 127 x 2 = 32512 in size. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i codes = _mm256_loadu_si256((const void *)(block + 2));
    __m256i x = _mm256_sign_epi8(_mm256_loadu_si256((const void *)q), codes);
    (void)sum;
    return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(codes), x), _mm256_set1_epi16(1));
}

TM_BLOCK_KERNEL(q8_0, q80, avx2, TM_ISA_AVX2, TM_Q_TOLERANCE, "llama.cpp Q8_0 x Q8_0")
