/* i2r16 in plain C: 16 columns of a row group at a time, lanes are rows. */
#include "kernels/kernel.h"
#include "kernels/ternary/i2.h"

/* Codes are trit + 1, so the result is sum(code * q) - sum(q); both are at most 254 n_cols in size
 * and stay in int32 up to n_cols = 8,454,660. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    size_t n_blocks = tm_i2_blocks(w->n_cols);
    (void)scratch;
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)group / TM_GROUP * n_blocks * TM_I2_BLOCK;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (int t = 0; t < x->n_tokens; t++) {
            const int8_t *q = x->i8 + (size_t)t * (size_t)x->stride;
            float *out = y + (size_t)t * (size_t)w->n_rows + (size_t)group;
            int32_t sum[TM_GROUP] = {0};
            for (size_t b = 0; b < n_blocks; b++)
                for (int r = 0; r < TM_GROUP; r++)
                    for (int j = 0; j < 4; j++) {
                        const int8_t *column = q + b * 16 + (size_t)j;
                        int byte = data[b * TM_I2_BLOCK + (size_t)(4 * r + j)];
                        sum[r] += (byte & 3) * column[0] + (byte >> 2 & 3) * column[4] +
                                  (byte >> 4 & 3) * column[8] + (byte >> 6) * column[12];
                    }
            for (int r = 0; r < n; r++)
                out[r] = ((float)(sum[r] - x->sum[t]) * x->scale[t]) * w->scale;
        }
    }
}

const tm_kernel tm_kernel_i2r16_mad_scalar = {
    .name = "i2r16_mad_scalar",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add",
};
