#include "kernels/vec/vec.h"
#include "kernels/vec/vec_exp.h"

#include <float.h>
#include <math.h>

/* Adds n lanes (a power of two) by halves: lane i + lane i + n/2, and so on. */
static float add_lanes(float *lane, int n)
{
    for (int half = n / 2; half >= 1; half /= 2) {
        for (int i = 0; i < half; i++) lane[i] += lane[i + half];
    }
    return lane[0];
}

static float sum_squares(const float *x, int n)
{
    float lane[TM_VEC_LANES] = {0};
    for (int i = 0; i < n; i++) lane[i % TM_VEC_LANES] = fmaf(x[i], x[i], lane[i % TM_VEC_LANES]);
    return add_lanes(lane, TM_VEC_LANES);
}

static void scale_by(const float *x, float factor, const float *weight, int n, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] * factor * weight[i];
}

static void add(const float *x, const float *z, int n, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] + z[i];
}

static void silu_mul(const float *gate, const float *up, int n, float *out)
{
    for (int i = 0; i < n; i++) out[i] = gate[i] / (1 + tm_vec_exp(-gate[i])) * up[i];
}

static void relu2_mul(const float *gate, const float *up, int n, float *out)
{
    for (int i = 0; i < n; i++) {
        float r = 0 > gate[i] ? 0 : gate[i];
        out[i] = r * r * up[i];
    }
}

static float quantize_i8(const float *x, int n, int n_padded, int8_t *q, int32_t *sum)
{
    float max = 0;
    for (int i = 0; i < n; i++) {
        float a = fabsf(x[i]);
        max = a > max ? a : max;
    }
    float s = (float)(127.0 / (max > 1e-5 ? (double)max : 1e-5));
    int32_t total = 0;
    for (int i = 0; i < n; i++) {
        float t = x[i] * s;
        t = t > -127 ? t : -127; /* false for NaN */
        t = t < 127 ? t : 127;
        q[i] = (int8_t)rintf(t);
        total += q[i];
    }
    for (int i = n; i < n_padded; i++) q[i] = 0;
    *sum = total;
    return 1 / s;
}

static float value_f16(const void *values, size_t i)
{
    return tm_half_to_float(((const tm_half *)values)[i]);
}

static float value_f32(const void *values, size_t i)
{
    return ((const float *)values)[i];
}

typedef float value_fn(const void *values, size_t i);

static void scores(const float *q, size_t q_stride, int n_queries, const void *k, value_fn *value,
                   int head_dim, const int *n_positions, float scale, float *score,
                   size_t score_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++) {
        for (int p = 0; p < n_positions[i]; p++) {
            float sum = 0;
            for (int d = 0; d < head_dim; d++)
                sum =
                    fmaf(q[i * q_stride + (size_t)d], value(k, tm_vec_key_at(head_dim, p, d)), sum);
            score[i * score_stride + (size_t)p] = sum * scale;
        }
    }
}

static void mix(const float *score, size_t score_stride, int n_queries, const void *v,
                value_fn *value, int head_dim, const int *n_positions, float *out,
                size_t out_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++) {
        for (size_t d = 0; d < (size_t)head_dim; d++) {
            float sum = 0;
            for (size_t p = 0; p < (size_t)n_positions[i]; p++)
                sum = fmaf(score[i * score_stride + p], value(v, p * (size_t)head_dim + d), sum);
            out[i * out_stride + d] = sum;
        }
    }
}

static void scores_f16(const float *q, size_t q_stride, int n_queries, const tm_half *k,
                       int head_dim, const int *n_positions, float scale, float *score,
                       size_t score_stride)
{
    scores(q, q_stride, n_queries, k, value_f16, head_dim, n_positions, scale, score, score_stride);
}

static void scores_f32(const float *q, size_t q_stride, int n_queries, const float *k, int head_dim,
                       const int *n_positions, float scale, float *score, size_t score_stride)
{
    scores(q, q_stride, n_queries, k, value_f32, head_dim, n_positions, scale, score, score_stride);
}

static void mix_f16(const float *score, size_t score_stride, int n_queries, const tm_half *v,
                    int head_dim, const int *n_positions, float *out, size_t out_stride)
{
    mix(score, score_stride, n_queries, v, value_f16, head_dim, n_positions, out, out_stride);
}

static void mix_f32(const float *score, size_t score_stride, int n_queries, const float *v,
                    int head_dim, const int *n_positions, float *out, size_t out_stride)
{
    mix(score, score_stride, n_queries, v, value_f32, head_dim, n_positions, out, out_stride);
}

static float exps(float *x, int n, float *max)
{
    float most = -FLT_MAX, lane[TM_VEC_LANES] = {0};
    for (int i = 0; i < n; i++) most = x[i] > most ? x[i] : most;
    for (int i = 0; i < n; i++) {
        x[i] = tm_vec_exp(x[i] - most);
        lane[i % TM_VEC_LANES] += x[i];
    }
    *max = most;
    return add_lanes(lane, TM_VEC_LANES);
}

static void join(float *x, float a, const float *z, float b, int n)
{
    for (int i = 0; i < n; i++) x[i] = fmaf(z[i], b, x[i] * a);
}

static void scale(const float *x, float factor, int n, float *y)
{
    for (int i = 0; i < n; i++) y[i] = x[i] * factor;
}

static void rotate(float *x, int n_rot, const float *cos, const float *sin, bool half_split)
{
    int half = n_rot / 2, first = half_split ? 1 : 2, second = half_split ? half : 1;
    for (int i = 0; i < half; i++) {
        float u = x[i * first], v = x[i * first + second];
        x[i * first] = u * cos[i] - v * sin[i];
        x[i * first + second] = u * sin[i] + v * cos[i];
    }
}

static void to_half(const float *x, int n, tm_half *y)
{
    for (int i = 0; i < n; i++) y[i] = tm_half_from_float(x[i]);
}

static void from_half(const tm_half *x, int n, float *y)
{
    for (int i = 0; i < n; i++) y[i] = tm_half_to_float(x[i]);
}

const tm_vec tm_vec_scalar = {
    .name = "vec_scalar",
    .isa = TM_ISA_NONE,
    .sum_squares = sum_squares,
    .scale_by = scale_by,
    .add = add,
    .silu_mul = silu_mul,
    .relu2_mul = relu2_mul,
    .quantize_i8 = quantize_i8,
    .scores_f16 = scores_f16,
    .scores_f32 = scores_f32,
    .mix_f16 = mix_f16,
    .mix_f32 = mix_f32,
    .exps = exps,
    .join = join,
    .scale = scale,
    .rotate = rotate,
    .to_half = to_half,
    .from_half = from_half,
};
