#include "harness/base/json_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define WHERE_MAX sizeof((tm_error *)0)->message

const char *tm_read_where(const tm_json_reader *r, const tm_json *value, char *out, size_t size)
{
    int line = r->source && value ? tm_json_line(r->source, value) : 0;
    if (line > 0)
        snprintf(out, size, "%s: line %d", r->what, line);
    else
        snprintf(out, size, "%s", r->what);
    return out;
}

static void fail_at(tm_json_reader *r, const tm_json *value, const char *fmt, va_list args)
{
    char text[WHERE_MAX], where[WHERE_MAX];
    if (r->status != TM_OK) return;
    vsnprintf(text, sizeof text, fmt, args);
    r->status =
        tm_fail(r->err, TM_FORMAT, "%s: %s", tm_read_where(r, value, where, sizeof where), text);
}

void tm_read_fail(tm_json_reader *r, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(r, NULL, fmt, args);
    va_end(args);
}

void tm_read_fail_at(tm_json_reader *r, const tm_json *value, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fail_at(r, value, fmt, args);
    va_end(args);
}

void tm_read_only_keys(tm_json_reader *r, const char *const *known)
{
    const tm_json *unknown;
    char where[WHERE_MAX];
    if (r->status != TM_OK || !(unknown = tm_json_unknown_key(r->json, known))) return;
    r->status =
        tm_json_only_keys(r->json, known, tm_read_where(r, unknown, where, sizeof where), r->err);
}

void tm_read_text(tm_json_reader *r, const char *key, char *out, size_t size)
{
    const char *text;
    char where[WHERE_MAX];
    const tm_json *member = tm_json_get(r->json, key);
    if (r->status != TM_OK) return;
    tm_read_where(r, member, where, sizeof where);
    r->status = tm_json_need_string(r->json, key, where, &text, r->err);
    if (r->status != TM_OK) return;
    size_t length = strlen(text);
    if (length >= size)
        tm_read_fail_at(r, member, "\"%s\" has %zu characters; the limit is %zu", key, length,
                        size - 1);
    else
        memcpy(out, text, length + 1);
}

int64_t tm_read_int(tm_json_reader *r, const char *key, int64_t low, int64_t high)
{
    int64_t value = 0;
    char where[WHERE_MAX];
    if (r->status != TM_OK) return value;
    tm_read_where(r, tm_json_get(r->json, key), where, sizeof where);
    r->status = tm_json_need_int(r->json, key, where, low, high, &value, r->err);
    return value;
}

/* A required number; `value` stays as it is after a failure. */
static void need_number(tm_json_reader *r, const char *key, double *value)
{
    char where[WHERE_MAX];
    if (r->status != TM_OK) return;
    tm_read_where(r, tm_json_get(r->json, key), where, sizeof where);
    r->status = tm_json_need_number(r->json, key, where, value, r->err);
}

double tm_read_number(tm_json_reader *r, const char *key, double low, double high)
{
    double value = low;
    need_number(r, key, &value);
    if (!(value >= low && value <= high))
        tm_read_fail_at(r, tm_json_get(r->json, key), "\"%s\" is %g, not from %g to %g", key, value,
                        low, high);
    return value;
}

bool tm_read_bool(tm_json_reader *r, const char *key)
{
    const tm_json *member = tm_json_get(r->json, key);
    if (r->status == TM_OK && !tm_json_is_bool(member))
        tm_read_fail_at(r, member, "\"%s\" is neither true nor false", key);
    return tm_json_true(member);
}

void tm_read_optional_text(tm_json_reader *r, const char *key, char *out, size_t size)
{
    if (tm_json_get(r->json, key)) tm_read_text(r, key, out, size);
}

void tm_read_optional_int(tm_json_reader *r, const char *key, int64_t low, int64_t high, int *out)
{
    if (!tm_json_get(r->json, key)) return;
    int64_t value = tm_read_int(r, key, low, high);
    if (r->status == TM_OK) *out = (int)value;
}

void tm_read_optional_number(tm_json_reader *r, const char *key, double low, double high,
                             double *out)
{
    if (!tm_json_get(r->json, key)) return;
    double value = tm_read_number(r, key, low, high);
    if (r->status == TM_OK) *out = value;
}

void tm_read_optional_bool(tm_json_reader *r, const char *key, bool *out)
{
    if (!tm_json_get(r->json, key)) return;
    bool value = tm_read_bool(r, key);
    if (r->status == TM_OK) *out = value;
}

double tm_read_number_or(tm_json_reader *r, const char *key, double otherwise)
{
    double value = otherwise;
    if (r->status != TM_OK || tm_json_is_null(tm_json_get(r->json, key))) return otherwise;
    need_number(r, key, &value);
    if (r->status == TM_OK && value < 0)
        tm_read_fail_at(r, tm_json_get(r->json, key), "\"%s\" is %g, below 0", key, value);
    return value;
}
