/* An external meter: a command that prints samples while the work runs, or a file of them. What they
 * look like says meter_series.h. */
#include "harness/probe/probe_source.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "harness/base/clock.h"
#include "harness/base/child.h"
#include "harness/probe/meter_series.h"

#define MAX_STEP_SECONDS   0.2 /* of this machine's clock against CLOCK_MONOTONIC */
#define FIRST_LINE_SECONDS 10.0

typedef struct meter {
    tm_meter_series samples;
    tm_child *child; /* NULL: a file */
    int stop_fd;
    bool threaded, ended;
    pthread_t thread;
    pthread_mutex_t lock; /* of samples and ended */
    double clock_seconds; /* CLOCK_REALTIME less CLOCK_MONOTONIC, on opening */
} meter;

static double clock_difference(void)
{
    return 1e-9 * (double)tm_unix_offset_ns();
}

static void *follow(void *arg)
{
    tm_probe *probe = arg;
    meter *m = probe->private;
    for (;;) {
        const char *line = NULL;
        tm_error err = {0};
        tm_status status = tm_child_read_line(m->child, 3600, m->stop_fd, &line, &err);
        if (status == TM_TIMEOUT) continue;
        pthread_mutex_lock(&m->lock);
        if (status == TM_OK && line)
            tm_meter_series_add_line(&m->samples, line, probe->options.meter_offset_seconds);
        else if (!m->samples.broken[0])
            snprintf(m->samples.broken, sizeof m->samples.broken, "%s",
                     status == TM_OK ? "its output has ended" : "its output cannot be read");
        m->ended = status != TM_OK || !line;
        bool ended = m->ended;
        pthread_mutex_unlock(&m->lock);
        if (ended) return NULL;
    }
}

static tm_status start_command(tm_probe *probe, meter *m, tm_probe_health *health, tm_error *err)
{
    const char *const argv[] = {"/bin/sh", "-c", probe->options.meter, NULL};
    m->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (m->stop_fd < 0) return tm_fail(err, TM_IO, "meter: eventfd: %s", strerror(errno));
    tm_status status = tm_child_open(argv, &m->child, err);
    if (status != TM_OK) return status;
    int why = pthread_create(&m->thread, NULL, follow, probe);
    if (why) return tm_fail(err, TM_IO, "meter: no thread: %s", strerror(why));
    m->threaded = true;
    for (int64_t end = tm_now_ns() + (int64_t)(1e9 * FIRST_LINE_SECONDS);;) {
        char broken[200];
        pthread_mutex_lock(&m->lock);
        memcpy(broken, m->samples.broken, sizeof broken);
        int n = m->samples.n;
        pthread_mutex_unlock(&m->lock);
        if (n > 0) return TM_OK;
        if (broken[0] || tm_now_ns() > end)
            return tm_probe_refuse(health, err, TM_PROBE_INVALID, "",
                                   "meter: \"%.80s\" gave no sample: %s", probe->options.meter,
                                   broken[0] ? broken : "10 s have passed");
        usleep(5000);
    }
}

static tm_status open_meter(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    const tm_probe_options *o = &probe->options;
    if (!o->meter && !o->meter_csv)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "", "meter: none was named");
    meter *m = calloc(1, sizeof *m);
    if (!m) return tm_fail(err, TM_NOMEM, "no memory for a meter");
    probe->private = m;
    m->stop_fd = -1;
    pthread_mutex_init(&m->lock, NULL);
    m->clock_seconds = clock_difference();
    tm_status status = TM_OK;
    if (o->meter)
        status = start_command(probe, m, health, err);
    else if (!tm_meter_series_read(o->meter_csv, o->meter_offset_seconds, &m->samples))
        status = tm_probe_refuse(health, err, TM_PROBE_INVALID, "", "meter: %s", m->samples.broken);
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

TM_PRINTF(2, 3) static void spoil(tm_probe_value *v, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(v->reason, sizeof v->reason, fmt, args);
    va_end(args);
    v->state = TM_PROBE_INVALID;
}

static void collect_meter(tm_probe *probe, tm_channel *channel, int64_t begin_ns, int64_t end_ns,
                          tm_probe_value *v)
{
    (void)channel;
    meter *m = probe->private;
    const tm_probe_options *o = &probe->options;
    double clock = clock_difference(), seconds = 1e-9 * (double)(end_ns - begin_ns);
    double begin = 1e-9 * (double)begin_ns + clock, end = 1e-9 * (double)end_ns + clock;
    v->state = TM_PROBE_OK;
    if (seconds < o->min_seconds) {
        spoil(v, "a window of %.3g s is shorter than the %.3g s a figure of energy needs", seconds,
              o->min_seconds);
        return;
    }
    if (fabs(clock - m->clock_seconds) > MAX_STEP_SECONDS) {
        spoil(v, "this machine's clock was set by %.3g s since the meter began",
              clock - m->clock_seconds);
        return;
    }
    /* The edge is between two samples: the second is still to come. */
    for (int64_t until = tm_now_ns() + (int64_t)(1e9 * TM_METER_SERIES_GAP_SECONDS);
         tm_now_ns() < until;) {
        pthread_mutex_lock(&m->lock);
        if (!m->child) {
            tm_meter_series_free(&m->samples);
            (void)tm_meter_series_read(o->meter_csv, o->meter_offset_seconds, &m->samples);
        }
        int n = m->samples.n;
        bool done = m->samples.broken[0] || (n > 0 && m->samples.time[n - 1] >= end);
        pthread_mutex_unlock(&m->lock);
        if (done) break;
        usleep(m->child ? 5000 : 100000);
    }
    pthread_mutex_lock(&m->lock);
    tm_meter_series_integrate(&m->samples, begin, end, v);
    pthread_mutex_unlock(&m->lock);
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
    snprintf(out->reason, sizeof out->reason, "%s has samples of its own", channel->info.name);
    return TM_PROBE_INVALID;
}

static void close_meter(tm_probe *probe)
{
    meter *m = probe->private;
    if (!m) return;
    if (m->threaded) {
        uint64_t one = 1;
        ssize_t told = write(m->stop_fd, &one, sizeof one);
        (void)told; /* an eventfd at 0 takes it */
        pthread_join(m->thread, NULL);
    }
    if (m->child) tm_child_close(m->child, 0, NULL);
    if (m->stop_fd >= 0) close(m->stop_fd);
    pthread_mutex_destroy(&m->lock);
    tm_meter_series_free(&m->samples);
    free(m);
}

const tm_probe_source tm_probe_meter = {.name = "meter",
                                        .open = open_meter,
                                        .read = read_meter,
                                        .collect = collect_meter,
                                        .trace = trace_meter,
                                        .close = close_meter};
