/* A profile as a store keeps it: a table of what each operation of a cell took, moved and multiplied in one
 * process.
 *
 * Layers whose operation costs the same stand as one part, so that a line does not grow with the model,
 * and what a roofline allows the parts is what it allows the layers one by one: the least time of a
 * part is as many times that of a layer. Which limits there were is the run line's to say.
 */
#ifndef TM_HARNESS_RECORD_RECORD_PROFILE_H
#define TM_HARNESS_RECORD_RECORD_PROFILE_H

#include "harness/base/json.h"
#include "harness/record/profile_sum.h"

#define TM_RECORD_PROFILE_ROWS_MAX 512

typedef struct tm_record_profile_row {
    char operation[24]; /* "down" */
    int n_layers;       /* alike; 0: it lies outside the layers */
    tm_profile_part part;
} tm_record_profile_row;

typedef struct tm_record_profile {
    int n_threads, n_tokens, n_passes, n_pairs;
    double region_ns;   /* of the run shown; its parts and idle_ns make it up */
    double idle_ns;     /* mean over the threads */
    int64_t elapsed_ns; /* of the run shown, as the harness timed it */
    /* Time with stamps over time without, from the pairs of this process; low, high: NaN for one pair. */
    double overhead, overhead_low, overhead_high;
    double stamp_ns, stamps_per_thread;
    char clock[24];
    tm_record_profile_row *entries; /* [n_entries] in the order of a pass; owned */
    int n_entries;
} tm_record_profile;

void tm_record_profile_free(tm_record_profile *table);

/* The members of a table, into an object that may have others. */
void tm_record_profile_put(tm_json *object, const tm_record_profile *table);
/* A table that contradicts itself is refused; *out is empty then. Errors: FORMAT (the key, what is wrong),
 * NOMEM. */
tm_status tm_record_profile_from_json(const tm_json *object, tm_record_profile *out,
                                      tm_error *err) TM_MUST_USE;

/* Of the entries [begin, end). */
tm_profile_sum tm_record_profile_sum(const tm_record_profile *table,
                                     const tm_profile_limits *limits, int begin, int end);
/* Where the entries of the operation at `begin` end. */
int tm_record_profile_end(const tm_record_profile *table, int begin);

#endif
