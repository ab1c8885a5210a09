/* Samples of an external meter, each with its own time, and the joules between two times.
 *
 * In text form the first line names the columns, "time watts" or "time joules", separated by
 * blanks, commas, semicolons or tabs. One sample per line follows: the time in seconds since 1970
 * on the meter's clock, then watts, or joules as a rising count, with a decimal point. Each line
 * has the columns and the separator of the first; what is behind the second column is not used. A
 * decimal comma would look like a separator, so a line with other columns is an error. Lines that
 * begin with # are ignored.
 *
 * A line that cannot be read, as a serial line may garble one, is left out and noted; a window over
 * it is invalid. If the first sample or too many lines cannot be read, reading stops.
 */
#ifndef TM_HARNESS_PROBE_METER_SERIES_H
#define TM_HARNESS_PROBE_METER_SERIES_H

#include "harness/probe/probe.h"

#define TM_METER_SERIES_GAP_SECONDS 2.0 /* one sample per second, and one may be late */
#define TM_METER_SERIES_BAD_MAX     8   /* lines that may be left out */

typedef struct tm_meter_series {
    double *time, *value; /* [n], owned; seconds since 1970, offset included */
    int n, room;
    bool named, joules;
    char separator;   /* of the first line: ';', ',' or ' ', which includes tabs */
    int n_fields;     /* of the first line */
    double digit;     /* of the value: the last one that any sample has */
    int64_t consumed; /* bytes of the file that were read */
    struct {
        int before; /* index of the sample that follows */
        char why[160];
    } bad[TM_METER_SERIES_BAD_MAX];
    int n_bad;
    char broken[320]; /* why reading stopped; "": it did not */
} tm_meter_series;

/* Adds a line without its newline. */
void tm_meter_series_add_line(tm_meter_series *series, const char *line, double offset_seconds);
/* Reads what a file has more than at the last call, except a last line without a newline, which is
 * still being written. False if no line names the columns; see series->broken. */
bool tm_meter_series_read(const char *path, double offset_seconds, tm_meter_series *series);
void tm_meter_series_free(tm_meter_series *series);

/* How exact an offset is that a user gave: half of its last digit; 0 for no offset. */
double tm_meter_offset_error(double offset_seconds);

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
