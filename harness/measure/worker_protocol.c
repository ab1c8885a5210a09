/* The lines of the worker protocol: printing and parsing. */
#include "harness/measure/worker.h"

#include "harness/base/json_reader.h"

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
    tm_json_put_bool(json, "reference", request->reference);
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

static void read_phases(tm_json_reader *r, tm_worker_test *out)
{
    const tm_json *list = tm_json_get(r->json, "energy");
    if (list && !tm_json_is_array(list)) tm_read_fail(r, "\"energy\" of a test must be a list");
    for (const tm_json *item = tm_json_at(list, 0); item && r->status == TM_OK;
         item = tm_json_next(item)) {
        const char *name = tm_json_text(item, "");
        tm_phase phase = 0;
        while (phase < TM_PHASES && strcmp(name, tm_phase_text(phase)) != 0) phase++;
        if (phase == TM_PHASES ||
            (phase == TM_PHASE_PROMPT ? out->test.n_prompt : out->test.n_gen) < 1)
            tm_read_fail(r, "\"%.40s\" is not a phase of the test", name);
        else
            out->energy[phase] = true;
    }
}

static void read_test(tm_json_reader *outer, const tm_json *json, tm_worker_test *out)
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
    tm_json_reader r = *outer;
    r.json = json;
    if (!tm_json_is_object(json)) tm_read_fail(&r, "a test must be an object");
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        *numbers[i].target = (int)tm_read_int(&r, numbers[i].key, 0, numbers[i].high);
    tm_read_optional_int(&r, "n_sequences", 1, TM_SEQUENCES_MAX, &out->test.n_sequences);
    tm_read_optional_int(&r, "profile_pairs", 1, TM_PROFILE_PAIRS_MAX, &out->n_profile_pairs);
    if (out->test.n_prompt + out->test.n_gen < 1)
        tm_read_fail(&r, "a test needs at least one token");
    if (out->test.n_sequences > 1 && out->test.n_prompt > 0)
        tm_read_fail(&r, "%d sequences cannot share a prompt", out->test.n_sequences);
    read_phases(&r, out);
    outer->status = r.status;
}

/* All three keys are optional; without them nothing measures energy. */
static void read_energy(tm_json_reader *r, tm_worker_request *out)
{
    const tm_json *energy = tm_json_get(r->json, "energy");
    tm_energy_source_init(&out->energy);
    if (energy && r->status == TM_OK)
        r->status = tm_energy_source_from_json(energy, "request: \"energy\"", &out->energy, r->err);
    out->energy_later = tm_json_true(tm_json_get(r->json, "energy_later"));
    tm_read_optional_text(r, "sysfs_root", out->energy.root, sizeof out->energy.root);
    bool automatic = strcmp(out->energy.source, "auto") == 0;
    bool none = strcmp(out->energy.source, "none") == 0;
    for (int i = 0; i < out->n_tests; i++)
        for (tm_phase phase = 0; phase < TM_PHASES; phase++)
            if (out->tests[i].energy[phase] && (automatic || none))
                tm_read_fail(r, "energy windows need a source by name, not \"%s\"",
                             out->energy.source);
}

/* Optional as a whole. */
static void read_profile_options(tm_json_reader *outer, tm_worker_profile_options *out)
{
    tm_json_reader r = *outer;
    r.json = tm_json_get(outer->json, "profile");
    if (!r.json) return;
    out->fastest = tm_json_true(tm_json_get(r.json, "fastest"));
    out->whole = tm_json_true(tm_json_get(r.json, "whole"));
    out->first_cell = (int)tm_read_int(&r, "first_cell", 0, 1 << 30);
    tm_read_text(&r, "trace", out->trace, sizeof out->trace);
    outer->status = r.status;
}

static void read_cpus(tm_json_reader *r, tm_worker_request *out)
{
    const tm_json *cpus = tm_json_get(r->json, "cpus");
    int n = tm_json_count(cpus), max = (int)(sizeof out->cpus / sizeof out->cpus[0]);
    if (cpus && (!tm_json_is_array(cpus) || n > max))
        tm_read_fail(r, "\"cpus\" must be a list of at most %d", max);
    else if (n > 0 && n != out->cell.threads)
        tm_read_fail(r, "%d cpus for %d threads", n, out->cell.threads);
    for (int i = 0; i < n && r->status == TM_OK; i++) {
        double cpu = tm_json_double(tm_json_at(cpus, i), -1);
        if (cpu >= 0 && cpu < MAX_THREADS)
            out->cpus[out->n_cpus++] = (int)cpu;
        else
            tm_read_fail(r, "cpus[%d] is not a CPU", i);
    }
}

static void read_tests(tm_json_reader *r, tm_worker_request *out)
{
    const tm_json *tests = tm_json_get(r->json, "tests");
    int n = tm_json_count(tests);
    if (!tm_json_is_array(tests) || n < 1 || n > TM_SUITE_MAX)
        tm_read_fail(r, "\"tests\" must be a list of 1 to %d", TM_SUITE_MAX);
    for (int i = 0; i < n && r->status == TM_OK; i++)
        read_test(r, tm_json_at(tests, i), &out->tests[out->n_tests++]);
}

static void read_request(tm_json_reader *r, tm_worker_request *out)
{
    tm_cell *cell = &out->cell;
    int protocol = (int)tm_read_int(r, "protocol", 0, 1 << 20);
    if (r->status == TM_OK && protocol != TM_WORKER_PROTOCOL)
        r->status = tm_fail(r->err, TM_UNSUPPORTED,
                            "the request uses protocol %d; this worker uses protocol %d", protocol,
                            TM_WORKER_PROTOCOL);
    tm_read_text(r, "engine", cell->engine, sizeof cell->engine);
    tm_read_text(r, "model", cell->model, sizeof cell->model);
    tm_read_text(r, "kernel", cell->kernel, sizeof cell->kernel);
    tm_read_text(r, "head_kernel", cell->head_kernel, sizeof cell->head_kernel);
    cell->threads = (int)tm_read_int(r, "threads", 1, MAX_THREADS);
    out->seed = (uint64_t)tm_read_int(r, "seed", 0, MAX_SEED);
    tm_read_optional_text(r, "counters", out->counters, sizeof out->counters);
    out->oversubscribe = tm_json_true(tm_json_get(r->json, "oversubscribe"));
    out->f16_kv = tm_json_true(tm_json_get(r->json, "f16_kv"));
    out->check = tm_json_true(tm_json_get(r->json, "check"));
    out->reference = tm_json_true(tm_json_get(r->json, "reference"));
    read_cpus(r, out);
    read_tests(r, out);
    read_energy(r, out);
    read_profile_options(r, &out->profile);
}

tm_status tm_worker_request_parse(const char *line, tm_worker_request *out, tm_error *err)
{
    tm_json *json;
    memset(out, 0, sizeof *out);
    tm_status status = tm_json_parse(line, strlen(line), "request", &json, err);
    if (status != TM_OK) return status;
    tm_json_reader r = {.json = json, .err = err, .what = "request"};
    read_request(&r, out);
    tm_json_free(json);
    return r.status;
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
