/* Parses results/published/energy_per_op.json. */
#include "harness/base/json.h"
#include "reports/published/arithmetic.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Limits that keep every product below 2^53 x 2^53 and every double finite. */
#define MAX_TOKENS     (1ll << 24)
#define MAX_WEIGHTS    (1ll << 50)
#define MAX_PICOJOULES 1e6
#define MAX_BITS       64.0

/* A place in the file for messages: "energy_per_op.json: operations 3". */
typedef struct place {
    char text[192];
} place;

static place place_of(const char *what, const char *list, int index)
{
    place p;
    snprintf(p.text, sizeof p.text, "%.150s: %s %d", what, list, index + 1);
    return p;
}

/* A list of at least one object. */
static tm_status check_list(const tm_json *json, const char *key, const char *what, int *n,
                            tm_error *err)
{
    const tm_json *list = tm_json_get(json, key);
    *n = tm_json_count(list);
    if (!tm_json_is_array(list) || *n < 1)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" must be a list of at least one object", what,
                       key);
    for (const tm_json *item = tm_json_at(list, 0); item; item = tm_json_next(item))
        if (!tm_json_is_object(item))
            return tm_fail(err, TM_FORMAT, "%s: \"%s\" must hold objects only", what, key);
    return TM_OK;
}

/* The same, and allocates its members, zeroed. */
static tm_status open_list(const tm_json *json, const char *key, const char *what, size_t size,
                           void **items, int *n, tm_error *err)
{
    *items = NULL;
    tm_status status = check_list(json, key, what, n, err);
    if (status != TM_OK) return status;
    *items = calloc((size_t)*n, size);
    return *items ? TM_OK : tm_fail(err, TM_NOMEM, "%s: out of memory for %d %s", what, *n, key);
}

/* A number above 0, at most `high`. */
static tm_status need_positive(const tm_json *json, const char *key, const char *what, double high,
                               double *out, tm_error *err)
{
    tm_status status = tm_json_need_number(json, key, what, out, err);
    if (status == TM_OK && !(*out > 0.0 && *out <= high))
        return tm_fail(err, TM_FORMAT, "%s: key \"%s\" is %g; it must be above 0 and at most %g",
                       what, key, *out, high);
    return status;
}

/* A string; NULL if the key is null or absent. */
static tm_status may_string(const tm_json *json, const char *key, const char *what,
                            const char **out, tm_error *err)
{
    const tm_json *value = tm_json_get(json, key);
    *out = NULL;
    if (!value || tm_json_is_null(value)) return TM_OK;
    return tm_json_need_string(json, key, what, out, err);
}

/* "add" or "mul". */
static tm_status read_kind(const char *text, const char *what, bool *is_mul, tm_error *err)
{
    *is_mul = strcmp(text, "mul") == 0;
    if (*is_mul || strcmp(text, "add") == 0) return TM_OK;
    return tm_fail(err, TM_FORMAT, "%s: operation \"%.32s\" is neither add nor mul", what, text);
}

static const tm_operation *find_operation(const tm_arithmetic *data, int n, int node_nm,
                                          const char *type, bool is_mul)
{
    for (int i = 0; i < n; i++) {
        const tm_operation *o = &data->operations[i];
        if (o->node_nm == node_nm && o->is_mul == is_mul && strcmp(o->type, type) == 0) return o;
    }
    return NULL;
}

static tm_status read_operation(const tm_json *json, const char *what, tm_arithmetic *data,
                                int index, tm_error *err)
{
    static const char *const known[] = {"node_nm",    "type",   "operation",
                                        "picojoules", "source", NULL};
    tm_operation *o = &data->operations[index];
    const char *kind = "";
    int64_t node = 0;
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = tm_json_need_int(json, "node_nm", what, 1, 1000, &node, err);
    if (status == TM_OK) status = tm_json_need_string(json, "type", what, &o->type, err);
    if (status == TM_OK) status = tm_json_need_string(json, "operation", what, &kind, err);
    if (status == TM_OK) status = tm_json_need_string(json, "source", what, &o->source, err);
    if (status == TM_OK)
        status = need_positive(json, "picojoules", what, MAX_PICOJOULES, &o->picojoules, err);
    if (status == TM_OK) status = read_kind(kind, what, &o->is_mul, err);
    if (status != TM_OK) return status;
    o->node_nm = (int)node;
    if (find_operation(data, index, o->node_nm, o->type, o->is_mul))
        return tm_fail(err, TM_FORMAT, "%s: %s %s at %d nm appears twice", what, o->type, kind,
                       o->node_nm);
    return TM_OK;
}

/* Adds a step such as "FP16 add"; its type is the string of the operation. */
static tm_status read_step(const tm_arithmetic *data, const char *text, const char *what,
                           tm_mac *mac, tm_error *err)
{
    const char *blank = strchr(text, ' ');
    bool is_mul = false;
    tm_status status = read_kind(blank ? blank + 1 : text, what, &is_mul, err);
    if (status != TM_OK) return status;
    const size_t length = blank ? (size_t)(blank - text) : 0;
    for (int i = 0; i < data->n_operations; i++) {
        const tm_operation *o = &data->operations[i];
        if (o->is_mul != is_mul || strlen(o->type) != length || strncmp(o->type, text, length) != 0)
            continue;
        mac->steps[mac->n_steps].type = o->type;
        mac->steps[mac->n_steps++].is_mul = is_mul;
        return TM_OK;
    }
    return tm_fail(err, TM_FORMAT, "%s: no energy of operation \"%.32s\"", what, text);
}

static tm_status read_mac(const tm_arithmetic *data, const tm_json *json, const char *key,
                          const char *what, tm_mac *mac, tm_error *err)
{
    const tm_json *list = tm_json_get(json, key);
    const int n = tm_json_count(list);
    if (!tm_json_is_array(list) || n < 1 || n > TM_ARITHMETIC_MAX_STEPS)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" must be a list of 1 to %d operations", what, key,
                       TM_ARITHMETIC_MAX_STEPS);
    for (int i = 0; i < n; i++) {
        tm_status status = read_step(data, tm_json_text(tm_json_at(list, i), ""), what, mac, err);
        if (status != TM_OK) return status;
    }
    /* An energy that is absent on a node would be missing from a sum there without notice. */
    for (int i = 0; i < data->n_operations; i++)
        for (int k = 0; k < mac->n_steps; k++)
            if (!find_operation(data, data->n_operations, data->operations[i].node_nm,
                                mac->steps[k].type, mac->steps[k].is_mul))
                return tm_fail(err, TM_FORMAT,
                               "%s: \"%s\" needs %s %s, which has no energy at %d nm", what, key,
                               mac->steps[k].type, mac->steps[k].is_mul ? "mul" : "add",
                               data->operations[i].node_nm);
    return TM_OK;
}

static int find_precision(const tm_arithmetic *data, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(data->precisions[i].name, name) == 0) return i;
    return -1;
}

/* The baseline must come earlier in the list. */
static tm_status read_precision(const tm_json *json, const char *what, tm_arithmetic *data,
                                int index, tm_error *err)
{
    static const char *const known[] = {"name",          "linear",   "attention", "bits_per_weight",
                                        "for_any_shape", "baseline", "source",    NULL};
    tm_arithmetic_precision *p = &data->precisions[index];
    const char *baseline = NULL;
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = tm_json_need_string(json, "name", what, &p->name, err);
    if (status == TM_OK) status = tm_json_need_string(json, "source", what, &p->source, err);
    if (status == TM_OK) status = read_mac(data, json, "linear", what, &p->linear, err);
    if (status == TM_OK) status = read_mac(data, json, "attention", what, &p->attention, err);
    if (status == TM_OK)
        status = need_positive(json, "bits_per_weight", what, MAX_BITS, &p->bits_per_weight, err);
    if (status == TM_OK) status = may_string(json, "baseline", what, &baseline, err);
    if (status != TM_OK) return status;
    if (!tm_json_is_bool(tm_json_get(json, "for_any_shape")))
        return tm_fail(err, TM_FORMAT, "%s: \"for_any_shape\" must be true or false", what);
    p->for_any_shape = tm_json_true(tm_json_get(json, "for_any_shape"));
    if (find_precision(data, index, p->name) >= 0)
        return tm_fail(err, TM_FORMAT, "%s: precision \"%s\" appears twice", what, p->name);
    p->baseline = baseline ? find_precision(data, index, baseline) : -1;
    if (baseline && p->baseline < 0)
        return tm_fail(err, TM_FORMAT, "%s: no precision \"%s\" above it", what, baseline);
    return TM_OK;
}

static tm_status read_shape(const tm_json *json, const char *what, tm_arithmetic_shape *s,
                            tm_error *err)
{
    static const char *const known[] = {"name",           "layers", "attention_width",
                                        "linear_weights", "source", NULL};
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = tm_json_need_string(json, "name", what, &s->name, err);
    if (status == TM_OK) status = tm_json_need_string(json, "source", what, &s->source, err);
    if (status == TM_OK)
        status = tm_json_need_int(json, "layers", what, 1, 1 << 20, &s->n_layers, err);
    if (status == TM_OK)
        status =
            tm_json_need_int(json, "attention_width", what, 1, 1 << 24, &s->attention_width, err);
    if (status == TM_OK)
        status =
            tm_json_need_int(json, "linear_weights", what, 1, MAX_WEIGHTS, &s->linear_weights, err);
    return status;
}

static tm_status read_subject(const tm_json *json, const char *what, const tm_arithmetic *data,
                              tm_arithmetic_subject *s, tm_error *err)
{
    static const char *const known[] = {"model", "system", "shape", "precision", "note", NULL};
    const char *precision = "";
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = tm_json_need_string(json, "model", what, &s->model, err);
    if (status == TM_OK) status = tm_json_need_string(json, "precision", what, &precision, err);
    if (status == TM_OK) status = may_string(json, "system", what, &s->system, err);
    if (status == TM_OK) status = may_string(json, "shape", what, &s->shape, err);
    if (status == TM_OK) status = may_string(json, "note", what, &s->note, err);
    if (status != TM_OK) return status;
    if (!s->note) s->note = "";
    s->precision = find_precision(data, data->n_precisions, precision);
    if (s->precision < 0)
        return tm_fail(err, TM_FORMAT, "%s: no precision \"%s\"", what, precision);
    return TM_OK;
}

/* Appends the subjects of a paper. */
static tm_status read_paper(const tm_json *json, const char *what, tm_arithmetic *data,
                            tm_error *err)
{
    static const char *const known[] = {"paper", "table", "decimals", "models", NULL};
    const char *paper = "", *table = "";
    int64_t decimals = 0;
    int n = 0;
    tm_status status = tm_json_only_keys(json, known, what, err);
    if (status == TM_OK) status = tm_json_need_string(json, "paper", what, &paper, err);
    if (status == TM_OK) status = tm_json_need_string(json, "table", what, &table, err);
    if (status == TM_OK) status = tm_json_need_int(json, "decimals", what, 0, 9, &decimals, err);
    if (status == TM_OK) status = check_list(json, "models", what, &n, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < data->n_subjects; i++)
        if (strcmp(data->subjects[i].paper, paper) == 0 &&
            strcmp(data->subjects[i].table, table) == 0)
            return tm_fail(err, TM_FORMAT, "%s: %s %s appears twice", what, paper, table);
    tm_arithmetic_subject *more =
        realloc(data->subjects, ((size_t)data->n_subjects + (size_t)n) * sizeof *data->subjects);
    if (!more) return tm_fail(err, TM_NOMEM, "%s: out of memory for %d models", what, n);
    data->subjects = more;
    const tm_json *item = tm_json_at(tm_json_get(json, "models"), 0);
    for (int i = 0; status == TM_OK && item; i++, item = tm_json_next(item)) {
        tm_arithmetic_subject *s = &data->subjects[data->n_subjects];
        *s = (tm_arithmetic_subject){.paper = paper, .table = table, .decimals = (int)decimals};
        status = read_subject(item, place_of(what, "model", i).text, data, s, err);
        if (status == TM_OK) data->n_subjects++;
    }
    return status;
}

static tm_status read_lists(const char *what, tm_arithmetic *data, tm_error *err)
{
    void *items = NULL;
    int n = 0;
    tm_status status =
        open_list(data->json, "operations", what, sizeof *data->operations, &items, &n, err);
    data->operations = items;
    const tm_json *item = tm_json_at(tm_json_get(data->json, "operations"), 0);
    for (int i = 0; status == TM_OK && i < n; i++, item = tm_json_next(item)) {
        status = read_operation(item, place_of(what, "operation", i).text, data, i, err);
        data->n_operations = i + 1;
    }
    if (status != TM_OK) return status;

    status = open_list(data->json, "precisions", what, sizeof *data->precisions, &items, &n, err);
    data->precisions = items;
    item = tm_json_at(tm_json_get(data->json, "precisions"), 0);
    for (int i = 0; status == TM_OK && i < n; i++, item = tm_json_next(item)) {
        status = read_precision(item, place_of(what, "precision", i).text, data, i, err);
        data->n_precisions = i + 1;
    }
    if (status != TM_OK) return status;

    status = open_list(data->json, "shapes", what, sizeof *data->shapes, &items, &n, err);
    data->shapes = items;
    item = tm_json_at(tm_json_get(data->json, "shapes"), 0);
    for (int i = 0; status == TM_OK && i < n; i++, item = tm_json_next(item)) {
        status = read_shape(item, place_of(what, "shape", i).text, &data->shapes[i], err);
        data->n_shapes = i + 1;
    }
    if (status != TM_OK) return status;

    status = check_list(data->json, "papers", what, &n, err);
    item = tm_json_at(tm_json_get(data->json, "papers"), 0);
    for (int i = 0; status == TM_OK && i < n; i++, item = tm_json_next(item))
        status = read_paper(item, place_of(what, "paper", i).text, data, err);
    return status;
}

tm_status tm_arithmetic_parse(const char *text, size_t length, const char *what, tm_arithmetic *out,
                              tm_error *err)
{
    static const char *const known[] = {"n_tokens", "n_tokens_source", "operations", "precisions",
                                        "shapes",   "papers",          NULL};
    *out = (tm_arithmetic){0};
    tm_status status = tm_json_parse(text, length, what, &out->json, err);
    if (status == TM_OK && !tm_json_is_object(out->json))
        status = tm_fail(err, TM_FORMAT, "%s: not a JSON object", what);
    if (status == TM_OK) status = tm_json_only_keys(out->json, known, what, err);
    if (status == TM_OK)
        status = tm_json_need_int(out->json, "n_tokens", what, 1, MAX_TOKENS, &out->n_tokens, err);
    if (status == TM_OK)
        status =
            tm_json_need_string(out->json, "n_tokens_source", what, &out->n_tokens_source, err);
    if (status == TM_OK) status = read_lists(what, out, err);
    if (status != TM_OK) tm_arithmetic_free(out);
    return status;
}

tm_status tm_arithmetic_load(tm_arithmetic *out, tm_error *err)
{
    static const char path[] = "results/published/energy_per_op.json";
    const tm_embedded *file;
    *out = (tm_arithmetic){0};
    tm_status status = tm_published_file(path, &file, err);
    return status == TM_OK ? tm_arithmetic_parse(file->text, file->length, path, out, err) : status;
}

void tm_arithmetic_free(tm_arithmetic *data)
{
    tm_json_free(data->json);
    free(data->operations);
    free(data->precisions);
    free(data->shapes);
    free(data->subjects);
    *data = (tm_arithmetic){0};
}
