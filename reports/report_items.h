/* Sentences about cells, as a Markdown list. Sentences of one kind, which differ only in numbers,
 * become one line with a count. */
#ifndef TM_REPORTS_REPORT_ITEMS_H
#define TM_REPORTS_REPORT_ITEMS_H

#include "reports/report_parts.h"

typedef struct tm_report_item tm_report_item;
typedef struct tm_report_items {
    tm_report_item *items; /* owned */
    int n;
    bool failed; /* out of memory */
} tm_report_items;

/* cell: borrowed; NULL: the sentence is about the store. */
void tm_report_items_add(tm_report_items *items, const tm_cell *cell, const char *sentence);
/* Adds each part of a text whose parts are separated by "; ", without "2 of 3 samples marked: ". */
void tm_report_items_add_parts(tm_report_items *items, const tm_cell *cell, const char *text);
/* Appends the list and frees it. is_exact: only equal sentences are one line. */
void tm_report_items_put(const tm_report_view *view, tm_report_items *items, bool is_exact,
                         tm_text *out);

#endif
