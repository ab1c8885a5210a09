/* Plots as a data file and a gnuplot script that makes a PNG and an SVG of it, with or without us.
 *
 * A series says where its figures come from: measured ones have filled markers and solid lines, published
 * ones hollow markers and dotted lines, predicted and made-up ones crosses, and the legend names the
 * origin; in the data file every line of a made-up series says fake.
 */
#ifndef TM_REPORTS_OUTPUT_PLOT_H
#define TM_REPORTS_OUTPUT_PLOT_H

#include "reports/output/text.h"

typedef enum tm_origin { TM_MEASURED, TM_PUBLISHED, TM_PREDICTED, TM_FAKE } tm_origin;
/* "measured", "published", "predicted", "fake" */
const char *tm_origin_name(tm_origin origin);

typedef struct tm_plot_point {
    double x, value;  /* value NaN: missing, kept in the data file as "?" */
    double low, high; /* interval; NaN: none */
} tm_plot_point;

typedef struct tm_plot_series {
    char label[128]; /* without its origin; "": not in the legend */
    tm_origin origin;
    int colour;            /* 0 .. 6, wraps; the palette of Okabe and Ito, told apart without hue */
    int marker;            /* 0 .. 4, wraps; -1: a line without points */
    bool is_joined;        /* points joined by a line */
    bool is_steps;         /* a line that holds each value from the point before on */
    tm_plot_point *points; /* [n_points]; owned */
    int n_points;
} tm_plot_series;

typedef struct tm_plot_tic {
    double x;
    char label[32];
} tm_plot_tic;

/* A part of the x axis, shaded over the whole height, its name inside. */
typedef struct tm_plot_shade {
    double begin, end;
    int colour;
    char label[48];
} tm_plot_shade;

typedef struct tm_plot {
    char stem[64]; /* file name without suffix */
    char title[160], note[480], x_label[96], y_label[96];
    bool log_x, log_y; /* a linear y axis begins at 0 */
    bool is_spread;    /* measured series a little apart along x, so that their bars can be told */
    tm_plot_series *series;
    tm_plot_tic *tics; /* of the x axis; none: by value */
    tm_plot_shade *shades;
    int n_series, n_tics, n_shades;
    bool failed; /* memory ran out while filling */
} tm_plot;

void tm_plot_init(tm_plot *plot, const char *stem, const char *title, const char *x_label,
                  const char *y_label);
void tm_plot_free(tm_plot *plot);
void tm_plot_add_series(tm_plot *plot, const char *label, tm_origin origin, int colour, int marker,
                        bool is_joined);
/* To the last series. On a logarithmic axis a point that is not above 0 counts as missing. */
void tm_plot_add_point(tm_plot *plot, double x, double value, double low, double high);
/* A named place on the x axis; a second one at the same x is left out. */
void tm_plot_add_tic(tm_plot *plot, double x, const char *label);
void tm_plot_add_shade(tm_plot *plot, double begin, double end, int colour, const char *label);
/* Points that have a value. */
int tm_plot_count_points(const tm_plot *plot);

/* Writes DIR/STEM.dat and DIR/STEM.gp. Errors: ARG (no point has a value), IO, NOMEM. */
tm_status tm_plot_write(const tm_plot *plot, const char *directory, tm_error *err) TM_MUST_USE;
/* Appends the script alone. */
void tm_plot_put_script(const tm_plot *plot, tm_text *out);

/* Runs `gnuplot STEM.gp` in DIR, which writes STEM.png and STEM.svg. Errors: UNSUPPORTED (no gnuplot, no
 * terminal for PNG or SVG), CHILD (its first words of complaint), TIMEOUT, IO. */
tm_status tm_plot_run(const char *directory, const char *stem, tm_error *err) TM_MUST_USE;

#endif
