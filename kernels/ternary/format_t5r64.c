#include "kernels/format.h"
#include "kernels/ternary/t5.h"

#include <assert.h>
#include <string.h>

/* t5r64: five trits in a byte, 64 rows x 20 columns in 256 bytes.
 *
 *   byte       0 .. 3  4 .. 7  8 .. 11  12 .. 15   16 .. 19   20 .. 23         60 .. 63
 *            +-------+-------+--------+----------+----------+----------+-- --+----------+
 *   row % 64 | 0 .. 3|16 ..19|32 .. 35| 48 .. 51 |  4 .. 7  | 20 .. 23 |     | 60 .. 63 |
 *            +-------+-------+--------+----------+----------+----------+-- --+----------+
 *
 * Bytes 64 j .. 64 j + 63, j < 4, hold the trits t0 .. t4 of the columns j, 4 + j, 8 + j, 12 + j
 * and 16 + j. They stand for t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4:
 *
 *   bit   7     6   5   4   3   2   1   0
 *       +-----+-------+-------------------+
 *       |minus| high  |        low        |   low < 27:  low - 13 + 27 (high + 1)
 *       +-----+-------+-------------------+   otherwise: low - 27 + (0, 9, -9)[high]
 *
 * and bit 7 negates: a look-up in 128 sums and a sign multiply five weights. The second line covers
 * what the first omits, t3 = t4 = 0: low gives t0 and t1, high gives t2. So low and high are
 * separate look-ups whose results are added. Padding (rows past n_rows, columns past n_cols) has
 * zeros as trits, as a byte 27. Blocks of a row group follow each other by columns, groups follow
 * each other. Interleaving the bytes of the four columns gathers those of 16 rows, which are the
 * same 4 of every 16.
 */
static size_t t5r64_size(int n_rows, int n_cols)
{
    size_t n, n_groups = ((size_t)n_rows + TM_T5_ROWS - 1) / TM_T5_ROWS;
    if (!tm_mul_size(n_groups, tm_t5_blocks(n_cols), &n) || !tm_mul_size(n, TM_T5_BLOCK, &n))
        return 0;
    return n;
}

/* The byte of each value, from -121 on. */
static void make_bytes(uint8_t bytes[2 * TM_T5_MOST + 1])
{
    for (int byte = 255; byte >= 0; byte--) /* of two bytes with one value, the lower one */
        if ((byte & 31) < 27 || (byte >> 5 & 3) < 3)
            bytes[tm_t5_value(byte) + TM_T5_MOST] = (uint8_t)byte;
}

/* 20 trits of a row -> its 4 bytes of a block. */
static void pack_20(const uint8_t *bytes, const int8_t *trits, uint8_t *to)
{
    static const uint32_t counts[TM_T5_UNITS] = {1, 3, 9, 27, 81};
    uint32_t plane[TM_T5_UNITS], values = 0;
    memcpy(plane, trits, sizeof plane);   /* little-endian on both architectures */
    for (int p = 0; p < TM_T5_UNITS; p++) /* (-1, 0, 1) & 3 = (3, 0, 1); + 1 = (4, 1, 2) */
        values += (((plane[p] & 0x03030303u) + 0x01010101u) & 0x03030303u) * counts[p];
    for (int c = 0; c < TM_T5_CODES; c++) /* each at most 242: none has carried */
        to[TM_T5_ROWS * c] = bytes[values >> 8 * c & 255];
}

static void t5r64_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    size_t n_blocks = tm_t5_blocks(n_cols), n_whole = (size_t)n_cols / TM_T5_COLS;
    uint8_t bytes[2 * TM_T5_MOST + 1];
    (void)n_rows;
    assert(row_begin % TM_T5_ROWS == 0);
    make_bytes(bytes);
    for (int group = row_begin; group < row_end; group += TM_T5_ROWS) {
        uint8_t *to = (uint8_t *)data + (size_t)group / TM_T5_ROWS * n_blocks * TM_T5_BLOCK;
        int n = row_end - group < TM_T5_ROWS ? row_end - group : TM_T5_ROWS;
        if (n < TM_T5_ROWS) memset(to, TM_T5_ZERO, n_blocks * TM_T5_BLOCK);
        for (int r = 0; r < n; r++) {
            const int8_t *row = trits + (size_t)(group + r - row_begin) * (size_t)n_cols;
            uint8_t *place = to + tm_t5_place(r);
            int8_t padded[TM_T5_COLS] = {0};
            for (size_t b = 0; b < n_whole; b++)
                pack_20(bytes, row + b * TM_T5_COLS, place + b * TM_T5_BLOCK);
            if (n_whole == n_blocks) continue;
            memcpy(padded, row + n_whole * TM_T5_COLS, (size_t)n_cols % TM_T5_COLS);
            pack_20(bytes, padded, place + n_whole * TM_T5_BLOCK);
        }
    }
}

static void t5r64_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    const uint8_t *from = (const uint8_t *)data +
                          (size_t)row / TM_T5_ROWS * tm_t5_blocks(n_cols) * TM_T5_BLOCK +
                          tm_t5_place(row);
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        size_t at = (size_t)(c / TM_T5_COLS) * TM_T5_BLOCK + (size_t)(c % 4) * TM_T5_ROWS;
        trits[c] = (int8_t)tm_t5_trit(tm_t5_value(from[at]), c % TM_T5_COLS / 4);
    }
}

const tm_format tm_format_t5r64 = {
    .name = "t5r64",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 1.6,
    .row_group = TM_T5_ROWS,
    .size = t5r64_size,
    .pack_trits = t5r64_pack,
    .unpack_trits = t5r64_unpack,
    .source =
        "five trits in a byte as in llama.cpp's TQ1_0, here as a sign and one of 122 sums; the "
        "64 x 20 blocks are ternmark's",
};
