/* What the variants of t5r16 share: sizes of a block, the columns past its end. */
#ifndef TM_KERNELS_T5_H
#define TM_KERNELS_T5_H

#include <string.h>

#include "kernels/format.h"

#define TM_T5_BLOCK 64 /* bytes of 16 rows x 20 columns */
#define TM_T5_COLS  20
#define TM_T5_UNITS 5  /* trits of a byte, 4 columns apart */
#define TM_T5_LAST  84 /* what the last trit counts: 3^4 = 81, up to a multiple of 4 */

static inline size_t tm_t5_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_T5_COLS - 1) / TM_T5_COLS;
}

/* Trit + 1 of unit p of a byte. */
static inline int tm_t5_digit(int byte, int p)
{
    static const int power[4] = {1, 3, 9, 27};
    return p == 4 ? byte / TM_T5_LAST : byte % TM_T5_LAST / power[p] % 3;
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
