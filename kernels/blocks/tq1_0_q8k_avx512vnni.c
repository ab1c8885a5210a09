/* tq1_0 with AVX-512 VNNI: trits as the unsigned operand. */
#define TM_BLOCK_WEIGHTS     TM_K_WEIGHTS
#define TM_BLOCK_BYTES       TM_TQ1_0_BYTES
#define TM_BLOCK_SCALE_AT    TM_TQ1_0_SCALE
#define TM_BLOCK_CODE_OFFSET 1
#define TM_BLOCK_SCALE_UNITS 64
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx512_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_tq1_0(block, to);
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i total = minus_sums_of_256(sum), v[8];
    vectors_tq1_0(block, v);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++)
        total = _mm256_dpbusd_epi32(total, v[k], _mm256_loadu_si256((const void *)(q + 32 * k)));
    return total;
}

TM_BLOCK_KERNEL(tq1_0, q8k, avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
                TM_K_TOLERANCE, "llama.cpp TQ1_0 x Q8_K")
