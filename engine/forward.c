/* The forward pass. Every thread runs the same function; read tm_forward first: it is the model.
 *
 * There is a barrier only where a thread needs what others wrote. For one token a layer has five:
 * after q/k/v, attention, W_o, gate/up and W_down. The norms and the quantisation of one token take
 * about a microsecond, less than sharing the result, so every thread computes them for itself.
 * Source: Llama (Touvron et al. 2023); BitNet b1.58 (Ma et al. 2024) for sub-norms and activations.
 */
#include "engine/forward.h"

#include "engine/forward_thread.h"
#include "kernels/blocks/blocks.h"

#include <math.h>
#include <string.h>

/* The smallest piece of a share that is cut into pieces. For one token, weights of this many bytes:
 * about 2 us of reading, and twice as many where they are read in two places. For several tokens,
 * as many rows as a kernel multiplies at once (TM_PANEL_ROWS of kernels/panel.h), so that no tile
 * is cut. */
#define GRAIN_BYTES 32768
#define GRAIN_ROWS  128

/* The input in the kind that a kernel reads. */
static const tm_act *x_of(const tm_thread_pass *self, const tm_kernel *kernel)
{
    return &self->acts[kernel->format->act];
}

/* A piece of operation `slot` of a phase ends here; the operations of a phase take turns. */
static void lap(const tm_thread_pass *self, int slot)
{
    if (self->stamps) tm_stamps_lap(self->stamps, slot);
}

/* Looks up the embeddings and computes the angles of each position. */
static void embed(const tm_thread_pass *self)
{
    tm_session *s = self->s;
    const tm_weight *table = &self->model->embedding;
    size_t n_hidden = (size_t)self->config->n_hidden, half = (size_t)self->config->n_rot / 2;
    int begin, end;
    tm_split(self->pass->n_tokens, 1, self->thread, self->n_threads, &begin, &end);
    for (int t = begin; t < end; t++) {
        float *x = s->x + (size_t)t * n_hidden;
        int token = self->pass->tokens[t];
        if (table->format->ternary) {
            int8_t *trits = self->own->act.int8[TM_ACT_I8].i8;
            table->format->unpack_trits(table->data, token, table->n_rows, table->n_cols, trits);
            for (size_t i = 0; i < n_hidden; i++) x[i] = (float)trits[i] * table->scale;
        } else {
            table->format->unpack_floats(table->data, token, table->n_rows, table->n_cols, x);
        }
        if (self->config->embedding_scale != 0)
            self->vec->scale(x, self->config->embedding_scale, (int)n_hidden, x);
        for (size_t i = 0; i < half; i++) {
            double angle = tm_thread_position(self, t) * s->frequency[i];
            s->cos[(size_t)t * half + i] = (float)cos(angle) * s->rope_factor;
            s->sin[(size_t)t * half + i] = (float)sin(angle) * s->rope_factor;
        }
    }
}

/* One token's activations: normalised (unless weight is NULL), padded, and quantised to each kind
 * of int8 that a kernel reads. */
static void activate_token(const tm_thread_pass *self, const float *x, const float *weight,
                           int n_cols, int stride, const bool *wanted, const tm_act_buffers *out,
                           int token)
{
    size_t t = (size_t)token, offset = t * (size_t)stride, n = (size_t)n_cols;
    size_t n_sums = (size_t)stride / TM_ACT_SUM_STEP;
    /* Floats that no kernel reads go to the thread's own buffer, which stays in its cache. */
    float *f32 = wanted[TM_ACT_F32] ? out->f32 + offset : self->own->act.f32;
    if (weight) {
        float mean = self->vec->sum_squares(x, n_cols) / (float)n_cols;
        self->vec->scale_by(x, 1 / sqrtf(mean + self->config->rms_epsilon), weight, n_cols, f32);
    } else {
        memcpy(f32, x, n * sizeof *f32);
    }
    memset(f32 + n, 0, ((size_t)stride - n) * sizeof *f32);
    const tm_act_int8 *to = &out->int8[TM_ACT_I8];
    if (wanted[TM_ACT_I8])
        to->scale[t] = self->vec->quantize_i8(f32, n_cols, stride, to->i8 + offset, &to->sum[t]);
    to = &out->int8[TM_ACT_Q8K];
    if (wanted[TM_ACT_Q8K])
        tm_act_quantize_q8k(f32, n_cols, stride, to->i8 + offset, to->scale + offset / TM_K_WEIGHTS,
                            to->sum + t * n_sums);
    to = &out->int8[TM_ACT_Q80];
    if (wanted[TM_ACT_Q80])
        tm_act_quantize_q80(f32, n_cols, stride, to->i8 + offset, to->scale + offset / TM_Q_WEIGHTS,
                            to->sum + t * n_sums);
}

/* Makes self->acts from x [n_tokens][n_cols] for the matrices that read it. For one token and
 * nothing to prepare each thread works for itself, without a barrier; otherwise the threads share
 * the tokens. norm, prepare: the operations as which this is timed. */
static void activate(tm_thread_pass *self, tm_op norm, tm_op prepare, const float *x,
                     const float *weight, int n_tokens, const tm_matrix *const *matrices,
                     int n_matrices)
{
    int n_cols = matrices[0]->weight.n_cols;
    int stride = (int)tm_round_up((size_t)n_cols, TM_ACT_STRIDE_STEP);
    bool wanted[TM_ACT_KINDS] = {false}, used[2] = {false, false};
    const tm_kernel *const kernels[2] = {self->model->kernel, self->model->head_kernel};
    for (int i = 0; i < n_matrices; i++) {
        const tm_kernel *kernel = matrices[i]->kernel;
        wanted[kernel->format->act] = true;
        for (int k = 0; k < 2 && kernel->prepare; k++)
            used[k] |= kernel == kernels[k] && kernel->scratch_size(n_cols, n_tokens) > 0;
    }
    bool alone = n_tokens == 1 && !used[0] && !used[1];
    const tm_act_buffers *out = alone ? &self->own->act : &self->s->act;
    self->n_tokens = n_tokens;
    for (int kind = 0; kind < TM_ACT_KINDS; kind++)
        if (wanted[kind])
            self->acts[kind] = (tm_act){
                .n_tokens = n_tokens,
                .n_cols = n_cols,
                .stride = stride,
                .f32 = kind == TM_ACT_F32 ? out->f32 : NULL,
                .i8 = out->int8[kind].i8,
                .scale = out->int8[kind].scale,
                .sum = out->int8[kind].sum,
            };
    if (alone) {
        activate_token(self, x, weight, n_cols, stride, wanted, out, 0);
        tm_thread_done(self, norm);
        return;
    }
    int begin, end;
    tm_split(n_tokens, 1, self->thread, self->n_threads, &begin, &end);
    for (int t = begin; t < end; t++)
        activate_token(self, x + (size_t)t * (size_t)n_cols, weight, n_cols, stride, wanted, out,
                       t);
    tm_thread_done(self, norm);
    tm_thread_barrier(self);
    if (!used[0] && !used[1]) return;
    for (int i = 0; i < 2; i++) {
        self->scratch[i] = out->scratch[i];
        if (!used[i]) continue;
        if (kernels[i]->prepare_part)
            kernels[i]->prepare_part(x_of(self, kernels[i]), out->scratch[i], self->thread,
                                     self->n_threads);
        else if (self->thread == 0)
            kernels[i]->prepare(x_of(self, kernels[i]), out->scratch[i]);
    }
    tm_thread_done(self, prepare);
    tm_thread_barrier(self);
}

/* Rows of y [n_tokens][n_rows]. */
static void multiply(const tm_thread_pass *self, const tm_matrix *matrix, tm_rows rows, float *y)
{
    if (rows.begin >= rows.end) return;
    /* A matrix in a block layout of its own has another kernel, for which nothing is prepared. */
    const void *scratch = matrix->kernel == self->model->kernel        ? self->scratch[0]
                          : matrix->kernel == self->model->head_kernel ? self->scratch[1]
                                                                       : NULL;
    matrix->kernel->rows(&matrix->weight, x_of(self, matrix->kernel), scratch, rows.begin, rows.end,
                         y);
    if (matrix->post_scale == 1) return;
    for (int t = 0; t < self->n_tokens; t++) {
        float *token = y + (size_t)t * (size_t)matrix->weight.n_rows;
        for (int r = rows.begin; r < rows.end; r++) token[r] *= matrix->post_scale;
    }
}

/* The same, added to x, the residual stream of those tokens. */
static void multiply_add(const tm_thread_pass *self, const tm_matrix *matrix, tm_rows rows,
                         float *x)
{
    multiply(self, matrix, rows, self->s->y);
    for (int t = 0; t < self->n_tokens; t++) {
        size_t at = (size_t)t * (size_t)self->config->n_hidden + (size_t)rows.begin;
        if (rows.begin < rows.end)
            self->vec->add(x + at, self->s->y + at, rows.end - rows.begin, x + at);
    }
}

/* act(gate) * up, on the rows of gate and up that this thread has computed. */
static void apply_gate(const tm_thread_pass *self, tm_rows rows)
{
    void (*mul)(const float *, const float *, int, float *) =
        self->config->relu2 ? self->vec->relu2_mul : self->vec->silu_mul;
    if (rows.begin >= rows.end) return;
    for (int t = 0; t < self->n_tokens; t++) {
        size_t at = (size_t)t * (size_t)self->config->n_ffn + (size_t)rows.begin;
        mul(self->s->gate + at, self->s->up + at, rows.end - rows.begin, self->s->gate + at);
    }
}

/* Matrices that are multiplied between two barriers. */
typedef struct phase {
    /* END_TO_END: the rows of all matrices form one list, of which threads take pieces. ADDED: the
     * same, and the products are added to y. GATED: the two matrices are gate and up; a thread
     * takes the same rows of both and applies the gate to them. */
    enum { END_TO_END, ADDED, GATED } how;
    tm_op ops[3]; /* of each matrix; GATED: of gate, up and the activation */
    const tm_matrix *matrices[3];
    float *y[3];
    int n_matrices;
} phase;

/* The smallest piece that a thread takes, in units of the phase. */
static int grain_of(const tm_thread_pass *self, const phase *p, int n_units)
{
    double bytes = 0;
    if (!self->steal.is_cut) return n_units;
    if (self->n_tokens > 1) return (GRAIN_ROWS + self->step - 1) / self->step;
    for (int i = 0; i < p->n_matrices; i++) {
        const tm_weight *m = &p->matrices[i]->weight;
        bytes += (double)m->n_rows * m->n_cols * m->format->bits_per_weight / 8;
    }
    return (int)((p->how == GATED ? 2 : 1) * GRAIN_BYTES / bytes * n_units) + 1;
}

/* What rows cost: bits to read for one token, products for several. */
static double work_of(const tm_thread_pass *self, const tm_matrix *matrix, int n_rows)
{
    double weights = (double)n_rows * matrix->weight.n_cols;
    return self->n_tokens == 1 ? weights * matrix->weight.format->bits_per_weight
                               : weights * self->n_tokens;
}

/* slot: of the operation among those that take turns. */
static void multiply_rows(const tm_thread_pass *self, const phase *p, int i, tm_rows rows, int slot)
{
    if (p->how == ADDED)
        multiply_add(self, p->matrices[i], rows, p->y[i]);
    else
        multiply(self, p->matrices[i], rows, p->y[i]);
    lap(self, slot);
    if (p->how != GATED) return;
    multiply(self, p->matrices[1], rows, p->y[1]);
    lap(self, 1);
    apply_gate(self, rows);
    lap(self, 2);
}

/* Multiplies matrices first .. last-1 of a phase. Every thread calls it; each row is computed by
 * one of them. */
static void multiply_some(tm_thread_pass *self, const phase *p, int first, int last)
{
    bool gated = p->how == GATED;
    int n_rows[3], n = gated ? 1 : p->n_matrices, begin, end;
    for (int i = 0; i < n; i++) n_rows[i] = p->matrices[i]->weight.n_rows;
    tm_rows_ends ends = tm_rows_end_to_end(n_rows, n, self->step);
    tm_steal_begin(&self->steal, ends.first[n], ends.first[first], ends.first[last],
                   grain_of(self, p, ends.first[n]));
    double work = 0;
    uint64_t start = self->n_threads > 1 ? tm_stamps_ticks(false) : 0;
    if (self->stamps) tm_stamps_lap_begin(self->stamps);
    while (tm_steal_next(&self->steal, &begin, &end))
        for (int i = first; i < last; i++) {
            tm_rows rows = tm_rows_in(&ends, i, begin, end);
            if (rows.begin < rows.end) multiply_rows(self, p, i, rows, i - first);
            work += work_of(self, p->matrices[i], rows.end - rows.begin) * (gated ? 2 : 1);
        }
    if (self->n_threads > 1)
        tm_steal_end(&self->steal, (double)(tm_stamps_ticks(false) - start), work);
    if (self->stamps)
        tm_stamps_lap_end(self->stamps, p->ops + first, gated ? 3 : last - first, self->layer);
}

static void multiply_phase(tm_thread_pass *self, const phase *p)
{
    multiply_some(self, p, 0, p->how == GATED ? 1 : p->n_matrices);
}

/* Keys and values of every token, queries of those whose output is needed. If these are fewer,
 * their activations are made again without the others, since a kernel's scratch holds all tokens of
 * its input. */
static void multiply_qkv(tm_thread_pass *self, const tm_layer *layer, const float *x)
{
    tm_session *s = self->s;
    const float *weight = layer->attn_norm;
    const tm_matrix *const kvq[3] = {&layer->k, &layer->v, &layer->q};
    int n_needed = self->pass->n_tokens - self->first,
        n_q = self->config->n_heads * self->config->head_dim;
    float *q = s->q + (size_t)self->first * (size_t)n_q;
    const phase qkv = {END_TO_END,
                       {TM_OP_Q, TM_OP_K, TM_OP_V},
                       {&layer->q, &layer->k, &layer->v},
                       {q, s->k, s->v},
                       3};
    bool apart = self->first != 0;
    activate(self, TM_OP_ATTN_NORM, TM_OP_PREPARE_QKV, s->x, weight, self->pass->n_tokens, kvq,
             apart ? 2 : 3);
    multiply_some(self, &qkv, apart ? 1 : 0, 3);
    if (!apart || n_needed == 0) return;
    tm_thread_barrier(self); /* others may still read the activations of all tokens */
    activate(self, TM_OP_ATTN_NORM, TM_OP_PREPARE_QKV, x, weight, n_needed, &kvq[2], 1);
    multiply_some(self, &qkv, 0, 1);
}

void tm_forward(void *arg, int thread, int n_threads)
{
    const tm_pass *pass = arg;
    tm_session *s = pass->session;
    const tm_model *model = s->model;
    const tm_config *config = &model->config;
    int n = pass->n_tokens, n_logits = tm_pass_logits(pass);
    size_t n_hidden = (size_t)config->n_hidden;
    tm_thread_pass me = {
        .pass = pass,
        .s = s,
        .model = model,
        .config = config,
        .vec = s->vec,
        .thread = thread,
        .n_threads = n_threads,
        .step = tm_rows_step(model->kernel, model->head_kernel),
        .steal = {.lines = s->steal_lines,
                  .thread = thread,
                  .n_threads = n_threads,
                  .is_cut = s->habit.cut && n_threads > 1},
        .own = &s->threads[thread],
        .stamps = pass->stamps ? tm_stamps_enter(pass->stamps, thread) : NULL,
        .layer = -1,
    };
    tm_thread_pass *self = &me;
    s->steal_lines[thread].ticks = 0;
    s->steal_lines[thread].work = 0;
    embed(self);
    tm_thread_done(self, TM_OP_EMBED);
    tm_thread_barrier(self);
    for (int l = 0; l < config->n_layers; l++) {
        const tm_layer *layer = &model->layers[l];
        self->layer = l;
        /* The last layer is computed only for tokens whose logits are wanted; without any, the pass
         * is finished once keys and values are cached. */
        self->first = l + 1 < config->n_layers ? 0 : n - n_logits;
        int needed = n - self->first;
        float *x = s->x + (size_t)self->first * n_hidden;

        multiply_qkv(self, layer, x);
        tm_thread_barrier(self);
        tm_forward_attention(self, l);
        if (needed == 0) return;
        tm_thread_done(self, TM_OP_ATTENTION);
        tm_thread_barrier(self);
        const float *mixed =
            s->mixed + (size_t)self->first * (size_t)(config->n_heads * config->head_dim);
        activate(self, TM_OP_ATTN_SUB_NORM, TM_OP_PREPARE_O, mixed, layer->attn_sub_norm, needed,
                 (const tm_matrix *[]){&layer->o}, 1);
        multiply_phase(self, &(phase){ADDED, {TM_OP_O}, {&layer->o}, {x}, 1});
        tm_thread_barrier(self);

        activate(self, TM_OP_FFN_NORM, TM_OP_PREPARE_GATE_UP, x, layer->ffn_norm, needed,
                 (const tm_matrix *[]){&layer->gate, &layer->up}, 2);
        multiply_phase(self, &(phase){GATED,
                                      {TM_OP_GATE, TM_OP_UP, TM_OP_ACTIVATION},
                                      {&layer->gate, &layer->up},
                                      {s->gate, s->up},
                                      2});
        tm_thread_barrier(self);
        activate(self, TM_OP_FFN_SUB_NORM, TM_OP_PREPARE_DOWN, s->gate, layer->ffn_sub_norm, needed,
                 (const tm_matrix *[]){&layer->down}, 1);
        multiply_phase(self, &(phase){ADDED, {TM_OP_DOWN}, {&layer->down}, {x}, 1});
        tm_thread_barrier(self);
    }
    self->layer = -1;
    const float *last = s->x + (size_t)(n - n_logits) * n_hidden;
    activate(self, TM_OP_OUTPUT_NORM, TM_OP_PREPARE_HEAD, last, model->output_norm, n_logits,
             (const tm_matrix *[]){&model->head}, 1);
    multiply_phase(self, &(phase){END_TO_END, {TM_OP_HEAD}, {&model->head}, {s->logits}, 1});
}
