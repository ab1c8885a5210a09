#include "harness/base/json.h"

#include <cjson/cJSON.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_DEPTH 64

/* tm_json is cJSON's node under another name. */
static cJSON *node(tm_json *json)
{
    return (cJSON *)json;
}
static const cJSON *view(const tm_json *json)
{
    return (const cJSON *)json;
}

static void line_and_column(const char *text, size_t length, const char *at, int *line, int *column)
{
    *line = 1;
    *column = 1;
    for (const char *p = text; p < text + length && p < at; p++) {
        if (*p == '\n') {
            (*line)++;
            *column = 1;
        } else {
            (*column)++;
        }
    }
}

/* The deepest nesting of brackets outside strings. The library recurses, so this is checked
 * first. */
static int nesting(const char *text, size_t length)
{
    int depth = 0, deepest = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > deepest) deepest = depth;
        } else if (c == '}' || c == ']') {
            depth--;
        }
    }
    return deepest;
}

tm_status tm_json_parse(const char *text, size_t length, const char *what, tm_json **out,
                        tm_error *err)
{
    *out = NULL;
    if (nesting(text, length) > MAX_DEPTH)
        return tm_fail(err, TM_FORMAT, "%s: nested deeper than %d levels", what, MAX_DEPTH);
    const char *end = NULL;
    /* Without the flag the library needs no terminating NUL and stays within the length. */
    cJSON *root = cJSON_ParseWithLengthOpts(text, length, &end, 0);
    if (!root) {
        int line, column;
        line_and_column(text, length, end ? end : text, &line, &column);
        return tm_fail(err, TM_FORMAT, "%s: line %d, column %d: not valid JSON", what, line,
                       column);
    }
    while (end < text + length && strchr(" \t\r\n", *end) && *end) end++;
    if (end < text + length) {
        int line, column;
        line_and_column(text, length, end, &line, &column);
        cJSON_Delete(root);
        return tm_fail(err, TM_FORMAT, "%s: line %d, column %d: text after the end of the value",
                       what, line, column);
    }
    *out = (tm_json *)root;
    return TM_OK;
}

void tm_json_free(tm_json *json)
{
    cJSON_Delete(node(json));
}

/* The library prints 15 digits if they are within one epsilon of the value, even if reading them
 * back gives another value. Print such numbers with 17 digits instead. */
static bool keep_every_digit(cJSON *item)
{
    for (; item; item = item->next) {
        if (item->child && !keep_every_digit(item->child)) return false;
        if (!cJSON_IsNumber(item)) continue;
        char text[40];
        snprintf(text, sizeof text, "%1.15g", item->valuedouble);
        if (strtod(text, NULL) == item->valuedouble) continue;
        snprintf(text, sizeof text, "%1.17g", item->valuedouble);
        cJSON *raw = cJSON_CreateRaw(text);
        if (!raw) return false;
        item->type = cJSON_Raw;
        item->valuestring = raw->valuestring;
        raw->valuestring = NULL;
        cJSON_Delete(raw);
    }
    return true;
}

char *tm_json_print(const tm_json *json, bool indented)
{
    cJSON *copy = cJSON_Duplicate(view(json), 1);
    char *text = NULL;
    if (copy && keep_every_digit(copy))
        text = indented ? cJSON_Print(copy) : cJSON_PrintUnformatted(copy);
    cJSON_Delete(copy);
    return text;
}

tm_json *tm_json_copy(const tm_json *json)
{
    return (tm_json *)cJSON_Duplicate(view(json), 1);
}

tm_json *tm_json_object(void)
{
    return (tm_json *)cJSON_CreateObject();
}
tm_json *tm_json_array(void)
{
    return (tm_json *)cJSON_CreateArray();
}
tm_json *tm_json_string(const char *text)
{
    return (tm_json *)cJSON_CreateString(text);
}
tm_json *tm_json_null(void)
{
    return (tm_json *)cJSON_CreateNull();
}
tm_json *tm_json_number(double value)
{
    return (tm_json *)(isfinite(value) ? cJSON_CreateNumber(value) : cJSON_CreateNull());
}

void tm_json_set(tm_json *object, const char *key, tm_json *value)
{
    if (!cJSON_AddItemToObject(node(object), key, node(value))) cJSON_Delete(node(value));
}
void tm_json_append(tm_json *array, tm_json *value)
{
    if (!cJSON_AddItemToArray(node(array), node(value))) cJSON_Delete(node(value));
}
void tm_json_put_string(tm_json *object, const char *key, const char *text)
{
    tm_json_set(object, key, text ? tm_json_string(text) : tm_json_null());
}
void tm_json_put_number(tm_json *object, const char *key, double value)
{
    tm_json_set(object, key, tm_json_number(value));
}
void tm_json_put_int(tm_json *object, const char *key, int64_t value)
{
    tm_json_put_number(object, key, (double)value);
}
void tm_json_put_bool(tm_json *object, const char *key, bool value)
{
    tm_json_set(object, key, (tm_json *)cJSON_CreateBool(value));
}
void tm_json_put_missing(tm_json *object, const char *key, const char *reason)
{
    char name[128];
    snprintf(name, sizeof name, "%s_missing", key);
    tm_json_set(object, key, tm_json_null());
    tm_json_put_string(object, name, reason);
}
void tm_json_put_finite(tm_json *object, const char *key, double value, const char *reason)
{
    if (isfinite(value))
        tm_json_put_number(object, key, value);
    else
        tm_json_put_missing(object, key, reason[0] ? reason : "not measured");
}

const tm_json *tm_json_get(const tm_json *object, const char *key)
{
    if (!cJSON_IsObject(view(object))) return NULL;
    return (const tm_json *)cJSON_GetObjectItemCaseSensitive(view(object), key);
}
const tm_json *tm_json_at(const tm_json *array, int index)
{
    if (!array) return NULL;
    return (const tm_json *)cJSON_GetArrayItem(view(array), index);
}
const tm_json *tm_json_next(const tm_json *member)
{
    return member ? (const tm_json *)view(member)->next : NULL;
}
int tm_json_count(const tm_json *container)
{
    return container ? cJSON_GetArraySize(view(container)) : 0;
}
const char *tm_json_key(const tm_json *member)
{
    return member ? view(member)->string : NULL;
}
bool tm_json_is_object(const tm_json *json)
{
    return cJSON_IsObject(view(json));
}
bool tm_json_is_array(const tm_json *json)
{
    return cJSON_IsArray(view(json));
}
bool tm_json_is_string(const tm_json *json)
{
    return cJSON_IsString(view(json));
}
bool tm_json_is_number(const tm_json *json)
{
    return cJSON_IsNumber(view(json));
}
bool tm_json_is_bool(const tm_json *json)
{
    return cJSON_IsBool(view(json));
}
bool tm_json_is_null(const tm_json *json)
{
    return cJSON_IsNull(view(json));
}
const char *tm_json_text(const tm_json *json, const char *otherwise)
{
    return tm_json_is_string(json) ? view(json)->valuestring : otherwise;
}
double tm_json_double(const tm_json *json, double otherwise)
{
    return tm_json_is_number(json) ? view(json)->valuedouble : otherwise;
}
bool tm_json_true(const tm_json *json)
{
    return cJSON_IsTrue(view(json));
}

static const char *type_name(const tm_json *json)
{
    if (tm_json_is_object(json)) return "an object";
    if (tm_json_is_array(json)) return "an array";
    if (tm_json_is_string(json)) return "a string";
    if (tm_json_is_number(json)) return "a number";
    if (tm_json_is_bool(json)) return "a boolean";
    return "null";
}

static tm_status need(const tm_json *object, const char *key, const char *what, bool right,
                      const char *wanted, tm_error *err)
{
    const tm_json *value = tm_json_get(object, key);
    if (!value) return tm_fail(err, TM_FORMAT, "%s: key \"%s\" is missing", what, key);
    if (!right)
        return tm_fail(err, TM_FORMAT, "%s: key \"%s\" is %s, not %s", what, key, type_name(value),
                       wanted);
    return TM_OK;
}

tm_status tm_json_need_string(const tm_json *object, const char *key, const char *what,
                              const char **out, tm_error *err)
{
    const tm_json *value = tm_json_get(object, key);
    tm_status status = need(object, key, what, tm_json_is_string(value), "a string", err);
    if (status == TM_OK) *out = view(value)->valuestring;
    return status;
}

tm_status tm_json_need_number(const tm_json *object, const char *key, const char *what, double *out,
                              tm_error *err)
{
    const tm_json *value = tm_json_get(object, key);
    tm_status status = need(object, key, what, tm_json_is_number(value), "a number", err);
    if (status == TM_OK) *out = view(value)->valuedouble;
    return status;
}

tm_status tm_json_need_int(const tm_json *object, const char *key, const char *what, int64_t low,
                           int64_t high, int64_t *out, tm_error *err)
{
    double number = 0;
    tm_status status = tm_json_need_number(object, key, what, &number, err);
    if (status != TM_OK) return status;
    if (!(number >= (double)low && number <= (double)high) || number != floor(number))
        return tm_fail(err, TM_FORMAT, "%s: key \"%s\" is %g, not a whole number from %lld to %lld",
                       what, key, number, (long long)low, (long long)high);
    *out = (int64_t)number;
    return TM_OK;
}

const tm_json *tm_json_unknown_key(const tm_json *object, const char *const *known)
{
    for (const tm_json *member = tm_json_at(object, 0); member; member = tm_json_next(member)) {
        const char *const *name = known;
        while (*name && strcmp(*name, tm_json_key(member)) != 0) name++;
        if (!*name) return member;
    }
    return NULL;
}

tm_status tm_json_only_keys(const tm_json *object, const char *const *known, const char *what,
                            tm_error *err)
{
    const char *key = tm_json_key(tm_json_unknown_key(object, known));
    if (!key) return TM_OK;
    if (tm_unknown_name(err, "key", key, known) != TM_OK) tm_fail_in(err, "%s", what);
    return err->status = TM_FORMAT;
}
