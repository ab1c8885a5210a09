/* The plan of a suite on a machine: arms and pairs, and why some of them will not run.
 *
 * An arm is engine x model x kernel x threads; a fresh worker process runs all its tests. With a
 * baseline, every other arm makes a pair with the baseline arm of its model and threads, and the
 * two run one directly after the other. Without a baseline every arm runs alone.
 */
#ifndef TM_HARNESS_SWEEP_PLAN_H
#define TM_HARNESS_SWEEP_PLAN_H

#include "engine/model.h"
#include "engine/session.h"
#include "harness/machine/machine.h"
#include "harness/measure/peer.h"
#include "harness/record/record.h"
#include "harness/sweep/suite.h"
#include "harness/tune/tune_choices.h"

/* What differs in the process of an arm from those of a plain sweep. */
typedef struct tm_arm_setting {
    char program[4096]; /* another build of ternmark; "": this one */
    char isa[128];      /* instruction sets that it may use: "avx2+avx512"; "": all */
    char prefetch[24];  /* bytes, see harness/tune/prefetch.h; "": the measured distance */
    bool f32_kv;        /* a KV cache of f32, not f16 */
    char variant[96];   /* its cells' variant, for people: "isa=avx2,kv=f32" */
} tm_arm_setting;

typedef struct tm_arm {
    tm_cell *cells; /* [n_cells], one per test; owned */
    char (*cell_ids)[24];
    int n_cells;
    int64_t predicted_bytes;       /* memory of the process; 0: its config could not be read */
    double predicted_seconds;      /* of one process: load, check, tests; a guess */
    char skip[480];                /* why it is not started; "": it is */
    const tm_peer *peer;           /* the engine that runs it; borrowed. NULL: ours */
    const tm_arm_setting *setting; /* what differs in its process; borrowed. NULL: nothing */
} tm_arm;

/* Arms that run together: a pair (baseline first) or one alone (b = -1). */
typedef struct tm_pair {
    int a, b;     /* index into arms */
    int index, n; /* number of this pair among the n of its model and threads */
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
    bool need_models;     /* a model that cannot be opened is an error instead of skipped arms */
    bool oversubscribe;   /* more threads than CPUs */
    const char *build;    /* hash of the worker's program */
    const char *only;     /* text that the label of a cell must contain; NULL: any */
    const tm_peer *peers; /* [n_peers] other engines: an arm each, for every model and threads */
    int n_peers;
    /* Which kernel of a family is the fastest here; NULL, or no answer: their fixed order.
     * Borrowed. */
    const tm_tune_choices *choices;
    bool energy; /* a source works: every process also measures the energy windows of the suite */
    const tm_arm_setting *setting; /* of every arm; borrowed. NULL: none */
} tm_plan_options;

/* Lists the choices between kernels that the suite leaves open, for tm_tune_resolve. Free them also
 * after the plan is made. Errors: as tm_plan_make. */
tm_status tm_plan_list_choices(const tm_suite *suite, const tm_machine *machine,
                               const tm_plan_options *options, tm_tune_choices *out,
                               tm_error *err) TM_MUST_USE;

/* Measures nothing and changes nothing but *out. Errors: ARG (empty suite, no cell left after
 * excludes, threads 0 or above the available CPUs, unknown kernel or model, with the nearest name),
 * NOMEM. A model file that cannot be read and a kernel that the machine lacks give skipped arms. */
tm_status tm_plan_make(const tm_suite *suite, const tm_machine *machine,
                       const tm_plan_options *options, tm_plan *out, tm_error *err) TM_MUST_USE;
void tm_plan_free(tm_plan *plan);

/* Pairs the arms of two plans without pairs, arm i with arm i, and moves them to *out; both become
 * empty. Their tests must be equal. Errors: ARG (they differ in number; the text of
 * both), NOMEM. */
tm_status tm_plan_join(tm_plan *a, tm_plan *b, tm_plan *out, tm_error *err) TM_MUST_USE;

/* The kernel and the head kernel a name stands for: "auto" (see tm_model_auto), a family, or a
 * kernel. source: the model, or NULL for a ternary one with an f16 head. Errors: ARG (unknown, with
 * the nearest), UNSUPPORTED (this machine lacks it). */
tm_status tm_kernels_resolve(const char *name, tm_source *source, const tm_kernel **kernel,
                             const tm_kernel **head_kernel, tm_error *err) TM_MUST_USE;

/* The number of threads that a number or TM_THREADS_ALL stands for: cores, or a container's quota.
 * Errors: ARG (below 1; more than CPUs, unless oversubscribe). */
tm_status tm_plan_threads(int written, const tm_machine *machine, bool oversubscribe, int *out,
                          tm_error *err) TM_MUST_USE;

/* Pairs of runs of each profile of a suite; 0: none. */
int tm_plan_profile_pairs(const tm_suite *suite);

/* Bytes of a process besides weights and arena: program, stacks, libraries, checks. */
#define TM_PROCESS_BYTES (48ll << 20)

#endif
