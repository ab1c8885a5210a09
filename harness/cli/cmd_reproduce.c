/* ternmark reproduce: what papers claim, and whether this machine confirms it. */
#include "harness/base/atomic_file.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/progress.h"
#include "harness/cli/reproduce_run.h"
#include "harness/measure/shapes.h"
#include "harness/record/store.h"
#include "reports/pages.h"
#include "reports/reproduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define RUNS "results/runs"
/* With the comparison of kernels and the roofline, about 12 minutes on two cores. */
#define QUICK_SECONDS 600

typedef struct settings {
    const char *from, *store, *models, *claims, *page;
    tm_peer_settings peers;
    double budget; /* negative: not given */
    bool list, quick, full, dry_run, quiet;
    tm_energy_settings energy;
} settings;

/* Everything that judging needs. */
typedef struct work {
    tm_published published;
    tm_claims claims;
    tm_model_size *sizes;
    int n_sizes;
    tm_records *records; /* [n_stores] */
    tm_summaries *summaries;
    int n_stores;
    const char *page;   /* NULL: none */
    tm_machine machine; /* this one, where no store names it */
    tm_json *document;
    tm_summary_machine here;
} work;

static void free_work(work *w)
{
    for (int i = 0; i < w->n_stores; i++) {
        if (w->summaries[i].machines != &w->here) tm_summaries_free(&w->summaries[i]);
        tm_records_free(&w->records[i]);
    }
    free(w->summaries);
    free(w->records);
    free(w->sizes);
    tm_json_free(w->document);
    tm_claims_free(&w->claims);
    tm_published_free(&w->published);
}

static tm_status read_sizes(work *w, tm_error *err)
{
    tm_shapes shapes;
    tm_status status = tm_shapes_read(&shapes, err);
    if (status != TM_OK) return status;
    w->sizes = calloc((size_t)shapes.n + 1, sizeof *w->sizes);
    if (!w->sizes) status = tm_fail(err, TM_NOMEM, "no memory for %d shapes", shapes.n);
    for (int i = 0; w->sizes && i < shapes.n; i++) {
        tm_model_size *size = &w->sizes[w->n_sizes++];
        snprintf(size->name, sizeof size->name, "%s", tm_shape_label(shapes.items[i].name));
        size->linear_weights = shapes.items[i].linear_weights;
        size->embedding_weights = shapes.items[i].embedding_weights;
        size->tied_head = shapes.items[i].config.tied_head;
    }
    tm_shapes_free(&shapes);
    return status;
}

static tm_status add_room(work *w, tm_error *err)
{
    const size_t n = (size_t)w->n_stores + 1;
    tm_records *records = realloc(w->records, n * sizeof *records);
    if (records) w->records = records;
    tm_summaries *all = realloc(w->summaries, n * sizeof *all);
    if (all) w->summaries = all;
    if (!records || !all) return tm_fail(err, TM_NOMEM, "no memory for %zu stores", n);
    records[w->n_stores] = (tm_records){0};
    all[w->n_stores++] = (tm_summaries){0};
    return TM_OK;
}

/* Appends a store. A store of another schema and one without cells are wrong input here. */
static tm_status add_store(work *w, const char *path, tm_error *err)
{
    tm_status status = add_room(w, err);
    if (status != TM_OK) return status;
    tm_records *records = &w->records[w->n_stores - 1];
    tm_summaries *all = &w->summaries[w->n_stores - 1];
    status = tm_records_read(path, records, err);
    if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
    if (status == TM_OK) status = tm_summaries_make(records->items, records->n, all, err);
    if (status != TM_OK) return status;
    all->n_refused = records->n_refused;
    if (all->n == 0) return tm_fail(err, TM_ARG, "%s: the store holds no cell", path);
    return TM_OK;
}

/* Appends a store without cells that names this machine, for the reasons of claims that it cannot
 * test. */
static tm_status add_this_machine(work *w, tm_error *err)
{
    tm_status status = add_room(w, err);
    if (status != TM_OK) return status;
    w->document = tm_json_object();
    tm_json_set(w->document, "machine", tm_machine_hardware_to_json(&w->machine));
    tm_json_set(w->document, "environment", tm_machine_environment_to_json(&w->machine));
    w->here = (tm_summary_machine){
        .run = w->document, .fingerprint = w->machine.fingerprint, .name = w->machine.cpu_model};
    w->summaries[w->n_stores - 1] = (tm_summaries){.machines = &w->here, .n_machines = 1};
    return w->document ? TM_OK : tm_fail(err, TM_NOMEM, "no memory for the machine");
}

static tm_status judge(work *w, const char *paper, tm_call *call, tm_error *err)
{
    tm_claim_results results = {0};
    tm_text text = {0};
    const tm_reproduce_input input = {.claims = &w->claims,
                                      .paper = paper,
                                      .summaries = w->summaries,
                                      .n_stores = w->n_stores,
                                      .sizes = w->sizes,
                                      .n_sizes = w->n_sizes};
    tm_status status = tm_reproduce_judge(&input, &results, err);
    if (status == TM_OK)
        status = tm_claim_results_write(&w->claims, &results, call->format, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    if (status == TM_OK && w->page)
        status = tm_claims_page(&w->claims, &results, w->records, w->n_stores, w->page, err);
    const int judged = tm_claim_results_status(&results);
    /* A failed cell or a missing meter outweighs everything but a claim that is not reproduced. */
    if (status == TM_OK && (judged == 1 || call->exit_status == 0)) call->exit_status = judged;
    tm_text_free(&text);
    tm_claim_results_free(&results);
    return status;
}

static void list_papers(const tm_claims *claims, FILE *out)
{
    fprintf(out, "%-16s %7s  %s\n", "paper", "claims", "title");
    for (int i = 0; i < claims->n_papers; i++) {
        const tm_claim_paper *paper = &claims->papers[i];
        int n = 0;
        for (int k = 0; k < claims->n; k++)
            n += strcmp(claims->items[k].group->paper, paper->paper) == 0;
        fprintf(out, "%-16s %7d  %s", paper->paper, n, paper->title);
        for (int k = 0; k < paper->n_names; k++)
            fprintf(out, "%s%s%s", k ? ", " : " (also ", paper->names[k],
                    k + 1 == paper->n_names ? ")" : "");
        fprintf(out, "\n");
    }
}

/* The store is one argument and others may follow: --from A B. */
static tm_status read_stores(work *w, const settings *s, const tm_call *call, tm_error *err)
{
    char **paths;
    int n;
    tm_status status = tm_split_texts(s->from, "--from", &paths, &n, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < n && status == TM_OK; i++) status = add_store(w, paths[i], err);
    for (int i = 1; i < call->n_arguments && status == TM_OK; i++)
        status = add_store(w, call->arguments[i], err);
    tm_free_texts(paths, n);
    return status;
}

/* "results/runs/reproduce-PAPER.jsonl", which the same command continues. */
static tm_status default_store(const char *paper, char *out, size_t size, tm_error *err)
{
    if (tm_make_folders(RUNS, err) != TM_OK)
        return tm_fail_in(err, "the default store (use --store FILE for another)");
    snprintf(out, size, RUNS "/reproduce-%s.jsonl", paper);
    for (char *c = out + strlen(RUNS) + 1; *c; c++)
        if (*c == '/') *c = '_'; /* a file of claims may name its papers freely */
    return TM_OK;
}

static void print_suite(FILE *out, const char *paper, const tm_suite *suite, int n_claims)
{
    fprintf(out, "%s: %d claim%s; models", paper, n_claims, tm_plural(n_claims));
    for (int i = 0; i < suite->n_models; i++)
        fprintf(out, "%s%s", i ? ", " : " ", suite->models[i]);
    fprintf(out, "; kernels");
    for (int i = 0; i < suite->n_kernels; i++)
        fprintf(out, "%s%s", i ? ", " : " ", suite->kernels[i]);
    fprintf(out, "; threads");
    for (int i = 0; i < suite->n_threads; i++)
        if (suite->threads[i])
            fprintf(out, "%s%d", i ? ", " : " ", suite->threads[i]);
        else
            fprintf(out, "%sall", i ? ", " : " ");
    fprintf(out, "; tests");
    for (int i = 0; i < suite->n_tests; i++) {
        const tm_test *t = &suite->tests[i];
        char name[48];
        tm_test_name(t->n_prompt, t->n_gen, t->depth, t->n_sequences, name, sizeof name);
        fprintf(out, "%s%s", i ? ", " : " ", name);
    }
    fprintf(out, "; %d processes\n", suite->processes);
}

/* A dry run prints what would be measured, as lines or as suites that `run` takes. */
static tm_status print_plan(work *w, const char *paper, const tm_reproduce_options *options,
                            tm_suite *suite, tm_call *call, tm_error *err)
{
    const bool is_json = strcmp(call->format, "json") == 0;
    tm_json *suites = tm_json_array();
    tm_status status = TM_OK;
    for (int i = 0; i < w->claims.n_papers && status == TM_OK; i++) {
        const char *name = w->claims.papers[i].paper;
        int n;
        if (paper && strcmp(paper, name) != 0) continue;
        status = tm_reproduce_suite(&w->claims, name, options, suite, &n, err);
        if (status != TM_OK) break;
        if (n == 0 && !is_json)
            fprintf(call->out, "%s: this machine can test none of its claims\n", name);
        else if (n > 0 && is_json)
            tm_json_append(suites, tm_suite_to_json(suite));
        else if (n > 0)
            print_suite(call->out, name, suite, n);
    }
    if (status == TM_OK && is_json) return tm_print_json(call->out, suites, err);
    tm_json_free(suites);
    return status;
}

/* Measures one paper after the other; each may use an equal part of the time that is left. */
static tm_status measure_papers(work *w, const char *paper, const tm_reproduce_options *options,
                                tm_suite *suite, tm_call *call, tm_error *err)
{
    int due[128], n_due = 0, n = 0;
    tm_status status = TM_OK;
    for (int i = 0; i < w->claims.n_papers && n_due < 128 && status == TM_OK; i++) {
        const char *name = w->claims.papers[i].paper;
        if (paper && strcmp(paper, name) != 0) continue;
        status = tm_reproduce_suite(&w->claims, name, options, suite, &n, err);
        if (n > 0) due[n_due++] = i;
    }
    for (int i = 0; i < n_due && status == TM_OK; i++) {
        tm_sweep_outcome outcome = {0};
        const char *name = w->claims.papers[due[i]].paper;
        const double spent = (double)(tm_now_ns() - options->begin_ns) * 1e-9;
        const double left = options->budget_seconds - spent;
        status = tm_reproduce_suite(&w->claims, name, options, suite, &n, err);
        if (status != TM_OK || (options->budget_seconds > 0 && left <= 0)) break;
        status = tm_reproduce_measure(suite, options,
                                      options->budget_seconds > 0 ? spent + left / (n_due - i) : 0,
                                      &outcome, err);
        if (status == TM_OK && suite->energy.required &&
            (outcome.n_windows_lost > 0 || outcome.n_windows_due > 0))
            call->exit_status = 5;
        if (status == TM_OK && outcome.n_cells_failed > 0) call->exit_status = 4;
        if (status == TM_OK && outcome.interrupted)
            status = tm_fail(err, TM_INTERRUPTED,
                             "interrupted; finished results are in %s; run the same command again "
                             "to continue",
                             options->store);
        tm_sweep_outcome_free(&outcome);
    }
    return status;
}

/* Measures what this machine can test, and adds the store. */
static tm_status measure(work *w, const settings *s, const char *paper, tm_call *call,
                         tm_error *err)
{
    char store[160];
    tm_suite *suite = malloc(sizeof *suite);
    if (!suite) return tm_fail(err, TM_NOMEM, "no memory for a suite");
    tm_peers peers;
    tm_energy_source_choice meter = {0};
    tm_interrupt interrupt = TM_INTERRUPT_NEVER;
    tm_reproduce_options options = {.models = s->models,
                                    .store = s->store,
                                    .is_full = s->full,
                                    .budget_seconds = s->budget >= 0 ? s->budget
                                                      : s->full      ? 0
                                                                     : QUICK_SECONDS,
                                    .begin_ns = tm_now_ns(),
                                    .quiet = s->quiet,
                                    .peers = &peers,
                                    .energy = &s->energy,
                                    .meter = &meter,
                                    .interrupt = &interrupt,
                                    .machine = &w->machine};
    tm_status status = tm_peers_parse(&s->peers, &peers, err);
    if (status == TM_OK && peers.n > 0 && (!s->models || strchr(s->models, ',')))
        status = tm_fail(err, TM_ARG,
                         "--peer runs one model: name the one that its file holds with -m MODEL");
    if (status == TM_OK) status = tm_machine_read("/", &w->machine, err);
    tm_suite_init(suite);
    if (status == TM_OK && s->dry_run) {
        status = print_plan(w, paper, &options, suite, call, err);
        free(suite);
        return status;
    }
    if (status == TM_OK) status = tm_energy_adjust(&s->energy, suite, err);
    if (status == TM_OK) {
        status = tm_energy_choose("reproduce", suite, &meter, err);
        if (status == TM_UNSUPPORTED) call->exit_status = 5;
    }
    if (status == TM_OK && !s->store) {
        status = default_store(paper ? paper : "all", store, sizeof store, err);
        options.store = store;
    }
    if (status == TM_OK) status = tm_sweep_check_store(options.store, &w->machine, false, err);
    if (status == TM_OK) {
        interrupt = tm_interrupt_open();
        status = measure_papers(w, paper, &options, suite, call, err);
        if (status == TM_INTERRUPTED) call->exit_status = tm_interrupt_exit_status(&interrupt);
    }
    free(suite);
    if (status != TM_OK) return status;
    struct stat info;
    if (stat(options.store, &info) == 0 && info.st_size > 0)
        return add_store(w, options.store, err);
    return add_this_machine(w, err);
}

static tm_status check_options(const settings *s, const tm_call *call, tm_error *err)
{
    if (call->n_arguments == 0)
        return tm_fail(err, TM_ARG, "no paper: name one of `reproduce --list`, or all");
    if (s->quick && s->full) return tm_fail(err, TM_ARG, "--quick and --full exclude each other");
    if (!s->from && call->n_arguments > 1)
        return tm_fail(err, TM_ARG, "%s: stores are read with --from STORE", call->arguments[1]);
    if (s->from && (s->store || s->dry_run))
        return tm_fail(err, TM_ARG, "--from measures nothing, so it takes no %s",
                       s->store ? "--store" : "--dry-run");
    return TM_OK;
}

static tm_status work_on(work *w, const settings *s, tm_call *call, tm_error *err)
{
    const tm_claim_paper *found = NULL;
    tm_status status = tm_published_load(&w->published, err);
    if (status == TM_OK) status = tm_reproduce_load(s->claims, &w->published, &w->claims, err);
    if (status == TM_OK && s->list) {
        list_papers(&w->claims, call->out);
        return TM_OK;
    }
    if (status == TM_OK) status = check_options(s, call, err);
    if (status == TM_OK && strcmp(call->arguments[0], "all") != 0)
        status = tm_claims_need_paper(&w->claims, call->arguments[0], &found, err);
    const char *paper = found ? found->paper : NULL;
    if (status == TM_OK) status = read_sizes(w, err);
    if (status == TM_OK)
        status = s->from ? read_stores(w, s, call, err) : measure(w, s, paper, call, err);
    return status == TM_OK && !s->dry_run ? judge(w, paper, call, err) : status;
}

/* For completion: "all" and the built-in papers; only "all" if they cannot be read. */
static const char *const *paper_names(void)
{
    enum { MOST = 64 };
    static char names[MOST][sizeof((tm_claim_paper *)0)->paper];
    static const char *list[MOST + 2];
    work w = {0};
    tm_error err;
    int n = 0;
    list[n++] = "all";
    if (tm_published_load(&w.published, &err) == TM_OK &&
        tm_claims_load(&w.published, &w.claims, &err) == TM_OK)
        for (int i = 0; i < w.claims.n_papers && i < MOST; i++)
            list[n++] = strcpy(names[i], w.claims.papers[i].paper);
    list[n] = NULL;
    free_work(&w);
    return list;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    work w = {.page = ((const settings *)arg)->page};
    tm_status status = w.page ? tm_atomic_file_check(w.page, err) : TM_OK;
    if (status == TM_OK) status = work_on(&w, arg, call, err);
    free_work(&w);
    return status;
}

static const tm_option rows[] = {
    {"from", NULL, TM_LIST(settings, from), "STORE,...",
     .help = "judge by the cells of these stores, and measure nothing"},
    {"list", NULL, TM_FLAG(settings, list), NULL,
     .help = "list the papers and how many claims each has"},
    {"quick", NULL, TM_FLAG(settings, quick), NULL,
     .help = "measure short tests of the smaller models, about 12 minutes on two cores (the "
             "default)"},
    {"full", NULL, TM_FLAG(settings, full), NULL,
     .help = "measure every model that fits into memory, with the published lengths"},
    {"time-budget", NULL, TM_NUMBER(settings, budget), "SECONDS",
     .help = "after the first pair, start only what ends within SECONDS of the start (0: no limit; "
             "default 600, with --full 0)",
     .high = 2592000},
    {"store", NULL, TM_FILE(settings, store), "FILE",
     .help = "write records to FILE, continuing one that exists (default " RUNS
             "/reproduce-PAPER.jsonl)"},
    {"html", NULL, TM_FILE(settings, page), "FILE",
     .help = "also write a page for a browser to FILE"},
    {"dry-run", NULL, TM_FLAG(settings, dry_run), NULL,
     .help = "print what would be measured, and measure nothing"},
    {"model", "m", TM_LIST(settings, models), "MODEL,...",
     .help = "measure these models instead of those of the claims"},
    {"claims", NULL, TM_FILE(settings, claims), "FILE",
     .help = "read claims from FILE instead of the built-in results/published/claims.json"},
    {"quiet", "q", TM_FLAG(settings, quiet), NULL, .help = TM_QUIET_HELP},
    {0},
};

const tm_command tm_command_reproduce = {
    .name = "reproduce",
    .synopsis = "PAPER|all [OPTIONS] [STORE ...]",
    .summary = "measure a paper's claims and give a verdict on each",
    .description =
        "Measures the claims of a paper that this machine can test, and prints for each claim "
        "whether that confirms it: reproduced; same direction, smaller or larger; not reproduced; "
        "not comparable; not measured. With --from it measures nothing and judges stores. PAPER is "
        "an arXiv number or a name of --list. An interrupted run continues when the same command "
        "runs again.\n\n"
        "A speed-up is compared on machines of the architecture that the claim is about, an "
        "absolute value on the same CPU only. Each speed-up is also shown over our fp16 baseline "
        "and over the fastest fp16 peer, with the bandwidth that the published baseline "
        "implies.\n\n"
        "The exit status is 0 if claims were judged and none is \"not reproduced\", 1 if one is, "
        "and 3 if none could be judged.",
    .examples = "ternmark reproduce --list\n"
                "ternmark reproduce 2410.16144 --quick\n"
                "ternmark reproduce 2410.16144 --from results/runs/demo.jsonl\n"
                "ternmark reproduce all --from a.jsonl b.jsonl --format md",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0},
                                       {tm_peer_options, offsetof(settings, peers)},
                                       {tm_energy_options, offsetof(settings, energy)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(settings, energy),
    .argument_names = paper_names,
    .argument_is_file = true,
    .min_arguments = 0,
    .max_arguments = 16,
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.budget = -1, .energy = TM_ENERGY_DEFAULTS},
    .run = run,
};
