#include "kernels/format.h"
#include "kernels/ternary/i2.h"

#include <assert.h>
#include <string.h>

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
static size_t i2r16_size(int n_rows, int n_cols)
{
    size_t n, n_groups = ((size_t)n_rows + TM_GROUP - 1) / TM_GROUP;
    if (!tm_mul_size(n_groups, tm_i2_blocks(n_cols), &n) || !tm_mul_size(n, TM_I2_BLOCK, &n))
        return 0;
    return n;
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
    int n_blocks = (int)tm_i2_blocks(n_cols), n_whole = n_cols / TM_I2_COLS;
    (void)n_rows;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / TM_GROUP * (size_t)n_blocks * TM_I2_BLOCK;
        for (int r = 0; r < TM_GROUP; r++) {
            bool real = group + r < row_end;
            const int8_t *row =
                real ? trits + (size_t)(group + r - row_begin) * (size_t)n_cols : NULL;
            for (int b = 0; b < n_blocks; b++) {
                int8_t padded[TM_I2_COLS] = {0};
                const int8_t *from = padded;
                if (real && b < n_whole)
                    from = row + (size_t)b * TM_I2_COLS;
                else if (real)
                    memcpy(padded, row + (size_t)b * TM_I2_COLS, (size_t)(n_cols % TM_I2_COLS));
                uint32_t bytes = i2_pack_16(from);
                memcpy(to + (size_t)b * TM_I2_BLOCK + 4 * r, &bytes, sizeof bytes);
            }
        }
    }
}

static void i2r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    const uint8_t *from = (const uint8_t *)data +
                          (size_t)row / TM_GROUP * tm_i2_blocks(n_cols) * TM_I2_BLOCK +
                          4 * (row % TM_GROUP);
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        uint8_t byte = from[(size_t)c / TM_I2_COLS * TM_I2_BLOCK + (size_t)(c % 4)];
        trits[c] = (int8_t)((byte >> c % TM_I2_COLS / 4 * 2 & 3) - 1);
    }
}

const tm_format tm_format_i2r16 = {
    .name = "i2r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 2,
    .row_group = TM_GROUP,
    .size = i2r16_size,
    .pack_trits = i2r16_pack,
    .unpack_trits = i2r16_unpack,
    .source =
        "2-bit codes of bitnet.cpp's I2_S (2410.16144, 3.1); the 16 x 16 blocks are ternmark's",
};
