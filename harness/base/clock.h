/* The clock that the harness reads and sleeps by. Tests replace it (tests/harness/fake_clock.h) and
 * so wait for nothing. */
#ifndef TM_HARNESS_BASE_CLOCK_H
#define TM_HARNESS_BASE_CLOCK_H

#include "kernels/base.h"

struct pollfd;

typedef struct tm_clock {
    int64_t (*now_ns)(void *context); /* monotonic */
    void (*sleep_ns)(void *context, int64_t duration_ns);
    void *context; /* borrowed */
} tm_clock;

/* In all of them a NULL clock is the system's: CLOCK_MONOTONIC, as tm_now_ns reads it. */
int64_t tm_clock_now(const tm_clock *clock);
/* Returns at once if the duration is 0 or less. A signal does not shorten the sleep. */
void tm_clock_sleep(const tm_clock *clock, int64_t duration_ns);
void tm_clock_sleep_until(const tm_clock *clock, int64_t time_ns);
/* poll(2) with its time-out on this clock; 0 or less: do not wait. A replaced clock sleeps the
 * whole time-out if no descriptor is ready, then looks again. Returns poll's result. */
int tm_clock_poll(const tm_clock *clock, struct pollfd *fds, int n_fds, int64_t timeout_ns);

/* Add this to tm_now_ns to get CLOCK_REALTIME. The thread may be preempted between its reads of the
 * two clocks, so the result comes from the closest of five pairs. */
int64_t tm_unix_offset_ns(void);
/* Seconds since 1970 on CLOCK_REALTIME. */
double tm_unix_now(void);

#endif
