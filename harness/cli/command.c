#include "harness/cli/command.h"

#include "engine/gguf.h"
#include "harness/base/atomic_file.h"
#include "harness/base/version.h"
#include "harness/cli/commands.h"
#include "harness/cli/help.h"
#include "harness/tune/prefetch.h"

#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Before the command's settings in one block, so that one parser fills both. */
typedef struct output_settings {
    const char *format, *path, *i2s_layout;
} output_settings;

#define SETTINGS_OFFSET ((sizeof(output_settings) + 15) / 16 * 16)

#define I2_S_LAYOUT_VARIABLE "TERNMARK_I2S_LAYOUT" /* of the option --i2s-layout */

static tm_status use_i2_s_layout(const char *text, tm_error *err)
{
    bool known = tm_gguf_set_i2_s_layout(text);
    if (known && setenv(I2_S_LAYOUT_VARIABLE, text, 1) == 0) return TM_OK;
    return tm_fail(err, known ? TM_NOMEM : TM_ARG, "%s is \"%s\"; it must be 128, 64, 4 or rows",
                   I2_S_LAYOUT_VARIABLE, text);
}

tm_status tm_i2_s_layout_from_environment(tm_error *err)
{
    const char *text = getenv(I2_S_LAYOUT_VARIABLE);
    return text && *text ? use_i2_s_layout(text, err) : TM_OK;
}

static void append(tm_option *out, int *n, const tm_option *rows, size_t offset)
{
    for (; rows && rows->name; rows++) {
        assert(*n < TM_COMMAND_OPTIONS_MAX);
        out[*n] = *rows;
        out[(*n)++].offset += offset;
    }
}

static bool reads_model_files(const tm_command *command, const tm_option *rows, int n_rows)
{
    bool reads = strcmp(command->name, "model") == 0;
    for (int i = 0; i < n_rows; i++) reads |= strcmp(rows[i].name, "model") == 0;
    return reads;
}

int tm_command_options(const tm_command *command, tm_option *out)
{
    const tm_option layout[] = {
        {"i2s-layout", NULL, TM_CHOICE(output_settings, i2s_layout), "NAME",
         .help = "how I2_S files are packed: in groups of 128, 64 (made on ARM) or 4 weights, or "
                 "with four rows in a byte (default 128)",
         .choices = tm_gguf_i2_s_layout_names()},
        {0},
    };
    const tm_option format[] = {
        {"format", NULL, TM_CHOICE(output_settings, format), "NAME",
         .help = "print in this format (default text)", .choices = command->formats},
        {0},
    };
    static const tm_option path[] = {
        {"output", "o", TM_FILE(output_settings, path), "FILE",
         .help = "write to FILE instead of standard output"},
        {0},
    };
    int n = 0;
    for (const tm_option_set *set = command->options; set && set->rows; set++)
        append(out, &n, set->rows, SETTINGS_OFFSET + set->offset);
    if (command->get_rows)
        append(out, &n, command->get_rows(), SETTINGS_OFFSET + command->got_rows_offset);
    if (reads_model_files(command, out, n)) append(out, &n, layout, 0);
    if (command->formats) append(out, &n, format, 0);
    if (command->formats || command->prints) append(out, &n, path, 0);
    return n;
}

tm_status tm_print_json(FILE *out, tm_json *json, tm_error *err)
{
    char *text = json ? tm_json_print(json, true) : NULL;
    tm_json_free(json);
    if (!text) return tm_fail(err, TM_NOMEM, "no memory to print JSON");
    fprintf(out, "%s\n", text);
    free(text);
    return TM_OK;
}

/* `-o json`: up to version 0.1 --output named a format, and scripts rely on it. */
static void take_old_spelling(const tm_command *command, output_settings *output)
{
    if (!output->path || !command->formats || !tm_names_have(command->formats, output->path))
        return;
    output->format = output->path;
    output->path = NULL;
}

static bool is_interrupted(const tm_call *call)
{
    return call->exit_status == 128 + SIGINT || call->exit_status == 128 + SIGTERM;
}

/* Runs the command with its data going to a file, which is written at the end. */
static tm_status run_to_file(const tm_command *command, void *settings, tm_call *call,
                             const char *path, tm_error *err)
{
    char *data = NULL;
    size_t n = 0;
    tm_status status = tm_atomic_file_check(path, err);
    if (status != TM_OK) return status;
    call->out = open_memstream(&data, &n);
    if (!call->out) return tm_fail(err, TM_NOMEM, "no memory for the output");
    status = command->run(settings, call, err);
    if (fclose(call->out) != 0 && status == TM_OK)
        status = tm_fail(err, TM_NOMEM, "no memory for the output");
    if (status == TM_OK && is_interrupted(call)) {
        /* What is there is not what was asked for: it must not replace a complete file. */
        fprintf(stderr, "ternmark %s: interrupted; %s is not written, what was measured follows\n",
                command->name, path);
        if (n > 0) fwrite(data, 1, n, stdout);
    } else if (status == TM_OK && (n > 0 || call->exit_status == 0)) {
        status = tm_atomic_file_write(path, data, n, err);
    }
    free(data);
    return status;
}

/* Data that did not reach its reader (a full disk behind stdout) is a failure. */
static tm_status flush_stdout(tm_error *err)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return TM_OK;
    return tm_fail(err, TM_IO, "writing to standard output failed");
}

static tm_status run_to_stdout(const tm_command *command, void *settings, tm_call *call,
                               tm_error *err)
{
    call->out = stdout;
    tm_status status = command->run(settings, call, err);
    tm_error lost = {0};
    if (flush_stdout(&lost) != TM_OK && status == TM_OK && call->exit_status == 0) {
        *err = lost;
        return err->status;
    }
    return status;
}

/* Whether both names lead to one regular file, or will. */
static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    bool has_a = stat(a, &x) == 0, has_b = stat(b, &y) == 0;
    if (!has_a && !has_b) return strcmp(a, b) == 0;
    return has_a && has_b && S_ISREG(x.st_mode) && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

/* A file has one role: what one option reads or writes must not be overwritten by another. */
static tm_status check_files(const tm_option *rows, int n_rows, const tm_parsed *parsed,
                             tm_error *err)
{
    const char *files[TM_COMMAND_OPTIONS_MAX];
    for (int i = 0; i < n_rows; i++) {
        const char *const *value =
            (const char *const *)(const void *)((const char *)parsed->settings + rows[i].offset);
        bool is_name = rows[i].kind == TM_OPTION_FILE || rows[i].kind == TM_OPTION_LIST;
        files[i] = is_name ? *value : NULL;
        if (!files[i] || rows[i].kind != TM_OPTION_FILE) continue;
        for (int k = 0; k < i; k++)
            if (files[k] && !(rows[i].is_program && rows[k].is_program) &&
                is_same_file(files[i], files[k]))
                return tm_fail(err, TM_ARG, "--%s and --%s name the same file, %s", rows[k].name,
                               rows[i].name, files[i]);
        for (int k = 0; k < parsed->n_arguments && strcmp(rows[i].name, "output") == 0; k++)
            if (is_same_file(files[i], parsed->arguments[k]) && access(files[i], F_OK) == 0)
                return tm_fail(err, TM_ARG, "--output would overwrite %s, which the command reads",
                               files[i]);
    }
    return TM_OK;
}

static int run(const tm_command *command, int argc, char **argv)
{
    tm_error err = {0};
    tm_option rows[TM_COMMAND_OPTIONS_MAX];
    const char *arguments[TM_COMMAND_ARGUMENTS_MAX];
    int n_rows = tm_command_options(command, rows);
    char *block = calloc(1, SETTINGS_OFFSET + command->settings_size);
    tm_call call = {.command = command->name, .arguments = arguments};
    char usage[160];
    snprintf(usage, sizeof usage, "ternmark %s %s", command->name, command->synopsis);
    tm_parsed parsed = {.settings = block,
                        .usage = usage,
                        .arguments = arguments,
                        .min_arguments = command->min_arguments,
                        .max_arguments = command->max_arguments};
    if (!block) {
        (void)tm_fail(&err, TM_NOMEM, "no memory for %zu bytes of settings",
                      command->settings_size);
        return tm_report_error(command->name, &err);
    }
    if (command->defaults)
        memcpy(block + SETTINGS_OFFSET, command->defaults, command->settings_size);
    tm_status status = tm_options_parse(rows, n_rows, argc, argv, &parsed, &err);
    if (status == TM_OK && parsed.wants_help) {
        tm_help_command(command, stdout);
        status = flush_stdout(&err);
    } else if (status == TM_OK) {
        output_settings *output = (void *)block;
        void *settings = block + SETTINGS_OFFSET;
        take_old_spelling(command, output);
        status = check_files(rows, n_rows, &parsed, &err);
        if (status == TM_OK && output->i2s_layout)
            status = use_i2_s_layout(output->i2s_layout, &err);
        call.n_arguments = parsed.n_arguments;
        call.format = output->format     ? output->format
                      : command->formats ? command->formats[0]
                                         : NULL;
        if (status == TM_OK)
            status = output->path ? run_to_file(command, settings, &call, output->path, &err)
                                  : run_to_stdout(command, settings, &call, &err);
    }
    /* A wrong value may come from where nobody looks. */
    size_t end = strlen(err.message);
    if (status == TM_ARG && parsed.from_environment[0] && !strstr(err.message, "TERNMARK_"))
        snprintf(err.message + end, sizeof err.message - end, " (from the environment: %s)",
                 parsed.from_environment);
    tm_parsed_free(&parsed);
    free(block);
    int exit_status = status == TM_OK ? 0 : tm_report_error(command->name, &err);
    return call.exit_status ? call.exit_status : exit_status;
}

/* Variables that no option reads. */
static const char *const other_variables[] = {"TERNMARK_ISA", TM_PREFETCH_VARIABLE,
                                              "TERNMARK_DEMO_SECONDS", NULL};

/* Every variable that a command knows, each once, ended by NULL. */
static int list_known_variables(char texts[][48], const char **names, int max)
{
    int n = 0;
    for (; other_variables[n]; n++) names[n] = other_variables[n];
    for (const tm_command_entry *e = tm_commands(); e->group || e->command; e++) {
        tm_option rows[TM_COMMAND_OPTIONS_MAX];
        int n_rows = e->command ? tm_command_options(e->command, rows) : 0;
        for (int i = 0; i < n_rows; i++) {
            assert(n < max);
            tm_option_variable(&rows[i], texts[n], sizeof texts[n]);
            names[n] = NULL;
            if (tm_names_have(names, texts[n])) continue;
            names[n] = texts[n];
            n++;
        }
    }
    names[n] = NULL;
    return n;
}

/* A variable with a typing error would silently do nothing. */
static void warn_about_variables(void)
{
    enum { MAX = 256 };
    static char texts[MAX][48];
    const char *names[MAX + 1] = {NULL};
    bool is_listed = false;
    for (char **e = environ; *e; e++) {
        char name[64];
        if (strncmp(*e, "TERNMARK_", 9) != 0) continue;
        if (!is_listed) list_known_variables(texts, names, MAX);
        is_listed = true;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*e, "="), *e);
        if (tm_names_have(names, name)) continue;
        const char *nearest = tm_nearest_name(name, names);
        fprintf(stderr, "ternmark: the environment variable %s is not known%s%s%s\n", name,
                nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
    }
}

int tm_main(int argc, char **argv)
{
    tm_error err = {0};
    const tm_command *command;
    if (argc < 2) {
        tm_help_overview(stdout);
        return 2;
    }
    const char *name = argv[1];
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = argv[1] = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        printf("ternmark %s (commit %s, %s)\n", tm_version(), tm_commit(), tm_compiler());
        return flush_stdout(&err) == TM_OK ? 0 : tm_report_error("", &err);
    }
    if (tm_command_need(name, &command, &err) != TM_OK) return tm_report_error("", &err);
    if (!command->is_internal) warn_about_variables();
    return run(command, argc - 1, argv + 1);
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
