#include "harness/measure/worker.h"

#include "harness/base/version.h"
#include "harness/machine/machine.h"
#include "harness/measure/backend.h"
#include "harness/measure/bench.h"
#include "harness/measure/code_hash.h"
#include "harness/measure/energy_window.h"
#include "harness/measure/profile_trace.h"
#include "harness/measure/spin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The hash of these greedy tokens tells apart models that are computed differently. The first
 * follows the whole prompt. */
#define GREEDY_TOKENS 4
/* A warm-up generates no more than this, which is enough for caches and clocks. */
#define WARMUP_GEN 4
#define MAX_BATCH  512

void tm_worker_sizes(const tm_test *tests, int n_tests, tm_session_options *out)
{
    int64_t most = 0; /* TM_TOKENS_MAX x 3 x TM_SEQUENCES_MAX is below 2^30 */
    *out = (tm_session_options){.n_context = TM_GREEDY_PROMPT + GREEDY_TOKENS,
                                .n_batch = TM_GREEDY_PROMPT,
                                .n_sequences = 1};
    for (int i = 0; i < n_tests; i++) {
        const tm_test *t = &tests[i];
        int n_sequences = t->n_sequences > 1 ? t->n_sequences : 1, positions = tm_test_positions(t);
        if (positions > out->n_context) out->n_context = positions;
        if (n_sequences > out->n_sequences) out->n_sequences = n_sequences;
        if ((int64_t)n_sequences * positions > most) most = (int64_t)n_sequences * positions;
        if (t->n_prompt > out->n_batch) out->n_batch = t->n_prompt;
        if (t->depth > out->n_batch) out->n_batch = t->depth;
        if (n_sequences > out->n_batch) out->n_batch = n_sequences;
    }
    if (out->n_batch > MAX_BATCH) out->n_batch = MAX_BATCH;
    out->n_positions = most > out->n_context ? (int)most : out->n_context;
}

static tm_status send(int fd, tm_json *line, tm_error *err)
{
    char *text = line ? tm_json_print(line, false) : NULL;
    tm_json_free(line);
    if (!text) return tm_fail(err, TM_NOMEM, "no memory for a line of the answer");
    size_t length = strlen(text), done = 0;
    text[length++] = '\n';
    tm_status status = TM_OK;
    while (done < length && status == TM_OK) {
        ssize_t n = write(fd, text + done, length - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0)
            status = tm_fail(err, TM_IO, "cannot write the answer: %s", strerror(errno));
        else
            done += (size_t)n;
    }
    free(text);
    return status;
}

static tm_json *line_of(const char *kind)
{
    tm_json *json = tm_json_object();
    tm_json_put_string(json, "line", kind);
    return json;
}

static tm_status send_hello(int fd, tm_error *err)
{
    char program[96];
    tm_json *json = line_of("hello");
    snprintf(program, sizeof program, "ternmark %s %s", tm_version(), tm_commit());
    tm_json_put_int(json, "protocol", TM_WORKER_PROTOCOL);
    tm_json_put_int(json, "schema", TM_SCHEMA);
    tm_json_put_string(json, "program", program);
    tm_json_put_string(json, "build_mode", tm_build_mode());
    return send(fd, json, err);
}

static void send_error(int fd, const tm_error *what)
{
    tm_json *json = line_of("error");
    tm_json_put_string(json, "status", tm_status_name(what->status));
    tm_json_put_string(json, "message", what->message);
    tm_error ignored;
    if (send(fd, json, &ignored) != TM_OK) return; /* the parent is gone */
}

tm_status tm_worker_say(int fd, const char *kind, tm_error *err)
{
    return send(fd, line_of(kind), err);
}

static tm_cell test_cell(const tm_worker_request *request, int test)
{
    const tm_test *t = &request->tests[test].test;
    tm_cell cell = request->cell;
    cell.n_prompt = t->n_prompt;
    cell.n_gen = t->n_gen;
    cell.depth = t->depth;
    cell.n_sequences = t->n_sequences > 1 ? t->n_sequences : 1;
    tm_test_name(t->n_prompt, t->n_gen, t->depth, t->n_sequences, cell.test, sizeof cell.test);
    return cell;
}

static tm_json *record_line(const char *kind, const tm_worker_request *request, int test,
                            tm_record *record)
{
    tm_json *json = line_of(kind);
    record->cell = test_cell(request, test);
    tm_json_put_int(json, "test", test);
    tm_json_set(json, "record", tm_record_to_json(record));
    return json;
}

tm_status tm_worker_say_record(int fd, const char *kind, const tm_worker_request *request, int test,
                               tm_record *record, tm_error *err)
{
    return send(fd, record_line(kind, request, test, record), err);
}

/* Warm-ups and repetitions of one test. */
static tm_status run_test(tm_bench *bench, const tm_worker_request *request, int index,
                          const char *tokens, int fd, tm_error *err)
{
    const tm_worker_test *t = &request->tests[index];
    tm_test warm = t->test;
    if (warm.n_gen > WARMUP_GEN) warm.n_gen = WARMUP_GEN;
    for (int i = 0; i < t->warmup; i++) {
        tm_record ignored = {0};
        tm_status status = tm_bench_once(bench, &warm, &ignored, err);
        tm_record_free(&ignored);
        if (status != TM_OK) return status;
    }
    const int64_t spin_ns = t->n_repetitions > 0 ? tm_spin_ns() : 0;
    for (int i = 0; i < t->n_repetitions; i++) {
        tm_record record = {0};
        tm_status status = tm_bench_once(bench, &t->test, &record, err);
        record.sample.spin_ns = spin_ns;
        record.sample.repetition = t->first_repetition + i;
        snprintf(record.sample.tokens, sizeof record.sample.tokens, "%s", tokens);
        if (bench->backend->model)
            tm_code_hash_of(bench->backend->model, record.sample.code_hash,
                            sizeof record.sample.code_hash);
        if (status == TM_OK)
            status = tm_worker_say_record(fd, "sample", request, index, &record, err);
        tm_record_free(&record);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

/* What the callback needs to write the trace of a test. */
typedef struct tracer {
    const tm_worker_request *request;
    int index;
    tm_status status;
    tm_error *err;
} tracer;

static void trace(void *arg, const tm_stamps *stamps, int first_pass, double ticks_per_ns)
{
    tracer *t = arg;
    const tm_worker_profile_options *o = &t->request->profile;
    char path[sizeof o->trace + 16], label[512];
    tm_cell cell = test_cell(t->request, t->index);
    snprintf(path, sizeof path, "%s.%d", o->trace, t->index);
    t->status = tm_profile_trace_add_file(path, o->first_cell + t->index,
                                          tm_cell_label(&cell, label, sizeof label), stamps,
                                          first_pass, ticks_per_ns, t->err);
}

/* Takes over the profile. */
static tm_status send_profile(const tm_bench *bench, const tm_worker_request *request, int index,
                              int fd, tm_record *record, tm_profile *profile, tm_error *err)
{
    tm_json *json = record_line("profile", request, index, record);
    if (request->profile.whole && profile->n_pairs > 0) {
        const tm_backend *backend = bench->backend;
        tm_json *cpus = tm_json_array();
        for (int i = 0; i < backend->n_cpus; i++)
            tm_json_append(cpus, tm_json_number(backend->cpus[i]));
        tm_json_set(json, "cpus", cpus);
        profile->record.cell = record->cell;
        tm_json_set(json, "profile", tm_profile_transfer_to_json(profile));
    }
    return send(fd, json, err);
}

/* The profile of a test. A failure here loses no time that was taken before: it becomes the reason
 * why there is no profile. */
static tm_status run_profile(tm_bench *bench, const tm_worker_request *request, int index, int fd,
                             tm_error *err)
{
    const tm_worker_test *t = &request->tests[index];
    tm_error why = {0};
    tracer seen = {.request = request, .index = index, .err = &why};
    tm_profile_options options = {.n_pairs = t->n_profile_pairs,
                                  .fastest = request->profile.fastest,
                                  .see = request->profile.trace[0] ? trace : NULL,
                                  .see_arg = &seen};
    tm_record record = {.kind = TM_RECORD_PROFILE};
    tm_profile profile = {0};
    tm_machine machine = {0}; /* only now does the model have its memory */
    if (tm_machine_read("/", &machine, &why) == TM_OK)
        options.available_bytes = machine.memory_available_bytes;
    why = (tm_error){0};
    tm_status status = bench->backend->model
                           ? tm_profile_measure(bench, &t->test, &options, &profile, &why)
                           : tm_fail(&why, TM_UNSUPPORTED, "the fake engine has no operations");
    if (status == TM_OK) status = seen.status;
    if (status == TM_OK) status = tm_profile_to_table(&profile, &record.profile, &why);
    memcpy(record.marks, profile.record.marks, sizeof record.marks);
    snprintf(record.status, sizeof record.status, "%s",
             status == TM_OK            ? "ok"
             : status == TM_UNSUPPORTED ? "skipped"
                                        : "failed");
    snprintf(record.reason, sizeof record.reason, "%s", why.message);
    status = send_profile(bench, request, index, fd, &record, &profile, err);
    tm_profile_free(&profile);
    tm_record_free(&record);
    return status;
}

/* After all timed repetitions of all tests, so that stamps affect none of them. */
static tm_status run_profiles(tm_bench *bench, const tm_worker_request *request, int fd,
                              tm_error *err)
{
    tm_status status = TM_OK;
    tm_counters *counters = bench->counters;
    if (!request->profile.whole) bench->counters = NULL; /* a sweep counts samples only */
    for (int i = 0; i < request->n_tests && status == TM_OK; i++)
        if (request->tests[i].n_profile_pairs > 0) status = run_profile(bench, request, i, fd, err);
    bench->counters = counters;
    return status;
}

/* After all timed repetitions and profiles. */
static tm_status run_energy(tm_bench *bench, const tm_worker_request *request,
                            const cpu_set_t *cpus, int fd, tm_error *err)
{
    bool any = false;
    for (int i = 0; i < request->n_tests; i++)
        for (tm_phase phase = 0; phase < TM_PHASES; phase++)
            any = any || request->tests[i].energy[phase];
    if (!any) return TM_OK;
    tm_energy_window run;
    tm_status status = tm_energy_window_open(&run, bench, &request->energy, request->energy_later,
                                             cpus, NULL, err);
    if (status != TM_OK) return status;
    for (int i = 0; i < request->n_tests && status == TM_OK; i++)
        for (tm_phase phase = 0; phase < TM_PHASES && status == TM_OK; phase++) {
            tm_record record = {.kind = TM_RECORD_ENERGY};
            if (!request->tests[i].energy[phase]) continue;
            status =
                tm_energy_window_measure(&run, &request->tests[i].test, phase, &record.energy, err);
            if (status == TM_OK)
                status = tm_worker_say_record(fd, "energy", request, i, &record, err);
            tm_record_free(&record);
        }
    tm_energy_window_close(&run);
    return status;
}

static tm_status check_backend(tm_backend *backend, const tm_worker_request *request, int fd,
                               char *tokens, size_t size, tm_error *err)
{
    int64_t begin = tm_now_ns();
    tokens[0] = 0;
    tm_status status = request->check ? backend->check(backend, err) : TM_OK;
    if (status == TM_OK && request->check)
        status = tm_backend_greedy(backend, GREEDY_TOKENS, tokens, size, err);
    char reference[24] = "";
    if (status == TM_OK && request->check && request->reference)
        status = backend->reference(backend, GREEDY_TOKENS, reference, sizeof reference, err);
    if (status == TM_OK && reference[0] && strcmp(reference, tokens) != 0)
        status = tm_fail(err, TM_CHECK,
                         "its greedy tokens (hash %s) differ from those of scalar kernels on the "
                         "same weights (%s)",
                         tokens, reference);
    if (status != TM_OK) return status;
    if (request->check) backend->check_ns = tm_now_ns() - begin;
    tm_json *json = line_of("checked");
    tm_json_put_string(json, "tokens", tokens);
    return send(fd, json, err);
}

/* Call it before the backend starts a thread: counters include only threads that start later. */
static tm_status open_counters(const tm_worker_request *request, tm_counters **out, tm_error *err)
{
    tm_counter_group group;
    if (!request->counters[0]) return TM_OK;
    tm_status status = tm_counter_group_read(request->counters, &group, err);
    return status == TM_OK ? tm_counters_open(&group, NULL, out, err) : status;
}

tm_status tm_worker_answer_engine(const tm_worker_request *request, void *arg, int fd,
                                  tm_error *err)
{
    (void)arg;
    tm_backend backend = {0};
    tm_bench bench = {0};
    tm_test tests[TM_SUITE_MAX];
    char tokens[24];
    tm_session_options session;
    cpu_set_t cpus; /* before the pool pins this thread */
    if (sched_getaffinity(0, sizeof cpus, &cpus) != 0) CPU_ZERO(&cpus);
    for (int i = 0; i < request->n_tests; i++) tests[i] = request->tests[i].test;
    tm_worker_sizes(tests, request->n_tests, &session);
    session.f16_kv = request->f16_kv;
    tm_backend_request wanted = {.model = request->cell.model,
                                 .kernel = request->cell.kernel,
                                 .head_kernel = request->cell.head_kernel,
                                 .n_threads = request->cell.threads,
                                 .cpus = request->n_cpus ? request->cpus : NULL,
                                 .oversubscribe = request->oversubscribe,
                                 .seed = request->seed,
                                 .session = session,
                                 .garbage_fd = fd};
    tm_counters *counters = NULL;
    tm_status status = open_counters(request, &counters, err);
    if (status == TM_OK) status = tm_backend_open(&wanted, &backend, err);
    if (status != TM_OK) {
        tm_counters_close(counters);
        return status;
    }
    tm_json *loaded = line_of("loaded");
    tm_json_put_int(loaded, "load_ns", backend.load_ns);
    status = send(fd, loaded, err);
    if (status == TM_OK) status = check_backend(&backend, request, fd, tokens, sizeof tokens, err);
    if (status == TM_OK)
        status = tm_bench_open(&backend, tests, request->n_tests, request->seed, &bench, err);
    bench.counters = counters;
    bench.n_threads = request->cell.threads;
    for (int i = 0; i < request->n_tests && status == TM_OK; i++)
        status = run_test(&bench, request, i, tokens, fd, err);
    if (status == TM_OK) status = run_profiles(&bench, request, fd, err);
    if (status == TM_OK) status = run_energy(&bench, request, &cpus, fd, err);
    tm_bench_close(&bench);
    tm_backend_close(&backend);
    tm_counters_close(counters);
    return status;
}

/* One line without its newline; free() it. */
static tm_status read_line(int fd, char **line, tm_error *err)
{
    size_t room = 4096, n = 0;
    char *text = malloc(room);
    *line = NULL;
    while (text && n < (1u << 20)) {
        if (n + 1 >= room) {
            char *more = realloc(text, room *= 2);
            if (!more) break;
            text = more;
        }
        ssize_t got = read(fd, text + n, 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) {
            free(text);
            return tm_fail(err, TM_IO, "the request ended before its newline");
        }
        if (text[n] == '\n') {
            text[n] = 0;
            *line = text;
            return TM_OK;
        }
        n++;
    }
    free(text);
    return tm_fail(err, TM_FORMAT, "the request is longer than %zu bytes", n);
}

tm_status tm_worker_serve(tm_worker_answer *answer, void *arg, int in_fd, int out_fd, tm_error *err)
{
    char *line;
    tm_status status = send_hello(out_fd, err);
    if (status != TM_OK) return status;
    status = read_line(in_fd, &line, err);
    tm_worker_request *request = calloc(1, sizeof *request);
    if (status == TM_OK && !request) status = tm_fail(err, TM_NOMEM, "no memory for a request");
    if (status == TM_OK) {
        status = tm_worker_request_parse(line, request, err);
        free(line);
    }
    if (status == TM_OK) status = answer(request, arg, out_fd, err);
    if (status == TM_OK) status = tm_worker_say(out_fd, "done", err);
    free(request);
    if (status != TM_OK) send_error(out_fd, err);
    return status;
}
