/* RAPL through powercap: what recorded trees hold, and counters that run, wrap, break and vanish. */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

#include <sys/wait.h>

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

static tm_probe *open_live(const tree_meter *m, const tm_probe_options *more)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = *more;
    options.root = m->root;
    options.spin_seconds = WAIT_SECONDS; /* at most: it ends when every counter has moved */
    assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
    return probe;
}

static const char *const live_names[] = {"package-0", "dram package-0", "package-1", "psys"};

#define MAX_WATTS 60.0

/* Two sockets with dram of their own ranges, `joules` of them, that begin 5 J before their wraps. */
static tree_meter live_tree(const char *root, const double joules[4])
{
    static const char *const ids[] = {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1",
                                      "intel-rapl:2"};
    static const char *const names[] = {"package-0", "dram", "package-1", "psys"};
    tree_meter m = {.root = root,
                    .paths = {"sys/class/powercap/intel-rapl:0/energy_uj",
                              "sys/class/powercap/intel-rapl:0:0/energy_uj",
                              "sys/class/powercap/intel-rapl:1/energy_uj",
                              "sys/class/powercap/intel-rapl:2/energy_uj"},
                    .watts = {50, 40, 45, 55},
                    .step_seconds = TREE_STEP_SECONDS};
    for (int i = 0; i < 4; i++) {
        char range[32];
        m.range[i] = (uint64_t)(1e6 * joules[i]);
        m.total[i] = m.range[i] - 5000000;
        snprintf(range, sizeof range, "%llu", (unsigned long long)m.range[i]);
        tree_zone(root, ids[i], names[i], "0", range);
    }
    return m;
}

/* That nobody can miss a wrap of. */
static const double wide_joules[] = {262143, 65712, 262143, 262143};

/* Edges of a window while the counters stand, and what they showed. */
static void held_start(tree_meter *m, tm_probe *probe, timed_window *t, uint64_t total[4])
{
    tree_meter_hold(m);
    memcpy(total, m->total, sizeof m->total);
    timed_start(probe, t);
    tree_meter_release(m);
}

static void held_stop(tree_meter *m, tm_probe *probe, timed_window *t, uint64_t total[4])
{
    tree_meter_hold(m);
    memcpy(total, m->total, sizeof m->total);
    timed_stop(probe, t);
    tree_meter_release(m);
}

static bool same(double value, double expected)
{
    return fabs(value - expected) <= 1e-9 * expected;
}

static bool have_wrapped(tree_meter *m, const uint64_t begin[4], uint64_t times)
{
    bool all = true;
    tree_meter_hold(m);
    for (int i = 0; i < 4; i++)
        all = all && m->total[i] / m->range[i] >= begin[i] / m->range[i] + times;
    tree_meter_release(m);
    return all;
}

/* A window in which every counter wraps `n_wraps` times or more. Returns the longest time without a read that spoiled a
 * channel, 0 when none was: the product refuses a gap in which a counter may have wrapped unseen. */
static double measure_wraps(const char *root, double scale, uint64_t n_wraps)
{
    static const double ranges[] = {60, 50, 70, 100};
    double joules[4], truth[4], longest = 0;
    uint64_t begin[4], end[4];
    timed_window t;
    tm_probe_value sum;
    for (int i = 0; i < 4; i++) joules[i] = scale * ranges[i];
    static tree_meter m; /* not on the stack: a test that fails leaves its thread behind */
    m = live_tree(root, joules);
    tree_meter_start(&m);
    tm_probe *probe = open_live(&m, &(tm_probe_options){.max_watts = MAX_WATTS});
    held_start(&m, probe, &t, begin);
    wait_until(have_wrapped(&m, begin, n_wraps));
    wait_until(has_read(probe, 3, 3));
    timed_sleep(&t, 1.05);
    held_stop(&m, probe, &t, end);
    tree_meter_stop(&m);
    for (int i = 0; i < 4; i++) {
        const tm_probe_value *v = value_of(&t.w, live_names[i]);
        truth[i] = 1e-6 * (double)(end[i] - begin[i]);
        if (v->state != TM_PROBE_OK) {
            assert_true(isnan(v->value) && isnan(v->error_bound));
            longest = fmax(longest, fmax(v->largest_gap_seconds, edges_seconds(&t)));
            if (stood_at_edges(v, &t)) continue;
            assert_says(v->reason, "in which it may have wrapped more than once");
            if (!(v->largest_gap_seconds > joules[i] / MAX_WATTS))
                fail_msg("%s: %s: its largest gap is %g s", live_names[i], v->reason,
                         v->largest_gap_seconds);
            continue;
        }
        if (!same(v->value, truth[i]))
            fail_msg("%s: %.9g J, the counter advanced by %.9g J", live_names[i], v->value,
                     truth[i]);
        assert_true(v->wraps == (int64_t)(end[i] / m.range[i] - begin[i] / m.range[i]));
        assert_true(v->wraps >= (int64_t)n_wraps && v->n_samples >= 3);
        assert_counter_bound(v, &t);
        assert_gaps(v, &t);
    }
    if (longest == 0) {
        tm_probe_sum(&t.w, "package", &sum);
        assert_true(same(sum.value, truth[0] + truth[2]));
        tm_probe_sum(&t.w, "package+dram", &sum);
        assert_true(same(sum.value, truth[0] + truth[1] + truth[2]));
        tm_probe_sum(&t.w, "psys", &sum);
        assert_true(same(sum.value, truth[3]));
    }
    assert_false(t.w.fake);
    tm_probe_close(probe);
    return longest;
}

/* The smallest range bears 0.8 s between reads, then 2.5 s, then 7.5 s, in which the largest would take
 * 16 s to wrap again. */
static void test_joules_through_wraps(void **state)
{
    (void)state;
    static const struct {
        double scale;
        uint64_t n_wraps;
    } rows[] = {{1, 2}, {3, 2}, {9, 1}};
    double gap = INFINITY;
    for (int i = 0; i < 3 && gap > 0; i++) {
        char name[16];
        snprintf(name, sizeof name, "live%d", i);
        gap = measure_wraps(scratch_path(name), rows[i].scale, rows[i].n_wraps);
    }
    if (gap > 0) TM_SKIP("this machine stands still: the counters were not read for %.3g s", gap);
}

/* The trace: watts of the scope to quote over the whole window, whose mean is the window's; and a
 * window far longer than the room still fits, coarser. */
static void test_trace(void **state)
{
    (void)state;
    static const struct {
        double hz;
        int64_t n_reads;
    } rows[] = {{20, 12}, {1000, 1200}};
    const char *root = scratch_path("trace");
    static tree_meter m;
    m = live_tree(root, wide_joules);
    tree_meter_start(&m);
    for (int turn = 0; turn < 2; turn++) {
        timed_window t;
        tm_probe_value sum;
        uint64_t begin[4], end[4];
        tm_probe *probe = open_live(&m, &(tm_probe_options){.trace_hz = rows[turn].hz});
        assert_string_equal(tm_probe_scope(probe), "package+dram");
        held_start(&m, probe, &t, begin);
        timed_sleep(&t, 1.05);
        wait_until(has_read(probe, 2, rows[turn].n_reads));
        held_stop(&m, probe, &t, end);
        tm_probe_sum(&t.w, tm_probe_scope(probe), &sum);
        if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
        assert_true(t.w.n_trace >= 8 && t.w.n_trace <= 512);
        double joules = 0, before = 0, truth = 0;
        for (int i = 0; i < t.w.n_trace; i++) {
            assert_true(t.w.trace[i].seconds > before);
            joules += t.w.trace[i].watts * (t.w.trace[i].seconds - before);
            before = t.w.trace[i].seconds;
        }
        for (int i = 0; i < 3; i++) truth += 1e-6 * (double)(end[i] - begin[i]);
        assert_true(same(sum.value, truth));
        assert_true(fabs(joules - truth) < 1e-6 * truth);
        assert_true(same(before, t.w.seconds)); /* from edge to edge */
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

static void put_broken(tree_meter *m, int broken)
{
    tree_meter_hold(m);
    m->broken = broken;
    tree_meter_write(m, 0);
    tree_meter_release(m);
}

/* One failed read between good ones, of which the edges know nothing. */
static void test_a_failed_read_spoils_its_channel(void **state)
{
    (void)state;
    timed_window t;
    tm_probe_value sum;
    static tree_meter m;
    m = live_tree(scratch_path("breaks"), wide_joules);
    tree_meter_start(&m);
    tm_probe *probe = open_live(&m, &(tm_probe_options){.max_watts = MAX_WATTS, .trace_hz = 20});
    timed_start(probe, &t);
    wait_until(has_read(probe, 2, 3));
    put_broken(&m, 3);
    wait_until(has_lost(probe, 2));
    put_broken(&m, 0);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    const tm_probe_value *v = value_of(&t.w, "package-1");
    assert_int_equal(v->state, TM_PROBE_INVALID);
    assert_says(v->reason, "is not a count");
    assert_true(isnan(v->value) && isnan(v->error_bound));
    v = value_of(&t.w, "package-0");
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    tm_probe_sum(&t.w, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_INVALID);
    assert_true(isnan(sum.value));
    /* The next window is a new one. */
    timed_start(probe, &t);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    tree_meter_stop(&m);
    v = value_of(&t.w, "package-1");
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    tm_probe_close(probe);
}

static void test_a_source_that_vanishes_or_stops(void **state)
{
    (void)state;
    timed_window t;
    char path[256];
    static tree_meter m;
    m = live_tree(scratch_path("vanishes"), wide_joules);
    tree_meter_start(&m);
    tm_probe *probe = open_live(&m, &(tm_probe_options){.max_watts = MAX_WATTS});
    tree_meter_stop(&m);
    timed_start(probe, &t);
    snprintf(path, sizeof path, "%s/%s", m.root, m.paths[0]);
    assert_int_equal(unlink(path), 0);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    assert_int_equal(value_of(&t.w, "package-0")->state, TM_PROBE_INVALID);
    assert_says(value_of(&t.w, "package-0")->reason, "No such file");
    assert_int_equal(value_of(&t.w, "package-1")->state, TM_PROBE_STUCK);
    assert_true(isnan(value_of(&t.w, "package-1")->value));
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
    timed_window t;
    static tree_meter m;
    m = live_tree(scratch_path("short"), wide_joules);
    tree_meter_start(&m);
    tm_probe *probe = open_live(&m, &(tm_probe_options){.max_watts = MAX_WATTS});
    int n_long = 0;
    for (bool is_short = false; !is_short; n_long += !is_short) {
        assert_true(n_long < 20); /* each stood still for a second in 50 ms */
        timed_start(probe, &t);
        usleep(50000);
        timed_stop(probe, &t);
        is_short = t.w.seconds < 1;
    }
    tree_meter_stop(&m);
    assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
    assert_says(t.w.values[0].reason, "shorter than the 1 s");
    tm_probe_close(probe);
}

/* With real ranges it sleeps for seconds between reads; as a run opens it, it reads for a trace. */
static void test_the_sampler_costs_little(void **state)
{
    (void)state;
    const char *root = scratch_path("cost");
    tree_zone(root, "intel-rapl:0", "package-0", "5", RANGE);
    tree_zone(root, "intel-rapl:0:0", "dram", "5", "65712999613");
    tm_probe *probe;
    timed_window t;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root, .spin_seconds = -1, .trace_hz = 4};
    assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
    timed_start(probe, &t);
    wait_until(has_read(probe, 1, 5));
    timed_sleep(&t, 1.2);
    timed_stop(probe, &t);
    assert_true(t.w.sampler_cpu_seconds > 0 && t.w.n_trace >= 4);
    /* It is not read more often than it is to be, also when it was late. */
    assert_true(t.w.values[0].n_samples <= 2 + (int64_t)(4 * (t.w.seconds + edges_seconds(&t))));
    if (!(t.w.sampler_cpu_seconds < 1e-3 * t.w.seconds))
        fail_msg("%g s of %g s", t.w.sampler_cpu_seconds, t.w.seconds);
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
