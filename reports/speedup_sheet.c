#include "reports/speedup_sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const tm_speedup *find_speedup(const tm_sheet *s, const char *model)
{
    const tm_speedups *all = s->input->speedups;
    for (int i = 0; i < all->n; i++)
        if (tm_sheet_same(all->items[i].cell, s->cell) &&
            strcmp(all->items[i].cell->model, model) == 0)
            return &all->items[i];
    return NULL;
}

static tm_sheet_kind kind_of(const tm_sheet *s, const tm_cell *cell)
{
    if (tm_model_is_fake(cell->model)) return TM_SHEET_FAKE;
    return tm_paper_has_speed(s->input->published, tm_cell_shape(cell)) ? TM_SHEET_PAPER
                                                                        : TM_SHEET_OTHER;
}

/* The models of the store that belong in this kind of table, in order of size, including models
 * that lack this test. Returns whether any of them has it. */
static bool collect_columns(tm_sheet *s)
{
    const tm_speedups *all = s->input->speedups;
    bool has_any = false;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        if (cell->machine == s->cell->machine && strcmp(cell->engine, s->cell->engine) == 0 &&
            kind_of(s, cell) == s->kind)
            tm_sheet_add_column(s, cell->model, tm_cell_shape(cell), find_speedup(s, cell->model));
    }
    qsort(s->columns, (size_t)s->n_columns, sizeof *s->columns, tm_sheet_by_size);
    for (int i = 0; i < s->n_columns; i++) has_any = has_any || s->columns[i].speedup;
    return has_any;
}

static void fill_sheet(tm_sheet *s)
{
    const tm_cell *cell = s->cell;
    char title[200];
    snprintf(title, sizeof title,
             "%s (%s), %d thread%s: tokens/s and speed-up of ternary over %s%s",
             cell->n_gen == 0      ? "Prompt"
             : cell->n_prompt == 0 ? "Decode"
                                   : "Prompt and decode",
             cell->test, cell->threads, tm_plural(cell->threads), tm_sheet_baseline(s->input, cell),
             tm_sheet_kind_text(s->kind));
    tm_table_init(s->table, title);
    s->table->is_sheet = true;
    tm_table_add_column(s->table, "", TM_LEFT);
    for (int i = 0; i < s->n_columns; i++)
        tm_table_add_column(s->table, tm_sheet_heading(s, i), TM_RIGHT);
    tm_speedup_sheet_measured(s);
    tm_speedup_sheet_published(s);
}

/* Order of cells: decode, prompt, both; then depth, lengths, engine, threads and CPUs. */
static int by_test(const void *a, const void *b)
{
    const tm_cell *x = *(const tm_cell *const *)a, *y = *(const tm_cell *const *)b;
    int p = x->n_prompt == 0 ? 0 : x->n_gen == 0 ? 1 : 2;
    int q = y->n_prompt == 0 ? 0 : y->n_gen == 0 ? 1 : 2;
    if (p != q) return p - q;
    if (x->depth != y->depth) return x->depth < y->depth ? -1 : 1;
    if (x->n_prompt != y->n_prompt) return x->n_prompt < y->n_prompt ? -1 : 1;
    if (x->n_gen != y->n_gen) return x->n_gen < y->n_gen ? -1 : 1;
    if (x->machine != y->machine) return x->machine - y->machine;
    int engines = strcmp(x->engine, y->engine);
    if (engines) return engines;
    return x->threads != y->threads ? x->threads - y->threads : strcmp(x->cpus, y->cpus);
}

tm_status tm_speedup_sheets(const tm_sheet_input *input, tm_tables *out, tm_error *err)
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
        return tm_fail(err, TM_NOMEM, "speed-up tables: out of memory for %d columns", all->n);
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
            if (!collect_columns(s)) continue;
            fill_sheet(s);
            is_whole &= !s->table->failed;
            out->n++;
        }
    }
    free(cells);
    free(s);
    if (is_whole) return TM_OK;
    tm_tables_free(out);
    return tm_fail(err, TM_NOMEM, "speed-up tables: out of memory for their cells");
}
