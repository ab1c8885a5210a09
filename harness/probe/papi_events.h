/* Loads PAPI at run time, so that the program starts without it. One set of events counts this
 * process and the threads that start later.
 *
 * The events are never multiplexed, because PAPI scales multiplexed values without reporting the
 * share of the time they were counted for. An event that does not fit next to the others is refused
 * with PAPI's reason; perf, which reports the share, may count it. PAPI pins its events, so that an
 * event that loses its counter later reads as an error and not as too low a count.
 *
 * Source: papi.h of PAPI 7; src/components/perf_event/perf_event.c. */
#ifndef TM_HARNESS_PROBE_PAPI_EVENTS_H
#define TM_HARNESS_PROBE_PAPI_EVENTS_H

#include "kernels/base.h"

#define TM_PAPI_EVENTS_MAX 32

typedef struct tm_papi tm_papi;

/* library: a file, or NULL for the system's. One at a time, because PAPI's state is global. Errors:
 * UNSUPPORTED (not installed, or another version than this program was built with), NOMEM. */
tm_status tm_papi_open(const char *library, tm_papi **out, tm_error *err) TM_MUST_USE;
void tm_papi_close(tm_papi *papi);

const char *tm_papi_version(const tm_papi *papi); /* "7.0.0" */

typedef enum tm_papi_cause {
    TM_PAPI_COUNTS,  /* at least one preset can be opened */
    TM_PAPI_NO_PMU,  /* the kernel has no performance monitoring unit */
    TM_PAPI_DENIED,  /* this user may not open counters */
    TM_PAPI_REFUSED, /* any other reason, with PAPI's message */
} tm_papi_cause;

typedef struct tm_papi_presets {
    int n_all;    /* that PAPI has */
    int n_known;  /* of them, that its tables define for this processor */
    int n_usable; /* of them, that can be opened */
    tm_papi_cause cause;
    char reason[240]; /* a sentence with the numbers and the cause; "" if some can be opened */
} tm_papi_presets;

/* Tries to open every preset. Needs an event set for each, so do not call it between start and stop
 * of a measurement. The result is valid until the library is closed. */
const tm_papi_presets *tm_papi_count_presets(tm_papi *papi);
/* True if PAPI was built with the component and it works; otherwise gives the reason. */
bool tm_papi_component(const tm_papi *papi, const char *name, char *reason, size_t size);

/* Joules that PAPI's powercap component counts in a top-level zone (intel-rapl:ZONE) while
 * `meanwhile` runs. Use it to check powercap's files, never for a result: it handles only one wrap
 * and returns a failed read as 0. Errors: UNSUPPORTED and IO with PAPI's message. */
tm_status tm_papi_zone_joules(tm_papi *papi, int zone, void (*meanwhile)(void *arg), void *arg,
                              double *joules, tm_error *err) TM_MUST_USE;

/* Adds an event by PAPI's name ("PAPI_TOT_INS", "perf::TASK-CLOCK"), before the start. Errors:
 * UNSUPPORTED with PAPI's message. */
tm_status tm_papi_add(tm_papi *papi, const char *event, int *index, tm_error *err) TM_MUST_USE;
tm_status tm_papi_start(tm_papi *papi, tm_error *err) TM_MUST_USE;
/* Counts since the start, by index. Call it from the thread that opened PAPI. Errors: IO. */
tm_status tm_papi_read(tm_papi *papi, long long values[TM_PAPI_EVENTS_MAX],
                       tm_error *err) TM_MUST_USE;

#endif
