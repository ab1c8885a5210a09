/* The conditions of samples on test trees: what is read, what marks a sample, what is missing. */
#include "harness/measure/sample_conditions.h"

#include "harness/measure/bench.h"
#include "tests/harness/probe/energy_tree.h"

#define C "sys/devices/system/cpu/"

static const char *root;
static tm_sample_conditions conditions;
static tm_sample_condition before, after;
static tm_record record;

static void put(const char *path, const char *text)
{
    tree_put(root, path, text);
}

static void put_cpu(int cpu, const char *file, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, C "cpu%d/%s", cpu, file);
    put(path, text);
}

/* Two CPUs at 3.0 and 3.2 GHz, their throttle counters, coretemp, and other sensors. */
static void make_machine(const char *name)
{
    root = scratch_path(name);
    put("proc/loadavg", "1.25 0.80 0.50 2/345 6789");
    put_cpu(0, "cpufreq/scaling_cur_freq", "3000000");
    put_cpu(1, "cpufreq/scaling_cur_freq", "3200000");
    put_cpu(0, "thermal_throttle/core_throttle_count", "5");
    put_cpu(0, "thermal_throttle/package_throttle_count", "7");
    put_cpu(1, "thermal_throttle/core_throttle_count", "0");
    put_cpu(1, "thermal_throttle/package_throttle_count", "7");
    put("sys/class/hwmon/hwmon0/name", "nvme");
    put("sys/class/hwmon/hwmon0/temp1_input", "88000");
    put("sys/class/hwmon/hwmon2/name", "coretemp");
    put("sys/class/hwmon/hwmon2/temp1_input", "51000");
    put("sys/class/hwmon/hwmon2/temp3_input", "49500");
    put("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp");
    put("sys/class/thermal/thermal_zone0/temp", "60000");
}

static void open_pinned(void)
{
    static const int cpus[] = {0, 1};
    tm_sample_conditions_open(root, cpus, 2, &conditions);
}

static const char *region_marks(void)
{
    tm_sample_conditions_read(&conditions, &after);
    memset(&record, 0, sizeof record);
    tm_sample_conditions_put(&conditions, &before, &after, &record);
    return record.marks;
}

static void test_all_conditions_are_read(void **state)
{
    (void)state;
    make_machine("machine");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    assert_true(before.frequency_hz.value == 3.1e9);
    assert_true(before.throttle_events.value == 5 + 7 + 0 + 7);
    assert_true(before.temperature_celsius.value == 51);
    assert_true(before.load_average.value == 1.25);
    put("sys/class/hwmon/hwmon2/temp3_input", "58000");
    assert_string_equal(region_marks(), "");
    assert_true(record.sample.temperature_before_celsius.value == 51);
    assert_true(record.sample.temperature_after_celsius.value == 58);
    assert_true(record.sample.throttle_events.value == 0);
    assert_true(record.sample.load_average.value == 1.25);
    /* The kernel's mean is preferred. */
    put_cpu(0, "cpufreq/cpuinfo_avg_freq", "2000000");
    put_cpu(1, "cpufreq/cpuinfo_avg_freq", "2000000");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    assert_true(before.frequency_hz.value == 2e9);
}

static void test_a_drop_of_the_clock_marks_the_sample(void **state)
{
    (void)state;
    make_machine("clock");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    put_cpu(0, "cpufreq/scaling_cur_freq", "2950000"); /* 1 %: two readings may differ by that */
    assert_string_equal(region_marks(), "");
    put_cpu(0, "cpufreq/scaling_cur_freq", "2400000");
    put_cpu(1, "cpufreq/scaling_cur_freq", "2400000");
    assert_string_equal(region_marks(), "the clock fell by 23 % during the region");
    assert_true(record.sample.frequency_before_hz.value == 3.1e9);
    assert_true(record.sample.frequency_after_hz.value == 2.4e9);
    /* It stays low: only the comparison with the first region shows it. */
    tm_sample_conditions_read(&conditions, &before);
    assert_string_equal(region_marks(), "the clock was 22 % below that of the first repetition");
}

/* Other programs' use of the pinned CPUs marks a sample; an earlier load average does not. */
static void test_time_of_others_marks_the_sample(void **state)
{
    (void)state;
    make_machine("others");
    put("proc/loadavg", "9.00 0.80 0.50 2/345 6789");
    put("proc/stat", "cpu  300 0 0 900 0 0 0 0 0 0\ncpu0 100 0 0 300 0 0 0 5 0 0\n"
                     "cpu1 100 0 0 300 0 0 0 0 0 0\ncpu10 100 0 0 300 0 0 0 0 0 0");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    assert_string_equal(region_marks(), "");
    /* Two ticks are less than the kernel's clock can tell. */
    put("proc/stat", "cpu0 101 0 0 300 0 0 0 6 0 0\ncpu1 101 0 0 300 0 0 0 1 0 0\n"
                     "cpu10 900 0 0 300 0 0 0 0 0 0");
    assert_string_equal(region_marks(), "");
    put("proc/stat", "cpu0 150 0 50 300 0 0 0 5 0 0\ncpu1 150 0 50 300 0 0 0 0 0 0");
    assert_says(region_marks(), "other processes took 2 s");
    put("proc/stat", "cpu0 100 0 0 300 0 0 0 105 0 0\ncpu1 100 0 0 300 0 0 0 0 0 0");
    assert_says(region_marks(), "the hypervisor took 1 s");
}

static void test_a_quota_that_stops_the_process_marks_the_sample(void **state)
{
    (void)state;
    make_machine("quota");
    put("proc/self/cgroup", "0::/box");
    put("sys/fs/cgroup/box/cpu.max", "50000 100000");
    put("sys/fs/cgroup/box/cpu.stat", "usage_usec 10\nnr_periods 20\nnr_throttled 7");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    assert_string_equal(region_marks(), "");
    put("sys/fs/cgroup/box/cpu.stat", "usage_usec 10\nnr_periods 30\nnr_throttled 11");
    assert_string_equal(region_marks(),
                        "the control group's CPU quota stopped the process in 4 periods");
}

static void test_throttling_marks_the_sample(void **state)
{
    (void)state;
    make_machine("hot");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    put_cpu(1, "thermal_throttle/core_throttle_count", "2");
    put_cpu(1, "thermal_throttle/package_throttle_count", "8");
    assert_string_equal(region_marks(), "the processor was thermally throttled 3 times");
    assert_true(record.sample.throttle_events.value == 3);
}

/* The flags are those of now and, shifted by 16 bits, those since boot. */
static void test_a_raspberry_pi_that_is_held_back_marks_the_sample(void **state)
{
    (void)state;
    const char *flags = "sys/devices/platform/soc/soc:firmware/get_throttled";
    make_machine("pi");
    put(flags, "50000");
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    assert_string_equal(region_marks(), ""); /* held back since boot, but not during the region */
    put(flags, "50001");
    assert_string_equal(region_marks(), "the firmware reports under-voltage");
    put(flags, "50000");
    tm_sample_conditions_read(&conditions, &before);
    put(flags, "d0000"); /* between the two readings, for the first time */
    assert_string_equal(region_marks(), "the firmware reports soft temperature limit");
}

static void test_missing_conditions_have_a_reason(void **state)
{
    (void)state;
    static const int cpus[] = {0};
    root = scratch_path("bare");
    put("proc/version", "Linux");
    tm_sample_conditions_open(root, cpus, 1, &conditions);
    tm_sample_conditions_read(&conditions, &before);
    assert_string_equal(region_marks(), "");
    assert_true(isnan(record.sample.frequency_after_hz.value) &&
                isnan(record.sample.throttle_events.value));
    assert_says(record.sample.frequency_before_hz.missing, "cpu0/cpufreq has no frequency");
    assert_says(record.sample.throttle_events.missing, "thermal_throttle does not exist");
    assert_says(record.sample.temperature_after_celsius.missing, "has a processor sensor");
    assert_says(record.sample.load_average.missing, "/proc/loadavg");
    make_machine("unpinned");
    tm_sample_conditions_open(root, NULL, 0, &conditions);
    tm_sample_conditions_read(&conditions, &before);
    assert_says(before.frequency_hz.missing, "not pinned");
    assert_says(before.throttle_events.missing, "not pinned");
    assert_true(before.temperature_celsius.value == 51);
    /* A file that vanishes or holds no number makes the value missing and keeps the sample. */
    open_pinned();
    tm_sample_conditions_read(&conditions, &before);
    put_cpu(1, "cpufreq/scaling_cur_freq", "fast");
    put_cpu(1, "thermal_throttle/core_throttle_count", "");
    put("sys/class/hwmon/hwmon2/temp1_input", "N/A");
    put("sys/class/hwmon/hwmon2/temp3_input", "N/A");
    assert_string_equal(region_marks(), "");
    assert_says(record.sample.frequency_after_hz.missing,
                "cpu1/cpufreq/scaling_cur_freq is not readable");
    assert_true(record.sample.frequency_before_hz.value == 3.1e9);
    assert_says(record.sample.throttle_events.missing, "cpu1/thermal_throttle");
    assert_says(record.sample.temperature_after_celsius.missing, "no longer readable");
}

static void test_thermal_zones_without_hwmon(void **state)
{
    (void)state;
    root = scratch_path("board");
    put("sys/class/thermal/thermal_zone0/type", "GPU-therm");
    put("sys/class/thermal/thermal_zone0/temp", "70000");
    put("sys/class/thermal/thermal_zone1/type", "CPU-therm");
    put("sys/class/thermal/thermal_zone1/temp", "-2500");
    tm_sample_conditions_open(root, NULL, 0, &conditions);
    tm_sample_conditions_read(&conditions, &before);
    assert_true(before.temperature_celsius.value == -2.5);
    put("sys/class/thermal/thermal_zone1/type", "acpitz");
    tm_sample_conditions_open(root, NULL, 0, &conditions);
    tm_sample_conditions_read(&conditions, &before);
    assert_true(before.temperature_celsius.value == 70);
}

/* On this machine every condition has a value or a reason. */
static void test_this_machine(void **state)
{
    (void)state;
    static const int cpus[] = {0};
    tm_sample_conditions_open("/", cpus, 1, &conditions);
    tm_sample_conditions_read(&conditions, &before);
    (void)region_marks();
    const tm_measured *figures[] = {
        &record.sample.frequency_before_hz,       &record.sample.frequency_after_hz,
        &record.sample.throttle_events,           &record.sample.temperature_before_celsius,
        &record.sample.temperature_after_celsius, &record.sample.load_average};
    for (int i = 0; i < 6; i++)
        assert_true(isnan(figures[i]->value) == (figures[i]->missing[0] != 0));
    assert_true(access("/proc/loadavg", R_OK) != 0 || record.sample.load_average.value >= 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_conditions_are_read),
        cmocka_unit_test(test_a_drop_of_the_clock_marks_the_sample),
        cmocka_unit_test(test_time_of_others_marks_the_sample),
        cmocka_unit_test(test_a_quota_that_stops_the_process_marks_the_sample),
        cmocka_unit_test(test_throttling_marks_the_sample),
        cmocka_unit_test(test_a_raspberry_pi_that_is_held_back_marks_the_sample),
        cmocka_unit_test(test_missing_conditions_have_a_reason),
        cmocka_unit_test(test_thermal_zones_without_hwmon),
        cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
