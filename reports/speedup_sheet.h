/* The speed-up tables in the form of 2410.16144, Tables 4 and 5: model sizes across; fp16, the
 * fastest ternary kernel and their ratio down; published values below, in groups of their own.
 *
 * There is one table per test and thread count for the sizes of the paper, and one for other
 * models. Two threads are shown with the paper's Table 5, all cores with its Table 4. It prints no
 * prompt speeds.
 */
#ifndef TM_REPORTS_SPEEDUP_SHEET_H
#define TM_REPORTS_SPEEDUP_SHEET_H

#include "reports/sheet.h"

/* Decode tests first, then prompts, then the others; threads ascending. Errors: NOMEM. */
tm_status tm_speedup_sheets(const tm_sheet_input *input, tm_tables *out, tm_error *err) TM_MUST_USE;

/* The same values for programs: one per row with origin, unit, interval and n. A missing value is
 * an empty field with the reason in the last column. Free *out with tm_table_free. Errors:
 * NOMEM. */
tm_status tm_speedup_csv(const tm_sheet_input *input, tm_table *out, tm_error *err) TM_MUST_USE;

/* Inside speedup_*.c: add the measured rows; add the published rows and the notes. */
void tm_speedup_sheet_measured(tm_sheet *sheet);
void tm_speedup_sheet_published(tm_sheet *sheet);

#endif
