/* Rows of a block layout in plain C. The kernel file provides the integer sum of a block; with
 * literals for the sizes, this unrolls into it. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_SCALAR_H
#define TM_KERNELS_BLOCKS_BLOCKS_SCALAR_H

#include "kernels/blocks/blocks.h"
#include "kernels/kernel.h"

/* sum of code * q over a block. */
typedef int32_t tm_block_dot(const uint8_t *block, const int8_t *q);

static inline __attribute__((always_inline)) void tm_blocks_rows_scalar(
    tm_block_dot *dot, int n_weights, int n_bytes, int scale_at, const tm_weight *w,
    const tm_act *x, int row_begin, int row_end, float *y)
{
    size_t row_bytes = tm_blocks_row_bytes(w->n_cols, n_weights, n_bytes);
    size_t n_blocks = row_bytes / (size_t)n_bytes, n_scales = (size_t)(x->stride / n_weights);
    for (int r = row_begin; r < row_end; r++) {
        const uint8_t *row = (const uint8_t *)w->data + (size_t)r * row_bytes;
        for (size_t t = 0; t < (size_t)x->n_tokens; t++) {
            const int8_t *q = x->i8 + t * (size_t)x->stride;
            float total = 0;
            for (size_t b = 0; b < n_blocks; b++) {
                const uint8_t *block = row + b * (size_t)n_bytes;
                float scale = tm_block_half(block + scale_at) * x->scale[t * n_scales + b];
                total += (float)dot(block, q + b * (size_t)n_weights) * scale;
            }
            y[t * (size_t)w->n_rows + (size_t)r] = total;
        }
    }
}

/* A kernel row of its own file: rows() by the file's dot(). */
#define TM_BLOCK_KERNEL_SCALAR(layout, act, weights, bytes, scale_at, tolerance_value,             \
                               source_text)                                                        \
    static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,      \
                     int row_end, float *y)                                                        \
    {                                                                                              \
        (void)scratch;                                                                             \
        tm_blocks_rows_scalar(dot, weights, bytes, scale_at, w, x, row_begin, row_end, y);         \
    }                                                                                              \
    const tm_kernel tm_kernel_##layout##_##act##_scalar = {                                        \
        .name = #layout "_" #act "_scalar",                                                        \
        .format = &tm_format_##layout,                                                             \
        .isa = TM_ISA_NONE,                                                                        \
        .row_step = 1,                                                                             \
        .tolerance = tolerance_value,                                                              \
        .rows = rows,                                                                              \
        .source = source_text,                                                                     \
    };

#endif
