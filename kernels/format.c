#include "kernels/format.h"

#include <assert.h>
#include <string.h>

#define GROUP 16 /* rows stored together in the r16 layouts */

static size_t n_groups(int n_rows)
{
    return ((size_t)n_rows + GROUP - 1) / GROUP;
}

/* a * b * c rounded up to 64; 0 when that does not fit size_t. */
static size_t checked_size(size_t a, size_t b, size_t c)
{
    size_t n;
    if (!tm_mul_size(a, b, &n) || !tm_mul_size(n, c, &n) || n > SIZE_MAX - 63) return 0;
    return tm_round_up(n, 64);
}

/* trit: the canonical matrix.
 *
 *   int8 [n_rows][n_cols], values -1, 0, 1; zeros from the last weight to a multiple of 64 bytes.
 */
static size_t trit_size(int n_rows, int n_cols)
{
    return checked_size((size_t)n_rows, (size_t)n_cols, 1);
}

static void trit_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                      void *data)
{
    size_t begin = (size_t)row_begin * (size_t)n_cols, end = (size_t)row_end * (size_t)n_cols;
    int8_t *to = data;
    memcpy(to + begin, trits, end - begin);
    if (row_end == n_rows) memset(to + end, 0, trit_size(n_rows, n_cols) - end);
}

static void trit_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    (void)n_rows;
    memcpy(trits, (const int8_t *)data + (size_t)row * (size_t)n_cols, (size_t)n_cols);
}

const tm_format tm_format_trit = {
    .name = "trit",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 8,
    .row_group = 1,
    .size = trit_size,
    .pack_trits = trit_pack,
    .unpack_trits = trit_unpack,
    .source = "canonical trits of ternmark",
};

/* i2r16: 2 bits a trit, 16 rows x 16 columns in 64 bytes.
 *
 * Codes 0, 1, 2 = -1, 0, +1; padding (rows past n_rows, columns past n_cols) has code 1. Blocks of
 * a row group follow each other by columns, groups follow each other.
 *
 *   byte       0   1   2   3    4   5   6   7         60  61  62  63
 *            +---+---+---+---++---+---+---+---+-- --++---+---+---+---+
 *   row % 16 |       0       ||       1       |     ||      15       |
 *   column%4 | 0 | 1 | 2 | 3 || 0 | 1 | 2 | 3 |     || 0 | 1 | 2 | 3 |
 *            +---+---+---+---++---+---+---+---+-- --++---+---+---+---+
 *
 *   bits of the byte for column % 4 = j:   7 6 | 5 4 | 3 2 | 1 0
 *   column of the block:                  12+j | 8+j | 4+j |  j
 *
 * One 64-byte load, shifted right by 0, 2, 4, 6 and masked with 3, gives four vectors of 16 rows x
 * 4 columns: the operand of a 4-way int8 dot product against 4 activations repeated in every lane.
 */
#define I2_BLOCK 64 /* bytes */
#define I2_COLS  16 /* columns in a block */

static size_t i2_blocks(int n_cols)
{
    return ((size_t)n_cols + I2_COLS - 1) / I2_COLS;
}

static size_t i2r16_size(int n_rows, int n_cols)
{
    return checked_size(n_groups(n_rows), i2_blocks(n_cols), I2_BLOCK);
}

/* 16 trits of one row -> the row's 4 bytes of a block. */
static uint32_t i2_pack_16(const int8_t *trits)
{
    uint32_t plane[4], bytes = 0;
    memcpy(plane, trits, sizeof plane); /* little-endian on both architectures */
    for (int p = 0; p < 4; p++) /* (-1, 0, 1) & 3 = (3, 0, 1); + 1 = (4, 1, 2): no byte carries */
        bytes |= (((plane[p] & 0x03030303u) + 0x01010101u) & 0x03030303u) << 2 * p;
    return bytes;
}

static void i2r16_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    int n_blocks = (int)i2_blocks(n_cols), n_whole = n_cols / I2_COLS;
    (void)n_rows;
    assert(row_begin % GROUP == 0);
    for (int group = row_begin; group < row_end; group += GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / GROUP * (size_t)n_blocks * I2_BLOCK;
        for (int r = 0; r < GROUP; r++) {
            bool real = group + r < row_end;
            const int8_t *row =
                real ? trits + (size_t)(group + r - row_begin) * (size_t)n_cols : NULL;
            for (int b = 0; b < n_blocks; b++) {
                int8_t padded[I2_COLS] = {0};
                const int8_t *from = padded;
                if (real && b < n_whole)
                    from = row + (size_t)b * I2_COLS;
                else if (real)
                    memcpy(padded, row + (size_t)b * I2_COLS, (size_t)(n_cols % I2_COLS));
                uint32_t bytes = i2_pack_16(from);
                memcpy(to + (size_t)b * I2_BLOCK + 4 * r, &bytes, sizeof bytes);
            }
        }
    }
}

static void i2r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    const uint8_t *from = (const uint8_t *)data +
                          (size_t)row / GROUP * i2_blocks(n_cols) * I2_BLOCK + 4 * (row % GROUP);
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        uint8_t byte = from[(size_t)c / I2_COLS * I2_BLOCK + (size_t)(c % 4)];
        trits[c] = (int8_t)((byte >> c % I2_COLS / 4 * 2 & 3) - 1);
    }
}

const tm_format tm_format_i2r16 = {
    .name = "i2r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 2,
    .row_group = GROUP,
    .size = i2r16_size,
    .pack_trits = i2r16_pack,
    .unpack_trits = i2r16_unpack,
    .source =
        "2-bit codes of bitnet.cpp's I2_S (2410.16144, 3.1); the 16 x 16 blocks are ternmark's",
};

static const tm_format *const formats[] = {
#define FORMAT_ROW(name) &tm_format_##name,
    TM_FORMATS(FORMAT_ROW)
#undef FORMAT_ROW
        NULL,
};

const tm_format *const *tm_formats(void)
{
    return formats;
}

const tm_format *tm_format_find(const char *name)
{
    for (const tm_format *const *f = formats; *f; f++)
        if (strcmp((*f)->name, name) == 0) return *f;
    return NULL;
}
