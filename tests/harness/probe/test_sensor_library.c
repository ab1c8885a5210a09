/* The real libsensors with a test tree that is mounted over /sys/class in a private mount
 * namespace, and with a test sensors.conf: the hwmon source applies its labels, corrections and
 * ignored inputs. */
#include "harness/probe/sensor_library.h"

#include "tests/harness/probe/fake_machine.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>

#define H "sys/class/hwmon/"

/* A board with a meter whose driver does not know the shunt, a power sensor, and an energy
 * counter. */
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

static fake_machine machine;

static tm_status open_hwmon(const char *root, tm_error *err)
{
    tm_probe_health health;
    machine_init(&machine);
    const tm_probe_options options = {.root = root, .clock = &machine.clock, .spin_seconds = -1};
    return tm_probe_open("hwmon", &options, &machine.probe, &health, err);
}

/* Measures a window in which the energy counter advances by one twelve times: beyond 2^53 a double
 * cannot hold every value. */
static void measure(const char *root, tm_probe_window *w)
{
    char value[32];
    tm_probe_start(machine.probe);
    for (int i = 1; i <= 12; i++) {
        machine_sleep(&machine, 0.1);
        snprintf(value, sizeof value, "%lld", (1LL << 53) + 1 + i);
        tree_put(root, H "hwmon5/energy1_input", value);
    }
    tm_probe_stop(machine.probe, w);
}

static const char configuration[] = "chip \"ina3221-*\"\n"
                                    "  label in1 \"Whole board\"\n"
                                    "  compute curr1 @*2, @/2\n"
                                    "  ignore in2\n";

/* In a child process: writes to the pipe "skip: ..." or the channels as "name=value unit; ". */
static void print_channels(const char *conf, int out)
{
    char text[1000] = "";
    tm_probe_window w;
    tm_error err = {0};
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("test", "/sys/class", "tmpfs", 0, NULL) != 0 ||
        mount("test", "/etc/sensors.d", "tmpfs", 0, NULL) != 0) {
        dprintf(out, "skip: a private mount namespace: %s", strerror(errno));
        _exit(0);
    }
    make_tree("");
    if (conf[0]) write_file("/etc/sensors.d/test", conf, strlen(conf));
    if (open_hwmon(NULL, &err) != TM_OK) {
        dprintf(out, "%s", err.message);
        _exit(0);
    }
    measure("", &w);
    for (int i = 0; i < w.n_values; i++) {
        const tm_probe_value *v = &w.values[i];
        size_t at = strlen(text);
        if (v->state != TM_PROBE_OK)
            snprintf(text + at, sizeof text - at, "%s: %s; ", v->info->name, v->reason);
        else if (strcmp(v->info->method, "counter") == 0)
            snprintf(text + at, sizeof text - at, "%s=%.0f uJ; ", v->info->name, 1e6 * v->value);
        else
            snprintf(text + at, sizeof text - at, "%s=%.0f W; ", v->info->name,
                     v->value / w.seconds);
    }
    machine_close(&machine);
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
    if (child == 0) print_channels(conf, ends[1]);
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

static void test_a_configuration_applies(void **state)
{
    (void)state;
    need_library();
    expect(configuration, "Whole board=20 W; CPU power=95 W; Esocket0=12 uJ; ");
}

/* Without a configuration, the library and the files give the same values. */
static void test_without_a_configuration_library_and_files_agree(void **state)
{
    (void)state;
    need_library();
    expect("", "VDD_IN=10 W; unwired=81 W; CPU power=95 W; Esocket0=12 uJ; ");
    tm_probe_window w;
    tm_error err = {0};
    const char *root = scratch_path("recorded");
    make_tree(root);
    assert_ok(open_hwmon(root, &err), err);
    measure(root, &w);
    static const double watts[] = {10, 81, 95};
    for (int i = 0; i < 3; i++) {
        assert_measured(&w.values[i]);
        assert_close(w.values[i].value, watts[i] * w.seconds);
    }
    /* A double could not hold the counts. */
    assert_true(fabs(1e6 * w.values[3].value - 12) < 1e-5);
    machine_close(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_configuration_applies),
        cmocka_unit_test(test_without_a_configuration_library_and_files_agree),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
