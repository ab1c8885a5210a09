#include "harness/record/record_sample.h"

#include "harness/record/record_row.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Every figure of a sample; its key is its member's name. */
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
#define FIGURE_ROW(name) {#name, offsetof(tm_record_sample, name)},
    FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};
enum { N_FIGURES = sizeof figures / sizeof figures[0] };

static tm_measured *figure_at(tm_record_sample *sample, int i)
{
    return (tm_measured *)((char *)sample + figures[i].offset);
}

void tm_record_sample_miss_figures(tm_record_sample *sample, const char *why)
{
    for (int i = 0; i < N_FIGURES; i++) tm_measured_miss(figure_at(sample, i), "%s", why);
}

static void put_counters(tm_json *json, const tm_record_sample *s)
{
    if (!s->counter_group[0]) return;
    tm_json *counters = tm_json_object();
    for (int i = 0; i < s->n_counters; i++) {
        const tm_counter *c = &s->counters[i];
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
    tm_json_put_string(json, "counter_group", s->counter_group);
    tm_json_set(json, "counters", counters);
}

/* A fake model has no weights: it reads nothing, and no rate must follow from that. */
static void put_costs(tm_json *json, const tm_record_sample *s)
{
    const struct {
        const char *key;
        double value;
    } costs[] = {{"bytes_per_token", s->bytes_per_token},
                 {"macs_per_token", s->macs_per_token},
                 {"bits_per_weight", s->bits_per_weight},
                 {"head_bytes", s->head_bytes}};
    for (size_t i = 0; i < sizeof costs / sizeof costs[0]; i++) {
        if (s->bytes_per_token > 0)
            tm_json_put_number(json, costs[i].key, costs[i].value);
        else
            tm_json_put_missing(json, costs[i].key, "the engine states no costs");
    }
}

static void put_sample(tm_json *json, const tm_record *record)
{
    const tm_record_sample *s = &record->sample;
    tm_json_put_int(json, "process", record->process);
    tm_json_put_int(json, "repetition", s->repetition);
    tm_json_put_int(json, "slot", record->slot);
    if (s->begin_unix_seconds > 0)
        tm_json_put_number(json, "begin_unix_seconds", s->begin_unix_seconds);
    tm_json_put_int(json, "elapsed_ns", s->elapsed_ns);
    tm_json_put_int(json, "n_tokens", s->n_tokens);
    if (s->first_token_ns > 0)
        tm_json_put_int(json, "first_token_ns", s->first_token_ns);
    else
        tm_json_put_missing(json, "first_token_ns", "this test has no prompt");
    tm_json *times = tm_json_array();
    for (int i = 0; i < s->n_token_ns; i++)
        tm_json_append(times, tm_json_number((double)s->token_ns[i]));
    tm_json_set(json, "token_ns", times);
    tm_json_put_int(json, "load_ns", s->load_ns);
    if (s->check_ns > 0) tm_json_put_int(json, "check_ns", s->check_ns);
    if (s->spin_ns > 0) tm_json_put_int(json, "spin_ns", s->spin_ns);
    put_costs(json, s);
    for (int i = 0; i < N_FIGURES; i++)
        tm_measured_put(json, figures[i].key,
                        (const tm_measured *)((const char *)s + figures[i].offset));
    put_counters(json, s);
    tm_json_put_string(json, "marks", record->marks);
    tm_json_put_string(json, "tokens", s->tokens);
    if (s->code_hash[0]) tm_json_put_string(json, "code_hash", s->code_hash);
}

/* Reading. */

static void read_token_times(tm_json_reader *r, tm_record_sample *out)
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

static void read_counter(tm_json_reader *r, const tm_json *item, tm_counter *out)
{
    const char *name = tm_json_key(item);
    tm_json_reader inner = {.json = item, .status = r->status, .err = r->err, .what = r->what};
    if (r->status == TM_OK && (!tm_json_is_object(item) || strlen(name) >= sizeof out->name))
        inner.status =
            tm_fail(r->err, TM_FORMAT, "record: counter \"%.60s\" is not an object", name);
    else
        snprintf(out->name, sizeof out->name, "%s", name);
    tm_read_text(&inner, "unit", out->unit, sizeof out->unit);
    tm_read_text(&inner, "method", out->method, sizeof out->method);
    out->share = tm_read_number_or(&inner, "share", 1);
    tm_read_measured(&inner, "value", &out->figure);
    r->status = inner.status;
}

static void read_counters(tm_json_reader *r, tm_record_sample *out)
{
    const tm_json *counters = tm_json_get(r->json, "counters");
    if (r->status != TM_OK || !counters) return;
    int n = tm_json_count(counters);
    tm_read_text(r, "counter_group", out->counter_group, sizeof out->counter_group);
    if (r->status != TM_OK) return;
    if (!tm_json_is_object(counters) || n > TM_COUNTERS_MAX) {
        r->status =
            tm_fail(r->err, TM_FORMAT,
                    "record: \"counters\" is not an object of at most %d members", TM_COUNTERS_MAX);
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
    for (int i = 0; i < n; i++, item = tm_json_next(item)) read_counter(r, item, &out->counters[i]);
}

static void read_sample(tm_json_reader *r, tm_record *record)
{
    tm_record_sample *s = &record->sample;
    tm_record_read_process(r, record);
    s->repetition = (int)tm_read_int(r, "repetition", 0, TM_RECORD_COUNT_MAX);
    if (tm_json_get(r->json, "begin_unix_seconds"))
        s->begin_unix_seconds = tm_read_number_or(r, "begin_unix_seconds", 0);
    s->elapsed_ns = tm_read_int(r, "elapsed_ns", 1, TM_RECORD_BYTES_MAX);
    s->n_tokens = (int)tm_read_int(r, "n_tokens", 1, TM_RECORD_COUNT_MAX);
    s->first_token_ns = (int64_t)tm_read_number_or(r, "first_token_ns", 0);
    read_token_times(r, s);
    s->load_ns = tm_read_int(r, "load_ns", 0, TM_RECORD_BYTES_MAX);
    if (tm_json_get(r->json, "check_ns"))
        s->check_ns = tm_read_int(r, "check_ns", 1, TM_RECORD_BYTES_MAX);
    if (tm_json_get(r->json, "spin_ns"))
        s->spin_ns = tm_read_int(r, "spin_ns", 1, TM_RECORD_BYTES_MAX);
    s->bytes_per_token = tm_read_number_or(r, "bytes_per_token", 0);
    s->macs_per_token = tm_read_number_or(r, "macs_per_token", 0);
    s->bits_per_weight = tm_read_number_or(r, "bits_per_weight", 0);
    if (tm_json_get(r->json, "head_bytes")) s->head_bytes = tm_read_number_or(r, "head_bytes", 0);
    for (int i = 0; i < N_FIGURES; i++) tm_read_measured(r, figures[i].key, figure_at(s, i));
    read_counters(r, s);
    tm_read_text(r, "marks", record->marks, sizeof record->marks);
    if (tm_json_get(r->json, "tokens")) tm_read_text(r, "tokens", s->tokens, sizeof s->tokens);
    tm_read_optional_text(r, "code_hash", s->code_hash, sizeof s->code_hash);
}

/* Times may exceed the time they are part of by this factor: a smaller difference changes no
 * conclusion, and the whole sample would be lost. */
#define ROUNDING 1.02

tm_status tm_record_sample_check(const tm_record *record, tm_error *err)
{
    const tm_record_sample *s = &record->sample;
    const tm_cell *c = &record->cell;
    const int64_t n_tokens =
        (int64_t)c->n_prompt + (int64_t)c->n_gen * (c->n_sequences > 1 ? c->n_sequences : 1);
    double sum = 0;
    if (s->n_tokens != n_tokens)
        return tm_fail(err, TM_FORMAT, "record: %d tokens; the test %s has %lld", s->n_tokens,
                       c->test, (long long)n_tokens);
    if (s->n_token_ns != 0 && s->n_token_ns != c->n_gen)
        return tm_fail(err, TM_FORMAT, "record: %d token times; the test %s generates %d tokens",
                       s->n_token_ns, c->test, c->n_gen);
    for (int i = 0; i < s->n_token_ns; i++) sum += (double)s->token_ns[i];
    if (sum > (double)s->elapsed_ns * ROUNDING)
        return tm_fail(err, TM_FORMAT,
                       "record: the token times are %.6g s together; the repetition took %.6g s",
                       1e-9 * sum, 1e-9 * (double)s->elapsed_ns);
    if ((double)s->first_token_ns > (double)s->elapsed_ns * ROUNDING)
        return tm_fail(err, TM_FORMAT,
                       "record: the first token came after %.6g s; the repetition took %.6g s",
                       1e-9 * (double)s->first_token_ns, 1e-9 * (double)s->elapsed_ns);
    return TM_OK;
}

static void free_sample(tm_record *record)
{
    tm_record_sample *s = &record->sample;
    free(s->token_ns);
    free(s->counters);
    s->token_ns = NULL;
    s->counters = NULL;
    s->n_token_ns = s->n_counters = 0;
}

const tm_record_row tm_record_row_sample = {.name = "sample",
                                            .has_cell = true,
                                            .has_status = true,
                                            .put = put_sample,
                                            .read = read_sample,
                                            .free = free_sample};
