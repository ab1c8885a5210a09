#include "harness/record/record.h"

#include "harness/machine/machine.h"
#include "harness/record/record_reader.h"

#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every figure of a sample: member and key are the same word. */
#define FIGURES(X)                                                                                 \
    X(peak_rss_bytes)                                                                              \
    X(rss_anonymous_bytes)                                                                         \
    X(rss_file_bytes)                                                                              \
    X(minor_faults)                                                                                \
    X(major_faults)                                                                                \
    X(voluntary_switches)                                                                          \
    X(involuntary_switches)                                                                        \
    X(cpu_user_seconds)                                                                            \
    X(cpu_system_seconds)                                                                          \
    X(steal_percent)                                                                               \
    X(frequency_before_hz)                                                                         \
    X(frequency_after_hz)                                                                          \
    X(throttle_events)                                                                             \
    X(temperature_before_celsius)                                                                  \
    X(temperature_after_celsius)                                                                   \
    X(load_average)                                                                                \
    X(harness_ns_per_token)

static const struct {
    const char *key;
    size_t offset;
} figures[] = {
#define FIGURE_ROW(name) {#name, offsetof(tm_record, name)},
    FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};
enum { N_FIGURES = sizeof figures / sizeof figures[0] };

static const char *const kind_names[] = {"run", "sample", "cell", "energy", "profile"};

void tm_record_mark(tm_record *record, const char *fmt, ...)
{
    va_list args;
    size_t n = strlen(record->marks), room = sizeof record->marks;
    if (n > 0) n += (size_t)snprintf(record->marks + n, room - n, "; ");
    if (n >= room) return;
    va_start(args, fmt);
    vsnprintf(record->marks + n, room - n, fmt, args);
    va_end(args);
}

void tm_test_name(int n_prompt, int n_gen, int depth, int n_sequences, char *text, size_t size)
{
    char prompt[24] = "", gen[24] = "", behind[24] = "", batch[24] = "";
    if (n_prompt > 0) snprintf(prompt, sizeof prompt, "pp%d", n_prompt);
    if (n_gen > 0) snprintf(gen, sizeof gen, "%stg%d", n_prompt > 0 ? "+" : "", n_gen);
    if (depth > 0) snprintf(behind, sizeof behind, "@d%d", depth);
    if (n_sequences > 1) snprintf(batch, sizeof batch, "@b%d", n_sequences);
    snprintf(text, size, "%s%s%s%s", prompt, gen, behind, batch);
}

void tm_cell_id(const tm_cell *cell, const char *build, const char *model_identity, char id[24])
{
    char text[1024];
    int n = snprintf(text, sizeof text, "%s|%s|%s|%s|%d|%d|%d|%d|%s|%s", cell->engine, cell->model,
                     cell->kernel, cell->head_kernel, cell->threads, cell->n_prompt, cell->n_gen,
                     cell->depth, build, model_identity);
    size_t length = n < (int)sizeof text ? (size_t)n : sizeof text - 1;
    if (cell->n_sequences > 1) /* a cell of one is what it was before there were more */
        length += (size_t)snprintf(text + length, sizeof text - length, "|b%d", cell->n_sequences);
    if (length > sizeof text - 1) length = sizeof text - 1;
    snprintf(id, 24, "%016llx", (unsigned long long)tm_hash(TM_HASH_START, text, length));
}

void tm_record_miss_figures(tm_record *record, const char *why)
{
    for (size_t i = 0; i < N_FIGURES; i++)
        tm_measured_miss((tm_measured *)((char *)record + figures[i].offset), "%s", why);
}

static void put_figures(tm_json *json, const tm_record *record)
{
    for (int i = 0; i < N_FIGURES; i++) {
        const tm_measured *f = (const tm_measured *)((const char *)record + figures[i].offset);
        tm_measured_put(json, figures[i].key, f);
    }
}

static void put_cell(tm_json *json, const tm_record *record)
{
    const tm_cell *cell = &record->cell;
    tm_json_put_string(json, "cell_id", record->cell_id);
    tm_json_put_string(json, "engine", cell->engine);
    tm_json_put_string(json, "model", cell->model);
    tm_json_put_string(json, "kernel", cell->kernel);
    tm_json_put_string(json, "head_kernel", cell->head_kernel);
    if (cell->kernel_asked[0]) tm_json_put_string(json, "kernel_asked", cell->kernel_asked);
    if (cell->head_asked[0]) tm_json_put_string(json, "head_asked", cell->head_asked);
    tm_json_put_int(json, "threads", cell->threads);
    tm_json_put_string(json, "test", cell->test);
    tm_json_put_int(json, "n_prompt", cell->n_prompt);
    tm_json_put_int(json, "n_gen", cell->n_gen);
    tm_json_put_int(json, "depth", cell->depth);
    tm_json_put_int(json, "n_sequences", cell->n_sequences > 1 ? cell->n_sequences : 1);
    tm_json_put_string(json, "role", cell->role);
    if (record->kind != TM_RECORD_ENERGY) {
        tm_json_put_string(json, "status", record->status);
        if (record->reason[0]) tm_json_put_string(json, "reason", record->reason);
    }
    /* 0 stands for a prediction that could not be made: the model's shape was not readable. */
    if (record->predicted_bytes > 0)
        tm_json_put_int(json, "predicted_bytes", record->predicted_bytes);
    else
        tm_json_put_missing(json, "predicted_bytes", "the shape of the model is not known");
}

static void put_counters(tm_json *json, const tm_record *record)
{
    if (!record->counter_group[0]) return;
    tm_json *counters = tm_json_object();
    for (int i = 0; i < record->n_counters; i++) {
        const tm_counter *c = &record->counters[i];
        tm_json *item = tm_json_object();
        if (isfinite(c->figure.value))
            tm_json_put_number(item, "value", c->figure.value);
        else
            tm_json_put_missing(item, "value",
                                c->figure.missing[0] ? c->figure.missing : "not counted");
        tm_json_put_string(item, "unit", c->unit);
        tm_json_put_string(item, "method", c->method);
        tm_json_put_number(item, "share", c->share);
        tm_json_set(counters, c->name, item);
    }
    tm_json_put_string(json, "counter_group", record->counter_group);
    tm_json_set(json, "counters", counters);
}

static void put_sample(tm_json *json, const tm_record *record)
{
    tm_json_put_int(json, "process", record->process);
    tm_json_put_int(json, "repetition", record->repetition);
    tm_json_put_int(json, "slot", record->slot);
    tm_json_put_int(json, "elapsed_ns", record->elapsed_ns);
    tm_json_put_int(json, "n_tokens", record->n_tokens);
    if (record->first_token_ns > 0)
        tm_json_put_int(json, "first_token_ns", record->first_token_ns);
    else
        tm_json_put_missing(json, "first_token_ns", "this test has no prompt");
    tm_json *times = tm_json_array();
    for (int i = 0; i < record->n_token_ns; i++)
        tm_json_append(times, tm_json_number((double)record->token_ns[i]));
    tm_json_set(json, "token_ns", times);
    tm_json_put_int(json, "load_ns", record->load_ns);
    /* A fake model has no weights: it reads nothing, and no rate must follow from that. */
    if (record->bytes_per_token > 0) {
        tm_json_put_number(json, "bytes_per_token", record->bytes_per_token);
        tm_json_put_number(json, "macs_per_token", record->macs_per_token);
        tm_json_put_number(json, "bits_per_weight", record->bits_per_weight);
        tm_json_put_number(json, "head_bytes", record->head_bytes);
    } else {
        tm_json_put_missing(json, "bytes_per_token", "the engine states no costs");
        tm_json_put_missing(json, "macs_per_token", "the engine states no costs");
        tm_json_put_missing(json, "bits_per_weight", "the engine states no costs");
        tm_json_put_missing(json, "head_bytes", "the engine states no costs");
    }
    put_figures(json, record);
    put_counters(json, record);
    tm_json_put_string(json, "marks", record->marks);
    tm_json_put_string(json, "tokens", record->tokens);
}

tm_json *tm_record_to_json(const tm_record *record)
{
    tm_json *json = tm_json_object();
    if (!json) return NULL;
    /* "schema" first: a store is known by the first bytes of its lines. */
    tm_json_put_int(json, "schema", TM_SCHEMA);
    tm_json_put_string(json, "kind", kind_names[record->kind]);
    tm_json_put_string(json, "run", record->run);
    if (record->kind == TM_RECORD_RUN) {
        int n = tm_json_count(record->document);
        for (int i = 0; i < n; i++) {
            const tm_json *member = tm_json_at(record->document, i);
            const char *key = tm_json_key(member);
            if (strcmp(key, "schema") == 0 || strcmp(key, "kind") == 0 || strcmp(key, "run") == 0)
                continue;
            tm_json_set(json, key, tm_json_copy(member));
        }
        return json;
    }
    put_cell(json, record);
    if (record->kind == TM_RECORD_SAMPLE) put_sample(json, record);
    if (record->kind == TM_RECORD_ENERGY) {
        tm_json_put_int(json, "process", record->process);
        tm_json_put_int(json, "slot", record->slot);
        tm_record_energy_put(json, record->energy);
    }
    if (record->kind == TM_RECORD_PROFILE) {
        tm_json_put_int(json, "process", record->process);
        tm_json_put_int(json, "slot", record->slot);
        if (record->profile) tm_record_profile_put(json, record->profile);
        tm_json_put_string(json, "marks", record->marks);
    }
    return json;
}

static void token_times_of(tm_record_reader *r, tm_record *out)
{
    if (r->status != TM_OK) return;
    const tm_json *times = tm_json_get(r->json, "token_ns");
    if (!tm_json_is_array(times)) {
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"token_ns\" is not an array");
        return;
    }
    int n = tm_json_count(times);
    if (n == 0) return;
    out->token_ns = calloc((size_t)n, sizeof *out->token_ns);
    if (!out->token_ns) {
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for %d token times", n);
        return;
    }
    out->n_token_ns = n;
    /* By the chain of members, not by index: an index walks the list from its start. */
    const tm_json *item = tm_json_at(times, 0);
    for (int i = 0; i < n; i++, item = tm_json_next(item)) {
        double value = tm_json_double(item, -1);
        if (!(value >= 0 && value <= (double)TM_RECORD_BYTES_MAX)) {
            r->status = tm_fail(r->err, TM_FORMAT, "record: token_ns[%d] is not a time", i);
            return;
        }
        out->token_ns[i] = (int64_t)value;
    }
}

static void counter_of(tm_record_reader *r, const tm_json *item, tm_counter *out)
{
    const char *name = tm_json_key(item);
    tm_record_reader inner = {item, r->status, r->err, r->what};
    if (r->status == TM_OK && (!tm_json_is_object(item) || strlen(name) >= sizeof out->name))
        inner.status = tm_fail(r->err, TM_FORMAT, "record: counter \"%.60s\" is no object", name);
    else
        snprintf(out->name, sizeof out->name, "%s", name);
    tm_read_text(&inner, "unit", out->unit, sizeof out->unit);
    tm_read_text(&inner, "method", out->method, sizeof out->method);
    out->share = tm_read_number_or(&inner, "share", 1);
    tm_read_figure(&inner, "value", &out->figure);
    r->status = inner.status;
}

static void counters_of(tm_record_reader *r, tm_record *out)
{
    const tm_json *counters = tm_json_get(r->json, "counters");
    if (r->status != TM_OK || !counters) return;
    int n = tm_json_count(counters);
    tm_read_text(r, "counter_group", out->counter_group, sizeof out->counter_group);
    if (r->status != TM_OK) return;
    if (!tm_json_is_object(counters) || n > TM_COUNTERS_MAX) {
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"counters\" is no object of at most %d",
                            TM_COUNTERS_MAX);
        return;
    }
    if (n == 0) return;
    out->counters = calloc((size_t)n, sizeof *out->counters);
    if (!out->counters) {
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for %d counters", n);
        return;
    }
    out->n_counters = n;
    const tm_json *item = tm_json_at(counters, 0);
    for (int i = 0; i < n; i++, item = tm_json_next(item)) counter_of(r, item, &out->counters[i]);
}

static void cell_of(tm_record_reader *r, tm_record *out)
{
    tm_cell *cell = &out->cell;
    tm_read_text(r, "cell_id", out->cell_id, sizeof out->cell_id);
    tm_read_text(r, "engine", cell->engine, sizeof cell->engine);
    tm_read_text(r, "model", cell->model, sizeof cell->model);
    tm_read_text(r, "kernel", cell->kernel, sizeof cell->kernel);
    tm_read_text(r, "head_kernel", cell->head_kernel, sizeof cell->head_kernel);
    if (tm_json_get(r->json, "kernel_asked"))
        tm_read_text(r, "kernel_asked", cell->kernel_asked, sizeof cell->kernel_asked);
    if (tm_json_get(r->json, "head_asked"))
        tm_read_text(r, "head_asked", cell->head_asked, sizeof cell->head_asked);
    cell->threads = (int)tm_read_int(r, "threads", 1, 1 << 20);
    tm_read_text(r, "test", cell->test, sizeof cell->test);
    cell->n_prompt = (int)tm_read_int(r, "n_prompt", 0, TM_RECORD_COUNT_MAX);
    cell->n_gen = (int)tm_read_int(r, "n_gen", 0, TM_RECORD_COUNT_MAX);
    cell->depth = (int)tm_read_int(r, "depth", 0, TM_RECORD_COUNT_MAX);
    cell->n_sequences = 1; /* records of before have none */
    if (tm_json_get(r->json, "n_sequences"))
        cell->n_sequences = (int)tm_read_int(r, "n_sequences", 1, TM_RECORD_COUNT_MAX);
    tm_read_text(r, "role", cell->role, sizeof cell->role);
    tm_read_text(r, "status", out->status, sizeof out->status);
    if (tm_json_get(r->json, "reason")) tm_read_text(r, "reason", out->reason, sizeof out->reason);
    out->predicted_bytes = (int64_t)tm_read_number_or(r, "predicted_bytes", 0);
}

static void energy_of(tm_record_reader *r, tm_record *out)
{
    out->process = (int)tm_read_int(r, "process", 0, TM_RECORD_COUNT_MAX);
    out->slot = (int)tm_read_int(r, "slot", 0, 1);
    if (r->status != TM_OK) return;
    out->energy = calloc(1, sizeof *out->energy);
    if (!out->energy)
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for an energy window");
    else
        r->status = tm_record_energy_from_json(r->json, out->energy, r->err);
}

static void profile_of(tm_record_reader *r, tm_record *out)
{
    out->process = (int)tm_read_int(r, "process", 0, TM_RECORD_COUNT_MAX);
    out->slot = (int)tm_read_int(r, "slot", 0, 1);
    tm_read_text(r, "marks", out->marks, sizeof out->marks);
    if (r->status != TM_OK) return;
    if (strcmp(out->status, "ok") != 0) {
        if (!out->reason[0])
            r->status = tm_fail(r->err, TM_FORMAT, "record: a profile that is %s without a reason",
                                out->status);
        return;
    }
    out->profile = calloc(1, sizeof *out->profile);
    if (!out->profile)
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for a profile");
    else
        r->status = tm_record_profile_from_json(r->json, out->profile, r->err);
}

static void sample_of(tm_record_reader *r, tm_record *out)
{
    out->process = (int)tm_read_int(r, "process", 0, TM_RECORD_COUNT_MAX);
    out->repetition = (int)tm_read_int(r, "repetition", 0, TM_RECORD_COUNT_MAX);
    out->slot = (int)tm_read_int(r, "slot", 0, 1);
    out->elapsed_ns = tm_read_int(r, "elapsed_ns", 1, TM_RECORD_BYTES_MAX);
    out->n_tokens = (int)tm_read_int(r, "n_tokens", 1, TM_RECORD_COUNT_MAX);
    out->first_token_ns = (int64_t)tm_read_number_or(r, "first_token_ns", 0);
    token_times_of(r, out);
    out->load_ns = tm_read_int(r, "load_ns", 0, TM_RECORD_BYTES_MAX);
    out->bytes_per_token = tm_read_number_or(r, "bytes_per_token", 0);
    out->macs_per_token = tm_read_number_or(r, "macs_per_token", 0);
    out->bits_per_weight = tm_read_number_or(r, "bits_per_weight", 0);
    if (tm_json_get(r->json, "head_bytes")) out->head_bytes = tm_read_number_or(r, "head_bytes", 0);
    for (int i = 0; i < N_FIGURES; i++)
        tm_read_figure(r, figures[i].key, (tm_measured *)((char *)out + figures[i].offset));
    counters_of(r, out);
    tm_read_text(r, "marks", out->marks, sizeof out->marks);
    if (tm_json_get(r->json, "tokens")) tm_read_text(r, "tokens", out->tokens, sizeof out->tokens);
}

/* A name as a later program may give to a kind of its own; other text is damage. */
static bool is_unknown_kind(const char *kind)
{
    for (size_t i = 0; i < sizeof kind_names / sizeof kind_names[0]; i++)
        if (strcmp(kind, kind_names[i]) == 0) return false;
    return *kind && kind[strspn(kind, "abcdefghijklmnopqrstuvwxyz_")] == 0;
}

tm_status tm_record_from_json(const tm_json *json, tm_record *out, tm_error *err)
{
    memset(out, 0, sizeof *out);
    if (!tm_json_is_object(json)) return tm_fail(err, TM_FORMAT, "record: not a JSON object");
    tm_record_reader r = {json, TM_OK, err, "record"};
    int64_t schema = tm_read_int(&r, "schema", INT_MIN, INT_MAX);
    if (r.status == TM_OK && schema != TM_SCHEMA)
        return tm_fail(err, TM_UNSUPPORTED,
                       "record: written with schema %lld; this program reads schema %d",
                       (long long)schema, TM_SCHEMA);
    char kind[32] = "";
    tm_read_text(&r, "kind", kind, sizeof kind);
    if (r.status == TM_OK && is_unknown_kind(kind)) {
        out->kind = TM_RECORD_UNKNOWN;
        memcpy(out->reason, kind, sizeof kind);
        return TM_OK;
    }
    tm_read_text(&r, "run", out->run, sizeof out->run);
    if (r.status != TM_OK) return r.status;
    if (strcmp(kind, "run") == 0) {
        out->kind = TM_RECORD_RUN;
        out->document = tm_json_copy(json);
        if (!out->document) r.status = tm_fail(err, TM_NOMEM, "record: no memory for a run line");
    } else if (strcmp(kind, "sample") == 0) {
        out->kind = TM_RECORD_SAMPLE;
        cell_of(&r, out);
        sample_of(&r, out);
    } else if (strcmp(kind, "cell") == 0) {
        out->kind = TM_RECORD_CELL;
        cell_of(&r, out);
    } else if (strcmp(kind, "energy") == 0) {
        out->kind = TM_RECORD_ENERGY;
        cell_of(&r, out);
        energy_of(&r, out);
    } else if (strcmp(kind, "profile") == 0) {
        out->kind = TM_RECORD_PROFILE;
        cell_of(&r, out);
        profile_of(&r, out);
    } else {
        r.status =
            tm_fail(err, TM_FORMAT, "record: \"kind\" is \"%s\", not a lower-case name", kind);
    }
    if (r.status != TM_OK) tm_record_free(out);
    return r.status;
}

void tm_record_free(tm_record *record)
{
    free(record->token_ns);
    if (record->energy) tm_record_energy_free(record->energy);
    free(record->energy);
    if (record->profile) tm_record_profile_free(record->profile);
    free(record->profile);
    free(record->counters);
    tm_json_free(record->document);
    record->token_ns = NULL;
    record->energy = NULL;
    record->profile = NULL;
    record->counters = NULL;
    record->n_counters = 0;
    record->n_token_ns = 0;
    record->document = NULL;
}

double tm_record_rate(const tm_record *record)
{
    if (record->kind != TM_RECORD_SAMPLE || record->elapsed_ns <= 0) return NAN;
    return (double)record->n_tokens * 1e9 / (double)record->elapsed_ns;
}
