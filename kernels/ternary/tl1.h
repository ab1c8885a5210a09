/* What the variants of tl1r16 share: sizes of a block and one index of it. */
#ifndef TM_KERNELS_TERNARY_TL1_H
#define TM_KERNELS_TERNARY_TL1_H

#include "kernels/format.h"

#define TM_TL1_BLOCK   64 /* bytes of 16 rows x 16 columns */
#define TM_TL1_COLS    16
#define TM_TL1_PAIRS   8 /* pairs of columns: a row has an index for each */
#define TM_TL1_INDICES 9 /* 3 (t0 + 1) + (t1 + 1) */

static inline size_t tm_tl1_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_TL1_COLS - 1) / TM_TL1_COLS;
}

/* Index of row r < 16 and of columns 2 * pair, 2 * pair + 1 of a block. */
static inline int tm_tl1_index(const uint8_t *block, int r, int pair)
{
    return block[16 * (pair / 2) + r] >> 4 * (pair % 2) & 15;
}

#endif
