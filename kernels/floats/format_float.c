/* The layouts of floats. */
#include "kernels/format.h"
#include "kernels/half.h"

#include <assert.h>
#include <string.h>

/* f32r16, f16r16: 16 rows interleaved.
 *
 * Row group g holds rows 16g .. 16g+15, n_cols columns one after the other; rows past n_rows are 0.
 *
 *   element   0    1        15   16   17       31   32
 *           +----+----+---+----+----+----+---+----+---
 *           |r0  |r1  |...|r15 |r0  |r1  |...|r15 |r0       r = row % 16
 *           |c0  |c0  |   |c0  |c1  |c1  |   |c1  |c2       c = column
 *           +----+----+---+----+----+----+---+----+---
 *
 * Weight (row, c) is element (row / 16 * n_cols + c) * 16 + row % 16. A vector holds one column of
 * 16 rows: lanes are rows, no sum across lanes is needed, and a thread reads one linear range.
 * With an odd n_cols a group of halves begins on a multiple of 32 bytes only.
 */
static size_t element(int row, int c, int n_cols)
{
    return ((size_t)row / TM_GROUP * (size_t)n_cols + (size_t)c) * TM_GROUP +
           (size_t)row % TM_GROUP;
}

/* Bytes of all elements, without the padding after them; 0 when they do not fit size_t. */
static size_t used_bytes(int n_rows, int n_cols, size_t item)
{
    size_t n, n_groups = ((size_t)n_rows + TM_GROUP - 1) / TM_GROUP;
    if (!tm_mul_size(n_groups, (size_t)n_cols, &n) || !tm_mul_size(n, TM_GROUP * item, &n))
        return 0;
    return n;
}

static size_t size_of(int n_rows, int n_cols, size_t item)
{
    size_t n = used_bytes(n_rows, n_cols, item);
    return n > SIZE_MAX - 63 ? 0 : tm_round_up(n, 64);
}

static size_t f32r16_size(int n_rows, int n_cols)
{
    return size_of(n_rows, n_cols, sizeof(float));
}

static void f32r16_pack(const float *values, int row_begin, int row_end, int n_rows, int n_cols,
                        void *data)
{
    float *to = data;
    (void)n_rows;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        float *column = to + element(group, 0, n_cols);
        for (int c = 0; c < n_cols; c++, column += TM_GROUP)
            for (int r = 0; r < TM_GROUP; r++)
                column[r] =
                    group + r < row_end
                        ? values[(size_t)(group + r - row_begin) * (size_t)n_cols + (size_t)c]
                        : 0;
    }
}

static void f32r16_unpack(const void *data, int row, int n_rows, int n_cols, float *values)
{
    const float *from = data;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) values[c] = from[element(row, c, n_cols)];
}

const tm_format tm_format_f32r16 = {
    .name = "f32r16",
    .act = TM_ACT_F32,
    .bits_per_weight = 32,
    .row_group = TM_GROUP,
    .size = f32r16_size,
    .pack_floats = f32r16_pack,
    .unpack_floats = f32r16_unpack,
    .source = "row panels of BLIS (Van Zee, van de Geijn 2015), 16 rows wide",
};

#define PIECE_COLS 16

/* Floats to halves, round to nearest even; masks instead of branches, so that compilers vectorize
 * it. |f| is scaled up by 2^112, so that 65536 and more become infinite, and down to 4|f|; adding
 * 2^(exponent + 15) then rounds 4|f| at 2^(exponent - 8), a half's last bit; the exponent is -14 at
 * least, the one of subnormal halves. Source: fp16_ieee_from_fp32_value of FP16 (Dukhan). */
static void to_halves(const float *restrict from, tm_half *restrict to)
{
    for (int i = 0; i < PIECE_COLS * TM_GROUP; i++) {
        uint32_t bits = tm_bits_from_float(from[i]);
        int32_t magnitude = (int32_t)(bits & 0x7fffffffu), exponent = magnitude & 0x7f800000;
        int32_t is_nan = -(int32_t)(magnitude > 0x7f800000),
                is_low = -(int32_t)(exponent < 0x38800000);
        float scaled = tm_float_from_bits((uint32_t)magnitude) * 0x1p112f * 0x1p-110f;
        exponent = (exponent & ~is_low) | (0x38800000 & is_low);
        uint32_t sum =
            tm_bits_from_float(tm_float_from_bits((uint32_t)exponent + 0x07800000u) + scaled);
        int32_t half = (int32_t)(((sum >> 13) & 0x7c00u) + (sum & 0xfffu));
        half = (half & ~is_nan) | (0x7e00 & is_nan);
        to[i] = (tm_half)(((bits >> 16) & 0x8000u) | (uint32_t)half);
    }
}

static size_t f16r16_size(int n_rows, int n_cols)
{
    return size_of(n_rows, n_cols, sizeof(tm_half));
}

static void f16r16_pack(const float *values, int row_begin, int row_end, int n_rows, int n_cols,
                        void *data)
{
    tm_half *to = data;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        const float *from = values + (size_t)(group - row_begin) * (size_t)n_cols;
        for (int c = 0; c < n_cols; c += PIECE_COLS) {
            float piece[PIECE_COLS * TM_GROUP] = {0};
            tm_half halves[PIECE_COLS * TM_GROUP];
            int n_piece = n_cols - c < PIECE_COLS ? n_cols - c : PIECE_COLS;
            for (int r = 0; r < n; r++)
                for (int k = 0; k < n_piece; k++)
                    piece[k * TM_GROUP + r] = from[(size_t)r * (size_t)n_cols + (size_t)(c + k)];
            to_halves(piece, halves);
            memcpy(to + element(group, c, n_cols), halves,
                   (size_t)n_piece * TM_GROUP * sizeof *halves);
        }
    }
    if (row_end == n_rows) { /* an odd number of columns and of groups leaves 32 bytes */
        size_t used = used_bytes(n_rows, n_cols, sizeof(tm_half));
        memset((uint8_t *)data + used, 0, f16r16_size(n_rows, n_cols) - used);
    }
}

static void f16r16_unpack(const void *data, int row, int n_rows, int n_cols, float *values)
{
    const tm_half *from = data;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) values[c] = tm_half_to_float(from[element(row, c, n_cols)]);
}

const tm_format tm_format_f16r16 = {
    .name = "f16r16",
    .act = TM_ACT_F32,
    .bits_per_weight = 16,
    .row_group = TM_GROUP,
    .size = f16r16_size,
    .pack_floats = f16r16_pack,
    .unpack_floats = f16r16_unpack,
    .source = "row panels of BLIS (Van Zee, van de Geijn 2015), 16 rows wide, IEEE half",
};

/* bf16r16: 16 rows x 2 columns in 64 bytes.
 *
 * Row group g holds rows 16g .. 16g+15, pairs of columns one after the other; rows past n_rows and
 * a column past n_cols are 0.
 *
 *   element   0    1     2    3        30   31    32
 *           +----+----++----+----+---++----+----++----+---
 *           | r0      || r1      |...|| r15     || r0           r = row % 16
 *           | c0 | c1 || c0 | c1 |   || c0 | c1 || c2           c = column
 *           +----+----++----+----+---++----+----++----+---
 *
 * A vector of 32-bit lanes holds both columns of its rows as floats: the first once it is shifted
 * up by 16 bits, the second once the lower 16 are cleared. It is also the operand of the dot
 * products of bfloat16 pairs.
 */
static size_t bf16_element(int row, int c, int n_cols)
{
    size_t n_pairs = ((size_t)n_cols + 1) / 2;
    return (((size_t)row / TM_GROUP * n_pairs + (size_t)c / 2) * TM_GROUP +
            (size_t)row % TM_GROUP) *
               2 +
           (size_t)c % 2;
}

static size_t bf16r16_size(int n_rows, int n_cols)
{
    return size_of(n_rows, n_cols / 2 + n_cols % 2, 2 * sizeof(tm_bf16));
}

static void bf16r16_pack(const float *values, int row_begin, int row_end, int n_rows, int n_cols,
                         void *data)
{
    (void)n_rows;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        tm_bf16 *to = (tm_bf16 *)data + bf16_element(group, 0, n_cols);
        const float *from = values + (size_t)(group - row_begin) * (size_t)n_cols;
        for (int c = 0; c < n_cols + n_cols % 2; c += 2)
            for (int r = 0; r < TM_GROUP; r++)
                for (int k = c; k < c + 2; k++) {
                    bool real = group + r < row_end && k < n_cols;
                    float value = real ? from[(size_t)r * (size_t)n_cols + (size_t)k] : 0;
                    *to++ = tm_bf16_from_float(value);
                }
    }
}

static void bf16r16_unpack(const void *data, int row, int n_rows, int n_cols, float *values)
{
    const tm_bf16 *from = data;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++)
        values[c] = tm_bf16_to_float(from[bf16_element(row, c, n_cols)]);
}

const tm_format tm_format_bf16r16 = {
    .name = "bf16r16",
    .act = TM_ACT_F32,
    .bits_per_weight = 16,
    .row_group = TM_GROUP,
    .size = bf16r16_size,
    .pack_floats = bf16r16_pack,
    .unpack_floats = bf16r16_unpack,
    .source = "row panels of BLIS (Van Zee, van de Geijn 2015), pairs as in vdpbf16ps, bfloat16",
};
