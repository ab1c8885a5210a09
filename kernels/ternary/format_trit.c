#include "kernels/format.h"

#include <string.h>

/* trit: the canonical matrix.
 *
 *   int8 [n_rows][n_cols], values -1, 0, 1; zeros from the last weight to a multiple of 64 bytes.
 */
static size_t trit_size(int n_rows, int n_cols)
{
    size_t n;
    if (!tm_mul_size((size_t)n_rows, (size_t)n_cols, &n) || n > SIZE_MAX - 63) return 0;
    return tm_round_up(n, 64);
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
