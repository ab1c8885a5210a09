/* q2r16 in plain C: 32 columns of a row group at a time, lanes are rows. */
#include "kernels/blocks/q2.h"
#include "kernels/kernel.h"

/* sums[16 rows] = codes less 1, times q, over 32 columns. */
static void dot(const uint8_t *codes, const int8_t *q, int32_t *sums)
{
    for (int r = 0; r < TM_GROUP; r++) sums[r] = 0;
    for (int b = 0; b < 2; b++, codes += TM_Q2_BLOCK, q += 16)
        for (int r = 0; r < TM_GROUP; r++)
            for (int j = 0; j < 4; j++) {
                int byte = codes[4 * r + j];
                sums[r] += ((byte & 3) - 1) * q[j] + ((byte >> 2 & 3) - 1) * q[4 + j] +
                           ((byte >> 4 & 3) - 1) * q[8 + j] + ((byte >> 6) - 1) * q[12 + j];
            }
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    size_t n_pieces = tm_q2_pieces(w->n_cols), stride = (size_t)x->stride;
    (void)scratch;
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (size_t t = 0; t < (size_t)x->n_tokens; t++) {
            const int8_t *q = x->i8 + t * stride;
            const float *scale = x->scale + t * (stride / TM_Q_WEIGHTS);
            const uint8_t *piece = tm_q2_group(w, group);
            float total[TM_GROUP] = {0};
            for (size_t p = 0; p < n_pieces; p++, piece += TM_Q2_BYTES)
                for (int part = 0; part < TM_Q2_PARTS; part++, q += TM_Q_WEIGHTS, scale++) {
                    int32_t sums[TM_GROUP];
                    dot(piece + TM_Q2_CODES + 2 * TM_Q2_BLOCK * part, q, sums);
                    for (int r = 0; r < TM_GROUP; r++) {
                        float d = tm_block_half(piece + part / 2 * 32 + 2 * r);
                        total[r] += (float)sums[r] * (d * *scale);
                    }
                }
            memcpy(y + t * (size_t)w->n_rows + (size_t)group, total, (size_t)n * sizeof *y);
        }
    }
}

const tm_kernel tm_kernel_q2r16_q80_scalar = {
    .name = "q2r16_q80_scalar",
    .format = &tm_format_q2r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = TM_Q_TOLERANCE,
    .rows = rows,
    .source = "llama.cpp Q2_0 x Q8_0",
};
