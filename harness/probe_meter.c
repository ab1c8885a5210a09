/* An external meter: a command that prints samples while the work runs, or a file of them.
 *
 * The first line names the columns, "time watts" or "time joules" (blanks, commas, semicolons or tabs
 * between); then a sample per line, time in seconds since 1970 by the meter's clock, joules as a
 * count that rises. Lines that begin with # are left out. */
#include "harness/probe_source.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "harness/clock.h"
#include "harness/isolate.h"

#define MAX_SAMPLES        (1 << 22)
#define MIN_SAMPLES        10
#define MAX_GAP_SECONDS    2.0 /* a sample a second, and one may be late */
#define MAX_STEP_SECONDS   0.2 /* of this machine's clock against CLOCK_MONOTONIC */
#define FIRST_LINE_SECONDS 10.0

typedef struct series {
    double *time, *value; /* [n]; time in seconds since 1970, offset added */
    int n, room;
    bool named, joules;
    char broken[200]; /* why the rest was not read; "" */
} series;

typedef struct meter {
    series samples;
    tm_child *child; /* NULL: a file */
    int stop_fd;
    bool threaded, ended;
    pthread_t thread;
    pthread_mutex_t lock; /* of samples and ended */
    double clock_seconds; /* CLOCK_REALTIME less CLOCK_MONOTONIC, on opening */
} meter;

static double clock_difference(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec - 1e-9 * (double)tm_now_ns();
}

static bool grow(series *s)
{
    if (s->n < s->room) return true;
    int room = s->room ? 2 * s->room : 1024;
    if (room > MAX_SAMPLES) return false;
    double *time = realloc(s->time, (size_t)room * sizeof *time);
    if (time) s->time = time;
    double *value = realloc(s->value, (size_t)room * sizeof *value);
    if (value) s->value = value;
    if (!time || !value) return false;
    s->room = room;
    return true;
}

static void series_free(series *s)
{
    free(s->time);
    free(s->value);
    memset(s, 0, sizeof *s);
}

/* "a, b" into two words; false for fewer. What stands behind the second is left out. */
static bool two_words(const char *line, char first[40], char second[40])
{
    return sscanf(line, " %39[^,; \t\r]%*[,; \t]%39[^,; \t\r]", first, second) == 2;
}

static bool number(const char *text, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && *end == 0 && isfinite(*out);
}

static void add_line(series *s, const char *line, double offset)
{
    char first[40], second[40];
    double time, value;
    while (isspace((unsigned char)*line)) line++;
    if (s->broken[0] || line[0] == 0 || line[0] == '#') return;
    bool two = two_words(line, first, second);
    if (!s->named) {
        s->named = two && strcasecmp(first, "time") == 0 &&
                   (strcasecmp(second, "watts") == 0 || strcasecmp(second, "joules") == 0);
        s->joules = s->named && strcasecmp(second, "joules") == 0;
        if (!s->named)
            snprintf(s->broken, sizeof s->broken,
                     "its first line is \"%.40s\", not \"time watts\" or \"time joules\"", line);
        return;
    }
    if (!two || !number(first, &time) || !number(second, &value) || value < 0)
        snprintf(s->broken, sizeof s->broken, "sample %d is \"%.60s\": not a time and %s", s->n + 1,
                 line, s->joules ? "joules" : "watts");
    else if (s->n > 0 && time + offset <= s->time[s->n - 1])
        snprintf(s->broken, sizeof s->broken, "sample %d at %.3f is not after the one before it",
                 s->n + 1, time);
    else if (!grow(s))
        snprintf(s->broken, sizeof s->broken, "more than %d samples, or no memory for them", s->n);
    else {
        s->time[s->n] = time + offset;
        s->value[s->n++] = value;
    }
}

static bool read_csv(const char *path, double offset, series *s)
{
    char line[256];
    FILE *f = fopen(path, "re");
    if (!f) {
        snprintf(s->broken, sizeof s->broken, "%.100s: %s", path, strerror(errno));
        return false;
    }
    while (!s->broken[0] && fgets(line, sizeof line, f)) {
        size_t length = strlen(line);
        if (length > 0 && line[length - 1] != '\n') break; /* still being written */
        if (length > 0) line[length - 1] = 0;
        add_line(s, line, offset);
    }
    fclose(f);
    if (!s->named && !s->broken[0])
        snprintf(s->broken, sizeof s->broken, "%.100s has no whole line", path);
    return s->named;
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
            add_line(&m->samples, line, probe->options.meter_offset_seconds);
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
    else if (!read_csv(o->meter_csv, o->meter_offset_seconds, &m->samples))
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

/* The value at a time between samples i - 1 and i. */
static double between(const series *s, int i, double time)
{
    double share = (time - s->time[i - 1]) / (s->time[i] - s->time[i - 1]);
    return s->value[i - 1] + share * (s->value[i] - s->value[i - 1]);
}

/* Trapezoids, or the difference of counts, from begin to end with both edges interpolated. */
static void integrate(const series *s, double begin, double end, tm_probe_value *v)
{
    if (s->n < 2 || s->time[0] > begin || s->time[s->n - 1] < end) {
        if (s->broken[0])
            spoil(v, "the meter's samples do not cover the window: %s", s->broken);
        else if (s->n == 0)
            spoil(v, "the meter gave no sample");
        else
            spoil(v, "the meter's samples run from %.3f s to %.3f s of a window from 0 to %.3f s",
                  s->time[0] - begin, s->time[s->n - 1] - begin, end - begin);
        return;
    }
    int i = 1, n_inside = 0;
    while (s->time[i] <= begin) i++;
    double time = begin, value = between(s, i, begin), first = value;
    double total = 0, wobble = 0, gap = 0;
    for (bool last = false; !last; i++) {
        last = s->time[i] >= end;
        double next_time = last ? end : s->time[i];
        double next = last ? between(s, i, end) : s->value[i];
        if (s->joules && s->value[i] < s->value[i - 1]) {
            spoil(v, "the meter's count fell from %g J to %g J", s->value[i - 1], s->value[i]);
            return;
        }
        total += 0.5 * (value + next) * (next_time - time);
        wobble += 0.5 * fabs(next - value) * (next_time - time);
        gap = fmax(gap, s->time[i] - s->time[i - 1]);
        n_inside += !last;
        time = next_time;
        value = next;
    }
    v->n_samples = n_inside;
    v->rate_hz = n_inside / (end - begin);
    v->largest_gap_seconds = gap;
    if (n_inside < MIN_SAMPLES)
        spoil(v, "%d samples of the meter in %.3g s are not a measurement: %d are", n_inside,
              end - begin, MIN_SAMPLES);
    else if (gap > MAX_GAP_SECONDS)
        spoil(v, "the meter was silent for %.3g s, above %.3g s", gap, MAX_GAP_SECONDS);
    else {
        v->value = s->joules ? value - first : total;
        /* A count's edges are each off by at most what a gap brings. */
        v->error_bound = s->joules ? 2 * v->value * gap / (end - begin) : wobble;
        if (!(v->value > 0)) {
            spoil(v, "the meter read 0 for the whole window");
            v->state = TM_PROBE_STUCK;
            v->value = v->error_bound = NAN;
        }
    }
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
    for (int64_t until = tm_now_ns() + (int64_t)(1e9 * MAX_GAP_SECONDS); tm_now_ns() < until;) {
        pthread_mutex_lock(&m->lock);
        if (!m->child) {
            series_free(&m->samples);
            (void)read_csv(o->meter_csv, o->meter_offset_seconds, &m->samples);
        }
        int n = m->samples.n;
        bool done = m->samples.broken[0] || (n > 0 && m->samples.time[n - 1] >= end);
        pthread_mutex_unlock(&m->lock);
        if (done) break;
        usleep(m->child ? 5000 : 100000);
    }
    pthread_mutex_lock(&m->lock);
    integrate(&m->samples, begin, end, v);
    pthread_mutex_unlock(&m->lock);
}

/* The watts at each of the meter's samples, or between two counts; a point out of so many that the
 * room suffices. */
static int trace_meter(tm_probe *probe, int64_t begin_ns, int64_t end_ns, tm_probe_point *out,
                       int room)
{
    meter *m = probe->private;
    double clock = clock_difference();
    double begin = 1e-9 * (double)begin_ns + clock, end = 1e-9 * (double)end_ns + clock;
    int n = 0;
    pthread_mutex_lock(&m->lock);
    const series *s = &m->samples;
    int first = 0, last;
    while (first < s->n && s->time[first] < begin) first++;
    for (last = first; last < s->n && s->time[last] <= end;) last++;
    int stride = (last - first) / room + 1;
    for (int i = first; i < last; i += stride) {
        if (s->joules && i < stride) continue;
        double watts =
            s->joules ? (s->value[i] - s->value[i - stride]) / (s->time[i] - s->time[i - stride])
                      : s->value[i];
        if (watts >= 0) out[n++] = (tm_probe_point){s->time[i] - begin, watts};
    }
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
    series_free(&m->samples);
    free(m);
}

const tm_probe_source tm_probe_meter = {.name = "meter",
                                        .open = open_meter,
                                        .read = read_meter,
                                        .collect = collect_meter,
                                        .trace = trace_meter,
                                        .close = close_meter};
