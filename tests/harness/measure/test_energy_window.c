/* The energy windows of a worker with a fake clock and a scripted engine: what is repeated, for how
 * long, and what the record says. */
#include "harness/measure/energy_window.h"

#include "tests/harness/probe/fake_machine.h"

#define TOKEN_NS 70000000

static fake_machine machine;
static double work_watts; /* of the machine's meter while the engine works; 0: no change */
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
    double idle_watts = machine.meter ? machine.meter->watts[0] : 0;
    if (machine.meter) machine.meter->watts[0] = work_watts;
    machine_sleep_ns(&machine, n * (int64_t)TOKEN_NS);
    if (machine.meter) machine.meter->watts[0] = idle_watts;
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

/* root: a tree with counters, or NULL. */
static void open_window(tm_energy_window *run, const char *source, const char *root, bool later)
{
    tm_error err = {0};
    cpu_set_t cpus;
    assert_int_equal(sched_getaffinity(0, sizeof cpus, &cpus), 0);
    machine.probe = NULL;
    n_evals = n_tokens = n_rewinds = 0;
    tm_energy_source_init(&options);
    snprintf(options.source, sizeof options.source, "%s", source);
    if (root) snprintf(options.root, sizeof options.root, "%s", root);
    assert_ok(tm_energy_window_open(run, &bench, &options, later, &cpus, &machine.clock, &err),
              err);
    machine.probe = run->probe;
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
    open_window(&run, "fake", NULL, false);
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

/* The counter advances at 10 W while idle and at 30 W while working. */
static void test_gross_net_and_trace(void **state)
{
    (void)state;
    const char *root = scratch_path("counter");
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_gen = 1};
    tree_meter meter = {.root = root,
                        .paths = {"sys/class/powercap/intel-rapl:0/energy_uj"},
                        .watts = {10},
                        .range = {262143328850}};
    tree_zone(root, "intel-rapl:0", "package-0", "0", "262143328850");
    machine.meter = &meter;
    work_watts = 30;
    open_window(&run, "powercap", root, false);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &e, &err), err);
    if (e.state != TM_PROBE_OK) fail_msg("%s", e.reason);
    assert_string_equal(e.scope, "package");
    assert_true(e.fake); /* because of the tree */
    assert_says(e.marks, "instead of /");
    assert_true(near(e.gross_joules.value, 30 * e.window_seconds));
    assert_true(near(e.net_joules.value, 20 * e.window_seconds));
    assert_true(near(e.idle_before_watts.value, 10) && near(e.idle_after_watts.value, 10));
    assert_true(e.idle_before_error_bound_watts.value > 0 &&
                e.idle_before_error_bound_watts.value < 0.5);
    assert_true(tm_record_energy_net_bound(&e).value > e.error_bound_joules.value);
    assert_int_equal(e.n_domains, 1);
    assert_true(near(e.domains[0].joules, e.gross_joules.value));
    /* The trace covers both idle times; inside the window it has the window's joules. */
    double joules = 0, before = 0;
    assert_true(e.n_trace > 100 && e.trace[0].seconds <= -10);
    assert_true(near(e.trace[e.n_trace - 1].seconds, e.window_seconds + 10.5));
    for (int i = 0; i < e.n_trace; i++) {
        double at = e.trace[i].seconds, watts = e.trace[i].watts;
        bool inside = at > 0 && at <= e.window_seconds + 1e-6;
        if (isnan(watts)) continue;
        assert_true(near(watts, inside ? 30 : 10));
        if (inside) joules += watts * (at - before);
        if (inside) before = at;
    }
    assert_true(near(joules, e.gross_joules.value));
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
    open_window(&run, "fake", NULL, false);
    int64_t begin = machine.fake.time_ns;
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &first, &err), err);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &second, &err), err);
    assert_int_equal(first.n_prompt_tokens, first.n_repeats * 4);
    assert_int_equal(first.n_output_tokens, 0);
    assert_true(near(second.idle_before_unix_seconds, first.idle_after_unix_seconds));
    /* Three idle times, two windows, and the prompt before the second. */
    double expected = 3 * 10.5 + first.window_seconds + second.window_seconds + 4e-9 * TOKEN_NS;
    assert_true(near(1e-9 * (double)(machine.fake.time_ns - begin), expected));
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
    open_window(&run, "fake", NULL, false);
    options.idle_seconds = 0;
    options.seconds = 1;
    int64_t before = machine.fake.slept_ns;
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_GENERATION, &e, &err), err);
    assert_true(near(1e-9 * (double)(machine.fake.slept_ns - before), e.window_seconds));
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
    open_window(&run, "meter", NULL, true);
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
    open_window(&run, "meter", NULL, false);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &e, &err), err);
    assert_int_equal(e.state, TM_PROBE_MISSING);
    assert_says(e.reason, "neither a command nor a file");
    assert_int_equal(n_evals, 0);
    assert_int_equal(machine.fake.slept_ns, 0);
    tm_record_energy_free(&e);
    tm_energy_window_close(&run);
}

/* amd_energy has a channel per core before those of the sockets. */
static void test_more_channels_than_a_record_holds(void **state)
{
    (void)state;
    const char *root = scratch_path("cores");
    char path[80], text[16];
    tm_energy_window run;
    tm_record_energy e;
    tm_error err = {0};
    const tm_test test = {.n_prompt = 8};
    tree_put(root, "sys/class/hwmon/hwmon0/name", "amd_energy");
    for (int i = 1; i <= 71; i++) {
        snprintf(path, sizeof path, "sys/class/hwmon/hwmon0/energy%d_input", i);
        tree_put(root, path, "1000");
        snprintf(path, sizeof path, "sys/class/hwmon/hwmon0/energy%d_label", i);
        snprintf(text, sizeof text, i <= 70 ? "Ecore%03d" : "Esocket%d", i <= 70 ? i - 1 : 0);
        tree_put(root, path, text);
    }
    tree_meter meter = {.root = root,
                        .paths = {"sys/class/hwmon/hwmon0/energy71_input"},
                        .watts = {50},
                        .range = {UINT64_MAX}};
    machine.meter = &meter;
    open_window(&run, "hwmon", root, false);
    assert_ok(tm_energy_window_measure(&run, &test, TM_PHASE_PROMPT, &e, &err), err);
    assert_int_equal(e.state, TM_PROBE_OK);
    assert_int_equal(e.n_domains, TM_ENERGY_DOMAINS_MAX);
    assert_string_equal(e.domains[0].name, "Esocket0");
    assert_true(near(e.domains[0].joules, e.gross_joules.value));
    assert_says(e.marks, "domains: the first 64 of 71");
    tm_record_energy_free(&e);
    machine.probe = NULL;
    tm_energy_window_close(&run);
}

static int start_machine(void **state)
{
    (void)state;
    machine_init(&machine);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_a_phase_is_repeated_until_the_window_is_full, start_machine),
        cmocka_unit_test_setup(test_gross_net_and_trace, start_machine),
        cmocka_unit_test_setup(test_two_windows_share_the_idle_time_between_them, start_machine),
        cmocka_unit_test_setup(test_without_idle_time_there_is_no_net_energy, start_machine),
        cmocka_unit_test_setup(test_a_meter_that_is_imported_later_has_only_times, start_machine),
        cmocka_unit_test_setup(test_a_source_that_does_not_open_costs_no_time, start_machine),
        cmocka_unit_test_setup(test_more_channels_than_a_record_holds, start_machine),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
