/* Feeds any bytes as the log of an external meter: lines, joules, a trace, the search for the
 * marker. */
#include "harness/sweep/meter_marker.h"
#include "tests/fuzz/replay.h"

#include <math.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double begin = 1.8e9; /* of the marker in the corpus */
    char line[256];
    tm_meter_series series = {0};
    tm_meter_marker marker = {.n_threads = 1};
    tm_meter_marker_match match;
    tm_probe_point points[16];
    tm_error err = {0};
    for (size_t at = 0; at < size;) {
        const uint8_t *end = memchr(data + at, '\n', size - at);
        size_t n = end ? (size_t)(end - data) - at : size - at;
        size_t kept = n < sizeof line - 1 ? n : sizeof line - 1;
        memcpy(line, data + at, kept);
        line[kept] = 0;
        tm_meter_series_add_line(&series, line, 0.25);
        at += n + 1;
    }
    for (int i = 1; i < series.n; i++)
        if (!(series.time[i] > series.time[i - 1]) || !(series.value[i] >= 0)) abort();
    double first = series.n ? series.time[0] : 0, last = series.n ? series.time[series.n - 1] : 1;
    tm_probe_value value = {.value = NAN};
    tm_meter_series_integrate(&series, first, last > first ? last : first + 1, &value);
    if (value.state == TM_PROBE_OK ? !(value.value > 0) : !value.reason[0]) abort();
    int n = tm_meter_series_trace(&series, first, last, points, 16);
    if (n < 0 || n > 16) abort();
    for (int i = 0; i <= TM_METER_MARKER_PARTS; i++)
        marker.edge_unix_seconds[i] = begin + TM_METER_MARKER_SECONDS * i;
    if (tm_meter_marker_find(&series, &marker, &match, &err) == TM_OK) {
        if (!isfinite(match.offset_seconds) || !(match.error_seconds > 0)) abort();
    } else if (!err.message[0]) {
        abort();
    }
    tm_meter_series_free(&series);
    return 0;
}
