#include "kernels/format.h"
#include "kernels/ternary/tl1.h"

#include <assert.h>
#include <string.h>

/* tl1r16: two trits in an index of 4 bits, 16 rows x 16 columns in 64 bytes.
 *
 * Index 3 (t0 + 1) + (t1 + 1) = 0 .. 8 holds the trits t0, t1 of one row and of columns c, c + 1, c
 * even; padding (rows past n_rows, columns past n_cols) has zeros as trits, so that full padding is
 * index 4.
 *
 *   byte        0   1       15   16  17      31   32  33      47   48  49      63
 *             +---+---+-- --+---+---+---+-- --+---+---+---+-- --+---+---+---+-- --+---+
 *   row % 16  | 0 | 1 |     |15 | 0 | 1 |     |15 | 0 | 1 |     |15 | 0 | 1 |     |15 |
 *             +---+---+-- --+---+---+---+-- --+---+---+---+-- --+---+---+---+-- --+---+
 *   bits 7-4  | columns 2, 3    | columns 6, 7    | columns 10, 11  | columns 14, 15  |
 *   bits 3-0  | columns 0, 1    | columns 4, 5    | columns 8, 9    | columns 12, 13  |
 *             +-----------------+-----------------+-----------------+-----------------+
 *
 * Blocks of a row group follow each other by columns, groups follow each other. 16 bytes are one
 * pair's index of 16 rows in each half, as a look-up in a table of 16 bytes needs them.
 */
static size_t tl1r16_size(int n_rows, int n_cols)
{
    size_t n, n_groups = ((size_t)n_rows + TM_GROUP - 1) / TM_GROUP;
    if (!tm_mul_size(n_groups, tm_tl1_blocks(n_cols), &n) || !tm_mul_size(n, TM_TL1_BLOCK, &n))
        return 0;
    return n;
}

/* 16 trits of a row -> its 4 bytes of a block, 16 bytes apart. */
static void pack_16(const int8_t *trits, uint8_t *to)
{
    for (int i = 0; i < 4; i++, trits += 4) {
        int low = 3 * trits[0] + trits[1] + 4, high = 3 * trits[2] + trits[3] + 4;
        to[TM_GROUP * i] = (uint8_t)(low | high << 4);
    }
}

static void tl1r16_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                        void *data)
{
    size_t n_blocks = tm_tl1_blocks(n_cols), n_whole = (size_t)n_cols / TM_TL1_COLS;
    (void)n_rows;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / TM_GROUP * n_blocks * TM_TL1_BLOCK;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        if (n < TM_GROUP) memset(to, 0x44, n_blocks * TM_TL1_BLOCK);
        for (int r = 0; r < n; r++) {
            const int8_t *row = trits + (size_t)(group + r - row_begin) * (size_t)n_cols;
            int8_t padded[TM_TL1_COLS] = {0};
            for (size_t b = 0; b < n_whole; b++)
                pack_16(row + b * TM_TL1_COLS, to + b * TM_TL1_BLOCK + r);
            if (n_whole == n_blocks) continue;
            memcpy(padded, row + n_whole * TM_TL1_COLS, (size_t)n_cols % TM_TL1_COLS);
            pack_16(padded, to + n_whole * TM_TL1_BLOCK + r);
        }
    }
}

static void tl1r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    const uint8_t *from =
        (const uint8_t *)data + (size_t)row / TM_GROUP * tm_tl1_blocks(n_cols) * TM_TL1_BLOCK;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        const uint8_t *block = from + (size_t)(c / TM_TL1_COLS) * TM_TL1_BLOCK;
        int index = tm_tl1_index(block, row % TM_GROUP, c % TM_TL1_COLS / 2);
        trits[c] = (int8_t)((c % 2 ? index % 3 : index / 3) - 1);
    }
}

const tm_format tm_format_tl1r16 = {
    .name = "tl1r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 2,
    .row_group = TM_GROUP,
    .size = tl1r16_size,
    .pack_trits = tl1r16_pack,
    .unpack_trits = tl1r16_unpack,
    .source = "bitnet.cpp's TL1 (2502.11880, 3.1): two trits as an index of 4 bits; the 16 x 16 "
              "blocks are ternmark's",
};
