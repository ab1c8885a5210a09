/* The lines of the worker protocol: printing and parsing. */
#include "harness/measure/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_THREADS 65536
#define MAX_SEED    (1ll << 53)

static void put_profile_options(tm_json *json, const tm_worker_profile_options *o)
{
    if (!o->fastest && !o->whole && !o->trace[0]) return;
    tm_json *profile = tm_json_object();
    tm_json_put_bool(profile, "fastest", o->fastest);
    tm_json_put_bool(profile, "whole", o->whole);
    tm_json_put_string(profile, "trace", o->trace);
    tm_json_put_int(profile, "first_cell", o->first_cell);
    tm_json_set(json, "profile", profile);
}

char *tm_worker_request_print(const tm_worker_request *request)
{
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    const tm_cell *cell = &request->cell;
    tm_json_put_int(json, "protocol", TM_WORKER_PROTOCOL);
    tm_json_put_string(json, "engine", cell->engine);
    tm_json_put_string(json, "model", cell->model);
    tm_json_put_string(json, "kernel", cell->kernel);
    tm_json_put_string(json, "head_kernel", cell->head_kernel);
    tm_json_put_int(json, "threads", cell->threads);
    tm_json_put_int(json, "seed", (int64_t)request->seed);
    tm_json_put_bool(json, "oversubscribe", request->oversubscribe);
    tm_json_put_bool(json, "f16_kv", request->f16_kv);
    tm_json_put_bool(json, "check", request->check);
    tm_json_put_string(json, "counters", request->counters);
    tm_json *cpus = tm_json_array(), *tests = tm_json_array();
    for (int i = 0; i < request->n_cpus; i++)
        tm_json_append(cpus, tm_json_number(request->cpus[i]));
    tm_json_set(json, "cpus", cpus);
    for (int i = 0; i < request->n_tests; i++) {
        const tm_worker_test *t = &request->tests[i];
        tm_json *test = tm_json_object();
        tm_json_put_int(test, "n_prompt", t->test.n_prompt);
        tm_json_put_int(test, "n_gen", t->test.n_gen);
        tm_json_put_int(test, "depth", t->test.depth);
        tm_json_put_int(test, "n_sequences", t->test.n_sequences > 1 ? t->test.n_sequences : 1);
        tm_json_put_int(test, "warmup", t->warmup);
        tm_json_put_int(test, "first_repetition", t->first_repetition);
        tm_json_put_int(test, "repetitions", t->n_repetitions);
        if (t->n_profile_pairs > 0) tm_json_put_int(test, "profile_pairs", t->n_profile_pairs);
        tm_json *phases = tm_json_array();
        for (tm_phase phase = 0; phase < TM_PHASES; phase++)
            if (t->energy[phase]) tm_json_append(phases, tm_json_string(tm_phase_text(phase)));
        tm_json_set(test, "energy", phases);
        tm_json_append(tests, test);
    }
    tm_json_set(json, "tests", tests);
    tm_json *energy = tm_energy_source_to_json(&request->energy);
    tm_json_set(json, "energy", energy);
    tm_json_put_bool(json, "energy_later", request->energy_later);
    if (request->energy.root[0]) tm_json_put_string(json, "sysfs_root", request->energy.root);
    put_profile_options(json, &request->profile);
    char *text = tm_json_print(json, false);
    tm_json_free(json);
    return text;
}

static tm_status text_of(const tm_json *json, const char *key, char *out, size_t size,
                         tm_error *err)
{
    const char *text;
    tm_status status = tm_json_need_string(json, key, "request", &text, err);
    if (status != TM_OK) return status;
    if (strlen(text) >= size)
        return tm_fail(err, TM_FORMAT, "request: \"%s\" is longer than %zu characters", key,
                       size - 1);
    strcpy(out, text);
    return TM_OK;
}

static tm_status int_of(const tm_json *json, const char *key, int64_t low, int64_t high, int *out,
                        tm_error *err)
{
    int64_t value = 0;
    tm_status status = tm_json_need_int(json, key, "request", low, high, &value, err);
    if (status == TM_OK) *out = (int)value;
    return status;
}

static tm_status read_phases(const tm_json *list, tm_worker_test *out, tm_error *err)
{
    if (list && !tm_json_is_array(list))
        return tm_fail(err, TM_FORMAT, "request: \"energy\" of a test must be a list");
    for (const tm_json *item = tm_json_at(list, 0); item; item = tm_json_next(item)) {
        const char *name = tm_json_text(item, "");
        tm_phase phase = 0;
        while (phase < TM_PHASES && strcmp(name, tm_phase_text(phase)) != 0) phase++;
        if (phase == TM_PHASES ||
            (phase == TM_PHASE_PROMPT ? out->test.n_prompt : out->test.n_gen) < 1)
            return tm_fail(err, TM_FORMAT, "request: \"%.40s\" is not a phase of the test", name);
        out->energy[phase] = true;
    }
    return TM_OK;
}

static tm_status read_test(const tm_json *json, tm_worker_test *out, tm_error *err)
{
    const struct {
        const char *key;
        int high, *target;
    } numbers[] = {{"n_prompt", TM_TOKENS_MAX, &out->test.n_prompt},
                   {"n_gen", TM_TOKENS_MAX, &out->test.n_gen},
                   {"depth", TM_TOKENS_MAX, &out->test.depth},
                   {"warmup", 1000, &out->warmup},
                   {"first_repetition", 1000000, &out->first_repetition},
                   {"repetitions", 1000000, &out->n_repetitions}};
    if (!tm_json_is_object(json))
        return tm_fail(err, TM_FORMAT, "request: a test must be an object");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        tm_status status = int_of(json, numbers[i].key, 0, numbers[i].high, numbers[i].target, err);
        if (status != TM_OK) return status;
    }
    if (tm_json_get(json, "n_sequences")) { /* optional: 1 */
        tm_status status =
            int_of(json, "n_sequences", 1, TM_SEQUENCES_MAX, &out->test.n_sequences, err);
        if (status != TM_OK) return status;
    }
    if (tm_json_get(json, "profile_pairs")) { /* optional: 0 */
        tm_status status =
            int_of(json, "profile_pairs", 1, TM_PROFILE_PAIRS_MAX, &out->n_profile_pairs, err);
        if (status != TM_OK) return status;
    }
    if (out->test.n_prompt + out->test.n_gen < 1)
        return tm_fail(err, TM_FORMAT, "request: a test needs at least one token");
    if (out->test.n_sequences > 1 && out->test.n_prompt > 0)
        return tm_fail(err, TM_FORMAT, "request: %d sequences cannot share a prompt",
                       out->test.n_sequences);
    return read_phases(tm_json_get(json, "energy"), out, err);
}

/* All three keys are optional; without them nothing measures energy. */
static tm_status read_energy(const tm_json *json, tm_worker_request *out, tm_error *err)
{
    const tm_json *energy = tm_json_get(json, "energy");
    tm_energy_source_init(&out->energy);
    tm_status status =
        energy ? tm_energy_source_from_json(energy, "request: \"energy\"", &out->energy, err)
               : TM_OK;
    out->energy_later = tm_json_true(tm_json_get(json, "energy_later"));
    if (status == TM_OK && tm_json_get(json, "sysfs_root"))
        status = text_of(json, "sysfs_root", out->energy.root, sizeof out->energy.root, err);
    bool automatic = strcmp(out->energy.source, "auto") == 0;
    bool none = strcmp(out->energy.source, "none") == 0;
    for (int i = 0; i < out->n_tests && status == TM_OK; i++)
        for (tm_phase phase = 0; phase < TM_PHASES && status == TM_OK; phase++)
            if (out->tests[i].energy[phase] && (automatic || none))
                status = tm_fail(err, TM_FORMAT,
                                 "request: energy windows need a source by name, not \"%s\"",
                                 out->energy.source);
    return status;
}

/* Optional as a whole. */
static tm_status read_profile_options(const tm_json *json, tm_worker_profile_options *out,
                                      tm_error *err)
{
    const tm_json *profile = tm_json_get(json, "profile");
    if (!profile) return TM_OK;
    out->fastest = tm_json_true(tm_json_get(profile, "fastest"));
    out->whole = tm_json_true(tm_json_get(profile, "whole"));
    tm_status status = int_of(profile, "first_cell", 0, 1 << 30, &out->first_cell, err);
    return status == TM_OK ? text_of(profile, "trace", out->trace, sizeof out->trace, err) : status;
}

static tm_status read_lists(const tm_json *json, tm_worker_request *out, tm_error *err)
{
    const tm_json *cpus = tm_json_get(json, "cpus"), *tests = tm_json_get(json, "tests");
    int n_cpus = tm_json_count(cpus), n_tests = tm_json_count(tests);
    int max_cpus = (int)(sizeof out->cpus / sizeof out->cpus[0]);
    if (cpus && (!tm_json_is_array(cpus) || n_cpus > max_cpus))
        return tm_fail(err, TM_FORMAT, "request: \"cpus\" must be a list of at most %d", max_cpus);
    if (n_cpus > 0 && n_cpus != out->cell.threads)
        return tm_fail(err, TM_FORMAT, "request: %d cpus for %d threads", n_cpus,
                       out->cell.threads);
    for (int i = 0; i < n_cpus; i++) {
        double cpu = tm_json_double(tm_json_at(cpus, i), -1);
        if (!(cpu >= 0 && cpu < MAX_THREADS))
            return tm_fail(err, TM_FORMAT, "request: cpus[%d] is not a CPU", i);
        out->cpus[out->n_cpus++] = (int)cpu;
    }
    if (!tm_json_is_array(tests) || n_tests < 1 || n_tests > TM_SUITE_MAX)
        return tm_fail(err, TM_FORMAT, "request: \"tests\" must be a list of 1 to %d",
                       TM_SUITE_MAX);
    for (int i = 0; i < n_tests; i++) {
        tm_status status = read_test(tm_json_at(tests, i), &out->tests[out->n_tests++], err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

tm_status tm_worker_request_parse(const char *line, tm_worker_request *out, tm_error *err)
{
    tm_json *json;
    tm_cell *cell = &out->cell;
    int protocol = 0;
    int64_t seed = 0;
    memset(out, 0, sizeof *out);
    tm_status status = tm_json_parse(line, strlen(line), "request", &json, err);
    if (status != TM_OK) return status;
    status = int_of(json, "protocol", 0, 1 << 20, &protocol, err);
    if (status == TM_OK && protocol != TM_WORKER_PROTOCOL)
        status = tm_fail(err, TM_UNSUPPORTED,
                         "the request uses protocol %d; this worker uses protocol %d", protocol,
                         TM_WORKER_PROTOCOL);
    if (status == TM_OK) status = text_of(json, "engine", cell->engine, sizeof cell->engine, err);
    if (status == TM_OK) status = text_of(json, "model", cell->model, sizeof cell->model, err);
    if (status == TM_OK) status = text_of(json, "kernel", cell->kernel, sizeof cell->kernel, err);
    if (status == TM_OK)
        status = text_of(json, "head_kernel", cell->head_kernel, sizeof cell->head_kernel, err);
    if (status == TM_OK) status = int_of(json, "threads", 1, MAX_THREADS, &cell->threads, err);
    if (status == TM_OK)
        status = tm_json_need_int(json, "seed", "request", 0, MAX_SEED, &seed, err);
    out->seed = (uint64_t)seed;
    if (status == TM_OK && tm_json_get(json, "counters"))
        status = text_of(json, "counters", out->counters, sizeof out->counters, err);
    out->oversubscribe = tm_json_true(tm_json_get(json, "oversubscribe"));
    out->f16_kv = tm_json_true(tm_json_get(json, "f16_kv"));
    out->check = tm_json_true(tm_json_get(json, "check"));
    if (status == TM_OK) status = read_lists(json, out, err);
    if (status == TM_OK) status = read_energy(json, out, err);
    if (status == TM_OK) status = read_profile_options(json, &out->profile, err);
    tm_json_free(json);
    return status;
}

static tm_status garbage(const char *line, const char *why, tm_error *err)
{
    char shown[81];
    size_t n = strlen(line) < 80 ? strlen(line) : 80;
    for (size_t i = 0; i < n; i++) shown[i] = line[i] < 32 || line[i] > 126 ? '?' : line[i];
    shown[n] = 0;
    return tm_fail(err, TM_FORMAT, "cannot read a line of the worker (%s): %s", why, shown);
}

/* The kind of record in a line; RUN: none. */
static tm_record_kind record_kind_of(tm_worker_line_kind kind)
{
    switch (kind) {
    case TM_WORKER_SAMPLE:
        return TM_RECORD_SAMPLE;
    case TM_WORKER_PROFILE:
        return TM_RECORD_PROFILE;
    case TM_WORKER_ENERGY:
        return TM_RECORD_ENERGY;
    default:
        return TM_RECORD_RUN;
    }
}

static tm_status read_profile(const tm_json *json, tm_worker_line *out, tm_error *err)
{
    const tm_json *cpus = tm_json_get(json, "cpus");
    if (tm_json_count(cpus) > TM_BACKEND_CPUS_MAX)
        return tm_fail(err, TM_FORMAT, "more than %d CPUs", TM_BACKEND_CPUS_MAX);
    tm_worker_profile *profile = calloc(1, sizeof *profile);
    if (!profile) return tm_fail(err, TM_NOMEM, "no memory for a profile");
    for (const tm_json *item = tm_json_at(cpus, 0); item; item = tm_json_next(item))
        profile->cpus[profile->n_cpus++] = (int)tm_json_double(item, -1);
    tm_status status =
        tm_profile_transfer_from_json(tm_json_get(json, "profile"), &profile->profile, err);
    if (status == TM_OK)
        out->profile = profile;
    else
        free(profile);
    return status;
}

void tm_worker_line_free(tm_worker_line *line)
{
    tm_record_free(&line->record);
    if (line->profile) tm_profile_free(&line->profile->profile);
    free(line->profile);
    line->profile = NULL;
}

static tm_status read_body(const tm_json *json, const char *line, tm_worker_line *out,
                           tm_error *err)
{
    double number;
    tm_error inner;
    switch (out->kind) {
    case TM_WORKER_HELLO:
        number = tm_json_double(tm_json_get(json, "protocol"), -1);
        if (!(number >= 0 && number <= 1000000)) return garbage(line, "it has no protocol", err);
        out->protocol = (int)number;
        snprintf(out->program, sizeof out->program, "%s",
                 tm_json_text(tm_json_get(json, "program"), "an unnamed program"));
        return TM_OK;
    case TM_WORKER_CHECKED:
        snprintf(out->tokens, sizeof out->tokens, "%s",
                 tm_json_text(tm_json_get(json, "tokens"), ""));
        return TM_OK;
    case TM_WORKER_SAMPLE:
    case TM_WORKER_PROFILE:
    case TM_WORKER_ENERGY:
        number = tm_json_double(tm_json_get(json, "test"), -1);
        if (!(number >= 0 && number < TM_SUITE_MAX)) return garbage(line, "it has no test", err);
        out->test = (int)number;
        if (tm_record_from_json(tm_json_get(json, "record"), &out->record, &inner) != TM_OK)
            return garbage(line, inner.message, err);
        if (out->record.kind != record_kind_of(out->kind)) {
            tm_worker_line_free(out);
            return garbage(line, "its record is of another kind", err);
        }
        if (out->kind != TM_WORKER_PROFILE || !tm_json_get(json, "profile")) return TM_OK;
        if (read_profile(json, out, &inner) == TM_OK) return TM_OK;
        tm_worker_line_free(out);
        return garbage(line, inner.message, err);
    case TM_WORKER_ERROR: {
        const char *name = tm_json_text(tm_json_get(json, "status"), "CHECK");
        const char *message =
            tm_json_text(tm_json_get(json, "message"), "an error without a message");
        tm_status status = TM_CHECK;
#define STATUS_ROW(upper, text)                                                                    \
    if (strcmp(name, #upper) == 0) status = TM_##upper;
        TM_STATUSES(STATUS_ROW)
#undef STATUS_ROW
        tm_fail(&out->error, status == TM_OK ? TM_CHECK : status, "%s", message);
        return TM_OK;
    }
    case TM_WORKER_LOADED:
    case TM_WORKER_DONE:
        return TM_OK;
    }
    return TM_OK;
}

tm_status tm_worker_line_parse(const char *line, tm_worker_line *out, tm_error *err)
{
    static const char *const names[] = {"hello",  "loaded", "checked", "sample", "profile",
                                        "energy", "done",   "error",   NULL};
    tm_json *json;
    int kind = 0;
    memset(out, 0, sizeof *out);
    if (tm_json_parse(line, strlen(line), "answer", &json, NULL) != TM_OK)
        return garbage(line, "it is not JSON", err);
    const char *name = tm_json_text(tm_json_get(json, "line"), "");
    while (names[kind] && strcmp(names[kind], name) != 0) kind++;
    out->kind = (tm_worker_line_kind)kind;
    tm_status status =
        names[kind] ? read_body(json, line, out, err) : garbage(line, "its kind is not known", err);
    tm_json_free(json);
    return status;
}
