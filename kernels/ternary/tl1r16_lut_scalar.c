/* tl1r16 in plain C: an index looks up the products of two trits in a table made of the token. */
#include "kernels/kernel.h"
#include "kernels/ternary/tl1.h"

#define TABLE 16 /* entries of a pair's table, 9 of them used */

/* Tables: [n_tokens][pairs][TABLE], t0 q0 + t1 q1 at 3 (t0 + 1) + (t1 + 1): at most 254 in size. */
static size_t table_entries(int n_cols)
{
    return tm_tl1_blocks(n_cols) * TM_TL1_PAIRS * TABLE;
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    return (size_t)n_tokens * table_entries(n_cols) * sizeof(int16_t);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    int64_t n_pairs = (int64_t)tm_tl1_blocks(x->n_cols) * TM_TL1_PAIRS, n = n_pairs * x->n_tokens;
    for (int64_t i = n * part / n_parts; i < n * (part + 1) / n_parts; i++) {
        const int8_t *q = x->i8 + i / n_pairs * x->stride + i % n_pairs * 2;
        int16_t *table = (int16_t *)scratch + i * TABLE;
        for (int v = 0; v < TM_TL1_INDICES; v++)
            table[v] = (int16_t)((v / 3 - 1) * q[0] + (v % 3 - 1) * q[1]);
    }
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

/* Sums are at most 127 n_cols in size: in int32 up to n_cols = 16,909,320. */
static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    size_t n_blocks = tm_tl1_blocks(w->n_cols);
    for (int group = row_begin; group < row_end; group += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)group / TM_GROUP * n_blocks * TM_TL1_BLOCK;
        int n = row_end - group < TM_GROUP ? row_end - group : TM_GROUP;
        for (int t = 0; t < x->n_tokens; t++) {
            const int16_t *table = (const int16_t *)scratch + (size_t)t * table_entries(w->n_cols);
            float *out = y + (size_t)t * (size_t)w->n_rows + (size_t)group;
            int32_t sum[TM_GROUP] = {0};
            for (size_t b = 0; b < n_blocks; b++)
                for (int pair = 0; pair < TM_TL1_PAIRS; pair++, table += TABLE)
                    for (int r = 0; r < TM_GROUP; r++)
                        sum[r] += table[tm_tl1_index(data + b * TM_TL1_BLOCK, r, pair)];
            for (int r = 0; r < n; r++) out[r] = ((float)sum[r] * x->scale[t]) * w->scale;
        }
    }
}

const tm_kernel tm_kernel_tl1r16_lut_scalar = {
    .name = "tl1r16_lut_scalar",
    .format = &tm_format_tl1r16,
    .isa = TM_ISA_NONE,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp TL1 (2502.11880, 3.1), lossless: tables of 9 sums of two activations",
};
