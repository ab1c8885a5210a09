#include "harness/sweep/suite_lines.h"

#include <ctype.h>
#include <string.h>

/* Number of a value in the order in which values begin in the text, from 0; -1: not below `json`.
 * *n counts the values before. */
static int order_of(const tm_json *json, const tm_json *value, int *n)
{
    if (json == value) return *n;
    (*n)++;
    if (!tm_json_is_object(json) && !tm_json_is_array(json)) return -1;
    for (const tm_json *item = tm_json_at(json, 0); item; item = tm_json_next(item)) {
        int order = order_of(item, value, n);
        if (order >= 0) return order;
    }
    return -1;
}

/* p: at the opening quote. The character after the closing one. */
static const char *skip_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\') p++;
    return p < end ? p + 1 : end;
}

static bool is_key(const char *p, const char *end)
{
    while (p < end && isspace((unsigned char)*p)) p++;
    return p < end && *p == ':';
}

int tm_suite_line(const char *text, size_t length, const tm_json *root, const tm_json *value)
{
    const char *end = text + length;
    int before = 0, order = order_of(root, value, &before), line = 1, key_line = 0;
    if (order < 0) return 0;
    for (const char *p = text; p < end;) {
        if (*p == '"') {
            p = skip_string(p, end);
            if (is_key(p, end)) {
                key_line = line;
                continue;
            }
        } else if (*p == '{' || *p == '[') {
            p++;
        } else if (isalnum((unsigned char)*p) || *p == '-') {
            while (p < end && (isalnum((unsigned char)*p) || strchr("+-.", *p))) p++;
        } else {
            line += *p++ == '\n';
            continue;
        }
        /* A value begins; its key, if it has one, is the last string that was a key. */
        if (order-- == 0) return key_line ? key_line : line;
        key_line = 0;
    }
    return 0;
}
