/* The parts a report is put together from; report.c alone decides their order and files. */
#ifndef TM_REPORTS_REPORT_PARTS_H
#define TM_REPORTS_REPORT_PARTS_H

#include "reports/output/plot.h"
#include "reports/report.h"
#include "reports/speedup.h"
#include "reports/output/table.h"

/* What all parts look at. Everything is borrowed. */
typedef struct tm_report_view {
    const tm_records *records;
    const tm_report_options *options;
    const tm_summaries *summaries;
    const tm_speedup_input *input;
    const tm_json *run;      /* the last run line, or NULL */
    const tm_json *roofline; /* the last run line that holds one, or NULL */
} tm_report_view;

/* The last run line of the store, or NULL; with `key` the last that has that key. */
const tm_json *tm_report_last_run(const tm_records *records, const char *key);

/* What this machine was measured to allow, from a run line. Missing with the reason where the run
 * holds no roofline, or none for so many threads. kind: "read_gb_per_second", "int8_gmac_per_second", ... */
tm_measured tm_report_limit(const tm_json *run, const char *kind, int threads);

/* The multiply-accumulate limit a kernel is held against: "int8_gmac_per_second", or
 * "fp32_gmac_per_second" for one of float weights. */
const char *tm_report_mac_limit(const tm_cell *cell);

/* Physical cores the run could use; 0 when its line does not say. */
int tm_report_cores(const tm_json *run);

/* Machine, environment and conditions of every run, as Markdown. What earlier runs share with the last is not
 * repeated. Errors: NOMEM. */
tm_status tm_report_machine(const tm_report_view *view, tm_text *out, tm_error *err) TM_MUST_USE;

/* Every cell with a figure, for reading. Errors: NOMEM. */
tm_status tm_report_cells(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;
/* Every cell and every figure, for programs: empty fields where there is none, reasons in `missing`. */
tm_status tm_report_cell_rows(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;

/* Time per token against model size, context and sequences, each beside its floor: a series for
 * whatever has two values. *is_measured_for: also against something else than the size, so that the
 * store was made for it. Errors: NOMEM. */
tm_status tm_report_growth(const tm_report_view *view, bool *is_measured_for, tm_table *out,
                           tm_error *err) TM_MUST_USE;

/* Every counter of every cell; no row when none were taken. Errors: NOMEM. */
tm_status tm_report_counters(const tm_report_view *view, bool for_programs, tm_table *out,
                             tm_error *err) TM_MUST_USE;

/* Where the time goes, by operation, of every cell that was asked for it; no row when none was. For reading,
 * and for programs. Errors: NOMEM. */
tm_status tm_report_profile(const tm_summaries *all, tm_table *out, tm_error *err) TM_MUST_USE;
tm_status tm_report_profile_rows(const tm_summaries *all, tm_table *out, tm_error *err) TM_MUST_USE;

/* Reasons to distrust a figure, as a Markdown list; "none" said where there are none. *n: how many. */
tm_status tm_report_warnings(const tm_report_view *view, tm_text *out, int *n,
                             tm_error *err) TM_MUST_USE;
/* Cells without figures and figures that nothing could measure, as Markdown. */
tm_status tm_report_missing(const tm_report_view *view, tm_text *out, tm_error *err) TM_MUST_USE;

/* The plots that have at least one point. */
enum { TM_REPORT_OPERATION_PLOTS = 12, TM_REPORT_MAX_PLOTS = 10 + TM_REPORT_OPERATION_PLOTS };
typedef struct tm_plots {
    tm_plot items[TM_REPORT_MAX_PLOTS];
    int n;
    int n_left_out; /* plots of operations beyond the limit */
} tm_plots;
/* Power over time with the energy windows shaded; joules per token against tokens per second. */
void tm_report_plot_watts(const tm_report_view *view, tm_plot *plot);
void tm_report_plot_energy(const tm_report_view *view, tm_plot *plot);
/* The operations of the next profiled cell, from summary *next on, which goes behind it. False: no more;
 * *plot is as it was. */
bool tm_report_plot_operations(const tm_report_view *view, int *next, tm_plot *plot);
/* Errors: NOMEM. */
tm_status tm_report_plots(const tm_report_view *view, tm_plots *out, tm_error *err) TM_MUST_USE;
void tm_plots_free(tm_plots *plots);

#endif
