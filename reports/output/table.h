/* A table of strings, and the formats it is written in: the rows of TM_TABLE_FORMATS.
 *
 * Rows belong to groups ("measured: ...", "published: ..."), so that every value is shown with its
 * origin. A group is a heading line in text and LaTeX, and the first column in Markdown and CSV.
 * The table holds no numbers: the caller decides how a missing value is spelled and which note it
 * carries.
 *
 * The functions that fill a table cannot fail; the writers report an error that happened before.
 */
#ifndef TM_REPORTS_OUTPUT_TABLE_H
#define TM_REPORTS_OUTPUT_TABLE_H

#include "reports/output/text.h"

typedef enum tm_align { TM_LEFT, TM_RIGHT } tm_align;

typedef struct tm_table_column {
    char *heading; /* owned */
    tm_align align;
} tm_table_column;

typedef struct tm_table_cell {
    char *text;    /* owned; NULL prints as "" */
    int note;      /* index into notes; -1: no note */
    char link[24]; /* id of the cell of the store it comes from; "": none. Only pages show it. */
} tm_table_cell;

typedef struct tm_table_row {
    int group;            /* index into groups; -1: no group */
    tm_table_cell *cells; /* [n_cells]; missing cells at the end print as "" */
    int n_cells;
} tm_table_row;

typedef struct tm_table {
    char *title;         /* owned */
    char *group_heading; /* heading of the column that shows the groups; owned */
    tm_table_column *columns;
    tm_table_row *rows;
    char **groups;
    char **notes; /* marked a, b, ... z, aa, ab, ... in this order */
    int n_columns, n_rows, n_groups, n_notes;
    /* Models across, values down: rows are of different kinds, so a page does not sort them. */
    bool is_sheet;
    bool failed; /* out of memory while the table was filled */
} tm_table;

void tm_table_init(tm_table *table, const char *title);
void tm_table_free(tm_table *table);
void tm_table_add_column(tm_table *table, const char *heading, tm_align align);
/* Sets the heading of the group column, which is "Origin" by default. */
void tm_table_name_groups(tm_table *table, const char *heading);
/* Starts a group: the following rows belong to it. */
void tm_table_add_group(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);
void tm_table_add_row(tm_table *table);
/* Adds a cell to the last row. */
void tm_table_add_cell(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);
/* Adds a cell that refers to a footnote. */
void tm_table_add_cell_with_note(tm_table *table, const char *text, const char *note);
/* Links the last cell to the samples of a cell of the store: see page.h. */
void tm_table_link(tm_table *table, const char *cell_id);
/* Adds a footnote that no cell refers to. Equal notes are stored once. Returns the index of the
 * note, or -1 when out of memory. */
int tm_table_add_note(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);

/* Exchanges rows and columns, for a table of few rows and many columns: the headings go down, and
 * the first cells of the rows across. Several groups become a row. */
void tm_table_transpose(tm_table *table);

/* Writes "a" .. "z", "aa", ... to out[8]. */
void tm_table_note_mark(int note, char out[8]);
/* Whether a cell refers to the note. */
bool tm_table_note_is_used(const tm_table *table, int note);

/* A writer appends the table to `out`. Errors: NOMEM.
 *
 * CSV (RFC 4180, CRLF) omits title and notes; the note of a cell follows its text in brackets.
 * LaTeX needs the packages array, booktabs, longtable and pdflscape, and a UTF-8 engine for
 * non-ASCII letters (the default since 2018). */
typedef tm_status (*tm_table_writer)(const tm_table *table, tm_text *out, tm_error *err);
tm_status tm_table_write_text(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_markdown(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_csv(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_latex(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;

/* The table as HTML without blank lines, for a page only: see page.h. */
tm_status tm_table_write_html(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;

/* X(id, name, extension, is_data, writer): one row per format. */
#define TM_TABLE_FORMATS(X)                                                                        \
    X(TEXT, "text", "txt", false, tm_table_write_text)                                             \
    X(MARKDOWN, "md", "md", false, tm_table_write_markdown)                                        \
    X(CSV, "csv", "csv", true, tm_table_write_csv)                                                 \
    X(LATEX, "latex", "tex", false, tm_table_write_latex)

typedef struct tm_table_format {
    const char *name;      /* in --format */
    const char *extension; /* of its files, without the dot */
    bool is_data;          /* for programs: one table per file, one value per field, no notes */
    tm_table_writer write;
} tm_table_format;

/* TM_TABLE_TEXT ...: indices into tm_table_formats. */
#define TM_TABLE_ID(id, ...) TM_TABLE_##id,
enum { TM_TABLE_FORMATS(TM_TABLE_ID) TM_TABLE_N_FORMATS };
extern const tm_table_format tm_table_formats[TM_TABLE_N_FORMATS];
/* Errors: ARG, with the nearest name. */
tm_status tm_table_format_find(const char *name, const tm_table_format **out,
                               tm_error *err) TM_MUST_USE;

/* The names, for the lists of formats of commands: "text", "md", ... */
#define TM_TABLE_NAME(id, name, ...) name,
#define TM_TABLE_FORMAT_NAMES        TM_TABLE_FORMATS(TM_TABLE_NAME)

/* Append a string with the special characters of the format escaped. */
void tm_markdown_escape(const char *text, tm_text *out);
void tm_csv_escape(const char *text, tm_text *out);
void tm_latex_escape(const char *text, tm_text *out);
/* For text and for quoted attributes. */
void tm_html_escape(const char *text, tm_text *out);

#endif
