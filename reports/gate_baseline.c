#include "reports/gate.h"

#include "reports/summary_cell.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 256

/* Whether a stored cell measures the same as a cell of the head, by whatever build. */
static bool is_same(const tm_cell *stored, const tm_cell *head)
{
    return !stored->variant[0] && strcmp(stored->model, head->model) == 0 &&
           strcmp(stored->engine, head->engine) == 0 && strcmp(stored->kernel, head->kernel) == 0 &&
           strcmp(stored->head_kernel, head->head_kernel) == 0 &&
           strcmp(stored->test, head->test) == 0 && stored->threads == head->threads;
}

/* Adds the cost of each run of a cell: the median of its processes. */
static tm_status add_runs(const tm_gate_baseline *b, const tm_cell_summary *s,
                          const tm_metric *metric, double *costs, int *n, tm_error *err)
{
    tm_status status = TM_OK;
    for (int p = 0; p < s->n_processes && *n < RUNS_MAX && status == TM_OK; p++) {
        const char *run = s->processes[p].run;
        bool is_first = true;
        for (int q = 0; q < p; q++) is_first = is_first && strcmp(s->processes[q].run, run) != 0;
        if (!is_first) continue;
        double *values;
        int n_values;
        char why[160];
        status = tm_metric_values(b->stored->items, b->stored->n, s->cell_id, run, metric, &values,
                                  &n_values, why, err);
        if (status == TM_OK && n_values > 0)
            costs[(*n)++] = tm_metric_cost(metric, tm_median(values, n_values));
        free(values);
    }
    return status;
}

/* How far each stored run of the cell is from the median of all runs. */
static tm_status list_changes(const tm_gate_baseline *b, const tm_cell_summary *like,
                              const tm_metric *metric, double *changes, int *n, tm_error *err)
{
    tm_status status = TM_OK;
    *n = 0;
    for (int i = 0; i < b->all.n && status == TM_OK; i++)
        if (b->all.items[i].cell.machine == like->cell.machine &&
            is_same(&b->all.items[i].cell, &like->cell))
            status = add_runs(b, &b->all.items[i], metric, changes, n, err);
    double middle = tm_median(changes, *n);
    for (int i = 0; i < *n; i++) changes[i] = fabs(changes[i] / middle - 1);
    return status;
}

tm_status tm_gate_add_baseline(tm_gate *gate, const tm_gate_baseline *b, const tm_cell *cell,
                               const char *cell_id, tm_error *err)
{
    const tm_cell_summary *base = NULL;
    tm_status status = TM_OK;
    for (int i = 0; i < b->all.n; i++)
        if (!b->all.items[i].superseded && is_same(&b->all.items[i].cell, cell))
            base = &b->all.items[i];
    if (!base)
        return tm_gate_add_failure(gate, cell, cell_id, TM_GATE_OUTCOME_INCONCLUSIVE,
                                   "the baseline has no such cell", err);
    for (int m = 0; m < b->metrics->n && status == TM_OK; m++) {
        const tm_gate_metric *metric = &b->metrics->items[m];
        tm_arms arms = {0};
        double history[RUNS_MAX];
        int n = 0;
        if (!tm_metric_applies(metric->metric, cell)) continue;
        status = list_changes(b, base, metric->metric, history, &n, err);
        if (status == TM_OK)
            status =
                tm_arms_add_sets(&arms, b->stored->items, b->stored->n, &base->cell, base->cell_id,
                                 b->records, b->n_records, cell, cell_id, metric->metric, err);
        if (status == TM_OK) {
            tm_arms_judge(&arms, NULL);
            status = tm_gate_add_set(gate, &arms.rows[0], metric->threshold, history, n, err);
        }
        tm_arms_free(&arms);
    }
    return status;
}
