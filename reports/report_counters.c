/* The counters of every cell whose samples have them: a row per counter. */
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>

static void add_cell(const tm_cell_summary *s, const tm_counter *c, tm_table *out)
{
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(s->cell.model));
    tm_table_add_cell(out, "%s", s->cell.kernel);
    tm_table_add_cell(out, "%d", s->cell.threads);
    tm_table_add_cell(out, "%s", s->cell.test);
    tm_table_add_cell(out, "%s", c->name);
}

/* For reading. */
static void add_row(const tm_cell_summary *s, const tm_counter *c, tm_table *out)
{
    char text[64];
    bool is_there = isfinite(c->figure.value);
    add_cell(s, c, out);
    if (is_there)
        tm_table_add_cell(out, "%s", tm_number_short(c->figure.value, 5, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", c->figure.missing);
    tm_table_add_cell(out, "%s", c->unit);
    tm_table_add_cell(out, "%s", c->method[0] ? c->method : "-");
    if (is_there)
        tm_table_add_cell(out, "%.0f", 100 * c->share);
    else
        tm_table_add_cell(out, "-");
}

/* For programs: a field without a value is empty, its reason in the last one. */
static void add_fields(const tm_cell_summary *s, const tm_counter *c, tm_table *out)
{
    char text[64];
    add_cell(s, c, out);
    tm_table_add_cell(out, "%s", tm_number_short(c->figure.value, 9, text, sizeof text));
    tm_table_add_cell(out, "%s", c->unit);
    tm_table_add_cell(out, "%s", c->method);
    tm_table_add_cell(out, "%s", tm_number_short(c->share, 6, text, sizeof text));
    tm_table_add_cell(out, "%s", c->figure.missing);
}

tm_status tm_report_counters(const tm_report_view *view, bool for_programs, tm_table *out,
                             tm_error *err)
{
    static const char *const reading[] = {"model", "kernel", "threads", "test",      "counter",
                                          "value", "unit",   "by",      "% counted", NULL};
    static const char *const fields[] = {"model",   "kernel",  "threads", "test",
                                         "counter", "value",   "unit",    "method",
                                         "share",   "missing", NULL};
    const char *const *headings = for_programs ? fields : reading;
    tm_table_init(out, "");
    for (int i = 0; headings[i]; i++)
        tm_table_add_column(out, headings[i], i == 2 || i == 5 || i == 8 ? TM_RIGHT : TM_LEFT);
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        if (s->superseded) continue;
        for (int k = 0; k < s->n_counters; k++)
            (for_programs ? add_fields : add_row)(s, &s->counters[k], out);
    }
    if (!for_programs)
        tm_table_add_note(out, "Medians over processes, of the whole timed region. Counted: the "
                               "least share of the region for which an event had a counter; below "
                               "100 the value is scaled up from that share.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "counter table: no memory for %d rows", out->n_rows);
    return TM_OK;
}
