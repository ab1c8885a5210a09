/* The power PMU's files, with events of the kernel's software PMU behind them: cpu-clock runs at 1e9
 * per second of wall time, dummy opens and stays at 0. */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <sys/syscall.h>

#define P "sys/bus/event_source/devices/power/"

static void put_event(const char *root, const char *name, const char *event, const char *scale,
                      const char *unit)
{
    char path[128];
    snprintf(path, sizeof path, P "events/%s", name);
    tree_put(root, path, event);
    snprintf(path, sizeof path, P "events/%s.scale", name);
    tree_put(root, path, scale);
    snprintf(path, sizeof path, P "events/%s.unit", name);
    tree_put(root, path, unit);
}

/* Joules of cpu-clock at 25 W. */
static void put_pmu(const char *root)
{
    tree_put(root, P "type", "1");
    tree_put(root, P "cpumask", "0");
    put_event(root, "energy-pkg", "event=0x00", "2.5e-8", "Joules");
}

static void need_system_wide_events(void)
{
    struct perf_event_attr attr = {.type = PERF_TYPE_SOFTWARE, .size = sizeof attr};
    int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
    if (fd < 0) TM_SKIP("system-wide perf events: %s", strerror(errno));
    close(fd);
}

static tm_status open_perf(const char *root, tm_probe **probe, tm_probe_health *health,
                           tm_error *err)
{
    tm_probe_options options = {.root = root, .spin_seconds = 0.2};
    return tm_probe_open("perf", &options, probe, health, err);
}

static void test_joules_of_a_running_event(void **state)
{
    (void)state;
    need_system_wide_events();
    const char *root = scratch_path("runs");
    tm_probe *probe;
    tm_probe_health health;
    timed_window t;
    tm_probe_value sum;
    tm_error err = {0};
    put_pmu(root);
    put_event(root, "energy-psys", "event=0x09", "2.3283064365386962890625e-10", "Joules");
    assert_ok(open_perf(root, &probe, &health, &err), err);
    assert_int_equal(tm_probe_n_channels(probe), 2);
    timed_start(probe, &t);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    const tm_probe_value *v = value_of(&t.w, "package of cpu 0");
    if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
    /* The bound is what the edges leave open; 1 % between two clocks. */
    assert_true(fabs(v->value - 25 * t.w.seconds) < v->error_bound + 0.25 * t.w.seconds);
    assert_counter_bound(v, &t);
    assert_string_equal(v->info->scope, "package");
    /* The dead domain stays dead, and is not 0. */
    v = value_of(&t.w, "psys of cpu 0");
    assert_int_equal(v->state, TM_PROBE_STUCK);
    assert_true(isnan(v->value));
    tm_probe_sum(&t.w, "psys", &sum);
    assert_int_equal(sum.state, TM_PROBE_STUCK);
    tm_json *json = tm_probe_window_to_json(&t.w);
    const tm_json *row = tm_json_at(tm_json_get(json, "channels"), 1);
    assert_string_equal(tm_json_text(tm_json_get(row, "status"), ""), "stuck");
    assert_true(tm_json_is_null(tm_json_get(row, "joules")));
    assert_says(tm_json_text(tm_json_get(row, "joules_missing"), ""), "stayed at 0");
    tm_json_free(json);
    tm_probe_close(probe);
}

/* As on virtual machines that show the PMU. */
static void test_a_stuck_event_is_no_source(void **state)
{
    (void)state;
    need_system_wide_events();
    const char *root = scratch_path("stuck");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tree_put(root, P "type", "1");
    tree_put(root, P "cpumask", "0");
    put_event(root, "energy-psys", "event=0x09", "2.3283064365386962890625e-10", "Joules");
    assert_int_equal(open_perf(root, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_STUCK);
    assert_says(err.message, "psys of cpu 0 stayed at 0");
    assert_null(probe);
}

static void test_one_event_per_socket(void **state)
{
    (void)state;
    need_system_wide_events();
    if (sysconf(_SC_NPROCESSORS_ONLN) < 2) TM_SKIP("one CPU only");
    const char *root = scratch_path("sockets");
    tm_probe *probe;
    tm_probe_health health;
    timed_window t;
    tm_probe_value sum;
    tm_error err = {0};
    put_pmu(root);
    tree_put(root, P "cpumask", "0-1");
    assert_ok(open_perf(root, &probe, &health, &err), err);
    timed_start(probe, &t);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    tm_probe_sum(&t.w, "package", &sum);
    if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
    assert_true(fabs(sum.value - 50 * t.w.seconds) < sum.error_bound + 0.5 * t.w.seconds);
    tm_probe_close(probe);
}

static void refused(const char *root, tm_probe_state state, const char *says)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    assert_int_equal(open_perf(root, &probe, &health, &err), TM_UNSUPPORTED);
    if (health.state != state) fail_msg("%s: %s", tm_probe_state_text(health.state), err.message);
    assert_says(err.message, says);
}

static void test_files_that_make_no_sense(void **state)
{
    (void)state;
    const char *root = scratch_path("files");
    refused(root, TM_PROBE_MISSING, "no PMU called power");
    put_pmu(root);
    tree_put(root, P "cpumask", "");
    refused(root, TM_PROBE_MISSING, "names no CPU");
    tree_put(root, P "cpumask", "0");
    tree_put(root, P "events/energy-pkg.unit", "Watts");
    refused(root, TM_PROBE_INVALID, "not a count of joules");
    tree_put(root, P "events/energy-pkg.unit", "Joules");
    tree_put(root, P "events/energy-pkg.scale", "-1");
    refused(root, TM_PROBE_INVALID, "not a count of joules");
    tree_put(root, P "events/energy-pkg.scale", "1e-9");
    tree_put(root, P "events/energy-pkg", "umask=0x02");
    refused(root, TM_PROBE_INVALID, "umask=0x02");
}

static void test_a_type_the_kernel_lacks(void **state)
{
    (void)state;
    need_system_wide_events();
    const char *root = scratch_path("type");
    put_pmu(root);
    tree_put(root, P "type", "1000000");
    refused(root, TM_PROBE_MISSING, "power/energy-pkg on cpu 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joules_of_a_running_event),
        cmocka_unit_test(test_a_stuck_event_is_no_source),
        cmocka_unit_test(test_one_event_per_socket),
        cmocka_unit_test(test_files_that_make_no_sense),
        cmocka_unit_test(test_a_type_the_kernel_lacks),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
