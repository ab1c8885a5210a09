#include "reports/profile_table.h"

#include "reports/headings.h"

#include <math.h>

void tm_profile_table_begin(tm_table *table, const char *title, const char *first)
{
    static const char *const headings[] = {
        "Time, %",        "Time, us/token",     "Best, us/token",
        "Wait, %",        TM_HEADING_BANDWIDTH, "Compute, GMAC/s",
        TM_HEADING_BOUND, "Of limit, %",        "Best, of limit, %"};
    tm_table_init(table, title);
    tm_table_add_column(table, first, TM_LEFT);
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(table, headings[i], i == 6 ? TM_LEFT : TM_RIGHT);
}

static void add_number(tm_table *table, double value)
{
    char text[64];
    tm_table_add_cell(table, "%s", tm_number(value, 3, text, sizeof text));
}

/* Two decimals, whatever the size. */
static void add_percent(tm_table *table, double percent)
{
    tm_table_add_cell(table, "%.2f", percent);
}

/* Above the limit: the operation was faster than the roofline's loops, for a reason that nothing
 * measured. */
static void add_limit(tm_table *table, double percent, tm_profile_bound bound)
{
    char text[64];
    tm_number(percent, 3, text, sizeof text);
    if (percent <= 102 || !isfinite(percent))
        tm_table_add_cell(table, "%s", text);
    else
        tm_table_add_cell_with_note(table, text,
                                    bound == TM_BOUND_MEMORY ? TM_PROFILE_ABOVE_BANDWIDTH
                                                             : TM_PROFILE_ABOVE_PEAK);
}

void tm_profile_table_add(tm_table *table, const char *name, const char *note,
                          const tm_profile_sum *sum, double against_ns, double region_ns,
                          int n_tokens)
{
    tm_profile_row row = tm_profile_row_of(sum, against_ns, region_ns, n_tokens);
    const char *bound = tm_profile_bound_name(sum->bound);
    tm_table_add_row(table);
    if (note)
        tm_table_add_cell_with_note(table, name, note);
    else
        tm_table_add_cell(table, "%s", name);
    add_percent(table, row.time_percent);
    add_number(table, row.ns_per_token * 1e-3);
    add_number(table, row.best_ns_per_token * 1e-3);
    add_percent(table, row.wait_percent);
    add_number(table, row.gb_per_second);
    add_number(table, row.gmac_per_second);
    tm_table_add_cell(table, "%s", bound[0] ? bound : "-");
    add_limit(table, row.limit_percent, sum->bound);
    add_number(table, row.best_limit_percent);
}

void tm_profile_table_add_idle(tm_table *table, double idle_ns, double region_ns, int n_tokens)
{
    const tm_profile_sum idle = {.work_ns = idle_ns, .least_ns = NAN};
    tm_profile_row row = tm_profile_row_of(&idle, idle_ns, region_ns, n_tokens);
    tm_table_add_row(table);
    tm_table_add_cell(table, "idle");
    add_percent(table, row.time_percent);
    add_number(table, row.ns_per_token * 1e-3);
}

void tm_profile_sum_put(tm_json *o, const tm_profile_sum *sum, double region_ns, int n_tokens)
{
    tm_profile_row row = tm_profile_row_of(sum, sum->work_ns, region_ns, n_tokens);
    tm_json_put_number(o, "ns_per_token", row.ns_per_token);
    tm_json_put_finite(o, "best_ns_per_token", row.best_ns_per_token, "the operation took no time");
    tm_json_put_number(o, "wait_ns_per_token", row.wait_ns_per_token);
    tm_json_put_number(o, "time_percent", row.time_percent);
    tm_json_put_number(o, "wait_percent", row.wait_percent);
    tm_json_put_number(o, "bytes_per_token", row.bytes_per_token);
    tm_json_put_number(o, "macs_per_token", row.macs_per_token);
    tm_json_put_finite(o, "gb_per_second", row.gb_per_second,
                       "the operation took no time or moves no bytes");
    tm_json_put_finite(o, "gmac_per_second", row.gmac_per_second,
                       "the operation multiplies no matrix");
    if (sum->bound != TM_BOUND_NONE)
        tm_json_put_string(o, "bound", tm_profile_bound_name(sum->bound));
    else
        tm_json_put_missing(o, "bound", "no limit applies");
    tm_json_put_finite(
        o, "percent_of_limit", row.limit_percent,
        "the operation moves only activations, which stay in caches, or no limit was measured");
}

void tm_profile_overhead_put(tm_json *object, const tm_interval *overhead)
{
    tm_interval percent = *overhead;
    percent.value = 100 * (overhead->value - 1);
    percent.low = 100 * (overhead->low - 1);
    percent.high = 100 * (overhead->high - 1);
    tm_interval_put(object, "overhead_percent", &percent, "", TM_LONE_PAIR);
}

void tm_profile_limits_put(tm_json *object, const tm_profile_limits *limits, const char *missing)
{
    tm_json_put_finite(object, "read_gb_per_second", limits->read_gb_per_second, missing);
    tm_json_put_finite(object, "int8_gmac_per_second", limits->int8_gmac_per_second, missing);
    tm_json_put_finite(object, "fp32_gmac_per_second", limits->fp32_gmac_per_second, missing);
}

void tm_profile_fields_begin(tm_table *table)
{
    static const char *const headings[TM_PROFILE_FIELDS] = {
        "ns_per_token",   "best_ns_per_token", "wait_ns_per_token", "bytes_per_token",
        "macs_per_token", "gb_per_second",     "gmac_per_second",   "bound",
        "time_percent",   "wait_percent",      "percent_of_limit"};
    for (int i = 0; i < TM_PROFILE_FIELDS; i++) tm_table_add_column(table, headings[i], TM_LEFT);
}

static void add_exact(tm_table *table, double value)
{
    char text[64];
    tm_table_add_cell(table, "%s", tm_number_short(value, 9, text, sizeof text));
}

void tm_profile_fields_add(tm_table *table, const tm_profile_sum *sum, double region_ns,
                           int n_tokens)
{
    tm_profile_row row = tm_profile_row_of(sum, sum->work_ns, region_ns, n_tokens);
    add_exact(table, row.ns_per_token);
    add_exact(table, row.best_ns_per_token);
    add_exact(table, row.wait_ns_per_token);
    add_exact(table, row.bytes_per_token);
    add_exact(table, row.macs_per_token);
    add_exact(table, row.gb_per_second);
    add_exact(table, row.gmac_per_second);
    tm_table_add_cell(table, "%s", tm_profile_bound_name(sum->bound));
    add_exact(table, row.time_percent);
    add_exact(table, row.wait_percent);
    add_exact(table, row.limit_percent);
}
