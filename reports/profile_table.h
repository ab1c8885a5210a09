/* Where the time goes, as the lines of a table, the members of an object and the points of a plot: the same
 * for `ternmark profile` and for the profiles of a store. */
#ifndef TM_REPORTS_PROFILE_TABLE_H
#define TM_REPORTS_PROFILE_TABLE_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"
#include "reports/output/plot.h"
#include "reports/output/table.h"

#define TM_PROFILE_FROM_CACHE "more than memory delivers: part of it came from a cache"

/* The columns behind the first. */
void tm_profile_table_begin(tm_table *table, const char *title, const char *first);
/* Rates are of `against_ns`: the time threads worked, or all of a whole's time. note: of the name, or
 * NULL. */
void tm_profile_table_add(tm_table *table, const char *name, const char *note,
                          const tm_profile_sum *sum, double against_ns, double region_ns,
                          int n_tokens);
/* Time that no operation took. */
void tm_profile_table_add_idle(tm_table *table, double idle_ns, double region_ns, int n_tokens);

/* Times are per token and of the mean thread, rates over the time threads worked; what is missing has its
 * reason. */
void tm_profile_sum_put(tm_json *object, const tm_profile_sum *sum, double region_ns, int n_tokens);

/* "overhead_percent": what looking cost, from time with stamps over time without. */
void tm_profile_overhead_put(tm_json *object, const tm_interval *overhead);
/* The limits of memory and arithmetic; `missing`: why there are none. */
void tm_profile_limits_put(tm_json *object, const tm_profile_limits *limits, const char *missing);

/* The same for programs. So many columns, from "ns_per_token" on; empty fields where there is nothing. */
#define TM_PROFILE_FIELDS 11
void tm_profile_fields_begin(tm_table *table);
void tm_profile_fields_add(tm_table *table, const tm_profile_sum *sum, double region_ns,
                           int n_tokens);

/* The roofline of Williams, Waterman and Patterson (CACM 2009): operations that have a limit as points under
 * the roofs measured in the same run. No point: none of them has one. label: of the cell. */
void tm_profile_plot(const tm_record_profile *profile, const tm_profile_limits *limits,
                     const char *label, tm_plot *plot);

#endif
