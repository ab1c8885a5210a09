#include <assert.h>
#include <string.h>

#include "kernels/format.h"
#include "kernels/t3.h"

/* t3r16: three trits in 5 bits, 16 rows x 12 columns in 40 bytes.
 *
 * Code v = (t0 + 1) + 3 (t1 + 1) + 9 (t2 + 1) = 0 .. 26 holds the trits t0, t1, t2 of one row and
 * of columns c, c + 4, c + 8 of the block, c < 4; padding (rows past n_rows, columns past n_cols)
 * has zeros as trits. A block is a little-endian number of 320 bits: code j lies in bits 5j ..
 * 5j + 4, its row % 16 is j / 4, its column c is j % 4. Eight codes, two rows, fill 5 bytes:
 *
 *   byte       0        1        2        3        4      5
 *            +--------+--------+--------+--------+--------+---
 *   bits     |76543210|76543210|76543210|76543210|76543210|
 *   code j   |11100000|32222211|44443333|66555554|77777666|      of 5 bytes; + 8 in the next 5
 *            +--------+--------+--------+--------+--------+---
 *   row % 16  0: codes 0 .. 3       1: codes 4 .. 7         2: codes 8 .. 11 ...
 *
 * Blocks of a row group follow each other by columns, groups follow each other; zeros to a multiple
 * of 64 bytes. Once its codes stand in 64 bytes, one look-up per trit gives the operand of a 4-way
 * int8 dot product, lanes are rows, as in i2r16.
 */
#define GROUP 16

static const uint8_t power[3] = {1, 3, 9};

static size_t used_bytes(int n_rows, int n_cols)
{
    size_t n;
    size_t n_groups = ((size_t)n_rows + GROUP - 1) / GROUP;
    if (!tm_mul_size(n_groups, tm_t3_blocks(n_cols), &n) || !tm_mul_size(n, TM_T3_BLOCK, &n))
        return 0;
    return n;
}

static size_t t3r16_size(int n_rows, int n_cols)
{
    size_t n = used_bytes(n_rows, n_cols);
    return n > SIZE_MAX - 63 ? 0 : tm_round_up(n, 64);
}

/* 12 trits of one row -> its 20 bits. */
static uint32_t pack_12(const int8_t *trits)
{
    uint32_t third[3], codes = 0;
    memcpy(third, trits, sizeof third);   /* little-endian on both architectures */
    for (int p = 0; p < TM_T3_UNITS; p++) /* (-1, 0, 1) & 3 = (3, 0, 1); + 1 = (4, 1, 2) */
        codes += (((third[p] & 0x03030303u) + 0x01010101u) & 0x03030303u) * power[p];
    return (codes & 0x1f) | (codes >> 3 & 0x1f << 5) | (codes >> 6 & 0x1f << 10) |
           (codes >> 9 & 0x1f << 15);
}

static void t3r16_pack(const int8_t *trits, int row_begin, int row_end, int n_rows, int n_cols,
                       void *data)
{
    size_t n_blocks = tm_t3_blocks(n_cols), n_whole = (size_t)n_cols / TM_T3_COLS;
    assert(row_begin % GROUP == 0);
    for (int group = row_begin; group < row_end; group += GROUP) {
        uint8_t *to = (uint8_t *)data + (size_t)group / GROUP * n_blocks * TM_T3_BLOCK;
        for (int pair = 0; pair < GROUP; pair += 2, to += 5)
            for (size_t b = 0; b < n_blocks; b++) {
                uint64_t bits = 0;
                for (int r = group + pair + 1; r >= group + pair; r--) {
                    int8_t padded[TM_T3_COLS] = {0};
                    size_t n = b < n_whole ? TM_T3_COLS : (size_t)n_cols % TM_T3_COLS;
                    if (r < row_end)
                        memcpy(padded,
                               trits + (size_t)(r - row_begin) * (size_t)n_cols + b * TM_T3_COLS,
                               n);
                    bits = bits << 20 | pack_12(padded);
                }
                memcpy(to + b * TM_T3_BLOCK, &bits, 5);
            }
    }
    if (row_end == n_rows) {
        size_t used = used_bytes(n_rows, n_cols);
        memset((uint8_t *)data + used, 0, t3r16_size(n_rows, n_cols) - used);
    }
}

static void t3r16_unpack(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    size_t n_blocks = tm_t3_blocks(n_cols);
    const uint8_t *from = (const uint8_t *)data + (size_t)row / GROUP * n_blocks * TM_T3_BLOCK;
    (void)n_rows;
    for (int c = 0; c < n_cols; c++) {
        uint8_t code =
            tm_t3_code(from + (size_t)(c / TM_T3_COLS) * TM_T3_BLOCK, row % GROUP * 4 + c % 4);
        trits[c] = (int8_t)(code / power[c % TM_T3_COLS / 4] % 3 - 1);
    }
}

const tm_format tm_format_t3r16 = {
    .name = "t3r16",
    .act = TM_ACT_I8,
    .ternary = true,
    .bits_per_weight = 5.0 / 3,
    .row_group = GROUP,
    .size = t3r16_size,
    .pack_trits = t3r16_pack,
    .unpack_trits = t3r16_unpack,
    .source = "three trits in five bits as in bitnet.cpp's TL2 (2502.11880, 3.1), here as a "
              "number in base 3; the 16 x 12 blocks are ternmark's",
};
