/* One speed-up table while it is filled; inside speedup*.c only. */
#ifndef TM_REPORTS_SPEEDUP_SHEET_H
#define TM_REPORTS_SPEEDUP_SHEET_H

#include "reports/speedup.h"

typedef enum tm_sheet_kind {
    TM_SHEET_PAPER, /* sizes of the paper */
    TM_SHEET_OTHER, /* other models */
    TM_SHEET_FAKE,  /* scripted fakes, which test the harness */
    TM_N_SHEET_KINDS
} tm_sheet_kind;

/* One table: a test at a thread count over some models. */
typedef struct tm_sheet {
    const tm_speedup_input *input;
    const tm_cell *cell; /* any of it: engine, threads, test */
    const char *models[256];
    int n_models;
    tm_sheet_kind kind;
    bool is_first; /* of its document: says how to read them all */
    tm_table *table;
} tm_sheet;

/* The figures of one of its columns, or NULL. */
const tm_speedup *tm_sheet_find(const tm_sheet *s, const char *model);
/* A cell that says N/A, and why below the table. */
void tm_sheet_add_missing(tm_table *table, const char *why);
/* Rows of what was measured. */
void tm_sheet_add_measured(tm_sheet *s);
/* Rows of what papers print, and what must be known to compare. */
void tm_sheet_add_published(tm_sheet *s);

#endif
