#include "harness/tune/tune.h"

#include "engine/model.h"
#include "engine/session.h"
#include "harness/base/clock.h"
#include "harness/measure/model_check.h"
#include "harness/stats/stats.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A run of the race. The request that counts has TM_TUNE_TOKENS of each. */
#define PROMPT_TOKENS 32
#define DECODE_TOKENS 8
#define N_KEPT        64 /* runs of a candidate whose times are kept, the latest */

/* A slice streams from memory if it is twice as large as the last cache. 256 MB suffice on every
 * machine, since no core keeps more than its share of a larger cache. */
#define SLICE_VOCAB 256
#define N_CONTEXT   (2 * TM_TUNE_TOKENS)

/* A candidate: its model in a session. */
typedef struct lane {
    tm_model model;
    bool model_open;
    tm_session *session;
    double prompt[N_KEPT], decode[N_KEPT]; /* ns per token */
} lane;

typedef struct runner {
    tm_tune *tune;
    lane *lanes;
} runner;

int tm_tune_candidates(const char *family, const tm_kernel *out[TM_TUNE_MAX])
{
    const tm_kernel *all[TM_TUNE_MAX];
    int n_all = tm_kernel_family(family, all, TM_TUNE_MAX), n = 0;
    bool fast = false;
    float most_exact = INFINITY;
    for (int i = 0; i < n_all; i++) {
        fast |= all[i]->isa != 0 && all[i]->format->block == 0;
        most_exact = fminf(most_exact, all[i]->tolerance);
    }
    for (int i = 0; i < n_all; i++) {
        const tm_kernel *k = all[i];
        if (k->format->block > 0 || k->tolerance > most_exact) continue;
        if (fast && k->isa == 0) continue;
        out[n++] = k;
    }
    return n;
}

/* The model with fewer layers: twice the caches for the candidate with the fewest bits per
 * weight. */
static tm_config slice_of(const tm_tune_options *o, const tm_kernel *const *kernels, int n)
{
    tm_config slice = *o->config;
    double bits = INFINITY;
    for (int i = 0; i < n; i++) bits = fmin(bits, kernels[i]->format->bits_per_weight);
    const size_t wanted = 2 * o->cache_bytes;
    double layer_bytes =
        (double)tm_config_linear_weights(o->config) / o->config->n_layers * bits / 8;
    int layers = (int)ceil((double)wanted / layer_bytes);
    if (layers < slice.n_layers) slice.n_layers = layers;
    if (SLICE_VOCAB < slice.n_vocab) slice.n_vocab = SLICE_VOCAB;
    slice.tied_head = true;
    return slice;
}

static tm_status check_room(const tm_tune_options *o, const tm_config *slice,
                            const tm_kernel *const *kernels, int n, tm_error *err)
{
    double needed = 0, weights = (double)tm_config_linear_weights(slice);
    for (int i = 0; i < n; i++) needed += weights * kernels[i]->format->bits_per_weight / 8;
    if (o->available_bytes < 0 || needed < (double)o->available_bytes / 2) return TM_OK;
    return tm_fail(err, TM_NOMEM,
                   "%d slices of %d layers need %.1f GB, more than half of the %.1f GB available",
                   n, slice->n_layers, needed * 1e-9, (double)o->available_bytes * 1e-9);
}

static tm_status load_lane(const tm_tune_options *o, const tm_config *slice,
                           const tm_kernel *kernel, tm_pool *pool, lane *out, tm_error *err)
{
    tm_source source;
    tm_model_options options = {.kernel = kernel};
    tm_status status = tm_kernel_pick("f16", &options.head_kernel, err);
    if (status == TM_OK) status = tm_source_open_synth(slice, o->seed, &source, err);
    if (status != TM_OK) return status;
    status = tm_model_open(&source, &options, pool, &out->model, err);
    tm_source_close(&source);
    out->model_open = status == TM_OK;
    return status == TM_OK ? tm_model_check(&out->model, o->seed, err) : status;
}

static tm_status start_lane(tm_pool *pool, lane *l, tm_error *err)
{
    tm_session_options session = {
        .n_context = N_CONTEXT, .n_batch = TM_TUNE_TOKENS, .f16_kv = true, .all_logits = true};
    return tm_session_open(&l->model, pool, &session, &l->session, err);
}

static void close_lane(lane *l)
{
    if (l->session) tm_session_close(l->session);
    if (l->model_open) tm_model_close(&l->model);
    memset(l, 0, sizeof *l);
}

/* One prompt and some tokens; times are per token. All tokens get logits, so that the last layer of
 * the slice computes as much as a layer in the middle of a model. */
static tm_status time_lane(lane *l, double *prompt_ns, double *decode_ns, tm_error *err)
{
    int32_t tokens[PROMPT_TOKENS];
    for (int i = 0; i < PROMPT_TOKENS; i++)
        tokens[i] = (int32_t)((7 + 31 * i) % l->model.config.n_vocab);
    tm_session_reset(l->session);
    int64_t begin = tm_now_ns();
    tm_status status = tm_session_eval(l->session, tokens, PROMPT_TOKENS, TM_LOGITS_ALL, NULL, err);
    int64_t between = tm_now_ns();
    for (int i = 0; i < DECODE_TOKENS && status == TM_OK; i++)
        status = tm_session_eval(l->session, &tokens[i], 1, TM_LOGITS_LAST, NULL, err);
    int64_t end = tm_now_ns();
    *prompt_ns = (double)(between - begin) / PROMPT_TOKENS;
    *decode_ns = (double)(end - between) / DECODE_TOKENS;
    return status;
}

static void fail_candidate(tm_tune_candidate *c, const tm_error *why)
{
    snprintf(c->failure, sizeof c->failure, "%s", why->message);
}

/* Nanoseconds of the request, half prompt and half generation; NaN: it failed. */
static double run_lane(void *arg, int i)
{
    const runner *r = arg;
    tm_tune_candidate *c = &r->tune->candidates[i];
    lane *l = &r->lanes[i];
    tm_error why = {0};
    double prompt, decode;
    if (c->failure[0]) return NAN;
    tm_status status = time_lane(l, &prompt, &decode, &why);
    if (status != TM_OK) {
        fail_candidate(c, &why);
        return NAN;
    }
    l->prompt[c->n_runs % N_KEPT] = prompt;
    l->decode[c->n_runs % N_KEPT] = decode;
    c->n_runs++;
    return TM_TUNE_TOKENS * (prompt + decode);
}

static void take_medians(tm_tune *tune, const lane *lanes)
{
    for (int i = 0; i < tune->n; i++) {
        tm_tune_candidate *c = &tune->candidates[i];
        int n = c->n_runs < N_KEPT ? c->n_runs : N_KEPT;
        if (c->failure[0]) continue;
        c->prompt_ns = tm_median(lanes[i].prompt, n);
        c->decode_ns = tm_median(lanes[i].decode, n);
    }
}

/* One step for every candidate in the race. */
static void load_lanes(const tm_tune_options *o, const tm_config *slice, tm_pool *pool, lane *lanes,
                       tm_tune *out)
{
    for (int i = 0; i < out->n; i++) {
        tm_tune_candidate *c = &out->candidates[i];
        tm_error why = {0};
        tm_status status = load_lane(o, slice, c->kernel, pool, &lanes[i], &why);
        if (status != TM_OK) fail_candidate(c, &why);
    }
}

static tm_status race(const tm_tune_options *o, tm_pool *pool, lane *lanes, tm_tune *out,
                      tm_error *err)
{
    double bits[TM_TUNE_MAX];
    tm_race_place places[TM_TUNE_MAX];
    runner run = {out, lanes};
    const char *failure = "there is none";
    for (int i = 0; i < out->n; i++) {
        tm_tune_candidate *c = &out->candidates[i];
        tm_error why = {0};
        tm_status status = c->failure[0] ? TM_OK : start_lane(pool, &lanes[i], &why);
        if (status != TM_OK) fail_candidate(c, &why);
        bits[i] = c->kernel->format->bits_per_weight;
    }
    const tm_race race = {
        .n = out->n, .bytes = bits, .run = run_lane, .arg = &run, .interrupt = o->interrupt};
    tm_status status = tm_race_decide(&race, places, &out->best, err);
    if (status != TM_OK) return status;
    take_medians(out, lanes);
    for (int i = 0; i < out->n; i++) {
        out->candidates[i].place = places[i];
        if (out->candidates[i].failure[0]) failure = out->candidates[i].failure;
    }
    out->unix_seconds = tm_unix_now();
    if (out->best >= 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "no kernel of the family \"%s\" could be measured: %s",
                   out->family, failure);
}

/* Loads with all available threads and races with n_threads. */
static tm_status load_and_race(const tm_tune_options *o, const tm_config *slice, lane *lanes,
                               tm_tune *out, tm_error *err)
{
    tm_pool *pool = NULL;
    tm_pool_options running = {
        .n_threads = o->n_threads, .pin = true, .oversubscribe = o->oversubscribe};
    tm_pool_options loading = running;
    loading.n_threads = tm_pool_loading_threads(o->n_threads);
    tm_status status = tm_pool_open(&loading, &pool, err);
    if (status != TM_OK) return status;
    load_lanes(o, slice, pool, lanes, out);
    tm_pool_close(pool);
    pool = NULL;
    status = tm_pool_open(&running, &pool, err);
    if (status == TM_OK) status = race(o, pool, lanes, out, err);
    for (int i = 0; i < out->n; i++) close_lane(&lanes[i]); /* sessions before the pool */
    if (pool) tm_pool_close(pool);
    return status;
}

tm_status tm_tune_measure(const tm_tune_options *o, tm_tune *out, tm_error *err)
{
    const tm_kernel *kernels[TM_TUNE_MAX];
    memset(out, 0, sizeof *out);
    int n = tm_tune_candidates(o->family, kernels);
    if (n == 0) {
        const tm_kernel *any;
        tm_status status = tm_kernel_pick(o->family, &any, err);
        return status != TM_OK
                   ? status
                   : tm_fail(err, TM_UNSUPPORTED,
                             "the kernels of \"%s\" have a fixed order: their layout is "
                             "that of a model file",
                             o->family);
    }
    tm_config slice = slice_of(o, kernels, n);
    snprintf(out->family, sizeof out->family, "%s", o->family);
    out->n_threads = o->n_threads;
    out->n_layers = slice.n_layers;
    out->of_layers = o->config->n_layers;
    out->n = n;
    for (int i = 0; i < n; i++)
        out->candidates[i] =
            (tm_tune_candidate){.kernel = kernels[i], .prompt_ns = NAN, .decode_ns = NAN};
    lane *lanes = calloc((size_t)n, sizeof *lanes);
    tm_status status = lanes ? check_room(o, &slice, kernels, n, err)
                             : tm_fail(err, TM_NOMEM, "no memory for %d candidates", n);
    if (status == TM_OK) status = load_and_race(o, &slice, lanes, out, err);
    free(lanes);
    return status;
}

/* "1.08 [1.06, 1.11]"; the value alone without an interval. */
static void print_ratio(tm_interval r, char *out, size_t size)
{
    if (isfinite(r.low))
        snprintf(out, size, "%.3g [%.3g, %.3g]", r.value, r.low, r.high);
    else
        snprintf(out, size, "%.3g", r.value);
}

char *tm_tune_place_text(const tm_tune *tune, int i, char *out, size_t size)
{
    const tm_tune_candidate *c = &tune->candidates[i];
    const tm_race_place *p = &c->place;
    const char *other = p->lost_to >= 0 ? tune->candidates[p->lost_to].kernel->name : "";
    char ratio[64];
    print_ratio(p->ratio, ratio, sizeof ratio);
    switch (p->end) {
    case TM_RACE_FAILED:
        snprintf(out, size, "%s", c->failure);
        break;
    case TM_RACE_BEHIND:
        snprintf(out, size, "%s times the time of %s in the first runs; not measured further",
                 ratio, other);
        break;
    case TM_RACE_WON:
        snprintf(out, size, "chosen");
        break;
    default:
        snprintf(out, size, "%s times the time of %s (%d pairs)%s", ratio, other, p->ratio.n,
                 p->end == TM_RACE_SLOWER  ? ""
                 : p->end == TM_RACE_EQUAL ? ": equal within 1 %"
                                           : ": not told apart");
    }
    return out;
}

char *tm_tune_why(const tm_tune *tune, char *out, size_t size)
{
    const tm_tune_candidate *best = &tune->candidates[tune->best], *next = NULL;
    char ratio[64];
    /* The closest rival: the one that lost to the best by the least. */
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        if (c->place.lost_to != tune->best || c->place.end == TM_RACE_FAILED) continue;
        if (!next || c->place.ratio.value < next->place.ratio.value) next = c;
    }
    if (!next) {
        snprintf(out, size, "%s, the only kernel that could be measured", best->kernel->name);
        return out;
    }
    const double bits = best->kernel->format->bits_per_weight;
    const double others = next->kernel->format->bits_per_weight;
    const int pairs = next->place.ratio.n;
    char because[96] = "the built-in order prefers it";
    print_ratio(next->place.ratio, ratio, sizeof ratio);
    if (bits < others)
        snprintf(because, sizeof because, "it reads %.3g bits per weight instead of %.3g", bits,
                 others);
    switch (next->place.end) {
    case TM_RACE_BEHIND:
        snprintf(out, size, "%s, %s times as fast as %s in the first runs", best->kernel->name,
                 ratio, next->kernel->name);
        break;
    case TM_RACE_SLOWER:
        snprintf(out, size, "%s, %s times as fast as %s (%d pairs)", best->kernel->name, ratio,
                 next->kernel->name, pairs);
        break;
    case TM_RACE_EQUAL:
        snprintf(out, size, "%s: as fast as %s within 1 %% (%d pairs), and %s", best->kernel->name,
                 next->kernel->name, pairs, because);
        break;
    default:
        snprintf(out, size,
                 "%s: not told apart from %s in %d pairs (which took %s times as long), and %s",
                 best->kernel->name, next->kernel->name, pairs, ratio, because);
    }
    return out;
}
