/* What the variants of i2r16 share: the size of a block. */
#ifndef TM_KERNELS_TERNARY_I2_H
#define TM_KERNELS_TERNARY_I2_H

#include "kernels/format.h"

#define TM_I2_BLOCK 64 /* bytes of 16 rows x 16 columns */
#define TM_I2_COLS  16

static inline size_t tm_i2_blocks(int n_cols)
{
    return ((size_t)n_cols + TM_I2_COLS - 1) / TM_I2_COLS;
}

#endif
