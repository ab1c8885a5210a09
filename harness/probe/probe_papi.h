/* Options of the source "papi". */
#ifndef TM_HARNESS_PROBE_PROBE_PAPI_H
#define TM_HARNESS_PROBE_PROBE_PAPI_H

#include "harness/probe/probe.h"

typedef struct tm_probe_papi_options {
    const tm_probe_event *events; /* [n_events], read on opening only */
    int n_events;
    const char *library; /* a file; NULL: the system's */
} tm_probe_papi_options;

#endif
