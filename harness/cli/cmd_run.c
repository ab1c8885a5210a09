/* ternmark run: every cell of a suite, into a store that a later run continues. */
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/options.h"
#include "harness/cli/peer_options.h"
#include "harness/cli/progress.h"
#include "harness/measure/profile.h"
#include "harness/sweep/sweep.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNS "results/runs"

/* What the command line says; absent numbers are below 0. */
typedef struct settings {
    const char *store, *threads, *models, *kernels, *tests, *only, *output, *build, *counters,
        *peers;
    int64_t processes, repetitions, warmup, seed;
    double budget, timeout;
    bool dry_run, profile, oversubscribe, allow_machine, quiet, no_roofline, retune;
    tm_energy_settings energy;
    tm_energy_source_choice meter; /* what answered */
} settings;

static tm_status replace_axis(const char *list, int *n, tm_suite *suite,
                              tm_status (*add)(tm_suite *, const char *, tm_error *), tm_error *err)
{
    if (!list) return TM_OK;
    *n = 0;
    return add(suite, list, err);
}

/* Options put their values in the place of the suite's. */
static tm_status adjust(tm_suite *suite, const settings *s, tm_error *err)
{
    tm_status status = replace_axis(s->models, &suite->n_models, suite, tm_suite_add_models, err);
    if (status == TM_OK)
        status = replace_axis(s->kernels, &suite->n_kernels, suite, tm_suite_add_kernels, err);
    if (status == TM_OK)
        status = replace_axis(s->threads, &suite->n_threads, suite, tm_suite_add_threads, err);
    if (status == TM_OK)
        status = replace_axis(s->tests, &suite->n_tests, suite, tm_suite_add_tests, err);
    if (status == TM_OK && s->counters) status = tm_suite_set_counters(suite, s->counters, err);
    if (s->profile) suite->profile = true;
    if (s->processes > 0) suite->processes = (int)s->processes;
    if (s->repetitions > 0) suite->repetitions = (int)s->repetitions;
    if (s->warmup >= 0) suite->warmup = (int)s->warmup;
    if (s->budget >= 0) suite->time_budget_seconds = s->budget;
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

static void print_plan_text(const tm_suite *suite, const tm_plan *plan,
                            const tm_energy_source_choice *meter)
{
    char text[64];
    printf("%-44s %-26s %7s  %-18s %9s %9s\n", "model", "kernel", "threads", "test", "memory",
           "process");
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *arm = &plan->arms[i];
        for (int k = 0; k < arm->n_cells; k++) {
            const tm_cell *c = &arm->cells[k];
            printf("%-44s %-26s %7d  %-18s ", c->model, c->kernel, c->threads, c->test);
            if (arm->predicted_bytes > 0)
                printf("%6.2f GB ", (double)arm->predicted_bytes * 1e-9);
            else
                printf("%9s ", "unknown");
            if (arm->skip[0])
                printf(" skipped: %s\n", arm->skip);
            else
                printf("%9s\n", tm_duration_text(arm->predicted_seconds, text, sizeof text));
        }
    }
    printf("%d cells, %d of them skipped; %d process%s each, %d repetition%s; about %s in all\n",
           plan->n_cells, plan->n_skipped_cells, suite->processes,
           suite->processes == 1 ? "" : "es", suite->repetitions,
           suite->repetitions == 1 ? "" : "s",
           tm_duration_text(plan_seconds(suite, plan), text, sizeof text));
    if (suite->profile)
        printf("profile: %d more runs of every test in each process, half of them with stamps\n",
               TM_PROFILE_RUNS(tm_plan_profile_pairs(suite)));
    if (strcmp(suite->energy.source, "none") == 0) return;
    if (meter->source[0])
        printf("energy: %s, %s, in windows of %g s between idle times of %g s\n", meter->source,
               meter->scope, suite->energy.seconds, suite->energy.idle_seconds);
    else
        printf("energy: no source is alive\n");
}

static void print_json(tm_json *json)
{
    char *text = tm_json_print(json, true);
    if (text) printf("%s\n", text);
    free(text);
    tm_json_free(json);
}

static void print_plan_json(const tm_suite *suite, const tm_plan *plan)
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
    print_json(root);
}

/* results/runs/NAME.jsonl, the folders made if need be: the same name again continues the run. */
static tm_status default_store(const tm_suite *suite, char *path, size_t size, tm_error *err)
{
    static const char *const folders[] = {"results", RUNS};
    for (int i = 0; i < 2; i++)
        if (mkdir(folders[i], 0777) != 0 && errno != EEXIST)
            return tm_fail(err, TM_IO, "%s: cannot be made: %s; --store FILE chooses another place",
                           folders[i], strerror(errno));
    char name[64];
    snprintf(name, sizeof name, "%s", suite->name[0] ? suite->name : "unnamed");
    for (char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c) ||
            (c == name && *c == '.'))
            *c = '_';
    snprintf(path, size, RUNS "/%s.jsonl", name);
    return TM_OK;
}

static void print_outcome_text(const tm_sweep_outcome *o, const tm_suite *suite, const char *store)
{
    printf("%s: %d new samples; %d cells measured", store, o->n_new_samples, o->n_cells_ok);
    if (o->n_cells_skipped) printf(", %d skipped", o->n_cells_skipped);
    if (o->n_cells_failed) printf(", %d failed", o->n_cells_failed);
    if (o->n_cells_unfinished) printf(", %d not started", o->n_cells_unfinished);
    if (o->rounds_max > 0 && o->rounds_min == o->rounds_max)
        printf("; %d process%s per cell", o->rounds_max, o->rounds_max == 1 ? "" : "es");
    else if (o->rounds_max > 0)
        printf("; %d to %d processes per cell", o->rounds_min, o->rounds_max);
    printf("\n");
    if (o->budget_spent)
        printf(
            "The time budget of %g s ended the run before %d processes of every cell; running it "
            "again adds to them.\n",
            suite->time_budget_seconds, suite->processes);
    if (o->n_profiles) printf("%d profile%s\n", o->n_profiles, o->n_profiles == 1 ? "" : "s");
    if (o->n_profiles_lost)
        printf("%d profile%s missing, the last one because %s\n", o->n_profiles_lost,
               o->n_profiles_lost == 1 ? "" : "s", o->profile_lost);
    if (o->n_windows_ok) printf("%d windows of energy\n", o->n_windows_ok);
    if (o->n_windows_lost)
        printf("%d windows of energy without a figure, the last one because %s\n",
               o->n_windows_lost, o->lost);
    if (!o->interrupted) printf("Next: ternmark report %s\n", store);
}

static void print_outcome_json(const tm_sweep_outcome *o, const char *store)
{
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
    tm_json_put_int(json, "processes_min", o->rounds_min);
    tm_json_put_int(json, "processes_max", o->rounds_max);
    tm_json_put_bool(json, "time_budget_used_up", o->budget_spent);
    tm_json_put_bool(json, "interrupted", o->interrupted);
    print_json(json);
}

static int exit_status(const tm_sweep_outcome *o, const tm_suite *suite)
{
    if (o->n_cells_failed > 0) return 4;
    if (suite->energy.required && o->n_windows_lost > 0) return 5;
    return o->n_cells_ok > 0 ? 0 : 3; /* everything was skipped: not measurable here */
}

static int run_plan(const settings *s, const tm_suite *suite, const tm_machine *env,
                    const tm_plan *plan, int interrupt_fd, tm_error *err)
{
    tm_progress progress;
    tm_sweep_outcome outcome;
    tm_plan_roofline_request limits = {.command = "run",
                                       .env = env,
                                       .plan = plan,
                                       .oversubscribe = s->oversubscribe,
                                       .interrupt_fd = interrupt_fd};
    tm_progress_init(&progress, s->quiet);
    tm_sweep_options options = {.suite = suite,
                                .env = env,
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
                                .interrupt_fd = interrupt_fd,
                                .on_event = tm_progress_event,
                                .on_event_arg = &progress};
    tm_status status = tm_sweep_run(&options, &outcome, err);
    tm_progress_end(&progress);
    int code;
    if (status != TM_OK) {
        code = tm_report_error("run", err);
    } else {
        if (strcmp(s->output, "json") == 0)
            print_outcome_json(&outcome, s->store);
        else
            print_outcome_text(&outcome, suite, s->store);
        code = exit_status(&outcome, suite);
        if (outcome.interrupted) {
            fprintf(stderr,
                    "ternmark run: interrupted; what was measured is in %s, and the same command "
                    "again continues it\n",
                    s->store);
            code = tm_interrupt_exit_status(interrupt_fd);
        }
    }
    tm_sweep_outcome_free(&outcome);
    return code;
}

static int run_suite(const settings *s, const char *name, tm_suite *suite)
{
    tm_error err = {0};
    tm_machine env = {0};
    tm_plan plan = {0};
    char build[32], store[128];
    int code;
    settings with_build = *s;
    with_build.build = build;
    tm_peers peers;
    tm_progress progress;
    tm_progress_init(&progress, s->quiet);
    tm_tuner choice = {.build = build,
                       .env = &env,
                       .seed = (uint64_t)s->seed,
                       .oversubscribe = s->oversubscribe,
                       .retune = s->retune,
                       .measure = !s->dry_run,
                       .interrupt_fd = -1,
                       .note = s->quiet ? NULL : tm_progress_note,
                       .note_arg = &progress};
    tm_plan_options options = {.seed = (uint64_t)s->seed,
                               .oversubscribe = s->oversubscribe,
                               .build = build,
                               .only = s->only,
                               .peers = peers.items,
                               .choice = &choice};
    tm_status status = tm_peers_parse(s->peers, &peers, &err);
    options.n_peers = peers.n;
    if (status == TM_OK) status = tm_suite_read(name, suite, &err);
    if (status == TM_OK) status = adjust(suite, s, &err);
    if (status == TM_OK && (code = tm_energy_choose("run", suite, &with_build.meter)) != 0)
        return code;
    options.energy = with_build.meter.source[0] != 0;
    if (status == TM_OK) status = tm_machine_read("/", &env, &err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, &err);
    if (status == TM_OK && !s->dry_run && !s->store) {
        status = default_store(suite, store, sizeof store, &err);
        with_build.store = store;
    }
    if (status == TM_OK && !s->dry_run)
        status = tm_sweep_check_store(with_build.store, &env, s->allow_machine, &err);
    if (!s->dry_run) choice.interrupt_fd = tm_interrupt_open();
    if (status == TM_OK) status = tm_plan_make(suite, &env, &options, &plan, &err);
    if (status != TM_OK) {
        code = tm_report_error("run", &err);
        if (status == TM_INTERRUPTED) code = tm_interrupt_exit_status(choice.interrupt_fd);
    } else if (s->dry_run) {
        if (strcmp(s->output, "json") == 0)
            print_plan_json(suite, &plan);
        else
            print_plan_text(suite, &plan, &with_build.meter);
        code = 0;
    } else {
        code = run_plan(&with_build, suite, &env, &plan, choice.interrupt_fd, &err);
    }
    tm_plan_free(&plan);
    tm_machine_free(&env);
    return code;
}

int tm_cmd_run(int argc, char **argv)
{
    settings s = {.output = "text",
                  .processes = -1,
                  .repetitions = -1,
                  .warmup = -1,
                  .budget = -1,
                  .seed = 1};
    tm_energy_settings_init(&s.energy);
    tm_option options[32 + TM_ENERGY_OPTIONS] = {
        {"store", NULL, TM_OPTION_TEXT, &s.store, 0, 0, "FILE",
         "where records go (default " RUNS "/<suite>.jsonl); an existing one is continued"},
        {"processes", NULL, TM_OPTION_INT, &s.processes, 1, 1000, "N",
         "fresh processes of each cell, instead of the suite's"},
        {"repetitions", "r", TM_OPTION_INT, &s.repetitions, 1, 1000, "N",
         "repetitions in each process"},
        {"warmup", NULL, TM_OPTION_INT, &s.warmup, 0, 1000, "N", "warm-ups in each process"},
        {"time-budget", NULL, TM_OPTION_REAL, &s.budget, 0, 2592000, "S",
         "start nothing that would end later (0: no limit)"},
        {"model", "m", TM_OPTION_TEXT, &s.models, 0, 0, "M,...", "models, instead of the suite's"},
        {"kernel", NULL, TM_OPTION_TEXT, &s.kernels, 0, 0, "K,...",
         "kernels, instead of the suite's"},
        {"threads", "t", TM_OPTION_TEXT, &s.threads, 0, 0, "N,...",
         "thread counts, ranges or all, instead of the suite's"},
        {"test", NULL, TM_OPTION_TEXT, &s.tests, 0, 0, "T,...",
         "tests such as pp64,tg16, instead of the suite's"},
        {"only", NULL, TM_OPTION_TEXT, &s.only, 0, 0, "TEXT",
         "cells whose line in --dry-run, blanks single, contains TEXT"},
        {"counters", NULL, TM_OPTION_TEXT, &s.counters, 0, 0, "GROUP",
         "also take counters (list counters, or a file), instead of the suite's"},
        {"profile", NULL, TM_OPTION_FLAG, &s.profile, 0, 0, NULL,
         "also say where the time of each test goes, after its repetitions (and see profile)"},
        {"dry-run", NULL, TM_OPTION_FLAG, &s.dry_run, 0, 0, NULL,
         "print the cells with predicted memory and time, and stop"},
        {"seed", NULL, TM_OPTION_INT, &s.seed, 0, 9007199254740991.0, "N",
         "of synthetic weights and token ids (default 1)"},
        {"timeout", NULL, TM_OPTION_REAL, &s.timeout, 0, 864000, "S",
         "longest silence of a worker (0: 120 s and more for large models)"},
        {"oversubscribe", NULL, TM_OPTION_FLAG, &s.oversubscribe, 0, 0, NULL,
         "allow more threads than CPUs"},
        {"allow-machine", NULL, TM_OPTION_FLAG, &s.allow_machine, 0, 0, NULL,
         "continue a store that another machine began"},
        {"no-roofline", NULL, TM_OPTION_FLAG, &s.no_roofline, 0, 0, NULL,
         "do not measure the machine's limits first (a few seconds)"},
        {"peer", NULL, TM_OPTION_TEXT, &s.peers, 0, 0, "NAME=PROGRAM,FILE;...", TM_PEER_HELP},
        {"retune", NULL, TM_OPTION_FLAG, &s.retune, 0, 0, NULL,
         "compare kernels again where a name such as auto or f16 leaves a choice"},
        {"quiet", "q", TM_OPTION_FLAG, &s.quiet, 0, 0, NULL, "no progress"},
        {"output", "o", TM_OPTION_TEXT, &s.output, 0, 0, "FORMAT", "text or json (default text)"}};
    tm_energy_add_options(options, &s.energy);
    const tm_command command = {.name = "run",
                                .arguments = "[options] SUITE",
                                .summary =
                                    "Measures every cell of a suite (a name such as demo, or "
                                    "a JSON file), each in fresh processes.",
                                .options = options,
                                .min_arguments = 1,
                                .max_arguments = 1};
    const char *name;
    tm_error err = {0};
    bool help;
    int n;
    tm_status status = tm_options_parse(&command, argc, argv, &name, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK && strcmp(s.output, "text") != 0 && strcmp(s.output, "json") != 0)
        status = tm_fail(&err, TM_ARG, "--output is \"%s\", neither text nor json", s.output);
    if (status != TM_OK) return tm_report_error("run", &err);
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) {
        tm_fail(&err, TM_NOMEM, "no memory for a suite");
        return tm_report_error("run", &err);
    }
    int code = run_suite(&s, name, suite);
    free(suite);
    return code;
}
