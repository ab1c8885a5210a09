#include "harness/cli/options.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_OPTIONS 64

void tm_options_append(tm_option *options, const tm_option *rows, int n_rows)
{
    while (options->name) options++;
    memcpy(options, rows, (size_t)n_rows * sizeof *rows);
}

static const tm_option *find(const tm_command *command, const char *name, size_t length,
                             bool is_long)
{
    for (const tm_option *o = command->options; o->name; o++) {
        const char *own = is_long ? o->name : o->letters;
        if (own && strlen(own) == length && strncmp(own, name, length) == 0) return o;
    }
    return NULL;
}

static tm_status set(const tm_option *option, const char *shown, const char *text, tm_error *err)
{
    switch (option->kind) {
    case TM_OPTION_FLAG:
        *(bool *)option->target = true;
        return TM_OK;
    case TM_OPTION_TEXT:
        if (!*text)
            return tm_fail(err, TM_ARG, "%s needs %s, not an empty text", shown, option->value);
        *(const char **)option->target = text;
        return TM_OK;
    case TM_OPTION_INT:
    case TM_OPTION_REAL: {
        char *end;
        errno = 0;
        double value = strtod(text, &end);
        bool whole = option->kind == TM_OPTION_REAL || value == floor(value);
        if (end == text || *end || errno || !isfinite(value) || !whole || value < option->low ||
            value > option->high)
            return tm_fail(err, TM_ARG, "%s is \"%s\", not a %snumber from %.15g to %.15g", shown,
                           text, option->kind == TM_OPTION_INT ? "whole " : "", option->low,
                           option->high);
        if (option->kind == TM_OPTION_INT)
            *(int64_t *)option->target = (int64_t)value;
        else
            *(double *)option->target = value;
        return TM_OK;
    }
    }
    return TM_OK;
}

static tm_status set_from_environment(const tm_option *option, tm_error *err)
{
    char name[64];
    int n = snprintf(name, sizeof name, "TERNMARK_%s", option->name);
    for (int i = 0; i < n; i++)
        name[i] = name[i] == '-' ? '_' : (char)toupper((unsigned char)name[i]);
    const char *text = getenv(name);
    if (!text || !*text) return TM_OK;
    if (option->kind == TM_OPTION_FLAG && strcmp(text, "0") == 0) return TM_OK;
    return set(option, name, text, err);
}

static void print_help(const tm_command *command)
{
    printf("usage: ternmark %s %s\n%s\n", command->name, command->arguments, command->summary);
    if (command->options->name) printf("\n");
    for (const tm_option *o = command->options; o->name; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s--%s%s%s", o->letters ? "-" : "",
                 o->letters ? o->letters : "", o->letters ? ", " : "", o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-30s %s\n", left, o->help);
    }
}

static tm_status unknown(const tm_command *command, const char *given, tm_error *err)
{
    const char *names[MAX_OPTIONS + 1];
    int n = 0;
    for (const tm_option *o = command->options; o->name && n < MAX_OPTIONS; o++)
        names[n++] = o->name;
    names[n] = NULL;
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(given + strspn(given, "-"), "="),
             given + strspn(given, "-"));
    const char *nearest = tm_nearest_name(bare, names);
    if (nearest)
        return tm_fail(err, TM_ARG, "unknown option %s; did you mean --%s?", given, nearest);
    return tm_fail(err, TM_ARG, "unknown option %s; `ternmark %s --help` lists them", given,
                   command->name);
}

tm_status tm_options_parse(const tm_command *command, int argc, char **argv, const char **arguments,
                           int *n, bool *help, tm_error *err)
{
    *n = 0;
    *help = false;
    for (const tm_option *o = command->options; o->name; o++) {
        tm_status status = set_from_environment(o, err);
        if (status != TM_OK) return status;
    }
    bool only_arguments = false;
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (only_arguments || arg[0] != '-' || !arg[1]) {
            if (*n >= command->max_arguments)
                return tm_fail(err, TM_ARG, "unexpected argument \"%s\"; usage: ternmark %s %s",
                               arg, command->name, command->arguments);
            arguments[(*n)++] = arg;
            continue;
        }
        if (strcmp(arg, "--") == 0) {
            only_arguments = true;
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(command);
            *help = true;
            return TM_OK;
        }
        bool is_long = arg[1] == '-';
        const char *name = arg + (is_long ? 2 : 1), *equals = strchr(name, '=');
        size_t length = equals ? (size_t)(equals - name) : strlen(name);
        const tm_option *option = find(command, name, length, is_long);
        if (!option) return unknown(command, arg, err);
        char shown[64];
        snprintf(shown, sizeof shown, "%.*s", (int)(name - arg) + (int)length, arg);
        const char *text = equals ? equals + 1 : NULL;
        if (option->kind == TM_OPTION_FLAG) {
            if (text) return tm_fail(err, TM_ARG, "%s takes no value", shown);
        } else if (!text) {
            if (i + 1 >= argc)
                return tm_fail(err, TM_ARG, "%s needs a value: %s", shown, option->value);
            text = argv[++i];
        }
        tm_status status = set(option, shown, text, err);
        if (status != TM_OK) return status;
    }
    if (*n < command->min_arguments)
        return tm_fail(err, TM_ARG, "too few arguments; usage: ternmark %s %s", command->name,
                       command->arguments);
    return TM_OK;
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

int tm_exit_status(tm_status status)
{
    switch (status) {
    case TM_OK:
        return 0;
    case TM_CHECK:
        return 1;
    case TM_ARG:
    case TM_IO:
    case TM_FORMAT:
        return 2;
    case TM_UNSUPPORTED:
    case TM_NOMEM:
        return 3;
    case TM_CHILD:
    case TM_TIMEOUT:
        return 4;
    case TM_INTERRUPTED:
        return 130;
    }
    return 2;
}

int tm_report_error(const char *command, const tm_error *err)
{
    fprintf(stderr, "ternmark%s%s: %s\n", *command ? " " : "", command, err->message);
    return tm_exit_status(err->status);
}
