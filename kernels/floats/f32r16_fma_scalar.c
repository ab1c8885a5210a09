/* f32r16 in plain C: lanes are rows, sums in pieces of PIECE columns. */
#include "kernels/kernel.h"

#define PIECE 128 /* columns summed from zero before they are added to the total */

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    (void)scratch;
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        const float *data = (const float *)w->data + (size_t)group * (size_t)w->n_cols;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (int t = 0; t < x->n_tokens; t++) {
            const float *v = x->f32 + (size_t)t * (size_t)x->stride;
            float total[TM_GROUP] = {0};
            for (int begin = 0; begin < w->n_cols; begin += PIECE) {
                int end = begin + PIECE < w->n_cols ? begin + PIECE : w->n_cols;
                float sum[TM_GROUP] = {0};
                for (int c = begin; c < end; c++)
                    for (int r = 0; r < TM_GROUP; r++)
                        sum[r] += data[(size_t)c * TM_GROUP + (size_t)r] * v[c];
                for (int r = 0; r < TM_GROUP; r++) total[r] += sum[r];
            }
            for (int r = 0; r < n; r++)
                y[(size_t)t * (size_t)w->n_rows + (size_t)(group + r)] = total[r];
        }
    }
}

/* A product, at most 128 sums in a piece and 512 pieces (n_cols <= 65536) are each rounded by 2^-24
 * at most: 641 x 2^-24 of sum|w x|; 768 leaves room for the second order. */
const tm_kernel tm_kernel_f32r16_fma_scalar = {
    .name = "f32r16_fma_scalar",
    .format = &tm_format_f32r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 768 * 0x1p-24f,
    .rows = rows,
    .source = "row panels of BLIS (Van Zee, van de Geijn 2015)",
};
