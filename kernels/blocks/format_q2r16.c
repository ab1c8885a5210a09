#include "kernels/blocks/q2.h"

#include <assert.h>
#include <math.h>

/* q2r16: 2 bits a weight and a half-precision scale for every 64 of a row, 16 rows x 128 columns in
 * 576 bytes. It holds whatever Q2_0 and Q1_0 of llama.cpp and PQ2_0 and PTQ1_0 of PrismML hold.
 *
 *   byte    0              32             64         128            512        576
 *         +--------------+--------------+----------+---- ... ----+-----------+
 *         | 16 halves d  | 16 halves d  | columns  |             | columns   |
 *         | columns 0-63 | columns 64.. | 0 .. 15  |             | 112 .. 127|
 *         +--------------+--------------+----------+---- ... ----+-----------+
 *
 * Codes 0, 1, 2, 3 = -d, 0, d, 2d; 64 bytes of them are a block as of i2r16
 * (kernels/ternary/format_i2r16.c has its drawing). Padding has code 1. Pieces of a row group
 * follow each other by columns, groups follow each other.
 */
static size_t q2r16_size(int n_rows, int n_cols)
{
    size_t n, n_groups = ((size_t)n_rows + TM_GROUP - 1) / TM_GROUP;
    if (!tm_mul_size(n_groups, tm_q2_pieces(n_cols), &n) || !tm_mul_size(n, TM_Q2_BYTES, &n))
        return 0;
    return n;
}

/* Whether every weight is -d, 0, d or 2d; then also their codes. */
static bool codes_in_steps(const float *x, float d, uint8_t *codes)
{
    bool fits = true;
    for (int i = 0; i < TM_Q2_WEIGHTS; i++) {
        fits &= (x[i] == -d) | (x[i] == 0) | (x[i] == d) | (x[i] == 2 * d);
        codes[i] = (uint8_t)(x[i] == -d ? 0 : x[i] == 0 ? 1 : x[i] == d ? 2 : 3);
    }
    return fits;
}

/* 64 weights to codes; returns their scale. Weights that are multiples of one scale, as in a file,
 * are kept; others are rounded. Source: llama.cpp, quantize_row_q2_0_ref. */
static float encode(const float *x, uint8_t *codes)
{
    float most = 0;
    for (int i = 0; i < TM_Q2_WEIGHTS; i++) most = fmaxf(most, fabsf(x[i]));
    if (codes_in_steps(x, most, codes)) return most;
    if (codes_in_steps(x, most / 2, codes)) return most / 2;
    if (codes_in_steps(x, -most / 2, codes)) return -most / 2;
    for (int i = 0; i < TM_Q2_WEIGHTS; i++) {
        float code = roundf(x[i] * (1 / most)) + 1;
        codes[i] = (uint8_t)(code < 0 ? 0 : code > 3 ? 3 : code);
    }
    return most;
}

/* Up to 64 weights of row r of the group of `piece`; half: which 64 of its columns. */
static void pack_64(const float *x, int n, int r, int half, uint8_t *piece)
{
    float padded[TM_Q2_WEIGHTS] = {0};
    uint8_t codes[TM_Q2_WEIGHTS];
    if (n > 0) memcpy(padded, x, (size_t)n * sizeof *x);
    tm_half d = tm_half_from_float(encode(padded, codes));
    memcpy(piece + 32 * half + 2 * r, &d, sizeof d);
    uint8_t *to = piece + TM_Q2_CODES + 4 * TM_Q2_BLOCK * half + 4 * r;
    for (int b = 0; b < 4; b++, to += TM_Q2_BLOCK) {
        uint32_t plane[4], bytes = 0;
        memcpy(plane, codes + 16 * b, sizeof plane); /* little-endian on both architectures */
        for (int p = 0; p < 4; p++) bytes |= plane[p] << 2 * p;
        memcpy(to, &bytes, sizeof bytes);
    }
}

static void q2r16_pack(const float *values, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    size_t n_pieces = tm_q2_pieces(n_cols);
    (void)n_rows;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / TM_GROUP * n_pieces * TM_Q2_BYTES;
        for (int r = 0; r < TM_GROUP; r++) {
            const float *row = values + (size_t)(group + r - row_begin) * (size_t)n_cols;
            for (int i = 0; i < (int)n_pieces * 2; i++) {
                int n = n_cols - i * TM_Q2_WEIGHTS;
                if (group + r >= row_end) n = 0;
                pack_64(n > 0 ? row + (size_t)i * TM_Q2_WEIGHTS : NULL,
                        n < TM_Q2_WEIGHTS ? n : TM_Q2_WEIGHTS, r, i % 2,
                        to + (size_t)(i / 2) * TM_Q2_BYTES);
            }
        }
    }
}

static void q2r16_unpack(const void *data, int row, int n_rows, int n_cols, float *values)
{
    const uint8_t *piece =
        (const uint8_t *)data + (size_t)row / TM_GROUP * tm_q2_pieces(n_cols) * TM_Q2_BYTES;
    int r = row % TM_GROUP;
    (void)n_rows;
    for (int begin = 0; begin < n_cols; begin += TM_Q2_WEIGHTS) {
        int half = begin / TM_Q2_WEIGHTS % 2, left = n_cols - begin;
        const uint8_t *codes = piece + TM_Q2_CODES + 4 * TM_Q2_BLOCK * half + 4 * r;
        float d = tm_block_half(piece + 32 * half + 2 * r);
        for (int c = 0; c < left && c < TM_Q2_WEIGHTS; c++) {
            uint8_t byte = codes[c / 16 * TM_Q2_BLOCK + c % 4];
            values[begin + c] = (float)((byte >> c % 16 / 4 * 2 & 3) - 1) * d;
        }
        if (half) piece += TM_Q2_BYTES;
    }
}

const tm_format tm_format_q2r16 = {
    .name = "q2r16",
    .act = TM_ACT_Q80,
    .block_trits = true,
    .block = TM_Q2_WEIGHTS,
    .bits_per_weight = 8.0 * TM_Q2_BYTES / (TM_GROUP * TM_Q2_COLS),
    .row_group = TM_GROUP,
    .size = q2r16_size,
    .pack_floats = q2r16_pack,
    .unpack_floats = q2r16_unpack,
    .source = "Q2_0 of llama.cpp; the pieces of 16 x 128 are ternmark's",
};
