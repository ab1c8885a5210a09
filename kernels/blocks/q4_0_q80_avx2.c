/* q4_0 with AVX2: nibbles times int8 in int16 pairs, minus 8 times the sum of q. */
#define TM_BLOCK_WEIGHTS  TM_Q_WEIGHTS
#define TM_BLOCK_BYTES    TM_Q4_0_BYTES
#define TM_BLOCK_SCALE_AT 0
/* In tiles: -8 .. 7 times 127, 16 times: a 16-bit sum is at most 16256 in size. */
#define TM_BLOCK_CODE_OFFSET 8
#define TM_BLOCK_CODE_BYTES  1
#define TM_BLOCK_SCALE_UNITS 8
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx2_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_q4_0(block, to);
}

/* A pair of products is at most 15 x 127 x 2 = 3810 in size. */
TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i products =
        _mm256_maddubs_epi16(vector_q4_0(block), _mm256_loadu_si256((const void *)q));
    __m256i offset = _mm256_zextsi128_si256(_mm_cvtsi32_si128(8 * (sum[0] + sum[1])));
    return _mm256_sub_epi32(_mm256_madd_epi16(products, _mm256_set1_epi16(1)), offset);
}

TM_BLOCK_KERNEL(q4_0, q80, avx2, TM_ISA_AVX2, TM_Q_TOLERANCE, "llama.cpp Q4_0 x Q8_0")
