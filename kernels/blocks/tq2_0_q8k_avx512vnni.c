/* tq2_0 with AVX-512 VNNI: a block's 64 bytes of codes are one vector. */
#define TM_BLOCK_WEIGHTS     TM_K_WEIGHTS
#define TM_BLOCK_BYTES       TM_TQ2_0_BYTES
#define TM_BLOCK_SCALE_AT    TM_TQ2_0_SCALE
#define TM_BLOCK_CODE_OFFSET 1
#define TM_BLOCK_SCALE_UNITS 64
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_panel_avx512_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_tq2_0(block, to);
}

/* Group g of both halves of the block: 32 values at 32 g and 32 at 128 + 32 g. */
TM_ALWAYS_INLINE __m512i load_halves(const int8_t *q, int g)
{
    __m256i low = _mm256_loadu_si256((const void *)(q + 32 * g));
    return _mm512_inserti64x4(_mm512_castsi256_si512(low),
                              _mm256_loadu_si256((const void *)(q + 128 + 32 * g)), 1);
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m512i three = _mm512_set1_epi8(3), bytes = _mm512_loadu_si512(block);
    __m512i total = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(sum));
#pragma GCC unroll 4
    for (int g = 0; g < 4; g++) {
        __m512i codes = _mm512_and_si512(_mm512_srli_epi16(bytes, 2 * (unsigned)g), three);
        total = _mm512_dpbusd_epi32(total, codes, load_halves(q, g));
    }
    return _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
}

TM_BLOCK_KERNEL(tq2_0, q8k, avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
                TM_K_TOLERANCE, "llama.cpp TQ2_0 x Q8_K")
