#include "reports/published/claims.h"

#include "harness/base/json_reader.h"
#include "reports/output/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define PATH           "results/published/claims.json"
#define LENGTH_MAX     1000000 /* tokens of a test */
#define THREADS_MAX    4096
#define LIST_ITEMS_MAX 1000 /* papers or groups */
#define CLAIMS_MAX     4096

static const char *const metric_names[] = {
    [TM_CLAIM_SPEEDUP] = "speedup",
    [TM_CLAIM_SAVING_PERCENT] = "saving_percent",
    [TM_CLAIM_TOKENS_PER_SECOND] = "tokens_per_second",
    [TM_CLAIM_MS_PER_TOKEN] = "ms_per_token",
    [TM_CLAIM_MEMORY_GB] = "memory_gb",
    [TM_CLAIM_JOULES] = "joules",
    NULL,
};

const char *tm_claim_metric_name(tm_claim_metric metric)
{
    return metric_names[metric];
}

bool tm_claim_is_relative(tm_claim_metric metric)
{
    return metric == TM_CLAIM_SPEEDUP || metric == TM_CLAIM_SAVING_PERCENT;
}

/* The lists of a group, which give its claims. */
typedef struct axes {
    const tm_json *models;
    int threads[TM_CLAIM_THREADS_MAX], n_threads;
} axes;

static tm_json_reader inside(const tm_json_reader *r, const tm_json *json)
{
    tm_json_reader inner = *r;
    inner.json = json;
    return inner;
}

static void read_figure(tm_json_reader *r, const char *key, tm_claim_figure *out)
{
    static const char *const known[] = {"paper",  "table",      "device", "metric",
                                        "system", "conditions", NULL};
    tm_json_reader figure = inside(r, tm_json_get(r->json, key));
    if (!figure.json) return;
    if (!tm_json_is_object(figure.json))
        tm_read_fail_at(&figure, figure.json, "\"%s\" must be an object", key);
    tm_read_only_keys(&figure, known);
    tm_read_optional_text(&figure, "paper", out->paper, sizeof out->paper);
    tm_read_optional_text(&figure, "table", out->table, sizeof out->table);
    tm_read_optional_text(&figure, "device", out->device, sizeof out->device);
    tm_read_text(&figure, "metric", out->metric, sizeof out->metric);
    tm_read_optional_text(&figure, "system", out->system, sizeof out->system);
    tm_read_optional_text(&figure, "conditions", out->conditions, sizeof out->conditions);
    r->status = figure.status;
}

static void read_threads(tm_json_reader *r, axes *out)
{
    const tm_json *list = tm_json_get(r->json, "threads");
    out->n_threads = 0;
    if (strcmp(tm_json_text(list, ""), "all") == 0) {
        out->threads[out->n_threads++] = 0;
        return;
    }
    const int n = tm_json_is_array(list) ? tm_json_count(list) : 0;
    if (n < 1 || n > TM_CLAIM_THREADS_MAX)
        tm_read_fail_at(r, list, "\"threads\" must be \"all\" or a list of 1 to %d numbers",
                        TM_CLAIM_THREADS_MAX);
    for (const tm_json *item = tm_json_at(list, 0); r->status == TM_OK && item;
         item = tm_json_next(item)) {
        double threads = tm_json_double(item, 0);
        if (!(threads >= 1 && threads <= THREADS_MAX) || threads != floor(threads))
            tm_read_fail_at(r, list, "\"threads\": a number must be from 1 to %d", THREADS_MAX);
        else
            out->threads[out->n_threads++] = (int)threads;
    }
}

/* "tg", "tg128", "pp512" */
static void read_test(tm_json_reader *r, tm_claim_group *out)
{
    char text[16] = "", *end = text;
    tm_read_text(r, "test", text, sizeof text);
    if (r->status != TM_OK) return;
    const bool is_known = strncmp(text, "pp", 2) == 0 || strncmp(text, "tg", 2) == 0;
    long length = is_known && text[2] ? strtol(text + 2, &end, 10) : 0;
    if (!is_known || (text[2] && (*end || length < 1 || length > LENGTH_MAX)))
        tm_read_fail_at(r, tm_json_get(r->json, "test"),
                        "test \"%s\": expected pp or tg, then 1 to %d tokens or nothing", text,
                        LENGTH_MAX);
    out->is_prompt = text[0] == 'p';
    out->length = (int)length;
}

static void read_choice(tm_json_reader *r, const char *key, const char *const *names, char *out,
                        size_t size, int *index)
{
    char where[256];
    tm_read_text(r, key, out, size);
    if (r->status != TM_OK) return;
    for (*index = 0; names[*index]; ++*index)
        if (strcmp(names[*index], out) == 0) return;
    r->status = tm_unknown_name(r->err, key, out, names);
    tm_fail_in(r->err, "%s", tm_read_where(r, tm_json_get(r->json, key), where, sizeof where));
    r->err->status = r->status = TM_FORMAT;
}

static void read_models(tm_json_reader *r, axes *out)
{
    out->models = tm_json_get(r->json, "models");
    const int n = tm_json_is_object(out->models) ? tm_json_count(out->models) : 0;
    if (n < 1 || n > TM_CLAIM_MODELS_MAX)
        tm_read_fail_at(r, out->models,
                        "\"models\" must be an object of 1 to %d names with their shapes",
                        TM_CLAIM_MODELS_MAX);
    for (const tm_json *m = tm_json_at(out->models, 0); r->status == TM_OK && m;
         m = tm_json_next(m))
        if (!tm_json_is_string(m))
            tm_read_fail_at(r, m, "the shape of model \"%s\" must be a string", tm_json_key(m));
}

static void read_group(tm_json_reader *r, const tm_claims *claims, tm_claim_group *out, axes *lists)
{
    static const char *const known[] = {
        "id",         "paper",        "source",         "table",    "device",    "machine",
        "cpu",        "metric",       "kernel",         "baseline", "test",      "threads",
        "tolerance",  "models",       "figure",         "over",     "bandwidth", "conditions",
        "not_stated", "not_measured", "not_comparable", NULL};
    static const char *const machines[] = {"x86_64", "aarch64", "gpu", "any", NULL};
    char metric[24] = "";
    int index = 0, paper = 0;
    tm_read_only_keys(r, known);
    tm_read_text(r, "id", out->id, sizeof out->id);
    tm_read_text(r, "paper", out->paper, sizeof out->paper);
    while (paper < claims->n_papers && strcmp(claims->papers[paper].paper, out->paper) != 0)
        paper++;
    if (paper == claims->n_papers)
        tm_read_fail_at(r, tm_json_get(r->json, "paper"), "\"%s\" is not among \"papers\"",
                        out->paper);
    snprintf(out->source, sizeof out->source, "%s", out->paper);
    tm_read_optional_text(r, "source", out->source, sizeof out->source);
    tm_read_text(r, "table", out->table, sizeof out->table);
    tm_read_text(r, "device", out->device, sizeof out->device);
    read_choice(r, "machine", machines, out->machine, sizeof out->machine, &index);
    tm_read_optional_text(r, "cpu", out->cpu, sizeof out->cpu);
    read_choice(r, "metric", metric_names, metric, sizeof metric, &index);
    out->metric = (tm_claim_metric)index;
    tm_read_optional_text(r, "kernel", out->kernel, sizeof out->kernel);
    tm_read_optional_text(r, "baseline", out->baseline, sizeof out->baseline);
    read_test(r, out);
    read_threads(r, lists);
    out->tolerance = tm_read_number(r, "tolerance", 0, 1);
    read_models(r, lists);
    read_figure(r, "figure", &out->figure);
    if (!out->figure.metric[0]) tm_read_fail_at(r, r->json, "\"figure\" is missing");
    read_figure(r, "over", &out->over);
    out->has_over = out->over.metric[0] != '\0';
    read_figure(r, "bandwidth", &out->bandwidth);
    tm_read_optional_text(r, "conditions", out->conditions, sizeof out->conditions);
    tm_read_optional_text(r, "not_stated", out->not_stated, sizeof out->not_stated);
    tm_read_optional_text(r, "not_measured", out->not_measured, sizeof out->not_measured);
    tm_read_optional_text(r, "not_comparable", out->not_comparable, sizeof out->not_comparable);
    const bool can_answer = !out->not_measured[0] && !out->not_comparable[0];
    if (can_answer && !out->kernel[0])
        tm_read_fail_at(r, r->json, "group \"%s\" needs a kernel, or not_measured", out->id);
    if (can_answer && tm_claim_is_relative(out->metric) != (out->baseline[0] != '\0'))
        tm_read_fail_at(r, r->json, "group \"%s\": a %s %s a baseline", out->id, metric,
                        tm_claim_is_relative(out->metric) ? "needs" : "has not");
    if (can_answer && !tm_claim_is_relative(out->metric) && !out->cpu[0])
        tm_read_fail_at(r, r->json, "group \"%s\": an absolute value needs a cpu", out->id);
}

static void read_paper(tm_json_reader *r, tm_claim_paper *out)
{
    static const char *const known[] = {"paper", "title", "names", NULL};
    const int room = (int)(sizeof out->names / sizeof *out->names);
    tm_read_only_keys(r, known);
    tm_read_text(r, "paper", out->paper, sizeof out->paper);
    tm_read_text(r, "title", out->title, sizeof out->title);
    const tm_json *names = tm_json_get(r->json, "names");
    if (!tm_json_is_array(names) || tm_json_count(names) > room)
        tm_read_fail_at(r, names ? names : r->json, "\"names\" must be a list of at most %d names",
                        room);
    for (const tm_json *name = tm_json_at(names, 0); r->status == TM_OK && name;
         name = tm_json_next(name)) {
        const char *text = tm_json_text(name, "");
        if (!text[0] || strlen(text) >= sizeof *out->names)
            tm_read_fail_at(r, names, "a name must be a text of 1 to %zu bytes",
                            sizeof *out->names - 1);
        else
            strcpy(out->names[out->n_names++], text);
    }
}

/* The row of tables.jsonl, or NULL after an error. */
static const tm_published_value *find_row(tm_json_reader *r, const char *key,
                                          const tm_published *published, const tm_claim *claim,
                                          const tm_claim_figure *figure, bool is_of_model)
{
    const tm_claim_group *g = claim->group;
    const char *begin = figure->conditions, *mark = strstr(begin, "{threads}");
    char conditions[96] = "";
    tm_measured why = {.value = NAN};
    if (r->status != TM_OK) return NULL;
    if (mark)
        snprintf(conditions, sizeof conditions, "%.*s%d%s", (int)(mark - begin), begin,
                 claim->threads, mark + strlen("{threads}"));
    const tm_published_query query = {.paper = figure->paper[0] ? figure->paper : g->source,
                                      .table = figure->table[0] ? figure->table : g->table,
                                      .device = figure->device[0] ? figure->device : g->device,
                                      .metric = figure->metric,
                                      .model = is_of_model ? claim->model : NULL,
                                      .system = figure->system,
                                      .conditions = mark ? conditions : figure->conditions};
    const tm_published_value *found = tm_published_find(published, &query, &why);
    if (!found)
        tm_read_fail_at(r, tm_json_get(r->json, key), "claim \"%s\": %s", claim->id, why.missing);
    return found;
}

static void set_published(tm_claim *claim, const tm_published_value *figure,
                          const tm_published_value *over)
{
    const tm_published_value *const parts[] = {figure, over};
    claim->low = claim->high = claim->baseline_value = NAN;
    if (!over && figure->range) {
        snprintf(claim->printed, sizeof claim->printed, "%s", figure->range);
        if (sscanf(figure->range, "%lf%*[x%%]-%lf", &claim->low, &claim->high) == 2) return;
        claim->low = claim->high = NAN;
        snprintf(claim->missing, sizeof claim->missing, "printed as %s", figure->range);
        return;
    }
    for (int i = 0; i < 2; i++)
        if (parts[i] && !isfinite(parts[i]->value)) {
            snprintf(claim->missing, sizeof claim->missing, "%.150s",
                     parts[i]->why_null ? parts[i]->why_null : "the source prints a range");
            return;
        }
    double value = figure->value;
    if (over && claim->group->metric == TM_CLAIM_SAVING_PERCENT)
        value = 100 * (1 - value / over->value);
    else if (over)
        value /= over->value;
    if (over) claim->baseline_value = over->value;
    claim->low = claim->high = value;
    if (over)
        tm_number(value, 3, claim->printed, sizeof claim->printed);
    else
        tm_number_short(value, 15, claim->printed, sizeof claim->printed);
}

static void set_bandwidth(tm_claim *claim, const tm_published_value *row)
{
    claim->bandwidth_gb = NAN;
    if (!row) return;
    if (row->range) {
        snprintf(claim->bandwidth, sizeof claim->bandwidth, "%s", row->range);
        sscanf(row->range, "%*[<>]%lf", &claim->bandwidth_gb);
    } else if (isfinite(row->value)) {
        tm_number_short(row->value, 15, claim->bandwidth, sizeof claim->bandwidth);
        claim->bandwidth_gb = row->value;
    }
}

static void set_id(tm_claim *claim, bool has_models, bool has_threads)
{
    size_t n = (size_t)snprintf(claim->id, sizeof claim->id, "%s", claim->group->id);
    if (has_models) n += (size_t)snprintf(claim->id + n, sizeof claim->id - n, ":%s", claim->model);
    if (has_threads) snprintf(claim->id + n, sizeof claim->id - n, ":%dt", claim->threads);
    for (char *c = claim->id; *c; c++)
        if (*c == ' ') *c = '-';
}

/* Appends the claims of a group. */
static void add_claims(tm_json_reader *r, const tm_published *published, const axes *lists,
                       const tm_claim_group *group, tm_claims *out)
{
    const int n_models = tm_json_count(lists->models);
    const size_t room = (size_t)out->n + (size_t)n_models * (size_t)lists->n_threads;
    if (room > CLAIMS_MAX) tm_read_fail_at(r, r->json, "more than %d claims", CLAIMS_MAX);
    tm_claim *items = r->status == TM_OK ? realloc(out->items, room * sizeof *items) : NULL;
    if (items) out->items = items;
    if (!items && r->status == TM_OK)
        r->status = tm_fail(r->err, TM_NOMEM, "no memory for %zu claims", room);
    for (const tm_json *m = tm_json_at(lists->models, 0); r->status == TM_OK && m;
         m = tm_json_next(m))
        for (int t = 0; t < lists->n_threads && r->status == TM_OK; t++) {
            tm_claim *claim = &out->items[out->n++];
            *claim = (tm_claim){.group = group, .threads = lists->threads[t]};
            snprintf(claim->model, sizeof claim->model, "%s", tm_json_key(m));
            snprintf(claim->shape, sizeof claim->shape, "%s", tm_json_text(m, ""));
            set_id(claim, n_models > 1, lists->n_threads > 1);
            for (int i = 0; i < out->n - 1; i++)
                if (strcmp(out->items[i].id, claim->id) == 0)
                    tm_read_fail_at(r, r->json, "claim \"%s\" is there twice", claim->id);
            const tm_published_value *figure =
                find_row(r, "figure", published, claim, &group->figure, true);
            const tm_published_value *over =
                group->has_over ? find_row(r, "over", published, claim, &group->over, true) : NULL;
            if (r->status == TM_OK) set_published(claim, figure, over);
            set_bandwidth(claim,
                          group->bandwidth.metric[0]
                              ? find_row(r, "bandwidth", published, claim, &group->bandwidth, false)
                              : NULL);
        }
}

/* The members of a list that must not be empty. */
static int count_list(tm_json_reader *r, const char *key)
{
    const tm_json *list = tm_json_get(r->json, key);
    const int n = tm_json_is_array(list) ? tm_json_count(list) : 0;
    if (n < 1 || n > LIST_ITEMS_MAX)
        tm_read_fail_at(r, list ? list : r->json, "\"%s\" must be a list that is not empty", key);
    return r->status == TM_OK ? n : 0;
}

static void read_all(tm_json_reader *r, const tm_published *published, tm_claims *out)
{
    static const char *const known[] = {"papers", "groups", NULL};
    tm_read_only_keys(r, known);
    const int n_papers = count_list(r, "papers"), n_groups = count_list(r, "groups");
    if (r->status != TM_OK) return;
    out->papers = calloc((size_t)n_papers, sizeof *out->papers);
    out->groups = calloc((size_t)n_groups, sizeof *out->groups);
    if (!out->papers || !out->groups) {
        r->status = tm_fail(r->err, TM_NOMEM, "no memory for %d groups of claims", n_groups);
        return;
    }
    for (const tm_json *item = tm_json_at(tm_json_get(r->json, "papers"), 0);
         r->status == TM_OK && item; item = tm_json_next(item)) {
        tm_json_reader paper = inside(r, item);
        read_paper(&paper, &out->papers[out->n_papers++]);
        r->status = paper.status;
    }
    for (const tm_json *item = tm_json_at(tm_json_get(r->json, "groups"), 0);
         r->status == TM_OK && item; item = tm_json_next(item)) {
        tm_json_reader group = inside(r, item);
        tm_claim_group *to = &out->groups[out->n_groups++];
        axes lists = {0};
        read_group(&group, out, to, &lists);
        if (group.status == TM_OK) add_claims(&group, published, &lists, to, out);
        r->status = group.status;
    }
}

tm_status tm_claims_parse(const char *text, size_t length, const char *what,
                          const tm_published *published, tm_claims *out, tm_error *err)
{
    tm_json *json = NULL;
    *out = (tm_claims){0};
    tm_status status = tm_json_parse(text, length, what, &json, err);
    if (status != TM_OK) return status;
    const tm_json_source source = {.text = text, .length = length, .root = json};
    tm_json_reader r = {.json = json, .err = err, .what = what, .source = &source};
    read_all(&r, published, out);
    tm_json_free(json);
    return r.status;
}

tm_status tm_claims_load(const tm_published *published, tm_claims *out, tm_error *err)
{
    const tm_embedded *file;
    *out = (tm_claims){0};
    tm_status status = tm_published_file(PATH, &file, err);
    return status == TM_OK ? tm_claims_parse(file->text, file->length, PATH, published, out, err)
                           : status;
}

void tm_claims_free(tm_claims *claims)
{
    free(claims->papers);
    free(claims->groups);
    free(claims->items);
    *claims = (tm_claims){0};
}

tm_status tm_claims_need_paper(const tm_claims *claims, const char *name,
                               const tm_claim_paper **out, tm_error *err)
{
    const char *names[128];
    int n = 0;
    const int room = (int)(sizeof names / sizeof *names) - 2;
    /* "arXiv:2410.16144" is 2410.16144 */
    if (strncasecmp(name, "arXiv:", 6) == 0) name += 6;
    for (int i = 0; i < claims->n_papers; i++) {
        const tm_claim_paper *paper = &claims->papers[i];
        bool is_it = strcasecmp(paper->paper, name) == 0;
        if (n < room) names[n++] = paper->paper;
        for (int k = 0; k < paper->n_names; k++) {
            is_it |= strcasecmp(paper->names[k], name) == 0;
            if (n < room) names[n++] = paper->names[k];
        }
        *out = paper;
        if (is_it) return TM_OK;
    }
    names[n++] = "all";
    names[n] = NULL;
    return tm_unknown_name(err, "paper", name, names);
}

char *tm_claim_test(const tm_claim *claim, char out[24])
{
    const tm_claim_group *g = claim->group;
    snprintf(out, 24, g->length ? "%s%d" : "%s", g->is_prompt ? "pp" : "tg", g->length);
    return out;
}

char *tm_claim_threads(const tm_claim *claim, char out[24])
{
    if (claim->threads)
        snprintf(out, 24, "%d thread%s", claim->threads, tm_plural(claim->threads));
    else
        snprintf(out, 24, "all cores");
    return out;
}
