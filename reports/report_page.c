/* The report as one page. Its sections are those of report.md, in the order of a reader who may
 * stop at any point; the samples behind them come last. */
#include "reports/pages.h"
#include "reports/report_parts.h"

#include <stdio.h>

/* More warnings than this would hide what comes after them. */
enum { WARNINGS_OPEN = 8 };

/* Appends a section that is Markdown with tables of the page, unless it failed. */
static tm_status put_prose(tm_page *page, tm_status status, tm_text *markdown)
{
    if (status == TM_OK) tm_page_prose(page, tm_text_string(markdown));
    page->body.failed |= markdown->failed;
    tm_text_free(markdown);
    return status;
}

static tm_status put_tables(tm_page *page, const tm_tables *tables, tm_error *err)
{
    tm_status status = TM_OK;
    for (int i = 0; i < tables->n && status == TM_OK; i++)
        status = tm_page_table(page, &tables->items[i], err);
    return status;
}

/* A section of one table; nothing without rows. */
static tm_status put_table(tm_page *page, const char *heading, const tm_table *table, tm_error *err)
{
    if (!table->n_rows && !table->failed) return TM_OK;
    tm_page_section(page, heading, false);
    return tm_page_table(page, table, err);
}

static void put_warnings(tm_page *page, const tm_report_content *c)
{
    char heading[64];
    snprintf(heading, sizeof heading, c->n_warnings ? "Warnings (%d)" : "Warnings", c->n_warnings);
    tm_page_section(page, heading, c->n_warnings > WARNINGS_OPEN);
    tm_page_prose(page, c->warnings);
}

static void put_plots(tm_page *page, const tm_report_content *c)
{
    tm_page_section(page, "Plots", false);
    tm_page_prose(page, c->plot_remarks);
    tm_page_plots_begin(page);
    for (int i = 0; i < c->plots->n; i++) tm_page_plot(page, &c->plots->items[i]);
    tm_page_plots_end(page);
}

static tm_status put_speedups(tm_page *page, const tm_report_content *c, tm_error *err)
{
    char heading[96];
    snprintf(heading, sizeof heading, "Speed-up over %s", tm_sheet_baseline(c->view->input, NULL));
    tm_page_section(page, heading, false);
    if (!c->speedups->n) tm_page_prose(page, TM_REPORT_NO_SPEEDUP "\n");
    return put_tables(page, c->speedups, err);
}

static tm_status put_energy(tm_page *page, const tm_report_content *c, tm_error *err)
{
    if (!c->energy_cells->n_rows) return TM_OK; /* "Missing values" says so */
    tm_page_section(page, "Energy", false);
    tm_status status = put_tables(page, c->energy, err);
    return status == TM_OK ? tm_page_table(page, c->energy_cells, err) : status;
}

static tm_status put_own_tables(tm_page *page, const tm_report_content *c, tm_error *err)
{
    tm_table table;
    bool is_measured_for;
    tm_status status = tm_report_cells(c->view, &table, err);
    if (status == TM_OK) status = put_table(page, "Cells", &table, err);
    tm_table_free(&table);
    if (status != TM_OK) return status;
    status = tm_report_growth(c->view, &is_measured_for, &table, err);
    if (status == TM_OK) status = put_table(page, "Cost growth", &table, err);
    tm_table_free(&table);
    if (status == TM_OK) status = put_table(page, "Where the time goes", c->profile, err);
    if (status != TM_OK) return status;
    status = tm_report_counters(c->view, &table, err);
    if (status == TM_OK) status = put_table(page, "Counters", &table, err);
    tm_table_free(&table);
    return status;
}

static void put_method(tm_page *page)
{
    tm_page_section(page, "Method", true);
    tm_page_prose(
        page,
        "- Every process is fresh, runs one arm, and is one value: repetitions inside it are "
        "samples of that value.\n"
        "- The baseline and the ternary kernel run alternately (AB BA), so that drift of the "
        "machine affects both processes of a pair and cancels in their ratio.\n"
        "- A speed-up has a 95 % interval over pairs. Other values have an interval within this "
        "run, which does not cover drift of the machine. With fewer than 4 pairs or processes "
        "the range is shown instead.\n"
        "- No kernel is timed until it has matched the reference on its shape in its process.\n"
        "- A value is measured, predicted or published, and says which. A missing value has a "
        "reason and is never 0.\n"
        "- Published values come from papers about other machines. They are never mixed with "
        "measured ones.\n");
}

tm_status tm_report_page(const tm_report_content *c, const char *path, tm_error *err)
{
    tm_page page;
    tm_text text = {0};
    tm_page_begin(&page, "ternmark report");
    tm_status status = tm_report_head(c->view, tm_table_write_html, &text, err);
    status = put_prose(&page, status, &text);
    put_warnings(&page, c);
    put_plots(&page, c);
    if (status == TM_OK) status = put_speedups(&page, c, err);
    if (status == TM_OK) status = put_energy(&page, c, err);
    if (status == TM_OK) status = put_own_tables(&page, c, err);
    if (status == TM_OK) {
        tm_page_section(&page, "Missing values", true);
        status = tm_report_missing(c->view, &text, err);
        status = put_prose(&page, status, &text);
    }
    put_method(&page);
    if (status == TM_OK) status = tm_page_machine(&page, TM_PAGE_MACHINE, c->view->records, err);
    if (status == TM_OK) status = tm_page_samples(&page, c->view->records, err);
    if (status == TM_OK) status = tm_page_save(&page, path, err);
    tm_page_free(&page);
    return status;
}
