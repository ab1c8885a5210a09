/* Template: activations as pairs of bfloat16, for the dot products of bf16r16. A kernel file
 * includes it once, after it has defined decode() and `ops`. It defines the functions of a kernel
 * row; all are static. */
#ifndef TM_KERNELS_FLOATS_BF16_PAIRS_TEMPLATE_H
#define TM_KERNELS_FLOATS_BF16_PAIRS_TEMPLATE_H

#include "kernels/half.h"
#include "kernels/panel.h"

/* Pairs of every token, one too: a panel of kernels/panel.h. */
static size_t scratch_size(int n_cols, int n_tokens)
{
    size_t n = n_tokens == 1 ? 1 : (size_t)tm_panel_slots(&ops, n_tokens) * (size_t)ops.width_step;
    return tm_round_up(n * (size_t)tm_panel_units(&ops, n_cols) * 4, 64);
}

/* Unit u of a token: two columns. */
static inline uint32_t pair_of(const float *from, int u)
{
    return tm_bf16_from_float(from[2 * u]) | (uint32_t)tm_bf16_from_float(from[2 * u + 1]) << 16;
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    int n_units = tm_panel_units(&ops, x->n_cols), piece = tm_panel_piece_units(&ops);
    int64_t n_blocks = tm_panel_blocks(&ops, x->n_tokens);
    if (x->n_tokens == 1) {
        uint32_t *to = scratch;
        for (int u = n_units * part / n_parts; u < n_units * (part + 1) / n_parts; u++)
            to[u] = pair_of(x->f32, u);
        return;
    }
    for (int i = (int)(n_blocks * part / n_parts); i < (int)(n_blocks * (part + 1) / n_parts);
         i++) {
        int begin = tm_panel_begin(&ops, x->n_tokens, i);
        int width = tm_panel_begin(&ops, x->n_tokens, i + 1) - begin;
        for (int first = 0; first < n_units; first += piece) {
            int n = n_units - first < piece ? n_units - first : piece;
            uint8_t *panel = (uint8_t *)scratch + tm_panel_at(&ops, x->n_tokens, begin, first, n);
            for (int t = 0; t < width; t++) {
                bool real = begin + t < x->n_tokens;
                const float *from = x->f32 + (size_t)(real ? begin + t : begin) * (size_t)x->stride;
                uint32_t *to = (uint32_t *)(void *)panel + t;
                for (int u = first; u < first + n; u++, to += width)
                    *to = real ? pair_of(from, u) : 0;
            }
        }
    }
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens == 1)
        decode(w, scratch, row_begin, row_end, y);
    else
        tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);
}

#endif
