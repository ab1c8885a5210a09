#include "harness/record/record_energy.h"

#include "harness/record/record_row.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDLE_DIFFERENCE  0.1  /* of the larger; above it idle power is not known */
#define AGREEMENT        1e-6 /* relative, between a figure and those it is computed from */
#define SECONDS_MAX      1e7  /* of one window; a third of a year */
#define JOULES_MAX       1e12
#define UNIX_SECONDS_MAX 1e11

static const char *const phases[TM_PHASES] = {"prompt", "generation"};

/* Every figure of a window, and whether a record may lack it; its key is its member's name. */
#define FIGURES(X)                                                                                 \
    X(gross_joules, false)                                                                         \
    X(error_bound_joules, false)                                                                   \
    X(idle_before_watts, false)                                                                    \
    X(idle_after_watts, false)                                                                     \
    X(idle_before_error_bound_watts, true)                                                         \
    X(idle_after_error_bound_watts, true)                                                          \
    X(net_joules, false)                                                                           \
    X(rate_hz, false)                                                                              \
    X(largest_gap_seconds, false)                                                                  \
    X(sampler_cpu_percent, false)

static const struct {
    const char *key;
    size_t offset;
    bool is_optional;
} figures[] = {
#define FIGURE_ROW(name, is_optional) {#name, offsetof(tm_record_energy, name), is_optional},
    FIGURES(FIGURE_ROW)
#undef FIGURE_ROW
};
enum { N_FIGURES = sizeof figures / sizeof figures[0] };

static const struct {
    const char *key;
    tm_record_energy_tokens tokens;
    bool net;
} per_token[] = {
    {"joules_per_prompt_token", TM_TOKENS_PROMPT, false},
    {"joules_per_output_token", TM_TOKENS_OUTPUT, false},
    {"joules_per_token", TM_TOKENS_ALL, false},
    {"net_joules_per_prompt_token", TM_TOKENS_PROMPT, true},
    {"net_joules_per_output_token", TM_TOKENS_OUTPUT, true},
    {"net_joules_per_token", TM_TOKENS_ALL, true},
};
enum { N_PER_TOKEN = sizeof per_token / sizeof per_token[0] };

const char *tm_phase_text(tm_phase phase)
{
    return phases[phase];
}

void tm_record_energy_init(tm_record_energy *e)
{
    memset(e, 0, sizeof *e);
    e->state = TM_PROBE_MISSING;
    for (int i = 0; i < N_FIGURES; i++)
        tm_measured_miss((tm_measured *)((char *)e + figures[i].offset), "not measured");
}

void tm_record_energy_free(tm_record_energy *e)
{
    free(e->domains);
    free(e->trace);
    e->domains = NULL;
    e->trace = NULL;
    e->n_domains = e->n_trace = 0;
}

void tm_record_energy_lose(tm_record_energy *e, tm_probe_state state, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(e->reason, sizeof e->reason, fmt, args);
    va_end(args);
    e->state = state;
    tm_measured_miss(&e->gross_joules, "%.150s", e->reason);
    tm_measured_miss(&e->error_bound_joules, "%.150s", e->reason);
    tm_measured_miss(&e->net_joules, "%.150s", e->reason);
}

static double or_zero(const tm_measured *figure)
{
    return isfinite(figure->value) ? figure->value : 0;
}

/* What is known of it: bounds that are missing count as 0. */
static double net_bound(const tm_record_energy *e)
{
    double apart = fabs(e->idle_before_watts.value - e->idle_after_watts.value);
    double idle_bounds =
        or_zero(&e->idle_before_error_bound_watts) + or_zero(&e->idle_after_error_bound_watts);
    return or_zero(&e->error_bound_joules) + (apart + idle_bounds) / 2 * e->window_seconds;
}

tm_measured tm_record_energy_net_bound(const tm_record_energy *e)
{
    const tm_measured *const needed[] = {&e->net_joules, &e->error_bound_joules,
                                         &e->idle_before_error_bound_watts,
                                         &e->idle_after_error_bound_watts};
    tm_measured bound;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++)
        if (!isfinite(needed[i]->value)) {
            tm_measured_miss(&bound, "%s%.120s", i >= 2 ? "error of idle power: " : "",
                             needed[i]->missing);
            return bound;
        }
    tm_measured_set(&bound, net_bound(e));
    return bound;
}

void tm_record_energy_set_net(tm_record_energy *e)
{
    double before = e->idle_before_watts.value, after = e->idle_after_watts.value;
    double larger = before > after ? before : after;
    if (!isfinite(e->gross_joules.value)) {
        tm_measured_miss(&e->net_joules, "%.150s", e->gross_joules.missing);
    } else if (!isfinite(before)) {
        tm_measured_miss(&e->net_joules, "no idle power before the window: %.110s",
                         e->idle_before_watts.missing);
    } else if (!isfinite(after)) {
        tm_measured_miss(&e->net_joules, "no idle power after the window: %.110s",
                         e->idle_after_watts.missing);
    } else if (fabs(before - after) > IDLE_DIFFERENCE * larger) {
        tm_measured_miss(
            &e->net_joules,
            "idle drew %.3g W before the window and %.3g W after it: more than %.0f %% "
            "apart",
            before, after, 100 * IDLE_DIFFERENCE);
    } else {
        double net = e->gross_joules.value - (before + after) / 2 * e->window_seconds;
        /* A difference below the uncertainty of reading or of rounding is no net energy. */
        double bound = net_bound(e);
        if (net > AGREEMENT * e->gross_joules.value && !(net <= bound))
            tm_measured_set(&e->net_joules, net);
        else
            tm_measured_miss(&e->net_joules,
                             "the window drew no more than idle does, %.3g W beside %.3g W, within "
                             "%.2g W",
                             e->gross_joules.value / e->window_seconds, (before + after) / 2,
                             bound / e->window_seconds);
    }
}

tm_measured tm_record_energy_per_token(const tm_record_energy *e, tm_record_energy_tokens tokens,
                                       bool net)
{
    tm_measured figure;
    const tm_measured *joules = net ? &e->net_joules : &e->gross_joules;
    int64_t n = (tokens != TM_TOKENS_OUTPUT ? e->n_prompt_tokens : 0) +
                (tokens != TM_TOKENS_PROMPT ? e->n_output_tokens : 0);
    if (!isfinite(joules->value))
        figure = *joules;
    else if (n < 1)
        tm_measured_miss(&figure, "the window has no %s tokens",
                         tokens == TM_TOKENS_PROMPT   ? "prompt"
                         : tokens == TM_TOKENS_OUTPUT ? "output"
                                                      : "");
    else
        tm_measured_set(&figure, joules->value / (double)n);
    return figure;
}

static tm_json *domains_to_json(const tm_record_energy *e)
{
    tm_json *list = tm_json_array();
    for (int i = 0; i < e->n_domains; i++) {
        const tm_energy_domain *d = &e->domains[i];
        tm_json *item = tm_json_object();
        tm_json_put_string(item, "name", d->name);
        tm_json_put_string(item, "scope", d->scope);
        tm_json_put_string(item, "status", tm_probe_state_text(d->state));
        if (d->state == TM_PROBE_OK)
            tm_json_put_number(item, "joules", d->joules);
        else
            tm_json_put_missing(item, "joules", d->reason);
        tm_json_append(list, item);
    }
    return list;
}

void tm_record_energy_put(tm_json *json, const tm_record_energy *e)
{
    tm_json_put_string(json, "phase", tm_phase_text(e->phase));
    tm_json_put_string(json, "source", e->source);
    tm_json_put_bool(json, "fake", e->fake);
    tm_json_put_string(json, "scope", e->scope);
    tm_json_put_string(json, "method", e->method);
    tm_json_put_string(json, "status", tm_probe_state_text(e->state));
    if (e->reason[0]) tm_json_put_string(json, "reason", e->reason);
    tm_json_put_number(json, "begin_unix_seconds", e->begin_unix_seconds);
    tm_json_put_number(json, "window_seconds", e->window_seconds);
    tm_json_put_int(json, "n_repeats", e->n_repeats);
    tm_json_put_int(json, "n_prompt_tokens", e->n_prompt_tokens);
    tm_json_put_int(json, "n_output_tokens", e->n_output_tokens);
    tm_json_put_number(json, "idle_seconds", e->idle_seconds);
    tm_json_put_number(json, "idle_before_unix_seconds", e->idle_before_unix_seconds);
    tm_json_put_number(json, "idle_after_unix_seconds", e->idle_after_unix_seconds);
    for (int i = 0; i < N_FIGURES; i++)
        tm_measured_put(json, figures[i].key,
                        (const tm_measured *)((const char *)e + figures[i].offset));
    const tm_measured bound = tm_record_energy_net_bound(e);
    tm_measured_put(json, "net_error_bound_joules", &bound);
    for (int i = 0; i < N_PER_TOKEN; i++) {
        tm_measured figure = tm_record_energy_per_token(e, per_token[i].tokens, per_token[i].net);
        tm_measured_put(json, per_token[i].key, &figure);
    }
    tm_json_put_int(json, "wraps", e->wraps);
    tm_json_put_int(json, "n_samples", e->n_samples);
    tm_json_set(json, "domains", domains_to_json(e));
    tm_json *seconds = tm_json_array(), *watts = tm_json_array();
    for (int i = 0; i < e->n_trace; i++) {
        tm_json_append(seconds, tm_json_number(e->trace[i].seconds));
        tm_json_append(watts, isfinite(e->trace[i].watts) ? tm_json_number(e->trace[i].watts)
                                                          : tm_json_null());
    }
    tm_json_set(json, "trace_seconds", seconds);
    tm_json_set(json, "trace_watts", watts);
    tm_json_put_string(json, "marks", e->marks);
}

/* Reading. */

static tm_probe_state state_of(tm_json_reader *r, const char *key)
{
    char text[16] = "";
    tm_read_text(r, key, text, sizeof text);
#define STATE_ROW(name, word)                                                                      \
    if (strcmp(text, word) == 0) return TM_PROBE_##name;
    TM_PROBE_STATES(STATE_ROW)
#undef STATE_ROW
    tm_read_fail(r, "\"%s\" is \"%s\", not ok, stuck, denied, invalid or missing", key, text);
    return TM_PROBE_MISSING;
}

static void domains_of(tm_json_reader *r, tm_record_energy *out)
{
    const tm_json *list = tm_json_get(r->json, "domains");
    int n = tm_json_count(list);
    if (!tm_json_is_array(list) || n > TM_ENERGY_DOMAINS_MAX)
        tm_read_fail(r, "\"domains\" is not an array of at most %d", TM_ENERGY_DOMAINS_MAX);
    if (r->status != TM_OK || n == 0) return;
    out->domains = calloc((size_t)n, sizeof *out->domains);
    if (!out->domains) {
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for %d domains", n);
        return;
    }
    out->n_domains = n;
    const tm_json *item = tm_json_at(list, 0);
    for (int i = 0; i < n && r->status == TM_OK; i++, item = tm_json_next(item)) {
        tm_energy_domain *d = &out->domains[i];
        tm_json_reader inner = {.json = item, .err = r->err, .what = r->what};
        tm_measured joules = {.value = NAN};
        tm_read_text(&inner, "name", d->name, sizeof d->name);
        tm_read_text(&inner, "scope", d->scope, sizeof d->scope);
        d->state = state_of(&inner, "status");
        tm_read_measured(&inner, "joules", &joules);
        d->joules = joules.value;
        if (joules.missing[0])
            snprintf(d->reason, sizeof d->reason, "%s",
                     tm_json_text(tm_json_get(item, "joules_missing"), joules.missing));
        r->status = inner.status;
        if ((d->state == TM_PROBE_OK) != isfinite(d->joules) || d->joules < 0)
            tm_read_fail(r, "domains[%d]: status %s with %g joules", i,
                         tm_probe_state_text(d->state), d->joules);
    }
}

static void trace_of(tm_json_reader *r, tm_record_energy *out)
{
    const tm_json *seconds = tm_json_get(r->json, "trace_seconds");
    const tm_json *watts = tm_json_get(r->json, "trace_watts");
    int n = tm_json_count(seconds);
    if (!tm_json_is_array(seconds) || !tm_json_is_array(watts) || tm_json_count(watts) != n ||
        n > TM_ENERGY_TRACE_MAX)
        tm_read_fail(r,
                     "\"trace_seconds\" and \"trace_watts\" are not two arrays of one length, "
                     "at most %d",
                     TM_ENERGY_TRACE_MAX);
    if (r->status != TM_OK || n == 0) return;
    out->trace = calloc((size_t)n, sizeof *out->trace);
    if (!out->trace) {
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for %d points of a trace", n);
        return;
    }
    out->n_trace = n;
    double last = -SECONDS_MAX;
    seconds = tm_json_at(seconds, 0);
    watts = tm_json_at(watts, 0);
    for (int i = 0; i < n; i++, seconds = tm_json_next(seconds), watts = tm_json_next(watts)) {
        tm_probe_point *point = &out->trace[i];
        point->seconds = tm_json_double(seconds, NAN);
        point->watts = tm_json_double(watts, NAN);
        if (!(point->seconds >= last && point->seconds <= SECONDS_MAX))
            tm_read_fail(r, "trace_seconds[%d] is before the previous one", i);
        if (point->watts < 0 || (isnan(point->watts) && !tm_json_is_null(watts)))
            tm_read_fail(r, "trace_watts[%d] is neither watts nor null", i);
        last = point->seconds;
    }
}

/* Checks the ranges of figures and that they agree with each other. */
static void check_figures(tm_json_reader *r, const tm_record_energy *e)
{
    double gross = e->gross_joules.value, net = e->net_joules.value;
    for (int i = 0; i < N_FIGURES; i++) {
        double value = ((const tm_measured *)((const char *)e + figures[i].offset))->value;
        if (value < 0 || value > JOULES_MAX)
            tm_read_fail(r, "\"%s\" is %g, not from 0 to %g", figures[i].key, value, JOULES_MAX);
    }
    if (isfinite(net)) {
        double before = e->idle_before_watts.value, after = e->idle_after_watts.value;
        double idle = (before + after) / 2 * e->window_seconds;
        if (!(fabs(gross - idle - net) <= AGREEMENT * gross) || !(net > 0))
            tm_read_fail(r, "net_joules %g is not gross_joules %g less idle watts times the window",
                         net, gross);
    }
    for (int i = 0; i < N_PER_TOKEN; i++) {
        tm_measured said = {.value = NAN},
                    follows = tm_record_energy_per_token(e, per_token[i].tokens, per_token[i].net);
        tm_read_measured(r, per_token[i].key, &said);
        bool same = isfinite(said.value) == isfinite(follows.value) &&
                    !(fabs(said.value - follows.value) > AGREEMENT * follows.value);
        if (!same)
            tm_read_fail(r, "\"%s\" is %g; joules by tokens are %g", per_token[i].key, said.value,
                         follows.value);
    }
}

static void check(tm_json_reader *r, const tm_record_energy *e)
{
    bool ok = e->state == TM_PROBE_OK;
    if (ok != isfinite(e->gross_joules.value) || (ok && !(e->gross_joules.value > 0)))
        tm_read_fail(r, "status %s with %g gross_joules", tm_probe_state_text(e->state),
                     e->gross_joules.value);
    if (!ok && !e->reason[0])
        tm_read_fail(r, "status %s without a reason", tm_probe_state_text(e->state));
    if (ok && (!e->source[0] || !e->scope[0] || !e->method[0]))
        tm_read_fail(r, "joules without a source, a scope or a method");
    const char *method = strncmp(e->method, "fake ", 5) == 0 ? e->method + 5 : e->method;
    if (method[0] && strcmp(method, "counter") != 0 && strcmp(method, "integrated") != 0 &&
        strcmp(method, "imported") != 0)
        tm_read_fail(r, "\"method\" is \"%s\", not counter, integrated or imported", e->method);
    if (!e->fake && (strcmp(e->source, "fake") == 0 || strncmp(e->scope, "fake", 4) == 0 ||
                     strncmp(e->method, "fake", 4) == 0))
        tm_read_fail(r, "\"fake\" is false; source %s, scope %s, method %s", e->source, e->scope,
                     e->method);
    bool counted = e->phase == TM_PHASE_PROMPT ? e->n_prompt_tokens > 0 && e->n_output_tokens == 0
                                               : e->n_output_tokens > 0 && e->n_prompt_tokens == 0;
    if (ok && (!(e->window_seconds > 0) || e->n_repeats < 1 || !counted))
        tm_read_fail(
            r,
            "status ok over %g seconds, %d repeats, %lld prompt and %lld output tokens of the "
            "phase %s",
            e->window_seconds, e->n_repeats, (long long)e->n_prompt_tokens,
            (long long)e->n_output_tokens, tm_phase_text(e->phase));
    check_figures(r, e);
}

tm_status tm_record_energy_from_json(const tm_json *json, tm_record_energy *out, tm_error *err)
{
    tm_json_reader r = {.json = json, .err = err, .what = "energy record"};
    char phase[16] = "";
    tm_record_energy_init(out);
    tm_read_text(&r, "phase", phase, sizeof phase);
    while (out->phase < TM_PHASES && strcmp(phase, phases[out->phase]) != 0) out->phase++;
    if (out->phase == TM_PHASES) {
        out->phase = TM_PHASE_PROMPT;
        tm_read_fail(&r, "\"phase\" is \"%s\", not prompt or generation", phase);
    }
    tm_read_text(&r, "source", out->source, sizeof out->source);
    out->fake = tm_read_bool(&r, "fake");
    tm_read_text(&r, "scope", out->scope, sizeof out->scope);
    tm_read_text(&r, "method", out->method, sizeof out->method);
    out->state = state_of(&r, "status");
    if (tm_json_get(json, "reason")) tm_read_text(&r, "reason", out->reason, sizeof out->reason);
    out->begin_unix_seconds = tm_read_number(&r, "begin_unix_seconds", 0, UNIX_SECONDS_MAX);
    out->window_seconds = tm_read_number(&r, "window_seconds", 0, SECONDS_MAX);
    out->n_repeats = (int)tm_read_int(&r, "n_repeats", 0, TM_RECORD_COUNT_MAX);
    out->n_prompt_tokens = tm_read_int(&r, "n_prompt_tokens", 0, TM_RECORD_BYTES_MAX);
    out->n_output_tokens = tm_read_int(&r, "n_output_tokens", 0, TM_RECORD_BYTES_MAX);
    out->idle_seconds = tm_read_number(&r, "idle_seconds", 0, SECONDS_MAX);
    if (tm_json_get(json, "idle_before_unix_seconds"))
        out->idle_before_unix_seconds =
            tm_read_number(&r, "idle_before_unix_seconds", 0, UNIX_SECONDS_MAX);
    if (tm_json_get(json, "idle_after_unix_seconds"))
        out->idle_after_unix_seconds =
            tm_read_number(&r, "idle_after_unix_seconds", 0, UNIX_SECONDS_MAX);
    for (int i = 0; i < N_FIGURES; i++) {
        tm_measured *figure = (tm_measured *)((char *)out + figures[i].offset);
        if (figures[i].is_optional && !tm_json_get(json, figures[i].key))
            tm_measured_miss(figure, "not recorded");
        else
            tm_read_measured(&r, figures[i].key, figure);
    }
    out->wraps = tm_read_int(&r, "wraps", 0, TM_RECORD_BYTES_MAX);
    out->n_samples = tm_read_int(&r, "n_samples", 0, TM_RECORD_BYTES_MAX);
    domains_of(&r, out);
    trace_of(&r, out);
    tm_read_text(&r, "marks", out->marks, sizeof out->marks);
    if (r.status == TM_OK) check(&r, out);
    if (r.status != TM_OK) tm_record_energy_free(out);
    return r.status;
}

static void put_energy(tm_json *json, const tm_record *record)
{
    tm_json_put_int(json, "process", record->process);
    tm_json_put_int(json, "slot", record->slot);
    tm_record_energy_put(json, &record->energy);
}

static void read_energy(tm_json_reader *r, tm_record *record)
{
    tm_record_read_process(r, record);
    if (r->status == TM_OK)
        r->status = tm_record_energy_from_json(r->json, &record->energy, r->err);
}

static void free_energy(tm_record *record)
{
    tm_record_energy_free(&record->energy);
}

const tm_record_row tm_record_row_energy = {.name = "energy",
                                            .has_cell = true,
                                            .put = put_energy,
                                            .read = read_energy,
                                            .free = free_energy};
