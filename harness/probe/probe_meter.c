/* An external meter: a command that prints samples while the work runs, or a file of samples.
 * meter_series.h describes their format. */
#include "harness/probe/probe_meter.h"

#include "harness/base/child.h"
#include "harness/probe/meter_series.h"
#include "harness/probe/probe_source.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define MAX_STEP_SECONDS   0.2 /* of this machine's clock against CLOCK_MONOTONIC */
#define FIRST_LINE_SECONDS 10.0
#define STALE_SECONDS      10.0 /* on opening: older samples come from a logger that stopped */
#define GRACE_SECONDS      2.0  /* for a command to release its device after SIGTERM */
#define POLL_COMMAND_NS    5000000
#define POLL_FILE_NS       100000000

typedef struct meter {
    const tm_probe_meter_options *options; /* borrowed from the probe */
    tm_meter_series samples;
    tm_child *child; /* NULL: a file, or a command whose output has ended */
    int stop_fd;
    bool threaded;
    pthread_t thread;
    pthread_mutex_t lock; /* guards samples */
    double clock_seconds; /* CLOCK_REALTIME minus CLOCK_MONOTONIC, on opening */
} meter;

static double clock_difference(void)
{
    return 1e-9 * (double)tm_unix_offset_ns();
}

/* "the command exited with status 127: sh: 1: nosuchcommand: not found" */
static void describe_end(const tm_child_end *end, char *text, size_t size)
{
    char how[160];
    if (end->signal == 0)
        snprintf(how, sizeof how, "the command exited with status %d", end->exit_code);
    else if (end->signal == SIGKILL) /* perhaps by this process, after it closed its output */
        snprintf(how, sizeof how, "the output of the command has ended");
    else
        snprintf(how, sizeof how, "the command %s", end->reason);
    snprintf(text, size, "%s%s%.150s", how, end->last_words[0] ? ": " : "", end->last_words);
}

/* Ends the command. Its samples stay. */
static void end_command(meter *m, const char *why)
{
    tm_child_end end = {0};
    char text[sizeof m->samples.broken];
    tm_child_close(m->child, GRACE_SECONDS, &end);
    m->child = NULL;
    if (!why) describe_end(&end, text, sizeof text);
    pthread_mutex_lock(&m->lock);
    if (!m->samples.broken[0])
        snprintf(m->samples.broken, sizeof m->samples.broken, "%s", why ? why : text);
    pthread_mutex_unlock(&m->lock);
}

static void *read_samples(void *arg)
{
    meter *m = arg;
    for (;;) {
        const char *line = NULL;
        tm_error err = {0};
        tm_status status =
            tm_child_read_line(m->child, 3600, &(tm_interrupt){m->stop_fd}, &line, &err);
        if (status == TM_TIMEOUT) continue;
        if (status == TM_INTERRUPTED) return NULL; /* the meter is closed */
        if (status != TM_OK || !line) {
            end_command(m, status == TM_OK ? NULL : "the output of the command cannot be read");
            return NULL;
        }
        pthread_mutex_lock(&m->lock);
        tm_meter_series_add_line(&m->samples, line, m->options->offset_seconds);
        pthread_mutex_unlock(&m->lock);
    }
}

static tm_status start_command(tm_probe *probe, meter *m, tm_probe_health *health, tm_error *err)
{
    const tm_clock *clock = probe->options.clock;
    const char *const argv[] = {"/bin/sh", "-c", m->options->command, NULL};
    m->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (m->stop_fd < 0) return tm_fail(err, TM_IO, "meter: eventfd: %s", strerror(errno));
    tm_status status = tm_child_open(argv, &m->child, err);
    if (status != TM_OK) return status;
    int why = pthread_create(&m->thread, NULL, read_samples, m);
    if (why) return tm_fail(err, TM_IO, "meter: no thread: %s", strerror(why));
    m->threaded = true;
    for (int64_t end = tm_clock_now(clock) + (int64_t)(1e9 * FIRST_LINE_SECONDS);;) {
        char broken[sizeof m->samples.broken];
        pthread_mutex_lock(&m->lock);
        memcpy(broken, m->samples.broken, sizeof broken);
        int n = m->samples.n;
        pthread_mutex_unlock(&m->lock);
        if (n > 0) return TM_OK;
        if (broken[0])
            return tm_probe_refuse(health, err, TM_PROBE_INVALID, "",
                                   "meter: \"%.80s\" printed no sample: %s", m->options->command,
                                   broken);
        if (tm_clock_now(clock) > end)
            return tm_probe_refuse(health, err, TM_PROBE_INVALID, "",
                                   "meter: \"%.80s\" printed no sample within %g s",
                                   m->options->command, FIRST_LINE_SECONDS);
        tm_clock_sleep(clock, POLL_COMMAND_NS);
    }
}

/* Refuses a meter whose samples are not of now, before any work is done for it. */
static tm_status check_now(tm_probe *probe, const meter *m, const char *what,
                           tm_probe_health *health, tm_error *err)
{
    const tm_meter_series *s = &m->samples;
    double now = 1e-9 * (double)tm_clock_now(probe->options.clock) + m->clock_seconds;
    if (s->n == 0 && s->broken[0])
        return tm_probe_refuse(health, err, TM_PROBE_INVALID, "", "meter: %s", s->broken);
    if (s->n == 0)
        return tm_probe_refuse(health, err, TM_PROBE_INVALID, "start the logger before the run",
                               "meter: \"%.120s\" has no sample", what);
    double late = now - s->time[s->n - 1], early = s->time[0] - now;
    if (late <= STALE_SECONDS && early <= STALE_SECONDS) return TM_OK;
    char fix[120];
    double off = late > STALE_SECONDS ? late : -early;
    snprintf(fix, sizeof fix, "start the logger, or if its clock differs, use --meter-offset %.0f",
             m->options->offset_seconds + off);
    return tm_probe_refuse(health, err, TM_PROBE_INVALID, fix,
                           "meter: the samples of \"%.120s\" are %.0f s %s this machine's clock; "
                           "the limit is %.0f s",
                           what, fabs(off), off > 0 ? "behind" : "ahead of", STALE_SECONDS);
}

static tm_status open_meter(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    const tm_probe_meter_options *o = probe->own;
    if (!o->command && !o->csv)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "",
                               "meter: neither a command nor a file is given");
    meter *m = calloc(1, sizeof *m);
    if (!m) return tm_fail(err, TM_NOMEM, "no memory for a meter");
    probe->private = m;
    m->options = o;
    m->stop_fd = -1;
    pthread_mutex_init(&m->lock, NULL);
    m->clock_seconds = clock_difference();
    tm_status status = TM_OK;
    if (o->command)
        status = start_command(probe, m, health, err);
    else if (!tm_meter_series_read(o->csv, o->offset_seconds, &m->samples))
        status = tm_probe_refuse(health, err, TM_PROBE_INVALID, "", "meter: %s", m->samples.broken);
    if (status != TM_OK) return status;
    pthread_mutex_lock(&m->lock);
    status = check_now(probe, m, o->command ? o->command : o->csv, health, err);
    pthread_mutex_unlock(&m->lock);
    if (status != TM_OK) return status;
    tm_channel *c;
    status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) return status;
    c->kind = TM_CHANNEL_SERIES;
    c->info.method = "imported";
    snprintf(c->info.name, sizeof c->info.name, "meter");
    snprintf(c->info.scope, sizeof c->info.scope, "system");
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    return TM_OK;
}

TM_PRINTF(2, 3) static void invalidate(tm_probe_value *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->reason, sizeof v->reason, fmt, args);
    va_end(args);
    v->state = TM_PROBE_INVALID;
}

/* The end of the window lies between two samples, and the second may not have arrived yet. */
static void wait_for_sample(tm_probe *probe, meter *m, double end)
{
    const tm_clock *clock = probe->options.clock;
    for (int64_t until = tm_clock_now(clock) + (int64_t)(1e9 * TM_METER_SERIES_GAP_SECONDS);
         tm_clock_now(clock) < until;) {
        pthread_mutex_lock(&m->lock);
        if (m->options->csv)
            (void)tm_meter_series_read(m->options->csv, m->options->offset_seconds, &m->samples);
        int n = m->samples.n;
        bool done = m->samples.broken[0] || (n > 0 && m->samples.time[n - 1] >= end);
        pthread_mutex_unlock(&m->lock);
        if (done) return;
        tm_clock_sleep(clock, m->options->csv ? POLL_FILE_NS : POLL_COMMAND_NS);
    }
}

static void collect_meter(tm_probe *probe, tm_channel *channel, int64_t begin_ns, int64_t end_ns,
                          tm_probe_value *v)
{
    (void)channel;
    meter *m = probe->private;
    double clock = clock_difference(), seconds = 1e-9 * (double)(end_ns - begin_ns);
    double begin = 1e-9 * (double)begin_ns + clock, end = 1e-9 * (double)end_ns + clock;
    v->state = TM_PROBE_OK;
    if (seconds < probe->options.min_seconds) {
        invalidate(v, "the window of %.3g s is shorter than %.3g s, the minimum for energy",
                   seconds, probe->options.min_seconds);
        return;
    }
    if (fabs(clock - m->clock_seconds) > MAX_STEP_SECONDS) {
        invalidate(v, "this machine's clock was set by %.3g s since the meter was opened",
                   clock - m->clock_seconds);
        return;
    }
    wait_for_sample(probe, m, end);
    pthread_mutex_lock(&m->lock);
    tm_meter_series_integrate(&m->samples, begin, end, v);
    pthread_mutex_unlock(&m->lock);
    /* What an error of the offset moves out of the window at its edges, at the mean power. */
    v->error_bound +=
        2 * tm_meter_offset_error(m->options->offset_seconds) * v->value / (end - begin);
}

static int trace_meter(tm_probe *probe, int64_t begin_ns, int64_t end_ns, tm_probe_point *out,
                       int room)
{
    meter *m = probe->private;
    double clock = clock_difference();
    double begin = 1e-9 * (double)begin_ns + clock, end = 1e-9 * (double)end_ns + clock;
    pthread_mutex_lock(&m->lock);
    int n = tm_meter_series_trace(&m->samples, begin, end, out, room);
    pthread_mutex_unlock(&m->lock);
    return n;
}

static tm_probe_state read_meter(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)probe;
    snprintf(out->reason, sizeof out->reason, "%s has its own samples", channel->info.name);
    return TM_PROBE_INVALID;
}

static void close_meter(tm_probe *probe)
{
    meter *m = probe->private;
    if (!m) return;
    if (m->threaded) {
        uint64_t one = 1;
        ssize_t written = write(m->stop_fd, &one, sizeof one);
        (void)written; /* cannot fail: the eventfd is at 0 */
        pthread_join(m->thread, NULL);
    }
    tm_child_stop(m->child, GRACE_SECONDS, NULL);
    if (m->stop_fd >= 0) close(m->stop_fd);
    pthread_mutex_destroy(&m->lock);
    tm_meter_series_free(&m->samples);
    free(m);
}

static tm_status check_meter(const void *own, tm_error *err)
{
    const tm_probe_meter_options *o = own;
    if (!o->command || !o->csv) return TM_OK;
    return tm_fail(err, TM_ARG,
                   "--meter \"%.80s\" and --meter-csv %.80s are both given; use only one of them",
                   o->command, o->csv);
}

static bool is_meter_live(const void *own)
{
    const tm_probe_meter_options *o = own;
    return o->command || o->csv;
}

static const tm_probe_option options[] = {
    {.key = "meter",
     .name = "meter",
     .kind = TM_PROBE_OPTION_TEXT,
     .selects = true,
     .offset = offsetof(tm_probe_meter_options, command),
     .placeholder = "COMMAND",
     .help = "run COMMAND, which prints \"time watts\" or \"time joules\" and then samples"},
    {.key = "meter_csv",
     .name = "meter-csv",
     .kind = TM_PROBE_OPTION_FILE,
     .selects = true,
     .offset = offsetof(tm_probe_meter_options, csv),
     .placeholder = "FILE",
     .help = "read samples like those of --meter from FILE, which a logger writes during the run"},
    {.key = "meter_offset_seconds",
     .name = "meter-offset",
     .kind = TM_PROBE_OPTION_NUMBER,
     .offset = offsetof(tm_probe_meter_options, offset_seconds),
     .low = -TM_METER_OFFSET_MAX,
     .high = TM_METER_OFFSET_MAX,
     .placeholder = "SECONDS",
     .help = "add SECONDS to the meter's times to get this machine's"},
    {0}};

const tm_probe_source tm_probe_meter = {.name = "meter",
                                        .role = TM_PROBE_ROLE_ENERGY,
                                        .own_size = sizeof(tm_probe_meter_options),
                                        .options = options,
                                        .check = check_meter,
                                        .is_live = is_meter_live,
                                        .open = open_meter,
                                        .read = read_meter,
                                        .collect = collect_meter,
                                        .trace = trace_meter,
                                        .close = close_meter};
