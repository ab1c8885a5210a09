#include "reports/gate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tm_gate_outcome_name(tm_gate_outcome outcome)
{
    static const char *const names[] = {"pass", "inconclusive", "regression"};
    return names[outcome];
}

tm_status tm_percent_parse(const char *text, const char *what, double low, double *out,
                           tm_error *err)
{
    char *end;
    double value = strtod(text, &end);
    if (*end == '%') {
        value /= 100;
        end++;
    }
    if (end == text || *end || !(value >= low && value <= 1))
        return tm_fail(err, TM_ARG, "%s \"%.40s\": must be from %g%% to 100%%, as 5%%", what, text,
                       100 * low);
    *out = value;
    return TM_OK;
}

tm_status tm_gate_metrics_parse(const char *text, tm_gate_metrics *out, tm_error *err)
{
    char part[96], *equals;
    memset(out, 0, sizeof *out);
    while (*text) {
        size_t n = strcspn(text, ",");
        if (n == 0 || n >= sizeof part)
            return tm_fail(err, TM_ARG, "threshold \"%.40s\": a part is %s", text,
                           n ? "too long" : "empty");
        if (out->n == TM_GATE_METRICS_MAX)
            return tm_fail(err, TM_ARG, "more than %d thresholds", TM_GATE_METRICS_MAX);
        memcpy(part, text, n);
        part[n] = 0;
        text += n + (text[n] == ',');
        equals = strchr(part, '=');
        tm_gate_metric *m = &out->items[out->n];
        if (equals) *equals = 0;
        tm_status status = tm_metric_need(equals ? part : tm_metrics[0].name, &m->metric, err);
        if (status == TM_OK)
            status = tm_percent_parse(equals ? equals + 1 : part, "threshold", 0.001, &m->threshold,
                                      err);
        if (status != TM_OK) return status;
        for (int i = 0; i < out->n; i++)
            if (out->items[i].metric == m->metric)
                return tm_fail(err, TM_ARG, "two thresholds for %s", m->metric->name);
        out->n++;
    }
    return out->n > 0 ? TM_OK : tm_fail(err, TM_ARG, "no threshold");
}

static tm_status new_result(tm_gate *gate, const tm_cell *cell, const char *cell_id,
                            const tm_metric *metric, tm_gate_result **out, tm_error *err)
{
    if (gate->n == gate->room) {
        int room = gate->room ? 2 * gate->room : 16;
        tm_gate_result *more = realloc(gate->items, (size_t)room * sizeof *more);
        if (!more) return tm_fail(err, TM_NOMEM, "no memory for %d rows", room);
        gate->items = more;
        gate->room = room;
    }
    *out = &gate->items[gate->n++];
    **out = (tm_gate_result){.cell = *cell,
                             .metric = metric,
                             .limit = NAN,
                             .base = NAN,
                             .head = NAN,
                             .ratio = tm_interval_positive(NULL, 0, TM_ARMS_CONFIDENCE),
                             .threshold = NAN,
                             .more_pairs = NAN};
    snprintf((*out)->cell_id, sizeof(*out)->cell_id, "%s", cell_id);
    return TM_OK;
}

void tm_gate_free(tm_gate *gate)
{
    free(gate->items);
    *gate = (tm_gate){0};
}

/* A ratio of costs as the ratio of the metric's values: the inverse for rates. */
static tm_interval of_values(const tm_metric *metric, tm_interval cost)
{
    tm_interval out = cost;
    if (!metric->higher_is_better) return out;
    out.value = 1 / cost.value;
    out.low = 1 / cost.high;
    out.high = 1 / cost.low;
    return out;
}

/* Pairs that would make the interval as narrow as the threshold: its width falls with their
 * root. */
static double pairs_needed(const tm_interval *ratio, int n, double threshold)
{
    double factor = log(ratio->high / ratio->low) / (2 * log1p(threshold));
    return factor > 1 ? ceil(n * factor * factor) : NAN;
}

tm_status tm_gate_add_pairs(tm_gate *gate, const tm_arms_row *from, const tm_gate_row *row,
                            tm_error *err)
{
    tm_gate_result *out;
    tm_status status = new_result(gate, &from->b, from->b_id, from->metric, &out, err);
    if (status != TM_OK) return status;
    out->base = from->a_median;
    out->head = from->b_median;
    out->ratio = of_values(from->metric, row->ratio);
    out->is_paired = true;
    out->threshold = row->threshold;
    out->n_pairs = row->n_screen > 0 ? row->n_screen : from->n_a;
    out->n_confirming = row->n_screen > 0 ? from->n_a - row->n_screen : 0;
    out->outcome = row->state == TM_GATE_PASS         ? TM_GATE_OUTCOME_PASS
                   : row->state == TM_GATE_REGRESSION ? TM_GATE_OUTCOME_REGRESSION
                                                      : TM_GATE_OUTCOME_INCONCLUSIVE;
    snprintf(out->reason, sizeof out->reason, "%s",
             from->missing[0] ? from->missing : row->because);
    if (out->outcome != TM_GATE_OUTCOME_INCONCLUSIVE) return TM_OK;
    if (row->ratio.value > 1 + row->threshold && row->ratio.value <= row->noise_floor)
        snprintf(
            out->reason, sizeof out->reason,
            "beyond the threshold, but within this machine's noise floor of %.3g; run `compare "
            "--aa` again when it is idle",
            row->noise_floor);
    else
        out->more_pairs = pairs_needed(&row->ratio, row->ratio.n, row->threshold);
    return TM_OK;
}

/* Upper fence of the changes of earlier runs: Q3 + 3 interquartile ranges. */
static double history_fence(const double *history, int n)
{
    double q1 = tm_quantile(history, n, 0.25), q3 = tm_quantile(history, n, 0.75);
    return q3 + 3 * (q3 - q1);
}

#define HISTORY_RUNS 4 /* fewer have no quartiles worth the name */

tm_status tm_gate_add_set(tm_gate *gate, const tm_arms_row *row, double threshold,
                          const double *history, int n_history, tm_error *err)
{
    tm_gate_result *out;
    tm_status status = new_result(gate, &row->b, row->b_id, row->metric, &out, err);
    if (status != TM_OK) return status;
    if (n_history >= HISTORY_RUNS) threshold = fmax(threshold, history_fence(history, n_history));
    out->base = row->a_median;
    out->head = row->b_median;
    out->ratio = row->ratio;
    out->threshold = threshold;
    /* In costs: above 1 the head is worse. */
    tm_interval cost = of_values(row->metric, row->ratio);
    out->outcome = TM_GATE_OUTCOME_INCONCLUSIVE;
    if (row->missing[0]) {
        snprintf(out->reason, sizeof out->reason, "%s", row->missing);
    } else if (isnan(cost.low)) {
        snprintf(out->reason, sizeof out->reason,
                 "%d and %d processes: at least 2 each are required for an interval", row->n_a,
                 row->n_b);
    } else if (cost.value > 1 + threshold && cost.low > 1) {
        out->outcome = TM_GATE_OUTCOME_REGRESSION;
        snprintf(out->reason, sizeof out->reason,
                 "beyond the threshold of %.3g %% against the stored baseline (not pairs)",
                 100 * threshold);
    } else if (tm_interval_half_width(cost) > threshold || cost.value > 1 + threshold) {
        snprintf(out->reason, sizeof out->reason,
                 "the interval is wider than the threshold of %.3g %%", 100 * threshold);
    } else {
        out->outcome = TM_GATE_OUTCOME_PASS;
        snprintf(out->reason, sizeof out->reason,
                 "no change beyond the threshold of %.3g %% shown (%d runs of history)",
                 100 * threshold, n_history);
    }
    return TM_OK;
}

tm_status tm_gate_add_budget(tm_gate *gate, const tm_budget *budget, const tm_cell *cell,
                             const char *cell_id, const tm_record *records, int n, tm_error *err)
{
    double *values;
    int n_values;
    char why[160], text[64], limit[64];
    tm_gate_result *out;
    tm_status status =
        tm_metric_values(records, n, cell_id, NULL, budget->metric, &values, &n_values, why, err);
    if (status == TM_OK) status = new_result(gate, cell, cell_id, budget->metric, &out, err);
    if (status != TM_OK) {
        free(values);
        return status;
    }
    memcpy(out->budget, budget->text, sizeof out->budget);
    out->limit = budget->limit;
    tm_interval x = tm_interval_positive(values, n_values, TM_ARMS_CONFIDENCE);
    out->head = tm_median(values, n_values);
    free(values);
    double low = isnan(x.low) ? out->head : fmin(x.low, out->head);
    double high = isnan(x.high) ? out->head : fmax(x.high, out->head);
    tm_metric_text(budget->metric, out->head, text, sizeof text);
    tm_metric_text(budget->metric, budget->limit, limit, sizeof limit);
    out->outcome = TM_GATE_OUTCOME_INCONCLUSIVE;
    if (n_values == 0) {
        snprintf(out->reason, sizeof out->reason, "not measured: %s", why);
    } else if (budget->at_least ? low >= budget->limit : high <= budget->limit) {
        out->outcome = TM_GATE_OUTCOME_PASS;
        snprintf(out->reason, sizeof out->reason, "%s, limit %s", text, limit);
    } else if (budget->at_least ? high < budget->limit : low > budget->limit) {
        out->outcome = TM_GATE_OUTCOME_REGRESSION;
        snprintf(out->reason, sizeof out->reason, "%s, beyond the limit of %s", text, limit);
    } else {
        snprintf(out->reason, sizeof out->reason,
                 "%s, but its interval of %d processes contains the limit of %s", text, n_values,
                 limit);
    }
    return TM_OK;
}

tm_status tm_gate_add_failure(tm_gate *gate, const tm_cell *cell, const char *cell_id,
                              tm_gate_outcome outcome, const char *reason, tm_error *err)
{
    tm_gate_result *out;
    tm_status status = new_result(gate, cell, cell_id, NULL, &out, err);
    if (status != TM_OK) return status;
    out->outcome = outcome;
    snprintf(out->reason, sizeof out->reason, "%s", reason);
    return TM_OK;
}

tm_gate_outcome tm_gate_judge(const tm_gate *gate)
{
    tm_gate_outcome worst = gate->n > 0 ? TM_GATE_OUTCOME_PASS : TM_GATE_OUTCOME_INCONCLUSIVE;
    for (int i = 0; i < gate->n; i++)
        if (gate->items[i].outcome > worst) worst = gate->items[i].outcome;
    return worst;
}
