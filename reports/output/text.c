#include "reports/output/text.h"

#include "harness/base/atomic_file.h"

#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void tm_text_free(tm_text *text)
{
    free(text->data);
    *text = (tm_text){0};
}

/* Makes room for `more` bytes and the NUL. */
static bool reserve(tm_text *text, size_t more)
{
    size_t need;
    if (text->failed) return false;
    if (!tm_add_size(text->length, more, &need) || !tm_add_size(need, 1, &need)) {
        text->failed = true;
        return false;
    }
    if (need <= text->capacity) return true;
    size_t capacity = text->capacity < 256 ? 256 : text->capacity;
    while (capacity < need && capacity <= SIZE_MAX / 2) capacity *= 2;
    char *data = capacity < need ? NULL : realloc(text->data, capacity);
    if (!data) {
        text->failed = true;
        return false;
    }
    text->data = data;
    text->capacity = capacity;
    return true;
}

static void add_bytes(tm_text *text, const char *bytes, size_t n)
{
    if (!reserve(text, n)) return;
    memcpy(text->data + text->length, bytes, n);
    text->length += n;
    text->data[text->length] = '\0';
}

void tm_text_add(tm_text *text, const char *bytes)
{
    if (bytes) add_bytes(text, bytes, strlen(bytes));
}

void tm_text_add_char(tm_text *text, char c)
{
    add_bytes(text, &c, 1);
}

void tm_text_format(tm_text *text, const char *fmt, ...)
{
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (n < 0)
        text->failed = true;
    else if (reserve(text, (size_t)n)) {
        vsnprintf(text->data + text->length, (size_t)n + 1, fmt, again);
        text->length += (size_t)n;
    }
    va_end(again);
}

void tm_text_pad(tm_text *text, size_t from, int width, char fill)
{
    if (text->failed || from > text->length) return;
    int columns = text->data ? tm_text_columns(text->data + from) : 0;
    for (int i = columns; i < width; i++) tm_text_add_char(text, fill);
}

const char *tm_text_string(const tm_text *text)
{
    return text->data ? text->data : "";
}

tm_status tm_text_status(const tm_text *text, const char *what, tm_error *err)
{
    if (!text->failed) return TM_OK;
    return tm_fail(err, TM_NOMEM, "%s: out of memory after %zu bytes", what, text->length);
}

tm_status tm_text_put_json(tm_text *text, tm_json *json, bool indented, tm_error *err)
{
    char *printed = json ? tm_json_print(json, indented) : NULL;
    tm_json_free(json);
    if (!printed) return tm_fail(err, TM_NOMEM, "no memory to print JSON");
    tm_text_add(text, printed);
    tm_text_add_char(text, '\n');
    free(printed);
    return tm_text_status(text, "JSON", err);
}

int tm_text_columns(const char *utf8)
{
    int columns = 0;
    for (; *utf8; utf8++) columns += ((unsigned char)*utf8 & 0xc0) != 0x80;
    return columns;
}

tm_status tm_text_save(const tm_text *text, const char *path, tm_error *err)
{
    tm_status status = tm_text_status(text, path, err);
    return status == TM_OK ? tm_atomic_file_write(path, tm_text_string(text), text->length, err)
                           : status;
}

/* Replaces the decimal point of the locale, which printf follows and reports do not. */
static void use_decimal_point(char *number)
{
    const char *point = localeconv()->decimal_point;
    size_t n = strlen(point);
    char *at = n && strcmp(point, ".") != 0 ? strstr(number, point) : NULL;
    if (!at) return;
    *at = '.';
    memmove(at + 1, at + n, strlen(at + n) + 1);
}

/* Decimals that show `digits` significant digits of a value: with 3 digits 0 for 123.4 and 2 for
 * 1.234. */
static int decimals_for(double value, int digits)
{
    if (value == 0.0) return 0;
    int decimals = digits - 1 - (int)floor(log10(fabs(value)));
    /* 9.996 with 3 digits rounds to 10.00, which has one decimal too many. */
    double scale = pow(10.0, decimals);
    if (isfinite(scale) && fabs(value) * scale + 0.5 >= pow(10.0, digits)) decimals--;
    return decimals < 0 ? 0 : decimals > 20 ? 20 : decimals;
}

static char *print_decimals(double value, int decimals, char *out, size_t size)
{
    snprintf(out, size, "%.*f", decimals, value);
    use_decimal_point(out);
    return out;
}

char *tm_number(double value, int digits, char *out, size_t size)
{
    if (!isfinite(value)) {
        snprintf(out, size, "-");
        return out;
    }
    double magnitude = fabs(value);
    if (magnitude != 0.0 && (magnitude < 1e-4 || magnitude >= 1e15)) {
        snprintf(out, size, "%.*e", digits - 1, value);
        use_decimal_point(out);
        return out;
    }
    return print_decimals(value, decimals_for(value, digits), out, size);
}

char *tm_number_short(double value, int digits, char *out, size_t size)
{
    out[0] = '\0';
    if (!isfinite(value)) return out;
    tm_number(value, digits, out, size);
    if (strchr(out, '.') && !strchr(out, 'e')) {
        char *end = out + strlen(out);
        while (end[-1] == '0') *--end = '\0';
        if (end[-1] == '.') *--end = '\0';
    }
    return out;
}

/* A bound of an interval. One that is not 0 and would round to 0 is printed with two digits. */
static void print_bound(double value, int decimals, char *out, size_t size)
{
    if (value != 0.0 && fabs(value) * pow(10.0, decimals) < 0.5)
        tm_number(value, 2, out, size);
    else
        print_decimals(value, decimals, out, size);
}

/* Whether two different values look equal with these decimals. Differences below 1e-6 are the
 * rounding of times in nanoseconds. */
static bool look_equal(double a, double b, int decimals)
{
    const double scale = pow(10.0, decimals);
    return fabs(a - b) > 1e-6 * fabs(b) && round(a * scale) == round(b * scale);
}

/* Enough decimals to tell the bounds of an interval from each other, and from a ratio of 1. */
static int interval_decimals(const tm_interval *x, int digits)
{
    const int least = decimals_for(x->value, digits);
    int decimals = least;
    while (decimals < least + 4 && look_equal(x->low, x->high, decimals)) decimals++;
    while (decimals < least + 2 &&
           (look_equal(x->low, 1, decimals) || look_equal(x->high, 1, decimals)))
        decimals++;
    return decimals;
}

char *tm_number_interval(const tm_interval *interval, int digits, char *out, size_t size)
{
    char value[64], low[64], high[64];
    tm_number(interval->value, digits, value, sizeof value);
    if (!isfinite(interval->value) || !isfinite(interval->low) || !isfinite(interval->high)) {
        snprintf(out, size, "%s", value);
        return out;
    }
    double magnitude = fabs(interval->value);
    if (magnitude != 0.0 && (magnitude < 1e-4 || magnitude >= 1e15)) {
        tm_number(interval->low, digits, low, sizeof low);
        tm_number(interval->high, digits, high, sizeof high);
    } else {
        int decimals = interval_decimals(interval, digits);
        print_decimals(interval->value, decimals, value, sizeof value);
        print_bound(interval->low, decimals, low, sizeof low);
        print_bound(interval->high, decimals, high, sizeof high);
    }
    snprintf(out, size, "%s [%s, %s]", value, low, high);
    return out;
}
