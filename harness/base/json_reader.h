/* Reads the members of a JSON object one after another. The first failure is kept, and every later
 * call does nothing, so that the caller checks `status` once at the end. */
#ifndef TM_HARNESS_BASE_JSON_READER_H
#define TM_HARNESS_BASE_JSON_READER_H

#include "harness/base/json.h"
#include "harness/base/json_line.h"

typedef struct tm_json_reader {
    const tm_json *json; /* the object; borrowed */
    tm_status status;    /* OK, or FORMAT with a message that names the key, or NOMEM */
    tm_error *err;
    const char *what; /* what is read, for messages: "energy record", or the path of a file */
    /* With it, messages name the line: "<what>: line 3: ...". NULL: they name no line. */
    const tm_json_source *source;
} tm_json_reader;

/* Sets FORMAT with "<what>: <message>", unless an earlier call failed. */
void tm_read_fail(tm_json_reader *r, const char *fmt, ...) TM_PRINTF(2, 3);
/* The same, with the line of `value` if the reader has a source. */
void tm_read_fail_at(tm_json_reader *r, const tm_json *value, const char *fmt, ...) TM_PRINTF(3, 4);
/* "<what>: line N", or only "<what>" without a source or value. Returns `out`. */
const char *tm_read_where(const tm_json_reader *r, const tm_json *value, char *out, size_t size);
/* Every key of the object must be in `known`, which ends with NULL. */
void tm_read_only_keys(tm_json_reader *r, const char *const *known);

/* Required members. After a failure the numbers returned are `low` or 0, the flag is false. */
void tm_read_text(tm_json_reader *r, const char *key, char *out, size_t size);
int64_t tm_read_int(tm_json_reader *r, const char *key, int64_t low, int64_t high);
double tm_read_number(tm_json_reader *r, const char *key, double low, double high);
bool tm_read_bool(tm_json_reader *r, const char *key);

/* Optional members. If the key is absent, *out keeps its value. */
void tm_read_optional_text(tm_json_reader *r, const char *key, char *out, size_t size);
void tm_read_optional_int(tm_json_reader *r, const char *key, int64_t low, int64_t high, int *out);
void tm_read_optional_number(tm_json_reader *r, const char *key, double low, double high,
                             double *out);
void tm_read_optional_bool(tm_json_reader *r, const char *key, bool *out);

/* A required number of at least 0 that may be null: returns `otherwise` then. */
double tm_read_number_or(tm_json_reader *r, const char *key, double otherwise);

#endif
