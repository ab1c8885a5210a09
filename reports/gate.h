/* The gate: did the head get worse than the base, or exceed a budget?
 *
 * Rows are results: one per cell and metric that base and head are compared by, one per cell and
 * budget, and one per cell that failed. Three outcomes: pass, regression, inconclusive (it could
 * not be measured). The rule of the comparison is tm_gate_step in harness/stats/sequential.h.
 */
#ifndef TM_REPORTS_GATE_H
#define TM_REPORTS_GATE_H

#include "harness/base/json.h"
#include "harness/record/store.h"
#include "reports/arms.h"
#include "reports/budget.h"
#include "reports/output/plot.h"
#include "reports/output/table.h"
#include "reports/summary.h"

typedef enum tm_gate_outcome {
    TM_GATE_OUTCOME_PASS,
    TM_GATE_OUTCOME_INCONCLUSIVE,
    TM_GATE_OUTCOME_REGRESSION, /* the worst */
} tm_gate_outcome;
/* "pass", "inconclusive", "regression" */
const char *tm_gate_outcome_name(tm_gate_outcome outcome);

typedef struct tm_gate_result {
    tm_cell cell; /* of the head */
    char cell_id[24];
    const tm_metric *metric; /* NULL: the whole cell */
    char budget[96];         /* the limit, as written; "": a comparison or a failure */
    double limit;            /* of the budget, in the metric's unit; NaN: none */
    double base, head;       /* medians; NaN: none */
    tm_interval ratio;       /* head / base */
    int n_pairs, n_confirming;
    bool is_paired;
    double threshold;  /* of the comparison; NaN: none */
    double more_pairs; /* that would narrow the interval to the threshold; NaN: no use */
    tm_gate_outcome outcome;
    char reason[480];
} tm_gate_result;

typedef struct tm_gate {
    tm_gate_result *items; /* owned */
    int n, room;
} tm_gate;

/* The threshold of each metric that is compared. */
typedef struct tm_gate_metric {
    const tm_metric *metric;
    double threshold;
} tm_gate_metric;
#define TM_GATE_METRICS_MAX 16
typedef struct tm_gate_metrics {
    tm_gate_metric items[TM_GATE_METRICS_MAX];
    int n;
} tm_gate_metrics;
/* "5%" or "0.05" as a fraction from `low` to 1. what: for the message. Errors: ARG. */
tm_status tm_percent_parse(const char *text, const char *what, double low, double *out,
                           tm_error *err) TM_MUST_USE;
/* "5%" (of tokens_per_second), or "tokens_per_second=5%,peak_rss=2%". Errors: ARG. */
tm_status tm_gate_metrics_parse(const char *text, tm_gate_metrics *out, tm_error *err) TM_MUST_USE;

/* Adds a decided row of a comparison in pairs. Errors: NOMEM. */
tm_status tm_gate_add_pairs(tm_gate *gate, const tm_arms_row *from, const tm_gate_row *row,
                            tm_error *err) TM_MUST_USE;
/* Adds a comparison with stored processes of other runs. history: changes of earlier runs of the
 * cell from their median, [n_history]. Errors: NOMEM. */
tm_status tm_gate_add_set(tm_gate *gate, const tm_arms_row *row, double threshold,
                          const double *history, int n_history, tm_error *err) TM_MUST_USE;
/* A stored baseline, and what was measured now. */
typedef struct tm_gate_baseline {
    const tm_records *stored;
    tm_summaries all; /* of `stored` */
    const tm_gate_metrics *metrics;
    const tm_record *records; /* [n_records] of the head */
    int n_records;
} tm_gate_baseline;
/* Compares a cell of the head with that of the baseline. A change must exceed both the threshold
 * and what runs of the store differed by before. Errors: NOMEM. */
tm_status tm_gate_add_baseline(tm_gate *gate, const tm_gate_baseline *baseline, const tm_cell *cell,
                               const char *cell_id, tm_error *err) TM_MUST_USE;
/* Adds a limit on a cell, and whether it is kept. Errors: NOMEM. */
tm_status tm_gate_add_budget(tm_gate *gate, const tm_budget *budget, const tm_cell *cell,
                             const char *cell_id, const tm_record *records, int n,
                             tm_error *err) TM_MUST_USE;
/* Adds a cell that failed, or is not there. Errors: NOMEM. */
tm_status tm_gate_add_failure(tm_gate *gate, const tm_cell *cell, const char *cell_id,
                              tm_gate_outcome outcome, const char *reason,
                              tm_error *err) TM_MUST_USE;
/* The worst of all; inconclusive without any row. */
tm_gate_outcome tm_gate_judge(const tm_gate *gate);
void tm_gate_free(tm_gate *gate);

/* format: of TM_TABLE_FORMATS, or "json": {outcome, rows [{model, kernel, threads, test, metric,
 * base, head, ratio, pairs, outcome, reason, ...}]}. Errors: ARG, NOMEM. */
tm_status tm_gate_write(const tm_gate *gate, const char *format, tm_text *out,
                        tm_error *err) TM_MUST_USE;
/* The rows for people, the worst first, with the outcome as the title. Free it with
 * tm_table_free. */
void tm_gate_table(const tm_gate *gate, tm_table *out);
/* Ratios with their intervals, a position per row that has one, the worst first. Free it with
 * tm_plot_free. */
void tm_gate_plot(const tm_gate *gate, tm_plot *out);

#endif
