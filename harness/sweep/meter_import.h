/* Joules of a wall meter for windows that are over: its log against the times in a store.
 *
 * A window that was run has its wall-clock times in its line, whatever measured it then. The meter's
 * clock is matched by the marker of load that the run began with, or by an offset that is known.
 */
#ifndef TM_HARNESS_SWEEP_METER_IMPORT_H
#define TM_HARNESS_SWEEP_METER_IMPORT_H

#include "harness/sweep/meter_marker.h"
#include "harness/record/store.h"

typedef struct tm_import {
    int n_windows;               /* with times, and not yet measured by a meter */
    int n_ok;                    /* of those, now measured */
    char lost[480];              /* why the last of the others was not; "" */
    tm_meter_marker_match match; /* of the last run's marker; correlation 0: the offset was given */
} tm_import;

/* Makes a line of source "meter" for every such window, in the order of the store. offset_seconds: NaN
 * to find each run's marker. *made: [*n_made] records to append and to free; *out says how it went.
 * Errors: UNSUPPORTED (no marker in the store, or none in the log), NOMEM. */
tm_status tm_meter_import(const tm_records *records, const tm_meter_series *series,
                          double offset_seconds, tm_record **made, int *n_made, tm_import *out,
                          tm_error *err) TM_MUST_USE;

#endif
