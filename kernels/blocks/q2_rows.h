/* The row of a kernel of q2r16 from rows_of_16(w, x, row, token, y, n_tokens), which the kernel
 * file defines: 16 rows for a few tokens, with n_tokens a literal in 1 .. TM_Q2_TOKENS, so that
 * codes are unpacked once for all of them and sums stay in registers. Row groups are the outer
 * loop: the codes of a group stay in L1 while the tokens pass. */
#ifndef TM_KERNELS_BLOCKS_Q2_ROWS_H
#define TM_KERNELS_BLOCKS_Q2_ROWS_H

#if !defined TM_Q2_TOKENS
#error "q2_rows.h: define TM_Q2_TOKENS first"
#endif

#include "kernels/blocks/q2.h"
#include "kernels/panel.h"

/* One pass over a row group: piece, and activations of the first of its tokens. */
typedef struct q2_pass {
    const uint8_t *piece;
    const int8_t *q;
    const float *scale;
    const int32_t *sum;
    size_t n_pieces, stride;
} q2_pass;

static inline q2_pass q2_begin(const tm_weight *w, const tm_act *x, int row, int token)
{
    size_t stride = (size_t)x->stride, from = (size_t)token * stride;
    return (q2_pass){.piece = tm_q2_group(w, row),
                     .q = x->i8 + from,
                     .scale = x->scale + from / TM_Q_WEIGHTS,
                     .sum = x->sum + from / TM_ACT_SUM_STEP,
                     .n_pieces = tm_q2_pieces(w->n_cols),
                     .stride = stride};
}

/* The sum of q over a part of 32 columns of the pass's token t. */
TM_ALWAYS_INLINE int32_t q2_sum(const q2_pass *pass, int t, int part)
{
    const int32_t *sum = pass->sum + (size_t)t * (pass->stride / TM_ACT_SUM_STEP) + 2 * part;
    return sum[0] + sum[1];
}

TM_ALWAYS_INLINE float q2_scale(const q2_pass *pass, int t, int part)
{
    return pass->scale[(size_t)t * (pass->stride / TM_Q_WEIGHTS) + (size_t)part];
}

TM_ALWAYS_INLINE void q2_next(q2_pass *pass)
{
    pass->piece += TM_Q2_BYTES;
    pass->q += TM_Q2_COLS;
    pass->scale += TM_Q2_PARTS;
    pass->sum += TM_Q2_COLS / TM_ACT_SUM_STEP;
}

TM_ALWAYS_INLINE void rows_of_16(const tm_weight *w, const tm_act *x, int row, int token, float *y,
                                 const int n_tokens);

#define TM_Q2_ROWS_OF(n)                                                                           \
    static void rows_of_16_for_##n(const tm_weight *w, const tm_act *x, int row, int token,        \
                                   float *y)                                                       \
    {                                                                                              \
        rows_of_16(w, x, row, token, y, n);                                                        \
    }
TM_Q2_ROWS_OF(1)
TM_Q2_ROWS_OF(2)
TM_Q2_ROWS_OF(3)
TM_Q2_ROWS_OF(4)
#if TM_Q2_TOKENS > 4
TM_Q2_ROWS_OF(5)
TM_Q2_ROWS_OF(6)
TM_Q2_ROWS_OF(7)
TM_Q2_ROWS_OF(8)
#endif

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    static void (*const rows_for[])(const tm_weight *, const tm_act *, int, int, float *) = {
        NULL,
        rows_of_16_for_1,
        rows_of_16_for_2,
        rows_of_16_for_3,
        rows_of_16_for_4,
#if TM_Q2_TOKENS > 4
        rows_of_16_for_5,
        rows_of_16_for_6,
        rows_of_16_for_7,
        rows_of_16_for_8,
#endif
    };
    (void)scratch;
    for (int row = row_begin; row < row_end; row += TM_GROUP)
        for (int t = 0, n; t < x->n_tokens; t += n) {
            int rest = x->n_tokens - t, n_passes = (rest + TM_Q2_TOKENS - 1) / TM_Q2_TOKENS;
            n = (rest + n_passes - 1) / n_passes;
            rows_for[n](w, x, row, t, y);
        }
}

/* The first rows of a group that the matrix has. */
static inline void q2_store(const tm_weight *w, const float *totals, int row, int token, float *y)
{
    int n = w->n_rows - row < TM_GROUP ? w->n_rows - row : TM_GROUP;
    memcpy(y + (size_t)token * (size_t)w->n_rows + (size_t)row, totals, (size_t)n * sizeof *y);
}

#define TM_Q2_KERNEL(suffix, isa_bits)                                                             \
    const tm_kernel tm_kernel_q2r16_q80_##suffix = {                                               \
        .name = "q2r16_q80_" #suffix,                                                              \
        .format = &tm_format_q2r16,                                                                \
        .isa = isa_bits,                                                                           \
        .row_step = TM_GROUP,                                                                      \
        .tolerance = TM_Q_TOLERANCE,                                                               \
        .rows = rows,                                                                              \
        .source = "llama.cpp Q2_0 x Q8_0",                                                         \
    };

#endif
