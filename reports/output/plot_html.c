/* A plot as a <figure> of a page: an inline SVG, legend, note and a table of the values. Colours
 * are classes, which page.css defines for light and dark. */
#include "reports/output/plot_layout.h"
#include "reports/output/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Pixels of a plot 600 wide; the page scales it. ROW: of a row of a forest plot, label and bar. */
enum { WIDTH = 600, HEIGHT = 350, ROW = 44, LETTER = 7 };
enum { LEFT = 62, RIGHT = 14, TOP = 12, BOTTOM = 58 };

typedef struct frame {
    const tm_plot *plot;
    tm_plot_range x, y;
    int left, bottom; /* where the axes meet */
    bool log_x;
    tm_text *out;
} frame;

/* A coordinate, to a tenth of a pixel. */
static void put_at(tm_text *out, double at)
{
    char number[64];
    tm_text_add(out,
                tm_number_short(isfinite(at) ? round(at * 10) / 10 : 0, 5, number, sizeof number));
}

static void put_pair(tm_text *out, double x, double y)
{
    put_at(out, x);
    tm_text_add_char(out, ' ');
    put_at(out, y);
}

static double x_of(const frame *f, double value)
{
    return f->left + (WIDTH - f->left - RIGHT) * tm_plot_share(f->x, f->log_x, value);
}

static double y_of(const frame *f, double value)
{
    const double share = tm_plot_share(f->y, f->plot->log_y, value);
    return f->bottom - (f->bottom - TOP) * fmin(fmax(share, 0), 1);
}

typedef struct place {
    double x, y;
} place;

/* A point of a series, which may be shifted away from the others. */
static place place_of(const frame *f, int series, const tm_plot_point *p)
{
    if (f->plot->is_rows) return (place){x_of(f, p->value), TOP + ROW * (p->x - 1) + 28};
    const double shift = tm_plot_shift(f->plot, series);
    return (place){x_of(f, p->x) + (WIDTH - f->left - RIGHT) * shift, y_of(f, p->value)};
}

static void put_text(const frame *f, const char *attributes, double x, double y, const char *text)
{
    tm_text_format(f->out, "<text %s x=\"", attributes);
    put_at(f->out, x);
    tm_text_add(f->out, "\" y=\"");
    put_at(f->out, y);
    tm_text_add(f->out, "\">");
    tm_html_escape(text, f->out);
    tm_text_add(f->out, "</text>\n");
}

static void put_line(const frame *f, const char *class, double x1, double y1, double x2, double y2)
{
    tm_text_format(f->out, "<path class=\"%s\" d=\"M", class);
    put_pair(f->out, x1, y1);
    tm_text_add_char(f->out, 'L');
    put_pair(f->out, x2, y2);
    tm_text_add(f->out, "\"/>\n");
}

/* Even tics of a linear axis: at most 8, a step of 1, 2 or 5 times a power of 10. */
static int linear_tics(tm_plot_range r, double out[TM_PLOT_TICS_MAX])
{
    double step = pow(10.0, floor(log10((r.high - r.low) / 4.0)));
    int n = 0;
    if ((r.high - r.low) / step > 16.0)
        step *= 5.0;
    else if ((r.high - r.low) / step > 8.0)
        step *= 2.0;
    for (double i = ceil(r.low / step); i * step <= r.high && n < TM_PLOT_TICS_MAX; i++)
        out[n++] = i * step;
    return n;
}

static void put_y_axis(const frame *f)
{
    double tics[TM_PLOT_TICS_MAX];
    const int n = f->plot->log_y ? tm_plot_log_tics(f->y, tics) : linear_tics(f->y, tics);
    /* Labels need 14 pixels each. */
    const int every = 1 + n * 14 / (f->bottom - TOP);
    for (int i = 0; i < n; i += every) {
        char number[64];
        const double y = y_of(f, tics[i]);
        put_line(f, "grid", f->left, y, WIDTH - RIGHT, y);
        put_text(f, "class=\"tic\" text-anchor=\"end\"", f->left - 6, y + 4,
                 tm_number_short(tics[i], 4, number, sizeof number));
    }
    tm_text_format(f->out,
                   "<text class=\"label\" text-anchor=\"middle\" transform=\"translate(13 "
                   "%d) rotate(-90)\">",
                   (TOP + f->bottom) / 2);
    tm_html_escape(f->plot->y_label, f->out);
    tm_text_add(f->out, "</text>\n");
}

static void put_x_tic(const frame *f, double x, int line, const char *label)
{
    put_line(f, "grid", x, TOP, x, f->bottom);
    if (line >= 0)
        put_text(f, "class=\"tic\" text-anchor=\"middle\"", x, f->bottom + 16 + 14 * line, label);
}

static void put_x_axis(const frame *f)
{
    const int width = WIDTH - f->left - RIGHT;
    if (f->plot->n_tics && !f->plot->is_rows) {
        tm_plot_placed_tic *tics = tm_plot_place_tics(f->plot, width, LETTER);
        f->out->failed |= !tics;
        for (int i = 0; tics && i < f->plot->n_tics; i++)
            put_x_tic(f, f->left + width * tics[i].share, tics[i].line, tics[i].tic->label);
        free(tics);
    } else {
        double tics[TM_PLOT_TICS_MAX];
        const int n = f->log_x ? tm_plot_log_tics(f->x, tics) : linear_tics(f->x, tics);
        const int every = 1 + n * 45 / width;
        for (int i = 0; i < n; i += every) {
            char number[64];
            put_x_tic(f, x_of(f, tics[i]), 0, tm_number_short(tics[i], 4, number, sizeof number));
        }
    }
    put_text(f, "class=\"label\" text-anchor=\"middle\"", f->left + width / 2.0, f->bottom + 48,
             f->plot->is_rows ? f->plot->y_label : f->plot->x_label);
    put_line(f, "axis", f->left, f->bottom, WIDTH - RIGHT, f->bottom);
    if (!f->plot->is_rows) put_line(f, "axis", f->left, TOP, f->left, f->bottom);
}

static void put_shades(const frame *f)
{
    for (int i = 0; i < f->plot->n_shades; i++) {
        const tm_plot_shade *s = &f->plot->shades[i];
        const double x = x_of(f, s->begin), width = x_of(f, s->end) - x;
        tm_text_format(f->out, "<rect class=\"shade c%d\" x=\"",
                       (int)((unsigned)s->colour % TM_COLOURS));
        put_at(f->out, x);
        tm_text_format(f->out, "\" y=\"%d\" width=\"", TOP);
        put_at(f->out, fmax(width, 0));
        tm_text_format(f->out, "\" height=\"%d\"/>\n<text class=\"tic\" transform=\"translate(",
                       f->bottom - TOP);
        put_pair(f->out, x + width / 2 + 4, f->bottom - 6);
        tm_text_add(f->out, ") rotate(-90)\">");
        tm_html_escape(s->label, f->out);
        tm_text_add(f->out, "</text>\n");
    }
}

/* Solid: measured; dotted: published; dashed: predicted, or a limit; dash-dotted: fake. A step line
 * is always solid. */
static const char *dash_of(const tm_plot_series *s)
{
    static const char *const dashes[] = {"", " dotted", " dashed", " dashdot"};
    return s->is_steps ? " thin" : s->marker < 0 ? " dashed" : dashes[s->origin];
}

static int class_of(const tm_plot_series *s)
{
    const bool is_black = s->detail == TM_DETAIL_PARTS || s->detail == TM_DETAIL_CROSS;
    return is_black ? TM_HUE_BLACK : (int)((unsigned)s->colour % TM_COLOURS);
}

static void put_path(const frame *f, int series)
{
    const tm_plot_series *s = &f->plot->series[series];
    bool is_open = false;
    tm_text_format(f->out, "<path class=\"line c%d%s\" d=\"", class_of(s), dash_of(s));
    for (int i = 0; i < s->n_points; i++) {
        const tm_plot_point *p = &s->points[i];
        if (!isfinite(p->value)) {
            is_open = false;
            continue;
        }
        const place at = place_of(f, series, p);
        if (is_open && s->is_steps) {
            tm_text_add_char(f->out, 'V');
            put_at(f->out, at.y);
            tm_text_add_char(f->out, 'H');
            put_at(f->out, at.x);
        } else {
            tm_text_add_char(f->out, is_open ? 'L' : 'M');
            put_pair(f->out, at.x, at.y);
        }
        is_open = true;
    }
    tm_text_add(f->out, "\"/>\n");
}

/* One end of a bar: a cap, or an arrow where the interval goes on beyond the axis. towards: -1 to
 * the left or up, 1 to the right or down. */
static void put_end(tm_text *out, place at, bool is_row, int towards, bool is_cut)
{
    const double back = is_cut ? 6.0 * -towards : 0;
    tm_text_add_char(out, 'M');
    put_pair(out, at.x + (is_row ? back : -3), at.y + (is_row ? -3 : back));
    for (int i = 0; i < 2; i++) {
        const double along = i ? back : -back;
        tm_text_add_char(out, 'l');
        put_pair(out, is_row ? along : 3, is_row ? 3 : along);
    }
}

/* The bar of an interval. */
static void put_bar(const frame *f, int series, const tm_plot_point *p)
{
    const bool is_row = f->plot->is_rows;
    const tm_plot_range axis = is_row ? f->x : f->y;
    const bool is_above = p->high > axis.high, is_below = p->low < axis.low;
    tm_plot_point end = *p;
    end.value = is_above ? axis.high : p->high;
    const place high = place_of(f, series, &end);
    end.value = is_below ? axis.low : p->low;
    const place low = place_of(f, series, &end);
    tm_text_format(f->out, "<path class=\"bar c%d\" d=\"M", class_of(&f->plot->series[series]));
    put_pair(f->out, low.x, low.y);
    tm_text_add_char(f->out, 'L');
    put_pair(f->out, high.x, high.y);
    put_end(f->out, high, is_row, is_row ? 1 : -1, is_above);
    put_end(f->out, low, is_row, is_row ? -1 : 1, is_below);
    tm_text_add(f->out, "\"/>\n");
}

/* Around the place of the point. */
static const char *marker_path(const tm_plot_series *s)
{
    static const char *const shapes[] = {
        "m-5 0a5 5 0 1 0 10 0a5 5 0 1 0 -10 0z", /* circle */
        "m-4.5 -4.5h9v9h-9z",                    /* square */
        "m0 -6l5.5 10h-11z",                     /* triangle */
        "m0 -6l5.5 6l-5.5 6l-5.5 -6z",           /* diamond */
        "m0 6l5.5 -10h-11z",                     /* inverted triangle */
    };
    static const char *const crosses[] = {"m-5 0h10m-5 -5v10", "m-4.5 -4.5l9 9m0 -9l-9 9",
                                          "m-5 0h10m-5 -5v10m-4 -9l8 8m0 -8l-8 8"};
    if (s->detail == TM_DETAIL_PARTS) return "m-2 0a2 2 0 1 0 4 0a2 2 0 1 0 -4 0z";
    if (s->detail == TM_DETAIL_CROSS) return "m-7 -7l14 14m0 -14l-14 14";
    return s->origin == TM_MEASURED || s->origin == TM_PUBLISHED ? shapes[s->marker % 5]
                                                                 : crosses[s->marker % 3];
}

static const char *fill_of(const tm_plot_series *s)
{
    return s->origin == TM_PUBLISHED ? " hollow" : "";
}

/* The name of an axis without its scale ("tokens/s (logarithmic)"), and without its unit if the
 * values have labels. */
static void axis_name(const char *label, bool has_unit, char out[96])
{
    static const char *const scales[] = {" (logarithmic)", ", logarithmic", "; logarithmic"};
    snprintf(out, 96, "%s", label);
    for (size_t i = 0; i < sizeof scales / sizeof *scales; i++) {
        char *at = strstr(out, scales[i]);
        if (at) memmove(at, at + strlen(scales[i]), strlen(at + strlen(scales[i])) + 1);
    }
    if (!has_unit) out[strcspn(out, ",(")] = '\0';
    size_t n = strlen(out);
    while (n > 0 && out[n - 1] == ' ') out[--n] = '\0';
}

/* "700M": the place of a point on the x axis. */
static const char *x_text(const tm_plot *plot, double x, char text[64])
{
    for (int i = 0; i < plot->n_tics; i++)
        if (plot->tics[i].x == x) return plot->tics[i].label;
    return tm_number_short(x, 4, text, 64);
}

/* "fp16, 2 threads", also for a series of details of it. */
static void put_series_name(const tm_plot *plot, int series, tm_text *out)
{
    char text[192];
    int main = series;
    while (main > 0 && plot->series[main].detail) main--;
    tm_text_add(out, tm_plot_legend_text(&plot->series[main], text));
    if (main != series) tm_text_format(out, ", %s", plot->series[series].label);
}

static char *value_text(const tm_plot_point *p, char text[128])
{
    const tm_interval value = {.value = p->value, .low = p->low, .high = p->high};
    return tm_number_interval(&value, 3, text, 128);
}

/* "model size: 700M": a line of the title of a point. */
static void put_title_line(const char *name, const char *value, bool is_first, tm_text *out)
{
    if (!is_first) tm_text_add(out, "&#10;");
    tm_html_escape(name, out);
    tm_text_add(out, ": ");
    tm_html_escape(value, out);
}

/* A point: its marker, and its values as the title, which page.js shows. */
static void put_point(const frame *f, int series, const tm_plot_point *p, bool is_first)
{
    const tm_plot *plot = f->plot;
    const tm_plot_series *s = &plot->series[series];
    char name[96], number[128];
    tm_text series_name = {0};
    const char *tab = is_first ? "0" : "-1"; /* the arrow keys lead to the others */
    if (p->link[0]) {
        tm_text_add(f->out, "<a href=\"#cell-");
        tm_html_escape(p->link, f->out);
        tm_text_format(f->out, "\" tabindex=\"%s\"", tab);
    } else
        tm_text_format(f->out, "<g role=\"img\" tabindex=\"%s\"", tab);
    tm_text_format(f->out, " class=\"point c%d%s\"><title>", class_of(s), fill_of(s));
    put_series_name(plot, series, &series_name);
    tm_html_escape(tm_text_string(&series_name), f->out);
    axis_name(plot->x_label, plot->n_tics == 0, name);
    put_title_line(name, x_text(plot, p->x, number), !series_name.length, f->out);
    axis_name(plot->y_label, true, name);
    put_title_line(name, value_text(p, number), false, f->out);
    tm_text_add(f->out, "</title><path d=\"M");
    const place at = place_of(f, series, p);
    put_pair(f->out, at.x, at.y);
    tm_text_add(f->out, marker_path(s));
    tm_text_add(f->out, p->link[0] ? "\"/></a>\n" : "\"/></g>\n");
    f->out->failed |= series_name.failed;
    tm_text_free(&series_name);
}

static bool has_markers(const tm_plot *plot)
{
    for (int i = 0; i < plot->n_series; i++)
        if (plot->series[i].marker >= 0 && tm_plot_has_points(&plot->series[i])) return true;
    return false;
}

/* The line of a forest plot at 1, where nothing differs, and the labels above their bars. */
static void put_rows(const frame *f)
{
    put_line(f, "line dashed c6", x_of(f, 1), TOP, x_of(f, 1), f->bottom);
    for (int i = 0; i < f->plot->n_tics; i++)
        put_text(f, "class=\"tic over\"", f->left, TOP + ROW * (f->plot->tics[i].x - 1) + 14,
                 f->plot->tics[i].label);
}

static void put_svg(const tm_plot *plot, tm_text *out)
{
    const int height = plot->is_rows ? TOP + ROW * plot->n_tics + BOTTOM : HEIGHT;
    const frame f = {.plot = plot,
                     .x = plot->is_rows ? tm_plot_rows_axis(plot) : tm_plot_axis(plot, true),
                     .y = tm_plot_axis(plot, false),
                     .left = plot->is_rows ? RIGHT : LEFT,
                     .bottom = height - BOTTOM,
                     .log_x = plot->is_rows || plot->log_x,
                     .out = out};
    bool is_first = true;
    tm_text_format(out, "<svg viewBox=\"0 0 %d %d\" role=\"group\" aria-label=\"", WIDTH, height);
    tm_html_escape(plot->title, out);
    tm_text_add(out, "\">\n");
    put_shades(&f);
    if (!plot->is_rows) put_y_axis(&f);
    put_x_axis(&f);
    if (plot->is_rows) put_rows(&f);
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        if (s->marker < 0 || s->is_joined) put_path(&f, i);
        for (int k = 0; k < s->n_points && s->marker >= 0; k++)
            if (isfinite(s->points[k].value) && isfinite(s->points[k].low))
                put_bar(&f, i, &s->points[k]);
    }
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        for (int k = 0; k < s->n_points && s->marker >= 0; k++) {
            if (!isfinite(s->points[k].value)) continue;
            put_point(&f, i, &s->points[k], is_first);
            is_first = false;
        }
    }
    tm_text_add(out, "</svg>\n");
}

static void put_legend(const tm_plot *plot, tm_text *out)
{
    tm_text_add(out, "<ul class=\"legend\">\n");
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        char text[192];
        if (!tm_plot_is_in_legend(plot, i)) continue;
        tm_text_add(out, "<li><svg class=\"key\" viewBox=\"0 0 30 16\" aria-hidden=\"true\">");
        if (s->marker < 0 || s->is_joined)
            tm_text_format(out, "<path class=\"line c%d%s\" d=\"M0 8H30\"/>", class_of(s),
                           dash_of(s));
        if (s->marker >= 0)
            tm_text_format(out, "<path class=\"point c%d%s\" d=\"M15 8%s\"/>", class_of(s),
                           fill_of(s), marker_path(s));
        tm_text_add(out, "</svg>");
        tm_html_escape(tm_plot_legend_text(s, text), out);
        tm_text_add(out, "</li>\n");
    }
    tm_text_add(out, "</ul>\n");
}

/* The values of the points as a table, for readers who cannot see the plot. Lines without points
 * have none. */
static void put_values(const tm_plot *plot, tm_text *out)
{
    char name[96], number[128];
    tm_table table;
    tm_error err;
    tm_table_init(&table, "");
    if (!plot->is_rows) tm_table_add_column(&table, "Series", TM_LEFT);
    axis_name(plot->x_label, plot->n_tics == 0, name);
    tm_table_add_column(&table, name, plot->is_rows ? TM_LEFT : TM_RIGHT);
    axis_name(plot->y_label, true, name);
    tm_table_add_column(&table, name, TM_RIGHT);
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        for (int k = 0; k < s->n_points && s->marker >= 0; k++) {
            const tm_plot_point *p = &s->points[k];
            tm_text series = {0};
            if (!isfinite(p->value)) continue;
            put_series_name(plot, i, &series);
            tm_table_add_row(&table);
            if (!plot->is_rows) tm_table_add_cell(&table, "%s", tm_text_string(&series));
            tm_table_add_cell(&table, "%s", x_text(plot, p->x, number));
            tm_table_add_cell(&table, "%s", value_text(p, number));
            if (p->link[0]) tm_table_link(&table, p->link);
            table.failed |= series.failed;
            tm_text_free(&series);
        }
    }
    if (table.n_rows || table.failed) {
        tm_text_add(out, "<details>\n<summary>Values</summary>\n");
        if (tm_table_write_html(&table, out, &err) != TM_OK) out->failed = true;
        tm_text_add(out, "</details>\n");
    }
    tm_table_free(&table);
}

void tm_plot_write_html(const tm_plot *plot, tm_text *out)
{
    tm_text note = {0};
    out->failed |= plot->failed;
    if (out->failed || !tm_plot_count_points(plot)) return;
    tm_text_add(out, "<figure>\n<figcaption>");
    tm_html_escape(plot->title, out);
    /* A plot without points has nothing else that the keyboard could scroll to. */
    tm_text_format(out, "</figcaption>\n<div class=\"scroll\"%s>\n",
                   has_markers(plot) ? "" : " tabindex=\"0\" role=\"group\" aria-label=\"Plot\"");
    put_svg(plot, out);
    tm_text_add(out, "</div>\n");
    put_legend(plot, out);
    tm_plot_put_note(plot, &note);
    if (!plot->is_rows && tm_plot_has_clipped(plot))
        tm_text_add(&note, " An arrow: the interval goes on beyond the axis.");
    tm_text_add(out, "<p class=\"note\">");
    tm_html_escape(tm_text_string(&note), out);
    tm_text_add(out, "</p>\n");
    put_values(plot, out);
    tm_text_add(out, "</figure>\n");
    out->failed |= note.failed;
    tm_text_free(&note);
}
