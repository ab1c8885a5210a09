/* Scores and mixing of attention over the v16 of vec_wide.h, which is included before it.
 *
 * Scores: a tile of queries x positions, one v16 of lanes for each pair, so that every vector of k
 * serves several queries and every vector of q several positions. Mixing: the chain of fma of each
 * out[d] stays in a register from the first position to the last; queries x registers of them run
 * side by side to cover the latency of fma. Sums live in arrays of constant size, whose loops are
 * all unrolled; `half` is a constant after inlining.
 */
#ifndef TM_KERNELS_VEC_ATTEND_H
#define TM_KERNELS_VEC_ATTEND_H

#include "kernels/vec_wide.h"

#define V_UNROLL _Pragma("GCC unroll 8")

static inline V_INLINE v16 load_row(const void *rows, size_t row, int i, int n, bool half)
{
    return half ? v_load_half((const tm_half *)rows + row, i, n)
                : v_load((const float *)rows + row + i, n);
}

/* score[j][p] of n_q queries and n_p positions: 1 x 4, V_QUERIES x V_POSITIONS, or 1 x 1. */
static inline V_INLINE void scores_tile(int n_q, int n_p, const float *q, size_t q_stride,
                                        const void *k, bool half, size_t stride, int head_dim,
                                        float scale, float *score, size_t score_stride)
{
    v16 sum[4][4], key[4];
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        V_UNROLL for (int p = 0; p < n_p; p++) sum[j][p] = v_zero();
    }
    int i = 0;
    for (; i + 16 <= head_dim; i += 16) {
        V_UNROLL for (int p = 0; p < n_p; p++) key[p] =
            load_row(k, (size_t)p * stride, i, 16, half);
        V_UNROLL for (int j = 0; j < n_q; j++)
        {
            v16 query = v_load(q + (size_t)j * q_stride + i, 16);
            V_UNROLL for (int p = 0; p < n_p; p++) sum[j][p] = v_fma(query, key[p], sum[j][p]);
        }
    }
    int n = head_dim & 15;
    if (n > 0) {
        V_UNROLL for (int p = 0; p < n_p; p++) key[p] = load_row(k, (size_t)p * stride, i, n, half);
        V_UNROLL for (int j = 0; j < n_q; j++)
        {
            v16 query = v_load(q + (size_t)j * q_stride + i, n);
            V_UNROLL for (int p = 0; p < n_p; p++) sum[j][p] = v_fma(query, key[p], sum[j][p]);
        }
    }
    if (n_p == 1) {
        score[0] = v_halves(sum[0][0]) * scale;
    } else if (n_p == 4) {
        V_UNROLL for (int j = 0; j < n_q; j++) v_halves4(sum[j][0], sum[j][1], sum[j][2], sum[j][3],
                                                         scale, score + (size_t)j * score_stride);
    } else {
        float four[4];
        v_halves4(sum[0][0], sum[0][1], sum[1][0], sum[1][1], scale, four);
        memcpy(score, four, 2 * sizeof *four);
        memcpy(score + score_stride, four + 2, 2 * sizeof *four);
    }
}

static inline V_INLINE void scores_group(const float *q, size_t q_stride, int n_queries,
                                         const void *k, bool half, size_t stride, int head_dim,
                                         const int *n_positions, float scale, float *score,
                                         size_t score_stride)
{
    const char *rows = k;
    size_t row_bytes = stride * (half ? sizeof(tm_half) : sizeof(float));
    for (int i = 0; i < n_queries; i += V_QUERIES) {
        const float *query = q + (size_t)i * q_stride;
        float *row = score + (size_t)i * score_stride;
        int n = wide_min(n_queries - i, V_QUERIES), tiled = 0;
        if (n == V_QUERIES) {
            int common = n_positions[i];
            for (int j = 1; j < n; j++) common = wide_min(common, n_positions[i + j]);
            for (; tiled + V_POSITIONS <= common; tiled += V_POSITIONS)
                scores_tile(V_QUERIES, V_POSITIONS, query, q_stride,
                            rows + (size_t)tiled * row_bytes, half, stride, head_dim, scale,
                            row + tiled, score_stride);
        }
        for (int j = 0; j < n; j++, query += q_stride, row += score_stride) {
            int p = tiled, end = n_positions[i + j];
            for (; p + 4 <= end; p += 4)
                scores_tile(1, 4, query, 0, rows + (size_t)p * row_bytes, half, stride, head_dim,
                            scale, row + p, 0);
            for (; p < end; p++)
                scores_tile(1, 1, query, 0, rows + (size_t)p * row_bytes, half, stride, head_dim,
                            scale, row + p, 0);
        }
    }
}

/* Positions begin .. end-1 into n_regs v16 of out for n_q queries, the last of n_last elements. A
 * begin above 0 goes on from what out holds. `at`: the first element within the head. */
static inline V_INLINE void mix_tile(int n_q, int n_regs, int n_last, const float *score,
                                     size_t score_stride, const void *v, bool half, size_t stride,
                                     int at, int begin, int end, float *out, size_t out_stride)
{
    v16 sum[4][8], value[8];
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        V_UNROLL for (int r = 0; r < n_regs; r++)
        {
            const float *o = out + (size_t)j * out_stride + at + 16 * r;
            sum[j][r] = begin > 0 ? v_load(o, r == n_regs - 1 ? n_last : 16) : v_zero();
        }
    }
    for (int p = begin; p < end; p++) {
        size_t row = (size_t)p * stride;
        V_UNROLL for (int r = 0; r < n_regs; r++) value[r] =
            load_row(v, row, at + 16 * r, r == n_regs - 1 ? n_last : 16, half);
        V_UNROLL for (int j = 0; j < n_q; j++)
        {
            v16 s = v_set(score[(size_t)j * score_stride + (size_t)p]);
            V_UNROLL for (int r = 0; r < n_regs; r++) sum[j][r] = v_fma(s, value[r], sum[j][r]);
        }
    }
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        V_UNROLL for (int r = 0; r < n_regs; r++)
        {
            float *o = out + (size_t)j * out_stride + at + 16 * r;
            v_store(o, sum[j][r], r == n_regs - 1 ? n_last : 16);
        }
    }
}

/* mix_tile over the whole head, at most max_regs registers at a time. */
static inline V_INLINE void mix_block(int n_q, int max_regs, const float *score,
                                      size_t score_stride, const void *v, bool half, size_t stride,
                                      int head_dim, int begin, int end, float *out,
                                      size_t out_stride)
{
#define MIX(regs)                                                                                  \
    case regs:                                                                                     \
        if (regs <= max_regs)                                                                      \
            mix_tile(n_q, regs, n_last, score, score_stride, v, half, stride, at, begin, end, out, \
                     out_stride);                                                                  \
        break
    for (int at = 0; at < head_dim;) {
        int n_regs = wide_min((head_dim - at + 15) / 16, max_regs);
        int n_last = wide_min(head_dim - at - 16 * (n_regs - 1), 16);
        switch (n_regs) {
            MIX(1);
            MIX(2);
            MIX(3);
            MIX(4);
            MIX(5);
            MIX(6);
            MIX(7);
            MIX(8);
        }
        at += 16 * n_regs;
    }
#undef MIX
}

/* A head that takes several passes over its rows takes them 64 rows (at most 32 KiB where head_dim
 * is 128) at a time, so that all but the first find them in L1. */
static inline V_INLINE void mix_head(int n_q, int max_regs, const float *score, size_t score_stride,
                                     const void *v, bool half, size_t stride, int head_dim,
                                     int begin, int end, float *out, size_t out_stride)
{
    int step = head_dim > 16 * max_regs ? 64 : end - begin;
    do { /* once at least: no positions give zeros */
        int stop = wide_min(end - begin, step) + begin;
        mix_block(n_q, max_regs, score, score_stride, v, half, stride, head_dim, begin, stop, out,
                  out_stride);
        begin = stop;
    } while (begin < end);
}

static inline V_INLINE void mix_group(const float *score, size_t score_stride, int n_queries,
                                      const void *v, bool half, size_t stride, int head_dim,
                                      const int *n_positions, float *out, size_t out_stride)
{
    for (int i = 0; i < n_queries; i += V_QUERIES) {
        const float *row = score + (size_t)i * score_stride;
        float *mixed = out + (size_t)i * out_stride;
        int n = wide_min(n_queries - i, V_QUERIES), common = 0;
        if (n == V_QUERIES) {
            common = n_positions[i];
            for (int j = 1; j < n; j++) common = wide_min(common, n_positions[i + j]);
            mix_head(V_QUERIES, V_GROUP_REGS, row, score_stride, v, half, stride, head_dim, 0,
                     common, mixed, out_stride);
        }
        for (int j = 0; j < n; j++, row += score_stride, mixed += out_stride) {
            int end = n_positions[i + j];
            if (n < V_QUERIES || end > common)
                mix_head(1, V_REGS, row, 0, v, half, stride, head_dim, common, end, mixed, 0);
        }
    }
}

static inline void wide_scores_group_f16(const float *q, size_t q_stride, int n_queries,
                                         const tm_half *k, size_t stride, int head_dim,
                                         const int *n_positions, float scale, float *score,
                                         size_t score_stride)
{
    scores_group(q, q_stride, n_queries, k, true, stride, head_dim, n_positions, scale, score,
                 score_stride);
}

static inline void wide_scores_group_f32(const float *q, size_t q_stride, int n_queries,
                                         const float *k, size_t stride, int head_dim,
                                         const int *n_positions, float scale, float *score,
                                         size_t score_stride)
{
    scores_group(q, q_stride, n_queries, k, false, stride, head_dim, n_positions, scale, score,
                 score_stride);
}

static inline void wide_mix_group_f16(const float *score, size_t score_stride, int n_queries,
                                      const tm_half *v, size_t stride, int head_dim,
                                      const int *n_positions, float *out, size_t out_stride)
{
    mix_group(score, score_stride, n_queries, v, true, stride, head_dim, n_positions, out,
              out_stride);
}

static inline void wide_mix_group_f32(const float *score, size_t score_stride, int n_queries,
                                      const float *v, size_t stride, int head_dim,
                                      const int *n_positions, float *out, size_t out_stride)
{
    mix_group(score, score_stride, n_queries, v, false, stride, head_dim, n_positions, out,
              out_stride);
}

static inline void wide_scores_f16(const float *q, const tm_half *k, size_t stride, int head_dim,
                                   int n_positions, float scale, float *score)
{
    wide_scores_group_f16(q, 0, 1, k, stride, head_dim, &n_positions, scale, score, 0);
}

static inline void wide_scores_f32(const float *q, const float *k, size_t stride, int head_dim,
                                   int n_positions, float scale, float *score)
{
    wide_scores_group_f32(q, 0, 1, k, stride, head_dim, &n_positions, scale, score, 0);
}

static inline void wide_mix_f16(const float *score, const tm_half *v, size_t stride, int head_dim,
                                int n_positions, float *out)
{
    wide_mix_group_f16(score, 0, 1, v, stride, head_dim, &n_positions, out, 0);
}

static inline void wide_mix_f32(const float *score, const float *v, size_t stride, int head_dim,
                                int n_positions, float *out)
{
    wide_mix_group_f32(score, 0, 1, v, stride, head_dim, &n_positions, out, 0);
}

/* The row made of all these. */
#define TM_VEC_WIDE_ROW(row_name, row_isa)                                                         \
    {                                                                                              \
        .name = row_name, .isa = row_isa, .sum_squares = wide_sum_squares,                         \
        .scale_by = wide_scale_by, .add = wide_add, .silu_mul = wide_silu_mul,                     \
        .relu2_mul = wide_relu2_mul, .quantize_i8 = wide_quantize_i8,                              \
        .scores_f16 = wide_scores_f16, .scores_f32 = wide_scores_f32, .mix_f16 = wide_mix_f16,     \
        .mix_f32 = wide_mix_f32, .scores_group_f16 = wide_scores_group_f16,                        \
        .scores_group_f32 = wide_scores_group_f32, .mix_group_f16 = wide_mix_group_f16,            \
        .mix_group_f32 = wide_mix_group_f32, .softmax = wide_softmax, .rotate = wide_rotate,       \
        .to_half = wide_to_half, .from_half = wide_from_half,                                      \
    }

#endif
