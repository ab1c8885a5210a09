/* RAPL through powercap: what recorded trees hold, and counters that run, wrap, break and vanish. */
#include "tests/harness/energy_tree.h"

#include <sys/wait.h>
#include <time.h>

#define RANGE "262143328850"

/* Opens without asking for life: recorded counters do not run. */
static tm_probe *open_recorded(const char *root)
{
    tm_probe *probe = NULL;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root, .spin_seconds = -1};
    assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
    assert_int_equal(health.state, TM_PROBE_OK);
    return probe;
}

/* "name=scope" of every channel, in order. */
static void assert_channels(const char *root, const char *expected)
{
    char text[1024] = "";
    tm_probe *probe = open_recorded(root);
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const tm_probe_channel_info *c = tm_probe_channel(probe, i);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s=%s", at ? "; " : "", c->name, c->scope);
        assert_string_equal(c->unit, "joules");
        assert_string_equal(c->method, "counter");
    }
    tm_probe_close(probe);
    assert_string_equal(text, expected);
}

static void test_one_socket_with_dram(void **state)
{
    (void)state;
    const char *root = scratch_path("one");
    tree_zone(root, "intel-rapl:0", "package-0", "1000", RANGE);
    tree_zone(root, "intel-rapl:0:0", "core", "500", RANGE);
    tree_zone(root, "intel-rapl:0:1", "dram", "100", "65712999613");
    tree_put(root, "sys/class/powercap/intel-rapl/enabled", "1");
    assert_channels(root, "package-0=package; core package-0=core; dram package-0=dram");
}

static void test_two_sockets_are_known_by_name(void **state)
{
    (void)state;
    const char *root = scratch_path("two");
    tree_zone(root, "intel-rapl:0", "package-1", "1", RANGE);
    tree_zone(root, "intel-rapl:0:0", "dram", "1", "65712999613");
    tree_zone(root, "intel-rapl:1", "package-0", "1", RANGE);
    tree_zone(root, "intel-rapl:1:0", "dram", "1", "65712999613");
    assert_channels(root, "package-1=package; dram package-1=dram; package-0=package; "
                          "dram package-0=dram");
}

static void test_client_with_psys_and_a_second_interface(void **state)
{
    (void)state;
    const char *root = scratch_path("client");
    tree_zone(root, "intel-rapl-mmio:0", "package-0", "1", RANGE);
    tree_zone(root, "intel-rapl:0", "package-0", "1", RANGE);
    tree_zone(root, "intel-rapl:0:0", "core", "1", RANGE);
    tree_zone(root, "intel-rapl:0:1", "uncore", "1", RANGE);
    tree_zone(root, "intel-rapl:1", "psys", "1", RANGE);
    assert_channels(root, "package-0=package; core package-0=core; uncore package-0=uncore; "
                          "psys=psys");
    tm_probe *probe = open_recorded(root);
    tm_probe_window window;
    tm_probe_value sum;
    tm_probe_start(probe);
    tm_probe_stop(probe, &window);
    tm_probe_sum(&window, "package+dram", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING);
    assert_says(sum.reason, "dram");
    tm_probe_close(probe);
}

static void test_packages_below_psys(void **state)
{
    (void)state;
    const char *root = scratch_path("below");
    tree_zone(root, "intel-rapl:0", "psys", "1", RANGE);
    tree_zone(root, "intel-rapl:0:0", "package-0", "1", RANGE);
    tree_zone(root, "intel-rapl:0:0:0", "dram", "1", RANGE);
    assert_channels(root, "psys=psys; package-0=package; dram package-0=dram");
}

static void test_dies_and_amd(void **state)
{
    (void)state;
    const char *root = scratch_path("dies");
    tree_zone(root, "intel-rapl:0", "package-0-die-0", "1", RANGE);
    tree_zone(root, "intel-rapl:1", "package-0-die-1", "1", RANGE);
    tree_zone(root, "intel-rapl:1:0", "dram", "1", RANGE);
    assert_channels(root, "package-0-die-0=package; package-0-die-1=package; "
                          "dram package-0-die-1=dram");
    root = scratch_path("amd");
    tree_zone(root, "intel-rapl:0", "package-0", "1", "65532610987");
    tree_zone(root, "intel-rapl:0:0", "core", "1", "65532610987");
    assert_channels(root, "package-0=package; core package-0=core");
}

static tm_status open_again(const char *root, tm_probe_health *health, tm_error *err)
{
    tm_probe *probe = NULL;
    tm_probe_options options = {.root = root, .spin_seconds = 0.2};
    tm_status status = tm_probe_open("powercap", &options, &probe, health, err);
    tm_probe_close(probe);
    return status;
}

static void test_none_and_stuck(void **state)
{
    (void)state;
    tm_probe_health health;
    tm_error err = {0};
    mkdir(scratch_path("pi"), 0755);
    assert_int_equal(open_again(scratch_path("pi"), &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_MISSING);
    assert_says(err.message, "/sys/class/powercap");
    tree_zone(scratch_path("vm"), "intel-rapl:0", "package-0", "0", RANGE);
    assert_int_equal(open_again(scratch_path("vm"), &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_STUCK);
    assert_says(err.message, "package-0 stayed at 0");
    assert_true(health.fix[0]);
}

/* As root every file reads: a child that is nobody asks. */
static void test_denied(void **state)
{
    (void)state;
    const char *root = scratch_path("denied");
    char path[256];
    tree_zone(root, "intel-rapl:0", "package-0", "5", RANGE);
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0/energy_uj", root);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(chmod(scratch_folder, 0755), 0);
    if (geteuid() != 0) assert_int_equal(chmod(path, 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        tm_probe_health health;
        tm_error err = {0};
        if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0)) _exit(77);
        if (open_again(root, &health, &err) != TM_UNSUPPORTED) _exit(1);
        if (health.state != TM_PROBE_DENIED) _exit(2);
        if (!strstr(err.message, "Permission denied")) _exit(3);
        if (!strstr(health.fix, "chgrp energy") || strstr(health.fix, "o+r")) _exit(4);
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 77) TM_SKIP("cannot become nobody here");
    assert_int_equal(WEXITSTATUS(how), 0);
}

/* Two sockets with dram of their own ranges; wraps every half second and every second. */
static void run_window(tree_meter *m, tm_probe **probe, tm_probe_window *window, double seconds,
                       void (*midway)(tree_meter *), uint64_t truth[4])
{
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = m->root, .max_watts = 60};
    assert_ok(tm_probe_open("powercap", &options, probe, &health, &err), err);
    tm_probe_start(*probe);
    for (int i = 0; i < 4; i++) truth[i] = atomic_load(&m->shown[i]);
    usleep((useconds_t)(5e5 * seconds));
    if (midway) midway(m);
    usleep((useconds_t)(5e5 * seconds));
    for (int i = 0; i < 4; i++) truth[i] = atomic_load(&m->shown[i]) - truth[i];
    tm_probe_stop(*probe, window);
}

static tree_meter live_tree(const char *root)
{
    tree_zone(root, "intel-rapl:0", "package-0", "0", "10000000");
    tree_zone(root, "intel-rapl:0:0", "dram", "0", "5000000");
    tree_zone(root, "intel-rapl:1", "package-1", "0", "20000000");
    tree_zone(root, "intel-rapl:2", "psys", "0", "90000000");
    return (tree_meter){.root = root,
                        .paths = {"sys/class/powercap/intel-rapl:0/energy_uj",
                                  "sys/class/powercap/intel-rapl:0:0/energy_uj",
                                  "sys/class/powercap/intel-rapl:1/energy_uj",
                                  "sys/class/powercap/intel-rapl:2/energy_uj"},
                        .watts = {20, 4, 25, 50},
                        .range = {10000000, 5000000, 20000000, 90000000}};
}

static bool within(double value, double expected, double share)
{
    return fabs(value - expected) <= share * expected;
}

static void test_joules_through_wraps(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_window window;
    tm_probe_value sum;
    uint64_t truth[4];
    tree_meter m = live_tree(scratch_path("live"));
    tree_meter_start(&m);
    run_window(&m, &probe, &window, 2.2, NULL, truth);
    tree_meter_stop(&m);
    static const char *const names[] = {"package-0", "dram package-0", "package-1", "psys"};
    static const int wraps_min[] = {4, 1, 2, 1};
    for (int i = 0; i < 4; i++) {
        const tm_probe_value *v = value_of(&window, names[i]);
        if (v->state != TM_PROBE_OK) fail_msg("%s: %s", names[i], v->reason);
        if (!within(v->value, 1e-6 * (double)truth[i], 0.01))
            fail_msg("%s: %g J, the counter advanced by %g J", names[i], v->value,
                     1e-6 * (double)truth[i]);
        assert_true(within(v->value, m.watts[i] * window.seconds, 0.05));
        assert_true(v->wraps >= wraps_min[i] && v->wraps <= wraps_min[i] + 1);
        assert_true(v->error_bound > 0 && v->error_bound < 0.01 * v->value);
        assert_true(v->rate_hz > 0 && v->largest_gap_seconds > 0);
    }
    tm_probe_sum(&window, "package", &sum);
    assert_true(within(sum.value, 1e-6 * (double)(truth[0] + truth[2]), 0.01));
    tm_probe_sum(&window, "package+dram", &sum);
    assert_true(within(sum.value, 1e-6 * (double)(truth[0] + truth[1] + truth[2]), 0.01));
    tm_probe_sum(&window, "psys", &sum);
    assert_true(within(sum.value, 1e-6 * (double)truth[3], 0.01));
    assert_false(window.fake);
    tm_probe_close(probe);
}

/* The trace: watts of the scope to quote over the whole window, whose mean is the window's; and a
 * window far longer than the room still fits, coarser. */
static void test_trace(void **state)
{
    (void)state;
    static const double rates[] = {20, 1000};
    const char *root = scratch_path("trace");
    tree_zone(root, "intel-rapl:0", "package-0", "0", RANGE);
    tree_zone(root, "intel-rapl:0:0", "dram", "0", RANGE);
    tree_meter m = {.root = root,
                    .paths = {"sys/class/powercap/intel-rapl:0/energy_uj",
                              "sys/class/powercap/intel-rapl:0:0/energy_uj"},
                    .watts = {45, 4},
                    .range = {262143328850, 262143328850}};
    tree_meter_start(&m);
    for (int turn = 0; turn < 2; turn++) {
        tm_probe *probe;
        tm_probe_window window;
        tm_probe_value sum;
        tm_probe_health health;
        tm_error err = {0};
        tm_probe_options options = {.root = m.root, .trace_hz = rates[turn]};
        assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
        assert_string_equal(tm_probe_scope(probe), "package+dram");
        tm_probe_start(probe);
        usleep(turn ? 1800000 : 1200000);
        tm_probe_stop(probe, &window);
        tm_probe_sum(&window, tm_probe_scope(probe), &sum);
        if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
        assert_true(window.n_trace >= 8 && window.n_trace <= 512);
        double joules = 0, before = 0;
        for (int i = 0; i < window.n_trace; i++) {
            assert_true(window.trace[i].seconds > before);
            joules += window.trace[i].watts * (window.trace[i].seconds - before);
            before = window.trace[i].seconds;
        }
        assert_true(within(joules, sum.value, 0.01));
        assert_true(within(before, window.seconds, 0.01));
        assert_true(within(joules / window.seconds, 45 + 4, 0.05));
        tm_probe_close(probe);
    }
    tree_meter_stop(&m);
}

/* What is dead is not quoted: package without its dram, and psys only alone. */
static void test_scope_to_quote(void **state)
{
    (void)state;
    const char *root = scratch_path("scopes");
    tree_zone(root, "intel-rapl:0", "package-0", "1", RANGE);
    tree_zone(root, "intel-rapl:1", "psys", "1", RANGE);
    tm_probe *probe = open_recorded(root);
    assert_string_equal(tm_probe_scope(probe), "package");
    tm_probe_close(probe);
    tree_zone(root, "intel-rapl:0:0", "dram", "nothing", RANGE);
    probe = open_recorded(root);
    assert_string_equal(tm_probe_scope(probe), "package");
    tm_probe_close(probe);
    tree_zone(root, "intel-rapl:0", "package-0", "nothing", RANGE);
    probe = open_recorded(root);
    assert_string_equal(tm_probe_scope(probe), "psys");
    tm_probe_close(probe);
}

static void break_package_1(tree_meter *m)
{
    atomic_store(&m->broken, 3);
    usleep(400000);
    atomic_store(&m->broken, 0);
}

static void test_a_failed_read_spoils_its_channel(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_window window;
    tm_probe_value sum;
    uint64_t truth[4];
    tree_meter m = live_tree(scratch_path("breaks"));
    tree_meter_start(&m);
    run_window(&m, &probe, &window, 1.2, break_package_1, truth);
    const tm_probe_value *v = value_of(&window, "package-1");
    assert_int_equal(v->state, TM_PROBE_INVALID);
    assert_says(v->reason, "is not a count");
    assert_true(isnan(v->value) && isnan(v->error_bound));
    assert_int_equal(value_of(&window, "package-0")->state, TM_PROBE_OK);
    tm_probe_sum(&window, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_INVALID);
    assert_true(isnan(sum.value));
    /* The next window is a new one. */
    tm_probe_start(probe);
    usleep(1100000);
    tm_probe_stop(probe, &window);
    tree_meter_stop(&m);
    assert_int_equal(value_of(&window, "package-1")->state, TM_PROBE_OK);
    tm_probe_close(probe);
}

static void test_a_source_that_vanishes_or_stops(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_window window;
    uint64_t truth[4];
    char path[256];
    tree_meter m = live_tree(scratch_path("vanishes"));
    tree_meter_start(&m);
    run_window(&m, &probe, &window, 1.2, NULL, truth);
    tree_meter_stop(&m);
    tm_probe_start(probe);
    snprintf(path, sizeof path, "%s/%s", m.root, m.paths[0]);
    assert_int_equal(unlink(path), 0);
    usleep(1100000);
    tm_probe_stop(probe, &window);
    assert_int_equal(value_of(&window, "package-0")->state, TM_PROBE_INVALID);
    assert_says(value_of(&window, "package-0")->reason, "No such file");
    assert_int_equal(value_of(&window, "package-1")->state, TM_PROBE_STUCK);
    assert_true(isnan(value_of(&window, "package-1")->value));
    tm_probe_close(probe);
}

/* A counter set back looks like a wrap; the joules it would mean are too many. */
static void test_a_reset_is_no_wrap(void **state)
{
    (void)state;
    const char *root = scratch_path("reset");
    tree_zone(root, "intel-rapl:0", "package-0", "200000000000", RANGE);
    tm_probe *probe = open_recorded(root);
    tm_probe_window window;
    tm_probe_start(probe);
    tree_zone(root, "intel-rapl:0", "package-0", "1000", RANGE);
    usleep(50000);
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "above the 1000 W");
    tm_probe_close(probe);
}

static void test_short_windows(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_window window;
    uint64_t truth[4];
    tree_meter m = live_tree(scratch_path("short"));
    tree_meter_start(&m);
    run_window(&m, &probe, &window, 0.3, NULL, truth);
    tree_meter_stop(&m);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "shorter than the 1 s");
    tm_probe_close(probe);
}

/* With real ranges it sleeps for seconds between reads. */
static void test_the_sampler_costs_little(void **state)
{
    (void)state;
    const char *root = scratch_path("cost");
    tree_zone(root, "intel-rapl:0", "package-0", "5", RANGE);
    tree_zone(root, "intel-rapl:0:0", "dram", "5", "65712999613");
    tm_probe *probe;
    tm_probe_window window;
    tm_probe_health health;
    tm_error err = {0};
    /* As a run opens it: with a trace. */
    tm_probe_options options = {.root = root, .spin_seconds = -1, .trace_hz = 4};
    assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
    tm_probe_start(probe);
    usleep(1200000);
    tm_probe_stop(probe, &window);
    assert_true(window.sampler_cpu_seconds > 0 && window.n_trace >= 4);
    if (!(window.sampler_cpu_seconds < 1e-3 * window.seconds))
        fail_msg("%g s of %g s", window.sampler_cpu_seconds, window.seconds);
    tm_probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_socket_with_dram),
        cmocka_unit_test(test_two_sockets_are_known_by_name),
        cmocka_unit_test(test_client_with_psys_and_a_second_interface),
        cmocka_unit_test(test_packages_below_psys),
        cmocka_unit_test(test_dies_and_amd),
        cmocka_unit_test(test_none_and_stuck),
        cmocka_unit_test(test_denied),
        cmocka_unit_test(test_joules_through_wraps),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_scope_to_quote),
        cmocka_unit_test(test_a_failed_read_spoils_its_channel),
        cmocka_unit_test(test_a_source_that_vanishes_or_stops),
        cmocka_unit_test(test_a_reset_is_no_wrap),
        cmocka_unit_test(test_short_windows),
        cmocka_unit_test(test_the_sampler_costs_little),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
