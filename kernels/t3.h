/* What the variants of t3r16 share: sizes of a block, one code of it, the columns past its end. */
#ifndef TM_KERNELS_T3_H
#define TM_KERNELS_T3_H

#include <string.h>

#include "kernels/format.h"

#define TM_T3_BLOCK 40 /* bytes of 16 rows x 12 columns */
#define TM_T3_COLS  12
#define TM_T3_UNITS 3 /* trits of a code, 4 columns apart */

static inline size_t tm_t3_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_T3_COLS - 1) / TM_T3_COLS;
}

/* Code j < 64 of a block. */
static inline uint8_t tm_t3_code(const uint8_t *block, int j)
{
    int byte = 5 * j / 8, shift = 5 * j % 8;
    int high = shift > 3 ? block[byte + 1] : 0; /* never the byte after the block */
    return (uint8_t)((block[byte] | high << 8) >> shift & 31);
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
