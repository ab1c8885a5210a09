/* Running a plan: workers, pairs in turn, records into a store, continuing what is there.
 *
 * Rounds: every pair once per round, its order flipped from one round to the next (AB BA AB BA).
 * From the second round on a pair starts only if the time budget holds it, by what it took before.
 */
#ifndef TM_HARNESS_SWEEP_SWEEP_H
#define TM_HARNESS_SWEEP_SWEEP_H

#include "harness/record/store.h"
#include "harness/sweep/plan.h"

typedef enum tm_sweep_event_kind {
    TM_SWEEP_ARM,     /* an arm begins */
    TM_SWEEP_SAMPLE,  /* a repetition was recorded */
    TM_SWEEP_PROFILE, /* a profile was */
    TM_SWEEP_ENERGY,  /* an energy window was */
    TM_SWEEP_CELL,    /* a cell was skipped or failed: record->reason */
    TM_SWEEP_NOTE,    /* something to say: text */
} tm_sweep_event_kind;

typedef struct tm_sweep_event {
    tm_sweep_event_kind kind;
    const tm_arm *arm;       /* ARM, SAMPLE, PROFILE, ENERGY, CELL */
    const tm_record *record; /* SAMPLE, PROFILE, ENERGY, CELL */
    const char *text;        /* NOTE */
    int arm_number, n_arms;  /* of the arms this run will still start, from 1 */
    int round, n_rounds;     /* from 0 */
    double elapsed_seconds;
    double remaining_seconds; /* predicted; NaN when not known */
} tm_sweep_event;

typedef struct tm_sweep_options {
    const tm_suite *suite;
    const tm_machine *env;
    const tm_plan *plan;
    const char *store_path;  /* NULL: keep records in memory only */
    const char *worker_path; /* NULL: this program (/proc/self/exe) */
    const char *build;       /* as in the plan */
    /* The machine's limits (tm_roofline_to_json) for the run line, asked for only when something will
     * run; owned by the sweep. NULL, or an answer of NULL: the line says they were not measured. */
    tm_json *(*limits)(void *arg);
    void *limits_arg;
    const tm_energy_source_choice
        *energy; /* what answered to the suite's energy options; NULL: none asked */
    uint64_t seed;
    bool oversubscribe;
    bool allow_machine;     /* continue a store another machine began */
    double timeout_seconds; /* longest silence of a worker; 0: 120 s and what its work may take */
    int interrupt_fd;       /* readable: stop and keep what there is; -1: none */
    void (*on_event)(void *arg, const tm_sweep_event *event); /* or NULL */
    void *on_event_arg;
} tm_sweep_options;

typedef struct tm_sweep_outcome {
    tm_records records; /* everything in the store, or everything made without one */
    int n_new_samples;
    int n_profiles, n_profiles_lost; /* of this run */
    char profile_lost[480];          /* why the last of these was lost */
    int n_windows_ok,
        n_windows_lost; /* energy windows of this run; those for a later meter are ok */
    char lost[480];     /* why the last of these was lost */
    int n_cells_ok, n_cells_skipped, n_cells_failed, n_cells_unfinished;
    int rounds_min, rounds_max; /* processes of the cells that ran: the budget may part them */
    bool budget_spent, interrupted;
} tm_sweep_outcome;

/* What tm_sweep_run would refuse of a store, to say it before a plan compares kernels for it: all but that
 * another run is writing it. Changes nothing. */
tm_status tm_sweep_check_store(const char *store, const tm_machine *env, bool allow_machine,
                               tm_error *err) TM_MUST_USE;

/* Errors: those of the store (IO, FORMAT, ARG: of another schema or machine, or being written),
 * NOMEM. Cells that fail are no error of the sweep; *out is to be freed also after one. */
tm_status tm_sweep_run(const tm_sweep_options *options, tm_sweep_outcome *out,
                       tm_error *err) TM_MUST_USE;
void tm_sweep_outcome_free(tm_sweep_outcome *outcome);

#endif
