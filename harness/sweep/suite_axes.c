/* A suite's axes from comma lists, its checks, and the suite as JSON. */
#include "harness/measure/shapes.h"
#include "harness/probe/counter_group.h"
#include "harness/record/cell.h"
#include "harness/sweep/suite.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MAX_THREADS 65536

void tm_suite_init(tm_suite *suite)
{
    memset(suite, 0, sizeof *suite);
    suite->processes = 1;
    suite->repetitions = 5;
    suite->warmup = 1;
    tm_energy_source_init(&suite->energy);
}

/* Length of the first part of a comma list of models. A path may hold commas: what is a file only
 * together with the parts after it is that file. */
static size_t model_length(const char *list)
{
    char path[PATH_MAX];
    size_t first = strcspn(list, ",");
    for (size_t n = first; n < sizeof path; n += 1 + strcspn(list + n + 1, ",")) {
        memcpy(path, list, n);
        path[n] = 0;
        if (access(path, F_OK) == 0) return n;
        if (!list[n]) break;
    }
    return first;
}

static size_t value_length(const char *list)
{
    return strcspn(list, ",");
}

/* Calls `add` for each part of a comma list. */
static tm_status each_part(tm_suite *suite, const char *list, const char *what,
                           size_t (*part_length)(const char *),
                           tm_status (*add)(tm_suite *, const char *, tm_error *), tm_error *err)
{
    for (const char *p = list;; p++) {
        char part[TM_MODEL_NAME_SIZE];
        size_t n = part_length(p);
        if (n == 0) return tm_fail(err, TM_ARG, "%s: \"%s\" has an empty part", what, list);
        if (n >= sizeof part)
            return tm_fail(err, TM_ARG, "%s: \"%.40s...\" is longer than %zu characters", what, p,
                           sizeof part - 1);
        memcpy(part, p, n);
        part[n] = 0;
        tm_status status = add(suite, part, err);
        if (status != TM_OK) return status;
        p += n;
        if (!*p) return TM_OK;
    }
}

static tm_status add_text_of(char *values, size_t size, int max, int *n, const char *what,
                             const char *part, tm_error *err)
{
    if (strlen(part) >= size)
        return tm_fail(err, TM_ARG, "%s: \"%s\" is longer than %zu characters", what, part,
                       size - 1);
    for (int i = 0; i < *n; i++)
        if (strcmp(values + (size_t)i * size, part) == 0) return TM_OK;
    if (*n >= max) return tm_fail(err, TM_ARG, "%s: more than %d values", what, max);
    strcpy(values + (size_t)(*n)++ * size, part);
    return TM_OK;
}

static tm_status add_text(char *values, size_t size, int *n, const char *what, const char *part,
                          tm_error *err)
{
    return add_text_of(values, size, TM_SUITE_MAX, n, what, part, err);
}

static tm_status add_model(tm_suite *suite, const char *part, tm_error *err)
{
    char name[TM_MODEL_NAME_SIZE];
    tm_model_own_name(part, name, sizeof name);
    return add_text((char *)suite->models, sizeof suite->models[0], &suite->n_models, "model", name,
                    err);
}

static tm_status add_kernel(tm_suite *suite, const char *part, tm_error *err)
{
    return add_text((char *)suite->kernels, sizeof suite->kernels[0], &suite->n_kernels, "kernel",
                    part, err);
}

static tm_status add_head_kernel(tm_suite *suite, const char *part, tm_error *err)
{
    return add_text((char *)suite->head_kernels, sizeof suite->head_kernels[0],
                    &suite->n_head_kernels, "head kernel", part, err);
}

tm_status tm_suite_add_models(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "model", model_length, add_model, err);
}

tm_status tm_suite_add_kernels(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "kernel", value_length, add_kernel, err);
}

tm_status tm_suite_add_head_kernels(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "head kernel", value_length, add_head_kernel, err);
}

static bool read_number(const char **p, long long *out)
{
    char *end;
    if (!isdigit((unsigned char)**p)) return false;
    errno = 0;
    *out = strtoll(*p, &end, 10);
    *p = end;
    return errno == 0;
}

/* "8", "1-4", "2-8+2", "1-16*2", each value from low to high. */
static tm_status parse_range(const char *part, const char *what, long long low, long long high,
                             int *out, int max, int *n, tm_error *err)
{
    const char *p = part;
    long long from = 0, to = 0, step = 1;
    bool multiply = false, fine = read_number(&p, &from);
    to = from;
    if (fine && *p == '-') {
        p++;
        fine = read_number(&p, &to);
        if (fine && (*p == '*' || *p == '+')) {
            multiply = *p++ == '*';
            fine = read_number(&p, &step) && step >= (multiply ? 2 : 1) && (!multiply || from > 0);
        }
    }
    if (!fine || *p)
        return tm_fail(err, TM_ARG, "%s: \"%s\" is neither a number nor a range such as 1-8*2",
                       what, part);
    if (from < low || to > high || from > to)
        return tm_fail(err, TM_ARG, "%s: \"%s\" is not from %lld to %lld", what, part, low, high);
    for (long long v = from; v <= to; v = multiply ? v * step : v + step) {
        if (*n >= max) return tm_fail(err, TM_ARG, "%s: more than %d values", what, max);
        out[(*n)++] = (int)v;
    }
    return TM_OK;
}

static tm_status add_counts(int *counts, int *n_counts, const char *part, tm_error *err)
{
    int values[TM_SUITE_MAX] = {TM_THREADS_ALL}, n = 1;
    if (strcmp(part, "all") != 0) {
        n = 0;
        tm_status status =
            parse_range(part, "threads", 1, MAX_THREADS, values, TM_SUITE_MAX, &n, err);
        if (status != TM_OK) return status;
    }
    for (int i = 0; i < n; i++) {
        int k = 0;
        while (k < *n_counts && counts[k] != values[i]) k++;
        if (k < *n_counts) continue;
        if (k >= TM_SUITE_MAX)
            return tm_fail(err, TM_ARG, "threads: more than %d values", TM_SUITE_MAX);
        counts[(*n_counts)++] = values[i];
    }
    return TM_OK;
}

static tm_status add_threads(tm_suite *suite, const char *part, tm_error *err)
{
    return add_counts(suite->threads, &suite->n_threads, part, err);
}

static tm_status add_threads_batch(tm_suite *suite, const char *part, tm_error *err)
{
    return add_counts(suite->threads_batch, &suite->n_threads_batch, part, err);
}

tm_status tm_suite_add_threads_batch(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "threads", value_length, add_threads_batch, err);
}

tm_status tm_suite_add_cpus(tm_suite *suite, const char *value, tm_error *err)
{
    return add_text_of((char *)suite->cpus, sizeof suite->cpus[0], TM_SUITE_CPUS_MAX,
                       &suite->n_cpus, "CPUs", value, err);
}

static tm_status add_cores(tm_suite *suite, const char *part, tm_error *err)
{
    static const char *const kinds[] = {TM_CORES_PERFORMANCE, TM_CORES_EFFICIENCY, TM_CORES_ALL,
                                        NULL};
    for (int i = 0; kinds[i]; i++)
        if (strcmp(part, kinds[i]) == 0) return tm_suite_add_cpus(suite, part, err);
    return tm_unknown_name(err, "kind of core", part, kinds);
}

tm_status tm_suite_add_cores(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "cores", value_length, add_cores, err);
}

tm_status tm_suite_add_threads(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "threads", value_length, add_threads, err);
}

static tm_status add_test_values(tm_suite *suite, int n_prompt, int n_gen, int depth,
                                 int n_sequences, tm_error *err)
{
    if (n_prompt == 0 && n_gen == 0) return TM_OK;
    for (int i = 0; i < suite->n_tests; i++) {
        const tm_test *t = &suite->tests[i];
        if (t->n_prompt == n_prompt && t->n_gen == n_gen && t->depth == depth &&
            t->n_sequences == n_sequences)
            return TM_OK;
    }
    if (suite->n_tests >= TM_SUITE_MAX)
        return tm_fail(err, TM_ARG, "test: more than %d values", TM_SUITE_MAX);
    suite->tests[suite->n_tests++] = (tm_test){n_prompt, n_gen, depth, n_sequences};
    return TM_OK;
}

tm_status tm_test_parse(const char *text, tm_test *out, tm_error *err)
{
    long long n;
    const char *p = text;
    memset(out, 0, sizeof *out);
    bool fine = true;
    out->n_sequences = 1;
    if (strncmp(p, "pp", 2) == 0) {
        p += 2;
        fine = read_number(&p, &n) && n >= 1 && n <= TM_TOKENS_MAX;
        if (fine) out->n_prompt = (int)n;
        if (fine && strncmp(p, "+tg", 3) == 0)
            p++;
        else if (fine && *p == 't')
            fine = false;
    }
    if (fine && strncmp(p, "tg", 2) == 0) {
        p += 2;
        fine = read_number(&p, &n) && n >= 1 && n <= TM_TOKENS_MAX;
        if (fine) out->n_gen = (int)n;
    }
    if (fine && strncmp(p, "@d", 2) == 0 && p > text) {
        p += 2;
        fine = read_number(&p, &n) && n <= TM_TOKENS_MAX;
        if (fine) out->depth = (int)n;
    }
    if (fine && strncmp(p, "@b", 2) == 0 && p > text) {
        p += 2;
        fine = read_number(&p, &n) && n >= 1 && n <= TM_SEQUENCES_MAX;
        if (fine) out->n_sequences = (int)n;
        if (fine && n > 1) fine = out->n_prompt == 0;
    }
    if (!fine || *p || p == text)
        return tm_fail(err, TM_ARG,
                       "invalid test \"%s\": expected ppN, tgN or ppN+tgN, optionally followed by "
                       "@dN (N from 1 to %d), and tgN also by @bN (1 to %d)",
                       text, TM_TOKENS_MAX, TM_SEQUENCES_MAX);
    return TM_OK;
}

static tm_status add_test(tm_suite *suite, const char *part, tm_error *err)
{
    tm_test test;
    tm_status status = tm_test_parse(part, &test, err);
    return status == TM_OK ? add_test_values(suite, test.n_prompt, test.n_gen, test.depth,
                                             test.n_sequences, err)
                           : status;
}

tm_status tm_suite_add_tests(tm_suite *suite, const char *list, tm_error *err)
{
    return each_part(suite, list, "test", value_length, add_test, err);
}

/* A comma list of ranges. NULL gives `otherwise` alone, or nothing if that is below 0. */
static tm_status parse_ranges(const char *list, const char *what, int otherwise, int low, int high,
                              int *out, int *n, tm_error *err)
{
    *n = 0;
    if (!list && otherwise >= 0) out[(*n)++] = otherwise;
    if (!list) return TM_OK;
    for (const char *p = list;; p++) {
        char part[64];
        size_t length = strcspn(p, ",");
        if (length >= sizeof part)
            return tm_fail(err, TM_ARG, "%s: \"%.40s...\" is too long", what, p);
        memcpy(part, p, length);
        part[length] = 0;
        tm_status status = parse_range(part, what, low, high, out, TM_SUITE_MAX, n, err);
        if (status != TM_OK) return status;
        p += length;
        if (!*p) return TM_OK;
    }
}

/* "512,128;64,16": prompt lengths go to out[even], generated lengths to out[odd]. */
static tm_status parse_pairs(const char *text, int *out, int *n, tm_error *err)
{
    *n = 0;
    for (const char *p = text; text; p++) {
        long long prompt, gen;
        const char *begin = p;
        bool fine = read_number(&p, &prompt) && *p++ == ',' && read_number(&p, &gen);
        if (!fine || (*p && *p != ';') || prompt < 1 || gen < 1 || prompt > TM_TOKENS_MAX ||
            gen > TM_TOKENS_MAX)
            return tm_fail(err, TM_ARG,
                           "prompt and generation: \"%s\" is not P,N with both from 1 to %d", begin,
                           TM_TOKENS_MAX);
        if (*n >= TM_SUITE_MAX)
            return tm_fail(err, TM_ARG, "prompt and generation: more than %d pairs", TM_SUITE_MAX);
        out[2 * *n] = (int)prompt;
        out[2 * (*n)++ + 1] = (int)gen;
        if (!*p) break;
    }
    return TM_OK;
}

tm_status tm_suite_add_lengths(tm_suite *suite, const char *prompts, const char *generated,
                               const char *both, const char *depths, const char *sequences,
                               tm_error *err)
{
    int p[TM_SUITE_MAX], g[TM_SUITE_MAX], d[TM_SUITE_MAX], pg[2 * TM_SUITE_MAX];
    int b[TM_SUITE_MAX], n_b = 0, n_p = 0, n_g = 0, n_d = 0, n_pg = 0;
    tm_status status = parse_ranges(prompts, "prompt tokens", -1, 0, TM_TOKENS_MAX, p, &n_p, err);
    if (status == TM_OK)
        status = parse_ranges(generated, "generated tokens", -1, 0, TM_TOKENS_MAX, g, &n_g, err);
    if (status == TM_OK) status = parse_ranges(depths, "depth", 0, 0, TM_TOKENS_MAX, d, &n_d, err);
    if (status == TM_OK)
        status = parse_ranges(sequences, "sequences", 1, 1, TM_SEQUENCES_MAX, b, &n_b, err);
    if (status == TM_OK) status = parse_pairs(both, pg, &n_pg, err);
    for (int k = 0; k < n_d && status == TM_OK; k++) {
        for (int i = 0; i < n_p && status == TM_OK; i++)
            status = add_test_values(suite, p[i], 0, d[k], 1, err);
        for (int i = 0; i < n_g * n_b && status == TM_OK; i++)
            status = add_test_values(suite, 0, g[i / n_b], d[k], b[i % n_b], err);
        for (int i = 0; i < n_pg && status == TM_OK; i++)
            status = add_test_values(suite, pg[2 * i], pg[2 * i + 1], d[k], 1, err);
    }
    return status;
}

tm_status tm_suite_set_counters(tm_suite *suite, const char *group, tm_error *err)
{
    tm_counter_group ignored;
    if (strlen(group) >= sizeof suite->counters)
        return tm_fail(err, TM_ARG, "the name of the counter group is longer than %zu characters",
                       sizeof suite->counters - 1);
    strcpy(suite->counters, group);
    return group[0] ? tm_counter_group_read(group, &ignored, err) : TM_OK;
}

tm_status tm_suite_check(const tm_suite *suite, tm_error *err)
{
    const char *empty = suite->n_models == 0    ? "model"
                        : suite->n_kernels == 0 ? "kernel"
                        : suite->n_threads == 0 ? "thread count"
                        : suite->n_tests == 0   ? "test"
                                                : NULL;
    if (empty)
        return tm_fail(err, TM_ARG, "the suite \"%s\" is empty: it names no %s", suite->name,
                       empty);
    tm_counter_group counters;
    return suite->counters[0] ? tm_counter_group_read(suite->counters, &counters, err) : TM_OK;
}

static tm_json *exclude_to_json(const tm_exclude *exclude)
{
    tm_json *json = tm_json_object();
    if (exclude->model[0]) tm_json_put_string(json, "model", exclude->model);
    if (exclude->kernel[0]) tm_json_put_string(json, "kernel", exclude->kernel);
    if (exclude->threads == TM_THREADS_ALL)
        tm_json_put_string(json, "threads", "all");
    else if (exclude->threads > 0)
        tm_json_put_int(json, "threads", exclude->threads);
    if (exclude->test[0]) tm_json_put_string(json, "test", exclude->test);
    return json;
}

static tm_json *counts_to_json(const int *counts, int n)
{
    tm_json *json = tm_json_array();
    for (int i = 0; i < n; i++)
        tm_json_append(json, counts[i] == TM_THREADS_ALL ? tm_json_string("all")
                                                         : tm_json_number(counts[i]));
    return json;
}

static tm_json *axes_to_json(const tm_suite *suite)
{
    tm_json *axes = tm_json_object(), *models = tm_json_array(), *kernels = tm_json_array();
    tm_json *tests = tm_json_array(), *heads = tm_json_array(), *cpus = tm_json_array();
    for (int i = 0; i < suite->n_head_kernels; i++)
        tm_json_append(heads, tm_json_string(suite->head_kernels[i]));
    for (int i = 0; i < suite->n_models; i++)
        tm_json_append(models, tm_json_string(suite->models[i]));
    for (int i = 0; i < suite->n_kernels; i++)
        tm_json_append(kernels, tm_json_string(suite->kernels[i]));
    for (int i = 0; i < suite->n_cpus; i++) tm_json_append(cpus, tm_json_string(suite->cpus[i]));
    for (int i = 0; i < suite->n_tests; i++) {
        char name[48];
        const tm_test *t = &suite->tests[i];
        tm_test_name(t->n_prompt, t->n_gen, t->depth, t->n_sequences, name, sizeof name);
        tm_json_append(tests, tm_json_string(name));
    }
    tm_json_set(axes, "model", models);
    tm_json_set(axes, "kernel", kernels);
    if (suite->n_head_kernels > 0)
        tm_json_set(axes, "head_kernel", heads);
    else
        tm_json_free(heads);
    tm_json_set(axes, "threads", counts_to_json(suite->threads, suite->n_threads));
    if (suite->n_threads_batch > 0)
        tm_json_set(axes, "threads_batch",
                    counts_to_json(suite->threads_batch, suite->n_threads_batch));
    if (suite->n_cpus > 0)
        tm_json_set(axes, "cpus", cpus);
    else
        tm_json_free(cpus);
    tm_json_set(axes, "test", tests);
    return axes;
}

tm_json *tm_suite_to_json(const tm_suite *suite)
{
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    tm_json_put_string(json, "name", suite->name);
    tm_json_put_string(json, "description", suite->description);
    tm_json_set(json, "axes", axes_to_json(suite));
    tm_json *excludes = tm_json_array();
    for (int i = 0; i < suite->n_excludes; i++)
        tm_json_append(excludes, exclude_to_json(&suite->excludes[i]));
    tm_json_set(json, "exclude", excludes);
    if (suite->baseline[0]) {
        tm_json *baseline = tm_json_object();
        tm_json_put_string(baseline, "kernel", suite->baseline);
        tm_json_set(json, "baseline", baseline);
    }
    tm_json_put_int(json, "processes", suite->processes);
    tm_json_put_int(json, "repetitions", suite->repetitions);
    tm_json_put_int(json, "warmup", suite->warmup);
    if (suite->time_budget_seconds > 0)
        tm_json_put_number(json, "time_budget_seconds", suite->time_budget_seconds);
    if (suite->precision > 0) tm_json_put_number(json, "precision", suite->precision);
    if (suite->min_pairs > 0) tm_json_put_int(json, "min_pairs", suite->min_pairs);
    if (suite->counters[0]) tm_json_put_string(json, "counters", suite->counters);
    tm_json_put_bool(json, "profile", suite->profile);
    tm_json_set(json, "energy", tm_energy_source_to_json(&suite->energy));
    return json;
}
