/* What the variants of t3r16 share: sizes of a block, one code of it, the columns of a token's last
 * block. */
#ifndef TM_KERNELS_TERNARY_T3_H
#define TM_KERNELS_TERNARY_T3_H

#include "kernels/format.h"

#include <string.h>

#define TM_T3_BLOCK 80 /* bytes of 16 rows x 24 columns */
#define TM_T3_COLS  24
#define TM_T3_CODES 8  /* of a row in a block */
#define TM_T3_SIGNS 64 /* where a block's bytes of signs begin */
#define TM_T3_MOST  13 /* codes are -13 .. 13 */

static inline size_t tm_t3_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_T3_COLS - 1) / TM_T3_COLS;
}

/* Code k's first column in the block; the others are 4 and 8 further on. */
static inline int tm_t3_column(int k)
{
    return k / 4 * 12 + k % 4;
}

/* Code k's bit in a byte of signs. */
static inline int tm_t3_sign_bit(int k)
{
    return 7 - (k % 2 * 4 + k % 4 / 2 * 2 + k / 4);
}

/* Code k < 8 of row r < 16 of a block: t0 + 3 t1 + 9 t2. */
static inline int tm_t3_code(const uint8_t *block, int r, int k)
{
    int index = block[16 * (k % 4) + r] >> k / 4 * 4 & 15;
    return block[TM_T3_SIGNS + r] >> tm_t3_sign_bit(k) & 1 ? -index : index;
}

/* The activations of a token's last block, with zeros past n_cols: the block may reach past the
 * token's stride. */
static inline void tm_t3_last_columns(const tm_act *x, int token, int8_t last[TM_T3_COLS])
{
    size_t at = (tm_t3_blocks(x->n_cols) - 1) * TM_T3_COLS;
    memset(last, 0, TM_T3_COLS);
    memcpy(last, x->i8 + (size_t)token * (size_t)x->stride + at, (size_t)x->n_cols - at);
}

#endif
