/* t3r16 with VBMI: a byte permute brings the codes of a row together, look-ups give their trits to
 * vpdpbusd. */
#include "kernels/panel.h"
#include "kernels/ternary/t3.h"

#include <immintrin.h>
#include <stdalign.h>

#define TM_MAD_BLOCK_UNITS     6
#define TM_MAD_BLOCK_BYTES     TM_T3_BLOCK
#define TM_MAD_BLOCKS_IN_PLACE 6
#define TM_MAD_FOUR_GROUPS     3

/* Codes 0 .. 3, of the first 12 columns, and 4 .. 7, of the others: byte 4r + c of `low` has the
 * magnitude of code c of row r in bits 0 .. 3 and its sign in bit 5; byte 4r + c of `high` those of
 * code 4 + c, the sign in bit 4. The other of these two bits belongs to another code, and the two
 * highest bits never matter. */
typedef struct block {
    __m512i low, high;
} block;

#define ROW(r)       r, 16 + r, 32 + r, 48 + r
#define FOUR_ROWS(r) ROW(r), ROW(r + 1), ROW(r + 2), ROW(r + 3)
alignas(64) static const uint8_t order[64] = {FOUR_ROWS(0), FOUR_ROWS(4), FOUR_ROWS(8),
                                              FOUR_ROWS(12)};

/* magnitude ? codes : signs, bit by bit; codes 4 .. 7 are the upper halves of the bytes. */
static inline block join_signs(__m512i codes, __m512i signs)
{
    const __m512i magnitude = _mm512_set1_epi8(15);
    return (block){_mm512_ternarylogic_epi32(codes, magnitude, signs, 0xe2),
                   _mm512_ternarylogic_epi32(_mm512_srli_epi16(codes, 4), magnitude, signs, 0xe2)};
}

#define EIGHT(n) n, n, n, n, n, n, n, n
alignas(64) static const uint16_t right[32] = {EIGHT(2), EIGHT(0), EIGHT(0), EIGHT(0)};
alignas(64) static const uint16_t left[32] = {EIGHT(0), EIGHT(2), EIGHT(0), EIGHT(4)};

/* For several tokens, where vpdpbusd is the bottleneck: no instruction that needs its port, as
 * vpmultishiftqb does. Codes c and 4 + c have bits 7 and 6, 3 and 2, 5 and 4, 1 and 0 of a row's
 * signs: four copies of these, each shifted so that its pair becomes bits 5 and 4, have the order
 * of the codes. Here and below only the 80 bytes are read: the last block may end the matrix. */
static inline block load_block(const uint8_t *at)
{
    const __m512i by_row = _mm512_load_si512(order);
    __m512i signs = _mm512_broadcast_i32x4(_mm_loadu_si128((const void *)(at + TM_T3_SIGNS)));
    signs = _mm512_srlv_epi16(signs, _mm512_load_si512(right));
    signs = _mm512_sllv_epi16(signs, _mm512_load_si512(left));
    signs = _mm512_permutexvar_epi8(by_row, signs);
    return join_signs(_mm512_permutexvar_epi8(by_row, _mm512_loadu_si512(at)), signs);
}

/* For one token: fewer instructions. The signs of two rows are widened to 64 bits, of which each
 * code takes 8: codes 4, 5, 6, 7 have bits 6, 2, 4, 0, each with code - 4 above it. */
static inline block load_block_alone(const uint8_t *at)
{
    const __m512i shifts =
        _mm512_set1_epi64(0x0408060a3c003e02); /* bit 4 comes from these 4 bits */
    __m512i codes = _mm512_permutexvar_epi8(_mm512_load_si512(order), _mm512_loadu_si512(at));
    __m512i signs = _mm512_cvtepu16_epi64(_mm_loadu_si128((const void *)(at + TM_T3_SIGNS)));
    signs = _mm512_multishift_epi64_epi8(shifts, signs);
    return join_signs(codes, signs);
}

/* Trit p of the magnitudes 0 .. 13 times s, plus 1; 14 and 15 are no codes. */
#define TRIT_0(s) 1, 1 + s, 1 - s, 1, 1 + s, 1 - s, 1, 1 + s, 1 - s, 1, 1 + s, 1 - s, 1, 1 + s, 0, 0
#define TRIT_1(s) 1, 1, 1 + s, 1 + s, 1 + s, 1 - s, 1 - s, 1 - s, 1, 1, 1, 1 + s, 1 + s, 1 + s, 0, 0
#define TRIT_2(s) 1, 1, 1, 1, 1, 1 + s, 1 + s, 1 + s, 1 + s, 1 + s, 1 + s, 1 + s, 1 + s, 1 + s, 0, 0
#define LOW(T)                                                                                     \
    {                                                                                              \
        T(1), T(1), T(-1), T(-1)                                                                   \
    }
#define HIGH(T)                                                                                    \
    {                                                                                              \
        T(1), T(-1), T(1), T(-1)                                                                   \
    }
alignas(64) static const uint8_t trits[TM_MAD_BLOCK_UNITS][64] = {
    LOW(TRIT_0), LOW(TRIT_1), LOW(TRIT_2), HIGH(TRIT_0), HIGH(TRIT_1), HIGH(TRIT_2)};

static inline __m512i block_plane(block from, int p)
{
    return _mm512_permutexvar_epi8(p < 3 ? from.low : from.high, _mm512_load_si512(trits[p]));
}

#include "kernels/ternary/mad_avx512vnni_template.h"

/* The three trits at once: (t0 + 1) | (t1 + 1) << 2 | (t2 + 1) << 4. */
#define FIELDS(s)                                                                                  \
    21, 21 + s, 21 + 3 * s, 21 + 4 * s, 21 + 5 * s, 21 + 11 * s, 21 + 12 * s, 21 + 13 * s,         \
        21 + 15 * s, 21 + 16 * s, 21 + 17 * s, 21 + 19 * s, 21 + 20 * s, 21 + 21 * s, 0, 0
alignas(64) static const uint8_t fields[2][64] = {LOW(FIELDS), HIGH(FIELDS)};

/* One token. One look-up gives the three trits, which keep their place in the byte and are summed
 * separately: trit p counts 4^p-fold. A sum is at most 32 x 127 x n_cols / 3 in size: below 2^31 up
 * to n_cols = 1,585,000. It is a multiple of 4^p, so the final shift is exact. Two groups of rows
 * share the activations. n_groups is a literal. */
TM_ALWAYS_INLINE void decode_groups(const tm_weight *w, const tm_act *x, const int8_t *last,
                                    int row, int row_end, float *y, const int n_groups)
{
    const __m512i low = _mm512_load_si512(fields[0]), high = _mm512_load_si512(fields[1]);
    const __m512i mask[3] = {_mm512_set1_epi8(0x03), _mm512_set1_epi8(0x0c),
                             _mm512_set1_epi8(0x30)};
    size_t n_blocks = tm_t3_blocks(w->n_cols), group_bytes = n_blocks * TM_T3_BLOCK;
    const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
    const int8_t *q = x->i8;
    __m512i sums[2][3];
#pragma GCC unroll 6
    for (int i = 0; i < 3 * n_groups; i++) sums[i / 3][i % 3] = _mm512_setzero_si512();
    for (size_t b = 0; b < n_blocks; b++, data += TM_T3_BLOCK, q += TM_T3_COLS) {
        __m512i v[2][2];
        if (b + 1 == n_blocks) q = last;
#pragma GCC unroll 2
        for (int g = 0; g < n_groups; g++) {
            const uint8_t *at = data + (size_t)g * group_bytes;
            const char *ahead =
                (const char *)at + (n_groups == 1 ? TM_PREFETCH_BYTES : 2 * group_bytes);
            _mm_prefetch(ahead, _MM_HINT_T1);
            _mm_prefetch(ahead + 64, _MM_HINT_T1);
            block from = load_block_alone(at);
            v[g][0] = _mm512_permutexvar_epi8(from.low, low);
            v[g][1] = _mm512_permutexvar_epi8(from.high, high);
        }
#pragma GCC unroll 6
        for (int p = 0; p < TM_MAD_BLOCK_UNITS; p++) {
            __m512i value = _mm512_set1_epi32(tm_load_i32(q + 4 * p));
#pragma GCC unroll 2
            for (int g = 0; g < n_groups; g++)
                sums[g][p % 3] = _mm512_dpbusd_epi32(
                    sums[g][p % 3], _mm512_and_si512(v[g][p / 3], mask[p % 3]), value);
        }
    }
#pragma GCC unroll 2
    for (int g = 0; g < n_groups; g++) {
        __m512i total =
            _mm512_add_epi32(sums[g][0], _mm512_add_epi32(_mm512_srai_epi32(sums[g][1], 2),
                                                          _mm512_srai_epi32(sums[g][2], 4)));
        store_rows(y + row + g * TM_GROUP, total, w, x, row_end - row - g * TM_GROUP);
    }
}

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int8_t last[TM_T3_COLS];
    int row = row_begin;
    tm_t3_last_columns(x, 0, last);
    for (; row_end - row > TM_GROUP; row += 2 * TM_GROUP)
        decode_groups(w, x, last, row, row_end, y, 2);
    if (row < row_end) decode_groups(w, x, last, row, row_end, y, 1);
}

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_t3r16_lut_avx512vbmi = {
    .name = "t3r16_lut_avx512vbmi",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVX512VBMI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp's TL2 layout (2502.11880, 3.1), its weights looked up by vpermb; panels "
              "as in BLIS",
};
