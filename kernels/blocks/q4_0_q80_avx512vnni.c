/* q4_0 with AVX-512 VNNI: nibbles as the unsigned operand, minus 8 times the sum of q. */
#define TM_BLOCK_WEIGHTS     TM_Q_WEIGHTS
#define TM_BLOCK_BYTES       TM_Q4_0_BYTES
#define TM_BLOCK_SCALE_AT    0
#define TM_BLOCK_CODE_OFFSET 8
#define TM_BLOCK_SCALE_UNITS 8
#include "kernels/blocks/blocks_codes.h"
#include "kernels/blocks/blocks_pairs_avx512_template.h"
#include "kernels/blocks/blocks_panel_avx512_template.h"

TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    codes_q4_0(block, to);
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m256i offset = _mm256_zextsi128_si256(_mm_cvtsi32_si128(-8 * (sum[0] + sum[1])));
    return _mm256_dpbusd_epi32(offset, vector_q4_0(block), _mm256_loadu_si256((const void *)q));
}

/* Cleared bytes hold no codes: it does not matter what multiplies them. */
TM_ALWAYS_INLINE __m512i pair_codes(__m512i dwords, int plane, int part)
{
    unsigned shift = 4 * (unsigned)plane + (part == UPPER_HALF ? 16 : 0);
    return _mm512_and_si512(shift == 0 ? dwords : _mm512_srli_epi32(dwords, shift),
                            _mm512_set1_epi32(part == WHOLE ? 0x0f0f0f0f : 0x0f0f));
}

TM_BLOCK_KERNEL(q4_0, q80, avx512vnni, TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
                TM_Q_TOLERANCE, "llama.cpp Q4_0 x Q8_0")
