/* Options of the source "counters": perf events and getrusage. */
#ifndef TM_HARNESS_PROBE_PROBE_COUNTERS_H
#define TM_HARNESS_PROBE_PROBE_COUNTERS_H

#include "harness/probe/probe.h"

typedef struct tm_probe_counters_options {
    const tm_probe_event *events; /* [n_events], read on opening only */
    int n_events;                 /* 0: every event that the source knows */
    bool user_mode_only;          /* for events of the processor, as PAPI counts them */
} tm_probe_counters_options;

#endif
