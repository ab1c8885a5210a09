#include "harness/measure/energy_window.h"

#include "harness/probe/meter_series.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Before idle time is measured: threads that spin for work go to sleep within a millisecond, and
 * the package needs longer to reach its deeper states. */
#define SETTLE_SECONDS 0.5

static void sleep_seconds(const tm_energy_window *run, double seconds)
{
    tm_clock_sleep(run->clock, (int64_t)(1e9 * seconds));
}

tm_status tm_energy_window_open(tm_energy_window *run, tm_bench *bench,
                                const tm_energy_source_options *options, bool later,
                                const cpu_set_t *cpus, const tm_clock *clock, tm_error *err)
{
    cpu_set_t pinned;
    tm_error why = {0};
    memset(run, 0, sizeof *run);
    run->bench = bench;
    run->options = options;
    run->clock = clock;
    run->later = later;
    if (later) return TM_OK;
    /* The meter's threads and processes inherit the CPUs of this thread, which may be pinned. */
    bool moved = sched_getaffinity(0, sizeof pinned, &pinned) == 0 &&
                 sched_setaffinity(0, sizeof *cpus, cpus) == 0;
    tm_status status = tm_energy_source_open(options, clock, &run->probe, &run->health, &why);
    if (moved && sched_setaffinity(0, sizeof pinned, &pinned) != 0 && status == TM_OK)
        status = tm_fail(&why, TM_IO, "this thread cannot be pinned again: %s", strerror(errno));
    if (status == TM_NOMEM || (status != TM_OK && run->probe)) {
        tm_energy_window_close(run);
        *err = why;
        return status;
    }
    if (status != TM_OK && !run->health.reason[0])
        snprintf(run->health.reason, sizeof run->health.reason, "%.390s", why.message);
    return TM_OK;
}

void tm_energy_window_close(tm_energy_window *run)
{
    tm_probe_close(run->probe);
    run->probe = NULL;
}

/* How long to wait until the meter shows the power of now. A meter that needs longer makes the
 * window invalid. */
static double lag_seconds(const tm_energy_window *run)
{
    double lag = run->probe   ? tm_probe_lag_seconds(run->probe)
                 : run->later ? TM_METER_SERIES_GAP_SECONDS
                              : 0;
    return fmin(lag, 0.2 * run->options->seconds);
}

/* Measures the power while this process sleeps for the idle time. */
static void measure_idle(tm_energy_window *run, tm_idle *idle)
{
    tm_probe_window window;
    tm_probe_value sum;
    memset(idle, 0, sizeof *idle);
    idle->watts = idle->error_bound_watts = NAN;
    if (run->options->idle_seconds <= 0) {
        idle->state = TM_PROBE_MISSING;
        snprintf(idle->reason, sizeof idle->reason, "no idle time was requested");
        return;
    }
    sleep_seconds(run, fmax(SETTLE_SECONDS, lag_seconds(run)));
    idle->begin_ns = tm_clock_now(run->clock);
    if (run->probe) tm_probe_start(run->probe);
    sleep_seconds(run, run->options->idle_seconds);
    if (run->probe) tm_probe_stop(run->probe, &window);
    idle->end_ns = tm_clock_now(run->clock);
    idle->seconds = 1e-9 * (double)(idle->end_ns - idle->begin_ns);
    if (!run->probe) {
        idle->state = TM_PROBE_MISSING;
        snprintf(idle->reason, sizeof idle->reason, "its meter's log is imported later");
        return;
    }
    idle->begin_ns = window.begin_ns;
    idle->end_ns = window.end_ns;
    idle->seconds = window.seconds;
    tm_probe_sum(&window, tm_probe_scope(run->probe), &sum);
    idle->state = sum.state;
    snprintf(idle->reason, sizeof idle->reason, "%s", sum.reason);
    idle->watts = sum.value / window.seconds;
    idle->error_bound_watts = sum.error_bound / window.seconds;
    idle->n_trace = window.n_trace < TM_IDLE_POINTS ? window.n_trace : TM_IDLE_POINTS;
    memcpy(idle->trace, window.trace, (size_t)idle->n_trace * sizeof *idle->trace);
}

/* Fills the KV cache with what the phase needs. */
static tm_status fill_cache(tm_bench *bench, const tm_test *test, tm_phase phase, tm_error *err)
{
    if (!bench) return TM_OK;
    tm_backend *backend = bench->backend;
    tm_status status = tm_bench_fill(bench, test, err);
    if (status == TM_OK && phase == TM_PHASE_GENERATION && test->n_prompt > 0)
        status = backend->eval(backend, bench->tokens, test->n_prompt, TM_LOGITS_LAST, NULL, err);
    return status;
}

/* Repeats the phase until the window is full, and does nothing else. */
static tm_status repeat_phase(tm_energy_window *run, const tm_test *test, tm_phase phase,
                              double seconds, int64_t *n_repeats, tm_error *err)
{
    if (run->repeat) return run->repeat(run->repeat_arg, test, phase, seconds, n_repeats, err);
    tm_bench *bench = run->bench;
    tm_backend *backend = bench->backend;
    bool prompt = phase == TM_PHASE_PROMPT;
    int base = test->depth + (prompt ? 0 : test->n_prompt);
    const int32_t *generated = bench->tokens + test->n_prompt;
    tm_status status = TM_OK;
    int64_t end = tm_clock_now(run->clock) + (int64_t)(1e9 * seconds);
    *n_repeats = 0;
    while (status == TM_OK && (*n_repeats == 0 || tm_clock_now(run->clock) < end)) {
        backend->rewind(backend, base);
        if (prompt)
            status =
                backend->eval(backend, bench->tokens, test->n_prompt, TM_LOGITS_LAST, NULL, err);
        for (int i = 0; i < test->n_gen && !prompt && status == TM_OK; i++)
            status = tm_bench_decode(backend, test, generated, i, err);
        ++*n_repeats;
    }
    return status;
}

/* Those of the scope come first. If there are more channels than a record holds, it says so. */
static tm_status put_domains(const tm_energy_window *run, const tm_probe_window *window,
                             tm_record_energy *out, tm_error *err)
{
    int n = window->n_values < TM_ENERGY_DOMAINS_MAX ? window->n_values : TM_ENERGY_DOMAINS_MAX;
    int n_all = 0;
    out->domains = calloc((size_t)n + 1, sizeof *out->domains);
    if (!out->domains) return tm_fail(err, TM_NOMEM, "no memory for %d domains", n);
    for (int others = 0; others < 2; others++)
        for (int i = 0; i < window->n_values; i++) {
            const tm_probe_value *v = &window->values[i];
            bool other = !tm_probe_in_scope(v->info, tm_probe_scope(run->probe));
            if (strcmp(v->info->unit, "joules") != 0 || other != (others == 1)) continue;
            n_all++;
            if (out->n_domains == n) continue;
            tm_energy_domain *d = &out->domains[out->n_domains++];
            snprintf(d->name, sizeof d->name, "%s", v->info->name);
            snprintf(d->scope, sizeof d->scope, "%s", v->info->scope);
            snprintf(d->reason, sizeof d->reason, "%s", v->reason);
            d->state = v->state;
            d->joules = v->value;
        }
    size_t used = strlen(out->marks);
    if (n_all > n)
        snprintf(out->marks + used, sizeof out->marks - used, "%sdomains: the first %d of %d",
                 used ? "; " : "", n, n_all);
    return TM_OK;
}

/* Adds the points of a part that began `shift` seconds after the window. The part begins with a
 * point without power, because nothing was read before its first point. */
static void add_points(tm_record_energy *out, const tm_probe_point *points, int n, double shift)
{
    for (int i = 0; i < n && out->n_trace < TM_ENERGY_TRACE_MAX; i++) {
        tm_probe_point point = {points[i].seconds + shift, points[i].watts};
        if (out->n_trace > 0 && point.seconds < out->trace[out->n_trace - 1].seconds) continue;
        if (i == 0 && out->n_trace < TM_ENERGY_TRACE_MAX - 1 && point.seconds > shift &&
            (out->n_trace == 0 || shift >= out->trace[out->n_trace - 1].seconds))
            out->trace[out->n_trace++] = (tm_probe_point){shift, NAN};
        out->trace[out->n_trace++] = point;
    }
}

static tm_status put_trace(const tm_energy_window *run, const tm_probe_window *window,
                           tm_record_energy *out, tm_error *err)
{
    const tm_idle *a = &run->before;
    out->trace = calloc(TM_ENERGY_TRACE_MAX, sizeof *out->trace);
    if (!out->trace) return tm_fail(err, TM_NOMEM, "no memory for a trace");
    add_points(out, a->trace, a->n_trace, 1e-9 * (double)(a->begin_ns - window->begin_ns));
    add_points(out, window->trace, window->n_trace, 0);
    return TM_OK;
}

static void put_idle(const tm_idle *idle, tm_measured *watts, tm_measured *bound)
{
    if (idle->state == TM_PROBE_OK)
        tm_measured_set(watts, idle->watts);
    else
        tm_measured_miss(watts, "%.150s", idle->reason);
    if (idle->state == TM_PROBE_OK && isfinite(idle->error_bound_watts))
        tm_measured_set(bound, idle->error_bound_watts);
    else
        tm_measured_miss(bound, "%.150s",
                         idle->state == TM_PROBE_OK ? "the source states no error of its readings"
                                                    : idle->reason);
}

/* Puts the label, the joules and the cost of reading them. */
static void put_sum(const tm_energy_window *run, const tm_probe_window *window,
                    tm_record_energy *out)
{
    tm_probe_value sum;
    const char *scope = tm_probe_scope(run->probe);
    tm_probe_sum(window, scope, &sum);
    snprintf(out->scope, sizeof out->scope, "%s", scope);
    for (int i = 0; i < window->n_values && !out->method[0]; i++)
        if (tm_probe_in_scope(window->values[i].info, scope))
            snprintf(out->method, sizeof out->method, "%s", window->values[i].info->method);
    out->wraps = sum.wraps;
    out->n_samples = sum.n_samples;
    tm_measured_set(&out->rate_hz, sum.rate_hz);
    tm_measured_set(&out->largest_gap_seconds, sum.largest_gap_seconds);
    tm_measured_set(&out->sampler_cpu_percent, 100 * window->sampler_cpu_seconds / window->seconds);
    if (sum.state != TM_PROBE_OK) {
        tm_record_energy_lose(out, sum.state, "%s", sum.reason);
        return;
    }
    out->state = TM_PROBE_OK;
    out->reason[0] = 0;
    tm_measured_set(&out->gross_joules, sum.value);
    tm_measured_set(&out->error_bound_joules, sum.error_bound);
}

static double unix_seconds(int64_t monotonic_ns)
{
    return 1e-9 * (double)(monotonic_ns + tm_unix_offset_ns());
}

static void put_label(const tm_energy_window *run, tm_phase phase, tm_record_energy *out)
{
    const tm_energy_source_options *o = run->options;
    tm_record_energy_init(out);
    out->phase = phase;
    snprintf(out->source, sizeof out->source, "%s", o->source);
    out->fake = strcmp(o->source, "fake") == 0 || o->root[0];
    if (o->root[0]) snprintf(out->marks, sizeof out->marks, "read below %s instead of /", o->root);
}

tm_status tm_energy_window_measure(tm_energy_window *run, const tm_test *test, tm_phase phase,
                                   tm_record_energy *out, tm_error *err)
{
    tm_probe_window window = {0};
    int64_t n_repeats;
    put_label(run, phase, out);
    if (!run->probe && !run->later) {
        tm_record_energy_lose(out, run->health.state, "%s", run->health.reason);
        return TM_OK;
    }
    tm_status status = fill_cache(run->bench, test, phase, err);
    if (status != TM_OK) return status;
    if (!run->has_before) measure_idle(run, &run->before);
    run->has_before = false;
    if (lag_seconds(run) > 0)
        status = repeat_phase(run, test, phase, lag_seconds(run), &n_repeats, err);
    if (status != TM_OK) return status;
    window.begin_ns = tm_clock_now(run->clock);
    if (run->probe) tm_probe_start(run->probe);
    status = repeat_phase(run, test, phase, run->options->seconds, &n_repeats, err);
    window.end_ns = tm_clock_now(run->clock);
    if (run->probe) tm_probe_stop(run->probe, &window);
    if (status != TM_OK) return status;
    out->begin_unix_seconds = unix_seconds(window.begin_ns);
    out->window_seconds = 1e-9 * (double)(window.end_ns - window.begin_ns);
    out->n_repeats = (int)n_repeats;
    if (phase == TM_PHASE_PROMPT)
        out->n_prompt_tokens = n_repeats * test->n_prompt;
    else
        out->n_output_tokens = n_repeats * (tm_test_tokens(test) - test->n_prompt);
    if (run->probe) {
        /* The next window invalidates what this one lends, so copy it before the idle time. */
        put_sum(run, &window, out);
        status = put_domains(run, &window, out, err);
        if (status == TM_OK) status = put_trace(run, &window, out, err);
        if (status != TM_OK) return status;
    } else {
        snprintf(out->scope, sizeof out->scope, "system");
        tm_record_energy_lose(out, TM_PROBE_MISSING,
                              "import its meter's log: `ternmark import STORE --meter-csv FILE`");
    }
    measure_idle(run, &run->after);
    add_points(out, run->after.trace, run->after.n_trace,
               1e-9 * (double)(run->after.begin_ns - window.begin_ns));
    /* A sleep may end late, so record the shorter of the two times. */
    out->idle_seconds = fmin(run->before.seconds, run->after.seconds);
    out->idle_before_unix_seconds =
        run->before.seconds > 0 ? unix_seconds(run->before.begin_ns) : 0;
    out->idle_after_unix_seconds = run->after.seconds > 0 ? unix_seconds(run->after.begin_ns) : 0;
    put_idle(&run->before, &out->idle_before_watts, &out->idle_before_error_bound_watts);
    put_idle(&run->after, &out->idle_after_watts, &out->idle_after_error_bound_watts);
    tm_record_energy_set_net(out);
    run->before = run->after;
    run->has_before = true;
    return TM_OK;
}
