/* The clock every timing reads. */
#ifndef TM_HARNESS_CLOCK_H
#define TM_HARNESS_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Nanoseconds on CLOCK_MONOTONIC: never set back, the same in every process of the machine. */
static inline int64_t tm_now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

#endif
