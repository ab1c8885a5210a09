#include "reports/sheet.h"

#include "reports/kernel_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tm_sheet_same(const tm_cell *a, const tm_cell *b)
{
    return a->machine == b->machine && strcmp(a->engine, b->engine) == 0 &&
           a->threads == b->threads && strcmp(a->test, b->test) == 0;
}

void tm_sheet_add_column(tm_sheet *s, const char *model, const tm_speedup *speedup,
                         int (*same)(const char *, const char *))
{
    for (int i = 0; i < s->n_columns; i++)
        if (same(s->columns[i].model, model) == 0) return;
    if (s->n_columns == TM_SHEET_MAX_COLUMNS) return;
    s->columns[s->n_columns++] = (tm_sheet_column){.model = model, .speedup = speedup};
}

int tm_sheet_by_size(const void *a, const void *b)
{
    const char *x = tm_model_label(*(const char *const *)a);
    const char *y = tm_model_label(*(const char *const *)b);
    double p = tm_nominal_parameters(x), q = tm_nominal_parameters(y);
    if (isfinite(p) != isfinite(q)) return isfinite(p) ? -1 : 1;
    if (isfinite(p) && p != q) return p < q ? -1 : 1;
    return strcmp(x, y);
}

const tm_sheet_machine *tm_sheet_machine_of(const tm_sheet_input *input, const tm_cell *cell)
{
    return &input->machines[cell->machine];
}

const char *tm_sheet_origin(const tm_sheet_input *input, const tm_cell *cell)
{
    if (tm_model_is_fake(cell->model)) return "fake (scripted model, tests the harness)";
    return tm_sheet_machine_of(input, cell)->emulated ? "emulated (times have no meaning)"
                                                      : "measured";
}

const char *tm_sheet_baseline_name(const tm_speedup *speedup)
{
    return speedup->baseline ? tm_cell_weights(&speedup->baseline->cell) : NULL;
}

const char *tm_sheet_baseline(const tm_sheet_input *input, const tm_cell *cell)
{
    const char *name = NULL;
    for (int i = 0; i < input->speedups->n; i++) {
        const tm_speedup *s = &input->speedups->items[i];
        const char *own = tm_sheet_baseline_name(s);
        if (!own || (cell && !tm_sheet_same(s->cell, cell))) continue;
        if (name && strcmp(name, own) != 0) return "baseline";
        name = own;
    }
    return name ? name : "baseline";
}

const char *tm_sheet_kind_text(tm_sheet_kind kind)
{
    static const char *const texts[] = {"", ", other models", ", scripted models"};
    return texts[kind];
}

const tm_cell_summary *tm_sheet_arm(const tm_speedup *speedup, bool is_baseline)
{
    if (!speedup) return NULL;
    return is_baseline ? speedup->baseline : speedup->ternary;
}

void tm_sheet_add_missing(tm_sheet *s, const char *why)
{
    tm_table_add_cell_with_note(s->table, "N/A", why[0] ? why : "not measured");
}

void tm_sheet_add_absent(tm_sheet *s, const tm_speedup *speedup, bool is_baseline)
{
    char note[160];
    if (!speedup)
        snprintf(note, sizeof note,
                 "not part of the run: no cell of this model with %s and %d thread%s",
                 s->cell->test, s->cell->threads, tm_plural(s->cell->threads));
    else
        snprintf(note, sizeof note, "no %s cell of this model in the store",
                 is_baseline ? TM_ROLE_BASELINE : TM_ROLE_TERNARY);
    tm_table_add_cell_with_note(s->table, "N/A", note);
}

void tm_sheet_add_published(tm_sheet *s, const tm_measured *figure, int digits)
{
    char text[64];
    if (!isfinite(figure->value))
        tm_sheet_add_missing(s, figure->missing);
    else if (digits)
        tm_table_add_cell(s->table, "%s", tm_number(figure->value, digits, text, sizeof text));
    else
        tm_table_add_cell(s->table, "%s", tm_number_short(figure->value, 9, text, sizeof text));
}

void tm_tables_free(tm_tables *tables)
{
    for (int i = 0; i < tables->n; i++) tm_table_free(&tables->items[i]);
    free(tables->items);
    *tables = (tm_tables){0};
}
