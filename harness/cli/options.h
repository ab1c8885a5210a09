/* Command-line options as rows: one row drives parsing, --help and the environment variable.
 *
 * A row's value comes, in rising order of force, from its target's initial value, TERNMARK_<NAME> in the
 * environment, and the command line (`--name value`, `--name=value`, `-x value`).
 */
#ifndef TM_HARNESS_CLI_OPTIONS_H
#define TM_HARNESS_CLI_OPTIONS_H

#include "kernels/base.h"

typedef enum tm_option_kind {
    TM_OPTION_FLAG, /* bool *: true when given */
    TM_OPTION_TEXT, /* const char ** */
    TM_OPTION_INT,  /* int64_t *, from low to high */
    TM_OPTION_REAL, /* double *, from low to high */
} tm_option_kind;

typedef struct tm_option {
    const char *name;    /* without dashes: "threads" */
    const char *letters; /* short form without its dash: "t", "pg"; NULL: none */
    tm_option_kind kind;
    void *target;
    double low, high;
    const char *value; /* how the value is called in --help: "N,..." */
    const char *help;
} tm_option;

typedef struct tm_command {
    const char *name;         /* "bench" */
    const char *arguments;    /* "[options] SUITE" */
    const char *summary;      /* one line */
    const tm_option *options; /* ended by a row with name NULL */
    int min_arguments, max_arguments;
} tm_command;

/* Puts rows behind those of a table, which has room for them and stays ended by an empty row. */
void tm_options_append(tm_option *options, const tm_option *rows, int n_rows);

/* Parses argv (argv[0] is the subcommand). Positional arguments go to `arguments` (room for
 * max_arguments), their number to *n. *help is set when --help was given: it has been printed.
 * Errors: ARG (unknown option with the nearest name, missing or bad value with its limits). */
tm_status tm_options_parse(const tm_command *command, int argc, char **argv, const char **arguments,
                           int *n, bool *help, tm_error *err) TM_MUST_USE;

/* "1,5,9": whole numbers from low to high. Errors: ARG with the item and the limits. */
tm_status tm_parse_ints(const char *text, const char *what, int64_t low, int64_t high, int *out,
                        int max, int *n, tm_error *err) TM_MUST_USE;

/* Splits "a,b,c" into copies of its parts; free with tm_free_texts. Errors: ARG (an empty part), NOMEM. */
tm_status tm_split_texts(const char *text, const char *what, char ***out, int *n,
                         tm_error *err) TM_MUST_USE;
void tm_free_texts(char **texts, int n);

/* The documented exit status of a failure: 1 the answer is no (CHECK), 2 usage, configuration or input,
 * 3 not measurable here (UNSUPPORTED, NOMEM), 4 a cell failed (CHILD, TIMEOUT), 130 interrupted. */
int tm_exit_status(tm_status status);

/* Prints "ternmark COMMAND: message" on stderr (command "": none) and returns the exit status. */
int tm_report_error(const char *command, const tm_error *err);

#endif
