/* How time per token grows with model size, cached context, and the number of sequences decoded
 * together, with the lower bound that the roofline of the same run sets. A series is what the suite
 * names once: "auto" may resolve to a different kernel on each model. */
#include "reports/headings.h"
#include "reports/limits.h"
#include "reports/report_parts.h"
#include "reports/report_plots.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum axis { SIZE, CONTEXT, SEQUENCES, N_AXES } axis;

static const char *const axis_names[N_AXES] = {"model size", "cached context",
                                               "sequences decoded together"};

/* The members of a series, in ascending order along the axis. */
typedef struct rows {
    const tm_cell_summary **items; /* [n]; owned */
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

/* The name of a series: the kernel as the suite names it. */
static const char *kernel_asked(const tm_cell *cell)
{
    return cell->kernel_asked[0] ? cell->kernel_asked : cell->kernel;
}

static const char *head_asked(const tm_cell *cell)
{
    return cell->head_asked[0] ? cell->head_asked : cell->head_kernel;
}

static bool same_model(const tm_cell *a, const tm_cell *b, axis along)
{
    return along == SIZE || strcmp(a->model, b->model) == 0;
}

/* Whether two cells differ only along the axis and in the kernel. Tests of different lengths end at
 * different positions, so they are different series. */
static bool may_share_series(const tm_cell *a, const tm_cell *b, axis along)
{
    return a->machine == b->machine && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->role, b->role) == 0 && strcmp(head_asked(a), head_asked(b)) == 0 &&
           same_model(a, b, along) && a->threads == b->threads && a->n_gen == b->n_gen &&
           (along == CONTEXT || a->depth == b->depth) &&
           (along == SEQUENCES || sequences_of(a) == sequences_of(b));
}

/* Whether two cells are different points on the axis. Two kernels of one model are the same
 * point. */
static bool has_grown(const tm_cell *a, const tm_cell *b, axis along)
{
    if (along == SIZE) return strcmp(a->model, b->model) != 0;
    return along == CONTEXT ? a->depth != b->depth : sequences_of(a) != sequences_of(b);
}

static bool is_decode(const tm_cell_summary *s)
{
    return !s->superseded && s->cell.n_gen > 0 && s->cell.n_prompt == 0 &&
           isfinite(s->tokens_per_second.value) && s->bytes_per_token.value > 0;
}

/* The members of the series that cell `first` begins, in ascending order. None if an earlier cell
 * began the same series, or if it has only one point. A cell whose kernel was chosen under one name
 * and also requested by its own name was measured once: it belongs to both series. */
static void find_series(const tm_summaries *all, int first, axis along, rows *out)
{
    const tm_cell *cell = &all->items[first].cell;
    const char *name = kernel_asked(cell);
    bool grows = false;
    out->n = 0;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        bool is_named = strcmp(kernel_asked(&s->cell), name) == 0;
        if (!is_decode(s) || !may_share_series(&s->cell, cell, along) ||
            (!is_named && strcmp(s->cell.kernel, name) != 0))
            continue;
        if (is_named && i < first) {
            out->n = 0;
            return;
        }
        grows = grows || has_grown(&s->cell, cell, along);
        int at = out->n++;
        for (; at > 0 && value_of(out->items[at - 1], along) > value_of(s, along); at--)
            out->items[at] = out->items[at - 1];
        out->items[at] = s;
    }
    if (!grows) out->n = 0;
}

/* "model size: auto, head q6_k (ternary)". */
static void title_of(const tm_report_view *view, const tm_cell *cell, axis along, char *text,
                     size_t size)
{
    bool has_others = view->summaries->n_machines > 1;
    bool own_head = !cell->head_asked[0] || strcmp(cell->head_asked, "auto") == 0;
    snprintf(text, size, "%s: %s%s%s%s%s%s%s%.100s", axis_names[along], kernel_asked(cell),
             own_head ? "" : ", head ", own_head ? "" : cell->head_asked, cell->role[0] ? " (" : "",
             cell->role, cell->role[0] ? ")" : "", has_others ? ", on " : "",
             has_others ? tm_sheet_machine_of(view->input, cell)->name : "");
}

/* The values of a row. */
typedef struct point {
    tm_interval ms;     /* per token, over all sequences together */
    tm_measured floor;  /* ms per token: the larger of two times */
    double times_floor; /* NaN without a floor */
    const char *bound;  /* "memory", "arithmetic"; "" without a floor */
} point;

static point point_of(const tm_cell_summary *s)
{
    const tm_cell_limit bandwidth = tm_limit_read(s), peak = tm_limit_multiply(s);
    const tm_interval *speed = &s->tokens_per_second;
    point p = {.ms = {.value = 1e3 / speed->value,
                      .low = 1e3 / speed->high,
                      .high = 1e3 / speed->low,
                      .n = s->n_processes},
               .floor = {.value = NAN},
               .times_floor = NAN,
               .bound = ""};
    const char *why = !isfinite(bandwidth.share.value) ? bandwidth.share.missing
                      : !isfinite(peak.share.value)    ? peak.share.missing
                                                       : NULL;
    if (why) {
        tm_measured_miss(&p.floor, "%s", why);
        return p;
    }
    double read_ms = s->bytes_per_token.value / bandwidth.value.value * 1e-6;
    double multiply_ms = s->macs_per_token.value / peak.value.value * 1e-6;
    tm_measured_set(&p.floor, fmax(read_ms, multiply_ms));
    p.times_floor = 1 / fmax(bandwidth.share.value, peak.share.value);
    p.bound = read_ms >= multiply_ms ? "memory" : "arithmetic";
    return p;
}

static void add_row(const tm_cell_summary *s, tm_table *out)
{
    char text[128], note[320] = "";
    const tm_cell *cell = &s->cell;
    const point p = point_of(s);
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(cell->model));
    tm_table_add_cell(out, "%s", cell->kernel);
    tm_table_add_cell(out, "%d", cell->threads);
    tm_table_add_cell(out, "%d", cell->depth);
    tm_table_add_cell(out, "%d", sequences_of(cell));
    tm_table_add_cell(out, "%s", tm_number(s->bytes_per_token.value * 1e-6, 4, text, sizeof text));
    tm_number_interval(&p.ms, 4, text, sizeof text);
    tm_summary_age(s, note, sizeof note);
    if (!isfinite(p.ms.low) || !isfinite(p.ms.high))
        tm_add_sentence(note, sizeof note, "one process has no interval");
    else if (strcmp(s->tokens_per_second.method, TM_PROCESSES_RANGE) == 0)
        tm_add_sentence(note, sizeof note, "%s", TM_PROCESSES_RANGE);
    if (note[0])
        tm_table_add_cell_with_note(out, text, note);
    else
        tm_table_add_cell(out, "%s", text);
    tm_table_add_cell(out, "%d", p.ms.n);
    if (!isfinite(p.floor.value)) {
        for (int i = 0; i < 3; i++) tm_table_add_cell_with_note(out, "-", p.floor.missing);
        return;
    }
    tm_table_add_cell(out, "%s", tm_number(p.floor.value, 4, text, sizeof text));
    tm_table_add_cell(out, "%s", tm_number(p.times_floor, 3, text, sizeof text));
    tm_table_add_cell(out, "%s", p.bound);
}

static void add_csv_row(const tm_report_view *view, const char *series, const tm_cell_summary *s,
                        tm_table *out)
{
    const tm_cell *cell = &s->cell;
    const point p = point_of(s);
    const double numbers[] = {s->bytes_per_token.value,
                              p.ms.value,
                              p.ms.low,
                              p.ms.high,
                              p.ms.n,
                              p.floor.value,
                              p.times_floor};
    char text[64];
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", series);
    tm_table_add_cell(out, "%s", tm_model_label(cell->model));
    tm_table_add_cell(out, "%s", cell->kernel);
    tm_table_add_cell(out, "%d", cell->threads);
    tm_table_add_cell(out, "%d", cell->depth);
    tm_table_add_cell(out, "%d", sequences_of(cell));
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        tm_table_add_cell(out, "%s", tm_number_short(numbers[i], 6, text, sizeof text));
    const char *const texts[] = {p.bound,
                                 tm_sheet_machine_of(view->input, cell)->name,
                                 s->build,
                                 s->cell_id,
                                 isfinite(p.floor.value) ? "" : p.floor.missing,
                                 s->newest[0] ? "yes" : "no",
                                 s->older_model ? "yes" : "no"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        tm_table_add_cell(out, "%s", texts[i]);
}

/* What is done with each series: called once per series, in the order of the axes. */
typedef void (*use_series)(const tm_report_view *view, axis along, const char *title,
                           const rows *series, void *context);

static tm_status each_series(const tm_report_view *view, use_series use, void *context,
                             tm_error *err)
{
    const tm_summaries *all = view->summaries;
    rows series = {0};
    void *memory;
    tm_status status =
        tm_alloc(&memory, (size_t)all->n + 1, sizeof *series.items, "cells of a series", err);
    if (status != TM_OK) return status;
    series.items = memory;
    for (axis along = SIZE; along < N_AXES; along++) {
        for (int i = 0; i < all->n; i++) {
            char title[400];
            if (!is_decode(&all->items[i])) continue;
            find_series(all, i, along, &series);
            if (series.n == 0) continue;
            title_of(view, &all->items[i].cell, along, title, sizeof title);
            use(view, along, title, &series, context);
        }
    }
    tm_free(series.items);
    return TM_OK;
}

typedef struct tables {
    tm_table *out;
    char title[400]; /* of the group that was begun last */
    bool is_measured_for;
} tables;

static void add_series(const tm_report_view *view, axis along, const char *title,
                       const rows *series, void *context)
{
    tables *t = context;
    (void)view;
    if (strcmp(t->title, title) != 0) tm_table_add_group(t->out, "against %s", title);
    snprintf(t->title, sizeof t->title, "%s", title);
    t->is_measured_for |= along != SIZE;
    for (int k = 0; k < series->n; k++) add_row(series->items[k], t->out);
}

static void add_csv_series(const tm_report_view *view, axis along, const char *title,
                           const rows *series, void *context)
{
    (void)along;
    for (int k = 0; k < series->n; k++) add_csv_row(view, title, series->items[k], context);
}

tm_status tm_report_growth(const tm_report_view *view, bool *is_measured_for, tm_table *out,
                           tm_error *err)
{
    static const char *const headings[] = {
        TM_HEADING_THREADS,  "Context, tokens",     "Sequences",
        TM_HEADING_MB_TOKEN, TM_HEADING_TOKEN_TIME, TM_HEADING_PROCESSES,
        "Floor, ms/token",   "Times the floor",     TM_HEADING_BOUND};
    tables work = {.out = out};
    *is_measured_for = false;
    tm_table_init(out, "");
    tm_table_name_groups(out, "Series");
    tm_table_add_column(out, TM_HEADING_MODEL, TM_LEFT);
    tm_table_add_column(out, TM_HEADING_KERNEL, TM_LEFT);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(out, headings[i], TM_RIGHT);
    tm_status status = each_series(view, add_series, &work, err);
    if (status != TM_OK) return status;
    *is_measured_for = work.is_measured_for;
    tm_table_add_note(
        out,
        "Decoding; ms per token over all sequences together, with the within-run interval over "
        "processes (below 4 processes their range). The floor is the least time that the limits "
        "measured in the same run permit "
        "at the same number of threads: the larger of reading the bytes of a token (its share of "
        "weights and head, plus keys and values) and computing its multiply-accumulates. Times "
        "the floor: measured time / floor; 1 is the limit. A series has one name in the suite; "
        "each row shows the kernel that was chosen. A model that fits in a cache may be faster "
        "than the floor of memory. All multiply-accumulates are counted at the peak of the "
        "kernel's arithmetic; with a float head the true floor is higher.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "growth table: out of memory for %d rows", out->n_rows);
    return TM_OK;
}

tm_status tm_report_growth_csv(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const char *const headings[] = {"series",           "model",
                                           "kernel",           "threads",
                                           "context_tokens",   "sequences",
                                           "bytes_per_token",  "ms_per_token",
                                           "ms_per_token_low", "ms_per_token_high",
                                           "n_processes",      "floor_ms_per_token",
                                           "times_the_floor",  "bound_by",
                                           "machine",          "build",
                                           "cell_id",          "missing",
                                           "older_build",      "older_model"};
    tm_table_init(out, "");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(out, headings[i], TM_LEFT);
    tm_status status = each_series(view, add_csv_series, out, err);
    if (status == TM_OK && out->failed)
        return tm_fail(err, TM_NOMEM, "growth.csv: out of memory for %d rows", out->n_rows);
    return status;
}

typedef struct curves {
    tm_plot *plot;
    axis along;
    int n;
    tm_plot_counts counts;
    struct {
        int hue, threads;
    } of[64];                  /* [n], of the series that are there */
    tm_plot_place places[128]; /* of the series that is being added */
} curves;

/* A series as a curve, and its floor as a dashed line. */
static void add_curve(const tm_report_view *view, axis along, const char *title, const rows *series,
                      void *context)
{
    static const double scales[N_AXES] = {1e-6, 1, 1};
    curves *c = context;
    const tm_cell *cell = &series->items[0]->cell;
    const int hue = strcmp(cell->role, TM_ROLE_BASELINE) == 0 ? TM_HUE_BASELINE : TM_HUE_TERNARY;
    const int n = series->n < 128 ? series->n : 128;
    char label[128];
    if (along != c->along || cell->machine != view->machine || c->n == sizeof c->of / sizeof *c->of)
        return;
    /* A marker for each number of threads; series that share it and the hue differ in shade. */
    int marker = 0, shade = 0;
    for (int i = 0; i < c->n; i++) {
        bool is_new = c->of[i].threads != cell->threads;
        for (int k = 0; k < i; k++) is_new &= c->of[k].threads != c->of[i].threads;
        marker += is_new;
        shade += c->of[i].hue == hue && c->of[i].threads == cell->threads;
    }
    c->of[c->n].hue = hue;
    c->of[c->n].threads = cell->threads;
    snprintf(label, sizeof label, "%.60s, %.16s%s%.24s, %d thread%s",
             title + strlen(axis_names[along]) + 2, cell->test, along == SIZE ? "" : ", ",
             along == SIZE ? "" : tm_model_label(cell->model), cell->threads,
             tm_plural(cell->threads));
    tm_plot_add_series(c->plot, label, TM_MEASURED, tm_plot_shade_of(hue, shade),
                       marker % TM_MARKERS, series->n > 2);
    for (int i = 0; i < n; i++) {
        c->places[i] =
            tm_plot_place_of(value_of(series->items[i], along) * scales[along], series->items[i]);
        c->places[i].value = point_of(series->items[i]).ms;
        c->places[i].is_time = true;
        tm_plot_count(&c->counts, c->places[i].n);
    }
    tm_plot_add_places(c->plot, c->places, n);
    tm_plot_add_detail(c->plot, "its floor", TM_DETAIL_LIMIT);
    for (int i = 0; i < n; i++)
        tm_plot_add_point(c->plot, c->places[i].x, point_of(series->items[i]).floor.value, NAN,
                          NAN);
    c->n++;
}

tm_status tm_report_plot_growth(const tm_report_view *view, int which, tm_plot *out, tm_error *err)
{
    static const char *const stems[N_AXES] = {"growth-size", "growth-context", "growth-sequences"};
    static const char *const titles[N_AXES] = {"Time per token by bytes read per token",
                                               "Time per token over cached context",
                                               "Time per token over sequences decoded together"};
    static const char *const x_labels[N_AXES] = {"bytes read per token (MB, logarithmic)",
                                                 "cached context (tokens)",
                                                 "sequences decoded together (logarithmic)"};
    char number[64];
    curves c = {.plot = out, .along = (axis)which};
    tm_plot_init(out, stems[which], titles[which], x_labels[which], "ms per token (logarithmic)");
    out->log_x = which != CONTEXT;
    out->log_y = true;
    tm_status status = each_series(view, add_curve, &c, err);
    snprintf(
        out->note, sizeof out->note,
        "%s. Decoding; ms per token over all sequences together. Bars: within-run 95 %% interval "
        "over fresh "
        "processes (%s); below %d processes a small point for each. Dashed: the floor, which is "
        "the time that the "
        "bandwidth and arithmetic limits measured in the same run permit.%s",
        view->input->machines[view->machine].name,
        tm_plot_counts_text(&c.counts, "processes", number), TM_MIN_PAIRS,
        view->input->machines[view->machine].emulated ? " Emulated: times have no meaning." : "");
    return status;
}
