/* One plot per question: which machine is faster, which uses its memory better, which needs fewer
 * joules. */
#ifndef TM_REPORTS_MACHINES_PLOT_H
#define TM_REPORTS_MACHINES_PLOT_H

#include "reports/machines_sheet.h"
#include "reports/report_parts.h"

/* A question without two values that count has a reason instead of a plot. Errors: NOMEM. Free
 * *out, which must be zeroed before, also after an error. */
tm_status tm_machines_plots(const tm_machines_view *view, tm_plots *out, tm_error *err) TM_MUST_USE;

#endif
