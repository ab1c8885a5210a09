/* FNV-1a and the hash that names a build. */
#include "harness/base/hash.h"

#include "tests/harness/scratch.h"

/* Source: the test vectors of FNV-1a, 64 bit, published with the algorithm. */
static void test_hash_is_fnv1a(void **state)
{
    (void)state;
    assert_true(tm_hash(TM_HASH_START, "", 0) == 0xcbf29ce484222325ull);
    assert_true(tm_hash(TM_HASH_START, "a", 1) == 0xaf63dc4c8601ec8cull);
    assert_true(tm_hash(TM_HASH_START, "foobar", 6) == 0x85944171f73967e8ull);
    assert_true(tm_hash(tm_hash(TM_HASH_START, "foo", 3), "bar", 3) == 0x85944171f73967e8ull);
}

static void test_build_hash(void **state)
{
    (void)state;
    char a[24], b[24];
    tm_error err = {0};
    write_file(scratch_path("one"), "program", 7);
    write_file(scratch_path("two"), "prograM", 7);
    assert_ok(tm_build_hash(scratch_path("one"), a, sizeof a, &err), err);
    assert_ok(tm_build_hash(scratch_path("two"), b, sizeof b, &err), err);
    assert_string_not_equal(a, b);
    assert_int_equal(tm_build_hash(scratch_path("three"), b, sizeof b, &err), TM_IO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_is_fnv1a),
        cmocka_unit_test(test_build_hash),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
