#include "reports/profile_table.h"

#include <math.h>
#include <stdio.h>

/* A roof: the memory limit rising to the arithmetic limit, from `least` to `most`. */
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

void tm_profile_plot(const tm_record_profile *profile, const tm_profile_limits *limits,
                     const char *label, tm_plot *plot)
{
    char title[160], name[128], number[64];
    double least = INFINITY, most = 0;
    int n_series = 0;
    snprintf(title, sizeof title, "Roofline of the operations: %s", label);
    tm_plot_init(plot, "", title, "multiply-accumulates per byte (logarithmic)",
                 "GMAC/s (logarithmic)");
    plot->log_x = plot->log_y = plot->is_spread = true;
    snprintf(
        plot->note, sizeof plot->note,
        "One of %d runs. Rates count the time the threads worked, without waiting. Bytes: weights, "
        "keys, values and activations, each once. Dashed: limits measured in the same run; memory "
        "%s GB/s. Points are shifted sideways so that they do not overlap.",
        profile->n_pairs, tm_number(limits->read_gb_per_second, 3, number, sizeof number));
    for (int i = 0, end; i < profile->n_entries; i = end) {
        end = tm_record_profile_end(profile, i);
        tm_profile_sum sum = tm_record_profile_sum(profile, limits, i, end);
        tm_profile_row row =
            tm_profile_row_of(&sum, sum.work_ns, profile->region_ns, profile->n_tokens);
        if (sum.bound == TM_BOUND_NONE || !(sum.work_ns > 0)) continue;
        double intensity = sum.macs / sum.bytes;
        snprintf(name, sizeof name, "%s, %.1f %% of time", profile->entries[i].operation,
                 row.time_percent);
        /* Black and grey are for the roofs. */
        tm_plot_add_series(plot, name, TM_MEASURED,
                           n_series % TM_HUE_BLACK + TM_HUES * (n_series / TM_HUE_BLACK), n_series,
                           false);
        tm_plot_add_point(plot, intensity, row.gmac_per_second, NAN, NAN);
        least = fmin(least, intensity);
        most = fmax(most, intensity);
        n_series++;
    }
    if (!n_series) return;
    add_roof(plot, "int8 limit", limits->int8_gmac_per_second, limits->read_gb_per_second,
             least / 10, most * 10, TM_HUE_BLACK);
    add_roof(plot, "fp32 limit", limits->fp32_gmac_per_second, limits->read_gb_per_second,
             least / 10, most * 10, TM_HUE_BLACK + TM_HUES);
}
