/* t3r16 with AVX2, as bitnet.cpp's TL2: a token becomes tables, weights look up their products in
 * them, and no weight is unpacked. Prompts unpack weights for vpmaddubsw. */
#include "kernels/panel.h"
#include "kernels/ternary/t3.h"

#include <immintrin.h>

#define TM_MAD_BLOCK_UNITS     6
#define TM_MAD_BLOCK_BYTES     TM_T3_BLOCK
#define TM_MAD_PART_UNITS      3
#define TM_MAD_BLOCKS_IN_PLACE 0

/* Gathers the codes of rows 0 .. 7 or 8 .. 15, 4 bytes for each row. A look-up turns magnitudes
 * into t0 + 4 t1 + 16 t2; after the sign is applied, adding 1 + 4 + 16 gives a code 0 .. 2 for each
 * trit. */
TM_ALWAYS_INLINE __m256i load_half(const uint8_t *at, int half, int part)
{
    const __m256i table = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4 - 1, 4, 4 + 1, 16 - 5, 16 - 4, 16 - 3, 16 - 1, 16, 16 + 1, 16 + 3,
                      16 + 4, 16 + 5, 0, 0));
#define PAIR(r) 2 * r, 2 * r + 8, 2 * r + 1, 2 * r + 9
#define FOUR(r) r, r, r, r
    const __m256i order =
        _mm256_broadcastsi128_si256(_mm_setr_epi8(PAIR(0), PAIR(1), PAIR(2), PAIR(3)));
    const __m256i spread =
        _mm256_setr_epi8(FOUR(0), FOUR(1), FOUR(2), FOUR(3), FOUR(4), FOUR(5), FOUR(6), FOUR(7));
#undef PAIR
#undef FOUR
    const __m256i bit = _mm256_set1_epi32(part ? 0x01100440 : 0x02200880),
                  one = _mm256_set1_epi8(1);
    int64_t sign_bytes;
    memcpy(&sign_bytes, at + TM_T3_SIGNS + 8 * half, sizeof sign_bytes);
    __m256i a = _mm256_loadu_si256((const void *)at); /* codes 0 and 1 */
    __m256i b = _mm256_loadu_si256((const void *)(at + 32));
    __m256i pairs = half ? _mm256_unpackhi_epi8(a, b) : _mm256_unpacklo_epi8(a, b); /* 0 2, 1 3 */
    pairs = _mm256_shuffle_epi8(_mm256_permute4x64_epi64(pairs, 0xd8), order);
    if (part) pairs = _mm256_srli_epi16(pairs, 4);
    __m256i value = _mm256_shuffle_epi8(table, _mm256_and_si256(pairs, _mm256_set1_epi8(15)));
    __m256i signs = _mm256_shuffle_epi8(_mm256_set1_epi64x(sign_bytes), spread);
    signs = _mm256_cmpeq_epi8(_mm256_and_si256(signs, bit), bit);
    value = _mm256_sign_epi8(value, _mm256_or_si256(signs, one));
    return _mm256_add_epi8(value, _mm256_set1_epi8(1 + 4 + 16));
}

#include "kernels/ternary/mad_avx2_template.h"

/* Tables of a token: the index of a code looks up T = t0 q0 + t1 q1 + t2 q2, at most 381 in size,
 * as two bytes: T = 28 high + low, each at most 14 in size. Codes k and k + 1 share vectors of 32
 * bytes, low and high; the pairs of a block are in the order in which their signs become the top
 * bit. */
#define RADIX        28
#define PAIRS        (TM_T3_CODES / 2)
#define TABLE_BYTES  (PAIRS * 64) /* of a block and a token */
#define TABLE_TOKENS 4            /* up to this many tokens, tables are faster than tiles */
static const int first_code[PAIRS] = {0, 4, 2, 6};

/* T of 16 indices for a code whose first column is at q; the last two are not used. */
static inline __m256i products(const int16_t *q)
{
    const __m256i t0 = _mm256_setr_epi16(0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, -1, 0, 1, 0, 0);
    const __m256i t1 = _mm256_setr_epi16(0, 0, 1, 1, 1, -1, -1, -1, 0, 0, 0, 1, 1, 1, 0, 0);
    const __m256i t2 = _mm256_setr_epi16(0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0, 0);
    return _mm256_add_epi16(_mm256_sign_epi16(_mm256_set1_epi16(q[0]), t0),
                            _mm256_add_epi16(_mm256_sign_epi16(_mm256_set1_epi16(q[4]), t1),
                                             _mm256_sign_epi16(_mm256_set1_epi16(q[8]), t2)));
}

/* T / 28, rounded: 1170 / 2^15 is 1 / 28.007, close enough that no remainder exceeds 14 for T up to
 * 381. */
static inline __m256i high_of(__m256i t)
{
    return _mm256_mulhrs_epi16(t, _mm256_set1_epi16(1170));
}

/* int16 of two codes -> bytes, 16 of the first, then 16 of the second. */
static inline void store_pair(uint8_t *to, __m256i first, __m256i second)
{
    __m256i bytes = _mm256_permute4x64_epi64(_mm256_packs_epi16(first, second), 0xd8);
    _mm256_store_si256((__m256i *)(void *)to, bytes);
}

static void make_tables(const tm_act *x, int token, uint8_t *tables, int block_begin, int block_end)
{
    int n_blocks = (int)tm_t3_blocks(x->n_cols);
    int8_t last[TM_T3_COLS];
    tm_t3_last_columns(x, token, last);
    tables += (size_t)token * (size_t)n_blocks * TABLE_BYTES;
    for (int b = block_begin; b < block_end; b++) {
        const int8_t *from =
            b + 1 == n_blocks ? last
                              : x->i8 + (size_t)token * (size_t)x->stride + (size_t)b * TM_T3_COLS;
        uint8_t *to = tables + (size_t)b * TABLE_BYTES;
        int16_t q[TM_T3_COLS];
        for (int c = 0; c < TM_T3_COLS; c++) q[c] = from[c];
        for (int pair = 0; pair < PAIRS; pair++, to += 64) {
            const __m256i radix = _mm256_set1_epi16(RADIX);
            const int16_t *column = q + tm_t3_column(first_code[pair]);
            __m256i first = products(column), second = products(column + 1);
            __m256i first_high = high_of(first), second_high = high_of(second);
            store_pair(to, _mm256_sub_epi16(first, _mm256_mullo_epi16(first_high, radix)),
                       _mm256_sub_epi16(second, _mm256_mullo_epi16(second_high, radix)));
            store_pair(to + 32, first_high, second_high);
        }
    }
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    return n_tokens <= TABLE_TOKENS ? (size_t)n_tokens * tm_t3_blocks(n_cols) * TABLE_BYTES
                                    : tm_panel_size(&ops, n_cols, n_tokens);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    int64_t n_blocks = (int64_t)tm_t3_blocks(x->n_cols);
    if (x->n_tokens > TABLE_TOKENS)
        tm_panel_prepare(&ops, x, scratch, part, n_parts);
    else
        for (int t = 0; t < x->n_tokens; t++)
            make_tables(x, t, scratch, (int)(n_blocks * part / n_parts),
                        (int)(n_blocks * (part + 1) / n_parts));
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

/* Adds a block's 8 codes of 16 rows: lane 0 has the even ones, lane 1 the odd. */
TM_ALWAYS_INLINE void add_block(__m256i *low, __m256i *high, const uint8_t *at,
                                const uint8_t *tables)
{
    const __m256i magnitude = _mm256_set1_epi8(15), one = _mm256_set1_epi8(1);
    const __m256i odd_up = _mm256_setr_epi32(0, 0, 0, 0, 4, 4, 4, 4);
    __m256i sign = _mm256_sllv_epi32(
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const void *)(at + TM_T3_SIGNS))), odd_up);
#pragma GCC unroll 4
    for (int pair = 0; pair < PAIRS; pair++, tables += 64) {
        __m256i index = _mm256_loadu_si256((const void *)(at + 32 * (pair / 2)));
        if (pair % 2) index = _mm256_srli_epi16(index, 4);
        index = _mm256_and_si256(index, magnitude);
        __m256i l = _mm256_shuffle_epi8(_mm256_load_si256((const void *)tables), index);
        __m256i h = _mm256_shuffle_epi8(_mm256_load_si256((const void *)(tables + 32)), index);
        __m256i signed_one =
            _mm256_or_si256(sign, one); /* vpsignb uses the sign, but 0 would clear the value */
        *low = _mm256_add_epi8(*low, _mm256_sign_epi8(l, signed_one));
        *high = _mm256_add_epi8(*high, _mm256_sign_epi8(h, signed_one));
        sign = _mm256_add_epi8(sign, sign);
    }
}

/* Sums of unsigned bytes. `odd` has those of bytes 2i + 1; `words` minus 256 times `odd`, modulo
 * 2^16, has those of bytes 2i. */
typedef struct byte_sums {
    __m256i words, odd;
} byte_sums;

TM_ALWAYS_INLINE void add_bytes(byte_sums *sums, __m256i bytes)
{
    sums->words = _mm256_add_epi16(sums->words, bytes);
    sums->odd = _mm256_add_epi16(sums->odd, _mm256_srli_epi16(bytes, 8));
}

/* total[i] += 28 high + low, of rows 4i .. 4i + 3 in each lane. */
TM_ALWAYS_INLINE void add_rows(__m256i total[4], const byte_sums *low, const byte_sums *high,
                               __m256i bias)
{
    const __m256i radix = _mm256_set1_epi32(RADIX << 16 | 1);
    __m256i odd_low = _mm256_sub_epi16(low->odd, bias),
            odd_high = _mm256_sub_epi16(high->odd, bias);
    __m256i even_low =
        _mm256_sub_epi16(_mm256_sub_epi16(low->words, _mm256_slli_epi16(low->odd, 8)), bias);
    __m256i even_high =
        _mm256_sub_epi16(_mm256_sub_epi16(high->words, _mm256_slli_epi16(high->odd, 8)), bias);
    __m256i even = _mm256_madd_epi16(_mm256_unpacklo_epi16(even_low, even_high), radix);
    __m256i odd = _mm256_madd_epi16(_mm256_unpacklo_epi16(odd_low, odd_high), radix);
    total[0] = _mm256_add_epi32(total[0], _mm256_unpacklo_epi32(even, odd));
    total[1] = _mm256_add_epi32(total[1], _mm256_unpackhi_epi32(even, odd));
    even = _mm256_madd_epi16(_mm256_unpackhi_epi16(even_low, even_high), radix);
    odd = _mm256_madd_epi16(_mm256_unpackhi_epi16(odd_low, odd_high), radix);
    total[2] = _mm256_add_epi32(total[2], _mm256_unpacklo_epi32(even, odd));
    total[3] = _mm256_add_epi32(total[3], _mm256_unpackhi_epi32(even, odd));
}

/* In bytes, 2 blocks add at most 8 x 14 = 112 to 128. In 16 bits, 256 such bytes reach at most 256
 * x 240 = 61,440, and without their 256 x 128 at most 28,672 in size: then they are added to int32.
 * Two groups of rows share the look-up of the tables. n_groups is a literal. */
#define BLOCKS_A_FLUSH (2 * 256)

TM_ALWAYS_INLINE void decode_groups(const uint8_t *data, const uint8_t *tables, size_t n_blocks,
                                    __m256i total[][4], const int n_groups)
{
    const __m256i middle = _mm256_set1_epi8((char)128);
    size_t group_bytes = n_blocks * TM_T3_BLOCK;
#pragma GCC unroll 8
    for (int i = 0; i < 4 * n_groups; i++) total[i / 4][i % 4] = _mm256_setzero_si256();
    for (size_t b = 0; b < n_blocks;) {
        size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
        size_t n_added = (end - b + 1) / 2;
        byte_sums low[2], high[2];
#pragma GCC unroll 2
        for (int g = 0; g < n_groups; g++)
            low[g].words = low[g].odd = high[g].words = high[g].odd = _mm256_setzero_si256();
        for (; b < end; b += 2, data += 2 * TM_T3_BLOCK, tables += 2 * TABLE_BYTES) {
            __m256i l[2], h[2];
#pragma GCC unroll 2
            for (int g = 0; g < n_groups; g++) {
                const uint8_t *at = data + (size_t)g * group_bytes;
                const char *ahead =
                    (const char *)at + (n_groups == 1 ? TM_PREFETCH_BYTES : 2 * group_bytes);
                _mm_prefetch(ahead, _MM_HINT_T1);
                _mm_prefetch(ahead + 64, _MM_HINT_T1);
                _mm_prefetch(ahead + 128, _MM_HINT_T1);
                l[g] = h[g] = middle;
                add_block(&l[g], &h[g], at, tables);
            }
            if (b + 1 < end)
#pragma GCC unroll 2
                for (int g = 0; g < n_groups; g++)
                    add_block(&l[g], &h[g], data + (size_t)g * group_bytes + TM_T3_BLOCK,
                              tables + TABLE_BYTES);
#pragma GCC unroll 2
            for (int g = 0; g < n_groups; g++) {
                add_bytes(&low[g], l[g]);
                add_bytes(&high[g], h[g]);
            }
        }
        __m256i bias = _mm256_set1_epi16((short)(128 * n_added));
#pragma GCC unroll 2
        for (int g = 0; g < n_groups; g++) add_rows(total[g], &low[g], &high[g], bias);
    }
}

/* Stores y of a token and of the rows of a group from `row` on. Each lane has a part of every row's
 * sum. */
static inline void finish(const tm_weight *w, const tm_act *x, int token, const __m256i total[4],
                          int row, int row_end, float *y)
{
    __m256i low = _mm256_add_epi32(_mm256_permute2x128_si256(total[0], total[1], 0x20),
                                   _mm256_permute2x128_si256(total[0], total[1], 0x31));
    __m256i high = _mm256_add_epi32(_mm256_permute2x128_si256(total[2], total[3], 0x20),
                                    _mm256_permute2x128_si256(total[2], total[3], 0x31));
    store_rows(y + (size_t)token * (size_t)w->n_rows + (size_t)row, low, high, x->scale[token],
               w->scale, row_end - row);
}

static void decode(const tm_weight *w, const tm_act *x, const uint8_t *tables, int row_begin,
                   int row_end, float *y)
{
    size_t n_blocks = tm_t3_blocks(w->n_cols), group_bytes = n_blocks * TM_T3_BLOCK;
    const uint8_t *data = (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * group_bytes;
    for (int row = row_begin; row < row_end; row += 2 * TM_GROUP, data += 2 * group_bytes)
        for (int t = 0; t < x->n_tokens; t++) {
            const uint8_t *of_token = tables + (size_t)t * n_blocks * TABLE_BYTES;
            __m256i total[2][4];
            if (row_end - row > TM_GROUP) {
                decode_groups(data, of_token, n_blocks, total, 2);
                finish(w, x, t, total[1], row + TM_GROUP, row_end, y);
            } else {
                decode_groups(data, of_token, n_blocks, total, 1);
            }
            finish(w, x, t, total[0], row, row_end, y);
        }
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens <= TABLE_TOKENS)
        decode(w, x, scratch, row_begin, row_end, y);
    else
        tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);
}

const tm_kernel tm_kernel_t3r16_tl2_avx2 = {
    .name = "t3r16_tl2_avx2",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_AVX2,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp TL2 (2502.11880, 3.1), lossless: tables of 14 sums of three activations "
              "in two int8; panels as in BLIS",
};
