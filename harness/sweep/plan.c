#include "harness/sweep/plan.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "harness/measure/bench.h"
#include "harness/tune/prefetch.h"
#include "harness/measure/profile.h"
#include "harness/measure/shapes.h"
#include "harness/measure/backend_null.h"
#include "harness/measure/worker.h"

/* Guesses for the time of a process that has not run yet, per thread: a slow server core. They only
 * serve --dry-run and the first estimates; what ran replaces them. */
#define GUESS_BYTES_PER_SECOND 10e9
#define GUESS_MACS_PER_SECOND  40e9  /* prompts, ternary or not */
#define GUESS_PACK_TERNARY     500e6 /* weights per second and core */
#define GUESS_PACK_FLOATS      100e6
#define GUESS_FIXED_SECONDS    0.5

/* Everything that is the same for all cells of a model. */
typedef struct model {
    const char *name;
    bool is_null;
    int64_t null_ns;
    bool known; /* config is */
    tm_source source;
    tm_config config;
    char identity[256];
    char skip[480];
} model;

static tm_status open_model(const char *name, const tm_plan_options *options, model *out,
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
        out->known = true;
    }
    if (status == TM_OK)
        status = tm_model_identity(name, seed, out->identity, sizeof out->identity, err);
    if (status == TM_ARG || status == TM_NOMEM || status == TM_OK || options->need_models)
        return status;
    /* A file that is not there or not a model: its cells say so, the others run. */
    snprintf(out->skip, sizeof out->skip, "%s", err->message);
    snprintf(out->identity, sizeof out->identity, "unreadable");
    return TM_OK;
}

static void close_model(model *m)
{
    if (m->known) tm_source_close(&m->source);
}

/* What "auto" means for a model; without a source (a fake backend), a ternary one. kernel: the named
 * one of the linear weights, or NULL. */
static tm_status families_of(tm_source *source, const tm_kernel *kernel, tm_model_families *out,
                             tm_error *err)
{
    *out = (tm_model_families){"ternary", "f16"};
    return source ? tm_model_auto(source, kernel, out, err) : TM_OK;
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

/* State while the plan grows. */
typedef struct planner {
    const tm_suite *suite;
    const tm_machine *env;
    const tm_plan_options *options;
    tm_plan *plan;
    bool has_prefetch; /* the distance is chosen: once, before the first kernels are compared */
} planner;

/* How an arm was asked for. */
typedef struct wanted {
    const char *kernel, *head; /* as written */
    const char *role;          /* "baseline", or "" */
    int threads;
    bool threads_all; /* written as TM_THREADS_ALL */
} wanted;

/* The same with a head of the user's choice ("auto": the model's own), and where a name leaves a
 * choice, the kernels measured to be fastest here. */
static tm_status choose_kernels(planner *p, model *m, const wanted *w, const tm_kernel **kernel,
                                const tm_kernel **head, tm_error *err)
{
    bool own_head = strcmp(w->head, "auto") == 0;
    bool named = strcmp(w->kernel, "auto") != 0;
    tm_model_families families;
    const tm_tuner *choice = p->options->choice;
    tm_source *source = m->known ? &m->source : NULL;
    tm_status status = tm_kernels_resolve(w->kernel, source, kernel, head, err);
    if (status == TM_OK && !own_head) status = tm_kernel_resolve(w->head, head, err);
    if (status != TM_OK || !choice || !source || m->skip[0]) return status;
    if (!p->has_prefetch) tm_prefetch_choose(choice);
    p->has_prefetch = true;
    status = families_of(source, named ? *kernel : NULL, &families, err);
    if (status != TM_OK) return status;
    const char *family = named ? w->kernel : families.linear;
    const char *head_family = own_head ? families.head : w->head;
    if (!tm_kernel_find(family))
        status = tm_tuner_choose(choice, m->name, &m->config, family, w->threads, kernel, err);
    if (status == TM_OK && !tm_kernel_find(head_family))
        status = tm_tuner_choose(choice, m->name, &m->config, head_family, w->threads, head, err);
    return status;
}

static bool is_test(const char *pattern, const char *test)
{
    size_t n = strlen(pattern);
    if (n > 0 && pattern[n - 1] == '*') return strncmp(pattern, test, n - 1) == 0;
    return strcmp(pattern, test) == 0;
}

static bool is_excluded(const tm_suite *suite, const tm_cell *cell, const char *kernel_as_written,
                        bool threads_all)
{
    for (int i = 0; i < suite->n_excludes; i++) {
        const tm_exclude *x = &suite->excludes[i];
        bool kernel = !x->kernel[0] || strcmp(x->kernel, cell->kernel) == 0 ||
                      strcmp(x->kernel, kernel_as_written) == 0;
        bool threads = x->threads < 0 || x->threads == cell->threads ||
                       (x->threads == TM_THREADS_ALL && threads_all);
        if ((!x->model[0] || strcmp(x->model, cell->model) == 0) && kernel && threads &&
            (!x->test[0] || is_test(x->test, cell->test)))
            return true;
    }
    return false;
}

int tm_plan_profile_pairs(const tm_suite *suite)
{
    if (!suite->profile) return 0;
    return suite->repetitions < TM_WORKER_PROFILE_PAIRS ? suite->repetitions
                                                        : TM_WORKER_PROFILE_PAIRS;
}

/* What an arm's process will need and take. */
static void predict(const model *m, const tm_kernel *kernel, const tm_kernel *head, tm_arm *arm,
                    const tm_suite *suite, bool energy, int n_cores)
{
    int threads = arm->cells[0].threads, n_windows = 0, n_pairs = tm_plan_profile_pairs(suite);
    tm_session_options session;
    tm_test tests[TM_SUITE_MAX];
    double seconds = GUESS_FIXED_SECONDS;
    tm_costs costs = {0};
    if (m->known) costs = tm_model_costs(&m->config, kernel, head, true);
    for (int i = 0; i < arm->n_cells; i++) {
        const tm_cell *c = &arm->cells[i];
        tests[i] = (tm_test){c->n_prompt, c->n_gen, c->depth, c->n_sequences};
    }
    tm_worker_sizes(tests, arm->n_cells, &session);
    session.f16_kv = true;
    for (int i = 0; i < arm->n_cells; i++) {
        double bytes, macs, tokens = tm_test_tokens(&tests[i]);
        tm_bench_costs(&costs, session.n_batch, &tests[i], &bytes, &macs);
        double read = bytes * tokens / (GUESS_BYTES_PER_SECOND * threads);
        double multiply = macs * tokens / (GUESS_MACS_PER_SECOND * threads);
        double once = read > multiply ? read : multiply;
        if (m->is_null) once = (double)m->null_ns * 1e-9 * tokens;
        seconds += once * (suite->repetitions + suite->warmup);
        if (n_pairs > 0 && !m->is_null) seconds += once * TM_PROFILE_RUNS(n_pairs);
        n_windows += (tests[i].n_prompt > 0) + (tests[i].n_gen > 0);
        if (energy) seconds += once; /* what a window's last repetition may pass its end by */
    }
    if (energy) seconds += tm_energy_source_predict_seconds(&suite->energy, n_windows);
    arm->predicted_seconds = seconds;
    if (!m->known) return;
    arm->predicted_seconds +=
        (double)tm_config_linear_weights(&m->config) /
        ((kernel->format->ternary ? GUESS_PACK_TERNARY : GUESS_PACK_FLOATS) * n_cores);
    arm->predicted_bytes =
        (int64_t)(costs.linear_bytes + costs.head_bytes + costs.embedding_bytes + costs.norm_bytes +
                  tm_session_bytes(&m->config, kernel, head, &session, threads)) +
        TM_PROCESS_BYTES;
}

static void check_memory(const tm_machine *env, tm_arm *arm)
{
    if (arm->skip[0] || env->memory_available_bytes < 0) return;
    if (arm->predicted_bytes <= env->memory_available_bytes) return;
    snprintf(arm->skip, sizeof arm->skip, "needs %.1f GB, %.1f GB available (%s)",
             (double)arm->predicted_bytes * 1e-9, (double)env->memory_available_bytes * 1e-9,
             env->memory_limit);
}

/* A new arm for every test that is wanted of this cell. *arm: NULL where nothing was added: then *index is
 * the arm that is there already and may serve as a baseline, or -1. */
static tm_status new_arm(planner *p, const wanted *w, tm_cell cell, const char *build,
                         const char *identity, tm_arm **out, int *index, tm_error *err)
{
    const tm_suite *suite = p->suite;
    *out = NULL;
    *index = -1;
    /* Two names on the axis may stand for one kernel. */
    for (int i = 0; i < p->plan->n_arms; i++) {
        tm_arm *there = &p->plan->arms[i];
        const tm_cell *have = &there->cells[0];
        if (strcmp(have->model, cell.model) == 0 && strcmp(have->kernel, cell.kernel) == 0 &&
            strcmp(have->head_kernel, cell.head_kernel) == 0 && have->threads == cell.threads) {
            if (w->role[0]) *index = i;
            /* A name that leaves a choice says more than the kernel's own, which is seen anyway. */
            if (strcmp(have->kernel_asked, have->kernel) == 0 &&
                strcmp(have->role, TM_ROLE_BASELINE) != 0)
                for (int k = 0; k < there->n_cells; k++)
                    memcpy(there->cells[k].kernel_asked, cell.kernel_asked,
                           sizeof cell.kernel_asked);
            return TM_OK;
        }
    }
    tm_arm *arm = &p->plan->arms[p->plan->n_arms];
    arm->cells = calloc((size_t)suite->n_tests, sizeof *arm->cells);
    arm->cell_ids = calloc((size_t)suite->n_tests, sizeof *arm->cell_ids);
    if (!arm->cells || !arm->cell_ids) {
        free(arm->cells);
        free(arm->cell_ids);
        return tm_fail(err, TM_NOMEM, "no memory for %d cells", suite->n_tests);
    }
    for (int i = 0; i < suite->n_tests; i++) {
        char label[512];
        const tm_test *t = &suite->tests[i];
        cell.n_prompt = t->n_prompt;
        cell.n_gen = t->n_gen;
        cell.depth = t->depth;
        cell.n_sequences = t->n_sequences;
        tm_test_name(t->n_prompt, t->n_gen, t->depth, t->n_sequences, cell.test, sizeof cell.test);
        if (is_excluded(suite, &cell, w->kernel, w->threads_all)) continue;
        if (p->options->only &&
            !strstr(tm_cell_label(&cell, label, sizeof label), p->options->only))
            continue;
        arm->cells[arm->n_cells] = cell;
        tm_cell_id(&cell, build, identity, arm->cell_ids[arm->n_cells]);
        arm->n_cells++;
    }
    if (arm->n_cells == 0) { /* all excluded */
        free(arm->cells);
        free(arm->cell_ids);
        memset(arm, 0, sizeof *arm);
        return TM_OK;
    }
    *out = arm;
    return TM_OK;
}

/* Counts it in; returns its index. */
static int keep_arm(planner *p, tm_arm *arm)
{
    check_memory(p->env, arm);
    p->plan->n_cells += arm->n_cells;
    if (arm->skip[0]) p->plan->n_skipped_cells += arm->n_cells;
    return p->plan->n_arms++;
}

/* One of our kernels. *index: -1 when nothing was added. */
static tm_status add_arm(planner *p, model *m, const wanted *w, int *index, tm_error *err)
{
    const tm_kernel *kernel = NULL, *head = NULL;
    tm_cell cell = {.threads = w->threads};
    tm_arm *arm;
    char why[480] = "";
    *index = -1;
    tm_status status = choose_kernels(p, m, w, &kernel, &head, err);
    if (status == TM_ARG || status == TM_NOMEM || status == TM_INTERRUPTED) return status;
    if (status != TM_OK) snprintf(why, sizeof why, "%s", err->message);
    if (m->skip[0]) memcpy(why, m->skip, sizeof why);
    snprintf(cell.engine, sizeof cell.engine, "%s", m->is_null ? "null" : "ternmark");
    snprintf(cell.model, sizeof cell.model, "%s", m->name);
    snprintf(cell.kernel, sizeof cell.kernel, "%s", kernel ? kernel->name : w->kernel);
    snprintf(cell.head_kernel, sizeof cell.head_kernel, "%s", head ? head->name : "");
    snprintf(cell.kernel_asked, sizeof cell.kernel_asked, "%s", w->kernel);
    snprintf(cell.head_asked, sizeof cell.head_asked, "%s", w->head);
    snprintf(cell.role, sizeof cell.role, "%s",
             w->role[0]                                                           ? w->role
             : kernel && (kernel->format->ternary || kernel->format->block_trits) ? TM_ROLE_TERNARY
                                                                                  : "");
    status = new_arm(p, w, cell, p->options->build, m->identity, &arm, index, err);
    if (status != TM_OK || !arm) return status;
    memcpy(arm->skip, why, sizeof arm->skip);
    if (!why[0]) predict(m, kernel, head, arm, p->suite, p->options->energy, p->env->n_cores);
    *index = keep_arm(p, arm);
    return TM_OK;
}

/* What another engine needs and takes: its file in memory, read once per token and once to load it. */
static void predict_peer(const model *m, tm_arm *arm, const tm_suite *suite)
{
    struct stat st;
    double bytes = stat(arm->peer->file, &st) == 0 ? (double)st.st_size : 0;
    double macs = m->known ? (double)tm_config_linear_weights(&m->config) : 0;
    double threads = arm->cells[0].threads;
    arm->predicted_bytes = (int64_t)bytes + TM_PROCESS_BYTES;
    arm->predicted_seconds = GUESS_FIXED_SECONDS + bytes / GUESS_BYTES_PER_SECOND;
    for (int i = 0; i < arm->n_cells; i++)
        arm->predicted_seconds += (suite->repetitions + 1) *
                                  (arm->cells[i].n_prompt * macs / GUESS_MACS_PER_SECOND +
                                   arm->cells[i].n_gen * bytes / GUESS_BYTES_PER_SECOND) /
                                  threads;
}

/* Another engine with its own file of the model. */
static tm_status add_peer(planner *p, model *m, const tm_peer *peer, const wanted *w, int *index,
                          tm_error *err)
{
    tm_cell cell = {.engine = TM_PEER_ENGINE, .threads = w->threads};
    char identity[256], build[32];
    tm_arm *arm;
    *index = -1;
    snprintf(cell.model, sizeof cell.model, "%s", m->name);
    snprintf(cell.kernel, sizeof cell.kernel, "%s", peer->name);
    snprintf(cell.kernel_asked, sizeof cell.kernel_asked, "%s", peer->name);
    snprintf(cell.role, sizeof cell.role, "%s", w->role[0] ? w->role : TM_ROLE_PEER);
    tm_status status = tm_build_hash(peer->program, build, sizeof build, err);
    if (status == TM_OK)
        status = tm_model_identity(peer->file, p->options->seed, identity, sizeof identity, err);
    if (status == TM_OK) status = new_arm(p, w, cell, build, identity, &arm, index, err);
    if (status != TM_OK || !arm) return status;
    arm->peer = peer;
    predict_peer(m, arm, p->suite);
    *index = keep_arm(p, arm);
    return TM_OK;
}

static const tm_peer *find_peer(const tm_plan_options *options, const char *name)
{
    for (int i = 0; i < options->n_peers; i++)
        if (strcmp(options->peers[i].name, name) == 0) return &options->peers[i];
    return NULL;
}

/* A kernel of ours or a peer, by the name on the axis. */
static tm_status add_named(planner *p, model *m, const wanted *w, int *index, tm_error *err)
{
    const tm_peer *peer = find_peer(p->options, w->kernel);
    return peer ? add_peer(p, m, peer, w, index, err) : add_arm(p, m, w, index, err);
}

/* Every kernel and head of one model on one number of threads, and the pairs they make. */
static tm_status add_group(planner *p, model *m, bool threads_all, int threads, tm_error *err)
{
    const tm_suite *suite = p->suite;
    wanted w = {suite->baseline, "auto", TM_ROLE_BASELINE, threads, threads_all};
    int baseline = -1, n = 0, first_pair = p->plan->n_pairs;
    if (suite->baseline[0]) {
        tm_status status = add_named(p, m, &w, &baseline, err);
        if (status != TM_OK) return status;
    }
    int n_heads = suite->n_head_kernels > 0 ? suite->n_head_kernels : 1;
    for (int i = 0; i < (suite->n_kernels + p->options->n_peers) * n_heads; i++) {
        int arm, k = i / n_heads;
        w.role = "";
        w.head = suite->n_head_kernels > 0 ? suite->head_kernels[i % n_heads] : "auto";
        w.kernel =
            k < suite->n_kernels ? suite->kernels[k] : p->options->peers[k - suite->n_kernels].name;
        /* The baseline is a model as it is: the choice of heads is not for it. */
        if (strcmp(w.kernel, suite->baseline) == 0) continue;
        tm_status status = add_named(p, m, &w, &arm, err);
        if (status != TM_OK) return status;
        if (arm < 0) continue; /* the baseline itself, a double, or excluded */
        tm_pair pair = {arm, -1, 0, 1};
        bool both =
            baseline >= 0 && !p->plan->arms[baseline].skip[0] && !p->plan->arms[arm].skip[0];
        if (both) pair = (tm_pair){baseline, arm, n++, 0};
        p->plan->pairs[p->plan->n_pairs++] = pair;
    }
    for (int i = first_pair; i < p->plan->n_pairs; i++)
        if (p->plan->pairs[i].b >= 0) p->plan->pairs[i].n = n;
    if (baseline >= 0 && n == 0) /* nothing to pair it with */
        p->plan->pairs[p->plan->n_pairs++] = (tm_pair){baseline, -1, 0, 1};
    return TM_OK;
}

static tm_status resolve_threads(const planner *p, int written, int *out, tm_error *err)
{
    int usable = p->env->n_cpus;
    *out = written == TM_THREADS_ALL ? p->env->n_cores : written;
    if (*out < 1) return tm_fail(err, TM_ARG, "threads: %d is below 1", *out);
    if (*out > usable && !p->options->oversubscribe)
        return tm_fail(err, TM_ARG,
                       "threads: %d asked for, %d CPU%s usable here; --oversubscribe allows more",
                       *out, usable, usable == 1 ? "" : "s");
    return TM_OK;
}

static tm_status add_model(planner *p, const char *name, tm_error *err)
{
    model m;
    int seen[TM_SUITE_MAX];
    tm_status status = open_model(name, p->options, &m, err);
    for (int t = 0; t < p->suite->n_threads && status == TM_OK; t++) {
        int k = 0;
        status = resolve_threads(p, p->suite->threads[t], &seen[t], err);
        while (k < t && seen[k] != seen[t]) k++; /* "all" may be a number that is there already */
        if (status == TM_OK && k == t)
            status = add_group(p, &m, p->suite->threads[t] == TM_THREADS_ALL, seen[t], err);
    }
    close_model(&m);
    return status;
}

tm_status tm_plan_make(const tm_suite *suite, const tm_machine *env, const tm_plan_options *options,
                       tm_plan *out, tm_error *err)
{
    planner p = {suite, env, options, out, false};
    memset(out, 0, sizeof *out);
    tm_status status = tm_suite_check(suite, err);
    if (status != TM_OK) return status;
    /* At most 64 x 64 x (64 x 64 + 65): one arm more per model and threads for the baseline. */
    size_t n_heads = suite->n_head_kernels > 0 ? (size_t)suite->n_head_kernels : 1;
    size_t room = (size_t)suite->n_models * (size_t)suite->n_threads *
                  ((size_t)suite->n_kernels * n_heads + (size_t)options->n_peers + 1);
    out->arms = calloc(room, sizeof *out->arms);
    out->pairs = calloc(room, sizeof *out->pairs);
    if (!out->arms || !out->pairs) {
        status = tm_fail(err, TM_NOMEM, "no memory for a plan of %zu arms", room);
        goto fail;
    }
    for (int i = 0; i < suite->n_models && status == TM_OK; i++)
        status = add_model(&p, suite->models[i], err);
    if (status == TM_OK && out->n_cells == 0)
        status = tm_fail(err, TM_ARG, "the suite \"%s\" is empty: %s", suite->name,
                         options->only ? "no cell's name contains what --only asks for"
                                       : "its excludes leave no cell");
    if (status == TM_OK && options->choice && !p.has_prefetch)
        tm_json_put_missing(env->environment, "prefetch_bytes", "no kernel of ours runs");
    if (status == TM_OK) return TM_OK;
fail:
    tm_plan_free(out);
    return status;
}

void tm_plan_free(tm_plan *plan)
{
    for (int i = 0; i < plan->n_arms; i++) {
        free(plan->arms[i].cells);
        free(plan->arms[i].cell_ids);
    }
    free(plan->arms);
    free(plan->pairs);
    memset(plan, 0, sizeof *plan);
}
