/* The clock every timing reads. */
#ifndef TM_HARNESS_BASE_CLOCK_H
#define TM_HARNESS_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds on CLOCK_MONOTONIC: never set back, the same in every process of the machine. */
static inline int64_t tm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* What is to be added to tm_now_ns to get CLOCK_REALTIME. A thread may be put aside between reading the one
 * clock and the other, and for how long would look like a difference of the clocks: of a few readings the
 * quickest counts. */
static inline int64_t tm_unix_offset_ns(void)
{
    int64_t quickest = INT64_MAX, offset = 0;
    for (int i = 0; i < 5; i++) {
        struct timespec t;
        int64_t before = tm_now_ns();
        clock_gettime(CLOCK_REALTIME, &t);
        int64_t took = tm_now_ns() - before;
        if (took >= quickest) continue;
        quickest = took;
        offset = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec - (before + took / 2);
    }
    return offset;
}

#endif
