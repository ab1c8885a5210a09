/* JSON that is read where it lies: checked once as a whole, then walked without copies. No memory
 * is allocated, so a file of 100 MB costs no more than its size.
 *
 * A tm_json_text is a value of a checked text, which must outlive it. All functions accept values
 * of another kind and find nothing in them. Any thread.
 */
#ifndef TM_ENGINE_JSON_TEXT_H
#define TM_ENGINE_JSON_TEXT_H

#include "kernels/base.h"

typedef struct tm_json_text {
    const char *at;
    size_t length; /* 0: no value */
} tm_json_text;

/* Checks that a text is one JSON value in UTF-8 (RFC 8259) with at most 64 levels, followed by
 * white space only. Errors: FORMAT (what, and at which byte). */
tm_status tm_json_text_check(const char *text, size_t length, tm_json_text *out,
                             tm_error *err) TM_MUST_USE;

bool tm_json_text_is_object(tm_json_text value);
bool tm_json_text_is_array(tm_json_text value);
bool tm_json_text_is_string(tm_json_text value);
bool tm_json_text_is_null(tm_json_text value); /* null, or no value */

/* The first member with that name. Without such a member the result is not a value. */
tm_json_text tm_json_text_get(tm_json_text object, const char *key);
/* Starts with *cursor = 0. The next member of an object or item of an array; key may be NULL. False
 * at the end. */
bool tm_json_text_next(tm_json_text container, size_t *cursor, tm_json_text *key,
                       tm_json_text *value);
size_t tm_json_text_count(tm_json_text container);

/* Writes a string without its quotes and escapes. out: value.length bytes, which suffice. Returns
 * the number of bytes written, no NUL. 0 for another kind. */
size_t tm_json_text_string(tm_json_text value, char *out);
/* Copies a string to text[size] and ends it with NUL. False if the value is not a string, does not
 * fit or contains a NUL. */
bool tm_json_text_copy(tm_json_text value, char *text, size_t size);
/* Whether the value is this string. */
bool tm_json_text_equals(tm_json_text value, const char *text);
bool tm_json_text_double(tm_json_text value, double *out); /* false: not a finite number */
/* False: not an integer from low to high. */
bool tm_json_text_int(tm_json_text value, int64_t low, int64_t high, int64_t *out);
bool tm_json_text_bool(tm_json_text value, bool otherwise);

#endif
