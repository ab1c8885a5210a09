#include "harness/sweep/sweep.h"

#include "harness/base/clock.h"
#include "harness/base/version.h"
#include "harness/sweep/sweep_store.h"
#include "harness/sweep/worker_client.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* State of an arm. */
typedef struct arm_state {
    bool given_up[TM_SUITE_MAX]; /* cells that this run does not try again */
    bool failed[TM_SUITE_MAX];   /* those of them that did not just lack something here */
    bool accepted;               /* it gets min_pairs */
    bool left_out;               /* they do not fit into the budget */
    double seconds;              /* of its last process; 0: none yet */
    int n_processes;             /* of this run */
} arm_state;

typedef struct sweep {
    const tm_sweep_options *o;
    tm_sweep_outcome *out;
    tm_sweep_store log;
    arm_state *arms; /* [plan->n_arms] */
    int64_t begin_ns;
    int arm_number, n_arms, round;
    const tm_arm *current;
    double predicted_end; /* elapsed seconds at the end, predicted when the arm began */
    char marks[240];
    bool fatal;
} sweep;

static double elapsed(const sweep *s)
{
    return s->o->spent_seconds + (double)(tm_clock_now(s->o->clock) - s->begin_ns) * 1e-9;
}

/* Whether a process of the arm still lacks records of a cell that has not failed. */
static bool cell_has_work(const sweep *s, int arm, int cell, int process)
{
    const tm_arm *a = &s->o->plan->arms[arm];
    if (a->skip[0] || s->arms[arm].left_out || s->arms[arm].given_up[cell]) return false;
    for (int r = 0; r < s->o->suite->repetitions; r++)
        if (!tm_sweep_store_has(&s->log, a->cell_ids[cell], process, r, false)) return true;
    if (tm_arm_needs_profile(s->o, &s->log, a, cell, process)) return true;
    for (tm_phase phase = 0; phase < TM_PHASES; phase++)
        if (tm_arm_needs_energy(s->o, &s->log, a, cell, process, phase)) return true;
    return false;
}

static bool has_work(const sweep *s, int arm, int process)
{
    for (int i = 0; i < s->o->plan->arms[arm].n_cells; i++)
        if (cell_has_work(s, arm, i, process)) return true;
    return false;
}

static bool has_samples(const sweep *s, int arm, int process)
{
    const tm_arm *a = &s->o->plan->arms[arm];
    for (int i = 0; i < a->n_cells; i++)
        if (tm_sweep_store_has_any(&s->log, a->cell_ids[i], process)) return true;
    return false;
}

static int process_of(const tm_pair *pair, int round)
{
    return round * pair->n + pair->index;
}

/* How wrong the plan's guess was for the arm that resembles this one most: the last one measured
 * with the same kernel and threads, or the last one measured at all. */
static double correction_for(const sweep *s, int arm)
{
    const tm_plan *plan = s->o->plan;
    const tm_cell *own = &plan->arms[arm].cells[0];
    double same = 0, any = 1;
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_cell *c = &plan->arms[i].cells[0];
        if (!(s->arms[i].seconds > 0) || !(plan->arms[i].predicted_seconds > 0)) continue;
        any = s->arms[i].seconds / plan->arms[i].predicted_seconds;
        if (c->threads == own->threads && strcmp(c->cpus, own->cpus) == 0 &&
            strcmp(c->kernel_asked, own->kernel_asked) == 0)
            same = any;
    }
    return same > 0 ? same : any;
}

static double seconds_of(const sweep *s, int arm)
{
    if (arm < 0) return 0;
    return s->arms[arm].seconds > 0
               ? s->arms[arm].seconds
               : s->o->plan->arms[arm].predicted_seconds * correction_for(s, arm);
}

/* Whether the arm on one side of a pair is measured although the store has its process: the other
 * side has nothing of it yet, and a pair must run in one run. */
static bool is_renewed(const sweep *s, const tm_pair *pair, int arm, int process)
{
    const int other = arm == pair->a ? pair->b : pair->a;
    return other >= 0 && !s->o->plan->arms[arm].skip[0] && !has_work(s, arm, process) &&
           has_samples(s, arm, process) && has_work(s, other, process) &&
           !has_samples(s, other, process);
}

/* Whether nothing more is due of the model, threads and test of a cell. Pairs of the last round run
 * last, so only that round is looked at. */
static bool column_ended(const sweep *s, const tm_cell *cell)
{
    const tm_plan *plan = s->o->plan;
    if (s->round < s->o->suite->processes - 1) return false;
    for (int i = 0; i < plan->n_pairs; i++) {
        const int arms[] = {plan->pairs[i].a, plan->pairs[i].b};
        const int process = process_of(&plan->pairs[i], s->round);
        for (int side = 0; side < 2; side++)
            for (int k = 0; arms[side] >= 0 && k < plan->arms[arms[side]].n_cells; k++) {
                const tm_cell *c = &plan->arms[arms[side]].cells[k];
                if (c->threads == cell->threads && strcmp(c->test, cell->test) == 0 &&
                    strcmp(c->cpus, cell->cpus) == 0 && strcmp(c->model, cell->model) == 0 &&
                    cell_has_work(s, arms[side], k, process))
                    return false;
            }
    }
    return true;
}

/* Predicted seconds of what a pair lacks in a round; *n counts its processes. */
static double pair_seconds(const sweep *s, const tm_pair *pair, int round, int *n)
{
    double seconds = 0;
    int arms[] = {pair->a, pair->b}, process = process_of(pair, round);
    for (int i = 0; i < 2; i++) {
        if (arms[i] < 0) continue;
        if (!has_work(s, arms[i], process) && !is_renewed(s, pair, arms[i], process)) continue;
        seconds += seconds_of(s, arms[i]);
        (*n)++;
    }
    return seconds;
}

/* Whether a cell of the pair has no sample yet, so that any budget left is enough. */
static bool is_first(const sweep *s, const tm_pair *pair)
{
    return !has_samples(s, pair->a, -1) || (pair->b >= 0 && !has_samples(s, pair->b, -1));
}

static bool is_of_model(const sweep *s, const tm_pair *pair, const char *model)
{
    return strcmp(s->o->plan->arms[pair->a].cells[0].model, model) == 0;
}

/* Predicted seconds of the first min_pairs rounds that are still due: of a model, or (NULL) of all
 * models that were accepted. */
static double owed_seconds(const sweep *s, const char *model)
{
    const tm_plan *plan = s->o->plan;
    double seconds = 0;
    int n = 0;
    for (int round = 0; round < s->o->suite->min_pairs; round++)
        for (int i = 0; i < plan->n_pairs; i++) {
            const tm_pair *pair = &plan->pairs[i];
            if (model ? is_of_model(s, pair, model) : s->arms[pair->a].accepted)
                seconds += pair_seconds(s, pair, round, &n);
        }
    return seconds;
}

/* Predicted seconds of all that is left, within the budget. The next first run of a cell may exceed
 * it. */
static double remaining(const sweep *s)
{
    double seconds = 0, first = 0, budget = s->o->suite->time_budget_seconds;
    int n = 0;
    for (int round = s->round; round < s->o->suite->processes; round++)
        for (int i = 0; i < s->o->plan->n_pairs; i++) {
            const tm_pair *pair = &s->o->plan->pairs[i];
            double more = pair_seconds(s, pair, round, &n);
            if (first == 0 && is_first(s, pair)) first = more;
            seconds += more;
        }
    double left = fmax(fmax(budget - elapsed(s), first), owed_seconds(s, NULL));
    return budget > 0 ? fmin(seconds, left) : seconds;
}

static void emit(const sweep *s, tm_sweep_event_kind kind, const tm_record *record,
                 const char *text)
{
    if (!s->o->on_event) return;
    double now = elapsed(s);
    tm_sweep_event event = {.kind = kind,
                            .arm = s->current,
                            .record = record,
                            .text = text,
                            .arm_number = s->arm_number,
                            .n_arms = s->n_arms,
                            .round = s->round,
                            .n_rounds = s->o->suite->processes,
                            .has_budget = s->o->suite->time_budget_seconds > 0,
                            .elapsed_seconds = now,
                            .remaining_seconds = fmax(0, s->predicted_end - now),
                            .may_end_early = s->o->wants,
                            .column_ended = record && record->kind != TM_RECORD_CELL &&
                                            column_ended(s, &record->cell)};
    s->o->on_event(s->o->on_event_arg, &event);
}

static void on_record(void *arg, const tm_record *record)
{
    sweep *s = arg;
    tm_sweep_outcome *out = s->out;
    bool ok;
    switch (record->kind) {
    case TM_RECORD_SAMPLE:
        out->n_new_samples++;
        emit(s, TM_SWEEP_SAMPLE, record, NULL);
        break;
    case TM_RECORD_PROFILE:
        ok = record->profile.n_entries > 0;
        out->n_profiles += ok;
        out->n_profiles_lost += !ok;
        if (!ok) memcpy(out->profile_lost, record->reason, sizeof out->profile_lost);
        emit(s, TM_SWEEP_PROFILE, record, NULL);
        break;
    case TM_RECORD_ENERGY:
        ok = record->energy.state == TM_PROBE_OK || s->o->energy->later;
        out->n_windows_ok += ok;
        out->n_windows_lost += !ok;
        if (!ok) snprintf(out->lost, sizeof out->lost, "%s", record->energy.reason);
        emit(s, TM_SWEEP_ENERGY, record, NULL);
        break;
    default:
        break;
    }
}

/* A line for a cell that gets no sample in this run, unless the store has the same line. is_said:
 * the caller tells the user. */
static tm_status add_cell(sweep *s, int arm, int cell, const char *status_text, const char *reason,
                          bool is_said, tm_error *err)
{
    const tm_arm *a = &s->o->plan->arms[arm];
    tm_record record = {.kind = TM_RECORD_CELL, .cell = a->cells[cell]};
    memcpy(record.cell_id, a->cell_ids[cell], sizeof record.cell_id);
    record.predicted_bytes = a->predicted_bytes;
    snprintf(record.status, sizeof record.status, "%s", status_text);
    snprintf(record.reason, sizeof record.reason, "%s", reason);
    s->current = a;
    if (!is_said) emit(s, TM_SWEEP_CELL, &record, NULL);
    if (tm_sweep_store_has_cell(&s->log, &record)) return TM_OK;
    tm_status status = tm_sweep_store_add(&s->log, &record, err);
    s->fatal = s->fatal || status != TM_OK;
    return status;
}

static tm_status skip_arms(sweep *s, tm_error *err)
{
    const tm_plan *plan = s->o->plan;
    for (int i = 0; i < plan->n_arms; i++)
        for (int k = 0; k < plan->arms[i].n_cells && plan->arms[i].skip[0]; k++) {
            tm_status status = add_cell(s, i, k, "skipped", plan->arms[i].skip, false, err);
            if (status != TM_OK) return status;
        }
    return TM_OK;
}

/* After a process failed: the cell in which it failed, or all that it still had to do. */
static tm_status give_up(sweep *s, int arm, tm_worker_client *process, int failed,
                         const tm_error *why, tm_error *err)
{
    const char *verdict = why->status == TM_UNSUPPORTED ? "skipped" : "failed";
    for (int i = 0; i < s->o->plan->arms[arm].n_cells; i++) {
        if (!process->todo[i] || (failed >= 0 && i != failed)) continue;
        process->todo[i] = false;
        s->arms[arm].given_up[i] = true;
        s->arms[arm].failed[i] = why->status != TM_UNSUPPORTED;
        tm_status status = add_cell(s, arm, i, verdict, why->message, false, err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

/* One process of an arm. After a failed cell another process runs the cells that follow. */
static tm_status run_arm(sweep *s, int arm, int process, int slot, bool apart, bool anew,
                         tm_error *err)
{
    const tm_arm *a = &s->o->plan->arms[arm];
    char marks[240];
    snprintf(marks, sizeof marks, "%s%s%s", s->marks, s->marks[0] && apart ? "; " : "",
             apart ? "ran apart from its pair" : "");
    tm_worker_client p = {.options = s->o,
                          .arm = a,
                          .log = &s->log,
                          .process = process,
                          .slot = slot,
                          .anew = anew,
                          .marks = marks,
                          .on_record = on_record,
                          .on_record_arg = s};
    for (int i = 0; i < a->n_cells; i++) p.todo[i] = !s->arms[arm].given_up[i];
    s->current = a;
    s->arm_number++;
    s->predicted_end = elapsed(s) + remaining(s);
    emit(s, TM_SWEEP_ARM, NULL, NULL);
    int64_t begin = tm_clock_now(s->o->clock);
    for (;;) {
        int failed;
        tm_error why;
        tm_status status = tm_worker_client_run(&p, &failed, &s->fatal, &why);
        if (status == TM_INTERRUPTED) s->out->interrupted = true;
        if (s->fatal || status == TM_INTERRUPTED) {
            *err = why;
            return status;
        }
        if (status == TM_OK) break;
        status = give_up(s, arm, &p, failed, &why, err);
        if (status != TM_OK) return status;
        if (!has_work(s, arm, process)) break;
    }
    s->arms[arm].seconds = (double)(tm_clock_now(s->o->clock) - begin) * 1e-9;
    s->arms[arm].n_processes++;
    return TM_OK;
}

/* Leaves a model out: a line for each cell, and one for the user. */
static tm_status leave_out(sweep *s, const char *model, double needed, double left, tm_error *err)
{
    const tm_plan *plan = s->o->plan;
    char reason[200], text[240 + TM_MODEL_NAME_SIZE];
    s->out->budget_spent = true;
    s->out->n_models_left_out++;
    snprintf(reason, sizeof reason,
             "%d pairs would take about %.0f s, and %.0f s of the time budget of %g s are left",
             s->o->suite->min_pairs, needed, left, s->o->suite->time_budget_seconds);
    snprintf(text, sizeof text, "%s left out: %s", model, reason);
    emit(s, TM_SWEEP_NOTE, NULL, text);
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *a = &plan->arms[i];
        if (strcmp(a->cells[0].model, model) != 0 || a->skip[0]) continue;
        s->arms[i].left_out = true;
        for (int k = 0; k < a->n_cells; k++) {
            tm_status status = add_cell(s, i, k, "skipped", reason, true, err);
            if (status != TM_OK) return status;
        }
    }
    return TM_OK;
}

/* Decides whether the model of a pair starts, unless that is decided. The first model does, and so
 * does one that the store has samples of. A guess may be too low: it counts with 10 % more. */
static tm_status decide_model(sweep *s, const tm_pair *pair, tm_error *err)
{
    const tm_plan *plan = s->o->plan;
    const char *model = plan->arms[pair->a].cells[0].model;
    const double budget = s->o->suite->time_budget_seconds;
    bool is_only = true, has_some = false;
    if (s->o->suite->min_pairs <= 0 || budget <= 0) return TM_OK;
    if (s->arms[pair->a].accepted || s->arms[pair->a].left_out) return TM_OK;
    for (int i = 0; i < plan->n_arms; i++) {
        is_only = is_only && !s->arms[i].accepted;
        has_some = has_some || (strcmp(plan->arms[i].cells[0].model, model) == 0 &&
                                has_samples(s, i, TM_ANY_PROCESS));
    }
    const double needed = 1.1 * owed_seconds(s, model);
    const double left = fmax(0, budget - elapsed(s) - owed_seconds(s, NULL));
    if (!is_only && !has_some && needed > left) return leave_out(s, model, needed, left, err);
    for (int i = 0; i < plan->n_arms; i++)
        if (strcmp(plan->arms[i].cells[0].model, model) == 0) s->arms[i].accepted = true;
    return TM_OK;
}

/* The first pair of a run always starts, and the min_pairs of a model that was accepted. Without
 * min_pairs a first run of an arm needs only some budget left. Everything else must fit. */
static bool fits_budget(const sweep *s, const tm_pair *pair, double seconds)
{
    const tm_suite *suite = s->o->suite;
    const double budget = suite->time_budget_seconds;
    if (budget <= 0 || s->out->n_new_samples == 0) return true;
    if (suite->min_pairs > 0 && s->round < suite->min_pairs) return true;
    return is_first(s, pair) ? elapsed(s) < budget : elapsed(s) + seconds <= budget;
}

static tm_status run_pair(sweep *s, const tm_pair *pair, tm_error *err)
{
    int n = 0, process = process_of(pair, s->round);
    double seconds = pair_seconds(s, pair, s->round, &n);
    if (n == 0) return TM_OK;
    if (s->o->wants && !s->o->wants(s->o->wants_arg, pair, s->round)) return TM_OK;
    tm_status status = decide_model(s, pair, err);
    if (status != TM_OK || s->arms[pair->a].left_out) return status;
    if (!fits_budget(s, pair, seconds)) {
        s->out->budget_spent = true;
        return TM_OK;
    }
    bool flip = pair->b >= 0 && (s->round & 1);
    int order[] = {flip ? pair->b : pair->a, flip ? pair->a : pair->b};
    /* What is in the store already was measured at another time. */
    bool anew[2] = {false, false};
    for (int i = 0; i < 2 && pair->b >= 0; i++) anew[i] = is_renewed(s, pair, order[i], process);
    bool apart[] = {pair->b >= 0 && !anew[1] && has_samples(s, order[1], process),
                    pair->b >= 0 && !anew[0] && has_samples(s, order[0], process)};
    for (int slot = 0; slot < 2; slot++) {
        if (order[slot] < 0 || (!anew[slot] && !has_work(s, order[slot], process))) continue;
        if (tm_interrupted(s->o->interrupt)) {
            s->out->interrupted = true;
            return tm_fail(err, TM_INTERRUPTED, "interrupted");
        }
        status = run_arm(s, order[slot], process, slot, apart[slot], anew[slot], err);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

static tm_status run_rounds(sweep *s, tm_error *err)
{
    const tm_plan *plan = s->o->plan;
    for (s->round = 0; s->round < s->o->suite->processes; s->round++) {
        for (int i = 0; i < plan->n_pairs; i++) {
            tm_status status = run_pair(s, &plan->pairs[i], err);
            if (status != TM_OK) return status;
        }
    }
    s->round--;
    return TM_OK;
}

/* Cells that never ran because of the budget get a line with this reason. */
static tm_status skip_unstarted(sweep *s, tm_error *err)
{
    const tm_plan *plan = s->o->plan;
    char reason[160], text[200];
    int n = 0;
    snprintf(reason, sizeof reason, "the time budget of %g s was used up before its first run",
             s->o->suite->time_budget_seconds);
    for (int i = 0; i < plan->n_arms && s->out->budget_spent; i++) {
        const tm_arm *a = &plan->arms[i];
        for (int k = 0; k < a->n_cells && !a->skip[0] && !s->arms[i].left_out; k++) {
            if (s->arms[i].given_up[k] || tm_sweep_store_has_any(&s->log, a->cell_ids[k], -1))
                continue;
            n++;
            tm_status status = add_cell(s, i, k, "skipped", reason, true, err);
            if (status != TM_OK) return status;
        }
    }
    snprintf(text, sizeof text,
             "%d cell%s not started: the time budget of %g s was used up; raise --time-budget or "
             "run it again",
             n, n == 1 ? " was" : "s were", s->o->suite->time_budget_seconds);
    if (n > 0) emit(s, TM_SWEEP_NOTE, NULL, text);
    return TM_OK;
}

/* Marks of every sample of this run. */
static void run_marks(sweep *s)
{
    const tm_machine *machine = s->o->machine;
    char quota[96] = "";
    int most = 0;
    for (int i = 0; i < s->o->plan->n_arms; i++)
        if (s->o->plan->arms[i].cells[0].threads > most)
            most = s->o->plan->arms[i].cells[0].threads;
    if (machine->cgroup.cpu_limit > 0 && most > ceil(machine->cgroup.cpu_limit))
        snprintf(quota, sizeof quota, "more threads than the control group's quota of %.3g CPUs",
                 machine->cgroup.cpu_limit);
    bool odd_build = strcmp(tm_build_mode(), "release") != 0;
    const char *parts[] = {machine->emulated ? "instructions are emulated" : "",
                           odd_build ? "not a release build" : "",
                           most > machine->n_cpus ? "more threads than CPUs" : "", quota};
    for (int i = 0; i < 4; i++) {
        size_t n = strlen(s->marks);
        if (parts[i][0])
            snprintf(s->marks + n, sizeof s->marks - n, "%s%s", n ? "; " : "", parts[i]);
    }
}

/* Processes of the arm that have samples. */
static int rounds_of(const sweep *s, int arm)
{
    int n = 0;
    for (int p = 0; p < s->o->suite->processes * s->o->plan->n_pairs; p++)
        n += has_samples(s, arm, p);
    return n;
}

/* Windows without joules, in every process of the store that has samples of the cell. */
static int count_windows_due(const sweep *s, const tm_arm *arm, int cell)
{
    const tm_cell *c = &arm->cells[cell];
    const tm_sweep_options *o = s->o;
    const char *id = arm->cell_ids[cell];
    int n = 0;
    for (int process = 0; o->energy && o->energy->source[0] && process < o->suite->processes;
         process++)
        for (tm_phase phase = 0; phase < TM_PHASES; phase++)
            n += (phase == TM_PHASE_PROMPT ? c->n_prompt : c->n_gen) > 0 &&
                 tm_sweep_store_has_any(&s->log, id, process) &&
                 !tm_sweep_store_has_energy(&s->log, id, process, phase, o->energy,
                                            &o->suite->energy);
    return n;
}

static void count(sweep *s)
{
    const tm_plan *plan = s->o->plan;
    tm_sweep_outcome *out = s->out;
    bool first = true;
    for (int i = 0; i < plan->n_arms; i++) {
        const tm_arm *a = &plan->arms[i];
        bool any = false;
        for (int k = 0; k < a->n_cells; k++) {
            bool has = tm_sweep_store_has_any(&s->log, a->cell_ids[k], -1);
            any = any || has;
            out->n_windows_due += count_windows_due(s, a, k);
            if (s->arms[i].failed[k])
                out->n_cells_failed++;
            else if (has)
                out->n_cells_ok++;
            else if (a->skip[0] || s->arms[i].left_out || s->arms[i].given_up[k] ||
                     out->budget_spent)
                out->n_cells_skipped++;
            else
                out->n_cells_unfinished++;
        }
        if (!any) continue;
        int rounds = rounds_of(s, i);
        if (first || rounds < out->rounds_min) out->rounds_min = rounds;
        if (first || rounds > out->rounds_max) out->rounds_max = rounds;
        first = false;
    }
}

/* Processes that both arms of a pair have; unpaired arms have none. */
static void count_pairs(const sweep *s)
{
    tm_sweep_outcome *out = s->out;
    for (int i = 0; i < s->o->plan->n_pairs; i++) {
        const tm_pair *pair = &s->o->plan->pairs[i];
        int n = 0;
        for (int round = 0; pair->b >= 0 && round < s->o->suite->processes; round++)
            n += has_samples(s, pair->a, process_of(pair, round)) &&
                 has_samples(s, pair->b, process_of(pair, round));
        if (n == 0) continue;
        if (out->pairs_max == 0 || n < out->pairs_min) out->pairs_min = n;
        if (n > out->pairs_max) out->pairs_max = n;
    }
}

/* Shows the pattern that the log of a meter is matched by, on every CPU, before any work. */
static tm_status show_marker(sweep *s, tm_error *err)
{
    tm_meter_marker marker;
    tm_status status =
        tm_meter_marker_show(s->o->machine->n_cpus, s->o->interrupt, s->o->clock, &marker, err);
    if (status == TM_OK) tm_sweep_store_marker(&s->log, &marker);
    if (status == TM_INTERRUPTED) s->out->interrupted = true;
    return status;
}

tm_status tm_sweep_run(const tm_sweep_options *options, tm_sweep_outcome *out, tm_error *err)
{
    sweep s = {.o = options, .out = out, .begin_ns = tm_clock_now(options->clock)};
    char text[960];
    memset(out, 0, sizeof *out);
    s.arms = calloc((size_t)options->plan->n_arms, sizeof *s.arms);
    if (!s.arms) return tm_fail(err, TM_NOMEM, "no memory for %d arms", options->plan->n_arms);
    tm_status status = tm_sweep_store_open(&s.log, options, &out->records, err);
    if (status != TM_OK) goto done;
    const char *left_out = tm_records_left_out(&out->records, text, sizeof text);
    out->first_new = out->records.n;
    if (left_out) emit(&s, TM_SWEEP_NOTE, NULL, left_out);
    run_marks(&s);
    for (int round = 0; round < options->suite->processes; round++)
        for (int i = 0; i < options->plan->n_pairs; i++)
            pair_seconds(&s, &options->plan->pairs[i], round, &s.n_arms);
    s.begin_ns = tm_clock_now(options->clock); /* limits and marker count into the budget */
    tm_sweep_store_limits(
        &s.log, options->limits && s.n_arms > 0 ? options->limits(options->limits_arg) : NULL);
    if (options->energy && options->suite->energy.marker && s.n_arms > 0)
        status = show_marker(&s, err);
    if (status == TM_OK) status = skip_arms(&s, err);
    if (status == TM_OK) status = run_rounds(&s, err);
    if (status == TM_OK) status = skip_unstarted(&s, err);
    count(&s);
    count_pairs(&s);
    /* An interrupt is part of the outcome, not an error: what was measured is kept. */
    if (status == TM_INTERRUPTED && !s.fatal) status = TM_OK;
done:
    tm_sweep_store_close(&s.log);
    free(s.arms);
    return status;
}

void tm_sweep_outcome_free(tm_sweep_outcome *outcome)
{
    tm_records_free(&outcome->records);
    memset(outcome, 0, sizeof *outcome);
}
