#include "engine/json_text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define MAX_LEVELS 64
#define MAX_NUMBER 63 /* bytes of a number that is converted */

/* A text while it is checked. */
typedef struct scan {
    const char *text;
    size_t at, length;
} scan;

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static tm_status unexpected(const scan *s, const char *wanted, tm_error *err)
{
    if (s->at >= s->length)
        return tm_fail(err, TM_FORMAT, "the JSON ends after %zu bytes; %s is missing", s->length,
                       wanted);
    unsigned char c = (unsigned char)s->text[s->at];
    if (c < 32 || c > 126)
        return tm_fail(err, TM_FORMAT, "JSON: byte 0x%02X at offset %zu; expected %s", c, s->at,
                       wanted);
    return tm_fail(err, TM_FORMAT, "JSON: '%c' at offset %zu; expected %s", c, s->at, wanted);
}

static void skip_space(scan *s)
{
    while (s->at < s->length && is_space(s->text[s->at])) s->at++;
}

static bool accept(scan *s, char c)
{
    if (s->at >= s->length || s->text[s->at] != c) return false;
    s->at++;
    return true;
}

static tm_status check_word(scan *s, const char *word, tm_error *err)
{
    for (; *word; word++)
        if (!accept(s, *word)) return unexpected(s, "true, false or null", err);
    return TM_OK;
}

static tm_status check_digits(scan *s, tm_error *err)
{
    if (s->at >= s->length || !is_digit(s->text[s->at])) return unexpected(s, "a digit", err);
    while (s->at < s->length && is_digit(s->text[s->at])) s->at++;
    return TM_OK;
}

static tm_status check_number(scan *s, tm_error *err)
{
    accept(s, '-');
    tm_status status = accept(s, '0') ? TM_OK : check_digits(s, err);
    if (status == TM_OK && accept(s, '.')) status = check_digits(s, err);
    if (status == TM_OK && (accept(s, 'e') || accept(s, 'E'))) {
        if (!accept(s, '+')) accept(s, '-');
        status = check_digits(s, err);
    }
    return status;
}

static int hex_digit(char c)
{
    if (is_digit(c)) return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* The four digits of \uXXXX; -1 if they are not. */
static int hex_4(const char *text)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0) return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* What follows a backslash. */
static tm_status check_escape(scan *s, tm_error *err)
{
    if (s->at >= s->length) return unexpected(s, "an escape", err);
    char c = s->text[s->at];
    if (c != 'u') {
        if (!c || !strchr("\"\\/bfnrt", c)) return unexpected(s, "an escape", err);
        s->at++;
        return TM_OK;
    }
    int unit = s->length - s->at >= 5 ? hex_4(s->text + s->at + 1) : -1;
    if (unit < 0) return unexpected(s, "four hexadecimal digits after \\u", err);
    bool is_high = unit >= 0xd800 && unit < 0xdc00;
    if (unit >= 0xdc00 && unit < 0xe000) return unexpected(s, "the first half of a pair", err);
    s->at += 5;
    if (!is_high) return TM_OK;
    bool has_second = s->length - s->at >= 6 && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u';
    int low = has_second ? hex_4(s->text + s->at + 2) : -1;
    if (low < 0xdc00 || low >= 0xe000) return unexpected(s, "the second half of a pair", err);
    s->at += 6;
    return TM_OK;
}

/* Bytes of the character at text, 0 if it is not UTF-8: no overlong forms, surrogates or code
 * points above U+10FFFF. */
static size_t utf8_length(const char *text, size_t room)
{
    const uint8_t *p = (const uint8_t *)text;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || n > room || p[0] > 0xf4) return 0;
    if (n > 1) {
        uint8_t low = p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
        uint8_t high = p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
        if (p[1] < low || p[1] > high) return 0;
    }
    for (size_t i = 2; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return n;
}

static tm_status check_string(scan *s, tm_error *err)
{
    if (!accept(s, '"')) return unexpected(s, "a string", err);
    tm_status status = TM_OK;
    while (status == TM_OK) {
        if (accept(s, '"')) return TM_OK;
        if (accept(s, '\\')) {
            status = check_escape(s, err);
            continue;
        }
        if (s->at >= s->length || (unsigned char)s->text[s->at] < 32)
            return unexpected(s, "the end of a string", err);
        size_t n = utf8_length(s->text + s->at, s->length - s->at);
        if (n == 0) return unexpected(s, "UTF-8", err);
        s->at += n;
    }
    return status;
}

/* A value, or what is needed of it before its first item. */
static tm_status check_scalar(scan *s, tm_error *err)
{
    char c = s->at < s->length ? s->text[s->at] : '\0';
    switch (c) {
    case '"':
        return check_string(s, err);
    case 't':
        return check_word(s, "true", err);
    case 'f':
        return check_word(s, "false", err);
    case 'n':
        return check_word(s, "null", err);
    default:
        if (c == '-' || is_digit(c)) return check_number(s, err);
        return unexpected(s, "a value", err);
    }
}

static tm_status check_key(scan *s, tm_error *err)
{
    skip_space(s);
    tm_status status = check_string(s, err);
    if (status != TM_OK) return status;
    skip_space(s);
    return accept(s, ':') ? TM_OK : unexpected(s, "a colon", err);
}

/* Without recursion: closers[level - 1] ends the innermost container. */
static tm_status check_value(scan *s, tm_error *err)
{
    char closers[MAX_LEVELS];
    int level = 0;
    tm_status status = TM_OK;
    for (;;) {
        skip_space(s);
        char c = s->at < s->length ? s->text[s->at] : '\0';
        if (c == '{' || c == '[') {
            if (level == MAX_LEVELS)
                return tm_fail(err, TM_FORMAT, "JSON: more than %d levels at offset %zu",
                               MAX_LEVELS, s->at);
            closers[level++] = c == '{' ? '}' : ']';
            s->at++;
            skip_space(s);
            if (!accept(s, closers[level - 1])) {
                if (c == '{' && (status = check_key(s, err)) != TM_OK) return status;
                continue; /* to the first item */
            }
            level--;
        } else if ((status = check_scalar(s, err)) != TM_OK) {
            return status;
        }
        for (;;) { /* behind a value: the next one, or the ends of containers */
            if (level == 0) return TM_OK;
            skip_space(s);
            if (accept(s, ',')) break;
            if (!accept(s, closers[level - 1]))
                return unexpected(
                    s, closers[level - 1] == '}' ? "a comma or '}'" : "a comma or ']'", err);
            level--;
        }
        if (closers[level - 1] == '}' && (status = check_key(s, err)) != TM_OK) return status;
    }
}

tm_status tm_json_text_check(const char *text, size_t length, tm_json_text *out, tm_error *err)
{
    scan s = {.text = text, .length = length};
    skip_space(&s);
    size_t begin = s.at;
    tm_status status = check_value(&s, err);
    if (status != TM_OK) return status;
    size_t end = s.at;
    skip_space(&s);
    if (s.at < s.length) return unexpected(&s, "the end of the JSON", err);
    *out = (tm_json_text){text + begin, end - begin};
    return TM_OK;
}

/* The end of the checked string that begins at p. */
static const char *string_end(const char *p)
{
    for (p++; *p != '"'; p++) p += *p == '\\';
    return p + 1;
}

/* The end of the checked value that begins at p and ends at `end` at the latest. */
static const char *value_end(const char *p, const char *end)
{
    if (*p == '"') return string_end(p);
    if (*p != '{' && *p != '[') {
        while (p < end && !is_space(*p) && *p != ',' && *p != ']' && *p != '}') p++;
        return p;
    }
    int level = 0;
    do {
        if (*p == '"') {
            p = string_end(p);
            continue;
        }
        level += *p == '{' || *p == '[';
        level -= *p == '}' || *p == ']';
        p++;
    } while (level > 0);
    return p;
}

static bool begins_with(tm_json_text value, char c)
{
    return value.length > 0 && value.at[0] == c;
}

bool tm_json_text_is_object(tm_json_text value)
{
    return begins_with(value, '{');
}

bool tm_json_text_is_array(tm_json_text value)
{
    return begins_with(value, '[');
}

bool tm_json_text_is_string(tm_json_text value)
{
    return begins_with(value, '"');
}

bool tm_json_text_is_null(tm_json_text value)
{
    return value.length == 0 || begins_with(value, 'n');
}

static const char *skip(const char *p)
{
    while (is_space(*p)) p++;
    return p;
}

bool tm_json_text_next(tm_json_text container, size_t *cursor, tm_json_text *key,
                       tm_json_text *value)
{
    bool is_object = tm_json_text_is_object(container);
    if (!is_object && !tm_json_text_is_array(container)) return false;
    const char *end = container.at + container.length;
    const char *p = skip(container.at + (*cursor ? *cursor : 1));
    if (*cursor && *p == ',') p = skip(p + 1);
    if (*p == '}' || *p == ']') return false;
    if (key) *key = (tm_json_text){NULL, 0};
    if (is_object) {
        const char *key_end = string_end(p);
        if (key) *key = (tm_json_text){p, (size_t)(key_end - p)};
        p = skip(skip(key_end) + 1);
    }
    const char *after = value_end(p, end);
    *value = (tm_json_text){p, (size_t)(after - p)};
    *cursor = (size_t)(after - container.at);
    return true;
}

size_t tm_json_text_count(tm_json_text container)
{
    tm_json_text value;
    size_t n = 0;
    for (size_t cursor = 0; tm_json_text_next(container, &cursor, NULL, &value);) n++;
    return n;
}

tm_json_text tm_json_text_get(tm_json_text object, const char *key)
{
    tm_json_text name, value;
    if (!tm_json_text_is_object(object)) return (tm_json_text){NULL, 0};
    for (size_t cursor = 0; tm_json_text_next(object, &cursor, &name, &value);)
        if (tm_json_text_equals(name, key)) return value;
    return (tm_json_text){NULL, 0};
}

static size_t put_code_point(uint32_t c, char *out)
{
    if (c < 0x80) {
        out[0] = (char)c;
        return 1;
    }
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 63));
    out[0] = (char)((0xf00 >> n & 0xff) | c); /* 0xc0, 0xe0, 0xf0 */
    return n;
}

/* One escape of a checked string; *at is behind the backslash and moves behind the escape. */
static size_t unescape(const char **at, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = *(*at)++;
    if (c != 'u') {
        *out = to[strchr(from, c) - from];
        return 1;
    }
    uint32_t code = (uint32_t)hex_4(*at);
    *at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        code = 0x10000 + ((code - 0xd800) << 10) + ((uint32_t)hex_4(*at + 2) - 0xdc00);
        *at += 6;
    }
    return put_code_point(code, out);
}

size_t tm_json_text_string(tm_json_text value, char *out)
{
    size_t n = 0;
    if (!tm_json_text_is_string(value)) return 0;
    const char *end = value.at + value.length - 1;
    for (const char *p = value.at + 1; p < end;) {
        if (*p != '\\') {
            out[n++] = *p++;
            continue;
        }
        p++;
        n += unescape(&p, out + n);
    }
    return n;
}

bool tm_json_text_copy(tm_json_text value, char *text, size_t size)
{
    size_t n = 0;
    if (!tm_json_text_is_string(value)) return false;
    const char *end = value.at + value.length - 1;
    for (const char *p = value.at + 1; p < end;) {
        char c[4] = {*p};
        size_t step = 1;
        if (*p++ == '\\') step = unescape(&p, c);
        if (step >= size - n || !c[0]) return false;
        memcpy(text + n, c, step);
        n += step;
    }
    text[n] = '\0';
    return true;
}

bool tm_json_text_equals(tm_json_text value, const char *text)
{
    if (!tm_json_text_is_string(value)) return false;
    size_t n = strlen(text);
    if (value.length == n + 2) return memcmp(value.at + 1, text, n) == 0;
    const char *end = value.at + value.length - 1;
    for (const char *p = value.at + 1; p < end;) { /* longer: only escapes can make it equal */
        char c[4] = {*p};
        size_t step = 1;
        if (*p++ == '\\') step = unescape(&p, c);
        if (!c[0] || strncmp(text, c, step) != 0) return false;
        text += step;
    }
    return !*text;
}

bool tm_json_text_double(tm_json_text value, double *out)
{
    char text[MAX_NUMBER + 1];
    if (value.length == 0 || value.length > MAX_NUMBER) return false;
    if (!is_digit(value.at[0]) && value.at[0] != '-') return false;
    memcpy(text, value.at, value.length);
    text[value.length] = '\0';
    double number = strtod(text, NULL);
    if (!isfinite(number)) return false;
    *out = number;
    return true;
}

bool tm_json_text_int(tm_json_text value, int64_t low, int64_t high, int64_t *out)
{
    double number;
    /* Below 2^53 a double holds every integer. */
    if (!tm_json_text_double(value, &number) || fabs(number) > 0x1p53 || number != trunc(number))
        return false;
    if (number < (double)low || number > (double)high) return false;
    *out = (int64_t)number;
    return true;
}

bool tm_json_text_bool(tm_json_text value, bool otherwise)
{
    return begins_with(value, 't') ? true : begins_with(value, 'f') ? false : otherwise;
}
