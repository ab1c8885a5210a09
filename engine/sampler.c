#include "engine/sampler.h"

#include <assert.h>
#include <math.h>
#include <string.h>

typedef struct candidate {
    float logit;
    int32_t id;
} candidate;

struct tm_sampler {
    tm_sampling options;
    int n_vocab;
    tm_rng rng;
    candidate *candidates; /* owned, [n_vocab]: a heap, and behind it those taken from it */
    int32_t *last;         /* owned, [repeat_last]: a ring */
    int32_t *counts;       /* owned, [n_vocab]: how often a token is among the last */
    int64_t n_accepted;
};

tm_status tm_sampler_open(const tm_sampling *options, int n_vocab, tm_sampler **out, tm_error *err)
{
    assert(options->temperature >= 0 && options->top_k >= 0 && options->top_p > 0 &&
           options->top_p <= 1 && options->min_p >= 0 && options->min_p <= 1 &&
           options->repeat_penalty > 0 && options->repeat_last >= 0);
    void *memory;
    size_t n = (size_t)n_vocab, n_last = (size_t)options->repeat_last;
    *out = NULL;
    tm_status status = tm_alloc(&memory, 1, sizeof(tm_sampler), "the sampler", err);
    if (status != TM_OK) return status;
    tm_sampler *s = memory;
    *s = (tm_sampler){.options = *options, .n_vocab = n_vocab, .rng = {options->seed}};
    status = tm_alloc((void **)&s->candidates, n, sizeof *s->candidates, "the sampler", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&s->counts, n, sizeof *s->counts, "the sampler", err);
    if (status == TM_OK && n_last > 0)
        status = tm_alloc((void **)&s->last, n_last, sizeof *s->last, "the sampler", err);
    if (status == TM_OK)
        *out = s;
    else
        tm_sampler_close(s);
    return status;
}

void tm_sampler_close(tm_sampler *s)
{
    if (!s) return;
    tm_free(s->candidates);
    tm_free(s->counts);
    tm_free(s->last);
    tm_free(s);
}

void tm_sampler_accept(tm_sampler *s, int32_t id)
{
    assert(id >= 0 && id < s->n_vocab);
    int n = s->options.repeat_last;
    if (n == 0) return;
    int32_t *slot = &s->last[s->n_accepted % n];
    if (s->n_accepted++ >= n) s->counts[*slot]--;
    *slot = id;
    s->counts[id]++;
}

static bool before(candidate a, candidate b)
{
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
}

static void sift_down(candidate *heap, int n, int at)
{
    candidate moved = heap[at];
    for (int child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(heap[child + 1], heap[child])) child++;
        if (!before(heap[child], moved)) break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
}

/* Moves the best of the first n behind the others. */
static void take_best(candidate *heap, int n)
{
    candidate best = heap[0];
    heap[0] = heap[n - 1];
    sift_down(heap, n - 1, 0);
    heap[n - 1] = best;
}

/* Fills the candidates, with penalties. Returns the index of the best, or -1 for a NaN or without a
 * finite logit. */
static int fill(tm_sampler *s, const float *logits)
{
    float penalty = (float)s->options.repeat_penalty;
    int best = 0;
    for (int id = 0; id < s->n_vocab; id++) {
        float logit = logits[id];
        if (isnan(logit)) return -1;
        if (s->counts[id] > 0) logit = logit > 0 ? logit / penalty : logit * penalty;
        s->candidates[id] = (candidate){logit, id};
        if (logit > s->candidates[best].logit) best = id;
    }
    return isfinite(s->candidates[best].logit) ? best : -1;
}

/* Takes the best candidates in turn, behind the rest, until top-k, top-p or min-p ends them.
 * Returns how many there are; the i-th best is candidates[n_vocab - 1 - i]. */
static int take_most_likely(tm_sampler *s, double max)
{
    const tm_sampling *o = &s->options;
    candidate *c = s->candidates;
    int n = s->n_vocab, limit = o->top_k > 0 && o->top_k < n ? o->top_k : n;
    if (limit == n && o->top_p >= 1 && o->min_p <= 0) return n; /* in any order */
    for (int i = n / 2 - 1; i >= 0; i--) sift_down(c, n, i);
    int n_taken = 0;
    double total = 0, sum = 0;
    if (limit == n)
        for (int i = 0; i < n; i++) total += exp((double)c[i].logit - max);
    for (; limit < n && n_taken < limit; n_taken++) {
        take_best(c, n - n_taken);
        total += exp((double)c[n - 1 - n_taken].logit - max);
    }
    for (int i = 0; i < limit; i++) {
        if (i == n_taken) take_best(c, n - n_taken++);
        double weight = exp((double)c[n - 1 - i].logit - max);
        if (i > 0 && (sum >= o->top_p * total || weight < o->min_p)) return i;
        sum += weight;
    }
    return limit;
}

tm_status tm_sampler_next(tm_sampler *s, const float *logits, int32_t *id, tm_error *err)
{
    int best = fill(s, logits);
    if (best < 0)
        return tm_fail(err, TM_FORMAT,
                       "the model computed logits that are not numbers: weights or scales in the "
                       "file are too large or damaged");
    *id = best;
    if (s->options.temperature <= 0) return TM_OK;
    double max = (double)s->candidates[best].logit, temperature = s->options.temperature, total = 0;
    int n = take_most_likely(s, max);
    const candidate *last = &s->candidates[s->n_vocab - 1];
    for (int i = 0; i < n; i++) total += exp(((double)last[-i].logit - max) / temperature);
    double left = tm_rng_uniform(&s->rng) * total;
    for (int i = 0; i < n; i++) {
        left -= exp(((double)last[-i].logit - max) / temperature);
        if (left >= 0) continue;
        *id = last[-i].id;
        break; /* else rounding left a remainder, and the best is chosen */
    }
    return TM_OK;
}
