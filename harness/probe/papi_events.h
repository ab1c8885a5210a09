/* The door to PAPI: opened at run time, so that a machine without it says so instead of refusing to
 * start the program. One set of events of this process and of the threads that start later.
 *
 * Never multiplexed: PAPI scales such values and keeps the share they were counted for to itself. An
 * event that does not fit beside the others is refused with PAPI's reason; perf, which tells the
 * share, may count it. PAPI opens its events pinned, so that one that loses its counter later reads as
 * an error and not as too little.
 *
 * Source: papi.h of PAPI 7; src/components/perf_event/perf_event.c. */
#ifndef TM_HARNESS_PROBE_PAPI_EVENTS_H
#define TM_HARNESS_PROBE_PAPI_EVENTS_H

#include "kernels/base.h"

#define TM_PAPI_EVENTS_MAX 32

typedef struct tm_papi tm_papi;

/* library: a file, or NULL for the system's. One at a time: PAPI's state is the process's. Errors:
 * UNSUPPORTED (not installed, of another version than this program was built with), NOMEM. */
tm_status tm_papi_open(const char *library, tm_papi **out, tm_error *err) TM_MUST_USE;
void tm_papi_close(tm_papi *papi);

const char *tm_papi_version(const tm_papi *papi); /* "7.0.0" */
/* Preset events that can be counted here, and all that PAPI knows. */
void tm_papi_presets(const tm_papi *papi, int *n_available, int *n_all);
/* True when PAPI was built with a component and it works; else why not. */
bool tm_papi_component(const tm_papi *papi, const char *name, char *reason, size_t size);

/* Joules that PAPI's powercap component counts in a top-level zone (intel-rapl:ZONE) while `meanwhile`
 * runs. For holding against powercap's own files, never for a figure: it knows one wrap and hands out a
 * failed read as 0. Errors: UNSUPPORTED and IO with PAPI's words. */
tm_status tm_papi_zone_joules(tm_papi *papi, int zone, void (*meanwhile)(void *arg), void *arg,
                              double *joules, tm_error *err) TM_MUST_USE;

/* Adds an event by PAPI's name ("PAPI_TOT_INS", "perf::TASK-CLOCK"); before the start. Errors:
 * UNSUPPORTED with PAPI's words. */
tm_status tm_papi_add(tm_papi *papi, const char *event, int *index, tm_error *err) TM_MUST_USE;
tm_status tm_papi_start(tm_papi *papi, tm_error *err) TM_MUST_USE;
/* Counts since the start, by index. From the thread that opened. Errors: IO. */
tm_status tm_papi_read(tm_papi *papi, long long values[TM_PAPI_EVENTS_MAX],
                       tm_error *err) TM_MUST_USE;

#endif
