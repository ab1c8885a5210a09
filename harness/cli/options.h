/* Command-line options as rows. One row drives parsing, the environment variable, --help, the man
 * page and shell completion, so none of them can contradict another.
 *
 * A value comes, in rising priority, from the command's defaults, from TERNMARK_<NAME> in the
 * environment, and from the command line (`--name value`, `--name=value`, `-x value`, `-x4`). The
 * values of a repeated list are joined; of another repeated option the last value counts.
 */
#ifndef TM_HARNESS_CLI_OPTIONS_H
#define TM_HARNESS_CLI_OPTIONS_H

#include "kernels/base.h"

typedef enum tm_option_kind {
    TM_OPTION_FLAG,    /* bool: true when given */
    TM_OPTION_TEXT,    /* const char *: any text but "" */
    TM_OPTION_LIST,    /* const char *: values separated by commas */
    TM_OPTION_FILE,    /* const char *: the path of a file */
    TM_OPTION_DIR,     /* const char *: the path of a folder */
    TM_OPTION_CHOICE,  /* const char *: one of the row's choices */
    TM_OPTION_INTEGER, /* int64_t from low to high */
    TM_OPTION_NUMBER,  /* double from low to high */
} tm_option_kind;

/* Kind and place of a row's value, with its type checked: TM_FLAG(settings, quiet). */
#define TM_MEMBER(s, member, type) _Generic(((s *)0)->member, type : offsetof(s, member))
#define TM_FLAG(s, member)         TM_OPTION_FLAG, TM_MEMBER(s, member, bool)
#define TM_TEXT(s, member)         TM_OPTION_TEXT, TM_MEMBER(s, member, const char *)
#define TM_LIST(s, member)         TM_OPTION_LIST, TM_MEMBER(s, member, const char *)
#define TM_FILE(s, member)         TM_OPTION_FILE, TM_MEMBER(s, member, const char *)
#define TM_DIR(s, member)          TM_OPTION_DIR, TM_MEMBER(s, member, const char *)
#define TM_CHOICE(s, member)       TM_OPTION_CHOICE, TM_MEMBER(s, member, const char *)
#define TM_INTEGER(s, member)      TM_OPTION_INTEGER, TM_MEMBER(s, member, int64_t)
#define TM_NUMBER(s, member)       TM_OPTION_NUMBER, TM_MEMBER(s, member, double)

/* The largest seed that JSON and a double hold exactly. */
#define TM_SEED_MAX 9007199254740991.0

typedef struct tm_option {
    const char *name;    /* without dashes: "threads" */
    const char *letters; /* short form without its dash: "t", "pg"; NULL: none */
    tm_option_kind kind;
    size_t offset;              /* of the value in the command's settings */
    const char *value;          /* placeholder with its unit: "SECONDS"; NULL for a flag */
    const char *help;           /* completes "this option ..."; the default last, in parentheses */
    const char *group;          /* heading in --help; NULL: a common option, listed first */
    double low, high;           /* INTEGER and NUMBER */
    const char *const *choices; /* CHOICE: ended by NULL. TEXT and LIST: known values to complete */
    bool is_required;
    bool is_program;   /* FILE: only run, so that two options may name one */
    bool may_be_empty; /* TEXT: "" is a value */
    char separator;    /* LIST: what joins the values of a repeated option; 0: a comma */
} tm_option;

/* Rows and where their settings lie: commands share rows through a member of their settings. */
typedef struct tm_option_set {
    const tm_option *rows; /* ended by a row without a name */
    size_t offset;         /* of the rows' settings in the command's */
} tm_option_set;

#define TM_OPTIONS_ROWS_MAX   64 /* of one command */
#define TM_OPTIONS_JOINED_MAX 64 /* repeated lists on one command line */

/* The values of a command line: `settings` holds the options' values at their rows' offsets. */
typedef struct tm_parsed {
    void *settings;
    const char *usage;      /* for messages: "ternmark report [OPTIONS] STORE" */
    const char **arguments; /* [max_arguments] room; [n_arguments] filled */
    int min_arguments, max_arguments, n_arguments;
    char *joined[TM_OPTIONS_JOINED_MAX]; /* owned: repeated lists; free with tm_parsed_free */
    int n_joined;
    bool wants_help; /* --help was given; what stands behind it was not read */
    char from_environment
        [160]; /* "TERNMARK_THREADS=7, ..." that the command line did not override */
} tm_parsed;

/* Parses argv[1] and on, after the environment. Errors: ARG (an unknown option with the nearest
 * name, a missing or wrong value with its limits, a wrong number of arguments). */
tm_status tm_options_parse(const tm_option *rows, int n_rows, int argc, char **argv, tm_parsed *out,
                           tm_error *err) TM_MUST_USE;

/* Ends the validity of the lists in `settings`. */
void tm_parsed_free(tm_parsed *parsed);

/* The variable of an option: "TERNMARK_TIME_BUDGET". Returns out. */
char *tm_option_variable(const tm_option *option, char *out, size_t size);

/* "text, md or json" of a list ended by NULL. Returns out. */
char *tm_names_text(const char *const *names, char *out, size_t size);
bool tm_names_have(const char *const *names, const char *name);

/* "1,5,9": whole numbers from low to high. Errors: ARG with the item and the limits. */
tm_status tm_parse_ints(const char *text, const char *what, int64_t low, int64_t high, int *out,
                        int max, int *n, tm_error *err) TM_MUST_USE;

/* Splits "a,b,c" into copies of its parts; free with tm_free_texts. Errors: ARG (an empty part),
 * NOMEM. */
tm_status tm_split_texts(const char *text, const char *what, char ***out, int *n,
                         tm_error *err) TM_MUST_USE;
void tm_free_texts(char **texts, int n);

#endif
