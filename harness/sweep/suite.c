#include "harness/sweep/suite.h"

#include "harness/base/embedded.h"
#include "harness/base/user_file.h"
#include "harness/sweep/suite_lines.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUILT_IN      "workloads/suites/"
#define MAX_FILE      (1 << 20)
#define MAX_PROCESSES 1000
#define MAX_BUDGET    (30.0 * 86400)

/* The text of the suite and what it was parsed to. */
typedef struct source {
    const char *text;
    size_t length;
    const char *what; /* for messages: its path */
    const tm_json *root;
} source;

/* "what: line N" of a value; "what" if it is NULL. */
static const char *at(const source *s, const tm_json *value, char *text, size_t size)
{
    int line = value ? tm_suite_line(s->text, s->length, s->root, value) : 0;
    if (line > 0)
        snprintf(text, size, "%s: line %d", s->what, line);
    else
        snprintf(text, size, "%s", s->what);
    return text;
}

static tm_status only_keys(const source *s, const tm_json *object, const char *const *known,
                           tm_error *err)
{
    char where[PATH_MAX + 64];
    /* One key at a time, so that the message can name its line. */
    const tm_json *member = tm_json_at(object, 0);
    for (; member; member = tm_json_next(member)) {
        const char *key = tm_json_key(member);
        const char *const *name = known;
        while (*name && strcmp(*name, key) != 0) name++;
        if (*name) continue;
        if (tm_unknown_name(err, "key", key, known) != TM_OK)
            tm_fail_in(err, "%s", at(s, member, where, sizeof where));
        return err->status = TM_FORMAT;
    }
    return TM_OK;
}

static tm_status text_of(const source *s, const tm_json *object, const char *key, char *out,
                         size_t size, tm_error *err)
{
    char where[PATH_MAX + 64];
    const char *text;
    const tm_json *value = tm_json_get(object, key);
    if (!value) return TM_OK;
    at(s, value, where, sizeof where);
    tm_status status = tm_json_need_string(object, key, where, &text, err);
    if (status != TM_OK) return status;
    if (strlen(text) >= size)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" is longer than %zu characters", where, key,
                       size - 1);
    strcpy(out, text);
    return TM_OK;
}

static tm_status int_of(const source *s, const tm_json *object, const char *key, int low, int high,
                        int *out, tm_error *err)
{
    char where[PATH_MAX + 64];
    int64_t number;
    const tm_json *value = tm_json_get(object, key);
    if (!value) return TM_OK;
    at(s, value, where, sizeof where);
    tm_status status = tm_json_need_int(object, key, where, low, high, &number, err);
    if (status == TM_OK) *out = (int)number;
    return status;
}

/* One value of an axis, as text for the functions that read lists. Only "threads" takes numbers. */
static tm_status value_text(const tm_json *value, const char *axis, const char *where, char *out,
                            size_t size, tm_error *err)
{
    const char *text = tm_json_text(value, NULL);
    bool is_threads = strcmp(axis, "threads") == 0;
    if (is_threads && tm_json_is_number(value))
        snprintf(out, size, "%.17g", tm_json_double(value, 0));
    else if (!text || !*text || strlen(text) >= size || strchr(text, ','))
        return tm_fail(err, TM_FORMAT, "%s: a value of \"%s\" must be %s", where, axis,
                       is_threads ? "a number of threads or \"all\""
                                  : "a short text without a comma");
    else
        strcpy(out, text);
    return TM_OK;
}

static tm_status read_axis(const source *s, const tm_json *axes, const char *axis,
                           tm_status (*add)(tm_suite *, const char *, tm_error *), tm_suite *out,
                           tm_error *err)
{
    char where[PATH_MAX + 64], text[256];
    const tm_json *values = tm_json_get(axes, axis);
    at(s, values, where, sizeof where);
    if (!values) return tm_fail(err, TM_FORMAT, "%s: \"axes\" has no \"%s\"", s->what, axis);
    if (!tm_json_is_array(values) || tm_json_count(values) == 0)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" must be a list of at least one value", where,
                       axis);
    for (const tm_json *v = tm_json_at(values, 0); v; v = tm_json_next(v)) {
        at(s, v, where, sizeof where);
        tm_status status = value_text(v, axis, where, text, sizeof text, err);
        if (status == TM_OK && (status = add(out, text, err)) != TM_OK) {
            tm_fail_in(err, "%s", where);
            err->status = TM_FORMAT;
        }
        if (status != TM_OK) return TM_FORMAT;
    }
    return TM_OK;
}

static tm_status read_exclude(const source *s, const tm_json *json, tm_exclude *out, tm_error *err)
{
    static const char *const known[] = {"model", "kernel", "threads", "test", NULL};
    char where[PATH_MAX + 64];
    at(s, json, where, sizeof where);
    memset(out, 0, sizeof *out);
    out->threads = -1;
    if (!tm_json_is_object(json) || tm_json_count(json) == 0)
        return tm_fail(err, TM_FORMAT, "%s: an exclude must be an object with at least one axis",
                       where);
    tm_status status = only_keys(s, json, known, err);
    if (status == TM_OK) status = text_of(s, json, "model", out->model, sizeof out->model, err);
    if (status == TM_OK) status = text_of(s, json, "kernel", out->kernel, sizeof out->kernel, err);
    if (status == TM_OK) status = text_of(s, json, "test", out->test, sizeof out->test, err);
    const tm_json *threads = tm_json_get(json, "threads");
    if (status != TM_OK || !threads) return status;
    if (strcmp(tm_json_text(threads, ""), "all") == 0) {
        out->threads = TM_THREADS_ALL;
        return TM_OK;
    }
    int64_t n;
    at(s, threads, where, sizeof where);
    status = tm_json_need_int(json, "threads", where, 1, 1 << 16, &n, err);
    if (status == TM_OK) out->threads = (int)n;
    return status;
}

static tm_status read_excludes(const source *s, const tm_json *root, tm_suite *out, tm_error *err)
{
    const tm_json *list = tm_json_get(root, "exclude");
    char where[PATH_MAX + 64];
    if (!list) return TM_OK;
    if (!tm_json_is_array(list) || tm_json_count(list) > TM_SUITE_MAX)
        return tm_fail(err, TM_FORMAT, "%s: \"exclude\" must be a list of at most %d objects",
                       at(s, list, where, sizeof where), TM_SUITE_MAX);
    for (const tm_json *item = tm_json_at(list, 0); item; item = tm_json_next(item)) {
        tm_status status = read_exclude(s, item, &out->excludes[out->n_excludes], err);
        if (status != TM_OK) return status;
        out->n_excludes++;
    }
    return TM_OK;
}

static tm_status read_axes(const source *s, const tm_json *root, tm_suite *out, tm_error *err)
{
    static const char *const known[] = {"model", "kernel", "head_kernel", "threads", "test", NULL};
    char where[PATH_MAX + 64];
    const tm_json *axes = tm_json_get(root, "axes");
    if (!tm_json_is_object(axes))
        return tm_fail(err, TM_FORMAT, "%s: \"axes\" is %s", at(s, axes, where, sizeof where),
                       axes ? "not an object" : "missing: a suite without axes is empty");
    tm_status status = only_keys(s, axes, known, err);
    if (status == TM_OK) status = read_axis(s, axes, "model", tm_suite_add_models, out, err);
    if (status == TM_OK) status = read_axis(s, axes, "kernel", tm_suite_add_kernels, out, err);
    if (status == TM_OK && tm_json_get(axes, "head_kernel"))
        status = read_axis(s, axes, "head_kernel", tm_suite_add_head_kernels, out, err);
    if (status == TM_OK) status = read_axis(s, axes, "threads", tm_suite_add_threads, out, err);
    if (status == TM_OK) status = read_axis(s, axes, "test", tm_suite_add_tests, out, err);
    return status;
}

static tm_status read_baseline(const source *s, const tm_json *root, tm_suite *out, tm_error *err)
{
    static const char *const known[] = {"kernel", NULL};
    char where[PATH_MAX + 64];
    const tm_json *baseline = tm_json_get(root, "baseline");
    if (!baseline || tm_json_is_null(baseline)) return TM_OK;
    if (!tm_json_is_object(baseline) || !tm_json_get(baseline, "kernel"))
        return tm_fail(err, TM_FORMAT, "%s: \"baseline\" must be an object with a \"kernel\"",
                       at(s, baseline, where, sizeof where));
    tm_status status = only_keys(s, baseline, known, err);
    if (status == TM_OK)
        status = text_of(s, baseline, "kernel", out->baseline, sizeof out->baseline, err);
    return status;
}

static tm_status read_root(const source *s, const tm_json *root, tm_suite *out, tm_error *err)
{
    static const char *const known[] = {"name",        "description", "axes",
                                        "exclude",     "baseline",    "processes",
                                        "repetitions", "warmup",      "time_budget_seconds",
                                        "counters",    "profile",     "energy",
                                        NULL};
    char where[PATH_MAX + 64];
    if (!tm_json_is_object(root)) return tm_fail(err, TM_FORMAT, "%s: not an object", s->what);
    tm_status status = only_keys(s, root, known, err);
    if (status == TM_OK && !tm_json_get(root, "name"))
        status = tm_fail(err, TM_FORMAT, "%s: key \"name\" is missing", s->what);
    if (status == TM_OK) status = text_of(s, root, "name", out->name, sizeof out->name, err);
    if (status == TM_OK)
        status = text_of(s, root, "description", out->description, sizeof out->description, err);
    if (status == TM_OK) status = read_axes(s, root, out, err);
    if (status == TM_OK) status = read_excludes(s, root, out, err);
    if (status == TM_OK) status = read_baseline(s, root, out, err);
    if (status == TM_OK)
        status = int_of(s, root, "processes", 1, MAX_PROCESSES, &out->processes, err);
    if (status == TM_OK)
        status = int_of(s, root, "repetitions", 1, MAX_PROCESSES, &out->repetitions, err);
    if (status == TM_OK) status = int_of(s, root, "warmup", 0, MAX_PROCESSES, &out->warmup, err);
    if (status == TM_OK && tm_json_get(root, "counters"))
        status = text_of(s, root, "counters", out->counters, sizeof out->counters, err);
    const tm_json *profile = tm_json_get(root, "profile");
    if (status == TM_OK && profile && !tm_json_is_bool(profile))
        status = tm_fail(err, TM_FORMAT, "%s: \"profile\" must be true or false",
                         at(s, profile, where, sizeof where));
    out->profile = tm_json_true(profile);
    const tm_json *energy = tm_json_get(root, "energy");
    if (status == TM_OK && energy)
        status = tm_energy_source_from_json(energy, at(s, energy, where, sizeof where),
                                            &out->energy, err);
    const tm_json *budget = tm_json_get(root, "time_budget_seconds");
    if (status != TM_OK || !budget) return status;
    at(s, budget, where, sizeof where);
    status =
        tm_json_need_number(root, "time_budget_seconds", where, &out->time_budget_seconds, err);
    if (status == TM_OK &&
        !(out->time_budget_seconds >= 0 && out->time_budget_seconds <= MAX_BUDGET))
        return tm_fail(err, TM_FORMAT,
                       "%s: \"time_budget_seconds\" is %g, not from 0 (no limit) to %g", where,
                       out->time_budget_seconds, MAX_BUDGET);
    return status;
}

tm_status tm_suite_parse(const char *text, size_t length, const char *what, tm_suite *out,
                         tm_error *err)
{
    tm_json *root;
    tm_suite_init(out);
    tm_status status = tm_json_parse(text, length, what, &root, err);
    if (status != TM_OK) return status;
    const source s = {text, length, what, root};
    status = read_root(&s, root, out, err);
    tm_json_free(root);
    return status;
}

const char *const *tm_suite_names(void)
{
    return tm_embedded_names(BUILT_IN);
}

static tm_status read_suite_file(const char *path, tm_suite *out, tm_error *err)
{
    size_t n;
    char *text = malloc(MAX_FILE + 1);
    if (!text) return tm_fail(err, TM_NOMEM, "%s: no memory for the file", path);
    tm_status status = tm_user_file_read(path, MAX_FILE, text, &n, err);
    if (status == TM_OK) status = tm_suite_parse(text, n, path, out, err);
    free(text);
    return status;
}

tm_status tm_suite_read(const char *name_or_path, tm_suite *out, tm_error *err)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, BUILT_IN "%s.json", name_or_path);
    const tm_embedded *data = tm_embedded_find(path);
    if (data) return tm_suite_parse(data->text, data->length, path, out, err);
    bool is_path = strchr(name_or_path, '/') || strchr(name_or_path, '.');
    if (is_path || access(name_or_path, F_OK) == 0) return read_suite_file(name_or_path, out, err);
    return tm_unknown_name(err, "suite", name_or_path, tm_suite_names());
}
