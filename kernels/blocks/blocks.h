/* Layouts of llama.cpp in blocks with a half-precision scale each: what formats, kernels and the
 * file reader share. A row is a sequence of blocks, the last one padded with zeros; rows follow
 * each other without gaps, as in a file.
 *
 * A block of weights is multiplied with a block of int8 activations: y = sum over blocks, in order
 * and in float, of (float)isum * (d_w * d_a), with isum the exact int32 sum of the products. Every
 * kernel of a layout keeps that order, so all give the same bits.
 */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_H
#define TM_KERNELS_BLOCKS_BLOCKS_H

#include "kernels/format.h"
#include "kernels/half.h"

/* Bytes of a block, the offset of its scale, weights in it. */
#define TM_TQ1_0_BYTES 54
#define TM_TQ1_0_SCALE 52
#define TM_TQ2_0_BYTES 66
#define TM_TQ2_0_SCALE 64
#define TM_Q6_K_BYTES  210
#define TM_Q6_K_SCALE  208
#define TM_K_WEIGHTS   256 /* of TQ1_0, TQ2_0 and Q6_K */
#define TM_Q8_0_BYTES  34
#define TM_Q4_0_BYTES  18
#define TM_Q_WEIGHTS   32 /* of Q8_0 and Q4_0, whose scale comes first */

/* Relative to sum|w x|: a rounding of 2^-24 for each block added, of 256 in the longest row that is
 * checked (65536 columns) with 256 weights a block, 2048 with 32, and a few for its factors. */
#define TM_K_TOLERANCE 0x1.1p-16f
#define TM_Q_TOLERANCE 0x1.1p-13f

/* One block from floats, as llama.cpp's reference quantizers make it, and back. */
void tm_tq1_0_encode(const float *x, uint8_t *block);
void tm_tq2_0_encode(const float *x, uint8_t *block);
void tm_q6_k_encode(const float *x, uint8_t *block);
void tm_q8_0_encode(const float *x, uint8_t *block);
void tm_q4_0_encode(const float *x, uint8_t *block);
void tm_tq1_0_decode(const uint8_t *block, float *x);
void tm_tq2_0_decode(const uint8_t *block, float *x);
void tm_q6_k_decode(const uint8_t *block, float *x);
void tm_q8_0_decode(const uint8_t *block, float *x);
void tm_q4_0_decode(const uint8_t *block, float *x);
/* The codes of a ternary block, each less 1: -1, 0, 1, and 2 for the unused code 3 of TQ2_0. */
void tm_tq1_0_codes(const uint8_t *block, int8_t *codes);
void tm_tq2_0_codes(const uint8_t *block, int8_t *codes);
/* -32 .. 31, without the scales. */
void tm_q6_k_codes(const uint8_t *block, int8_t *codes);

/* Activations of one token in blocks: x [n], q [n_padded] with zeros from n on, sum [n_padded / 16]
 * of 16 int8 each. n_padded is a multiple of 256. A NaN makes its block's scale NaN. Any thread.
 * q8k: blocks of 256, scale [n_padded / 256]: m is the value of largest magnitude, the first on
 * ties, i = -127 / m, q = round-half-even(i x), scale = 1 / i; zeros have scale 0.
 * q80: blocks of 32, scale [n_padded / 32]: q = round-half-even(x * (127 / max|x|)), scale =
 * max|x| / 127 rounded to a half.
 * Source: llama.cpp, quantize_row_q8_K and quantize_row_q8_0 (x86). */
void tm_act_quantize_q8k(const float *x, int n, int n_padded, int8_t *q, float *scale,
                         int32_t *sum);
void tm_act_quantize_q80(const float *x, int n, int n_padded, int8_t *q, float *scale,
                         int32_t *sum);

static inline float tm_block_half(const uint8_t *at)
{
    tm_half bits;
    memcpy(&bits, at, sizeof bits);
    return tm_half_to_float(bits);
}

static inline size_t tm_blocks_row_bytes(int n_cols, int n_weights, int n_bytes)
{
    return ((size_t)n_cols + (size_t)n_weights - 1) / (size_t)n_weights * (size_t)n_bytes;
}

/* The functions of a format row. */
typedef void tm_block_encode(const float *x, uint8_t *block);
typedef void tm_block_decode(const uint8_t *block, float *x);

static inline size_t tm_blocks_size(int n_rows, int n_cols, int n_weights, int n_bytes)
{
    size_t n;
    if (!tm_mul_size((size_t)n_rows, tm_blocks_row_bytes(n_cols, n_weights, n_bytes), &n) ||
        n > SIZE_MAX - 63)
        return 0;
    return tm_round_up(n, 64);
}

static inline void tm_blocks_pack(tm_block_encode *encode, const float *values, int row_begin,
                                  int row_end, int n_rows, int n_cols, int n_weights, int n_bytes,
                                  void *data)
{
    size_t row_bytes = tm_blocks_row_bytes(n_cols, n_weights, n_bytes);
    for (int r = row_begin; r < row_end; r++, values += n_cols) {
        uint8_t *to = (uint8_t *)data + (size_t)r * row_bytes;
        for (int c = 0; c < n_cols; c += n_weights, to += n_bytes) {
            float last[TM_K_WEIGHTS] = {0};
            if (n_cols - c >= n_weights) {
                encode(values + c, to);
                continue;
            }
            memcpy(last, values + c, (size_t)(n_cols - c) * sizeof *last);
            encode(last, to);
        }
    }
    size_t used = (size_t)n_rows * row_bytes;
    if (row_end == n_rows)
        memset((uint8_t *)data + used, 0,
               tm_blocks_size(n_rows, n_cols, n_weights, n_bytes) - used);
}

static inline void tm_blocks_unpack(tm_block_decode *decode, const void *data, int row, int n_cols,
                                    int n_weights, int n_bytes, float *values)
{
    const uint8_t *from =
        (const uint8_t *)data + (size_t)row * tm_blocks_row_bytes(n_cols, n_weights, n_bytes);
    for (int c = 0; c < n_cols; c += n_weights, from += n_bytes) {
        float last[TM_K_WEIGHTS];
        if (n_cols - c >= n_weights) {
            decode(from, values + c);
            continue;
        }
        decode(from, last);
        memcpy(values + c, last, (size_t)(n_cols - c) * sizeof *last);
    }
}

#define TM_BLOCK_FORMAT(row_name, act_kind, weights, bytes, holds_trits, source_text)              \
    static size_t row_name##_size(int n_rows, int n_cols)                                          \
    {                                                                                              \
        return tm_blocks_size(n_rows, n_cols, weights, bytes);                                     \
    }                                                                                              \
    static void row_name##_pack(const float *values, int row_begin, int row_end, int n_rows,       \
                                int n_cols, void *data)                                            \
    {                                                                                              \
        tm_blocks_pack(tm_##row_name##_encode, values, row_begin, row_end, n_rows, n_cols,         \
                       weights, bytes, data);                                                      \
    }                                                                                              \
    static void row_name##_unpack(const void *data, int row, int n_rows, int n_cols,               \
                                  float *values)                                                   \
    {                                                                                              \
        (void)n_rows;                                                                              \
        tm_blocks_unpack(tm_##row_name##_decode, data, row, n_cols, weights, bytes, values);       \
    }                                                                                              \
    const tm_format tm_format_##row_name = {                                                       \
        .name = #row_name,                                                                         \
        .act = act_kind,                                                                           \
        .block_trits = holds_trits,                                                                \
        .block = weights,                                                                          \
        .bits_per_weight = 8.0 * bytes / weights,                                                  \
        .row_group = 1,                                                                            \
        .size = row_name##_size,                                                                   \
        .pack_floats = row_name##_pack,                                                            \
        .unpack_floats = row_name##_unpack,                                                        \
        .source = source_text,                                                                     \
    };

#endif
