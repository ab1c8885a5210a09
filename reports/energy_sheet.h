/* The energy tables in the form of 2410.16144, Table 6: model sizes across; joules per token of
 * fp16 and of the fastest ternary kernel, and the saving, down; published values below, in groups
 * of their own.
 *
 * There is one table per phase, test and thread count with joules. Generation at all cores is shown
 * with the paper's table ("unlimited threads"), where a value that this machine could not measure
 * has its reason. Fake joules are marked `fake` everywhere, and no saving is computed from them.
 */
#ifndef TM_REPORTS_ENERGY_SHEET_H
#define TM_REPORTS_ENERGY_SHEET_H

#include "reports/sheet.h"

/* Generation first, then prompts. Errors: NOMEM. */
tm_status tm_energy_sheets(const tm_sheet_input *input, tm_tables *out, tm_error *err) TM_MUST_USE;

/* The same values for programs, one per row. Free *out with tm_table_free. Errors: NOMEM. */
tm_status tm_energy_csv(const tm_sheet_input *input, tm_table *out, tm_error *err) TM_MUST_USE;

/* "0.476 [0.470, 0.482]", "fake 0.476 [0.470, 0.482]". Returns `text`. */
char *tm_energy_number(const tm_interval *interval, bool fake, char *text, size_t size);

#endif
