/* A sheet: one speed-up or energy table while it is filled. Models across, fp16, ternary and their
 * ratio down, and published values below in groups of their own. This module holds what both tables
 * share; speedup_sheet.h and energy_sheet.h fill the rows.
 */
#ifndef TM_REPORTS_SHEET_H
#define TM_REPORTS_SHEET_H

#include "reports/output/table.h"
#include "reports/published/paper_tables.h"
#include "reports/speedup.h"

typedef struct tm_sheet_machine {
    char name[160];           /* its CPU, with the fingerprint if another machine has the same */
    int cores;                /* physical cores the run could use; 0: not known */
    bool emulated;            /* instructions were emulated: times have no meaning */
    const char *architecture; /* "x86_64", "aarch64"; NULL: not recorded */
} tm_sheet_machine;

/* What all sheets of a report are made from. Everything is borrowed. */
typedef struct tm_sheet_input {
    const tm_speedups *speedups;
    const tm_published *published;
    const tm_sheet_machine *machines; /* [n_machines] by tm_cell.machine */
    int n_machines;
} tm_sheet_input;

typedef enum tm_sheet_kind {
    TM_SHEET_PAPER, /* the model sizes of 2410.16144 */
    TM_SHEET_OTHER, /* other models */
    TM_SHEET_FAKE,  /* scripted models, which test the harness */
    TM_N_SHEET_KINDS
} tm_sheet_kind;

enum { TM_SHEET_MAX_COLUMNS = 256 };

typedef struct tm_sheet_column {
    const char *model;         /* as the store names it, or the paper; borrowed */
    const char *shape;         /* label of its shape; "": not known; borrowed */
    const tm_speedup *speedup; /* borrowed; NULL: not in the store */
} tm_sheet_column;

typedef struct tm_sheet {
    const tm_sheet_input *input;
    const tm_cell *cell; /* one of its cells: gives engine, threads and test */
    tm_sheet_kind kind;
    tm_sheet_column columns[TM_SHEET_MAX_COLUMNS];
    int n_columns;
    bool is_first; /* of the document: carries the notes on how to read all sheets */
    tm_table *table;
} tm_sheet;

/* Whether two cells belong to the same sheet: equal machine, engine, threads and test. */
bool tm_sheet_same(const tm_cell *a, const tm_cell *b);
/* Adds a column unless the sheet has the model or is full. */
void tm_sheet_add_column(tm_sheet *sheet, const char *model, const char *shape,
                         const tm_speedup *speedup);
/* The short name of a column's model, or its full name where two models share the short one. */
const char *tm_sheet_heading(const tm_sheet *sheet, int column);
/* Notes the shape of each file: published values are found by it. */
void tm_sheet_note_shapes(tm_sheet *sheet);
/* qsort orders of columns and of `const tm_cell *`: by the model's number of parameters, then by
 * its name. */
int tm_sheet_by_size(const void *a, const void *b);
int tm_sheet_cells_by_size(const void *a, const void *b);

/* The machine a cell was measured on. */
const tm_sheet_machine *tm_sheet_machine_of(const tm_sheet_input *input, const tm_cell *cell);
/* "measured"; for scripted models and emulated runs what it is instead. */
const char *tm_sheet_origin(const tm_sheet_input *input, const tm_cell *cell);
/* What the baseline of a column is: "fp16", "fp32", "bf16", or the name of its kernel; NULL without
 * a baseline. */
const char *tm_sheet_baseline_name(const tm_speedup *speedup);
/* The same for all columns that share engine, threads, test and machine with `cell` (NULL: all):
 * "baseline" if they differ or have none. */
const char *tm_sheet_baseline(const tm_sheet_input *input, const tm_cell *cell);
/* "fp16, tokens/s" or "Baseline, tokens/s": the name of a row or column of the baseline. Returns
 * out. */
char *tm_sheet_label(const char *baseline, const char *what, char out[96]);
/* "", ", other models" or ", scripted models": the end of a title. */
const char *tm_sheet_kind_text(tm_sheet_kind kind);

/* One arm of a column, or NULL. */
const tm_cell_summary *tm_sheet_arm(const tm_speedup *speedup, bool is_baseline);
/* Adds a cell "N/A" with the reason as a note. */
void tm_sheet_add_missing(tm_sheet *sheet, const char *why);
/* The same for an arm that the store does not have. */
void tm_sheet_add_absent(tm_sheet *sheet, const tm_speedup *speedup, bool is_baseline);
/* Adds a published value. digits 0: as printed. */
void tm_sheet_add_published(tm_sheet *sheet, const tm_measured *figure, int digits);

/* The finished tables of a document. */
typedef struct tm_tables {
    tm_table *items; /* owned */
    int n;
} tm_tables;
void tm_tables_free(tm_tables *tables);

#endif
