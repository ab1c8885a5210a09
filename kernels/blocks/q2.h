/* What the variants of q2r16 share: the sizes of a piece. */
#ifndef TM_KERNELS_BLOCKS_Q2_H
#define TM_KERNELS_BLOCKS_Q2_H

#include "kernels/blocks/blocks.h"

#define TM_Q2_WEIGHTS 64  /* of a row that share a scale */
#define TM_Q2_COLS    128 /* of a piece: 16 rows x 128 columns */
#define TM_Q2_CODES   64  /* offset of its codes, which are blocks as of i2r16 */
#define TM_Q2_BLOCK   64  /* bytes of 16 rows x 16 columns of codes */
#define TM_Q2_BYTES   576 /* of a piece: nine cache lines */
#define TM_Q2_PARTS   (TM_Q2_COLS / TM_Q_WEIGHTS)

static inline size_t tm_q2_pieces(int n_cols)
{
    return ((size_t)n_cols + TM_Q2_COLS - 1) / TM_Q2_COLS;
}

/* The row group that `row` begins or is in. */
static inline const uint8_t *tm_q2_group(const tm_weight *w, int row)
{
    return (const uint8_t *)w->data +
           (size_t)row / TM_GROUP * tm_q2_pieces(w->n_cols) * TM_Q2_BYTES;
}

#endif
