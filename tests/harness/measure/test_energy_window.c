/* The energy windows of a worker with a fake clock, the fake source and a scripted engine: what is
 * repeated, for how long, and what the record says. */
#include "harness/measure/energy_window.h"

#include "tests/harness/fake_clock.h"
#include "tests/harness/scratch.h"

#include <math.h>

#define TOKEN_NS 70000000

static fake_clock fake;
static int n_evals, n_tokens, position, n_rewinds;

static tm_status eval(tm_backend *backend, const int32_t *tokens, int n, tm_logits which,
                      const float **logits, tm_error *err)
{
    (void)backend;
    (void)tokens;
    (void)which;
    (void)logits;
    n_evals++;
    n_tokens += n;
    position += n;
    if (n_evals > 10000) return tm_fail(err, TM_IO, "the window does not end");
    fake_clock_sleep(&fake, n * (int64_t)TOKEN_NS);
    return TM_OK;
}

static void rewind_to(tm_backend *backend, int to)
{
    (void)backend;
    n_rewinds++;
    assert_true(to <= position);
    position = to;
}

static void divide(tm_backend *backend, int n_sequences, int n_context)
{
    (void)backend;
    (void)n_sequences;
    (void)n_context;
    position = 0;
}

static void spread(tm_backend *backend, int n_sequences)
{
    (void)backend;
    (void)n_sequences;
}

static tm_backend backend = {.n_vocab = 10,
                             .n_batch = 8,
                             .eval = eval,
                             .rewind = rewind_to,
                             .divide = divide,
                             .spread = spread};
static int32_t tokens[64];
static tm_bench bench = {.backend = &backend, .tokens = tokens, .n_tokens = 64};
static tm_energy_source_options options;

static void open_window(tm_energy_window *run, const char *source, bool later)
{
    tm_error err = {0};
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    fake_clock_init(&fake);
    n_evals = n_tokens = n_rewinds = 0;
    tm_energy_source_init(&options);
    snprintf(options.source, sizeof options.source, "%s", source);
    assert_ok(tm_energy_window_open(run, &bench, &options, later, &cpus, &fake.clock, &err), err);
}

/* The offset between the clocks is read for every Unix time, and may vary by some microseconds. */
static bool near(double a, double b)
{
    return fabs(a - b) < 1e-3;
}

/* 3 tokens per repetition take 0.21 s, so that 48 repetitions fill 10 s. */
static void test_a_phase_is_repeated_until_the_window_is_full(void **state)
{
    (void)state;
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_prompt = 4, .n_gen = 3, .depth = 2};
    open_window(&run, "fake", false);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &e, &err), err);
    assert_int_equal(e.n_repeats, 48);
    assert_int_equal(e.n_output_tokens, 48 * 3);
    assert_int_equal(e.n_prompt_tokens, 0);
    /* The depth and the prompt fill the cache once, before the window. */
    assert_int_equal(n_tokens, 2 + 4 + 48 * 3);
    assert_int_equal(n_rewinds, 48);
    assert_true(near(e.window_seconds, 48 * 3 * 1e-9 * TOKEN_NS));
    assert_true(near(e.idle_seconds, 10));
    assert_true(e.fake && e.state == TM_PROBE_OK);
    assert_string_equal(e.scope, "fake package");
    assert_true(near(e.gross_joules.value, 10 * e.window_seconds));
    assert_true(near(e.idle_before_watts.value, 10) && near(e.idle_after_watts.value, 10));
    assert_true(isnan(e.net_joules.value) && e.net_joules.missing[0]); /* no more than idle */
    /* 0.5 s to settle and 10 s of idle time, before and after. */
    assert_true(near(e.begin_unix_seconds - e.idle_before_unix_seconds, 10));
    assert_true(near(e.idle_after_unix_seconds - e.begin_unix_seconds, e.window_seconds + 0.5));
    tm_record_energy_free(&e);
    tm_energy_window_close(&run);
}

static void test_two_windows_share_the_idle_time_between_them(void **state)
{
    (void)state;
    tm_energy_window run;
    tm_record_energy first, second;
    tm_error err = {0};
    const tm_test test = {.n_prompt = 4, .n_gen = 3};
    open_window(&run, "fake", false);
    int64_t begin = fake.time_ns;
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &first, &err), err);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &second, &err), err);
    assert_int_equal(first.n_prompt_tokens, first.n_repeats * 4);
    assert_int_equal(first.n_output_tokens, 0);
    assert_true(near(second.idle_before_unix_seconds, first.idle_after_unix_seconds));
    /* Three idle times, two windows, and the prompt before the second. */
    double expected = 3 * 10.5 + first.window_seconds + second.window_seconds + 4e-9 * TOKEN_NS;
    assert_true(near(1e-9 * (double)(fake.time_ns - begin), expected));
    tm_record_energy_free(&first);
    tm_record_energy_free(&second);
    tm_energy_window_close(&run);
}

static void test_without_idle_time_there_is_no_net_energy(void **state)
{
    (void)state;
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_gen = 1};
    open_window(&run, "fake", false);
    options.idle_seconds = 0;
    options.seconds = 1;
    int64_t before = fake.slept_ns;
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &e, &err), err);
    assert_true(near(1e-9 * (double)(fake.slept_ns - before), e.window_seconds));
    assert_int_equal(e.n_repeats, 15);
    assert_says(e.idle_before_watts.missing, "no idle time was requested");
    assert_says(e.net_joules.missing, "no idle");
    tm_record_energy_free(&e);
    tm_energy_window_close(&run);
}

static void test_a_meter_that_is_imported_later_has_only_times(void **state)
{
    (void)state;
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_prompt = 8};
    open_window(&run, "meter", true);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &e, &err), err);
    assert_int_equal(e.state, TM_PROBE_MISSING);
    assert_says(e.reason, "ternmark import");
    assert_true(e.window_seconds >= 10 && near(e.idle_seconds, 10));
    assert_true(e.idle_before_unix_seconds > 0 && e.idle_after_unix_seconds > 0);
    tm_record_energy_free(&e);
    tm_energy_window_close(&run);
}

static void test_a_source_that_does_not_open_costs_no_time(void **state)
{
    (void)state;
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_prompt = 8};
    open_window(&run, "meter", false);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &e, &err), err);
    assert_int_equal(e.state, TM_PROBE_MISSING);
    assert_says(e.reason, "neither a command nor a file");
    assert_int_equal(n_evals, 0);
    assert_int_equal(fake.slept_ns, 0);
    tm_record_energy_free(&e);
    tm_energy_window_close(&run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_phase_is_repeated_until_the_window_is_full),
        cmocka_unit_test(test_two_windows_share_the_idle_time_between_them),
        cmocka_unit_test(test_without_idle_time_there_is_no_net_energy),
        cmocka_unit_test(test_a_meter_that_is_imported_later_has_only_times),
        cmocka_unit_test(test_a_source_that_does_not_open_costs_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
