/* How a table fits on a page of LaTeX: widths of columns, and where it is cut. Not a writer.
 *
 * A table that is as wide as the text at most is set as it is. A wider one gets columns of fixed widths,
 * in which LaTeX breaks lines, and is cut into parts that repeat the columns which say what a row is; one
 * that is taller than a page is cut between rows. Widths are estimates by classes of letters, a little
 * more than Computer Modern takes; the page is that of `article` at 10 pt.
 */
#ifndef TM_REPORTS_OUTPUT_LATEX_LAYOUT_H
#define TM_REPORTS_OUTPUT_LATEX_LAYOUT_H

#include "reports/output/table.h"

/* Points: \textwidth of `article`, and the gap between columns of a wrapped table. */
#define TM_LATEX_TEXT_WIDTH 345.0
#define TM_LATEX_GAP        6.0

typedef struct tm_latex_part {
    int column_begin, column_end; /* behind the key columns, which each part has */
    int row_begin, row_end;
} tm_latex_part;

typedef struct tm_latex_layout {
    bool is_wrapped; /* else each column is as wide as its widest cell */
    int n_keys;
    double *widths; /* [n_columns] points, of a wrapped table; owned */
    tm_latex_part *parts;
    int n_parts;          /* at least 1 */
    bool has_notes_apart; /* the notes do not fit under the last part */
} tm_latex_layout;

/* Errors: NOMEM. Free also after one. */
tm_status tm_latex_layout_make(const tm_table *table, tm_latex_layout *out,
                               tm_error *err) TM_MUST_USE;
void tm_latex_layout_free(tm_latex_layout *layout);

/* In a wrapped cell: whether a line may end behind text[i], which is a blank or inside a long name, never
 * within [low, high]; whether one must, so that intervals stand under their values. */
bool tm_latex_breaks_behind(const char *text, size_t i);
bool tm_latex_must_break_behind(const char *text, size_t i);

#endif
