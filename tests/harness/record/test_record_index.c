/* The index of records: every record with a key is found, in the order of adding. */
#include "harness/record/record_index.h"

#include "tests/harness/scratch.h"

static void add(tm_record_index *index, uint64_t key, int position)
{
    tm_error err = {0};
    assert_ok(tm_record_index_add(index, key, position, &err), err);
}

static void test_empty_index_finds_nothing(void **state)
{
    (void)state;
    tm_record_index index = {0};
    size_t cursor = 0;
    assert_int_equal(tm_record_index_next(&index, 7, &cursor), -1);
    tm_record_index_free(&index);
}

/* 3000 records under 1000 keys: the index grows several times. */
static void test_equal_keys_keep_their_order(void **state)
{
    enum { N_KEYS = 1000, EACH = 3 };
    (void)state;
    tm_record_index index = {0};
    char id[24];
    for (int i = 0; i < N_KEYS * EACH; i++) {
        snprintf(id, sizeof id, "cell %d", i % N_KEYS);
        add(&index, tm_record_key(TM_RECORD_SAMPLE, id, 0), i);
    }
    for (int key = 0; key < N_KEYS; key++) {
        size_t cursor = 0;
        snprintf(id, sizeof id, "cell %d", key);
        uint64_t hash = tm_record_key(TM_RECORD_SAMPLE, id, 0);
        for (int i = 0; i < EACH; i++)
            assert_int_equal(tm_record_index_next(&index, hash, &cursor), key + i * N_KEYS);
        assert_int_equal(tm_record_index_next(&index, hash, &cursor), -1);
    }
    tm_record_index_free(&index);
}

/* Keys that start at the same slot, the last one of the table: probing wraps around. */
static void test_colliding_keys(void **state)
{
    (void)state;
    tm_record_index index = {0};
    const uint64_t last = UINT64_MAX;
    for (int i = 0; i < 100; i++) add(&index, last - ((uint64_t)i << 32), i);
    for (int i = 0; i < 100; i++) {
        size_t cursor = 0;
        assert_int_equal(tm_record_index_next(&index, last - ((uint64_t)i << 32), &cursor), i);
        assert_int_equal(tm_record_index_next(&index, last - ((uint64_t)i << 32), &cursor), -1);
    }
    size_t cursor = 0;
    assert_int_equal(tm_record_index_next(&index, last - (100ull << 32), &cursor), -1);
    tm_record_index_free(&index);
    assert_null(index.slots);
}

static void test_key_depends_on_kind_cell_and_process(void **state)
{
    (void)state;
    uint64_t key = tm_record_key(TM_RECORD_SAMPLE, "a", 0);
    assert_true(key == tm_record_key(TM_RECORD_SAMPLE, "a", 0));
    assert_true(key != tm_record_key(TM_RECORD_ENERGY, "a", 0));
    assert_true(key != tm_record_key(TM_RECORD_SAMPLE, "b", 0));
    assert_true(key != tm_record_key(TM_RECORD_SAMPLE, "a", 1));
    assert_true(key != tm_record_key(TM_RECORD_SAMPLE, "a", TM_ANY_PROCESS));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty_index_finds_nothing),
        cmocka_unit_test(test_equal_keys_keep_their_order),
        cmocka_unit_test(test_colliding_keys),
        cmocka_unit_test(test_key_depends_on_kind_cell_and_process),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
