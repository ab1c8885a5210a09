#include "harness/measure/counters.h"

#include "harness/probe/probe_counters.h"
#include "harness/probe/probe_papi.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest spin while waiting for the counters to advance, in every worker that counts. */
#define SPIN_SECONDS 0.1

enum { PAPI, PERF, N_PROVIDERS };

struct tm_counters {
    tm_counter_group group;
    tm_probe *probes[N_PROVIDERS]; /* NULL: it counts no event */
    tm_probe_window windows[N_PROVIDERS];
    struct {
        int provider, channel; /* channel -1: no provider counts it */
        char missing[sizeof((tm_measured *)0)->missing];
    } events[TM_COUNTER_EVENTS_MAX];
};

/* Returns NULL and the channel that counts the event, or the reason why none does. */
static const char *find_channel(const tm_probe *probe, const char *name, int *channel)
{
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const char *reason;
        if (strcmp(tm_probe_channel(probe, i)->name, name) != 0) continue;
        if (tm_probe_channel_state(probe, i, &reason) != TM_PROBE_OK) return reason;
        *channel = i;
        return NULL;
    }
    return "it does not have this event";
}

/* Appends a provider's reason to an event's. */
static void add_reason(tm_counters *c, int event, int provider, const char *why)
{
    static const char *const names[] = {"PAPI", "perf"};
    char *text = c->events[event].missing;
    size_t n = strlen(text), room = sizeof c->events[event].missing;
    bool is_named = strncmp(why, names[provider], strlen(names[provider])) == 0;
    snprintf(text + n, room - n, "%s%s%s%s", n ? "; " : "", is_named ? "" : names[provider],
             is_named ? "" : ": ", why);
}

/* Opens a provider for the events that no provider counts yet, and notes which of them it
 * counts. */
static tm_status open_provider(tm_counters *c, int provider, const tm_counters_options *options,
                               tm_error *err)
{
    static const char *const names[] = {"papi", "counters"};
    tm_probe_event wanted[TM_COUNTER_EVENTS_MAX];
    tm_probe_health health;
    const char *refusal = NULL;
    int n_wanted = 0;
    for (int i = 0; i < c->group.n_events; i++)
        if (c->events[i].channel < 0)
            wanted[n_wanted++] = (tm_probe_event){c->group.events[i].name, c->group.events[i].papi};
    if (n_wanted == 0) return TM_OK;
    const tm_probe_papi_options papi = {wanted, n_wanted, options->papi_library};
    /* If PAPI counts as well, both must count the same instructions, or ratios would be wrong. */
    const tm_probe_counters_options perf = {wanted, n_wanted, c->probes[PAPI]};
    const tm_probe_options probing = {.spin_seconds = SPIN_SECONDS,
                                      .own = provider == PAPI ? (const void *)&papi : &perf};
    if (tm_probe_open(names[provider], &probing, &c->probes[provider], &health, err) != TM_OK) {
        if (err->status != TM_UNSUPPORTED) return err->status;
        /* Strip the source's name, which precedes the reason of a channel. */
        size_t n = strlen(names[provider]);
        bool is_named = strncmp(health.reason, names[provider], n) == 0 && health.reason[n] == ':';
        refusal = health.reason + (is_named ? n + 2 : 0);
    }
    for (int i = 0; i < c->group.n_events; i++) {
        const char *why = refusal;
        if (c->events[i].channel >= 0 || (provider == PAPI && !c->group.events[i].papi[0]))
            continue;
        if (!why)
            why = find_channel(c->probes[provider], c->group.events[i].name, &c->events[i].channel);
        c->events[i].provider = provider;
        if (why) add_reason(c, i, provider, why);
    }
    return TM_OK;
}

tm_status tm_counters_open(const tm_counter_group *group, const tm_counters_options *options,
                           tm_counters **out, tm_error *err)
{
    static const tm_counters_options defaults = {0};
    tm_status status = TM_OK;
    *out = NULL;
    if (!options) options = &defaults;
    tm_counters *c = calloc(1, sizeof *c);
    if (!c) return tm_fail(err, TM_NOMEM, "no memory for counters");
    c->group = *group;
    for (int i = 0; i < TM_COUNTER_EVENTS_MAX; i++) c->events[i].channel = -1;
    for (int p = 0; p < N_PROVIDERS && status == TM_OK; p++)
        if (p != PAPI || !options->no_papi) status = open_provider(c, p, options, err);
    if (status != TM_OK) {
        tm_counters_close(c);
        return status;
    }
    *out = c;
    return TM_OK;
}

void tm_counters_close(tm_counters *counters)
{
    if (!counters) return;
    for (int p = 0; p < N_PROVIDERS; p++) tm_probe_close(counters->probes[p]);
    free(counters);
}

void tm_counters_start(tm_counters *counters)
{
    for (int p = 0; p < N_PROVIDERS; p++)
        if (counters->probes[p]) tm_probe_start(counters->probes[p]);
}

void tm_counters_stop(tm_counters *counters)
{
    for (int p = N_PROVIDERS - 1; p >= 0; p--)
        if (counters->probes[p]) tm_probe_stop(counters->probes[p], &counters->windows[p]);
}

static void put_event(const tm_counters *c, int event, tm_counter *out)
{
    snprintf(out->name, sizeof out->name, "%s", c->group.events[event].name);
    out->share = 1;
    if (c->events[event].channel < 0) {
        snprintf(out->unit, sizeof out->unit, "count");
        tm_measured_miss(&out->figure, "%s", c->events[event].missing);
        return;
    }
    const tm_probe_value *v =
        &c->windows[c->events[event].provider].values[c->events[event].channel];
    snprintf(out->unit, sizeof out->unit, "%s", v->info->unit);
    snprintf(out->method, sizeof out->method, "%s%s", v->info->method,
             strstr(v->info->scope, "user mode") ? ", user mode" : "");
    out->share = v->counted_share;
    if (v->state == TM_PROBE_OK)
        tm_measured_set(&out->figure, v->value);
    else
        tm_measured_miss(&out->figure, "%s", v->reason);
}

/* What the words of a formula stand for. */
typedef struct region {
    const tm_record *record;
    int n_events, n_threads;
    double share; /* smallest counted_share of the events in the formula */
} region;

static bool look_up_word(void *arg, const char *word, double *value, const char **missing)
{
    region *r = arg;
    const tm_record *record = r->record;
    const struct {
        const char *word;
        double value;
        const char *missing;
    } words[] = {
        {"tokens", record->sample.n_tokens, NULL},
        {"seconds", 1e-9 * (double)record->sample.elapsed_ns, NULL},
        {"threads", r->n_threads, NULL},
        {"bytes", record->sample.bytes_per_token * record->sample.n_tokens,
         "the engine reports no bytes"},
        {"macs", record->sample.macs_per_token * record->sample.n_tokens,
         "the engine reports no operations"},
    };
    for (int i = 0; i < r->n_events; i++) {
        const tm_counter *c = &record->sample.counters[i];
        if (strcmp(c->name, word) != 0) continue;
        *value = c->figure.value;
        if (c->share < r->share) r->share = c->share;
        if (!isfinite(*value)) *missing = c->figure.missing;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) != 0) continue;
        *value = words[i].value;
        if (!(*value > 0)) *missing = words[i].missing;
        return true;
    }
    return false;
}

static void put_metric(const tm_counter_metric *metric, region *r, tm_counter *out)
{
    char missing[sizeof out->figure.missing];
    double value;
    tm_error ignored; /* the formula was parsed when the group was read */
    snprintf(out->name, sizeof out->name, "%s", metric->name);
    snprintf(out->unit, sizeof out->unit, "%s", metric->unit);
    snprintf(out->method, sizeof out->method, "formula");
    r->share = 1;
    if (tm_counter_formula(metric->formula, look_up_word, r, &value, missing, sizeof missing,
                           &ignored) == TM_OK &&
        !missing[0])
        tm_measured_set(&out->figure, value);
    else
        tm_measured_miss(&out->figure, "%s", missing[0] ? missing : ignored.message);
    out->share = r->share;
}

tm_status tm_counters_put(const tm_counters *counters, int n_threads, tm_record *record,
                          tm_error *err)
{
    const tm_counter_group *g = &counters->group;
    int n = g->n_events + g->n_metrics;
    record->sample.counters = calloc((size_t)n, sizeof *record->sample.counters);
    if (!record->sample.counters) return tm_fail(err, TM_NOMEM, "no memory for %d counters", n);
    record->sample.n_counters = n;
    snprintf(record->sample.counter_group, sizeof record->sample.counter_group, "%s", g->name);
    for (int i = 0; i < g->n_events; i++) put_event(counters, i, &record->sample.counters[i]);
    region r = {record, g->n_events, n_threads, 1};
    double least = 1;
    for (int i = 0; i < g->n_metrics; i++)
        put_metric(&g->metrics[i], &r, &record->sample.counters[g->n_events + i]);
    for (int i = 0; i < g->n_events; i++)
        if (record->sample.counters[i].share < least) least = record->sample.counters[i].share;
    if (least < 1)
        tm_record_mark(record,
                       "an event shared its counter and was counted for %.0f %% of the region",
                       100 * least);
    return TM_OK;
}
