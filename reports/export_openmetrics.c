/* OpenMetrics 1.0 text, which Prometheus' textfile collector reads too: that takes files *.prom
 * without time stamps, and knows gauges but no info metrics, so all metrics are gauges.
 *
 * Base units (seconds, bytes, joules) end the names. Label values escape backslash, quote and line
 * feed. The last line is # EOF. (prometheus/docs, specs/om/open_metrics_spec.md) */
#include "reports/export_format.h"

#include "harness/base/json.h"

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

/* A family, its metric, and which number of it; scale turns its unit into the base unit. */
static const struct family {
    const char *name, *unit, *metric, *help;
    enum { VALUE, LOW, HIGH } number;
    double scale;
} families[] = {
    {"tokens_per_second", "tokens_per_second", "tokens_per_second", "Speed.", VALUE, 1.0},
    {"low_tokens_per_second", "tokens_per_second", "tokens_per_second",
     "Lower bound of the 95 % interval of the speed over processes.", LOW, 1.0},
    {"high_tokens_per_second", "tokens_per_second", "tokens_per_second",
     "Upper bound of the 95 % interval of the speed over processes.", HIGH, 1.0},
    {"first_token_seconds", "seconds", "first_token", "Time to first token.", VALUE, 1e-3},
    {"token_p50_seconds", "seconds", "token_p50", "Time per token, median.", VALUE, 1e-3},
    {"token_p90_seconds", "seconds", "token_p90", "Time per token, 90th percentile.", VALUE, 1e-3},
    {"token_p99_seconds", "seconds", "token_p99", "Time per token, 99th percentile.", VALUE, 1e-3},
    {"peak_rss_bytes", "bytes", "peak_rss", "Peak resident memory of a process.", VALUE, 1.0},
    {"joules_per_token", "joules_per_token", "joules_per_token",
     "Energy per token of what the label scope names, by the meter in the label source.", VALUE,
     1.0},
};

static const tm_export_metric *find_metric(const tm_export_metric *metrics, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (strcmp(metrics[i].name, name) == 0) return &metrics[i];
    return NULL;
}

static void put_family(const tm_export *e, const struct family *f, tm_text *out)
{
    bool is_first = true;
    for (int i = 0; i < e->n_rows; i++) {
        tm_export_metric metrics[TM_EXPORT_METRICS];
        const int n = tm_export_metrics(e->rows[i].cell, metrics);
        const tm_export_metric *m = find_metric(metrics, n, f->metric);
        const double value = !m                  ? NAN
                             : f->number == LOW  ? m->low
                             : f->number == HIGH ? m->high
                                                 : m->value;
        if (!isfinite(value) || tm_export_is_repeated(e, i)) continue;
        if (is_first) put_head(out, f->name, f->unit, f->help);
        is_first = false;
        tm_text_format(out, "ternmark_%s", f->name);
        put_labels(e, &e->rows[i], out);
        if (m->energy) {
            put_label(out, "source", m->energy->source);
            put_label(out, "scope", m->energy->scope);
            put_label(out, "method", m->energy->method);
        }
        put_number(out, value * f->scale);
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
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        put_family(e, &families[i], out);
    put_ratios(e, out);
    put_states(e, out);
    tm_text_add(out, "# EOF\n");
    return TM_OK;
}
