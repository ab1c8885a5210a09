/* tq1_0 with VBMI: a look-up in 256 bytes gives four trits of a byte, one more the fifth, for the
 * 52 bytes of a block at once; vpdpbusd multiplies them. */
#define TM_BLOCK_WEIGHTS     TM_K_WEIGHTS
#define TM_BLOCK_BYTES       TM_TQ1_0_BYTES
#define TM_BLOCK_SCALE_AT    TM_TQ1_0_SCALE
#define TM_BLOCK_CODE_OFFSET 1
#define TM_BLOCK_SCALE_UNITS 64
#include "kernels/blocks/blocks_panel_avx512_template.h"

#define PLANES 5 /* trits of a byte; the last 4 bytes have 4 */

/* Trit + 1 of byte b, times 3^k before: how llama.cpp reads it. */
#define TRIT(b, power) (((b) * (power) % 256 * 3) >> 8)
#define FOUR(b)        (TRIT(b, 1) | TRIT(b, 3) << 2 | TRIT(b, 9) << 4 | TRIT(b, 27) << 6)
#define FIFTH(b)       TRIT(b, 81)
#define TO_8(X, b)     X(b), X(b + 1), X(b + 2), X(b + 3), X(b + 4), X(b + 5), X(b + 6), X(b + 7)
#define TO_32(X, b)    TO_8(X, b), TO_8(X, b + 8), TO_8(X, b + 16), TO_8(X, b + 24)
#define TO_128(X, b)   TO_32(X, b), TO_32(X, b + 32), TO_32(X, b + 64), TO_32(X, b + 96)
#define TABLE(X)                                                                                   \
    {                                                                                              \
        TO_128(X, 0), TO_128(X, 128)                                                               \
    }
alignas(64) static const uint8_t fours[256] = TABLE(FOUR);
alignas(64) static const uint8_t fifths[256] = TABLE(FIFTH);

/* A look-up in 128 bytes ignores the highest bit, which then chooses between two of them. */
TM_ALWAYS_INLINE __m512i look_up(const uint8_t *table, __m512i bytes, __mmask64 high)
{
    __m512i in_low =
        _mm512_permutex2var_epi8(_mm512_load_si512(table), bytes, _mm512_load_si512(table + 64));
    __m512i in_high = _mm512_permutex2var_epi8(_mm512_load_si512(table + 128), bytes,
                                               _mm512_load_si512(table + 192));
    return _mm512_mask_blend_epi8(high, in_low, in_high);
}

/* Plane k: trit k of each byte, 0 .. 2; 0 past the 52 bytes, which no load goes beyond. */
TM_ALWAYS_INLINE void load_planes(const uint8_t *block, __m512i planes[PLANES])
{
    __m512i bytes = _mm512_maskz_loadu_epi8(((__mmask64)1 << TM_TQ1_0_SCALE) - 1, block);
    __mmask64 high = _mm512_movepi8_mask(bytes);
    __m512i four = look_up(fours, bytes, high);
#pragma GCC unroll 4
    for (unsigned k = 0; k < 4; k++)
        planes[k] = _mm512_and_si512(_mm512_srli_epi16(four, 2 * k), _mm512_set1_epi8(3));
    planes[4] = look_up(fifths, bytes, high);
}

/* Bytes 0 .. 31 hold columns 32 k + i, the next 16 columns 160 + 16 k + i, the last 4 columns
 * 240 + 4 k + i: source: llama.cpp, dequantize_row_tq1_0. */
TM_ALWAYS_INLINE void codes(const uint8_t *block, uint8_t *to)
{
    __m512i planes[PLANES];
    load_planes(block, planes);
#pragma GCC unroll 5
    for (int k = 0; k < PLANES; k++) {
        __m128i last = _mm512_extracti32x4_epi32(planes[k], 3);
        _mm256_storeu_si256((void *)(to + 32 * k), _mm512_castsi512_si256(planes[k]));
        _mm_storeu_si128((void *)(to + 160 + 16 * k), _mm512_extracti32x4_epi32(planes[k], 2));
        if (k < 4) _mm_storeu_si32(to + 240 + 4 * k, last);
    }
}

/* The activations of plane k; the same for every row, so that they are made once for a block. */
TM_ALWAYS_INLINE __m512i load_columns(const int8_t *q, int k)
{
    __m128i last = k < 4 ? _mm_loadu_si32(q + 240 + 4 * k) : _mm_setzero_si128();
    __m256i rest = _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const void *)(q + 160 + 16 * k))), last, 1);
    return _mm512_inserti64x4(
        _mm512_castsi256_si512(_mm256_loadu_si256((const void *)(q + 32 * k))), rest, 1);
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum)
{
    __m512i total = _mm512_sub_epi32(_mm512_setzero_si512(), _mm512_loadu_si512(sum));
    __m512i planes[PLANES];
    load_planes(block, planes);
#pragma GCC unroll 5
    for (int k = 0; k < PLANES; k++)
        total = _mm512_dpbusd_epi32(total, planes[k], load_columns(q, k));
    return _mm256_add_epi32(_mm512_castsi512_si256(total), _mm512_extracti64x4_epi64(total, 1));
}

TM_BLOCK_KERNEL(tq1_0, q8k, avx512vbmi,
                TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVX512VBMI, TM_K_TOLERANCE,
                "llama.cpp TQ1_0 x Q8_K; look-ups by vpermi2b")
