/* JSON values. The only module that uses the JSON library.
 *
 * Errors name the object, the key and the expected type. Numbers that are not finite are written as
 * null. Integers are exact up to 2^53.
 */
#ifndef TM_HARNESS_BASE_JSON_H
#define TM_HARNESS_BASE_JSON_H

#include "kernels/base.h"

typedef struct tm_json tm_json;

/* Parses one value, which only white space may follow. At most 64 levels of nesting. Errors: FORMAT
 * (`what`, line and column), NOMEM. */
tm_status tm_json_parse(const char *text, size_t length, const char *what, tm_json **out,
                        tm_error *err) TM_MUST_USE;
void tm_json_free(tm_json *json);
/* Free the string with free(). NULL: no memory. */
char *tm_json_print(const tm_json *json, bool indented);
tm_json *tm_json_copy(const tm_json *json);

/* Making values. A container owns what is set into it. Put each key once: put_* replaces
 * nothing. */
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
/* The value, or missing if it is not finite. reason "" stands for "not measured". */
void tm_json_put_finite(tm_json *object, const char *key, double value, const char *reason);

/* Looking up. Absent values are NULL. All accept NULL and values of another type. */
const tm_json *tm_json_get(const tm_json *object, const char *key);
const tm_json *tm_json_at(const tm_json *array, int index);
const tm_json *tm_json_next(const tm_json *member); /* in the same container */
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

/* Required keys. Errors: FORMAT with `what`, the key, and the expected type or limits. */
tm_status tm_json_need_string(const tm_json *object, const char *key, const char *what,
                              const char **out, tm_error *err) TM_MUST_USE;
tm_status tm_json_need_number(const tm_json *object, const char *key, const char *what, double *out,
                              tm_error *err) TM_MUST_USE;
tm_status tm_json_need_int(const tm_json *object, const char *key, const char *what, int64_t low,
                           int64_t high, int64_t *out, tm_error *err) TM_MUST_USE;
/* The first member whose key is not in `known`, which ends with NULL. NULL if all are known. */
const tm_json *tm_json_unknown_key(const tm_json *object, const char *const *known);
/* Every key of the object must be in `known` (NULL-terminated). Errors: FORMAT with the nearest
 * name. */
tm_status tm_json_only_keys(const tm_json *object, const char *const *known, const char *what,
                            tm_error *err) TM_MUST_USE;

#endif
