/* Budgets: absolute limits on figures of a cell, as "tokens_per_second>=5,peak_rss<=1GiB". */
#ifndef TM_REPORTS_BUDGET_H
#define TM_REPORTS_BUDGET_H

#include "reports/metric.h"

#define TM_BUDGETS_MAX 32

typedef struct tm_budget {
    const tm_metric *metric;
    bool at_least; /* >= or >; otherwise <= or < */
    double limit;  /* in the metric's unit */
    char text[96]; /* as written */
} tm_budget;

typedef struct tm_budgets {
    tm_budget items[TM_BUDGETS_MAX];
    int n;
} tm_budgets;

/* METRIC OP NUMBER[UNIT],...: units are tokens/s; us, ms, s; B, KiB, MiB, GiB, kB, MB, GB; mJ, J.
 * Errors: ARG, with the position in the text and what was expected there. */
tm_status tm_budgets_parse(const char *text, tm_budgets *out, tm_error *err) TM_MUST_USE;

#endif
