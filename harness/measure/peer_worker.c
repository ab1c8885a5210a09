#include "harness/measure/energy_window.h"
#include "harness/measure/peer.h"
#include "harness/measure/worker.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One peer in energy windows. */
typedef struct repeater {
    const tm_peer *peer;
    int n_threads;
    double each_seconds;                 /* one repetition of the phase, as the peer times it */
    double timed_seconds, whole_seconds; /* of the last window: its repetitions, its processes */
    tm_peer_answer answer;
} repeater;

/* A phase of a test as a test of its own. */
static tm_test phase_test(const tm_test *test, tm_phase phase)
{
    const bool is_prompt = phase == TM_PHASE_PROMPT;
    return (tm_test){.n_prompt = is_prompt ? test->n_prompt : 0,
                     .n_gen = is_prompt ? 0 : test->n_gen,
                     .depth = test->depth + (is_prompt ? 0 : test->n_prompt)};
}

/* Processes with as many repetitions as the window needs: a peer loads its model in each. */
static tm_status repeat(void *arg, const tm_test *test, tm_phase phase, double seconds,
                        int64_t *n_repeats, tm_error *err)
{
    repeater *r = arg;
    const tm_test one = phase_test(test, phase);
    const int64_t end = tm_now_ns() + (int64_t)(1e9 * seconds);
    tm_status status = TM_OK;
    *n_repeats = 0;
    r->timed_seconds = r->whole_seconds = 0;
    while (status == TM_OK && (*n_repeats == 0 || tm_now_ns() < end)) {
        const double left = 1e-9 * (double)(end - tm_now_ns());
        const double n = fmin(fmax(ceil(left / r->each_seconds), 1), TM_PEER_SAMPLES);
        status = tm_peer_ask(r->peer, &one, r->n_threads, (int)n, &r->answer, err);
        for (int i = 0; i < r->answer.n_samples && status == TM_OK; i++)
            r->timed_seconds += 1e-9 * (double)r->answer.samples_ns[i];
        r->whole_seconds += r->answer.seconds;
        *n_repeats += r->answer.n_samples;
    }
    return status;
}

/* One window. A peer that cannot run the phase alone loses it. */
static tm_status measure_window(tm_energy_window *run, repeater *r, const tm_test *test,
                                tm_phase phase, tm_record_energy *out, tm_error *err)
{
    const tm_test one = phase_test(test, phase);
    tm_error why = {0};
    tm_status status = tm_peer_ask(r->peer, &one, r->n_threads, 1, &r->answer, &why);
    r->each_seconds = status == TM_OK ? 1e-9 * (double)r->answer.samples_ns[0] : 1;
    if (status == TM_OK) status = tm_energy_window_measure(run, test, phase, out, &why);
    if (status == TM_NOMEM) return tm_fail(err, status, "%s", why.message);
    if (status != TM_OK) {
        tm_record_energy_init(out);
        out->phase = phase;
        strcpy(out->source, run->options->source);
        tm_record_energy_lose(out, TM_PROBE_MISSING, "%s", why.message);
        return TM_OK;
    }
    size_t used = strlen(out->marks);
    if (r->whole_seconds > 0)
        snprintf(out->marks + used, sizeof out->marks - used,
                 "%sincludes loading and warm-up: %.0f %% of the window", used ? "; " : "",
                 100 * fmax(0, 1 - r->timed_seconds / r->whole_seconds));
    return TM_OK;
}

/* After all timed repetitions, as our own engine does it. */
static tm_status run_energy(const tm_peer *peer, const tm_worker_request *request, int fd,
                            tm_error *err)
{
    tm_energy_window run;
    cpu_set_t cpus;
    bool any = false;
    for (int i = 0; i < request->n_tests; i++)
        any = any || request->tests[i].energy[TM_PHASE_PROMPT] ||
              request->tests[i].energy[TM_PHASE_GENERATION];
    if (!any) return TM_OK;
    repeater *r = calloc(1, sizeof *r);
    if (!r) return tm_fail(err, TM_NOMEM, "no memory for the answer of a peer");
    r->peer = peer;
    r->n_threads = request->cell.threads;
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) CPU_ZERO(&cpus);
    tm_status status = tm_energy_window_open(&run, NULL, &request->energy, request->energy_later,
                                             &cpus, NULL, err);
    if (status != TM_OK) {
        free(r);
        return status;
    }
    run.repeat = repeat;
    run.repeat_arg = r;
    for (int i = 0; i < request->n_tests && status == TM_OK; i++)
        for (tm_phase phase = 0; phase < TM_PHASES && status == TM_OK; phase++) {
            tm_record record = {.kind = TM_RECORD_ENERGY};
            if (!request->tests[i].energy[phase]) continue;
            status = measure_window(&run, r, &request->tests[i].test, phase, &record.energy, err);
            if (status == TM_OK)
                status = tm_worker_say_record(fd, "energy", request, i, &record, err);
            tm_record_free(&record);
        }
    tm_energy_window_close(&run);
    free(r);
    return status;
}

static tm_status run_test(const tm_peer *peer, const tm_worker_request *request, int index,
                          const tm_peer_tokens *tokens, int fd, tm_error *err)
{
    const tm_worker_test *t = &request->tests[index];
    tm_record *records = calloc((size_t)t->n_repetitions, sizeof *records);
    if (!records) return tm_fail(err, TM_NOMEM, "no memory for %d records", t->n_repetitions);
    tm_status status =
        tm_peer_run(peer, &t->test, request->cell.threads, t->n_repetitions, tokens, records, err);
    for (int k = 0; k < t->n_repetitions && status == TM_OK; k++) {
        records[k].sample.repetition = t->first_repetition + k;
        tm_peer_doubt_model(peer, request->cell.model, &records[k]);
        status = tm_worker_say_record(fd, "sample", request, index, &records[k], err);
    }
    free(records);
    return status;
}

tm_status tm_peer_answer_request(const tm_worker_request *request, void *arg, int fd, tm_error *err)
{
    const tm_peer *peer = arg;
    tm_peer_tokens tokens;
    if (request->reference) tm_peer_compare_tokens(peer, request->cell.threads, &tokens);
    tm_status status = tm_worker_say(fd, "loaded", err);
    if (status == TM_OK) /* only a line of the protocol: the marks say what was compared */
        status = tm_worker_say(fd, "checked", err);
    for (int i = 0; i < request->n_tests && status == TM_OK; i++)
        if (request->tests[i].n_repetitions > 0) /* else they are in the store */
            status = run_test(peer, request, i, request->reference ? &tokens : NULL, fd, err);
    return status == TM_OK ? run_energy(peer, request, fd, err) : status;
}
