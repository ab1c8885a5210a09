/* JSON values, read strictly and written plainly: the only door to the JSON library.
 *
 * Readers name the object, the key and the expected type; numbers that are not finite are written as
 * null. Integers are exact up to 2^53.
 */
#ifndef TM_HARNESS_BASE_JSON_H
#define TM_HARNESS_BASE_JSON_H

#include "kernels/base.h"

typedef struct tm_json tm_json;

/* Parses one value and nothing behind it but white space. Errors: FORMAT (`what`, line and column),
 * NOMEM. Nesting deeper than 64 levels is refused. */
tm_status tm_json_parse(const char *text, size_t length, const char *what, tm_json **out,
                        tm_error *err) TM_MUST_USE;
void tm_json_free(tm_json *json);
/* A string to free(), on one line or indented; NULL when memory ran out. */
char *tm_json_print(const tm_json *json, bool indented);
tm_json *tm_json_copy(const tm_json *json);

/* Making. A value that is set into a container belongs to it. put_* replace nothing: put a key once. */
tm_json *tm_json_object(void);
tm_json *tm_json_array(void);
tm_json *tm_json_string(const char *text);
tm_json *tm_json_number(double value);
tm_json *tm_json_null(void);
void tm_json_set(tm_json *object, const char *key, tm_json *value);
void tm_json_append(tm_json *array, tm_json *value);
void tm_json_put_string(tm_json *object, const char *key, const char *text); /* NULL: null */
void tm_json_put_number(tm_json *object, const char *key, double value);
void tm_json_put_int(tm_json *object, const char *key, int64_t value);
void tm_json_put_bool(tm_json *object, const char *key, bool value);
/* `key`: null and `<key>_missing`: reason. */
void tm_json_put_missing(tm_json *object, const char *key, const char *reason);
/* The value; missing where it is not finite ("": "not measured"). */
void tm_json_put_finite(tm_json *object, const char *key, double value, const char *reason);

/* Looking. NULL where there is none; no call minds a NULL or a value of another type. */
const tm_json *tm_json_get(const tm_json *object, const char *key);
const tm_json *tm_json_at(const tm_json *array, int index);
const tm_json *tm_json_next(const tm_json *member); /* the one behind it in its container */
int tm_json_count(const tm_json *container);
const char *tm_json_key(const tm_json *member); /* the key of a member reached by tm_json_at */
bool tm_json_is_object(const tm_json *json);
bool tm_json_is_array(const tm_json *json);
bool tm_json_is_string(const tm_json *json);
bool tm_json_is_number(const tm_json *json);
bool tm_json_is_bool(const tm_json *json);
bool tm_json_is_null(const tm_json *json);
const char *tm_json_text(const tm_json *json, const char *otherwise);
double tm_json_double(const tm_json *json, double otherwise);
bool tm_json_true(const tm_json *json);

/* Reading with an opinion. Required keys: an absent one is an error. Errors: FORMAT naming `what`, the
 * key, the type found and the one wanted, or the value and its limits. */
tm_status tm_json_need_string(const tm_json *object, const char *key, const char *what,
                              const char **out, tm_error *err) TM_MUST_USE;
tm_status tm_json_need_number(const tm_json *object, const char *key, const char *what, double *out,
                              tm_error *err) TM_MUST_USE;
tm_status tm_json_need_int(const tm_json *object, const char *key, const char *what, int64_t low,
                           int64_t high, int64_t *out, tm_error *err) TM_MUST_USE;
/* Every key of the object is in `known` (NULL-terminated); else FORMAT with the nearest known name. */
tm_status tm_json_only_keys(const tm_json *object, const char *const *known, const char *what,
                            tm_error *err) TM_MUST_USE;

#endif
