#include "harness/record/record_reader.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void tm_read_refuse(tm_record_reader *r, const char *fmt, ...)
{
    char text[240];
    va_list args;
    if (r->status != TM_OK) return;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    r->status = tm_fail(r->err, TM_FORMAT, "%s: %s", r->what, text);
}

void tm_read_text(tm_record_reader *r, const char *key, char *out, size_t size)
{
    const char *text;
    if (r->status != TM_OK) return;
    r->status = tm_json_need_string(r->json, key, "record", &text, r->err);
    if (r->status != TM_OK) return;
    if (strlen(text) >= size)
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"%s\" is %zu characters long; at most %zu",
                            key, strlen(text), size - 1);
    else
        memcpy(out, text, strlen(text) + 1);
}

int64_t tm_read_int(tm_record_reader *r, const char *key, int64_t low, int64_t high)
{
    int64_t value = 0;
    if (r->status == TM_OK)
        r->status = tm_json_need_int(r->json, key, "record", low, high, &value, r->err);
    return value;
}

double tm_read_number(tm_record_reader *r, const char *key, double low, double high)
{
    double value = low;
    if (r->status == TM_OK) r->status = tm_json_need_number(r->json, key, "record", &value, r->err);
    if (!(value >= low && value <= high))
        tm_read_refuse(r, "\"%s\" is %g, not from %g to %g", key, value, low, high);
    return value;
}

bool tm_read_bool(tm_record_reader *r, const char *key)
{
    const tm_json *member = tm_json_get(r->json, key);
    if (r->status == TM_OK && !tm_json_is_bool(member))
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"%s\" is neither true nor false", key);
    return tm_json_true(member);
}

double tm_read_number_or(tm_record_reader *r, const char *key, double otherwise)
{
    double value = otherwise;
    const tm_json *member = tm_json_get(r->json, key);
    if (r->status != TM_OK || tm_json_is_null(member)) return otherwise;
    r->status = tm_json_need_number(r->json, key, "record", &value, r->err);
    if (r->status == TM_OK && value < 0)
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"%s\" is %g, below 0", key, value);
    return value;
}

void tm_read_figure(tm_record_reader *r, const char *key, tm_measured *figure)
{
    char missing_key[64];
    if (r->status != TM_OK) return;
    const tm_json *member = tm_json_get(r->json, key);
    if (tm_json_is_number(member)) {
        tm_measured_set(figure, tm_json_double(member, NAN));
        return;
    }
    if (member && !tm_json_is_null(member)) {
        r->status = tm_fail(r->err, TM_FORMAT, "record: \"%s\" is neither a number nor null", key);
        return;
    }
    snprintf(missing_key, sizeof missing_key, "%s_missing", key);
    tm_measured_miss(figure, "%s",
                     tm_json_text(tm_json_get(r->json, missing_key), "not in the record"));
}
