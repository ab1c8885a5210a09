#include "reports/speedup.h"

#include "reports/summary_cell.h"

#include <stdio.h>
#include <string.h>

void tm_speedups_add_refused(const tm_speedups *all, char *text, size_t size)
{
    const size_t n = strlen(text);
    if (all->n_refused > 0)
        snprintf(text + n, size - n, ", or its records are among the %d refused line%s",
                 all->n_refused, tm_plural(all->n_refused));
}

char *tm_speedup_absent(const tm_speedups *all, const tm_speedup *s, bool is_baseline, char *text,
                        size_t size)
{
    const bool by_head = !is_baseline && s->baseline && s->cell->role[0] == TM_ROLE_TERNARY[0];
    snprintf(text, size, "no %s cell was run%s", is_baseline ? TM_ROLE_BASELINE : TM_ROLE_TERNARY,
             by_head ? " with the baseline's head" : "");
    tm_speedups_add_refused(all, text, size);
    return text;
}

static tm_status fill_speedup(const tm_summaries *all, const tm_speedups *speedups, tm_speedup *out,
                              tm_error *err)
{
    const tm_cell *c = out->cell;
    tm_best_query query = {.role = TM_ROLE_BASELINE, .column = c};
    out->baseline = tm_summaries_best(all, &query, &out->n_baselines);
    query.any_engine = true; /* a suite may compare with another engine */
    if (!out->baseline) out->baseline = tm_summaries_best(all, &query, &out->n_baselines);
    query = (tm_best_query){.role = TM_ROLE_TERNARY, .column = c, .partner = out->baseline};
    out->ternary = tm_summaries_best(all, &query, &out->n_kernels);
    tm_status status = tm_compare_among(all, out->ternary, out->baseline, &out->comparison, err);
    if (status == TM_OK) tm_comparison_widen(&out->comparison, out->n_kernels);
    if (!out->ternary || !out->baseline)
        tm_speedup_absent(speedups, out, !out->baseline, out->comparison.missing,
                          sizeof out->comparison.missing);
    return status;
}

/* Whether it is a baseline whose engine has no ternary cell while another engine has one: it has no
 * column of its own. */
static bool is_baseline_of_another_engine(const tm_summaries *all, const tm_cell *cell)
{
    bool has_other = false;
    if (strcmp(cell->role, TM_ROLE_BASELINE) != 0) return false;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *other = &all->items[i].cell;
        if (strcmp(other->role, TM_ROLE_TERNARY) != 0 || !tm_same_place(other, cell)) continue;
        if (strcmp(other->engine, cell->engine) == 0) return false;
        has_other = true;
    }
    return has_other;
}

tm_status tm_speedups_make(const tm_summaries *all, tm_speedups *out, tm_error *err)
{
    void *memory;
    *out = (tm_speedups){.n_refused = all->n_refused};
    if (all->n == 0) return TM_OK;
    tm_status status = tm_alloc(&memory, (size_t)all->n, sizeof *out->items, "speed-ups", err);
    if (status != TM_OK) return status;
    out->items = memory;
    for (int i = 0; i < all->n && status == TM_OK; i++) {
        const tm_cell *cell = &all->items[i].cell;
        if (strcmp(cell->role, TM_ROLE_BASELINE) != 0 && strcmp(cell->role, TM_ROLE_TERNARY) != 0)
            continue;
        if (is_baseline_of_another_engine(all, cell)) continue;
        int j = 0;
        while (j < out->n && !tm_same_column(out->items[j].cell, cell)) j++;
        if (j < out->n) continue;
        tm_speedup *item = &out->items[out->n++];
        item->cell = cell;
        status = fill_speedup(all, out, item, err);
    }
    if (status != TM_OK) tm_speedups_free(out);
    return status;
}

void tm_speedups_free(tm_speedups *speedups)
{
    for (int i = 0; i < speedups->n; i++) tm_comparison_free(&speedups->items[i].comparison);
    tm_free(speedups->items);
    *speedups = (tm_speedups){0};
}
