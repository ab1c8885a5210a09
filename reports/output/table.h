/* A table of strings and the four ways it is written: aligned text, Markdown, CSV, LaTeX.
 *
 * Rows belong to groups ("measured: ...", "published: ..."), so that no figure stands without its
 * origin. A group is a heading line in text and LaTeX, and the first column in Markdown and CSV. The table
 * knows nothing of figures; who fills it decides how missing ones are spelled and which note they carry.
 *
 * Errors are kept inside until a writer is asked: filling calls cannot fail.
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
    char *text; /* owned; NULL prints as "" */
    int note;   /* index into notes, -1: none */
} tm_table_cell;

typedef struct tm_table_row {
    int group;            /* index into groups, -1: none */
    tm_table_cell *cells; /* [n_cells]; fewer than columns: the rest is empty */
    int n_cells;
} tm_table_row;

typedef struct tm_table {
    char *title;         /* owned */
    char *group_heading; /* of the column that groups become; owned */
    tm_table_column *columns;
    tm_table_row *rows;
    char **groups;
    char **notes; /* marked a, b, ... z, aa, ab, ... in this order */
    int n_columns, n_rows, n_groups, n_notes;
    int n_keys;  /* first columns that say what a row is: each part of a cut table has them; 1 */
    bool failed; /* memory ran out while filling */
} tm_table;

void tm_table_init(tm_table *table, const char *title);
void tm_table_free(tm_table *table);
void tm_table_add_column(tm_table *table, const char *heading, tm_align align);
/* What the column of groups is called, where there is one: "origin" unless said otherwise. */
void tm_table_name_groups(tm_table *table, const char *heading);
/* Rows that follow belong to this group. */
void tm_table_add_group(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);
void tm_table_add_row(tm_table *table);
/* The next cell of the last row. */
void tm_table_add_cell(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);
/* The next cell, with a footnote. */
void tm_table_add_cell_with_note(tm_table *table, const char *text, const char *note);
/* A footnote no cell points at; equal notes are kept once. Returns its index, -1 without memory. */
int tm_table_add_note(tm_table *table, const char *fmt, ...) TM_PRINTF(2, 3);

/* "a" .. "z", "aa", ... into out[8]. */
void tm_table_note_mark(int note, char out[8]);
/* Whether some cell carries the note. */
bool tm_table_note_is_used(const tm_table *table, int note);

/* Appends the table. Errors: NOMEM. CSV (RFC 4180, CRLF) leaves title and notes out and writes a cell's
 * note behind its text in brackets; LaTeX needs the packages booktabs and, for wide tables, array, and for
 * non-ASCII letters a UTF-8 engine (the default since 2018); what is too wide or tall for a page is cut
 * into parts (latex_layout.h). */
tm_status tm_table_write_text(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_markdown(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_csv(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;
tm_status tm_table_write_latex(const tm_table *table, tm_text *out, tm_error *err) TM_MUST_USE;

/* Strings made harmless for their format, for who writes around tables. */
void tm_markdown_escape(const char *text, tm_text *out);
void tm_csv_escape(const char *text, tm_text *out);
void tm_latex_escape(const char *text, tm_text *out);

#endif
