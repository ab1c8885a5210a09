#include "reports/gate.h"

#include "harness/record/measured.h"
#include "reports/output/table.h"
#include "reports/published/published.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "12.3 % slower [9.8, 14.9]": the change of the head, in the words of the metric. */
static char *change_text(const tm_gate_result *r, char *text, size_t size)
{
    const tm_interval *x = &r->ratio;
    char value[32], low[32], high[32];
    bool up = x->value > 1;
    const char *how = up == r->metric->higher_is_better ? r->metric->better : r->metric->worse;
    if (!(x->value > 0)) {
        snprintf(text, size, "no ratio");
        return text;
    }
    tm_number(100 * fabs(x->value - 1), 2, value, sizeof value);
    tm_number(100 * (x->low - 1), 2, low, sizeof low);
    tm_number(100 * (x->high - 1), 2, high, sizeof high);
    if (isnan(x->low))
        snprintf(text, size, "%s %% %s (no interval)", value, how);
    else
        snprintf(text, size, "%s %% %s (95 %% %s %% to %s %%)", value, how, low, high);
    return text;
}

static char *pairs_text(const tm_gate_result *r, char *text, size_t size)
{
    if (!r->is_paired)
        snprintf(text, size, "not pairs");
    else if (r->n_confirming > 0)
        snprintf(text, size, "%d + %d pairs", r->n_pairs, r->n_confirming);
    else
        snprintf(text, size, "%d pair%s", r->n_pairs, tm_plural(r->n_pairs));
    return text;
}

/* What was compared, and with which result. */
static void add_sentence(const tm_gate_result *r, tm_text *out)
{
    char change[160], pairs[48];
    if (r->budget[0])
        tm_text_format(out, "budget %s: %s", r->budget, r->reason);
    else if (!r->metric)
        tm_text_format(out, "%s", r->reason);
    else
        tm_text_format(out, "%s: %s, %s: %s", r->metric->label,
                       change_text(r, change, sizeof change), pairs_text(r, pairs, sizeof pairs),
                       r->reason);
    if (isfinite(r->more_pairs))
        tm_text_format(out, "; about %.0f pairs would narrow it to %.3g %%", r->more_pairs,
                       100 * r->threshold);
}

static const char *heading(tm_gate_outcome outcome)
{
    switch (outcome) {
    case TM_GATE_OUTCOME_PASS:
        return "PASS";
    case TM_GATE_OUTCOME_INCONCLUSIVE:
        return "INCONCLUSIVE";
    case TM_GATE_OUTCOME_REGRESSION:
        return "REGRESSION";
    }
    return "";
}

static void count(const tm_gate *gate, tm_gate_outcome outcome, const char *what, tm_text *out)
{
    int n = 0;
    for (int i = 0; i < gate->n; i++) n += gate->items[i].outcome == outcome;
    tm_text_format(out, "%s%d %s", outcome == TM_GATE_OUTCOME_PASS ? ": " : ", ", n, what);
}

static void put_title(const tm_gate *gate, tm_text *out)
{
    tm_text_format(out, "gate: %s", tm_gate_outcome_name(tm_gate_judge(gate)));
    count(gate, TM_GATE_OUTCOME_PASS, "passed", out);
    count(gate, TM_GATE_OUTCOME_REGRESSION, "regressed", out);
    count(gate, TM_GATE_OUTCOME_INCONCLUSIVE, "inconclusive", out);
}

static char *label_of(const tm_gate_result *r, char *text, size_t size)
{
    tm_cell cell = r->cell;
    cell.variant[0] = 0; /* names the builds, which every row has */
    return tm_cell_label(&cell, text, size);
}

/* Two lines per row, the worst first: for a log. */
static tm_status write_text(const tm_gate *gate, tm_text *out, tm_error *err)
{
    char label[600];
    put_title(gate, out);
    tm_text_add_char(out, '\n');
    for (int outcome = TM_GATE_OUTCOME_REGRESSION; outcome >= TM_GATE_OUTCOME_PASS; outcome--)
        for (int i = 0; i < gate->n; i++) {
            const tm_gate_result *r = &gate->items[i];
            if ((int)r->outcome != outcome) continue;
            tm_text_format(out, "%-13s %s\n              ", heading(r->outcome),
                           label_of(r, label, sizeof label));
            add_sentence(r, out);
            tm_text_add_char(out, '\n');
        }
    return tm_text_status(out, "the rows", err);
}

static void fill_table(const tm_gate *gate, bool is_data, tm_table *table)
{
    static const char *const headings[2][3] = {{"Outcome", "Cell", "Result"},
                                               {"outcome", "cell", "result"}};
    char label[600];
    tm_text title = {0};
    put_title(gate, &title);
    tm_table_init(table, tm_text_string(&title));
    for (int i = 0; i < 3; i++) tm_table_add_column(table, headings[is_data][i], TM_LEFT);
    for (int outcome = TM_GATE_OUTCOME_REGRESSION; outcome >= TM_GATE_OUTCOME_PASS; outcome--)
        for (int i = 0; i < gate->n; i++) {
            const tm_gate_result *r = &gate->items[i];
            if ((int)r->outcome != outcome) continue;
            tm_text sentence = {0};
            add_sentence(r, &sentence);
            tm_table_add_row(table);
            tm_table_add_cell(table, "%s",
                              is_data ? tm_gate_outcome_name(r->outcome) : heading(r->outcome));
            tm_table_add_cell(table, "%s", label_of(r, label, sizeof label));
            if (r->cell_id[0]) tm_table_link(table, r->cell_id);
            tm_table_add_cell(table, "%s", tm_text_string(&sentence));
            table->failed |= sentence.failed;
            tm_text_free(&sentence);
        }
    table->failed |= title.failed;
    tm_text_free(&title);
}

void tm_gate_table(const tm_gate *gate, tm_table *out)
{
    fill_table(gate, false, out);
}

void tm_gate_plot(const tm_gate *gate, tm_plot *out)
{
    char label[600], name[128];
    double least = NAN, most = NAN;
    int n = 0;
    tm_plot_init(out, "gate", "Head compared with base", "row", "ratio head / base (logarithmic)");
    out->is_rows = true;
    for (int outcome = TM_GATE_OUTCOME_REGRESSION; outcome >= TM_GATE_OUTCOME_PASS; outcome--) {
        bool is_named = false;
        for (int i = 0; i < gate->n; i++) {
            const tm_gate_result *r = &gate->items[i];
            if ((int)r->outcome != outcome || !r->metric || !(r->ratio.value > 0)) continue;
            if (!is_named)
                tm_plot_add_series(out, tm_gate_outcome_name(r->outcome),
                                   tm_model_is_fake(r->cell.model) ? TM_FAKE : TM_MEASURED,
                                   TM_HUE_OTHER + outcome, outcome, false);
            is_named = true;
            snprintf(name, sizeof name, "%.60s, %s", label_of(r, label, sizeof label),
                     r->metric->label);
            tm_plot_add_tic(out, ++n, name);
            tm_plot_add_point(out, n, r->ratio.value, r->ratio.low, r->ratio.high);
            tm_plot_link(out, r->cell_id);
            least = fmin(least, r->threshold);
            most = fmax(most, r->threshold);
        }
    }
    const char *const bars = "Bars: 95 % interval. Dashed: no difference. More is better for "
                             "speed, less for all else.";
    if (least < most)
        snprintf(out->note, sizeof out->note, "%s Threshold: %.3g to %.3g %%.", bars, 100 * least,
                 100 * most);
    else
        snprintf(out->note, sizeof out->note, "%s Threshold: %.3g %%.", bars, 100 * most);
}

static tm_status write_table(const tm_gate *gate, const tm_table_format *format, tm_text *out,
                             tm_error *err)
{
    tm_table table;
    fill_table(gate, format->is_data, &table);
    tm_status status = format->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

static void put_value(tm_json *o, const char *key, double value, const char *why)
{
    if (isfinite(value))
        tm_json_put_number(o, key, value);
    else
        tm_json_put_missing(o, key, why);
}

static tm_json *to_json(const tm_gate_result *r)
{
    const char *why = r->budget[0]   ? "a budget limits the head alone"
                      : r->reason[0] ? r->reason
                                     : "not measured";
    tm_json *o = tm_json_object();
    tm_json_put_string(o, "model", r->cell.model);
    tm_json_put_string(o, "kernel", r->cell.kernel);
    tm_json_put_int(o, "threads", r->cell.threads);
    tm_json_put_string(o, "test", r->cell.test);
    tm_json_put_string(o, "cell_id", r->cell_id);
    if (r->metric) {
        tm_json_put_string(o, "metric", r->metric->name);
        tm_json_put_string(o, "unit", r->metric->unit);
    } else {
        tm_json_put_missing(o, "metric", "the cell failed");
    }
    if (r->budget[0]) {
        tm_json_put_string(o, "budget", r->budget);
        tm_json_put_number(o, "limit", r->limit);
    }
    put_value(o, "base", r->base, why);
    put_value(o, "head", r->head, r->reason);
    tm_interval_put(o, "ratio", &r->ratio, isnan(r->ratio.value) ? why : "",
                    "too few pairs for an interval");
    if (r->is_paired) {
        tm_json_put_int(o, "pairs", r->n_pairs + r->n_confirming);
        tm_json_put_int(o, "confirming_pairs", r->n_confirming);
    } else {
        tm_json_put_missing(o, "pairs", "nothing was run in pairs for this row");
    }
    put_value(o, "threshold", r->threshold, why);
    put_value(o, "pairs_needed", r->more_pairs, "more pairs are not needed");
    tm_json_put_string(o, "outcome", tm_gate_outcome_name(r->outcome));
    tm_json_put_string(o, "reason", r->reason);
    return o;
}

static tm_status write_json(const tm_gate *gate, tm_text *out, tm_error *err)
{
    tm_json *o = tm_json_object(), *rows = tm_json_array();
    for (int i = 0; i < gate->n; i++) tm_json_append(rows, to_json(&gate->items[i]));
    tm_json_put_string(o, "outcome", tm_gate_outcome_name(tm_gate_judge(gate)));
    tm_json_set(o, "rows", rows);
    return tm_text_put_json(out, o, true, err);
}

tm_status tm_gate_write(const tm_gate *gate, const char *format, tm_text *out, tm_error *err)
{
    const tm_table_format *of_table;
    if (strcmp(format, "json") == 0) return write_json(gate, out, err);
    tm_status status = tm_table_format_find(format, &of_table, err);
    if (status != TM_OK) return status;
    return of_table->write == tm_table_write_text ? write_text(gate, out, err)
                                                  : write_table(gate, of_table, out, err);
}
