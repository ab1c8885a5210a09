/* ternmark reproduce: what papers claim, and whether this machine confirms it. */
#include "harness/cli/commands.h"
#include "harness/measure/shapes.h"
#include "harness/record/store.h"
#include "reports/reproduce.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *from;
    bool list;
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
} work;

static void free_work(work *w)
{
    for (int i = 0; i < w->n_stores; i++) {
        tm_summaries_free(&w->summaries[i]);
        tm_records_free(&w->records[i]);
    }
    free(w->summaries);
    free(w->records);
    free(w->sizes);
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

/* Appends a store. A store of another schema and one without cells are wrong input here. */
static tm_status add_store(work *w, const char *path, tm_error *err)
{
    tm_records *records = realloc(w->records, ((size_t)w->n_stores + 1) * sizeof *records);
    if (records) w->records = records;
    tm_summaries *all = realloc(w->summaries, ((size_t)w->n_stores + 1) * sizeof *all);
    if (all) w->summaries = all;
    if (!records || !all) return tm_fail(err, TM_NOMEM, "%s: no memory for a store", path);
    const int i = w->n_stores++;
    records[i] = (tm_records){0};
    all[i] = (tm_summaries){0};
    tm_status status = tm_records_read(path, &records[i], err);
    if (status == TM_UNSUPPORTED) err->status = status = TM_ARG;
    if (status == TM_OK) status = tm_summaries_make(records[i].items, records[i].n, &all[i], err);
    if (status != TM_OK) return status;
    all[i].n_refused = records[i].n_refused;
    if (all[i].n == 0) return tm_fail(err, TM_ARG, "%s: the store holds no cell", path);
    return TM_OK;
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
    if (status == TM_OK) call->exit_status = tm_claim_results_status(&results);
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

static tm_status work_on(work *w, const settings *s, tm_call *call, tm_error *err)
{
    const tm_claim_paper *paper = NULL;
    tm_status status = tm_published_load(&w->published, err);
    if (status == TM_OK) status = tm_claims_load(&w->published, &w->claims, err);
    if (status == TM_OK && s->list) {
        list_papers(&w->claims, call->out);
        return TM_OK;
    }
    if (status == TM_OK && call->n_arguments == 0)
        status = tm_fail(err, TM_ARG, "no paper: name one of --list, or all");
    if (status == TM_OK && strcmp(call->arguments[0], "all") != 0)
        status = tm_claims_need_paper(&w->claims, call->arguments[0], &paper, err);
    if (status == TM_OK && !s->from) status = tm_fail(err, TM_ARG, "no store: use --from STORE");
    if (status == TM_OK) status = read_sizes(w, err);
    if (status == TM_OK) status = read_stores(w, s, call, err);
    return status == TM_OK ? judge(w, paper ? paper->paper : NULL, call, err) : status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    work w = {0};
    tm_status status = work_on(&w, arg, call, err);
    free_work(&w);
    return status;
}

static const tm_option rows[] = {
    {"from", NULL, TM_LIST(settings, from), "STORE,...",
     .help = "judge by the cells of these stores, and measure nothing"},
    {"list", NULL, TM_FLAG(settings, list), NULL,
     .help = "list the papers and how many claims each has"},
    {0},
};

const tm_command tm_command_reproduce = {
    .name = "reproduce",
    .synopsis = "PAPER|all [OPTIONS] [STORE ...]",
    .summary = "compare a paper's claims with what was measured, with a verdict each",
    .description =
        "Prints for each published claim whether measurements confirm it: reproduced; same "
        "direction, smaller or larger; not reproduced; not comparable; not measured. A speed-up is "
        "compared on machines of the architecture that the claim is about, an absolute value on "
        "the same CPU only. With a speed-up stand the ratios over our fp16 baseline and over the "
        "fastest fp16 peer of the store, and what the published baseline read from memory.\n\n"
        "The exit status is 0 if claims were judged and none is \"not reproduced\", 1 if one is, "
        "and 3 if none could be judged.",
    .examples = "ternmark reproduce --list\n"
                "ternmark reproduce 2410.16144 --from results/runs/demo.jsonl\n"
                "ternmark reproduce all --from a.jsonl b.jsonl --format md",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{rows, 0}, {0}},
    .argument_is_file = true,
    .min_arguments = 0,
    .max_arguments = 16,
    .settings_size = sizeof(settings),
    .run = run,
};
