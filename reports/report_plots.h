/* What the plots of a report share: points of cells, with what a reader must know about them.
 * Included by report_plots*.c and report_growth.c only. */
#ifndef TM_REPORTS_REPORT_PLOTS_H
#define TM_REPORTS_REPORT_PLOTS_H

#include "reports/compare.h"
#include "reports/output/plot.h"

enum { TM_MARKERS = 5 };

/* How many values the points of a plot stand for. */
typedef struct tm_plot_counts {
    int least, most;
} tm_plot_counts;
void tm_plot_count(tm_plot_counts *counts, int n);
/* "n: 10 processes", "n: 4 to 10 pairs", "n: 1 pair". */
char *tm_plot_counts_text(const tm_plot_counts *counts, const char *plural, char text[64]);

/* A value of a cell and its place. */
typedef struct tm_plot_place {
    double x;
    tm_interval value;
    int n;                       /* processes or pairs behind the value */
    const tm_cell_summary *cell; /* borrowed */
    const tm_comparison *ratio;  /* borrowed; NULL: the value is one of the cell */
    bool is_time;                /* the value is ms per token, not tokens/s */
    const char *flag;            /* why it is to be distrusted; NULL: nothing */
} tm_plot_place;
/* The speed of a cell. */
tm_plot_place tm_plot_place_of(double x, const tm_cell_summary *cell);
/* Adds the places to the last series: with the interval of each, or with its single values where
 * they are fewer than TM_MIN_PAIRS; and crosses on those with a flag. */
void tm_plot_add_places(tm_plot *plot, const tm_plot_place *places, int n);

/* Why a cell is not of the build or model file of the others; NULL if it is. */
const char *tm_plot_flag_of(const tm_cell_summary *cell);
/* The colour of the n-th series of a hue. */
int tm_plot_shade_of(int hue, int n);

#endif
