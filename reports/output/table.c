#include "reports/output/table.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FORMAT(id, name, extension, is_data, write) {name, extension, is_data, write},
const tm_table_format tm_table_formats[TM_TABLE_N_FORMATS] = {TM_TABLE_FORMATS(FORMAT)};

tm_status tm_table_format_find(const char *name, const tm_table_format **out, tm_error *err)
{
    static const char *const names[] = {TM_TABLE_FORMAT_NAMES NULL};
    for (int i = 0; i < TM_TABLE_N_FORMATS; i++) {
        if (strcmp(names[i], name) != 0) continue;
        *out = &tm_table_formats[i];
        return TM_OK;
    }
    return tm_unknown_name(err, "format", name, names);
}

void tm_table_init(tm_table *table, const char *title)
{
    *table = (tm_table){0};
    table->title = strdup(title ? title : "");
    table->group_heading = strdup("Origin");
    table->failed = !table->title || !table->group_heading;
}

void tm_table_free(tm_table *table)
{
    for (int i = 0; i < table->n_columns; i++) free(table->columns[i].heading);
    for (int i = 0; i < table->n_rows; i++) {
        for (int k = 0; k < table->rows[i].n_cells; k++) free(table->rows[i].cells[k].text);
        free(table->rows[i].cells);
    }
    for (int i = 0; i < table->n_groups; i++) free(table->groups[i]);
    for (int i = 0; i < table->n_notes; i++) free(table->notes[i]);
    free(table->columns);
    free(table->rows);
    free(table->groups);
    free(table->notes);
    free(table->title);
    free(table->group_heading);
    *table = (tm_table){0};
}

/* Makes room for one more item after n; capacity doubles at powers of two. NULL: out of memory. */
static void *grow(tm_table *table, void *items, int n, size_t size)
{
    size_t bytes;
    if (table->failed) return NULL;
    if (n > 0 && (n & (n - 1)) != 0) return items;
    if (n > (1 << 28) || !tm_mul_size(n ? (size_t)n * 2 : 1, size, &bytes)) {
        table->failed = true;
        return NULL;
    }
    void *more = realloc(items, bytes);
    if (!more) table->failed = true;
    return more;
}

static char *format_va(tm_table *table, const char *fmt, va_list args)
{
    char *text = NULL;
    if (table->failed) return NULL;
    if (vasprintf(&text, fmt, args) < 0) {
        table->failed = true;
        return NULL;
    }
    return text;
}

void tm_table_add_column(tm_table *table, const char *heading, tm_align align)
{
    tm_table_column *columns = grow(table, table->columns, table->n_columns, sizeof *columns);
    if (!columns) return;
    table->columns = columns;
    char *copy = strdup(heading);
    if (!copy) {
        table->failed = true;
        return;
    }
    columns[table->n_columns++] = (tm_table_column){.heading = copy, .align = align};
}

void tm_table_name_groups(tm_table *table, const char *heading)
{
    char *copy = strdup(heading);
    if (!copy) {
        table->failed = true;
        return;
    }
    free(table->group_heading);
    table->group_heading = copy;
}

void tm_table_add_group(tm_table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_va(table, fmt, args);
    va_end(args);
    char **groups = grow(table, table->groups, table->n_groups, sizeof *groups);
    if (groups) table->groups = groups;
    if (!text || !groups) {
        free(text);
        return;
    }
    groups[table->n_groups++] = text;
}

void tm_table_add_row(tm_table *table)
{
    tm_table_row *rows = grow(table, table->rows, table->n_rows, sizeof *rows);
    if (!rows) return;
    table->rows = rows;
    rows[table->n_rows++] = (tm_table_row){.group = table->n_groups - 1};
}

/* Takes ownership of `text`. */
static void add_cell(tm_table *table, char *text, int note)
{
    tm_table_row *row = table->n_rows ? &table->rows[table->n_rows - 1] : NULL;
    tm_table_cell *cells = row ? grow(table, row->cells, row->n_cells, sizeof *cells) : NULL;
    if (!cells) {
        free(text);
        return;
    }
    row->cells = cells;
    cells[row->n_cells++] = (tm_table_cell){.text = text, .note = note};
}

void tm_table_add_cell(tm_table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_va(table, fmt, args);
    va_end(args);
    add_cell(table, text, -1);
}

void tm_table_add_cell_with_note(tm_table *table, const char *text, const char *note)
{
    int index = tm_table_add_note(table, "%s", note);
    char *copy = strdup(text);
    if (!copy) table->failed = true;
    add_cell(table, copy, index);
}

void tm_table_link(tm_table *table, const char *cell_id)
{
    tm_table_row *row = table->n_rows ? &table->rows[table->n_rows - 1] : NULL;
    if (table->failed || !row || !row->n_cells) return;
    snprintf(row->cells[row->n_cells - 1].link, sizeof row->cells->link, "%s", cell_id);
}

int tm_table_add_note(tm_table *table, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    char *text = format_va(table, fmt, args);
    va_end(args);
    if (!text) return -1;
    for (int i = 0; i < table->n_notes; i++) {
        if (strcmp(table->notes[i], text) != 0) continue;
        free(text);
        return i;
    }
    char **notes = grow(table, table->notes, table->n_notes, sizeof *notes);
    if (!notes) {
        free(text);
        return -1;
    }
    table->notes = notes;
    notes[table->n_notes] = text;
    return table->n_notes++;
}

static const tm_table_cell *cell_at(const tm_table *table, int row, int column)
{
    static const tm_table_cell empty = {.text = "", .note = -1};
    const tm_table_row *r = &table->rows[row];
    return column < r->n_cells && r->cells[column].text ? &r->cells[column] : &empty;
}

static void copy_cell(const tm_table *from, const tm_table_cell *cell, tm_table *to)
{
    if (cell->note >= 0)
        tm_table_add_cell_with_note(to, cell->text, from->notes[cell->note]);
    else
        tm_table_add_cell(to, "%s", cell->text);
    tm_table_link(to, cell->link);
}

void tm_table_transpose(tm_table *table)
{
    tm_table out;
    tm_table_init(&out, table->title);
    out.is_sheet = true;
    tm_table_add_column(&out, "", TM_LEFT);
    for (int i = 0; i < table->n_rows; i++)
        tm_table_add_column(&out, cell_at(table, i, 0)->text, TM_RIGHT);
    if (table->n_groups == 1) tm_table_add_group(&out, "%s", table->groups[0]);
    if (table->n_groups > 1) {
        tm_table_add_row(&out);
        tm_table_add_cell(&out, "%s", table->group_heading);
        for (int i = 0; i < table->n_rows; i++) {
            const int group = table->rows[i].group;
            tm_table_add_cell(&out, "%s", group < 0 ? "" : table->groups[group]);
        }
    }
    for (int k = 1; k < table->n_columns; k++) {
        tm_table_add_row(&out);
        tm_table_add_cell(&out, "%s", table->columns[k].heading);
        for (int i = 0; i < table->n_rows; i++) copy_cell(table, cell_at(table, i, k), &out);
    }
    for (int i = 0; i < table->n_notes; i++) tm_table_add_note(&out, "%s", table->notes[i]);
    out.failed |= table->failed;
    tm_table_free(table);
    *table = out;
}

void tm_table_note_mark(int note, char out[8])
{
    char reversed[8];
    int n = 0;
    for (int rest = note + 1; rest > 0 && n < 7; rest = (rest - 1) / 26)
        reversed[n++] = (char)('a' + (rest - 1) % 26);
    for (int i = 0; i < n; i++) out[i] = reversed[n - 1 - i];
    out[n] = '\0';
}

bool tm_table_note_is_used(const tm_table *table, int note)
{
    for (int i = 0; i < table->n_rows; i++)
        for (int k = 0; k < table->rows[i].n_cells; k++)
            if (table->rows[i].cells[k].note == note) return true;
    return false;
}
