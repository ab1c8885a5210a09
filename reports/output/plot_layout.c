#include "reports/output/plot_layout.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Okabe and Ito 2008, without yellow, which is hard to see on white; each hue also half-way to
 * black and to white. Darker comes first: on white it stands out as much as the hue itself. */
static const char *const palette[] = {
    "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", /* as published */
    "#003959", "#6A2F00", "#004F39", "#663C53", "#734F00", "#2B5A74", "#888888", /* darker */
    "#7FB8D8", "#EAAE7F", "#7FCEB9", "#E5BCD3", "#F2CF7F", "#AAD9F4", "#444444", /* lighter */
};

_Static_assert(sizeof palette / sizeof *palette == TM_COLOURS, "one colour per index");

const char *tm_plot_colour(int colour)
{
    return palette[(unsigned)colour % TM_COLOURS];
}

static void widen(tm_plot_range *r, double value)
{
    if (!isfinite(value)) return;
    if (!(value >= r->low)) r->low = value;
    if (!(value <= r->high)) r->high = value;
}

tm_plot_range tm_plot_interval_limit(const tm_plot *plot)
{
    tm_plot_range r = {NAN, NAN};
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++)
            widen(&r, plot->series[i].points[k].value);
    if (plot->log_y) return (tm_plot_range){r.low / 3, r.high * 3};
    double air = fmax(r.high, 0) - fmin(r.low, 0);
    return (tm_plot_range){r.low - air, r.high + air};
}

tm_plot_range tm_plot_axis(const tm_plot *plot, bool is_x)
{
    tm_plot_range r = {NAN, NAN};
    const bool is_log = is_x ? plot->log_x : plot->log_y;
    const tm_plot_range limit = tm_plot_interval_limit(plot);
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
        return (tm_plot_range){r.low / air, r.high * air};
    }
    if (is_x) {
        double air = (r.high - r.low) * 0.08;
        if (air <= 0.0) air = r.high != 0.0 ? fabs(r.high) * 0.5 : 1.0;
        return (tm_plot_range){r.low - air, r.high + air};
    }
    /* A linear axis that does not start at 0 exaggerates differences. */
    if (r.low > 0.0) r.low = 0.0;
    if (r.high < 0.0) r.high = 0.0;
    return (tm_plot_range){r.low * 1.08, r.high > 0.0 ? r.high * 1.08 : 1.0};
}

bool tm_plot_has_clipped(const tm_plot *plot)
{
    const tm_plot_range y = tm_plot_axis(plot, false);
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++) {
            const tm_plot_point *p = &plot->series[i].points[k];
            if (isfinite(p->value) && (p->high > y.high || p->low < y.low)) return true;
        }
    return false;
}

tm_plot_range tm_plot_rows_axis(const tm_plot *plot)
{
    tm_plot_range r = {1, 1};
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++) {
            const tm_plot_point *p = &plot->series[i].points[k];
            widen(&r, p->value);
            widen(&r, fmax(p->low, p->value / 3));
            widen(&r, fmin(p->high, p->value * 3));
        }
    const double air = fmax(pow(r.high / r.low, 0.06), 1.01);
    return (tm_plot_range){r.low / air, r.high * air};
}

double tm_plot_share(tm_plot_range r, bool is_log, double value)
{
    return is_log ? log(value / r.low) / log(r.high / r.low) : (value - r.low) / (r.high - r.low);
}

int tm_plot_log_tics(tm_plot_range r, double out[TM_PLOT_TICS_MAX])
{
    static const double in_decade[] = {1.0, 2.0, 5.0};
    const double decades = log10(r.high / r.low);
    int n = 0;
    if (decades < 0.8) {
        double step = pow(10.0, floor(log10((r.high - r.low) / 4.0)));
        if ((r.high - r.low) / step > 20.0) step *= 5.0;
        if ((r.high - r.low) / step > 8.0) step *= 2.0;
        for (double i = ceil(r.low / step); i * step <= r.high && n < TM_PLOT_TICS_MAX; i++)
            out[n++] = i * step;
        return n;
    }
    for (int e = (int)floor(log10(r.low)); e <= (int)ceil(log10(r.high)); e++) {
        for (int i = 0; i < (decades > 4.0 ? 1 : 3); i++) {
            double at = in_decade[i] * pow(10.0, e);
            if (at >= r.low && at <= r.high && n < TM_PLOT_TICS_MAX) out[n++] = at;
        }
    }
    return n;
}

static int by_x(const void *a, const void *b)
{
    const tm_plot_placed_tic *x = a, *y = b;
    return (x->tic->x > y->tic->x) - (x->tic->x < y->tic->x);
}

tm_plot_placed_tic *tm_plot_place_tics(const tm_plot *plot, double width, double letter)
{
    enum { LINES = 2 };
    const double gap = 1.25 * letter;
    double ends[LINES] = {-INFINITY, -INFINITY};
    const tm_plot_range r = tm_plot_axis(plot, true);
    tm_plot_placed_tic *placed = calloc((size_t)plot->n_tics + 1, sizeof *placed);
    if (!placed) return NULL;
    for (int i = 0; i < plot->n_tics; i++) placed[i].tic = &plot->tics[i];
    qsort(placed, (size_t)plot->n_tics, sizeof *placed, by_x);
    for (int i = 0; i < plot->n_tics; i++) {
        tm_plot_placed_tic *p = &placed[i];
        p->share = tm_plot_share(r, plot->log_x, p->tic->x);
        const double half = tm_text_columns(p->tic->label) * letter / 2.0;
        const double at = p->share * width;
        while (p->line < LINES && at - half < ends[p->line] + gap) p->line++;
        if (p->line < LINES)
            ends[p->line] = at + half;
        else
            p->line = -1;
    }
    return placed;
}

bool tm_plot_has_points(const tm_plot_series *s)
{
    for (int i = 0; i < s->n_points; i++)
        if (isfinite(s->points[i].value)) return true;
    return false;
}

bool tm_plot_has_intervals(const tm_plot_series *s)
{
    for (int i = 0; i < s->n_points; i++)
        if (isfinite(s->points[i].value) && isfinite(s->points[i].low)) return true;
    return false;
}

/* Whether a series is shifted sideways, away from the others. */
static bool takes_place(const tm_plot_series *s)
{
    return s->origin == TM_MEASURED && s->marker >= 0 && !s->detail && tm_plot_has_points(s);
}

double tm_plot_shift(const tm_plot *plot, int series)
{
    int n = 0, own = 0;
    while (series > 0 && plot->series[series].detail) series--;
    if (!plot->is_spread || !takes_place(&plot->series[series])) return 0;
    for (int i = 0; i < plot->n_series; i++) {
        if (i == series) own = n;
        n += takes_place(&plot->series[i]);
    }
    const double step = n > 5 ? 0.06 / n : 0.012;
    return step * (own - (n - 1) / 2.0);
}

bool tm_plot_is_in_legend(const tm_plot *plot, int series)
{
    const tm_plot_series *s = &plot->series[series];
    if (!tm_plot_has_points(s) || !s->label[0] || s->detail == TM_DETAIL_PARTS ||
        s->detail == TM_DETAIL_LIMIT || s->detail == TM_DETAIL_ALSO)
        return false;
    for (int i = 0; i < series && s->detail; i++)
        if (plot->series[i].detail == s->detail && strcmp(plot->series[i].label, s->label) == 0)
            return false;
    return true;
}

char *tm_plot_legend_text(const tm_plot_series *s, char text[192])
{
    const bool is_plain = s->origin == TM_MEASURED || s->detail;
    snprintf(text, 192, "%s%s%s", is_plain ? "" : tm_origin_name(s->origin), is_plain ? "" : ": ",
             s->label);
    return text;
}

void tm_plot_put_note(const tm_plot *plot, tm_text *out)
{
    bool has_measured = false, has_other = false;
    for (int i = 0; i < plot->n_series; i++) {
        if (!tm_plot_has_points(&plot->series[i])) continue;
        has_measured |= plot->series[i].origin == TM_MEASURED;
        has_other |= plot->series[i].origin != TM_MEASURED;
    }
    tm_text_add(out, plot->note);
    if (has_measured)
        tm_text_add(out, has_other ? " Series without an origin in the legend are measured."
                                   : " All values are measured.");
}
