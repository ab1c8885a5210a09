/* A pattern of load, and finding it again in the log of a meter whose clock is not this machine's.
 *
 * idle, spin, idle, spin, idle, three seconds each, on every CPU: shorter than any window of energy, so
 * that the work itself does not look like it, and long enough for a meter that shows a value a second.
 */
#ifndef TM_HARNESS_SWEEP_METER_MARKER_H
#define TM_HARNESS_SWEEP_METER_MARKER_H

#include "harness/probe/meter_series.h"

#define TM_METER_MARKER_PARTS   5 /* the odd ones spin */
#define TM_METER_MARKER_SECONDS 3.0

typedef struct tm_meter_marker {
    double edge_unix_seconds[TM_METER_MARKER_PARTS +
                             1]; /* where parts begin, and the end of the last */
    int n_threads;               /* that spun */
} tm_meter_marker;

/* Takes 15 s. interrupt_fd: readable to stop, or -1. Errors: NOMEM, IO (no thread), INTERRUPTED. */
tm_status tm_meter_marker_show(int n_threads, int interrupt_fd, tm_meter_marker *out,
                               tm_error *err) TM_MUST_USE;
tm_json *tm_meter_marker_to_json(const tm_meter_marker *marker);
/* False where the object is none. */
bool tm_meter_marker_from_json(const tm_json *json, tm_meter_marker *out);

/* What to add to the samples' times to get this machine's: where they correlate best with the pattern,
 * the middle of all places that do so equally. */
typedef struct tm_meter_marker_match {
    double offset_seconds, error_seconds; /* the latter: half the width of those places */
    double correlation;
} tm_meter_marker_match;
/* Errors: UNSUPPORTED (no place is like the pattern, or two are; what to do instead), NOMEM. */
tm_status tm_meter_marker_find(const tm_meter_series *series, const tm_meter_marker *marker,
                               tm_meter_marker_match *out, tm_error *err) TM_MUST_USE;

#endif
