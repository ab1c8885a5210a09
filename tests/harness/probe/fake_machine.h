/* A machine with a fake clock: sleeping returns at once, but counters advance and the open window
 * is sampled as its thread would do it. */
#ifndef TM_TESTS_HARNESS_PROBE_FAKE_MACHINE_H
#define TM_TESTS_HARNESS_PROBE_FAKE_MACHINE_H

#include "harness/probe/probe_source.h"
#include "tests/harness/fake_clock.h"
#include "tests/harness/probe/energy_tree.h"

#include <math.h>

typedef struct fake_machine {
    fake_clock fake;   /* &fake.clock does not sample the window: for sleeping while it is read */
    tm_clock clock;    /* hand out its address */
    tm_probe *probe;   /* NULL: there is no window to sample */
    tree_meter *meter; /* NULL: no counters advance */
    bool stalled;      /* time passes, but the window is not sampled */
} fake_machine;

static inline int64_t machine_now(void *context)
{
    fake_machine *m = context;
    return fake_clock_now(&m->fake);
}

static inline void machine_sleep_ns(void *context, int64_t duration_ns)
{
    fake_machine *m = context;
    int64_t end = m->fake.time_ns + duration_ns;
    while (m->fake.time_ns < end) {
        int64_t due = m->probe && !m->stalled ? tm_probe_step(m->probe) : INT64_MAX;
        int64_t next = due < end ? due : end;
        int64_t passed = next - m->fake.time_ns;
        if (passed > 0) fake_clock_sleep(&m->fake, passed);
        if (m->meter) tree_meter_write(m->meter, 1e-9 * (double)passed);
    }
    if (m->probe && !m->stalled) (void)tm_probe_step(m->probe);
}

static inline void machine_init(fake_machine *m)
{
    *m = (fake_machine){0};
    fake_clock_init(&m->fake);
    m->clock = (tm_clock){machine_now, machine_sleep_ns, m};
}

static inline void machine_sleep(fake_machine *m, double seconds)
{
    machine_sleep_ns(m, (int64_t)llround(1e9 * seconds));
}

/* Time passes as if the thread that samples were not scheduled. */
static inline void machine_stall(fake_machine *m, double seconds)
{
    m->stalled = true;
    machine_sleep(m, seconds);
    m->stalled = false;
}

/* Opens a source on this machine, which must work. The machine then samples its windows. */
static inline tm_probe *machine_open(fake_machine *m, const char *source,
                                     const tm_probe_options *options)
{
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options o = *options;
    o.clock = &m->clock;
    assert_ok(tm_probe_open(source, &o, &m->probe, &health, &err), err);
    assert_int_equal(health.state, TM_PROBE_OK);
    return m->probe;
}

/* Closes the probe, if one is open. */
static inline void machine_close(fake_machine *m)
{
    tm_probe_close(m->probe);
    m->probe = NULL;
}

/* Measures a window of this length. */
static inline void machine_measure(fake_machine *m, double seconds, tm_probe_window *window)
{
    tm_probe_start(m->probe);
    machine_sleep(m, seconds);
    tm_probe_stop(m->probe, window);
    assert_true(window->seconds >= (1 - 1e-9) * seconds);
    assert_true(window->seconds == 1e-9 * (double)(window->end_ns - window->begin_ns));
}

/* The channel must have a value; prints the reason otherwise. */
static inline void assert_measured(const tm_probe_value *v)
{
    if (v->state != TM_PROBE_OK) fail_msg("%s: %s", v->info ? v->info->name : "sum", v->reason);
}

static inline void assert_not_measured(const tm_probe_value *v, tm_probe_state state,
                                       const char *reason)
{
    assert_int_equal(v->state, state);
    assert_says(v->reason, reason);
    assert_true(isnan(v->value) && isnan(v->error_bound));
}

/* Equal but for rounding. */
static inline void assert_close(double value, double expected)
{
    if (!(fabs(value - expected) <= 1e-9 * fabs(expected)))
        fail_msg("%.12g instead of %.12g", value, expected);
}

#endif
