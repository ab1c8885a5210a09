/* A report over the stores of several machines: tables, plots and a page.
 *
 *   machines-report.md  machines.{csv,tex,txt}  values.csv  plots/machines-NAME.{gp,dat,png,svg}
 */
#ifndef TM_REPORTS_MACHINES_REPORT_H
#define TM_REPORTS_MACHINES_REPORT_H

#include "reports/machines.h"
#include "reports/report.h"

/* options: store and sizes are not used. Errors: ARG (no store holds a cell), FORMAT (a store
 * contradicts itself), IO (path and reason), NOMEM. Free *out also after an error. */
tm_status tm_machines_report(const tm_machine_store *stores, int n,
                             const tm_report_options *options, tm_report *out,
                             tm_error *err) TM_MUST_USE;

#endif
