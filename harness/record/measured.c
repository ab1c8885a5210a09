#include "harness/record/measured.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

void tm_measured_set(tm_measured *figure, double value)
{
    figure->value = value;
    figure->missing[0] = 0;
    if (!isfinite(value)) tm_measured_miss(figure, "the figure is not finite");
}

void tm_measured_miss(tm_measured *figure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    figure->value = NAN;
    vsnprintf(figure->missing, sizeof figure->missing, fmt, args);
    va_end(args);
}

void tm_measured_put(tm_json *object, const char *key, const tm_measured *figure)
{
    tm_json_put_finite(object, key, figure->value, figure->missing);
}

void tm_read_measured(tm_json_reader *r, const char *key, tm_measured *figure)
{
    char missing_key[64];
    if (r->status != TM_OK) return;
    const tm_json *member = tm_json_get(r->json, key);
    if (tm_json_is_number(member)) {
        tm_measured_set(figure, tm_json_double(member, NAN));
        return;
    }
    if (member && !tm_json_is_null(member)) {
        tm_read_fail(r, "\"%s\" is neither a number nor null", key);
        return;
    }
    snprintf(missing_key, sizeof missing_key, "%s_missing", key);
    tm_measured_miss(figure, "%s",
                     tm_json_text(tm_json_get(r->json, missing_key), "not in the record"));
}

void tm_interval_put(tm_json *object, const char *key, const tm_interval *interval,
                     const char *missing, const char *lone)
{
    if (!isfinite(interval->value)) {
        tm_json_put_missing(object, key, missing[0] ? missing : "not measured");
        return;
    }
    tm_json *json = tm_json_object();
    tm_json_put_number(json, "value", interval->value);
    tm_json_put_finite(json, "low", interval->low, lone);
    tm_json_put_finite(json, "high", interval->high, lone);
    tm_json_put_int(json, "n", interval->n);
    tm_json_put_string(json, "method", interval->method);
    tm_json_set(object, key, json);
}
