/* The forward pass in doubles and plain loops, straight from a source, without int8 activations.
 * The engine's float path is compared with it. */
#ifndef TM_TESTS_ENGINE_NAIVE_H
#define TM_TESTS_ENGINE_NAIVE_H

#include "engine/source.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct naive {
    tm_source *source;
    const tm_config *config;
    int n_tokens;
} naive;

static inline void *naive_alloc(size_t n, size_t size)
{
    void *memory = calloc(n, size);
    if (!memory) abort();
    return memory;
}

/* y [n_rows] = W x. */
static inline void naive_multiply(const naive *m, tm_role role, int layer, const double *x,
                                  double *y)
{
    int n_rows, n_cols;
    tm_tensor_info info = {.post_scale = 1};
    tm_role_shape(m->config, role, &n_rows, &n_cols);
    float *row = naive_alloc((size_t)n_cols, sizeof *row);
    if (m->source->describe(m->source, role, layer, &info, NULL) != TM_OK) abort();
    for (int r = 0; r < n_rows; r++) {
        double sum = 0;
        m->source->floats(m->source, role, layer, r, r + 1, row);
        for (int c = 0; c < n_cols; c++) sum += (double)row[c] * x[c];
        y[r] = sum * (double)info.post_scale;
    }
    free(row);
}

static inline void naive_norm(const naive *m, tm_role role, int layer, const double *x, double *y)
{
    int n_rows, n;
    tm_role_shape(m->config, role, &n_rows, &n);
    float *weight = naive_alloc((size_t)n, sizeof *weight);
    m->source->floats(m->source, role, layer, 0, 1, weight);
    double sum = 0;
    for (int i = 0; i < n; i++) sum += x[i] * x[i];
    double factor = 1 / sqrt(sum / n + (double)m->config->rms_epsilon);
    for (int i = 0; i < n; i++) y[i] = x[i] * factor * (double)weight[i];
    free(weight);
}

/* Written after the paper, section 3.3 and appendix A.2, with llama.cpp's rounding of the ramp. */
static inline double naive_frequency(const tm_config *c, int i)
{
    const tm_rope_scaling *s = &c->rope_scaling;
    double base = (double)c->rope_base, theta = pow(base, -2.0 * i / c->n_rot);
    if (s->factor == 0) return theta;
    if (!s->yarn) return theta / (double)s->factor;
    double ends[2], turns[2] = {(double)s->beta_fast, (double)s->beta_slow};
    for (int k = 0; k < 2; k++)
        ends[k] = c->n_rot / 2.0 * log(s->n_context / (turns[k] * 2 * acos(-1))) / log(base);
    double first = floor(ends[0]) > 0 ? floor(ends[0]) : 0;
    double last = ceil(ends[1]) < c->n_rot - 1 ? ceil(ends[1]) : c->n_rot - 1;
    double gone = i <= first ? 0 : i >= last ? 1 : (i - first) / (last - first);
    return theta * ((1 - gone) + gone / (double)s->factor);
}

static inline void naive_rotate(const naive *m, int position, double *x)
{
    int n = m->config->n_rot;
    const tm_rope_scaling *s = &m->config->rope_scaling;
    double factor = s->yarn ? (double)s->attention * (1 + 0.1 * log((double)s->factor)) : 1;
    for (int i = 0; i < n / 2; i++) {
        double angle = position * naive_frequency(m->config, i);
        int a = m->config->rope_half_split ? i : 2 * i;
        int b = m->config->rope_half_split ? i + n / 2 : 2 * i + 1;
        double u = x[a], v = x[b];
        x[a] = (u * cos(angle) - v * sin(angle)) * factor;
        x[b] = (u * sin(angle) + v * cos(angle)) * factor;
    }
}

static inline double scale_or_1(float scale)
{
    return scale == 0 ? 1 : (double)scale;
}

/* logits: [n_tokens][n_vocab] */
static inline void naive_forward(tm_source *source, const int32_t *tokens, int n_tokens,
                                 double *logits)
{
    const tm_config *c = &source->config;
    naive model = {.source = source, .config = c, .n_tokens = n_tokens}, *m = &model;
    int n_q = c->n_heads * c->head_dim, n_kv = c->n_kv_heads * c->head_dim, hd = c->head_dim;
    int widest = n_q > c->n_hidden ? n_q : c->n_hidden;
    if (c->n_ffn > widest) widest = c->n_ffn;
    size_t cache = (size_t)c->n_layers * (size_t)n_tokens * (size_t)n_kv;
    double *keys = naive_alloc(cache, sizeof(double)), *values = naive_alloc(cache, sizeof(double));
    double *x = naive_alloc((size_t)c->n_hidden, sizeof(double));
    double *work[4];
    for (int i = 0; i < 4; i++) work[i] = naive_alloc((size_t)widest, sizeof(double));
    double *h = work[0], *q = work[1], *u = work[2], *y = work[3];
    double *score = naive_alloc((size_t)n_tokens, sizeof(double));
    float *row = naive_alloc((size_t)c->n_hidden, sizeof(float));
    for (int t = 0; t < n_tokens; t++) {
        source->floats(source, TM_ROLE_EMBEDDING, 0, tokens[t], tokens[t] + 1, row);
        for (int i = 0; i < c->n_hidden; i++)
            x[i] = (double)row[i] * scale_or_1(c->embedding_scale);
        for (int l = 0; l < c->n_layers; l++) {
            double *k = keys + ((size_t)l * (size_t)n_tokens + (size_t)t) * (size_t)n_kv;
            double *v = values + ((size_t)l * (size_t)n_tokens + (size_t)t) * (size_t)n_kv;
            naive_norm(m, TM_ROLE_ATTN_NORM, l, x, h);
            naive_multiply(m, TM_ROLE_Q, l, h, q);
            naive_multiply(m, TM_ROLE_K, l, h, k);
            naive_multiply(m, TM_ROLE_V, l, h, v);
            for (int i = 0; c->qk_norms && i < c->n_heads; i++)
                naive_norm(m, TM_ROLE_Q_NORM, l, q + i * hd, q + i * hd);
            for (int i = 0; c->qk_norms && i < c->n_kv_heads; i++)
                naive_norm(m, TM_ROLE_K_NORM, l, k + i * hd, k + i * hd);
            for (int i = 0; i < c->n_heads; i++) naive_rotate(m, t, q + i * hd);
            for (int i = 0; i < c->n_kv_heads; i++) naive_rotate(m, t, k + i * hd);
            for (int i = 0; i < c->n_heads; i++) {
                int g = i / (c->n_heads / c->n_kv_heads);
                double most = -INFINITY, total = 0;
                for (int p = 0; p <= t; p++) {
                    const double *kp =
                        keys + ((size_t)l * (size_t)n_tokens + (size_t)p) * (size_t)n_kv + g * hd;
                    score[p] = 0;
                    for (int d = 0; d < hd; d++) score[p] += q[i * hd + d] * kp[d];
                    score[p] /= sqrt(hd);
                    if (score[p] > most) most = score[p];
                }
                for (int p = 0; p <= t; p++) total += score[p] = exp(score[p] - most);
                for (int d = 0; d < hd; d++) {
                    double sum = 0;
                    for (int p = 0; p <= t; p++)
                        sum += score[p] / total *
                               values[((size_t)l * (size_t)n_tokens + (size_t)p) * (size_t)n_kv +
                                      (size_t)(g * hd + d)];
                    h[i * hd + d] = sum;
                }
            }
            if (c->sub_norms) naive_norm(m, TM_ROLE_ATTN_SUB_NORM, l, h, h);
            naive_multiply(m, TM_ROLE_O, l, h, y);
            for (int i = 0; i < c->n_hidden; i++) x[i] += y[i] * scale_or_1(c->residual_scale);
            naive_norm(m, TM_ROLE_FFN_NORM, l, x, h);
            naive_multiply(m, TM_ROLE_GATE, l, h, q);
            naive_multiply(m, TM_ROLE_UP, l, h, u);
            for (int i = 0; i < c->n_ffn; i++) {
                double g = q[i];
                u[i] *= c->relu2 ? (g > 0 ? g * g : 0) : g / (1 + exp(-g));
            }
            if (c->sub_norms) naive_norm(m, TM_ROLE_FFN_SUB_NORM, l, u, u);
            naive_multiply(m, TM_ROLE_DOWN, l, u, y);
            for (int i = 0; i < c->n_hidden; i++) x[i] += y[i] * scale_or_1(c->residual_scale);
        }
        naive_norm(m, TM_ROLE_OUTPUT_NORM, 0, x, h);
        naive_multiply(m, c->tied_head ? TM_ROLE_EMBEDDING : TM_ROLE_HEAD, 0, h,
                       logits + (size_t)t * (size_t)c->n_vocab);
        for (int i = 0; i < c->n_vocab; i++)
            logits[(size_t)t * (size_t)c->n_vocab + (size_t)i] /= scale_or_1(c->logit_scale);
    }
    for (int i = 0; i < 4; i++) free(work[i]);
    free(keys);
    free(values);
    free(x);
    free(score);
    free(row);
}

#endif
