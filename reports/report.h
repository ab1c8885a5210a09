/* A store as a report: the speed-up tables, every cell, the machine, warnings, what is missing and why, and
 * plots, in one directory.
 *
 *   report.md  {speedup,energy,profile}.{csv,tex,txt}  growth.csv  cells.csv
 *   plots/NAME.{gp,dat,png,svg}
 *
 * The energy files are there when some run asked for energy, those of profiles when it asked for them.
 */
#ifndef TM_REPORTS_REPORT_H
#define TM_REPORTS_REPORT_H

#include "harness/record/store.h"
#include "reports/summary.h"
#include "reports/published/published.h"
#include "reports/output/text.h"

enum {
    TM_REPORT_MARKDOWN = 1,
    TM_REPORT_CSV = 2,
    TM_REPORT_LATEX = 4,
    TM_REPORT_TEXT = 8,
    TM_REPORT_ALL = 15,
};
/* "md,csv,latex,text". Errors: ARG with the nearest name. */
tm_status tm_report_formats(const char *list, unsigned *out, tm_error *err) TM_MUST_USE;

/* What a model weighs, for models whose shape is known. */
typedef struct tm_model_size {
    char name[64]; /* as tm_model_label spells it */
    int64_t linear_weights;
    int64_t table_weights; /* embedding, and the head where it is not the same */
} tm_model_size;

typedef struct tm_report_options {
    const char *store;     /* named in the report */
    const char *directory; /* made when it is not there */
    unsigned formats;
    const tm_published *published;
    const tm_model_size *sizes; /* [n_sizes] */
    int n_sizes;
    bool run_gnuplot; /* else only scripts and data are written */
} tm_report_options;

typedef struct tm_report {
    tm_text text;  /* the speed-up tables, aligned */
    tm_text files; /* paths written, one per line */
    tm_text talk;  /* what could not be made and why, one sentence per line */
} tm_report;

/* Errors: ARG (the store holds no cell), IO (directory or file, and why), NOMEM. *out is to be freed also
 * after one. A missing gnuplot is no error: it is said in `talk` and in report.md. */
tm_status tm_report_write(const tm_records *records, const tm_report_options *options,
                          tm_report *out, tm_error *err) TM_MUST_USE;
void tm_report_free(tm_report *report);

#endif
