/* From the profiles of a cell's processes to the one that is shown. */
#ifndef TM_REPORTS_PROFILE_CELL_H
#define TM_REPORTS_PROFILE_CELL_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"

typedef struct tm_cell_profile {
    bool is_asked; /* there are profiles, or words why there is none */
    /* Of the process of median time, so that its parts add up; borrowed from the records. NULL: see
     * `missing`. */
    const tm_record_profile *shown;
    int n_processes; /* with a profile */
    int n_lost;      /* records without one */
    tm_interval
        overhead; /* time with stamps over time without: over processes; of the pairs of one */
    tm_profile_limits limits; /* of the run that made the one shown */
    char limits_missing[160]; /* why some of them are; "" when all are there */
    char missing[480];        /* why none is shown; "" when one is */
} tm_cell_profile;

/* profiles: [n] profile records of one cell among all [n_records]; values: room for n. */
void tm_cell_profile_make(const tm_record *records, int n_records, const tm_record **profiles,
                          int n, double *values, tm_cell_profile *out);

/* "operations": an array, with what else is known of the profile; for who reads JSON. */
tm_json *tm_cell_profile_to_json(const tm_cell_profile *profile);

#endif
