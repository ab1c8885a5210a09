/* A figure that may be missing, and then says why: never 0, never a guess. */
#ifndef TM_HARNESS_RECORD_MEASURED_H
#define TM_HARNESS_RECORD_MEASURED_H

#include "harness/base/json_reader.h"
#include "harness/stats/stats.h"

/* Limits of the numbers in a record. */
#define TM_RECORD_COUNT_MAX 2000000000
#define TM_RECORD_BYTES_MAX (1ll << 53)

typedef struct tm_measured {
    double value;      /* NaN when missing */
    char missing[160]; /* why; "" when there */
} tm_measured;

void tm_measured_set(tm_measured *figure, double value);
void tm_measured_miss(tm_measured *figure, const char *fmt, ...) TM_PRINTF(2, 3);
/* `key`: the value, or null and `<key>_missing`: why. */
void tm_measured_put(tm_json *object, const char *key, const tm_measured *figure);
/* Reads the same back. */
void tm_read_measured(tm_json_reader *r, const char *key, tm_measured *figure);
/* Why there are no bounds. */
#define TM_LONE_PROCESS "one process has no interval"
#define TM_LONE_PAIR    "one pair has no interval"
/* `key`: value, low, high, n and method; or null and `<key>_missing`: missing. lone: why a bound is
 * null. */
void tm_interval_put(tm_json *object, const char *key, const tm_interval *interval,
                     const char *missing, const char *lone);

#endif
