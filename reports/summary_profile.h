/* The profile part of a cell's summary: from the profiles of its processes to the one that is
 * shown. */
#ifndef TM_REPORTS_SUMMARY_PROFILE_H
#define TM_REPORTS_SUMMARY_PROFILE_H

#include "harness/record/record.h"
#include "harness/stats/stats.h"

typedef struct tm_cell_profile {
    bool is_asked; /* the cell has profile records, possibly without a profile */
    /* Of the process of median time, so that its parts add up; borrowed from the records. NULL: see
     * `missing`. */
    const tm_record_profile *shown;
    int n_processes; /* with a profile */
    int n_lost;      /* profile records without a profile */
    /* Time with stamps over time without: over processes, or over the pairs of a single process. */
    tm_interval overhead;
    tm_profile_limits limits; /* of the run that made `shown` */
    char limits_missing[160]; /* why limits are missing; "" when all are known */
    char missing[480];        /* why no profile is shown; "" when one is */
} tm_cell_profile;

/* profiles: [n] profile records of one cell, among all [n_records]; values: room for n. */
void tm_cell_profile_make(const tm_record *records, int n_records, const tm_record **profiles,
                          int n, double *values, tm_cell_profile *out);

/* "operations": an array, and the other values of the profile. */
tm_json *tm_cell_profile_to_json(const tm_cell_profile *profile);

#endif
