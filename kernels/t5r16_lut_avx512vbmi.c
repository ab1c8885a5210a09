/* t5r16 with VBMI: a look-up in 256 bytes gives four trits of a byte, one in 64 the fifth, and
 * vpdpbusd multiplies them. */
#include <immintrin.h>
#include <stdalign.h>

#include "kernels/panel.h"
#include "kernels/t5.h"

#define BLOCK_UNITS     TM_T5_UNITS
#define BLOCK_BYTES     TM_T5_BLOCK
#define BLOCKS_IN_PLACE 3

/* Bits 2p, 2p + 1 of a byte of `four`: trit p + 1. Bytes of `fifth`: trit 4 + 1. */
typedef struct block {
    __m512i four, fifth;
} block;

/* v % 84 = t0 + 3 t1 + 9 t2 + 27 t3 as t0 | t1 << 2 | t2 << 4 | t3 << 6; 81, 82, 83 are no codes,
 * nor are 252 .. 255. The fifth trit is v / 84 = (v / 4) / 21. */
#define NINE(n)         n, n + 1, n + 2, n + 4, n + 5, n + 6, n + 8, n + 9, n + 10
#define TWENTY_SEVEN(n) NINE(n), NINE(n + 16), NINE(n + 32)
#define CODES           TWENTY_SEVEN(0), TWENTY_SEVEN(64), TWENTY_SEVEN(128), 0, 0, 0
#define SEVEN(n)        n, n, n, n, n, n, n
#define TWENTY_ONE(n)   SEVEN(n), SEVEN(n), SEVEN(n)
alignas(64) static const uint8_t fours[256] = {CODES, CODES, CODES};
alignas(64) static const uint8_t fifths[64] = {TWENTY_ONE(0), TWENTY_ONE(1), TWENTY_ONE(2)};

/* A look-up in 128 bytes ignores the highest bit, which then chooses between two of them; one in 64
 * ignores the two highest. */
static inline block load_block(const uint8_t *at)
{
    __m512i bytes = _mm512_loadu_si512(at);
    __m512i low =
        _mm512_permutex2var_epi8(_mm512_load_si512(fours), bytes, _mm512_load_si512(fours + 64));
    __m512i high = _mm512_permutex2var_epi8(_mm512_load_si512(fours + 128), bytes,
                                            _mm512_load_si512(fours + 192));
    return (block){_mm512_mask_blend_epi8(_mm512_movepi8_mask(bytes), low, high),
                   _mm512_permutexvar_epi8(_mm512_srli_epi16(bytes, 2), _mm512_load_si512(fifths))};
}

static inline __m512i block_plane(block from, int p)
{
    if (p == 4) return from.fifth;
    return _mm512_and_si512(_mm512_srli_epi16(from.four, (unsigned)(2 * p)), _mm512_set1_epi8(3));
}

#include "kernels/mad_avx512vnni.h"

/* One token. Four trits stay where they are in the byte and are summed apart: trit p counts 4^p-fold.
 * A sum is at most 192 x 127 x n_cols / 5 in size: below 2^31 up to n_cols = 440,000. It is a
 * multiple of 4^p, so the final shift is exact. Two groups of rows share the activations. n_groups
 * is a literal. */
TM_ALWAYS_INLINE void decode_groups(const tm_weight *w, const tm_act *x, const int8_t *last,
                                    int row, int row_end, float *y, const int n_groups)
{
    const __m512i mask[4] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c), _mm512_set1_epi8(0x30),
                             _mm512_set1_epi8((char)0xc0)};
    size_t n_blocks = tm_t5_blocks(w->n_cols), group_bytes = n_blocks * TM_T5_BLOCK;
    const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
    const int8_t *q = x->i8;
    __m512i sums[2][TM_T5_UNITS];
#pragma GCC unroll 10
    for (int i = 0; i < TM_T5_UNITS * n_groups; i++)
        sums[i / TM_T5_UNITS][i % TM_T5_UNITS] = _mm512_setzero_si512();
    for (size_t b = 0; b < n_blocks; b++, data += TM_T5_BLOCK, q += TM_T5_COLS) {
        block from[2];
        if (b + 1 == n_blocks) q = last;
#pragma GCC unroll 2
        for (int g = 0; g < n_groups; g++) {
            const uint8_t *at = data + (size_t)g * group_bytes;
            _mm_prefetch((const char *)at + (n_groups == 1 ? TM_PREFETCH_BYTES : 2 * group_bytes),
                         _MM_HINT_T1);
            from[g] = load_block(at);
        }
#pragma GCC unroll 5
        for (int p = 0; p < TM_T5_UNITS; p++) {
            __m512i value = _mm512_set1_epi32(tm_load_i32(q + 4 * p));
#pragma GCC unroll 2
            for (int g = 0; g < n_groups; g++)
                sums[g][p] = _mm512_dpbusd_epi32(
                    sums[g][p],
                    p == 4 ? from[g].fifth : _mm512_and_si512(from[g].four, mask[p & 3]), value);
        }
    }
#pragma GCC unroll 2
    for (int g = 0; g < n_groups; g++) {
        __m512i total = _mm512_add_epi32(sums[g][0], sums[g][4]);
#pragma GCC unroll 3
        for (int p = 1; p < 4; p++)
            total = _mm512_add_epi32(total, _mm512_srai_epi32(sums[g][p], (unsigned)(2 * p)));
        store_rows(y + row + g * TM_GROUP, total, w, x, row_end - row - g * TM_GROUP);
    }
}

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int8_t last[TM_T5_COLS];
    int row = row_begin;
    tm_t5_last_columns(x, 0, last);
    for (; row_end - row > TM_GROUP; row += 2 * TM_GROUP)
        decode_groups(w, x, last, row, row_end, y, 2);
    if (row < row_end) decode_groups(w, x, last, row, row_end, y, 1);
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_t5r16_lut_avx512vbmi = {
    .name = "t5r16_lut_avx512vbmi",
    .format = &tm_format_t5r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVX512VBMI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "five trits in a byte as in llama.cpp's TQ1_0; look-ups by vpermi2b, panels as in "
              "BLIS",
};
