/* The speed-up of ternary over fp16: for each column of the tables the baseline, the fastest
 * ternary kernel, and their comparison. sheet.h turns columns into tables.
 */
#ifndef TM_REPORTS_SPEEDUP_H
#define TM_REPORTS_SPEEDUP_H

#include "reports/compare.h"

/* One column of the speed-up and energy tables. */
typedef struct tm_speedup {
    const tm_cell_summary *baseline; /* the fastest fp16 kernel; borrowed; NULL: no such cell */
    const tm_cell_summary *ternary;  /* the fastest ternary kernel; borrowed; NULL: no such cell */
    int n_baselines, n_kernels;      /* that have a value */
    const tm_cell *cell;             /* engine, model, threads and test of the column; borrowed */
    tm_comparison comparison;        /* ternary / baseline */
} tm_speedup;

typedef struct tm_speedups {
    tm_speedup *items; /* owned */
    int n;
    int n_refused; /* as in tm_summaries */
} tm_speedups;

/* One column per engine, model, threads and test that has a baseline or a ternary cell, in order of
 * first appearance. Borrows from `all`. Errors: NOMEM. */
tm_status tm_speedups_make(const tm_summaries *all, tm_speedups *out, tm_error *err) TM_MUST_USE;
/* Why a column lacks an arm. Returns text. */
char *tm_speedup_absent(const tm_speedups *all, const tm_speedup *speedup, bool is_baseline,
                        char *text, size_t size);
/* Appends that the records of a cell that is missing may be among the refused lines. */
void tm_speedups_add_refused(const tm_speedups *all, char *text, size_t size);
void tm_speedups_free(tm_speedups *speedups);

#endif
