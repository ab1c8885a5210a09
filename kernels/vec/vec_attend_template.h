/* Template: scores and mixing of attention, over the v16 of vec_wide_template.h, which it includes.
 *
 * Both are a product of matrices in tiles: queries x v16, all of whose sums stay in registers from
 * the first term to the last. Every vector of keys or values is loaded and converted once for all
 * queries of a tile; every element of a query or score is broadcast once for all its vectors. In
 * scores a v16 is a group of 16 positions, as keys are stored; in mixing it is 16 elements of a
 * head. No sum is added across lanes. Sums are in arrays of constant size, and all loops over them
 * unroll.
 */
#ifndef TM_KERNELS_VEC_VEC_ATTEND_TEMPLATE_H
#define TM_KERNELS_VEC_VEC_ATTEND_TEMPLATE_H

#include "kernels/vec/vec_wide_template.h"

#define V_UNROLL _Pragma("GCC unroll 8")

/* Few queries over many positions read keys and values from memory. They are prefetched in the
 * order of addresses, since memory is fastest with one stream, while a tile reads several groups or
 * parts of rows side by side. With V_ROWS queries, as in prompts, keys and values are in a cache,
 * and a prefetch is one load too many. Rows go to L1. A tile of keys, which is prefetched while the
 * previous one is read, may be as large as L1 and goes to L2. */
enum { V_AHEAD_BYTES = 4096, V_LINE = 64 };

static inline V_INLINE void fetch(const void *from, size_t offset, size_t bytes, bool to_l1)
{
    for (size_t i = 0; i < bytes; i += V_LINE) {
        if (to_l1)
            __builtin_prefetch((const char *)from + offset + i, 0, 3);
        else
            __builtin_prefetch((const char *)from + offset + i, 0, 2);
    }
}

/* 16 elements of a half or float array. */
static inline V_INLINE v16 load_16(const void *from, size_t at, bool half)
{
    return half ? v_load_half((const tm_half *)from + at, 0, 16)
                : v_load((const float *)from + at, 16);
}

/* One term of n_q x n_v sums. Holds either the broadcast elements or the vectors, whichever are
 * fewer. */
static inline V_INLINE void add_term(int n_q, int n_v, const float *x, size_t x_stride,
                                     const v16 *vector, v16 *sum)
{
    v16 one[6];
    if (n_v <= n_q) {
        V_UNROLL for (int j = 0; j < n_q; j++)
        {
            one[0] = v_set(x[(size_t)j * x_stride]);
            V_UNROLL for (int i = 0; i < n_v; i++) sum[j * n_v + i] =
                v_fma(one[0], vector[i], sum[j * n_v + i]);
        }
        return;
    }
    V_UNROLL for (int j = 0; j < n_q; j++) one[j] = v_set(x[(size_t)j * x_stride]);
    V_UNROLL for (int i = 0; i < n_v; i++)
    {
        V_UNROLL for (int j = 0; j < n_q; j++) sum[j * n_v + i] =
            v_fma(one[j], vector[i], sum[j * n_v + i]);
    }
}

/* n_q queries over n_v groups of keys. */
static inline V_INLINE void scores_tile(int n_q, int n_v, const float *q, size_t q_stride,
                                        const void *k, bool half, int head_dim, float scale,
                                        float *score, size_t score_stride)
{
    v16 sum[24], key[8];
    const size_t element = half ? sizeof(tm_half) : sizeof(float);
    size_t group = (size_t)head_dim * TM_VEC_KEYS, next = (size_t)n_v * group * element;
    const size_t step = (size_t)n_v * TM_VEC_KEYS * element; /* of all groups, for one d */
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        V_UNROLL for (int i = 0; i < n_v; i++) sum[j * n_v + i] = v_zero();
    }
    for (int d = 0; d < head_dim; d++) {
        size_t at = (size_t)d * TM_VEC_KEYS;
        V_UNROLL for (int i = 0; i < n_v; i++) key[i] = load_16(k, (size_t)i * group + at, half);
        if (n_q < V_ROWS && (step >= V_LINE || (d & 1) == 0))
            fetch(k, next + (size_t)d * step, step, false);
        add_term(n_q, n_v, q + d, q_stride, key, sum);
    }
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        float *row = score + (size_t)j * score_stride;
        V_UNROLL for (int i = 0; i < n_v; i++)
            v_store(row + i * TM_VEC_KEYS, v_mul(sum[j * n_v + i], v_set(scale)), 16);
    }
}

static inline V_INLINE v16 load_values(const void *v, size_t at, bool half, int n)
{
    if (n == 16) return load_16(v, at, half);
    return half ? v_load_half((const tm_half *)v + at, 0, n) : v_load((const float *)v + at, n);
}

/* n_q queries into n_v v16 of out. v16 i begins at element 16 i, but the last one at `last`, so
 * that it is whole for any head of 16 elements or more. A smaller head has one v16 of n elements.
 * Query j sees n_positions[j] values, at least `all` and at most `most`. `fetches`: the tile
 * prefetches whole rows; only the first tile of a head does. */
static inline V_INLINE void mix_tile(int n_q, int n_v, const float *score, size_t score_stride,
                                     const void *v, bool half, int head_dim, int last, int n,
                                     const int *n_positions, int all, int most, bool fetches,
                                     float *out, size_t out_stride)
{
    v16 sum[24], value[8];
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        V_UNROLL for (int i = 0; i < n_v; i++) sum[j * n_v + i] = v_zero();
    }
    const size_t element = half ? sizeof(tm_half) : sizeof(float);
    size_t row = 0, row_step = (size_t)head_dim;
    for (int p = 0; p < all; p++, row += row_step) {
        if (n_q < V_ROWS && fetches)
            fetch(v, row * element + V_AHEAD_BYTES, row_step * element, true);
        V_UNROLL for (int i = 0; i < n_v; i++) value[i] =
            load_values(v, row + (size_t)(i == n_v - 1 ? last : 16 * i), half, n_v > 1 ? 16 : n);
        add_term(n_q, n_v, score + p, score_stride, value, sum);
    }
    for (int p = all; p < most; p++, row += row_step) {
        V_UNROLL for (int i = 0; i < n_v; i++) value[i] =
            load_values(v, row + (size_t)(i == n_v - 1 ? last : 16 * i), half, n_v > 1 ? 16 : n);
        V_UNROLL for (int j = 0; j < n_q; j++)
        {
            if (p >= n_positions[j]) continue;
            v16 one = v_set(score[(size_t)j * score_stride + (size_t)p]);
            V_UNROLL for (int i = 0; i < n_v; i++) sum[j * n_v + i] =
                v_fma(one, value[i], sum[j * n_v + i]);
        }
    }
    V_UNROLL for (int j = 0; j < n_q; j++)
    {
        float *to = out + (size_t)j * out_stride;
        V_UNROLL for (int i = 0; i < n_v; i++)
            v_store(to + (i == n_v - 1 ? last : 16 * i), sum[j * n_v + i], n_v > 1 ? 16 : n);
    }
}

/* One function for each tile: with several in one, compilers run out of registers. */
#define V_DEFINE_TILES(n_q, n_v, name, half)                                                       \
    static __attribute__((noinline)) void scores_##n_q##x##n_v##_##name(                           \
        const float *q, size_t q_stride, const void *k, int head_dim, float scale, float *score,   \
        size_t score_stride)                                                                       \
    {                                                                                              \
        scores_tile(n_q, n_v, q, q_stride, k, half, head_dim, scale, score, score_stride);         \
    }                                                                                              \
    static __attribute__((noinline)) void mix_##n_q##x##n_v##_##name(                              \
        const float *score, size_t score_stride, const void *v, int head_dim, int last, int n,     \
        const int *n_positions, int all, int most, bool fetches, float *out, size_t out_stride)    \
    {                                                                                              \
        mix_tile(n_q, n_v, score, score_stride, v, half, head_dim, last, n, n_positions, all,      \
                 most, fetches, out, out_stride);                                                  \
    }
#define V_TILES(X, ...)                                                                            \
    V_TILES_6(X, __VA_ARGS__)                                                                      \
    V_TILES_4(X, __VA_ARGS__)                                                                      \
    V_TILES_3(X, __VA_ARGS__) V_TILES_2(X, __VA_ARGS__) V_TILES_1(X, __VA_ARGS__)
V_TILES(V_DEFINE_TILES, f16, true)
V_TILES(V_DEFINE_TILES, f32, false)
#undef V_DEFINE_TILES

/* Queries of the next tile, with `left` remaining. */
static inline V_INLINE int tile_rows(int left)
{
    return left >= V_ROWS ? V_ROWS : left == 5 ? 4 : left;
}

static inline V_INLINE int most_positions(const int *n_positions, int n)
{
    int most = 0;
    for (int i = 0; i < n; i++) most = n_positions[i] > most ? n_positions[i] : most;
    return most;
}

static inline V_INLINE int fewest_positions(const int *n_positions, int n)
{
    int fewest = n_positions[0];
    for (int i = 1; i < n; i++) fewest = wide_min(fewest, n_positions[i]);
    return fewest;
}

static inline V_INLINE void scores(const float *q, size_t q_stride, int n_queries, const void *k,
                                   bool is_half, int head_dim, const int *n_positions, float scale,
                                   float *score, size_t score_stride)
{
    size_t group = TM_VEC_KEYS * (size_t)head_dim * (is_half ? sizeof(tm_half) : sizeof(float));
    for (int i = 0; i < n_queries;) {
        int rows = tile_rows(n_queries - i), g = 0;
        int n_groups = (most_positions(n_positions + i, rows) + TM_VEC_KEYS - 1) / TM_VEC_KEYS;
        const float *query = q + (size_t)i * q_stride;
        float *row = score + (size_t)i * score_stride;
#define RUN(n_q, n_v, name, half)                                                                  \
    for (; is_half == half && rows == n_q && g + n_v <= n_groups; g += n_v)                        \
        scores_##n_q##x##n_v##_##name(query, q_stride, (const char *)k + (size_t)g * group,        \
                                      head_dim, scale, row + g * TM_VEC_KEYS, score_stride);
        V_TILES(RUN, f16, true)
        V_TILES(RUN, f32, false)
#undef RUN
        i += rows;
    }
}

static inline V_INLINE void mix(const float *score, size_t score_stride, int n_queries,
                                const void *v, bool is_half, int head_dim, const int *n_positions,
                                float *out, size_t out_stride)
{
    size_t element = is_half ? sizeof(tm_half) : sizeof(float);
    int n_v16 = (head_dim + 15) / 16, n = wide_min(head_dim, 16);
    for (int i = 0; i < n_queries;) {
        int rows = tile_rows(n_queries - i), at = 0;
        int all = fewest_positions(n_positions + i, rows);
        int most = most_positions(n_positions + i, rows);
        const float *row = score + (size_t)i * score_stride;
        float *mixed = out + (size_t)i * out_stride;
#define RUN(n_q, n_v, name, half)                                                                  \
    for (; is_half == half && rows == n_q && at + n_v <= n_v16; at += n_v) {                       \
        int first = n_v > 1 ? 16 * at : wide_min(16 * at, head_dim - n);                           \
        int last = n_v > 1 ? wide_min(16 * (n_v - 1), head_dim - 16 - first) : 0;                  \
        mix_##n_q##x##n_v##_##name(row, score_stride, (const char *)v + (size_t)first * element,   \
                                   head_dim, last, n, n_positions + i, all, most, at == 0,         \
                                   mixed + first, out_stride);                                     \
    }
        V_TILES(RUN, f16, true)
        V_TILES(RUN, f32, false)
#undef RUN
        i += rows;
    }
}

static inline void wide_scores_f16(const float *q, size_t q_stride, int n_queries, const tm_half *k,
                                   int head_dim, const int *n_positions, float scale, float *score,
                                   size_t score_stride)
{
    scores(q, q_stride, n_queries, k, true, head_dim, n_positions, scale, score, score_stride);
}

static inline void wide_scores_f32(const float *q, size_t q_stride, int n_queries, const float *k,
                                   int head_dim, const int *n_positions, float scale, float *score,
                                   size_t score_stride)
{
    scores(q, q_stride, n_queries, k, false, head_dim, n_positions, scale, score, score_stride);
}

static inline void wide_mix_f16(const float *score, size_t score_stride, int n_queries,
                                const tm_half *v, int head_dim, const int *n_positions, float *out,
                                size_t out_stride)
{
    mix(score, score_stride, n_queries, v, true, head_dim, n_positions, out, out_stride);
}

static inline void wide_mix_f32(const float *score, size_t score_stride, int n_queries,
                                const float *v, int head_dim, const int *n_positions, float *out,
                                size_t out_stride)
{
    mix(score, score_stride, n_queries, v, false, head_dim, n_positions, out, out_stride);
}

/* A row of these functions. */
#define TM_VEC_WIDE_ROW(row_name, row_isa)                                                         \
    {                                                                                              \
        .name = row_name, .isa = row_isa, .sum_squares = wide_sum_squares,                         \
        .scale_by = wide_scale_by, .add = wide_add, .silu_mul = wide_silu_mul,                     \
        .relu2_mul = wide_relu2_mul, .quantize_i8 = wide_quantize_i8,                              \
        .scores_f16 = wide_scores_f16, .scores_f32 = wide_scores_f32, .mix_f16 = wide_mix_f16,     \
        .mix_f32 = wide_mix_f32, .exps = wide_exps, .join = wide_join, .scale = wide_scale,        \
        .rotate = wide_rotate, .to_half = wide_to_half, .from_half = wide_from_half,               \
    }

#endif
