/* t5r64 in plain C: a table turns a byte into five trits, lanes are rows. */
#include "kernels/kernel.h"
#include "kernels/ternary/t5.h"

/* Sums are at most 127 n_cols in size: in int32 up to n_cols = 16,909,320. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    size_t n_blocks = tm_t5_blocks(w->n_cols);
    int8_t trit[256][TM_T5_UNITS];
    (void)scratch;
    for (int v = 0; v < 256; v++)
        for (int p = 0; p < TM_T5_UNITS; p++) trit[v][p] = (int8_t)tm_t5_trit(tm_t5_value(v), p);
    for (int group = row_begin; group < row_end; group += TM_T5_ROWS) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)group / TM_T5_ROWS * n_blocks * TM_T5_BLOCK;
        int n = row_end - group < TM_T5_ROWS ? row_end - group : TM_T5_ROWS;
        for (int t = 0; t < x->n_tokens; t++) {
            float *out = y + (size_t)t * (size_t)w->n_rows + (size_t)group;
            int8_t last[TM_T5_COLS];
            int32_t sum[TM_T5_ROWS] = {0};
            tm_t5_last_columns(x, t, last);
            for (size_t b = 0; b < n_blocks; b++) {
                const int8_t *q = b + 1 == n_blocks
                                      ? last
                                      : x->i8 + (size_t)t * (size_t)x->stride + b * TM_T5_COLS;
                for (int j = 0; j < TM_T5_BLOCK; j++) {
                    const int8_t *trits = trit[data[b * TM_T5_BLOCK + (size_t)j]];
                    const int8_t *column = q + j / TM_T5_ROWS;
                    for (int p = 0; p < TM_T5_UNITS; p++)
                        sum[j % TM_T5_ROWS] += trits[p] * column[4 * p];
                }
            }
            for (int r = 0; r < n; r++)
                out[r] = ((float)sum[tm_t5_place(r)] * x->scale[t]) * w->scale;
        }
    }
}

const tm_kernel tm_kernel_t5r64_lut_scalar = {
    .name = "t5r64_lut_scalar",
    .format = &tm_format_t5r64,
    .isa = TM_ISA_NONE,
    .row_step = TM_T5_ROWS,
    .tolerance = 0,
    .rows = rows,
    .source = "five trits in a byte as in llama.cpp's TQ1_0, looked up",
};
