#include "reports/sheet.h"

#include "reports/kernel_names.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool tm_sheet_same(const tm_cell *a, const tm_cell *b)
{
    return a->machine == b->machine && strcmp(a->engine, b->engine) == 0 &&
           a->threads == b->threads && strcmp(a->test, b->test) == 0 &&
           strcmp(a->cpus, b->cpus) == 0;
}

void tm_sheet_add_column(tm_sheet *s, const char *model, const char *shape,
                         const tm_speedup *speedup)
{
    for (int i = 0; i < s->n_columns; i++)
        if (strcmp(s->columns[i].model, model) == 0) return;
    if (s->n_columns == TM_SHEET_MAX_COLUMNS) return;
    s->columns[s->n_columns++] =
        (tm_sheet_column){.model = model, .shape = shape, .speedup = speedup};
}

const char *tm_sheet_heading(const tm_sheet *s, int column)
{
    const char *label = tm_model_label(s->columns[column].model);
    for (int i = 0; i < s->n_columns; i++)
        if (i != column && strcmp(tm_model_label(s->columns[i].model), label) == 0)
            return s->columns[column].model;
    return label;
}

void tm_sheet_note_shapes(tm_sheet *s)
{
    for (int i = 0; i < s->n_columns; i++) {
        const tm_sheet_column *c = &s->columns[i];
        if (!c->shape[0] || strcmp(tm_model_label(c->model), c->shape) == 0) continue;
        tm_table_add_note(s->table, "%s has the shape of %s.", tm_sheet_heading(s, i), c->shape);
    }
}

int tm_sheet_by_size(const void *a, const void *b)
{
    const tm_sheet_column *x = a, *y = b;
    double p = tm_model_parameters(x->model, x->shape), q = tm_model_parameters(y->model, y->shape);
    if (isfinite(p) != isfinite(q)) return isfinite(p) ? -1 : 1;
    if (isfinite(p) && p != q) return p < q ? -1 : 1;
    return strcmp(tm_model_label(x->model), tm_model_label(y->model));
}

int tm_sheet_cells_by_size(const void *a, const void *b)
{
    const tm_cell *x = *(const tm_cell *const *)a, *y = *(const tm_cell *const *)b;
    return tm_sheet_by_size(&(tm_sheet_column){.model = x->model, .shape = tm_cell_shape(x)},
                            &(tm_sheet_column){.model = y->model, .shape = tm_cell_shape(y)});
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

char *tm_sheet_label(const char *baseline, const char *what, char out[96])
{
    const bool is_named = strcmp(baseline, "baseline") != 0;
    snprintf(out, 96, "%s, %s", is_named ? baseline : "Baseline", what);
    return out;
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
    char note[240];
    if (speedup) {
        tm_speedup_absent(s->input->speedups, speedup, is_baseline, note, sizeof note);
    } else {
        snprintf(note, sizeof note,
                 "not part of the run: no cell of this model with %s and %d thread%s",
                 s->cell->test, s->cell->threads, tm_plural(s->cell->threads));
        tm_speedups_add_refused(s->input->speedups, note, sizeof note);
    }
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
