/* The vector operations of a transformer beside its matrices: norms, activation quantising, gates,
 * attention, softmax, rotation. One row per instruction set, like kernels, but chosen by machine.
 *
 * Every row gives the same bits. Sums run in a fixed number of lanes, added pairwise in a fixed
 * order, with fused multiply-add where the definition says so; exp is one polynomial of ours. So
 * logits depend neither on the kernel nor on the machine. vec_scalar.c is the definition.
 * Lengths may be anything >= 1; pointers need only their type's alignment unless stated.
 */
#ifndef TM_KERNELS_VEC_H
#define TM_KERNELS_VEC_H

#include "kernels/cpu.h"
#include "kernels/half.h"

#define TM_VEC_LANES 64 /* partial sums of every reduction: element i goes to lane i % 64 */

typedef struct tm_vec {
    const char *name; /* the file's stem: "vec_avx2" */
    unsigned    isa;

    /* sum x[i]^2, fma into lanes. */
    float (*sum_squares)(const float *x, int n);
    /* y[i] = (x[i] * factor) * weight[i]; y may be x. */
    void (*scale_by)(const float *x, float factor, const float *weight, int n, float *y);
    /* y[i] = x[i] + z[i]; y may be x or z. */
    void (*add)(const float *x, const float *z, int n, float *y);
    /* out[i] = silu(gate[i]) * up[i], silu(g) = g / (1 + exp(-g)). out may be gate or up. */
    void (*silu_mul)(const float *gate, const float *up, int n, float *out);
    /* out[i] = max(gate[i], 0)^2 * up[i]. out may be gate or up. */
    void (*relu2_mul)(const float *gate, const float *up, int n, float *out);
    /* int8 absmax per token: m = max(1e-5, max|x|), q = round-half-even(x * (127 / m)) with
     * s = (float)(127.0 / m); q clamped to -127..127; q[n .. n_padded-1] = 0; *sum = sum q.
     * Returns the scale 1 / s, so that x = q * scale. (bitnet.cpp's I2_S rule.) */
    float (*quantize_i8)(const float *x, int n, int n_padded, int8_t *q, int32_t *sum);

    /* Attention of one query head over n_positions cached rows. k, v: rows of head_dim values, row p
     * at p * stride elements; half or float by suffix. score[p] = dot(q, k_p) * scale. */
    void (*scores_f16)(const float *q, const tm_half *k, size_t stride, int head_dim, int n_positions, float scale, float *score);
    void (*scores_f32)(const float *q, const float *k, size_t stride, int head_dim, int n_positions, float scale, float *score);
    /* out[d] = sum_p score[p] * v_p[d], fma in the order of p. */
    void (*mix_f16)(const float *score, const tm_half *v, size_t stride, int head_dim, int n_positions, float *out);
    void (*mix_f32)(const float *score, const float *v, size_t stride, int head_dim, int n_positions, float *out);
    /* x[i] = exp(x[i] - max) / sum, in place; n >= 1. */
    void (*softmax)(float *x, int n);

    /* Rotates one head in place. cos, sin: [n_rot / 2]. half_split: pairs (i, i + n_rot/2), else
     * (2i, 2i + 1). (u, v) -> (u cos - v sin, u sin + v cos), products rounded before the sum. */
    void (*rotate)(float *x, int n_rot, const float *cos, const float *sin, bool half_split);
    /* Round to nearest even, and back. */
    void (*to_half)(const float *x, int n, tm_half *y);
    void (*from_half)(const tm_half *x, int n, float *y);
} tm_vec;

/* Every row built, ended by NULL, plain first; and the best one this machine has. Any thread. */
const tm_vec *const *tm_vecs(void);
const tm_vec *tm_vec_best(void);

#endif
