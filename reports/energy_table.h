/* The energy tables in the form of 2410.16144, Table 6: sizes across; joules per token of fp16 and of the
 * fastest ternary kernel and what it saves down; what the paper printed below, in groups of its own.
 *
 * One table per phase, test and thread count with joules. Its generation at all cores
 * stands beside the paper's ("unlimited threads"); what this machine could not measure says why in
 * its place. Made-up joules are spelled `fake` wherever they stand and no saving is taken from them.
 */
#ifndef TM_REPORTS_ENERGY_TABLE_H
#define TM_REPORTS_ENERGY_TABLE_H

#include "reports/speedup.h"

/* Errors: NOMEM. */
tm_status tm_energy_tables(const tm_speedup_input *input, tm_tables *out,
                           tm_error *err) TM_MUST_USE;

/* The same figures one per row, for programs. Fills *out, which tm_table_free frees. Errors: NOMEM. */
tm_status tm_energy_rows(const tm_speedup_input *input, tm_table *out, tm_error *err) TM_MUST_USE;

/* One row per cell and phase that energy was asked for: joules, watts, where they come from. Errors: NOMEM. */
tm_status tm_energy_cells(const tm_speedup_input *input, const tm_summaries *all, tm_table *out,
                          tm_error *err) TM_MUST_USE;

/* "0.476 [0.470, 0.482]", "fake 0.476 [0.470, 0.482]". Returns `text`. */
char *tm_energy_number(const tm_interval *interval, bool fake, char *text, size_t size);

/* A cell of the paper's table and what its two figures save. */
typedef struct tm_paper_energy {
    tm_measured fp16, ternary; /* J/token */
    tm_measured saving_percent;
} tm_paper_energy;
tm_paper_energy tm_energy_paper_cell(const tm_published *published, const char *device,
                                     const char *model);

typedef enum tm_energy_verdict {
    TM_ENERGY_NOT_MEASURED,
    TM_ENERGY_NO_CLAIM, /* the paper claims nothing for this architecture */
    TM_ENERGY_NO_INTERVAL,
    TM_ENERGY_REPRODUCED, /* the interval overlaps the claimed range */
    TM_ENERGY_LARGER,
    TM_ENERGY_SMALLER,
    TM_ENERGY_NOT_REPRODUCED, /* no saving shown */
} tm_energy_verdict;
const char *tm_energy_verdict_words(tm_energy_verdict verdict);
/* The saving against the paper's range for an architecture, which goes into range[48]; "" none. */
tm_energy_verdict tm_energy_judge(const tm_published *published, const char *architecture,
                                  const tm_interval *saving_percent, char range[48]);

#endif
