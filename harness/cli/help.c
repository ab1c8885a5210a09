#include "harness/cli/help.h"

#include "harness/cli/commands.h"

#include <string.h>

#define WIDTH     80
#define INDENT    2
#define HELP_LEFT 30 /* the column of an option's help */

const tm_help_row tm_help_exit_statuses[] = {
    {"0", "success"},
    {"1", "the answer is no: a check failed"},
    {"2", "wrong usage, configuration or input"},
    {"3", "cannot be measured here"},
    {"4", "a cell failed (crash, wrong result or timeout); the others were measured"},
    {"5", "a required energy meter is missing"},
    {"130, 143", "interrupted by SIGINT or SIGTERM; finished results are kept"},
    {NULL, NULL}};

const tm_help_row tm_help_environment[] = {
    {"TERNMARK_<OPTION>", "the default of an option: TERNMARK_THREADS=2 for --threads"},
    {"TERNMARK_ISA", "the instruction sets to use: none, avx2, avx2+avx512 ..."},
    {"TERNMARK_PREFETCH", "bytes of weights to prefetch while decoding, 0 to 65536 (default: the "
                          "fastest distance here, measured once)"},
    {"XDG_CACHE_HOME", "the parent of the folder with autotuned choices (default ~/.cache)"},
    {"NO_COLOR", "print no colours"},
    {NULL, NULL}};

const tm_help_row tm_help_files[] = {
    {"~/.cache/ternmark", "autotuned kernel choices; safe to delete"},
    {"results/runs", "stores that `ternmark run` writes, below the current folder"},
    {NULL, NULL}};

/* Prints words from column `at`, continued at column `left`. Ends with a newline. */
static void print_wrapped(FILE *out, const char *text, int at, int left)
{
    int column = at;
    while (*text) {
        int n = (int)strcspn(text, " \n");
        if (column > left && column + 1 + n > WIDTH) {
            fprintf(out, "\n%*s", left, "");
            column = left;
        }
        if (column > left) column += fprintf(out, " ");
        column += fprintf(out, "%.*s", n, text);
        text += n;
        if (*text == '\n' && text[1] == '\n') {
            fprintf(out, "\n\n%*s", left, "");
            column = left;
            text++;
        }
        if (*text) text++;
    }
    fprintf(out, "\n");
}

static void print_row(FILE *out, const char *name, const char *text, int left)
{
    int n = fprintf(out, "%*s%s", INDENT, "", name);
    if (n + 2 > left)
        fprintf(out, "\n%*s", left, "");
    else
        fprintf(out, "%*s", left - n, "");
    print_wrapped(out, text, left, left);
}

/* Each line indented. */
static void print_lines(FILE *out, const char *lines)
{
    while (*lines) {
        int n = (int)strcspn(lines, "\n");
        fprintf(out, "%*s%.*s\n", INDENT, "", n, lines);
        lines += n + (lines[n] == '\n');
    }
}

void tm_help_overview(FILE *out)
{
    fprintf(out, "usage: ternmark COMMAND [OPTIONS]\n\n");
    print_wrapped(out, TM_PROGRAM_DESCRIPTION, 0, 0);
    for (const tm_command_entry *e = tm_commands(); e->group || e->command; e++) {
        if (e->group) fprintf(out, "\n%s:\n", e->group);
        if (e->command) print_row(out, e->command->name, e->command->summary, 14);
    }
    fprintf(out, "\nStart here:\n");
    print_lines(out, TM_PROGRAM_EXAMPLES);
    fprintf(out, "\nEnvironment:\n");
    for (const tm_help_row *row = tm_help_environment; row->name; row++)
        print_row(out, row->name, row->meaning, 22);
    fprintf(out, "\nExit status:\n");
    for (const tm_help_row *row = tm_help_exit_statuses; row->name; row++)
        print_row(out, row->name, row->meaning, 14);
    fprintf(out, "\nUse `ternmark help COMMAND` for the options of a command.\n");
}

bool tm_help_is_in_group(const tm_option *row, const char *group)
{
    return strcmp(row->group ? row->group : TM_COMMON_OPTIONS, group) == 0;
}

int tm_help_groups(const tm_option *rows, int n_rows, const char **out)
{
    int n = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < n_rows; i++) {
            bool known = (pass == 0) != !rows[i].group;
            for (int k = 0; k < n; k++) known = known || tm_help_is_in_group(&rows[i], out[k]);
            if (!known) out[n++] = rows[i].group ? rows[i].group : TM_COMMON_OPTIONS;
        }
    return n;
}

char *tm_help_of_option(const tm_option *row, char *out, size_t size)
{
    char names[256] = "";
    const char *end = strstr(row->help, " (default");
    int n = end ? (int)(end - row->help) : (int)strlen(row->help);
    if (row->kind == TM_OPTION_CHOICE) tm_names_text(row->choices, names, sizeof names);
    snprintf(out, size, "%.*s%s%s%s%s", n, row->help, names[0] ? ": " : "", names, row->help + n,
             row->is_required ? " (required)" : "");
    return out;
}

static void print_option(const tm_option *row, FILE *out)
{
    char left[96], help[512];
    snprintf(left, sizeof left, "%s%s%s--%s%s%s", row->letters ? "-" : "    ",
             row->letters ? row->letters : "", row->letters ? ", " : "", row->name,
             row->value ? " " : "", row->value ? row->value : "");
    print_row(out, left, tm_help_of_option(row, help, sizeof help), HELP_LEFT);
}

void tm_help_command(const tm_command *command, FILE *out)
{
    tm_option rows[TM_COMMAND_OPTIONS_MAX];
    const char *groups[TM_COMMAND_OPTIONS_MAX];
    int n = tm_command_options(command, rows), n_groups = tm_help_groups(rows, n, groups);
    int left = fprintf(out, "usage: ternmark %s ", command->name);
    print_wrapped(out, command->synopsis, left, left);
    fprintf(out, "\n");
    print_wrapped(out, command->description, 0, 0);
    for (int g = 0; g < n_groups; g++) {
        fprintf(out, "\n%s:\n", groups[g]);
        for (int i = 0; i < n; i++)
            if (tm_help_is_in_group(&rows[i], groups[g])) print_option(&rows[i], out);
    }
    if (!command->examples) return;
    fprintf(out, "\nExamples:\n");
    print_lines(out, command->examples);
}

void tm_help_suite(FILE *out)
{
    print_wrapped(out, tm_help_suite_text, 0, 0);
    fprintf(out, "\nKeys:\n");
    for (const tm_help_row *row = tm_help_suite_keys; row->name; row++)
        print_row(out, row->name, row->meaning, 24);
    fprintf(out, "\nExample:\n");
    print_lines(out, tm_help_suite_example);
}
