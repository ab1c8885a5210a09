#include "harness/probe/probe_source.h"

#include "harness/base/sysfs.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REFRESH_SECONDS 3.2 /* to see channels change whose period is unknown */
#define REFRESH_CHANGES 3
#define REFRESH_POLL_NS 2000000
#define MIRROR_READS    4
#define MIRROR_NS       5000000
#define SPIN_NS         50000000 /* between two reads of the counters that must advance */

static const tm_probe_source *const sources[] = {
#define SOURCE_ROW(name) &tm_probe_##name,
    TM_PROBE_SOURCES(SOURCE_ROW)
#undef SOURCE_ROW
};

#define N_SOURCES (sizeof sources / sizeof sources[0])

const tm_probe_source *tm_probe_source_at(int index)
{
    return index < (int)N_SOURCES ? sources[index] : NULL;
}

const char *tm_probe_state_text(tm_probe_state state)
{
    switch (state) {
#define TM_PROBE_STATE_TEXT(name, text)                                                            \
    case TM_PROBE_##name:                                                                          \
        return text;
        TM_PROBE_STATES(TM_PROBE_STATE_TEXT)
#undef TM_PROBE_STATE_TEXT
    }
    return "invalid";
}

const char *const *tm_probe_energy_sources(void)
{
    static _Thread_local const char *names[N_SOURCES + 1];
    size_t n = 0;
    for (size_t i = 0; i < N_SOURCES; i++)
        if (sources[i]->role == TM_PROBE_ROLE_ENERGY) names[n++] = sources[i]->name;
    names[n] = NULL;
    return names;
}

const tm_probe_option *tm_probe_user_option(int index, const char **source)
{
    for (size_t i = 0; i < N_SOURCES; i++)
        for (const tm_probe_option *o = sources[i]->options; o && o->key; o++) {
            if (index-- > 0) continue;
            if (source) *source = sources[i]->name;
            return o;
        }
    return NULL;
}

tm_status tm_probe_refuse(tm_probe_health *health, tm_error *err, tm_probe_state state,
                          const char *fix, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(health->reason, sizeof health->reason, fmt, args);
    va_end(args);
    health->state = state;
    snprintf(health->fix, sizeof health->fix, "%s", fix);
    return tm_fail(err, TM_UNSUPPORTED, "%s", health->reason);
}

tm_status tm_probe_add(tm_probe *probe, tm_channel **out, tm_error *err)
{
    if (probe->n_channels >= TM_PROBE_CHANNELS_MAX)
        return tm_fail(err, TM_UNSUPPORTED, "%s: more than %d channels", probe->source->name,
                       TM_PROBE_CHANNELS_MAX);
    if (probe->n_channels == probe->room) {
        int room = probe->room ? 2 * probe->room : 16;
        tm_channel *more = realloc(probe->channels, (size_t)room * sizeof *more);
        if (!more) return tm_fail(err, TM_NOMEM, "no memory for %d channels", room);
        probe->channels = more;
        probe->room = room;
    }
    *out = &probe->channels[probe->n_channels++];
    memset(*out, 0, sizeof **out);
    (*out)->scale = (*out)->digit = 1;
    (*out)->fd = (*out)->second_fd = -1;
    return TM_OK;
}

tm_probe_state tm_probe_read_file(const char *root, const char *path, int *kept, tm_reading *out)
{
    char text[TM_SYSFS_NUMBER_SIZE];
    int64_t value = -1;
    int why = tm_sysfs_read_int(root, path, kept, text, &value);
    if (why == 0 && value >= 0) {
        out->raw = (uint64_t)value;
        return TM_PROBE_OK;
    }
    text[strcspn(text, "\n")] = 0;
    if (why == 0 || why == EINVAL)
        snprintf(out->reason, sizeof out->reason, "/%.120s: \"%.20s\" is not a count", path, text);
    else
        snprintf(out->reason, sizeof out->reason, "/%.120s: %s", path, strerror(why));
    return why == EACCES || why == EPERM ? TM_PROBE_DENIED
           : why == ENOENT               ? TM_PROBE_MISSING
                                         : TM_PROBE_INVALID;
}

/* Keeps a core busy, so that the counters advance. A replaced clock passes without work. */
static void spin(const tm_clock *clock, int64_t duration_ns)
{
    volatile uint64_t x = 1;
    if (clock) {
        tm_clock_sleep(clock, duration_ns);
        return;
    }
    for (int64_t end = tm_now_ns() + duration_ns; tm_now_ns() < end;)
        for (int i = 0; i < 1000; i++) x = tm_mix64(x);
}

static void set_stuck(tm_channel *c, uint64_t raw, double seconds)
{
    c->state = TM_PROBE_STUCK;
    if (c->kind == TM_CHANNEL_COUNTER)
        snprintf(c->reason, sizeof c->reason, "%s stayed at %llu while a core worked for %.2f s",
                 c->info.name, (unsigned long long)raw, seconds);
    else
        snprintf(c->reason, sizeof c->reason, "%s reads 0 W while a core works", c->info.name);
}

/* One domain may rest while another works. If no domain of a source advances, they do not rest:
 * hypervisors expose energy registers that never count. */
static void set_all_stuck(tm_probe *probe, const uint64_t *first, double seconds)
{
    for (int i = 0; i < probe->n_channels; i++) {
        tm_channel *c = &probe->channels[i];
        if (tm_channel_is_energy(c) && c->may_rest && c->state == TM_PROBE_OK)
            set_stuck(c, first[i], seconds);
    }
}

/* Reads every channel, spins, and reads again until each counter that must advance has advanced. */
static tm_status test_channels(tm_probe *probe, tm_error *err)
{
    uint64_t *first = calloc((size_t)probe->n_channels, sizeof *first);
    if (!first) return tm_fail(err, TM_NOMEM, "no memory for %d readings", probe->n_channels);
    const tm_clock *clock = probe->options.clock;
    int64_t begin = tm_clock_now(clock);
    double limit = probe->options.spin_seconds;
    for (int round = 0;; round++) {
        double seconds = 1e-9 * (double)(tm_clock_now(clock) - begin);
        int n_waiting = 0, n_moved = 0, n_resting = 0;
        for (int i = 0; i < probe->n_channels; i++) {
            tm_channel *c = &probe->channels[i];
            tm_reading r = {0};
            if (c->kind == TM_CHANNEL_SERIES) continue;
            if (c->state != TM_PROBE_OK && c->state != TM_PROBE_STUCK) continue;
            tm_probe_state state = probe->source->read(probe, c, &r);
            if (state != TM_PROBE_OK) {
                c->state = state;
                snprintf(c->reason, sizeof c->reason, "%s", r.reason);
                continue;
            }
            if (round == 0) first[i] = r.raw;
            bool moved = c->kind == TM_CHANNEL_COUNTER ? r.raw != first[i] : r.raw > 0;
            bool works = moved || c->may_rest;
            c->state = TM_PROBE_OK;
            c->reason[0] = 0;
            if (!works && limit > 0) set_stuck(c, r.raw, seconds);
            n_waiting += !works;
            n_moved += moved;
            n_resting += !moved && tm_channel_is_energy(c);
        }
        bool all_rest = n_moved == 0 && n_resting > 0;
        if (limit <= 0 || (n_waiting == 0 && !all_rest)) break;
        if (seconds >= limit) {
            if (all_rest) set_all_stuck(probe, first, seconds);
            break;
        }
        spin(clock, SPIN_NS);
    }
    free(first);
    return TM_OK;
}

/* Whether two counters have the same value at all times: between two readings of the one, the other
 * lies between them. */
static bool is_mirror(tm_probe *probe, tm_channel *a, tm_channel *b)
{
    uint64_t first = 0;
    for (int i = 0; i < MIRROR_READS; i++) {
        tm_reading before = {0}, between = {0}, after = {0};
        if (probe->source->read(probe, a, &before) != TM_PROBE_OK ||
            probe->source->read(probe, b, &between) != TM_PROBE_OK ||
            probe->source->read(probe, a, &after) != TM_PROBE_OK)
            return false;
        if (between.raw < before.raw || between.raw > after.raw) return false;
        if (i == 0) first = before.raw;
        if (i == MIRROR_READS - 1) return after.raw != first;
        spin(probe->options.clock, MIRROR_NS);
    }
    return false;
}

static void remove_channel(tm_probe *probe, int index)
{
    tm_channel *c = &probe->channels[index];
    if (c->fd >= 0) close(c->fd);
    if (c->second_fd >= 0) close(c->second_fd);
    memmove(c, c + 1, (size_t)(--probe->n_channels - index) * sizeof *c);
}

/* Of a domain with two interfaces one channel is kept, the second only if the first does not
 * work. */
static void drop_twins(tm_probe *probe)
{
    for (int i = probe->n_channels - 1; i >= 0; i--) {
        tm_channel *twin = &probe->channels[i];
        if (!twin->is_twin) continue;
        int k = 0;
        while (strcmp(probe->channels[k].info.name, twin->info.name) != 0) k++;
        if (twin->state == TM_PROBE_OK && probe->channels[k].state != TM_PROBE_OK) {
            tm_channel stuck = probe->channels[k];
            probe->channels[k] = *twin;
            probe->channels[k].is_twin = false;
            probe->channels[i] = stuck;
        }
        remove_channel(probe, i);
    }
}

/* Some processors show one counter of the socket as a zone of each die. Adding them would double
 * the joules, so only the first is kept. Source: codecarbon, issues 1274 and 1276. */
static void drop_mirrors(tm_probe *probe)
{
    if (probe->options.spin_seconds < 0) return;
    for (int i = 0; i < probe->n_channels; i++)
        for (int k = i + 1; k < probe->n_channels;) {
            tm_channel *a = &probe->channels[i], *b = &probe->channels[k];
            bool alike = a->kind == TM_CHANNEL_COUNTER && b->kind == TM_CHANNEL_COUNTER &&
                         tm_channel_is_energy(a) && strcmp(a->info.scope, b->info.scope) == 0 &&
                         !a->may_rest && a->range == b->range && a->state == TM_PROBE_OK &&
                         b->state == TM_PROBE_OK;
            if (!alike || !is_mirror(probe, a, b)) {
                k++;
                continue;
            }
            remove_channel(probe, k);
        }
}

/* What time_channels has seen of a channel. */
typedef struct timing {
    uint64_t last;
    int64_t changed_ns;
    int n; /* changes */
} timing;

static bool is_timed_out(const tm_channel *c, const timing *t)
{
    return !c->is_timed || t->n > REFRESH_CHANGES ||
           (c->state != TM_PROBE_OK && c->state != TM_PROBE_STUCK);
}

/* A counter that has not advanced yet is at least that slow. A meter of power may repeat a value,
 * so only two changes say how quickly it has a new one. The time before the first change is only a
 * part of a period. */
static void note_period(tm_channel *c, const timing *t, bool changed, int64_t now)
{
    double seconds = 1e-9 * (double)(now - t->changed_ns);
    if (c->kind == TM_CHANNEL_COUNTER)
        c->refresh_seconds = fmax(c->refresh_seconds, seconds);
    else if (changed && t->n > 0 && (c->refresh_seconds == 0 || seconds < c->refresh_seconds))
        c->refresh_seconds = seconds;
}

/* Measures how often those channels have a new value whose period is unknown. A core works, so that
 * counters advance, and rests after each new value of power, so that power changes. */
static void time_channels(tm_probe *probe)
{
    const tm_clock *clock = probe->options.clock;
    int64_t begin = tm_clock_now(clock), limit = (int64_t)(1e9 * REFRESH_SECONDS);
    timing *timings = calloc((size_t)probe->n_channels, sizeof *timings);
    if (!timings || probe->options.spin_seconds < 0) limit = 0;
    bool works = true;
    for (bool waiting = limit > 0, first = true; waiting; first = false) {
        waiting = false;
        for (int i = 0; i < probe->n_channels; i++) {
            tm_channel *c = &probe->channels[i];
            timing *t = &timings[i];
            tm_reading r = {0};
            if (is_timed_out(c, t) || probe->source->read(probe, c, &r) != TM_PROBE_OK) continue;
            int64_t now = tm_clock_now(clock);
            if (first) t->last = r.raw, t->changed_ns = now;
            bool over = now - begin > limit, changed = r.raw != t->last;
            if (changed || over) note_period(c, t, changed, now);
            if (changed) {
                t->last = r.raw;
                t->changed_ns = now;
                t->n++;
                c->state = TM_PROBE_OK;
                c->reason[0] = 0;
                works = c->kind == TM_CHANNEL_COUNTER || !works;
            }
            waiting |= t->n <= REFRESH_CHANGES && !over;
        }
        if (waiting && works)
            spin(clock, REFRESH_POLL_NS);
        else if (waiting)
            tm_clock_sleep(clock, REFRESH_POLL_NS);
    }
    free(timings);
}

/* "package-0, dram-0 stuck": the channels, each with its state unless it works. */
static void list_channels(const tm_probe *probe, char *text, size_t size)
{
    size_t n = 0;
    for (int i = 0; i < probe->n_channels && n + 70 < size; i++) {
        const tm_channel *c = &probe->channels[i];
        bool works = c->state == TM_PROBE_OK;
        n += (size_t)snprintf(text + n, size - n, "%s%s%s%s", n ? ", " : "", c->info.name,
                              works ? "" : " ", works ? "" : tm_probe_state_text(c->state));
    }
}

/* A source works if one of its channels does. Otherwise its first channel gives the reason. */
static tm_status decide_health(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    char fix[sizeof health->fix] = "";
    const tm_channel *c = probe->channels;
    for (int i = 0; i < probe->n_channels; i++) {
        if (c[i].state != TM_PROBE_OK) continue;
        health->state = TM_PROBE_OK;
        health->fix[0] = 0;
        if (!health->reason[0]) list_channels(probe, health->reason, sizeof health->reason);
        return TM_OK;
    }
    if (probe->n_channels == 0)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "", "%s: it has no channel",
                               probe->source->name);
    if (c->state == TM_PROBE_STUCK)
        snprintf(fix, sizeof fix, "measure on the machine itself, not in a virtual machine");
    else if (c->state == TM_PROBE_DENIED)
        snprintf(fix, sizeof fix, "%s", health->fix);
    return tm_probe_refuse(health, err, c->state, fix, "%s: %s", probe->source->name, c->reason);
}

static const tm_probe_source *find_source(const char *name, tm_error *err)
{
    const char *names[N_SOURCES + 1] = {0};
    for (size_t i = 0; i < N_SOURCES; i++) {
        names[i] = sources[i]->name;
        if (strcmp(name, names[i]) == 0) return sources[i];
    }
    (void)tm_unknown_name(err, "source", name, names);
    return NULL;
}

/* Fills in the defaults and copies the source's own options. */
static tm_status copy_options(tm_probe *probe, const tm_probe_options *options, tm_error *err)
{
    tm_probe_options *o = &probe->options;
    size_t size = probe->source->own_size;
    if (options) *o = *options;
    if (!o->root) o->root = "/";
    if (!(o->max_watts > 0)) o->max_watts = 1000;
    if (!(o->min_seconds > 0)) o->min_seconds = 1;
    if (!(o->rate_hz > 0)) o->rate_hz = 10;
    if (o->spin_seconds == 0) o->spin_seconds = 0.5;
    if (size == 0) return TM_OK;
    probe->own = calloc(1, size);
    if (!probe->own) return tm_fail(err, TM_NOMEM, "no memory for the options of a source");
    if (o->own) memcpy(probe->own, o->own, size);
    return TM_OK;
}

tm_status tm_probe_open(const char *source, const tm_probe_options *options, tm_probe **out,
                        tm_probe_health *health, tm_error *err)
{
    *out = NULL;
    *health = (tm_probe_health){.state = TM_PROBE_MISSING};
    const tm_probe_source *found = find_source(source, err);
    if (!found) return TM_ARG;
    tm_probe *probe = calloc(1, sizeof *probe);
    if (!probe) return tm_fail(err, TM_NOMEM, "no memory for a probe");
    probe->source = found;
    tm_status status = copy_options(probe, options, err);
    if (status == TM_OK) status = found->open(probe, health, err);
    if (status == TM_OK) status = test_channels(probe, err);
    if (status == TM_OK) drop_twins(probe);
    if (status == TM_OK) time_channels(probe);
    if (status == TM_OK) drop_mirrors(probe);
    if (status == TM_OK) status = decide_health(probe, health, err);
    if (status == TM_OK) status = tm_probe_window_open(probe, err);
    if (status != TM_OK) {
        if (health->state == TM_PROBE_OK) health->state = TM_PROBE_INVALID;
        tm_probe_close(probe);
        return status;
    }
    *out = probe;
    return TM_OK;
}

void tm_probe_close(tm_probe *probe)
{
    if (!probe) return;
    tm_probe_window_close(probe);
    if (probe->source->close) probe->source->close(probe);
    for (int i = 0; i < probe->n_channels; i++) {
        if (probe->channels[i].fd >= 0) close(probe->channels[i].fd);
        if (probe->channels[i].second_fd >= 0) close(probe->channels[i].second_fd);
    }
    free(probe->channels);
    free(probe->own);
    free(probe);
}

int tm_probe_n_channels(const tm_probe *probe)
{
    return probe->n_channels;
}

const tm_probe_channel_info *tm_probe_channel(const tm_probe *probe, int index)
{
    return &probe->channels[index].info;
}

tm_probe_state tm_probe_channel_state(const tm_probe *probe, int index, const char **reason)
{
    *reason = probe->channels[index].reason;
    return probe->channels[index].state;
}
