/* Meters on boards, as hwmon shows them: which files count, and power integrated over a window. */
#include "tests/harness/probe/energy_tree.h"
#include "tests/harness/probe/timed_window.h"

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

#define N_TURNS 8

/* A window of a second or more with twelve samples of each of n rails, again where the machine stood
 * still. */
static void measure(tm_probe *probe, timed_window *t, int last)
{
    double gap = 0;
    for (int turn = 0; turn < N_TURNS; turn++) {
        timed_start(probe, t);
        wait_until(has_read(probe, last, 12));
        timed_sleep(t, 1.1);
        timed_stop(probe, t);
        if (!stood_still(&t->w.values[last], t)) return;
        gap = t->w.values[last].largest_gap_seconds;
    }
    TM_SKIP("this machine stands still: power was not read for %.3g s", gap);
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
    timed_window t;
    tm_probe_value sum;
    measure(probe, &t, 2);
    static const double watts[] = {10, 5, 1.25};
    for (int i = 0; i < 3; i++) {
        const tm_probe_value *v = &t.w.values[i];
        if (v->state != TM_PROBE_OK) fail_msg("%s: %s", v->info->name, v->reason);
        /* Power that stays leaves the bound of the edges and of a microwatt's rounding. */
        assert_true(fabs(v->value - watts[i] * t.w.seconds) <= v->error_bound);
        assert_true(v->error_bound <= edges_joules(v, &t, 0) + 1.1e-6 * t.w.seconds);
        assert_gaps(v, &t);
        /* A quarter of the asked 50 Hz; less only in a window in which the sampler stood still. */
        if (v->rate_hz < 12.5) assert_true(v->largest_gap_seconds > 0.1);
    }
    tm_probe_sum(&t.w, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING); /* rails are nobody's package */
    tm_probe_sum(&t.w, "rail VDD_IN", &sum);
    assert_true(sum.value == t.w.values[0].value);
    tm_probe_close(probe);
}

/* Six files at the default rate, by what a sample costs: how many there are says nothing of it. The
 * least of a few windows: others use this machine's caches too. */
static void test_sampling_costs_less_than_a_thousandth_of_a_core(void **state)
{
    (void)state;
    tm_probe *probe = open_hwmon(jetson(), 0);
    timed_window t;
    double least = INFINITY;
    for (int i = 0; i < 12 && !(least < 1e-3); i++) {
        timed_start(probe, &t);
        wait_until(has_read(probe, 0, 11));
        timed_sleep(&t, 1.1);
        timed_stop(probe, &t);
        int64_t n_sampled = t.w.values[0].n_samples - 2; /* without those at the edges */
        assert_true(n_sampled <= (int64_t)(10 * (t.w.seconds + edges_seconds(&t))));
        assert_true(t.w.sampler_cpu_seconds > 0); /* it did run, and is told */
        least = fmin(least, 10 * t.w.sampler_cpu_seconds / (double)n_sampled);
    }
    if (!(least < 1e-3)) fail_msg("%g of a core", least);
    tm_probe_close(probe);
}

/* 4 W, then 12 W: the bound holds the truth, whenever the file changed while it was written. */
static void test_a_step_of_power_and_its_bound(void **state)
{
    (void)state;
    const char *root = scratch_path("step");
    tree_put(root, H "hwmon0/name", "ina2xx");
    tree_put(root, H "hwmon0/power1_input", "4000000");
    tm_probe *probe = open_hwmon(root, 20);
    const tm_probe_value *v = NULL;
    timed_window t;
    for (int turn = 0; turn < N_TURNS; turn++) {
        timed_call step;
        tree_put(root, H "hwmon0/power1_input", "4000000");
        timed_start(probe, &t);
        wait_until(has_read(probe, 0, 11));
        timed_sleep(&t, 0.55);
        step.begin_ns = tm_now_ns();
        tree_put(root, H "hwmon0/power1_input", "12000000");
        step.end_ns = tm_now_ns();
        timed_sleep(&t, 1.1);
        timed_stop(probe, &t);
        v = &t.w.values[0];
        if (stood_still(v, &t)) continue;
        if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
        double most = 12 * t.w.seconds - 8e-9 * (double)(step.begin_ns - t.w.begin_ns);
        double least = most - 8 * call_seconds(step);
        if (!(v->value - v->error_bound <= most && v->value + v->error_bound >= least))
            fail_msg("%g J, truth %g to %g J, bound %g J", v->value, least, most, v->error_bound);
        assert_true(v->error_bound <=
                    8 * v->largest_gap_seconds + edges_joules(v, &t, 0) + 1e-5 * t.w.seconds);
        tm_probe_close(probe);
        return;
    }
    TM_SKIP("this machine stands still: power was not read for %.3g s", v->largest_gap_seconds);
}

static void test_few_samples_are_no_measurement(void **state)
{
    (void)state;
    tm_probe *probe = open_hwmon(jetson(), 1);
    timed_window t;
    timed_start(probe, &t);
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
    assert_says(t.w.values[0].reason, "samples of VDD_IN");
    assert_true(isnan(t.w.values[0].value));
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
    static tree_meter m; /* not on the stack: a test that fails leaves its thread behind */
    m = (tree_meter){.root = root,
                     .paths = {H "hwmon0/energy19_input", H "hwmon0/energy20_input"},
                     .watts = {40, 60},
                     .range = {UINT64_MAX, UINT64_MAX},
                     .step_seconds = TREE_STEP_SECONDS};
    tree_meter_start(&m);
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {.root = root, .spin_seconds = WAIT_SECONDS};
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    assert_int_equal(tm_probe_n_channels(probe), 20);
    timed_window t;
    tm_probe_value sum;
    tree_meter_hold(&m);
    uint64_t before = m.total[0] + m.total[1];
    timed_start(probe, &t);
    tree_meter_release(&m);
    timed_sleep(&t, 1.05);
    wait_until(tree_meter_total(&m, 0) + tree_meter_total(&m, 1) > before + 10000000);
    tree_meter_hold(&m);
    double truth = 1e-6 * (double)(m.total[0] + m.total[1] - before);
    timed_stop(probe, &t);
    tree_meter_release(&m);
    tree_meter_stop(&m);
    tm_probe_sum(&t.w, "package", &sum);
    if (sum.state != TM_PROBE_OK) fail_msg("%s", sum.reason);
    assert_true(fabs(sum.value - truth) < 1e-9 * truth);
    tm_probe_close(probe);
}

static void test_a_rail_that_vanishes_or_is_nonsense(void **state)
{
    (void)state;
    const char *root = jetson();
    char path[160];
    tm_probe *probe = open_hwmon(root, 20);
    timed_window t;
    timed_start(probe, &t);
    wait_until(has_read(probe, 2, 3));
    snprintf(path, sizeof path, "%s/" H "hwmon3/curr1_input", root);
    assert_int_equal(remove(path), 0);
    tree_put(root, H "hwmon3/curr2_input", "-12");
    wait_until(has_read(probe, 2, 12));
    timed_sleep(&t, 1.05);
    timed_stop(probe, &t);
    assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
    assert_says(t.w.values[0].reason, "No such file");
    assert_int_equal(t.w.values[1].state, TM_PROBE_INVALID);
    assert_says(t.w.values[1].reason, "-12");
    assert_true(t.w.values[2].state == TM_PROBE_OK || stood_still(&t.w.values[2], &t));
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
