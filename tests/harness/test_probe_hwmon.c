/* Meters on boards, as hwmon shows them: which files count, and power integrated over a window. */
#include "tests/harness/energy_tree.h"

#define H "sys/class/hwmon/"

static tm_probe *open_hwmon(const char *root, double rate_hz)
{
    tm_probe *probe = NULL;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root, .spin_seconds = -1, .rate_hz = rate_hz};
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    return probe;
}

/* "name=scope method" of every channel, in order. */
static void assert_channels(const char *root, const char *expected)
{
    char text[1024] = "";
    tm_probe *probe = open_hwmon(root, 0);
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const tm_probe_channel_info *c = tm_probe_channel(probe, i);
        size_t at = strlen(text);
        snprintf(text + at, sizeof text - at, "%s%s=%s %s", at ? "; " : "", c->name, c->scope,
                 c->method);
    }
    tm_probe_close(probe);
    assert_string_equal(text, expected);
}

/* A Jetson's three rails: 5 V with 2 A, 1 A, 0.25 A; in4 to in6 are shunt voltages, curr4 a sum. */
static const char *jetson(void)
{
    static const char *const rails[] = {"VDD_IN", "VDD_CPU_GPU_CV", "VDD_SOC"};
    static const char *const amperes[] = {"2000", "1000", "250"};
    const char *root = scratch_path("jetson");
    char path[64];
    tree_put(root, H "hwmon3/name", "ina3221");
    for (int i = 1; i <= 3; i++) {
        snprintf(path, sizeof path, H "hwmon3/in%d_label", i);
        tree_put(root, path, rails[i - 1]);
        snprintf(path, sizeof path, H "hwmon3/in%d_input", i);
        tree_put(root, path, "5000");
        snprintf(path, sizeof path, H "hwmon3/curr%d_input", i);
        tree_put(root, path, amperes[i - 1]);
        snprintf(path, sizeof path, H "hwmon3/in%d_input", i + 3);
        tree_put(root, path, "8");
    }
    tree_put(root, H "hwmon3/curr4_input", "3250");
    tree_put(root, H "hwmon3/in7_label", "sum of shunt voltages");
    return root;
}

static void test_jetson_pairs_voltage_with_current(void **state)
{
    (void)state;
    const char *root = jetson();
    assert_channels(root, "VDD_IN=rail VDD_IN integrated; VDD_CPU_GPU_CV=rail VDD_CPU_GPU_CV "
                          "integrated; VDD_SOC=rail VDD_SOC integrated");
    tm_probe *probe = open_hwmon(root, 50);
    tm_probe_window window;
    tm_probe_value sum;
    tm_probe_start(probe);
    usleep(1200000);
    tm_probe_stop(probe, &window);
    static const double watts[] = {10, 5, 1.25};
    for (int i = 0; i < 3; i++) {
        const tm_probe_value *v = &window.values[i];
        if (v->state != TM_PROBE_OK) fail_msg("%s: %s", v->info->name, v->reason);
        assert_true(fabs(v->value - watts[i] * window.seconds) < 0.01 * v->value);
        assert_true(v->n_samples >= 10 && v->rate_hz > 8);
        assert_true(v->largest_gap_seconds > 0.01 && v->largest_gap_seconds < 1.2);
    }
    tm_probe_sum(&window, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING); /* rails are nobody's package */
    tm_probe_sum(&window, "rail VDD_IN", &sum);
    assert_true(sum.value == window.values[0].value);
    tm_probe_close(probe);
}

/* Six files at the default rate. The least of a few windows: others use this machine too. */
static void test_sampling_costs_less_than_a_thousandth_of_a_core(void **state)
{
    (void)state;
    tm_probe *probe = open_hwmon(jetson(), 0);
    tm_probe_window window;
    double least = INFINITY;
    for (int i = 0; i < 12 && !(least < 1e-3); i++) {
        tm_probe_start(probe);
        usleep(1100000);
        tm_probe_stop(probe, &window);
        assert_true(window.values[0].n_samples >= 10);
        assert_true(window.sampler_cpu_seconds > 0); /* it did run, and is told */
        least = fmin(least, window.sampler_cpu_seconds / window.seconds);
    }
    if (!(least < 1e-3)) fail_msg("%g of a core", least);
    tm_probe_close(probe);
}

/* 4 W, then 12 W: the bound holds the truth. */
static void test_a_step_of_power_and_its_bound(void **state)
{
    (void)state;
    const char *root = scratch_path("step");
    tree_put(root, H "hwmon0/name", "ina2xx");
    tree_put(root, H "hwmon0/power1_input", "4000000");
    tm_probe *probe = open_hwmon(root, 20);
    tm_probe_window window;
    int64_t step_ns;
    tm_probe_start(probe);
    usleep(600000);
    step_ns = tm_now_ns();
    tree_put(root, H "hwmon0/power1_input", "12000000");
    usleep(600000);
    tm_probe_stop(probe, &window);
    const tm_probe_value *v = &window.values[0];
    double truth =
        4e-9 * (double)(step_ns - window.begin_ns) + 12e-9 * (double)(window.end_ns - step_ns);
    assert_int_equal(v->state, TM_PROBE_OK);
    assert_true(v->error_bound >= 0.5 * 8 * 0.04);
    if (fabs(v->value - truth) > v->error_bound + 0.01 * truth)
        fail_msg("%g J, truth %g J, bound %g J", v->value, truth, v->error_bound);
    tm_probe_close(probe);
}

static void test_few_samples_are_no_measurement(void **state)
{
    (void)state;
    tm_probe *probe = open_hwmon(jetson(), 2);
    tm_probe_window window;
    tm_probe_start(probe);
    usleep(1200000);
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "samples of VDD_IN");
    assert_true(isnan(window.values[0].value));
    tm_probe_close(probe);
}

static void test_energy_before_average_before_input(void **state)
{
    (void)state;
    const char *root = scratch_path("order");
    tree_put(root, H "hwmon0/name", "nvme"); /* not the board's power */
    tree_put(root, H "hwmon0/power1_input", "3000000");
    tree_put(root, H "hwmon1/name", "scmi_sensors");
    tree_put(root, H "hwmon1/energy1_input", "17");
    tree_put(root, H "hwmon1/energy1_label", "cluster0");
    tree_put(root, H "hwmon1/power1_input", "3000000");
    tree_put(root, H "hwmon2/name", "power_meter");
    tree_put(root, H "hwmon2/power1_average", "200000000");
    tree_put(root, H "hwmon2/power1_input", "210000000");
    assert_channels(root, "cluster0=rail cluster0 counter; power_meter power1=system integrated");
    root = scratch_path("altra");
    tree_put(root, H "hwmon0/name", "smpro_hwmon");
    tree_put(root, H "hwmon0/power1_label", "CPU power");
    tree_put(root, H "hwmon0/power1_input", "95000000");
    tree_put(root, H "hwmon0/power2_label", "DIMM power");
    tree_put(root, H "hwmon0/power2_input", "12000000");
    tree_put(root, H "hwmon1/name", "smpro_hwmon"); /* the second socket */
    tree_put(root, H "hwmon1/power1_label", "CPU power");
    tree_put(root, H "hwmon1/power1_input", "95000000");
    assert_channels(root, "CPU power=rail CPU power integrated; DIMM power=rail DIMM power "
                          "integrated; CPU power hwmon1=rail CPU power hwmon1 integrated");
    root = scratch_path("superio"); /* voltages and no power: nothing is made of them */
    tree_put(root, H "hwmon0/name", "nct6775");
    tree_put(root, H "hwmon0/in1_input", "1000");
    tree_put(root, H "hwmon0/curr1_input", "1000");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root};
    assert_int_equal(tm_probe_open("hwmon", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_MISSING);
    assert_says(err.message, "no chip below /sys/class/hwmon");
}

static void test_amd_energy_cores_are_not_packages(void **state)
{
    (void)state;
    const char *root = scratch_path("amd_energy");
    char path[64], text[16];
    tree_put(root, H "hwmon0/name", "amd_energy");
    for (int i = 1; i <= 20; i++) {
        snprintf(path, sizeof path, H "hwmon0/energy%d_input", i);
        tree_put(root, path, "1000");
        snprintf(path, sizeof path, H "hwmon0/energy%d_label", i);
        snprintf(text, sizeof text, i <= 18 ? "Ecore%03d" : "Esocket%d", i <= 18 ? i - 1 : i - 19);
        tree_put(root, path, text);
    }
    tree_meter m = {.root = root,
                    .paths = {H "hwmon0/energy19_input", H "hwmon0/energy20_input"},
                    .watts = {40, 60},
                    .range = {UINT64_MAX, UINT64_MAX}};
    tree_meter_start(&m);
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root};
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    assert_int_equal(tm_probe_n_channels(probe), 20);
    tm_probe_window window;
    tm_probe_value sum;
    tm_probe_start(probe);
    uint64_t before = atomic_load(&m.shown[0]) + atomic_load(&m.shown[1]);
    usleep(1200000);
    uint64_t after = atomic_load(&m.shown[0]) + atomic_load(&m.shown[1]);
    tm_probe_stop(probe, &window);
    tree_meter_stop(&m);
    tm_probe_sum(&window, "package", &sum);
    if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
    double truth = 1e-6 * (double)(after - before);
    assert_true(fabs(sum.value - truth) < 0.01 * truth);
    tm_probe_close(probe);
}

static void test_a_rail_that_vanishes_or_is_nonsense(void **state)
{
    (void)state;
    const char *root = jetson();
    char path[160];
    tm_probe *probe = open_hwmon(root, 20);
    tm_probe_window window;
    tm_probe_start(probe);
    usleep(300000);
    snprintf(path, sizeof path, "%s/" H "hwmon3/curr1_input", root);
    assert_int_equal(remove(path), 0);
    tree_put(root, H "hwmon3/curr2_input", "-12");
    usleep(900000);
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "No such file");
    assert_int_equal(window.values[1].state, TM_PROBE_INVALID);
    assert_says(window.values[1].reason, "-12");
    assert_int_equal(window.values[2].state, TM_PROBE_OK);
    tm_probe_close(probe);
}

static void test_a_rail_at_zero_is_stuck(void **state)
{
    (void)state;
    const char *root = scratch_path("zero");
    tree_put(root, H "hwmon0/name", "ina226");
    tree_put(root, H "hwmon0/power1_input", "0");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root, .spin_seconds = 0.1};
    assert_int_equal(tm_probe_open("hwmon", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_STUCK);
    assert_says(err.message, "reads 0 W");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jetson_pairs_voltage_with_current),
        cmocka_unit_test(test_sampling_costs_less_than_a_thousandth_of_a_core),
        cmocka_unit_test(test_a_step_of_power_and_its_bound),
        cmocka_unit_test(test_few_samples_are_no_measurement),
        cmocka_unit_test(test_energy_before_average_before_input),
        cmocka_unit_test(test_amd_energy_cores_are_not_packages),
        cmocka_unit_test(test_a_rail_that_vanishes_or_is_nonsense),
        cmocka_unit_test(test_a_rail_at_zero_is_stuck),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
