#include "harness/cli/reproduce_run.h"

#include "harness/base/user_file.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/progress.h"
#include "harness/measure/shapes.h"
#include "reports/arms.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of --quick. The smallest models whose least pairs fit into the budget run. */
#define QUICK_PROCESSES   6
#define QUICK_REPETITIONS 2
#define QUICK_PROMPT      64 /* tokens */
#define QUICK_GENERATED   16
#define FULL_PROCESSES    10
#define FULL_REPETITIONS  3
#define FULL_LENGTH       128 /* where the source states none */
#define MIN_PAIRS         4   /* fewer give no interval */

/* A kernel that this machine lacks exists as well. */
static tm_status check_kernel(const tm_claim_group *g, const char *name, tm_error *err)
{
    const tm_kernel *kernel;
    if (!name[0] || strcmp(name, TM_CLAIM_TERNARY) == 0) return TM_OK;
    tm_status status = tm_kernel_resolve(name, &kernel, err);
    if (status == TM_OK || status == TM_UNSUPPORTED) return TM_OK;
    return tm_fail_in(err, "claims \"%s\"", g->id);
}

tm_status tm_reproduce_load(const char *path, const tm_published *published, tm_claims *out,
                            tm_error *err)
{
    char *text = NULL;
    size_t length;
    *out = (tm_claims){0};
    tm_status status;
    if (path) {
        status = tm_user_file_read_all(path, &text, &length, err);
        if (status == TM_OK) status = tm_claims_parse(text, length, path, published, out, err);
        free(text);
    } else {
        status = tm_claims_load(published, out, err);
    }
    for (int i = 0; i < out->n_groups && status == TM_OK; i++) {
        status = check_kernel(&out->groups[i], out->groups[i].kernel, err);
        if (status == TM_OK) status = check_kernel(&out->groups[i], out->groups[i].baseline, err);
    }
    for (int i = 0; i < out->n && status == TM_OK; i++) {
        tm_config config;
        const tm_claim *claim = &out->items[i];
        if (!claim->shape[0] || strcmp(claim->shape, TM_CLAIM_ANY_SHAPE) == 0) continue;
        status = tm_shape_config(claim->shape, &config, err);
        if (status != TM_OK) status = tm_fail_in(err, "claim \"%s\"", claim->id);
    }
    return status;
}

/* Whether measuring here can answer the claim. */
static bool can_test(const tm_claim *claim, const tm_machine *machine)
{
    const tm_claim_group *g = claim->group;
    return !g->not_measured[0] && !g->not_comparable[0] && isfinite(claim->low) &&
           claim->shape[0] && strcmp(claim->shape, TM_CLAIM_ANY_SHAPE) != 0 &&
           strcmp(g->machine, machine->architecture.value) == 0 &&
           strstr(machine->cpu_model, g->cpu) && claim->threads <= machine->n_cpus;
}

static tm_status add_test(const tm_claim *claim, bool is_full, tm_suite *out, tm_error *err)
{
    const tm_claim_group *g = claim->group;
    char test[24];
    int length = g->length ? g->length : FULL_LENGTH;
    /* A ratio hardly depends on the length, an absolute value does. */
    if (!is_full && (tm_claim_is_relative(g->metric) || !g->length))
        length = g->is_prompt ? QUICK_PROMPT : QUICK_GENERATED;
    snprintf(test, sizeof test, "%s%d", g->is_prompt ? "pp" : "tg", length);
    return tm_suite_add_tests(out, test, err);
}

static tm_status add_claim(const tm_claim *claim, bool is_full, tm_suite *out, tm_error *err)
{
    const tm_claim_group *g = claim->group;
    char threads[16] = "all";
    if (claim->threads) snprintf(threads, sizeof threads, "%d", claim->threads);
    tm_status status = tm_suite_add_threads(out, threads, err);
    if (status == TM_OK) status = tm_suite_add_kernels(out, g->kernel, err);
    if (status == TM_OK && g->baseline[0]) status = tm_suite_add_kernels(out, g->baseline, err);
    return status == TM_OK ? add_test(claim, is_full, out, err) : status;
}

/* The models of the claims, the smallest first. wanted: [shapes->n]. */
static tm_status add_models(const tm_shapes *shapes, bool *wanted, tm_suite *out, tm_error *err)
{
    for (;;) {
        const tm_shape *least = NULL;
        char name[80];
        for (int i = 0; i < shapes->n; i++)
            if (wanted[i] && (!least || shapes->items[i].linear_weights < least->linear_weights))
                least = &shapes->items[i];
        if (!least) return TM_OK;
        wanted[least - shapes->items] = false;
        snprintf(name, sizeof name, "synth:%s",
                 least->short_name[0] ? least->short_name : least->name);
        tm_status status = tm_suite_add_models(out, name, err);
        if (status != TM_OK) return status;
    }
}

tm_status tm_reproduce_suite(const tm_claims *claims, const char *paper,
                             const tm_reproduce_options *o, tm_suite *out, int *n_claims,
                             tm_error *err)
{
    tm_shapes shapes;
    tm_suite_init(out);
    *n_claims = 0;
    snprintf(out->name, sizeof out->name, "reproduce-%s", paper);
    snprintf(out->description, sizeof out->description, "claims of %s", paper);
    out->processes = o->is_full ? FULL_PROCESSES : QUICK_PROCESSES;
    out->repetitions = o->is_full ? FULL_REPETITIONS : QUICK_REPETITIONS;
    out->min_pairs = MIN_PAIRS;
    strcpy(out->baseline, TM_CLAIM_F16);
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    bool *wanted = calloc((size_t)shapes.n + 1, sizeof *wanted);
    if (!wanted) status = tm_fail(err, TM_NOMEM, "no memory for %d shapes", shapes.n);
    if (status == TM_OK) status = tm_suite_add_kernels(out, TM_CLAIM_F16, err);
    for (int i = 0; i < claims->n && status == TM_OK; i++) {
        const tm_claim *claim = &claims->items[i];
        if (strcmp(claim->group->paper, paper) != 0 || !can_test(claim, o->machine)) continue;
        const tm_shape *shape = tm_shapes_find(&shapes, claim->shape);
        if (!shape || !shape->is_supported) continue;
        wanted[shape - shapes.items] = true;
        ++*n_claims;
        status = add_claim(claim, o->is_full, out, err);
    }
    if (status == TM_OK && o->models && *n_claims)
        status = tm_suite_add_models(out, o->models, err);
    else if (status == TM_OK)
        status = add_models(&shapes, wanted, out, err);
    free(wanted);
    tm_shapes_free(&shapes);
    return status == TM_OK ? tm_energy_adjust(o->energy, out, err) : status;
}

/* Leaves out the largest models whose least pairs do not fit into the seconds, by the plan's guess,
 * before their kernels are compared. One model stays. */
static tm_status shorten(tm_suite *suite, const tm_plan_options *options, const tm_machine *machine,
                         double seconds, tm_error *err)
{
    tm_plan plan = {0};
    tm_status status = tm_plan_make(suite, machine, options, &plan, err);
    double sum = 0;
    int n = 0;
    for (; n < suite->n_models && status == TM_OK && sum <= seconds; n++)
        for (int i = 0; i < plan.n_pairs; i++) {
            const tm_pair *pair = &plan.pairs[i];
            const tm_arm *a = &plan.arms[pair->a];
            if (strcmp(a->cells[0].model, suite->models[n]) != 0) continue;
            sum += MIN_PAIRS * a->predicted_seconds;
            if (pair->b >= 0) sum += MIN_PAIRS * plan.arms[pair->b].predicted_seconds;
        }
    if (status == TM_OK && sum > seconds && n > 1) suite->n_models = n - 1;
    tm_plan_free(&plan);
    return status;
}

tm_status tm_reproduce_measure(tm_suite *suite, const tm_reproduce_options *o, double last_seconds,
                               tm_sweep_outcome *outcome, tm_error *err)
{
    char build[32];
    tm_plan plan = {0};
    tm_tune_choices choices = {0};
    tm_progress progress;
    *outcome = (tm_sweep_outcome){0};
    suite->time_budget_seconds = last_seconds;
    tm_progress_init(&progress, o->quiet);
    const tm_tuner tuner = {.build = build,
                            .machine = o->machine,
                            .seed = 1,
                            .measure = true,
                            .interrupt = o->interrupt,
                            .note = o->quiet ? NULL : tm_progress_note,
                            .note_arg = &progress};
    tm_plan_options options = {.seed = 1,
                               .build = build,
                               .peers = o->peers->items,
                               .n_peers = o->peers->n,
                               .energy = o->meter->source[0] != 0};
    const int n_models = suite->n_models;
    const double spent = (double)(tm_now_ns() - o->begin_ns) * 1e-9;
    tm_status status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK && last_seconds > 0)
        status = shorten(suite, &options, o->machine, last_seconds - spent, err);
    if (suite->n_models < n_models && !o->quiet) {
        char note[700];
        snprintf(note, sizeof note,
                 "%s and larger models left out: %d pairs of each do not fit into the time budget",
                 suite->models[suite->n_models], MIN_PAIRS);
        tm_progress_note(&progress, note);
    }
    options.choices = &choices;
    if (status == TM_OK) status = tm_plan_list_choices(suite, o->machine, &options, &choices, err);
    if (status == TM_OK) status = tm_tune_resolve(&tuner, &choices, err);
    if (status == TM_OK) status = tm_plan_make(suite, o->machine, &options, &plan, err);
    tm_plan_roofline_request limits = {
        .command = "reproduce", .machine = o->machine, .plan = &plan, .interrupt = o->interrupt};
    const tm_sweep_options sweep = {.suite = suite,
                                    .machine = o->machine,
                                    .plan = &plan,
                                    .store_path = o->store,
                                    .build = build,
                                    .limits = tm_plan_roofline_of_run,
                                    .limits_arg = &limits,
                                    .energy = o->meter,
                                    .seed = 1,
                                    .spent_seconds = (double)(tm_now_ns() - o->begin_ns) * 1e-9,
                                    .interrupt = o->interrupt,
                                    .on_event = tm_progress_event,
                                    .on_event_arg = &progress};
    if (status == TM_OK) status = tm_sweep_run(&sweep, outcome, err);
    tm_progress_end(&progress);
    tm_plan_free(&plan);
    tm_tune_choices_free(&choices);
    return status;
}
