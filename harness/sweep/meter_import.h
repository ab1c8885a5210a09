/* Measures the energy windows of a store with the log of a wall meter, after the run.
 *
 * Every energy record has the wall-clock times of its window, whatever measured it during the run.
 * The offset of the meter's clock is known, or found from the load pattern that the run began with.
 */
#ifndef TM_HARNESS_SWEEP_METER_IMPORT_H
#define TM_HARNESS_SWEEP_METER_IMPORT_H

#include "harness/record/store.h"
#include "harness/sweep/meter_marker.h"

typedef struct tm_import {
    int n_windows;               /* with times, and not yet measured by a meter */
    int n_ok;                    /* of those, measured now */
    char lost[480];              /* why the last of the others was not measured; "": all were */
    tm_meter_marker_match match; /* of the last run's marker; correlation 0: given offset */
} tm_import;

/* Makes a record of source "meter" for each such window, in the order of the store. offset_seconds:
 * NaN to find each run's marker. *made: [*n_made] records to append and to free. Errors:
 * UNSUPPORTED (no marker in the store or in the log), NOMEM. */
tm_status tm_meter_import(const tm_records *records, const tm_meter_series *series,
                          double offset_seconds, tm_record **made, int *n_made, tm_import *out,
                          tm_error *err) TM_MUST_USE;

#endif
