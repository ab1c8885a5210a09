/* ternmark bench: measures a few cells and prints them; its flags are llama-bench's. */
#include "harness/cli/bench_output.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/peer_options.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/progress.h"
#include "harness/sweep/sweep.h"
#include "reports/output/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    tm_cell_settings cells;
    const char *baseline, *store;
    tm_peer_settings peers;
    int64_t repetitions, processes;
    double time_budget;
    bool no_warmup, profile;
    tm_energy_settings energy;
    tm_energy_source_choice meter; /* the source that was found */
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
    tm_status status = r->baseline ? tm_suite_add_kernels(suite, r->baseline, err)
                                   : TM_OK; /* first, so that it is kernel 0 */
    if (status == TM_OK) status = tm_cell_fill_suite(&r->cells, suite, err);
    if (status == TM_OK) status = tm_energy_adjust(&r->energy, suite, err);
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

/* Output that is printed while cells end. */
typedef struct live {
    const tm_call *call;
    tm_sweep_outcome *outcome;
    tm_progress progress;
    tm_text written; /* ids of the cells whose line is out, each with a newline */
    tm_status status;
    tm_error err;
} live;

/* The store may hold other results; only those of this call are printed. */
static tm_status summarize(const tm_sweep_outcome *outcome, tm_summaries *out, tm_error *err)
{
    const tm_records made = tm_sweep_new_records(outcome);
    return tm_summaries_make(made.items, made.n, out, err);
}

/* Writes the lines of the column's cells, of all if it is NULL, that are not out yet. */
static tm_status write_lines(live *l, const tm_cell *column, tm_error *err)
{
    tm_summaries all;
    tm_text text = {0};
    tm_status status = summarize(l->outcome, &all, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < all.n && status == TM_OK; i++) {
        const tm_cell_summary *s = &all.items[i];
        if (column &&
            (s->cell.threads != column->threads || strcmp(s->cell.model, column->model) != 0 ||
             strcmp(s->cell.test, column->test) != 0 || strcmp(s->cell.cpus, column->cpus) != 0))
            continue;
        if (strstr(tm_text_string(&l->written), s->cell_id)) continue;
        tm_text_format(&l->written, "%s\n", s->cell_id);
        status = tm_bench_output_write_line(&all, i, &text, err);
    }
    if (status == TM_OK) fputs(tm_text_string(&text), l->call->out);
    fflush(l->call->out); /* a later kill loses nothing */
    tm_text_free(&text);
    tm_summaries_free(&all);
    return status == TM_OK ? tm_text_status(&l->written, "the cells", err) : status;
}

static void on_event(void *arg, const tm_sweep_event *event)
{
    live *l = arg;
    tm_progress_event(&l->progress, event);
    if (event->column_ended && l->status == TM_OK && strcmp(l->call->format, "jsonl") == 0)
        l->status = write_lines(l, &event->record->cell, &l->err);
}

static tm_status measure(const request *r, const tm_suite *suite, const tm_interrupt *interrupt,
                         live *out, tm_error *err)
{
    const int64_t begin = tm_now_ns();
    tm_progress *progress = &out->progress;
    tm_progress_init(progress, r->cells.quiet);
    tm_machine env = {0};
    tm_plan plan = {0};
    tm_peers peers;
    char build[24];
    tm_status status = tm_peers_parse(&r->peers, &peers, err);
    if (status == TM_OK) status = tm_build_hash(NULL, build, sizeof build, err);
    if (status == TM_OK) status = tm_machine_read("/", &env, err);
    if (status == TM_OK && r->store) status = tm_sweep_check_store(r->store, &env, false, err);
    tm_tune_choices choices = {0};
    tm_tuner tuner = tm_cell_choice(&r->cells, build, &env, progress, interrupt);
    tm_plan_options po = {.need_models = true,
                          .seed = (uint64_t)r->cells.seed,
                          .oversubscribe = r->cells.oversubscribe,
                          .build = build,
                          .peers = peers.items,
                          .n_peers = peers.n,
                          .choices = &choices,
                          .energy = r->meter.source[0] != 0};
    if (status == TM_OK) status = tm_plan_list_choices(suite, &env, &po, &choices, err);
    if (status == TM_OK) status = tm_tune_resolve(&tuner, &choices, err);
    if (status == TM_OK) status = tm_plan_make(suite, &env, &po, &plan, err);
    /* Only profiles are compared with the roofline here. */
    tm_plan_roofline_request limits = {.command = "bench",
                                       .machine = &env,
                                       .plan = &plan,
                                       .oversubscribe = r->cells.oversubscribe,
                                       .interrupt = interrupt};
    tm_sweep_options so = {.suite = suite,
                           .machine = &env,
                           .plan = &plan,
                           .store_path = r->store,
                           .again = true,
                           .build = build,
                           .limits = r->profile ? tm_plan_roofline_of_run : NULL,
                           .limits_arg = &limits,
                           .energy = &r->meter,
                           .seed = (uint64_t)r->cells.seed,
                           .oversubscribe = r->cells.oversubscribe,
                           .spent_seconds = (double)(tm_now_ns() - begin) * 1e-9,
                           .interrupt = interrupt,
                           .on_event = on_event,
                           .on_event_arg = out};
    if (status == TM_OK) status = tm_sweep_run(&so, out->outcome, err);
    tm_progress_end(progress);
    tm_plan_free(&plan);
    tm_tune_choices_free(&choices);
    return status;
}

static tm_status print(live *l, tm_error *err)
{
    tm_summaries summaries;
    tm_text text = {0};
    if (l->status != TM_OK) {
        *err = l->err;
        return l->status;
    }
    if (strcmp(l->call->format, "jsonl") == 0) return write_lines(l, NULL, err);
    tm_status status = summarize(l->outcome, &summaries, err);
    if (status != TM_OK) return status;
    status = tm_bench_output_write(&summaries, l->call->format, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), l->call->out);
    tm_text_free(&text);
    tm_summaries_free(&summaries);
    return status;
}

static int exit_status(const tm_sweep_outcome *outcome, const tm_suite *suite)
{
    if (outcome->n_cells_failed) return 4;
    if (suite->energy.required && (outcome->n_windows_lost || outcome->n_windows_due)) return 5;
    return outcome->n_cells_ok == 0 ? 3 : 0;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    request *r = settings;
    tm_sweep_outcome outcome = {0};
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) return tm_fail(err, TM_NOMEM, "no memory for the suite");
    tm_status status = fill_suite(r, suite, err);
    if (status == TM_OK) {
        status = tm_energy_choose("bench", suite, &r->meter, err);
        if (status == TM_UNSUPPORTED) call->exit_status = 5;
    }
    tm_interrupt interrupt = status == TM_OK ? tm_interrupt_open() : TM_INTERRUPT_NEVER;
    live output = {.call = call, .outcome = &outcome};
    if (status == TM_OK) status = measure(r, suite, &interrupt, &output, err);
    if (status == TM_OK) status = print(&output, err);
    tm_text_free(&output.written);
    if (outcome.interrupted)
        call->exit_status = tm_interrupt_exit_status(&interrupt);
    else if (status == TM_OK)
        call->exit_status = exit_status(&outcome, suite);
    tm_sweep_outcome_free(&outcome);
    free(suite);
    return status;
}

static const tm_option rows[] = {
    {"repetitions", "r", TM_INTEGER(request, repetitions), "N",
     .help = "repetitions per process (default 3)", .low = 1, .high = 1000},
    {"processes", NULL, TM_INTEGER(request, processes), "N",
     .help = "fresh processes per cell (default 4)", .low = 1, .high = 1000},
    {"baseline", NULL, TM_TEXT(request, baseline), "NAME",
     .help = "also run NAME (e.g. f16) and report speed-ups over it",
     .choices = tm_cell_kernel_names},
    {"profile", NULL, TM_FLAG(request, profile), NULL, .help = TM_PROFILE_HELP,
     .group = TM_MORE_GROUP},
    {"time-budget", NULL, TM_NUMBER(request, time_budget), "SECONDS",
     .help = "after the first run of each cell, start only work predicted to end within SECONDS of "
             "the start",
     .group = TM_EXECUTION_GROUP, .low = 1, .high = 1e6},
    {"no-warmup", NULL, TM_FLAG(request, no_warmup), NULL,
     .help = "time the first repetition as well, without a warm-up", .group = TM_EXECUTION_GROUP},
    {"store", NULL, TM_FILE(request, store), "FILE",
     .help = "also append the records to a store; what it already holds is measured again",
     .group = TM_EXECUTION_GROUP},
    {0},
};

const tm_command tm_command_bench = {
    .name = "bench",
    .synopsis = "-m MODEL [OPTIONS]",
    .summary = "measure one model or a few cells, and print the results",
    .description =
        "Measures every combination of the given models, kernels, thread counts and tests, "
        "each in fresh processes, and prints the results. The short options are those of "
        "llama-bench.\n\n"
        "With --format jsonl, a cell's line is written once the cell and those it is compared "
        "with are finished. Each object also names the machine, version, commit, compiler and "
        "date.",
    .examples = "ternmark bench -m synth:125M -t 1,all -p 32 -n 8 -r 2\n"
                "ternmark bench -m synth:125M -t 1 -p 0 -n 8 --baseline f16 --format json",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", "jsonl", NULL},
    .options = (const tm_option_set[]){{tm_cell_options, offsetof(request, cells)},
                                       {rows, 0},
                                       {tm_peer_options, offsetof(request, peers)},
                                       {tm_energy_options, offsetof(request, energy)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(request, energy),
    .settings_size = sizeof(request),
    .defaults = &(const request){.cells = TM_CELL_DEFAULTS,
                                 .energy = TM_ENERGY_DEFAULTS,
                                 .repetitions = 3,
                                 .processes = 4}, /* even: the order in a pair alternates */
    .run = run,
};
