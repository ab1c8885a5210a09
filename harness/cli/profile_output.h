/* The output of `ternmark profile`. */
#ifndef TM_HARNESS_CLI_PROFILE_OUTPUT_H
#define TM_HARNESS_CLI_PROFILE_OUTPUT_H

#include "harness/measure/profile.h"
#include "reports/output/text.h"

/* One profiled cell. */
typedef struct tm_profiled {
    tm_cell cell;
    tm_profile profile; /* owned by the caller */
    tm_profile_limits limits;
    const char *shown;             /* the run with stamps that is shown: "median" or "fastest" */
    int cpus[TM_BACKEND_CPUS_MAX]; /* of each thread; -1: not pinned */
} tm_profiled;

/* Appends the cells. format: "text", "md", "csv" or "json" (an array of objects). layers: also by
 * layer. Errors: NOMEM. */
tm_status tm_profile_output_write(const tm_profiled *items, int n, const char *format, bool layers,
                                  tm_text *out, tm_error *err) TM_MUST_USE;
/* Only the JSON array. NULL: no memory. */
tm_json *tm_profile_to_json(const tm_profiled *items, int n, bool layers);

#endif
