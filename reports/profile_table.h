/* Time by operation as rows of a table, members of a JSON object, and points of a plot. `ternmark
 * profile` and the profiles of a store share this code.
 */
#ifndef TM_REPORTS_PROFILE_TABLE_H
#define TM_REPORTS_PROFILE_TABLE_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"
#include "reports/output/plot.h"
#include "reports/output/table.h"

#define TM_PROFILE_ABOVE_BANDWIDTH "faster than the roofline read memory in this run"
#define TM_PROFILE_ABOVE_PEAK      "faster than the roofline multiplied in this run"

/* Starts a table: a column with the heading `first`, then the columns of tm_profile_table_add. */
void tm_profile_table_begin(tm_table *table, const char *title, const char *first);
/* Adds a row. Rates are over against_ns: the time the threads worked, or the whole region. note: of
 * the name, or NULL. */
void tm_profile_table_add(tm_table *table, const char *name, const char *note,
                          const tm_profile_sum *sum, double against_ns, double region_ns,
                          int n_tokens);
/* Adds a row with the time outside all operations. */
void tm_profile_table_add_idle(tm_table *table, double idle_ns, double region_ns, int n_tokens);

/* Puts the values of an operation into a JSON object: times per token, mean over threads; rates
 * over the time the threads worked. A missing value has its reason. */
void tm_profile_sum_put(tm_json *object, const tm_profile_sum *sum, double region_ns, int n_tokens);

/* Puts "overhead_percent": the overhead of profiling, from time with stamps over time without. */
void tm_profile_overhead_put(tm_json *object, const tm_interval *overhead);
/* Puts the limits of memory and arithmetic. missing: the reason for absent ones. */
void tm_profile_limits_put(tm_json *object, const tm_profile_limits *limits, const char *missing);

/* The same for CSV: TM_PROFILE_FIELDS columns from "ns_per_token" on, empty if missing. */
#define TM_PROFILE_FIELDS 11
void tm_profile_fields_begin(tm_table *table);
void tm_profile_fields_add(tm_table *table, const tm_profile_sum *sum, double region_ns,
                           int n_tokens);

/* The roofline of Williams, Waterman and Patterson (CACM 2009): the operations as points below the
 * limits measured in the same run. No operation with a limit: no point. label: of the cell. */
void tm_profile_plot(const tm_record_profile *profile, const tm_profile_limits *limits,
                     const char *label, tm_plot *plot);

#endif
