/* Runs a plan: workers one after another, records into a store, continuing what the store has.
 *
 * Every round runs every pair once; the order inside a pair flips from round to round (AB BA AB
 * BA). From the second round on a pair starts only if the time that it took before fits into the
 * budget. With `min_pairs` a model starts only if so many of its pairs fit, by the guess of the
 * plan and the models that ran before; a model that started gets them.
 */
#ifndef TM_HARNESS_SWEEP_SWEEP_H
#define TM_HARNESS_SWEEP_SWEEP_H

#include "harness/base/clock.h"
#include "harness/base/interrupt.h"
#include "harness/record/store.h"
#include "harness/sweep/plan.h"

typedef enum tm_sweep_event_kind {
    TM_SWEEP_ARM,     /* an arm starts */
    TM_SWEEP_SAMPLE,  /* a repetition was recorded */
    TM_SWEEP_PROFILE, /* a profile was recorded */
    TM_SWEEP_ENERGY,  /* an energy window was recorded */
    TM_SWEEP_CELL,    /* a cell was skipped or failed: record->reason */
    TM_SWEEP_NOTE,    /* a note for the user: text */
} tm_sweep_event_kind;

typedef struct tm_sweep_event {
    tm_sweep_event_kind kind;
    const tm_arm *arm;       /* ARM, SAMPLE, PROFILE, ENERGY, CELL */
    const tm_record *record; /* SAMPLE, PROFILE, ENERGY, CELL */
    const char *text;        /* NOTE */
    int arm_number, n_arms;  /* of the arms that this run starts, from 1 */
    int round, n_rounds;     /* from 0 */
    bool has_budget;         /* it may end the run before n_arms and n_rounds */
    double elapsed_seconds;
    double remaining_seconds; /* predicted */
    bool may_end_early;       /* it is an upper bound: pairs run only while they are wanted */
    /* SAMPLE, PROFILE, ENERGY: nothing more is due of the record's model, threads and test, by any
     * kernel. */
    bool column_ended;
} tm_sweep_event;

typedef struct tm_sweep_options {
    const tm_suite *suite;
    const tm_machine *machine;
    const tm_plan *plan;
    const char *store_path;  /* NULL: keep records in memory only */
    const char *worker_path; /* NULL: this program (/proc/self/exe) */
    const char *build;       /* as in the plan */
    /* Returns the limits of the machine (tm_roofline_to_json) for the run line; called only if
     * something will run; the sweep frees them. NULL, or a result of NULL: the line says they were
     * not measured. */
    tm_json *(*limits)(void *arg);
    void *limits_arg;
    const tm_energy_source_choice *energy; /* the source that is read; NULL: no energy requested */
    uint64_t seed;
    /* Whether a pair runs in this round; called before each. It may look at the records so far.
     * NULL: every pair runs in every round. */
    bool (*wants)(void *arg, const tm_pair *pair, int round);
    void *wants_arg;
    bool oversubscribe;
    bool allow_machine;     /* continue a store of another machine */
    bool again;             /* measure everything, whatever the store has already */
    double timeout_seconds; /* longest silence of a worker; 0: 120 s plus its predicted work */
    const tm_interrupt *interrupt; /* stops and keeps what was measured; NULL: never */
    const tm_clock *clock;         /* of budget and marker; NULL: the system's */
    double spent_seconds;          /* of the time budget, before this call */
    void (*on_event)(void *arg, const tm_sweep_event *event); /* or NULL */
    void *on_event_arg;
} tm_sweep_options;

typedef struct tm_sweep_outcome {
    tm_records records; /* of the whole store, or of this run without one */
    int first_new;      /* the first of them that this run made */
    int n_new_samples;
    int n_profiles, n_profiles_lost; /* of this run */
    char profile_lost[480];          /* reason of the last one */
    /* Energy windows of this run; those whose meter is read later are ok. */
    int n_windows_ok, n_windows_lost;
    char lost[480];    /* reason of the last one */
    int n_windows_due; /* wanted ones of the whole store that have no joules */
    int n_cells_ok, n_cells_skipped, n_cells_failed, n_cells_unfinished;
    int rounds_min, rounds_max; /* processes of the cells that ran; the budget may cut some */
    int pairs_min, pairs_max;   /* of the cells with a baseline: processes that both arms have */
    int n_models_left_out;      /* for min_pairs */
    bool budget_spent, interrupted;
} tm_sweep_outcome;

/* Refuses the store as tm_sweep_run would, before kernels are compared for it; only a lock by
 * another run is not noticed. Changes nothing. */
tm_status tm_sweep_check_store(const char *store, const tm_machine *machine, bool allow_machine,
                               tm_error *err) TM_MUST_USE;

/* Errors: those of the store (IO, FORMAT, ARG: another schema or machine, or another writer),
 * NOMEM. Failed cells are not an error. Free *out also after an error. */
tm_status tm_sweep_run(const tm_sweep_options *options, tm_sweep_outcome *out,
                       tm_error *err) TM_MUST_USE;
/* The records that this run made, which are the outcome's. */
tm_records tm_sweep_new_records(const tm_sweep_outcome *outcome);
void tm_sweep_outcome_free(tm_sweep_outcome *outcome);

#endif
