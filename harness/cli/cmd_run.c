/* ternmark run: measures every cell of a suite into a store, which the same command continues. */
#include "harness/base/atomic_file.h"
#include "harness/cli/arms_run.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/cpu_use.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/export_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/peer_options.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/progress.h"
#include "harness/measure/profile.h"
#include "harness/sweep/sweep.h"
#include "reports/gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS        "results/runs"
#define SUITE_GROUP "Instead of the suite's values"

/* The command line; numbers that were not given are negative. */
typedef struct settings {
    const char *store, *threads, *models, *kernels, *tests, *only, *build, *counters;
    tm_peer_settings peers;
    const char *precision, *threads_batch, *cpus, *cores;
    int64_t begin_ns; /* of the command */
    int64_t processes, repetitions, warmup, seed;
    double budget, timeout;
    bool dry_run, profile, oversubscribe, allow_machine, quiet, no_roofline, retune;
    tm_energy_settings energy;
    tm_energy_source_choice meter; /* the source that was found */
    tm_export_settings exports;
    tm_exports targets; /* of them */
} settings;

static tm_status replace_axis(const char *list, int *n, tm_suite *suite,
                              tm_status (*add)(tm_suite *, const char *, tm_error *), tm_error *err)
{
    if (!list) return TM_OK;
    *n = 0;
    return add(suite, list, err);
}

/* Options replace the suite's values. */
static tm_status adjust(tm_suite *suite, const settings *s, tm_error *err)
{
    tm_status status = replace_axis(s->models, &suite->n_models, suite, tm_suite_add_models, err);
    if (status == TM_OK)
        status = replace_axis(s->kernels, &suite->n_kernels, suite, tm_suite_add_kernels, err);
    if (status == TM_OK)
        status = replace_axis(s->threads, &suite->n_threads, suite, tm_suite_add_threads, err);
    if (status == TM_OK)
        status = replace_axis(s->threads_batch, &suite->n_threads_batch, suite,
                              tm_suite_add_threads_batch, err);
    if (s->cpus || s->cores) suite->n_cpus = 0;
    if (status == TM_OK) status = tm_cell_add_cpus(s->cpus, s->cores, suite, err);
    if (status == TM_OK)
        status = replace_axis(s->tests, &suite->n_tests, suite, tm_suite_add_tests, err);
    if (status == TM_OK && s->counters) status = tm_suite_set_counters(suite, s->counters, err);
    if (s->profile) suite->profile = true;
    if (s->processes > 0) suite->processes = (int)s->processes;
    if (s->repetitions > 0) suite->repetitions = (int)s->repetitions;
    if (s->warmup >= 0) suite->warmup = (int)s->warmup;
    if (s->budget >= 0) suite->time_budget_seconds = s->budget;
    if (status == TM_OK && s->precision)
        status = tm_percent_parse(s->precision, "--precision", 0.0001, &suite->precision, err);
    return status == TM_OK ? tm_energy_adjust(&s->energy, suite, err) : status;
}

static double plan_seconds(const tm_suite *suite, const tm_plan *plan)
{
    double seconds = 0;
    for (int i = 0; i < plan->n_pairs; i++) {
        seconds += plan->arms[plan->pairs[i].a].predicted_seconds;
        if (plan->pairs[i].b >= 0) seconds += plan->arms[plan->pairs[i].b].predicted_seconds;
    }
    seconds *= suite->processes;
    double budget = suite->time_budget_seconds;
    return budget > 0 && budget < seconds ? budget : seconds;
}

static void print_plan_text(FILE *out, const tm_suite *suite, const tm_plan *plan,
                            const tm_energy_source_choice *meter)
{
    char text[TM_CPU_CHOICE_SIZE + 16];
    fprintf(out, "%-44s %-26s %7s  %-18s %9s %9s\n", "model", "kernel", "threads", "test", "memory",
            "process");
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *arm = &plan->arms[i];
        for (int k = 0; k < arm->n_cells; k++) {
            const tm_cell *c = &arm->cells[k];
            snprintf(text, sizeof text, "%d%s%s", c->threads, c->cpus[0] ? " of " : "", c->cpus);
            fprintf(out, "%-44s %-26s %7s  %-18s ", c->model, c->kernel, text, c->test);
            if (arm->predicted_bytes > 0)
                fprintf(out, "%6.2f GB ", (double)arm->predicted_bytes * 1e-9);
            else
                fprintf(out, "%9s ", "unknown");
            if (arm->skip[0])
                fprintf(out, " skipped: %s\n", arm->skip);
            else
                fprintf(out, "%9s\n", tm_duration_text(arm->predicted_seconds, text, sizeof text));
        }
    }
    fprintf(out,
            "%d cells, %d of them skipped; %d process%s each, %d repetition%s; about %s in all\n",
            plan->n_cells, plan->n_skipped_cells, suite->processes,
            suite->processes == 1 ? "" : "es", suite->repetitions, tm_plural(suite->repetitions),
            tm_duration_text(plan_seconds(suite, plan), text, sizeof text));
    if (suite->profile)
        fprintf(out,
                "profile: %d more runs of every test in each process, half of them with stamps\n",
                TM_PROFILE_RUNS(tm_plan_profile_pairs(suite)));
    if (strcmp(suite->energy.source, "none") == 0) return;
    if (meter->source[0])
        fprintf(out, "energy: %s, %s, in windows of %g s with %g s of idle before and after\n",
                meter->source, meter->scope, suite->energy.seconds, suite->energy.idle_seconds);
    else
        fprintf(out, "energy: no source is available\n");
}

static tm_json *plan_to_json(const tm_suite *suite, const tm_plan *plan)
{
    tm_json *root = tm_json_object(), *cells = tm_json_array();
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *arm = &plan->arms[i];
        for (int k = 0; k < arm->n_cells; k++) {
            const tm_cell *c = &arm->cells[k];
            tm_json *cell = tm_json_object();
            tm_json_put_string(cell, "cell_id", arm->cell_ids[k]);
            tm_json_put_string(cell, "model", c->model);
            tm_json_put_string(cell, "kernel", c->kernel);
            tm_json_put_int(cell, "threads", c->threads);
            if (c->cpus[0]) tm_json_put_string(cell, "cpus", c->cpus);
            tm_json_put_string(cell, "test", c->test);
            tm_json_put_string(cell, "role", c->role);
            if (arm->predicted_bytes > 0)
                tm_json_put_int(cell, "predicted_bytes", arm->predicted_bytes);
            else
                tm_json_put_missing(cell, "predicted_bytes", "the shape of the model is not known");
            if (arm->skip[0]) tm_json_put_string(cell, "skipped", arm->skip);
            tm_json_append(cells, cell);
        }
    }
    tm_json_set(root, "suite", tm_suite_to_json(suite));
    tm_json_set(root, "cells", cells);
    tm_json_put_number(root, "predicted_seconds", plan_seconds(suite, plan));
    return root;
}

/* results/runs/NAME.jsonl, with its folders. The same suite continues the same store. */
static tm_status default_store(const tm_suite *suite, char *path, size_t size, tm_error *err)
{
    if (tm_make_folders(RUNS, err) != TM_OK)
        return tm_fail_in(err, "the default store (use --store FILE for another)");
    char name[64];
    snprintf(name, sizeof name, "%s", suite->name[0] ? suite->name : "unnamed");
    for (char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c) ||
            (c == name && *c == '.'))
            *c = '_';
    snprintf(path, size, RUNS "/%s.jsonl", name);
    return TM_OK;
}

/* One line on how far the values can be trusted. */
static void print_trust(FILE *out, const tm_sweep_outcome *o, double others, double stolen)
{
    char text[200];
    if (o->n_new_samples == 0) return;
    fprintf(out, "Trust: ");
    if (o->pairs_max > 0 && o->pairs_min == o->pairs_max)
        fprintf(out, "%d pair%s per model and thread count; ", o->pairs_max,
                tm_plural(o->pairs_max));
    else if (o->pairs_max > 0)
        fprintf(out, "%d to %d pairs per model and thread count; ", o->pairs_min, o->pairs_max);
    fprintf(out, "%s.\n", tm_cpu_use_text(others, stolen, text, sizeof text));
}

static void print_outcome_text(FILE *out, const tm_sweep_outcome *o, const tm_suite *suite,
                               const char *store, double others, double stolen)
{
    fprintf(out, "%s: %d new sample%s; %d cell%s measured", store, o->n_new_samples,
            tm_plural(o->n_new_samples), o->n_cells_ok, tm_plural(o->n_cells_ok));
    if (o->n_cells_skipped) fprintf(out, ", %d skipped", o->n_cells_skipped);
    if (o->n_cells_failed) fprintf(out, ", %d failed", o->n_cells_failed);
    if (o->n_cells_unfinished) fprintf(out, ", %d not started", o->n_cells_unfinished);
    if (o->rounds_max > 0 && o->rounds_min == o->rounds_max)
        fprintf(out, "; %d process%s per cell", o->rounds_max, o->rounds_max == 1 ? "" : "es");
    else if (o->rounds_max > 0)
        fprintf(out, "; %d to %d processes per cell", o->rounds_min, o->rounds_max);
    fprintf(out, "\n");
    if (o->budget_spent)
        fprintf(out,
                "The time budget of %g s ended the run before every cell had %d processes; raise "
                "--time-budget or run it again to add more.\n",
                suite->time_budget_seconds, suite->processes);
    if (o->n_profiles) fprintf(out, "%d profile%s\n", o->n_profiles, tm_plural(o->n_profiles));
    if (o->n_profiles_lost)
        fprintf(out, "%d profile%s missing, the last one because %s\n", o->n_profiles_lost,
                tm_plural(o->n_profiles_lost), o->profile_lost);
    if (o->n_windows_ok)
        fprintf(out, "%d energy window%s\n", o->n_windows_ok, tm_plural(o->n_windows_ok));
    if (o->n_windows_lost)
        fprintf(out, "%d energy window%s failed, the last one because %s\n", o->n_windows_lost,
                tm_plural(o->n_windows_lost), o->lost);
    if (o->n_windows_due)
        fprintf(out, "%d energy windows of the store have no joules; run it again to repeat them\n",
                o->n_windows_due);
    print_trust(out, o, others, stolen);
    if (!o->interrupted) fprintf(out, "Next: ternmark report %s\n", store);
}

static tm_json *outcome_to_json(const tm_sweep_outcome *o, const char *store, double others,
                                double stolen)
{
    const char *const why = "/proc/stat is not readable";
    tm_json *json = tm_json_object();
    tm_json_put_string(json, "store", store);
    tm_json_put_int(json, "new_samples", o->n_new_samples);
    tm_json_put_int(json, "cells_measured", o->n_cells_ok);
    tm_json_put_int(json, "cells_skipped", o->n_cells_skipped);
    tm_json_put_int(json, "cells_failed", o->n_cells_failed);
    tm_json_put_int(json, "cells_not_started", o->n_cells_unfinished);
    tm_json_put_int(json, "profiles", o->n_profiles);
    tm_json_put_int(json, "profiles_lost", o->n_profiles_lost);
    tm_json_put_int(json, "energy_windows", o->n_windows_ok);
    tm_json_put_int(json, "energy_windows_lost", o->n_windows_lost);
    tm_json_put_int(json, "energy_windows_due", o->n_windows_due);
    tm_json_put_int(json, "processes_min", o->rounds_min);
    tm_json_put_int(json, "processes_max", o->rounds_max);
    tm_json_put_int(json, "pairs_min", o->pairs_min);
    tm_json_put_int(json, "pairs_max", o->pairs_max);
    tm_json_put_int(json, "models_left_out", o->n_models_left_out);
    tm_json_put_finite(json, "other_processes_cpu_percent", others, why);
    tm_json_put_finite(json, "steal_percent", stolen, why);
    tm_json_put_bool(json, "time_budget_used_up", o->budget_spent);
    tm_json_put_bool(json, "interrupted", o->interrupted);
    return json;
}

static int exit_status(const tm_sweep_outcome *o, const tm_suite *suite)
{
    if (o->n_cells_failed > 0) return 4;
    if (suite->energy.required && (o->n_windows_lost > 0 || o->n_windows_due > 0)) return 5;
    return o->n_cells_ok > 0 ? 0
                             : 3; /* 3: every cell was skipped, so nothing can be measured here */
}

/* Which pairs are as narrow as the suite asks. */
typedef struct narrowing {
    const tm_suite *suite;
    const tm_plan *plan;
    const tm_records *records;
    tm_looks looks;
    bool *is_narrow; /* [plan->n_pairs]; owned */
} narrowing;

static bool wants(void *arg, const tm_pair *pair, int round)
{
    narrowing *x = arg;
    int i = (int)(pair - x->plan->pairs);
    if (pair->b >= 0 && !x->is_narrow[i] && tm_is_look(&x->looks, round))
        x->is_narrow[i] =
            tm_arms_are_narrow(x->plan, i, x->records, &x->looks, x->suite->precision, false);
    return !x->is_narrow[i];
}

static tm_status run_plan(const settings *s, const tm_suite *suite, const tm_machine *machine,
                          const tm_plan *plan, const tm_interrupt *interrupt, tm_call *call,
                          tm_error *err)
{
    tm_progress progress;
    tm_sweep_outcome outcome;
    tm_plan_roofline_request limits = {.command = "run",
                                       .machine = machine,
                                       .plan = plan,
                                       .oversubscribe = s->oversubscribe,
                                       .interrupt = interrupt};
    tm_progress_init(&progress, s->quiet);
    tm_sweep_options options = {.suite = suite,
                                .machine = machine,
                                .plan = plan,
                                .store_path = s->store,
                                .build = s->build,
                                .limits = s->no_roofline ? NULL : tm_plan_roofline_of_run,
                                .limits_arg = &limits,
                                .energy = &s->meter,
                                .seed = (uint64_t)s->seed,
                                .oversubscribe = s->oversubscribe,
                                .allow_machine = s->allow_machine,
                                .timeout_seconds = s->timeout,
                                .spent_seconds = (double)(tm_now_ns() - s->begin_ns) * 1e-9,
                                .interrupt = interrupt,
                                .on_event = tm_progress_event,
                                .on_event_arg = &progress};
    narrowing pairs = {.suite = suite,
                       .plan = plan,
                       .records = &outcome.records,
                       .looks = tm_looks_make(suite->processes),
                       .is_narrow = calloc((size_t)plan->n_pairs + 1, sizeof(bool))};
    if (!pairs.is_narrow) return tm_fail(err, TM_NOMEM, "no memory for %d pairs", plan->n_pairs);
    options.wants = suite->precision > 0 ? wants : NULL;
    options.wants_arg = &pairs;
    const tm_cpu_use before = tm_cpu_use_read();
    tm_status status = tm_sweep_run(&options, &outcome, err);
    free(pairs.is_narrow);
    const tm_cpu_use after = tm_cpu_use_read();
    const double others = tm_cpu_use_others(&before, &after);
    const double stolen = tm_cpu_use_stolen(&before, &after);
    tm_progress_end(&progress);
    if (status == TM_OK) {
        if (strcmp(call->format, "json") == 0)
            status =
                tm_print_json(call->out, outcome_to_json(&outcome, s->store, others, stolen), err);
        else
            print_outcome_text(call->out, &outcome, suite, s->store, others, stolen);
        call->exit_status = exit_status(&outcome, suite);
        if (outcome.interrupted) {
            fprintf(stderr,
                    "ternmark run: interrupted; finished results are in %s; run the same command "
                    "again to continue\n",
                    s->store);
            call->exit_status = tm_interrupt_exit_status(interrupt);
        } else if (status == TM_OK) {
            status = tm_exports_write_store(&s->targets, "run", s->store, err);
        }
    }
    tm_sweep_outcome_free(&outcome);
    return status;
}

static tm_status run_suite(settings *s, const char *name, tm_suite *suite, tm_call *call,
                           tm_error *err)
{
    tm_machine machine = {0};
    tm_plan plan = {0};
    char build[32], store[128];
    s->build = build;
    s->begin_ns = tm_now_ns();
    tm_peers peers;
    tm_progress progress;
    tm_interrupt interrupt = TM_INTERRUPT_NEVER;
    tm_progress_init(&progress, s->quiet);
    tm_tune_choices choices = {0};
    tm_tuner tuner = {.build = build,
                      .machine = &machine,
                      .seed = (uint64_t)s->seed,
                      .oversubscribe = s->oversubscribe,
                      .retune = s->retune,
                      .measure = !s->dry_run,
                      .interrupt = &interrupt,
                      .note = s->quiet ? NULL : tm_progress_note,
                      .note_arg = &progress};
    tm_plan_options options = {.seed = (uint64_t)s->seed,
                               .oversubscribe = s->oversubscribe,
                               .build = build,
                               .only = s->only,
                               .peers = peers.items,
                               .choices = &choices};
    tm_status status = tm_peers_parse(&s->peers, &peers, err);
    options.n_peers = peers.n;
    if (status == TM_OK) status = tm_suite_read(name, suite, err);
    if (status == TM_OK) status = adjust(suite, s, err);
    if (status == TM_OK) {
        suite->energy.dry = s->dry_run;
        status = tm_energy_choose("run", suite, &s->meter, err);
        if (status == TM_UNSUPPORTED) call->exit_status = 5;
    }
    options.energy = s->meter.source[0] != 0;
    if (status == TM_OK) status = tm_machine_read("/", &machine, err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK && !s->dry_run && !s->store) {
        status = default_store(suite, store, sizeof store, err);
        s->store = store;
    }
    if (status == TM_OK && !s->dry_run)
        status = tm_sweep_check_store(s->store, &machine, s->allow_machine, err);
    if (status == TM_OK && !s->dry_run)
        status = tm_exports_open(&s->exports, s->store, &s->targets, err);
    if (status == TM_OK && !s->dry_run) interrupt = tm_interrupt_open();
    if (status == TM_OK) status = tm_plan_list_choices(suite, &machine, &options, &choices, err);
    if (status == TM_OK) status = tm_tune_resolve(&tuner, &choices, err);
    if (status == TM_OK) status = tm_plan_make(suite, &machine, &options, &plan, err);
    if (status == TM_INTERRUPTED)
        call->exit_status = tm_interrupt_exit_status(&interrupt);
    else if (status == TM_OK && !s->dry_run)
        status = run_plan(s, suite, &machine, &plan, &interrupt, call, err);
    else if (status == TM_OK && strcmp(call->format, "json") == 0)
        status = tm_print_json(call->out, plan_to_json(suite, &plan), err);
    else if (status == TM_OK)
        print_plan_text(call->out, suite, &plan, &s->meter);
    tm_exports_close(&s->targets);
    tm_plan_free(&plan);
    tm_tune_choices_free(&choices);
    return status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) return tm_fail(err, TM_NOMEM, "no memory for a suite");
    tm_status status = run_suite(arg, call->arguments[0], suite, call, err);
    free(suite);
    return status;
}

static const tm_option rows[] = {
    {"store", NULL, TM_FILE(settings, store), "FILE",
     .help = "write records to FILE, continuing one that exists (default " RUNS "/SUITE.jsonl)"},
    {"dry-run", NULL, TM_FLAG(settings, dry_run), NULL,
     .help = "print the cells with predicted memory and time, and measure nothing"},
    {"only", NULL, TM_TEXT(settings, only), "TEXT",
     .help = "run only cells whose label (see --dry-run) contains TEXT"},
    {"time-budget", NULL, TM_NUMBER(settings, budget), "SECONDS",
     .help = "after the first run of each cell, start only work predicted to end within SECONDS of "
             "the start (0: no limit)",
     .high = 2592000},
    {"quiet", "q", TM_FLAG(settings, quiet), NULL, .help = TM_QUIET_HELP},
    {"model", "m", TM_LIST(settings, models), "MODEL,...", .help = "replace the suite's models",
     .group = SUITE_GROUP},
    {"kernel", NULL, TM_LIST(settings, kernels), "NAME,...", .help = "replace the suite's kernels",
     .choices = tm_cell_kernel_names, .group = SUITE_GROUP},
    {"threads", "t", TM_LIST(settings, threads), "N,...",
     .help = "replace the suite's thread counts: numbers, ranges as 1-8*2, or all",
     .group = SUITE_GROUP},
    {"threads-batch", "tb", TM_LIST(settings, threads_batch), "N,...",
     .help = TM_THREADS_BATCH_HELP, .group = SUITE_GROUP},
    {"cpus", NULL, TM_LIST(settings, cpus), "LIST", .help = TM_CPUS_HELP, .group = SUITE_GROUP},
    {"cores", NULL, TM_LIST(settings, cores), "KIND,...", .help = TM_CORES_HELP,
     .choices = tm_cell_core_names, .group = SUITE_GROUP},
    {"test", NULL, TM_LIST(settings, tests), "TEST,...",
     .help = "replace the suite's tests, e.g. pp64,tg16", .group = SUITE_GROUP},
    {"processes", NULL, TM_INTEGER(settings, processes), "N",
     .help = "replace the suite's number of fresh processes per cell", .group = SUITE_GROUP,
     .low = 1, .high = 1000},
    {"precision", NULL, TM_TEXT(settings, precision), "PERCENT",
     .help = "stop adding pairs to a cell once its speed-up is known to +-PERCENT; --processes is "
             "the maximum",
     .group = SUITE_GROUP},
    {"repetitions", "r", TM_INTEGER(settings, repetitions), "N",
     .help = "replace the suite's repetitions per process", .group = SUITE_GROUP, .low = 1,
     .high = 1000},
    {"warmup", NULL, TM_INTEGER(settings, warmup), "N",
     .help = "replace the suite's warm-up runs per process", .group = SUITE_GROUP, .high = 1000},
    {"seed", NULL, TM_INTEGER(settings, seed), "N", .help = TM_SEED_HELP, .group = SUITE_GROUP,
     .high = TM_SEED_MAX},
    {"counters", NULL, TM_TEXT(settings, counters), "GROUP", .help = TM_COUNTERS_HELP,
     .group = TM_MORE_GROUP},
    {"profile", NULL, TM_FLAG(settings, profile), NULL, .help = TM_PROFILE_HELP,
     .group = TM_MORE_GROUP},
    {"no-roofline", NULL, TM_FLAG(settings, no_roofline), NULL,
     .help = "skip measuring the machine's roofline first (a few seconds)",
     .group = TM_EXECUTION_GROUP},
    {"timeout", NULL, TM_NUMBER(settings, timeout), "SECONDS",
     .help = "give up on a worker that is silent for SECONDS (default 0: 120 s, longer for large "
             "models)",
     .group = TM_EXECUTION_GROUP, .high = 864000},
    {"retune", NULL, TM_FLAG(settings, retune), NULL, .help = TM_RETUNE_HELP,
     .group = TM_EXECUTION_GROUP},
    {"oversubscribe", NULL, TM_FLAG(settings, oversubscribe), NULL, .help = TM_OVERSUBSCRIBE_HELP,
     .group = TM_EXECUTION_GROUP},
    {"allow-machine", NULL, TM_FLAG(settings, allow_machine), NULL,
     .help = "continue a store that another machine started", .group = TM_EXECUTION_GROUP},
    {0},
};

const tm_command tm_command_run = {
    .name = "run",
    .synopsis = "[OPTIONS] SUITE",
    .summary = "measure every cell of a suite into a store, or continue it",
    .description =
        "Measures every cell of a suite, each in fresh processes, and appends a record per "
        "repetition to a store. SUITE is a name of `ternmark list suites` or a JSON file (see "
        "`ternmark help suite`). An interrupted run continues when the same command runs again.",
    .examples = "ternmark run quick --dry-run\n"
                "ternmark run demo --store results/runs/demo.jsonl",
    .formats = (const char *const[]){"text", "json", NULL},
    .options = (const tm_option_set[]){{rows, 0},
                                       {tm_peer_options, offsetof(settings, peers)},
                                       {tm_energy_options, offsetof(settings, energy)},
                                       {tm_export_options, offsetof(settings, exports)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(settings, energy),
    .argument_names = tm_suite_names,
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.processes = -1,
                                  .repetitions = -1,
                                  .warmup = -1,
                                  .budget = -1,
                                  .seed = 1,
                                  .energy = TM_ENERGY_DEFAULTS},
    .run = run,
};
