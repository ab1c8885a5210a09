#include "harness/cli/options.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_NAMES 64

char *tm_names_text(const char *const *names, char *out, size_t size)
{
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; names[i] && n < size; i++) {
        const char *before = i == 0 ? "" : names[i + 1] ? ", " : " or ";
        n += (size_t)snprintf(out + n, size - n, "%s%s", before, names[i]);
    }
    return out;
}

bool tm_names_have(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static const tm_option *find(const tm_option *rows, int n_rows, const char *name, size_t length,
                             bool is_long)
{
    for (int i = 0; i < n_rows; i++) {
        const char *own = is_long ? rows[i].name : rows[i].letters;
        if (own && strlen(own) == length && strncmp(own, name, length) == 0) return &rows[i];
    }
    return NULL;
}

static tm_status set_number(const tm_option *option, const char *shown, const char *text,
                            void *target, tm_error *err)
{
    char *end;
    bool is_integer = option->kind == TM_OPTION_INTEGER;
    errno = 0;
    double value = strtod(text, &end);
    if (end == text || *end || errno || !isfinite(value) || (is_integer && value != floor(value)) ||
        value < option->low || value > option->high)
        return tm_fail(err, TM_ARG, "%s is \"%s\"; expected a %snumber from %.15g to %.15g", shown,
                       text, is_integer ? "whole " : "", option->low, option->high);
    if (is_integer)
        *(int64_t *)target = (int64_t)value;
    else
        *(double *)target = value;
    return TM_OK;
}

/* shown: how the user wrote the option. */
static tm_status set(const tm_option *option, const char *shown, const char *text, void *settings,
                     tm_error *err)
{
    void *target = (char *)settings + option->offset;
    char names[256];
    switch (option->kind) {
    case TM_OPTION_FLAG:
        *(bool *)target = true;
        return TM_OK;
    case TM_OPTION_CHOICE:
        if (!tm_names_have(option->choices, text))
            return tm_fail(err, TM_ARG, "%s is \"%s\"; expected %s", shown, text,
                           tm_names_text(option->choices, names, sizeof names));
        break;
    case TM_OPTION_TEXT:
    case TM_OPTION_LIST:
    case TM_OPTION_FILE:
    case TM_OPTION_DIR:
        if (!*text && !option->may_be_empty)
            return tm_fail(err, TM_ARG, "%s is empty; expected %s", shown, option->value);
        break;
    case TM_OPTION_INTEGER:
    case TM_OPTION_NUMBER:
        return set_number(option, shown, text, target, err);
    }
    *(const char **)target = text;
    return TM_OK;
}

char *tm_option_variable(const tm_option *option, char *out, size_t size)
{
    snprintf(out, size, "TERNMARK_%s", option->name);
    for (char *c = out; *c; c++) *c = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
    return out;
}

static tm_status set_from_environment(const tm_option *option, void *settings, tm_error *err)
{
    char name[64];
    const char *text = getenv(tm_option_variable(option, name, sizeof name));
    if (!text || !*text) return TM_OK;
    if (option->kind == TM_OPTION_FLAG && strcmp(text, "0") == 0) return TM_OK;
    return set(option, name, text, settings, err);
}

static tm_status unknown(const tm_option *rows, int n_rows, const char *given, tm_error *err)
{
    char texts[MAX_NAMES][40], bare[64];
    const char *names[MAX_NAMES + 1];
    int n = 0;
    for (; n < n_rows && n < MAX_NAMES; n++) {
        snprintf(texts[n], sizeof texts[n], "--%s", rows[n].name);
        names[n] = texts[n];
    }
    names[n] = NULL;
    given += strspn(given, "-");
    snprintf(bare, sizeof bare, "--%.*s", (int)strcspn(given, "="), given);
    if (tm_nearest_name(bare, names)) return tm_unknown_name(err, "option", bare, names);
    return tm_fail(err, TM_ARG, "unknown option \"%s\"; use --help to list the options", bare);
}

/* `-t4` and `-msynth:125M`, as llama-bench takes them: the longest letters before a value that
 * looks like one. Returns its row, with the length of the letters; NULL: none. */
static const tm_option *find_glued(const tm_option *rows, int n_rows, const char *name,
                                   size_t *length)
{
    for (size_t n = 2; n > 0; n--) {
        if (strlen(name) <= n) continue;
        const tm_option *option = find(rows, n_rows, name, n, false);
        bool is_value = isdigit((unsigned char)name[n]) || name[n] == '/' || name[n] == '.' ||
                        strncmp(name + n, "synth:", 6) == 0;
        if (!option || option->kind == TM_OPTION_FLAG || !is_value) continue;
        *length = n;
        return option;
    }
    return NULL;
}

/* Appends a repeated list to the one before, as llama-bench does. */
static tm_status append_list(tm_parsed *out, const char *before, char separator, const char **list,
                             tm_error *err)
{
    char *joined = NULL;
    if (out->n_joined == TM_OPTIONS_JOINED_MAX)
        return tm_fail(err, TM_ARG, "more than %d repeated options", TM_OPTIONS_JOINED_MAX);
    if (asprintf(&joined, "%s%c%s", before, separator ? separator : ',', *list) < 0)
        return tm_fail(err, TM_NOMEM, "no memory for a list");
    *list = out->joined[out->n_joined++] = joined;
    return TM_OK;
}

void tm_parsed_free(tm_parsed *parsed)
{
    for (int i = 0; i < parsed->n_joined; i++) free(parsed->joined[i]);
    parsed->n_joined = 0;
}

/* One option at argv[*i], with its value, which may be argv[*i + 1]. is_given: [n_rows], which
 * options came before on this command line. */
static tm_status parse_option(const tm_option *rows, int n_rows, int argc, char **argv, int *i,
                              bool *is_given, tm_parsed *out, tm_error *err)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    const char *name = arg + (is_long ? 2 : 1), *equals = strchr(name, '=');
    size_t length = equals ? (size_t)(equals - name) : strlen(name);
    const tm_option *option = find(rows, n_rows, name, length, is_long);
    if (!option && !is_long) {
        option = find_glued(rows, n_rows, name, &length);
        if (option) equals = name + length - 1; /* the value begins after the letters */
    }
    if (!option) return unknown(rows, n_rows, arg, err);
    char shown[64];
    snprintf(shown, sizeof shown, "%.*s", (int)(name - arg) + (int)length, arg);
    const char *text = equals ? equals + 1 : NULL;
    if (option->kind == TM_OPTION_FLAG) {
        if (text) return tm_fail(err, TM_ARG, "%s takes no value", shown);
    } else if (!text) {
        if (*i + 1 >= argc)
            return tm_fail(err, TM_ARG, "%s needs a value: %s", shown, option->value);
        text = argv[++*i];
    }
    const char **value = (const char **)(void *)((char *)out->settings + option->offset);
    bool is_repeated = option->kind == TM_OPTION_LIST && is_given[option - rows];
    const char *before = is_repeated ? *value : NULL;
    tm_status status = set(option, shown, text, out->settings, err);
    is_given[option - rows] = true;
    return status == TM_OK && before ? append_list(out, before, option->separator, value, err)
                                     : status;
}

/* Lists the variables whose values the command line did not override, for messages. */
static void list_variables(const tm_option *rows, int n_rows, const bool *is_given, tm_parsed *out)
{
    char *list = out->from_environment, name[64];
    size_t n = 0, size = sizeof out->from_environment;
    list[0] = 0;
    for (int i = 0; i < n_rows && n < size; i++) {
        const char *text = getenv(tm_option_variable(&rows[i], name, sizeof name));
        if (text && *text && !is_given[i])
            n += (size_t)snprintf(list + n, size - n, "%s%s=%s", n ? ", " : "", name, text);
    }
}

static tm_status check_required(const tm_option *rows, int n_rows, const void *settings,
                                tm_error *err)
{
    for (int i = 0; i < n_rows; i++) {
        const char *const *value =
            (const char *const *)(const void *)((const char *)settings + rows[i].offset);
        if (rows[i].is_required && !*value)
            return tm_fail(err, TM_ARG, "--%s is missing; expected %s", rows[i].name,
                           rows[i].value);
    }
    return TM_OK;
}

tm_status tm_options_parse(const tm_option *rows, int n_rows, int argc, char **argv, tm_parsed *out,
                           tm_error *err)
{
    assert(n_rows <= TM_OPTIONS_ROWS_MAX);
    out->n_arguments = out->n_joined = 0;
    out->wants_help = false;
    out->from_environment[0] = 0;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            out->wants_help = true;
            return TM_OK;
        }
    tm_status status = TM_OK;
    for (int i = 0; i < n_rows && status == TM_OK; i++)
        status = set_from_environment(&rows[i], out->settings, err);
    bool only_arguments = false, is_given[TM_OPTIONS_ROWS_MAX] = {false};
    for (int i = 1; i < argc && status == TM_OK; i++) {
        const char *arg = argv[i];
        if (only_arguments || arg[0] != '-' || !arg[1]) {
            if (out->n_arguments >= out->max_arguments)
                return tm_fail(err, TM_ARG, "unexpected argument \"%s\"; usage: %s", arg,
                               out->usage);
            out->arguments[out->n_arguments++] = arg;
        } else if (strcmp(arg, "--") == 0) {
            only_arguments = true;
        } else {
            status = parse_option(rows, n_rows, argc, argv, &i, is_given, out, err);
        }
    }
    list_variables(rows, n_rows, is_given, out);
    if (status == TM_OK && out->n_arguments < out->min_arguments)
        status = tm_fail(err, TM_ARG, "an argument is missing; usage: %s", out->usage);
    return status == TM_OK ? check_required(rows, n_rows, out->settings, err) : status;
}

tm_status tm_parse_ints(const char *text, const char *what, int64_t low, int64_t high, int *out,
                        int max, int *n, tm_error *err)
{
    *n = 0;
    for (const char *p = text;; p++) {
        int length = (int)strcspn(p, ",");
        char *end;
        errno = 0;
        long long value = strtoll(p, &end, 10);
        if (length == 0 || !isdigit((unsigned char)*p) || end != p + length || errno ||
            value < low || value > high)
            return tm_fail(err, TM_ARG, "%s: \"%.*s\" is not a whole number from %lld to %lld",
                           what, length, p, (long long)low, (long long)high);
        if (*n >= max) return tm_fail(err, TM_ARG, "%s: more than %d values", what, max);
        out[(*n)++] = (int)value;
        p = end;
        if (!*p) return TM_OK;
    }
}

tm_status tm_split_texts(const char *text, const char *what, char ***out, int *n, tm_error *err)
{
    *out = NULL;
    *n = 0;
    int parts = 1;
    for (const char *p = text; *p; p++) parts += *p == ',';
    char **texts = calloc((size_t)parts, sizeof *texts);
    if (!texts) return tm_fail(err, TM_NOMEM, "%s: no memory for %d parts", what, parts);
    for (const char *p = text;; p++) {
        size_t length = strcspn(p, ",");
        char *copy = strndup(p, length);
        if (copy) texts[(*n)++] = copy;
        if (!copy || length == 0) {
            tm_free_texts(texts, *n);
            *n = 0;
            return copy ? tm_fail(err, TM_ARG, "%s: \"%s\" has an empty part", what, text)
                        : tm_fail(err, TM_NOMEM, "%s: no memory", what);
        }
        p += length;
        if (!*p) break;
    }
    *out = texts;
    return TM_OK;
}

void tm_free_texts(char **texts, int n)
{
    for (int i = 0; i < n; i++) free(texts[i]);
    free(texts);
}
