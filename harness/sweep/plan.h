/* From a suite and a machine to arms and pairs: what will run, what will not and why.
 *
 * An arm = engine x model x kernel x threads; a fresh worker process runs all its tests. With a
 * baseline, every other arm makes a pair with the baseline arm of its model and threads, and the
 * two run next to each other in time; without one every arm is alone.
 */
#ifndef TM_HARNESS_SWEEP_PLAN_H
#define TM_HARNESS_SWEEP_PLAN_H

#include "engine/model.h"
#include "engine/session.h"
#include "harness/tune/tune_choices.h"
#include "harness/machine/machine.h"
#include "harness/measure/peer.h"
#include "harness/record/record.h"
#include "harness/sweep/suite.h"

typedef struct tm_arm {
    tm_cell *cells; /* [n_cells], one per test; owned */
    char (*cell_ids)[24];
    int n_cells;
    int64_t predicted_bytes;  /* memory of the process; 0 when its config could not be read */
    double predicted_seconds; /* of one process: load, check, tests; a guess until one has run */
    char skip[480];           /* why it is not started; "": it is */
    const tm_peer *peer;      /* another engine runs it; borrowed. NULL: ours does */
} tm_arm;

/* Arms that run together: a pair (baseline first) or one alone (b = -1). */
typedef struct tm_pair {
    int a, b;     /* index into arms */
    int index, n; /* this pair's number among the n of its model and threads */
} tm_pair;

typedef struct tm_plan {
    tm_arm *arms;
    int n_arms;
    tm_pair *pairs;
    int n_pairs;
    int n_cells, n_skipped_cells;
    const tm_tune_choices *choices; /* of the options; borrowed */
} tm_plan;

typedef struct tm_plan_options {
    uint64_t seed;
    bool need_models;     /* one that cannot be opened is an error, not skipped arms */
    bool oversubscribe;   /* more threads than CPUs */
    const char *build;    /* hash of the worker's program */
    const char *only;     /* NULL, or a text that the name of a cell must contain */
    const tm_peer *peers; /* [n_peers] other engines: an arm each, for every model and threads */
    int n_peers;
    /* Which kernel of a family is the fastest here; NULL, or no answer: their fixed order. Borrowed. */
    const tm_tune_choices *choices;
    bool energy; /* a source works: every process also has the suite's energy windows */
} tm_plan_options;

/* Lists the choices between kernels that the suite leaves open, for tm_tune_resolve. Free them also
 * after the plan is made. Errors: as tm_plan_make. */
tm_status tm_plan_list_choices(const tm_suite *suite, const tm_machine *env,
                               const tm_plan_options *options, tm_tune_choices *out,
                               tm_error *err) TM_MUST_USE;

/* Measures nothing and changes nothing but *out. Errors: ARG (empty suite, nothing left after excludes, threads 0 or above the usable CPUs,
 * unknown kernel or model with the nearest name), NOMEM. A model file that cannot be read and a
 * kernel the machine lacks make skipped arms. */
tm_status tm_plan_make(const tm_suite *suite, const tm_machine *env, const tm_plan_options *options,
                       tm_plan *out, tm_error *err) TM_MUST_USE;
void tm_plan_free(tm_plan *plan);

/* The kernel and the head kernel a name stands for: "auto" (see tm_model_auto), a family, or a
 * kernel. source: the model, or NULL for a ternary one with an f16 head. Errors: ARG (unknown, with
 * the nearest), UNSUPPORTED (this machine lacks it). */
tm_status tm_kernels_resolve(const char *name, tm_source *source, const tm_kernel **kernel,
                             const tm_kernel **head_kernel, tm_error *err) TM_MUST_USE;

/* Pairs of runs of each profile of a suite; 0: it asks for none. */
int tm_plan_profile_pairs(const tm_suite *suite);

/* Bytes a process needs that are neither weights nor arena: program, stacks, libraries, checks. */
#define TM_PROCESS_BYTES (48ll << 20)

#endif
