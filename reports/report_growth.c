/* What a token costs as one thing grows: the model, its cached context, the sequences decoded
 * together. Each time stands beside its floor, from the roofline measured in the same run. */
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum axis { SIZE, CONTEXT, SEQUENCES, N_AXES } axis;

static const char *const axis_names[N_AXES] = {"model size", "cached context",
                                               "sequences decoded together"};

/* The cells to show: decoding alone. A record of before sequences has 0 of them. */
typedef struct rows {
    const tm_cell_summary **items; /* [n], by the value on the axis; owned */
    int n;
} rows;

static int sequences_of(const tm_cell *cell)
{
    return cell->n_sequences > 1 ? cell->n_sequences : 1;
}

static double value_of(const tm_cell_summary *s, axis along)
{
    switch (along) {
    case SIZE:
        return s->bytes_per_token.value;
    case CONTEXT:
        return s->cell.depth;
    default:
        return sequences_of(&s->cell);
    }
}

/* Whether both differ at most in what grows, and so belong to one series. Tests of different length
 * end at different positions. */
static bool same_series(const tm_cell *a, const tm_cell *b, axis along)
{
    bool same_head = along == SIZE || strcmp(a->head_kernel, b->head_kernel) == 0;
    return strcmp(a->engine, b->engine) == 0 && same_head &&
           (along == SIZE || strcmp(a->model, b->model) == 0) &&
           strcmp(a->kernel, b->kernel) == 0 && a->threads == b->threads && a->n_gen == b->n_gen &&
           (along == CONTEXT || a->depth == b->depth) &&
           (along == SEQUENCES || sequences_of(a) == sequences_of(b));
}

static bool is_decode(const tm_cell_summary *s)
{
    return !s->superseded && s->cell.n_gen > 0 && s->cell.n_prompt == 0 &&
           isfinite(s->tokens_per_second.value) && s->bytes_per_token.value > 0;
}

/* The members of `first`'s series in rising order; none where `first` is not its first in the store. */
static void find_series(const tm_summaries *all, int first, axis along, rows *out)
{
    const tm_cell *cell = &all->items[first].cell;
    out->n = 0;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (!is_decode(s) || !same_series(&s->cell, cell, along)) continue;
        if (i < first) {
            out->n = 0;
            return;
        }
        int at = out->n++;
        for (; at > 0 && value_of(out->items[at - 1], along) > value_of(s, along); at--)
            out->items[at] = out->items[at - 1];
        out->items[at] = s;
    }
}

static void add_row(const tm_report_view *view, const tm_cell_summary *s, tm_table *out)
{
    char text[64];
    const tm_cell *cell = &s->cell;
    tm_figure bandwidth = tm_report_limit(view->roofline, "read_gb_per_second", cell->threads);
    tm_figure peak = tm_report_limit(view->roofline, tm_report_mac_limit(cell), cell->threads);
    double ms = 1e3 / s->tokens_per_second.value;
    double read_ms = s->bytes_per_token.value / bandwidth.value * 1e-6;
    double multiply_ms = s->macs_per_token.value / peak.value * 1e-6;
    const char *why = !isfinite(bandwidth.value) ? bandwidth.missing
                      : !isfinite(peak.value)    ? peak.missing
                      : !isfinite(multiply_ms)   ? s->macs_per_token.missing
                                                 : NULL;
    double floor_ms = fmax(read_ms, multiply_ms);
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(cell->model));
    tm_table_add_cell(out, "%s", cell->kernel);
    tm_table_add_cell(out, "%d", cell->threads);
    tm_table_add_cell(out, "%d", cell->depth);
    tm_table_add_cell(out, "%d", sequences_of(cell));
    tm_table_add_cell(out, "%s", tm_number(s->bytes_per_token.value * 1e-6, 4, text, sizeof text));
    tm_table_add_cell(out, "%s", tm_number(ms, 4, text, sizeof text));
    if (why) {
        for (int i = 0; i < 3; i++) tm_table_add_cell_with_note(out, "-", why);
        return;
    }
    tm_table_add_cell(out, "%s", tm_number(floor_ms, 4, text, sizeof text));
    tm_table_add_cell(out, "%s", tm_number(100 * floor_ms / ms, 3, text, sizeof text));
    tm_table_add_cell(out, "%s", read_ms >= multiply_ms ? "memory" : "multiplying");
}

tm_status tm_report_growth(const tm_report_view *view, bool *is_measured_for, tm_table *out,
                           tm_error *err)
{
    static const char *const headings[] = {"threads",  "context",  "sequences",      "MB/token",
                                           "ms/token", "floor ms", "% of the floor", "bound by"};
    const tm_summaries *all = view->summaries;
    rows series = {0};
    *is_measured_for = false;
    tm_table_init(out, "");
    tm_table_add_column(out, "model", TM_LEFT);
    tm_table_add_column(out, "kernel", TM_LEFT);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(out, headings[i], TM_RIGHT);
    void *memory;
    tm_status status =
        tm_alloc(&memory, (size_t)all->n + 1, sizeof *series.items, "cells of a series", err);
    if (status != TM_OK) return status;
    series.items = memory;
    for (axis along = SIZE; along < N_AXES; along++) {
        bool is_titled = false;
        for (int i = 0; i < all->n; i++) {
            if (!is_decode(&all->items[i])) continue;
            find_series(all, i, along, &series);
            if (series.n < 2) continue;
            if (!is_titled) tm_table_add_group(out, "against %s", axis_names[along]);
            is_titled = true;
            *is_measured_for = *is_measured_for || along != SIZE;
            for (int k = 0; k < series.n; k++) add_row(view, series.items[k], out);
        }
    }
    tm_free(series.items);
    tm_table_add_note(
        out,
        "Decoding; ms per token of all sequences together. The floor is the longer of what a "
        "token must read at the measured bandwidth (weights and head once per pass, its share "
        "of them; keys and values) and what it must multiply at the measured peak, both of the "
        "same threads. A model that stays in a cache may be faster than its memory's floor.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "growth table: no memory for %d rows", out->n_rows);
    return TM_OK;
}
