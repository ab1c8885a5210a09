/* The forward pass, one program for every thread. Read tm_forward first: it is the model.
 *
 * Barriers are only where a thread needs what others wrote. For one token a layer has five: after
 * q/k/v, attention, W_o, gate/up and W_down. Norms and quantising of one token take about a
 * microsecond, less than handing the result around, so every thread does them for itself.
 * Source: Llama (Touvron et al. 2023); BitNet b1.58 (Ma et al. 2024) for sub-norms and activations.
 */
#include "engine/forward.h"

#include <math.h>
#include <string.h>

#include "kernels/blocks/blocks.h"

/* The least a thread takes of a cut share. For one token weights of so many bytes, some two
 * microseconds' reading, and twice that where they are read in two places. For more as many rows as a
 * kernel multiplies at once, TM_PANEL_ROWS of kernels/panel.h, so that no tile is cut. */
#define GRAIN_BYTES 32768
#define GRAIN_ROWS  128

typedef struct worker {
    const tm_pass *pass;
    tm_session *s;
    const tm_model *model;
    const tm_config *config;
    const tm_vec *vec;
    int thread, n_threads;
    int step; /* rows of a unit: tm_rows_step */
    tm_steal claim;
    int first;                 /* token of the pass from which on this layer's output is needed */
    int n_tokens;              /* of the input of the matrices being multiplied */
    tm_act acts[TM_ACT_KINDS]; /* that input, in the kinds their kernels read */
    const void *scratch[2];    /* prepared from it */
    tm_thread_buffers *own;
    tm_stamps_thread *stamps; /* NULL: nobody asks where the time goes */
    int layer;                /* -1: outside */
} worker;

/* The input in the kind a kernel reads. */
static const tm_act *x_of(const worker *w, const tm_kernel *kernel)
{
    return &w->acts[kernel->format->act];
}

/* Operation `op` ends here; what follows is timed as the next. */
static void done(const worker *w, tm_op op)
{
    if (w->stamps != NULL) tm_stamps_add(w->stamps, TM_PIECE_WORK, op, w->layer);
}

/* The same for operations that a phase does in turns. */
static void lap(const worker *w, tm_op op)
{
    if (w->stamps != NULL) tm_stamps_lap(w->stamps, op);
}

static void barrier(const worker *w)
{
    if (w->n_threads == 1) return;
    tm_pool_barrier(w->s->pool);
    if (w->stamps != NULL) tm_stamps_add(w->stamps, TM_PIECE_WAIT, w->stamps->op, w->layer);
}

static int sequence_of(const worker *w, int token)
{
    return w->pass->is_step ? token : w->pass->sequence;
}

static int position_of(const worker *w, int token)
{
    return w->pass->is_step ? w->s->positions[token] : w->pass->position + token;
}

/* Rows of the embedding, and the angles of each position. */
static void embed(const worker *w)
{
    tm_session *s = w->s;
    const tm_weight *table = &w->model->embedding;
    size_t n_hidden = (size_t)w->config->n_hidden, half = (size_t)w->config->n_rot / 2;
    int begin, end;
    tm_split(w->pass->n_tokens, 1, w->thread, w->n_threads, &begin, &end);
    for (int t = begin; t < end; t++) {
        float *x = s->x + (size_t)t * n_hidden;
        int token = w->pass->tokens[t];
        if (table->format->ternary) {
            int8_t *trits = w->own->act.int8[TM_ACT_I8].i8;
            table->format->unpack_trits(table->data, token, table->n_rows, table->n_cols, trits);
            for (size_t i = 0; i < n_hidden; i++) x[i] = (float)trits[i] * table->scale;
        } else {
            table->format->unpack_floats(table->data, token, table->n_rows, table->n_cols, x);
        }
        for (size_t i = 0; i < half; i++) {
            double angle = position_of(w, t) * s->frequency[i];
            s->cos[(size_t)t * half + i] = (float)cos(angle);
            s->sin[(size_t)t * half + i] = (float)sin(angle);
        }
    }
}

/* One token's activations: normed (unless weight is NULL), padded, and int8 of each kind a kernel
 * reads. */
static void activate_token(const worker *w, const float *x, const float *weight, int n_cols,
                           int stride, const bool *wanted, const tm_act_buffers *out, int token)
{
    size_t t = (size_t)token, offset = t * (size_t)stride, n = (size_t)n_cols;
    size_t n_sums = (size_t)stride / TM_ACT_SUM_STEP;
    /* Floats that no kernel reads stay in this thread's cache. */
    float *f32 = wanted[TM_ACT_F32] ? out->f32 + offset : w->own->act.f32;
    if (weight != NULL) {
        float mean = w->vec->sum_squares(x, n_cols) / (float)n_cols;
        w->vec->scale_by(x, 1 / sqrtf(mean + w->config->rms_epsilon), weight, n_cols, f32);
    } else {
        memcpy(f32, x, n * sizeof *f32);
    }
    memset(f32 + n, 0, ((size_t)stride - n) * sizeof *f32);
    const tm_act_int8 *to = &out->int8[TM_ACT_I8];
    if (wanted[TM_ACT_I8])
        to->scale[t] = w->vec->quantize_i8(f32, n_cols, stride, to->i8 + offset, &to->sum[t]);
    to = &out->int8[TM_ACT_Q8K];
    if (wanted[TM_ACT_Q8K])
        tm_act_quantize_q8k(f32, n_cols, stride, to->i8 + offset, to->scale + offset / TM_K_WEIGHTS,
                            to->sum + t * n_sums);
    to = &out->int8[TM_ACT_Q80];
    if (wanted[TM_ACT_Q80])
        tm_act_quantize_q80(f32, n_cols, stride, to->i8 + offset, to->scale + offset / TM_Q_WEIGHTS,
                            to->sum + t * n_sums);
}

/* Makes w->acts from x [n_tokens][n_cols] for the matrices that will read it. One token and nothing
 * to prepare: each thread for itself, no barrier. Else the tokens are shared out. `norm`: the name of
 * this work; the next one is the preparing behind it. */
static void activate(worker *w, tm_op norm, const float *x, const float *weight, int n_tokens,
                     const tm_matrix *const *matrices, int n_matrices)
{
    int n_cols = matrices[0]->weight.n_cols;
    int stride = (int)tm_round_up((size_t)n_cols, TM_ACT_STRIDE_STEP);
    bool wanted[TM_ACT_KINDS] = {false}, used[2] = {false, false};
    const tm_kernel *const kernels[2] = {w->model->kernel, w->model->head_kernel};
    for (int i = 0; i < n_matrices; i++) {
        const tm_kernel *kernel = matrices[i]->kernel;
        wanted[kernel->format->act] = true;
        for (int k = 0; k < 2 && kernel->prepare != NULL; k++)
            used[k] |= kernel == kernels[k] && kernel->scratch_size(n_cols, n_tokens) > 0;
    }
    bool alone = n_tokens == 1 && !used[0] && !used[1];
    const tm_act_buffers *out = alone ? &w->own->act : &w->s->act;
    w->n_tokens = n_tokens;
    for (int kind = 0; kind < TM_ACT_KINDS; kind++)
        if (wanted[kind])
            w->acts[kind] = (tm_act){
                .n_tokens = n_tokens,
                .n_cols = n_cols,
                .stride = stride,
                .f32 = kind == TM_ACT_F32 ? out->f32 : NULL,
                .i8 = out->int8[kind].i8,
                .scale = out->int8[kind].scale,
                .sum = out->int8[kind].sum,
            };
    if (alone) {
        activate_token(w, x, weight, n_cols, stride, wanted, out, 0);
        done(w, norm);
        return;
    }
    int begin, end;
    tm_split(n_tokens, 1, w->thread, w->n_threads, &begin, &end);
    for (int t = begin; t < end; t++)
        activate_token(w, x + (size_t)t * (size_t)n_cols, weight, n_cols, stride, wanted, out, t);
    done(w, norm);
    barrier(w);
    if (!used[0] && !used[1]) return;
    for (int i = 0; i < 2; i++) {
        w->scratch[i] = out->scratch[i];
        if (!used[i]) continue;
        if (kernels[i]->prepare_part != NULL)
            kernels[i]->prepare_part(x_of(w, kernels[i]), out->scratch[i], w->thread, w->n_threads);
        else if (w->thread == 0)
            kernels[i]->prepare(x_of(w, kernels[i]), out->scratch[i]);
    }
    done(w, norm + 1);
    barrier(w);
}

/* Rows of y [n_tokens][n_rows]. */
static void multiply(const worker *w, const tm_matrix *matrix, tm_rows rows, float *y)
{
    if (rows.begin >= rows.end) return;
    /* A matrix in a block layout of its own has a kernel that is neither: nothing is prepared. */
    const void *scratch = matrix->kernel == w->model->kernel        ? w->scratch[0]
                          : matrix->kernel == w->model->head_kernel ? w->scratch[1]
                                                                    : NULL;
    matrix->kernel->rows(&matrix->weight, x_of(w, matrix->kernel), scratch, rows.begin, rows.end,
                         y);
    if (matrix->post_scale == 1) return;
    for (int t = 0; t < w->n_tokens; t++) {
        float *token = y + (size_t)t * (size_t)matrix->weight.n_rows;
        for (int r = rows.begin; r < rows.end; r++) token[r] *= matrix->post_scale;
    }
}

/* The same, added to the residual stream x of those tokens. */
static void multiply_add(const worker *w, const tm_matrix *matrix, tm_rows rows, float *x)
{
    multiply(w, matrix, rows, w->s->y);
    for (int t = 0; t < w->n_tokens; t++) {
        size_t at = (size_t)t * (size_t)w->config->n_hidden + (size_t)rows.begin;
        if (rows.begin < rows.end) w->vec->add(x + at, w->s->y + at, rows.end - rows.begin, x + at);
    }
}

/* act(gate) * up, on the columns of gate and up this thread has computed. */
static void apply_gate(const worker *w, tm_rows rows)
{
    void (*mul)(const float *, const float *, int, float *) =
        w->config->relu2 ? w->vec->relu2_mul : w->vec->silu_mul;
    if (rows.begin >= rows.end) return;
    for (int t = 0; t < w->n_tokens; t++) {
        size_t at = (size_t)t * (size_t)w->config->n_ffn + (size_t)rows.begin;
        mul(w->s->gate + at, w->s->up + at, rows.end - rows.begin, w->s->gate + at);
    }
}

/* Matrices between two barriers, each with its y, laid end to end. ADDED: to y. GATED: side by side
 * instead, gate and up, of which a thread takes the same rows and applies the gate to them itself. */
typedef struct phase {
    enum { END_TO_END, ADDED, GATED } how;
    tm_op op; /* of the first; each has one, in this order */
    const tm_matrix *matrices[3];
    float *y[3];
    int n_matrices;
} phase;

/* The least a thread takes, in units of the phase. */
static int grain_of(const worker *w, const phase *p, int n_units)
{
    double bytes = 0;
    if (!w->claim.is_cut) return n_units;
    if (w->n_tokens > 1) return (GRAIN_ROWS + w->step - 1) / w->step;
    for (int i = 0; i < p->n_matrices; i++) {
        const tm_weight *m = &p->matrices[i]->weight;
        bytes += (double)m->n_rows * m->n_cols * m->format->bits_per_weight / 8;
    }
    return (int)((p->how == GATED ? 2 : 1) * GRAIN_BYTES / bytes * n_units) + 1;
}

/* What rows cost: a token reads their weights, a prompt multiplies them. */
static double work_of(const worker *w, const tm_matrix *matrix, int n_rows)
{
    double weights = (double)n_rows * matrix->weight.n_cols;
    return w->n_tokens == 1 ? weights * matrix->weight.format->bits_per_weight
                            : weights * w->n_tokens;
}

static void multiply_rows(const worker *w, const phase *p, int i, tm_rows rows)
{
    if (p->how == ADDED)
        multiply_add(w, p->matrices[i], rows, p->y[i]);
    else
        multiply(w, p->matrices[i], rows, p->y[i]);
    lap(w, (tm_op)(p->op + (tm_op)i));
    if (p->how != GATED) return;
    multiply(w, p->matrices[1], rows, p->y[1]);
    lap(w, TM_OP_UP);
    apply_gate(w, rows);
    lap(w, TM_OP_ACTIVATION);
}

/* Matrices first .. last-1 of a phase, each row by one thread. */
static void share_out(worker *w, const phase *p, int first, int last)
{
    bool gated = p->how == GATED;
    int n_rows[3], n = gated ? 1 : p->n_matrices, begin, end;
    for (int i = 0; i < n; i++) n_rows[i] = p->matrices[i]->weight.n_rows;
    tm_rows_ends ends = tm_rows_end_to_end(n_rows, n, w->step);
    tm_steal_begin(&w->claim, ends.first[n], ends.first[first], ends.first[last],
                   grain_of(w, p, ends.first[n]));
    double work = 0;
    uint64_t start = w->n_threads > 1 ? tm_stamps_ticks(false) : 0;
    if (w->stamps != NULL) tm_stamps_lap_begin(w->stamps, (tm_op)(p->op + (tm_op)first));
    while (tm_steal_next(&w->claim, &begin, &end))
        for (int i = first; i < last; i++) {
            tm_rows rows = tm_rows_in(&ends, i, begin, end);
            if (rows.begin < rows.end) multiply_rows(w, p, i, rows);
            work += work_of(w, p->matrices[i], rows.end - rows.begin) * (gated ? 2 : 1);
        }
    if (w->n_threads > 1) tm_steal_end(&w->claim, (double)(tm_stamps_ticks(false) - start), work);
    if (w->stamps != NULL) tm_stamps_lap_end(w->stamps, gated ? 3 : last - first, w->layer);
}

/* Keys and values of every token, queries of those whose output is needed. Where these are fewer,
 * their activations are made once more by themselves: a kernel's scratch is of all tokens. */
static void multiply_qkv(worker *w, const tm_layer *layer, const float *x)
{
    tm_session *s = w->s;
    const float *weight = layer->attn_norm;
    const tm_matrix *const kvq[3] = {&layer->k, &layer->v, &layer->q};
    int n_needed = w->pass->n_tokens - w->first, n_q = w->config->n_heads * w->config->head_dim;
    float *q = s->q + (size_t)w->first * (size_t)n_q;
    const phase qkv = {END_TO_END, TM_OP_Q, {&layer->q, &layer->k, &layer->v}, {q, s->k, s->v}, 3};
    bool apart = w->first != 0;
    activate(w, TM_OP_ATTN_NORM, s->x, weight, w->pass->n_tokens, kvq, apart ? 2 : 3);
    share_out(w, &qkv, apart ? 1 : 0, 3);
    if (!apart || n_needed == 0) return;
    barrier(w); /* others may still read the activations of all */
    activate(w, TM_OP_ATTN_NORM, x, weight, n_needed, &kvq[2], 1);
    share_out(w, &qkv, 0, 1);
}

/* Positions of a head in the KV cache: whole groups of keys. */
static size_t cache_positions(const worker *w)
{
    return tm_round_up((size_t)w->s->n_context, TM_VEC_KEYS);
}

/* Where the KV cache holds position 0 of a head of a token's sequence, in elements. */
static size_t cache_offset(const worker *w, int token, int layer, int kv_head)
{
    size_t layers = (size_t)sequence_of(w, token) * (size_t)w->config->n_layers + (size_t)layer;
    size_t head = layers * (size_t)w->config->n_kv_heads + (size_t)kv_head;
    return head * cache_positions(w) * (size_t)w->config->head_dim;
}

/* Rotates head `index` of a token: a query head, or behind those a key head, which goes into the
 * cache with its value. */
static void place_head(const worker *w, int layer, int token, int index)
{
    tm_session *s = w->s;
    const tm_config *config = w->config;
    int n = config->head_dim, position = position_of(w, token);
    size_t head_dim = (size_t)n, half = (size_t)config->n_rot / 2;
    const float *c = s->cos + (size_t)token * half, *si = s->sin + (size_t)token * half;
    if (index < config->n_heads) {
        float *q = s->q + ((size_t)token * (size_t)config->n_heads + (size_t)index) * head_dim;
        w->vec->rotate(q, config->n_rot, c, si, config->rope_half_split);
        return;
    }
    int kv_head = index - config->n_heads;
    size_t from = ((size_t)token * (size_t)config->n_kv_heads + (size_t)kv_head) * head_dim;
    size_t cache = cache_offset(w, token, layer, kv_head), to = cache + (size_t)position * head_dim;
    size_t key = cache + tm_vec_key_at(n, position, 0);
    w->vec->rotate(s->k + from, config->n_rot, c, si, config->rope_half_split);
    if (s->options.f16_kv) {
        tm_half *halves = (tm_half *)s->keys + key, *row = w->own->half_key;
        w->vec->to_half(s->k + from, n, row);
        for (size_t d = 0; d < head_dim; d++) halves[d * TM_VEC_KEYS] = row[d];
        w->vec->to_half(s->v + from, n, (tm_half *)s->values + to);
    } else {
        float *floats = (float *)s->keys + key;
        for (size_t d = 0; d < head_dim; d++) floats[d * TM_VEC_KEYS] = s->k[from + d];
        memcpy((float *)s->values + to, s->v + from, head_dim * sizeof(float));
    }
}

static tm_attend attend_of(const worker *w, int layer, int token, int kv_head)
{
    const tm_session *s = w->s;
    size_t at = cache_offset(w, token, layer, kv_head) * (s->options.f16_kv ? 2 : 4);
    return (tm_attend){
        .vec = w->vec,
        .f16_kv = s->options.f16_kv,
        .head_dim = w->config->head_dim,
        .keys = (const uint8_t *)s->keys + at,
        .values = (const uint8_t *)s->values + at,
        .score = w->own->score,
        .part = w->own->part,
    };
}

/* Heads head .. head + n_heads-1, which share a kv head, of n_tokens neighbouring tokens; together at
 * most TM_ATTEND_ROWS queries. Each over all positions up to its own. */
static void attend(const worker *w, int layer, int token, int n_tokens, int head, int n_heads)
{
    tm_session *s = w->s;
    const tm_config *config = w->config;
    tm_attend a = attend_of(w, layer, token, head / (config->n_heads / config->n_kv_heads));
    int n_positions[TM_ATTEND_ROWS];
    size_t head_dim = (size_t)config->head_dim, row = (size_t)config->n_heads * head_dim;
    size_t at = (size_t)token * row + (size_t)head * head_dim, n = (size_t)n_heads * head_dim;
    for (int i = 0; i < n_tokens * n_heads; i++)
        n_positions[i] = position_of(w, token) + i / n_heads + 1;
    if (n_tokens == 1) {
        tm_attend_all(&a, s->q + at, n_heads, n_positions, s->mixed + at);
        return;
    }
    /* Side by side: tokens are as far apart as a cache's sets repeat in many a model. */
    for (size_t t = 0; t < (size_t)n_tokens; t++)
        memcpy(w->own->query + t * n, s->q + at + t * row, n * sizeof(float));
    tm_attend_all(&a, w->own->query, n_tokens * n_heads, n_positions, w->own->mixed);
    for (size_t t = 0; t < (size_t)n_tokens; t++)
        memcpy(s->mixed + at + t * row, w->own->mixed + t * n, n * sizeof(float));
}

/* Of the heads that share a kv head, those to take together with neighbouring tokens: the divisor that
 * makes most queries, and of such the largest, so that they see the same positions. */
static int heads_together(int group)
{
    int best = 1;
    for (int n = 2; n <= group && n <= TM_ATTEND_ROWS; n++)
        if (group % n == 0 && TM_ATTEND_ROWS / n * n >= TM_ATTEND_ROWS / best * best) best = n;
    return best;
}

/* All heads of one kv head and one token. */
static void attend_group(const worker *w, int layer, int token, int kv_head)
{
    int group = w->config->n_heads / w->config->n_kv_heads, end = (kv_head + 1) * group;
    for (int head = kv_head * group; head < end; head += TM_ATTEND_ROWS)
        attend(w, layer, token, 1, head, end - head < TM_ATTEND_ROWS ? end - head : TM_ATTEND_ROWS);
}

/* Steps of decoding shared out by chunks, as even as these are: what each thread finds goes to
 * s->parts, [chunks of all tokens][n_heads], and is joined behind a barrier, by head. */
static void attend_chunks(const worker *w, int layer, int first_token, int n_tokens)
{
    tm_session *s = w->s;
    const tm_config *config = w->config;
    int n_heads = config->n_heads, n_kv = config->n_kv_heads, group = n_heads / n_kv;
    size_t head_dim = (size_t)config->head_dim, n_units = 0, unit = 0, base = 0;
    for (int t = 0; t < n_tokens; t++)
        n_units += (size_t)n_kv * (size_t)tm_attend_chunks(position_of(w, first_token + t) + 1);
    size_t threads = (size_t)w->n_threads, thread = (size_t)w->thread;
    size_t begin = n_units * thread / threads, end = n_units * (thread + 1) / threads;
    for (int t = 0; t < n_tokens; t++) {
        int token = first_token + t, n = position_of(w, token) + 1, n_chunks = tm_attend_chunks(n);
        int n_positions[TM_ATTEND_ROWS];
        for (int i = 0; i < TM_ATTEND_ROWS; i++) n_positions[i] = n;
        for (int i = 0; i < n_kv * n_chunks; i++, unit++) {
            if (unit < begin || unit >= end) continue;
            int kv_head = i / n_chunks, chunk = i % n_chunks, stop = (kv_head + 1) * group;
            tm_attend a = attend_of(w, layer, token, kv_head);
            for (int head = kv_head * group; head < stop; head += TM_ATTEND_ROWS) {
                size_t to = (base + (size_t)chunk) * (size_t)n_heads + (size_t)head;
                size_t q = ((size_t)token * (size_t)n_heads + (size_t)head) * head_dim;
                tm_attend_chunk(&a, s->q + q,
                                stop - head < TM_ATTEND_ROWS ? stop - head : TM_ATTEND_ROWS,
                                n_positions, chunk, s->parts + to * head_dim, s->softmax + to);
            }
        }
        base += (size_t)n_chunks;
    }
    done(w, TM_OP_ATTENTION);
    barrier(w);
    int from, to;
    tm_split(n_tokens * n_heads, 1, w->thread, w->n_threads, &from, &to);
    base = 0;
    for (int t = 0; t < n_tokens && t * n_heads < to; t++) {
        int token = first_token + t, n_chunks = tm_attend_chunks(position_of(w, token) + 1);
        for (int head = from - t * n_heads < 0 ? 0 : from - t * n_heads;
             head < n_heads && t * n_heads + head < to; head++) {
            size_t one = base * (size_t)n_heads + (size_t)head;
            float *out = s->parts + one * head_dim;
            tm_softmax *all = s->softmax + one;
            for (int chunk = 1; chunk < n_chunks; chunk++) {
                one += (size_t)n_heads;
                tm_attend_join(w->vec, config->head_dim, 1, all, out, s->softmax + one,
                               s->parts + one * head_dim);
            }
            w->vec->scale(out, 1 / all->sum, config->head_dim,
                          s->mixed + ((size_t)token * (size_t)n_heads + (size_t)head) * head_dim);
        }
        base += (size_t)n_chunks;
    }
}

/* Fills the cache with every token's key and value, and s->mixed of the tokens from w->first on. */
static void attention(const worker *w, int layer)
{
    const tm_config *config = w->config;
    int n_heads = config->n_heads, n_kv = config->n_kv_heads, n_tokens = w->pass->n_tokens;
    int n_needed = n_tokens - w->first;
    bool even = n_kv % w->n_threads == 0 || w->pass->position < TM_ATTEND_CHUNK;
    int begin, end, group = n_heads / n_kv;
    if (n_tokens == 1 && n_needed == 1 && even) {
        /* Whole kv heads: no thread waits for another's keys. */
        tm_split(n_kv, 1, w->thread, w->n_threads, &begin, &end);
        for (int h = begin; h < end; h++) {
            place_head(w, layer, 0, n_heads + h);
            for (int i = 0; i < group; i++) place_head(w, layer, 0, h * group + i);
        }
        done(w, TM_OP_ROPE);
        for (int h = begin; h < end; h++) attend_group(w, layer, 0, h);
        return;
    }
    tm_split(n_needed * n_heads, 1, w->thread, w->n_threads, &begin, &end);
    for (int i = begin; i < end; i++) place_head(w, layer, w->first + i / n_heads, i % n_heads);
    /* Keys by head: those of neighbouring tokens share lines. */
    tm_split(n_kv * n_tokens, 1, w->thread, w->n_threads, &begin, &end);
    for (int i = begin; i < end; i++) place_head(w, layer, i % n_tokens, n_heads + i / n_tokens);
    done(w, TM_OP_ROPE);
    if (n_needed == 0) return;
    barrier(w);
    if (n_needed == 1 || w->pass->is_step) { /* nothing to share between tokens */
        bool parted = false;                 /* into chunks that several threads can take */
        for (int t = w->first; t < n_tokens; t++)
            parted |= w->n_threads > 1 && position_of(w, t) >= TM_ATTEND_CHUNK;
        if (parted) {
            attend_chunks(w, layer, w->first, n_needed);
            return;
        }
        tm_split(n_needed * n_kv, 1, w->thread, w->n_threads, &begin, &end);
        for (int i = begin; i < end; i++) attend_group(w, layer, w->first + i / n_kv, i % n_kv);
        return;
    }
    /* Later tokens see more positions: dealing blocks of them out in turn is even, and the threads
     * walk over the same head together. */
    int heads = heads_together(group), tokens = TM_ATTEND_ROWS / heads;
    int n_blocks = (n_needed + tokens - 1) / tokens;
    for (int i = w->thread; i < n_heads / heads * n_blocks; i += w->n_threads) {
        int token = w->first + i % n_blocks * tokens;
        int n = n_tokens - token < tokens ? n_tokens - token : tokens;
        attend(w, layer, token, n, i / n_blocks * heads, heads);
    }
}

void tm_forward(void *arg, int thread, int n_threads)
{
    const tm_pass *pass = arg;
    tm_session *s = pass->session;
    const tm_model *model = s->model;
    const tm_config *config = &model->config;
    int n = pass->n_tokens, n_logits = tm_pass_logits(pass);
    size_t n_hidden = (size_t)config->n_hidden;
    worker self = {
        .pass = pass,
        .s = s,
        .model = model,
        .config = config,
        .vec = s->vec,
        .thread = thread,
        .n_threads = n_threads,
        .step = tm_rows_step(model->kernel, model->head_kernel),
        .claim = {.lines = s->claims,
                  .thread = thread,
                  .n_threads = n_threads,
                  .is_cut = s->habit.cut && n_threads > 1},
        .own = &s->threads[thread],
        .stamps = pass->stamps != NULL ? tm_stamps_enter(pass->stamps, thread) : NULL,
        .layer = -1,
    };
    worker *w = &self;
    s->claims[thread].ticks = 0;
    s->claims[thread].work = 0;
    embed(w);
    done(w, TM_OP_EMBED);
    barrier(w);
    for (int l = 0; l < config->n_layers; l++) {
        const tm_layer *layer = &model->layers[l];
        w->layer = l;
        /* Of the last layer's output only the tokens with logits are read; without any, what the
         * pass is for is done once its keys and values are in the cache. */
        w->first = l + 1 < config->n_layers ? 0 : n - n_logits;
        int needed = n - w->first;
        float *x = s->x + (size_t)w->first * n_hidden;

        multiply_qkv(w, layer, x);
        barrier(w);
        attention(w, l);
        if (needed == 0) return;
        done(w, TM_OP_ATTENTION);
        barrier(w);
        const float *mixed =
            s->mixed + (size_t)w->first * (size_t)(config->n_heads * config->head_dim);
        activate(w, TM_OP_ATTN_SUB_NORM, mixed, layer->attn_sub_norm, needed,
                 (const tm_matrix *[]){&layer->o}, 1);
        share_out(w, &(phase){ADDED, TM_OP_O, {&layer->o}, {x}, 1}, 0, 1);
        barrier(w);

        activate(w, TM_OP_FFN_NORM, x, layer->ffn_norm, needed,
                 (const tm_matrix *[]){&layer->gate, &layer->up}, 2);
        share_out(w, &(phase){GATED, TM_OP_GATE, {&layer->gate, &layer->up}, {s->gate, s->up}, 2},
                  0, 1);
        barrier(w);
        activate(w, TM_OP_FFN_SUB_NORM, s->gate, layer->ffn_sub_norm, needed,
                 (const tm_matrix *[]){&layer->down}, 1);
        share_out(w, &(phase){ADDED, TM_OP_DOWN, {&layer->down}, {x}, 1}, 0, 1);
        barrier(w);
    }
    w->layer = -1;
    const float *last = s->x + (size_t)(n - n_logits) * n_hidden;
    activate(w, TM_OP_OUTPUT_NORM, last, model->output_norm, n_logits,
             (const tm_matrix *[]){&model->head}, 1);
    share_out(w, &(phase){END_TO_END, TM_OP_HEAD, {&model->head}, {s->logits}, 1}, 0, 1);
}
