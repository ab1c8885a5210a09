/* t3r16 with AVX2: a byte shuffle, a multiply and shifts unpack codes, two look-ups of 16 entries
 * turn each into its three trits in 2 bits each; then as i2r16. */
#include <immintrin.h>

#include "kernels/panel.h"
#include "kernels/t3.h"

#define BLOCK_UNITS     TM_T3_UNITS
#define BLOCK_BYTES     TM_T3_BLOCK
#define BLOCKS_IN_PLACE 1

/* Codes 2k and 2k + 1 of 8 lie in bits 2k .. 2k + 9 of bytes k and k + 1 of 5: those go to 16 bits,
 * the multiply shifts both to the top. Rows 8 * half .. are 4 x 5 bytes, two to a 128-bit lane; the
 * last 10 bytes are loaded with those before them, to end with the block. */
TM_ALWAYS_INLINE __m256i load_half(const uint8_t *at, int half)
{
#define PAIRS(i)                                                                                   \
    i, i + 1, i + 1, i + 2, i + 2, i + 3, i + 3, i + 4, i + 5, i + 6, i + 6, i + 7, i + 7, i + 8,  \
        i + 8, i + 9
    const __m256i pairs =
        half ? _mm256_setr_epi8(PAIRS(0), PAIRS(6)) : _mm256_setr_epi8(PAIRS(0), PAIRS(0));
#undef PAIRS
    const __m256i up = _mm256_set1_epi64x(0x0001000400100040);
    /* t0 | t1 << 2 | t2 << 4 of codes 0 .. 15 and 16 .. 26. */
    const __m256i low =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(0x00, 0x01, 0x02, 0x04, 0x05, 0x06, 0x08, 0x09,
                                                  0x0a, 0x10, 0x11, 0x12, 0x14, 0x15, 0x16, 0x18));
    const __m256i high = _mm256_broadcastsi128_si256(_mm_setr_epi8(
        0x19, 0x1a, 0x20, 0x21, 0x22, 0x24, 0x25, 0x26, 0x28, 0x29, 0x2a, 0, 0, 0, 0, 0));
    __m128i first = _mm_loadu_si128((const void *)(at + 20 * half));
    __m128i second = _mm_loadu_si128((const void *)(at + (half ? 24 : 10)));
    __m256i bytes = _mm256_inserti128_si256(_mm256_castsi128_si256(first), second, 1);
    __m256i words = _mm256_mullo_epi16(_mm256_shuffle_epi8(bytes, pairs), up);
    __m256i even = _mm256_and_si256(_mm256_srli_epi16(words, 6), _mm256_set1_epi16(0x001f));
    __m256i odd = _mm256_and_si256(_mm256_srli_epi16(words, 3), _mm256_set1_epi16(0x1f00));
    __m256i codes = _mm256_or_si256(even, odd);
    /* An index with its highest bit set looks up 0: so do 16 and more in `low`, less in `high`. */
    return _mm256_or_si256(_mm256_shuffle_epi8(low, _mm256_add_epi8(codes, _mm256_set1_epi8(0x70))),
                           _mm256_shuffle_epi8(high, _mm256_sub_epi8(codes, _mm256_set1_epi8(16))));
}

#include "kernels/mad_avx2.h"

/* One token. Trit 1 stays two bits up and counts 4-fold. In int16, a block adds at most 2 x 508 to
 * even and 2032 to odd, so that 16 blocks reach at most 32,512; then both go to int32. An odd sum
 * is a multiple of 4: its shift is exact. */
#define BLOCKS_A_FLUSH 16

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m256i mask_even = _mm256_set1_epi8(0x03), mask_odd = _mm256_set1_epi8(0x0c);
    const __m256i ones = _mm256_set1_epi16(1), sum = _mm256_set1_epi32(x->sum[0]);
    size_t n_blocks = tm_t3_blocks(w->n_cols);
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_T3_BLOCK;
    int8_t last[TM_T3_COLS];
    tm_t3_last_columns(x, 0, last);

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m256i even32[2], odd32[2];
        const int8_t *q = x->i8;
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) even32[k] = odd32[k] = _mm256_setzero_si256();
        for (size_t b = 0; b < n_blocks;) {
            size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
            __m256i even[2], odd[2];
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) even[k] = odd[k] = _mm256_setzero_si256();
            for (; b < end; b++, data += TM_T3_BLOCK, q += TM_T3_COLS) {
                __m256i value[TM_T3_UNITS];
                _mm_prefetch((const char *)data + TM_PREFETCH_BYTES, _MM_HINT_T0);
                if (b + 1 == n_blocks) q = last;
#pragma GCC unroll 3
                for (int p = 0; p < TM_T3_UNITS; p++)
                    value[p] = _mm256_set1_epi32(tm_load_i32(q + 4 * p));
#pragma GCC unroll 2
                for (int k = 0; k < 2; k++) {
                    __m256i v = load_half(data, k), up = _mm256_srli_epi16(v, 4);
                    even[k] = _mm256_add_epi16(
                        even[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_even), value[0]));
                    odd[k] = _mm256_add_epi16(
                        odd[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_odd), value[1]));
                    even[k] = _mm256_add_epi16(
                        even[k], _mm256_maddubs_epi16(_mm256_and_si256(up, mask_even), value[2]));
                }
            }
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                even32[k] = _mm256_add_epi32(even32[k], _mm256_madd_epi16(even[k], ones));
                odd32[k] = _mm256_add_epi32(odd32[k], _mm256_madd_epi16(odd[k], ones));
            }
        }
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++)
            even32[k] =
                _mm256_sub_epi32(_mm256_add_epi32(even32[k], _mm256_srai_epi32(odd32[k], 2)), sum);
        store_rows(y + row, even32[0], even32[1], x->scale[0], w->scale, row_end - row);
    }
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_t3r16_lut_avx2 = {
    .name = "t3r16_lut_avx2",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_AVX2,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "three trits in five bits as in bitnet.cpp's TL2 (2502.11880, 3.1); look-ups by "
              "vpshufb, panels as in BLIS",
};
