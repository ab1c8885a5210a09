#include "engine/session.h"

#include "engine/forward.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define DEFAULT_BATCH 512

/* Hands out the arena from front to back. With base NULL it only counts: tm_session_bytes and
 * tm_session_open run the same code, so that the predicted size is the mapped size. */
typedef struct cursor {
    uint8_t *base;
    size_t used;
    bool overflow;
} cursor;

/* a x b x c bytes, aligned to 64. */
static void *take(cursor *c, size_t a, size_t b, size_t bytes)
{
    size_t n = 0, end = 0;
    if (!tm_mul_size(a, b, &n) || !tm_mul_size(n, bytes, &n) || n > SIZE_MAX - 63 ||
        !tm_add_size(c->used, tm_round_up(n, 64), &end)) {
        c->overflow = true;
        return NULL;
    }
    void *taken = c->base && n > 0 ? c->base + c->used : NULL;
    c->used = end;
    return taken;
}

static int widest_of(const tm_config *config)
{
    int widest = config->n_hidden, n_q = config->n_heads * config->head_dim;
    if (n_q > widest) widest = n_q;
    return config->n_ffn > widest ? config->n_ffn : widest;
}

/* In a model with a block layout any matrix may have another block layout, because a type that does
 * not fit a matrix falls back to another. So there is room for every kind of activation. */
static void take_act(cursor *c, const tm_config *config, int n_tokens, bool blocks,
                     tm_act_buffers *act)
{
    size_t stride = tm_round_up((size_t)widest_of(config), TM_ACT_STRIDE_STEP),
           n = (size_t)n_tokens;
    const size_t per_scale[TM_ACT_KINDS] = {[TM_ACT_Q8K] = 256, [TM_ACT_Q80] = 32};
    act->f32 = take(c, n, stride, sizeof(float));
    tm_act_int8 *token = &act->int8[TM_ACT_I8];
    token->i8 = take(c, n, stride, 1);
    token->scale = take(c, n, 1, sizeof(float));
    token->sum = take(c, n, 1, sizeof(int32_t));
    for (int kind = 0; kind < TM_ACT_KINDS && blocks; kind++) {
        tm_act_int8 *block = &act->int8[kind];
        if (per_scale[kind] == 0) continue;
        block->i8 = take(c, n, stride, 1);
        block->scale = take(c, n, stride / per_scale[kind], sizeof(float));
        block->sum = take(c, n, stride / TM_ACT_SUM_STEP, sizeof(int32_t));
    }
}

/* The largest scratch of a kernel over the widths of a model and all numbers of tokens. */
static void *take_scratch(cursor *c, const tm_config *config, const tm_kernel *kernel, int n_batch)
{
    const int n_cols[3] = {config->n_hidden, config->n_heads * config->head_dim, config->n_ffn};
    size_t most = 0;
    for (int i = 0; kernel->prepare && i < 3; i++)
        for (int n = 1; n <= n_batch; n++) {
            size_t bytes = kernel->scratch_size(n_cols[i], n);
            if (bytes > most) most = bytes;
        }
    return take(c, 1, 1, most);
}

static void lay_out(cursor *c, const tm_config *config, const tm_kernel *kernel,
                    const tm_kernel *head_kernel, const tm_session_options *options, int n_threads,
                    tm_session *s)
{
    size_t n = (size_t)options->n_batch, n_rot = (size_t)config->n_rot;
    size_t n_q = (size_t)config->n_heads * (size_t)config->head_dim;
    size_t n_kv = (size_t)config->n_kv_heads * (size_t)config->head_dim;
    size_t n_sequences = (size_t)options->n_sequences;
    size_t element = options->f16_kv ? 2 : 4, head_dim = (size_t)config->head_dim, rows = 0;
    /* However the positions are divided, each sequence ends with a partial group and chunk. */
    size_t n_cached = (size_t)options->n_positions + (TM_VEC_KEYS - 1) * n_sequences;
    size_t n_chunks = (size_t)options->n_positions / TM_ATTEND_CHUNK + n_sequences;
    size_t n_heads = (size_t)config->n_heads;
    bool blocks = kernel->format->block != 0 || head_kernel->format->block != 0;
    s->x = take(c, n, (size_t)config->n_hidden, sizeof(float));
    take_act(c, config, options->n_batch, blocks, &s->act);
    s->act.scratch[0] = take_scratch(c, config, kernel, options->n_batch);
    s->act.scratch[1] = s->act.scratch[0];
    if (head_kernel != kernel)
        s->act.scratch[1] = take_scratch(c, config, head_kernel, options->n_batch);
    s->q = take(c, n, n_q, sizeof(float));
    s->k = take(c, n, n_kv, sizeof(float));
    s->v = take(c, n, n_kv, sizeof(float));
    s->mixed = take(c, n, n_q, sizeof(float));
    s->gate = take(c, n, (size_t)config->n_ffn, sizeof(float));
    s->up = take(c, n, (size_t)config->n_ffn, sizeof(float));
    s->y = take(c, n, (size_t)config->n_hidden, sizeof(float));
    s->logits =
        take(c, options->all_logits ? n : n_sequences, (size_t)config->n_vocab, sizeof(float));
    s->positions = take(c, n_sequences, 1, sizeof(int));
    s->frequency = take(c, n_rot / 2, 1, sizeof(double));
    s->cos = take(c, n, n_rot / 2, sizeof(float));
    s->sin = take(c, n, n_rot / 2, sizeof(float));
    if (!tm_mul_size((size_t)config->n_layers, n_cached, &rows)) c->overflow = true;
    s->keys = take(c, rows, n_kv, element);
    s->values = take(c, rows, n_kv, element);
    s->parts = take(c, n_chunks, n_q, sizeof(float));
    s->softmax = take(c, n_chunks, n_heads, sizeof(tm_softmax));
    s->threads = take(c, (size_t)n_threads, 1, sizeof(tm_thread_buffers));
    s->steal_lines = take(c, (size_t)n_threads, 1, sizeof(tm_steal_line));
    take(c, 1, 64, 1); /* the second line of the last pair */
    for (int i = 0; i < n_threads; i++) {
        tm_thread_buffers own;
        memset(&own, 0, sizeof own);
        take_act(c, config, 1, blocks, &own.act);
        own.half_key = take(c, head_dim, 1, sizeof(tm_half));
        own.score = take(c, TM_ATTEND_ROWS, TM_ATTEND_STRIDE, sizeof(float));
        own.query = take(c, TM_ATTEND_ROWS, head_dim, sizeof(float));
        own.mixed = take(c, TM_ATTEND_ROWS, head_dim, sizeof(float));
        own.part = take(c, TM_ATTEND_ROWS, head_dim, sizeof(float));
        take(c, 2, 64, 1); /* cache lines are fetched in pairs: no sharing with the next thread */
        if (s->threads) s->threads[i] = own;
    }
}

/* Replaces 0 by the defaults. A batch is no larger than the context, and holds a step. */
static tm_session_options complete(const tm_session_options *given)
{
    tm_session_options options = *given;
    if (options.n_batch == 0) options.n_batch = DEFAULT_BATCH;
    if (options.n_batch > options.n_context) options.n_batch = options.n_context;
    if (options.n_sequences == 0) options.n_sequences = 1;
    if (options.n_batch < options.n_sequences) options.n_batch = options.n_sequences;
    int64_t all = (int64_t)options.n_context * options.n_sequences; /* too many: fails later */
    if (options.n_positions == 0) options.n_positions = all < INT32_MAX ? (int)all : INT32_MAX;
    return options;
}

size_t tm_session_bytes(const tm_config *config, const tm_kernel *kernel,
                        const tm_kernel *head_kernel, const tm_session_options *options,
                        int n_threads)
{
    tm_session layout;
    cursor count = {0};
    tm_session_options full = complete(options);
    if (full.n_context < 1 || full.n_batch < 1 || full.n_sequences < 1) return 0;
    lay_out(&count, config, kernel, head_kernel, &full, n_threads, &layout);
    return count.overflow ? SIZE_MAX : count.used;
}

/* Angles of position 1, divided by the model's factors if it has any. Source: RoFormer (Su et
 * al. 2021), section 3.2; rope_freqs as in llama.cpp. */
static void fill_frequencies(const tm_model *model, int n_context, double *frequency)
{
    bool is_long = n_context > model->config.rope_scaling.n_context;
    const float *factors = model->rope_freqs ? model->rope_freqs
                           : is_long         ? model->rope_long
                                             : model->rope_short;
    for (int i = 0; i < model->config.n_rot / 2; i++) {
        frequency[i] = tm_rope_frequency(&model->config, i);
        if (factors) frequency[i] /= (double)factors[i];
    }
}

/* Each thread writes its part of the arena, so that no page fault occurs later. */
static void touch_part(void *arg, int thread, int n_threads)
{
    tm_session *s = arg;
    int begin, end, pages = (int)((s->arena.bytes + 4095) / 4096);
    tm_split(pages, 1, thread, n_threads, &begin, &end);
    for (int page = begin; page < end; page++)
        *(volatile uint8_t *)(s->arena.data + (size_t)page * 4096) = 0;
}

tm_status tm_session_open(const tm_model *model, tm_pool *pool, const tm_session_options *options,
                          tm_session **out, tm_error *err)
{
    void *memory;
    *out = NULL;
    if (options->n_context < 1)
        return tm_fail(err, TM_ARG, "context: %d positions; at least 1 is needed",
                       options->n_context);
    if (options->n_batch < 0)
        return tm_fail(err, TM_ARG, "batch: %d tokens; at least 1 is needed", options->n_batch);
    if (options->n_sequences < 0)
        return tm_fail(err, TM_ARG, "sequences: %d; at least 1 is needed", options->n_sequences);
    tm_session_options full = complete(options);
    if (full.n_positions < full.n_context)
        return tm_fail(err, TM_ARG, "positions: %d; the context alone has %d", full.n_positions,
                       full.n_context);
    int n_heads =
        model->config.n_heads + model->config.n_kv_heads; /* tokens times heads fit an int */
    if (full.n_batch > INT32_MAX / n_heads)
        return tm_fail(err, TM_ARG, "batch: %d tokens; at most %d with %d heads", full.n_batch,
                       INT32_MAX / n_heads, n_heads);
    int n_threads = tm_pool_threads(pool);
    size_t bytes =
        tm_session_bytes(&model->config, model->kernel, model->head_kernel, &full, n_threads);
    if (bytes / 4096 >= INT32_MAX)
        return tm_fail(err, TM_NOMEM, "session of %d positions: %zu bytes", full.n_context, bytes);

    tm_status status = tm_alloc(&memory, 1, sizeof(tm_session), "session", err);
    if (status != TM_OK) return status;
    tm_session *s = memory;
    s->model = model;
    s->pool = pool;
    s->vec = tm_vec_best();
    s->options = full;
    s->n_threads = n_threads;
    status = tm_pages_open(&s->arena, bytes, "session", err);
    if (status != TM_OK) {
        tm_free(s);
        return status;
    }
    tm_pool_run(pool, touch_part, s);
    cursor place = {.base = s->arena.data};
    lay_out(&place, &model->config, model->kernel, model->head_kernel, &full, n_threads, s);
    fill_frequencies(model, full.n_context, s->frequency);
    s->rope_factor = tm_rope_attention_factor(&model->config.rope_scaling);
    for (int i = 0; i < n_threads; i++) s->steal_lines[i].node = tm_pool_node(pool, i);
    s->habit = tm_steal_habit_of(tm_pool_cores_differ(pool));
    bool whole = full.n_positions / full.n_sequences >= full.n_context;
    tm_session_divide(s, whole ? full.n_sequences : 1, full.n_context);
    *out = s;
    return TM_OK;
}

void tm_session_close(tm_session *session)
{
    if (!session) return;
    tm_pages_close(&session->arena);
    tm_free(session);
}

void tm_session_divide(tm_session *session, int n_sequences, int n_context)
{
    const tm_session_options *most = &session->options;
    assert(n_sequences >= 1 && n_sequences <= most->n_sequences && n_context >= 1 &&
           n_context <= most->n_context && n_context <= most->n_positions / n_sequences);
    session->n_sequences = n_sequences;
    session->n_context = n_context;
    tm_session_reset(session);
}

void tm_session_reset(tm_session *session)
{
    memset(session->positions, 0, (size_t)session->options.n_sequences * sizeof(int));
    session->sequence = 0;
}

void tm_session_rewind(tm_session *session, int position)
{
    assert(position >= 0 && position <= session->positions[session->sequence]);
    for (int i = 0; i < session->n_sequences; i++)
        if (session->positions[i] > position) session->positions[i] = position;
}

void tm_session_use(tm_session *session, int sequence)
{
    assert(sequence >= 0 && sequence < session->n_sequences);
    session->sequence = sequence;
}

int tm_session_position(const tm_session *session)
{
    return session->positions[session->sequence];
}

void tm_session_copy(tm_session *session, int from, int to)
{
    const tm_config *config = &session->model->config;
    const tm_session_options *options = &session->options;
    assert(from >= 0 && from < session->n_sequences && to >= 0 && to < session->n_sequences);
    size_t row = (size_t)config->head_dim * (options->f16_kv ? 2 : 4);
    size_t head = tm_round_up((size_t)session->n_context, TM_VEC_KEYS) * row;
    size_t used = tm_round_up((size_t)session->positions[from], TM_VEC_KEYS) * row;
    size_t n_heads = (size_t)config->n_layers * (size_t)config->n_kv_heads;
    uint8_t *const caches[2] = {session->keys, session->values};
    for (int i = 0; i < 2 && from != to; i++)
        for (size_t h = 0; h < n_heads; h++)
            memcpy(caches[i] + ((size_t)to * n_heads + h) * head,
                   caches[i] + ((size_t)from * n_heads + h) * head, used);
    session->positions[to] = session->positions[from];
}

void tm_session_set_stamps(tm_session *session, tm_stamps *stamps)
{
    session->stamps = stamps;
}

/* One pass, with time stamps if there is room for them. */
static void run(tm_session *session, tm_pass *pass)
{
    const tm_stamps_pass stamps = {.n_tokens = pass->n_tokens,
                                   .position = pass->position,
                                   .n_logits = tm_pass_logits(pass),
                                   .is_step = pass->is_step};
    if (session->stamps && tm_stamps_begin(session->stamps, &stamps))
        pass->stamps = session->stamps;
    tm_pool_run(session->pool, tm_forward, pass);
    if (session->n_threads > 1)
        tm_steal_learn(&session->habit,
                       tm_steal_unevenness(session->steal_lines, session->n_threads));
    if (pass->stamps) tm_stamps_end(pass->stamps);
}

static tm_status check_tokens(const tm_session *session, const int32_t *tokens, int n_tokens,
                              tm_error *err)
{
    int n_vocab = session->model->config.n_vocab;
    for (int i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 || tokens[i] >= n_vocab)
            return tm_fail(err, TM_ARG, "token %d of %d: id %d is outside the vocabulary of %d", i,
                           n_tokens, tokens[i], n_vocab);
    return TM_OK;
}

tm_status tm_session_eval(tm_session *session, const int32_t *tokens, int n_tokens, tm_logits which,
                          const float **logits, tm_error *err)
{
    const tm_session_options *options = &session->options;
    if (logits) *logits = NULL;
    if (n_tokens < 1) return tm_fail(err, TM_ARG, "tokens: %d; at least 1 is needed", n_tokens);
    int *position = &session->positions[session->sequence];
    if (n_tokens > session->n_context - *position)
        return tm_fail(err, TM_ARG, "context is full: %d tokens after %d do not fit %d positions",
                       n_tokens, *position, session->n_context);
    if (which == TM_LOGITS_ALL && !options->all_logits)
        return tm_fail(err, TM_ARG,
                       "logits of every token: the session was opened without room for them");
    if (which == TM_LOGITS_ALL && n_tokens > options->n_batch)
        return tm_fail(err, TM_ARG,
                       "logits of every token: %d tokens are more than the batch of %d", n_tokens,
                       options->n_batch);
    tm_status status = check_tokens(session, tokens, n_tokens, err);
    if (status != TM_OK) return status;

    for (int done = 0; done < n_tokens;) {
        int n = n_tokens - done < options->n_batch ? n_tokens - done : options->n_batch;
        bool last = done + n == n_tokens;
        tm_pass pass = {
            .session = session,
            .tokens = tokens + done,
            .n_tokens = n,
            .position = *position,
            .sequence = session->sequence,
            .which = last ? which : TM_LOGITS_NONE,
        };
        run(session, &pass);
        *position += n;
        done += n;
    }
    if (logits && which != TM_LOGITS_NONE) *logits = session->logits;
    return TM_OK;
}

tm_status tm_session_step(tm_session *session, const int32_t *tokens, int n_sequences,
                          tm_logits which, const float **logits, tm_error *err)
{
    if (logits) *logits = NULL;
    if (n_sequences < 1 || n_sequences > session->n_sequences)
        return tm_fail(err, TM_ARG, "sequences: %d; the session has %d", n_sequences,
                       session->n_sequences);
    for (int i = 0; i < n_sequences; i++)
        if (session->positions[i] >= session->n_context)
            return tm_fail(err, TM_ARG, "context of sequence %d is full: %d positions", i,
                           session->n_context);
    tm_status status = check_tokens(session, tokens, n_sequences, err);
    if (status != TM_OK) return status;
    tm_pass pass = {
        .session = session,
        .tokens = tokens,
        .n_tokens = n_sequences,
        .position = session->positions[0],
        .is_step = true,
        .which = which,
    };
    run(session, &pass);
    for (int i = 0; i < n_sequences; i++) session->positions[i]++;
    if (logits && which != TM_LOGITS_NONE) *logits = session->logits;
    return TM_OK;
}

int32_t tm_argmax(const float *logits, int n_vocab)
{
    int32_t best = 0;
    for (int32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}
