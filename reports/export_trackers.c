/* Two services that keep a history of values by name.
 *
 * github-action-benchmark (src/extract.ts, BenchmarkResult): an array of {name, unit, value,
 * range?, extra?}, all texts but value. One file holds values of one direction: its tools
 * customBiggerIsBetter and customSmallerIsBetter.
 *
 * Bencher Metric Format (lib/bencher_json, JsonNewMetric; lib/bencher_valid): an object of
 * benchmarks of measures of {value, lower_value?, upper_value?}. The name of a benchmark has at
 * most 1024 bytes, that of a measure 64. */
#include "reports/export_format.h"

#include <math.h>
#include <stdio.h>

#define MEASURE_BYTES 64

static void put_result(const tm_export *e, const tm_cell_summary *s, const tm_export_metric *m,
                       tm_json *results)
{
    char text[256];
    tm_json *result = tm_json_object();
    tm_text name = {0}, about = {0};
    tm_export_name(e, s, &name);
    tm_text_format(&name, " %s", m->row->name);
    if (m->energy) tm_text_format(&name, " (%s)", tm_energy_origin(m->energy, text, sizeof text));
    tm_export_about(e, s, &about);
    tm_export_put_json(result, "name", tm_text_string(&name));
    tm_json_put_string(result, "unit", m->row->unit);
    tm_json_put_number(result, "value", m->value.value);
    if (isfinite(m->value.low) && isfinite(m->value.high)) {
        char low[64], high[64];
        snprintf(text, sizeof text, "%s to %s", tm_number(m->value.low, 4, low, sizeof low),
                 tm_number(m->value.high, 4, high, sizeof high));
        tm_json_put_string(result, "range", text);
    }
    tm_export_put_json(result, "extra", tm_text_string(&about));
    tm_json_append(results, result);
    tm_text_free(&name);
    tm_text_free(&about);
}

static tm_status write_direction(const tm_export *e, bool bigger_is_better, tm_text *out,
                                 tm_error *err)
{
    tm_json *results = tm_json_array();
    for (int i = 0; i < e->n_rows; i++) {
        tm_export_metric metrics[TM_METRICS_MAX];
        const int n = tm_export_metrics(e->rows[i].cell, metrics);
        for (int k = 0; k < n; k++)
            if (metrics[k].row->higher_is_better == bigger_is_better)
                put_result(e, e->rows[i].cell, &metrics[k], results);
    }
    return tm_text_put_json(out, results, true, err);
}

tm_status tm_export_write_bigger(const tm_export *e, tm_text *out, tm_error *err)
{
    return write_direction(e, true, out, err);
}

tm_status tm_export_write_smaller(const tm_export *e, tm_text *out, tm_error *err)
{
    return write_direction(e, false, out, err);
}

/* Bencher has a measure of its own for speed; the others state their unit, and joules their
 * meter. */
static void name_measure(const tm_export_metric *m, char out[MEASURE_BYTES + 1])
{
    char origin[256];
    if (m->row->higher_is_better)
        snprintf(out, MEASURE_BYTES + 1, "throughput");
    else if (m->energy)
        snprintf(out, MEASURE_BYTES + 1, "%s %s", m->row->name,
                 tm_energy_origin(m->energy, origin, sizeof origin));
    else
        snprintf(out, MEASURE_BYTES + 1, "%s%s%s", m->row->name, m->row->unit[0] ? "_" : "",
                 m->row->unit);
}

tm_status tm_export_write_bencher(const tm_export *e, tm_text *out, tm_error *err)
{
    tm_json *benchmarks = tm_json_object();
    for (int i = 0; i < e->n_rows; i++) {
        tm_export_metric metrics[TM_METRICS_MAX];
        const int n = tm_export_metrics(e->rows[i].cell, metrics);
        tm_json *measures = tm_json_object();
        tm_text name = {0}, clean = {0};
        for (int k = 0; k < n; k++) {
            char measure[MEASURE_BYTES + 1];
            tm_json *value = tm_json_object();
            tm_json_put_number(value, "value", metrics[k].value.value);
            if (isfinite(metrics[k].value.low) && isfinite(metrics[k].value.high)) {
                tm_json_put_number(value, "lower_value", metrics[k].value.low);
                tm_json_put_number(value, "upper_value", metrics[k].value.high);
            }
            name_measure(&metrics[k], measure);
            clean.length = 0;
            tm_export_put(&clean, measure, NULL);
            tm_json_set(measures, tm_text_string(&clean), value);
        }
        clean.length = 0;
        tm_export_name(e, e->rows[i].cell, &name);
        tm_export_put(&clean, tm_text_string(&name), NULL);
        tm_json_set(benchmarks, tm_text_string(&clean), measures);
        tm_text_free(&name);
        tm_text_free(&clean);
    }
    return tm_text_put_json(out, benchmarks, true, err);
}
