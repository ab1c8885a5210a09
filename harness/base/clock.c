#include "harness/base/clock.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <time.h>

int64_t tm_clock_now(const tm_clock *clock)
{
    return clock ? clock->now_ns(clock->context) : tm_now_ns();
}

static void sleep_until_system(int64_t time_ns)
{
    struct timespec t = {.tv_sec = (time_t)(time_ns / 1000000000),
                         .tv_nsec = (long)(time_ns % 1000000000)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR) {
    }
}

void tm_clock_sleep(const tm_clock *clock, int64_t duration_ns)
{
    if (duration_ns <= 0) return;
    if (clock)
        clock->sleep_ns(clock->context, duration_ns);
    else
        sleep_until_system(tm_now_ns() + duration_ns);
}

void tm_clock_sleep_until(const tm_clock *clock, int64_t time_ns)
{
    if (clock)
        tm_clock_sleep(clock, time_ns - tm_clock_now(clock));
    else
        sleep_until_system(time_ns);
}

/* Rounded up, so that a wait never ends before its time. */
static int milliseconds(int64_t duration_ns)
{
    if (duration_ns <= 0) return 0;
    int64_t ms = duration_ns / 1000000 + (duration_ns % 1000000 != 0);
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

int tm_clock_poll(const tm_clock *clock, struct pollfd *fds, int n_fds, int64_t timeout_ns)
{
    if (!clock) return poll(fds, (nfds_t)n_fds, milliseconds(timeout_ns));
    int n = poll(fds, (nfds_t)n_fds, 0);
    if (n != 0 || timeout_ns <= 0) return n;
    tm_clock_sleep(clock, timeout_ns);
    return poll(fds, (nfds_t)n_fds, 0);
}

static int64_t unix_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t tm_unix_offset_ns(void)
{
    int64_t shortest = INT64_MAX, offset = 0;
    for (int i = 0; i < 5; i++) {
        int64_t before = tm_now_ns();
        int64_t unix_ns = unix_now_ns();
        int64_t gap = tm_now_ns() - before;
        if (gap >= shortest) continue;
        shortest = gap;
        offset = unix_ns - (before + gap / 2);
    }
    return offset;
}

double tm_unix_now(void)
{
    return 1e-9 * (double)unix_now_ns();
}
