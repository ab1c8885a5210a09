#include "reports/speedup_sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const tm_speedup *tm_sheet_find(const tm_sheet *s, const char *model)
{
    const tm_speedups *all = s->input->speedups;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        if (strcmp(cell->engine, s->cell->engine) == 0 && strcmp(cell->model, model) == 0 &&
            cell->threads == s->cell->threads && strcmp(cell->test, s->cell->test) == 0)
            return &all->items[i];
    }
    return NULL;
}

static int by_size(const void *a, const void *b)
{
    const char *x = tm_model_label(*(const char *const *)a);
    const char *y = tm_model_label(*(const char *const *)b);
    double p = tm_nominal_parameters(x), q = tm_nominal_parameters(y);
    if (isfinite(p) != isfinite(q)) return isfinite(p) ? -1 : 1;
    if (isfinite(p) && p != q) return p < q ? -1 : 1;
    return strcmp(x, y);
}

static tm_sheet_kind kind_of(const tm_sheet *s, const char *model)
{
    if (tm_model_is_fake(model)) return TM_SHEET_FAKE;
    return tm_speedup_is_paper_model(s->input->published, model) ? TM_SHEET_PAPER : TM_SHEET_OTHER;
}

/* Models of the store that this kind of table shows, small to large, also those this test lacks. */
static void collect_models(tm_sheet *s)
{
    const tm_speedups *all = s->input->speedups;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        bool is_known =
            strcmp(cell->engine, s->cell->engine) != 0 || kind_of(s, cell->model) != s->kind;
        for (int k = 0; k < s->n_models; k++) is_known |= strcmp(s->models[k], cell->model) == 0;
        if (is_known || s->n_models == (int)(sizeof s->models / sizeof *s->models)) continue;
        s->models[s->n_models++] = cell->model;
    }
    qsort(s->models, (size_t)s->n_models, sizeof *s->models, by_size);
}

static const char *heading_of(const tm_sheet *s, int model)
{
    const char *label = tm_model_label(s->models[model]);
    for (int i = 0; i < s->n_models; i++)
        if (i != model && strcmp(tm_model_label(s->models[i]), label) == 0) return s->models[model];
    return label;
}

static void fill(tm_sheet *s)
{
    static const char *const kinds[] = {"", ", other models", ", scripted fakes"};
    const tm_cell *cell = s->cell;
    char title[200];
    snprintf(title, sizeof title,
             "%s (%s), %d thread%s: tokens/s and speed-up of ternary over fp16%s",
             cell->n_gen == 0      ? "Prompt"
             : cell->n_prompt == 0 ? "Decode"
                                   : "Prompt and decode",
             cell->test, cell->threads, cell->threads == 1 ? "" : "s", kinds[s->kind]);
    tm_table_init(s->table, title);
    tm_table_add_column(s->table, "", TM_LEFT);
    for (int i = 0; i < s->n_models; i++) tm_table_add_column(s->table, heading_of(s, i), TM_RIGHT);
    tm_sheet_add_measured(s);
    tm_sheet_add_published(s);
}

/* Decode, prompts, both; then as named; then threads. */
static int by_test(const void *a, const void *b)
{
    const tm_cell *x = *(const tm_cell *const *)a, *y = *(const tm_cell *const *)b;
    int p = x->n_prompt == 0 ? 0 : x->n_gen == 0 ? 1 : 2;
    int q = y->n_prompt == 0 ? 0 : y->n_gen == 0 ? 1 : 2;
    if (p != q) return p - q;
    if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
    if (x->n_prompt != y->n_prompt) return x->n_prompt < y->n_prompt ? -1 : 1;
    if (x->n_gen != y->n_gen) return x->n_gen < y->n_gen ? -1 : 1;
    int engines = strcmp(x->engine, y->engine);
    return engines ? engines : x->threads - y->threads;
}

tm_status tm_speedup_tables(const tm_speedup_input *input, tm_tables *out, tm_error *err)
{
    const tm_speedups *all = input->speedups;
    *out = (tm_tables){0};
    const tm_cell **cells = calloc((size_t)all->n + 1, sizeof *cells);
    out->items = calloc((size_t)all->n * TM_N_SHEET_KINDS + 1, sizeof *out->items);
    tm_sheet *s = calloc(1, sizeof *s);
    if (!cells || !out->items || !s) {
        free(cells);
        free(s);
        tm_tables_free(out);
        return tm_fail(err, TM_NOMEM, "speed-up tables: no memory for %d columns", all->n);
    }
    for (int i = 0; i < all->n; i++) cells[i] = all->items[i].cell;
    qsort(cells, (size_t)all->n, sizeof *cells, by_test);
    bool is_whole = true;
    for (int i = 0; i < all->n; i++) {
        if (i && by_test(&cells[i - 1], &cells[i]) == 0) continue;
        for (int kind = 0; kind < TM_N_SHEET_KINDS; kind++) {
            *s = (tm_sheet){.input = input,
                            .cell = cells[i],
                            .kind = (tm_sheet_kind)kind,
                            .is_first = out->n == 0,
                            .table = &out->items[out->n]};
            collect_models(s);
            bool has_any = false;
            for (int k = 0; k < s->n_models; k++) has_any |= tm_sheet_find(s, s->models[k]) != NULL;
            if (!has_any) continue;
            fill(s);
            is_whole &= !s->table->failed;
            out->n++;
        }
    }
    free(cells);
    free(s);
    if (is_whole) return TM_OK;
    tm_tables_free(out);
    return tm_fail(err, TM_NOMEM, "speed-up tables: no memory for their cells");
}

void tm_tables_free(tm_tables *tables)
{
    for (int i = 0; i < tables->n; i++) tm_table_free(&tables->items[i]);
    free(tables->items);
    *tables = (tm_tables){0};
}
