#include "kernels/vec.h"

#include <math.h>

#include "kernels/vec_exp.h"

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

static float value_f16(const void *row, size_t i)
{
    return tm_half_to_float(((const tm_half *)row)[i]);
}

static float value_f32(const void *row, size_t i)
{
    return ((const float *)row)[i];
}

typedef float value_fn(const void *rows, size_t i);

static void scores(const float *q, const void *k, value_fn *value, size_t stride, int head_dim,
                   int n_positions, float scale, float *score)
{
    for (int p = 0; p < n_positions; p++) {
        float lane[TM_VEC_DOT_LANES] = {0};
        for (int d = 0; d < (int)tm_round_up((size_t)head_dim, TM_VEC_DOT_LANES); d++) {
            float *sum = &lane[d % TM_VEC_DOT_LANES];
            if (d < head_dim)
                *sum = fmaf(q[d], value(k, (size_t)p * stride + (size_t)d), *sum);
            else
                *sum += 0; /* makes +0 of the -0 that products too small for a float add up to */
        }
        score[p] = add_lanes(lane, TM_VEC_DOT_LANES) * scale;
    }
}

static void mix(const float *score, const void *v, value_fn *value, size_t stride, int head_dim,
                int n_positions, float *out)
{
    for (int d = 0; d < head_dim; d++) {
        float sum = 0;
        for (int p = 0; p < n_positions; p++)
            sum = fmaf(score[p], value(v, (size_t)p * stride + (size_t)d), sum);
        out[d] = sum;
    }
}

static void scores_f16(const float *q, const tm_half *k, size_t stride, int head_dim,
                       int n_positions, float scale, float *score)
{
    scores(q, k, value_f16, stride, head_dim, n_positions, scale, score);
}

static void scores_f32(const float *q, const float *k, size_t stride, int head_dim, int n_positions,
                       float scale, float *score)
{
    scores(q, k, value_f32, stride, head_dim, n_positions, scale, score);
}

static void mix_f16(const float *score, const tm_half *v, size_t stride, int head_dim,
                    int n_positions, float *out)
{
    mix(score, v, value_f16, stride, head_dim, n_positions, out);
}

static void mix_f32(const float *score, const float *v, size_t stride, int head_dim,
                    int n_positions, float *out)
{
    mix(score, v, value_f32, stride, head_dim, n_positions, out);
}

static void scores_group_f16(const float *q, size_t q_stride, int n_queries, const tm_half *k,
                             size_t stride, int head_dim, const int *n_positions, float scale,
                             float *score, size_t score_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++)
        scores(q + i * q_stride, k, value_f16, stride, head_dim, n_positions[i], scale,
               score + i * score_stride);
}

static void scores_group_f32(const float *q, size_t q_stride, int n_queries, const float *k,
                             size_t stride, int head_dim, const int *n_positions, float scale,
                             float *score, size_t score_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++)
        scores(q + i * q_stride, k, value_f32, stride, head_dim, n_positions[i], scale,
               score + i * score_stride);
}

static void mix_group_f16(const float *score, size_t score_stride, int n_queries, const tm_half *v,
                          size_t stride, int head_dim, const int *n_positions, float *out,
                          size_t out_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++)
        mix(score + i * score_stride, v, value_f16, stride, head_dim, n_positions[i],
            out + i * out_stride);
}

static void mix_group_f32(const float *score, size_t score_stride, int n_queries, const float *v,
                          size_t stride, int head_dim, const int *n_positions, float *out,
                          size_t out_stride)
{
    for (size_t i = 0; i < (size_t)n_queries; i++)
        mix(score + i * score_stride, v, value_f32, stride, head_dim, n_positions[i],
            out + i * out_stride);
}

static void softmax(float *x, int n)
{
    float max = -INFINITY, lane[TM_VEC_LANES] = {0};
    for (int i = 0; i < n; i++) max = x[i] > max ? x[i] : max;
    for (int i = 0; i < n; i++) {
        x[i] = tm_vec_exp(x[i] - max);
        lane[i % TM_VEC_LANES] += x[i];
    }
    float inverse = 1 / add_lanes(lane, TM_VEC_LANES);
    for (int i = 0; i < n; i++) x[i] *= inverse;
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
    .scores_group_f16 = scores_group_f16,
    .scores_group_f32 = scores_group_f32,
    .mix_group_f16 = mix_group_f16,
    .mix_group_f32 = mix_group_f32,
    .softmax = softmax,
    .rotate = rotate,
    .to_half = to_half,
    .from_half = from_half,
};
