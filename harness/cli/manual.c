#include "harness/cli/manual.h"

#include "harness/base/version.h"
#include "harness/cli/commands.h"
#include "harness/cli/help.h"

#include <ctype.h>
#include <string.h>

#define LINE 72 /* columns of the source after which text is broken */

/* Text for roff: backslashes are escaped, and a dot or quote that begins a line is no macro.
 * is_literal: lines stay whole, and dashes stay ASCII so that options can be copied from the
 * page. */
static void put(FILE *out, const char *text, int n, bool is_literal)
{
    int column = 0;
    for (int i = 0; i < n; i++, column++) {
        char c = text[i];
        bool is_dash = c == '-' && (is_literal || i == 0 || strchr(" `-", text[i - 1]));
        if (column == 0 && (c == '.' || c == '\'')) fputs("\\&", out);
        if (c == ' ' && column >= LINE && !is_literal) {
            putc('\n', out);
            column = -1;
        } else if (c == '\\') {
            fputs("\\e", out);
        } else {
            fprintf(out, "%s%c", is_dash ? "\\" : "", c);
        }
    }
}

static void put_text(FILE *out, const char *text)
{
    put(out, text, (int)strlen(text), false);
}

static void put_literal(FILE *out, const char *text)
{
    put(out, text, (int)strlen(text), true);
}

/* Paragraphs separated by an empty line. */
static void put_paragraphs(FILE *out, const char *text)
{
    while (*text) {
        const char *end = strstr(text, "\n\n");
        int n = end ? (int)(end - text) : (int)strlen(text);
        put(out, text, n, false);
        fputs(end ? "\n.PP\n" : "\n", out);
        text += n + (end ? 2 : 0);
    }
}

static void put_upper(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '-') putc('\\', out);
        putc(toupper((unsigned char)*text), out);
    }
}

static void put_title(FILE *out, const char *name, const char *summary)
{
    fprintf(out, ".TH TERNMARK%s", name ? "\\-" : "");
    put_upper(out, name ? name : "");
    fprintf(out, " 1 %s \"ternmark %s\" \"ternmark manual\"\n", tm_version_date(), tm_version());
    fprintf(out, ".SH NAME\nternmark%s%s \\- ", name ? "\\-" : "", name ? name : "");
    put_text(out, summary);
    fputs("\n.SH SYNOPSIS\n", out);
}

static void put_synopsis(FILE *out, const tm_command *command)
{
    fputs(".B ternmark", out);
    if (command) fprintf(out, " %s", command->name);
    fputs("\n", out);
    const char *synopsis = command ? command->synopsis : "COMMAND [OPTIONS]";
    if (*synopsis) {
        put_literal(out, synopsis);
        fputs("\n", out);
    }
}

static void put_option(FILE *out, const tm_option *row)
{
    char help[512];
    fputs(".TP\n\\fB", out);
    if (row->letters) fprintf(out, "\\-%s\\fR, \\fB", row->letters);
    fputs("\\-\\-", out);
    put_literal(out, row->name);
    if (row->value) {
        fputs("\\fR \\fI", out);
        put_literal(out, row->value);
    }
    fputs("\\fR\n", out);
    put_text(out, tm_help_of_option(row, help, sizeof help));
    fputs("\n", out);
}

static void put_options(FILE *out, const tm_command *command)
{
    tm_option rows[TM_COMMAND_OPTIONS_MAX];
    const char *groups[TM_COMMAND_OPTIONS_MAX];
    int n = tm_command_options(command, rows), n_groups = tm_help_groups(rows, n, groups);
    if (n == 0) return;
    fputs(".SH OPTIONS\n", out);
    for (int g = 0; g < n_groups; g++) {
        if (g > 0) fprintf(out, ".SS %s\n", groups[g]);
        for (int i = 0; i < n; i++)
            if (tm_help_is_in_group(&rows[i], groups[g])) put_option(out, &rows[i]);
    }
}

static void put_examples(FILE *out, const char *lines)
{
    fputs(".SH EXAMPLES\n.nf\n", out);
    while (*lines) {
        int n = (int)strcspn(lines, "\n");
        put(out, lines, n, true);
        fputs("\n", out);
        lines += n + (lines[n] == '\n');
    }
    fputs(".fi\n", out);
}

/* text: before the rows; NULL: none. */
static void put_rows(FILE *out, const char *section, const char *text, const tm_help_row *rows)
{
    fprintf(out, ".SH %s\n", section);
    if (text) put_paragraphs(out, text);
    for (; rows->name; rows++) {
        fputs(".TP\n.B ", out);
        put_literal(out, rows->name);
        fputs("\n", out);
        put_text(out, rows->meaning);
        fputs("\n", out);
    }
}

static void put_commands(FILE *out)
{
    fputs(".SH COMMANDS\n", out);
    for (const tm_command_entry *e = tm_commands(); e->group || e->command; e++) {
        if (e->group) fprintf(out, ".SS %s\n", e->group);
        if (!e->command) continue;
        fprintf(out, ".TP\n.BR ternmark\\-%s (1)\n", e->command->name);
        put_text(out, e->command->summary);
        fputs("\n", out);
    }
}

static void write_program(FILE *out)
{
    put_title(out, NULL, TM_PROGRAM_SUMMARY);
    put_synopsis(out, NULL);
    fputs(".SH DESCRIPTION\n", out);
    put_paragraphs(out, TM_PROGRAM_DESCRIPTION
                   "\n\nData goes to standard output, messages go to standard error.");
    put_commands(out);
    put_rows(out, "ENVIRONMENT", NULL, tm_help_environment);
    put_rows(out, "FILES", NULL, tm_help_files);
    put_rows(out, "EXIT STATUS", NULL, tm_help_exit_statuses);
    put_examples(out, TM_PROGRAM_EXAMPLES);
}

void tm_manual_write(const tm_command *command, FILE *out)
{
    if (!command) {
        write_program(out);
        return;
    }
    put_title(out, command->name, command->summary);
    put_synopsis(out, command);
    fputs(".SH DESCRIPTION\n", out);
    put_paragraphs(out, command->description);
    put_options(out, command);
    if (strcmp(command->name, "run") == 0) {
        put_rows(out, "SUITE FILES", tm_help_suite_text, tm_help_suite_keys);
        fputs(".PP\n.nf\n", out);
        put_literal(out, tm_help_suite_example);
        fputs(".fi\n", out);
    }
    if (command->examples) put_examples(out, command->examples);
    fputs(".SH SEE ALSO\n.BR ternmark (1)\n(environment variables and exit statuses)\n", out);
}
