#include "reports/output/latex_layout.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Points. Lines of \footnotesize and \small; a page less its captions, rules and headings: letter
 * paper's \textheight is 550. */
enum { SMALL_LINE = 11, WRAPPED_LINE = 10, PAGE = 470, NOTE_MARK = 4 };

bool tm_latex_must_break_behind(const char *text, size_t i)
{
    return text[i] == ' ' && text[i + 1] == '[';
}

bool tm_latex_breaks_behind(const char *text, size_t i)
{
    const char c = text[i];
    if (!c || !text[i + 1] || !strchr(" _/-+", c)) return false;
    for (size_t k = i; k-- > 0 && text[k] != ']';)
        if (text[k] == '[') return false;
    /* A sign stays with its number. */
    return c == ' ' || (i > 0 && text[i - 1] != ' ' && (isalnum((unsigned char)text[i - 1])));
}

/* \small over \footnotesize, and some for what the estimate lacks. */
#define SMALL_SCALE 1.16

/* At 8 points (\footnotesize); bytes behind the first of a UTF-8 letter take nothing. */
static double letter_width(char c)
{
    if (((unsigned char)c & 0xc0) == 0x80) return 0;
    if (strchr("ijl.,:;'!|[] ", c)) return 2.9;
    if (strchr("frstI-()", c)) return 3.5;
    if (strchr("mwMW@%+=<>~", c)) return 7.8;
    return c >= 'A' && c <= 'Z' ? 6.2 : 4.7;
}

static double text_width(const char *text)
{
    double width = 0;
    for (; text && *text; text++) width += letter_width(*text);
    return width;
}

/* Of a text in a column of `width`: its widest line, its widest piece that no line ends in, its lines. */
static void measure(const char *text, double width, double *widest, double *piece, int *lines)
{
    double line = 0, current = 0;
    *widest = *piece = 0;
    *lines = 1;
    for (size_t i = 0; text && text[i]; i++) {
        current += letter_width(text[i]);
        bool must_break = tm_latex_must_break_behind(text, i);
        if (text[i + 1] && !must_break && !tm_latex_breaks_behind(text, i)) continue;
        if (line > 0 && line + current > width) {
            ++*lines;
            line = 0;
        }
        line += current;
        *widest = fmax(*widest, line);
        *piece = fmax(*piece, current);
        current = 0;
        if (must_break) {
            ++*lines;
            line = 0;
        }
    }
}

typedef struct sizes {
    double *whole;  /* [n_columns] of the widest cell in one line */
    double *widest; /* ... with the lines that must end */
    double *piece;  /* ... the widest that can be had */
} sizes;

static void measure_columns(const tm_table *t, sizes *s)
{
    for (int c = 0; c < t->n_columns; c++) {
        for (int r = -1; r < t->n_rows; r++) {
            if (r >= 0 && c >= t->rows[r].n_cells) continue;
            const char *text = r < 0 ? t->columns[c].heading : t->rows[r].cells[c].text;
            const double mark = r >= 0 && t->rows[r].cells[c].note >= 0 ? NOTE_MARK : 0;
            double widest, piece;
            int lines;
            measure(text, INFINITY, &widest, &piece, &lines);
            s->whole[c] = fmax(s->whole[c], text_width(text) + mark);
            s->widest[c] = fmax(s->widest[c], widest + mark);
            s->piece[c] = fmax(s->piece[c], piece + mark);
        }
    }
}

/* Columns of the part that begins at `begin`: as many as the room holds, at least one. */
static int part_end(const tm_table *t, const double *widths, int begin, int most, double room)
{
    int end = begin;
    for (double used = 0; end < t->n_columns && end - begin < most; end++) {
        used += widths[end] + (end > begin ? TM_LATEX_GAP : 0);
        if (end > begin && used > room) break;
    }
    return end;
}

static int count_parts(const tm_table *t, const double *widths, int n_keys, int most, double room)
{
    int n = 0;
    for (int begin = n_keys; begin < t->n_columns; n++)
        begin = part_end(t, widths, begin, most, room);
    return n;
}

/* What a part has left goes to the columns whose lines would break, by what they lack. */
static void widen(const sizes *s, double *widths, int begin, int end, double room)
{
    double lack = 0;
    for (int c = begin; c < end; c++) {
        room -= widths[c] + (c > begin ? TM_LATEX_GAP : 0);
        lack += s->widest[c] - widths[c];
    }
    if (room <= 0 || lack <= 0) return;
    for (int c = begin; c < end; c++)
        widths[c] += (s->widest[c] - widths[c]) * fmin(1, room / lack);
}

static double row_height(const tm_table *t, const tm_latex_layout *l, const tm_latex_part *part,
                         int row)
{
    const tm_table_row *r = &t->rows[row];
    double widest, piece;
    int most = 1, lines;
    bool has_group =
        r->group >= 0 && (row == part->row_begin || t->rows[row - 1].group != r->group);
    if (!l->is_wrapped) return SMALL_LINE * (has_group ? 2.5 : 1);
    for (int c = 0; c < r->n_cells; c++) {
        if (c >= l->n_keys && (c < part->column_begin || c >= part->column_end)) continue;
        measure(r->cells[c].text, l->widths[c], &widest, &piece, &lines);
        if (lines > most) most = lines;
    }
    if (!has_group) return WRAPPED_LINE * most;
    measure(t->groups[r->group], TM_LATEX_TEXT_WIDTH, &widest, &piece, &lines);
    return WRAPPED_LINE * (most + lines + 0.5);
}

static double notes_height(const tm_table *t)
{
    double widest, piece, height = 0;
    int lines;
    for (int i = 0; i < t->n_notes; i++) {
        measure(t->notes[i], TM_LATEX_TEXT_WIDTH - NOTE_MARK, &widest, &piece, &lines);
        height += WRAPPED_LINE * lines;
    }
    return height;
}

/* Cuts one range of columns between rows; the height of the last part into *height. */
static void cut_rows(const tm_table *t, tm_latex_layout *l, int column_begin, int column_end,
                     double *height)
{
    tm_latex_part part = {.column_begin = column_begin, .column_end = column_end};
    *height = 0;
    for (int row = 0; row < t->n_rows; row++) {
        double own = row_height(t, l, &part, row);
        if (*height > 0 && *height + own > PAGE) {
            part.row_end = row;
            l->parts[l->n_parts++] = part;
            part.row_begin = row;
            *height = 0;
            own = row_height(t, l, &part, row);
        }
        *height += own;
    }
    part.row_end = t->n_rows;
    l->parts[l->n_parts++] = part;
}

static void lay_out(const tm_table *t, sizes *s, tm_latex_layout *l)
{
    double natural = 0, keys = 0, height = 0;
    const int n = t->n_columns;
    measure_columns(t, s);
    for (int c = 0; c < n; c++) natural += s->whole[c] * SMALL_SCALE + (c ? 2 * TM_LATEX_GAP : 0);
    for (int i = 0; i < t->n_groups; i++)
        natural = fmax(natural, text_width(t->groups[i]) * SMALL_SCALE);
    l->n_keys = t->n_keys < n ? t->n_keys : n;
    if (natural <= TM_LATEX_TEXT_WIDTH) {
        cut_rows(t, l, l->n_keys, n, &height);
    } else {
        l->is_wrapped = true;
        for (int c = 0; c < n; c++) l->widths[c] = s->piece[c];
        /* A key takes some room to spare lines; one alone, two or three words. */
        for (int c = 0; c < l->n_keys; c++)
            l->widths[c] = fmin(s->widest[c], fmax(s->piece[c] * 1.15, l->n_keys == 1 ? 75 : 0));
        for (int c = 0; c < l->n_keys; c++) keys += l->widths[c] + TM_LATEX_GAP;
        const double room = TM_LATEX_TEXT_WIDTH - keys;
        /* As few parts as there can be, then even ones. */
        int n_parts = count_parts(t, l->widths, l->n_keys, n, room), most = n;
        if (n_parts > 1) {
            int even = (n - l->n_keys + n_parts - 1) / n_parts;
            if (count_parts(t, l->widths, l->n_keys, even, room) == n_parts) most = even;
        }
        for (int begin = l->n_keys, end; begin < n; begin = end) {
            end = part_end(t, l->widths, begin, most, room);
            widen(s, l->widths, begin, end, room);
            cut_rows(t, l, begin, end, &height);
        }
        if (!l->n_parts) cut_rows(t, l, n, n, &height);
    }
    l->has_notes_apart = height > 0 && height + notes_height(t) > PAGE;
}

tm_status tm_latex_layout_make(const tm_table *t, tm_latex_layout *out, tm_error *err)
{
    const size_t n = (size_t)t->n_columns + 1;
    *out = (tm_latex_layout){0};
    sizes s = {.whole = calloc(n, sizeof(double)),
               .widest = calloc(n, sizeof(double)),
               .piece = calloc(n, sizeof(double))};
    out->widths = calloc(n, sizeof *out->widths);
    /* A cut needs a column or a row behind it. */
    out->parts = calloc(n * ((size_t)t->n_rows + 1), sizeof *out->parts);
    tm_status status = TM_OK;
    if (s.whole && s.widest && s.piece && out->widths && out->parts)
        lay_out(t, &s, out);
    else
        status = tm_fail(err, TM_NOMEM, "table \"%s\": no memory for its layout", t->title);
    free(s.whole);
    free(s.widest);
    free(s.piece);
    return status;
}

void tm_latex_layout_free(tm_latex_layout *layout)
{
    free(layout->widths);
    free(layout->parts);
    *layout = (tm_latex_layout){0};
}
