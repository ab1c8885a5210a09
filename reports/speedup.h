/* The speed-up tables in the form of 2410.16144, Tables 4 and 5: sizes across; fp16, the best ternary kernel
 * and their ratio down; what papers printed below, in groups of their own.
 *
 * One table per test and thread count for the sizes the paper has, and one for other models. Two threads
 * stand beside its Table 5, all cores beside its Table 4; prompts beside nothing, for it prints none.
 */
#ifndef TM_REPORTS_SPEEDUP_H
#define TM_REPORTS_SPEEDUP_H

#include "reports/summary.h"
#include "reports/published/published.h"
#include "reports/output/table.h"

#define TM_PAPER_SPEED "2410.16144"
#define TM_PAPER_2B4T  "2504.12285"

typedef struct tm_speedup_input {
    const tm_speedups *speedups;
    const tm_published *published;
    const char *machine;      /* how ours is called: its CPU */
    int cores;                /* physical cores the run could use; 0: not known */
    bool emulated;            /* instructions were emulated: no time means anything */
    const char *architecture; /* "x86_64", "aarch64"; NULL: not recorded */
} tm_speedup_input;

typedef struct tm_tables {
    tm_table *items; /* owned */
    int n;
} tm_tables;

/* Decode first, then prompts, then the rest; threads ascending. Errors: NOMEM. */
tm_status tm_speedup_tables(const tm_speedup_input *input, tm_tables *out,
                            tm_error *err) TM_MUST_USE;
void tm_tables_free(tm_tables *tables);

/* The same figures and no others, one per row with its origin, unit, interval and n, for programs. Missing
 * values are empty fields with the reason in the last column. Fills *out, which tm_table_free frees. Errors: NOMEM. */
tm_status tm_speedup_rows(const tm_speedup_input *input, tm_table *out, tm_error *err) TM_MUST_USE;

/* "measured"; for fakes and under emulation what it is instead. */
const char *tm_speedup_origin(const tm_speedup_input *input, const char *model);
/* The paper's table that figures of so many threads may stand beside: "Table 5", "Table 4", or NULL. */
const char *tm_speedup_paper_table(const tm_cell *cell, int cores);
/* Whether the paper has a model of this size. */
bool tm_speedup_is_paper_model(const tm_published *published, const char *model);

/* The machines of the paper, as parts of their published names. */
extern const char *const tm_paper_devices[]; /* ended by NULL */
/* A published cell of the paper and the ratio of its two systems, recomputed. */
typedef struct tm_paper_cell {
    tm_measured fp16, ternary; /* tokens/s */
    tm_measured ratio;
} tm_paper_cell;
tm_paper_cell tm_speedup_paper_cell(const tm_published *published, const char *table,
                                    const char *device, const char *model);
/* Its figure for BitNet-b1.58-2B-4T: milliseconds per token on a CPU. */
const tm_published_value *tm_speedup_2b4t_claim(const tm_published *published, tm_measured *why);

#endif
