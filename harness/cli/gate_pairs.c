#include "harness/cli/gate_pairs.h"

#include "harness/cli/arms_run.h"
#include "harness/cli/noise_floor.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int metric_pointers(const tm_gate_pairs *x, const tm_metric **out)
{
    for (int i = 0; i < x->metrics->n; i++) out[i] = x->metrics->items[i].metric;
    return x->metrics->n;
}

static tm_status rows_of(const tm_gate_pairs *x, tm_arms *arms, tm_error *err)
{
    const tm_metric *metrics[TM_GATE_METRICS_MAX];
    const int n = metric_pointers(x, metrics);
    const tm_records made = tm_records_from(x->records, x->first_new);
    return tm_arms_of_plan(x->plan, made.items, made.n, metrics, n, -1, arms, err);
}

const tm_record *tm_gate_failure_of(const tm_gate_pairs *x, const char *cell_id)
{
    const tm_record *found = NULL;
    for (int i = x->first_new; i < x->records->n; i++)
        if (x->records->items[i].kind == TM_RECORD_CELL &&
            strcmp(x->records->items[i].cell_id, cell_id) == 0)
            found = &x->records->items[i];
    return found;
}

/* The values of a row as costs, for tm_gate_step. */
static void to_costs(const tm_arms_row *row, double *a, double *b)
{
    for (int i = 0; i < row->n_a; i++) {
        a[i] = tm_metric_cost(row->metric, row->a_values[i]);
        b[i] = tm_metric_cost(row->metric, row->b_values[i]);
    }
}

static bool init_rows(tm_gate_pairs *x, tm_arms *arms)
{
    x->rows = calloc((size_t)arms->n_rows + 1, sizeof *x->rows);
    if (!x->rows) return false;
    x->n_rows = arms->n_rows;
    for (int i = 0; i < arms->n_rows; i++) {
        tm_noise_floor_recall(x->machine->fingerprint, &arms->rows[i]);
        tm_gate_row_init(&x->rows[i], x->metrics->items[i % x->metrics->n].threshold,
                         arms->rows[i].noise_floor);
    }
    return true;
}

/* The hash of the code that ran a cell in this run, or "". */
static const char *code_of(const tm_gate_pairs *x, const char *cell_id)
{
    for (int i = x->first_new; i < x->records->n; i++) {
        const tm_record *r = &x->records->items[i];
        if (r->kind == TM_RECORD_SAMPLE && strcmp(r->cell_id, cell_id) == 0)
            return r->sample.code_hash;
    }
    return "";
}

static void pass_unchanged(tm_gate_pairs *x, const tm_arms *arms)
{
    for (int i = 0; i < arms->n_rows; i++) {
        const tm_arms_row *row = &arms->rows[i];
        const char *code = code_of(x, row->a_id);
        if (code[0] && row->n_a > 0 && strcmp(code, code_of(x, row->b_id)) == 0)
            tm_gate_row_pass(&x->rows[i], "its engine and kernels did not change");
    }
}

/* Judges all rows by the pairs so far. */
static tm_status step(tm_gate_pairs *x, bool out_of_time, tm_error *err)
{
    static const tm_gate_limits limits = TM_GATE_LIMITS;
    tm_arms arms = {0};
    tm_status status = rows_of(x, &arms, err);
    size_t n = 0;
    for (int i = 0; i < arms.n_rows; i++) n += 2 * (size_t)arms.rows[i].n_a;
    double *costs = malloc(sizeof *costs * (n + 1));
    const double **of = calloc(2 * (size_t)arms.n_rows + 1, sizeof *of);
    int *n_pairs = calloc((size_t)arms.n_rows + 1, sizeof *n_pairs);
    if (status == TM_OK && (!costs || !of || !n_pairs || (!x->rows && !init_rows(x, &arms))))
        status = tm_fail(err, TM_NOMEM, "no memory for %d rows", arms.n_rows);
    if (status == TM_OK) {
        double *next = costs;
        for (int i = 0; i < arms.n_rows; i++) {
            of[i] = next;
            of[arms.n_rows + i] = next + arms.rows[i].n_a;
            n_pairs[i] = arms.rows[i].n_a;
            to_costs(&arms.rows[i], next, next + arms.rows[i].n_a);
            next += 2 * n_pairs[i];
        }
        if (x->skip_unchanged) pass_unchanged(x, &arms);
        tm_gate_step(&limits, x->rows, of, of + arms.n_rows, n_pairs, arms.n_rows, out_of_time);
    }
    free(costs);
    free(of);
    free(n_pairs);
    tm_arms_free(&arms);
    return status;
}

void tm_gate_pairs_begin(void *arg, const tm_plan *plan, const tm_records *records)
{
    tm_gate_pairs *x = arg;
    x->plan = plan;
    x->records = records;
}

/* Whether a pair has an undecided row whose cells did not fail. */
bool tm_gate_pairs_want(void *arg, const tm_pair *pair, int round)
{
    tm_gate_pairs *x = arg;
    tm_error ignored;
    if (round > x->round) {
        x->round = round;
        x->failed = x->failed || step(x, false, &ignored) != TM_OK;
    }
    if (!x->rows || x->failed) return round < TM_FIRST_LOOK;
    int row = 0, i = (int)(pair - x->plan->pairs);
    for (int p = 0; p < i; p++) row += x->plan->arms[x->plan->pairs[p].a].n_cells * x->metrics->n;
    const tm_arm *a = &x->plan->arms[pair->a], *b = &x->plan->arms[pair->b];
    for (int k = 0; k < a->n_cells; k++) {
        if (tm_gate_failure_of(x, a->cell_ids[k]) || tm_gate_failure_of(x, b->cell_ids[k]))
            continue;
        for (int m = 0; m < x->metrics->n; m++) {
            const int at = row + k * x->metrics->n + m;
            if (tm_metric_applies(x->metrics->items[m].metric, &a->cells[k]) &&
                tm_gate_row_is_open(&x->rows[at]))
                return true;
        }
    }
    return false;
}

/* One result for a pair of cells of which at least one did not run. */
static tm_status add_failure(const tm_gate_pairs *x, tm_gate *gate, const tm_arm *a,
                             const tm_arm *b, int cell, tm_error *err)
{
    char reason[640];
    const tm_record *base = tm_gate_failure_of(x, a->cell_ids[cell]);
    const tm_record *head = tm_gate_failure_of(x, b->cell_ids[cell]);
    bool only_head = head && !base && strcmp(head->status, "failed") == 0;
    const tm_record *shown = base ? base : head;
    snprintf(reason, sizeof reason, "%s %s: %s",
             base && head ? "base and head"
             : base       ? "the base"
                          : "the head",
             shown->status, shown->reason);
    return tm_gate_add_failure(
        gate, &b->cells[cell], b->cell_ids[cell],
        only_head ? TM_GATE_OUTCOME_REGRESSION : TM_GATE_OUTCOME_INCONCLUSIVE, reason, err);
}

/* Instructions and cycles beside the time, where they were counted. They decide nothing. */
static void add_witness(const tm_gate_pairs *x, const tm_arms_row *row, tm_gate_result *result)
{
    static const char *const names[] = {"instructions_per_token", "cycles_per_token"};
    const tm_records *records = x->records;
    for (int i = 0; i < 2; i++) {
        tm_arms arms = {0};
        const tm_metric *metric;
        tm_error ignored;
        size_t n = strlen(result->reason);
        if (tm_metric_need(names[i], &metric, &ignored) != TM_OK ||
            tm_arms_add_pairs(&arms, records->items, records->n, &row->a, row->a_id, &row->b,
                              row->b_id, metric, &ignored) != TM_OK)
            continue;
        tm_arms_judge(&arms, NULL);
        if (!arms.rows[0].missing[0])
            snprintf(result->reason + n, sizeof result->reason - n, "; %s %+.2f %%%s",
                     metric->label, 100 * (arms.rows[0].ratio.value - 1),
                     isnan(arms.rows[0].ratio.low) ? " (no interval)" : "");
        tm_arms_free(&arms);
    }
}

tm_status tm_gate_pairs_end(tm_gate_pairs *x, tm_gate *gate, tm_error *err)
{
    tm_arms arms = {0};
    int at = 0;
    tm_status status = step(x, true, err);
    if (status == TM_OK) status = rows_of(x, &arms, err);
    tm_arms_judge(&arms, NULL);
    for (int i = 0; i < x->plan->n_pairs && status == TM_OK; i++) {
        const tm_arm *a = &x->plan->arms[x->plan->pairs[i].a];
        const tm_arm *b = &x->plan->arms[x->plan->pairs[i].b];
        for (int k = 0; k < a->n_cells && status == TM_OK; k++, at += x->metrics->n) {
            if (tm_gate_failure_of(x, a->cell_ids[k]) || tm_gate_failure_of(x, b->cell_ids[k])) {
                status = add_failure(x, gate, a, b, k, err);
                continue;
            }
            for (int m = 0; m < x->metrics->n && status == TM_OK; m++) {
                const tm_arms_row *row = &arms.rows[at + m];
                if (!tm_metric_applies(row->metric, &row->b)) continue;
                status = tm_gate_add_pairs(gate, row, &x->rows[at + m], err);
                if (status == TM_OK && row->metric == &tm_metrics[0])
                    add_witness(x, row, &gate->items[gate->n - 1]);
            }
        }
    }
    tm_arms_free(&arms);
    return status;
}

void tm_gate_pairs_free(tm_gate_pairs *x)
{
    free(x->rows);
    x->rows = NULL;
}
