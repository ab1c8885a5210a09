#include "harness/sweep/worker_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/measure/profile.h"
#include "harness/measure/worker_process.h"
#include "kernels/kernel.h"

/* Longest silence: a worker says nothing while it loads a model or runs one repetition. */
#define PATIENCE_SECONDS 120
#define PATIENCE_FACTOR  20

/* The conversation with one worker. */
typedef struct talk {
    tm_worker_client *p;
    tm_worker_request request;
    int cell_of[TM_SUITE_MAX]; /* of every test in the request */
    int test, repetition;      /* what the next sample must be */
    int profile_test;          /* whose the next profile must be */
    int energy_test;           /* what the next energy window must be */
    tm_phase energy_phase;
    bool has_energy; /* a window was requested */
    bool checked, fatal;
    char tokens[24];
} talk;

bool tm_arm_needs_energy(const tm_sweep_options *options, const tm_sweep_store *log,
                         const tm_arm *arm, int cell, int process, tm_phase phase)
{
    const tm_cell *c = &arm->cells[cell];
    return options->energy && options->energy->source[0] &&
           (phase == TM_PHASE_PROMPT ? c->n_prompt : c->n_gen) > 0 &&
           !tm_sweep_store_has_energy(log, arm->cell_ids[cell], process, phase, options->energy);
}

bool tm_arm_needs_profile(const tm_sweep_options *options, const tm_sweep_store *log,
                          const tm_arm *arm, int cell, int process)
{
    return options->suite->profile &&
           !tm_sweep_store_has_profile(log, arm->cell_ids[cell], process);
}

static bool is_sampled(const talk *t)
{
    return t->test >= t->request.n_tests;
}

/* To what is due at the present place or behind it. */
static void to_next_sample(talk *t)
{
    while (!is_sampled(t) && t->request.tests[t->test].n_repetitions == 0) t->test++;
    if (!is_sampled(t)) t->repetition = t->request.tests[t->test].first_repetition;
}

static bool has_profiles(const talk *t)
{
    return t->profile_test < t->request.n_tests;
}

static void to_next_profile(talk *t)
{
    while (has_profiles(t) && t->request.tests[t->profile_test].n_profile_pairs == 0)
        t->profile_test++;
}

static bool has_windows(const talk *t)
{
    return t->energy_test < t->request.n_tests;
}

static void step_window(talk *t)
{
    if (++t->energy_phase < TM_PHASES) return;
    t->energy_phase = 0;
    t->energy_test++;
}

static void to_next_window(talk *t)
{
    while (has_windows(t) && !t->request.tests[t->energy_test].energy[t->energy_phase])
        step_window(t);
}

static void fill_request(talk *t)
{
    const tm_worker_client *p = t->p;
    const tm_suite *suite = p->options->suite;
    tm_worker_request *r = &t->request;
    r->cell = p->arm->cells[0];
    r->seed = p->options->seed;
    r->oversubscribe = p->options->oversubscribe;
    r->f16_kv = true;
    r->check = true;
    snprintf(r->counters, sizeof r->counters, "%s", suite->counters);
    for (int i = 0; i < p->arm->n_cells; i++) {
        const tm_cell *cell = &p->arm->cells[i];
        int first = 0;
        while (first < suite->repetitions &&
               tm_sweep_store_has(p->log, p->arm->cell_ids[i], p->process, first))
            first++;
        tm_worker_test test = {
            .test = {cell->n_prompt, cell->n_gen, cell->depth, cell->n_sequences},
            .warmup = first < suite->repetitions ? suite->warmup : 0,
            .first_repetition = first,
            .n_repetitions = suite->repetitions - first};
        if (tm_arm_needs_profile(p->options, p->log, p->arm, i, p->process))
            test.n_profile_pairs = tm_plan_profile_pairs(suite);
        bool energy = false;
        for (tm_phase phase = 0; phase < TM_PHASES; phase++) {
            test.energy[phase] =
                tm_arm_needs_energy(p->options, p->log, p->arm, i, p->process, phase);
            energy = energy || test.energy[phase];
        }
        if (!p->todo[i] || (test.n_repetitions == 0 && test.n_profile_pairs == 0 && !energy))
            continue;
        t->cell_of[r->n_tests] = i;
        r->tests[r->n_tests++] = test;
    }
    r->energy = suite->energy;
    snprintf(r->energy.source, sizeof r->energy.source, "%s",
             p->options->energy && p->options->energy->source[0] ? p->options->energy->source
                                                                 : "none");
    r->energy_later = p->options->energy && p->options->energy->later;
    to_next_sample(t);
    to_next_profile(t);
    to_next_window(t);
    t->has_energy = has_windows(t);
}

static bool in_plan(const tm_plan *plan, const char *cell_id)
{
    for (int i = 0; i < plan->n_arms; i++)
        for (int k = 0; k < plan->arms[i].n_cells; k++)
            if (strcmp(plan->arms[i].cell_ids[k], cell_id) == 0) return true;
    return false;
}

/* The greedy tokens must be those of every other arm of this plan that computes the same. */
static tm_status compare_tokens(const talk *t, tm_error *err)
{
    const tm_worker_client *p = t->p;
    const tm_record *r;
    size_t cursor = 0;
    if (!t->tokens[0]) return TM_OK;
    while ((r = tm_sweep_store_next_tokens(p->log, &p->arm->cells[0], &cursor))) {
        if (strcmp(r->sample.tokens, t->tokens) == 0 || !in_plan(p->options->plan, r->cell_id))
            continue;
        return tm_fail(err, TM_CHECK,
                       "its greedy tokens (hash %s) differ from those of %s on %d threads (%s)",
                       t->tokens, r->cell.kernel, r->cell.threads, r->sample.tokens);
    }
    return TM_OK;
}

/* What the parent knows of a record. */
static void place(const talk *t, int cell, tm_record *r)
{
    const tm_worker_client *p = t->p;
    r->cell = p->arm->cells[cell];
    memcpy(r->cell_id, p->arm->cell_ids[cell], sizeof r->cell_id);
    r->process = p->process;
    r->slot = p->slot;
    r->predicted_bytes = p->arm->predicted_bytes;
}

/* Into the log, which owns it from here on. */
static tm_status keep(talk *t, tm_record *r, tm_error *err)
{
    const tm_worker_client *p = t->p;
    tm_status status = tm_sweep_store_add(p->log, r, err);
    if (status != TM_OK)
        t->fatal = true;
    else if (p->on_record)
        p->on_record(p->on_record_arg, &p->log->records->items[p->log->records->n - 1]);
    return status;
}

static tm_status take_sample(talk *t, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    const tm_worker_client *p = t->p;
    const tm_worker_test *test = &t->request.tests[t->test]; /* there is one: see take_line */
    int cell = t->cell_of[t->test], n_tokens = tm_test_tokens(&test->test);
    int n_times = p->arm->peer ? 0 : test->test.n_gen; /* a peer tells no times of single tokens */
    if (line->test != t->test || r->sample.repetition != t->repetition ||
        r->sample.n_tokens != n_tokens || r->sample.n_token_ns != n_times) {
        tm_status status = tm_fail(err, TM_FORMAT,
                                   "the worker answered test %d, repetition %d with %d tokens and "
                                   "%d token times; test %d, "
                                   "repetition %d with %d and %d was due",
                                   line->test, r->sample.repetition, r->sample.n_tokens,
                                   r->sample.n_token_ns, t->test, t->repetition, n_tokens, n_times);
        tm_record_free(r);
        return status;
    }
    place(t, cell, r);
    memcpy(r->sample.tokens, t->tokens, sizeof r->sample.tokens);
    bool continues = test->first_repetition > 0;
    if (p->marks[0]) tm_record_mark(r, "%s", p->marks);
    if (continues) tm_record_mark(r, "continues an interrupted process");
    tm_status status = keep(t, r, err);
    if (status != TM_OK) return status;
    if (++t->repetition == test->first_repetition + test->n_repetitions) {
        t->test++;
        to_next_sample(t);
    }
    return TM_OK;
}

static tm_status take_profile(talk *t, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    if (!is_sampled(t) || !has_profiles(t) || line->test != t->profile_test) {
        tm_record_free(r);
        return tm_fail(err, TM_FORMAT, "the worker sent a profile that was not due");
    }
    place(t, t->cell_of[t->profile_test], r);
    if (t->p->marks[0]) tm_record_mark(r, "%s", t->p->marks);
    tm_status status = keep(t, r, err);
    t->profile_test++;
    to_next_profile(t);
    return status;
}

/* A worker of another engine, or of an older build, need not know of profiles: they are missing, and say
 * so. */
static tm_status miss_profiles(talk *t, tm_error *err)
{
    tm_status status = TM_OK;
    while (status == TM_OK && has_profiles(t)) {
        tm_record r = {.kind = TM_RECORD_PROFILE, .status = "skipped", .reason = TM_NO_PROFILE};
        place(t, t->cell_of[t->profile_test], &r);
        status = keep(t, &r, err);
        t->profile_test++;
        to_next_profile(t);
    }
    return status;
}

static tm_status take_energy(talk *t, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    if (!is_sampled(t) || !has_windows(t) || line->test != t->energy_test ||
        r->energy.phase != t->energy_phase) {
        tm_record_free(r);
        return tm_fail(err, TM_FORMAT, "the worker sent an energy window that was not due");
    }
    place(t, t->cell_of[t->energy_test], r);
    tm_status status = keep(t, r, err);
    step_window(t);
    to_next_window(t);
    return status;
}

/* A worker of another engine need not know of energy: its windows are missing, and say so. */
static tm_status miss_windows(talk *t, tm_error *err)
{
    tm_status status = TM_OK;
    while (status == TM_OK && has_windows(t)) {
        tm_record r = {.kind = TM_RECORD_ENERGY};
        tm_record_energy_init(&r.energy);
        r.energy.phase = t->energy_phase;
        snprintf(r.energy.source, sizeof r.energy.source, "%s", t->request.energy.source);
        tm_record_energy_lose(&r.energy, TM_PROBE_MISSING, TM_NO_WINDOW);
        place(t, t->cell_of[t->energy_test], &r);
        status = keep(t, &r, err);
        step_window(t);
        to_next_window(t);
    }
    return status;
}

static tm_status take_line(void *arg, tm_worker_line *line, tm_error *err)
{
    talk *t = arg;
    tm_status status = TM_OK;
    switch (line->kind) {
    case TM_WORKER_CHECKED:
        t->checked = true;
        memcpy(t->tokens, line->tokens, sizeof t->tokens);
        return compare_tokens(t, err);
    case TM_WORKER_SAMPLE:
        if (t->checked && !is_sampled(t)) return take_sample(t, line, err);
        tm_worker_line_free(line);
        return tm_fail(err, TM_FORMAT, "the worker sent a sample %s",
                       t->checked ? "too many" : "before it had checked its kernels");
    case TM_WORKER_PROFILE:
        return take_profile(t, line, err);
    case TM_WORKER_ENERGY:
        return take_energy(t, line, err);
    case TM_WORKER_DONE:
        if (!is_sampled(t))
            return tm_fail(err, TM_FORMAT, "the worker says it is done with samples missing");
        status = miss_profiles(t, err);
        return status == TM_OK ? miss_windows(t, err) : status;
    default:
        return TM_OK;
    }
}

/* A worker is silent over a whole energy window, and over all the runs of a profile. */
static double patience(void *arg)
{
    const talk *t = arg;
    double given = t->p->options->timeout_seconds;
    double seconds =
        given > 0 ? given : PATIENCE_SECONDS + PATIENCE_FACTOR * t->p->arm->predicted_seconds;
    if (t->has_energy) seconds += tm_energy_source_predict_seconds(&t->request.energy, 1);
    if (is_sampled(t) && has_profiles(t))
        seconds *= TM_PROFILE_RUNS(t->request.tests[t->profile_test].n_profile_pairs);
    return seconds;
}

/* The cell that was due when the worker failed; -1: none was. */
static int failed_cell(const talk *t)
{
    if (!t->checked) return -1;
    if (!is_sampled(t)) return t->cell_of[t->test];
    if (has_profiles(t)) return t->cell_of[t->profile_test];
    return has_windows(t) ? t->cell_of[t->energy_test] : -1;
}

tm_status tm_worker_client_run(tm_worker_client *client, int *failed, bool *fatal, tm_error *err)
{
    const char *path = client->options->worker_path;
    const tm_peer *peer = client->arm->peer;
    char text[TM_PEER_TEXT];
    const char *argv[] = {path ? path : "/proc/self/exe", peer ? "peer" : "worker",
                          peer ? text : NULL, NULL};
    if (peer) tm_peer_print(peer, text, sizeof text);
    *failed = -1;
    *fatal = false;
    talk *t = calloc(1, sizeof *t);
    if (!t) {
        *fatal = true;
        return tm_fail(err, TM_NOMEM, "no memory to run an arm");
    }
    t->p = client;
    fill_request(t);
    tm_worker_process process = {.argv = argv,
                                 .request = &t->request,
                                 .on_line = take_line,
                                 .patience = patience,
                                 .arg = t,
                                 .interrupt_fd = client->options->interrupt_fd};
    tm_status status = t->request.n_tests > 0 ? tm_worker_process_run(&process, err) : TM_OK;
    if (status != TM_OK) *failed = failed_cell(t);
    *fatal = t->fatal;
    free(t);
    return status;
}
