/* The values of the speed-up tables, one per row, for programs. */
#include "reports/speedup_sheet.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The fields to the left of a value. */
typedef struct row {
    const char *origin, *paper, *paper_table, *device, *model, *test, *kernel;
    int threads;                 /* 0: not a number ("unlimited") */
    const tm_cell_summary *cell; /* NULL: published */
    const tm_speedup *speedup;   /* of a ratio; else NULL */
} row;

static void begin_row(tm_table *out, const row *r, const char *quantity, const char *unit)
{
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", r->origin);
    tm_table_add_cell(out, "%s", r->paper);
    tm_table_add_cell(out, "%s", r->paper_table);
    tm_table_add_cell(out, "%s", r->device);
    if (r->threads > 0)
        tm_table_add_cell(out, "%d", r->threads);
    else
        tm_table_add_cell(out, "unlimited");
    tm_table_add_cell(out, "%s", r->test);
    tm_table_add_cell(out, "%s", r->model);
    tm_table_add_cell(out, "%s", r->kernel);
    tm_table_add_cell(out, "%s", quantity);
    tm_table_add_cell(out, "%s", unit);
}

static const char *yes_or_no(bool is_true)
{
    return is_true ? "yes" : "no";
}

static void end_row(tm_table *out, const row *r, const tm_interval *v, const char *counted,
                    const char *missing)
{
    const double numbers[] = {v->value, v->low, v->high};
    char text[64];
    for (int i = 0; i < 3; i++)
        tm_table_add_cell(out, "%s", tm_number_short(numbers[i], 6, text, sizeof text));
    if (isfinite(v->value) && v->n > 0) {
        tm_table_add_cell(out, "%d", v->n);
        tm_table_add_cell(out, "%s", counted);
    } else {
        tm_table_add_cell(out, "%s", "");
        tm_table_add_cell(out, "%s", "");
    }
    tm_table_add_cell(out, "%s", isfinite(v->value) && v->method ? v->method : "");
    tm_table_add_cell(out, "%s", isfinite(v->value) ? "" : missing);
    const tm_cell_summary *cell = r->cell;
    tm_table_add_cell(out, "%s", cell ? cell->cell.engine : "");
    tm_table_add_cell(out, "%s", cell ? cell->cell_id : "");
    tm_table_add_cell(out, "%s", cell ? cell->build : "");
    /* A ratio is as old as the older of its arms. */
    const tm_cell_summary *other = r->speedup && r->speedup->baseline ? r->speedup->baseline : cell;
    tm_table_add_cell(out, "%s", !cell ? "" : yes_or_no(cell->newest[0] || other->newest[0]));
    if (r->speedup && r->speedup->n_kernels > 0)
        tm_table_add_cell(out, "%d", r->speedup->n_kernels);
    else
        tm_table_add_cell(out, "%s", "");
    char remark[640] = "";
    if (r->speedup) tm_comparison_choice(&r->speedup->comparison, remark, sizeof remark);
    const char *warning = r->speedup ? r->speedup->comparison.warning : cell ? cell->warning : "";
    if (warning[0]) tm_add_sentence(remark, sizeof remark, "%s", warning);
    tm_table_add_cell(out, "%s", remark);
    tm_table_add_cell(out, "%s",
                      isfinite(v->low) && v->confidence > 0
                          ? tm_number_short(100 * v->confidence, 4, text, sizeof text)
                          : "");
    tm_table_add_cell(out, "%s", !cell ? "" : yes_or_no(cell->older_model || other->older_model));
}

static void add_cell_rate(const tm_speedups *all, const tm_speedup *s, bool is_baseline, row r,
                          const char *quantity, tm_table *out)
{
    const tm_cell_summary *cell = tm_sheet_arm(s, is_baseline);
    char absent[240];
    tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    if (cell) r.kernel = cell->cell.kernel;
    r.cell = cell;
    begin_row(out, &r, quantity, "tokens/s");
    end_row(out, &r, cell ? &cell->tokens_per_second : &none, "processes",
            cell ? cell->missing : tm_speedup_absent(all, s, is_baseline, absent, sizeof absent));
}

static void add_figure(tm_table *out, const row *r, const tm_measured *figure, const char *quantity,
                       const char *unit)
{
    tm_interval v = {.value = figure->value, .low = NAN, .high = NAN};
    begin_row(out, r, quantity, unit);
    end_row(out, r, &v, "", figure->missing);
}

static void add_published(const tm_sheet_input *input, const tm_speedup *s, tm_table *out)
{
    const char *table = tm_paper_speed_table(s->cell, tm_sheet_machine_of(input, s->cell)->cores);
    const char *shape = tm_cell_shape(s->cell);
    if (tm_paper_has_speed(input->published, shape)) {
        for (int d = 0; table && tm_paper_devices[d]; d++) {
            row r = {.origin = "published",
                     .paper = TM_PAPER_SPEED,
                     .paper_table = table,
                     .device = tm_paper_devices[d],
                     .model = shape,
                     .test = "generation, length not stated",
                     .kernel = "",
                     .threads = strcmp(table, TM_PAPER_2_THREADS) == 0 ? 2 : 0};
            tm_paper_cell cell =
                tm_paper_speed_cell(input->published, table, tm_paper_devices[d], shape);
            add_figure(out, &r, &cell.fp16, "fp16", "tokens/s");
            add_figure(out, &r, &cell.ternary, "ternary", "tokens/s");
            add_figure(out, &r, &cell.ratio, "speed-up (their ratio)", "1");
        }
        return;
    }
    tm_measured why = {.value = NAN}, value = {.value = NAN};
    const tm_published_value *printed = tm_paper_2b4t_latency(input->published, &why);
    if (!printed || s->cell->n_prompt > 0 || s->cell->depth > 0 ||
        strcmp(shape, TM_MODEL_2B4T) != 0)
        return;
    row r = {.origin = "published",
             .paper = printed->paper,
             .paper_table = printed->table,
             .device = printed->device,
             .model = shape,
             .test = printed->conditions,
             .kernel = "",
             .threads = 8};
    tm_measured_set(&value, printed->value);
    add_figure(out, &r, &value, "ternary", "ms per token");
}

tm_status tm_speedup_csv(const tm_sheet_input *input, tm_table *out, tm_error *err)
{
    static const char *const headings[] = {
        "origin",      "paper",  "table",       "device",     "threads", "test",
        "model",       "kernel", "quantity",    "unit",       "value",   "low",
        "high",        "n",      "n_of",        "method",     "missing", "engine",
        "cell_id",     "build",  "older_build", "fastest_of", "remark",  "interval_percent",
        "older_model", NULL};
    tm_table_init(out, "");
    for (int i = 0; headings[i]; i++) tm_table_add_column(out, headings[i], TM_LEFT);
    for (int i = 0; i < input->speedups->n; i++) {
        const tm_speedup *s = &input->speedups->items[i];
        row r = {.origin = tm_sheet_origin(input, s->cell),
                 .paper = "",
                 .paper_table = "",
                 .device = tm_sheet_machine_of(input, s->cell)->name,
                 .model = tm_model_label(s->cell->model),
                 .test = s->cell->test,
                 .kernel = "",
                 .threads = s->cell->threads};
        add_cell_rate(input->speedups, s, true, r,
                      s->baseline ? tm_sheet_baseline_name(s) : "baseline", out);
        add_cell_rate(input->speedups, s, false, r, "ternary", out);
        if (s->ternary) r.kernel = s->ternary->cell.kernel;
        r.cell = s->ternary;
        r.speedup = s;
        begin_row(out, &r, "speed-up", "1");
        end_row(out, &r, &s->comparison.ratio, "pairs", s->comparison.missing);
        add_published(input, s, out);
    }
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "speedup.csv: out of memory for %d rows", out->n_rows);
    return TM_OK;
}
