/* Measures the claims of papers that this machine can test: from claims to a suite, and its sweep
 * into a store, for `reproduce`. */
#ifndef TM_HARNESS_CLI_REPRODUCE_RUN_H
#define TM_HARNESS_CLI_REPRODUCE_RUN_H

#include "harness/base/interrupt.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/peer_options.h"
#include "harness/machine/machine.h"
#include "harness/sweep/sweep.h"
#include "reports/published/claims.h"

typedef struct tm_reproduce_options {
    const char *models; /* instead of the claims' models; NULL: those */
    const char *store;
    bool is_full;          /* the published lengths and 10 processes, else short tests and 6 */
    double budget_seconds; /* of all papers; 0: none */
    int64_t begin_ns;      /* of the command */
    bool quiet;
    const tm_peers *peers;
    const tm_energy_settings *energy;
    const tm_energy_source_choice *meter;
    const tm_interrupt *interrupt;
    const tm_machine *machine;
} tm_reproduce_options;

/* The claims of a file, or the built-in ones for NULL. Their shapes and kernels exist. Errors: IO,
 * FORMAT (line), ARG (a claim with an unknown shape or kernel, and the nearest), NOMEM. Free *out
 * also after an error. */
tm_status tm_reproduce_load(const char *path, const tm_published *published, tm_claims *out,
                            tm_error *err) TM_MUST_USE;

/* The suite of a paper's claims on a machine, smallest models first. *n_claims: that it tests; 0:
 * none can be tested here, and the suite is empty. Errors: ARG (a value of the options), NOMEM. */
tm_status tm_reproduce_suite(const tm_claims *claims, const char *paper,
                             const tm_reproduce_options *options, tm_suite *out, int *n_claims,
                             tm_error *err) TM_MUST_USE;

/* Runs a suite into the store, or continues it. last_seconds: of the budget, counted from
 * begin_ns; 0: none. Free *outcome also after an error. Errors: those of the plan and the sweep. */
tm_status tm_reproduce_measure(tm_suite *suite, const tm_reproduce_options *options,
                               double last_seconds, tm_sweep_outcome *outcome,
                               tm_error *err) TM_MUST_USE;

#endif
