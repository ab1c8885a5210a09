/* The real libsensors on a tree of our own, mounted over /sys/class in a private mount namespace, with
 * a sensors.conf of our own: its labels, corrections and ignored inputs hold for the hwmon source. */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

#include "harness/probe/sensor_library.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define H "sys/class/hwmon/"

/* A board with a meter whose shunt its driver does not know, two chips alike, and one that hwmon shows
 * and libsensors does not. */
static void make_tree(const char *root)
{
    tree_put(root, H "hwmon3/name", "ina3221");
    tree_put(root, H "hwmon3/in1_label", "VDD_IN");
    tree_put(root, H "hwmon3/in1_input", "5000");
    tree_put(root, H "hwmon3/curr1_input", "2000");
    tree_put(root, H "hwmon3/in2_label", "unwired");
    tree_put(root, H "hwmon3/in2_input", "9000");
    tree_put(root, H "hwmon3/curr2_input", "9000");
    tree_put(root, H "hwmon4/name", "smpro_hwmon");
    tree_put(root, H "hwmon4/power1_label", "CPU power");
    tree_put(root, H "hwmon4/power1_input", "95000000");
    tree_put(root, H "hwmon5/name", "amd_energy");
    tree_put(root, H "hwmon5/energy1_label", "Esocket0");
    tree_put(root, H "hwmon5/energy1_input", "9007199254740993"); /* 2^53 + 1 */
}

/* A window in which the count of energy goes up by one, with twelve samples of the other rails, whose
 * edges are known well enough to tell watts from their neighbours: no more than 5 ms in 0.3 s. */
static void measure(const char *root, tm_probe *probe, timed_window *t)
{
    for (int turn = 0; turn < 20; turn++) {
        tree_put(root, H "hwmon5/energy1_input", "9007199254740993"); /* 2^53 + 1 */
        timed_start(probe, t);
        wait_until(has_read(probe, 2, 12));
        timed_sleep(t, 0.3);
        tree_put(root, H "hwmon5/energy1_input", "9007199254740994");
        timed_stop(probe, t);
        if (edges_seconds(t) < 5e-3 && t->w.values[0].largest_gap_seconds < 2) return;
    }
}

static const char configuration[] = "chip \"ina3221-*\"\n"
                                    "  label in1 \"Whole board\"\n"
                                    "  compute curr1 @*2, @/2\n"
                                    "  ignore in2\n";

/* In the child: text into the pipe, "skip: ..." or the channels as "name=method value; ". */
static void look(const char *conf, int out)
{
    char text[1000] = "";
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.spin_seconds = -1, .min_seconds = 0.2, .rate_hz = 100};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("test", "/sys/class", "tmpfs", 0, NULL) != 0 ||
        mount("test", "/etc/sensors.d", "tmpfs", 0, NULL) != 0) {
        dprintf(out, "skip: a private mount namespace: %s", strerror(errno));
        _exit(0);
    }
    make_tree("");
    if (conf[0]) write_file("/etc/sensors.d/test", conf, strlen(conf));
    if (tm_probe_open("hwmon", &options, &probe, &health, &err) != TM_OK) {
        dprintf(out, "%s", err.message);
        _exit(0);
    }
    timed_window t;
    measure("", probe, &t);
    for (int i = 0; i < t.w.n_values; i++) {
        const tm_probe_value *v = &t.w.values[i];
        size_t at = strlen(text);
        if (v->state != TM_PROBE_OK)
            snprintf(text + at, sizeof text - at, "%s: %s; ", v->info->name, v->reason);
        else if (strcmp(v->info->method, "counter") == 0)
            snprintf(text + at, sizeof text - at, "%s=%.0f uJ; ", v->info->name, 1e6 * v->value);
        else
            snprintf(text + at, sizeof text - at, "%s=%.0f W; ", v->info->name,
                     v->value / t.w.seconds);
    }
    tm_probe_close(probe);
    dprintf(out, "%s", text);
    _exit(0);
}

static void expect(const char *conf, const char *expected)
{
    char text[1000] = "";
    int ends[2], status;
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) look(conf, ends[1]);
    close(ends[1]);
    while ((got = read(ends[0], text + n, sizeof text - 1 - n)) > 0) n += (size_t)got;
    close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    if (strncmp(text, "skip: ", 6) == 0) TM_SKIP("%s", text + 6);
    assert_string_equal(text, expected);
}

static void need_library(void)
{
    tm_sensors *sensors;
    tm_error err = {0};
    if (tm_sensors_open(&sensors, &err) != TM_OK) TM_SKIP("%s", err.message);
    assert_true(tm_sensors_version(sensors)[0] >= '3');
    tm_sensors_close(sensors);
    if (access("/etc/sensors.d", F_OK) != 0) TM_SKIP("no /etc/sensors.d to mount over");
}

static void test_a_configuration_holds(void **state)
{
    (void)state;
    need_library();
    expect(configuration, "Whole board=20 W; CPU power=95 W; Esocket0=1 uJ; ");
}

/* Without one, the library and the files agree. */
static void test_without_one_the_files_hold(void **state)
{
    (void)state;
    need_library();
    expect("", "VDD_IN=10 W; unwired=81 W; CPU power=95 W; Esocket0=1 uJ; ");
    tm_probe *probe;
    tm_probe_health health;
    timed_window t;
    tm_error err = {0};
    const char *root = scratch_path("recorded");
    tm_probe_options options = {
        .root = root, .spin_seconds = -1, .min_seconds = 0.2, .rate_hz = 100};
    make_tree(root);
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    measure(root, probe, &t);
    static const double watts[] = {10, 81, 95};
    for (int i = 0; i < 3; i++) {
        const tm_probe_value *v = &t.w.values[i];
        assert_true(fabs(v->value - watts[i] * t.w.seconds) <= v->error_bound);
        assert_true(v->error_bound < 0.1 * v->value);
    }
    /* No double held the counts. */
    assert_true(fabs(1e6 * t.w.values[3].value - 1) < 1e-6);
    tm_probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_configuration_holds),
        cmocka_unit_test(test_without_one_the_files_hold),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
