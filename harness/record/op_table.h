/* A profile as a store keeps it: a table of what each operation of a cell took, moved and multiplied in one
 * process.
 *
 * Layers whose operation costs the same stand as one part, so that a line does not grow with the model,
 * and what a roofline allows the parts is what it allows the layers one by one: the least time of a
 * part is as many times that of a layer. Which limits there were is the run line's to say.
 */
#ifndef TM_HARNESS_RECORD_OP_TABLE_H
#define TM_HARNESS_RECORD_OP_TABLE_H

#include "harness/base/json.h"
#include "harness/record/profile_sum.h"

#define TM_OP_TABLE_MAX 512

typedef struct tm_op_entry {
    char operation[24]; /* "down" */
    int n_layers;       /* alike; 0: it lies outside the layers */
    tm_profile_part part;
} tm_op_entry;

typedef struct tm_op_table {
    int n_threads, n_tokens, n_passes, n_pairs;
    double region_ns;   /* of the run shown; its parts and idle_ns make it up */
    double idle_ns;     /* mean over the threads */
    int64_t elapsed_ns; /* of the run shown, as the harness timed it */
    /* Time with stamps over time without, from the pairs of this process; low, high: NaN for one pair. */
    double overhead, overhead_low, overhead_high;
    double stamp_ns, stamps_per_thread;
    char clock[24];
    tm_op_entry *entries; /* [n_entries] in the order of a pass; owned */
    int n_entries;
} tm_op_table;

void tm_op_table_free(tm_op_table *table);

/* The members of a table, into an object that may have others. */
void tm_op_table_put(tm_json *object, const tm_op_table *table);
/* A table that contradicts itself is refused; *out is empty then. Errors: FORMAT (the key, what is wrong),
 * NOMEM. */
tm_status tm_op_table_from_json(const tm_json *object, tm_op_table *out, tm_error *err) TM_MUST_USE;

/* Of the entries [begin, end). */
tm_profile_sum tm_op_table_sum(const tm_op_table *table, const tm_profile_limits *limits, int begin,
                               int end);
/* Where the entries of the operation at `begin` end. */
int tm_op_table_end(const tm_op_table *table, int begin);

#endif
