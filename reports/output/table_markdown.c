/* Markdown: GitHub's pipe tables; the groups are the first column. */
#include "reports/output/table.h"

#include <string.h>

void tm_markdown_escape(const char *text, tm_text *out)
{
    for (const char *c = text; c && *c; c++) {
        if (*c == '<')
            tm_text_add(out, "&lt;");
        else if (*c == '&')
            tm_text_add(out, "&amp;");
        else if (strchr("\\|`*", *c)) {
            tm_text_add_char(out, '\\');
            tm_text_add_char(out, *c);
        } else
            tm_text_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
    }
}

static void put_cell(tm_text *out, const char *text, int note)
{
    tm_text_add_char(out, ' ');
    tm_markdown_escape(text, out);
    if (note >= 0) {
        char mark[8];
        tm_table_note_mark(note, mark);
        tm_text_format(out, " <sup>%s</sup>", mark);
    }
    tm_text_add(out, " |");
}

tm_status tm_table_write_markdown(const tm_table *table, tm_text *out, tm_error *err)
{
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory while it was filled",
                       table->title ? table->title : "");
    const bool has_groups = table->n_groups > 0;
    if (table->title[0]) {
        tm_text_add(out, "**");
        tm_markdown_escape(table->title, out);
        tm_text_add(out, "**\n\n");
    }
    tm_text_add_char(out, '|');
    if (has_groups) put_cell(out, table->group_heading, -1);
    for (int c = 0; c < table->n_columns; c++) put_cell(out, table->columns[c].heading, -1);
    tm_text_add(out, "\n|");
    if (has_groups) tm_text_add(out, "---|");
    for (int c = 0; c < table->n_columns; c++)
        tm_text_add(out, table->columns[c].align == TM_RIGHT ? "---:|" : "---|");
    tm_text_add_char(out, '\n');
    for (int r = 0; r < table->n_rows; r++) {
        const tm_table_row *row = &table->rows[r];
        tm_text_add_char(out, '|');
        if (has_groups) put_cell(out, row->group >= 0 ? table->groups[row->group] : "", -1);
        for (int c = 0; c < table->n_columns; c++)
            put_cell(out, c < row->n_cells ? row->cells[c].text : "",
                     c < row->n_cells ? row->cells[c].note : -1);
        tm_text_add_char(out, '\n');
    }
    for (int i = 0; i < table->n_notes; i++) {
        char mark[8];
        tm_table_note_mark(i, mark);
        tm_text_add(out, "\n");
        if (tm_table_note_is_used(table, i)) tm_text_format(out, "<sup>%s</sup> ", mark);
        tm_markdown_escape(table->notes[i], out);
        tm_text_add_char(out, '\n');
    }
    return tm_text_status(out, table->title, err);
}
