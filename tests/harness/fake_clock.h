/* A clock whose time passes only when it is slept on, or by a fixed step at each reading. */
#ifndef TM_TESTS_HARNESS_FAKE_CLOCK_H
#define TM_TESTS_HARNESS_FAKE_CLOCK_H

#include "harness/base/clock.h"

typedef struct fake_clock {
    tm_clock clock; /* hand out its address */
    int64_t time_ns;
    int64_t step_ns; /* added after each reading */
    int64_t slept_ns;
    int n_sleeps;
    /* Called after each sleep, to let something happen at a time; NULL: nothing does. */
    void (*on_sleep)(struct fake_clock *fake);
    void *arg; /* for on_sleep */
} fake_clock;

static inline int64_t fake_clock_now(void *context)
{
    fake_clock *fake = context;
    int64_t now = fake->time_ns;
    fake->time_ns += fake->step_ns;
    return now;
}

static inline void fake_clock_sleep(void *context, int64_t duration_ns)
{
    fake_clock *fake = context;
    fake->time_ns += duration_ns;
    fake->slept_ns += duration_ns;
    fake->n_sleeps++;
    if (fake->on_sleep) fake->on_sleep(fake);
}

/* Starts at 1000 s. The clock must not move in memory afterwards. */
static inline void fake_clock_init(fake_clock *fake)
{
    *fake = (fake_clock){.time_ns = 1000000000000};
    fake->clock = (tm_clock){fake_clock_now, fake_clock_sleep, fake};
}

#endif
