/* Runs two arms against each other, for `compare` and `gate`: what an arm is, the plan of their
 * pairs, and the sweep. */
#ifndef TM_HARNESS_CLI_ARMS_RUN_H
#define TM_HARNESS_CLI_ARMS_RUN_H

#include "harness/cli/cell_options.h"
#include "harness/cli/peer_options.h"
#include "harness/sweep/sweep.h"
#include "reports/arms.h"

/* One arm: the cells it runs and what is different in its processes. */
typedef struct tm_arm_request {
    tm_suite suite;
    tm_arm_setting setting;
} tm_arm_request;

/* Keys of an arm: "kernel=NAME,threads=N,...". */
#define TM_ARM_KEYS "kernel, head_kernel, threads, model, isa, prefetch, kv, peer, build or cpus"

/* Applies "KEY=VALUE,..." to an arm whose suite has the common cells. Errors: ARG (unknown key with
 * the nearest; a wrong value). */
tm_status tm_arm_parse(const char *text, tm_arm_request *arm, tm_error *err) TM_MUST_USE;

typedef struct tm_arms_request {
    const char *command;   /* for messages */
    tm_arm_request *a, *b; /* b NULL: A runs alone */
    bool is_aa;            /* B repeats A */
    const tm_cell_settings *cells;
    const tm_peers *peers;
    const char *store;                     /* NULL: none */
    const tm_energy_source_choice *energy; /* NULL: none */
    bool measure_limits;
    bool (*wants)(void *arg, const tm_pair *pair, int round);
    void *wants_arg;
    void (*begin)(void *arg, const tm_plan *plan, const tm_records *records); /* before the first */
    const tm_interrupt *interrupt;
} tm_arms_request;

/* Plans, joins and runs the arms; the records of the run are outcome->records from first_new on.
 * Free plan and outcome also after an error. Errors: those of planning and of the sweep. */
tm_status tm_arms_run(const tm_arms_request *request, tm_plan *plan, tm_sweep_outcome *outcome,
                      tm_machine *machine, tm_error *err) TM_MUST_USE;

/* Adds a row for every pair (only_pair: that one; -1: all), cell and metric of the plan. Errors:
 * NOMEM. */
tm_status tm_arms_of_plan(const tm_plan *plan, const tm_record *records, int n,
                          const tm_metric *const *metrics, int n_metrics, int only_pair,
                          tm_arms *arms, tm_error *err) TM_MUST_USE;

/* Whether the speed ratios of a pair are narrow enough after a look: their half-width is at most
 * `precision`, or, if or_decided, their intervals exclude 1. False before the first look. */
bool tm_arms_are_narrow(const tm_plan *plan, int pair, const tm_records *records,
                        const tm_looks *looks, double precision, bool or_decided);

/* Whether the program is a ternmark whose workers this one can use. Errors: ARG, which says what it
 * is not. */
tm_status tm_build_check(const char *program, tm_error *err) TM_MUST_USE;

#endif
