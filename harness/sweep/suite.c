#include "harness/sweep/suite.h"

#include "harness/base/embedded.h"
#include "harness/base/json_reader.h"
#include "harness/base/user_file.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUILT_IN      "workloads/suites/"
#define MAX_FILE      (1 << 20)
#define MAX_PROCESSES 1000
#define MAX_BUDGET    (30.0 * 86400)

/* One value of an axis, as text for the functions that read lists. Only counts of threads may be
 * numbers, and only a list of CPUs has commas. */
static void read_value(tm_json_reader *r, const tm_json *value, const char *axis, char *out,
                       size_t size)
{
    const char *text = tm_json_text(value, NULL);
    bool is_threads = strncmp(axis, "threads", 7) == 0, is_list = strcmp(axis, "cpus") == 0;
    if (is_threads && tm_json_is_number(value))
        snprintf(out, size, "%.17g", tm_json_double(value, 0));
    else if (!text || !*text || strlen(text) >= size || (!is_list && strchr(text, ',')))
        tm_read_fail_at(r, value, "a value of \"%s\" must be %s", axis,
                        is_threads ? "a number of threads or \"all\""
                        : is_list  ? "a text such as \"performance\" or \"0-3,8\""
                                   : "a short text without a comma");
    else
        strcpy(out, text);
}

static void read_axis(tm_json_reader *r, const char *axis,
                      tm_status (*add)(tm_suite *, const char *, tm_error *), tm_suite *out)
{
    char text[256];
    tm_error why;
    const tm_json *values = tm_json_get(r->json, axis);
    if (!values)
        tm_read_fail(r, "\"axes\" has no \"%s\"", axis);
    else if (!tm_json_is_array(values) || tm_json_count(values) == 0)
        tm_read_fail_at(r, values, "\"%s\" must be a list of at least one value", axis);
    if (r->status != TM_OK) return;
    for (const tm_json *v = tm_json_at(values, 0); v; v = tm_json_next(v)) {
        read_value(r, v, axis, text, sizeof text);
        if (r->status == TM_OK && add(out, text, &why) != TM_OK)
            tm_read_fail_at(r, v, "%s", why.message);
        if (r->status != TM_OK) return;
    }
}

static void read_axes(tm_json_reader *r, tm_suite *out)
{
    static const char *const known[] = {"model", "kernel",        "head_kernel", "threads",
                                        "test",  "threads_batch", "cpus",        NULL};
    tm_json_reader axes = *r;
    axes.json = tm_json_get(r->json, "axes");
    if (!tm_json_is_object(axes.json))
        tm_read_fail_at(&axes, axes.json, "\"axes\" is %s",
                        axes.json ? "not an object" : "missing: a suite without axes is empty");
    tm_read_only_keys(&axes, known);
    read_axis(&axes, "model", tm_suite_add_models, out);
    read_axis(&axes, "kernel", tm_suite_add_kernels, out);
    if (tm_json_get(axes.json, "head_kernel"))
        read_axis(&axes, "head_kernel", tm_suite_add_head_kernels, out);
    read_axis(&axes, "threads", tm_suite_add_threads, out);
    if (tm_json_get(axes.json, "threads_batch"))
        read_axis(&axes, "threads_batch", tm_suite_add_threads_batch, out);
    if (tm_json_get(axes.json, "cpus")) read_axis(&axes, "cpus", tm_suite_add_cpus, out);
    read_axis(&axes, "test", tm_suite_add_tests, out);
    r->status = axes.status;
}

static void read_exclude(tm_json_reader *outer, const tm_json *json, tm_exclude *out)
{
    static const char *const known[] = {"model", "kernel", "threads", "test", NULL};
    tm_json_reader r = *outer;
    memset(out, 0, sizeof *out);
    out->threads = -1;
    r.json = json;
    if (!tm_json_is_object(json) || tm_json_count(json) == 0)
        tm_read_fail_at(&r, json, "an exclude must be an object with at least one axis");
    tm_read_only_keys(&r, known);
    tm_read_optional_text(&r, "model", out->model, sizeof out->model);
    tm_read_optional_text(&r, "kernel", out->kernel, sizeof out->kernel);
    tm_read_optional_text(&r, "test", out->test, sizeof out->test);
    if (strcmp(tm_json_text(tm_json_get(json, "threads"), ""), "all") == 0)
        out->threads = TM_THREADS_ALL;
    else
        tm_read_optional_int(&r, "threads", 1, 1 << 16, &out->threads);
    outer->status = r.status;
}

static void read_excludes(tm_json_reader *r, tm_suite *out)
{
    const tm_json *list = tm_json_get(r->json, "exclude");
    if (list && (!tm_json_is_array(list) || tm_json_count(list) > TM_SUITE_MAX))
        tm_read_fail_at(r, list, "\"exclude\" must be a list of at most %d objects", TM_SUITE_MAX);
    for (const tm_json *item = tm_json_at(list, 0); item && r->status == TM_OK;
         item = tm_json_next(item)) {
        read_exclude(r, item, &out->excludes[out->n_excludes]);
        if (r->status == TM_OK) out->n_excludes++;
    }
}

static void read_baseline(tm_json_reader *r, tm_suite *out)
{
    static const char *const known[] = {"kernel", NULL};
    tm_json_reader baseline = *r;
    baseline.json = tm_json_get(r->json, "baseline");
    if (!baseline.json || tm_json_is_null(baseline.json)) return;
    if (!tm_json_is_object(baseline.json) || !tm_json_get(baseline.json, "kernel"))
        tm_read_fail_at(&baseline, baseline.json,
                        "\"baseline\" must be an object with a \"kernel\"");
    tm_read_only_keys(&baseline, known);
    tm_read_optional_text(&baseline, "kernel", out->baseline, sizeof out->baseline);
    r->status = baseline.status;
}

/* Its messages name the line of "energy": the keys inside are read by their own room. */
static void read_energy(tm_json_reader *r, tm_suite *out)
{
    char where[PATH_MAX + 64];
    const tm_json *energy = tm_json_get(r->json, "energy");
    if (r->status != TM_OK || !energy) return;
    tm_read_where(r, energy, where, sizeof where);
    r->status = tm_energy_source_from_json(energy, where, &out->energy, r->err);
}

static void read_root(tm_json_reader *r, tm_suite *out)
{
    static const char *const known[] = {"name",        "description", "axes",
                                        "exclude",     "baseline",    "processes",
                                        "repetitions", "warmup",      "time_budget_seconds",
                                        "min_pairs",   "precision",   "counters",
                                        "profile",     "energy",      NULL};
    if (!tm_json_is_object(r->json)) tm_read_fail(r, "not an object");
    tm_read_only_keys(r, known);
    tm_read_text(r, "name", out->name, sizeof out->name);
    tm_read_optional_text(r, "description", out->description, sizeof out->description);
    read_axes(r, out);
    read_excludes(r, out);
    read_baseline(r, out);
    tm_read_optional_int(r, "processes", 1, MAX_PROCESSES, &out->processes);
    tm_read_optional_int(r, "repetitions", 1, MAX_PROCESSES, &out->repetitions);
    tm_read_optional_int(r, "warmup", 0, MAX_PROCESSES, &out->warmup);
    tm_read_optional_int(r, "min_pairs", 0, MAX_PROCESSES, &out->min_pairs);
    tm_read_optional_text(r, "counters", out->counters, sizeof out->counters);
    tm_read_optional_bool(r, "profile", &out->profile);
    read_energy(r, out);
    tm_read_optional_number(r, "precision", 0.0001, 1, &out->precision);
    double *budget = &out->time_budget_seconds;
    tm_read_optional_number(r, "time_budget_seconds", -INFINITY, INFINITY, budget);
    if (!(*budget >= 0 && *budget <= MAX_BUDGET))
        tm_read_fail_at(r, tm_json_get(r->json, "time_budget_seconds"),
                        "\"time_budget_seconds\" is %g, not from 0 (no limit) to %g", *budget,
                        MAX_BUDGET);
}

tm_status tm_suite_parse(const char *text, size_t length, const char *what, tm_suite *out,
                         tm_error *err)
{
    tm_json *root;
    tm_suite_init(out);
    tm_status status = tm_json_parse(text, length, what, &root, err);
    if (status != TM_OK) return status;
    const tm_json_source source = {text, length, root};
    tm_json_reader r = {.json = root, .err = err, .what = what, .source = &source};
    read_root(&r, out);
    tm_json_free(root);
    return r.status;
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
