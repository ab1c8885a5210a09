/* Reads recorded machines. What a machine does not have is missing, with a reason. */
#include "harness/machine/machine.h"

#include "harness/machine/cgroup.h"
#include "tests/harness/scratch.h"

#include <math.h>

#define MACHINES "tests/harness/machine/machines/"

static tm_machine read_machine(const char *name)
{
    char root[128];
    tm_machine machine;
    tm_error err = {0};
    snprintf(root, sizeof root, MACHINES "%s", name);
    assert_ok(tm_machine_read(root, &machine, &err), err);
    return machine;
}

static const char *text(const tm_json *object, const char *key)
{
    return tm_json_text(tm_json_get(object, key), "(none)");
}

static double number(const tm_json *object, const char *key)
{
    return tm_json_double(tm_json_get(object, key), NAN);
}

static void test_laptop(void **state)
{
    (void)state;
    tm_machine m = read_machine("laptop");
    assert_string_equal(m.cpu_model, "11th Gen Intel(R) Core(TM) i5-1145G7 @ 2.60GHz");
    assert_int_equal(m.n_cpus, 4);
    assert_int_equal(m.n_cores, 2);
    assert_false(m.virtual_machine || m.emulated);
    assert_true(m.memory_available_bytes == 9216000ll * 1024);
    assert_string_equal(m.memory_limit, "MemAvailable");
    assert_true(fabs(m.load_average - 0.52) < 1e-9);
    assert_string_equal(m.architecture.value, "x86_64");
    assert_string_equal(m.cpu_model_number.value, "140"); /* not the "model name" */
    assert_string_equal(m.product.value, "Dell Inc. Latitude 5420");
    assert_int_equal(m.memory_gib, 15);
    assert_int_equal(m.n_numa_nodes, 1);
    assert_int_equal(m.caches.n, 4);
    assert_true(m.caches.items[2].size_bytes == 1280 * 1024);
    assert_true(m.caches.items[3].size_bytes == 8 << 20);
    assert_string_equal(m.caches.items[3].type, "unified");
    assert_true(tm_machine_cache_bytes(&m, 0) == 8 << 20);
    assert_true(tm_machine_cache_bytes(&m, 2) == 1280 * 1024);
    assert_true(tm_machine_cache_bytes(&m, 4) == 0);
    assert_int_equal(m.n_core_kinds, 0);
    assert_string_equal(m.governor.value, "powersave");
    assert_string_equal(m.turbo.value, "on");
    assert_string_equal(m.smt.value, "on");
    assert_string_equal(m.transparent_huge_pages.value, "madvise");
    assert_string_equal(m.kernel.value, "6.1.0-18-amd64");
    assert_true(m.steal_percent == 0);
    assert_true(m.cgroup.known && m.cgroup.memory_limit_bytes < 0);
}

static void test_container(void **state)
{
    (void)state;
    tm_machine m = read_machine("container");
    assert_true(m.virtual_machine);
    /* The limit is 2 GiB; 1 GiB is used, of which 256 MiB can be reclaimed. */
    assert_true(m.memory_available_bytes == (2ll << 30) - (1ll << 30) + (256ll << 20));
    assert_string_equal(m.memory_limit, "cgroup memory limit");
    assert_true(m.cgroup.memory_limit_bytes == 2147483648);
    assert_true(m.cgroup.cpu_limit == 1.5);
    assert_string_equal(m.turbo.value, "off");
    assert_true(m.steal_percent == 10);
    assert_true(fabs(m.load_average - 3.9) < 1e-9);
    const tm_machine_text *missing[] = {&m.governor, &m.smt, &m.clock_source,
                                        &m.perf_event_paranoid};
    for (int i = 0; i < 4; i++) {
        assert_string_equal(missing[i]->value, "");
        assert_says(missing[i]->missing, "not readable");
    }
    assert_int_equal(m.caches.n, 0);
    assert_says(m.caches.missing, "not readable");
    assert_int_equal(m.n_numa_nodes, 0);
    assert_int_equal(m.n_cores, 2); /* without topology every CPU counts as a core */
}

static void test_arm(void **state)
{
    (void)state;
    tm_machine m = read_machine("arm");
    assert_string_equal(m.architecture.value, "aarch64");
    assert_string_equal(m.cpu_model, "Neoverse-N1");
    assert_int_equal(m.n_cpus, 4);
    /* The group is outside this namespace, so the topmost visible group applies. */
    assert_true(m.memory_available_bytes == 4294967296ll - 294967296);
    assert_true(m.cgroup.cpu_limit == 2);
    assert_true(isnan(m.load_average));
}

/* The JSON has every member. Unknown members are null, with a reason. */
static void test_json(void **state)
{
    (void)state;
    tm_machine m = read_machine("laptop");
    tm_json *hardware = tm_machine_hardware_to_json(&m);
    tm_json *environment = tm_machine_environment_to_json(&m);
    assert_string_equal(text(hardware, "architecture"), "x86_64");
    assert_string_equal(text(hardware, "product"), "Dell Inc. Latitude 5420");
    assert_true(number(hardware, "memory_gib") == 15);
    assert_true(number(hardware, "numa_nodes") == 1);
    assert_true(number(tm_json_at(tm_json_get(hardware, "caches"), 3), "size_bytes") == 8 << 20);
    assert_string_equal(text(environment, "governor"), "powersave");
    assert_string_equal(text(environment, "cgroup_memory_limit_bytes_missing"), "no limit is set");
    assert_string_equal(text(environment, "host"), "a-laptop");
    assert_string_equal(text(environment, "microcode"), "0xb8");
    assert_string_equal(text(environment, "bios"), "1.33.0");
    /* Of the machine-id only a hash leaves the machine. */
    assert_int_equal(strlen(text(environment, "host_id")), 16);
    assert_null(strstr("0123456789abcdef0123456789abcdef", text(environment, "host_id")));
    assert_true(number(environment, "steal_percent_since_boot") == 0);
    tm_json_free(hardware);
    tm_json_free(environment);
    m = read_machine("container");
    hardware = tm_machine_hardware_to_json(&m);
    environment = tm_machine_environment_to_json(&m);
    assert_true(tm_json_is_null(tm_json_get(hardware, "caches")));
    assert_says(text(hardware, "caches_missing"), "not readable");
    assert_true(tm_json_is_null(tm_json_get(hardware, "numa_nodes")));
    assert_true(tm_json_is_null(tm_json_get(environment, "governor")));
    assert_says(text(environment, "governor_missing"), "not readable");
    assert_says(text(environment, "host_id_missing"), "machine-id");
    assert_says(text(environment, "microcode_missing"), "no microcode");
    assert_true(number(environment, "cgroup_cpu_limit") == 1.5);
    tm_json_free(hardware);
    tm_json_free(environment);
}

static void test_fingerprints(void **state)
{
    (void)state;
    tm_machine a = read_machine("laptop"), b = read_machine("laptop"),
               c = read_machine("container");
    assert_string_equal(a.fingerprint, b.fingerprint);
    assert_string_not_equal(a.fingerprint, c.fingerprint);
}

static void test_this_machine(void **state)
{
    (void)state;
    tm_machine a, b;
    tm_error err = {0};
    int64_t all, stolen;
    assert_ok(tm_machine_read("/", &a, &err), err);
    assert_ok(tm_machine_read("/", &b, &err), err);
    assert_string_equal(a.fingerprint, b.fingerprint);
    assert_true(a.n_cpus >= 1 && a.n_cores >= 1 && a.n_cores <= a.n_cpus);
    assert_true(a.memory_available_bytes > 1 << 20);
    tm_json *environment = tm_machine_environment_to_json(&a);
    assert_true(strlen(text(environment, "compiler")) > 3);
    assert_true(strlen(text(environment, "isa_used")) >= 4);
    tm_json_free(environment);
    assert_true(tm_machine_cpu_ticks("/", &all, &stolen) && all > 0 && stolen >= 0);
    assert_int_equal(tm_machine_read(scratch_path("nothing"), &a, &err), TM_IO);
    assert_says(err.message, "cpuinfo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_laptop),       cmocka_unit_test(test_container),
        cmocka_unit_test(test_arm),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_fingerprints), cmocka_unit_test(test_this_machine),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
