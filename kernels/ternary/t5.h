/* What the variants of t5r64 share: where the codes of a row are, the value of a byte, the columns
 * of a token's last block. */
#ifndef TM_KERNELS_TERNARY_T5_H
#define TM_KERNELS_TERNARY_T5_H

#include "kernels/format.h"

#include <string.h>

#define TM_T5_ROWS  64
#define TM_T5_BLOCK 256 /* bytes of 64 rows x 20 columns */
#define TM_T5_COLS  20
#define TM_T5_CODES 4   /* bytes of a row in a block, 64 apart */
#define TM_T5_UNITS 5   /* trits of a byte, 4 columns apart */
#define TM_T5_MOST  121 /* the value of a byte is -121 .. 121 */
#define TM_T5_ZERO  27  /* a byte of zeros */

static inline size_t tm_t5_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_T5_COLS - 1) / TM_T5_COLS;
}

/* Position of row r % 64 among 64 bytes: of every 16 bytes, the first 4 belong to rows 0 .. 15. */
static inline size_t tm_t5_place(int row)
{
    return (size_t)(row % 16 / 4 * 16 + row % TM_T5_ROWS / 16 * 4 + row % 4);
}

/* t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4 of a byte. */
static inline int tm_t5_value(int byte)
{
    int low = byte & 31, high = byte >> 5 & 3;
    int value = low < 27 ? low - 13 + 27 * (high + 1) : low - 27 + 9 * ((high == 1) - (high == 2));
    return byte & 128 ? -value : value;
}

/* Trit p of the value of a byte. */
static inline int tm_t5_trit(int value, int p)
{
    static const int power[TM_T5_UNITS] = {1, 3, 9, 27, 81};
    return (value + TM_T5_MOST) / power[p] % 3 - 1;
}

/* The activations of a token's last block, with zeros past n_cols: the block may reach past the
 * token's stride. */
static inline void tm_t5_last_columns(const tm_act *x, int token, int8_t last[TM_T5_COLS])
{
    size_t at = (tm_t5_blocks(x->n_cols) - 1) * TM_T5_COLS;
    memset(last, 0, TM_T5_COLS);
    memcpy(last, x->i8 + (size_t)token * (size_t)x->stride + at, (size_t)x->n_cols - at);
}

#endif
