/* Text for a terminal: two blanks between columns, groups as headings, notes below. */
#include "reports/output/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The cell as it is printed, in `scratch`, which is overwritten. */
static const char *cell_text(const tm_table *table, int row, int column, tm_text *scratch)
{
    const tm_table_row *r = &table->rows[row];
    scratch->length = 0;
    if (scratch->data) scratch->data[0] = '\0';
    if (column >= r->n_cells) return "";
    /* A line break in a cell would end the row. */
    for (const char *c = r->cells[column].text; c && *c; c++)
        tm_text_add_char(scratch, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
    if (r->cells[column].note >= 0) {
        char mark[8];
        tm_table_note_mark(r->cells[column].note, mark);
        tm_text_format(scratch, " (%s)", mark);
    }
    return tm_text_string(scratch);
}

static void put_aligned(tm_text *out, const char *cell, int width, tm_align align, bool is_last)
{
    int pad = width - tm_text_columns(cell);
    if (align == TM_RIGHT)
        for (int i = 0; i < pad; i++) tm_text_add_char(out, ' ');
    tm_text_add(out, cell);
    if (align == TM_LEFT && !is_last)
        for (int i = 0; i < pad; i++) tm_text_add_char(out, ' ');
    tm_text_add(out, is_last ? "\n" : "  ");
}

/* Wraps a note between words and indents the lines that follow. */
static void put_note(tm_text *out, const char *mark, const char *note)
{
    enum { LINE = 100 };
    tm_text_add(out, mark);
    const int indent = tm_text_columns(mark);
    int column = indent;
    for (const char *word = note; *word;) {
        while (*word == ' ') word++;
        int n = (int)strcspn(word, " ");
        if (column > indent && column + 1 + n > LINE) {
            tm_text_add_char(out, '\n');
            tm_text_pad(out, out->length, indent, ' ');
            column = indent;
        } else if (column > indent) {
            tm_text_add_char(out, ' ');
            column++;
        }
        tm_text_format(out, "%.*s", n, word);
        column += n;
        word += n;
    }
    tm_text_add_char(out, '\n');
}

tm_status tm_table_write_text(const tm_table *table, tm_text *out, tm_error *err)
{
    tm_text scratch = {0};
    int *widths = calloc((size_t)table->n_columns + 1, sizeof *widths);
    if (table->failed || !widths) {
        free(widths);
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory for %d columns and %d rows",
                       table->title ? table->title : "", table->n_columns, table->n_rows);
    }
    const int indent = table->n_groups ? 2 : 0;
    int total = indent;
    for (int c = 0; c < table->n_columns; c++) {
        widths[c] = tm_text_columns(table->columns[c].heading);
        for (int r = 0; r < table->n_rows; r++) {
            int columns = tm_text_columns(cell_text(table, r, c, &scratch));
            if (columns > widths[c]) widths[c] = columns;
        }
        total += widths[c] + (c ? 2 : 0);
    }
    if (table->title[0]) tm_text_format(out, "%s\n", table->title);
    tm_text_pad(out, out->length, indent, ' ');
    for (int c = 0; c < table->n_columns; c++)
        put_aligned(out, table->columns[c].heading, widths[c], table->columns[c].align,
                    c == table->n_columns - 1);
    tm_text_pad(out, out->length, total, '-');
    tm_text_add_char(out, '\n');
    int group = -1;
    for (int r = 0; r < table->n_rows; r++) {
        if (table->rows[r].group != group) {
            group = table->rows[r].group;
            tm_text_format(out, "%s\n", table->groups[group]);
        }
        tm_text_pad(out, out->length, indent, ' ');
        for (int c = 0; c < table->n_columns; c++)
            put_aligned(out, cell_text(table, r, c, &scratch), widths[c], table->columns[c].align,
                        c == table->n_columns - 1);
    }
    for (int i = 0; i < table->n_notes; i++) {
        char mark[8], shown[16];
        tm_table_note_mark(i, mark);
        snprintf(shown, sizeof shown, "(%s) ", mark);
        put_note(out, tm_table_note_is_used(table, i) ? shown : "", table->notes[i]);
    }
    if (scratch.failed) out->failed = true;
    tm_text_free(&scratch);
    free(widths);
    return tm_text_status(out, table->title, err);
}
