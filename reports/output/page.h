/* A page: one HTML file that needs no other file and no network. Its style and script are embedded
 * in the program (page.css, page.js); without the script everything is still there to read.
 *
 *     tm_page page;
 *     tm_page_begin(&page, "ternmark report");
 *     tm_page_verdict(&page, TM_TONE_GOOD, "pass: 4 passed");
 *     tm_page_section(&page, "Summary", false);
 *     tm_page_prose(&page, "Store: ...");
 *     status = tm_page_table(&page, &table, err);
 *     tm_page_plot(&page, &plot);
 *     if (status == TM_OK) status = tm_page_save(&page, path, err);
 *     tm_page_free(&page);
 *
 * Every text that is given here is escaped. A cell of a table or a point of a plot with a link
 * leads to the part that tm_page_cell begins for the same cell.
 */
#ifndef TM_REPORTS_OUTPUT_PAGE_H
#define TM_REPORTS_OUTPUT_PAGE_H

#include "reports/output/plot.h"
#include "reports/output/table.h"

typedef struct tm_page {
    char title[160];
    tm_text contents; /* the links to the sections */
    tm_text body;
    int n_sections;
    bool is_open, is_folded; /* the last section; it is closed by the next, or by the end */
} tm_page;

void tm_page_begin(tm_page *page, const char *title);
void tm_page_free(tm_page *page);

typedef enum tm_tone { TM_TONE_GOOD, TM_TONE_BAD, TM_TONE_UNSURE } tm_tone;
/* The answer of the whole page, before its first section. */
void tm_page_verdict(tm_page *page, tm_tone tone, const char *text);
/* Begins a section. A folded one shows its heading only, until it is opened. */
void tm_page_section(tm_page *page, const char *heading, bool is_folded);
/* Appends Markdown as the sections of reports write it: paragraphs, lists, headings of level 1,
 * which are left out, and of level 2, which begin sections; **, *, ` and backslashes. A block that
 * begins with "<" is HTML of tm_table_write_html and is copied; text from stores cannot begin so,
 * because tm_markdown_escape has escaped it. */
void tm_page_prose(tm_page *page, const char *markdown);
/* Errors: NOMEM. */
tm_status tm_page_table(tm_page *page, const tm_table *table, tm_error *err) TM_MUST_USE;
/* Between these, plots stand side by side where there is room. */
void tm_page_plots_begin(tm_page *page);
void tm_page_plot(tm_page *page, const tm_plot *plot);
void tm_page_plots_end(tm_page *page);
/* Appends a paragraph of plain text. */
void tm_page_note(tm_page *page, const char *text);
/* A folded part for the samples of a cell, where links with its id lead to. */
void tm_page_cell_begin(tm_page *page, const char *cell_id, const char *label);
void tm_page_cell_end(tm_page *page);

/* Errors: IO (path and reason), NOMEM. */
tm_status tm_page_save(tm_page *page, const char *path, tm_error *err) TM_MUST_USE;

#endif
