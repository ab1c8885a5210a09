/* ternmark compare: is B faster than A? */
#include "harness/base/atomic_file.h"
#include "harness/cli/arms_run.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/export_options.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/noise_floor.h"
#include "reports/arms_output.h"
#include "reports/gate.h"
#include "reports/output/table.h"
#include "reports/pages.h"
#include "reports/summary.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define MOST_PAIRS        64   /* of the adaptive length */
#define DEFAULT_PRECISION 0.02 /* narrow enough, even if the interval contains 1 */

typedef struct request {
    tm_cell_settings cells;
    const char *metrics, *store, *plot, *page;
    tm_peer_settings peers;
    const char *precision;
    int64_t pairs, repetitions;
    double time_budget;
    bool aa, no_warmup;
    tm_energy_settings energy;
    tm_export_settings exports;
} request;

typedef struct metric_list {
    const tm_metric *items[16];
    int n;
    bool all;
} metric_list;

/* Rows of a comparison while its pairs are run. */
typedef struct live {
    const request *r;
    const metric_list *metrics;
    const tm_plan *plan;
    const tm_records *records;
    tm_looks looks;
    double precision;
    bool or_decided;                              /* pairs also end when the interval excludes 1 */
    int round;                                    /* of the last look */
    bool is_decided[TM_SUITE_MAX * TM_SUITE_MAX]; /* by pair of the plan */
    tm_status status;
    tm_error *err;
} live;

static tm_status parse_metrics(const char *text, metric_list *out, tm_error *err)
{
    char **names;
    int n;
    *out = (metric_list){.all = strcmp(text, "all") == 0};
    if (out->all) {
        for (const tm_metric *m = tm_metrics; m->name; m++) out->items[out->n++] = m;
        return TM_OK;
    }
    tm_status status = tm_split_texts(text, "metrics", &names, &n, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n && status == TM_OK; i++) {
        const tm_metric *metric;
        bool seen = false;
        status = tm_metric_need(names[i], &metric, err);
        for (int k = 0; status == TM_OK && k < out->n; k++) seen = seen || out->items[k] == metric;
        if (status == TM_OK && !seen) out->items[out->n++] = metric;
    }
    tm_free_texts(names, n);
    return status;
}

static void begin(void *arg, const tm_plan *plan, const tm_records *records)
{
    live *x = arg;
    x->plan = plan;
    x->records = records;
}

static bool wants(void *arg, const tm_pair *pair, int round)
{
    live *x = arg;
    int i = (int)(pair - x->plan->pairs);
    if (x->r->pairs > 0) return true;
    if (!x->is_decided[i] && tm_is_look(&x->looks, round))
        x->is_decided[i] =
            tm_arms_are_narrow(x->plan, i, x->records, &x->looks, x->precision, x->or_decided);
    return !x->is_decided[i];
}

static tm_status fill_arm(const request *r, const char *text, tm_arm_request *arm, tm_error *err)
{
    tm_suite *suite = &arm->suite;
    tm_cell_settings cells = r->cells;
    tm_suite_init(suite);
    strcpy(suite->name, "compare");
    suite->repetitions = (int)r->repetitions;
    suite->processes = r->pairs > 0 ? (int)r->pairs : r->aa ? 10 : MOST_PAIRS;
    suite->warmup = r->no_warmup ? 0 : 1;
    suite->time_budget_seconds = r->time_budget;
    tm_status status = TM_OK;
    if (!cells.models && !strstr(text, "model="))
        return tm_fail(err, TM_ARG, "no model: use -m MODEL, or model=MODEL in both arms");
    if (!cells.models) cells.models = "null:1"; /* replaced by the arm's */
    status = tm_cell_fill_suite(&cells, suite, err);
    if (status == TM_OK) status = tm_energy_adjust(&r->energy, suite, err);
    return status == TM_OK ? tm_arm_parse(text, arm, err) : status;
}

static bool is_store(const char *argument)
{
    struct stat info;
    return stat(argument, &info) == 0 && !S_ISDIR(info.st_mode);
}

/* The cell of `all` that measures the same as `cell`: equal names, else the kernel that the same
 * name of a suite stood for. */
static const tm_cell_summary *partner_of(const tm_summaries *all, const tm_cell_summary *of)
{
    const tm_cell_summary *by_asked = NULL;
    const tm_cell *c = &of->cell;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->superseded || strcmp(s->cell.model, c->model) != 0 ||
            strcmp(s->cell.test, c->test) != 0 || s->cell.threads != c->threads ||
            strcmp(s->cell.engine, c->engine) != 0 || strcmp(s->cell.variant, c->variant) != 0)
            continue;
        if (strcmp(s->cell.kernel, c->kernel) == 0 &&
            strcmp(s->cell.head_kernel, c->head_kernel) == 0)
            return s;
        if (c->kernel_asked[0] && strcmp(s->cell.kernel_asked, c->kernel_asked) == 0) by_asked = s;
    }
    return by_asked;
}

static tm_status compare_stores(const char *const *paths, tm_records records[2],
                                const metric_list *metrics, tm_arms *arms, tm_error *err)
{
    tm_summaries all[2] = {{0}, {0}};
    tm_status status = TM_OK;
    int n_lone = 0;
    for (int i = 0; i < 2 && status == TM_OK; i++) {
        status = tm_records_read(paths[i], &records[i], err);
        if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
        if (status == TM_OK)
            status = tm_summaries_make(records[i].items, records[i].n, &all[i], err);
    }
    for (int i = 0; i < all[0].n && status == TM_OK; i++) {
        const tm_cell_summary *a = &all[0].items[i];
        if (a->superseded) continue;
        const tm_cell_summary *b = partner_of(&all[1], a);
        n_lone += !b;
        for (int m = 0; b && m < metrics->n && status == TM_OK; m++)
            status = tm_arms_add_sets(arms, records[0].items, records[0].n, &a->cell, a->cell_id,
                                      records[1].items, records[1].n, &b->cell, b->cell_id,
                                      metrics->items[m], err);
    }
    if (status == TM_OK && arms->n_rows == 0)
        status =
            tm_fail(err, TM_UNSUPPORTED,
                    "no cell is in both stores: %s has %d cells, %s has %d; a cell needs equal "
                    "model, kernel, threads and test",
                    paths[0], all[0].n, paths[1], all[1].n);
    if (status == TM_OK && n_lone > 0)
        fprintf(stderr, "ternmark compare: left out %d cell%s of A that B does not have\n", n_lone,
                tm_plural(n_lone));
    for (int i = 0; i < 2; i++) tm_summaries_free(&all[i]);
    return status;
}

/* Rows without a value of metrics that nobody named. */
static void drop_unasked(const metric_list *metrics, tm_arms *arms)
{
    int n = 0;
    for (int i = 0; i < arms->n_rows; i++) {
        tm_arms_row row = arms->rows[i];
        if (metrics->all && row.missing[0] && row.metric != metrics->items[0]) {
            free(row.a_values);
            free(row.first_is_a);
            continue;
        }
        arms->rows[n++] = row;
    }
    arms->n_rows = n;
}

/* Rows without an outcome: a comparison does not judge. */
static tm_status write_exports(const tm_exports *exports, const tm_arms *arms,
                               const tm_records *records, int first, tm_error *err)
{
    tm_summaries all = {0};
    tm_export_row *rows = calloc((size_t)arms->n_rows + 1, sizeof *rows);
    int n_rows = 0;
    if (!rows) return tm_fail(err, TM_NOMEM, "no memory for exports");
    tm_status status = tm_summaries_make(records->items + first, records->n - first, &all, err);
    for (int i = 0; i < arms->n_rows && status == TM_OK; i++)
        for (int k = 0; k < all.n; k++)
            if (strcmp(all.items[k].cell_id, arms->rows[i].b_id) == 0)
                rows[n_rows++] = (tm_export_row){.cell = &all.items[k],
                                                 .metric = arms->rows[i].metric->name,
                                                 .ratio = arms->rows[i].ratio.value,
                                                 .ratio_low = arms->rows[i].ratio.low,
                                                 .ratio_high = arms->rows[i].ratio.high};
    const tm_export view = {rows,     n_rows, &all, records->items + first, records->n - first,
                            "compare"};
    if (status == TM_OK) status = tm_exports_write(exports, "compare", &view, err);
    tm_summaries_free(&all);
    free(rows);
    return status;
}

static tm_status print(const tm_arms *arms, const tm_call *call, tm_error *err)
{
    tm_text text = {0};
    tm_status status = tm_arms_write(arms, call->format, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    tm_text_free(&text);
    return status;
}

/* Prints the rows and writes the page. records: [n] what they come from. */
static tm_status show(const request *r, const tm_arms *arms, const tm_records *records, int n,
                      const tm_call *call, tm_error *err)
{
    tm_status status = print(arms, call, err);
    if (status == TM_OK && r->page) status = tm_arms_page(arms, records, n, r->page, err);
    return status;
}

static tm_status run_live(const request *r, const tm_call *call, const metric_list *metrics,
                          tm_arms *arms, int *exit_status, tm_error *err)
{
    tm_arm_request *both = calloc(2, sizeof *both);
    if (!both) return tm_fail(err, TM_NOMEM, "no memory for two arms");
    tm_peers peers;
    tm_plan plan = {0};
    tm_machine machine = {0};
    tm_sweep_outcome outcome = {0};
    tm_energy_source_choice meter = {0};
    live state = {.r = r, .metrics = metrics, .looks = tm_looks_make(MOST_PAIRS), .err = err};
    const char *const a = call->arguments[0], *const b = call->arguments[r->aa ? 0 : 1];
    tm_status status = TM_OK;
    state.or_decided = !r->precision;
    state.precision = DEFAULT_PRECISION;
    if (r->precision)
        status = tm_percent_parse(r->precision, "--precision", 0.0001, &state.precision, err);
    if (status == TM_OK) status = tm_peers_parse(&r->peers, &peers, err);
    if (status == TM_OK) status = fill_arm(r, a, &both[0], err);
    if (status == TM_OK) status = fill_arm(r, b, &both[1], err);
    if (status == TM_OK) {
        status = tm_energy_choose("compare", &both[0].suite, &meter, err);
        if (status == TM_UNSUPPORTED) *exit_status = 5;
    }
    tm_exports exports = {0};
    if (status == TM_OK) status = tm_exports_open(&r->exports, r->store, &exports, err);
    tm_interrupt interrupt = status == TM_OK ? tm_interrupt_open() : TM_INTERRUPT_NEVER;
    tm_arms_request run = {.command = "compare",
                           .a = &both[0],
                           .b = &both[1],
                           .is_aa = r->aa,
                           .cells = &r->cells,
                           .peers = &peers,
                           .store = r->store,
                           .energy = &meter,
                           .wants = r->pairs > 0 || r->aa ? NULL : wants,
                           .wants_arg = &state,
                           .begin = begin,
                           .interrupt = &interrupt};
    if (status == TM_OK) status = tm_arms_run(&run, &plan, &outcome, &machine, err);
    const tm_records measured = tm_sweep_new_records(&outcome);
    tm_text notes = {0};
    if (status == TM_OK)
        status = tm_arms_of_plan(&plan, measured.items, measured.n, metrics->items, metrics->n, -1,
                                 arms, err);
    if (status == TM_OK) {
        drop_unasked(metrics, arms);
        for (int i = 0; i < arms->n_rows && !r->aa; i++)
            tm_noise_floor_recall(machine.fingerprint, &arms->rows[i]);
        tm_arms_judge(arms, run.wants ? &state.looks : NULL);
    }
    for (int i = 0; i < arms->n_rows && r->aa && status == TM_OK; i++)
        status = tm_noise_floor_keep(machine.fingerprint, &arms->rows[i], &notes, err);
    tm_print_notes("compare", tm_text_string(&notes));
    tm_text_free(&notes);
    if (status == TM_OK) status = show(r, arms, &measured, 1, call, err);
    if (status == TM_OK && exports.n > 0 && !outcome.interrupted)
        status = write_exports(&exports, arms, &outcome.records, outcome.first_new, err);
    tm_exports_close(&exports);
    if (outcome.interrupted)
        *exit_status = tm_interrupt_exit_status(&interrupt);
    else if (status == TM_OK && outcome.n_cells_failed)
        *exit_status = 4;
    tm_sweep_outcome_free(&outcome);
    tm_plan_free(&plan);
    free(both);
    return status;
}

static tm_status write_plot(const tm_arms *arms, const char *directory, tm_error *err)
{
    tm_plot plot;
    tm_arms_plot(arms, &plot);
    tm_status status = tm_make_folders(directory, err);
    if (status == TM_OK) status = tm_plot_write(&plot, directory, err);
    if (status == TM_OK) {
        tm_error why;
        if (tm_plot_run(directory, plot.stem, &why) != TM_OK)
            fprintf(stderr, "ternmark compare: no plot: %s\n", why.message);
    }
    tm_plot_free(&plot);
    return status;
}

static tm_status check_arguments(const request *r, const tm_call *call, bool *stores, tm_error *err)
{
    const int n = call->n_arguments;
    *stores = false;
    if (r->aa && n != 1) return tm_fail(err, TM_ARG, "--aa takes one arm; %d are given", n);
    if (r->aa && r->exports.targets)
        return tm_fail(err, TM_ARG,
                       "--aa has no result to export, only a noise floor; leave out --export");
    if (r->aa) return TM_OK;
    if (n != 2) return tm_fail(err, TM_ARG, "two arms are needed, A and B; %d is given", n);
    bool a = is_store(call->arguments[0]), b = is_store(call->arguments[1]);
    if (a && b && r->exports.targets)
        return tm_fail(err, TM_ARG,
                       "--export goes with arms that are run; use `export` on a store");
    *stores = a && b;
    if (a == b) return TM_OK;
    const char *file = call->arguments[a ? 0 : 1], *other = call->arguments[a ? 1 : 0];
    if (!strchr(other, '=')) return tm_fail(err, TM_ARG, "%s: no such store", other);
    return tm_fail(err, TM_ARG,
                   "%s is a store and %s is not: compare two stores, or two arms that are run",
                   file, other);
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    request *r = settings;
    metric_list metrics;
    tm_arms arms = {0};
    tm_records records[2] = {{0}, {0}};
    bool stores;
    tm_status status = check_arguments(r, call, &stores, err);
    if (status == TM_OK) status = parse_metrics(r->metrics, &metrics, err);
    if (status == TM_OK && r->page) status = tm_atomic_file_check(r->page, err);
    if (status == TM_OK && stores) {
        status = compare_stores(call->arguments, records, &metrics, &arms, err);
        if (status == TM_OK) {
            drop_unasked(&metrics, &arms);
            tm_arms_judge(&arms, NULL);
            status = show(r, &arms, records, 2, call, err);
        }
    } else if (status == TM_OK) {
        status = run_live(r, call, &metrics, &arms, &call->exit_status, err);
    }
    bool any = false;
    for (int i = 0; i < arms.n_rows; i++) any = any || !arms.rows[i].missing[0];
    if (status == TM_OK && r->plot && any) status = write_plot(&arms, r->plot, err);
    if (status == TM_OK && call->exit_status == 0 && !any) call->exit_status = 3;
    for (int i = 0; i < 2; i++) tm_records_free(&records[i]);
    tm_arms_free(&arms);
    return status;
}

static const tm_option rows[] = {
    {"model", "m", TM_LIST(request, cells.models), "MODEL,...",
     .help = "measure GGUF files or synth:NAME"},
    {"pairs", NULL, TM_INTEGER(request, pairs), "N",
     .help = "run exactly N pairs (default: 8 to 64, until decided; 10 with --aa)", .low = 1,
     .high = 1000},
    {"precision", NULL, TM_TEXT(request, precision), "PERCENT",
     .help = "add pairs until the interval is as narrow as +-PERCENT, e.g. 2%"},
    {"metric", NULL, TM_LIST(request, metrics), "NAME,...",
     .help = "compare these metrics, or all (default tokens_per_second)",
     .choices = tm_metric_names},
    {"aa", NULL, TM_FLAG(request, aa), NULL,
     .help = "run A against itself and keep the result (of 10 pairs or more) as this machine's "
             "noise floor"},
    {"repetitions", "r", TM_INTEGER(request, repetitions), "N",
     .help = "repetitions per process (default 3)", .low = 1, .high = 1000},
    {"plot", NULL, TM_DIR(request, plot), "DIR",
     .help = "write a forest plot of the ratios to DIR"},
    {"html", NULL, TM_FILE(request, page), "FILE",
     .help = "also write a page for a browser to FILE"},
    {"time-budget", NULL, TM_NUMBER(request, time_budget), "SECONDS",
     .help = "stop starting work that would not finish within SECONDS", .group = TM_EXECUTION_GROUP,
     .low = 1, .high = 1e6},
    {"no-warmup", NULL, TM_FLAG(request, no_warmup), NULL,
     .help = "time the first repetition as well, without a warm-up", .group = TM_EXECUTION_GROUP},
    {"store", NULL, TM_FILE(request, store), "FILE", .help = "also append the records to a store",
     .group = TM_EXECUTION_GROUP},
    {0},
};

const tm_command tm_command_compare = {
    .name = "compare",
    .synopsis = "A B [OPTIONS]",
    .summary = "compare two arms, builds or stores: is B faster than A?",
    .description =
        "An arm is a store file, or a list KEY=VALUE,... that changes the cells of the other "
        "options. Keys: kernel, head_kernel, threads, model, isa, prefetch (bytes), kv (f16, f32), "
        "peer (a name of --peer), cpus (performance, efficiency or a range as 0-3) and build (the "
        "path of another ternmark).\n\n"
        "Arms are run in fresh processes, in pairs whose order alternates (AB BA). Pairs are added "
        "until the interval decides, or until it is narrow enough. The interval and the verdict "
        "take the repeated looks and the number of rows into account. Two stores are compared as "
        "they are: their processes are not pairs.",
    .examples = "ternmark compare kernel=f16 kernel=auto -m synth:125M -t 1 -n 16\n"
                "ternmark compare build=old/ternmark build=new/ternmark -m synth:125M -t 1\n"
                "ternmark compare before.jsonl after.jsonl\n"
                "ternmark compare --aa kernel=auto -m synth:125M -t 1 -n 16",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0},
                                       {tm_export_options, offsetof(request, exports)},
                                       {tm_cell_options + 1, offsetof(request, cells)},
                                       {tm_peer_options, offsetof(request, peers)},
                                       {tm_energy_options, offsetof(request, energy)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(request, energy),
    .argument_is_file = true,
    .min_arguments = 1,
    .max_arguments = 2,
    .settings_size = sizeof(request),
    .defaults = &(const request){.cells = TM_CELL_DEFAULTS,
                                 .energy = TM_ENERGY_DEFAULTS,
                                 .metrics = "tokens_per_second",
                                 .repetitions = 3},
    .run = run,
};
