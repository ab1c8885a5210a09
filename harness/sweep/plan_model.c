#include "harness/sweep/plan_model.h"

#include "harness/measure/backend_null.h"
#include "harness/measure/bench.h"
#include "harness/measure/profile.h"
#include "harness/measure/shapes.h"
#include "harness/measure/worker.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* Guesses for the time of a process that has not run yet, per thread of a slow server core. They
 * serve --dry-run and the first estimates only; measured times replace them. */
#define GUESS_BYTES_PER_SECOND 10e9
#define GUESS_MACS_PER_SECOND  40e9  /* prompts, ternary or not */
#define GUESS_ATTENTION_MACS   20e9  /* per second, of long prompts */
#define GUESS_PACK_TERNARY     500e6 /* weights per second and core */
#define GUESS_PACK_FLOATS      100e6
#define GUESS_FIXED_SECONDS    0.5

tm_status tm_plan_model_open(const char *name, const tm_plan_options *options, tm_plan_model *out,
                             tm_error *err)
{
    uint64_t seed = options->seed;
    memset(out, 0, sizeof *out);
    out->name = name;
    out->is_null = tm_backend_is_null(name);
    tm_status status = out->is_null ? tm_backend_check_null(name, &out->null_ns, err)
                                    : tm_source_open_name(name, seed, &out->source, err);
    if (status == TM_OK && !out->is_null) {
        out->config = out->source.config;
        out->is_known = true;
        tm_model_shape(name, &out->config, out->shape, sizeof out->shape);
    }
    if (status == TM_OK)
        status = tm_model_identity(name, seed, out->identity, sizeof out->identity, err);
    if (status == TM_ARG || status == TM_NOMEM || status == TM_OK || options->need_models)
        return status;
    /* Its cells will be skipped with this reason; the other models run. */
    snprintf(out->skip, sizeof out->skip, "%s", err->message);
    snprintf(out->identity, sizeof out->identity, "unreadable");
    return TM_OK;
}

void tm_plan_model_close(tm_plan_model *m)
{
    if (m->is_known) tm_source_close(&m->source);
}

/* source NULL: of a fake backend. */
static tm_status families_of(tm_source *source, const tm_kernel *kernel, tm_model_families *out,
                             tm_error *err)
{
    *out = (tm_model_families){"ternary", "f16"};
    return source ? tm_model_auto(source, kernel, true, out, err) : TM_OK;
}

tm_status tm_plan_model_families(tm_plan_model *m, const tm_kernel *kernel, tm_model_families *out,
                                 tm_error *err)
{
    return families_of(m->is_known ? &m->source : NULL, kernel, out, err);
}

tm_status tm_kernels_resolve(const char *name, tm_source *source, const tm_kernel **kernel,
                             const tm_kernel **head_kernel, tm_error *err)
{
    bool named = strcmp(name, "auto") != 0;
    tm_model_families families;
    tm_status status = TM_OK;
    if (named) status = tm_kernel_resolve(name, kernel, err);
    if (status == TM_OK) status = families_of(source, named ? *kernel : NULL, &families, err);
    if (status == TM_OK && !named) status = tm_kernel_resolve(families.linear, kernel, err);
    return status == TM_OK ? tm_kernel_resolve(families.head, head_kernel, err) : status;
}

/* Seconds on one thread of a pass over n tokens from a position on. Attention is slower than the
 * matrix products, and quadratic. */
static double prompt_seconds(const tm_costs *costs, int n_batch, int position, int n)
{
    double bytes, macs;
    const tm_test test = {.n_prompt = n, .depth = position};
    tm_bench_costs(costs, n_batch, &test, &bytes, &macs);
    double attention = (double)costs->attention_macs_per_position *
                       ((double)n * position + (double)n * (n + 1) / 2);
    double products = fmax(0, macs * n - attention);
    return products / GUESS_MACS_PER_SECOND + attention / GUESS_ATTENTION_MACS;
}

void tm_plan_predict(const tm_plan_model *m, const tm_kernel *kernel, const tm_kernel *head,
                     const tm_suite *suite, bool energy, int n_cores, tm_arm *arm)
{
    int threads = arm->cells[0].threads, n_windows = 0, n_pairs = tm_plan_profile_pairs(suite);
    tm_session_options session;
    tm_test tests[TM_SUITE_MAX];
    double seconds = GUESS_FIXED_SECONDS;
    tm_costs costs = {0};
    if (m->is_known) costs = tm_model_costs(&m->config, kernel, head, true);
    for (int i = 0; i < arm->n_cells; i++) {
        const tm_cell *c = &arm->cells[i];
        tests[i] = (tm_test){c->n_prompt, c->n_gen, c->depth, c->n_sequences};
    }
    tm_worker_sizes(tests, arm->n_cells, &session);
    session.f16_kv = true;
    for (int i = 0; i < arm->n_cells; i++) {
        double bytes, macs, tokens = tm_test_tokens(&tests[i]), once = 0;
        tm_bench_costs(&costs, session.n_batch, &tests[i], &bytes, &macs);
        double read = bytes * tokens / (GUESS_BYTES_PER_SECOND * threads);
        double multiply = macs * tokens / (GUESS_MACS_PER_SECOND * threads);
        /* Every repetition fills the cache first. */
        if (m->is_known)
            once = fmax(read, multiply) +
                   prompt_seconds(&costs, session.n_batch, 0, tests[i].depth) / threads;
        if (m->is_null) once = (double)m->null_ns * 1e-9 * tokens;
        seconds += once * (suite->repetitions + suite->warmup);
        if (n_pairs > 0 && !m->is_null) seconds += once * TM_PROFILE_RUNS(n_pairs);
        n_windows += (tests[i].n_prompt > 0) + (tests[i].n_gen > 0);
        if (energy) seconds += once; /* the last repetition of a window may pass its end */
    }
    if (energy) seconds += tm_energy_source_predict_seconds(&suite->energy, n_windows);
    arm->predicted_seconds = seconds;
    if (!m->is_known) return;
    arm->predicted_seconds +=
        (double)tm_config_linear_weights(&m->config) /
        ((kernel->format->ternary ? GUESS_PACK_TERNARY : GUESS_PACK_FLOATS) * n_cores);
    arm->predicted_bytes =
        (int64_t)(costs.linear_bytes + costs.head_bytes + costs.embedding_bytes + costs.norm_bytes +
                  tm_session_bytes(&m->config, kernel, head, &session, threads)) +
        TM_PROCESS_BYTES;
}

/* A peer loads its file once and reads it once per token. */
void tm_plan_predict_peer(const tm_plan_model *m, const tm_suite *suite, tm_arm *arm)
{
    struct stat st;
    double bytes = stat(arm->peer->file, &st) == 0 ? (double)st.st_size : 0;
    double macs = m->is_known ? (double)tm_config_linear_weights(&m->config) : 0;
    double threads = arm->cells[0].threads;
    arm->predicted_bytes = (int64_t)bytes + TM_PROCESS_BYTES;
    arm->predicted_seconds = GUESS_FIXED_SECONDS + bytes / GUESS_BYTES_PER_SECOND;
    for (int i = 0; i < arm->n_cells; i++)
        arm->predicted_seconds += (suite->repetitions + 1) *
                                  (arm->cells[i].n_prompt * macs / GUESS_MACS_PER_SECOND +
                                   arm->cells[i].n_gen * bytes / GUESS_BYTES_PER_SECOND) /
                                  threads;
}
