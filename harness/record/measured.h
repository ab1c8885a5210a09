/* A value that may be missing, with the reason. A missing value is never 0 and never a guess. */
#ifndef TM_HARNESS_RECORD_MEASURED_H
#define TM_HARNESS_RECORD_MEASURED_H

#include "harness/base/json_reader.h"
#include "harness/stats/stats.h"

/* Limits of the numbers in a record. */
#define TM_RECORD_COUNT_MAX 2000000000
#define TM_RECORD_BYTES_MAX (1ll << 53)

typedef struct tm_measured {
    double value;      /* NaN: missing */
    char missing[160]; /* the reason; "" if there is a value */
} tm_measured;

void tm_measured_set(tm_measured *figure, double value);
void tm_measured_miss(tm_measured *figure, const char *fmt, ...) TM_PRINTF(2, 3);
/* Puts `key`: the value, or null and `<key>_missing` with the reason. */
void tm_measured_put(tm_json *object, const char *key, const tm_measured *figure);
/* Reads what tm_measured_put puts. */
void tm_read_measured(tm_json_reader *r, const char *key, tm_measured *figure);
/* Reasons for missing bounds. */
#define TM_LONE_PROCESS "one process has no interval"
#define TM_LONE_PAIR    "one pair has no interval"
/* Puts `key`: value, low, high, n and method; or null and `<key>_missing`: missing. lone: the
 * reason of a null bound. */
void tm_interval_put(tm_json *object, const char *key, const tm_interval *interval,
                     const char *missing, const char *lone);

#endif
