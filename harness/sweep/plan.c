#include "harness/sweep/plan.h"

#include "harness/machine/cpu_choice.h"
#include "harness/measure/shapes.h"
#include "harness/measure/worker.h"
#include "harness/sweep/plan_model.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State while the plan is made. */
typedef struct planner {
    const tm_suite *suite;
    const tm_machine *machine; /* as a process limited to `cpus` sees it */
    const tm_plan_options *options;
    tm_plan *plan;
    tm_tune_choices *open; /* not NULL: only list the choices that measuring decides */
    const char *cpus;      /* value of the axis; "": all */
} planner;

/* How the suite asks for an arm. */
typedef struct wanted {
    const char *kernel, *head; /* as written */
    const char *role;          /* TM_ROLE_BASELINE, or "" */
    int threads;
    bool threads_all; /* written as TM_THREADS_ALL */
} wanted;

/* Replaces *kernel by the fastest of the family, or lists the choice as open. */
static tm_status apply_choice(planner *p, const tm_plan_model *m, const char *family, int threads,
                              const tm_kernel **kernel, tm_error *err)
{
    if (tm_kernel_find(family)) return TM_OK; /* one kernel by name: nothing to choose */
    if (p->open)
        return tm_tune_choices_add(p->open, m->name, &m->config, family, threads, p->cpus, err);
    const tm_kernel *best =
        tm_tune_choices_find(p->options->choices, m->name, family, threads, p->cpus);
    if (best) *kernel = best;
    return TM_OK;
}

/* Like tm_kernels_resolve, but with the head that the suite names ("auto": the model's own), and
 * with the fastest kernel where a name leaves a choice. */
static tm_status choose_kernels(planner *p, tm_plan_model *m, const wanted *w,
                                const tm_kernel **kernel, const tm_kernel **head, tm_error *err)
{
    bool own_head = strcmp(w->head, "auto") == 0;
    bool named = strcmp(w->kernel, "auto") != 0;
    tm_model_families families;
    tm_source *source = m->is_known ? &m->source : NULL;
    tm_status status = tm_kernels_resolve(w->kernel, source, kernel, head, err);
    if (status == TM_OK && !own_head) status = tm_kernel_resolve(w->head, head, err);
    if (status != TM_OK || !source || m->skip[0]) return status;
    if (p->open) p->open->has_kernels = true;
    status = tm_plan_model_families(m, named ? *kernel : NULL, &families, err);
    if (status == TM_OK)
        status = apply_choice(p, m, named ? w->kernel : families.linear, w->threads, kernel, err);
    if (status == TM_OK)
        status = apply_choice(p, m, own_head ? families.head : w->head, w->threads, head, err);
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

static void check_memory(const tm_machine *machine, tm_arm *arm)
{
    if (arm->skip[0] || machine->memory_available_bytes < 0) return;
    if (arm->predicted_bytes <= machine->memory_available_bytes) return;
    snprintf(arm->skip, sizeof arm->skip, "needs %.1f GB, %.1f GB available (%s)",
             (double)arm->predicted_bytes * 1e-9, (double)machine->memory_available_bytes * 1e-9,
             machine->memory_limit);
}

/* Whether a number of threads is on the axis for the tests of its kind: prompts may have their own
 * axis. */
static bool has_threads(const planner *p, const tm_test *test, int threads)
{
    const tm_suite *suite = p->suite;
    bool batch = suite->n_threads_batch > 0 && test->n_gen == 0;
    const int *axis = batch ? suite->threads_batch : suite->threads;
    int n_axis = batch ? suite->n_threads_batch : suite->n_threads, n;
    if (suite->n_threads_batch == 0) return true;
    for (int i = 0; i < n_axis; i++)
        if (tm_plan_threads(axis[i], p->machine, true, &n, &(tm_error){0}) == TM_OK && n == threads)
            return true;
    return false;
}

/* A new arm with a cell for every test that is not excluded. *out: NULL if nothing was added; then
 * *index is the equal arm that is there already and may serve as a baseline, or -1. */
static tm_status new_arm(planner *p, const wanted *w, tm_cell cell, const char *build,
                         const char *identity, tm_arm **out, int *index, tm_error *err)
{
    const tm_suite *suite = p->suite;
    *out = NULL;
    *index = -1;
    snprintf(cell.cpus, sizeof cell.cpus, "%s", p->cpus);
    /* Two names on the axis may stand for one kernel. */
    for (int i = 0; i < p->plan->n_arms; i++) {
        tm_arm *there = &p->plan->arms[i];
        const tm_cell *have = &there->cells[0];
        if (strcmp(have->model, cell.model) == 0 && strcmp(have->kernel, cell.kernel) == 0 &&
            strcmp(have->head_kernel, cell.head_kernel) == 0 && have->threads == cell.threads &&
            strcmp(have->cpus, cell.cpus) == 0) {
            if (w->role[0]) *index = i;
            /* Keep the name that left a choice: the kernel has its own name anyway. */
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
    tm_cell_set_model(&cell, identity);
    for (int i = 0; i < suite->n_tests; i++) {
        char label[512];
        const tm_test *t = &suite->tests[i];
        if (!has_threads(p, t, w->threads)) continue;
        cell.n_prompt = t->n_prompt;
        cell.n_gen = t->n_gen;
        cell.depth = t->depth;
        cell.n_sequences = t->n_sequences;
        tm_test_name(t->n_prompt, t->n_gen, t->depth, t->n_sequences, cell.test, sizeof cell.test);
        if (p->options->setting)
            memcpy(cell.variant, p->options->setting->variant, sizeof cell.variant);
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

/* Adds the arm to the plan; returns its index. */
static int keep_arm(planner *p, tm_arm *arm)
{
    check_memory(p->machine, arm);
    arm->setting = p->options->setting;
    p->plan->n_cells += arm->n_cells;
    if (arm->skip[0]) p->plan->n_skipped_cells += arm->n_cells;
    return p->plan->n_arms++;
}

/* An arm of one of our kernels. *index: -1 if nothing was added. */
static tm_status add_arm(planner *p, tm_plan_model *m, const wanted *w, int *index, tm_error *err)
{
    const tm_kernel *kernel = NULL, *head = NULL;
    tm_cell cell = {.threads = w->threads};
    tm_arm *arm;
    char why[480] = "";
    *index = -1;
    tm_status status = choose_kernels(p, m, w, &kernel, &head, err);
    if (status == TM_ARG || status == TM_NOMEM) return status;
    if (p->open) return TM_OK;
    if (status != TM_OK) snprintf(why, sizeof why, "%s", err->message);
    if (m->skip[0]) memcpy(why, m->skip, sizeof why);
    snprintf(cell.engine, sizeof cell.engine, "%s", m->is_null ? "null" : "ternmark");
    snprintf(cell.model, sizeof cell.model, "%s", m->name);
    memcpy(cell.model_shape, m->shape, sizeof cell.model_shape);
    snprintf(cell.kernel, sizeof cell.kernel, "%s", kernel ? kernel->name : w->kernel);
    snprintf(cell.head_kernel, sizeof cell.head_kernel, "%s", head ? head->name : "");
    snprintf(cell.kernel_asked, sizeof cell.kernel_asked, "%s", w->kernel);
    snprintf(cell.head_asked, sizeof cell.head_asked, "%s", w->head);
    if (kernel)
        snprintf(cell.arithmetic, sizeof cell.arithmetic, "%s",
                 tm_arithmetic_name(tm_kernel_arithmetic(kernel)));
    snprintf(cell.role, sizeof cell.role, "%s",
             w->role[0]                                                           ? w->role
             : kernel && (kernel->format->ternary || kernel->format->block_trits) ? TM_ROLE_TERNARY
                                                                                  : "");
    status = new_arm(p, w, cell, p->options->build, m->identity, &arm, index, err);
    if (status != TM_OK || !arm) return status;
    memcpy(arm->skip, why, sizeof arm->skip);
    if (!why[0])
        tm_plan_predict(m, kernel, head, p->suite, p->options->energy, p->machine->n_cores, arm);
    *index = keep_arm(p, arm);
    return TM_OK;
}

/* An arm of another engine with its own file of the model. */
static tm_status add_peer(planner *p, tm_plan_model *m, const tm_peer *peer, const wanted *w,
                          int *index, tm_error *err)
{
    tm_cell cell = {.engine = TM_PEER_ENGINE, .threads = w->threads};
    char identity[256], build[32];
    tm_arm *arm;
    *index = -1;
    snprintf(cell.model, sizeof cell.model, "%s", m->name);
    memcpy(cell.model_shape, m->shape, sizeof cell.model_shape);
    snprintf(cell.kernel, sizeof cell.kernel, "%s", peer->name);
    snprintf(cell.kernel_asked, sizeof cell.kernel_asked, "%s", peer->name);
    snprintf(cell.role, sizeof cell.role, "%s", w->role[0] ? w->role : TM_ROLE_PEER);
    tm_status status = tm_peer_hash(peer, build, sizeof build, err);
    if (status == TM_OK)
        status = tm_model_identity(peer->file, p->options->seed, identity, sizeof identity, err);
    if (status == TM_OK) status = new_arm(p, w, cell, build, identity, &arm, index, err);
    if (status != TM_OK || !arm) return status;
    arm->peer = peer;
    if (w->threads > p->machine->n_cpus && !p->options->oversubscribe)
        memcpy(arm->skip, m->skip, sizeof arm->skip);
    tm_plan_predict_peer(m, p->suite, arm);
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
static tm_status add_named(planner *p, tm_plan_model *m, const wanted *w, int *index, tm_error *err)
{
    const tm_peer *peer = find_peer(p->options, w->kernel);
    *index = -1;
    if (peer && p->open) return TM_OK;
    return peer ? add_peer(p, m, peer, w, index, err) : add_arm(p, m, w, index, err);
}

/* Every kernel and head of one model on one number of threads, and the pairs they make. */
static tm_status add_group(planner *p, tm_plan_model *m, bool threads_all, int threads,
                           tm_error *err)
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
        /* The baseline keeps the head of its model. */
        if (strcmp(w.kernel, suite->baseline) == 0) continue;
        tm_status status = add_named(p, m, &w, &arm, err);
        if (status != TM_OK) return status;
        if (arm < 0) continue; /* the baseline itself, a duplicate, or excluded */
        tm_pair pair = {arm, -1, 0, 1};
        bool both =
            baseline >= 0 && !p->plan->arms[baseline].skip[0] && !p->plan->arms[arm].skip[0];
        if (both) pair = (tm_pair){baseline, arm, n++, 0};
        p->plan->pairs[p->plan->n_pairs++] = pair;
    }
    for (int i = first_pair; i < p->plan->n_pairs; i++)
        if (p->plan->pairs[i].b >= 0) p->plan->pairs[i].n = n;
    if (baseline >= 0 && n == 0) /* nothing to pair with */
        p->plan->pairs[p->plan->n_pairs++] = (tm_pair){baseline, -1, 0, 1};
    return TM_OK;
}

tm_status tm_plan_threads(int written, const tm_machine *machine, bool oversubscribe, int *out,
                          tm_error *err)
{
    int usable = machine->n_cpus;
    double quota = machine->cgroup.cpu_limit; /* more threads than this would only wait */
    int all = quota > 0 ? (int)fmin(ceil(quota), machine->n_cores) : machine->n_cores;
    *out = written == TM_THREADS_ALL ? all : written;
    if (*out < 1) return tm_fail(err, TM_ARG, "threads: %d is below 1", *out);
    if (*out > usable && !oversubscribe)
        return tm_fail(
            err, TM_ARG,
            "threads: %d exceeds the %d available CPU%s; use --oversubscribe to allow it", *out,
            usable, tm_plural(usable));
    return TM_OK;
}

static tm_status resolve_threads(const planner *p, int written, int *out, tm_error *err)
{
    return tm_plan_threads(written, p->machine, p->options->oversubscribe, out, err);
}

/* The numbers of threads of both axes, those of prompts last. */
static int written_threads(const tm_suite *suite, int t)
{
    return t < suite->n_threads ? suite->threads[t] : suite->threads_batch[t - suite->n_threads];
}

/* Whether some number of threads of the axis can run here, so that the others are only skipped. */
static bool has_threads_that_fit(const planner *p)
{
    int n;
    tm_error ignored;
    for (int t = 0; t < p->suite->n_threads + p->suite->n_threads_batch; t++)
        if (resolve_threads(p, written_threads(p->suite, t), &n, &ignored) == TM_OK) return true;
    return false;
}

/* Adds the cells of a number of threads that this machine lacks: why. */
static tm_status add_skipped_group(planner *p, tm_plan_model *m, int threads, const char *why,
                                   tm_error *err)
{
    char before[sizeof m->skip];
    if (p->open) return TM_OK; /* nothing to choose */
    memcpy(before, m->skip, sizeof before);
    if (!m->skip[0]) snprintf(m->skip, sizeof m->skip, "%s", why);
    tm_status status = add_group(p, m, false, threads, err);
    memcpy(m->skip, before, sizeof before);
    return status;
}

/* Every number of threads of one model on the CPUs of the planner. */
static tm_status add_threads(planner *p, tm_plan_model *m, tm_error *err)
{
    const tm_suite *suite = p->suite;
    int seen[2 * TM_SUITE_MAX];
    tm_status status = TM_OK;
    for (int t = 0; t < suite->n_threads + suite->n_threads_batch && status == TM_OK; t++) {
        int k = 0, written = written_threads(suite, t);
        status = resolve_threads(p, written, &seen[t], err);
        while (k < t && seen[k] != seen[t]) k++; /* "all" may equal a number of the axis */
        if (status != TM_OK && seen[t] >= 1 && has_threads_that_fit(p))
            status = k == t ? add_skipped_group(p, m, seen[t], err->message, err) : TM_OK;
        else if (status == TM_OK && k == t)
            status = add_group(p, m, written == TM_THREADS_ALL, seen[t], err);
    }
    return status;
}

static tm_status add_model(planner *p, const char *name, tm_error *err)
{
    tm_plan_model m;
    const tm_suite *suite = p->suite;
    const tm_machine *whole = p->machine;
    tm_machine *limited = malloc(sizeof *limited);
    if (!limited) return tm_fail(err, TM_NOMEM, "no memory for a machine");
    tm_status status = tm_plan_model_open(name, p->options, &m, err);
    for (int i = 0; status == TM_OK && (i < suite->n_cpus || i == 0); i++) {
        tm_cpu_choice chosen;
        p->cpus =
            i < suite->n_cpus && strcmp(suite->cpus[i], TM_CORES_ALL) != 0 ? suite->cpus[i] : "";
        status = tm_cpu_choice_open(p->cpus, &chosen, err);
        if (status == TM_OK && chosen.n_cpus > 0) {
            *limited = *whole;
            limited->n_cpus = chosen.n_cpus;
            limited->n_cores = chosen.n_cores;
            p->machine = limited;
        } else {
            p->machine = whole;
        }
        tm_cpu_choice_close(&chosen);
        if (status == TM_OK) status = add_threads(p, &m, err);
    }
    p->machine = whole;
    free(limited);
    tm_plan_model_close(&m);
    return status;
}

static tm_status add_models(planner *p, tm_error *err)
{
    tm_status status = tm_suite_check(p->suite, err);
    for (int i = 0; i < p->suite->n_models && status == TM_OK; i++)
        status = add_model(p, p->suite->models[i], err);
    return status;
}

tm_status tm_plan_list_choices(const tm_suite *suite, const tm_machine *machine,
                               const tm_plan_options *options, tm_tune_choices *out, tm_error *err)
{
    tm_plan none = {0};
    planner p = {
        .suite = suite, .machine = machine, .options = options, .plan = &none, .open = out};
    *out = (tm_tune_choices){0};
    tm_status status = add_models(&p, err);
    if (status != TM_OK) tm_tune_choices_free(out);
    return status;
}

tm_status tm_plan_make(const tm_suite *suite, const tm_machine *machine,
                       const tm_plan_options *options, tm_plan *out, tm_error *err)
{
    planner p = {.suite = suite, .machine = machine, .options = options, .plan = out};
    *out = (tm_plan){.choices = options->choices};
    /* At most 64 x 128 x 8 x (64 x 64 + 65): one arm more per group for the baseline. */
    size_t n_heads = suite->n_head_kernels > 0 ? (size_t)suite->n_head_kernels : 1;
    size_t room = (size_t)suite->n_models * (size_t)(suite->n_threads + suite->n_threads_batch) *
                  (size_t)(suite->n_cpus > 0 ? suite->n_cpus : 1) *
                  ((size_t)suite->n_kernels * n_heads + (size_t)options->n_peers + 1);
    out->arms = calloc(room + 1, sizeof *out->arms);
    out->pairs = calloc(room + 1, sizeof *out->pairs);
    tm_status status = TM_OK;
    if (!out->arms || !out->pairs)
        status = tm_fail(err, TM_NOMEM, "no memory for a plan of %zu arms", room);
    if (status == TM_OK) status = add_models(&p, err);
    if (status == TM_OK && out->n_cells == 0)
        status = tm_fail(err, TM_ARG, "the suite \"%s\" is empty: %s", suite->name,
                         options->only ? "no label of a cell contains the text of --only"
                                       : "its excludes leave no cell");
    if (status != TM_OK) tm_plan_free(out);
    return status;
}

tm_status tm_plan_join(tm_plan *a, tm_plan *b, tm_plan *out, tm_error *err)
{
    const int n = a->n_arms;
    *out = (tm_plan){.choices = a->choices};
    if (n != b->n_arms)
        return tm_fail(err, TM_ARG,
                       "A has %d combinations of model, kernel and threads, B has %d; each of A "
                       "needs one of B to be compared with",
                       n, b->n_arms);
    out->arms = calloc(2 * (size_t)n + 1, sizeof *out->arms);
    out->pairs = calloc((size_t)n + 1, sizeof *out->pairs);
    if (!out->arms || !out->pairs) {
        tm_plan_free(out);
        return tm_fail(err, TM_NOMEM, "no memory for a plan of %d arms", 2 * n);
    }
    for (int i = 0; i < n; i++) {
        out->arms[2 * i] = a->arms[i];
        out->arms[2 * i + 1] = b->arms[i];
        /* Numbers of processes count within a model and its threads: here within one pair. */
        out->pairs[i] = (tm_pair){2 * i, 2 * i + 1, 0, 1};
    }
    out->n_arms = 2 * n;
    out->n_pairs = n;
    out->n_cells = a->n_cells + b->n_cells;
    out->n_skipped_cells = a->n_skipped_cells + b->n_skipped_cells;
    a->n_arms = b->n_arms = 0; /* moved */
    tm_plan_free(a);
    tm_plan_free(b);
    return TM_OK;
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
