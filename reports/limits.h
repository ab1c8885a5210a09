/* The limits of the machine, as the roofline measured in a run of the store gives them. */
#ifndef TM_REPORTS_LIMITS_H
#define TM_REPORTS_LIMITS_H

#include "reports/summary.h"

/* A limit from a run record: kind is a key of its roofline ("read_gb_per_second",
 * "int8_gmac_per_second", ...). Missing, with the reason, if the run holds no roofline or no value
 * for this number of threads. */
tm_measured tm_limit_find(const tm_json *run, const char *kind, int threads);

/* The multiply-accumulate peak of the arithmetic that a cell's kernel uses. Missing, with the
 * reason, if the run did not measure it. */
tm_measured tm_limit_macs(const tm_json *run, const tm_cell *cell);

/* The same kind of limit in the runs that measured a cell. Each process is compared with the limit
 * of its own run: `share` is the median over processes of rate x units_per_token / limit, and
 * `value` the median of the limits. Missing, with the reason, if no such run has the limit. */
typedef struct tm_cell_limit {
    tm_measured value, share;
} tm_cell_limit;
tm_cell_limit tm_limit_read(const tm_cell_summary *cell);
tm_cell_limit tm_limit_multiply(const tm_cell_summary *cell);

/* The clock of the cores that a cell used, GHz: as the runs that measured the cell measured it for
 * its number of threads, else as the system showed it after the samples. Missing, with the reason,
 * if neither is known. */
tm_measured tm_limit_clock(const tm_cell_summary *cell);

#endif
