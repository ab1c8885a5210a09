/* Windows of a probe on a machine that may stand still at any moment: waiting for what has happened, never
 * for a time in which it should have, and brackets of the test's own clock around both edges. */
#ifndef TM_TESTS_HARNESS_PROBE_TIMED_WINDOW_H
#define TM_TESTS_HARNESS_PROBE_TIMED_WINDOW_H

#include "harness/base/clock.h"
#include "harness/probe/probe_source.h"
#include "tests/harness/scratch.h"

#include <math.h>

/* More than a busy machine stands still. */
#define WAIT_SECONDS 60

#define wait_until(condition)                                                                      \
    do {                                                                                           \
        for (int64_t last_ns = tm_now_ns() + WAIT_SECONDS * 1000000000ll; !(condition);) {         \
            if (tm_now_ns() > last_ns) fail_msg("%d s without %s", WAIT_SECONDS, #condition);      \
            usleep(2000);                                                                          \
        }                                                                                          \
    } while (0)

/* Whether the open window has read a channel n times, or lost it: what wait_until waits for. */
static inline bool has_read(tm_probe *probe, int channel, int64_t n)
{
    pthread_mutex_lock(&probe->lock);
    const tm_tally *t = &probe->tallies[channel];
    bool done = t->n_samples >= n || t->state != TM_PROBE_OK;
    pthread_mutex_unlock(&probe->lock);
    return done;
}

static inline bool has_lost(tm_probe *probe, int channel)
{
    return has_read(probe, channel, INT64_MAX);
}

typedef struct timed_call {
    int64_t begin_ns, end_ns;
} timed_call;

static inline double call_seconds(timed_call call)
{
    return 1e-9 * (double)(call.end_ns - call.begin_ns);
}

/* A window, and when the test went into the calls that made its edges and came out of them. */
typedef struct timed_window {
    tm_probe_window w;
    timed_call start, stop;
} timed_window;

static inline void timed_start(tm_probe *probe, timed_window *t)
{
    t->start.begin_ns = tm_now_ns();
    tm_probe_start(probe);
    t->start.end_ns = tm_now_ns();
}

/* Leaves the window open until it is this long, or longer. */
static inline void timed_sleep(const timed_window *t, double seconds)
{
    int64_t until = t->start.end_ns + (int64_t)(1e9 * seconds);
    struct timespec end = {until / 1000000000, until % 1000000000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &end, NULL) != 0) {
    }
}

/* The edges lie within the calls, whatever those take. */
static inline void timed_stop(tm_probe *probe, timed_window *t)
{
    const tm_probe_window *w = &t->w;
    t->stop.begin_ns = tm_now_ns();
    tm_probe_stop(probe, &t->w);
    t->stop.end_ns = tm_now_ns();
    assert_true(w->begin_ns >= t->start.begin_ns && w->begin_ns <= t->start.end_ns);
    assert_true(w->end_ns >= t->stop.begin_ns && w->end_ns <= t->stop.end_ns);
    assert_true(w->seconds == 1e-9 * (double)(w->end_ns - w->begin_ns));
}

/* How long both calls took: no edge is more uncertain. A few microseconds on a quiet machine. */
static inline double edges_seconds(const timed_window *t)
{
    return call_seconds(t->start) + call_seconds(t->stop);
}

/* Refused as it must be: the thread that reads stood still at an edge. */
static inline bool stood_at_edges(const tm_probe_value *v, const timed_window *t)
{
    return v->state == TM_PROBE_INVALID &&
           strstr(v->reason, "at both edges took so long") != NULL &&
           2 * (edges_seconds(t) + 2e-3) >= t->w.seconds;
}

/* The same of sampled power, and where its samples lie farther apart than a probe takes. */
static inline bool stood_still(const tm_probe_value *v, const timed_window *t)
{
    return stood_at_edges(v, t) || (v->state == TM_PROBE_INVALID && v->largest_gap_seconds > 2 &&
                                    strstr(v->reason, "was not read for") != NULL);
}

/* At most what edges leave open that are as uncertain as both calls were long, and `more`. */
static inline double edges_joules(const tm_probe_value *v, const timed_window *t, double more)
{
    double off = edges_seconds(t) + more;
    return v->value * off / fmax(t->w.seconds - off, off);
}

/* A counter's bound: two updates of 1 ms at the mean watts, and no more than the edges leave open. */
static inline void assert_counter_bound(const tm_probe_value *v, const timed_window *t)
{
    double least = 2e-3 * v->value / t->w.seconds, most = edges_joules(v, t, 2e-3) + 1e-5;
    if (!(v->error_bound >= least && v->error_bound <= most))
        fail_msg("%s: a bound of %g J, not between %g J and %g J", v->info->name, v->error_bound,
                 least, most);
}

/* n reads have n - 1 gaps, none of them above the largest, and that within the window. */
static inline void assert_gaps(const tm_probe_value *v, const timed_window *t)
{
    double n_gaps = (double)(v->n_samples - 1);
    assert_true(n_gaps >= 1 && fabs(v->rate_hz * t->w.seconds - n_gaps) < 1e-6 * n_gaps);
    assert_true(v->largest_gap_seconds <= t->w.seconds + edges_seconds(t));
    assert_true(v->largest_gap_seconds * n_gaps >= t->w.seconds - edges_seconds(t));
}

#endif
