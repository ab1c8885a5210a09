#include "harness/probe/probe_source.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/base/clock.h"

static const tm_probe_source *const sources[] = {
    &tm_probe_powercap, &tm_probe_perf, &tm_probe_hwmon, &tm_probe_meter,
    &tm_probe_counters, &tm_probe_papi, &tm_probe_fake,
};

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
    static const char *const names[] = {"powercap", "perf", "hwmon", "meter", NULL};
    return names;
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
    (*out)->scale = 1;
    (*out)->fd = (*out)->second_fd = -1;
    return TM_OK;
}

/* Descriptors above this are not kept: a process has 1024 as a rule, a chip may have a meter per core. */
#define KEPT_MAX 256

/* Kept open between reads, which saves four tenths of what sampling costs. A file that was removed or replaced has
 * no link any more and is looked for anew; one of a device that has gone fails by itself. */
tm_probe_state tm_probe_read_file(const char *root, const char *path, int *kept, tm_reading *out)
{
    char name[PATH_MAX], text[64], *end;
    struct stat st;
    int fd = kept ? *kept : -1;
    if (fd >= 0 && (fstat(fd, &st) != 0 || st.st_nlink == 0)) {
        close(fd);
        fd = -1;
    }
    if (fd < 0) {
        snprintf(name, sizeof name, "%s/%s", strcmp(root, "/") == 0 ? "" : root, path);
        fd = open(name, O_RDONLY | O_CLOEXEC);
    }
    ssize_t got = fd < 0 ? -1 : pread(fd, text, sizeof text - 1, 0);
    int why = errno;
    if (fd >= 0 && (!kept || got < 0 || fd > KEPT_MAX)) {
        close(fd);
        fd = -1;
    }
    if (kept) *kept = fd;
    if (got < 0) {
        snprintf(out->reason, sizeof out->reason, "/%.120s: %s", path, strerror(why));
        return why == EACCES || why == EPERM ? TM_PROBE_DENIED
               : why == ENOENT               ? TM_PROBE_MISSING
                                             : TM_PROBE_INVALID;
    }
    text[got] = 0;
    errno = 0;
    out->raw = strtoull(text, &end, 10);
    if (end == text || errno || text[0] == '-' || (*end && *end != '\n')) {
        snprintf(out->reason, sizeof out->reason, "/%.120s: \"%.20s\" is not a count", path, text);
        return TM_PROBE_INVALID;
    }
    return TM_PROBE_OK;
}

static void spin_ns(int64_t nanoseconds)
{
    volatile uint64_t x = 1;
    for (int64_t end = tm_now_ns() + nanoseconds; tm_now_ns() < end;)
        for (int i = 0; i < 1000; i++) x = tm_mix64(x);
}

static void say_stuck(tm_channel *c, uint64_t raw, double seconds)
{
    c->state = TM_PROBE_STUCK;
    if (c->kind == TM_CHANNEL_COUNTER)
        snprintf(c->reason, sizeof c->reason, "%s stayed at %llu while a core worked for %.2f s",
                 c->info.name, (unsigned long long)raw, seconds);
    else
        snprintf(c->reason, sizeof c->reason, "%s reads 0 W while a core works", c->info.name);
}

/* A domain may rest while another works; where none of a source moves at all it is no rest: a hypervisor
 * shows registers that nothing counts in. */
static void doubt_rest(tm_probe *probe, const uint64_t *first, double seconds)
{
    for (int i = 0; i < probe->n_channels; i++) {
        tm_channel *c = &probe->channels[i];
        if (tm_channel_is_energy(c) && c->may_rest && c->state == TM_PROBE_OK)
            say_stuck(c, first[i], seconds);
    }
}

/* Reads every channel, spins, reads again: a counter that has not moved is stuck. */
static tm_status probe_life(tm_probe *probe, tm_error *err)
{
    uint64_t *first = calloc((size_t)probe->n_channels, sizeof *first);
    if (!first) return tm_fail(err, TM_NOMEM, "no memory for %d readings", probe->n_channels);
    int64_t begin = tm_now_ns();
    double limit = probe->options.spin_seconds;
    for (int round = 0;; round++) {
        double seconds = 1e-9 * (double)(tm_now_ns() - begin);
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
            bool alive = moved || c->may_rest;
            c->state = TM_PROBE_OK;
            c->reason[0] = 0;
            if (!alive && limit > 0) say_stuck(c, r.raw, seconds);
            n_waiting += !alive;
            n_moved += moved;
            n_resting += !moved && tm_channel_is_energy(c);
        }
        bool all_rest = n_moved == 0 && n_resting > 0;
        if (limit <= 0 || (n_waiting == 0 && !all_rest)) break;
        if (seconds >= limit) {
            if (all_rest) doubt_rest(probe, first, seconds);
            break;
        }
        spin_ns(50000000);
    }
    free(first);
    return TM_OK;
}

/* A source lives when one of its channels does; else the worst of what was found speaks for it. */
static tm_status judge(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    int n_alive = 0;
    const tm_channel *dead = NULL;
    for (int i = 0; i < probe->n_channels; i++) {
        const tm_channel *c = &probe->channels[i];
        if (c->state == TM_PROBE_OK)
            n_alive++;
        else if (!dead)
            dead = c;
    }
    if (n_alive > 0) {
        health->state = TM_PROBE_OK;
        health->fix[0] = 0;
        if (health->reason[0]) return TM_OK;
        size_t at = 0;
        for (int i = 0; i < probe->n_channels && at + 70 < sizeof health->reason; i++)
            at += (size_t)snprintf(health->reason + at, sizeof health->reason - at, "%s%s%s%s",
                                   at ? ", " : "", probe->channels[i].info.name,
                                   probe->channels[i].state == TM_PROBE_OK ? "" : " ",
                                   probe->channels[i].state == TM_PROBE_OK
                                       ? ""
                                       : tm_probe_state_text(probe->channels[i].state));
        return TM_OK;
    }
    const char *fix = dead && dead->state == TM_PROBE_STUCK
                          ? "measure on the machine itself, not in a virtual machine"
                          : "";
    char kept[sizeof health->fix];
    snprintf(kept, sizeof kept, "%s", dead && dead->state == TM_PROBE_DENIED ? health->fix : fix);
    return tm_probe_refuse(health, err, dead ? dead->state : TM_PROBE_MISSING, kept, "%s: %s",
                           probe->source->name, dead ? dead->reason : "it has no channel");
}

static const tm_probe_source *find(const char *name, tm_error *err)
{
    const char *names[sizeof sources / sizeof sources[0] + 1] = {0};
    for (size_t i = 0; i < sizeof sources / sizeof sources[0]; i++) {
        names[i] = sources[i]->name;
        if (strcmp(name, names[i]) == 0) return sources[i];
    }
    const char *near = tm_nearest_name(name, names);
    (void)tm_fail(err, TM_ARG, "no source \"%s\" of energy or counters%s%s%s", name,
                  near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
    return NULL;
}

tm_status tm_probe_open(const char *source, const tm_probe_options *options, tm_probe **out,
                        tm_probe_health *health, tm_error *err)
{
    *out = NULL;
    *health = (tm_probe_health){.state = TM_PROBE_MISSING};
    const tm_probe_source *found = find(source, err);
    if (!found) return TM_ARG;
    tm_probe *probe = calloc(1, sizeof *probe);
    if (!probe) return tm_fail(err, TM_NOMEM, "no memory for a probe");
    probe->source = found;
    tm_probe_options *o = &probe->options;
    if (options) *o = *options;
    if (!o->root) o->root = "/";
    if (!(o->max_watts > 0)) o->max_watts = 1000;
    if (!(o->min_seconds > 0)) o->min_seconds = 1;
    if (!(o->rate_hz > 0)) o->rate_hz = 10;
    if (o->spin_seconds == 0) o->spin_seconds = 0.5;
    if (!(o->fake_watts > 0)) o->fake_watts = 10;

    tm_status status = found->open(probe, health, err);
    if (status == TM_OK) status = probe_life(probe, err);
    if (status == TM_OK) status = judge(probe, health, err);
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
