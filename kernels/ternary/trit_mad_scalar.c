/* The slow exact row: canonical trits, one multiply-add at a time. */
#include "kernels/kernel.h"

/* |sum| <= 127 n_cols stays in int32 up to n_cols = 16,909,320. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    (void)scratch;
    for (int t = 0; t < x->n_tokens; t++) {
        const int8_t *q = x->i8 + (size_t)t * (size_t)x->stride;
        for (int r = row_begin; r < row_end; r++) {
            const int8_t *trits = (const int8_t *)w->data + (size_t)r * (size_t)w->n_cols;
            int32_t sum = 0;
            for (int c = 0; c < w->n_cols; c++) sum += trits[c] * q[c];
            y[(size_t)t * (size_t)w->n_rows + (size_t)r] = ((float)sum * x->scale[t]) * w->scale;
        }
    }
}

const tm_kernel tm_kernel_trit_mad_scalar = {
    .name = "trit_mad_scalar",
    .format = &tm_format_trit,
    .isa = TM_ISA_NONE,
    .row_step = 1,
    .tolerance = 0,
    .rows = rows,
    .source = "BitNet b1.58 (2402.17764): trits x int8, one scale per matrix and per token",
};
