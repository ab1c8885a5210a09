/* HTML: a table of a page. page.js makes those without groups sortable, and adds filters. */
#include "reports/output/table.h"

#include <stdio.h>
#include <string.h>

void tm_html_escape(const char *text, tm_text *out)
{
    for (const char *c = text; c && *c; c++) {
        switch (*c) {
        case '<':
            tm_text_add(out, "&lt;");
            break;
        case '>':
            tm_text_add(out, "&gt;");
            break;
        case '&':
            tm_text_add(out, "&amp;");
            break;
        case '"':
            tm_text_add(out, "&quot;");
            break;
        case '\'':
            tm_text_add(out, "&#39;");
            break;
        default:
            tm_text_add_char(out, (unsigned char)*c < 0x20 || *c == 0x7f ? ' ' : *c);
        }
    }
}

/* Columns of a text that would make its row high in a narrow column, and bytes of a text that is
 * folded if it has twice as many. */
enum { LONG = 30, FOLDED = 90 };

static bool is_missing(const char *text)
{
    return strcmp(text, "-") == 0 || strcmp(text, "N/A") == 0;
}

/* A text of many sentences shows its beginning, and the rest when it is opened. */
static void put_text(const char *text, tm_text *out)
{
    size_t head = FOLDED;
    if (strlen(text) > 2 * FOLDED)
        while (head > 0 && text[head] != ' ') head--;
    if (strlen(text) <= 2 * FOLDED || !head) {
        tm_html_escape(text, out);
        return;
    }
    char begin[FOLDED + 1];
    snprintf(begin, sizeof begin, "%.*s", (int)head, text);
    tm_text_add(out, "<details><summary>");
    tm_html_escape(begin, out);
    tm_text_add(out, "</summary>");
    tm_html_escape(text + head, out);
    tm_text_add(out, "</details>");
}

/* The first cell of a row names the row. */
static void put_cell(const tm_table *table, const tm_table_row *row, int column, tm_text *out)
{
    static const tm_table_cell none = {.note = -1};
    const tm_table_cell *cell = column < row->n_cells ? &row->cells[column] : &none;
    const char *text = cell->text ? cell->text : "";
    const char *tag = column == 0 && text[0] ? "th scope=\"row\"" : "td";
    const char *class = is_missing(text)
                            ? (table->columns[column].align == TM_RIGHT ? "num missing" : "missing")
                        : table->columns[column].align == TM_RIGHT ? "num"
                        : tm_text_columns(text) > LONG             ? "long"
                                                                   : NULL;
    tm_text_format(out, "<%s", tag);
    if (class) tm_text_format(out, " class=\"%s\"", class);
    tm_text_add_char(out, '>');
    if (cell->link[0]) {
        tm_text_add(out, "<a href=\"#cell-");
        tm_html_escape(cell->link, out);
        tm_text_add(out, "\">");
    }
    if (cell->link[0]) {
        tm_html_escape(text, out);
        tm_text_add(out, "</a>");
    } else
        put_text(text, out);
    if (cell->note >= 0) {
        char mark[8];
        tm_table_note_mark(cell->note, mark);
        tm_text_add(out, "<sup title=\"");
        tm_html_escape(table->notes[cell->note], out);
        tm_text_format(out, "\">%s</sup>", mark);
    }
    tm_text_format(out, "</%.2s>", tag);
}

static void put_head(const tm_table *table, tm_text *out)
{
    tm_text_add(out, "<thead><tr>");
    for (int c = 0; c < table->n_columns; c++) {
        if (!table->columns[c].heading[0]) { /* the corner of a sheet */
            tm_text_add(out, "<td></td>");
            continue;
        }
        tm_text_add(out, "<th scope=\"col\"");
        if (table->columns[c].align == TM_RIGHT) tm_text_add(out, " class=\"num\"");
        tm_text_add_char(out, '>');
        tm_html_escape(table->columns[c].heading, out);
        tm_text_add(out, "</th>");
    }
    tm_text_add(out, "</tr></thead>\n");
}

static void put_rows(const tm_table *table, tm_text *out)
{
    int group = -2;
    for (int r = 0; r < table->n_rows; r++) {
        const tm_table_row *row = &table->rows[r];
        if (row->group != group) {
            tm_text_add(out, r ? "</tbody>\n<tbody>\n" : "<tbody>\n");
            group = row->group;
            if (group >= 0) {
                tm_text_format(out,
                               "<tr class=\"group\"><th colspan=\"%d\" scope=\"rowgroup\"><span>",
                               table->n_columns);
                tm_html_escape(table->groups[group], out);
                tm_text_add(out, "</span></th></tr>\n");
            }
        }
        tm_text_add(out, "<tr>");
        for (int c = 0; c < table->n_columns; c++) put_cell(table, row, c, out);
        tm_text_add(out, "</tr>\n");
    }
    if (table->n_rows) tm_text_add(out, "</tbody>\n");
}

static void put_notes(const tm_table *table, tm_text *out)
{
    if (!table->n_notes) return;
    tm_text_add(out, "<ul class=\"notes\">\n");
    for (int i = 0; i < table->n_notes; i++) {
        char mark[8];
        tm_table_note_mark(i, mark);
        tm_text_add(out, "<li>");
        if (tm_table_note_is_used(table, i)) tm_text_format(out, "<sup>%s</sup> ", mark);
        tm_html_escape(table->notes[i], out);
        tm_text_add(out, "</li>\n");
    }
    tm_text_add(out, "</ul>\n");
}

tm_status tm_table_write_html(const tm_table *table, tm_text *out, tm_error *err)
{
    if (table->failed)
        return tm_fail(err, TM_NOMEM, "table \"%s\": out of memory while it was filled",
                       table->title ? table->title : "");
    /* A wide table scrolls in its own box, which the keyboard must reach. */
    tm_text_add(out, "<div class=\"table\">\n<div class=\"scroll\" tabindex=\"0\" role=\"group\" "
                     "aria-label=\"Table");
    if (table->title[0]) {
        tm_text_add(out, ": ");
        tm_html_escape(table->title, out);
    }
    tm_text_add(out, "\">\n");
    tm_text_add(out, table->is_sheet ? "<table class=\"fixed\">\n" : "<table>\n");
    if (table->title[0]) {
        tm_text_add(out, "<caption>");
        tm_html_escape(table->title, out);
        tm_text_add(out, "</caption>\n");
    }
    put_head(table, out);
    put_rows(table, out);
    tm_text_add(out, "</table>\n</div>\n");
    put_notes(table, out);
    tm_text_add(out, "</div>\n");
    return tm_text_status(out, table->title, err);
}
