/* CSV (RFC 4180): CRLF line ends, doubled quotes, one header line. */
#include "reports/output/table.h"

#include <string.h>

void tm_csv_escape(const char *text, tm_text *out)
{
    if (!text) return;
    if (!strpbrk(text, ",\"\r\n")) {
        tm_text_add(out, text);
        return;
    }
    tm_text_add_char(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"') tm_text_add_char(out, '"');
        tm_text_add_char(out, *c);
    }
    tm_text_add_char(out, '"');
}

static void put_field(tm_text *out, const char *text, bool *is_first)
{
    if (!*is_first) tm_text_add_char(out, ',');
    *is_first = false;
    tm_csv_escape(text, out);
}

static void put_with_note(tm_text *out, const tm_table *table, const tm_table_cell *cell,
                          bool *is_first)
{
    tm_text joined = {0};
    tm_text_format(&joined, "%s [%s]", cell->text ? cell->text : "", table->notes[cell->note]);
    put_field(out, tm_text_string(&joined), is_first);
    if (joined.failed) out->failed = true;
    tm_text_free(&joined);
}

tm_status tm_table_write_csv(const tm_table *table, tm_text *out, tm_error *err)
{
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory while it was filled",
                       table->title ? table->title : "");
    bool is_first = true;
    if (table->n_groups) put_field(out, table->group_heading, &is_first);
    for (int c = 0; c < table->n_columns; c++) put_field(out, table->columns[c].heading, &is_first);
    tm_text_add(out, "\r\n");
    for (int r = 0; r < table->n_rows; r++) {
        const tm_table_row *row = &table->rows[r];
        is_first = true;
        if (table->n_groups)
            put_field(out, row->group >= 0 ? table->groups[row->group] : "", &is_first);
        for (int c = 0; c < table->n_columns; c++) {
            if (c >= row->n_cells)
                put_field(out, "", &is_first);
            else if (row->cells[c].note >= 0)
                put_with_note(out, table, &row->cells[c], &is_first);
            else
                put_field(out, row->cells[c].text, &is_first);
        }
        tm_text_add(out, "\r\n");
    }
    return tm_text_status(out, table->title, err);
}
