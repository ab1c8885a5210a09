/* Checks the doctor's lines on recorded machines, and on this machine against /proc and /sys. */
#include "harness/doctor/doctor.h"
#include "harness/base/sysfs.h"
#include "tests/harness/probe/fake_machine.h"

#define MACHINES "tests/harness/machine/machines/"

static tm_doctor doctor;

static void examine(const char *root)
{
    tm_error err = {0};
    tm_doctor_options options = {.root = root, .spin_seconds = 0.05, .bandwidth_seconds = 0.02};
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
}

static const tm_doctor_line *line_of(const char *name)
{
    for (int i = 0; i < doctor.n_lines; i++)
        if (strcmp(doctor.lines[i].name, name) == 0) return &doctor.lines[i];
    fail_msg("no line \"%s\"", name);
    return &doctor.lines[0];
}

static void assert_line(const char *name, const char *status, const char *value)
{
    const tm_doctor_line *line = line_of(name);
    if (strcmp(tm_doctor_status_text(line->status), status) != 0 || strcmp(line->value, value) != 0)
        fail_msg("%s: %s \"%s\" (%s); expected %s \"%s\"", name,
                 tm_doctor_status_text(line->status), line->value, line->detail, status, value);
}

static void test_laptop(void **state)
{
    (void)state;
    examine(MACHINES "laptop");
    assert_line("cpu", "ok", "11th Gen Intel(R) Core(TM) i5-1145G7 @ 2.60GHz");
    assert_line("governor", "warn", "powersave");
    assert_says(line_of("governor")->fix, "cpupower frequency-set -g performance");
    assert_line("turbo", "warn", "on");
    assert_says(line_of("turbo")->fix, "intel_pstate/no_turbo");
    assert_line("smt", "warn", "on");
    assert_line("load_average", "warn", "0.52"); /* of 4 CPUs */
    assert_line("transparent_huge_pages", "ok", "madvise");
    assert_line("memory", "ok", "8.8 GiB available of 15 GiB");
    assert_line("virtual_machine", "ok", "no");
    assert_line("isa", "missing", "");
    assert_line("energy powercap", "missing", "missing");
    assert_line("energy", "missing", "not measurable");
    assert_line("counters hardware", "missing", "");
    assert_says(line_of("counters hardware")->detail, "recorded machine");
    static const char *const live[] = {"papi", "papi powercap", "libsensors", "memory_bandwidth"};
    for (int i = 0; i < 4; i++) {
        assert_line(live[i], "missing", "");
        assert_says(line_of(live[i])->detail, "recorded machine");
    }
    assert_line("clock", "missing", "");
}

static void test_container(void **state)
{
    (void)state;
    examine(MACHINES "container");
    assert_line("virtual_machine", "warn", "yes");
    assert_line("cgroup_memory", "ok", "2.0 GiB, 1.2 GiB left");
    assert_line("cgroup_cpu", "warn", "1.5 CPUs' worth of time");
    assert_line("steal_percent_since_boot", "warn", "10");
    assert_line("turbo", "ok", "off");
    assert_line("governor", "missing", "");
    assert_says(line_of("governor")->detail, "not readable");
    assert_line("caches", "missing", "");
}

static void test_synthetic_machine(void **state)
{
    (void)state;
    const char *root = scratch_path("made");
    tree_put(root, "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sgx avx2");
    tree_put(root, "proc/sys/kernel/randomize_va_space", "0");
    tree_put(root, "proc/sys/kernel/perf_event_paranoid", "4");
    tree_put(root, "sys/devices/system/cpu/isolated", "2-3");
    tree_put(root, "sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet");
    tree_put(root, "sys/class/thermal/thermal_zone0/temp", "41000");
    tree_put(root, "sys/class/thermal/thermal_zone0/type", "acpitz");
    tree_put(root, "sys/class/thermal/thermal_zone1/temp", "97000");
    tree_put(root, "sys/class/thermal/thermal_zone1/type", "x86_pkg_temp");
    tree_put(root, "sys/class/power_supply/AC/type", "Mains");
    tree_put(root, "sys/class/power_supply/AC/online", "0");
    tree_put(root, "sys/class/power_supply/BAT0/type", "Battery");
    tree_put(root, "sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", "2600000");
    tree_put(root, "sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "3");
    examine(root);
    assert_line("clock", "ok", "2.60 GHz now, mean of 1 CPUs");
    assert_line("throttling", "warn", "3 events since boot");
    assert_line("temperature", "ok", "97.0 C, the hottest of 1 sensors");
    assert_line("thermal", "ok", "97.0 C (x86_pkg_temp, hottest of 2)");
    assert_line("power_supply", "warn", "battery");
    assert_line("aslr", "warn", "0");
    assert_line("perf_event_paranoid", "warn", "4");
    assert_line("isolated_cpus", "ok", "2-3");
    assert_line("clock_source", "warn", "hpet");
    assert_line("microcode", "missing", "");
    tree_put(root, "sys/class/thermal/thermal_zone1/trip_point_0_type", "passive");
    tree_put(root, "sys/class/thermal/thermal_zone1/trip_point_0_temp", "95000");
    examine(root);
    assert_line("thermal", "warn", "97.0 C (x86_pkg_temp, hottest of 2)");
}

static void test_energy_lines(void **state)
{
    (void)state;
    const char *root = scratch_path("energy");
    tree_put(root, "proc/cpuinfo", "processor\t: 0\nflags\t\t: fpu sgx avx2");
    tree_zone(root, "intel-rapl:0", "package-0", "7", "262143328850");
    examine(root);
    assert_line("energy powercap", "missing", "stuck");
    assert_says(line_of("energy powercap")->detail, "package-0 stayed at 7");
    assert_line("energy", "missing", "not measurable");
    tree_zone(root, "intel-rapl:0:0", "dram", "7", "262143328850");
    tree_meter meter = {.root = root,
                        .paths = {"sys/class/powercap/intel-rapl:0/energy_uj"},
                        .watts = {30},
                        .range = {262143328850}};
    fake_machine m;
    machine_init(&m);
    m.meter = &meter;
    tm_error err = {0};
    tm_doctor_options options = {.root = root, .spin_seconds = 0.05, .clock = &m.clock};
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    assert_line("energy powercap", "warn", "package-0");
    assert_says(line_of("energy powercap")->detail, "dram package-0 stayed at 7");
    assert_line("energy", "ok", "measurable");
    char path[128];
    snprintf(path, sizeof path, "%s/sys/class/powercap/intel-rapl:0:0/name", root);
    assert_int_equal(remove(path), 0);
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    assert_line("energy powercap", "warn", "package-0");
    assert_says(line_of("energy powercap")->detail, "SGX");
}

/* PAPI's powercap component is compared with powercap itself; results never use it. */
static void test_papi_is_compared_with_powercap(void **state)
{
    (void)state;
    tm_error err = {0};
    const char *root = scratch_path("papi");
    tree_put(root, "proc/cpuinfo", "processor\t: 0");
    tree_zone(root, "intel-rapl:0", "package-0", "7", "262143328850");
    tree_meter meter = {.root = root,
                        .paths = {"sys/class/powercap/intel-rapl:0/energy_uj"},
                        .watts = {30},
                        .range = {262143328850}};
    fake_machine m;
    machine_init(&m);
    tm_doctor_options options = {
        .root = root, .spin_seconds = 0.05, .papi_library = fake_papi_path(), .clock = &m.clock};
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    assert_says(line_of("papi")->value, ", 2 of 3 preset events");
    assert_int_equal(line_of("papi")->status, TM_DOCTOR_OK);
    assert_line("papi powercap", "missing", "");
    assert_says(line_of("papi powercap")->detail, "was built without its component powercap");
    setenv("FAKE_PAPI", "powercap", 1);
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    assert_says(line_of("papi powercap")->detail, "nothing to compare it with: powercap: package-0 "
                                                  "stayed at 7");
    m.meter = &meter;
    setenv("FAKE_PAPI_JOULES", "31.5", 1); /* 30 W for 1.05 s */
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    assert_line("papi powercap", "ok", "31.5 J of package-0; powercap 31.5 J");
    setenv("FAKE_PAPI_JOULES", "63", 1);
    assert_ok(tm_doctor_read(&options, &doctor, &err), err);
    unsetenv("FAKE_PAPI_JOULES");
    unsetenv("FAKE_PAPI");
    assert_int_equal(line_of("papi powercap")->status, TM_DOCTOR_WARN);
    assert_says(line_of("papi powercap")->detail, "results use powercap");
}

/* Reads the values by other means than the doctor. */
static void test_this_machine(void **state)
{
    (void)state;
    char text[200], expected[220];
    examine("/");
    FILE *f = popen("getconf _NPROCESSORS_ONLN", "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    pclose(f);
    snprintf(expected, sizeof expected, "%d in the machine", atoi(text));
    assert_says(line_of("cpus")->value, expected);
    static const struct {
        const char *name, *path;
    } rows[] = {{"perf_event_paranoid", "/proc/sys/kernel/perf_event_paranoid"},
                {"aslr", "/proc/sys/kernel/randomize_va_space"},
                {"kernel", "/proc/sys/kernel/osrelease"}};
    for (int i = 0; i < 3; i++) {
        f = fopen(rows[i].path, "r");
        if (!f) continue;
        assert_non_null(fgets(text, sizeof text, f));
        fclose(f);
        text[strcspn(text, "\n")] = 0;
        assert_string_equal(line_of(rows[i].name)->value, text);
    }
    assert_int_equal(line_of("memory_bandwidth")->status == TM_DOCTOR_MISSING, 0);
    assert_true(atof(line_of("memory_bandwidth")->value) > 0.1);
    for (int i = 0; i < doctor.n_lines; i++) {
        const tm_doctor_line *line = &doctor.lines[i];
        if (line->status == TM_DOCTOR_OK && !line->value[0])
            fail_msg("%s: status ok without a value", line->name);
        if (line->status != TM_DOCTOR_OK && !line->detail[0])
            fail_msg("%s: no reason given", line->name);
    }
}

static void test_json(void **state)
{
    (void)state;
    examine(MACHINES "container");
    tm_json *json = tm_doctor_to_json(&doctor);
    assert_int_equal(tm_json_count(json), doctor.n_lines);
    for (int i = 0; i < doctor.n_lines; i++) {
        const tm_json *row = tm_json_at(json, i);
        bool missing = !doctor.lines[i].value[0];
        assert_string_equal(tm_json_text(tm_json_get(row, "name"), ""), doctor.lines[i].name);
        assert_true(tm_json_is_string(tm_json_get(row, "detail")));
        assert_true(tm_json_is_string(tm_json_get(row, "fix")));
        assert_int_equal(tm_json_is_null(tm_json_get(row, "value")), missing);
        assert_int_equal(tm_json_is_string(tm_json_get(row, "value_missing")), missing);
    }
    tm_json_free(json);
}

static void test_root_without_machine_is_an_error(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_doctor_options options = {.root = scratch_path("none")};
    assert_int_equal(tm_doctor_read(&options, &doctor, &err), TM_IO);
    assert_says(err.message, "proc/cpuinfo");
}

static void test_a_line_without_room_is_an_error(void **state)
{
    (void)state;
    static tm_doctor full;
    tm_error err = {0};
    for (int i = 0; i < TM_DOCTOR_LINES_MAX; i++) {
        char name[16];
        snprintf(name, sizeof name, "line %d", i);
        tm_doctor_ok(tm_doctor_add(&full, name), "yes");
    }
    assert_ok(tm_doctor_check(&full, &err), err);
    tm_doctor_missing(tm_doctor_add(&full, "one more"), "", "no");
    assert_string_equal(full.lines[TM_DOCTOR_LINES_MAX - 1].name, "line 63");
    assert_int_equal(tm_doctor_check(&full, &err), TM_UNSUPPORTED);
    assert_says(err.message, "65 lines exceed the limit of 64");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laptop),
        cmocka_unit_test(test_container),
        cmocka_unit_test(test_synthetic_machine),
        cmocka_unit_test(test_energy_lines),
        cmocka_unit_test(test_papi_is_compared_with_powercap),
        cmocka_unit_test(test_this_machine),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_root_without_machine_is_an_error),
        cmocka_unit_test(test_a_line_without_room_is_an_error),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
