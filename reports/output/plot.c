#include "reports/output/plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tm_origin_name(tm_origin origin)
{
    static const char *const names[] = {"measured", "published", "predicted", "fake"};
    return names[origin];
}

void tm_plot_init(tm_plot *plot, const char *stem, const char *title, const char *x_label,
                  const char *y_label)
{
    *plot = (tm_plot){0};
    snprintf(plot->stem, sizeof plot->stem, "%s", stem);
    snprintf(plot->title, sizeof plot->title, "%s", title);
    snprintf(plot->x_label, sizeof plot->x_label, "%s", x_label);
    snprintf(plot->y_label, sizeof plot->y_label, "%s", y_label);
}

void tm_plot_free(tm_plot *plot)
{
    for (int i = 0; i < plot->n_series; i++) free(plot->series[i].points);
    free(plot->series);
    free(plot->tics);
    free(plot->shades);
    *plot = (tm_plot){0};
}

static void *grow(tm_plot *plot, void *items, int n, size_t size)
{
    size_t bytes;
    if (plot->failed) return NULL;
    void *more = tm_mul_size((size_t)n + 1, size, &bytes) ? realloc(items, bytes) : NULL;
    if (!more) plot->failed = true;
    return more;
}

void tm_plot_add_series(tm_plot *plot, const char *label, tm_origin origin, int colour, int marker,
                        bool is_joined)
{
    tm_plot_series *series = grow(plot, plot->series, plot->n_series, sizeof *series);
    if (!series) return;
    plot->series = series;
    tm_plot_series *s = &series[plot->n_series++];
    *s = (tm_plot_series){
        .origin = origin, .colour = colour, .marker = marker, .is_joined = is_joined};
    snprintf(s->label, sizeof s->label, "%s", label);
}

void tm_plot_add_detail(tm_plot *plot, const char *label, tm_plot_detail detail)
{
    if (plot->failed || !plot->n_series) return;
    const tm_plot_series *of = &plot->series[plot->n_series - 1];
    const int colour = of->colour, marker = detail == TM_DETAIL_LIMIT ? -1 : 0;
    tm_plot_add_series(plot, label, of->origin, colour, marker, false);
    if (!plot->failed) plot->series[plot->n_series - 1].detail = detail;
}

void tm_plot_add_point(tm_plot *plot, double x, double value, double low, double high)
{
    if (plot->failed || !plot->n_series || !isfinite(x)) return;
    tm_plot_series *s = &plot->series[plot->n_series - 1];
    tm_plot_point *points = grow(plot, s->points, s->n_points, sizeof *points);
    if (!points) return;
    s->points = points;
    if (!isfinite(value) || (plot->log_y && !(value > 0.0)) || (plot->log_x && !(x > 0.0)))
        value = NAN;
    if (!isfinite(low) || !isfinite(high) || (plot->log_y && !(low > 0.0))) low = high = NAN;
    points[s->n_points++] = (tm_plot_point){.x = x, .value = value, .low = low, .high = high};
}

void tm_plot_link(tm_plot *plot, const char *cell_id)
{
    tm_plot_series *s = plot->n_series ? &plot->series[plot->n_series - 1] : NULL;
    if (plot->failed || !s || !s->n_points) return;
    snprintf(s->points[s->n_points - 1].link, sizeof s->points->link, "%s", cell_id);
}

void tm_plot_add_tic(tm_plot *plot, double x, const char *label)
{
    if (!isfinite(x)) return;
    for (int i = 0; i < plot->n_tics; i++)
        if (plot->tics[i].x == x) return;
    tm_plot_tic *tics = grow(plot, plot->tics, plot->n_tics, sizeof *tics);
    if (!tics) return;
    plot->tics = tics;
    tics[plot->n_tics] = (tm_plot_tic){.x = x};
    snprintf(tics[plot->n_tics++].label, sizeof tics->label, "%s", label);
}

void tm_plot_add_shade(tm_plot *plot, double begin, double end, int colour, const char *label)
{
    tm_plot_shade *shades = grow(plot, plot->shades, plot->n_shades, sizeof *shades);
    if (!shades) return;
    plot->shades = shades;
    shades[plot->n_shades] = (tm_plot_shade){.begin = begin, .end = end, .colour = colour};
    snprintf(shades[plot->n_shades++].label, sizeof shades->label, "%s", label);
}

int tm_plot_count_points(const tm_plot *plot)
{
    int n = 0;
    for (int i = 0; i < plot->n_series; i++)
        for (int k = 0; k < plot->series[i].n_points; k++)
            n += isfinite(plot->series[i].points[k].value);
    return n;
}

static void put_number(tm_text *out, double value)
{
    char number[64];
    tm_text_add(out, isfinite(value) ? tm_number_short(value, 9, number, sizeof number) : "?");
}

static void put_data(const tm_plot *plot, tm_text *out)
{
    tm_text_format(out, "# %s\n# x: %s\n# value, low, high: %s (95 %% interval; ?: missing)\n",
                   plot->title, plot->x_label, plot->y_label);
    for (int i = 0; i < plot->n_series; i++) {
        const tm_plot_series *s = &plot->series[i];
        tm_text_format(out, "%s# index %d, %s: %s\n# x value low high\n", i ? "\n\n" : "", i,
                       tm_origin_name(s->origin), s->label);
        for (int k = 0; k < s->n_points; k++) {
            const double row[] = {s->points[k].x, s->points[k].value, s->points[k].low,
                                  s->points[k].high};
            for (int c = 0; c < 4; c++) {
                if (c) tm_text_add_char(out, ' ');
                put_number(out, row[c]);
            }
            tm_text_add(out, s->origin == TM_FAKE ? " # fake\n" : "\n");
        }
        /* gnuplot does not count an empty block, which would shift the index of those after it. */
        if (!s->n_points) tm_text_add(out, "? ? ? ?\n");
    }
}

static tm_status save_part(tm_text *text, const char *directory, const char *stem,
                           const char *suffix, tm_error *err)
{
    char path[4096];
    int n = snprintf(path, sizeof path, "%s/%s.%s", directory, stem, suffix);
    if (n < 0 || (size_t)n >= sizeof path)
        return tm_fail(err, TM_IO, "%.200s...: a path of %zu bytes is too long (limit %zu)",
                       directory, strlen(directory), sizeof path);
    return tm_text_save(text, path, err);
}

tm_status tm_plot_write(const tm_plot *plot, const char *directory, tm_error *err)
{
    if (plot->failed)
        return tm_fail(err, TM_NOMEM, "plot %s: out of memory for its points", plot->stem);
    if (!tm_plot_count_points(plot))
        return tm_fail(err, TM_ARG, "plot %s: none of its %d series has a value", plot->stem,
                       plot->n_series);
    tm_text data = {0}, script = {0};
    put_data(plot, &data);
    tm_plot_put_script(plot, &script);
    tm_status status = save_part(&data, directory, plot->stem, "dat", err);
    if (status == TM_OK) status = save_part(&script, directory, plot->stem, "gp", err);
    tm_text_free(&data);
    tm_text_free(&script);
    return status;
}
