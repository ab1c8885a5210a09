#include "kernels/format.h"
#include "kernels/ternary/t3.h"

#include <assert.h>
#include <string.h>

/* t3r16: three trits in 5 bits, 16 rows x 24 columns in 80 bytes.
 *
 * Code v = t0 + 3 t1 + 9 t2 = -13 .. 13 holds the trits t0, t1, t2 of one row and of the columns c,
 * c + 4, c + 8 of half a block: c < 4 for codes 0 .. 3 of the row, 12 + c for codes 4 .. 7. It is
 * stored as its magnitude, 4 bits that index a table of 14 values, and its sign (1: negative).
 * Padding (rows past n_rows, columns past n_cols) is zeros.
 *
 *   byte      0   1       15  16  17      31  32      47  48      63  64  65      79
 *           +---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
 *   row%16  | 0 | 1 |   |15 | 0 | 1 |   |15 | 0 |   |15 | 0 |   |15 | 0 | 1 |   |15 |
 *           +---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+---+
 *   bits 7-4|    code 4     |    code 5     |  code 6   |  code 7   |     signs     |
 *   bits 3-0|    code 0     |    code 1     |  code 2   |  code 3   |   of 8 codes  |
 *           +---------------+---------------+-----------+-----------+---------------+
 *
 *   bit of a byte of signs   7 | 6 | 5 | 4 | 3 | 2 | 1 | 0
 *   code                     0 | 4 | 2 | 6 | 1 | 5 | 3 | 7
 *
 * Blocks of a row group follow each other by columns, groups follow each other; zeros to a multiple
 * of 64 bytes. 16 bytes are one code of 16 rows, as a look-up in a table of 16 bytes needs them.
 * The even codes' signs are the upper half of a byte, the odd ones' the lower: shifted by 4 in
 * every second 128-bit lane, then left again and again, they come to the top in the order of their
 * codes.
 */
static size_t used_bytes(int n_rows, int n_cols)
{
    size_t n;
    size_t n_groups = ((size_t)n_rows + TM_GROUP - 1) / TM_GROUP;
    if (!tm_mul_size(n_groups, tm_t3_blocks(n_cols), &n) || !tm_mul_size(n, TM_T3_BLOCK, &n))
        return 0;
    return n;
}

static size_t t3r16_size(int n_rows, int n_cols)
{
    size_t n = used_bytes(n_rows, n_cols);
    return n > SIZE_MAX - 63 ? 0 : tm_round_up(n, 64);
}

/* 12 trits -> the magnitudes of 4 codes, one to a byte; *negative: 1 in the bytes of those below 0.
 * A byte of v + 13 = 0 .. 26, raised by 115, has its highest bit set unless v is negative. */
static uint32_t pack_12(const int8_t *trits, uint32_t *negative)
{
    static const uint32_t power[3] = {1, 3, 9};
    uint32_t third[3], raised = 115 * 0x01010101u;
    memcpy(third, trits, sizeof third); /* little-endian on both architectures */
    for (int p = 0; p < 3; p++)         /* (-1, 0, 1) & 3 = (3, 0, 1); + 1 = (4, 1, 2) */
        raised += (((third[p] & 0x03030303u) + 0x01010101u) & 0x03030303u) * power[p];
    *negative = ~raised >> 7 & 0x01010101u;
    /* 128 + v, or 255 - (128 + v) + 1 = 128 - v: no byte carries. */
    return ((raised ^ *negative * 0xff) + *negative) & 0x0f0f0f0fu;
}

/* 24 trits of a row -> its bytes of a block. */
static void pack_24(const int8_t *trits, uint8_t *to)
{
    uint32_t low_negative, high_negative;
    uint32_t low = pack_12(trits, &low_negative), high = pack_12(trits + 12, &high_negative);
    uint32_t bytes = low | high << 4, signs = low_negative << 1 | high_negative;
    for (int c = 0; c < 4; c++) to[TM_GROUP * c] = (uint8_t)(bytes >> 8 * c);
    to[TM_T3_SIGNS] =
        (uint8_t)(signs << 6 | (signs >> 8 & 3) << 2 | (signs >> 16 & 3) << 4 | signs >> 24);
}

static void t3r16_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    size_t n_blocks = tm_t3_blocks(n_cols), n_whole = (size_t)n_cols / TM_T3_COLS;
    assert(row_begin % TM_GROUP == 0);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / TM_GROUP * n_blocks * TM_T3_BLOCK;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        if (n < TM_GROUP) memset(to, 0, n_blocks * TM_T3_BLOCK);
        for (int r = 0; r < n; r++) {
            const int8_t *row = trits + (size_t)(group + r - row_begin) * (size_t)n_cols;
            int8_t padded[TM_T3_COLS] = {0};
            for (size_t b = 0; b < n_whole; b++)
                pack_24(row + b * TM_T3_COLS, to + b * TM_T3_BLOCK + r);
            if (n_whole == n_blocks) continue;
            memcpy(padded, row + n_whole * TM_T3_COLS, (size_t)n_cols % TM_T3_COLS);
            pack_24(padded, to + n_whole * TM_T3_BLOCK + r);
        }
    }
    if (row_end == n_rows) {
        size_t used = used_bytes(n_rows, n_cols);
        memset((uint8_t *)data + used, 0, t3r16_size(n_rows, n_cols) - used);
    }
}

static void t3r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    static const int power[3] = {1, 3, 9};
    size_t n_blocks = tm_t3_blocks(n_cols);
    const uint8_t *from = (const uint8_t *)data + (size_t)row / TM_GROUP * n_blocks * TM_T3_BLOCK;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        int col = c % TM_T3_COLS, k = col / 12 * 4 + col % 4;
        int code = tm_t3_code(from + (size_t)(c / TM_T3_COLS) * TM_T3_BLOCK, row % TM_GROUP, k);
        trits[c] = (int8_t)((code + TM_T3_MOST) / power[col % 12 / 4] % 3 - 1);
    }
}

const tm_format tm_format_t3r16 = {
    .name = "t3r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 5.0 / 3,
    .row_group = TM_GROUP,
    .size = t3r16_size,
    .pack_trits = t3r16_pack,
    .unpack_trits = t3r16_unpack,
    .source = "bitnet.cpp's TL2 (2502.11880, 3.1): three trits as an index of 4 bits and a sign; "
              "the 16 x 24 blocks are ternmark's",
};
