/* Counter groups, their formulas, and what counts the events: PAPI, a fake PAPI, perf,
 * getrusage. */
#include "harness/measure/counters.h"
#include "harness/probe/papi_events.h"
#include "harness/probe/probe_counters.h"
#include "tests/harness/probe/energy_tree.h"

static tm_counter_group group;

static tm_status parse(const char *text, tm_error *err)
{
    return tm_counter_group_parse(text, strlen(text), "dir/mine.txt", &group, err);
}

static void test_built_in_groups(void **state)
{
    (void)state;
    int n = 0;
    tm_error err = {0};
    for (const char *const *name = tm_counter_group_names(); *name; name++, n++) {
        assert_ok(tm_counter_group_read(*name, &group, &err), err);
        assert_string_equal(group.name, *name);
        assert_true(group.about[0] && group.n_events > 0 && group.n_metrics > 0);
    }
    assert_true(n >= 3);
    assert_int_equal(tm_counter_group_read("memry", &group, &err), TM_ARG);
    assert_says(err.message, "did you mean \"memory\"");
    assert_int_equal(tm_counter_group_read("./none.txt", &group, &err), TM_IO);
    const char *path = scratch_path("own.txt");
    write_file(path, "event cycles\n", 13);
    assert_ok(tm_counter_group_read(path, &group, &err), err);
    assert_string_equal(group.name, "own");
    assert_int_equal(group.n_events, 1);
}

static void test_group_with_every_kind_of_line(void **state)
{
    (void)state;
    tm_error err = {0};
    assert_ok(parse("# remark\nabout  what it is for \r\n\n event cycles\nevent v=PAPI_VEC_SP\n"
                    "event native = skx::FP_ARITH:SCALAR_SINGLE\n"
                    "metric per_token 1/token = (cycles + -v) / tokens * 1e-3",
                    &err),
              err);
    assert_string_equal(group.name, "mine");
    assert_string_equal(group.about, "what it is for");
    assert_int_equal(group.n_events, 3);
    assert_string_equal(group.events[0].papi, "PAPI_TOT_CYC");
    assert_string_equal(group.events[1].papi, "PAPI_VEC_SP");
    assert_string_equal(group.events[2].papi, "skx::FP_ARITH:SCALAR_SINGLE");
    assert_string_equal(group.metrics[0].unit, "1/token");
    assert_string_equal(group.metrics[0].formula, "(cycles + -v) / tokens * 1e-3");
}

static void test_invalid_groups_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "the group has no event"},
        {"events cycles\n", "\"events\" is not about, event or metric"},
        {"event\n", "the event's name is missing"},
        {"event cylces\n", "did you mean \"cycles\"?"},
        {"event PAPI_VEC_SP\n", "event PAPI_VEC_SP = NAME"},
        {"event cycles\nevent cycles\n", "mine.txt:2: \"cycles\" is defined twice"},
        {"event tokens = PAPI_X\n", "defined twice"},
        {"event cycles now\n", "unexpected \"now\""},
        {"event a-b = X\n", "contains \"-\""},
        {"event cycles\nmetric x\n", "the metric's unit is missing"},
        {"event cycles\nmetric x ratio cycles\n", "expected = and a formula"},
        {"event cycles\nmetric x ratio = instructions\n", "\"instructions\" is neither an event"},
        {"event cycles\nmetric x ratio = cycles +\n", "ends too early at column 9"},
        {"event cycles\nmetric x ratio = (cycles\n", "not closed"},
        {"event cycles\nmetric x ratio = cycles cycles\n", "expected an operator at column 8"},
        {"event cycles\nmetric x ratio = 1e999\n", "not a number"},
        {"event cycles\nmetric x ratio = $\n", "expected a number, a word or ("},
        {"event cycles\x01\n", "control character"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        tm_error err = {0};
        if (parse(cases[i].text, &err) != TM_FORMAT) fail_msg("accepted: %s", cases[i].text);
        assert_says(err.message, cases[i].says);
        assert_says(err.message, "mine.txt");
    }
    char deep[400] = "event cycles\nmetric x ratio = ";
    tm_error err = {0};
    for (int i = 0; i < 60; i++) strcat(deep, "(");
    assert_int_equal(parse(deep, &err), TM_FORMAT);
    assert_says(err.message, "nested too deeply");
}

static bool three_words(void *arg, const char *word, double *value, const char **missing)
{
    (void)arg;
    if (strcmp(word, "a") == 0)
        *value = 6;
    else if (strcmp(word, "zero") == 0)
        *value = 0;
    else if (strcmp(word, "gone") == 0)
        *missing = "it went";
    else
        return false;
    return true;
}

static void test_formulas(void **state)
{
    (void)state;
    static const struct {
        const char *formula, *missing;
        double value;
    } cases[] = {
        {"1 + 2 * 3", "", 7},
        {"(1 + 2) * 3 - a / 4 / 3", "", 8.5},
        {"-a--2", "", -4},
        {"a / zero", "division by 0", 0},
        {"zero / a", "", 0},
        {"a + gone * zero", "it went", 0},
        {"1e300 * 1e300", "the result is not finite", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        double value;
        char missing[80];
        tm_error err = {0};
        assert_ok(tm_counter_formula(cases[i].formula, three_words, NULL, &value, missing,
                                     sizeof missing, &err),
                  err);
        assert_string_equal(missing, cases[i].missing);
        if (missing[0])
            assert_true(isnan(value));
        else
            assert_true(fabs(value - cases[i].value) < 1e-12);
    }
}

/* --- counting --- */

static void spin_seconds(double seconds)
{
    volatile uint64_t x = 1;
    for (int64_t end = tm_now_ns() + (int64_t)(1e9 * seconds); tm_now_ns() < end;) x = tm_mix64(x);
}

/* Spins for this long by the clock, and until the thread ran for a quarter of it. */
static void *spin_thread(void *arg)
{
    double seconds = *(double *)arg, used = 0;
    spin_seconds(seconds);
    while (used < 0.25 * seconds) {
        struct timespec t;
        clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
        used = (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
        spin_seconds(1e-3);
    }
    return NULL;
}

/* The time of the last region, including the calls that started and stopped the counters. */
static int64_t outer_ns;

/* Counts a region of 0.05 s in which a thread works, with 100 tokens of 1e6 multiply-accumulates
 * each. */
static tm_record count_region(const tm_counters_options *options)
{
    tm_record r = {.kind = TM_RECORD_SAMPLE,
                   .sample = {.n_tokens = 100, .macs_per_token = 1e6, .bytes_per_token = 0}};
    tm_counters *counters;
    tm_error err = {0};
    pthread_t thread;
    double seconds = 0.05;
    assert_ok(tm_counters_open(&group, options, &counters, &err), err);
    int64_t before = tm_now_ns();
    tm_counters_start(counters);
    int64_t begin = tm_now_ns();
    assert_int_equal(pthread_create(&thread, NULL, spin_thread, &seconds), 0);
    pthread_join(thread, NULL);
    r.sample.elapsed_ns = tm_now_ns() - begin;
    tm_counters_stop(counters);
    outer_ns = tm_now_ns() - before;
    assert_ok(tm_counters_put(counters, 2, &r, &err), err);
    tm_counters_close(counters);
    return r;
}

static const tm_counter *counter(const tm_record *r, const char *name)
{
    for (int i = 0; i < r->sample.n_counters; i++)
        if (strcmp(r->sample.counters[i].name, name) == 0) return &r->sample.counters[i];
    fail_msg("no counter \"%s\"", name);
    return &r->sample.counters[0];
}

static void assert_near(const tm_counter *c, double value, double share)
{
    if (!(fabs(c->figure.value - value) <= share * value))
        fail_msg("%s is %g (%s), not about %g", c->name, c->figure.value, c->figure.missing, value);
}

/* Checks a count of the fake PAPI, which advances with the clock. */
static void assert_clock_count(const tm_record *r, const char *name, double per_ns)
{
    const tm_counter *c = counter(r, name);
    /* It counts in whole microseconds. */
    double least = per_ns * (double)(r->sample.elapsed_ns - 2000),
           most = per_ns * (double)(outer_ns + 2000);
    if (!(c->figure.value >= least && c->figure.value <= most))
        fail_msg("%s is %g (%s), not between %g and %g", name, c->figure.value, c->figure.missing,
                 least, most);
}

static void test_software_events_are_counted_everywhere(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_counters_options no_papi = {.no_papi = true};
    assert_ok(tm_counter_group_read("software", &group, &err), err);
    tm_record r = count_region(&no_papi);
    assert_string_equal(r.sample.counter_group, "software");
    const tm_counter *user = counter(&r, "cpu_user");
    assert_string_equal(user->method, "getrusage");
    assert_true(user->figure.value > 0.001);
    const tm_counter *clock = counter(&r, "task_clock");
    if (!clock->figure.missing[0]) { /* otherwise perf is denied, with a reason */
        double both = user->figure.value + counter(&r, "cpu_system")->figure.value;
        assert_memory_equal(clock->method, "perf", 4); /* ", user mode" for an ordinary user */
        assert_true(fabs(clock->figure.value - both) < 0.05);
        assert_near(counter(&r, "cpus_busy"), clock->figure.value / (1e-9 * r.sample.elapsed_ns),
                    1e-9);
        assert_near(counter(&r, "cpu_seconds_per_token"), clock->figure.value / 100, 1e-9);
    } else
        assert_says(clock->figure.missing, "perf");
    assert_string_equal(counter(&r, "system_share")->method, "formula");
    tm_record_free(&r);
}

static void test_papi_counts_the_events_that_fit(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_counters_options fake = {.papi_library = fake_papi_path()};
    assert_ok(parse("event cycles\nevent instructions\nevent vector_ops = PAPI_VEC_SP\n"
                    "event odd = PAPI_NONE\nevent cpu_user\n"
                    "metric ipc ratio = instructions / cycles\n"
                    "metric per_mac ratio = cycles / macs\nmetric v ratio = vector_ops / cycles\n"
                    "metric bytes_each ratio = bytes / cycles",
                    &err),
              err);
    tm_record r = count_region(&fake);
    assert_string_equal(counter(&r, "cycles")->method, "papi, user mode");
    assert_clock_count(&r, "cycles", 2);
    assert_clock_count(&r, "instructions", 5);
    double cycles = counter(&r, "cycles")->figure.value;
    assert_near(counter(&r, "ipc"), counter(&r, "instructions")->figure.value / cycles, 1e-9);
    assert_near(counter(&r, "per_mac"), cycles / 1e8, 1e-9);
    assert_string_equal(counter(&r, "cpu_user")->method, "getrusage");
    /* The third event does not fit: it is refused with PAPI's message instead of being scaled. */
    const tm_counter *v = counter(&r, "vector_ops");
    assert_true(isnan(v->figure.value));
    assert_says(v->figure.missing, "does not fit next to the 2 events before it");
    assert_says(counter(&r, "v")->figure.missing, "does not fit");
    assert_says(counter(&r, "odd")->figure.missing, "PAPI_NONE: Event does not exist");
    assert_says(counter(&r, "bytes_each")->figure.missing, "the engine reports no bytes");
    tm_record_free(&r);
    setenv("FAKE_PAPI_COUNTERS", "3", 1);
    r = count_region(&fake);
    unsetenv("FAKE_PAPI_COUNTERS");
    assert_clock_count(&r, "vector_ops", 0.3);
    tm_record_free(&r);
}

static void test_papi_errors_are_reported(void **state)
{
    (void)state;
    static const struct {
        const char *mode, *says;
    } cases[] = {
        {"old", "PAPI is 5.7; this program was built with"},
        {"init", "PAPI cannot be initialized: the fake's error"},
        {"noinherit", "Event does not exist (2 of 3 presets can be opened)"},
        {"nopmu", "knows 2 of 3 presets for this processor, but none can be opened: "},
        {"denied", "none can be opened: the kernel does not permit it (PAPI: Permission level"},
        {"nostart", "PAPI cannot start counting"},
        {"negative", "PAPI: mine is -1"},
        {"readfails", "PAPI cannot read"},
    };
    tm_counters_options fake = {.papi_library = fake_papi_path()};
    tm_error err = {0};
    /* Only PAPI knows this event, so perf does not count it. */
    assert_ok(parse("event mine = PAPI_TOT_CYC\nmetric m ratio = mine / 2", &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        setenv("FAKE_PAPI", cases[i].mode, 1);
        tm_record r = count_region(&fake);
        unsetenv("FAKE_PAPI");
        assert_true(isnan(counter(&r, "mine")->figure.value));
        assert_says(counter(&r, "mine")->figure.missing, cases[i].says);
        assert_true(isnan(counter(&r, "m")->figure.value));
        tm_record_free(&r);
    }
    fake.papi_library = "/no/such/libpapi.so";
    tm_record r = count_region(&fake);
    assert_says(counter(&r, "mine")->figure.missing, "PAPI is not installed");
    tm_record_free(&r);
}

static void test_papi_components(void **state)
{
    (void)state;
    tm_papi *papi;
    tm_error err = {0};
    char reason[200] = "";
    assert_ok(tm_papi_open(fake_papi_path(), &papi, &err), err);
    assert_true(tm_papi_component(papi, "perf_event", reason, sizeof reason));
    assert_false(tm_papi_component(papi, "powercap", reason, sizeof reason));
    assert_says(reason, "was built without its component powercap");
    assert_false(tm_papi_component(papi, "rocm_smi", reason, sizeof reason));
    assert_says(reason, "no such card");
    tm_papi_close(papi);
}

/* Next to PAPI, which does not count the kernel, perf must not count it either. */
static void test_perf_counts_the_requested_mode(void **state)
{
    (void)state;
    static const tm_probe_event events[] = {{"cycles", ""}, {"task_clock", ""}};
    for (int user_only = 0; user_only < 2; user_only++) {
        tm_probe *probe;
        tm_probe_health health;
        tm_error err = {0};
        const tm_probe_counters_options perf = {events, 2, user_only};
        const tm_probe_options options = {.spin_seconds = 0.1, .own = &perf};
        if (tm_probe_open("counters", &options, &probe, &health, &err) != TM_OK)
            TM_SKIP("%s", err.message);
        assert_int_equal(tm_probe_n_channels(probe), 2);
        for (int i = 0; i < 2; i++) {
            const tm_probe_channel_info *c = tm_probe_channel(probe, i);
            bool processor = strcmp(c->name, "cycles") == 0;
            if (user_only && processor) assert_says(c->scope, "user mode only");
            if (!processor) assert_string_equal(c->method, "perf");
        }
        tm_probe_close(probe);
    }
}

/* The installed PAPI counts on a machine with a PMU and refuses on one without. */
static void test_installed_papi(void **state)
{
    (void)state;
    tm_papi *papi;
    tm_error err = {0};
    int index;
    if (tm_papi_open(NULL, &papi, &err) != TM_OK) TM_SKIP("%s", err.message);
    const tm_papi_presets *presets = tm_papi_count_presets(papi);
    assert_true(presets->n_all > 50 && presets->n_known <= presets->n_all);
    assert_true(presets->n_usable <= presets->n_known);
    assert_int_equal(presets->n_usable == 0, presets->reason[0] != 0);
    assert_int_equal(presets->n_usable == 0, presets->cause != TM_PAPI_COUNTS);
    assert_true(tm_papi_version(papi)[0] >= '5');
    tm_status status = tm_papi_add(papi, "PAPI_TOT_INS", &index, &err);
    if (status == TM_OK) {
        long long first[TM_PAPI_EVENTS_MAX], second[TM_PAPI_EVENTS_MAX];
        assert_ok(tm_papi_start(papi, &err), err);
        assert_ok(tm_papi_read(papi, first, &err), err);
        spin_seconds(0.05);
        assert_ok(tm_papi_read(papi, second, &err), err);
        assert_true(second[index] - first[index] > 1000000);
        tm_papi_close(papi);
        return;
    }
    assert_int_equal(status, TM_UNSUPPORTED);
    assert_says(err.message, presets->n_usable ? "presets can be opened" : presets->reason);
    tm_papi_close(papi);
    /* Through a group, perf counts the event, or its reason follows PAPI's. */
    assert_ok(tm_counter_group_read("instructions", &group, &err), err);
    tm_record r = count_region(NULL);
    const tm_counter *c = counter(&r, "instructions");
    if (c->figure.missing[0]) {
        assert_says(c->figure.missing, "PAPI");
        assert_says(c->figure.missing, "; perf: ");
        assert_says(counter(&r, "instructions_per_cycle")->figure.missing, "PAPI");
    } else
        assert_int_equal(strncmp(c->method, "perf", 4), 0);
    tm_record_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_built_in_groups),
        cmocka_unit_test(test_group_with_every_kind_of_line),
        cmocka_unit_test(test_invalid_groups_are_refused),
        cmocka_unit_test(test_formulas),
        cmocka_unit_test(test_software_events_are_counted_everywhere),
        cmocka_unit_test(test_papi_counts_the_events_that_fit),
        cmocka_unit_test(test_papi_errors_are_reported),
        cmocka_unit_test(test_papi_components),
        cmocka_unit_test(test_perf_counts_the_requested_mode),
        cmocka_unit_test(test_installed_papi),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
