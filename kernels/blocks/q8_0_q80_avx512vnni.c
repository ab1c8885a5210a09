/* q8_0 with AVX-512 VNNI: w + 128 as the unsigned operand, 128 times the sum of q taken off. */
#define TM_BLOCK_WEIGHTS     TM_Q_WEIGHTS
#define TM_BLOCK_BYTES       TM_Q8_0_BYTES
#define TM_BLOCK_SCALE_AT    0
#define TM_BLOCK_CODE_OFFSET 128
#define TM_BLOCK_SCALE_UNITS 8
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_pairs_avx512_template.h"
#include "kernels/blocks/blocks_panel_avx512_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_q8_0(block, to);
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i w = _mm256_xor_si256(_mm256_loadu_si256((const void *)(block + 2)),
                                 _mm256_set1_epi8((char)0x80));
    __m256i offset = _mm256_zextsi128_si256(_mm_cvtsi32_si128(-128 * (sum[0] + sum[1])));
    return _mm256_dpbusd_epi32(offset, w, _mm256_loadu_si256((const void *)q));
}

TM_ALWAYS_INLINE __m512i pair_codes(__m512i dwords, int plane, int part)
{
    (void)plane;
    if (part == WHOLE) return _mm512_xor_si512(dwords, _mm512_set1_epi32((int)0x80808080));
    if (part == UPPER_HALF)
        dwords = _mm512_srli_epi32(dwords, 16);
    else
        dwords = _mm512_and_si512(dwords, _mm512_set1_epi32(0xffff));
    return _mm512_xor_si512(dwords, _mm512_set1_epi32(0x8080));
}

TM_BLOCK_KERNEL(q8_0, q80, avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
                TM_Q_TOLERANCE, "llama.cpp Q8_0 x Q8_0")
