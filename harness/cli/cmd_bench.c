/* ternmark bench: a few cells, measured and printed at once; llama-bench's letters. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/cli/bench_output.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/options.h"
#include "harness/cli/peer_options.h"
#include "harness/cli/progress.h"
#include "harness/sweep.h"

typedef struct request {
    const char *models, *kernels, *threads, *prompts, *generated, *both, *depths, *sequences,
        *baseline, *head_kernels, *output, *store, *counters, *peers;
    int64_t repetitions, processes, seed;
    double time_budget;
    bool no_warmup, oversubscribe, quiet, retune;
    tm_energy_settings energy;
    tm_meter_choice meter; /* what answered */
} request;

static tm_status fill_suite(const request *r, tm_suite *suite, tm_error *err)
{
    tm_suite_init(suite);
    strcpy(suite->name, "bench");
    suite->repetitions = (int)r->repetitions;
    suite->processes = (int)r->processes;
    suite->warmup = r->no_warmup ? 0 : 1;
    suite->time_budget_seconds = r->time_budget;
    if (r->baseline) snprintf(suite->baseline, sizeof suite->baseline, "%s", r->baseline);
    tm_status status = tm_suite_add_models(suite, r->models, err);
    if (status == TM_OK && r->baseline) status = tm_suite_add_kernels(suite, r->baseline, err);
    if (status == TM_OK) status = tm_suite_add_kernels(suite, r->kernels, err);
    if (status == TM_OK && r->head_kernels)
        status = tm_suite_add_head_kernels(suite, r->head_kernels, err);
    if (status == TM_OK) status = tm_suite_add_threads(suite, r->threads, err);
    if (status == TM_OK)
        status = tm_suite_add_lengths(suite, r->prompts, r->generated, r->both, r->depths,
                                      r->sequences, err);
    if (status == TM_OK && r->counters) status = tm_suite_set_counters(suite, r->counters, err);
    if (status == TM_OK) status = tm_energy_adjust(&r->energy, suite, err);
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

static tm_status measure(const request *r, const tm_suite *suite, int interrupt_fd,
                         tm_sweep_outcome *outcome, tm_error *err)
{
    tm_progress progress;
    tm_progress_init(&progress, r->quiet);
    tm_env env = {0};
    tm_plan plan = {0};
    tm_peers peers;
    char build[24];
    tm_status status = tm_peers_parse(r->peers, &peers, err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_env_read("/", &env, err);
    tm_choice choice = {.build = build,
                        .env = &env,
                        .seed = (uint64_t)r->seed,
                        .oversubscribe = r->oversubscribe,
                        .retune = r->retune,
                        .measure = true,
                        .interrupt_fd = interrupt_fd,
                        .note = r->quiet ? NULL : tm_progress_note,
                        .note_arg = &progress};
    tm_plan_options po = {.need_models = true,
                          .seed = (uint64_t)r->seed,
                          .oversubscribe = r->oversubscribe,
                          .build = build,
                          .peers = peers.items,
                          .n_peers = peers.n,
                          .choice = &choice,
                          .energy = r->meter.source[0] != 0};
    if (status == TM_OK) status = tm_plan_make(suite, &env, &po, &plan, err);
    tm_sweep_options so = {.suite = suite,
                           .env = &env,
                           .plan = &plan,
                           .store_path = r->store,
                           .build = build,
                           .energy = &r->meter,
                           .seed = (uint64_t)r->seed,
                           .oversubscribe = r->oversubscribe,
                           .interrupt_fd = interrupt_fd,
                           .on_event = tm_progress_event,
                           .on_event_arg = &progress};
    if (status == TM_OK) status = tm_sweep_run(&so, outcome, err);
    tm_progress_end(&progress);
    tm_plan_free(&plan);
    tm_env_free(&env);
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
    request r = {.kernels = "auto",
                 .threads = "all",
                 .prompts = "512",
                 .generated = "128",
                 .output = "text",
                 .repetitions = 3,
                 .processes = 3,
                 .seed = 1};
    tm_energy_settings_init(&r.energy);
    tm_option options[32 + TM_ENERGY_OPTIONS] = {
        {"model", "m", TM_OPTION_TEXT, &r.models, 0, 0, "MODEL,...", "GGUF files or synth:NAME"},
        {"prompt", "p", TM_OPTION_TEXT, &r.prompts, 0, 0, "N,...",
         "prompt tokens (default 512; 0: none)"},
        {"gen", "n", TM_OPTION_TEXT, &r.generated, 0, 0, "N,...",
         "generated tokens (default 128; 0: none)"},
        {"prompt-gen", "pg", TM_OPTION_TEXT, &r.both, 0, 0, "P,N;...",
         "a prompt and then generation, as one test"},
        {"depth", "d", TM_OPTION_TEXT, &r.depths, 0, 0, "N,...",
         "tokens in the KV cache before (default 0)"},
        {"sequences", NULL, TM_OPTION_TEXT, &r.sequences, 0, 0, "N,...",
         "decode so many together, tokens/s of all (default 1)"},
        {"threads", "t", TM_OPTION_TEXT, &r.threads, 0, 0, "N,...",
         "thread counts, ranges a-b*2, or all (default)"},
        {"repetitions", "r", TM_OPTION_INT, &r.repetitions, 1, 1000, "N",
         "inside a process (default 3)"},
        {"processes", NULL, TM_OPTION_INT, &r.processes, 1, 1000, "N",
         "fresh processes (default 3)"},
        {"kernel", NULL, TM_OPTION_TEXT, &r.kernels, 0, 0, "NAME,...",
         "kernels or layouts (default auto)"},
        {"head-kernel", NULL, TM_OPTION_TEXT, &r.head_kernels, 0, 0, "NAME,...",
         "of the output head: q6_k, q8_0, f16 (default auto: as stored)"},
        {"baseline", NULL, TM_OPTION_TEXT, &r.baseline, 0, 0, "NAME",
         "also measure this one and pair with it: f16"},
        {"counters", NULL, TM_OPTION_TEXT, &r.counters, 0, 0, "GROUP",
         "also take counters: list counters, or a file"},
        {"time-budget", NULL, TM_OPTION_REAL, &r.time_budget, 1, 1e6, "S",
         "start no pair that would pass it"},
        {"no-warmup", NULL, TM_OPTION_FLAG, &r.no_warmup, 0, 0, NULL,
         "time the first repetition as well"},
        {"seed", NULL, TM_OPTION_INT, &r.seed, 0, 9e15, "N",
         "of synthetic weights and tokens (default 1)"},
        {"oversubscribe", NULL, TM_OPTION_FLAG, &r.oversubscribe, 0, 0, NULL,
         "allow more threads than CPUs"},
        {"peer", NULL, TM_OPTION_TEXT, &r.peers, 0, 0, "NAME=PROGRAM,FILE;...", TM_PEER_HELP},
        {"retune", NULL, TM_OPTION_FLAG, &r.retune, 0, 0, NULL,
         "compare kernels again where a name such as auto or f16 leaves a choice"},
        {"quiet", "q", TM_OPTION_FLAG, &r.quiet, 0, 0, NULL, "no progress"},
        {"store", NULL, TM_OPTION_TEXT, &r.store, 0, 0, "FILE",
         "append the records to a store as well"},
        {"output", "o", TM_OPTION_TEXT, &r.output, 0, 0, "FORMAT",
         "text, md, csv, json, jsonl (default text)"},
    };
    tm_energy_add_options(options, &r.energy);
    const tm_command command = {
        "bench", "-m MODEL [options]", "Measures a few cells and prints them.", options, 0, 0};
    tm_error err = {0};
    const char *arguments[1];
    int n;
    bool help;
    tm_status status = tm_options_parse(&command, argc, argv, arguments, &n, &help, &err);
    if (status == TM_OK && help) return 0;
    if (status == TM_OK && !r.models) status = tm_fail(&err, TM_ARG, "--model is missing");
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
