#include "engine/attend.h"

#include <float.h>
#include <math.h>

void tm_attend_chunk(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                     int chunk, float *out, tm_softmax *softmax)
{
    size_t dim = (size_t)a->head_dim, first = (size_t)chunk * TM_ATTEND_CHUNK * dim;
    float scale = 1 / sqrtf((float)a->head_dim);
    int n[TM_ATTEND_ROWS];
    for (int i = 0; i < n_queries; i++) {
        n[i] = n_positions[i] - chunk * TM_ATTEND_CHUNK;
        n[i] = n[i] < 0 ? 0 : n[i] > TM_ATTEND_CHUNK ? TM_ATTEND_CHUNK : n[i];
    }
    if (a->f16_kv)
        a->vec->scores_f16(query, dim, n_queries, (const tm_half *)a->keys + first, a->head_dim, n,
                           scale, a->score, TM_ATTEND_STRIDE);
    else
        a->vec->scores_f32(query, dim, n_queries, (const float *)a->keys + first, a->head_dim, n,
                           scale, a->score, TM_ATTEND_STRIDE);
    for (int i = 0; i < n_queries; i++) {
        softmax[i] = (tm_softmax){.max = -FLT_MAX};
        if (n[i] > 0)
            softmax[i].sum =
                a->vec->exps(a->score + (size_t)i * TM_ATTEND_STRIDE, n[i], &softmax[i].max);
    }
    if (a->f16_kv)
        a->vec->mix_f16(a->score, TM_ATTEND_STRIDE, n_queries, (const tm_half *)a->values + first,
                        a->head_dim, n, out, dim);
    else
        a->vec->mix_f32(a->score, TM_ATTEND_STRIDE, n_queries, (const float *)a->values + first,
                        a->head_dim, n, out, dim);
}

void tm_attend_join(const tm_vec *vec, int head_dim, int n_queries, tm_softmax *into, float *out,
                    const tm_softmax *from, const float *part)
{
    float weight[2 * TM_ATTEND_ROWS], largest;
    for (int i = 0; i < n_queries; i++) {
        float max = from[i].max > into[i].max ? from[i].max : into[i].max;
        weight[2 * i] = into[i].max - max;
        weight[2 * i + 1] = from[i].max - max;
        into[i].max = max;
    }
    vec->exps(weight, 2 * n_queries, &largest); /* one of each pair is 0, so 0 is subtracted */
    for (int i = 0; i < n_queries; i++, out += head_dim, part += head_dim) {
        if (from[i].sum == 0) continue;
        vec->join(out, weight[2 * i], part, weight[2 * i + 1], head_dim);
        into[i].sum = into[i].sum * weight[2 * i] + from[i].sum * weight[2 * i + 1];
    }
}

void tm_attend_all(const tm_attend *a, const float *query, int n_queries, const int *n_positions,
                   float *out)
{
    tm_softmax all[TM_ATTEND_ROWS], one[TM_ATTEND_ROWS];
    int most = 0;
    for (int i = 0; i < n_queries; i++) most = n_positions[i] > most ? n_positions[i] : most;
    tm_attend_chunk(a, query, n_queries, n_positions, 0, out, all);
    for (int chunk = 1; chunk < tm_attend_chunks(most); chunk++) {
        tm_attend_chunk(a, query, n_queries, n_positions, chunk, a->part, one);
        tm_attend_join(a->vec, a->head_dim, n_queries, all, out, one, a->part);
    }
    for (int i = 0; i < n_queries; i++, out += a->head_dim)
        a->vec->scale(out, 1 / all[i].sum, a->head_dim, out);
}
