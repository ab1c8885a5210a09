/* Blocks to codes with AVX2, one byte a weight in the order of columns and never negative: the
 * content of tiles. An unused function costs nothing. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_CODES_H
#define TM_KERNELS_BLOCKS_BLOCKS_CODES_H

#include "kernels/blocks/blocks.h"

#include <immintrin.h>

TM_ALWAYS_INLINE void store_32(uint8_t *to, __m256i v)
{
    _mm256_storeu_si256((void *)to, v);
}

/* w + 128. */
TM_ALWAYS_INLINE void codes_q8_0(const uint8_t *block, uint8_t *to)
{
    store_32(to, _mm256_xor_si256(_mm256_loadu_si256((const void *)(block + 2)),
                                  _mm256_set1_epi8((char)0x80)));
}

/* w + 8. */
TM_ALWAYS_INLINE __m256i vector_q4_0(const uint8_t *block)
{
    __m128i bytes = _mm_loadu_si128((const void *)(block + 2));
    return _mm256_and_si256(
        _mm256_inserti128_si256(_mm256_castsi128_si256(bytes), _mm_srli_epi16(bytes, 4), 1),
        _mm256_set1_epi8(15));
}

TM_ALWAYS_INLINE void codes_q4_0(const uint8_t *block, uint8_t *to)
{
    store_32(to, vector_q4_0(block));
}

/* The four vectors of 32 codes of half h: w + 32. */
TM_ALWAYS_INLINE void vectors_q6_k(const uint8_t *block, int h, __m256i *codes)
{
    __m256i low = _mm256_set1_epi8(15), high = _mm256_set1_epi8(48);
    __m256i ql0 = _mm256_loadu_si256((const void *)(block + 64 * h));
    __m256i ql1 = _mm256_loadu_si256((const void *)(block + 64 * h + 32));
    __m256i qh = _mm256_loadu_si256((const void *)(block + 128 + 32 * h));
    codes[0] = _mm256_or_si256(_mm256_and_si256(ql0, low),
                               _mm256_and_si256(_mm256_slli_epi16(qh, 4), high));
    codes[1] = _mm256_or_si256(_mm256_and_si256(ql1, low),
                               _mm256_and_si256(_mm256_slli_epi16(qh, 2), high));
    codes[2] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(ql0, 4), low),
                               _mm256_and_si256(qh, high));
    codes[3] = _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi16(ql1, 4), low),
                               _mm256_and_si256(_mm256_srli_epi16(qh, 2), high));
}

TM_ALWAYS_INLINE void codes_q6_k(const uint8_t *block, uint8_t *to)
{
    __m256i v[4];
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        vectors_q6_k(block, h, v);
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++) store_32(to + 128 * h + 32 * g, v[g]);
    }
}

/* w + 1, in units of the block's scale. */
TM_ALWAYS_INLINE void codes_tq2_0(const uint8_t *block, uint8_t *to)
{
    __m256i three = _mm256_set1_epi8(3);
#pragma GCC unroll 2
    for (int h = 0; h < 2; h++) {
        __m256i bytes = _mm256_loadu_si256((const void *)(block + 32 * h));
#pragma GCC unroll 4
        for (int g = 0; g < 4; g++)
            store_32(to + 128 * h + 32 * g,
                     _mm256_and_si256(_mm256_srli_epi16(bytes, 2 * g), three));
    }
}

TM_ALWAYS_INLINE __m256i times_3(__m256i bytes)
{
    return _mm256_add_epi8(_mm256_add_epi8(bytes, bytes), bytes);
}

/* The leading trit of a byte, byte * 3 >> 8: 0 below 86, 1, 2 from 171 on. The byte is given less
 * 128, for signed comparisons. Times 3 keeps the 128, since 3 x 128 = 128 modulo 256. */
TM_ALWAYS_INLINE __m256i leading_trit(__m256i bytes)
{
    __m256i from_86 = _mm256_set1_epi8(86 - 128), to_170 = _mm256_set1_epi8(170 - 128);
    /* From a comparison with a known constant, gcc 12 makes a minimum and a test for equality. */
    __asm__("" : "+x"(from_86), "+x"(to_170));
    __m256i below_86 = _mm256_cmpgt_epi8(from_86, bytes),
            from_171 = _mm256_cmpgt_epi8(bytes, to_170);
    return _mm256_sub_epi8(_mm256_add_epi8(below_86, _mm256_set1_epi8(1)), from_171);
}

/* Each byte times its 16-bit lane's factor (below 256), modulo 256. */
TM_ALWAYS_INLINE __m256i times_lanes(__m256i bytes, __m256i factors)
{
    __m256i low = _mm256_set1_epi16(255);
    return _mm256_or_si256(_mm256_and_si256(_mm256_mullo_epi16(bytes, factors), low),
                           _mm256_mullo_epi16(_mm256_andnot_si256(low, bytes), factors));
}

/* The eight vectors of 32 codes of TQ1_0, in order: w + 1. Bytes times powers of 3 by additions,
 * trits by two comparisons. */
TM_ALWAYS_INLINE void vectors_tq1_0(const uint8_t *block, __m256i *codes)
{
    const __m256i flip = _mm256_set1_epi8((char)0x80);
    __m256i bytes = _mm256_xor_si256(_mm256_loadu_si256((const void *)block), flip);
#pragma GCC unroll 5
    for (int k = 0; k < 5; k++) {
        codes[k] = leading_trit(bytes);
        bytes = times_3(bytes);
    }
    /* 16 bytes with 5 trits: twice each, times 1 and 3, then 9 and 27, then 81 together with the
     * last 4 bytes times 1, 3, 9, 27. */
    __m128i sixteen =
        _mm_xor_si128(_mm_loadu_si128((const void *)(block + 32)), _mm256_castsi256_si128(flip));
    bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen),
                                    _mm_add_epi8(_mm_add_epi8(sixteen, sixteen), sixteen), 1);
    codes[5] = leading_trit(bytes);
    codes[6] = leading_trit(times_3(times_3(bytes)));
    int32_t four;
    memcpy(&four, block + 48, sizeof four);
    const __m256i factors = _mm256_setr_epi16(81, 81, 81, 81, 81, 81, 81, 81, /* */
                                              1, 1, 3, 3, 9, 9, 27, 27);
    __m128i fours = _mm_xor_si128(_mm_set1_epi32(four), _mm256_castsi256_si128(flip));
    bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(sixteen), fours, 1);
    codes[7] = leading_trit(times_lanes(bytes, factors));
}

TM_ALWAYS_INLINE void codes_tq1_0(const uint8_t *block, uint8_t *to)
{
    __m256i v[8];
    vectors_tq1_0(block, v);
#pragma GCC unroll 8
    for (int k = 0; k < 8; k++) store_32(to + 32 * k, v[k]);
}

#endif
