/* The prefetch distance: measured once, then cached; the environment variable overrides it. Each
 * measurement reads memory for about a second. check: long */
#include "harness/sweep/plan.h"
#include "harness/tune/prefetch.h"
#include "kernels/kernel.h"
#include "tests/harness/scratch.h"
#include "tests/tm_test.h"

#include <stdlib.h>

static tm_machine machine;
static char folder[128];

static int begin(void **state)
{
    (void)state;
    tm_error err;
    unsetenv(TM_PREFETCH_VARIABLE);
    tm_kernel_ahead = TM_AHEAD_DEFAULT;
    return tm_machine_read("/", &machine, &err) == TM_OK ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return 0;
}

static tm_prefetch_choice picked;

static tm_tuner choice_in(const char *name)
{
    snprintf(folder, sizeof folder, "%s", scratch_path(name));
    return (tm_tuner){.folder = folder, .build = "build", .machine = &machine, .measure = true};
}

/* How the distance was chosen, as in a new run. */
static const char *choose(const tm_tuner *choice)
{
    unsetenv(TM_PREFETCH_VARIABLE);
    tm_error err;
    assert_int_equal(tm_machine_read("/", &machine, &err), TM_OK);
    tm_prefetch_choose(choice, &picked);
    assert_int_equal(atoi(getenv(TM_PREFETCH_VARIABLE)), tm_kernel_ahead); /* for children */
    assert_int_equal(picked.bytes, tm_kernel_ahead);
    return picked.how;
}

static bool starts_with(const char *text, const char *start)
{
    return strncmp(text, start, strlen(start)) == 0;
}

/* The only file in the cache. */
static const char *only_file(void)
{
    static char path[300];
    char command[300];
    snprintf(command, sizeof command, "ls '%s'/*.json", folder);
    FILE *list = popen(command, "r");
    assert_non_null(list);
    assert_non_null(fgets(path, sizeof path, list));
    pclose(list);
    path[strcspn(path, "\n")] = 0;
    return path;
}

static void test_fastest_distance_is_chosen(void **state)
{
    (void)state;
    tm_prefetch prefetch;
    tm_error err = {0};
    if (machine.emulated) TM_SKIP("instructions are emulated: no time means anything");
    tm_status status = tm_prefetch_measure(&machine, &prefetch, &err);
    if (status == TM_UNSUPPORTED) TM_SKIP("%s", err.message);
    assert_int_equal(status, TM_OK);
    assert_int_equal(tm_kernel_ahead, TM_AHEAD_DEFAULT); /* measuring sets nothing */
    double chosen = 0, best = 0;
    for (int i = 0; i < TM_PREFETCH_DISTANCES; i++) {
        double rate = prefetch.gb_per_second[i];
        assert_true(rate > 0.01 && rate < 1e5);
        best = rate > best ? rate : best;
        if (tm_prefetch_distances[i] == prefetch.bytes) chosen = rate;
    }
    assert_true(chosen * 1.02 > best);
}

static void test_distance_is_measured_once_and_cached(void **state)
{
    (void)state;
    tm_tuner choice = choice_in("once/more");
    if (machine.emulated) {
        assert_string_equal(choose(&choice), "not measured: instructions are emulated here");
        return;
    }
    const char *how = choose(&choice);
    if (starts_with(how, "not measured: ")) TM_SKIP("%s", how);
    assert_true(starts_with(how, "measured, GB/s"));
    int first = tm_kernel_ahead;
    tm_kernel_ahead = TM_AHEAD_DEFAULT;
    assert_string_equal(choose(&choice), "cached from an earlier measurement on this machine");
    assert_int_equal(tm_kernel_ahead, first);
    choice.build = "another build";
    assert_true(starts_with(choose(&choice), "measured, GB/s"));
}

static void test_damaged_cache_is_measured_again(void **state)
{
    (void)state;
    tm_tuner choice = choice_in("broken");
    if (machine.emulated) TM_SKIP("instructions are emulated: nothing is remembered");
    if (starts_with(choose(&choice), "not measured: ")) TM_SKIP("too little memory to measure");
    static const char *const broken[] = {"",
                                         "{",
                                         "[]",
                                         "{\"prefetch_bytes\":-64}",
                                         "{\"prefetch_bytes\":1e9}",
                                         "{\"prefetch_bytes\":\"0\"}"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        write_file(only_file(), broken[i], strlen(broken[i]));
        assert_true(starts_with(choose(&choice), "measured, GB/s"));
    }
    write_file(only_file(), "{\"prefetch_bytes\":12288}", 24);
    assert_string_equal(choose(&choice), "cached from an earlier measurement on this machine");
    assert_int_equal(tm_kernel_ahead, 12288);
    choice.retune = true;
    assert_true(starts_with(choose(&choice), "measured, GB/s"));
}

static void test_dry_run_measures_nothing(void **state)
{
    (void)state;
    tm_tuner choice = choice_in("dry");
    choice.measure = false;
    assert_string_equal(choose(&choice), "not measured: nothing is run");
    assert_int_equal(tm_kernel_ahead, TM_AHEAD_DEFAULT);
    assert_int_not_equal(access(folder, F_OK), 0);
}

static void test_variable_overrides_the_choice(void **state)
{
    (void)state;
    tm_error err = {0};
    static const char *const wrong[] = {"x", "12x", "-1", "65537", "1e3", " "};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        setenv(TM_PREFETCH_VARIABLE, wrong[i], 1);
        assert_int_equal(tm_prefetch_from_environment(&err), TM_ARG);
        assert_non_null(strstr(err.message, wrong[i]));
        assert_non_null(strstr(err.message, "65536"));
    }
    assert_int_equal(tm_kernel_ahead, TM_AHEAD_DEFAULT);
    setenv(TM_PREFETCH_VARIABLE, "640", 1);
    assert_int_equal(tm_prefetch_from_environment(&err), TM_OK);
    assert_int_equal(tm_kernel_ahead, 640);
    tm_tuner choice = choice_in("asked");
    tm_prefetch_choose(&choice, &picked);
    assert_int_equal(tm_kernel_ahead, 640);
    assert_string_equal(picked.how, "set by " TM_PREFETCH_VARIABLE);
    setenv(TM_PREFETCH_VARIABLE, "", 1);
    assert_int_equal(tm_prefetch_from_environment(&err), TM_OK);
}

/* How the distance was chosen for a plan over these models, or why there is none. */
static const char *planned(const tm_tuner *choice, const char *models, const tm_peer *peer)
{
    static tm_suite suite; /* large */
    tm_error err = {0};
    tm_suite_init(&suite);
    assert_ok(tm_suite_add_models(&suite, models, &err), err);
    if (!peer) assert_ok(tm_suite_add_kernels(&suite, "auto", &err), err);
    if (peer) assert_ok(tm_suite_add_kernels(&suite, peer->name, &err), err);
    assert_ok(tm_suite_add_threads(&suite, "1", &err), err);
    assert_ok(tm_suite_add_tests(&suite, "tg4", &err), err);
    tm_tune_choices choices;
    tm_plan_options options = {.build = "build", .peers = peer, .n_peers = peer ? 1 : 0};
    unsetenv(TM_PREFETCH_VARIABLE);
    assert_ok(tm_plan_list_choices(&suite, &machine, &options, &choices, &err), err);
    assert_ok(tm_tune_resolve(choice, &choices, &err), err);
    static char said[256];
    tm_json *json = tm_json_object();
    tm_tune_choices_put(json, &choices);
    tm_tune_choices_free(&choices);
    const tm_json *how = tm_json_get(json, "prefetch_chosen");
    snprintf(said, sizeof said, "%s",
             tm_json_text(how ? how : tm_json_get(json, "prefetch_bytes_missing"), ""));
    tm_json_free(json);
    return said;
}

/* No kernel of ours streams weights, so nothing is measured and children get no variable. */
static void test_plan_without_kernels_of_ours_needs_no_distance(void **state)
{
    (void)state;
    tm_tuner choice = choice_in("plan");
    tm_peer peer = {.name = "other"};
    snprintf(peer.program, sizeof peer.program, "/bin/true");
    snprintf(peer.file, sizeof peer.file, "/bin/true"); /* any file has an identity */
    for (int i = 0; i < 3; i++) {
        tm_error err;
        assert_int_equal(tm_machine_read("/", &machine, &err), TM_OK);
        const char *said = i == 0   ? planned(&choice, "null:1000,null:2000", NULL)
                           : i == 1 ? planned(&choice, "synth:125M", &peer)
                                    : planned(&choice, "/no/such.gguf,null:1000", NULL);
        assert_string_equal(said, "no kernel of ours runs");
        assert_null(getenv(TM_PREFETCH_VARIABLE));
        assert_int_not_equal(access(folder, F_OK), 0);
    }
    choice.measure = false;
    assert_string_equal(planned(&choice, "null:1000,synth:125M", NULL),
                        "not measured: nothing is run");
    assert_int_equal(atoi(getenv(TM_PREFETCH_VARIABLE)), tm_kernel_ahead);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fastest_distance_is_chosen, begin, end),
        cmocka_unit_test_setup_teardown(test_distance_is_measured_once_and_cached, begin, end),
        cmocka_unit_test_setup_teardown(test_damaged_cache_is_measured_again, begin, end),
        cmocka_unit_test_setup_teardown(test_dry_run_measures_nothing, begin, end),
        cmocka_unit_test_setup_teardown(test_variable_overrides_the_choice, begin, end),
        cmocka_unit_test_setup_teardown(test_plan_without_kernels_of_ours_needs_no_distance, begin,
                                        end),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
