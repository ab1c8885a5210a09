/* Profiles: the time, bytes and products of each operation of a cell in one process.
 *
 * Layers in which an operation costs the same share one entry, so that a line does not grow with
 * the model. The least time of an entry is that of one layer times the number of layers. The run
 * line holds the limits of the machine.
 */
#ifndef TM_HARNESS_RECORD_RECORD_PROFILE_H
#define TM_HARNESS_RECORD_RECORD_PROFILE_H

#include "harness/base/json.h"
#include "harness/record/profile_sum.h"

#define TM_RECORD_PROFILE_ROWS_MAX 512

typedef struct tm_record_profile_row {
    char operation[24]; /* "down" */
    int n_layers;       /* of the same cost; 0: outside the layers */
    tm_profile_part part;
} tm_record_profile_row;

typedef struct tm_record_profile {
    int n_threads, n_tokens, n_passes, n_pairs;
    double region_ns;   /* of the run that is shown; the sum of its parts and idle_ns */
    double idle_ns;     /* mean over the threads */
    int64_t elapsed_ns; /* of the same run, timed by the harness */
    /* Time with stamps over time without, from the pairs of this process. low, high: NaN for one
     * pair. */
    double overhead, overhead_low, overhead_high;
    double stamp_ns, stamps_per_thread;
    char clock[24];
    tm_record_profile_row *entries; /* [n_entries] in the order of a pass; owned */
    int n_entries;
} tm_record_profile;

void tm_record_profile_free(tm_record_profile *table);

/* Puts the members of a profile into the object. */
void tm_record_profile_put(tm_json *object, const tm_record_profile *table);
/* Refuses a profile that contradicts itself; *out is empty then. Errors: FORMAT (the key, what is
 * wrong), NOMEM. */
tm_status tm_record_profile_from_json(const tm_json *object, tm_record_profile *out,
                                      tm_error *err) TM_MUST_USE;

/* Sum of the entries [begin, end). */
tm_profile_sum tm_record_profile_sum(const tm_record_profile *table,
                                     const tm_profile_limits *limits, int begin, int end);
/* End of the entries of the operation at `begin`. */
int tm_record_profile_end(const tm_record_profile *table, int begin);

#endif
