/* Google Benchmark JSON, json_schema_version 1 (src/json_reporter.cc): a context and an array of
 * benchmarks. A repetition is an "iteration" of one iteration, in us; mean, median, stddev and cv
 * over them are "aggregate".
 *
 * The library writes times of 0 for a benchmark that failed. A 0 would be wrong here, and
 * tools/compare.py fails on an iteration without times, so a failed or skipped cell is an aggregate
 * without times, with error_occurred or skipped; compare.py passes over it. The same holds for
 * repetitions whose CPU time was not measured: their aggregates have the real time only. */
#include "reports/export_format.h"

#include "harness/base/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct times {
    double *real_us, *cpu_us, *rate; /* [n] */
    int n;
    bool has_cpu; /* of every repetition */
} times;

static void free_times(times *t)
{
    free(t->real_us);
}

static tm_status read_times(const tm_record *const *samples, int n, times *out, tm_error *err)
{
    double *memory = calloc((size_t)n * 3 + 1, sizeof *memory);
    if (!memory) return tm_fail(err, TM_NOMEM, "out of memory for %d repetitions", n);
    *out = (times){memory, memory + n, memory + 2 * n, n, true};
    for (int i = 0; i < n; i++) {
        const tm_record_sample *s = &samples[i]->sample;
        out->real_us[i] = (double)s->elapsed_ns / 1e3;
        out->cpu_us[i] = 1e6 * (s->cpu_user_seconds.value + s->cpu_system_seconds.value);
        out->rate[i] = tm_record_rate(samples[i]);
        out->has_cpu &= isfinite(out->cpu_us[i]);
    }
    return TM_OK;
}

static tm_json *entry(const tm_export *e, int index, const char *name, const char *run_name,
                      bool is_aggregate)
{
    const tm_cell_summary *s = e->rows[index].cell;
    tm_json *out = tm_json_object();
    tm_json_put_string(out, "name", name);
    tm_json_put_int(out, "family_index", index);
    tm_json_put_int(out, "per_family_instance_index", 0);
    tm_json_put_string(out, "run_name", run_name);
    tm_json_put_string(out, "run_type", is_aggregate ? "aggregate" : "iteration");
    tm_json_put_int(out, "repetitions", s->n_repetitions);
    tm_json_put_int(out, "threads", s->cell.threads);
    return out;
}

static void put_times(tm_json *out, double real_us, double cpu_us, double rate)
{
    tm_json_put_number(out, "real_time", real_us);
    if (isfinite(cpu_us)) tm_json_put_number(out, "cpu_time", cpu_us);
    tm_json_put_string(out, "time_unit", "us");
    tm_json_put_number(out, "tokens_per_second", rate);
}

static double cv(const double *values, int n)
{
    return tm_standard_deviation(values, n) / tm_mean(values, n);
}

static void put_aggregates(const tm_export *e, int index, const char *run_name, const times *t,
                           tm_json *benchmarks)
{
    static double (*const of[])(const double *, int) = {tm_mean, tm_median, tm_standard_deviation,
                                                        cv};
    static const char *const names[] = {"mean", "median", "stddev", "cv"};
    const tm_cell_summary *s = e->rows[index].cell;
    const tm_interval *joules = &s->energy.joules_per_token;
    for (int i = 0; i < (t->n > 1 ? 4 : 2); i++) {
        tm_text name = {0};
        tm_text_format(&name, "%s_%s", run_name, names[i]);
        tm_json *out = entry(e, index, tm_text_string(&name), run_name, true);
        tm_text_free(&name);
        tm_json_put_string(out, "aggregate_name", names[i]);
        tm_json_put_string(out, "aggregate_unit", i == 3 ? "percentage" : "time");
        tm_json_put_int(out, "iterations", t->n);
        put_times(out, of[i](t->real_us, t->n), t->has_cpu ? of[i](t->cpu_us, t->n) : NAN,
                  of[i](t->rate, t->n));
        if (i == 0 && isfinite(joules->value) && !s->energy.fake) {
            char label[256];
            tm_json_put_number(out, "joules_per_token", joules->value);
            tm_export_put_json(
                out, "label",
                tm_energy_origin(
                    &s->energy.phases[s->cell.n_gen > 0 ? TM_PHASE_GENERATION : TM_PHASE_PROMPT],
                    label, sizeof label));
        } else if (i < 2 && s->n_marked) {
            tm_text label = {0};
            tm_text_format(&label, "marked: %s", s->marks);
            tm_export_put_json(out, "label", tm_text_string(&label));
            tm_text_free(&label);
        }
        tm_json_append(benchmarks, out);
    }
}

static void put_missing(const tm_export *e, int index, const char *run_name, tm_json *benchmarks)
{
    const tm_cell_summary *s = e->rows[index].cell;
    const bool is_skipped = strcmp(s->status, "skipped") == 0;
    tm_json *out = entry(e, index, run_name, run_name, true);
    tm_json_put_string(out, "aggregate_name", is_skipped ? "skipped" : "failed");
    tm_json_put_bool(out, is_skipped ? "skipped" : "error_occurred", true);
    tm_export_put_json(out, is_skipped ? "skip_message" : "error_message", s->missing);
    tm_json_append(benchmarks, out);
}

static tm_status put_cell(const tm_export *e, int index, tm_json *benchmarks, tm_error *err)
{
    const tm_cell_summary *s = e->rows[index].cell;
    const tm_record **samples;
    times t = {0};
    int n;
    tm_status status = tm_export_samples(e, s, &samples, &n, err);
    if (status != TM_OK) return status;
    status = read_times(samples, n, &t, err);
    free(samples);
    if (status != TM_OK) return status;
    tm_text name = {0}, clean = {0};
    tm_export_name(e, s, &name);
    tm_export_put(&clean, tm_text_string(&name), NULL);
    const char *run_name = tm_text_string(&clean);
    for (int i = 0; i < t.n && t.has_cpu; i++) {
        tm_json *out = entry(e, index, run_name, run_name, false);
        tm_json_put_int(out, "repetition_index", i);
        tm_json_put_int(out, "iterations", 1);
        put_times(out, t.real_us[i], t.cpu_us[i], t.rate[i]);
        tm_json_append(benchmarks, out);
    }
    if (t.n > 0)
        put_aggregates(e, index, run_name, &t, benchmarks);
    else
        put_missing(e, index, run_name, benchmarks);
    tm_text_free(&name);
    tm_text_free(&clean);
    free_times(&t);
    return TM_OK;
}

/* The number of CPUs in "0-3,8"; 0: not recorded. */
static int count_cpus(const char *list)
{
    int n = 0, from, to, used;
    for (; sscanf(list, "%d%n", &from, &used) == 1; list += *list == ',') {
        list += used;
        to = from;
        if (*list == '-' && sscanf(list, "-%d%n", &to, &used) == 1) list += used;
        n += to >= from ? to - from + 1 : 0;
        if (*list != ',') break;
    }
    return n;
}

static tm_json *make_caches(const tm_json *machine)
{
    static const char *const types[][2] = {
        {"data", "Data"}, {"instruction", "Instruction"}, {"unified", "Unified"}};
    tm_json *out = tm_json_array();
    for (const tm_json *c = tm_json_at(tm_json_get(machine, "caches"), 0); c; c = tm_json_next(c)) {
        const char *type = tm_json_text(tm_json_get(c, "type"), "");
        const int shared = count_cpus(tm_json_text(tm_json_get(c, "shared_by_cpus"), ""));
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
            if (strcmp(type, types[i][0]) == 0) type = types[i][1];
        tm_json *cache = tm_json_object();
        tm_export_put_json(cache, "type", type);
        tm_json_put_number(cache, "level", tm_json_double(tm_json_get(c, "level"), NAN));
        tm_json_put_number(cache, "size", tm_json_double(tm_json_get(c, "size_bytes"), NAN));
        if (shared) tm_json_put_int(cache, "num_sharing", shared);
        tm_json_append(out, cache);
    }
    return out;
}

/* Of the newest run. */
static tm_json *make_context(const tm_export *e)
{
    const tm_cell_summary *last = e->rows[e->n_rows - 1].cell;
    const tm_json *run = tm_export_run(e, last), *machine = tm_json_get(run, "machine"),
                  *environment = tm_json_get(run, "environment");
    const double load = tm_json_double(tm_json_get(environment, "load_average"), NAN),
                 n_cpus = tm_json_double(tm_json_get(machine, "cpus"), NAN);
    const char *mode = tm_json_text(tm_json_get(environment, "build_mode"), NULL);
    const char *date = tm_json_text(tm_json_get(environment, "date"), NULL);
    const char *governor = tm_json_text(tm_json_get(environment, "governor"), NULL);
    tm_json *out = tm_json_object(), *loads = tm_json_array();
    tm_text name = {0};
    if (date) tm_export_put_json(out, "date", date);
    tm_json_put_string(out, "executable", "ternmark");
    if (isfinite(n_cpus)) tm_json_put_number(out, "num_cpus", n_cpus);
    if (governor)
        tm_json_put_bool(out, "cpu_scaling_enabled", strcmp(governor, "performance") != 0);
    tm_json_set(out, "caches", make_caches(machine));
    if (isfinite(load)) tm_json_append(loads, tm_json_number(load));
    tm_json_set(out, "load_avg", loads);
    if (mode)
        tm_json_put_string(out, "library_build_type",
                           strcmp(mode, "release") == 0 ? "release" : "debug");
    tm_json_put_int(out, "json_schema_version", 1);
    tm_export_machine(e, last->cell.machine, &name);
    tm_export_put_json(out, "machine", tm_text_string(&name));
    tm_text_free(&name);
    tm_export_put_json(out, "sweep", e->title);
    tm_export_put_json(out, "ternmark_version",
                       tm_json_text(tm_json_get(environment, "version"), NULL));
    tm_export_put_json(out, "ternmark_commit",
                       tm_json_text(tm_json_get(environment, "commit"), NULL));
    return out;
}

tm_status tm_export_write_google(const tm_export *e, tm_text *out, tm_error *err)
{
    tm_json *root = tm_json_object(), *benchmarks = tm_json_array();
    tm_status status = TM_OK;
    tm_json_set(root, "context", make_context(e));
    for (int i = 0; i < e->n_rows && status == TM_OK; i++) status = put_cell(e, i, benchmarks, err);
    tm_json_set(root, "benchmarks", benchmarks);
    if (status == TM_OK) return tm_text_put_json(out, root, true, err);
    tm_json_free(root);
    return status;
}
