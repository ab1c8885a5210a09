#include "reports/report_plots.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void tm_plot_count(tm_plot_counts *c, int n)
{
    if (!c->most || n < c->least) c->least = n;
    if (n > c->most) c->most = n;
}

char *tm_plot_counts_text(const tm_plot_counts *c, const char *plural, char text[64])
{
    /* "processes" and "pairs" */
    const int ending = strcmp(plural, "processes") == 0 ? 2 : 1;
    if (c->most == 1)
        snprintf(text, 64, "n: 1 %.*s", (int)strlen(plural) - ending, plural);
    else if (c->least == c->most)
        snprintf(text, 64, "n: %d %s", c->most, plural);
    else
        snprintf(text, 64, "n: %d to %d %s", c->least, c->most, plural);
    return text;
}

tm_plot_place tm_plot_place_of(double x, const tm_cell_summary *cell)
{
    return (tm_plot_place){.x = x,
                           .value = cell->tokens_per_second,
                           .n = cell->n_processes,
                           .cell = cell,
                           .flag = tm_plot_flag_of(cell)};
}

static void add_parts(tm_plot *plot, const tm_plot_place *p)
{
    for (int i = 0; i < p->n; i++) {
        const double speed = p->ratio ? p->ratio->a_values[i] / p->ratio->b_values[i]
                                      : p->cell->processes[i].tokens_per_second;
        tm_plot_add_point(plot, p->x, p->is_time ? 1e3 / speed : speed, NAN, NAN);
    }
}

void tm_plot_add_places(tm_plot *plot, const tm_plot_place *places, int n)
{
    bool has_parts = false;
    for (int i = 0; i < n; i++) {
        const tm_plot_place *p = &places[i];
        const bool is_interval = p->n >= TM_MIN_PAIRS;
        tm_plot_add_point(plot, p->x, p->value.value, is_interval ? p->value.low : NAN,
                          is_interval ? p->value.high : NAN);
        tm_plot_link(plot, p->cell->cell_id);
    }
    for (int i = 0; i < n; i++) {
        if (places[i].n < 2 || places[i].n >= TM_MIN_PAIRS) continue;
        if (!has_parts)
            tm_plot_add_detail(plot, places[i].ratio ? "single pairs" : "single processes",
                               TM_DETAIL_PARTS);
        has_parts = true;
        add_parts(plot, &places[i]);
    }
    for (int i = 0; i < n; i++) {
        if (!places[i].flag) continue;
        tm_plot_add_detail(plot, places[i].flag, TM_DETAIL_CROSS);
        tm_plot_add_point(plot, places[i].x, places[i].value.value, NAN, NAN);
    }
}

const char *tm_plot_flag_of(const tm_cell_summary *cell)
{
    return !cell                                  ? NULL
           : cell->newest[0] || cell->older_model ? "of an older build or a replaced model file"
                                                  : NULL;
}

int tm_plot_shade_of(int hue, int n)
{
    return hue + TM_HUES * (n % (TM_COLOURS / TM_HUES));
}
