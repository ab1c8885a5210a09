/* The comparison of base and head while its pairs are run: which pairs are still needed, and the
 * results at the end. */
#ifndef TM_HARNESS_CLI_GATE_PAIRS_H
#define TM_HARNESS_CLI_GATE_PAIRS_H

#include "harness/sweep/sweep.h"
#include "reports/gate.h"

typedef struct tm_gate_pairs {
    const tm_gate_metrics *metrics;
    const tm_machine *machine;
    bool skip_unchanged;       /* ends rows whose arms run the same code */
    const tm_plan *plan;       /* set by tm_gate_pairs_begin */
    const tm_records *records; /* the same */
    int first_new;             /* of the records of this run */
    tm_gate_row *rows;         /* [n_rows] in the order of tm_arms_of_plan; owned */
    int n_rows;
    int round;   /* of the last step */
    bool failed; /* out of memory in a step */
} tm_gate_pairs;

/* For tm_arms_request: its argument is the pairs. */
void tm_gate_pairs_begin(void *pairs, const tm_plan *plan, const tm_records *records);
/* Whether a pair has an undecided row whose cells did not fail. */
bool tm_gate_pairs_want(void *pairs, const tm_pair *pair, int round);

/* The record of a cell that failed or was skipped in this run, or NULL. */
const tm_record *tm_gate_failure_of(const tm_gate_pairs *pairs, const char *cell_id);
/* Adds a result for every cell and metric. plan and records must be set to those of the whole run.
 * Errors: NOMEM. */
tm_status tm_gate_pairs_end(tm_gate_pairs *pairs, tm_gate *gate, tm_error *err) TM_MUST_USE;
void tm_gate_pairs_free(tm_gate_pairs *pairs);

#endif
