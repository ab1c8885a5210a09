/* What both drawings of a plot share, gnuplot's and our own SVG: colours, ranges, tics, places and
 * legend. Included by plot_*.c only. */
#ifndef TM_REPORTS_OUTPUT_PLOT_LAYOUT_H
#define TM_REPORTS_OUTPUT_PLOT_LAYOUT_H

#include "reports/output/plot.h"

typedef struct tm_plot_range {
    double low, high;
} tm_plot_range;

/* "#0072B2": the colour on white. */
const char *tm_plot_colour(int colour);

/* The range of an axis: all points and intervals with a margin, also around a single point. */
tm_plot_range tm_plot_axis(const tm_plot *plot, bool is_x);
/* Intervals end here on the y axis: one that reaches far beyond all values would squeeze them. Its
 * rest is an arrow. */
tm_plot_range tm_plot_interval_limit(const tm_plot *plot);
/* The range of the ratios of a forest plot, with 1 in it. */
tm_plot_range tm_plot_rows_axis(const tm_plot *plot);
/* Where a value lies on an axis: 0 at its low end, 1 at its high end. */
double tm_plot_share(tm_plot_range range, bool is_log, double value);

enum { TM_PLOT_TICS_MAX = 700 }; /* more than a double has decades */
/* Tics of a logarithmic axis: decades, or 1, 2, 5 in each, or even steps on an axis below 0.8
 * decades. Returns their number. */
int tm_plot_log_tics(tm_plot_range range, double out[TM_PLOT_TICS_MAX]);

/* A tic of the x axis and the line of its label: 0, 1, or -1 where it is left out, because it would
 * touch another on both lines. */
typedef struct tm_plot_placed_tic {
    const tm_plot_tic *tic;
    double share;
    int line;
} tm_plot_placed_tic;
/* Places the labels on an axis of `width` for letters of `letter`. Returns [n_tics] by x, to be
 * freed; NULL: out of memory. */
tm_plot_placed_tic *tm_plot_place_tics(const tm_plot *plot, double width, double letter);

bool tm_plot_has_points(const tm_plot_series *series);
bool tm_plot_has_intervals(const tm_plot_series *series);
/* How far a series is shifted along x, as a share of the axis: the measured series of a plot that
 * spreads them, with their details. All shifts together take at most 6 % of the axis. */
double tm_plot_shift(const tm_plot *plot, int series);

/* Whether the legend names a series: one with points and a label, and one kind of crosses once. */
bool tm_plot_is_in_legend(const tm_plot *plot, int series);
/* The text of a series in the legend. "measured" is left to the note. */
char *tm_plot_legend_text(const tm_plot_series *series, char text[192]);
/* Appends the note, and of which series the legend states no origin. */
void tm_plot_put_note(const tm_plot *plot, tm_text *out);
/* Whether an interval goes on beyond the axis. */
bool tm_plot_has_clipped(const tm_plot *plot);

#endif
