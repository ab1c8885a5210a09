/* Checks the worker: its lines, its times and the overhead of timing. */
#include "harness/measure/bench.h"
#include "harness/measure/profile_trace.h"
#include "harness/measure/worker.h"
#include "tests/harness/scratch.h"

#include <math.h>
#include <pthread.h>

typedef struct server {
    int in, out;
    tm_status status;
    tm_error err;
} server;

static void *serve(void *arg)
{
    server *s = arg;
    s->status = tm_worker_serve(tm_worker_answer_engine, NULL, s->in, s->out, &s->err);
    close(s->out);
    return NULL;
}

static tm_worker_request request; /* large: not on the stack */
static tm_worker_line lines[64];
static int n_lines;

static tm_status exchange(const char *text, tm_error *served)
{
    int in[2], out[2];
    pthread_t thread;
    tm_error err = {0};
    for (int i = 0; i < n_lines; i++) tm_worker_line_free(&lines[i]);
    n_lines = 0;
    assert_int_equal(pipe(in), 0);
    assert_int_equal(pipe(out), 0);
    server s = {.in = in[0], .out = out[1]};
    assert_int_equal(write(in[1], text, strlen(text)), (ssize_t)strlen(text));
    close(in[1]);
    assert_int_equal(pthread_create(&thread, NULL, serve, &s), 0);
    FILE *f = fdopen(out[0], "r");
    char *line = NULL;
    size_t room = 0;
    ssize_t n;
    while ((n = getline(&line, &room, f)) > 0) {
        assert_true(n_lines < 64 && line[n - 1] == '\n');
        line[n - 1] = 0;
        assert_ok(tm_worker_line_parse(line, &lines[n_lines++], &err), err);
    }
    free(line);
    fclose(f);
    pthread_join(thread, NULL);
    close(in[0]);
    if (served) *served = s.err;
    return s.status;
}

static tm_status run_request(tm_error *served)
{
    char *text = tm_worker_request_print(&request), *line = NULL;
    assert_true(asprintf(&line, "%s\n", text) > 0);
    tm_status status = exchange(line, served);
    free(line);
    free(text);
    return status;
}

static void make_request(const char *model, const char *kernel, int threads)
{
    memset(&request, 0, sizeof request);
    strcpy(request.cell.engine, "x");
    snprintf(request.cell.model, sizeof request.cell.model, "%s", model);
    snprintf(request.cell.kernel, sizeof request.cell.kernel, "%s", kernel);
    strcpy(request.cell.head_kernel, "f32r16_fma_scalar");
    request.cell.threads = threads;
    request.seed = 5;
    request.oversubscribe = true;
    request.f16_kv = true;
    request.check = true;
    tm_energy_source_init(&request.energy);
}

static void add_test(int n_prompt, int n_gen, int depth, int warmup, int first, int n)
{
    request.tests[request.n_tests++] =
        (tm_worker_test){{n_prompt, n_gen, depth, 1}, warmup, first, n, 0, {false, false}};
}

static void test_null_engine(void **state)
{
    (void)state;
    tm_error err = {0};
    make_request("null:1000000", "any", 1);
    add_test(4, 0, 0, 1, 0, 1);
    add_test(0, 6, 8, 0, 2, 2);
    add_test(3, 2, 0, 0, 0, 1);
    add_test(0, 2, 4, 0, 0, 1);
    request.tests[3].test.n_sequences = 3;
    assert_ok(run_request(&err), err);
    static const tm_worker_line_kind kinds[] = {
        TM_WORKER_HELLO,  TM_WORKER_LOADED, TM_WORKER_CHECKED, TM_WORKER_SAMPLE, TM_WORKER_SAMPLE,
        TM_WORKER_SAMPLE, TM_WORKER_SAMPLE, TM_WORKER_SAMPLE,  TM_WORKER_DONE};
    assert_int_equal(n_lines, 9);
    for (int i = 0; i < 9; i++) assert_int_equal(lines[i].kind, kinds[i]);
    assert_int_equal(lines[0].protocol, TM_WORKER_PROTOCOL);
    assert_int_equal(strlen(lines[2].tokens), 16);

    const tm_record *pp = &lines[3].record, *tg = &lines[4].record, *pg = &lines[6].record;
    assert_string_equal(pp->cell.test, "pp4");
    assert_string_equal(tg->cell.test, "tg6@d8");
    assert_string_equal(pg->cell.test, "pp3+tg2");
    assert_int_equal(lines[4].test, 1);
    assert_int_equal(tg->sample.repetition, 2);
    assert_int_equal(lines[5].record.sample.repetition, 3);
    /* The fake engine takes 1 ms per token. The prompt is timed, the depth before it is not.
     * There is no upper limit, because other programs may use this machine. */
    assert_true(pp->sample.elapsed_ns >= 4000000 && pp->sample.n_tokens == 4 &&
                pp->sample.n_token_ns == 0);
    assert_true(pp->sample.first_token_ns == pp->sample.elapsed_ns);
    assert_true(tg->sample.elapsed_ns >= 6000000 && tg->sample.n_tokens == 6 &&
                tg->sample.n_token_ns == 6);
    assert_true(tg->sample.first_token_ns == 0);
    int64_t sum = 0;
    for (int i = 0; i < 6; i++) {
        assert_true(tg->sample.token_ns[i] >= 1000000);
        sum += tg->sample.token_ns[i];
    }
    assert_true(sum == tg->sample.elapsed_ns); /* the token times cover the whole time */
    assert_true(pg->sample.n_tokens == 5 && pg->sample.first_token_ns >= 3000000);
    assert_true(pg->sample.first_token_ns + pg->sample.token_ns[0] + pg->sample.token_ns[1] ==
                pg->sample.elapsed_ns);

    const tm_record *together = &lines[7].record;
    assert_string_equal(together->cell.test, "tg2@d4@b3");
    assert_int_equal(together->cell.n_sequences, 3);
    assert_true(together->sample.n_tokens == 6 && together->sample.n_token_ns == 2);
    assert_true(together->sample.token_ns[0] >= 3000000 && together->sample.elapsed_ns >= 6000000);

    assert_true(tg->sample.peak_rss_bytes.value > 1e5 && tg->sample.rss_file_bytes.value > 0);
    assert_true(tg->sample.minor_faults.value >= 0 && tg->sample.voluntary_switches.value >= 0);
    assert_true(isnan(tg->sample.steal_percent.value) ? tg->sample.steal_percent.missing[0] : true);
    assert_true(tg->sample.bytes_per_token ==
                0); /* null in the record: the fake engine has no weights */
}

/* The overhead of the clock, the loop and the call is below 5 us per token and is in every record.
 * The test takes the best of a few processes, because another program may use the CPU. */
/* How large it is depends on the machine. */
static void test_overhead(void **state)
{
    (void)state;
    tm_error err = {0};
    make_request("null:0", "any", 1);
    add_test(0, 256, 0, 0, 0, 1);
    assert_ok(run_request(&err), err);
    const tm_record *r = &lines[3].record;
    assert_true(r->sample.harness_ns_per_token.value > 0);
    assert_true(isfinite(r->sample.harness_ns_per_token.value));
}

#define REQUEST(phases, energy)                                                                    \
    "{\"protocol\":1,\"engine\":\"x\",\"model\":\"null:1\",\"kernel\":\"k\",\"head_kernel\":"      \
    "\"h\","                                                                                       \
    "\"threads\":1,\"seed\":1,\"tests\":[{\"n_prompt\":0,\"n_gen\":2,\"depth\":0,\"warmup\":0,"    \
    "\"first_repetition\":0,\"repetitions\":0,\"energy\":" phases "}],\"energy\":" energy "}"

static void test_invalid_requests_are_errors(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
        tm_status status;
    } cases[] = {
        {"nonsense\n", "not valid JSON", TM_FORMAT},
        {"{}\n", "protocol", TM_FORMAT},
        {"{\"protocol\": 99}\n", "protocol 99", TM_UNSUPPORTED},
        {REQUEST("[\"prompt\"]", "\"fake\"") "\n", "not a phase of the test", TM_FORMAT},
        {REQUEST("[\"generation\"]", "\"auto\"") "\n", "need a source by name", TM_FORMAT},
        {REQUEST("7", "\"fake\"") "\n", "must be a list", TM_FORMAT},
        {REQUEST("[]", "\"fakes\"") "\n", "unknown energy source \"fakes\"", TM_FORMAT},
        {REQUEST("[]", "{\"seconds\": 0}") "\n", "\"seconds\" is 0", TM_FORMAT},
        {"{\"protocol\": 1}", "ended before its newline", TM_IO},
        {"", "ended before its newline", TM_IO},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_error err = {0};
        assert_int_equal(exchange(cases[i].text, &err), cases[i].status);
        assert_says(err.message, cases[i].says);
        assert_int_equal(n_lines, 2);
        assert_int_equal(lines[1].kind, TM_WORKER_ERROR);
        assert_int_equal(lines[1].error.status, cases[i].status);
        assert_string_equal(lines[1].error.message, err.message);
    }
}

static void expect_error(tm_status status, const char *says)
{
    tm_error err = {0};
    assert_int_equal(run_request(&err), status);
    assert_int_equal(lines[n_lines - 1].kind, TM_WORKER_ERROR);
    assert_says(err.message, says);
}

static void test_unsupported_work_is_an_error(void **state)
{
    (void)state;
    make_request("null:1:refuse@3", "any", 1);
    add_test(0, 20, 0, 0, 0, 1);
    request.check = false;
    expect_error(TM_CHECK, "refuses token 3");
    make_request("null:x", "any", 1);
    add_test(0, 1, 0, 0, 0, 1);
    expect_error(TM_ARG, "null:NS");
    make_request("synth:125Q", "f16r16_fma_scalar", 1);
    add_test(0, 1, 0, 0, 0, 1);
    expect_error(TM_ARG, "did you mean \"125M\"?");
    make_request("synth:125M", "no_such_kernel", 1);
    add_test(0, 1, 0, 0, 0, 1);
    expect_error(TM_ARG, "no_such_kernel");
    make_request("/no/such.gguf", "f16r16_fma_scalar", 1);
    add_test(0, 1, 0, 0, 0, 1);
    expect_error(TM_IO, "/no/such.gguf");
}

static void test_request_round_trip(void **state)
{
    (void)state;
    tm_error err = {0};
    static tm_worker_request back;
    make_request("m", "k", 2);
    request.n_cpus = 2;
    request.cpus[1] = 3;
    request.seed = (1ull << 53) - 1;
    strcpy(request.counters, "./own.txt");
    add_test(1, 2, 3, 4, 5, 6);
    add_test(1, 0, 0, 0, 0, 0);
    request.tests[0].energy[TM_PHASE_GENERATION] = true;
    request.tests[1].energy[TM_PHASE_PROMPT] = true;
    request.tests[1].n_profile_pairs = TM_WORKER_PROFILE_PAIRS;
    request.energy = (tm_energy_source_options){.source = "meter",
                                                .required = true,
                                                .seconds = 12.5,
                                                .idle_seconds = 3,
                                                .marker = true,
                                                .root = "tree"};
    strcpy(tm_energy_source_setting(&request.energy, "meter_csv")->text, "log.csv");
    tm_energy_source_setting(&request.energy, "meter_offset_seconds")->number = -37.25;
    request.energy_later = true;
    char *text = tm_worker_request_print(&request);
    assert_ok(tm_worker_request_parse(text, &back, &err), err);
    assert_memory_equal(&request, &back, sizeof back);
    free(text);
}

/* Energy windows follow all timed repetitions. Each consists of whole repetitions of one phase and
 * lasts at least as long as requested. test_energy_window.c checks their values. */
static void test_energy_windows(void **state)
{
    (void)state;
    tm_error err = {0};
    make_request("null:1000000", "any", 1);
    add_test(4, 2, 1, 0, 0, 1);
    add_test(0, 3, 0, 0, 0, 2);
    strcpy(request.energy.source, "fake");
    request.energy.seconds = TM_ENERGY_SECONDS_MIN;
    request.energy.idle_seconds = 0;
    request.tests[0].energy[TM_PHASE_PROMPT] = true;
    request.tests[1].energy[TM_PHASE_GENERATION] = true;
    assert_ok(run_request(&err), err);
    static const tm_worker_line_kind kinds[] = {
        TM_WORKER_HELLO,  TM_WORKER_LOADED, TM_WORKER_CHECKED, TM_WORKER_SAMPLE, TM_WORKER_SAMPLE,
        TM_WORKER_SAMPLE, TM_WORKER_ENERGY, TM_WORKER_ENERGY,  TM_WORKER_DONE};
    assert_int_equal(n_lines, 9);
    for (int i = 0; i < 9; i++) assert_int_equal(lines[i].kind, kinds[i]);
    for (int i = 6; i < 8; i++) {
        const tm_record_energy *e = &lines[i].record.energy;
        bool prompt = i == 6;
        int64_t n = prompt ? e->n_prompt_tokens : e->n_output_tokens, each = prompt ? 4 : 3;
        assert_int_equal(lines[i].test, i == 7);
        assert_int_equal(e->phase, prompt ? TM_PHASE_PROMPT : TM_PHASE_GENERATION);
        assert_int_equal(e->state, TM_PROBE_OK);
        assert_true(e->fake && strcmp(e->scope, "fake package") == 0);
        assert_true(e->window_seconds >= 1);
        assert_true(n == each * e->n_repeats);
        /* At 1 ms per token, no more tokens fit into the window. */
        assert_true(n > 0 && (double)n <= 1000 * e->window_seconds + 1);
        assert_true(fabs(e->gross_joules.value - 10 * e->window_seconds) <=
                    e->error_bound_joules.value);
    }
}

/* Tests that request a profile get it after all samples and before the energy windows. */
static void test_profiles(void **state)
{
    (void)state;
    tm_error err = {0};
    char path[512];
    TM_NEED_FIXTURE("models/bn_t-I2_S.gguf", path);
    make_request(path, "i2r16_mad_scalar", 2);
    strcpy(request.cell.head_kernel, "f16r16_fma_scalar");
    strcpy(request.counters, "software");
    add_test(5, 0, 0, 0, 0, 1);
    add_test(0, 3, 2, 0, 0, 2);
    add_test(0, 2, 1, 0, 0, 0); /* no samples */
    request.tests[2].test.n_sequences = 3;
    request.tests[1].n_profile_pairs = 2;
    request.tests[2].n_profile_pairs = 1;
    request.tests[1].energy[TM_PHASE_GENERATION] = true;
    strcpy(request.energy.source, "fake");
    request.energy.seconds = TM_ENERGY_SECONDS_MIN;
    request.energy.idle_seconds = 0;
    assert_ok(run_request(&err), err);
    static const tm_worker_line_kind kinds[] = {
        TM_WORKER_HELLO,  TM_WORKER_LOADED,  TM_WORKER_CHECKED, TM_WORKER_SAMPLE, TM_WORKER_SAMPLE,
        TM_WORKER_SAMPLE, TM_WORKER_PROFILE, TM_WORKER_PROFILE, TM_WORKER_ENERGY, TM_WORKER_DONE};
    assert_int_equal(n_lines, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(lines[i].kind, kinds[i]);
    for (int i = 6; i < 8; i++) {
        const tm_record *r = &lines[i].record;
        const tm_record_profile *t = &r->profile;
        assert_int_equal(lines[i].test, i - 5);
        assert_string_equal(r->status, "ok");
        assert_string_equal(r->cell.test, i == 6 ? "tg3@d2" : "tg2@d1@b3");
        assert_int_equal(t->n_pairs, i == 6 ? 2 : 1);
        assert_int_equal(t->n_tokens, i == 6 ? 3 : 6);
        assert_int_equal(t->n_passes, i == 6 ? 3 : 2);
        assert_int_equal(t->n_threads, 2);
        assert_true(isnan(t->overhead_low) == (i == 7));
        double macs = 0;
        for (int k = 0; k < t->n_entries; k++) macs += t->entries[k].part.cost.macs;
        assert_true(macs > 0);
        /* The profile counts as many multiply-accumulates as the sample; the third test has no
         * sample. */
        if (i == 6)
            assert_true(fabs(macs - lines[5].record.sample.macs_per_token * t->n_tokens) <
                        1e-6 * macs);
    }
    assert_true(lines[4].record.sample.n_counters > 0); /* samples have counters */
}

/* `ternmark profile` gets layers, threads, counters and a trace besides the record. */
static void test_whole_profile(void **state)
{
    (void)state;
    tm_error err = {0};
    char path[512], part[1100];
    TM_NEED_FIXTURE("models/bn_t-I2_S.gguf", path);
    make_request(path, "i2r16_mad_scalar", 2);
    strcpy(request.cell.head_kernel, "f16r16_fma_scalar");
    strcpy(request.counters, "software");
    add_test(0, 3, 2, 0, 0, 0);
    request.tests[0].n_profile_pairs = 7;
    request.profile = (tm_worker_profile_options){.fastest = true, .whole = true, .first_cell = 4};
    snprintf(request.profile.trace, sizeof request.profile.trace, "%s", scratch_path("trace"));
    assert_ok(run_request(&err), err);
    assert_int_equal(n_lines, 5);
    const tm_record_profile *table = &lines[3].record.profile;
    assert_non_null(lines[3].profile);
    const tm_profile *p = &lines[3].profile->profile;
    assert_true(p->n_pairs == 7 && p->n_threads == 2 && p->n_layers > 0 && p->n_tokens == 3);
    assert_true(p->region_ns == table->region_ns && p->overhead.value == table->overhead);
    assert_true(p->overhead.low == table->overhead_low && p->overhead.n == 7);
    assert_string_equal(p->clock, table->clock);
    assert_true(fabs(tm_profile_idle_ns(p) - table->idle_ns) <= 1e-9 * table->region_ns);
    assert_true(p->threads[1].n_waits > 0 && p->record.sample.n_counters > 0);
    const tm_profile_limits limits = {NAN, NAN, NAN, NAN};
    tm_profile_sum all = tm_profile_sum_of(p, &limits, TM_PROFILE_ALL, TM_PROFILE_ALL);
    tm_profile_sum stored = tm_record_profile_sum(table, &limits, 0, table->n_entries);
    assert_true(fabs(all.work_ns - stored.work_ns) <= 1e-9 * all.work_ns);
    assert_true(all.macs == stored.macs && all.best_ns > 0);
    snprintf(part, sizeof part, "%s.0", request.profile.trace);
    tm_profile_trace trace;
    assert_ok(tm_profile_trace_open(scratch_path("whole.json"), &trace, &err), err);
    assert_ok(tm_profile_trace_splice(&trace, part, &err), err);
    assert_ok(tm_profile_trace_close(&trace, &err), err);
    assert_int_not_equal(access(part, F_OK), 0);
    size_t size;
    char *text = read_file(scratch_path("whole.json"), &size);
    tm_json *json;
    assert_ok(tm_json_parse(text, size, "trace", &json, &err), err);
    const tm_json *first = tm_json_at(tm_json_get(json, "traceEvents"), 0);
    assert_true(tm_json_double(tm_json_get(first, "pid"), 0) == 4);
    tm_json_free(json);
    free(text);
}

/* The fake engine has no operations: the profile is skipped with this reason, and samples are
 * kept. */
static void test_fake_engine_has_no_profile(void **state)
{
    (void)state;
    tm_error err = {0};
    make_request("null:1000", "any", 1);
    add_test(2, 0, 0, 0, 0, 1);
    request.tests[0].n_profile_pairs = 1;
    assert_ok(run_request(&err), err);
    assert_int_equal(n_lines, 6);
    assert_int_equal(lines[4].kind, TM_WORKER_PROFILE);
    assert_int_equal(lines[4].record.profile.n_entries, 0);
    assert_string_equal(lines[4].record.status, "skipped");
    assert_says(lines[4].record.reason, "fake engine has no operations");
}

/* An unavailable source gives lines with the reason and runs nothing. Repeated work stays within
 * its context. */
static void test_energy_of_a_real_model(void **state)
{
    (void)state;
    char path[512];
    tm_error err = {0};
    TM_NEED_FIXTURE("models/bn_t-I2_S.gguf", path);
    make_request(path, "i2r16_mad_scalar", 2);
    if (!tm_kernel_find(request.cell.kernel)) strcpy(request.cell.kernel, "f16r16_fma_scalar");
    add_test(5, 3, 4, 0, 0, 1);
    strcpy(request.energy.source, "fake");
    request.energy.seconds = 1;
    request.energy.idle_seconds = 0;
    request.tests[0].energy[TM_PHASE_PROMPT] = true;
    request.tests[0].energy[TM_PHASE_GENERATION] = true;
    assert_ok(run_request(&err), err);
    assert_int_equal(n_lines, 7);
    for (int i = 4; i < 6; i++) {
        const tm_record_energy *e = &lines[i].record.energy;
        assert_int_equal(e->state, TM_PROBE_OK);
        assert_true(e->n_repeats > 1);
        assert_true(isnan(e->idle_before_watts.value) && e->idle_seconds == 0);
        assert_says(e->net_joules.missing, "no idle");
    }
    strcpy(request.energy.source, "powercap");
    snprintf(request.energy.root, sizeof request.energy.root, "%s", scratch_path("nothing"));
    assert_ok(run_request(&err), err);
    assert_int_equal(n_lines, 7);
    for (int i = 4; i < 6; i++) {
        const tm_record_energy *e = &lines[i].record.energy;
        assert_int_equal(e->state, TM_PROBE_MISSING);
        assert_says(e->reason, "no RAPL zone");
        assert_true(e->window_seconds == 0 && isnan(e->gross_joules.value));
    }
}

static void test_invalid_lines_are_errors(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "{}",
        "[1]",
        "hello",
        "{\"line\":\"hallo\"}",
        "{\"line\":\"hello\"}",
        "{\"line\":\"sample\"}",
        "{\"line\":\"sample\",\"test\":0}",
        "{\"line\":\"sample\",\"test\":-1,\"record\":{}}",
        "{\"line\":\"sample\",\"test\":0,\"record\":{\"schema\":1,\"kind\":\"run\",\"run\":\"\"}}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_worker_line line;
        tm_error err = {0};
        assert_int_equal(tm_worker_line_parse(bad[i], &line, &err), TM_FORMAT);
        assert_says(err.message, "cannot read a line of the worker");
    }
}

/* A real model is checked, loaded and timed. All exact ternary kernels give the same tokens. */
static void test_real_model(void **state)
{
    (void)state;
    char path[512], tokens[24] = "";
    TM_NEED_FIXTURE("models/bn_t-I2_S.gguf", path);
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        tm_error err = {0};
        if (!(*k)->format->ternary || (*k)->tolerance != 0 ||
            tm_kernel_available(*k, NULL) != TM_OK)
            continue;
        make_request(path, (*k)->name, 2);
        add_test(5, 3, 4, 1, 0, 2);
        assert_ok(run_request(&err), err);
        assert_int_equal(n_lines, 6);
        assert_int_equal(lines[2].kind, TM_WORKER_CHECKED);
        if (!tokens[0]) strcpy(tokens, lines[2].tokens);
        assert_string_equal(lines[2].tokens, tokens);
        const tm_record *r = &lines[4].record;
        assert_true(r->sample.bytes_per_token > 1000 && r->sample.macs_per_token > 1000);
        assert_true(r->sample.bits_per_weight >= 1.58);
        assert_true(r->sample.load_ns > 0);
        assert_true(r->sample.check_ns > 0);
        /* Every sample has each machine condition, as a value or a reason. */
        assert_true(isnan(r->sample.frequency_after_hz.value) ==
                    (r->sample.frequency_after_hz.missing[0] != 0));
        assert_false(strstr(r->sample.frequency_after_hz.missing, "not in the record"));
        assert_true(r->sample.load_average.value >= 0);
    }
    assert_int_equal(strlen(tokens), 16);
    /* A layout that is not ternary uses other activations, but must load as well. */
    tm_error err = {0};
    make_request(path, "f16r16_fma_scalar", 1);
    add_test(0, 2, 0, 0, 0, 1);
    assert_ok(run_request(&err), err);
}

/* The threads start after the counters are opened, so the counters include their time. */
static void test_counters_of_a_model(void **state)
{
    (void)state;
    tm_error err = {0};
    char path[512];
    TM_NEED_FIXTURE("models/bn_t-I2_S.gguf", path);
    make_request(path, "f16r16_fma_scalar", 2);
    strcpy(request.counters, "software");
    add_test(0, 8, 0, 1, 0, 2);
    assert_ok(run_request(&err), err);
    for (int k = 3; k < 5; k++) {
        const tm_record *r = &lines[k].record;
        bool found = false;
        assert_string_equal(r->sample.counter_group, "software");
        for (int i = 0; i < r->sample.n_counters; i++) {
            const tm_counter *c = &r->sample.counters[i];
            assert_true(isnan(c->figure.value) == (c->figure.missing[0] != 0));
            if (strcmp(c->name, "task_clock") != 0 || c->figure.missing[0]) continue;
            found = true;
            /* Two threads use at most twice the elapsed time, plus some at the start and end. */
            assert_true(c->figure.value > 0);
            assert_true(c->figure.value < 2.2e-9 * (double)r->sample.elapsed_ns + 0.002);
        }
        assert_true(found || strstr(r->sample.counters[0].figure.missing, "perf"));
    }
    strcpy(request.counters, "sofware");
    expect_error(TM_ARG, "did you mean \"software\"");
}

static int forget_lines(void **state)
{
    for (int i = 0; i < n_lines; i++) tm_worker_line_free(&lines[i]);
    return scratch_remove(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_null_engine),
        cmocka_unit_test(test_overhead),
        cmocka_unit_test(test_invalid_requests_are_errors),
        cmocka_unit_test(test_unsupported_work_is_an_error),
        cmocka_unit_test(test_request_round_trip),
        cmocka_unit_test(test_invalid_lines_are_errors),
        cmocka_unit_test(test_real_model),
        cmocka_unit_test(test_counters_of_a_model),
        cmocka_unit_test(test_profiles),
        cmocka_unit_test(test_whole_profile),
        cmocka_unit_test(test_fake_engine_has_no_profile),
        cmocka_unit_test(test_energy_windows),
        cmocka_unit_test(test_energy_of_a_real_model),
    };
    return cmocka_run_group_tests(tests, scratch_make, forget_lines);
}
