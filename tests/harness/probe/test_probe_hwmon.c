/* Meters on boards through hwmon: which files are used, and power integrated over a window. */
#include "harness/probe/energy_source.h"
#include "tests/harness/probe/fake_machine.h"

#define H "sys/class/hwmon/"

static fake_machine machine;

static tm_probe *open_hwmon(const char *root, double rate_hz)
{
    machine_init(&machine);
    return machine_open(&machine, "hwmon",
                        &(tm_probe_options){.root = root, .spin_seconds = -1, .rate_hz = rate_hz});
}

static tm_status try_open(const char *root, tm_probe_health *health, tm_error *err)
{
    tm_probe *probe;
    machine_init(&machine);
    tm_probe_options options = {.root = root, .clock = &machine.clock};
    return tm_probe_open("hwmon", &options, &probe, health, err);
}

/* Compares "name=scope method" of all channels, in order. */
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
    machine_close(&machine);
    assert_string_equal(text, expected);
}

/* A Jetson with three rails: 5 V with 2 A, 1 A and 0.25 A. in4 to in6 are shunt voltages, curr4 is
 * a sum. */
static const char *make_jetson(void)
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
    const char *root = make_jetson();
    assert_channels(root, "VDD_IN=rail VDD_IN integrated; VDD_CPU_GPU_CV=rail VDD_CPU_GPU_CV "
                          "integrated; VDD_SOC=rail VDD_SOC integrated");
    open_hwmon(root, 50);
    tm_probe_window window;
    tm_probe_value sum;
    machine_measure(&machine, 1.1, &window);
    static const double watts[] = {10, 5, 1.25};
    for (int i = 0; i < 3; i++) {
        const tm_probe_value *v = &window.values[i];
        assert_measured(v);
        assert_close(v->value, watts[i] * window.seconds);
        /* Constant power leaves only the rounding to a millivolt and a milliampere. */
        assert_close(v->error_bound, 1e-3 * (5 + watts[i] / 5) * window.seconds);
        assert_int_equal(v->n_samples, 2 + 55);
        assert_close(v->largest_gap_seconds, 0.02);
    }
    tm_probe_sum(&window, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING); /* a rail belongs to no package */
    tm_probe_sum(&window, "rail VDD_IN", &sum);
    assert_true(sum.value == window.values[0].value);
    machine_close(&machine);
}

/* 4 W, then 12 W between two samples: the truth lies within the bound. */
static void test_a_step_of_power_is_within_the_bound(void **state)
{
    (void)state;
    const char *root = scratch_path("step");
    tm_probe_window window;
    tree_put(root, H "hwmon0/name", "ina2xx");
    tree_put(root, H "hwmon0/power1_input", "4000000");
    tree_put(root, H "hwmon0/update_interval", "9");
    tm_probe *probe = open_hwmon(root, 20);
    tm_probe_start(probe);
    machine_sleep(&machine, 0.51);
    tree_put(root, H "hwmon0/power1_input", "12000000");
    machine_sleep(&machine, 0.6);
    tm_probe_stop(probe, &window);
    const tm_probe_value *v = &window.values[0];
    double truth = 4 * 0.51 + 12 * 0.6;
    assert_measured(v);
    if (!(fabs(v->value - truth) <= v->error_bound))
        fail_msg("%g J, truth %g J, bound %g J", v->value, truth, v->error_bound);
    assert_true(v->error_bound <= 8 * v->largest_gap_seconds + 1e-5);
    machine_close(&machine);
}

/* A meter of 100 W that shows 200 W late: it has a new value once per `refresh` seconds, as a mean
 * over the last `mean` seconds. The power rises at the begin of the window. */
static const tm_probe_value *measure_late(double mean, double refresh, double seconds,
                                          tm_probe_window *window)
{
    char text[32];
    snprintf(text, sizeof text, "late-%.0f-%.0f", 10 * refresh, seconds);
    const char *root = scratch_path(text);
    tree_put(root, H "hwmon0/name", "power_meter");
    tree_put(root, H "hwmon0/power1_average", "100000000");
    snprintf(text, sizeof text, "%.0f", 1e3 * mean);
    if (mean > 0) tree_put(root, H "hwmon0/power1_average_interval", text);
    tm_probe *probe = open_hwmon(root, 10);
    tm_probe_start(probe);
    for (double t = 0.35 * refresh; t < seconds; t += refresh) {
        double share = mean > 0 ? fmin(1, t / mean) : 1;
        machine_sleep(&machine, t < refresh ? t : refresh);
        snprintf(text, sizeof text, "%.0f", 1e6 * (100 + 100 * share) + 1e3 * t);
        tree_put(root, H "hwmon0/power1_average", text);
    }
    machine_sleep(&machine, seconds - 1e-9 * (double)(machine.fake.time_ns - probe->begin_ns));
    tm_probe_stop(probe, window);
    return &window->values[0];
}

static void test_a_late_meter_has_a_bound_or_no_value(void **state)
{
    (void)state;
    static const struct {
        double mean, refresh, seconds;
        const char *reason; /* NULL: measured */
    } rows[] = {
        {0, 0.1, 2, NULL},
        {0, 1, 20, NULL},
        {1, 1, 10, NULL},
        {2, 0.5, 30, NULL},
        {0, 1, 2, "has a new value every"},
        {0, 3, 4, "has a new value every"},
        {1, 0.1, 2, "is a mean over 1 s, more than a tenth of the window"},
        {300, 1, 10, "use --energy-seconds 3000"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe_window window;
        const tm_probe_value *v =
            measure_late(rows[i].mean, rows[i].refresh, rows[i].seconds, &window);
        if (rows[i].reason) {
            assert_not_measured(v, TM_PROBE_INVALID, rows[i].reason);
        } else {
            assert_measured(v);
            if (!(fabs(v->value - 200 * window.seconds) <= v->error_bound))
                fail_msg("row %zu: %g J, truth %g J, bound %g J", i, v->value, 200 * window.seconds,
                         v->error_bound);
        }
        assert_true(tm_probe_lag_seconds(machine.probe) >= rows[i].mean);
        machine_close(&machine);
    }
}

/* A meter of 10 W that shows 50 W from rise_ns on, as a mean over `mean` seconds, once per period.
 * No file tells its times. */
static struct {
    const char *root;
    double mean, period;
    int64_t rise_ns, shown_ns;
    bool toggles; /* before the rise its value changes at each period */
} silent;

static void show_silent(fake_clock *fake)
{
    char text[32];
    int64_t period = (int64_t)(1e9 * silent.period), now = fake->time_ns / period * period;
    if (now == silent.shown_ns) return;
    silent.shown_ns = now;
    double since = 1e-9 * (double)(now - silent.rise_ns);
    double share = since < 0 ? 0 : silent.mean > 0 ? fmin(1, since / silent.mean) : 1;
    double watts = 10 + 40 * share;
    if (silent.toggles && since < 0 && now / period % 2) watts += 1;
    snprintf(text, sizeof text, "%.0f", 1e6 * watts);
    tree_put(silent.root, H "hwmon0/power1_input", text);
}

/* The power rises `settled` seconds before the window. */
static const tm_probe_value *measure_silent(double mean, double period, bool toggles,
                                            double settled, double seconds, tm_probe_window *window)
{
    machine_init(&machine);
    silent.root = scratch_path("silent");
    silent.mean = mean, silent.period = period, silent.toggles = toggles;
    silent.rise_ns = INT64_MAX, silent.shown_ns = -1;
    machine.fake.on_sleep = show_silent;
    tree_put(silent.root, H "hwmon0/name", "macsmc_hwmon");
    show_silent(&machine.fake);
    machine_open(&machine, "hwmon", &(tm_probe_options){.root = silent.root});
    silent.rise_ns = machine.fake.time_ns;
    machine_sleep(&machine, settled);
    machine_measure(&machine, seconds, window);
    return &window->values[0];
}

static void test_a_meter_of_unknown_times_has_a_bound_or_no_value(void **state)
{
    (void)state;
    static const struct {
        double mean, period;
        bool toggles;
        double settled, seconds;
        const char *reason; /* NULL: measured */
    } rows[] = {
        /* Constant in the window: its period must be known from its opening. */
        {0, 0.05, true, 1, 2, NULL},
        {0, 1, true, 2, 12, NULL},
        {0, 1, true, 0.4, 2, "has a new value every"},
        {0, 1, true, 0, 0.5 + 1, "has a new value every"},
        {0, 0.05, false, 1, 2, "stayed at 50 W for the whole window"},
        /* A mean shows as a ramp. */
        {2, 0.05, true, 0, 10, NULL},
        {4, 0.05, true, 1, 10, NULL},
        {9, 0.05, true, 1, 10, "rose steadily by"},
        {30, 0.05, true, 1, 10, "rose steadily by"},
        {300, 0.05, true, 1, 10, "rose steadily by"},
        {30, 1, true, 2, 10, "rose steadily by"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_probe_window window;
        const tm_probe_value *v = measure_silent(rows[i].mean, rows[i].period, rows[i].toggles,
                                                 rows[i].settled, rows[i].seconds, &window);
        if (rows[i].reason) {
            assert_not_measured(v, TM_PROBE_INVALID, rows[i].reason);
        } else {
            assert_measured(v);
            double truth = 50 * window.seconds;
            if (!(fabs(v->value - truth) <= v->error_bound))
                fail_msg("row %zu: %g J, truth %g J, bound %g J", i, v->value, truth,
                         v->error_bound);
        }
        machine_close(&machine);
    }
}

/* The length of the windows is known when the source is chosen. */
static void test_a_mean_over_a_long_time_is_refused(void **state)
{
    (void)state;
    const char *root = scratch_path("minutes");
    tm_probe_health health;
    tm_probe *probe;
    tm_error err = {0};
    tree_put(root, H "hwmon0/name", "power_meter");
    tree_put(root, H "hwmon0/power1_average", "100000000");
    tree_put(root, H "hwmon0/power1_average_interval", "300000");
    machine_init(&machine);
    tm_probe_options options = {.root = root, .clock = &machine.clock, .window_seconds = 10};
    assert_int_equal(tm_probe_open("hwmon", &options, &probe, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_INVALID);
    assert_says(health.reason, "is a mean over 300 s");
    options.window_seconds = 3000;
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    tm_probe_close(probe);
}

/* Its period is measured on opening; its bound is the power during one period. */
static void test_the_bound_includes_a_slow_counters_period(void **state)
{
    (void)state;
    static const double periods[] = {0.2, 0.4, 1};
    const char *root = scratch_path("period");
    tree_put(root, H "hwmon0/name", "scmi_sensors");
    tree_put(root, H "hwmon0/energy1_input", "5");
    for (int i = 0; i < 3; i++) {
        tm_probe_window window;
        machine_init(&machine);
        tree_meter meter = {.root = root,
                            .paths = {H "hwmon0/energy1_input"},
                            .watts = {50},
                            .range = {UINT64_MAX},
                            .period_seconds = periods[i]};
        machine.meter = &meter;
        machine_open(&machine, "hwmon", &(tm_probe_options){.root = root, .trace_hz = 4});
        for (int k = 0; k < 5; k++) {
            machine_measure(&machine, 2.47, &window);
            const tm_probe_value *v = &window.values[0];
            assert_measured(v);
            if (!(fabs(v->value - 50 * window.seconds) <= v->error_bound))
                fail_msg("%g J, truth %g J, bound %g J", v->value, 50 * window.seconds,
                         v->error_bound);
            assert_true(v->error_bound >= 50 * periods[i]);
        }
        machine_close(&machine);
    }
}

static tm_status choose_auto(const char *root, tm_energy_source_choice *choice)
{
    tm_energy_source_options options;
    tm_error err = {0};
    tm_energy_source_init(&options);
    snprintf(options.source, sizeof options.source, "auto");
    snprintf(options.root, sizeof options.root, "%s", root);
    return tm_energy_source_choose(&options, choice, &err);
}

/* A pump's power is not the machine's: it is measured only if the user names the source. */
static void test_auto_takes_no_other_device(void **state)
{
    (void)state;
    static tm_energy_source_choice choice;
    const char *root = scratch_path("pump");
    tree_put(root, H "hwmon0/name", "d5next");
    tree_put(root, H "hwmon0/power1_input", "4000000");
    tree_put(root, H "hwmon0/power1_label", "Pump power");
    assert_int_equal(choose_auto(root, &choice), TM_OK);
    assert_string_equal(choice.source, "");
    assert_says(choice.missing, "rail Pump power may measure something other");
    tree_put(root, H "hwmon1/name", "ibmpowernv");
    tree_put(root, H "hwmon1/power1_input", "90000000");
    tree_put(root, H "hwmon1/power1_label", "Chip 0");
    tree_put(root, H "hwmon1/power2_input", "190000000");
    tree_put(root, H "hwmon1/power2_label", "System");
    assert_int_equal(choose_auto(root, &choice), TM_OK);
    assert_string_equal(choice.source, "hwmon");
    assert_string_equal(choice.scope, "rail System");
}

/* Two meters of "the whole machine" are never added, and a battery is none. */
static void test_several_system_meters_are_not_added(void **state)
{
    (void)state;
    const char *root = scratch_path("systems");
    tree_put(root, H "hwmon0/name", "power_meter");
    tree_put(root, H "hwmon0/power1_average", "90000000");
    tree_put(root, H "hwmon1/name", "power_meter");
    tree_put(root, H "hwmon1/power1_average", "80000000");
    tree_put(root, H "hwmon2/name", "power_meter");
    tree_put(root, H "hwmon2/power1_average", "7000000");
    tree_put(root, H "hwmon2/power1_is_battery", "1");
    assert_channels(root, "power_meter power1=rail power_meter power1 integrated; power_meter "
                          "power1 hwmon1=rail power_meter power1 hwmon1 integrated");
}

static void test_too_few_samples_are_invalid(void **state)
{
    (void)state;
    tm_probe_window window;
    open_hwmon(make_jetson(), 1);
    machine_measure(&machine, 1.05, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "only 3 samples of VDD_IN");
    machine_close(&machine);
}

static void test_energy_before_average_before_input(void **state)
{
    (void)state;
    const char *root = scratch_path("order");
    tree_put(root, H "hwmon0/name", "nvme"); /* measures something else */
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
    root = scratch_path("superio"); /* has voltages and currents, but they are not pairs */
    tree_put(root, H "hwmon0/name", "nct6775");
    tree_put(root, H "hwmon0/in1_input", "1000");
    tree_put(root, H "hwmon0/curr1_input", "1000");
    tm_probe_health health;
    tm_error err = {0};
    assert_int_equal(try_open(root, &health, &err), TM_UNSUPPORTED);
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
    machine_init(&machine);
    machine.meter = &m;
    machine_open(&machine, "hwmon", &(tm_probe_options){.root = root});
    assert_int_equal(tm_probe_n_channels(machine.probe), 20);
    tm_probe_window window;
    tm_probe_value sum;
    machine_measure(&machine, 1.05, &window);
    tm_probe_sum(&window, "package", &sum);
    assert_measured(&sum);
    assert_close(sum.value, 100 * 1.05);
    machine_close(&machine);
}

static void test_a_rail_that_vanishes_or_is_negative(void **state)
{
    (void)state;
    const char *root = make_jetson();
    char path[160];
    tm_probe_window window;
    tm_probe *probe = open_hwmon(root, 20);
    tm_probe_start(probe);
    machine_sleep(&machine, 0.5);
    snprintf(path, sizeof path, "%s/" H "hwmon3/curr1_input", root);
    assert_int_equal(remove(path), 0);
    tree_put(root, H "hwmon3/curr2_input", "-12");
    machine_sleep(&machine, 0.6);
    tm_probe_stop(probe, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "No such file");
    assert_not_measured(&window.values[1], TM_PROBE_INVALID, "-12");
    assert_measured(&window.values[2]);
    machine_close(&machine);
}

static void test_a_rail_at_zero_is_stuck(void **state)
{
    (void)state;
    const char *root = scratch_path("zero");
    tm_probe_health health;
    tm_error err = {0};
    tree_put(root, H "hwmon0/name", "ina226");
    tree_put(root, H "hwmon0/power1_input", "0");
    assert_int_equal(try_open(root, &health, &err), TM_UNSUPPORTED);
    assert_int_equal(health.state, TM_PROBE_STUCK);
    assert_says(err.message, "reads 0 W");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_jetson_pairs_voltage_with_current),
        cmocka_unit_test(test_a_step_of_power_is_within_the_bound),
        cmocka_unit_test(test_a_late_meter_has_a_bound_or_no_value),
        cmocka_unit_test(test_a_meter_of_unknown_times_has_a_bound_or_no_value),
        cmocka_unit_test(test_a_mean_over_a_long_time_is_refused),
        cmocka_unit_test(test_the_bound_includes_a_slow_counters_period),
        cmocka_unit_test(test_auto_takes_no_other_device),
        cmocka_unit_test(test_several_system_meters_are_not_added),
        cmocka_unit_test(test_too_few_samples_are_invalid),
        cmocka_unit_test(test_energy_before_average_before_input),
        cmocka_unit_test(test_amd_energy_cores_are_not_packages),
        cmocka_unit_test(test_a_rail_that_vanishes_or_is_negative),
        cmocka_unit_test(test_a_rail_at_zero_is_stuck),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
