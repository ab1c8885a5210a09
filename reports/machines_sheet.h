/* The tables of a comparison of machines. Machines are columns, published ones to the right. */
#ifndef TM_REPORTS_MACHINES_SHEET_H
#define TM_REPORTS_MACHINES_SHEET_H

#include "reports/machines_published.h"
#include "reports/output/table.h"
#include "reports/sheet.h"

/* What the tables and plots are made from. Everything is borrowed. */
typedef struct tm_machines_view {
    const tm_machines *machines;
    const tm_machine_places *places;
    const tm_published *published;
    const tm_published_machines *others;
} tm_machines_view;

/* Whether a place compares: several machines have a cell in it, or there is only one machine. */
bool tm_machines_is_shown(const tm_machines_view *view, const tm_machine_place *place);

/* What a reader must know besides: lines of a Markdown list, or "None.". */
void tm_machines_remarks(const tm_machines_view *view, tm_text *out);

/* What each machine is and can do. Errors of all: NOMEM. Free *out also after an error. */
tm_status tm_machines_table(const tm_machines_view *view, tm_table *out, tm_error *err) TM_MUST_USE;
/* Which machine is faster, uses its memory better and needs fewer joules: a row per place. */
tm_status tm_machines_answers(const tm_machines_view *view, tm_table *out,
                              tm_error *err) TM_MUST_USE;
/* The values of every place that compares, one table each. */
tm_status tm_machines_sheets(const tm_machines_view *view, tm_tables *out,
                             tm_error *err) TM_MUST_USE;
/* The same for programs: a row per machine; a row per place, arm and machine, also where only one
 * machine has a cell. */
tm_status tm_machines_csv(const tm_machines_view *view, tm_table *out, tm_error *err) TM_MUST_USE;
tm_status tm_machines_values_csv(const tm_machines_view *view, tm_table *out,
                                 tm_error *err) TM_MUST_USE;

#endif
