/* Small reads of /proc and /sys: fields, numbers with units, lists of CPUs. */
#include "harness/base/sysfs.h"

#include "tests/harness/scratch.h"

static void test_fields(void **state)
{
    (void)state;
    char value[64];
    int64_t bytes;
    static const char odd[] =
        "Key:\t 12 kB\nKeyed: 7\nplain 5\nBig: 99999999999999999999 kB\nNeg: -1 kB\n"
        "Other: 3 MB\nlast: x";
    write_file(scratch_path("odd"), odd, strlen(odd));
    assert_true(tm_sysfs_field(scratch_folder, "odd", "Keyed", value, sizeof value));
    assert_string_equal(value, "7");
    assert_true(tm_sysfs_field(scratch_folder, "odd", "plain", value, sizeof value));
    assert_string_equal(value, "5");
    assert_true(tm_sysfs_field(scratch_folder, "odd", "last", value, sizeof value));
    assert_string_equal(value, "x");
    assert_false(tm_sysfs_field(scratch_folder, "odd", "Absent", value, sizeof value));
    assert_true(tm_sysfs_kb(scratch_folder, "odd", "Key", &bytes) && bytes == 12288);
    assert_false(tm_sysfs_kb(scratch_folder, "odd", "Big", &bytes));
    assert_false(tm_sysfs_kb(scratch_folder, "odd", "Neg", &bytes));
    assert_false(tm_sysfs_kb(scratch_folder, "odd", "Other", &bytes));
    assert_false(tm_sysfs_int(scratch_folder, "odd", &bytes));
    assert_false(tm_sysfs_choice(scratch_folder, "odd", value, sizeof value));
}

static void assert_cpus(int n, const int *cpus, int n_wanted, const int *wanted)
{
    assert_int_equal(n, n_wanted);
    for (int i = 0; i < n; i++) assert_int_equal(cpus[i], wanted[i]);
}

static void test_cpu_lists(void **state)
{
    (void)state;
    int cpus[8];
    assert_cpus(tm_sysfs_cpu_list("0-2,8", cpus, 8), cpus, 4, (const int[]){0, 1, 2, 8});
    assert_cpus(tm_sysfs_cpu_list("5", cpus, 8), cpus, 1, (const int[]){5});
    assert_int_equal(tm_sysfs_cpu_list("0-1000", cpus, 8), 8); /* no more than the array holds */
    static const char *const none[] = {"", "-3", "3-1", "x", "-"};
    for (int i = 0; i < 5; i++) assert_int_equal(tm_sysfs_cpu_list(none[i], cpus, 8), 0);
    write_file(scratch_path("mask"), "00000001,80000003\n", 18);
    assert_cpus(tm_sysfs_cpus(scratch_folder, "no_list", "mask", cpus, 8), cpus, 4,
                (const int[]){0, 1, 31, 32});
    assert_int_equal(tm_sysfs_cpus(scratch_folder, "no_list", "mask", cpus, 2), 2);
    write_file(scratch_path("list"), "7\n", 2);
    assert_cpus(tm_sysfs_cpus(scratch_folder, "list", "mask", cpus, 8), cpus, 1, (const int[]){7});
    assert_int_equal(tm_sysfs_cpus(scratch_folder, "no_list", "no_mask", cpus, 8), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_cpu_lists),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
