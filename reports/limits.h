/* The limits of the machine, as the roofline measured in a run of the store gives them. */
#ifndef TM_REPORTS_LIMITS_H
#define TM_REPORTS_LIMITS_H

#include "harness/record/record.h"

/* A limit from a run record: kind is a key of its roofline ("read_gb_per_second",
 * "int8_gmac_per_second", ...). Missing, with the reason, if the run holds no roofline or no value
 * for this number of threads. */
tm_measured tm_limit_find(const tm_json *run, const char *kind, int threads);

/* The multiply-accumulate peak of the arithmetic that a cell's kernel uses. Missing, with the
 * reason, if the run did not measure it. */
tm_measured tm_limit_macs(const tm_json *run, const tm_cell *cell);

#endif
