/* A command of the program: a row that says what it is called, which options it has and what it
 * does.
 *
 * tm_main finds the command, parses, prints help, opens the output and reports errors, so that a
 * cmd_*.c file holds its row, its settings and its work, and nothing else. Data goes to call->out;
 * progress and warnings go to stderr.
 */
#ifndef TM_HARNESS_CLI_COMMAND_H
#define TM_HARNESS_CLI_COMMAND_H

#include "harness/base/json.h"
#include "harness/cli/options.h"

#include <stdio.h>

/* Options of one command at most, and arguments. */
#define TM_COMMAND_OPTIONS_MAX   64
#define TM_COMMAND_ARGUMENTS_MAX 1024 /* stores of a fleet */

/* One run of a command. */
typedef struct tm_call {
    const char *command;          /* "bench" */
    const char *const *arguments; /* [n_arguments] */
    int n_arguments;
    const char *format; /* one of the command's formats; NULL where it has none */
    FILE *out;          /* for data: standard output, or what becomes the file of --output */
    int exit_status;    /* set by the command where the outcome is not "fine" */
} tm_call;

typedef struct tm_command {
    const char *name;             /* "bench" */
    const char *synopsis;         /* "-m MODEL [OPTIONS]" */
    const char *summary;          /* for the list of commands: "measure one model ..." */
    const char *description;      /* paragraphs, each on one line, separated by "\n\n" */
    const char *examples;         /* command lines, one a line; NULL: none */
    const char *const *formats;   /* for --format, the default first; NULL: none */
    bool prints;                  /* --output FILE replaces standard output */
    const tm_option_set *options; /* ended by a set without rows; NULL: none */
    /* More rows, if they are not known when compiling, and where their settings lie; NULL: none. */
    const tm_option *(*get_rows)(void);
    size_t got_rows_offset;
    const char *const *(*argument_names)(void); /* known first arguments; NULL: none */
    bool argument_is_file; /* the other arguments are files; both are for completion */
    bool is_internal;      /* other commands start it, users do not */
    int min_arguments, max_arguments;
    size_t settings_size;
    const void *defaults; /* [settings_size]; NULL: zeros */
    /* On success a status in call->exit_status; an error is reported by the caller, with the exit
     * status of its kind unless the command set another. */
    tm_status (*run)(void *settings, tm_call *call, tm_error *err);
} tm_command;

/* All options of a command, flat: its own, then --format and --output where it has them. The
 * offsets are those of tm_main's memory. out: [TM_COMMAND_OPTIONS_MAX]. Returns their number. */
int tm_command_options(const tm_command *command, tm_option *out);

/* Applies the option --i2s-layout of the command that started this process: a worker has none. */
tm_status tm_i2_s_layout_from_environment(tm_error *err) TM_MUST_USE;

/* argv as main has it. Returns the program's exit status. */
int tm_main(int argc, char **argv);

/* Prints one value, indented, with a newline, and frees it. Errors: NOMEM (json NULL included). */
tm_status tm_print_json(FILE *out, tm_json *json, tm_error *err) TM_MUST_USE;

/* The documented exit status of a failure: 1 the answer is no (CHECK), 2 usage, configuration or
 * input, 3 not measurable here (UNSUPPORTED, NOMEM), 4 a cell failed (CHILD, TIMEOUT), 130
 * interrupted. */
int tm_exit_status(tm_status status);

/* Prints "ternmark COMMAND: message" on stderr (command "": none) and returns the exit status. */
int tm_report_error(const char *command, const tm_error *err);

#endif
