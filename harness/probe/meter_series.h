/* Samples of an external meter, each with its own time, and the joules between two times.
 *
 * In text form the first line names the columns, "time watts" or "time joules", separated by
 * blanks, commas, semicolons or tabs. One sample per line follows: the time in seconds since 1970
 * on the meter's clock, then watts, or joules as a rising count, with a decimal point. Each line
 * has the columns and the separator of the first; what is behind the second column is not used. A
 * decimal comma would look like a separator, so a line with other columns ends the reading. Lines
 * that begin with # are ignored.
 */
#ifndef TM_HARNESS_PROBE_METER_SERIES_H
#define TM_HARNESS_PROBE_METER_SERIES_H

#include "harness/probe/probe.h"

#define TM_METER_SERIES_GAP_SECONDS 2.0 /* one sample per second, and one may be late */

typedef struct tm_meter_series {
    double *time, *value; /* [n], owned; seconds since 1970, offset included */
    int n, room;
    bool named, joules;
    char separator;   /* of the first line: ';', ',' or ' ', which includes tabs */
    int n_fields;     /* of the first line */
    char broken[320]; /* why reading stopped; "": it did not */
} tm_meter_series;

/* Adds a line without its newline. An error in it goes to series->broken. */
void tm_meter_series_add_line(tm_meter_series *series, const char *line, double offset_seconds);
/* Reads a file, except a last line without a newline, which is still being written. False if no
 * line names the columns; see series->broken. */
bool tm_meter_series_read(const char *path, double offset_seconds, tm_meter_series *series);
void tm_meter_series_free(tm_meter_series *series);

/* Integrates power with trapezoids, or takes the difference of counts, between two interpolated
 * edges. *out keeps its info. Invalid if the samples do not cover the window, are fewer than 10 or
 * have a gap. */
void tm_meter_series_integrate(const tm_meter_series *series, double begin, double end,
                               tm_probe_value *out);
/* The power at the samples of a window, or between counts; at most `room` points. Returns their
 * number. */
int tm_meter_series_trace(const tm_meter_series *series, double begin, double end,
                          tm_probe_point *out, int room);

#endif
