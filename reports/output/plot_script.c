/* The gnuplot script of a plot: chooses colours, markers, axis ranges and tics. */
#include "reports/output/plot.h"

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

/* Okabe and Ito 2008, without yellow, which is hard to see on white; each hue also half-way to
 * white and to black. */
static const char *const palette[] = {
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", /* as published */
    "#7FB8D8", "#EAAE7F", "#7FCEB9", "#E5BCD3", "#F2CF7F", "#AAD9F4", "#888888", /* lighter */
    "#003959", "#6A2F00", "#004F39", "#663C53", "#734F00", "#2B5A74", "#444444", /* darker */
};
/* gnuplot's point types: circle, square, triangle, diamond, inverted triangle. */
static const int filled[] = {7, 5, 9, 13, 11};
static const int hollow[] = {6, 4, 8, 12, 10};
static const int crosses[] = {1, 2, 3};
enum {
    N_MARKERS = sizeof filled / sizeof *filled,
    N_CROSSES = sizeof crosses / sizeof *crosses,
};

_Static_assert(sizeof palette / sizeof *palette == TM_COLOURS, "one colour per index");

static const char *colour_of(int colour)
{
    return palette[(unsigned)colour % TM_COLOURS];
}

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

typedef struct range {
    double low, high;
} range;

static void widen(range *r, double value)
{
    if (!isfinite(value)) return;
    if (!(value >= r->low)) r->low = value;
    if (!(value <= r->high)) r->high = value;
}

/* Intervals end here on the y axis: one that reaches far beyond all values would squeeze them. Its
 * rest is an arrow. */
static range interval_range(const tm_plot *plot)
{
    range r = {NAN, NAN};
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++)
            widen(&r, plot->series[i].points[k].value);
    if (plot->log_y) return (range){r.low / 3, r.high * 3};
    double air = fmax(r.high, 0) - fmin(r.low, 0);
    return (range){r.low - air, r.high + air};
}

/* The range of an axis: all points and intervals with a margin, also around a single point. */
static range axis_range(const tm_plot *plot, bool is_x)
{
    range r = {NAN, NAN};
    const bool is_log = is_x ? plot->log_x : plot->log_y;
    const range limit = interval_range(plot);
    for (int i = 0; i < plot->n_series; i++) {
        for (int k = 0; k < plot->series[i].n_points; k++) {
            const tm_plot_point *p = &plot->series[i].points[k];
            if (!isfinite(p->value)) continue;
            if (is_x) {
                widen(&r, p->x);
                continue;
            }
            widen(&r, p->value);
            if (isfinite(p->low)) widen(&r, fmax(p->low, limit.low));
            if (isfinite(p->high)) widen(&r, fmin(p->high, limit.high));
        }
    }
    if (is_log) {
        double air = pow(r.high / r.low, 0.06);
        if (air < 1.25) air = 1.25;
        return (range){r.low / air, r.high * air};
    }
    if (is_x) {
        double air = (r.high - r.low) * 0.08;
        if (air <= 0.0) air = r.high != 0.0 ? fabs(r.high) * 0.5 : 1.0;
        return (range){r.low - air, r.high + air};
    }
    /* A linear axis that does not start at 0 exaggerates differences. */
    if (r.low > 0.0) r.low = 0.0;
    if (r.high < 0.0) r.high = 0.0;
    return (range){r.low * 1.08, r.high > 0.0 ? r.high * 1.08 : 1.0};
}

/* Whether an interval goes on beyond the axis. */
static bool has_clipped(const tm_plot *plot)
{
    const range y = axis_range(plot, false);
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++) {
            const tm_plot_point *p = &plot->series[i].points[k];
            if (isfinite(p->value) && (p->high > y.high || p->low < y.low)) return true;
        }
    return false;
}

static void put_tic(tm_text *out, double at, bool is_first)
{
    char number[64];
    tm_number_short(at, 4, number, sizeof number);
    tm_text_format(out, "%s\"%s\" %s", is_first ? "" : ", ", number, number);
}

/* Tics of a logarithmic axis: decades, or 1, 2, 5 in each, or even steps on an axis below 0.8
 * decades, where gnuplot would place none. */
static void put_log_tics(tm_text *out, char axis, range r)
{
    static const double in_decade[] = {1.0, 2.0, 5.0};
    const double decades = log10(r.high / r.low);
    bool is_first = true;
    tm_text_format(out, "set %ctics (", axis);
    if (decades < 0.8) {
        double step = pow(10.0, floor(log10((r.high - r.low) / 4.0)));
        if ((r.high - r.low) / step > 20.0) step *= 5.0;
        if ((r.high - r.low) / step > 8.0) step *= 2.0;
        for (double i = ceil(r.low / step); i * step <= r.high; i++, is_first = false)
            put_tic(out, i * step, is_first);
    } else {
        for (int e = (int)floor(log10(r.low)); e <= (int)ceil(log10(r.high)); e++) {
            for (int i = 0; i < (decades > 4.0 ? 1 : 3); i++) {
                double at = in_decade[i] * pow(10.0, e);
                if (at < r.low || at > r.high) continue;
                put_tic(out, at, is_first);
                is_first = false;
            }
        }
    }
    tm_text_add(out, ")\n");
}

static int by_x(const void *a, const void *b)
{
    const tm_plot_tic *x = a, *y = b;
    return (x->x > y->x) - (x->x < y->x);
}

/* The given tics of the x axis. A label that would touch the one to its left goes to a second line;
 * one that would touch there as well is left out. Returns whether there is a second line. */
static bool put_x_tics(const tm_plot *plot, range r, tm_text *out)
{
    enum { MARGIN = 100, LETTER = 8, GAP = 10, LINES = 2 };
    double ends[LINES] = {-INFINITY, -INFINITY};
    tm_plot_tic *tics = malloc((size_t)plot->n_tics * sizeof *tics);
    if (!tics) {
        out->failed = true;
        return false;
    }
    memcpy(tics, plot->tics, (size_t)plot->n_tics * sizeof *tics);
    qsort(tics, (size_t)plot->n_tics, sizeof *tics, by_x);
    tm_text_add(out, "set xtics (");
    for (int i = 0; i < plot->n_tics; i++) {
        const double share = plot->log_x ? log(tics[i].x / r.low) / log(r.high / r.low)
                                         : (tics[i].x - r.low) / (r.high - r.low);
        const double half = tm_text_columns(tics[i].label) * LETTER / 2.0;
        const double at = share * (WIDTH - MARGIN);
        char label[sizeof tics->label + 2];
        int line = 0;
        while (line < LINES && at - half < ends[line] + GAP) line++;
        if (line < LINES) ends[line] = at + half;
        snprintf(label, sizeof label, "%s%s", line == 1 ? "\n" : "",
                 line < LINES ? tics[i].label : "");
        if (i) tm_text_add(out, ", ");
        put_quoted(out, label);
        tm_text_add_char(out, ' ');
        put_number(out, tics[i].x);
    }
    tm_text_add(out, ")\n");
    free(tics);
    return isfinite(ends[1]);
}

static void put_axis(const tm_plot *plot, tm_text *out, bool is_x)
{
    const char axis = is_x ? 'x' : 'y';
    const bool is_log = is_x ? plot->log_x : plot->log_y;
    range r = axis_range(plot, is_x);
    tm_text label = {0}, tics = {0};
    bool has_second_line = false;
    if (is_x && plot->n_tics) has_second_line = put_x_tics(plot, r, &tics);
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

static bool has_points(const tm_plot_series *s)
{
    for (int i = 0; i < s->n_points; i++)
        if (isfinite(s->points[i].value)) return true;
    return false;
}

static bool has_intervals(const tm_plot_series *s)
{
    for (int i = 0; i < s->n_points; i++)
        if (isfinite(s->points[i].value) && isfinite(s->points[i].low)) return true;
    return false;
}

/* Whether a series is shifted sideways, away from the others. */
static bool takes_place(const tm_plot_series *s)
{
    return s->origin == TM_MEASURED && s->marker >= 0 && !s->detail && has_points(s);
}

/* The x expression of a series: column 1, shifted for the measured series of a plot that spreads
 * them. All shifts together take at most 6 % of the axis. */
static void put_x(const tm_plot *plot, int series, range r, tm_text *out)
{
    char number[64];
    int n = 0, own = 0;
    while (series > 0 && plot->series[series].detail) series--;
    for (int i = 0; i < plot->n_series; i++) {
        if (i == series) own = n;
        n += takes_place(&plot->series[i]);
    }
    double step = n > 5 ? 0.06 / n : 0.012, shift = step * (own - (n - 1) / 2.0);
    if (!plot->is_spread || !takes_place(&plot->series[series]))
        tm_text_add(out, "1");
    else if (plot->log_x)
        tm_text_format(out, "($1*%s)",
                       tm_number_short(pow(r.high / r.low, shift), 6, number, sizeof number));
    else
        tm_text_format(out, "($1+%s)",
                       tm_number_short((r.high - r.low) * shift, 6, number, sizeof number));
}

/* Whether the legend names a series: one with points and a label, and one kind of crosses once. */
static bool is_in_legend(const tm_plot *plot, int series)
{
    const tm_plot_series *s = &plot->series[series];
    if (!has_points(s) || !s->label[0] || s->detail == TM_DETAIL_PARTS ||
        s->detail == TM_DETAIL_LIMIT || s->detail == TM_DETAIL_ALSO)
        return false;
    for (int i = 0; i < series && s->detail; i++)
        if (plot->series[i].detail == s->detail && strcmp(plot->series[i].label, s->label) == 0)
            return false;
    return true;
}

/* The text of a series in the legend. "measured" is left to the note. */
static char *legend_text(const tm_plot_series *s, char text[192])
{
    const bool is_plain = s->origin == TM_MEASURED || s->detail;
    snprintf(text, 192, "%s%s%s", is_plain ? "" : tm_origin_name(s->origin), is_plain ? "" : ": ",
             s->label);
    return text;
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
        if (!is_in_legend(plot, i)) continue;
        l.n_series++;
        int n = tm_text_columns(legend_text(&plot->series[i], text));
        if (n > longest) longest = n;
    }
    int columns = longest <= 34 ? 3 : longest <= 56 ? 2 : 1;
    l.n_rows = (l.n_series + columns - 1) / columns;
    if (l.n_rows > MAX_ROWS) l.n_rows = MAX_ROWS;
    l.n_named = l.n_series < l.n_rows * columns ? l.n_series : l.n_rows * columns;
    return l;
}

/* Arrows at the axis where intervals were cut off: `column` of the data is beyond the axis. */
static void put_arrows(const tm_plot *plot, int series, range x, int column, const char *colour,
                       tm_text *out)
{
    const range limit = interval_range(plot), y = axis_range(plot, false);
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
    const range x = axis_range(plot, true);
    bool is_first = true;
    int n_named = 0;
    tm_text_add(out, "plot \\\n");
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        const char *colour =
            colour_of(s->detail == TM_DETAIL_PARTS || s->detail == TM_DETAIL_CROSS ? TM_HUE_BLACK
                                                                                   : s->colour);
        char label[192];
        /* A series without points stays in the data file only: its legend entry would show
         * nothing. */
        if (!has_points(s)) continue;
        if (!is_first) tm_text_add(out, ", \\\n");
        is_first = false;
        if (has_intervals(s) && s->marker >= 0) {
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
        if (!is_in_legend(plot, i) || n_named++ >= legend->n_named) {
            tm_text_add(out, " notitle");
            continue;
        }
        tm_text_add(out, " title ");
        put_quoted(out, legend_text(s, label));
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
                       tm_number_short(s->end, 9, end, sizeof end), colour_of(s->colour));
        tm_text_format(out, "set label %d ", i + 2);
        put_quoted(out, s->label);
        tm_text_format(out, " at %s, graph 0.03 left rotate by 90 font \",9\" front\n",
                       tm_number_short((s->begin + s->end) / 2, 9, middle, sizeof middle));
    }
}

/* A forest plot: the rows from top to bottom, a vertical line at 1, where nothing differs. */
static void put_rows(const tm_plot *plot, tm_text *out)
{
    range r = {1, 1};
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++) {
            const tm_plot_point *p = &plot->series[i].points[k];
            widen(&r, p->value);
            widen(&r, fmax(p->low, p->value / 3));
            widen(&r, fmin(p->high, p->value * 3));
        }
    const double air = fmax(pow(r.high / r.low, 0.06), 1.01);
    r = (range){r.low / air, r.high * air};
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
                   colour_of(TM_HUE_BLACK), plot->stem, colour_of(TM_HUE_TERNARY), plot->stem,
                   colour_of(TM_HUE_TERNARY));
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

/* Says of which series the legend states no origin. */
static void put_origins(const tm_plot *plot, tm_text *out)
{
    bool has_measured = false, has_other = false;
    for (int i = 0; i < plot->n_series; i++) {
        if (!has_points(&plot->series[i])) continue;
        has_measured |= plot->series[i].origin == TM_MEASURED;
        has_other |= plot->series[i].origin != TM_MEASURED;
    }
    if (has_measured)
        tm_text_add(out, has_other ? " Series without an origin in the legend are measured."
                                   : " All values are measured.");
}

void tm_plot_put_script(const tm_plot *plot, tm_text *out)
{
    const char *stem = plot->stem;
    tm_text whole = {0}, note = {0};
    const plot_legend legend = legend_of(plot);
    tm_text_add(&whole, plot->note);
    put_origins(plot, &whole);
    if (legend.n_named < legend.n_series)
        tm_text_format(&whole, " The legend names %d of %d series; %s.dat names all.",
                       legend.n_named, legend.n_series, stem);
    if (!plot->is_rows && has_clipped(plot))
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
