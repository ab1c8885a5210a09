/* Files of the power PMU that refer to events of the kernel's software PMU: cpu-clock advances by
 * 1e9 per second of wall time; dummy can be opened and stays at 0. These windows use the system's
 * clock, because the kernel's events do. */
#include "tests/harness/probe/energy_tree.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <math.h>
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

/* cpu-clock as joules at 25 W. */
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
    tm_probe_options options = {.root = root, .spin_seconds = 0.2, .min_seconds = 0.1};
    return tm_probe_open("perf", &options, probe, health, err);
}

/* The edges of a window in which this thread was preempted are too uncertain. */
static void measure(tm_probe *probe, tm_probe_window *w)
{
    for (int i = 0; i < 5; i++) {
        tm_probe_start(probe);
        usleep(200000);
        tm_probe_stop(probe, w);
        if (w->values[0].state == TM_PROBE_OK) return;
    }
    TM_SKIP("this machine is too busy: %s", w->values[0].reason);
}

static void test_joules_of_an_event(void **state)
{
    (void)state;
    need_system_wide_events();
    const char *root = scratch_path("runs");
    tm_probe *probe;
    tm_probe_health health;
    tm_probe_window w;
    tm_probe_value sum;
    tm_error err = {0};
    put_pmu(root);
    put_event(root, "energy-psys", "event=0x09", "2.3283064365386962890625e-10", "Joules");
    assert_ok(open_perf(root, &probe, &health, &err), err);
    assert_int_equal(tm_probe_n_channels(probe), 2);
    measure(probe, &w);
    const tm_probe_value *v = value_of(&w, "package of cpu 0");
    /* The two clocks differ by some percent on a busy machine. */
    assert_true(fabs(v->value - 25 * w.seconds) < v->error_bound + 2.5 * w.seconds);
    assert_true(v->error_bound >= 2e-3 * v->value / w.seconds);
    assert_string_equal(v->info->scope, "package");
    /* The stuck domain is not measured as 0. */
    v = value_of(&w, "psys of cpu 0");
    assert_int_equal(v->state, TM_PROBE_STUCK);
    assert_true(isnan(v->value));
    tm_probe_sum(&w, "psys", &sum);
    assert_int_equal(sum.state, TM_PROBE_STUCK);
    tm_json *json = tm_probe_window_to_json(&w);
    const tm_json *row = tm_json_at(tm_json_get(json, "channels"), 1);
    assert_string_equal(tm_json_text(tm_json_get(row, "status"), ""), "stuck");
    assert_true(tm_json_is_null(tm_json_get(row, "joules")));
    assert_says(tm_json_text(tm_json_get(row, "joules_missing"), ""), "stayed at 0");
    tm_json_free(json);
    tm_probe_close(probe);
}

/* As on virtual machines that have the PMU. */
static void test_a_stuck_event_is_refused(void **state)
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
    tm_probe_window w;
    tm_probe_value sum;
    tm_error err = {0};
    put_pmu(root);
    tree_put(root, P "cpumask", "0-1");
    /* Without a spin: both clocks advance alike, and may pass for one counter of two dies. */
    tm_probe_options options = {.root = root, .spin_seconds = -1, .min_seconds = 0.1};
    assert_ok(tm_probe_open("perf", &options, &probe, &health, &err), err);
    measure(probe, &w);
    tm_probe_sum(&w, "package", &sum);
    if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
    assert_int_equal(tm_probe_n_channels(probe), 2);
    assert_true(w.values[0].value > 0 && w.values[1].value > 0);
    assert_true(fabs(sum.value - w.values[0].value - w.values[1].value) < 1e-9);
    tm_probe_close(probe);
}

static void refuse(const char *root, tm_probe_state state, const char *says)
{
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    assert_int_equal(open_perf(root, &probe, &health, &err), TM_UNSUPPORTED);
    if (health.state != state) fail_msg("%s: %s", tm_probe_state_text(health.state), err.message);
    assert_says(err.message, says);
}

static void test_invalid_files_are_refused(void **state)
{
    (void)state;
    const char *root = scratch_path("files");
    refuse(root, TM_PROBE_MISSING, "no PMU named power");
    put_pmu(root);
    tree_put(root, P "cpumask", "");
    refuse(root, TM_PROBE_MISSING, "lists no CPU");
    tree_put(root, P "cpumask", "0-64");
    refuse(root, TM_PROBE_MISSING, "lists more than 64 CPUs");
    tree_put(root, P "cpumask", "0");
    tree_put(root, P "events/energy-pkg.unit", "Watts");
    refuse(root, TM_PROBE_INVALID, "are not a count of joules");
    tree_put(root, P "events/energy-pkg.unit", "Joules");
    tree_put(root, P "events/energy-pkg.scale", "-1");
    refuse(root, TM_PROBE_INVALID, "are not a count of joules");
    tree_put(root, P "events/energy-pkg.scale", "1e-9");
    tree_put(root, P "events/energy-pkg", "umask=0x02");
    refuse(root, TM_PROBE_INVALID, "umask=0x02");
}

static void test_an_unknown_event_type_is_missing(void **state)
{
    (void)state;
    need_system_wide_events();
    const char *root = scratch_path("type");
    put_pmu(root);
    tree_put(root, P "type", "1000000");
    refuse(root, TM_PROBE_MISSING, "power/energy-pkg on cpu 0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_joules_of_an_event),
        cmocka_unit_test(test_a_stuck_event_is_refused),
        cmocka_unit_test(test_one_event_per_socket),
        cmocka_unit_test(test_invalid_files_are_refused),
        cmocka_unit_test(test_an_unknown_event_type_is_missing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
