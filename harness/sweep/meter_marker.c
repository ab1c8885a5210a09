#include "harness/sweep/meter_marker.h"

#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define STEP_SECONDS    0.1  /* of the search; an error of half a part would still correlate */
#define FINE_SECONDS    0.01 /* step around the best offset */
#define MIN_CORRELATION 0.7
#define MIN_LEAD        0.05 /* over the second best offset */
#define APART_SECONDS   TM_METER_MARKER_SECONDS
#define MIN_SAMPLES     10      /* inside the pattern: two per part */
#define STEPS_MAX       2000000 /* two days */
#define EQUAL           1e-9
#define NOISE           8.0 /* over the samples: how far noise may change the residual; 2.8 sigma */

/* Unlike each other and no multiples of a meter's period, so that the edges do not all lie at the
 * same place between two samples. */
static const double part_seconds[TM_METER_MARKER_PARTS] = {2.63, 3.31, 2.87, 3.57, 2.62};

static void *spin(void *arg)
{
    const atomic_bool *go_on = arg;
    volatile uint64_t x = 1;
    while (atomic_load(go_on))
        for (int i = 0; i < 1000; i++) x = tm_mix64(x);
    return NULL;
}

/* Returns true if it was interrupted. */
static bool sleep_part(const tm_clock *clock, const tm_interrupt *interrupt, double seconds)
{
    struct pollfd fd = {.fd = tm_interrupt_fd(interrupt), .events = POLLIN};
    return tm_clock_poll(clock, &fd, 1, (int64_t)(1e9 * seconds)) > 0;
}

static double unix_seconds(const tm_clock *clock)
{
    return 1e-9 * (double)(tm_clock_now(clock) + tm_unix_offset_ns());
}

tm_status tm_meter_marker_show(int n_threads, const tm_interrupt *interrupt, const tm_clock *clock,
                               tm_meter_marker *out, tm_error *err)
{
    pthread_t *threads = calloc((size_t)n_threads, sizeof *threads);
    tm_status status = TM_OK;
    if (!threads) return tm_fail(err, TM_NOMEM, "no memory for %d threads", n_threads);
    memset(out, 0, sizeof *out);
    out->n_threads = n_threads;
    for (int part = 0; part < TM_METER_MARKER_PARTS && status == TM_OK; part++) {
        atomic_bool go_on = true;
        int n = 0;
        out->edge_unix_seconds[part] = unix_seconds(clock);
        for (; (part & 1) && n < n_threads; n++) {
            int why = pthread_create(&threads[n], NULL, spin, &go_on);
            if (why) {
                status = tm_fail(err, TM_IO, "no thread for the load pattern: %s", strerror(why));
                break;
            }
        }
        if (status == TM_OK && sleep_part(clock, interrupt, part_seconds[part]))
            status = tm_fail(err, TM_INTERRUPTED, "interrupted");
        atomic_store(&go_on, false);
        for (int i = 0; i < n; i++) pthread_join(threads[i], NULL);
    }
    out->edge_unix_seconds[TM_METER_MARKER_PARTS] = unix_seconds(clock);
    free(threads);
    return status;
}

tm_json *tm_meter_marker_to_json(const tm_meter_marker *marker)
{
    tm_json *json = tm_json_object(), *edges = tm_json_array();
    tm_json_put_string(json, "pattern", "idle spin idle spin idle");
    for (int i = 0; i <= TM_METER_MARKER_PARTS; i++)
        tm_json_append(edges, tm_json_number(marker->edge_unix_seconds[i]));
    tm_json_set(json, "edge_unix_seconds", edges);
    tm_json_put_int(json, "threads", marker->n_threads);
    return json;
}

bool tm_meter_marker_from_json(const tm_json *json, tm_meter_marker *out)
{
    const tm_json *edges = tm_json_get(json, "edge_unix_seconds");
    memset(out, 0, sizeof *out);
    if (tm_json_count(edges) != TM_METER_MARKER_PARTS + 1) return false;
    for (int i = 0; i <= TM_METER_MARKER_PARTS; i++) {
        double at = tm_json_double(tm_json_at(edges, i), NAN),
               last = i ? out->edge_unix_seconds[i - 1] : 0;
        if (!(at > last && at < 1e11 && (i == 0 || at - last < 60))) return false;
        out->edge_unix_seconds[i] = at;
    }
    return true;
}

/* The meter's power at its samples; for counts, between two samples. */
typedef struct powers {
    double *time, *watts; /* [n] */
    int n;
} powers;

static tm_status make_powers(const tm_meter_series *s, powers *out, tm_error *err)
{
    out->n = 0;
    out->time = calloc((size_t)s->n + 1, sizeof *out->time);
    out->watts = calloc((size_t)s->n + 1, sizeof *out->watts);
    if (!out->time || !out->watts) return tm_fail(err, TM_NOMEM, "no memory for %d samples", s->n);
    for (int i = s->joules; i < s->n; i++) {
        out->time[out->n] = s->joules ? 0.5 * (s->time[i] + s->time[i - 1]) : s->time[i];
        out->watts[out->n++] = s->joules
                                   ? (s->value[i] - s->value[i - 1]) / (s->time[i] - s->time[i - 1])
                                   : s->value[i];
    }
    return TM_OK;
}

/* Pearson's correlation of the samples inside the pattern with the pattern; -1 if they are few. */
static double correlate(const powers *p, const tm_meter_marker *m, double offset)
{
    const double *edge = m->edge_unix_seconds;
    int low = 0, high = p->n;
    while (low < high) { /* find the first sample in the pattern */
        int middle = (low + high) / 2;
        if (p->time[middle] + offset < edge[0])
            low = middle + 1;
        else
            high = middle;
    }
    double n = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, xy = 0;
    for (int i = low, part = 0; i < p->n; i++) {
        double time = p->time[i] + offset;
        while (part < TM_METER_MARKER_PARTS && time >= edge[part + 1]) part++;
        if (part == TM_METER_MARKER_PARTS) break;
        double x = part & 1, y = p->watts[i] - p->watts[low];
        n++;
        x1 += x;
        y1 += y;
        x2 += x * x;
        y2 += y * y;
        xy += x * y;
    }
    double spread = (n * x2 - x1 * x1) * (n * y2 - y1 * y1);
    return n >= MIN_SAMPLES && spread > 0 ? (n * xy - x1 * y1) / sqrt(spread) : -1;
}

/* The time between two samples in the pattern. */
static double find_period(const powers *p, const tm_meter_marker *m, double offset)
{
    const double *edge = m->edge_unix_seconds;
    double first = NAN, last = NAN;
    int n = 0;
    for (int i = 0; i < p->n; i++) {
        double time = p->time[i] + offset;
        if (time < edge[0] || time >= edge[TM_METER_MARKER_PARTS]) continue;
        if (n++ == 0) first = time;
        last = time;
    }
    return n > 1 ? (last - first) / (n - 1) : 0;
}

/* How long the meter takes from idle power to load, from the share of the samples that lie between
 * the two. A mean over some time shows an edge as a ramp of that length. */
static double find_ramp(const powers *p, const tm_meter_marker *m, double offset, double period)
{
    const double *edge = m->edge_unix_seconds;
    double sum[2] = {0}, count[2] = {0};
    int between = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0, part = 0; i < p->n; i++) {
            double time = p->time[i] + offset;
            while (part < TM_METER_MARKER_PARTS && time >= edge[part + 1]) part++;
            if (part == TM_METER_MARKER_PARTS) break;
            if (time < edge[0]) continue;
            double middle = 0.5 * (edge[part] + edge[part + 1]);
            if (pass == 0 && fabs(time - middle) < 0.2 * (edge[part + 1] - edge[part])) {
                sum[part & 1] += p->watts[i];
                count[part & 1]++;
            }
            if (pass == 0 || count[0] == 0 || count[1] == 0) continue;
            double low = sum[0] / count[0], high = sum[1] / count[1];
            double share = (p->watts[i] - low) / (high - low);
            between += share > 0.2 && share < 0.8;
        }
    return between * period / (0.6 * (TM_METER_MARKER_PARTS - 1));
}

static tm_status search(const powers *p, const tm_meter_marker *m, tm_meter_marker_match *out,
                        tm_error *err)
{
    const double *edge = m->edge_unix_seconds;
    double from = edge[TM_METER_MARKER_PARTS] - p->time[p->n - 1], to = edge[0] - p->time[0];
    double best = -1, second = -1, at = from;
    if (to < from)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the meter's log is shorter than the load pattern of %.0f s",
                       edge[TM_METER_MARKER_PARTS] - edge[0]);
    if ((to - from) / STEP_SECONDS > STEPS_MAX)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the meter's log is longer than two days; cut out the time of the run, or "
                       "give the clock offset with --meter-offset");
    int n_steps = (int)ceil((to - from) / STEP_SECONDS);
    for (int i = 0; i <= n_steps; i++) {
        double offset = fmin(from + i * STEP_SECONDS, to), r = correlate(p, m, offset);
        if (r > best) {
            best = r;
            at = offset;
        }
    }
    for (int i = 0; i <= n_steps; i++) {
        double offset = fmin(from + i * STEP_SECONDS, to), r = correlate(p, m, offset);
        if (fabs(offset - at) > APART_SECONDS && r > second) second = r;
    }
    if (best < MIN_CORRELATION)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the load pattern is not found in the meter's log (the best correlation is "
                       "%.2f, below %.2f); give the clock offset with --meter-offset",
                       best, MIN_CORRELATION);
    if (best - second < MIN_LEAD)
        return tm_fail(err, TM_UNSUPPORTED,
                       "two places in the meter's log match the load pattern (correlations %.2f "
                       "and %.2f); give the clock offset with --meter-offset",
                       best, second);
    double fine = at, period = find_period(p, m, at);
    for (double d = at - APART_SECONDS; d <= at + APART_SECONDS; d += FINE_SECONDS) {
        double r = correlate(p, m, d);
        if (r <= best) continue;
        best = r;
        fine = d;
    }
    /* Offsets whose residual is no larger than noise may make it. */
    double n = (edge[TM_METER_MARKER_PARTS] - edge[0]) / fmax(period, 1e-3);
    double residual = (1 - best * best) * (1 + NOISE / n) + EQUAL, low = fine, high = fine;
    for (double d = fine - APART_SECONDS; d <= fine + APART_SECONDS; d += FINE_SECONDS) {
        double r = correlate(p, m, d);
        if (r < 0 || 1 - r * r > residual) continue;
        low = fmin(low, d);
        high = fmax(high, d);
    }
    double ramp = find_ramp(p, m, fine, period);
    out->offset_seconds = 0.5 * (low + high);
    out->error_seconds =
        fmax(0.5 * (high - low), 0.5 * period) + 0.5 * fmax(ramp, period) + FINE_SECONDS;
    out->correlation = best;
    return TM_OK;
}

tm_status tm_meter_marker_find(const tm_meter_series *series, const tm_meter_marker *marker,
                               tm_meter_marker_match *out, tm_error *err)
{
    powers p = {0};
    memset(out, 0, sizeof *out);
    tm_status status = make_powers(series, &p, err);
    if (status == TM_OK && p.n < MIN_SAMPLES)
        status = tm_fail(err, TM_UNSUPPORTED, "the meter's log has only %d samples%s%s", p.n,
                         series->broken[0] ? ": " : "", series->broken);
    if (status == TM_OK) status = search(&p, marker, out, err);
    free(p.time);
    free(p.watts);
    return status;
}
