/* Options of the source "meter", an external meter. */
#ifndef TM_HARNESS_PROBE_PROBE_METER_H
#define TM_HARNESS_PROBE_PROBE_METER_H

#define TM_METER_OFFSET_MAX (366.0 * 86400)

/* meter_series.h describes the samples. */
typedef struct tm_probe_meter_options {
    const char *command;   /* for /bin/sh; prints samples while the work runs. NULL: none */
    const char *csv;       /* a file that a logger writes while the work runs. NULL: none */
    double offset_seconds; /* added to the meter's times to get this machine's */
} tm_probe_meter_options;

#endif
