#include "reports/published/published.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static tm_status read_value(const tm_json *json, const char *what, tm_published_value *out,
                            tm_error *err)
{
    static const char *const known[] = {"paper",      "table",    "device", "metric",
                                        "unit",       "model",    "system", "value",
                                        "conditions", "why_null", NULL};
    const struct {
        const char *key, **to;
    } strings[] = {
        {"paper", &out->paper},   {"table", &out->table},
        {"device", &out->device}, {"metric", &out->metric},
        {"unit", &out->unit},     {"model", &out->model},
        {"system", &out->system}, {"conditions", &out->conditions},
    };
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "%s: not a JSON object", what);
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status != TM_OK) return status;
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        status = tm_json_need_string(json, strings[i].key, what, strings[i].to, err);
        if (status != TM_OK) return status;
    }
    const tm_json *value = tm_json_get(json, "value");
    out->value = NAN;
    if (tm_json_is_number(value)) {
        out->value = tm_json_double(value, NAN);
        return TM_OK;
    }
    if (tm_json_is_string(value)) {
        out->range = tm_json_text(value, NULL);
        return TM_OK;
    }
    if (!tm_json_is_null(value))
        return tm_fail(err, TM_FORMAT, "%s: \"value\" must be a number, a string or null", what);
    return tm_json_need_string(json, "why_null", what, &out->why_null, err);
}

static int count_lines(const char *text, size_t length)
{
    int n = 0;
    for (size_t i = 0; i < length; i++) n += text[i] == '\n';
    return n + 1;
}

tm_status tm_published_parse(const char *text, size_t length, const char *what, tm_published *out,
                             tm_error *err)
{
    *out = (tm_published){0};
    const size_t capacity = (size_t)count_lines(text, length);
    out->items = calloc(capacity, sizeof *out->items);
    out->lines = calloc(capacity, sizeof(tm_json *));
    if (!out->items || !out->lines) {
        tm_published_free(out);
        return tm_fail(err, TM_NOMEM, "%s: out of memory for %zu lines", what, capacity);
    }
    int number = 0;
    for (size_t begin = 0; begin < length;) {
        const char *newline = memchr(text + begin, '\n', length - begin);
        size_t end = newline ? (size_t)(newline - text) : length;
        char place[256];
        number++;
        snprintf(place, sizeof place, "%s, line %d", what, number);
        if (end > begin) {
            tm_json *json = NULL;
            tm_status status = tm_json_parse(text + begin, end - begin, place, &json, err);
            tm_published_value *item = &out->items[out->n];
            if (status == TM_OK) {
                out->lines[out->n++] = json;
                item->line = number;
                status = read_value(json, place, item, err);
            }
            if (status != TM_OK) {
                tm_published_free(out);
                return status;
            }
        }
        begin = end + 1;
    }
    return TM_OK;
}

tm_status tm_published_file(const char *path, const tm_embedded **out, tm_error *err)
{
    *out = tm_embedded_find(path);
    if (*out) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "this build has no %s: rebuild it from a complete checkout",
                   path);
}

tm_status tm_published_load(tm_published *out, tm_error *err)
{
    static const char path[] = "results/published/tables.jsonl";
    const tm_embedded *file;
    *out = (tm_published){0};
    tm_status status = tm_published_file(path, &file, err);
    return status == TM_OK ? tm_published_parse(file->text, file->length, path, out, err) : status;
}

void tm_published_free(tm_published *published)
{
    for (int i = 0; i < published->n; i++) tm_json_free(published->lines[i]);
    free(published->lines);
    free(published->items);
    *published = (tm_published){0};
}

static bool matches_whole(const char *asked, const char *is)
{
    return !asked || strcmp(asked, is) == 0;
}
static bool matches_part(const char *asked, const char *is)
{
    return !asked || strstr(is, asked);
}

static bool matches(const tm_published_value *item, const tm_published_query *q)
{
    return matches_whole(q->paper, item->paper) && matches_whole(q->table, item->table) &&
           matches_whole(q->metric, item->metric) &&
           (!q->model || strcasecmp(q->model, item->model) == 0) &&
           matches_part(q->device, item->device) && matches_part(q->system, item->system) &&
           (!q->conditions || strncmp(item->conditions, q->conditions, strlen(q->conditions)) == 0);
}

int tm_published_count(const tm_published *published, const tm_published_query *query)
{
    int n = 0;
    for (int i = 0; i < published->n; i++) n += matches(&published->items[i], query);
    return n;
}

const tm_published_value *tm_published_find(const tm_published *published,
                                            const tm_published_query *query, tm_measured *why)
{
    const tm_published_value *found = NULL;
    int n = 0;
    for (int i = 0; i < published->n; i++) {
        if (!matches(&published->items[i], query)) continue;
        n++;
        found = &published->items[i];
    }
    if (n == 1) return found;
    char paper[128];
    if (n == 0)
        tm_measured_miss(why, "%s%s%s prints no value for %s",
                         tm_papers_named(query->paper ? query->paper : "", paper, sizeof paper),
                         query->paper && query->table ? ", " : "", query->table ? query->table : "",
                         query->model ? query->model : "this");
    else
        tm_measured_miss(why, "%d published values match", n);
    return NULL;
}

tm_measured tm_published_figure(const tm_published *published, const tm_published_query *query)
{
    tm_measured figure = {.value = NAN};
    const tm_published_value *item = tm_published_find(published, query, &figure);
    if (!item) return figure;
    if (item->why_null)
        tm_measured_miss(&figure, "%s", item->why_null);
    else if (item->range)
        tm_measured_miss(&figure, "printed as a range: %s", item->range);
    else
        tm_measured_set(&figure, item->value);
    return figure;
}

/* The papers of tables.jsonl. */
static const struct {
    const char *number, *title;
} papers[] = {
    {"2310.11453", "BitNet"},     {"2402.17764", "The Era of 1-bit LLMs"},
    {"2407.00088", "T-MAC"},      {"2410.16144", "1-bit AI Infra 1.1"},
    {"2502.11880", "Bitnet.cpp"}, {"2504.12285", "BitNet b1.58 2B4T"},
    {"2604.20913", "FairyFuse"},  {"2605.06485", "Litespark-Inference"},
};

char *tm_papers_named(const char *text, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    while (*text && n + 1 < size) {
        size_t i = 0;
        const size_t n_papers = sizeof papers / sizeof *papers;
        while (i < n_papers && strncmp(text, papers[i].number, strlen(papers[i].number)) != 0) i++;
        if (i == n_papers) {
            out[n++] = *text++;
            out[n] = '\0';
            continue;
        }
        snprintf(out + n, size - n, "%s (arXiv:%s)", papers[i].title, papers[i].number);
        text += strlen(papers[i].number);
        n += strlen(out + n);
    }
    return out;
}

const char *tm_shape_label(const char *shape)
{
    if (strncmp(shape, "dummy ", 6) == 0) return shape + 6;
    return strcasecmp(shape, "2B-4T") == 0 ? TM_MODEL_2B4T : shape;
}

/* What follows "synth:"; NULL: a file or a scripted model. */
static const char *synthetic_shape(const char *model)
{
    return strncmp(model, "synth:", 6) == 0 ? model + 6 : NULL;
}

const char *tm_model_label(const char *model)
{
    const char *shape = synthetic_shape(model), *slash = strrchr(model, '/');
    if (shape) return tm_shape_label(shape);
    return slash && slash[1] ? slash + 1 : model;
}

const char *tm_cell_shape(const tm_cell *cell)
{
    if (cell->model_shape[0]) return tm_shape_label(cell->model_shape);
    const char *shape = synthetic_shape(cell->model);
    return shape ? tm_shape_label(shape) : "";
}

bool tm_model_is_fake(const char *model)
{
    return strncmp(model, "null:", 5) == 0;
}

double tm_nominal_parameters(const char *label)
{
    for (const char *c = label; *c; c++) {
        /* A number that starts a word and ends in M or B; not the 1.58 of b1.58 and not the 4T. */
        if (!isdigit((unsigned char)*c)) continue;
        bool starts_word = c == label || (!isalnum((unsigned char)c[-1]) && c[-1] != '.');
        char *end;
        double number = strtod(c, &end);
        double unit = *end == 'M' || *end == 'm' ? 1e6 : *end == 'B' || *end == 'b' ? 1e9 : 0.0;
        if (starts_word && unit > 0.0 && number > 0.0 && !isalnum((unsigned char)end[1]))
            return number * unit;
        if (end > c) c = end - 1;
    }
    return NAN;
}

double tm_model_parameters(const char *model, const char *shape)
{
    return tm_nominal_parameters(shape[0] ? shape : tm_model_label(model));
}
