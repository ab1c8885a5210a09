/* Windows: reads at both edges and, where a counter could wrap or power must be sampled, reads
 * between them from a background thread. */
#include "harness/probe/probe_source.h"

#include "harness/probe/meter_series.h"

#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Energy counters update about once per millisecond, and not all at the same time (Khan et al.,
 * doi 10.1145/3177754), so each edge of a window is uncertain by that much. */
#define UPDATE_SECONDS 1e-3
#define EDGE_NS        1000000 /* no longer than a counter's update */
#define EDGE_TRIES     4
/* An energy counter that does not advance for longer has stopped. */
#define STILL_SECONDS 0.3
#define STILL_POLL_NS 100000
#define RESET_TIMES   3    /* the power at a wrap, of the highest otherwise */
#define PERIOD_MIN    1e-3 /* between two reads: what wraps faster is invalid, not read faster */

void tm_tally_invalidate(tm_tally *t, const char *fmt, ...)
{
    va_list args;
    if (t->state != TM_PROBE_OK) return;
    t->state = TM_PROBE_INVALID;
    va_start(args, fmt);
    vsnprintf(t->reason, sizeof t->reason, fmt, args);
    va_end(args);
}

/* seconds: the longest time that may have passed since the reading before */
static void add_count(const tm_probe *probe, const tm_channel *c, tm_tally *t, uint64_t raw,
                      double seconds)
{
    uint64_t delta = raw - t->last;
    if (c->range && raw > c->range) {
        tm_tally_invalidate(t, "%s reads %llu, above its range of %llu", c->info.name,
                            (unsigned long long)raw, (unsigned long long)c->range);
        return;
    }
    if (raw < t->last) {
        if (!c->range) {
            tm_tally_invalidate(t, "%s went back from %llu to %llu", c->info.name,
                                (unsigned long long)t->last, (unsigned long long)raw);
            return;
        }
        delta = c->range - t->last + raw;
        t->wraps++;
    }
    t->total += delta;
    if (!tm_channel_is_energy(c)) return;
    double limit = probe->options.max_watts;
    double joules = (double)delta * c->scale;
    /* Late updates may arrive at once, so short times say nothing about the power. */
    if (seconds > 0.05 && seconds > 2 * c->refresh_seconds) {
        t->high_joules_per_second = fmax(t->high_joules_per_second, joules / seconds);
        double *highest = raw < t->last ? &t->wrap_joules_per_second : &t->plain_joules_per_second;
        *highest = fmax(*highest, joules / seconds);
    }
    /* 10 ms of grace: several late updates may arrive at once. */
    if (joules > limit * (seconds + 0.01 + c->refresh_seconds))
        tm_tally_invalidate(
            t,
            "%s advanced by %.3g J in %.3g s, above the limit of %.0f W per domain: it was "
            "reset, or it wrapped unnoticed",
            c->info.name, joules, seconds, limit);
    if (c->range && seconds > (double)c->range * c->scale / limit)
        tm_tally_invalidate(
            t, "%s was not read for %.3g s, in which it may have wrapped more than once",
            c->info.name, seconds);
}

/* Adds a trapezoid: between two samples the power is assumed to lie between them. `seconds` lie
 * between the middles of the two reads, `longest` between the beginning of the first and the end of
 * the second. By their difference the sample times are uncertain, and so is the moment the power
 * changed. */
static void add_power(const tm_channel *c, tm_tally *t, double watts, double seconds,
                      double longest)
{
    double step = fabs(watts - t->last_watts);
    t->joules += 0.5 * (watts + t->last_watts) * seconds;
    t->wobble_joules +=
        step * (0.5 * seconds + (longest - seconds)) + c->scale * c->digit * seconds;
    t->step_watts += step;
}

/* Notes since when the channel has had the value that it has now. */
static void note_change(tm_tally *t, uint64_t raw, int64_t now, bool first)
{
    double seconds = 1e-9 * (double)(now - t->changed_ns);
    if (!first && raw == t->last) {
        if (seconds <= t->longest_still_seconds) return;
        t->longest_still_seconds = seconds;
        t->still = raw;
        return;
    }
    t->changed_ns = now;
    if (first) return;
    if (t->n_changes++ == 0)
        t->first_change_seconds = seconds;
    else if (t->quickest_change_seconds == 0 || seconds < t->quickest_change_seconds)
        t->quickest_change_seconds = seconds;
}

static void read_channel(tm_probe *probe, int i, bool first)
{
    tm_channel *c = &probe->channels[i];
    tm_tally *t = &probe->tallies[i];
    tm_reading r = {0};
    if (c->kind == TM_CHANNEL_SERIES || c->state != TM_PROBE_OK || t->state != TM_PROBE_OK) return;
    int64_t before = tm_clock_now(probe->options.clock);
    tm_probe_state state = probe->source->read(probe, c, &r);
    int64_t now = before + (tm_clock_now(probe->options.clock) - before) / 2;
    double slack = 1e-9 * (double)(now - before);
    if (state != TM_PROBE_OK) {
        tm_tally_invalidate(t, "a read failed: %s", r.reason);
        return;
    }
    double seconds = 1e-9 * (double)(now - t->last_ns);
    double watts = c->kind == TM_CHANNEL_POWER ? (double)r.raw * c->scale : 0;
    if (first) {
        t->enabled_ns = r.enabled_ns;
        t->running_ns = r.running_ns;
        t->low_watts = t->high_watts = watts;
    } else {
        double longest = seconds + t->last_slack_seconds + slack;
        if (longest > t->largest_gap_seconds) t->largest_gap_seconds = longest;
        if (c->kind == TM_CHANNEL_COUNTER)
            add_count(probe, c, t, r.raw, longest);
        else
            add_power(c, t, watts, seconds, longest);
    }
    note_change(t, r.raw, now, first);
    tm_power_note(&t->trend, first ? 0 : 1e-9 * (double)(now - probe->begin_ns), watts);
    t->low_watts = fmin(t->low_watts, watts);
    t->high_watts = fmax(t->high_watts, watts);
    t->last = r.raw;
    t->last_watts = watts;
    t->last_enabled_ns = r.enabled_ns;
    t->last_running_ns = r.running_ns;
    t->last_ns = now;
    t->last_slack_seconds = slack;
    t->n_samples++;
}

static void read_channels(tm_probe *probe, bool first)
{
    for (int i = 0; i < probe->n_channels; i++) read_channel(probe, i, first);
}

/* The mean time of the last readings. An edge of a window lies where its counts were read, not
 * where this thread continued afterwards. */
static int64_t mean_read_ns(const tm_probe *probe)
{
    int64_t now = tm_clock_now(probe->options.clock), late = 0;
    int n = 0;
    for (int i = 0; i < probe->n_channels; i++) {
        const tm_tally *t = &probe->tallies[i];
        if (t->n_samples == 0 || t->state != TM_PROBE_OK) continue;
        late += now - t->last_ns;
        n++;
    }
    return n ? now - late / n : now;
}

/* Reads all channels for an edge and returns its time. If the thread is preempted during the reads,
 * the edge is uncertain by that long. So the reads are repeated if they took more than a
 * millisecond and more than twice the shortest time ever; a source that is always slow is
 * recognized from its second edge on. */
static int64_t read_edge(tm_probe *probe, bool first)
{
    const tm_clock *clock = probe->options.clock;
    for (int i = 0; i < EDGE_TRIES; i++) {
        if (first) memset(probe->tallies, 0, (size_t)probe->n_channels * sizeof *probe->tallies);
        int64_t begin = tm_clock_now(clock);
        read_channels(probe, first);
        int64_t took = tm_clock_now(clock) - begin;
        bool usual = probe->n_edges > 0 && took <= 2 * probe->quickest_ns;
        if (probe->n_edges++ == 0 || took < probe->quickest_ns) probe->quickest_ns = took;
        if (took < EDGE_NS || usual) break;
    }
    int64_t edge = mean_read_ns(probe);
    for (int i = 0; i < probe->n_channels; i++) {
        tm_tally *t = &probe->tallies[i];
        t->edge_seconds += 1e-9 * fabs((double)(t->last_ns - edge)) + t->last_slack_seconds;
    }
    return edge;
}

static double thread_cpu_seconds(pthread_t thread)
{
    clockid_t id;
    struct timespec t;
    if (pthread_getcpuclockid(thread, &id) || clock_gettime(id, &t)) return NAN;
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* With the lock held. */
static int64_t step(tm_probe *probe)
{
    if (!probe->running || probe->period_seconds == 0) return INT64_MAX;
    if (tm_clock_now(probe->options.clock) < probe->due_ns) return probe->due_ns;
    int64_t period = (int64_t)(1e9 * probe->period_seconds);
    read_channels(probe, false);
    tm_probe_trace_add(probe, mean_read_ns(probe), false);
    /* After a delay there is no burst of reads to catch up. If reading takes longer than the
     * period, it still waits between reads; otherwise no other thread would get the lock. */
    int64_t now = tm_clock_now(probe->options.clock);
    probe->due_ns = probe->due_ns + period > now ? probe->due_ns + period : now + period;
    return probe->due_ns;
}

int64_t tm_probe_step(tm_probe *probe)
{
    pthread_mutex_lock(&probe->lock);
    int64_t due = step(probe);
    pthread_mutex_unlock(&probe->lock);
    return due;
}

static void *sample_in_background(void *arg)
{
    tm_probe *probe = arg;
    pthread_mutex_lock(&probe->lock);
    while (!probe->ending) {
        int64_t due = step(probe);
        struct timespec until = {due / 1000000000, due % 1000000000};
        if (due == INT64_MAX)
            pthread_cond_wait(&probe->wake, &probe->lock);
        else
            pthread_cond_timedwait(&probe->wake, &probe->lock, &until);
    }
    pthread_mutex_unlock(&probe->lock);
    return NULL;
}

/* Two reads per shortest wrap at the largest power, so that one late read misses no wrap. The reads
 * for the trace also see counters that stop. */
static double choose_period(const tm_probe *probe)
{
    double period = probe->trace.points ? 1 / probe->options.trace_hz : 0;
    for (int i = 0; i < probe->n_channels; i++) {
        const tm_channel *c = &probe->channels[i];
        double wanted = 0;
        if (c->state != TM_PROBE_OK) continue;
        if (c->kind == TM_CHANNEL_POWER)
            wanted = 1 / probe->options.rate_hz;
        else if (c->kind == TM_CHANNEL_COUNTER && c->range && tm_channel_is_energy(c))
            wanted = fmin(10, (double)c->range * c->scale / (2 * probe->options.max_watts));
        if (wanted > 0 && (period == 0 || wanted < period)) period = fmax(wanted, PERIOD_MIN);
    }
    return period;
}

static tm_status start_thread(tm_probe *probe, tm_error *err)
{
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&probe->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    sigset_t all, kept;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    int why = pthread_create(&probe->thread, NULL, sample_in_background, probe);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (why)
        return tm_fail(err, TM_IO, "no thread to sample %s: %s", probe->source->name,
                       strerror(why));
    probe->threaded = true;
    return TM_OK;
}

tm_status tm_probe_window_open(tm_probe *probe, tm_error *err)
{
    size_t n = (size_t)probe->n_channels;
    probe->tallies = calloc(n, sizeof *probe->tallies);
    probe->values = calloc(n, sizeof *probe->values);
    if (!probe->tallies || !probe->values)
        return tm_fail(err, TM_NOMEM, "no memory for %d channels", probe->n_channels);
    tm_status status = tm_probe_trace_open(probe, err);
    if (status != TM_OK) return status;
    pthread_mutex_init(&probe->lock, NULL);
    probe->period_seconds = choose_period(probe);
    if (probe->period_seconds == 0 || probe->options.clock) return TM_OK;
    return start_thread(probe, err);
}

void tm_probe_window_close(tm_probe *probe)
{
    if (probe->threaded) {
        pthread_mutex_lock(&probe->lock);
        probe->ending = true;
        pthread_cond_signal(&probe->wake);
        pthread_mutex_unlock(&probe->lock);
        pthread_join(probe->thread, NULL);
        pthread_cond_destroy(&probe->wake);
    }
    tm_probe_trace_close(probe);
    free(probe->tallies);
    free(probe->values);
}

void tm_probe_start(tm_probe *probe)
{
    pthread_mutex_lock(&probe->lock);
    probe->sampler_begin_seconds = probe->threaded ? thread_cpu_seconds(probe->thread) : 0;
    probe->begin_ns = read_edge(probe, true);
    probe->due_ns = probe->begin_ns + (int64_t)(1e9 * probe->period_seconds);
    probe->trace.n = 0;
    tm_probe_trace_add(probe, probe->begin_ns, true);
    probe->running = true;
    if (probe->threaded) pthread_cond_signal(&probe->wake);
    pthread_mutex_unlock(&probe->lock);
}

/* The uncertainty in joules of edges that are uncertain by this long: the counts may belong to a
 * time that is shorter by that much, at a power that is higher by as much. */
static double edge_joules(const tm_channel *c, tm_tally *t, double uncertain, double joules,
                          double seconds)
{
    if (uncertain > 0.5 * seconds && seconds > 0.1)
        tm_tally_invalidate(
            t,
            "reading %s at both edges took too long: they are uncertain by %.3g s of "
            "%.3g s",
            c->info.name, uncertain, seconds);
    double mean = joules / fmax(seconds - uncertain, uncertain);
    return uncertain * fmax(mean, t->high_joules_per_second);
}

static void check_length(const tm_probe *probe, tm_tally *t, double seconds)
{
    if (seconds < probe->options.min_seconds)
        tm_tally_invalidate(t,
                            "the window of %.3g s is shorter than %.3g s, the minimum for energy",
                            seconds, probe->options.min_seconds);
}

static double still_limit(const tm_channel *c)
{
    return STILL_SECONDS + 2 * c->refresh_seconds;
}

/* Whether a count must advance all the time. */
static bool must_advance(const tm_channel *c)
{
    return c->kind == TM_CHANNEL_COUNTER && tm_channel_is_energy(c) && !c->may_rest;
}

/* A counter that stopped and advanced before or after has not counted the whole window. */
static void check_still(const tm_channel *c, tm_tally *t, double seconds)
{
    if (!must_advance(c) || t->total == 0 || t->longest_still_seconds <= still_limit(c)) return;
    tm_tally_invalidate(
        t, "%s stayed at %llu for %.3g s of the window of %.3g s, so joules are missing",
        c->info.name, (unsigned long long)t->still, t->longest_still_seconds, seconds);
}

/* A counter that is reset near the top of its range looks like a wrap, but with more power than
 * before and after it. */
static void check_wraps(const tm_channel *c, tm_tally *t)
{
    if (t->plain_joules_per_second > 0 &&
        t->wrap_joules_per_second > RESET_TIMES * t->plain_joules_per_second)
        tm_tally_invalidate(
            t,
            "%s advanced at %.3g W when it wrapped and at most %.3g W otherwise, so "
            "it may have been reset",
            c->info.name, t->wrap_joules_per_second, t->plain_joules_per_second);
}

static void finish_counter(const tm_probe *probe, const tm_channel *c, tm_tally *t, double seconds,
                           tm_probe_value *v)
{
    double value = (double)t->total * c->scale;
    uint64_t enabled = t->last_enabled_ns - t->enabled_ns;
    uint64_t running = t->last_running_ns - t->running_ns;
    if (tm_channel_is_energy(c)) {
        double uncertain = 2 * UPDATE_SECONDS + t->edge_seconds + c->refresh_seconds;
        if (!c->may_rest && t->total > 0 && t->longest_still_seconds > c->refresh_seconds)
            uncertain += t->longest_still_seconds - c->refresh_seconds;
        check_length(probe, t, seconds);
        check_still(c, t, seconds);
        check_wraps(c, t);
        v->error_bound = edge_joules(c, t, uncertain, value, seconds) + 2 * c->scale;
    }
    if (enabled > 0 && running < enabled) {
        v->counted_share = (double)running / (double)enabled;
        if (running == 0)
            tm_tally_invalidate(t, "%s was never assigned a counter during the window",
                                c->info.name);
        else
            value /= v->counted_share;
    }
    if (t->state == TM_PROBE_OK && t->total == 0 && !c->may_rest && seconds > 0.1) {
        t->state = TM_PROBE_STUCK;
        snprintf(t->reason, sizeof t->reason, "%s stayed at %llu for the whole window of %.3g s",
                 c->info.name, (unsigned long long)t->last, seconds);
    }
    if (t->state == TM_PROBE_OK) v->value = value;
}

/* After the window: a counter that does not advance now may have stopped since its last reading
 * but one. A slow counter's bound covers that. */
static void check_end(tm_probe *probe)
{
    const tm_clock *clock = probe->options.clock;
    int64_t end = tm_clock_now(clock) + (int64_t)(1e9 * (STILL_SECONDS + 0.05));
    if (probe->options.spin_seconds < 0) return;
    for (int i = 0; i < probe->n_channels; i++) {
        tm_channel *c = &probe->channels[i];
        tm_tally *t = &probe->tallies[i];
        if (!must_advance(c) || c->state != TM_PROBE_OK || t->state != TM_PROBE_OK) continue;
        bool untimed = c->is_timed && c->refresh_seconds == 0;
        if (untimed || c->refresh_seconds > STILL_SECONDS || t->total == 0) continue;
        for (;;) {
            tm_reading r = {0};
            if (probe->source->read(probe, c, &r) != TM_PROBE_OK || r.raw != t->last) break;
            int64_t now = tm_clock_now(clock);
            note_change(t, r.raw, now, false);
            if (now > end) break;
            tm_clock_sleep(clock, STILL_POLL_NS);
        }
    }
}

/* What a window has shown about a meter holds for the windows after it. */
static void learn_refresh(tm_probe *probe)
{
    for (int i = 0; i < probe->n_channels; i++) {
        tm_channel *c = &probe->channels[i];
        double seconds = probe->tallies[i].quickest_change_seconds;
        if (c->kind == TM_CHANNEL_POWER && seconds > 0 &&
            (c->refresh_seconds == 0 || seconds < c->refresh_seconds))
            c->refresh_seconds = seconds;
    }
}

double tm_probe_lag_seconds(const tm_probe *probe)
{
    double longest = 0;
    for (int i = 0; i < probe->n_channels; i++) {
        const tm_channel *c = &probe->channels[i];
        if (!tm_probe_in_scope(&c->info, probe->scope) || c->state != TM_PROBE_OK) continue;
        if (c->kind == TM_CHANNEL_SERIES)
            longest = fmax(longest, TM_METER_SERIES_GAP_SECONDS);
        else if (c->kind == TM_CHANNEL_POWER)
            longest = fmax(longest,
                           c->mean_seconds + (c->refresh_seconds > 0 ? 2 * c->refresh_seconds : 1));
    }
    return longest;
}

static void finish_channel(const tm_probe *probe, int i, const tm_probe_window *window)
{
    tm_channel *c = &probe->channels[i];
    tm_tally *t = &probe->tallies[i];
    tm_probe_value *v = &probe->values[i];
    *v = (tm_probe_value){.info = &c->info, .value = NAN, .error_bound = NAN, .counted_share = 1};
    if (c->state != TM_PROBE_OK) {
        v->state = c->state;
        snprintf(v->reason, sizeof v->reason, "%s", c->reason);
        return;
    }
    v->n_samples = t->n_samples;
    v->wraps = t->wraps;
    v->largest_gap_seconds = t->largest_gap_seconds;
    v->rate_hz = t->n_samples > 1 ? (double)(t->n_samples - 1) / window->seconds : 0;
    if (c->kind == TM_CHANNEL_COUNTER) {
        finish_counter(probe, c, t, window->seconds, v);
    } else {
        v->error_bound = edge_joules(c, t, t->edge_seconds, t->joules, window->seconds);
        check_length(probe, t, window->seconds);
        tm_power_finish(probe, c, t, window->seconds, v);
    }
    v->state = t->state;
    snprintf(v->reason, sizeof v->reason, "%s", t->reason);
    if (v->state != TM_PROBE_OK) v->error_bound = NAN;
}

void tm_probe_stop(tm_probe *probe, tm_probe_window *out)
{
    memset(out, 0, sizeof *out);
    pthread_mutex_lock(&probe->lock);
    probe->running = false;
    out->end_ns = read_edge(probe, false);
    tm_probe_trace_add(probe, out->end_ns, true);
    pthread_mutex_unlock(&probe->lock);
    out->begin_ns = probe->begin_ns;
    out->seconds = 1e-9 * (double)(out->end_ns - out->begin_ns);
    out->source = probe->source->name;
    out->fake = probe->source->role == TM_PROBE_ROLE_FAKE;
    if (probe->threaded)
        out->sampler_cpu_seconds = thread_cpu_seconds(probe->thread) - probe->sampler_begin_seconds;
    check_end(probe);
    learn_refresh(probe);
    for (int i = 0; i < probe->n_channels; i++) {
        tm_channel *c = &probe->channels[i];
        if (c->kind == TM_CHANNEL_SERIES && c->state == TM_PROBE_OK) {
            probe->values[i] = (tm_probe_value){
                .info = &c->info, .value = NAN, .error_bound = NAN, .counted_share = 1};
            probe->source->collect(probe, c, out->begin_ns, out->end_ns, &probe->values[i]);
        } else {
            finish_channel(probe, i, out);
        }
    }
    out->values = probe->values;
    out->n_values = probe->n_channels;
    tm_probe_trace_finish(probe, out);
}
