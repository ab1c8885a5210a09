#include "reports/report_items.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct tm_report_item {
    const tm_cell *cell;
    char *sentence; /* owned */
    int n_cells;    /* of its line; 0: part of an earlier line */
};

void tm_report_items_add(tm_report_items *items, const tm_cell *cell, const char *sentence)
{
    tm_report_item *more = realloc(items->items, ((size_t)items->n + 1) * sizeof *more);
    if (more) items->items = more;
    char *copy = strdup(sentence);
    if (!more || !copy) {
        free(copy);
        items->failed = true;
        return;
    }
    more[items->n++] = (tm_report_item){.cell = cell, .sentence = copy};
}

void tm_report_items_add_parts(tm_report_items *items, const tm_cell *cell, const char *text)
{
    static const char marked[] = "marked: ";
    while (*text) {
        const char *end = strstr(text, "; ");
        char part[640];
        snprintf(part, sizeof part, "%.*s", end ? (int)(end - text) : (int)strlen(text), text);
        const char *prefix = strstr(part, marked);
        tm_report_items_add(items, cell, prefix ? prefix + strlen(marked) : part);
        text = end ? end + 2 : "";
    }
}

/* Whether two sentences are equal, or equal but for their numbers. */
static bool same_kind(const char *a, const char *b, bool is_exact)
{
    static const char number[] = "0123456789.";
    if (is_exact) return strcmp(a, b) == 0;
    for (;;) {
        const bool has_number = isdigit((unsigned char)*a) && isdigit((unsigned char)*b);
        if (has_number) {
            a += strspn(a, number);
            b += strspn(b, number);
        }
        if (*a != *b) return false;
        if (!*a) return true;
        if (!isdigit((unsigned char)*a)) {
            a++;
            b++;
        }
    }
}

/* Counts the cells of each line at its first item. */
static void group(tm_report_items *items, bool is_exact)
{
    for (int i = 0; i < items->n; i++) {
        const tm_cell *last = NULL;
        bool is_later = false;
        for (int k = 0; k < i && items->items[i].cell; k++)
            is_later |= items->items[k].cell && items->items[k].n_cells > 0 &&
                        same_kind(items->items[k].sentence, items->items[i].sentence, is_exact);
        if (is_later) continue;
        items->items[i].n_cells = 1;
        last = items->items[i].cell;
        for (int k = i + 1; k < items->n && last; k++) {
            const tm_report_item *other = &items->items[k];
            if (!other->cell || !same_kind(other->sentence, items->items[i].sentence, is_exact))
                continue;
            /* The parts of one cell follow each other. */
            items->items[i].n_cells += other->cell != last;
            last = other->cell;
        }
    }
}

void tm_report_items_put(const tm_report_view *view, tm_report_items *items, bool is_exact,
                         tm_text *out)
{
    const bool has_others = view->input->n_machines > 1;
    group(items, is_exact);
    for (int i = 0; i < items->n; i++) {
        const tm_report_item *item = &items->items[i];
        const tm_cell *cell = item->cell;
        char name[480];
        if (item->n_cells == 0) continue;
        tm_text_add(out, "- ");
        if (item->n_cells > 1) tm_text_format(out, "%d cells, the first ", item->n_cells);
        if (cell) {
            snprintf(name, sizeof name,
                     "%s, %s, %d thread%s, %s%s%s: ", tm_model_label(cell->model), cell->kernel,
                     cell->threads, tm_plural(cell->threads), cell->test, has_others ? ", " : "",
                     has_others ? tm_sheet_machine_of(view->input, cell)->name : "");
            tm_markdown_escape(name, out);
        }
        tm_markdown_escape(item->sentence, out);
        tm_text_add_char(out, '\n');
    }
    for (int i = 0; i < items->n; i++) free(items->items[i].sentence);
    free(items->items);
    out->failed |= items->failed;
    *items = (tm_report_items){0};
}
