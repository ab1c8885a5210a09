/* Reading the members of a record as a list: each call does nothing once a status is set.
 * For result.c, energy.c and op_table.c only. */
#ifndef TM_HARNESS_RECORD_RECORD_READER_H
#define TM_HARNESS_RECORD_RECORD_READER_H

#include "harness/record/measured.h"

#define TM_RECORD_COUNT_MAX 2000000000
#define TM_RECORD_BYTES_MAX (1ll << 53)

typedef struct tm_record_reader {
    const tm_json *json;
    tm_status status; /* OK, FORMAT naming the key, NOMEM */
    tm_error *err;
    const char *what; /* the first words of a refusal: "energy record" */
} tm_record_reader;

/* FORMAT with a sentence about what it found. */
void tm_read_refuse(tm_record_reader *r, const char *fmt, ...) TM_PRINTF(2, 3);

/* A required string that fits `out`. */
void tm_read_text(tm_record_reader *r, const char *key, char *out, size_t size);
int64_t tm_read_int(tm_record_reader *r, const char *key, int64_t low, int64_t high);
double tm_read_number(tm_record_reader *r, const char *key, double low, double high);
bool tm_read_bool(tm_record_reader *r, const char *key);
/* A number of at least 0 that may be null: `otherwise` then. */
double tm_read_number_or(tm_record_reader *r, const char *key, double otherwise);
/* A number, or null with the reason of `<key>_missing`. */
void tm_read_figure(tm_record_reader *r, const char *key, tm_measured *figure);

#endif
