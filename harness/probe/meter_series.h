/* Samples of an external meter, each with a time of its own, and the joules between two times.
 *
 * As text: the first line names the columns, "time watts" or "time joules" (blanks, commas, semicolons
 * or tabs between); then a sample per line, time in seconds since 1970 by the meter's clock, joules as a
 * count that rises. Lines that begin with # are left out.
 */
#ifndef TM_HARNESS_PROBE_METER_SERIES_H
#define TM_HARNESS_PROBE_METER_SERIES_H

#include "harness/probe/probe.h"

#define TM_METER_SERIES_GAP_SECONDS 2.0 /* a sample a second, and one may be late */

typedef struct tm_meter_series {
    double *time, *value; /* [n]; time in seconds since 1970, offset added; owned */
    int n, room;
    bool named, joules;
    char broken[200]; /* why the rest was not read; "" */
} tm_meter_series;

/* A line without its newline; what is wrong with it goes to s->broken. */
void tm_meter_series_add_line(tm_meter_series *series, const char *line, double offset_seconds);
/* A whole file but a last line without its end, which is still being written. False: no line of it
 * names columns, see s->broken. */
bool tm_meter_series_read(const char *path, double offset_seconds, tm_meter_series *series);
void tm_meter_series_free(tm_meter_series *series);

/* Trapezoids, or the difference of counts, from begin to end with both edges interpolated; *out keeps
 * its info. Invalid: the samples do not cover it, are fewer than 10 or have a gap. */
void tm_meter_series_integrate(const tm_meter_series *series, double begin, double end,
                               tm_probe_value *out);
/* The watts at the samples of a window, or between two counts, at most `room` of them. */
int tm_meter_series_trace(const tm_meter_series *series, double begin, double end,
                          tm_probe_point *out, int room);

#endif
