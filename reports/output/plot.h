/* Plots: a data file and a gnuplot script that turns it into a PNG, an SVG and, where gnuplot can,
 * a PDF, also without ternmark.
 *
 * Every series states the origin of its values: measured ones have filled markers and solid lines,
 * published ones hollow markers and dotted lines, predicted and fake ones crosses. The legend names
 * every origin but "measured", which the note below the title explains once; in the data file every
 * line of a fake series says fake.
 */
#ifndef TM_REPORTS_OUTPUT_PLOT_H
#define TM_REPORTS_OUTPUT_PLOT_H

#include "reports/output/text.h"

typedef enum tm_origin { TM_MEASURED, TM_PUBLISHED, TM_PREDICTED, TM_FAKE } tm_origin;
/* "measured", "published", "predicted", "fake" */
const char *tm_origin_name(tm_origin origin);

typedef struct tm_plot_point {
    double x, value;  /* value NaN: missing, "?" in the data file */
    double low, high; /* interval; NaN: none */
    char link[24];    /* id of the cell of the store it comes from; "": none */
} tm_plot_point;

/* Colours: the palette of Okabe and Ito, then the same hues in a darker and a lighter shade. A
 * kernel has one hue in every plot; others distinguish what is not a kernel. */
enum {
    TM_HUE_TERNARY,
    TM_HUE_BASELINE,
    TM_HUE_OTHER, /* and the next three */
    TM_HUE_BLACK = 6,
    TM_HUES,
    TM_COLOURS = 3 * TM_HUES
};

/* A series may add to the one before it, at the same place on the x axis. */
typedef enum tm_plot_detail {
    TM_DETAIL_NONE,
    TM_DETAIL_PARTS, /* small points: the single values that a value without interval stands for */
    TM_DETAIL_LIMIT, /* a dashed line; the note explains it, the legend does not name it */
    TM_DETAIL_CROSS, /* crosses on values to be distrusted; the legend says why, once */
    TM_DETAIL_ALSO,  /* more values; the note explains their marker, the legend does not name it */
} tm_plot_detail;

typedef struct tm_plot_series {
    char label[128]; /* without its origin; "": not in the legend */
    tm_origin origin;
    tm_plot_detail detail;
    int colour;            /* 0 .. TM_COLOURS - 1, wraps around */
    int marker;            /* 0 .. 4, wraps around; -1: a line without points */
    bool is_joined;        /* the points are joined by a line */
    bool is_steps;         /* a step line: each value holds from the previous point on */
    tm_plot_point *points; /* [n_points]; owned */
    int n_points;
} tm_plot_series;

typedef struct tm_plot_tic {
    double x;
    char label[96];
} tm_plot_tic;

/* A labelled range of the x axis, shaded over the full height. */
typedef struct tm_plot_shade {
    double begin, end;
    int colour;
    char label[64];
} tm_plot_shade;

typedef struct tm_plot {
    char stem[64]; /* file name without suffix */
    char title[160], note[640], x_label[96], y_label[96];
    bool log_x, log_y; /* a linear y axis starts at 0 */
    bool is_rows;      /* a forest plot: a row per x, labelled by its tic, values to the right */
    bool is_spread; /* measured series are shifted slightly along x, so that bars do not overlap */
    tm_plot_series *series;
    tm_plot_tic *tics; /* of the x axis; none: gnuplot chooses them */
    tm_plot_shade *shades;
    int n_series, n_tics, n_shades;
    bool failed; /* out of memory while the plot was filled */
} tm_plot;

void tm_plot_init(tm_plot *plot, const char *stem, const char *title, const char *x_label,
                  const char *y_label);
void tm_plot_free(tm_plot *plot);
void tm_plot_add_series(tm_plot *plot, const char *label, tm_origin origin, int colour, int marker,
                        bool is_joined);
/* Adds a series of details to the one before it, in its colour. */
void tm_plot_add_detail(tm_plot *plot, const char *label, tm_plot_detail detail);
/* Adds a point to the last series. On a logarithmic axis a value of 0 or below counts as
 * missing. */
void tm_plot_add_point(tm_plot *plot, double x, double value, double low, double high);
/* Links the last point to the samples of a cell of the store: see page.h. */
void tm_plot_link(tm_plot *plot, const char *cell_id);
/* Labels a position on the x axis; a second label at the same x is ignored. */
void tm_plot_add_tic(tm_plot *plot, double x, const char *label);
void tm_plot_add_shade(tm_plot *plot, double begin, double end, int colour, const char *label);
/* Number of points that have a value. */
int tm_plot_count_points(const tm_plot *plot);

/* Writes DIR/STEM.dat and DIR/STEM.gp. Errors: ARG (no point has a value), IO, NOMEM. */
tm_status tm_plot_write(const tm_plot *plot, const char *directory, tm_error *err) TM_MUST_USE;
/* Appends the gnuplot script to `out`. */
void tm_plot_put_script(const tm_plot *plot, tm_text *out);

/* The suffixes of the pictures; ends with NULL. */
extern const char *const tm_plot_pictures[];

/* Appends the plot as a <figure> for a page: an SVG whose points have their values as titles, the
 * legend, the note and a table of the values. */
void tm_plot_write_html(const tm_plot *plot, tm_text *out);

/* Runs `gnuplot STEM.gp` in DIR, which writes STEM.png, STEM.svg and, if gnuplot has pdfcairo,
 * STEM.pdf. After an error the pictures of an earlier run are untouched, and the message says that
 * they are there. Errors: UNSUPPORTED (no gnuplot, or it has no PNG or SVG terminal), CHILD (with
 * the start of its message), TIMEOUT, IO. */
tm_status tm_plot_run(const char *directory, const char *stem, tm_error *err) TM_MUST_USE;

#endif
