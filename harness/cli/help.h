/* What `ternmark help` prints: the list of commands, and one command with its options. */
#ifndef TM_HARNESS_CLI_HELP_H
#define TM_HARNESS_CLI_HELP_H

#include "harness/cli/command.h"

/* The program in one sentence, for the list of commands and the man page. */
#define TM_PROGRAM_SUMMARY "benchmark ternary (1.58-bit) LLM inference on CPUs"
#define TM_PROGRAM_DESCRIPTION                                                                     \
    "Benchmarks ternary (1.58-bit) LLM inference on CPUs. Every result can be paired with an "     \
    "fp16 "                                                                                        \
    "baseline from the same run."

#define TM_PROGRAM_EXAMPLES                                                                        \
    "ternmark doctor                 # what can be measured on this machine\n"                     \
    "ternmark bench -m synth:125M    # tokens/s of one model\n"

#define TM_COMMON_OPTIONS "Options"

/* Exit statuses, environment variables and files, ended by a NULL name. */
typedef struct tm_help_row {
    const char *name, *meaning;
} tm_help_row;
extern const tm_help_row tm_help_exit_statuses[], tm_help_environment[], tm_help_files[];

/* The format of suite files: `help suite`, and a section of the man page of `run`. */
extern const char tm_help_suite_text[], tm_help_suite_example[];
extern const tm_help_row tm_help_suite_keys[];

/* The heading of each group of options, common ones first. out: [n_rows]. Returns their number. */
int tm_help_groups(const tm_option *rows, int n_rows, const char **out);
/* The help of a row with its choices: "print in this format: text or json (default text)". Returns
 * out. */
char *tm_help_of_option(const tm_option *row, char *out, size_t size);
bool tm_help_is_in_group(const tm_option *row, const char *group);

void tm_help_overview(FILE *out);
void tm_help_command(const tm_command *command, FILE *out);
void tm_help_suite(FILE *out);

#endif
