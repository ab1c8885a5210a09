/* Template: few tokens of q4_0 and q8_0 with 512-bit vpdpbusd, 16 rows at a time, read in place. A
 * block is too short for sums across lanes. Instead, blocks of 16 rows are transposed, so that
 * lanes are rows and the blocks of each row are added in order.
 *
 * A block has an odd number of 16-bit words, so two of them are whole dwords: the scale, the codes,
 * and the second scale and codes. Eight of them, the columns of a piece, are whole chunks of 16
 * bytes of a row; 16 rows together become vectors with one dword of each row. Where a dword
 * contains a scale, it is masked out before the codes are multiplied.
 *
 * A kernel file includes it once, before blocks_panel_avx512_template.h and after what that one
 * needs. After both it defines
 *   pair_codes(dwords, plane, part)   codes of 16 rows x 4 columns: `part` of the dwords contains
 *                                     them; plane: of the codes that share a byte, which are
 *                                     TM_BLOCK_WEIGHTS / 2 columns apart */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_PAIRS_AVX512_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_PAIRS_AVX512_TEMPLATE_H

#if !defined TM_BLOCK_WEIGHTS || !defined TM_BLOCK_BYTES || !defined TM_BLOCK_CODE_OFFSET
#error "blocks_pairs_avx512_template.h: define the macros that its first comment names"
#endif

#include <stdalign.h>

#include "kernels/blocks/blocks_avx2_template.h"
#include "kernels/panel.h"

/* Dwords of a pair of blocks; the middle one has the end of the first and the second's scale. */
#define PAIR_DWORDS  (2 * TM_BLOCK_BYTES / 4)
#define PAIR_MIDDLE  (PAIR_DWORDS / 2)
#define PAIR_PLANES  (TM_BLOCK_WEIGHTS / (TM_BLOCK_BYTES - 2))
#define PAIRS_BLOCKS (TM_K_WEIGHTS / TM_BLOCK_WEIGHTS) /* of a piece */
#define PAIRS_BYTES  (PAIRS_BLOCKS * TM_BLOCK_BYTES)
#define PAIRS_CHUNKS (PAIRS_BYTES / 16)
#define PAIRS_ROWS   16
#define PAIRS_TOKENS 7 /* sums and totals of this many stay in registers */

#define TM_BLOCK_ROWS_IN_PLACE rows_of_16
#define TM_BLOCK_TOKENS_MIN    (2 * PAIRS_TOKENS + 1) /* more become tiles */

enum { WHOLE, LOWER_HALF, UPPER_HALF };

TM_ALWAYS_INLINE __m512i pair_codes(__m512i dwords, int plane, int part);

/* A piece of 16 rows: dword i of each. */
typedef struct pair_tile {
    __m512i dwords[4 * PAIRS_CHUNKS];
} pair_tile;

/* 16 bytes of 16 rows, `stride` apart -> four vectors. */
TM_ALWAYS_INLINE void load_chunk(const uint8_t *at, size_t stride, __m512i v[4])
{
    __m512i a[4], b[4];
#pragma GCC unroll 4
    for (size_t k = 0; k < 4; k++) { /* lane i: row 4i + k */
        const uint8_t *row = at + k * stride;
        __m256i low =
            _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const void *)row)),
                                    _mm_loadu_si128((const void *)(row + 4 * stride)), 1);
        __m256i high = _mm256_inserti128_si256(
            _mm256_castsi128_si256(_mm_loadu_si128((const void *)(row + 8 * stride))),
            _mm_loadu_si128((const void *)(row + 12 * stride)), 1);
        a[k] = _mm512_inserti64x4(_mm512_castsi256_si512(low), high, 1);
    }
#pragma GCC unroll 2
    for (int k = 0; k < 4; k += 2) {
        b[k] = _mm512_unpacklo_epi32(a[k], a[k + 1]);
        b[k + 1] = _mm512_unpackhi_epi32(a[k], a[k + 1]);
    }
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) {
        v[2 * k] = _mm512_unpacklo_epi64(b[k], b[2 + k]);
        v[2 * k + 1] = _mm512_unpackhi_epi64(b[k], b[2 + k]);
    }
}

/* Prefetches a line of the next 16 rows: first the first lines of all rows, then the second lines,
 * and so on. Each chunk takes two lines of even rows while it is loaded and two of odd rows while
 * it is multiplied, so that memory is busy during both. n: lines prefetched before this one. */
TM_ALWAYS_INLINE void prefetch_line(const uint8_t *next, size_t stride, size_t n, size_t odd)
{
    _mm_prefetch((const char *)next + (2 * (n % 8) + odd) * stride + n / 8 * 64, _MM_HINT_T1);
}

/* A piece of 16 rows -> tile. chunk: number of its first one in the rows. */
TM_ALWAYS_INLINE void load_piece(const uint8_t *at, size_t stride, const uint8_t *next,
                                 size_t chunk, pair_tile *tile)
{
#pragma GCC unroll 1
    for (int c = 0; c < PAIRS_CHUNKS; c++, chunk++, at += 16) {
        load_chunk(at, stride, &tile->dwords[4 * c]);
        prefetch_line(next, stride, 2 * chunk, 0);
        prefetch_line(next, stride, 2 * chunk + 1, 0);
    }
}

/* The activations of a pass, from a piece on; those of the next token begin `stride` later. */
typedef struct pair_tokens {
    const int8_t *q;
    const float *scale;
    const int32_t *sum;
    size_t stride;
} pair_tokens;

/* totals += block `block` of the piece, of these sums and with the scale in the lower halves. */
TM_ALWAYS_INLINE void add_block(__m512 *totals, const __m512i *sums, __m512i halves,
                                const pair_tokens *x, int block, const int n_tokens)
{
    __m512 d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(halves));
#pragma GCC unroll 7
    for (int t = 0; t < n_tokens; t++) {
        const float *scale = x->scale + (size_t)t * (x->stride / TM_BLOCK_WEIGHTS) + block;
        __m512 factor = _mm512_mul_ps(d, _mm512_set1_ps(*scale));
        totals[t] = _mm512_add_ps(totals[t], _mm512_mul_ps(_mm512_cvtepi32_ps(sums[t]), factor));
    }
}

/* totals += the piece. */
TM_ALWAYS_INLINE void add_piece(__m512 *totals, const pair_tile *tile, const pair_tokens *x,
                                const uint8_t *next, size_t row_bytes, size_t chunk,
                                const int n_tokens)
{
    alignas(64) int32_t first[PAIRS_TOKENS][2 * PAIRS_BLOCKS]; /* of block b: [2 b] */
#pragma GCC unroll 7
    for (int t = 0; t < n_tokens; t++) {
        __m512i s = _mm512_loadu_si512(x->sum + (size_t)t * (x->stride / TM_ACT_SUM_STEP));
        s = _mm512_add_epi32(s, _mm512_srli_epi64(s, 32));
        _mm512_store_si512(first[t],
                           _mm512_mullo_epi32(s, _mm512_set1_epi32(-TM_BLOCK_CODE_OFFSET)));
    }
#pragma GCC unroll 1
    for (int pair = 0; pair < PAIRS_BLOCKS / 2; pair++) {
        const __m512i *dwords = &tile->dwords[pair * PAIR_DWORDS];
        size_t asked = 2 * chunk + (size_t)(2 * PAIRS_CHUNKS * pair / (PAIRS_BLOCKS / 2));
        __m512i sums[PAIRS_TOKENS], scales = dwords[0];
#pragma GCC unroll 17
        for (int k = 0; k < PAIR_DWORDS; k++) {
            int part = k == 0 ? UPPER_HALF : k == PAIR_MIDDLE ? LOWER_HALF : WHOLE;
            int col = k == 0             ? 0
                      : k <= PAIR_MIDDLE ? 4 * k - 2
                                         : TM_BLOCK_WEIGHTS + 4 * (k - PAIR_MIDDLE - 1);
            if (k == 0 || k == PAIR_MIDDLE + 1)
#pragma GCC unroll 7
                for (int t = 0; t < n_tokens; t++)
                    sums[t] = _mm512_set1_epi32(first[t][4 * pair + (k == 0 ? 0 : 2)]);
#pragma GCC unroll 2
            for (int p = 0; p < PAIR_PLANES; p++) {
                __m512i codes = pair_codes(dwords[k], p, part);
                const int8_t *q =
                    x->q + 2 * TM_BLOCK_WEIGHTS * pair + col + TM_BLOCK_WEIGHTS / 2 * p;
#pragma GCC unroll 7
                for (int t = 0; t < n_tokens; t++)
                    sums[t] = _mm512_dpbusd_epi32(
                        sums[t], codes, _mm512_set1_epi32(tm_load_i32(q + (size_t)t * x->stride)));
            }
            if (k % 2 == 0) prefetch_line(next, row_bytes, asked + (size_t)k / 2, 1);
            if (k == PAIR_MIDDLE) {
                add_block(totals, sums, scales, x, 2 * pair, n_tokens);
                scales = _mm512_srli_epi32(dwords[k], 16);
            }
        }
        add_block(totals, sums, scales, x, 2 * pair + 1, n_tokens);
    }
}

/* 16 rows from `row` on for n_tokens tokens from `token` on. The columns after the last whole piece
 * are padded with zeros to one more piece. The scales of the padding are 0, and a total is never
 * -0, so it does not change. */
TM_ALWAYS_INLINE void pair_rows(const tm_weight *w, const tm_act *act, int row, int token, float *y,
                                const int n_tokens)
{
    size_t row_bytes = tm_blocks_row_bytes(w->n_cols, TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES);
    size_t whole = row_bytes / PAIRS_BYTES * PAIRS_BYTES, rest = row_bytes - whole;
    size_t stride = (size_t)act->stride, from = (size_t)token * stride;
    const uint8_t *at = (const uint8_t *)w->data + (size_t)row * row_bytes;
    pair_tokens x = {act->i8 + from, act->scale + from / TM_BLOCK_WEIGHTS,
                     act->sum + from / TM_ACT_SUM_STEP, stride};
    __m512 totals[PAIRS_TOKENS];
#pragma GCC unroll 7
    for (int t = 0; t < n_tokens; t++) totals[t] = _mm512_setzero_ps();
    pair_tile tile;
    const uint8_t *next = at + PAIRS_ROWS * row_bytes;
    size_t chunk = 0;
    for (const uint8_t *end = at + whole; at < end; at += PAIRS_BYTES, chunk += PAIRS_CHUNKS) {
        load_piece(at, row_bytes, next, chunk, &tile);
        add_piece(totals, &tile, &x, next, row_bytes, chunk, n_tokens);
        x.q += TM_K_WEIGHTS;
        x.scale += PAIRS_BLOCKS;
        x.sum += TM_K_WEIGHTS / TM_ACT_SUM_STEP;
    }
    if (rest > 0) {
        alignas(64) uint8_t last[PAIRS_ROWS][PAIRS_BYTES];
        memset(last, 0, sizeof last);
        for (size_t i = 0; i < PAIRS_ROWS; i++) memcpy(last[i], at + i * row_bytes, rest);
        load_piece(last[0], sizeof last[0], last[0], 0, &tile);
        add_piece(totals, &tile, &x, last[0], sizeof last[0], 0, n_tokens);
    }
#pragma GCC unroll 7
    for (int t = 0; t < n_tokens; t++)
        _mm512_storeu_ps(y + (size_t)(token + t) * (size_t)w->n_rows + row, totals[t]);
}

#define PAIR_ROWS_OF(n)                                                                            \
    static void pair_rows_##n(const tm_weight *w, const tm_act *x, int row, int token, float *y)   \
    {                                                                                              \
        pair_rows(w, x, row, token, y, n);                                                         \
    }
PAIR_ROWS_OF(1)
PAIR_ROWS_OF(2)
PAIR_ROWS_OF(3)
PAIR_ROWS_OF(4)
PAIR_ROWS_OF(5)
PAIR_ROWS_OF(6)
PAIR_ROWS_OF(7)

/* Any number of tokens. The last 16 rows may overlap those before them: some rows are written
 * twice, with the same values. */
static void rows_of_16(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    static void (*const rows_of[PAIRS_TOKENS + 1])(const tm_weight *, const tm_act *, int, int,
                                                   float *) = {
        NULL,        pair_rows_1, pair_rows_2, pair_rows_3,
        pair_rows_4, pair_rows_5, pair_rows_6, pair_rows_7};
    /* A single token of q8_0 is bound by memory either way, and 8 rows at a time reach that bound
     * sooner. */
    bool narrow = x->n_tokens == 1 && PAIR_PLANES == 1;
    if (narrow || row_end - row_begin < PAIRS_ROWS) {
        rows_of_8(w, x, row_begin, row_end, y);
        return;
    }
    for (int row = row_begin; row < row_end; row += PAIRS_ROWS) {
        int first = row_end - row < PAIRS_ROWS ? row_end - PAIRS_ROWS : row;
        for (int t = 0, n; t < x->n_tokens; t += n) {
            int rest = x->n_tokens - t, n_parts = (rest + PAIRS_TOKENS - 1) / PAIRS_TOKENS;
            n = (rest + n_parts - 1) / n_parts;
            rows_of[n](w, x, first, t, y);
        }
    }
}

#endif
