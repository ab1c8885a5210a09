/* The vector operations of a transformer, other than its matrix products: norms, activation
 * quantising, gates, attention, softmax, rotation. One row per instruction set, like kernels, but
 * chosen by machine.
 *
 * Every row gives the same bits, so logits depend neither on the kernel nor on the machine;
 * vec_scalar.c is the definition. Its rules:
 * - A long sum runs in 64 lanes, element i in lane i % 64. Lanes are added by halves: lane i + lane
 *   i + 32, then 16, ... 1. A last group of lanes that is not full is padded with zeros (0 * 0 is
 *   added to those lanes).
 * - A sum of attention is one chain of fma from 0 on: vectors run over many sums, not along one.
 * - fma where a formula here says so, else each operation is rounded. exp: vec_exp.h.
 * - Not guaranteed: the bits of a NaN made from two NaN, and the sign of a zero that max returns.
 *
 * Lengths may be anything >= 1; pointers need only their type's alignment. Nothing outside the
 * given ranges is read or written. Any thread.
 */
#ifndef TM_KERNELS_VEC_VEC_H
#define TM_KERNELS_VEC_VEC_H

#include "kernels/cpu.h"
#include "kernels/half.h"

#define TM_VEC_LANES 64 /* partial sums of a long sum: element i goes to lane i % 64 */
#define TM_VEC_KEYS  16 /* positions of a group of keys */

/* Index of element d of the key at position p. Keys are stored in groups of 16 positions, and by
 * element within a group, so that a vector holds one element of 16 keys and scores need no sum
 * across lanes:
 *
 *   d = 0: k0 k1 ... k15 | d = 1: k0 k1 ... k15 | ... d = head_dim-1 || the next group
 */
static inline size_t tm_vec_key_at(int head_dim, int p, int d)
{
    size_t group = (size_t)p / TM_VEC_KEYS * (size_t)head_dim + (size_t)d;
    return group * TM_VEC_KEYS + (size_t)p % TM_VEC_KEYS;
}

typedef struct tm_vec {
    const char *name; /* the file's stem: "vec_avx2" */
    unsigned isa;

    /* sum x[i]^2, fma into 64 lanes. */
    float (*sum_squares)(const float *x, int n);
    /* y[i] = (x[i] * factor) * weight[i]; y may be x. */
    void (*scale_by)(const float *x, float factor, const float *weight, int n, float *y);
    /* y[i] = x[i] + z[i]; y may be x or z. */
    void (*add)(const float *x, const float *z, int n, float *y);
    /* out[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g)). out may be gate or up. */
    void (*silu_mul)(const float *gate, const float *up, int n, float *out);
    /* out[i] = max(gate[i], 0)^2 * up[i]. out may be gate or up. */
    void (*relu2_mul)(const float *gate, const float *up, int n, float *out);
    /* int8 absmax per token: m = max(1e-5, max|x|) and s = (float)(127.0 / m) in double, q =
     * round-half-even(x * s) with the float product clamped to -127..127; q[n .. n_padded-1] = 0;
     * *sum = sum q. Returns the float 1 / s, so that x = q * scale. NaN is ignored in m and becomes
     * -127. n < 2^24. Source: bitnet.cpp, quantize of I2_S activations. */
    float (*quantize_i8)(const float *x, int n, int n_padded, int8_t *q, int32_t *sum);

    /* Attention of n_queries queries over the same keys and values, half or float by suffix: query
     * i at q + i * q_stride over the first n_positions[i] (>= 0) of them. A key or value is loaded
     * once for several queries, which is fastest if neighbouring n_positions are alike. score[i *
     * score_stride + p] = dot(q_i, k_p) * scale, fma in the order of elements from 0. k: whole
     * groups of keys (tm_vec_key_at). Each row of score has room for the groups of the largest of
     * n_positions; after a query's own positions its content is undefined. */
    void (*scores_f16)(const float *q, size_t q_stride, int n_queries, const tm_half *k,
                       int head_dim, const int *n_positions, float scale, float *score,
                       size_t score_stride);
    void (*scores_f32)(const float *q, size_t q_stride, int n_queries, const float *k, int head_dim,
                       const int *n_positions, float scale, float *score, size_t score_stride);
    /* out[i * out_stride + d] = sum_p score[i * score_stride + p] * v_p[d], fma in the order of p
     * from 0. v: [positions][head_dim]. */
    void (*mix_f16)(const float *score, size_t score_stride, int n_queries, const tm_half *v,
                    int head_dim, const int *n_positions, float *out, size_t out_stride);
    void (*mix_f32)(const float *score, size_t score_stride, int n_queries, const float *v,
                    int head_dim, const int *n_positions, float *out, size_t out_stride);

    /* x[i] = exp(x[i] - m) in place; m = max(-FLT_MAX, the x) goes to *max; returns their sum, in
     * 64 lanes. -INFINITY gives 0; a NaN makes the sum NaN. n >= 1. */
    float (*exps)(float *x, int n, float *max);
    /* x[i] = fma(z[i], b, x[i] * a). */
    void (*join)(float *x, float a, const float *z, float b, int n);
    /* y[i] = x[i] * factor; y may be x. */
    void (*scale)(const float *x, float factor, int n, float *y);

    /* Rotates one head in place. cos, sin: [n_rot / 2]. half_split: pairs (i, i + n_rot/2), else
     * (2i, 2i + 1). (u, v) -> (u cos - v sin, u sin + v cos), products rounded before the sum. */
    void (*rotate)(float *x, int n_rot, const float *cos, const float *sin, bool half_split);
    /* Round to nearest even, and back; y may not be x. */
    void (*to_half)(const float *x, int n, tm_half *y);
    void (*from_half)(const tm_half *x, int n, float *y);
} tm_vec;

/* Every row of this build, plain first, ended by NULL; and the best one for this machine. Any
 * thread. */
const tm_vec *const *tm_vecs(void);
const tm_vec *tm_vec_best(void);

#endif
