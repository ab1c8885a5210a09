/* RAPL through powercap: the zones of recorded trees, and counters that advance, wrap, fail and
 * vanish. */
#include "tests/harness/probe/fake_machine.h"

#include <sys/wait.h>

#define RANGE "262143328850"

static fake_machine machine;

/* Opens a recorded tree, whose counters do not advance. */
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

/* Compares "name=scope" of all channels, in order. */
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

static void test_sockets_are_identified_by_name(void **state)
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

static void test_client_with_psys_and_two_interfaces(void **state)
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

static tm_status try_open(const char *root, tm_probe_health *health, tm_error *err)
{
    tm_probe *probe = NULL;
    tm_probe_options options = {.root = root, .clock = &machine.clock};
    machine_init(&machine);
    tm_status status = tm_probe_open("powercap", &options, &probe, health, err);
    tm_probe_close(probe);
    return status;
}

static void test_missing_and_stuck_zones(void **state)
{
    (void)state;
    tm_probe_health health;
    tm_error err = {0};
    mkdir(scratch_path("pi"), 0755);
    assert_int_equal(try_open(scratch_path("pi"), &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_MISSING);
    assert_says(err.message, "/sys/class/powercap");
    tree_zone(scratch_path("vm"), "intel-rapl:0", "package-0", "0", RANGE);
    assert_int_equal(try_open(scratch_path("vm"), &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_STUCK);
    assert_says(err.message, "package-0 stayed at 0");
    assert_true(health.fix[0]);
}

/* Root may read every file, so a child process becomes another user. */
static void test_unreadable_zone_is_denied(void **state)
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
        if (try_open(root, &health, &err) != TM_UNSUPPORTED) _exit(1);
        if (health.state != TM_PROBE_DENIED) _exit(2);
        if (!strstr(err.message, "Permission denied")) _exit(3);
        if (!strstr(health.fix, "chgrp energy") || strstr(health.fix, "o+r")) _exit(4);
        _exit(0);
    }
    int how;
    assert_int_equal(waitpid(child, &how, 0), child);
    assert_true(WIFEXITED(how));
    if (WEXITSTATUS(how) == 77) TM_SKIP("cannot become another user here");
    assert_int_equal(WEXITSTATUS(how), 0);
}

#define MAX_WATTS 60.0

static const char *const names[] = {"package-0", "dram package-0", "package-1", "psys"};

/* Two sockets with dram. Their counters have ranges of `joules` and begin 5 J before they wrap. */
static tree_meter make_meter(const char *root, const double joules[4])
{
    static const char *const ids[] = {"intel-rapl:0", "intel-rapl:0:0", "intel-rapl:1",
                                      "intel-rapl:2", "intel-rapl:1:0"};
    static const char *const zones[] = {"package-0", "dram", "package-1", "psys", "dram"};
    tree_meter m = {.root = root,
                    .paths = {"sys/class/powercap/intel-rapl:0/energy_uj",
                              "sys/class/powercap/intel-rapl:0:0/energy_uj",
                              "sys/class/powercap/intel-rapl:1/energy_uj",
                              "sys/class/powercap/intel-rapl:2/energy_uj",
                              "sys/class/powercap/intel-rapl:1:0/energy_uj"},
                    .watts = {50, 40, 45, 55, 35}};
    for (int i = 0; i < 5; i++) {
        char range[32];
        m.range[i] = (uint64_t)(1e6 * joules[i % 4 + i / 4]);
        m.total[i] = m.range[i] - 5000000;
        snprintf(range, sizeof range, "%llu", (unsigned long long)m.range[i]);
        tree_zone(root, ids[i], zones[i], "0", range);
    }
    tree_meter_write(&m, 0);
    return m;
}

static tree_meter meter;

static tm_probe *open_meter(const char *root, const double joules[4], const tm_probe_options *more)
{
    tm_probe_options options = *more;
    options.root = root;
    meter = make_meter(root, joules);
    machine_init(&machine);
    machine.meter = &meter;
    return machine_open(&machine, "powercap", &options);
}

/* As on real machines. */
static const double wide_joules[] = {262143, 65712, 262143, 262143};

/* Measures a window, and copies the counts at its end: they advance on. */
static void measure(tm_probe *probe, double seconds, uint64_t end[5], tm_probe_window *window)
{
    tm_probe_start(probe);
    machine_sleep(&machine, seconds);
    memcpy(end, meter.total, sizeof meter.total);
    tm_probe_stop(probe, window);
}

/* Measures a window in which every counter wraps `n_wraps` times or more, and compares the joules
 * with what the counters advanced by. */
static void measure_wraps(const char *root, double scale, uint64_t n_wraps)
{
    static const double ranges[] = {60, 50, 70, 100};
    double joules[4], truth[4];
    uint64_t begin[5], end[5];
    tm_probe_window window;
    tm_probe_value sum;
    for (int i = 0; i < 4; i++) joules[i] = scale * ranges[i];
    open_meter(root, joules, &(tm_probe_options){.max_watts = MAX_WATTS});
    memcpy(begin, meter.total, sizeof begin);
    measure(machine.probe, (double)n_wraps * joules[3] / 55 + 1, end, &window);
    for (int i = 0; i < 4; i++) {
        const tm_probe_value *v = value_of(&window, names[i]);
        truth[i] = 1e-6 * (double)(end[i] - begin[i]);
        assert_measured(v);
        assert_close(v->value, truth[i]);
        assert_true(v->wraps == (int64_t)(end[i] / meter.range[i] - begin[i] / meter.range[i]));
        assert_true(v->wraps >= (int64_t)n_wraps);
        /* Two updates of 1 ms at the mean power, and two steps of the counter. */
        assert_close(v->error_bound, v->value * 2e-3 / (window.seconds - 2e-3) + 2e-6);
        /* Two reads per shortest wrap at the largest power. */
        double period = joules[1] / (2 * MAX_WATTS);
        assert_true(fabs(v->largest_gap_seconds - period) < 1e-8);
        assert_int_equal(v->n_samples, 2 + (int64_t)(window.seconds / period));
        assert_close(v->rate_hz * window.seconds, (double)(v->n_samples - 1));
    }
    tm_probe_sum(&window, "package", &sum);
    assert_close(sum.value, truth[0] + truth[2]);
    tm_probe_sum(&window, "package+dram", &sum);
    assert_close(sum.value, truth[0] + truth[1] + truth[2] + 1e-6 * (double)(end[4] - begin[4]));
    tm_probe_sum(&window, "psys", &sum);
    assert_close(sum.value, truth[3]);
    assert_false(window.fake);
    machine_close(&machine);
}

static void test_joules_across_wraps(void **state)
{
    (void)state;
    measure_wraps(scratch_path("wraps1"), 1, 2);
    measure_wraps(scratch_path("wraps3"), 3, 2);
    measure_wraps(scratch_path("wraps9"), 9, 1);
}

/* The trace covers the whole window, from edge to edge, and its mean is the window's. A window with
 * more reads than the trace has room for fits with a coarser trace. */
static void test_trace(void **state)
{
    (void)state;
    static const struct {
        double hz;
        int least, most;
    } rows[] = {{20, 24, 25}, {1000, 256, 512}};
    for (int turn = 0; turn < 2; turn++) {
        tm_probe_value sum;
        tm_probe_window window;
        uint64_t begin[5], end[5];
        double joules = 0, before = 0, truth = 0;
        tm_probe *probe = open_meter(scratch_path("trace"), wide_joules,
                                     &(tm_probe_options){.trace_hz = rows[turn].hz});
        assert_string_equal(tm_probe_scope(probe), "package+dram");
        memcpy(begin, meter.total, sizeof begin);
        measure(probe, 1.22, end, &window);
        tm_probe_sum(&window, tm_probe_scope(probe), &sum);
        assert_measured(&sum);
        assert_true(window.n_trace >= rows[turn].least && window.n_trace <= rows[turn].most);
        for (int i = 0; i < window.n_trace; i++) {
            assert_true(window.trace[i].seconds > before);
            joules += window.trace[i].watts * (window.trace[i].seconds - before);
            before = window.trace[i].seconds;
        }
        for (int i = 0; i < 5; i++) truth += i == 3 ? 0 : 1e-6 * (double)(end[i] - begin[i]);
        assert_close(sum.value, truth);
        assert_close(joules, truth);
        assert_close(before, window.seconds);
        machine_close(&machine);
    }
}

/* Scopes that do not work are not reported. */
static void test_reported_scope(void **state)
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

static void break_zone(int broken)
{
    meter.broken = broken;
    tree_meter_write(&meter, 0);
}

/* One read between the edges fails; the reads at the edges succeed. */
static void test_a_failed_read_invalidates_its_channel(void **state)
{
    (void)state;
    tm_probe_window window;
    tm_probe_value sum;
    tm_probe *probe = open_meter(scratch_path("fails"), wide_joules,
                                 &(tm_probe_options){.max_watts = MAX_WATTS, .trace_hz = 20});
    tm_probe_start(probe);
    machine_sleep(&machine, 0.22);
    break_zone(3);
    machine_sleep(&machine, 0.05);
    break_zone(0);
    machine_sleep(&machine, 1);
    tm_probe_stop(probe, &window);
    assert_not_measured(value_of(&window, "package-1"), TM_PROBE_INVALID, "is not a count");
    assert_measured(value_of(&window, "package-0"));
    tm_probe_sum(&window, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_INVALID);
    assert_true(isnan(sum.value));
    /* The trace ends at the last good read. */
    assert_true(window.n_trace >= 3 && window.trace[window.n_trace - 1].seconds < 0.25);
    /* The next window is measured again. */
    machine_measure(&machine, 1, &window);
    assert_measured(value_of(&window, "package-1"));
    machine_close(&machine);
}

static void test_a_zone_that_vanishes_or_stops(void **state)
{
    (void)state;
    tm_probe_window window;
    char path[256];
    tm_probe *probe = open_meter(scratch_path("vanishes"), wide_joules,
                                 &(tm_probe_options){.max_watts = MAX_WATTS});
    machine.meter = NULL; /* the counters stop */
    tm_probe_start(probe);
    snprintf(path, sizeof path, "%s/%s", meter.root, meter.paths[0]);
    assert_int_equal(unlink(path), 0);
    machine_sleep(&machine, 1.05);
    tm_probe_stop(probe, &window);
    assert_not_measured(value_of(&window, "package-0"), TM_PROBE_INVALID, "No such file");
    assert_not_measured(value_of(&window, "package-1"), TM_PROBE_STUCK, "stayed at");
    machine_close(&machine);
}

/* Two dies that show one counter of the socket are one; two sockets are two. */
static void test_zones_that_mirror_one_counter_are_one(void **state)
{
    (void)state;
    for (int mirrored = 0; mirrored < 2; mirrored++) {
        const char *root = scratch_path(mirrored ? "one-counter" : "two-counters");
        tree_meter dies = {.root = root,
                           .paths = {"sys/class/powercap/intel-rapl:0/energy_uj",
                                     "sys/class/powercap/intel-rapl:1/energy_uj"},
                           .watts = {68, 68},
                           .range = {262143328850, 262143328850},
                           .total = {1000, mirrored ? 1000 : 1700}};
        tm_probe_window window;
        tm_probe_value sum;
        tree_zone(root, "intel-rapl:0", "package-0-die-0", "1000", RANGE);
        tree_zone(root, "intel-rapl:1", "package-0-die-1", "1000", RANGE);
        machine_init(&machine);
        machine.meter = &dies;
        machine_open(&machine, "powercap", &(tm_probe_options){.root = root, .trace_hz = 4});
        assert_int_equal(tm_probe_n_channels(machine.probe), mirrored ? 1 : 2);
        machine_measure(&machine, 2, &window);
        tm_probe_sum(&window, "package", &sum);
        assert_measured(&sum);
        assert_true(fabs(sum.value - (mirrored ? 136 : 272)) < 1);
        machine_close(&machine);
    }
}

/* A package without its memory next to one with it is no package+dram. */
static void test_dram_of_some_packages_is_not_added(void **state)
{
    (void)state;
    const char *root = scratch_path("one-dram");
    tm_probe_window window;
    tm_probe_value sum;
    tree_zone(root, "intel-rapl:0", "package-0", "1000", RANGE);
    tree_zone(root, "intel-rapl:0:0", "dram", "1000", RANGE);
    tree_zone(root, "intel-rapl:1", "package-1", "1000", RANGE);
    machine_init(&machine);
    machine_open(&machine, "powercap", &(tm_probe_options){.root = root, .spin_seconds = -1});
    assert_string_equal(tm_probe_scope(machine.probe), "package");
    machine_measure(&machine, 2, &window);
    tm_probe_sum(&window, "package+dram", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING);
    assert_says(sum.reason, "dram for 1 of 2 packages only");
    machine_close(&machine);
}

/* Container runtimes mask the folder that the links lead to. */
static void test_masked_zones(void **state)
{
    (void)state;
    const char *root = scratch_path("masked");
    char path[300];
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tree_put(root, "sys/class/powercap/intel-rapl/enabled", "1");
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0", root);
    assert_int_equal(symlink("../../devices/virtual/powercap/intel-rapl/intel-rapl:0", path), 0);
    const tm_probe_options options = {.root = root};
    assert_int_equal(tm_probe_open("powercap", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_DENIED);
    assert_says(health.reason, "a container masks their files");
    assert_says(health.fix, "systempaths=unconfined");
}

/* The joules that a stopped counter misses must not look measured, even if it went on later. The
 * last one stops between the last reading and the end. */
static void test_a_counter_that_stops_in_the_window_is_invalid(void **state)
{
    (void)state;
    static const double moves[][3] = {{0.6, 1.4, 0}, {0.5, 0.7, 0.8}, {0, 0.7, 1.3}, {1.8, 0.2, 0}};
    for (int i = 0; i < 4; i++) {
        tm_probe_window window;
        tm_probe *probe =
            open_meter(scratch_path("stops"), wide_joules, &(tm_probe_options){.trace_hz = 4});
        tm_probe_start(probe);
        machine_sleep(&machine, moves[i][0]);
        machine.meter = NULL;
        machine_sleep(&machine, moves[i][1]);
        if (moves[i][2] > 0) machine.meter = &meter;
        machine_sleep(&machine, moves[i][2]);
        tm_probe_stop(probe, &window);
        assert_not_measured(value_of(&window, "package-0"), TM_PROBE_INVALID, "joules are missing");
        machine_close(&machine);
    }
}

/* A counter that is reset looks like a wrap, but the joules are too many. */
static void test_a_reset_is_not_a_wrap(void **state)
{
    (void)state;
    const char *root = scratch_path("reset");
    tm_probe_window window;
    tree_zone(root, "intel-rapl:0", "package-0", "200000000000", RANGE);
    machine_init(&machine);
    machine_open(&machine, "powercap", &(tm_probe_options){.root = root, .spin_seconds = -1});
    tm_probe_start(machine.probe);
    tree_zone(root, "intel-rapl:0", "package-0", "1000", RANGE);
    machine_sleep(&machine, 1.05);
    tm_probe_stop(machine.probe, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "above the limit of 1000 W");
    machine_close(&machine);
}

/* Both a wrap and a reset 100 J below the top of the range, at 50 W. */
static void test_a_reset_near_the_top_is_not_a_wrap(void **state)
{
    (void)state;
    const char *root = scratch_path("near_top");
    for (int reset = 0; reset < 2; reset++) {
        tm_probe_window window;
        tree_zone(root, "intel-rapl:0", "package-0", "5", RANGE);
        tree_meter counter = {.root = root,
                              .paths = {"sys/class/powercap/intel-rapl:0/energy_uj"},
                              .watts = {50},
                              .range = {262143328850},
                              .total = {262143328850 - 150000000}};
        machine_init(&machine);
        machine.meter = &counter;
        machine_open(&machine, "powercap", &(tm_probe_options){.root = root, .trace_hz = 4});
        tm_probe_start(machine.probe);
        machine_sleep(&machine, 1.1);
        if (reset) counter.total[0] = 0;
        machine_sleep(&machine, 2.9);
        tm_probe_stop(machine.probe, &window);
        if (reset)
            assert_not_measured(&window.values[0], TM_PROBE_INVALID, "it may have been reset");
        else
            assert_close(window.values[0].value, 50 * window.seconds);
        assert_int_equal(counter.total[0] > counter.range[0], !reset);
        machine_close(&machine);
    }
}

/* The registers of a package do not count, but its memory-mapped interface does. */
static void test_a_stuck_zone_is_replaced_by_its_twin(void **state)
{
    (void)state;
    const char *root = scratch_path("twin");
    tm_probe_window window;
    tree_zone(root, "intel-rapl:0", "package-0", "777", RANGE);
    tree_zone(root, "intel-rapl:0:0", "core", "1", RANGE);
    tree_zone(root, "intel-rapl-mmio:0", "package-0", "5", RANGE);
    tree_meter counter = {.root = root,
                          .paths = {"sys/class/powercap/intel-rapl-mmio:0/energy_uj"},
                          .watts = {50},
                          .range = {262143328850}};
    machine_init(&machine);
    machine.meter = &counter;
    machine_open(&machine, "powercap", &(tm_probe_options){.root = root});
    assert_int_equal(tm_probe_n_channels(machine.probe), 2);
    assert_string_equal(tm_probe_scope(machine.probe), "package");
    machine_measure(&machine, 2, &window);
    assert_close(value_of(&window, "package-0")->value, 50 * window.seconds);
    machine_close(&machine);
}

/* The sampler must not spin when a range is absurdly small. */
static void test_a_tiny_range_is_not_read_without_end(void **state)
{
    (void)state;
    const char *root = scratch_path("tiny");
    tm_probe_window window;
    tree_zone(root, "intel-rapl:0", "package-0", "1", "3");
    machine_init(&machine);
    machine_open(&machine, "powercap", &(tm_probe_options){.root = root, .spin_seconds = -1});
    machine_measure(&machine, 1, &window);
    assert_true(window.values[0].n_samples <= 1002);
    machine_close(&machine);
}

static void test_a_short_window_is_invalid(void **state)
{
    (void)state;
    tm_probe_window window;
    open_meter(scratch_path("short"), wide_joules, &(tm_probe_options){.max_watts = MAX_WATTS});
    machine_measure(&machine, 0.999, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "shorter than 1 s");
    machine_measure(&machine, 1, &window);
    assert_measured(&window.values[0]);
    machine_close(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_socket_with_dram),
        cmocka_unit_test(test_sockets_are_identified_by_name),
        cmocka_unit_test(test_client_with_psys_and_two_interfaces),
        cmocka_unit_test(test_packages_below_psys),
        cmocka_unit_test(test_dies_and_amd),
        cmocka_unit_test(test_missing_and_stuck_zones),
        cmocka_unit_test(test_unreadable_zone_is_denied),
        cmocka_unit_test(test_joules_across_wraps),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_reported_scope),
        cmocka_unit_test(test_a_failed_read_invalidates_its_channel),
        cmocka_unit_test(test_a_zone_that_vanishes_or_stops),
        cmocka_unit_test(test_zones_that_mirror_one_counter_are_one),
        cmocka_unit_test(test_dram_of_some_packages_is_not_added),
        cmocka_unit_test(test_masked_zones),
        cmocka_unit_test(test_a_counter_that_stops_in_the_window_is_invalid),
        cmocka_unit_test(test_a_reset_is_not_a_wrap),
        cmocka_unit_test(test_a_reset_near_the_top_is_not_a_wrap),
        cmocka_unit_test(test_a_stuck_zone_is_replaced_by_its_twin),
        cmocka_unit_test(test_a_tiny_range_is_not_read_without_end),
        cmocka_unit_test(test_a_short_window_is_invalid),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
