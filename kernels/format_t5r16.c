#include <assert.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/t5.h"

/* t5r16: five trits in a byte, 16 rows x 20 columns in 64 bytes.
 *
 *   byte       0   1   2   3    4   5   6   7         60  61  62  63
 *            +---+---+---+---++---+---+---+---+-- --++---+---+---+---+
 *   row % 16 |       0       ||       1       |     ||      15       |
 *   column%4 | 0 | 1 | 2 | 3 || 0 | 1 | 2 | 3 |     || 0 | 1 | 2 | 3 |
 *            +---+---+---+---++---+---+---+---+-- --++---+---+---+---+
 *
 *   byte for column % 4 = j:   (t0 + 1) + 3 (t1 + 1) + 9 (t2 + 1) + 27 (t3 + 1) + 84 (t4 + 1)
 *   t0 .. t4 of the columns:    j         4 + j        8 + j       12 + j        16 + j
 *
 * The last trit counts 84 and not 81, so that the upper 6 bits alone say what it is: a look-up in
 * 64 bytes. The others are one look-up in 256, which gives 2 bits to each. Padding (rows past
 * n_rows, columns past n_cols) has zeros as trits, as a byte 124. Blocks of a row group follow each
 * other by columns, groups follow each other.
 */
#define GROUP 16

static size_t t5r16_size(int n_rows, int n_cols)
{
    size_t n, n_groups = ((size_t)n_rows + GROUP - 1) / GROUP;
    if (!tm_mul_size(n_groups, tm_t5_blocks(n_cols), &n) || !tm_mul_size(n, TM_T5_BLOCK, &n))
        return 0;
    return n;
}

/* 20 trits of a row -> its 4 bytes of a block. */
static uint32_t pack_20(const int8_t *trits)
{
    static const uint32_t counts[TM_T5_UNITS] = {1, 3, 9, 27, TM_T5_LAST};
    uint32_t plane[TM_T5_UNITS], bytes = 0;
    memcpy(plane, trits, sizeof plane);   /* little-endian on both architectures */
    for (int p = 0; p < TM_T5_UNITS; p++) /* (-1, 0, 1) & 3 = (3, 0, 1); + 1 = (4, 1, 2) */
        bytes += (((plane[p] & 0x03030303u) + 0x01010101u) & 0x03030303u) * counts[p];
    return bytes; /* each at most 248: none carries */
}

static void t5r16_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    size_t n_blocks = tm_t5_blocks(n_cols), n_whole = (size_t)n_cols / TM_T5_COLS;
    (void)n_rows;
    assert(row_begin % GROUP == 0);
    for (int group = row_begin; group < row_end; group += GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / GROUP * n_blocks * TM_T5_BLOCK;
        for (int r = 0; r < GROUP; r++, to += 4) {
            bool real = group + r < row_end;
            const int8_t *row =
                real ? trits + (size_t)(group + r - row_begin) * (size_t)n_cols : NULL;
            for (size_t b = 0; b < n_blocks; b++) {
                int8_t padded[TM_T5_COLS] = {0};
                const int8_t *from = padded;
                if (real && b < n_whole)
                    from = row + b * TM_T5_COLS;
                else if (real)
                    memcpy(padded, row + b * TM_T5_COLS, (size_t)n_cols % TM_T5_COLS);
                uint32_t bytes = pack_20(from);
                memcpy(to + b * TM_T5_BLOCK, &bytes, sizeof bytes);
            }
        }
    }
}

static void t5r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    const uint8_t *from = (const uint8_t *)data +
                          (size_t)row / GROUP * tm_t5_blocks(n_cols) * TM_T5_BLOCK +
                          4 * (row % GROUP);
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        int byte = from[(size_t)(c / TM_T5_COLS) * TM_T5_BLOCK + (size_t)(c % 4)];
        trits[c] = (int8_t)(tm_t5_digit(byte, c % TM_T5_COLS / 4) - 1);
    }
}

const tm_format tm_format_t5r16 = {
    .name = "t5r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 1.6,
    .row_group = GROUP,
    .size = t5r16_size,
    .pack_trits = t5r16_pack,
    .unpack_trits = t5r16_unpack,
    .source = "five trits in a byte as in llama.cpp's TQ1_0, here without its fixed point; the "
              "16 x 20 blocks are ternmark's",
};
