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

/* The first round is short and drops slow candidates; the others compare the fast ones. */
#define FIRST_TOKENS  16
#define ROUNDS        6
#define DECODE_TOKENS 8
#define LEFT_BEHIND                                                                                \
    1.5 /* ratio to the best of the first round above which a candidate leaves the race */
#define TIE 1.01

/* A slice streams from memory if it is twice as large as the last cache. 256 MB suffice on every
 * machine, since no core keeps more than its share of a larger cache. */
#define SLICE_VOCAB 256
#define N_CONTEXT   (2 * TM_TUNE_TOKENS)

/* A candidate: its model in a session. */
typedef struct lane {
    tm_model model;
    bool model_open;
    tm_session *session;
    double prompt[ROUNDS], decode[ROUNDS];
} lane;

int tm_tune_candidates(const char *family, const tm_kernel *out[TM_TUNE_MAX])
{
    const tm_kernel *all[TM_TUNE_MAX];
    int n_all = tm_kernel_family(family, all, TM_TUNE_MAX), n = 0;
    bool fast = false;
    for (int i = 0; i < n_all; i++) fast |= all[i]->isa != 0 && all[i]->format->block == 0;
    for (int i = 0; i < n_all; i++) {
        const tm_kernel *k = all[i];
        if (k->format->block > 0 || k->tolerance > all[0]->tolerance) continue;
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
static tm_status time_lane(lane *l, int n_prompt, double *prompt_ns, double *decode_ns,
                           tm_error *err)
{
    int32_t tokens[TM_TUNE_TOKENS];
    for (int i = 0; i < n_prompt; i++)
        tokens[i] = (int32_t)((7 + 31 * i) % l->model.config.n_vocab);
    tm_session_reset(l->session);
    int64_t begin = tm_now_ns();
    tm_status status = tm_session_eval(l->session, tokens, n_prompt, TM_LOGITS_ALL, NULL, err);
    int64_t between = tm_now_ns();
    for (int i = 0; i < DECODE_TOKENS && status == TM_OK; i++)
        status = tm_session_eval(l->session, &tokens[i], 1, TM_LOGITS_LAST, NULL, err);
    int64_t end = tm_now_ns();
    *prompt_ns = (double)(between - begin) / n_prompt;
    *decode_ns = (double)(end - between) / DECODE_TOKENS;
    return status;
}

double tm_tune_request_ns(const tm_tune_candidate *c)
{
    return TM_TUNE_TOKENS * (c->prompt_ns + c->decode_ns);
}

static void fail_candidate(tm_tune_candidate *c, tm_status status, const tm_error *why)
{
    c->status = status;
    snprintf(c->reason, sizeof c->reason, "%s", why->message);
}

/* Runs every candidate that is still in the race once. The first run of a lane is its warm-up. */
static void run_round(tm_tune *tune, lane *lanes, int round)
{
    for (int i = 0; i < tune->n; i++) {
        int at = round % 2 ? tune->n - 1 - i : i; /* drift affects first and last alike */
        tm_tune_candidate *c = &tune->candidates[at];
        lane *l = &lanes[at];
        int n_prompt = round == 0 ? FIRST_TOKENS : TM_TUNE_TOKENS;
        tm_error why = {0};
        if (c->status != TM_OK || c->reason[0]) continue;
        tm_status status = TM_OK;
        if (round == 0) status = time_lane(l, DECODE_TOKENS, &l->prompt[0], &l->decode[0], &why);
        if (status == TM_OK)
            status = time_lane(l, n_prompt, &l->prompt[round], &l->decode[round], &why);
        if (status != TM_OK) fail_candidate(c, status, &why);
    }
}

static double best_request(const tm_tune *tune)
{
    double best = INFINITY;
    /* Candidates that left the race have times of the first round only, which may have been a
     * quieter one. */
    for (int i = 0; i < tune->n; i++)
        if (!tune->candidates[i].reason[0])
            best = fmin(best, tm_tune_request_ns(&tune->candidates[i]));
    return best;
}

static void leave_behind(tm_tune *tune, lane *lanes)
{
    for (int i = 0; i < tune->n; i++) {
        tm_tune_candidate *c = &tune->candidates[i];
        if (c->status != TM_OK) continue;
        c->n_rounds = 1;
        c->prompt_ns = lanes[i].prompt[0];
        c->decode_ns = lanes[i].decode[0];
    }
    double best = best_request(tune);
    for (int i = 0; i < tune->n; i++) {
        tm_tune_candidate *c = &tune->candidates[i];
        double times = tm_tune_request_ns(c) / best;
        if (!(times > LEFT_BEHIND)) continue;
        snprintf(c->reason, sizeof c->reason,
                 "%.1f times the best in the first round of %d prompt tokens; not measured further",
                 times, FIRST_TOKENS);
        close_lane(&lanes[i]);
    }
}

/* Medians of the full rounds and the best; among equals the last one in kernels.def. */
static tm_status judge(tm_tune *tune, lane *lanes, tm_error *err)
{
    const tm_tune_candidate *failed = NULL;
    for (int i = 0; i < tune->n; i++) {
        tm_tune_candidate *c = &tune->candidates[i];
        if (c->status != TM_OK) {
            c->prompt_ns = c->decode_ns = NAN;
            failed = c;
            continue;
        }
        if (c->reason[0]) continue;
        c->n_rounds = ROUNDS - 1;
        c->prompt_ns = tm_median(lanes[i].prompt + 1, ROUNDS - 1);
        c->decode_ns = tm_median(lanes[i].decode + 1, ROUNDS - 1);
    }
    double best = best_request(tune);
    tune->best = -1;
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        if (!c->reason[0] && tm_tune_request_ns(c) <= best * TIE) tune->best = i;
    }
    if (tune->best >= 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "no kernel of the family \"%s\" could be measured: %s",
                   tune->family, failed ? failed->reason : "there is none");
}

/* One step for every candidate in the race. */
static void load_lanes(const tm_tune_options *o, const tm_config *slice, tm_pool *pool, lane *lanes,
                       tm_tune *out)
{
    for (int i = 0; i < out->n; i++) {
        tm_tune_candidate *c = &out->candidates[i];
        tm_error why = {0};
        tm_status status = load_lane(o, slice, c->kernel, pool, &lanes[i], &why);
        if (status != TM_OK) fail_candidate(c, status, &why);
    }
}

static tm_status race(const tm_tune_options *o, tm_pool *pool, lane *lanes, tm_tune *out,
                      tm_error *err)
{
    for (int i = 0; i < out->n; i++) {
        tm_tune_candidate *c = &out->candidates[i];
        tm_error why = {0};
        tm_status status = c->status == TM_OK ? start_lane(pool, &lanes[i], &why) : TM_OK;
        if (status != TM_OK) fail_candidate(c, status, &why);
    }
    for (int round = 0; round < ROUNDS; round++) {
        if (tm_interrupted(o->interrupt))
            return tm_fail(err, TM_INTERRUPTED, "interrupted during kernel autotuning");
        run_round(out, lanes, round);
        if (round == 0) leave_behind(out, lanes);
    }
    return judge(out, lanes, err);
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
