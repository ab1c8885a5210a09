/* Counts the events of a group over timed regions, with PAPI if it can count an event, otherwise
 * with perf or getrusage, and computes the group's metrics. An event that neither can count stays
 * in the list with both reasons. */
#ifndef TM_HARNESS_MEASURE_COUNTERS_H
#define TM_HARNESS_MEASURE_COUNTERS_H

#include "harness/probe/counter_group.h"
#include "harness/record/record.h"

typedef struct tm_counters tm_counters;

typedef struct tm_counters_options {
    const char *papi_library; /* a file; NULL: the system's */
    bool no_papi;
} tm_counters_options;

/* Counts this process and the threads that start after this call. group: copied. options: may be
 * NULL. Errors: NOMEM. It is no error if no event can be counted. */
tm_status tm_counters_open(const tm_counter_group *group, const tm_counters_options *options,
                           tm_counters **out, tm_error *err) TM_MUST_USE;
void tm_counters_close(tm_counters *counters);

/* One region at a time, from the thread that opened them, outside the timed region. */
void tm_counters_start(tm_counters *counters);
void tm_counters_stop(tm_counters *counters);

/* Puts the counters of the last region into a sample whose times, tokens and costs are already set.
 * Marks the sample if an event was counted for only a part of the region. Errors: NOMEM. */
tm_status tm_counters_put(const tm_counters *counters, int n_threads, tm_record *record,
                          tm_error *err) TM_MUST_USE;

#endif
