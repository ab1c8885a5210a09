/* t3r16 in plain C: a table turns a code into three trits, lanes are rows. */
#include "kernels/kernel.h"
#include "kernels/ternary/t3.h"

/* Sums are at most 127 n_cols in size: in int32 up to n_cols = 16,909,320. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    size_t n_blocks = tm_t3_blocks(w->n_cols);
    int8_t trits[2 * TM_T3_MOST + 1][3];
    (void)scratch;
    for (int v = 0; v <= 2 * TM_T3_MOST; v++)
        trits[v][0] = (int8_t)(v % 3 - 1), trits[v][1] = (int8_t)(v / 3 % 3 - 1),
        trits[v][2] = (int8_t)(v / 9 - 1);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)group / TM_GROUP * n_blocks * TM_T3_BLOCK;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (int t = 0; t < x->n_tokens; t++) {
            float *out = y + (size_t)t * (size_t)w->n_rows + (size_t)group;
            int8_t last[TM_T3_COLS];
            int32_t sum[TM_GROUP] = {0};
            tm_t3_last_columns(x, t, last);
            for (size_t b = 0; b < n_blocks; b++) {
                const int8_t *q = b + 1 == n_blocks
                                      ? last
                                      : x->i8 + (size_t)t * (size_t)x->stride + b * TM_T3_COLS;
                for (int k = 0; k < TM_T3_CODES; k++) {
                    const int8_t *column = q + tm_t3_column(k);
                    for (int r = 0; r < TM_GROUP; r++) {
                        const int8_t *trit =
                            trits[tm_t3_code(data + b * TM_T3_BLOCK, r, k) + TM_T3_MOST];
                        sum[r] += trit[0] * column[0] + trit[1] * column[4] + trit[2] * column[8];
                    }
                }
            }
            for (int r = 0; r < n; r++) out[r] = ((float)sum[r] * x->scale[t]) * w->scale;
        }
    }
}

const tm_kernel tm_kernel_t3r16_lut_scalar = {
    .name = "t3r16_lut_scalar",
    .format = &tm_format_t3r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .rows = rows,
    .source = "bitnet.cpp's TL2 layout (2502.11880, 3.1), its weights looked up",
};
