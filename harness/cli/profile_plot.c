/* The roofline of Williams, Waterman and Patterson (CACM 2009): products per second over products per
 * byte, under the roofs of memory and arithmetic measured in the same run. */
#include "harness/cli/profile_output.h"

#include <math.h>
#include <stdio.h>

#include "harness/plan.h"

/* From where memory limits to where arithmetic does, a decade beyond the outermost point. */
static void add_roof(tm_plot *plot, const char *what, double peak, double bandwidth, double least,
                     double most, int colour)
{
    char label[96], number[64];
    if (!isfinite(peak) || !isfinite(bandwidth)) return;
    double ridge = peak / bandwidth;
    snprintf(label, sizeof label, "%s, %s GMAC/s", what, tm_number(peak, 3, number, sizeof number));
    tm_plot_add_series(plot, label, TM_MEASURED, colour, -1, true);
    if (least < ridge) tm_plot_add_point(plot, least, least * bandwidth, NAN, NAN);
    tm_plot_add_point(plot, ridge > least ? ridge : least, peak, NAN, NAN);
    if (most > ridge) tm_plot_add_point(plot, most, peak, NAN, NAN);
}

void tm_profile_plot(const tm_profiled *item, tm_plot *plot)
{
    const tm_profile *p = &item->profile;
    const tm_profile_limits *limits = &item->limits;
    char label[512], title[160], number[64];
    double least = INFINITY, most = 0;
    int n_series = 0;
    snprintf(title, sizeof title, "Operations under their roofs: %s",
             tm_cell_label(&item->cell, label, sizeof label));
    tm_plot_init(plot, "", title, "multiply-accumulates per byte (logarithmic)",
                 "GMAC/s (logarithmic)");
    plot->log_x = plot->log_y = true;
    snprintf(
        plot->note, sizeof plot->note,
        "Rates are of the time threads worked, without waiting. Bytes: weights, keys, values and "
        "activations, each once. Dashed: the roofs measured in the same run; memory %s GB/s.",
        tm_number(limits->read_gb_per_second, 3, number, sizeof number));
    for (int o = 0; o < TM_OP_COUNT; o++) {
        tm_profile_sum sum = tm_profile_sum_of(p, limits, TM_PROFILE_ALL, o);
        if (sum.bound == TM_BOUND_NONE || !(sum.work_ns > 0)) continue;
        double intensity = sum.macs / sum.bytes;
        snprintf(label, sizeof label, "%s, %.1f %% of time", tm_op_name((tm_op)o),
                 100 * sum.work_ns / p->region_ns);
        tm_plot_add_series(plot, label, TM_MEASURED, n_series, n_series, false);
        tm_plot_add_point(plot, intensity, sum.macs / sum.work_ns, NAN, NAN);
        least = fmin(least, intensity);
        most = fmax(most, intensity);
        n_series++;
    }
    if (!n_series) return;
    add_roof(plot, "int8 roof", limits->int8_gmac_per_second, limits->read_gb_per_second,
             least / 10, most * 10, 6);
    add_roof(plot, "fp32 roof", limits->fp32_gmac_per_second, limits->read_gb_per_second,
             least / 10, most * 10, 4);
}
