/* Which CPUs a choice stands for, on a hybrid machine that hwloc reads from a recorded tree. */
#include "harness/machine/cpu_choice.h"
#include "tests/harness/scratch.h"

#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define N_CPUS 20

static char root[300];

static void put(const char *path, const char *text)
{
    char whole[600];
    snprintf(whole, sizeof whole, "%s/%s", root, path);
    for (char *slash = strchr(whole + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = 0;
        mkdir(whole, 0777);
        *slash = '/';
    }
    FILE *out = fopen(whole, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
}

/* A Core i7-1370P: CPUs 0-11 are the threads of 6 performance cores, 12-19 efficiency cores.
 * Source: the record tests/harness/doctor/machines/intel-i7-1370p, with the clocks of Intel's data
 * sheet, by which hwloc ranks kinds. CPU 19 is offline here. */
static int make_hybrid(void **state)
{
    if (scratch_make(state) != 0) return -1;
    snprintf(root, sizeof root, "%s", scratch_path("hybrid"));
    put("sys/devices/system/cpu/present", "0-19\n");
    put("sys/devices/system/cpu/online", "0-18\n");
    put("proc/self/status", "Name:\ttest\nCpus_allowed_list:\t0-17\n");
    for (int cpu = 0; cpu < N_CPUS - 1; cpu++) {
        char path[100], text[40];
        int core = cpu < 12 ? cpu / 2 : cpu - 6;
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_id", cpu);
        snprintf(text, sizeof text, "%d\n", core);
        put(path, text);
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/physical_package_id",
                 cpu);
        put(path, "0\n");
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/package_cpus", cpu);
        put(path, "7ffff\n");
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/topology/core_cpus", cpu);
        snprintf(text, sizeof text, "%x\n", cpu < 12 ? 3u << (cpu / 2 * 2) : 1u << cpu);
        put(path, text);
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/cpuinfo_max_freq", cpu);
        put(path, cpu < 12 ? "5200000\n" : "3900000\n");
        snprintf(path, sizeof path, "sys/devices/system/cpu/cpu%d/cpufreq/base_frequency", cpu);
        put(path, cpu < 12 ? "1900000\n" : "1400000\n");
    }
    return setenv("HWLOC_FSROOT", root, 1);
}

static int use_this_machine(void **state)
{
    return unsetenv("HWLOC_FSROOT") == 0 ? scratch_remove(state) : -1;
}

/* What a process that may use CPUs 0-17 sees. */
static void open_usable(tm_topology *out)
{
    int cpus[18];
    tm_error err = {0};
    for (int i = 0; i < 18; i++) cpus[i] = i;
    assert_ok(tm_topology_of(cpus, 18, out, &err), err);
}

static void expect(const char *text, const char *cpus, int n_cores)
{
    tm_topology usable;
    tm_cpu_choice choice;
    tm_error err = {0};
    char got[200] = "";
    open_usable(&usable);
    assert_ok(tm_cpu_choice_find(root, &usable, text, &choice, &err), err);
    for (int i = 0; i < choice.n_cpus; i++)
        snprintf(got + strlen(got), sizeof got - strlen(got), "%s%d", i ? " " : "", choice.cpus[i]);
    assert_string_equal(got, cpus);
    assert_int_equal(choice.n_cores, n_cores);
    tm_cpu_choice_close(&choice);
    tm_topology_close(&usable);
}

static void expect_error(const char *text, tm_status status, const char *part)
{
    tm_topology usable;
    tm_cpu_choice choice;
    tm_error err = {0};
    open_usable(&usable);
    assert_int_equal(tm_cpu_choice_find(root, &usable, text, &choice, &err), status);
    if (!strstr(err.message, part)) fail_msg("\"%s\" is not in: %s", part, err.message);
    assert_null(choice.cpus);
    tm_topology_close(&usable);
}

static void test_kinds_and_lists(void **state)
{
    (void)state;
    expect("performance", "0 1 2 3 4 5 6 7 8 9 10 11", 6);
    expect("efficiency", "12 13 14 15 16 17", 6);
    expect("0-3,12", "0 1 2 3 12", 3);
    expect("12,2,2-3", "2 3 12", 2);
    expect("all", "", 12);
    expect("", "", 12);
}

static void test_errors_name_the_cpu_and_why(void **state)
{
    (void)state;
    expect_error("0,64", TM_ARG, "CPU 64 does not exist; this machine has 0-19");
    expect_error("19", TM_ARG, "CPU 19 is offline, online are 0-18");
    expect_error("17-18", TM_ARG, "may not use CPU 18, only 0-17");
    static const char *const bad[] = {"0-",    "-1",  "a",       "3-1",
                                      "0,",    "0;1", "0-99999", ",",
                                      "fast ", "1 ",  "0x1",     "99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        expect_error(bad[i], TM_ARG, "expected performance, efficiency, all or CPU numbers");
}

static void test_one_kind_of_core(void **state)
{
    tm_topology alike;
    tm_cpu_choice choice;
    tm_error err = {0};
    int cpus[] = {0, 1, 2};
    (void)state;
    assert_ok(tm_topology_of(cpus, 3, &alike, &err), err);
    assert_int_equal(tm_cpu_choice_find(root, &alike, "efficiency", &choice, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "3 CPUs that this process may use are of one kind"));
    for (int i = 0; i < 3; i++) alike.kinds[i] = -1;
    assert_int_equal(tm_cpu_choice_find(root, &alike, "efficiency", &choice, &err), TM_UNSUPPORTED);
    tm_topology_close(&alike);
}

/* On this machine, whatever it is: its first usable CPU. */
static void test_limits_and_restores(void **state)
{
    cpu_set_t before, during, after;
    tm_topology usable;
    tm_affinity kept;
    tm_error err = {0};
    char text[16];
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_ok(tm_topology_open(&usable, &err), err);
    int first = usable.cpus[0];
    tm_topology_close(&usable);
    snprintf(text, sizeof text, "%d", first);
    assert_ok(tm_cpu_choice_enter(text, &kept, &err), err);
    assert_int_equal(sched_getaffinity(0, sizeof during, &during), 0);
    assert_int_equal(CPU_COUNT(&during), 1);
    assert_true(CPU_ISSET(first, &during));
    tm_affinity_restore(&kept);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    assert_ok(tm_cpu_choice_enter("all", &kept, &err), err);
    assert_null(kept.mask);
    assert_int_equal(tm_cpu_choice_enter("70000", &kept, &err), TM_ARG);
    assert_null(kept.mask);
}

int main(void)
{
    const struct CMUnitTest hybrid[] = {
        cmocka_unit_test(test_kinds_and_lists),
        cmocka_unit_test(test_errors_name_the_cpu_and_why),
        cmocka_unit_test(test_one_kind_of_core),
    };
    const struct CMUnitTest here[] = {
        cmocka_unit_test(test_limits_and_restores),
    };
    return cmocka_run_group_tests(hybrid, make_hybrid, use_this_machine) +
           cmocka_run_group_tests(here, NULL, NULL);
}
