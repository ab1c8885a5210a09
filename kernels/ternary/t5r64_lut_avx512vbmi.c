/* t5r64 with VBMI: a token becomes tables, each byte of weights looks up five products in them, and
 * no weight is unpacked. Prompts look up the trits for vpdpbusd. */
#include "kernels/panel.h"
#include "kernels/ternary/t5.h"

#include <immintrin.h>
#include <stdalign.h>

#define TM_MAD_BLOCK_UNITS     TM_T5_UNITS
#define TM_MAD_BLOCK_BYTES     TM_T5_BLOCK
#define TM_MAD_BLOCK_GROUPS    (TM_T5_ROWS / TM_GROUP)
#define TM_MAD_BLOCKS_IN_PLACE 6
#define TM_MAD_FOUR_GROUPS     3

/* Bits 2p, 2p + 1 of a byte of `four`: trit p + 1. Bytes of `fifth`: trit 4 + 1. */
typedef struct block {
    __m512i four, fifth;
} block;

/* The trits of a byte with the sign set. low < 27 means t0, t1, t2, with t3 and t4 from the value
 * high + 1; the five others mean t0 and t1 of the values 0 .. 4, with t2 = 0, 1, -1 and t3 = t4 =
 * 0; all of them times -1. Without the sign every code n of two bits becomes 2 - n. */
#define DOWN(n) n + 10, n + 9, n + 8, n + 6, n + 5, n + 4, n + 2, n + 1, n
#define MINUS(n, rest)                                                                             \
    DOWN(n + 32), DOWN(n + 16), DOWN(n), rest + 5, rest + 4, rest + 2, rest + 1, rest
#define EIGHT(n) n, n, n, n, n, n, n, n
#define ALL(n)   EIGHT(n), EIGHT(n), EIGHT(n), n, n, n, 1, 1, 1, 1, 1
alignas(64) static const uint8_t fours[128] = {MINUS(0, 80), MINUS(128, 64), MINUS(64, 96),
                                               MINUS(0, 64)};
alignas(64) static const uint8_t fifths[128] = {ALL(1), ALL(0), ALL(0), ALL(0)};

/* A look-up in 128 bytes ignores the highest bit. */
static inline __m512i look_up_half(const uint8_t *table, __m512i bytes)
{
    return _mm512_permutex2var_epi8(_mm512_load_si512(table), bytes, _mm512_load_si512(table + 64));
}

/* x where `plus` is 0, `twos` - x where it is 255: ~x is 255 - x. */
static inline __m512i turn(__m512i x, __m512i plus, int twos)
{
    return _mm512_add_epi8(_mm512_xor_si512(x, plus),
                           _mm512_and_si512(plus, _mm512_set1_epi8((char)(twos + 1))));
}

/* Without a mask where vpdpbusd is the bottleneck: making a mask needs its port. vpshufb gives 0
 * for bytes whose highest bit is set. With a mask there are fewer instructions. */
static inline block look_up(__m512i bytes, const bool masked)
{
    __m512i four = look_up_half(fours, bytes), fifth = look_up_half(fifths, bytes);
    if (masked) {
        __mmask64 plus = _mm512_cmpgt_epi8_mask(bytes, _mm512_set1_epi8(-1));
        return (block){_mm512_mask_sub_epi8(four, plus, _mm512_set1_epi8((char)0xaa), four),
                       _mm512_mask_sub_epi8(fifth, plus, _mm512_set1_epi8(2), fifth)};
    }
    __m512i plus = _mm512_shuffle_epi8(_mm512_set1_epi8((char)255), bytes);
    return (block){turn(four, plus, 0xaa), turn(fifth, plus, 2)};
}

/* Row groups 2 half and 2 half + 1 of a block have 8 of every 16 bytes. Interleaving those of the
 * four columns gives them as 4 bytes to a row, 16 rows of a group in their order. */
typedef struct pair {
    __m512i first, second;
} pair;

static inline pair load_pair(const uint8_t *from, bool half)
{
    __m512i a = _mm512_load_si512(from), b = _mm512_load_si512(from + 64);
    __m512i c = _mm512_load_si512(from + 128), d = _mm512_load_si512(from + 192);
    __m512i low = half ? _mm512_unpackhi_epi8(a, b) : _mm512_unpacklo_epi8(a, b);
    __m512i high = half ? _mm512_unpackhi_epi8(c, d) : _mm512_unpacklo_epi8(c, d);
    return (pair){_mm512_unpacklo_epi16(low, high), _mm512_unpackhi_epi16(low, high)};
}

/* `at` advances by 4 bytes for each group: blocks begin on a cache line. */
static inline block load_block(const uint8_t *at)
{
    size_t group = ((uintptr_t)at & 63) / 4;
    pair both = load_pair(at - 4 * group, group >= 2);
    return look_up(group % 2 ? both.second : both.first, false);
}

/* Two groups begin with an even one, four with the first. */
TM_ALWAYS_INLINE void load_groups(block v[], const uint8_t *at, const int n_groups)
{
    if (n_groups == 1) {
        v[0] = load_block(at);
        return;
    }
    size_t group = ((uintptr_t)at & 63) / 4;
    pair both = load_pair(at - 4 * group, n_groups == 2 && group > 0);
    v[0] = look_up(both.first, n_groups == 4), v[1] = look_up(both.second, n_groups == 4);
    if (n_groups == 2) return;
    both = load_pair(at, true);
    v[2] = look_up(both.first, true), v[3] = look_up(both.second, true);
}

static inline __m512i block_plane(block from, int p)
{
    if (p == 4) return from.fifth;
    return _mm512_and_si512(_mm512_srli_epi16(from.four, (unsigned)(2 * p)), _mm512_set1_epi8(3));
}

#include "kernels/ternary/mad_avx512vnni_template.h"

/* Tables of a token: the 7 bits of a code look up T = t0 q0 + .. + t4 q4, at most 635 in size, as
 * two bytes: T = 37 (high + 1/2) + low + 1/2. With the halves, -T is the complements of both: 37
 * (~high + 1/2) + ~low + 1/2, so that a sign takes one exclusive or and nothing is counted. They
 * sum to 19 for a code, added at the end. low and high are -19 .. 18. */
#define RADIX       37
#define HALVES      19
#define TABLE_BYTES 256 /* of a code: 128 of low, 128 of high */

/* t0, t1 and t2 of the 32 values of the low five bits. */
#define NINE_OF(x)       x, x, x, x, x, x, x, x, x
#define THREE(a, b, c)   a, a, a, b, b, b, c, c, c
#define TRITS_0(a, b, c) a, b, c, a, b, c, a, b, c
alignas(64) static const int16_t of_low[3][32] = {
    {TRITS_0(-1, 0, 1), TRITS_0(-1, 0, 1), TRITS_0(-1, 0, 1), 0, 1, -1, 0, 1},
    {THREE(-1, 0, 1), THREE(-1, 0, 1), THREE(-1, 0, 1), 0, 0, 1, 1, 1},
    {NINE_OF(-1), NINE_OF(0), NINE_OF(1), 0, 0, 0, 0, 0}};
#define THREES 0x07ffffff /* the values of `low` that give t2 */

/* q: activations of the code's columns, 4 apart. */
static inline void make_table(const int16_t *q, uint8_t *table)
{
    alignas(64) static const uint8_t even[64] = {
#define EVEN(n) n, n + 2, n + 4, n + 6, n + 8, n + 10, n + 12, n + 14
        EVEN(0), EVEN(16), EVEN(32), EVEN(48), EVEN(64), EVEN(80), EVEN(96), EVEN(112)};
    const __m512i q2 = _mm512_set1_epi16(q[8]), q3 = _mm512_set1_epi16(q[12]);
    const __m512i q4 = _mm512_set1_epi16(q[16]), zero = _mm512_setzero_si512();
    __m512i low[4], high[4], t[4], sum = _mm512_set1_epi16(-HALVES);
#pragma GCC unroll 3
    for (int p = 0; p < 3; p++)
        sum = _mm512_add_epi16(
            sum, _mm512_mullo_epi16(_mm512_load_si512(of_low[p]), _mm512_set1_epi16(q[4 * p])));
    t[0] = _mm512_mask_add_epi16(sum, THREES, sum, q3);
    t[1] = _mm512_add_epi16(sum, _mm512_mask_sub_epi16(q2, THREES, q4, q3));
    t[2] = _mm512_add_epi16(sum, _mm512_mask_mov_epi16(_mm512_sub_epi16(zero, q2), THREES, q4));
    t[3] = _mm512_mask_add_epi16(sum, THREES, sum, _mm512_add_epi16(q3, q4));
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
        /* t / 37, rounded: 886 / 2^15 is 1 / 36.98, so that no rest of up to 654 exceeds 18. */
        high[i] = _mm512_mulhrs_epi16(t[i], _mm512_set1_epi16(886));
        low[i] = _mm512_sub_epi16(t[i], _mm512_mullo_epi16(high[i], _mm512_set1_epi16(RADIX)));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++) {
        const __m512i bytes = _mm512_load_si512(even);
        _mm512_store_si512(table + 64 * i,
                           _mm512_permutex2var_epi8(low[2 * i], bytes, low[2 * i + 1]));
        _mm512_store_si512(table + 128 + 64 * i,
                           _mm512_permutex2var_epi8(high[2 * i], bytes, high[2 * i + 1]));
    }
}

static void make_tables(const tm_act *x, uint8_t *tables, size_t block_begin, size_t block_end)
{
    size_t n_blocks = tm_t5_blocks(x->n_cols);
    int8_t last[TM_T5_COLS];
    tm_t5_last_columns(x, 0, last);
    for (size_t b = block_begin; b < block_end; b++) {
        const int8_t *from = b + 1 == n_blocks ? last : x->i8 + b * TM_T5_COLS;
        int16_t q[TM_T5_COLS];
        for (int c = 0; c < TM_T5_COLS; c++) q[c] = from[c];
        for (size_t c = 0; c < TM_T5_CODES; c++)
            make_table(q + c, tables + (b * TM_T5_CODES + c) * TABLE_BYTES);
    }
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    return n_tokens == 1 ? tm_t5_blocks(n_cols) * TM_T5_CODES * TABLE_BYTES
                         : tm_panel_size(&ops, n_cols, n_tokens);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    size_t n_blocks = tm_t5_blocks(x->n_cols);
    if (x->n_tokens == 1)
        make_tables(x, scratch, n_blocks * (size_t)part / (size_t)n_parts,
                    n_blocks * ((size_t)part + 1) / (size_t)n_parts);
    else
        tm_panel_prepare(&ops, x, scratch, part, n_parts);
}

static void prepare(const tm_act *x, void *scratch)
{
    if (x->n_tokens == 1)
        make_tables(x, scratch, 0, tm_t5_blocks(x->n_cols));
    else
        tm_panel_prepare(&ops, x, scratch, 0, 1);
}

/* Six codes add at most 6 x 19 = 114 in size to a byte; 48 codes at most 48 x 654 = 31,392 to 16
 * bits: then they are added to int32. */
#define CODES_A_BYTE (6 * 64)
#define CODES_A_WORD (48 * 64)
/* Prefetch distance into L2 of row groups that are read side by side. After the end of a group, the
 * group that follows all of them begins. */
#define AHEAD_BYTES 2048

typedef struct byte_sums {
    __m512i low, high;
} byte_sums;

/* n_groups groups of 64 rows, so that a code's tables stay in registers for all of them. Bytes are
 * interleaved as low, high on their way to 16 bits, and those to 32 bits with zeros: rows 16j .. of
 * a group end up in total[][j] in their order. n_groups is a literal. */
TM_ALWAYS_INLINE void decode_groups(const uint8_t *data, size_t group_bytes, const uint8_t *tables,
                                    __m512i total[][4], const int n_groups)
{
    const __m512i radix = _mm512_set1_epi16(RADIX << 8 | 1), ones = _mm512_set1_epi16(1);
    const __m512i zero = _mm512_setzero_si512();
    size_t following = (size_t)(n_groups - 1) * group_bytes;
    size_t turn = group_bytes > AHEAD_BYTES ? group_bytes - AHEAD_BYTES : 0;
    __m512i words[8][2];
#pragma GCC unroll 8
    for (int g = 0; g < n_groups; g++) total[g][0] = total[g][1] = total[g][2] = total[g][3] = zero;
    for (size_t at = 0; at < group_bytes;) {
        size_t word_end = group_bytes - at < CODES_A_WORD ? group_bytes : at + CODES_A_WORD;
#pragma GCC unroll 8
        for (int g = 0; g < n_groups; g++) words[g][0] = words[g][1] = zero;
        while (at < word_end) {
            size_t end = word_end - at < CODES_A_BYTE ? word_end : at + CODES_A_BYTE;
            byte_sums sums[8];
#pragma GCC unroll 8
            for (int g = 0; g < n_groups; g++) sums[g].low = sums[g].high = zero;
            for (; at < end; at += 64, tables += TABLE_BYTES) {
                const char *ahead =
                    (const char *)data + at + AHEAD_BYTES + (at >= turn ? following : 0);
                __m512i low_0 = _mm512_load_si512(tables), low_1 = _mm512_load_si512(tables + 64);
                __m512i high_0 = _mm512_load_si512(tables + 128),
                        high_1 = _mm512_load_si512(tables + 192);
#pragma GCC unroll 8
                for (int g = 0; g < n_groups; g++) {
                    __m512i codes = _mm512_load_si512(data + at + (size_t)g * group_bytes);
                    _mm_prefetch(ahead + (size_t)g * group_bytes, _MM_HINT_T1);
                    __m512i minus = _mm512_movm_epi8(_mm512_movepi8_mask(codes));
                    __m512i low = _mm512_permutex2var_epi8(low_0, codes, low_1);
                    __m512i high = _mm512_permutex2var_epi8(high_0, codes, high_1);
                    sums[g].low = _mm512_add_epi8(sums[g].low, _mm512_xor_si512(low, minus));
                    sums[g].high = _mm512_add_epi8(sums[g].high, _mm512_xor_si512(high, minus));
                }
            }
#pragma GCC unroll 8
            for (int g = 0; g < n_groups; g++) {
                __m512i low = _mm512_unpacklo_epi8(sums[g].low, sums[g].high);
                __m512i high = _mm512_unpackhi_epi8(sums[g].low, sums[g].high);
                words[g][0] = _mm512_add_epi16(words[g][0], _mm512_maddubs_epi16(radix, low));
                words[g][1] = _mm512_add_epi16(words[g][1], _mm512_maddubs_epi16(radix, high));
            }
        }
#pragma GCC unroll 16
        for (int i = 0; i < 2 * n_groups; i++) {
            __m512i *to = &total[i / 2][i % 2 * 2], from = words[i / 2][i % 2];
            to[0] = _mm512_dpwssd_epi32(to[0], _mm512_unpacklo_epi16(from, zero), ones);
            to[1] = _mm512_dpwssd_epi32(to[1], _mm512_unpackhi_epi16(from, zero), ones);
        }
    }
}

/* Stores y of the rows from `row` on, n_groups groups of 64 at a time while that many are left.
 * Returns the first row that is left. */
TM_ALWAYS_INLINE int decode_rows(const tm_weight *w, const tm_act *x, const uint8_t *tables,
                                 int row, int row_end, float *y, const int n_groups)
{
    size_t group_bytes = tm_t5_blocks(w->n_cols) * TM_T5_BLOCK;
    /* store_rows subtracts the sum of the activations, which look-ups have not added. */
    const __m512i halves = _mm512_set1_epi32((int)(group_bytes / 64) * HALVES + x->sum[0]);
    for (; (row_end - row + TM_T5_ROWS - 1) / TM_T5_ROWS >= n_groups;
         row += n_groups * TM_T5_ROWS) {
        const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_T5_ROWS * group_bytes;
        __m512i total[8][4];
        decode_groups(data, group_bytes, tables, total, n_groups);
        for (int r = row; r < row_end && r < row + n_groups * TM_T5_ROWS; r += TM_GROUP) {
            const __m512i *from = &total[(r - row) / TM_T5_ROWS][(r - row) % TM_T5_ROWS / TM_GROUP];
            store_rows(y + r, _mm512_add_epi32(*from, halves), w, x, row_end - r);
        }
    }
    return row;
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens > 1) {
        tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);
        return;
    }
    int row = decode_rows(w, x, scratch, row_begin, row_end, y, 8);
    row = decode_rows(w, x, scratch, row, row_end, y, 4);
    row = decode_rows(w, x, scratch, row, row_end, y, 2);
    decode_rows(w, x, scratch, row, row_end, y, 1);
}

const tm_kernel tm_kernel_t5r64_lut_avx512vbmi = {
    .name = "t5r64_lut_avx512vbmi",
    .format = &tm_format_t5r64,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVX512VBMI,
    .row_step = TM_T5_ROWS,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source =
        "look-up tables as bitnet.cpp's TL2 (2502.11880, 3.1), of 122 sums of five activations "
        "in two int8, by vpermi2b; panels as in BLIS",
};
