/* The attention of a layer: rotation, KV cache, and how the heads are shared among the threads. */
#include "engine/forward_thread.h"

#include <math.h>
#include <string.h>

static int sequence_of(const tm_thread_pass *self, int token)
{
    return self->pass->is_step ? token : self->pass->sequence;
}

/* Positions of a head in the KV cache, in whole groups of keys. */
static size_t cache_positions(const tm_thread_pass *self)
{
    return tm_round_up((size_t)self->s->n_context, TM_VEC_KEYS);
}

/* Offset in the KV cache of position 0 of a head of the token's sequence, in elements. */
static size_t cache_offset(const tm_thread_pass *self, int token, int layer, int kv_head)
{
    size_t layers =
        (size_t)sequence_of(self, token) * (size_t)self->config->n_layers + (size_t)layer;
    size_t head = layers * (size_t)self->config->n_kv_heads + (size_t)kv_head;
    return head * cache_positions(self) * (size_t)self->config->head_dim;
}

/* RMSNorm of one head, if the model has it. */
static void norm_head(const tm_thread_pass *self, const float *weight, float *x)
{
    int n = self->config->head_dim;
    if (!weight) return;
    float mean = self->vec->sum_squares(x, n) / (float)n;
    self->vec->scale_by(x, 1 / sqrtf(mean + self->config->rms_epsilon), weight, n, x);
}

/* Normalizes and rotates one head of a token: query head `index`, or key head `index` - n_heads,
 * which is then copied to the cache with its value. */
static void place_head(const tm_thread_pass *self, int layer, int token, int index)
{
    tm_session *s = self->s;
    const tm_config *config = self->config;
    int n = config->head_dim, position = tm_thread_position(self, token);
    size_t head_dim = (size_t)n, half = (size_t)config->n_rot / 2;
    const float *c = s->cos + (size_t)token * half, *si = s->sin + (size_t)token * half;
    if (index < config->n_heads) {
        float *q = s->q + ((size_t)token * (size_t)config->n_heads + (size_t)index) * head_dim;
        norm_head(self, self->model->layers[layer].q_norm, q);
        self->vec->rotate(q, config->n_rot, c, si, config->rope_half_split);
        return;
    }
    int kv_head = index - config->n_heads;
    size_t from = ((size_t)token * (size_t)config->n_kv_heads + (size_t)kv_head) * head_dim;
    size_t cache = cache_offset(self, token, layer, kv_head);
    size_t to = cache + (size_t)position * head_dim;
    size_t key = cache + tm_vec_key_at(n, position, 0);
    norm_head(self, self->model->layers[layer].k_norm, s->k + from);
    self->vec->rotate(s->k + from, config->n_rot, c, si, config->rope_half_split);
    if (s->options.f16_kv) {
        tm_half *halves = (tm_half *)s->keys + key, *row = self->own->half_key;
        self->vec->to_half(s->k + from, n, row);
        for (size_t d = 0; d < head_dim; d++) halves[d * TM_VEC_KEYS] = row[d];
        self->vec->to_half(s->v + from, n, (tm_half *)s->values + to);
    } else {
        float *floats = (float *)s->keys + key;
        for (size_t d = 0; d < head_dim; d++) floats[d * TM_VEC_KEYS] = s->k[from + d];
        memcpy((float *)s->values + to, s->v + from, head_dim * sizeof(float));
    }
}

static tm_attend attend_of(const tm_thread_pass *self, int layer, int token, int kv_head)
{
    const tm_session *s = self->s;
    size_t at = cache_offset(self, token, layer, kv_head) * (s->options.f16_kv ? 2 : 4);
    return (tm_attend){
        .vec = self->vec,
        .f16_kv = s->options.f16_kv,
        .head_dim = self->config->head_dim,
        .keys = (const uint8_t *)s->keys + at,
        .values = (const uint8_t *)s->values + at,
        .score = self->own->score,
        .part = self->own->part,
    };
}

/* Attention of heads head .. head + n_heads-1, which share a kv head, for n_tokens adjacent tokens:
 * at most TM_ATTEND_ROWS queries, each over all positions up to its own. */
static void attend(const tm_thread_pass *self, int layer, int token, int n_tokens, int head,
                   int n_heads)
{
    tm_session *s = self->s;
    const tm_config *config = self->config;
    tm_attend a = attend_of(self, layer, token, head / (config->n_heads / config->n_kv_heads));
    int n_positions[TM_ATTEND_ROWS];
    size_t head_dim = (size_t)config->head_dim, row = (size_t)config->n_heads * head_dim;
    size_t at = (size_t)token * row + (size_t)head * head_dim, n = (size_t)n_heads * head_dim;
    for (int i = 0; i < n_tokens * n_heads; i++)
        n_positions[i] = tm_thread_position(self, token) + i / n_heads + 1;
    if (n_tokens == 1) {
        tm_attend_all(&a, s->q + at, n_heads, n_positions, s->mixed + at);
        return;
    }
    /* Copied side by side: in many models the distance of tokens is a multiple of a cache's set
     * stride. */
    for (size_t t = 0; t < (size_t)n_tokens; t++)
        memcpy(self->own->query + t * n, s->q + at + t * row, n * sizeof(float));
    tm_attend_all(&a, self->own->query, n_tokens * n_heads, n_positions, self->own->mixed);
    for (size_t t = 0; t < (size_t)n_tokens; t++)
        memcpy(s->mixed + at + t * row, self->own->mixed + t * n, n * sizeof(float));
}

/* How many of the heads that share a kv head to take together with adjacent tokens: the divisor
 * that fills TM_ATTEND_ROWS best, and of several the largest, so that the queries see the same
 * positions. */
static int heads_together(int group)
{
    int best = 1;
    for (int n = 2; n <= group && n <= TM_ATTEND_ROWS; n++)
        if (group % n == 0 && TM_ATTEND_ROWS / n * n >= TM_ATTEND_ROWS / best * best) best = n;
    return best;
}

/* All heads of one kv head and one token. */
static void attend_group(const tm_thread_pass *self, int layer, int token, int kv_head)
{
    int group = self->config->n_heads / self->config->n_kv_heads, end = (kv_head + 1) * group;
    for (int head = kv_head * group; head < end; head += TM_ATTEND_ROWS)
        attend(self, layer, token, 1, head,
               end - head < TM_ATTEND_ROWS ? end - head : TM_ATTEND_ROWS);
}

/* Index into s->parts and s->softmax, [chunks of all tokens][n_heads]. first_chunk: chunks of the
 * tokens before. */
static size_t part_index(const tm_thread_pass *self, size_t first_chunk, int chunk, int head)
{
    return (first_chunk + (size_t)chunk) * (size_t)self->config->n_heads + (size_t)head;
}

/* Offset of a head in s->q and s->mixed, [n_batch][n_heads][head_dim]. */
static size_t head_offset(const tm_thread_pass *self, int token, int head)
{
    const tm_config *config = self->config;
    return ((size_t)token * (size_t)config->n_heads + (size_t)head) * (size_t)config->head_dim;
}

/* One chunk of positions for all heads of one kv head and one token. */
static void attend_chunk(const tm_thread_pass *self, int layer, int token, int kv_head, int chunk,
                         size_t first_chunk)
{
    tm_session *s = self->s;
    int group = self->config->n_heads / self->config->n_kv_heads, end = (kv_head + 1) * group;
    int n_positions[TM_ATTEND_ROWS];
    tm_attend a = attend_of(self, layer, token, kv_head);
    for (int i = 0; i < TM_ATTEND_ROWS; i++) n_positions[i] = tm_thread_position(self, token) + 1;
    for (int head = kv_head * group; head < end; head += TM_ATTEND_ROWS) {
        size_t part = part_index(self, first_chunk, chunk, head);
        tm_attend_chunk(&a, s->q + head_offset(self, token, head),
                        end - head < TM_ATTEND_ROWS ? end - head : TM_ATTEND_ROWS, n_positions,
                        chunk, s->parts + part * (size_t)self->config->head_dim, s->softmax + part);
    }
}

/* Joins the chunks of one head of one token. */
static void join_chunks(const tm_thread_pass *self, int token, int head, int n_chunks,
                        size_t first_chunk)
{
    tm_session *s = self->s;
    int head_dim = self->config->head_dim;
    size_t all = part_index(self, first_chunk, 0, head);
    float *out = s->parts + all * (size_t)head_dim;
    for (int chunk = 1; chunk < n_chunks; chunk++) {
        size_t part = part_index(self, first_chunk, chunk, head);
        tm_attend_join(self->vec, head_dim, 1, s->softmax + all, out, s->softmax + part,
                       s->parts + part * (size_t)head_dim);
    }
    self->vec->scale(out, 1 / s->softmax[all].sum, head_dim,
                     s->mixed + head_offset(self, token, head));
}

static int chunks_of(const tm_thread_pass *self, int token)
{
    return tm_attend_chunks(tm_thread_position(self, token) + 1);
}

/* Attention of tokens from first_token on, shared out by chunks of positions: in a long context
 * there may be fewer heads than threads. The results of the chunks are joined after a barrier, by
 * head. */
static void attend_chunks(const tm_thread_pass *self, int layer, int first_token, int n_tokens)
{
    int n_heads = self->config->n_heads, n_kv = self->config->n_kv_heads;
    size_t n_units = 0, unit = 0, first_chunk = 0; /* a unit: one chunk for one kv head */
    for (int t = first_token; t < first_token + n_tokens; t++)
        n_units += (size_t)n_kv * (size_t)chunks_of(self, t);
    size_t threads = (size_t)self->n_threads, thread = (size_t)self->thread;
    size_t unit_begin = n_units * thread / threads, unit_end = n_units * (thread + 1) / threads;
    for (int t = first_token; t < first_token + n_tokens; t++) {
        int n_chunks = chunks_of(self, t);
        for (int i = 0; i < n_kv * n_chunks; i++, unit++)
            if (unit >= unit_begin && unit < unit_end)
                attend_chunk(self, layer, t, i / n_chunks, i % n_chunks, first_chunk);
        first_chunk += (size_t)n_chunks;
    }
    tm_thread_done(self, TM_OP_ATTENTION);
    tm_thread_barrier(self);
    int begin, end, index = 0; /* of a head among those of all tokens */
    tm_split(n_tokens * n_heads, 1, self->thread, self->n_threads, &begin, &end);
    first_chunk = 0;
    for (int t = first_token; t < first_token + n_tokens; t++) {
        int n_chunks = chunks_of(self, t);
        for (int head = 0; head < n_heads; head++, index++)
            if (index >= begin && index < end) join_chunks(self, t, head, n_chunks, first_chunk);
        first_chunk += (size_t)n_chunks;
    }
}

/* Writes every token's key and value to the cache, and s->mixed for the tokens from self->first on.
 */
void tm_forward_attention(const tm_thread_pass *self, int layer)
{
    const tm_config *config = self->config;
    int n_heads = config->n_heads, n_kv = config->n_kv_heads, n_tokens = self->pass->n_tokens;
    int n_needed = n_tokens - self->first;
    bool even = n_kv % self->n_threads == 0 || self->pass->position < TM_ATTEND_CHUNK;
    int begin, end, group = n_heads / n_kv;
    if (n_tokens == 1 && n_needed == 1 && even) {
        /* Whole kv heads: no thread waits for another's keys. */
        tm_split(n_kv, 1, self->thread, self->n_threads, &begin, &end);
        for (int h = begin; h < end; h++) {
            place_head(self, layer, 0, n_heads + h);
            for (int i = 0; i < group; i++) place_head(self, layer, 0, h * group + i);
        }
        tm_thread_done(self, TM_OP_ROPE);
        for (int h = begin; h < end; h++) attend_group(self, layer, 0, h);
        return;
    }
    tm_split(n_needed * n_heads, 1, self->thread, self->n_threads, &begin, &end);
    for (int i = begin; i < end; i++)
        place_head(self, layer, self->first + i / n_heads, i % n_heads);
    /* Keys by head: those of adjacent tokens share cache lines. */
    tm_split(n_kv * n_tokens, 1, self->thread, self->n_threads, &begin, &end);
    for (int i = begin; i < end; i++) place_head(self, layer, i % n_tokens, n_heads + i / n_tokens);
    tm_thread_done(self, TM_OP_ROPE);
    if (n_needed == 0) return;
    tm_thread_barrier(self);
    if (n_needed == 1 || self->pass->is_step) { /* tokens have no keys in common */
        bool parted = false;                    /* into chunks for several threads */
        for (int t = self->first; t < n_tokens; t++)
            parted |= self->n_threads > 1 && tm_thread_position(self, t) >= TM_ATTEND_CHUNK;
        if (parted) {
            attend_chunks(self, layer, self->first, n_needed);
            return;
        }
        tm_split(n_needed * n_kv, 1, self->thread, self->n_threads, &begin, &end);
        for (int i = begin; i < end; i++)
            attend_group(self, layer, self->first + i / n_kv, i % n_kv);
        return;
    }
    /* Later tokens see more positions, so blocks of tokens are dealt to the threads in turn. All
     * threads then read the same head at the same time. */
    int heads = heads_together(group), tokens = TM_ATTEND_ROWS / heads;
    int n_blocks = (n_needed + tokens - 1) / tokens;
    for (int i = self->thread; i < n_heads / heads * n_blocks; i += self->n_threads) {
        int token = self->first + i % n_blocks * tokens;
        int n = n_tokens - token < tokens ? n_tokens - token : tokens;
        attend(self, layer, token, n, i / n_blocks * heads, heads);
    }
}
