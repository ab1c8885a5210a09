/* The counters of a group over timed regions: from PAPI where it counts an event, else from perf or
 * getrusage; and the metrics made of them. What nothing counts stays in the list with the reasons. */
#ifndef TM_HARNESS_MEASURE_COUNTERS_H
#define TM_HARNESS_MEASURE_COUNTERS_H

#include "harness/probe/counter_group.h"
#include "harness/record/record.h"

typedef struct tm_counters tm_counters;

typedef struct tm_counters_options {
    const char *papi_library; /* a file; NULL: the system's */
    bool no_papi;
} tm_counters_options;

/* Counts this process and the threads that start after this call. group: copied. options: or NULL.
 * Errors: NOMEM; that nothing can be counted is none. */
tm_status tm_counters_open(const tm_counter_group *group, const tm_counters_options *options,
                           tm_counters **out, tm_error *err) TM_MUST_USE;
void tm_counters_close(tm_counters *counters);

/* One region at a time, from the thread that opened; outside of what is timed. */
void tm_counters_start(tm_counters *counters);
void tm_counters_stop(tm_counters *counters);

/* The counters of the last region into a sample whose times, tokens and costs are set; marks it when
 * an event was counted for less than the whole region. Errors: NOMEM. */
tm_status tm_counters_put(const tm_counters *counters, int n_threads, tm_record *record,
                          tm_error *err) TM_MUST_USE;

#endif
