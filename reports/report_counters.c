/* Hardware counters of the cells: one row per cell and counter. */
#include "reports/headings.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>

static void add_cell(const tm_cell_summary *s, const tm_counter *c, bool for_programs,
                     tm_table *out)
{
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(s->cell.model));
    if (for_programs)
        tm_table_add_cell(out, "%s", s->cell.kernel);
    else
        tm_report_add_kernel(s, out);
    tm_table_add_cell(out, "%d", s->cell.threads);
    tm_table_add_cell(out, "%s", s->cell.test);
    tm_table_add_cell(out, "%s", c->name);
}

static void add_row(const tm_cell_summary *s, const tm_counter *c, tm_table *out)
{
    char text[64];
    bool has_value = isfinite(c->figure.value);
    add_cell(s, c, false, out);
    if (has_value)
        tm_table_add_cell(out, "%s", tm_number_short(c->figure.value, 5, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", c->figure.missing);
    tm_table_add_cell(out, "%s", c->unit);
    tm_table_add_cell(out, "%s", c->method[0] ? c->method : "-");
    if (has_value)
        tm_table_add_cell(out, "%.0f", 100 * c->share);
    else
        tm_table_add_cell(out, "-");
}

static void add_fields(const tm_cell_summary *s, const tm_counter *c, tm_table *out)
{
    char text[64];
    add_cell(s, c, true, out);
    tm_table_add_cell(out, "%s", tm_number_short(c->figure.value, 9, text, sizeof text));
    tm_table_add_cell(out, "%s", c->unit);
    tm_table_add_cell(out, "%s", c->method);
    tm_table_add_cell(out, "%s", tm_number_short(c->share, 6, text, sizeof text));
    tm_table_add_cell(out, "%s", c->figure.missing);
}

static void add_columns(const tm_report_view *view, tm_table *out, const char *const *headings,
                        const char *machine)
{
    tm_table_init(out, "");
    for (int i = 0; headings[i]; i++)
        tm_table_add_column(out, headings[i], i == 2 || i == 5 || i == 8 ? TM_RIGHT : TM_LEFT);
    if (view->summaries->n_machines > 1) tm_table_add_column(out, machine, TM_LEFT);
}

static tm_status add_counters(const tm_report_view *view,
                              void (*add)(const tm_cell_summary *, const tm_counter *, tm_table *),
                              tm_table *out, tm_error *err)
{
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        for (int k = 0; k < s->n_counters && !s->superseded; k++) {
            add(s, &s->counters[k], out);
            if (view->summaries->n_machines > 1)
                tm_table_add_cell(out, "%s", tm_sheet_machine_of(view->input, &s->cell)->name);
        }
    }
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "counter table: out of memory for %d rows", out->n_rows);
    return TM_OK;
}

tm_status tm_report_counters(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const char *const headings[] = {TM_HEADING_MODEL,
                                           TM_HEADING_KERNEL,
                                           TM_HEADING_THREADS,
                                           TM_HEADING_TEST,
                                           "Counter",
                                           TM_HEADING_VALUE,
                                           "Unit",
                                           "Method",
                                           "Counted, %",
                                           NULL};
    add_columns(view, out, headings, "Machine");
    tm_table_add_note(out,
                      "Medians over processes, of the whole timed region. Counted: the smallest "
                      "share of the region for which the event had a hardware counter; below "
                      "100 %% the value is scaled up from that share.");
    return add_counters(view, add_row, out, err);
}

tm_status tm_report_counters_csv(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const char *const headings[] = {"model",   "kernel",  "threads", "test",
                                           "counter", "value",   "unit",    "method",
                                           "share",   "missing", NULL};
    add_columns(view, out, headings, "machine");
    return add_counters(view, add_fields, out, err);
}
