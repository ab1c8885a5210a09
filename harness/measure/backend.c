#include "harness/measure/backend.h"

#include "harness/base/clock.h"
#include "harness/machine/machine.h"
#include "harness/measure/backend_null.h"
#include "harness/measure/model_check.h"
#include "harness/measure/shapes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Scalar code does about 10^9 per second, and a worker must not be silent for minutes. */
#define REFERENCE_MACS_MAX 60000000000

typedef struct engine {
    tm_pool *pool;
    tm_model model;
    tm_session *session;
    uint64_t seed;
} engine;

static tm_status engine_eval(tm_backend *backend, const int32_t *tokens, int n_tokens,
                             tm_logits which, const float **logits, tm_error *err)
{
    engine *self = backend->self;
    return tm_session_eval(self->session, tokens, n_tokens, which, logits, err);
}

static void engine_divide(tm_backend *backend, int n_sequences, int n_context)
{
    engine *self = backend->self;
    tm_session_divide(self->session, n_sequences, n_context);
}

static void engine_spread(tm_backend *backend, int n_sequences)
{
    engine *self = backend->self;
    for (int i = 1; i < n_sequences; i++) tm_session_copy(self->session, 0, i);
}

static tm_status engine_step(tm_backend *backend, const int32_t *tokens, int n_sequences,
                             tm_error *err)
{
    engine *self = backend->self;
    return tm_session_step(self->session, tokens, n_sequences, TM_LOGITS_LAST, NULL, err);
}

static void engine_reset(tm_backend *backend)
{
    engine *self = backend->self;
    tm_session_reset(self->session);
}

static void engine_rewind(tm_backend *backend, int position)
{
    engine *self = backend->self;
    tm_session_rewind(self->session, position);
}

static tm_status engine_check(tm_backend *backend, tm_error *err)
{
    const engine *self = backend->self;
    return tm_model_check(&self->model, self->seed, err);
}

/* The kernel itself if it is inexact or scalar. */
static const tm_kernel *scalar_of(const tm_kernel *kernel)
{
    for (const tm_kernel *const *k = tm_kernels(); *k && kernel->tolerance == 0; k++)
        if ((*k)->format == kernel->format && (*k)->isa == TM_ISA_NONE && (*k)->tolerance == 0)
            return *k;
    return kernel;
}

/* Returns the multiplications per token of a kernel that was replaced, else 0. */
static int64_t use_scalar_in(tm_matrix *matrix)
{
    const tm_kernel *scalar = scalar_of(matrix->kernel);
    if (scalar == matrix->kernel) return 0;
    matrix->kernel = scalar;
    return (int64_t)matrix->weight.n_rows * matrix->weight.n_cols;
}

/* Replaces kernels in a copy of a model. Returns how many multiplications per token they do. */
static int64_t use_scalar(tm_model *model)
{
    int64_t macs = use_scalar_in(&model->head);
    model->kernel = scalar_of(model->kernel);
    model->head_kernel = scalar_of(model->head_kernel);
    for (int l = 0; l < model->config.n_layers; l++) {
        tm_matrix *matrices[TM_LAYER_MATRICES];
        tm_layer_matrices(&model->layers[l], matrices);
        for (int i = 0; i < TM_LAYER_MATRICES; i++) macs += use_scalar_in(matrices[i]);
    }
    return macs;
}

static tm_status engine_reference(tm_backend *backend, int n, char *text, size_t size,
                                  tm_error *err)
{
    engine *self = backend->self;
    tm_model scalar = self->model;
    tm_session *session = self->session;
    const tm_session_options options = {
        .n_context = TM_GREEDY_PROMPT + n, .n_batch = TM_GREEDY_PROMPT, .f16_kv = backend->f16_kv};
    size_t n_layers = (size_t)scalar.config.n_layers;
    text[0] = 0;
    tm_status status =
        tm_alloc((void **)&scalar.layers, n_layers + 1, sizeof *scalar.layers, "layers", err);
    if (status != TM_OK) return status;
    memcpy(scalar.layers, self->model.layers, n_layers * sizeof *scalar.layers);
    int64_t macs = use_scalar(&scalar) * (TM_GREEDY_PROMPT + n) / tm_pool_threads(self->pool);
    if (macs > 0 && macs <= REFERENCE_MACS_MAX) {
        status = tm_session_open(&scalar, self->pool, &options, &self->session, err);
        if (status == TM_OK) status = tm_backend_greedy(backend, n, text, size, err);
        if (self->session != session) tm_session_close(self->session);
        self->session = session;
    }
    tm_free(scalar.layers);
    return status;
}

static void engine_close(tm_backend *backend)
{
    engine *self = backend->self;
    if (self->session) tm_session_close(self->session);
    tm_model_close(&self->model);
    if (self->pool) tm_pool_close(self->pool);
    free(self);
}

static tm_status find_kernel(const char *name, const tm_kernel **out, tm_error *err)
{
    *out = tm_kernel_find(name);
    if (!*out) return tm_fail(err, TM_ARG, "unknown kernel \"%s\"", name);
    return tm_kernel_available(*out, err);
}

static tm_status open_model(engine *self, const tm_backend_request *request, tm_error *err)
{
    tm_model_options options = {0};
    tm_source source;
    tm_status status = find_kernel(request->kernel, &options.kernel, err);
    if (status == TM_OK) status = find_kernel(request->head_kernel, &options.head_kernel, err);
    if (status != TM_OK) return status;
    status = tm_source_open_name(request->model, request->seed, &source, err);
    if (status != TM_OK) return status;
    status = tm_model_open(&source, &options, self->pool, &self->model, err);
    tm_source_close(&source);
    return status;
}

/* Other threads may pack the model than run it. */
static tm_status open_and_load(engine *self, const tm_backend_request *request, tm_error *err)
{
    tm_pool_options pool = {.n_threads = request->n_threads,
                            .pin = true,
                            .cpus = request->cpus,
                            .oversubscribe = request->oversubscribe};
    tm_pool_options loading = {.n_threads = tm_pool_loading_threads(pool.n_threads), .pin = true};
    bool apart = loading.n_threads > pool.n_threads;
    tm_status status = tm_pool_open(apart ? &loading : &pool, &self->pool, err);
    if (status == TM_OK) status = open_model(self, request, err);
    if (status != TM_OK || !apart) return status;
    tm_pool_close(self->pool);
    self->pool = NULL;
    return tm_pool_open(&pool, &self->pool, err);
}

static tm_status open_engine(const tm_backend_request *request, tm_backend *out, tm_error *err)
{
    engine *self = calloc(1, sizeof *self);
    if (!self) return tm_fail(err, TM_NOMEM, "no memory for a model");
    self->seed = request->seed;
    out->self = self;
    out->close = engine_close;
    int64_t begin = tm_now_ns();
    tm_status status = open_and_load(self, request, err);
    if (status != TM_OK) return status;
    status = tm_session_open(&self->model, self->pool, &request->session, &self->session, err);
    if (status != TM_OK) return status;
    out->load_ns = tm_now_ns() - begin;
    out->n_vocab = self->model.config.n_vocab;
    out->n_batch = request->session.n_batch;
    out->costs = self->model.costs;
    out->model = &self->model;
    out->session = self->session;
    out->pool = self->pool;
    out->f16_kv = request->session.f16_kv;
    out->pinned = true;
    for (int i = 0; i < tm_pool_threads(self->pool); i++) {
        out->pinned = out->pinned && tm_pool_cpu(self->pool, i) >= 0;
        if (out->pinned && i < TM_BACKEND_CPUS_MAX)
            out->cpus[out->n_cpus++] = tm_pool_cpu(self->pool, i);
    }
    if (!out->pinned) out->n_cpus = 0;
    out->eval = engine_eval;
    out->reset = engine_reset;
    out->divide = engine_divide;
    out->spread = engine_spread;
    out->step = engine_step;
    out->rewind = engine_rewind;
    out->check = engine_check;
    out->reference = engine_reference;
    return TM_OK;
}

tm_status tm_backend_open(const tm_backend_request *request, tm_backend *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    tm_status status = tm_backend_is_null(request->model) ? tm_backend_open_null(request, out, err)
                                                          : open_engine(request, out, err);
    if (status != TM_OK) tm_backend_close(out);
    return status;
}

void tm_backend_close(tm_backend *backend)
{
    if (backend->close) backend->close(backend);
    memset(backend, 0, sizeof *backend);
}

tm_status tm_backend_greedy(tm_backend *backend, int n, char *text, size_t size, tm_error *err)
{
    int32_t tokens[TM_GREEDY_PROMPT];
    const float *logits;
    uint64_t hash = TM_HASH_START;
    /* The same for every arm; a byte vocabulary has these ids as well. */
    for (int i = 0; i < TM_GREEDY_PROMPT; i++)
        tokens[i] = (int32_t)((1 + 37 * i) % backend->n_vocab);
    backend->reset(backend);
    tm_status status =
        backend->eval(backend, tokens, TM_GREEDY_PROMPT, TM_LOGITS_LAST, &logits, err);
    for (int i = 0; i < n && status == TM_OK; i++) {
        int32_t next = tm_argmax(logits, backend->n_vocab);
        hash = tm_hash(hash, &next, sizeof next);
        if (i + 1 < n) status = backend->eval(backend, &next, 1, TM_LOGITS_LAST, &logits, err);
    }
    if (status == TM_OK) snprintf(text, size, "%016llx", (unsigned long long)hash);
    return status;
}
