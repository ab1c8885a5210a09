/* The profiler: its parts add up, limits match values computed by hand, traces are valid. */
#include "harness/measure/profile_trace.h"
#include "tests/engine/tiny.h"

#include <math.h>

#define NEAR(a, b, slack) assert_true(fabs((double)(a) - (double)(b)) <= (slack))

enum { N_LAYERS = 2, MAX_THREADS = 3, N_SEQUENCES = 3 };

/* Stamps written by hand: two threads, one layer, one pass that fills the cache and two of the
 * region; two ticks per ns. */
static const tm_event first_thread[] = {
    {100, 0, -1, TM_OP_EMBED, TM_PIECE_ENTER},  {200, 0, -1, TM_OP_EMBED, TM_PIECE_WORK},
    {1010, 1, -1, TM_OP_EMBED, TM_PIECE_ENTER}, {1030, 1, -1, TM_OP_EMBED, TM_PIECE_WORK},
    {1040, 1, -1, TM_OP_EMBED, TM_PIECE_WAIT},  {1140, 1, 0, TM_OP_DOWN, TM_PIECE_WORK},
    {2000, 2, -1, TM_OP_EMBED, TM_PIECE_ENTER}, {2300, 2, 0, TM_OP_DOWN, TM_PIECE_WORK},
};
static const tm_event second_thread[] = {
    {150, 0, -1, TM_OP_EMBED, TM_PIECE_ENTER},  {190, 0, -1, TM_OP_EMBED, TM_PIECE_WORK},
    {1020, 1, -1, TM_OP_EMBED, TM_PIECE_ENTER}, {1036, 1, -1, TM_OP_EMBED, TM_PIECE_WORK},
    {1040, 1, -1, TM_OP_EMBED, TM_PIECE_WAIT},  {1100, 1, 0, TM_OP_DOWN, TM_PIECE_WORK},
    {1990, 2, -1, TM_OP_EMBED, TM_PIECE_ENTER}, {2200, 2, 0, TM_OP_DOWN, TM_PIECE_WORK},
};

static void make_stamps(tm_stamps *out, tm_stamps_thread threads[2], tm_stamps_pass passes[3])
{
    enum { N = sizeof first_thread / sizeof *first_thread };
    threads[0] = (tm_stamps_thread){.events = (tm_event *)first_thread, .n_events = N};
    threads[1] = (tm_stamps_thread){.events = (tm_event *)second_thread, .n_events = N};
    passes[0] = (tm_stamps_pass){.begin = 90, .end = 210, .n_tokens = 5};
    passes[1] = (tm_stamps_pass){.begin = 1000, .end = 1150, .n_tokens = 3, .n_logits = 1};
    passes[2] = (tm_stamps_pass){.begin = 1980, .end = 2310, .n_tokens = 1, .n_logits = 1};
    *out = (tm_stamps){.threads = threads, .passes = passes, .n_threads = 2, .n_passes = 3};
}

static void test_sums_match_values_by_hand(void **state)
{
    (void)state;
    tm_stamps stamps;
    tm_stamps_thread threads[2];
    tm_stamps_pass passes[3];
    tm_profile p;
    tm_error err = {0};
    make_stamps(&stamps, threads, passes);
    assert_int_equal(tm_profile_read(&stamps, 1, 2, 1, NULL, true, &p, &err), TM_OK);
    assert_int_equal(p.n_passes, 2);
    assert_int_equal(p.n_tokens, 4);
    assert_true(p.region_ns == (2310 - 1000) / 2.0);
    const tm_profile_op *embed = &p.ops[TM_OP_EMBED], *down = &p.ops[TM_OP_COUNT + TM_OP_DOWN];
    assert_true(embed->part.work_ns == (20 + 16) / 2.0 / 2);
    assert_true(embed->part.wait_ns == (10 + 4) / 2.0 / 2);
    assert_true(embed->longest_ns == 20 / 2.0);
    assert_true(down->part.work_ns == (100 + 300 + 60 + 210) / 2.0 / 2);
    assert_true(down->part.wait_ns == (10 + 10 + 50 + 110) / 2.0 / 2); /* until the passes end */
    assert_true(down->longest_ns == (100 + 300) / 2.0);
    assert_int_equal(down->n_pieces, 4);
    assert_true(p.threads[0].busy_ns == (20 + 100 + 300) / 2.0);
    assert_true(p.threads[1].wait_ns == (4 + 50 + 110) / 2.0);
    assert_true(p.threads[0].idle_ns == (10 + (1980 - 1150) + 20) / 2.0);
    assert_int_equal(p.threads[0].n_waits, 3);
    for (int t = 0; t < 2; t++)
        assert_true(p.threads[t].busy_ns + p.threads[t].wait_ns + p.threads[t].idle_ns ==
                    p.region_ns);
    assert_true(p.stamps_per_thread == 6);
    tm_profile_free(&p);

    assert_int_equal(tm_profile_read(&stamps, 3, 2, 1, NULL, true, &p, &err), TM_ARG);
    assert_int_equal(tm_profile_read(&stamps, -1, 2, 1, NULL, true, &p, &err), TM_ARG);
    threads[1].n_dropped = 7;
    assert_int_equal(tm_profile_read(&stamps, 1, 2, 1, NULL, true, &p, &err), TM_CHECK);
    assert_non_null(strstr(err.message, "7 passes or stamps"));
}

static void test_limits_match_values_by_hand(void **state)
{
    (void)state;
    tm_profile_limits limits = {.read_gb_per_second = 10,
                                .int8_gmac_per_second = 100,
                                .fp32_gmac_per_second = 20,
                                .barrier_ns = NAN};
    tm_profile_bound bound;
    tm_op_cost cost = {.memory_bytes = 900, .activation_bytes = 100, .macs = 2000, .is_int8 = true};
    assert_true(tm_profile_least_ns(&cost, &limits, &bound) == 100);
    assert_int_equal(bound, TM_BOUND_MEMORY);
    cost.macs = 20000;
    assert_true(tm_profile_least_ns(&cost, &limits, &bound) == 200);
    assert_int_equal(bound, TM_BOUND_INT8);
    cost.is_int8 = false;
    assert_true(tm_profile_least_ns(&cost, &limits, &bound) == 1000);
    assert_int_equal(bound, TM_BOUND_FP32);
    cost.macs = 0; /* activations only: caches have no limit here */
    assert_true(isnan(tm_profile_least_ns(&cost, &limits, &bound)));
    assert_int_equal(bound, TM_BOUND_NONE);
    cost.macs = 1;
    limits.read_gb_per_second = NAN;
    assert_true(isnan(tm_profile_least_ns(&cost, &limits, &bound)));
    assert_string_equal(tm_profile_bound_name(TM_BOUND_INT8), "int8");
}

/* A tiny model as a backend. */
typedef struct engine {
    tm_pool *pool;
    tm_model model;
    tm_session *session;
    tm_backend backend;
    tm_bench bench;
} engine;

static tm_status eval(tm_backend *backend, const int32_t *tokens, int n_tokens, tm_logits which,
                      const float **logits, tm_error *err)
{
    return tm_session_eval(backend->session, tokens, n_tokens, which, logits, err);
}

static void divide(tm_backend *backend, int n_sequences, int n_context)
{
    tm_session_divide(backend->session, n_sequences, n_context);
}

static void spread(tm_backend *backend, int n_sequences)
{
    for (int i = 1; i < n_sequences; i++) tm_session_copy(backend->session, 0, i);
}

static tm_status step(tm_backend *backend, const int32_t *tokens, int n_sequences, tm_error *err)
{
    return tm_session_step(backend->session, tokens, n_sequences, TM_LOGITS_LAST, NULL, err);
}

static void reset(tm_backend *backend)
{
    tm_session_reset(backend->session);
}

static void open_engine(engine *e, int n_threads, const tm_test *test)
{
    tm_config config = tiny_config("bitnet");
    config.n_layers = N_LAYERS;
    *e = (engine){.pool = tiny_pool(n_threads)};
    e->model = tiny_model(&config, "i2r16_mad_scalar", "f16r16_fma_scalar", e->pool);
    e->session = tiny_session(
        &e->model, e->pool,
        (tm_session_options){
            .n_context = 64, .n_batch = 8, .n_sequences = N_SEQUENCES, .f16_kv = true});
    e->backend = (tm_backend){.n_vocab = config.n_vocab,
                              .n_batch = 8,
                              .costs = e->model.costs,
                              .model = &e->model,
                              .session = e->session,
                              .pool = e->pool,
                              .f16_kv = true,
                              .eval = eval,
                              .divide = divide,
                              .spread = spread,
                              .step = step,
                              .reset = reset};
    TINY_OK(tm_bench_open(&e->backend, test, 1, 1, &e->bench, &err));
}

static void close_engine(engine *e)
{
    tm_bench_close(&e->bench);
    tm_session_close(e->session);
    tm_model_close(&e->model);
    tm_pool_close(e->pool);
}

/* A stored profile has fewer parts but the same sums, whichever limit binds. */
static void expect_same_table(const tm_profile *p)
{
    static const tm_profile_limits limits[] = {
        {1, 1, 1, NAN}, {1000, 1, 1, NAN}, {1, 1000, 1, NAN}, {0.5, 3, 2, NAN}};
    tm_record_profile table;
    TINY_OK(tm_profile_to_table(p, &table, &err));
    assert_in_range(table.n_entries, 15, 2 * TM_OP_COUNT);
    NEAR(table.idle_ns, tm_profile_idle_ns(p), 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++)
        for (int begin = 0, end; begin < table.n_entries; begin = end) {
            int o = 0;
            end = tm_record_profile_end(&table, begin);
            while (strcmp(tm_op_name((tm_op)o), table.entries[begin].operation) != 0) o++;
            tm_profile_sum a = tm_profile_sum_of(p, &limits[i], TM_PROFILE_ALL, o);
            tm_profile_sum b = tm_record_profile_sum(&table, &limits[i], begin, end);
            NEAR(a.work_ns, b.work_ns, 1e-9 * a.work_ns);
            NEAR(a.wait_ns, b.wait_ns, 1e-9 * a.wait_ns);
            NEAR(a.best_ns, b.best_ns, 1e-9 * a.best_ns);
            assert_true(a.bytes == b.bytes && a.macs == b.macs && a.bound == b.bound);
            assert_true(isnan(a.least_ns) == isnan(b.least_ns));
            if (!isnan(a.least_ns)) NEAR(a.least_ns, b.least_ns, 1e-9 * a.least_ns);
        }
    tm_record_profile_free(&table);
}

static void test_parts_add_up_to_the_region(void **state)
{
    static const tm_test tests[] = {
        {20, 0, 0, 1}, {0, 5, 0, 1}, {11, 3, 0, 1}, {0, 4, 19, 1}, {0, 4, 9, N_SEQUENCES}};
    (void)state;
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++)
        for (int n_threads = 1; n_threads <= MAX_THREADS; n_threads++) {
            engine e;
            tm_profile p;
            double bytes, macs, sum = 0, idle = 0, all_macs = 0;
            tm_profile_options options = {.n_pairs = 3, .fastest = i == 1};
            open_engine(&e, n_threads, &tests[i]);
            TINY_OK(tm_profile_measure(&e.bench, &tests[i], &options, &p, &err));
            int n_tokens = tm_test_tokens(&tests[i]);
            assert_int_equal(p.n_tokens, n_tokens);
            assert_int_equal(p.n_passes, (tests[i].n_prompt + 7) / 8 + tests[i].n_gen);
            assert_int_equal(p.n_pairs, 3);
            assert_true(p.overhead.value > 0 && p.overhead.low <= p.overhead.value);
            assert_true(p.fastest_ratio > 0);
            assert_true(p.stamp_ns > 0.5 && p.stamps_per_thread > 20);
            /* The harness's clock encloses the region's stamps; 2 % is for the tick rate. */
            assert_true(p.region_ns <= 1.02 * (double)p.elapsed_ns + 1000);
            for (int t = 0; t < n_threads; t++) {
                const tm_profile_thread *thread = &p.threads[t];
                NEAR(thread->busy_ns + thread->wait_ns + thread->idle_ns, p.region_ns,
                     1e-6 * p.region_ns + 500); /* the counters of two cores can differ a little */
                assert_true((thread->n_waits > 0) == (n_threads > 1));
                idle += thread->idle_ns / n_threads;
            }
            for (int o = 0; o < (N_LAYERS + 1) * TM_OP_COUNT; o++) {
                sum += p.ops[o].part.work_ns + p.ops[o].part.wait_ns;
                all_macs += p.ops[o].part.cost.macs;
                NEAR(fmin(p.ops[o].part.best_ns, p.ops[o].part.work_ns), p.ops[o].part.best_ns,
                     1e-5 * sum);
                assert_true(p.ops[o].part.best_ns == 0 || p.ops[o].part.work_ns > 0);
                assert_true(p.ops[o].longest_ns >= p.ops[o].part.work_ns * 0.999999);
                assert_true(p.ops[o].longest_ns <= p.ops[o].part.work_ns * n_threads * 1.000001);
            }
            NEAR(sum + idle, p.region_ns, 1e-6 * p.region_ns + 500);
            tm_bench_costs(&e.backend.costs, 8, &tests[i], &bytes, &macs);
            NEAR(all_macs, macs * n_tokens, 1e-6 * all_macs);
            tm_profile_limits limits = {1, 1, 1, NAN};
            tm_profile_sum whole = tm_profile_sum_of(&p, &limits, TM_PROFILE_ALL, TM_PROFILE_ALL);
            tm_profile_sum layer = tm_profile_sum_of(&p, &limits, 0, TM_PROFILE_ALL);
            expect_same_table(&p);
            NEAR(whole.work_ns + whole.wait_ns, sum, 1e-6 * sum);
            assert_true(whole.macs == all_macs && layer.macs < all_macs && layer.macs > 0);
            assert_true(whole.least_ns >= all_macs * 0.999999);
            tm_profile_free(&p);
            close_engine(&e);
        }
}

static void test_few_pairs_give_their_range(void **state)
{
    double with[] = {102, 110, 104, 105}, without[] = {100, 100, 100, 100};
    tm_profile p = {.n_pairs = 3, .with_ns = with, .without_ns = without};
    (void)state;
    tm_profile_compare(&p);
    assert_string_equal(p.overhead.method, TM_PAIRS_RANGE);
    NEAR(p.overhead.low, 1.02, 1e-12);
    NEAR(p.overhead.high, 1.10, 1e-12);
    p.n_pairs = TM_MIN_PAIRS;
    tm_profile_compare(&p);
    assert_string_not_equal(p.overhead.method, TM_PAIRS_RANGE);
    assert_true(p.overhead.low < 1.02 && p.overhead.high > p.overhead.value);
}

static void test_wrong_options_are_errors(void **state)
{
    tm_error err = {0};
    tm_profile p;
    tm_test test = {4, 0, 0, 1};
    tm_profile_options options = {.n_pairs = 0};
    engine e;
    (void)state;
    open_engine(&e, 1, &test);
    assert_int_equal(tm_profile_measure(&e.bench, &test, &options, &p, &err), TM_ARG);
    options.n_pairs = 1;
    options.available_bytes = 1000;
    assert_int_equal(tm_profile_measure(&e.bench, &test, &options, &p, &err), TM_NOMEM);
    assert_non_null(strstr(err.message, "stamps of 1 passes, 2 layers and 1 threads need"));
    options.available_bytes = 1 << 30;
    e.backend.model = NULL;
    assert_int_equal(tm_profile_measure(&e.bench, &test, &options, &p, &err), TM_ARG);
    assert_non_null(strstr(err.message, "fake engine"));
    e.backend.model = &e.model;
    assert_int_equal(tm_profile_measure(&e.bench, &test, &options, &p, &err), TM_OK);
    assert_true(isnan(p.overhead.low)); /* one pair has no interval */
    tm_profile_free(&p);
    close_engine(&e);
}

static char *read_file(const char *path, size_t *length)
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    *length = fread(text, 1, (1 << 20) - 1, file);
    fclose(file);
    return text;
}

/* The events of one thread are nested or disjoint; they never overlap partly. */
static void expect_nested(const tm_json *events, int pid, int tid, int *n_events, double *leaves_us)
{
    double ends[8] = {0};
    int depth = 0;
    *n_events = 0;
    *leaves_us = 0;
    for (const tm_json *e = tm_json_at(events, 0); e; e = tm_json_next(e)) {
        if (strcmp(tm_json_text(tm_json_get(e, "ph"), ""), "X") != 0) continue;
        if (tm_json_double(tm_json_get(e, "pid"), -1) != pid ||
            tm_json_double(tm_json_get(e, "tid"), -1) != tid)
            continue;
        double ts = tm_json_double(tm_json_get(e, "ts"), -1);
        double span = tm_json_double(tm_json_get(e, "dur"), -1), end = ts + span;
        const char *kind = tm_json_text(tm_json_get(e, "cat"), "");
        assert_true(ts >= 0 && span >= 0);
        assert_true(tm_json_is_string(tm_json_get(e, "name")));
        while (depth > 0 && ts >= ends[depth - 1] - 1e-6) depth--;
        int wanted = strcmp(kind, "pass") == 0 ? 0 : strcmp(kind, "layer") == 0 ? 1 : -1;
        if (span > 0 && wanted >= 0) assert_int_equal(depth, wanted);
        if (depth > 0) assert_true(end <= ends[depth - 1] + 1e-6);
        if (wanted < 0)
            *leaves_us += span;
        else
            ends[depth++] = end;
        (*n_events)++;
    }
}

typedef struct written {
    tm_profile_trace trace;
    double pass_us; /* all passes of one cell, by the stamps */
    int n_events;   /* of thread 0 */
} written;

static void see(void *arg, const tm_stamps *stamps, int first_pass, double ticks_per_ns)
{
    written *w = arg;
    tm_profile_trace_add(&w->trace, "a \"cell\"; one", stamps, first_pass, ticks_per_ns);
    tm_profile_trace_add(&w->trace, "again", stamps, first_pass, ticks_per_ns);
    w->pass_us = 0;
    w->n_events = 0;
    const tm_stamps_thread *own = &stamps->threads[0];
    for (int i = 0; i < own->n_events; i++) {
        const tm_event *e = &own->events[i];
        if (e->pass < first_pass) continue;
        if (e->piece == TM_PIECE_ENTER) w->pass_us -= (double)e->ticks / ticks_per_ns * 1e-3;
        if (i + 1 == own->n_events || e[1].piece == TM_PIECE_ENTER)
            w->pass_us += (double)e->ticks / ticks_per_ns * 1e-3;
        w->n_events += e->piece != TM_PIECE_ENTER;
    }
}

static void test_traces_are_valid(void **state)
{
    char path[] = "/tmp/ternmark-trace-XXXXXX";
    tm_test test = {11, 3, 9,
                    1}; /* two passes for the prompt, three generated, two to fill the cache */
    engine e;
    tm_profile p;
    written w = {0};
    tm_profile_options options = {.n_pairs = 1, .see = see, .see_arg = &w};
    (void)state;
    close(mkstemp(path));
    open_engine(&e, 2, &test);
    TINY_OK(tm_profile_trace_open(path, &w.trace, &err));
    TINY_OK(tm_profile_measure(&e.bench, &test, &options, &p, &err));
    TINY_OK(tm_profile_trace_close(&w.trace, &err));

    size_t length;
    char *text = read_file(path, &length);
    tm_json *json;
    TINY_OK(tm_json_parse(text, length, "trace", &json, &err));
    const tm_json *events = tm_json_get(json, "traceEvents");
    assert_string_equal(
        tm_json_text(tm_json_get(tm_json_get(tm_json_at(events, 0), "args"), "name"), ""),
        "a \"cell\"; one");
    for (int pid = 1; pid <= 2; pid++)
        for (int tid = 0; tid < 2; tid++) {
            int n;
            double leaves_us;
            expect_nested(events, pid, tid, &n, &leaves_us);
            if (tid != 0) continue;
            /* 5 passes of 2 layers enclose the pieces, which fill the passes except for the final
             * barriers. */
            assert_int_equal(n, w.n_events + 5 * (1 + N_LAYERS));
            NEAR(leaves_us, w.pass_us, 0.01);
        }
    tm_json_free(json);
    free(text);

    FILE *file = fopen(path, "w");
    tm_folded_add(file, "a;b", &p);
    fclose(file);
    text = read_file(path, &length);
    double total = 0;
    int n_lines = 0;
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"), n_lines++) {
        char *space = strrchr(line, ' '), *end;
        assert_non_null(space);
        assert_memory_equal(line, "a_b;", 4);
        long long ns = strtoll(space + 1, &end, 10);
        assert_true(ns > 0 && *end == 0);
        total += (double)ns;
        if (strncmp(line, "a_b;layer 1;down ", 17) == 0) n_lines += 1000;
    }
    assert_in_range(n_lines, 1000 + 30, 1999);
    NEAR(total, 2 * p.region_ns, 1000 + 1e-6 * p.region_ns);
    free(text);
    unlink(path);
    tm_profile_free(&p);
    close_engine(&e);

    tm_error err = {0};
    assert_int_equal(tm_profile_trace_open("/nonexistent/t.json", &w.trace, &err), TM_IO);
    assert_non_null(strstr(err.message, "/nonexistent/t.json"));
    if (access("/dev/full", W_OK) == 0) {
        assert_int_equal(tm_profile_trace_open("/dev/full", &w.trace, &err), TM_OK);
        assert_int_equal(tm_profile_trace_close(&w.trace, &err), TM_IO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums_match_values_by_hand),
        cmocka_unit_test(test_limits_match_values_by_hand),
        cmocka_unit_test(test_parts_add_up_to_the_region),
        cmocka_unit_test(test_few_pairs_give_their_range),
        cmocka_unit_test(test_wrong_options_are_errors),
        cmocka_unit_test(test_traces_are_valid),
    };
    return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
