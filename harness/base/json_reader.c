#include "harness/base/json_reader.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tm_read_fail(tm_json_reader *r, const char *fmt, ...)
{
    char text[240];
    va_list args;
    if (r->status != TM_OK) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = tm_fail(r->err, TM_FORMAT, "%s: %s", r->what, text);
}

void tm_read_only_keys(tm_json_reader *r, const char *const *known)
{
    if (r->status == TM_OK) r->status = tm_json_only_keys(r->json, known, r->what, r->err);
}

void tm_read_text(tm_json_reader *r, const char *key, char *out, size_t size)
{
    const char *text;
    if (r->status != TM_OK) return;
    r->status = tm_json_need_string(r->json, key, r->what, &text, r->err);
    if (r->status != TM_OK) return;
    size_t length = strlen(text);
    if (length >= size)
        tm_read_fail(r, "\"%s\" has %zu characters; the limit is %zu", key, length, size - 1);
    else
        memcpy(out, text, length + 1);
}

int64_t tm_read_int(tm_json_reader *r, const char *key, int64_t low, int64_t high)
{
    int64_t value = 0;
    if (r->status == TM_OK)
        r->status = tm_json_need_int(r->json, key, r->what, low, high, &value, r->err);
    return value;
}

double tm_read_number(tm_json_reader *r, const char *key, double low, double high)
{
    double value = low;
    if (r->status == TM_OK) r->status = tm_json_need_number(r->json, key, r->what, &value, r->err);
    if (!(value >= low && value <= high))
        tm_read_fail(r, "\"%s\" is %g, not from %g to %g", key, value, low, high);
    return value;
}

bool tm_read_bool(tm_json_reader *r, const char *key)
{
    const tm_json *member = tm_json_get(r->json, key);
    if (r->status == TM_OK && !tm_json_is_bool(member))
        tm_read_fail(r, "\"%s\" is neither true nor false", key);
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
    r->status = tm_json_need_number(r->json, key, r->what, &value, r->err);
    if (r->status == TM_OK && value < 0) tm_read_fail(r, "\"%s\" is %g, below 0", key, value);
    return value;
}
