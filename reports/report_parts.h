/* The sections of a report, one file each: report_*.c. report.c decides their order and their
 * files.
 *
 * A section comes as a table for reading, or (..._csv) as a table for programs: one value per
 * field, empty if missing, with the reason in a column `missing`. All functions here fail with
 * NOMEM only.
 */
#ifndef TM_REPORTS_REPORT_PARTS_H
#define TM_REPORTS_REPORT_PARTS_H

#include "reports/output/plot.h"
#include "reports/output/table.h"
#include "reports/report.h"
#include "reports/sheet.h"

/* What the sections are made from. Everything is borrowed. */
typedef struct tm_report_view {
    const tm_records *records;
    const tm_report_options *options;
    const tm_summaries *summaries;
    const tm_sheet_input *input;
    const tm_json *run; /* the last run record, or NULL */
    int machine;        /* that of the last run: the one that plots show */
} tm_report_view;

#define TM_REPORT_NO_SPEEDUP                                                                       \
    "This store has no baseline and no ternary cell, hence no speed-up table."

/* The last run record of the store, or NULL. */
const tm_json *tm_report_last_run(const tm_records *records);
/* Whether a record belongs to a run on the machine that plots show. */
bool tm_report_is_plotted(const tm_report_view *view, const tm_record *record);
/* Physical cores the run could use; 0: not recorded. */
int tm_report_cores(const tm_json *run);

/* report_head.c: store, machine and build, the main values in one table, and how far they can be
 * trusted, as Markdown. put: writes its tables. */
tm_status tm_report_head(const tm_report_view *view, tm_table_writer put, tm_text *out,
                         tm_error *err) TM_MUST_USE;

/* report_cells.c: one row per cell. */
/* Adds the kernel of a cell to a row, with a note if the cell is of an older build or model. */
void tm_report_add_kernel(const tm_cell_summary *summary, tm_table *out);
tm_status tm_report_cells(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;
tm_status tm_report_cells_csv(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;

/* report_energy.c: one row per cell and phase for which energy was requested. */
tm_status tm_report_energy(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;

/* report_growth.c: time per token against model size, context and number of sequences, with the
 * lower bound that the roofline sets. A series is shown if it has at least two values.
 * *is_measured_for: there is a series over context or sequences, so that the store was made for
 * this table. */
tm_status tm_report_growth(const tm_report_view *view, bool *is_measured_for, tm_table *out,
                           tm_error *err) TM_MUST_USE;
tm_status tm_report_growth_csv(const tm_report_view *view, tm_table *out,
                               tm_error *err) TM_MUST_USE;

/* report_counters.c: one row per cell and counter; no rows without counters. */
tm_status tm_report_counters(const tm_report_view *view, tm_table *out, tm_error *err) TM_MUST_USE;
tm_status tm_report_counters_csv(const tm_report_view *view, tm_table *out,
                                 tm_error *err) TM_MUST_USE;

/* report_profile.c: time by operation, for every profiled cell; no rows without profiles. */
tm_status tm_report_profile(const tm_summaries *all, tm_table *out, tm_error *err) TM_MUST_USE;
tm_status tm_report_profile_csv(const tm_summaries *all, tm_table *out, tm_error *err) TM_MUST_USE;

/* report_machine.c: machine, environment and conditions as Markdown. Earlier runs list only what
 * differs from the last run. put: writes its tables. */
tm_status tm_report_machine(const tm_records *records, tm_table_writer put, tm_text *out,
                            tm_error *err) TM_MUST_USE;

/* report_warnings.c: reasons to distrust a value, as a Markdown list. *n: how many. */
tm_status tm_report_warnings(const tm_report_view *view, tm_text *out, int *n,
                             tm_error *err) TM_MUST_USE;
/* Cells without a value, and quantities that could not be measured, as a Markdown list. */
tm_status tm_report_missing(const tm_report_view *view, tm_text *out, tm_error *err) TM_MUST_USE;

/* report_plots.c: the plots that have at least one point. */
enum {
    TM_REPORT_OPERATION_PLOTS = 12,
    TM_REPORT_GROWTH_AXES = 3,
    TM_REPORT_MAX_PLOTS = 12 + TM_REPORT_OPERATION_PLOTS
};
typedef struct tm_plots {
    tm_plot items[TM_REPORT_MAX_PLOTS];
    bool is_drawn[TM_REPORT_MAX_PLOTS]; /* there are pictures of this report */
    int n;
    int n_left_out;       /* operation plots beyond TM_REPORT_OPERATION_PLOTS */
    char reasons[4][160]; /* [n_reasons]: which plot would have shown nothing, and why */
    int n_reasons;
} tm_plots;
tm_status tm_report_plots(const tm_report_view *view, tm_plots *out, tm_error *err) TM_MUST_USE;
void tm_plots_free(tm_plots *plots);

/* report_files.c: writes DIR/STEM.EXTENSION and lists it in `files`. Errors: IO, NOMEM. */
tm_status tm_report_save(const tm_text *text, const char *directory, const char *stem,
                         const char *extension, tm_text *files, tm_error *err) TM_MUST_USE;
/* The plots in DIR/plots, with pictures if gnuplot runs; what could not be drawn becomes a remark.
 * Errors: IO, NOMEM. */
tm_status tm_report_draw(tm_plots *plots, const char *directory, bool run_gnuplot, tm_report *out,
                         tm_error *err) TM_MUST_USE;

/* report_growth.c: time per token and its floor along one axis (0: model size, 1: context, 2:
 * sequences); no points without a series. Free *out also after an error. */
tm_status tm_report_plot_growth(const tm_report_view *view, int axis, tm_plot *out,
                                tm_error *err) TM_MUST_USE;
/* Inside report_plots*.c: power over time with the energy windows shaded; joules against speed. */
void tm_report_plot_watts(const tm_report_view *view, tm_plot *plot);
void tm_report_plot_energy(const tm_report_view *view, tm_plot *plot);
/* The operations of the next profiled cell at or after summary *next, which moves past it. False,
 * and *plot unchanged, when there is none. */
bool tm_report_plot_operations(const tm_report_view *view, int *next, tm_plot *plot);

/* What report.md and the page show besides their own sections. Everything is borrowed. */
typedef struct tm_report_content {
    const tm_report_view *view;
    const tm_tables *speedups, *energy;
    const tm_table *energy_cells, *profile;
    const tm_plots *plots;
    const char *plot_remarks; /* Markdown */
    const char *warnings;     /* Markdown */
    int n_warnings;
} tm_report_content;
/* report_page.c: the report as one HTML file. Errors: IO, NOMEM. */
tm_status tm_report_page(const tm_report_content *content, const char *path,
                         tm_error *err) TM_MUST_USE;

#endif
