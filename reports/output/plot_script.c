/* The gnuplot script of a plot. */
#include "reports/output/plot_layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    WIDTH = 1000,
    PLOT_HEIGHT = 490,
    ROWS_HEIGHT = 150,
    ROW_HEIGHT = 32,
    LINE_HEIGHT = 18,
    NOTE_COLUMNS = 145
};

/* gnuplot's point types: circle, square, triangle, diamond, inverted triangle. */
static const int filled[] = {7, 5, 9, 13, 11};
static const int hollow[] = {6, 4, 8, 12, 10};
static const int crosses[] = {1, 2, 3};
enum {
    N_MARKERS = sizeof filled / sizeof *filled,
    N_CROSSES = sizeof crosses / sizeof *crosses,
};

static void put_number(tm_text *out, double value)
{
    char number[64];
    tm_text_add(out, tm_number_short(value, 9, number, sizeof number));
}

/* A double-quoted gnuplot string; a newline becomes "\n". */
static void put_quoted(tm_text *out, const char *text)
{
    tm_text_add_char(out, '"');
    for (const char *c = text; *c; c++) {
        if (*c == '"' || *c == '\\' || *c == '`') tm_text_add_char(out, '\\');
        if (*c == '\n')
            tm_text_add(out, "\\n");
        else
            tm_text_add_char(out, (unsigned char)*c < 0x20 ? ' ' : *c);
    }
    tm_text_add_char(out, '"');
}

static void put_log_tics(tm_text *out, char axis, tm_plot_range r)
{
    double tics[TM_PLOT_TICS_MAX];
    const int n = tm_plot_log_tics(r, tics);
    tm_text_format(out, "set %ctics (", axis);
    for (int i = 0; i < n; i++) {
        char number[64];
        tm_number_short(tics[i], 4, number, sizeof number);
        tm_text_format(out, "%s\"%s\" %s", i ? ", " : "", number, number);
    }
    tm_text_add(out, ")\n");
}

/* The given tics of the x axis. Returns whether there is a second line of labels. */
static bool put_x_tics(const tm_plot *plot, tm_text *out)
{
    enum { MARGIN = 100, LETTER = 8 };
    tm_plot_placed_tic *tics = tm_plot_place_tics(plot, WIDTH - MARGIN, LETTER);
    bool has_second_line = false;
    if (!tics) {
        out->failed = true;
        return false;
    }
    tm_text_add(out, "set xtics (");
    for (int i = 0; i < plot->n_tics; i++) {
        char label[sizeof tics->tic->label + 2];
        has_second_line |= tics[i].line == 1;
        snprintf(label, sizeof label, "%s%s", tics[i].line == 1 ? "\n" : "",
                 tics[i].line >= 0 ? tics[i].tic->label : "");
        if (i) tm_text_add(out, ", ");
        put_quoted(out, label);
        tm_text_add_char(out, ' ');
        put_number(out, tics[i].tic->x);
    }
    tm_text_add(out, ")\n");
    free(tics);
    return has_second_line;
}

static void put_axis(const tm_plot *plot, tm_text *out, bool is_x)
{
    const char axis = is_x ? 'x' : 'y';
    const bool is_log = is_x ? plot->log_x : plot->log_y;
    tm_plot_range r = tm_plot_axis(plot, is_x);
    tm_text label = {0}, tics = {0};
    bool has_second_line = false;
    if (is_x && plot->n_tics) has_second_line = put_x_tics(plot, &tics);
    tm_text_format(out, "set %clabel ", axis);
    if (is_x) /* the empty line separates the label from the legend */
        tm_text_format(&label, "%s%s\n ", has_second_line ? "\n" : "", plot->x_label);
    else
        tm_text_add(&label, plot->y_label);
    put_quoted(out, tm_text_string(&label));
    tm_text_format(out, "\nset %crange [", axis);
    put_number(out, r.low);
    tm_text_add(out, ":");
    put_number(out, r.high);
    tm_text_add(out, "]\n");
    if (is_log) tm_text_format(out, "set logscale %c\n", axis);
    tm_text_add(out, tm_text_string(&tics));
    if (is_log && !(is_x && plot->n_tics)) put_log_tics(out, axis, r);
    out->failed |= label.failed || tics.failed;
    tm_text_free(&label);
    tm_text_free(&tics);
}

/* Solid: measured; dotted: published; dashed: predicted, or a limit; dash-dotted: fake. A step line
 * is always solid, because dashes would hide the steps. */
static void put_line(const tm_plot_series *s, tm_text *out)
{
    static const int dashes[] = {1, 3, 2, 4};
    tm_text_format(out, " lw %s dt %d", s->is_steps ? "1.2" : "2",
                   s->is_steps     ? 1
                   : s->marker < 0 ? 2
                                   : dashes[s->origin]);
}

static void put_marker(const tm_plot_series *s, tm_text *out)
{
    int type = s->origin == TM_MEASURED    ? filled[s->marker % N_MARKERS]
               : s->origin == TM_PUBLISHED ? hollow[s->marker % N_MARKERS]
                                           : crosses[s->marker % N_CROSSES];
    if (s->detail == TM_DETAIL_PARTS)
        tm_text_add(out, " pt 7 ps 0.5");
    else if (s->detail == TM_DETAIL_CROSS)
        tm_text_add(out, " pt 2 ps 2.2");
    else
        tm_text_format(out, " pt %d ps 1.4", type);
}

/* The x expression of a series: column 1, shifted where the plot spreads its series. */
static void put_x(const tm_plot *plot, int series, tm_plot_range r, tm_text *out)
{
    const double shift = tm_plot_shift(plot, series);
    char number[64];
    if (shift == 0)
        tm_text_add(out, "1");
    else if (plot->log_x)
        tm_text_format(out, "($1*%s)",
                       tm_number_short(pow(r.high / r.low, shift), 6, number, sizeof number));
    else
        tm_text_format(out, "($1+%s)",
                       tm_number_short((r.high - r.low) * shift, 6, number, sizeof number));
}

/* A legend is at most half as high as its plot: MAX_ROWS rows of as many columns as the longest
 * label allows in WIDTH. The series that do not fit are named in the data file only. */
typedef struct plot_legend {
    int n_series; /* with points and a label */
    int n_named;
    int n_rows;
} plot_legend;

static plot_legend legend_of(const tm_plot *plot)
{
    enum { MAX_ROWS = PLOT_HEIGHT / 2 / LINE_HEIGHT };
    plot_legend l = {0};
    int longest = 0;
    for (int i = 0; i < plot->n_series; i++) {
        char text[192];
        if (!tm_plot_is_in_legend(plot, i)) continue;
        l.n_series++;
        int n = tm_text_columns(tm_plot_legend_text(&plot->series[i], text));
        if (n > longest) longest = n;
    }
    int columns = longest <= 34 ? 3 : longest <= 56 ? 2 : 1;
    l.n_rows = (l.n_series + columns - 1) / columns;
    if (l.n_rows > MAX_ROWS) l.n_rows = MAX_ROWS;
    l.n_named = l.n_series < l.n_rows * columns ? l.n_series : l.n_rows * columns;
    return l;
}

/* Arrows at the axis where intervals were cut off: `column` of the data is beyond the axis. */
static void put_arrows(const tm_plot *plot, int series, tm_plot_range x, int column,
                       const char *colour, tm_text *out)
{
    const tm_plot_range limit = tm_plot_interval_limit(plot), y = tm_plot_axis(plot, false);
    const double at = column == 4 ? limit.high : limit.low, end = column == 4 ? y.high : y.low;
    bool is_cut = false;
    for (int k = 0; k < plot->series[series].n_points; k++) {
        const tm_plot_point *p = &plot->series[series].points[k];
        is_cut |= isfinite(p->value) && (column == 4 ? p->high > end : p->low < end);
    }
    if (!is_cut) return;
    tm_text_format(out, "    \"%s.dat\" index %d using ", plot->stem, series);
    put_x(plot, series, x, out);
    tm_text_format(out, ":($%d%s", column, column == 4 ? ">" : "<");
    put_number(out, end);
    tm_text_add(out, "?");
    put_number(out, at);
    tm_text_add(out, ":NaN):(0):(");
    put_number(out, end - at);
    tm_text_format(out, ") with vectors head filled lt rgb \"%s\" lw 2 notitle, \\\n", colour);
}

static void put_plot(const tm_plot *plot, const plot_legend *legend, tm_text *out)
{
    const tm_plot_range x = tm_plot_axis(plot, true);
    bool is_first = true;
    int n_named = 0;
    tm_text_add(out, "plot \\\n");
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        const char *colour = tm_plot_colour(
            s->detail == TM_DETAIL_PARTS || s->detail == TM_DETAIL_CROSS ? TM_HUE_BLACK
                                                                         : s->colour);
        char label[192];
        /* A series without points stays in the data file only: its legend entry would show
         * nothing. */
        if (!tm_plot_has_points(s)) continue;
        if (!is_first) tm_text_add(out, ", \\\n");
        is_first = false;
        if (tm_plot_has_intervals(s) && s->marker >= 0) {
            tm_text_format(out, "    \"%s.dat\" index %d using ", plot->stem, i);
            put_x(plot, i, x, out);
            tm_text_format(out, ":2:3:4 with yerrorbars lt rgb \"%s\" lw 2 pt 0 notitle, \\\n",
                           colour);
            put_arrows(plot, i, x, 3, colour, out);
            put_arrows(plot, i, x, 4, colour, out);
        }
        tm_text_format(out, "    \"%s.dat\" index %d using ", plot->stem, i);
        put_x(plot, i, x, out);
        tm_text_format(out, ":2 with %s lt rgb \"%s\"",
                       s->is_steps     ? "fsteps"
                       : s->marker < 0 ? "lines"
                       : s->is_joined  ? "linespoints"
                                       : "points",
                       colour);
        if (s->marker < 0 || s->is_joined)
            put_line(s, out);
        else
            tm_text_add(out, " lw 2");
        if (s->marker >= 0) put_marker(s, out);
        if (!tm_plot_is_in_legend(plot, i) || n_named++ >= legend->n_named) {
            tm_text_add(out, " notitle");
            continue;
        }
        tm_text_add(out, " title ");
        put_quoted(out, tm_plot_legend_text(s, label));
    }
    tm_text_add_char(out, '\n');
}

/* Shaded ranges lie behind the series; the label is at the bottom, where no power trace runs. */
static void put_shades(const tm_plot *plot, tm_text *out)
{
    for (int i = 0; i < plot->n_shades; i++) {
        const tm_plot_shade *s = &plot->shades[i];
        char begin[64], end[64], middle[64];
        tm_text_format(out,
                       "set object %d rectangle from %s, graph 0 to %s, graph 1 behind "
                       "fillcolor rgb \"%s\" fillstyle solid 0.15 noborder\n",
                       i + 1, tm_number_short(s->begin, 9, begin, sizeof begin),
                       tm_number_short(s->end, 9, end, sizeof end), tm_plot_colour(s->colour));
        tm_text_format(out, "set label %d ", i + 2);
        put_quoted(out, s->label);
        tm_text_format(out, " at %s, graph 0.03 left rotate by 90 font \",9\" front\n",
                       tm_number_short((s->begin + s->end) / 2, 9, middle, sizeof middle));
    }
}

/* A forest plot: the rows from top to bottom, a vertical line at 1, where nothing differs. */
static void put_rows(const tm_plot *plot, tm_text *out)
{
    const tm_plot_range r = tm_plot_rows_axis(plot);
    tm_text_add(out, "set xlabel ");
    put_quoted(out, plot->y_label);
    tm_text_add(out, "\nset xrange [");
    put_number(out, r.low);
    tm_text_add(out, ":");
    put_number(out, r.high);
    tm_text_format(out, "]\nset logscale x\nset yrange [%d.5:-0.5]\n", -plot->n_tics);
    put_log_tics(out, 'x', r);
    tm_text_add(out, "set ytics (");
    for (int i = 0; i < plot->n_tics; i++) {
        if (i) tm_text_add(out, ", ");
        put_quoted(out, plot->tics[i].label);
        tm_text_format(out, " %d", -i - 1);
    }
    tm_text_format(out,
                   ")\nset arrow 1 from 1, graph 0 to 1, graph 1 nohead dt 2 lw 1.5 lc rgb \"%s\"\n"
                   "plot \"%s.dat\" index 0 using 2:(-$1):3:4 with xerrorbars lt rgb \"%s\" lw 2 "
                   "pt 0 notitle, \\\n    \"%s.dat\" index 0 using 2:(-$1) with points lt rgb "
                   "\"%s\" pt 7 ps 1.4 notitle\n",
                   tm_plot_colour(TM_HUE_BLACK), plot->stem, tm_plot_colour(TM_HUE_TERNARY),
                   plot->stem, tm_plot_colour(TM_HUE_TERNARY));
}

/* Wraps the note between words into `lines`. Returns the number of lines. */
static int break_note(const char *note, tm_text *lines)
{
    int n_lines = 0, column = 0;
    for (const char *word = note + strspn(note, " "); *word; word += strspn(word, " ")) {
        int n = (int)strcspn(word, " ");
        if (n_lines == 0 || column + 1 + n > NOTE_COLUMNS) {
            if (n_lines++) tm_text_add_char(lines, '\n');
            column = 0;
        } else {
            tm_text_add_char(lines, ' ');
            column++;
        }
        tm_text_format(lines, "%.*s", n, word);
        column += n;
        word += n;
    }
    return n_lines;
}

void tm_plot_put_script(const tm_plot *plot, tm_text *out)
{
    const char *stem = plot->stem;
    tm_text whole = {0}, note = {0};
    const plot_legend legend = legend_of(plot);
    tm_plot_put_note(plot, &whole);
    if (legend.n_named < legend.n_series)
        tm_text_format(&whole, " The legend names %d of %d series; %s.dat names all.",
                       legend.n_named, legend.n_series, stem);
    if (!plot->is_rows && tm_plot_has_clipped(plot))
        tm_text_add(&whole, " An arrow: the interval goes on beyond the axis.");
    const int n_note = break_note(tm_text_string(&whole), &note);
    const int inner = plot->is_rows ? ROWS_HEIGHT + ROW_HEIGHT * plot->n_tics : PLOT_HEIGHT;
    const int height = inner + LINE_HEIGHT * (n_note + legend.n_rows);
    tm_text_format(
        out,
        "# `gnuplot %s.gp` in this directory draws %s.png, %s.svg and, where gnuplot has "
        "pdfcairo, %s.pdf from %s.dat.\n"
        "picture = exists(\"draw_as\") ? draw_as : \"%s\"\n"
        "set encoding utf8\n"
        "if (strstrt(GPVAL_TERMINALS, \"pngcairo\") > 0) {\n"
        "    set terminal pngcairo size %d,%d font \"DejaVu Sans,11\" noenhanced\n"
        "} else {\n"
        "    set terminal png size %d,%d font \"DejaVu Sans,11\" noenhanced\n"
        "}\n"
        "set output picture.\".png\"\n"
        "set datafile missing \"?\"\n"
        "set grid lt 1 lc rgb \"#cccccc\" lw 0.5\n"
        "set border 3 lc rgb \"#555555\"\n"
        "set tics nomirror\n"
        "set key below left Left reverse vertical maxrows %d samplen 3 width 1\n"
        "set tmargin %d\n"
        "set rmargin 4\n",
        stem, stem, stem, stem, stem, stem, WIDTH, height, WIDTH, height, legend.n_rows,
        n_note + 3);
    tm_text_add(out, "set title ");
    put_quoted(out, plot->title);
    tm_text_format(out, " font \",13\" offset 0,%d\n", n_note);
    if (n_note) {
        tm_text_add(out, "set label 1 ");
        put_quoted(out, tm_text_string(&note));
        tm_text_format(out,
                       " at %s, graph 1 left offset 0,%d font \",9\" "
                       "textcolor rgb \"#444444\"\n",
                       plot->is_rows ? "screen 0.02" : "graph 0", n_note);
    }
    if (plot->is_rows) {
        put_rows(plot, out);
    } else {
        put_axis(plot, out, true);
        put_axis(plot, out, false);
        put_shades(plot, out);
        put_plot(plot, &legend, out);
    }
    tm_text_format(out,
                   "set terminal svg size %d,%d dynamic font \"DejaVu Sans,14\" noenhanced "
                   "background \"#ffffff\"\n"
                   "set output picture.\".svg\"\n"
                   "replot\n"
                   "unset output\n"
                   "if (strstrt(GPVAL_TERMINALS, \"pdfcairo\") > 0) {\n"
                   "    set terminal pdfcairo size %.2fin,%.2fin fontscale 1 font \"DejaVu "
                   "Sans,11\" noenhanced\n"
                   "    set output picture.\".pdf\"\n"
                   "    replot\n"
                   "    unset output\n"
                   "}\n",
                   WIDTH, height, WIDTH / 72.0, height / 72.0);
    if (whole.failed || note.failed) out->failed = true;
    tm_text_free(&whole);
    tm_text_free(&note);
}
