/* ternmark bench: a few cells, measured and printed at once; llama-bench's letters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/bench_output.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/options.h"
#include "harness/cli/peer_options.h"
#include "harness/cli/progress.h"
#include "harness/sweep/sweep.h"

typedef struct request {
    tm_cell_settings cells;
    const char *baseline, *output, *store, *peers;
    int64_t repetitions, processes;
    double time_budget;
    bool no_warmup, profile;
    tm_energy_settings energy;
    tm_energy_source_choice meter; /* what answered */
} request;

static tm_status fill_suite(const request *r, tm_suite *suite, tm_error *err)
{
    tm_suite_init(suite);
    strcpy(suite->name, "bench");
    suite->repetitions = (int)r->repetitions;
    suite->processes = (int)r->processes;
    suite->warmup = r->no_warmup ? 0 : 1;
    suite->time_budget_seconds = r->time_budget;
    suite->profile = r->profile;
    if (r->baseline) snprintf(suite->baseline, sizeof suite->baseline, "%s", r->baseline);
    tm_status status =
        r->baseline ? tm_suite_add_kernels(suite, r->baseline, err) : TM_OK; /* the first of them */
    if (status == TM_OK) status = tm_cell_fill_suite(&r->cells, suite, err);
    if (status == TM_OK) status = tm_energy_adjust(&r->energy, suite, err);
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

static tm_status measure(const request *r, const tm_suite *suite, int interrupt_fd,
                         tm_sweep_outcome *outcome, tm_error *err)
{
    tm_progress progress;
    tm_progress_init(&progress, r->cells.quiet);
    tm_machine env = {0};
    tm_plan plan = {0};
    tm_peers peers;
    char build[24];
    tm_status status = tm_peers_parse(r->peers, &peers, err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", &env, err);
    if (status == TM_OK && r->store) status = tm_sweep_check_store(r->store, &env, false, err);
    tm_tuner choice = tm_cell_choice(&r->cells, build, &env, &progress, interrupt_fd);
    tm_plan_options po = {.need_models = true,
                          .seed = (uint64_t)r->cells.seed,
                          .oversubscribe = r->cells.oversubscribe,
                          .build = build,
                          .peers = peers.items,
                          .n_peers = peers.n,
                          .choice = &choice,
                          .energy = r->meter.source[0] != 0};
    if (status == TM_OK) status = tm_plan_make(suite, &env, &po, &plan, err);
    /* Only what a profile is held against: a bench has nothing else to set beside limits. */
    tm_plan_roofline_request limits = {.command = "bench",
                                       .env = &env,
                                       .plan = &plan,
                                       .oversubscribe = r->cells.oversubscribe,
                                       .interrupt_fd = interrupt_fd};
    tm_sweep_options so = {.suite = suite,
                           .env = &env,
                           .plan = &plan,
                           .store_path = r->store,
                           .build = build,
                           .limits = r->profile ? tm_plan_roofline_of_run : NULL,
                           .limits_arg = &limits,
                           .energy = &r->meter,
                           .seed = (uint64_t)r->cells.seed,
                           .oversubscribe = r->cells.oversubscribe,
                           .interrupt_fd = interrupt_fd,
                           .on_event = tm_progress_event,
                           .on_event_arg = &progress};
    if (status == TM_OK) status = tm_sweep_run(&so, outcome, err);
    tm_progress_end(&progress);
    tm_plan_free(&plan);
    tm_machine_free(&env);
    return status;
}

static tm_status print(const request *r, const tm_sweep_outcome *outcome, tm_error *err)
{
    tm_summaries summaries;
    tm_text text = {0};
    tm_status status =
        tm_summaries_make(outcome->records.items, outcome->records.n, NULL, NULL, &summaries, err);
    if (status != TM_OK) return status;
    status = tm_bench_output_write(&summaries, r->output, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), stdout);
    tm_text_free(&text);
    tm_summaries_free(&summaries);
    return status;
}

int tm_cmd_bench(int argc, char **argv)
{
    request r = {.output = "text", .repetitions = 3, .processes = 3};
    tm_cell_settings_init(&r.cells);
    tm_energy_settings_init(&r.energy);
    const tm_option own[] = {
        {"repetitions", "r", TM_OPTION_INT, &r.repetitions, 1, 1000, "N",
         "inside a process (default 3)"},
        {"processes", NULL, TM_OPTION_INT, &r.processes, 1, 1000, "N",
         "fresh processes (default 3)"},
        {"baseline", NULL, TM_OPTION_TEXT, &r.baseline, 0, 0, "NAME",
         "also measure this one and pair with it: f16"},
        {"profile", NULL, TM_OPTION_FLAG, &r.profile, 0, 0, NULL,
         "also say where the time of each test goes, after its repetitions (and see profile)"},
        {"time-budget", NULL, TM_OPTION_REAL, &r.time_budget, 1, 1e6, "S",
         "start no pair that would pass it"},
        {"no-warmup", NULL, TM_OPTION_FLAG, &r.no_warmup, 0, 0, NULL,
         "time the first repetition as well"},
        {"peer", NULL, TM_OPTION_TEXT, &r.peers, 0, 0, "NAME=PROGRAM,FILE;...", TM_PEER_HELP},
        {"store", NULL, TM_OPTION_TEXT, &r.store, 0, 0, "FILE",
         "append the records to a store as well"},
        {"output", "o", TM_OPTION_TEXT, &r.output, 0, 0, "FORMAT",
         "text, md, csv, json, jsonl (default text)"},
    };
    enum { N_OWN = sizeof own / sizeof *own };
    tm_option options[TM_CELL_OPTIONS + N_OWN + TM_ENERGY_OPTIONS + 1] = {0};
    tm_cell_add_options(options, &r.cells);
    tm_options_append(options, own, N_OWN);
    tm_energy_add_options(options, &r.energy);
    const tm_command command = {
        "bench", "-m MODEL [options]", "Measures a few cells and prints them.", options, 0, 0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    tm_status status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK && !tm_bench_output_known(r.output))
        status =
            tm_fail(&err, TM_ARG, "--output is \"%s\", not text, md, csv, json or jsonl", r.output);
    tm_suite *suite = status == TM_OK ? malloc(sizeof *suite) : NULL;
    if (status == TM_OK && !suite) status = tm_fail(&err, TM_NOMEM, "no memory for the suite");
    tm_sweep_outcome outcome = {0};
    if (status == TM_OK) status = fill_suite(&r, suite, &err);
    int missing = status == TM_OK ? tm_energy_choose("bench", suite, &r.meter) : 0;
    if (missing) {
        free(suite);
        return missing;
    }
    int interrupt_fd = tm_interrupt_open();
    if (status == TM_OK) status = measure(&r, suite, interrupt_fd, &outcome, &err);
    if (status == TM_OK) status = print(&r, &outcome, &err);
    int result = status == TM_OK ? 0 : tm_report_error("bench", &err);
    if (outcome.interrupted) result = tm_interrupt_exit_status(interrupt_fd);
    if (result == 0 && outcome.n_cells_failed) result = 4;
    if (result == 0 && suite->energy.required && outcome.n_windows_lost) result = 5;
    if (result == 0 && outcome.n_cells_ok == 0) result = 3;
    tm_sweep_outcome_free(&outcome);
    free(suite);
    return result;
}
