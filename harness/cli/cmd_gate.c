/* ternmark gate: did this commit make inference slower? */
#include "harness/base/atomic_file.h"
#include "harness/cli/arms_run.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/export_options.h"
#include "harness/cli/gate_pairs.h"
#include "harness/cli/interrupt.h"
#include "reports/gate.h"
#include "reports/output/table.h"
#include "reports/pages.h"
#include "reports/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct request {
    tm_cell_settings cells;
    const char *base, *head, *baseline, *budget, *from;
    const char *threshold, *inconclusive, *store, *page;
    tm_export_settings exports;
    int64_t repetitions, processes;
    double time_budget;
    bool skip_unchanged;
    tm_energy_settings energy;
} request;

typedef struct gate_run {
    const request *r;
    tm_gate_metrics metrics;
    tm_budgets budgets;
    tm_exports exports;
    tm_arm_request *arms; /* [2] base and head; owned */
    tm_plan plan;
    tm_machine machine;
    tm_sweep_outcome outcome;
    tm_records stored; /* of --from or --baseline */
    tm_gate gate;
    tm_gate_pairs pairs;
    int exit_status;
} gate_run;

/* A suite by name. Kernels and threads of the command line replace its own; the other options of
 * cells go with a model. */
static tm_status read_suite(const tm_cell_settings *cells, const char *name, tm_suite *suite,
                            tm_error *err)
{
    if (cells->prompts || cells->generated || cells->both || cells->depths || cells->sequences ||
        cells->head_kernels)
        return tm_fail(err, TM_ARG,
                       "the tests are those of the suite %s; --prompt, --gen and other options of "
                       "tests need --model",
                       name);
    tm_status status = tm_suite_read(name, suite, err);
    if (status == TM_OK && cells->kernels) {
        suite->n_kernels = 0;
        status = tm_suite_add_kernels(suite, cells->kernels, err);
    }
    if (status == TM_OK && cells->threads) {
        suite->n_threads = 0;
        status = tm_suite_add_threads(suite, cells->threads, err);
    }
    if (status == TM_OK && cells->counters)
        status = tm_suite_set_counters(suite, cells->counters, err);
    return status;
}

/* Fills the suite of an arm: the cells of the command line, or a suite by name. */
static tm_status fill_suite(const gate_run *x, const tm_call *call, tm_suite *suite, tm_error *err)
{
    const request *r = x->r;
    const char *name = call->n_arguments > 0 ? call->arguments[0] : "gate";
    tm_status status = TM_OK;
    if (r->cells.models && call->n_arguments > 0)
        return tm_fail(err, TM_ARG, "a suite (%s) and --model are given; use one of them", name);
    if (r->cells.models) {
        tm_suite_init(suite);
        strcpy(suite->name, "gate");
        suite->repetitions = 3;
        suite->processes = 8;
        const tm_cell_settings common = TM_CELL_DEFAULTS;
        tm_cell_settings cells = r->cells;
        if (!cells.prompts) cells.prompts = common.prompts;
        if (!cells.generated) cells.generated = common.generated;
        if (!cells.threads) cells.threads = common.threads;
        if (!cells.kernels) cells.kernels = common.kernels;
        status = tm_cell_fill_suite(&cells, suite, err);
    } else {
        status = read_suite(&r->cells, name, suite, err);
    }
    if (status != TM_OK) return status;
    suite->baseline[0] = 0; /* base and head are the pair */
    suite->profile = false;
    if (r->repetitions > 0) suite->repetitions = (int)r->repetitions;
    if (r->processes > 0) suite->processes = (int)r->processes;
    if (r->time_budget > 0) suite->time_budget_seconds = r->time_budget;
    return tm_energy_adjust(&r->energy, suite, err);
}

static tm_status fill_arm(gate_run *x, const tm_call *call, int arm, const char *name,
                          const char *program, tm_error *err)
{
    tm_arm_request *a = &x->arms[arm];
    char hash[24];
    tm_status status = fill_suite(x, call, &a->suite, err);
    if (status == TM_OK && program) status = tm_build_check(program, err);
    if (status == TM_OK) status = tm_build_hash(program, hash, sizeof hash, err);
    if (status != TM_OK) return status;
    if (program) snprintf(a->setting.program, sizeof a->setting.program, "%s", program);
    snprintf(a->setting.variant, sizeof a->setting.variant, "%s=%.8s", name, hash);
    return TM_OK;
}

/* Every limit on every cell that can have the figure. */
static tm_status add_budgets(gate_run *x, const tm_cell *cell, const char *cell_id,
                             const tm_record *records, int n, bool *has_figure, tm_error *err)
{
    tm_status status = TM_OK;
    for (int i = 0; i < x->budgets.n && status == TM_OK; i++) {
        if (!tm_metric_applies(x->budgets.items[i].metric, cell)) continue;
        has_figure[i] = true;
        status = tm_gate_add_budget(&x->gate, &x->budgets.items[i], cell, cell_id, records, n, err);
    }
    return status;
}

/* A limit on a figure that no cell has never passes silently. */
static tm_status add_unused_budgets(gate_run *x, const bool *has_figure, tm_error *err)
{
    tm_status status = TM_OK;
    char reason[240];
    for (int i = 0; i < x->budgets.n && status == TM_OK; i++) {
        if (has_figure[i]) continue;
        const tm_cell none = {.model = "no cell", .kernel = "-", .threads = 1, .test = "-"};
        snprintf(reason, sizeof reason, "budget %s: no cell has this figure",
                 x->budgets.items[i].text);
        status =
            tm_gate_add_failure(&x->gate, &none, "", TM_GATE_OUTCOME_INCONCLUSIVE, reason, err);
    }
    return status;
}

static tm_status check_new_budgets(gate_run *x, tm_error *err)
{
    bool has_figure[TM_BUDGETS_MAX] = {false};
    const tm_records made = tm_sweep_new_records(&x->outcome);
    tm_status status = TM_OK;
    for (int i = 0; i < x->plan.n_pairs && status == TM_OK; i++) {
        const tm_pair *pair = &x->plan.pairs[i];
        const tm_arm *arm = &x->plan.arms[pair->b >= 0 ? pair->b : pair->a];
        for (int k = 0; k < arm->n_cells && status == TM_OK; k++) {
            const tm_record *why = tm_gate_failure_of(&x->pairs, arm->cell_ids[k]);
            if (why && pair->b < 0)
                status = tm_gate_add_failure(&x->gate, &arm->cells[k], arm->cell_ids[k],
                                             strcmp(why->status, "failed") == 0
                                                 ? TM_GATE_OUTCOME_REGRESSION
                                                 : TM_GATE_OUTCOME_INCONCLUSIVE,
                                             why->reason, err);
            else if (!why)
                status = add_budgets(x, &arm->cells[k], arm->cell_ids[k], made.items, made.n,
                                     has_figure, err);
        }
    }
    return status == TM_OK ? add_unused_budgets(x, has_figure, err) : status;
}

static tm_status read_store(const char *path, tm_records *out, tm_error *err)
{
    tm_status status = tm_records_read(path, out, err);
    if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
    return status;
}

/* --from STORE: budgets on what was measured already. */
static tm_status check_stored_budgets(gate_run *x, tm_error *err)
{
    bool has_figure[TM_BUDGETS_MAX] = {false};
    tm_summaries all = {0};
    tm_status status = read_store(x->r->from, &x->stored, err);
    if (status == TM_OK) status = tm_summaries_make(x->stored.items, x->stored.n, &all, err);
    for (int i = 0; i < all.n && status == TM_OK; i++) {
        const tm_cell_summary *s = &all.items[i];
        if (s->superseded || s->newest[0]) continue; /* older builds do not count */
        status =
            add_budgets(x, &s->cell, s->cell_id, x->stored.items, x->stored.n, has_figure, err);
    }
    if (status == TM_OK) status = add_unused_budgets(x, has_figure, err);
    tm_summaries_free(&all);
    return status;
}

static const tm_record *last_run(const tm_records *records)
{
    for (int i = records->n - 1; i >= 0; i--)
        if (records->items[i].kind == TM_RECORD_RUN) return &records->items[i];
    return NULL;
}

/* A stored baseline counts only on an equal machine. */
static tm_status check_baseline(gate_run *x, tm_error *err)
{
    tm_status status = read_store(x->r->baseline, &x->stored, err);
    if (status == TM_OK) status = tm_machine_read("/", &x->machine, err);
    if (status != TM_OK) return status;
    const tm_record *run = last_run(&x->stored);
    const char *theirs =
        run ? tm_json_text(tm_json_get(run->run.document, "fingerprint"), "none") : "none";
    if (strcmp(theirs, x->machine.fingerprint) == 0) return TM_OK;
    return tm_fail(
        err, TM_UNSUPPORTED,
        "%s was measured on another machine (fingerprint %s; this one is %s): use --base "
        "BUILD on this machine",
        x->r->baseline, theirs, x->machine.fingerprint);
}

static tm_status add_baseline(gate_run *x, tm_error *err)
{
    const tm_records made = tm_sweep_new_records(&x->outcome);
    tm_gate_baseline baseline = {
        .stored = &x->stored, .metrics = &x->metrics, .records = made.items, .n_records = made.n};
    tm_status status = tm_summaries_make(x->stored.items, x->stored.n, &baseline.all, err);
    for (int i = 0; i < x->plan.n_arms && status == TM_OK; i++) {
        const tm_arm *arm = &x->plan.arms[i];
        for (int k = 0; k < arm->n_cells && status == TM_OK; k++)
            if (!tm_gate_failure_of(&x->pairs, arm->cell_ids[k])) /* that is a row of its own */
                status = tm_gate_add_baseline(&x->gate, &baseline, &arm->cells[k], arm->cell_ids[k],
                                              err);
    }
    tm_summaries_free(&baseline.all);
    return status;
}

/* What was judged: the stored records, or the new ones. */
static tm_records judged_records(const gate_run *x)
{
    return x->r->from ? (tm_records){.items = x->stored.items, .n = x->stored.n}
                      : tm_sweep_new_records(&x->outcome);
}

static tm_status write_exports(gate_run *x, tm_error *err)
{
    tm_summaries all = {0};
    const tm_records judged = judged_records(x);
    const tm_record *records = judged.items;
    const int n = judged.n;
    tm_export_row *rows = calloc((size_t)x->gate.n + 1, sizeof *rows);
    int n_rows = 0;
    tm_status status = rows ? TM_OK : tm_fail(err, TM_NOMEM, "no memory for exports");
    if (status == TM_OK) status = tm_summaries_make(records, n, &all, err);
    for (int i = 0; i < x->gate.n && status == TM_OK; i++) {
        const tm_gate_result *r = &x->gate.items[i];
        for (int k = 0; k < all.n; k++)
            if (strcmp(all.items[k].cell_id, r->cell_id) == 0) {
                rows[n_rows++] = (tm_export_row){.cell = &all.items[k],
                                                 .metric = r->metric ? r->metric->name : NULL,
                                                 .outcome = tm_gate_outcome_name(r->outcome),
                                                 .reason = r->reason,
                                                 .ratio = r->ratio.value,
                                                 .ratio_low = r->ratio.low,
                                                 .ratio_high = r->ratio.high};
                break;
            }
    }
    const tm_export view = {rows, n_rows, &all, records, n, "gate"};
    if (status == TM_OK) status = tm_exports_write(&x->exports, "gate", &view, err);
    tm_summaries_free(&all);
    free(rows);
    return status;
}

static tm_status parse(gate_run *x, const tm_call *call, tm_error *err)
{
    const request *r = x->r;
    tm_status status = tm_gate_metrics_parse(r->threshold, &x->metrics, err);
    if (status == TM_OK && r->budget) status = tm_budgets_parse(r->budget, &x->budgets, err);
    if (status == TM_OK && !r->base && !r->baseline && !r->budget)
        status = tm_fail(err, TM_ARG,
                         "nothing to compare with: use --base BUILD, --baseline STORE or --budget "
                         "LIMITS");
    if (status == TM_OK && r->base && r->baseline)
        status = tm_fail(err, TM_ARG, "--base and --baseline are given; use one of them");
    if (status == TM_OK && r->from && (r->base || r->baseline || r->head || call->n_arguments > 0))
        status = tm_fail(err, TM_ARG, "--from STORE measures nothing; it goes with --budget alone");
    if (status == TM_OK && r->page) status = tm_atomic_file_check(r->page, err);
    return status == TM_OK ? tm_exports_open(&r->exports, r->store, &x->exports, err) : status;
}

static tm_status measure(gate_run *x, const tm_call *call, tm_error *err)
{
    const request *r = x->r;
    tm_energy_source_choice meter = {0};
    tm_status status = r->baseline ? check_baseline(x, err) : TM_OK;
    if (status == TM_OK && r->base) status = fill_arm(x, call, 0, "base", r->base, err);
    if (status == TM_OK) status = fill_arm(x, call, r->base ? 1 : 0, "head", r->head, err);
    /* Pairs of both batches; the rule ends them earlier. */
    const tm_gate_limits limits = TM_GATE_LIMITS;
    if (r->base)
        x->arms[0].suite.processes = x->arms[1].suite.processes =
            limits.screen_pairs + limits.confirm_pairs;
    else
        x->arms[0].setting.variant[0] = 0; /* an ordinary cell, to become a baseline */
    if (status == TM_OK) {
        status = tm_energy_choose("gate", &x->arms[0].suite, &meter, err);
        if (status == TM_UNSUPPORTED) x->exit_status = 5;
    }
    tm_interrupt interrupt = status == TM_OK ? tm_interrupt_open() : TM_INTERRUPT_NEVER;
    tm_arms_request run = {.command = "gate",
                           .a = &x->arms[0],
                           .b = r->base ? &x->arms[1] : NULL,
                           .cells = &r->cells,
                           .store = r->store,
                           .energy = &meter,
                           .wants = r->base ? tm_gate_pairs_want : NULL,
                           .wants_arg = &x->pairs,
                           .begin = tm_gate_pairs_begin,
                           .interrupt = &interrupt};
    if (status == TM_OK) status = tm_arms_run(&run, &x->plan, &x->outcome, &x->machine, err);
    x->pairs.first_new = x->outcome.first_new;
    if (status == TM_OK && r->base) status = tm_gate_pairs_end(&x->pairs, &x->gate, err);
    if (status == TM_OK && r->baseline) status = add_baseline(x, err);
    if (status == TM_OK) status = check_new_budgets(x, err);
    if (x->outcome.interrupted) x->exit_status = tm_interrupt_exit_status(&interrupt);
    return status;
}

static int exit_status(const request *r, tm_gate_outcome outcome)
{
    if (outcome == TM_GATE_OUTCOME_REGRESSION) return 1;
    if (outcome == TM_GATE_OUTCOME_PASS) return 0;
    if (!r->inconclusive) return 3;
    return strcmp(r->inconclusive, "pass") == 0 ? 0 : 1;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    gate_run *x = calloc(1, sizeof *x);
    if (!x) return tm_fail(err, TM_NOMEM, "no memory for a gate");
    request *r = settings;
    x->r = r;
    x->pairs = (tm_gate_pairs){
        .metrics = &x->metrics, .machine = &x->machine, .skip_unchanged = r->skip_unchanged};
    x->arms = calloc(2, sizeof *x->arms);
    tm_status status = x->arms ? parse(x, call, err) : tm_fail(err, TM_NOMEM, "out of memory");
    if (status == TM_OK) status = r->from ? check_stored_budgets(x, err) : measure(x, call, err);
    tm_text text = {0};
    if (status == TM_OK) status = tm_gate_write(&x->gate, call->format, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    const tm_records judged = judged_records(x);
    if (status == TM_OK && r->page) status = tm_gate_page(&x->gate, &judged, r->page, err);
    if (status == TM_OK && x->exports.n > 0) status = write_exports(x, err);
    if (x->exit_status != 0)
        call->exit_status = x->exit_status;
    else if (status == TM_OK)
        call->exit_status = exit_status(r, tm_gate_judge(&x->gate));
    tm_text_free(&text);
    tm_gate_free(&x->gate);
    tm_plan_free(&x->plan);
    tm_sweep_outcome_free(&x->outcome);
    tm_records_free(&x->stored);
    tm_exports_close(&x->exports);
    tm_gate_pairs_free(&x->pairs);
    free(x->arms);
    free(x);
    return status;
}

static const tm_option rows[] = {
    {"base", NULL, TM_FILE(request, base), "PROGRAM",
     .help = "the build to compare with: the path of another ternmark", .is_program = true},
    {"head", NULL, TM_FILE(request, head), "PROGRAM",
     .help = "the build that is judged (default: this program)", .is_program = true},
    {"baseline", NULL, TM_FILE(request, baseline), "STORE",
     .help = "compare with stored results of this machine instead of a build"},
    {"budget", NULL, TM_TEXT(request, budget), "LIMITS",
     .help = "absolute limits, e.g. tokens_per_second>=5,peak_rss<=1GiB"},
    {"threshold", NULL, TM_TEXT(request, threshold), "PERCENT",
     .help = "fail beyond this change; METRIC=PERCENT,... for several metrics (default 5%)"},
    {"inconclusive", NULL, TM_CHOICE(request, inconclusive), "WORD",
     .help = "exit status if it could not be measured: pass is 0, fail is 1 (default: 3)",
     .choices = (const char *const[]){"pass", "fail", NULL}},
    {"html", NULL, TM_FILE(request, page), "FILE",
     .help = "also write a page for a browser to FILE"},
    {"model", "m", TM_LIST(request, cells.models), "MODEL,...",
     .help = "gate these models with the cells of the options below, not a suite",
     .group = TM_CELLS_GROUP},
    {"repetitions", "r", TM_INTEGER(request, repetitions), "N",
     .help = "repetitions per process (default: the suite's)", .group = TM_EXECUTION_GROUP,
     .low = 1, .high = 1000},
    {"processes", NULL, TM_INTEGER(request, processes), "N",
     .help = "processes per cell without --base (default: the suite's)",
     .group = TM_EXECUTION_GROUP, .low = 1, .high = 1000},
    {"time-budget", NULL, TM_NUMBER(request, time_budget), "SECONDS",
     .help = "stop starting pairs that would not finish within SECONDS (default: the suite's)",
     .group = TM_EXECUTION_GROUP, .low = 1, .high = 1e6},
    {"store", NULL, TM_FILE(request, store), "FILE", .help = "also append the records to a store",
     .group = TM_EXECUTION_GROUP},
    {"from", NULL, TM_FILE(request, from), "STORE",
     .help = "check stored results against --budget, and measure nothing",
     .group = TM_EXECUTION_GROUP},
    {"skip-unchanged", NULL, TM_FLAG(request, skip_unchanged), NULL,
     .help =
         "pass a cell after one pair if its engine and kernels are the same code in both builds",
     .group = TM_EXECUTION_GROUP},
    {0},
};

const tm_command tm_command_gate = {
    .name = "gate",
    .synopsis = "(--base BUILD | --baseline STORE | --budget LIMITS) [OPTIONS] [SUITE]",
    .summary = "fail if a build got slower or exceeds a budget, for CI",
    .description =
        "Runs the cells of a suite (default: the built-in suite gate) with both builds, in "
        "alternating pairs of fresh processes. A row fails if it got worse by more than the "
        "threshold in two independent batches of pairs; a head that fails or generates other "
        "tokens fails as well. Rows that pass end early.\n\n"
        "The outcome is pass (exit status 0), regression (1) or inconclusive (3): the machine was "
        "too noisy, the base does not run, or a figure of --budget is missing. A slow-down exactly "
        "at the threshold fails half of the time.",
    .examples = "ternmark gate --base old/ternmark --head new/ternmark\n"
                "ternmark gate --base old/ternmark -m synth:700M -t 2 -p 64 -n 16\n"
                "ternmark gate --baseline main.jsonl --threshold 10%\n"
                "ternmark gate --budget 'peak_rss<=1GiB,first_token<=2s' quick",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0},
                                       {tm_export_options, offsetof(request, exports)},
                                       {tm_cell_options + 1, offsetof(request, cells)},
                                       {tm_energy_options, offsetof(request, energy)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(request, energy),
    .max_arguments = 1,
    .settings_size = sizeof(request),
    .defaults =
        &(const request){.cells = {.seed = 1}, .energy = TM_ENERGY_DEFAULTS, .threshold = "5%"},
    .run = run,
};
