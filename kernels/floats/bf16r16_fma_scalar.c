/* bf16r16 in plain C: 16 rows x PIECE columns become floats once and serve all tokens. */
#include "kernels/half.h"
#include "kernels/kernel.h"

#define PIECE 128 /* columns summed from zero before they are added to the total; even */

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    float values[PIECE * TM_GROUP]; /* [column][row] */
    size_t n_stored = ((size_t)w->n_cols + 1) / 2 * 2;
    (void)scratch;
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        const tm_bf16 *data = (const tm_bf16 *)w->data + (size_t)group * n_stored;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (int begin = 0; begin < w->n_cols; begin += PIECE) {
            int n_columns = w->n_cols - begin < PIECE ? w->n_cols - begin : PIECE;
            for (int c = 0; c < n_columns; c++)
                for (int r = 0; r < TM_GROUP; r++)
                    values[c * TM_GROUP + r] = tm_bf16_to_float(
                        data[(size_t)(begin + c / 2 * 2) * TM_GROUP + (size_t)(2 * r + c % 2)]);
            for (int t = 0; t < x->n_tokens; t++) {
                const float *v = x->f32 + (size_t)t * (size_t)x->stride + begin;
                float *total = y + (size_t)t * (size_t)w->n_rows + (size_t)group;
                float sum[TM_GROUP] = {0};
                for (int c = 0; c < n_columns; c++)
                    for (int r = 0; r < TM_GROUP; r++) sum[r] += values[c * TM_GROUP + r] * v[c];
                for (int r = 0; r < n; r++) total[r] = begin ? total[r] + sum[r] : sum[r];
            }
        }
    }
}

/* A product, at most 128 sums in a piece and 512 pieces (n_cols <= 65536) are each rounded by 2^-24
 * at most: 641 x 2^-24 of sum|w x|; 768 leaves room for the second order. */
const tm_kernel tm_kernel_bf16r16_fma_scalar = {
    .name = "bf16r16_fma_scalar",
    .format = &tm_format_bf16r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 768 * 0x1p-24f,
    .rows = rows,
    .source = "row panels of BLIS (Van Zee, van de Geijn 2015), bfloat16",
};
