/* Turns a store into a report: tables, plots and a page in one directory.
 *
 *   report.md  {speedup,energy,profile}.{csv,tex,txt}  {cells,growth,counters}.csv
 *   plots/NAME.{gp,dat,png,svg}
 *
 * The energy and profile files are written if a run of the store asked for energy or profiles.
 */
#ifndef TM_REPORTS_REPORT_H
#define TM_REPORTS_REPORT_H

#include "harness/record/store.h"
#include "reports/output/plot.h"
#include "reports/output/table.h"
#include "reports/published/published.h"
#include "reports/summary.h"

#define TM_REPORT_ALL ((1u << TM_TABLE_N_FORMATS) - 1)
/* "md,csv" or "all" as bits: 1u << TM_TABLE_CSV ... Errors: ARG, with the nearest name. */
tm_status tm_report_formats(const char *list, unsigned *out, tm_error *err) TM_MUST_USE;

/* Number of weights of a model with a known shape. */
typedef struct tm_model_size {
    char name[64]; /* as tm_shape_label spells it */
    int64_t linear_weights;
    int64_t embedding_weights; /* those of the head are as many */
    bool tied_head;            /* one table is both */
} tm_model_size;

typedef struct tm_report_options {
    const char *store;     /* its name in the report */
    const char *directory; /* created if it does not exist; NULL: none of the files above */
    const char *page;      /* path of an HTML file with everything; NULL: none */
    unsigned formats;      /* bits, as tm_report_formats has them */
    const tm_published *published;
    const tm_model_size *sizes; /* [n_sizes] */
    int n_sizes;
    bool run_gnuplot; /* false: write scripts and data only */
} tm_report_options;

typedef struct tm_report {
    tm_text text;    /* the speed-up tables as text */
    tm_text files;   /* the paths written, one per line */
    tm_text remarks; /* what could not be made and why, one sentence per line */
} tm_report;

/* Errors: ARG (the store holds no cell), IO (path and reason), NOMEM. Free *out also after an
 * error. A missing gnuplot is not an error: `remarks` and report.md mention it. */
tm_status tm_report_write(const tm_records *records, const tm_report_options *options,
                          tm_report *out, tm_error *err) TM_MUST_USE;
void tm_report_free(tm_report *report);

/* The energy part of a report on its own: a row per cell and phase, and power over time. Free both
 * also after an error. Errors: ARG (no cell), NOMEM. */
tm_status tm_report_energy_part(const tm_records *records, tm_table *cells, tm_plot *watts,
                                tm_error *err) TM_MUST_USE;

#endif
