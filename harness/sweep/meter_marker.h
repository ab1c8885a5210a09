/* A load pattern, and the search for it in the log of a meter with another clock.
 *
 * The pattern is idle, spin, idle, spin, idle on every CPU, three seconds each. That is shorter
 * than an energy window, so that the work itself does not resemble it, and long enough for a meter
 * with one sample per second.
 */
#ifndef TM_HARNESS_SWEEP_METER_MARKER_H
#define TM_HARNESS_SWEEP_METER_MARKER_H

#include "harness/base/clock.h"
#include "harness/base/interrupt.h"
#include "harness/probe/meter_series.h"

#define TM_METER_MARKER_PARTS   5   /* the odd ones spin */
#define TM_METER_MARKER_SECONDS 3.0 /* mean length of a part */

typedef struct tm_meter_marker {
    /* Where each part begins, and where the last one ends. */
    double edge_unix_seconds[TM_METER_MARKER_PARTS + 1];
    int n_threads; /* that spun */
} tm_meter_marker;

/* Runs the pattern, which takes 15 s. interrupt: may be NULL. clock: NULL for the system's. Errors:
 * NOMEM, IO (no thread), INTERRUPTED. */
tm_status tm_meter_marker_show(int n_threads, const tm_interrupt *interrupt, const tm_clock *clock,
                               tm_meter_marker *out, tm_error *err) TM_MUST_USE;
tm_json *tm_meter_marker_to_json(const tm_meter_marker *marker);
/* False if the object is not a marker. */
bool tm_meter_marker_from_json(const tm_json *json, tm_meter_marker *out);

/* The offset with which the samples correlate best with the pattern. If several offsets are equally
 * good, their middle. */
typedef struct tm_meter_marker_match {
    double offset_seconds; /* add it to the samples' times to get this machine's */
    double error_seconds;  /* half the range of offsets that noise cannot tell apart, and the lag of
                              samples that are means over the time before */
    double correlation;
} tm_meter_marker_match;
/* Errors: UNSUPPORTED (no match, or two; says what to do instead), NOMEM. */
tm_status tm_meter_marker_find(const tm_meter_series *series, const tm_meter_marker *marker,
                               tm_meter_marker_match *out, tm_error *err) TM_MUST_USE;

#endif
