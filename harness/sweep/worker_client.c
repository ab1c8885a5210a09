#include "harness/sweep/worker_client.h"

#include "harness/machine/cpu_choice.h"
#include "harness/measure/profile.h"
#include "harness/measure/worker_process.h"
#include "harness/tune/prefetch.h"
#include "kernels/kernel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Longest silence: a worker sends nothing while it loads a model or runs one repetition. */
#define PATIENCE_SECONDS 120
#define PATIENCE_FACTOR  20

/* State of one worker: what is requested, and what must come next. */
typedef struct session {
    tm_worker_client *p;
    tm_worker_request request;
    int cell_of[TM_SUITE_MAX]; /* of every test in the request */
    int test, repetition;      /* of the next sample */
    int profile_test;          /* test of the next profile */
    int energy_test;           /* test of the next energy window */
    tm_phase energy_phase;
    bool has_energy; /* a window was requested */
    bool checked, fatal;
    char tokens[24];
} session;

bool tm_arm_needs_energy(const tm_sweep_options *options, const tm_sweep_store *log,
                         const tm_arm *arm, int cell, int process, tm_phase phase)
{
    const tm_cell *c = &arm->cells[cell];
    return options->energy && options->energy->source[0] &&
           (phase == TM_PHASE_PROMPT ? c->n_prompt : c->n_gen) > 0 &&
           !tm_sweep_store_has_energy(log, arm->cell_ids[cell], process, phase, options->energy,
                                      &options->suite->energy) &&
           !tm_sweep_store_has_no_window(log, arm->cell_ids[cell], process, phase);
}

bool tm_arm_needs_profile(const tm_sweep_options *options, const tm_sweep_store *log,
                          const tm_arm *arm, int cell, int process)
{
    return options->suite->profile &&
           !tm_sweep_store_has_profile(log, arm->cell_ids[cell], process);
}

static bool is_sampled(const session *s)
{
    return s->test >= s->request.n_tests;
}

/* Skips tests without repetitions. */
static void to_next_sample(session *s)
{
    while (!is_sampled(s) && s->request.tests[s->test].n_repetitions == 0) s->test++;
    if (!is_sampled(s)) s->repetition = s->request.tests[s->test].first_repetition;
}

static bool has_profiles(const session *s)
{
    return s->profile_test < s->request.n_tests;
}

static void to_next_profile(session *s)
{
    while (has_profiles(s) && s->request.tests[s->profile_test].n_profile_pairs == 0)
        s->profile_test++;
}

static bool has_windows(const session *s)
{
    return s->energy_test < s->request.n_tests;
}

static void step_window(session *s)
{
    if (++s->energy_phase < TM_PHASES) return;
    s->energy_phase = 0;
    s->energy_test++;
}

static void to_next_window(session *s)
{
    while (has_windows(s) && !s->request.tests[s->energy_test].energy[s->energy_phase])
        step_window(s);
}

static bool in_plan(const tm_plan *plan, const char *cell_id)
{
    for (int i = 0; i < plan->n_arms; i++)
        for (int k = 0; k < plan->arms[i].n_cells; k++)
            if (strcmp(plan->arms[i].cell_ids[k], cell_id) == 0) return true;
    return false;
}

/* Whether an arm of this plan that computes the same has been checked. */
static bool has_tokens(const tm_worker_client *p)
{
    size_t cursor = 0;
    const tm_record *r;
    while ((r = tm_sweep_store_next_tokens(p->log, &p->arm->cells[0], &cursor)))
        if (in_plan(p->options->plan, r->cell_id)) return true;
    return false;
}

static void fill_request(session *s)
{
    const tm_worker_client *p = s->p;
    const tm_suite *suite = p->options->suite;
    tm_worker_request *r = &s->request;
    r->cell = p->arm->cells[0];
    r->seed = p->options->seed;
    r->oversubscribe = p->options->oversubscribe;
    r->f16_kv = !(p->arm->setting && p->arm->setting->f32_kv);
    r->check = true;
    /* The others are compared with this one; a peer prints its tokens apart from timing. */
    r->reference = p->arm->peer ? p->process == 0 : !has_tokens(p);
    snprintf(r->counters, sizeof r->counters, "%s", suite->counters);
    for (int i = 0; i < p->arm->n_cells; i++) {
        const tm_cell *cell = &p->arm->cells[i];
        int first = 0;
        while (first < suite->repetitions &&
               tm_sweep_store_has(p->log, p->arm->cell_ids[i], p->process, first, p->anew))
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
        s->cell_of[r->n_tests] = i;
        r->tests[r->n_tests++] = test;
    }
    r->energy = suite->energy;
    snprintf(r->energy.source, sizeof r->energy.source, "%s",
             p->options->energy && p->options->energy->source[0] ? p->options->energy->source
                                                                 : "none");
    r->energy_later = p->options->energy && p->options->energy->later;
    to_next_sample(s);
    to_next_profile(s);
    to_next_window(s);
    s->has_energy = has_windows(s);
}

/* The greedy tokens must be those of every other arm of this plan that computes the same. */
static tm_status compare_tokens(const session *s, tm_error *err)
{
    const tm_worker_client *p = s->p;
    const tm_record *r;
    size_t cursor = 0;
    if (!s->tokens[0]) return TM_OK;
    while ((r = tm_sweep_store_next_tokens(p->log, &p->arm->cells[0], &cursor))) {
        if (strcmp(r->sample.tokens, s->tokens) == 0 || !in_plan(p->options->plan, r->cell_id))
            continue;
        return tm_fail(err, TM_CHECK,
                       "its greedy tokens (hash %s) differ from those of %s on %d threads (%s)",
                       s->tokens, r->cell.kernel, r->cell.threads, r->sample.tokens);
    }
    return TM_OK;
}

/* Fills in what only the parent knows. */
static void place(const session *s, int cell, tm_record *r)
{
    const tm_worker_client *p = s->p;
    r->cell = p->arm->cells[cell];
    memcpy(r->cell_id, p->arm->cell_ids[cell], sizeof r->cell_id);
    r->process = p->process;
    r->slot = p->slot;
    r->predicted_bytes = p->arm->predicted_bytes;
}

/* Gives the record to the store, which owns it from here on. */
static tm_status keep(session *s, tm_record *r, tm_error *err)
{
    const tm_worker_client *p = s->p;
    tm_status status = tm_sweep_store_add(p->log, r, err);
    if (status != TM_OK)
        s->fatal = true;
    else if (p->on_record)
        p->on_record(p->on_record_arg, &p->log->records->items[p->log->records->n - 1]);
    return status;
}

static tm_status take_sample(session *s, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    const tm_worker_client *p = s->p;
    const tm_worker_test *test = &s->request.tests[s->test]; /* there is one: see take_line */
    int cell = s->cell_of[s->test], n_tokens = tm_test_tokens(&test->test);
    int n_times =
        p->arm->peer ? 0 : test->test.n_gen; /* a peer reports no times of single tokens */
    if (line->test != s->test || r->sample.repetition != s->repetition ||
        r->sample.n_tokens != n_tokens || r->sample.n_token_ns != n_times) {
        tm_status status = tm_fail(err, TM_FORMAT,
                                   "the worker sent test %d, repetition %d with %d tokens and %d "
                                   "token times; expected test %d, repetition %d with %d and %d",
                                   line->test, r->sample.repetition, r->sample.n_tokens,
                                   r->sample.n_token_ns, s->test, s->repetition, n_tokens, n_times);
        tm_record_free(r);
        return status;
    }
    place(s, cell, r);
    /* A line arrives as its repetition ends. */
    if (!(r->sample.begin_unix_seconds > 0))
        r->sample.begin_unix_seconds = tm_unix_now() - 1e-9 * (double)r->sample.elapsed_ns;
    memcpy(r->sample.tokens, s->tokens, sizeof r->sample.tokens);
    bool continues = test->first_repetition > 0;
    if (p->marks[0]) tm_record_mark(r, "%s", p->marks);
    if (continues) tm_record_mark(r, "continues an interrupted process");
    tm_status status = keep(s, r, err);
    if (status != TM_OK) return status;
    if (++s->repetition == test->first_repetition + test->n_repetitions) {
        s->test++;
        to_next_sample(s);
    }
    return TM_OK;
}

static tm_status take_profile(session *s, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    if (!is_sampled(s) || !has_profiles(s) || line->test != s->profile_test) {
        tm_record_free(r);
        return tm_fail(err, TM_FORMAT, "the worker sent an unexpected profile");
    }
    place(s, s->cell_of[s->profile_test], r);
    if (s->p->marks[0]) tm_record_mark(r, "%s", s->p->marks);
    tm_status status = keep(s, r, err);
    s->profile_test++;
    to_next_profile(s);
    return status;
}

/* A worker of another engine or of an older build may send no profiles: record them as missing. */
static tm_status miss_profiles(session *s, tm_error *err)
{
    tm_status status = TM_OK;
    while (status == TM_OK && has_profiles(s)) {
        tm_record r = {.kind = TM_RECORD_PROFILE, .status = "skipped", .reason = TM_NO_PROFILE};
        place(s, s->cell_of[s->profile_test], &r);
        status = keep(s, &r, err);
        s->profile_test++;
        to_next_profile(s);
    }
    return status;
}

static tm_status take_energy(session *s, tm_worker_line *line, tm_error *err)
{
    tm_record *r = &line->record;
    if (!is_sampled(s) || !has_windows(s) || line->test != s->energy_test ||
        r->energy.phase != s->energy_phase) {
        tm_record_free(r);
        return tm_fail(err, TM_FORMAT, "the worker sent an unexpected energy window");
    }
    place(s, s->cell_of[s->energy_test], r);
    tm_status status = keep(s, r, err);
    step_window(s);
    to_next_window(s);
    return status;
}

/* A worker of another engine may send no energy windows: record them as missing. */
static tm_status miss_windows(session *s, tm_error *err)
{
    tm_status status = TM_OK;
    while (status == TM_OK && has_windows(s)) {
        tm_record r = {.kind = TM_RECORD_ENERGY};
        tm_record_energy_init(&r.energy);
        r.energy.phase = s->energy_phase;
        snprintf(r.energy.source, sizeof r.energy.source, "%s", s->request.energy.source);
        tm_record_energy_lose(&r.energy, TM_PROBE_MISSING, TM_NO_WINDOW);
        place(s, s->cell_of[s->energy_test], &r);
        status = keep(s, &r, err);
        step_window(s);
        to_next_window(s);
    }
    return status;
}

static tm_status take_line(void *arg, tm_worker_line *line, tm_error *err)
{
    session *s = arg;
    tm_status status = TM_OK;
    switch (line->kind) {
    case TM_WORKER_CHECKED:
        s->checked = true;
        memcpy(s->tokens, line->tokens, sizeof s->tokens);
        return compare_tokens(s, err);
    case TM_WORKER_SAMPLE:
        if (s->checked && !is_sampled(s)) return take_sample(s, line, err);
        tm_worker_line_free(line);
        return tm_fail(err, TM_FORMAT, "the worker sent a sample %s",
                       s->checked ? "too many" : "before it checked its kernels");
    case TM_WORKER_PROFILE:
        return take_profile(s, line, err);
    case TM_WORKER_ENERGY:
        return take_energy(s, line, err);
    case TM_WORKER_DONE:
        if (!is_sampled(s))
            return tm_fail(err, TM_FORMAT, "the worker sent done, but samples are missing");
        status = miss_profiles(s, err);
        return status == TM_OK ? miss_windows(s, err) : status;
    default:
        return TM_OK;
    }
}

/* A worker is silent over a whole energy window, and over all the runs of a profile. */
static double patience(void *arg)
{
    const session *s = arg;
    double given = s->p->options->timeout_seconds;
    double seconds =
        given > 0 ? given : PATIENCE_SECONDS + PATIENCE_FACTOR * s->p->arm->predicted_seconds;
    if (s->has_energy) seconds += tm_energy_source_predict_seconds(&s->request.energy, 1);
    if (is_sampled(s) && has_profiles(s))
        seconds *= TM_PROFILE_RUNS(s->request.tests[s->profile_test].n_profile_pairs);
    return seconds;
}

/* The cell whose record was due when the worker failed; -1: none. */
static int failed_cell(const session *s)
{
    if (!s->checked) return -1;
    if (!is_sampled(s)) return s->cell_of[s->test];
    if (has_profiles(s)) return s->cell_of[s->profile_test];
    return has_windows(s) ? s->cell_of[s->energy_test] : -1;
}

tm_status tm_worker_client_run(tm_worker_client *client, int *failed, bool *fatal, tm_error *err)
{
    const tm_arm_setting *setting = client->arm->setting;
    const char *path =
        setting && setting->program[0] ? setting->program : client->options->worker_path;
    const tm_peer *peer = client->arm->peer;
    char text[TM_PEER_TEXT], isa[160], prefetch[64];
    const char *variables[3] = {NULL};
    int n_variables = 0;
    if (setting && setting->isa[0]) {
        snprintf(isa, sizeof isa, "TERNMARK_ISA=%s", setting->isa);
        variables[n_variables++] = isa;
    }
    if (setting && setting->prefetch[0]) {
        snprintf(prefetch, sizeof prefetch, TM_PREFETCH_VARIABLE "=%s", setting->prefetch);
        variables[n_variables++] = prefetch;
    }
    const char *argv[] = {path ? path : "/proc/self/exe", "worker", peer ? text : NULL,
                          peer && peer->pattern[0] ? peer->pattern : NULL, NULL};
    if (peer) tm_peer_print(peer, text, sizeof text);
    *failed = -1;
    *fatal = false;
    session *s = calloc(1, sizeof *s);
    if (!s) {
        *fatal = true;
        return tm_fail(err, TM_NOMEM, "no memory to run an arm");
    }
    s->p = client;
    fill_request(s);
    tm_worker_process process = {.argv = argv,
                                 .variables = variables,
                                 .request = &s->request,
                                 .on_line = take_line,
                                 .patience = patience,
                                 .arg = s,
                                 .interrupt = client->options->interrupt};
    tm_affinity before;
    tm_status status = tm_cpu_choice_enter(client->arm->cells[0].cpus, &before, err);
    if (status == TM_OK && s->request.n_tests > 0) status = tm_worker_process_run(&process, err);
    tm_affinity_restore(&before);
    if (status != TM_OK) *failed = failed_cell(s);
    *fatal = s->fatal;
    free(s);
    return status;
}
