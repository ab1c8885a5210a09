#include "harness/base/json_line.h"

#include <ctype.h>
#include <string.h>

/* Index of a value in the order in which values begin in the text; -1: `json` does not contain it.
 * *n counts the values before it. */
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

/* p: at the opening quote. Returns the character after the closing quote. */
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

int tm_json_line(const tm_json_source *source, const tm_json *value)
{
    const char *end = source->text + source->length;
    int before = 0, order = order_of(source->root, value, &before), line = 1, key_line = 0;
    if (order < 0) return 0;
    for (const char *p = source->text; p < end;) {
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
        /* A value begins. If it has a key, that is the key before it. */
        if (order-- == 0) return key_line ? key_line : line;
        key_line = 0;
    }
    return 0;
}
