/* OpenMetrics 1.0 text, which Prometheus' textfile collector reads too: that takes files *.prom
 * without time stamps, and knows gauges but no info metrics, so all metrics are gauges.
 *
 * Base units (seconds, bytes, joules) end the names. Label values escape backslash, quote and line
 * feed. The last line is # EOF. (prometheus/docs, specs/om/open_metrics_spec.md) */
#include "reports/export_format.h"

#include "harness/base/json.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char *escape_label(char c)
{
    return c == '\\' ? "\\\\" : c == '"' ? "\\\"" : c == '\n' ? "\\n" : c == '\r' ? " " : NULL;
}

static void put_label(tm_text *out, const char *name, const char *value)
{
    if (!value || !*value) return; /* an empty label is a label that is not there */
    if (out->length > 0 && out->data[out->length - 1] != '{') tm_text_add_char(out, ',');
    tm_text_format(out, "%s=\"", name);
    tm_export_put(out, value, escape_label);
    tm_text_add_char(out, '"');
}

/* What identifies the cell, after an opening brace. */
static void put_labels(const tm_export *e, const tm_export_row *row, tm_text *out)
{
    const tm_cell_summary *s = row->cell;
    char threads[16];
    tm_text machine = {0};
    snprintf(threads, sizeof threads, "%d", s->cell.threads);
    tm_export_machine(e, s->cell.machine, &machine);
    tm_text_add_char(out, '{');
    put_label(out, "engine", s->cell.engine);
    put_label(out, "model", s->cell.model);
    put_label(out, "kernel", s->cell.kernel);
    put_label(out, "head_kernel", s->cell.head_kernel);
    put_label(out, "role", s->cell.role);
    put_label(out, "threads", threads);
    put_label(out, "test", s->cell.test);
    put_label(out, "machine", tm_text_string(&machine));
    put_label(out, "build", s->build);
    put_label(out, "commit", tm_export_environment(e, s, "commit"));
    put_label(out, "cell", s->cell_id); /* differs where a model file was replaced */
    out->failed |= machine.failed;
    tm_text_free(&machine);
}

static void put_head(tm_text *out, const char *name, const char *unit, const char *help)
{
    tm_text_format(out, "# TYPE ternmark_%s gauge\n", name);
    if (unit) tm_text_format(out, "# UNIT ternmark_%s %s\n", name, unit);
    tm_text_format(out, "# HELP ternmark_%s %s\n", name, help);
}

static void put_number(tm_text *out, double value)
{
    char text[64];
    tm_text_format(out, "} %s\n", tm_number_short(value, 12, text, sizeof text));
}

/* Each metric is up to three families: its value and its bounds. */
typedef enum bound { VALUE, LOW, HIGH } bound;

static void put_family_head(const tm_metric *m, bound which, const char *name,
                            const char *base_unit, tm_text *out)
{
    static const char *const of[] = {
        "", "Lower bound over processes (95 % interval, or the range of few): ",
        "Upper bound over processes (95 % interval, or the range of few): "};
    char help[320];
    snprintf(help, sizeof help, "%s%s.%s", of[which], m->label,
             strcmp(m->name, "joules_per_token") == 0 ? " The labels name the meter and its scope."
                                                      : "");
    if (which == VALUE) help[0] = (char)toupper((unsigned char)help[0]);
    put_head(out, name, base_unit, help);
}

static void put_family(const tm_export *e, const tm_metric *metric, bound which, tm_text *out)
{
    static const char *const prefix[] = {"", "low_", "high_"};
    const bool is_time = strcmp(metric->unit, "ms") == 0;
    const bool is_bytes = strcmp(metric->unit, "bytes") == 0;
    const char *base_unit = is_time ? "seconds" : is_bytes ? "bytes" : metric->name;
    char name[96];
    bool is_first = true;
    snprintf(name, sizeof name, "%s%s%s%s", prefix[which], metric->name,
             is_time || is_bytes ? "_" : "", is_time || is_bytes ? base_unit : "");
    for (int i = 0; i < e->n_rows; i++) {
        tm_export_metric m;
        if (tm_export_is_repeated(e, i) || !tm_export_metric_of(e->rows[i].cell, metric, &m))
            continue;
        const double value = which == LOW    ? m.value.low
                             : which == HIGH ? m.value.high
                                             : m.value.value;
        if (!isfinite(value)) continue;
        if (is_first) put_family_head(metric, which, name, base_unit, out);
        is_first = false;
        tm_text_format(out, "ternmark_%s", name);
        put_labels(e, &e->rows[i], out);
        if (m.energy) {
            put_label(out, "source", m.energy->source);
            put_label(out, "scope", m.energy->scope);
            put_label(out, "method", m.energy->method);
        }
        put_number(out, is_time ? value * 1e-3 : value);
    }
}

/* Failed, skipped or ok, and why; then how many samples are marked. */
static void put_states(const tm_export *e, tm_text *out)
{
    put_head(out, "cell_status", NULL,
             "1 for each cell; the labels say whether it is ok, and why not.");
    for (int i = 0; i < e->n_rows; i++) {
        const tm_export_row *row = &e->rows[i];
        if (tm_export_is_repeated(e, i)) continue;
        tm_text_add(out, "ternmark_cell_status");
        put_labels(e, row, out);
        put_label(out, "status", row->cell->status);
        put_label(out, "reason", row->cell->missing);
        put_number(out, 1.0);
    }
    put_head(out, "marked_samples", NULL, "Samples with a reason to distrust them.");
    for (int i = 0; i < e->n_rows; i++) {
        if (tm_export_is_repeated(e, i)) continue;
        tm_text_add(out, "ternmark_marked_samples");
        put_labels(e, &e->rows[i], out);
        put_label(out, "marks", e->rows[i].cell->marks);
        put_number(out, e->rows[i].cell->n_marked);
    }
}

/* Of rows that were compared. */
static void put_ratios(const tm_export *e, tm_text *out)
{
    bool is_first = true;
    for (int i = 0; i < e->n_rows; i++) {
        const tm_export_row *row = &e->rows[i];
        if (!isfinite(row->ratio)) continue;
        if (is_first) put_head(out, "head_ratio", "ratio", "Head over base, of what metric says.");
        is_first = false;
        tm_text_add(out, "ternmark_head_ratio");
        put_labels(e, row, out);
        put_label(out, "metric", row->metric ? row->metric : "tokens_per_second");
        put_label(out, "outcome", row->outcome);
        put_number(out, row->ratio);
    }
}

tm_status tm_export_write_openmetrics(const tm_export *e, tm_text *out, tm_error *err)
{
    (void)err;
    for (const tm_metric *m = tm_metrics; m->name; m++)
        for (bound which = VALUE; which <= HIGH; which++) put_family(e, m, which, out);
    put_ratios(e, out);
    put_states(e, out);
    tm_text_add(out, "# EOF\n");
    return TM_OK;
}
