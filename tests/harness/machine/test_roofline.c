#include "harness/machine/roofline.h"
#include "kernels/peak/peak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

/* The read loops must read every byte: flipping any byte changes their result. */
static void test_read_sees_every_byte(void **state)
{
    (void)state;
    uint8_t *data = aligned_alloc(64, 4096 + 64);
    memset(data, 0x5a, 4096 + 64);
    for (const tm_peak *const *p = tm_peaks(); *p; p++) {
        if (!(*p)->read || ((*p)->isa & ~tm_cpu_isa())) continue;
        uint64_t before = (*p)->read(data, 4096, 0);
        for (int i = 0; i < 4096; i++) {
            data[i] ^= 0x40;
            if ((*p)->read(data, 4096, 64) == before)
                fail_msg("%s does not read byte %d", (*p)->name, i);
            data[i] ^= 0x40;
        }
    }
    free(data);
}

static void test_points_are_positive_and_named(void **state)
{
    (void)state;
    int threads[] = {1};
    tm_roofline_options options = {.threads = threads,
                                   .n_threads = 1,
                                   .cache_bytes = 1 << 20,
                                   .available_bytes = (size_t)16 << 20,
                                   .seconds_each = 0.02,
                                   .sizes = true};
    tm_roofline *r = calloc(1, sizeof *r);
    tm_error err = {0};
    assert_int_equal(tm_roofline_measure(&options, r, &err), TM_OK);
    assert_int_equal(r->n_read, 1);
    assert_int_equal(r->n_int8, 1);
    assert_int_equal(r->n_fp32, 1);
    assert_true(r->n_by_size > 3);
    assert_true(r->read[0].bytes <= (size_t)8 << 20); /* half of the available memory */
    const tm_roofline_point *points[] = {r->read, r->int8, r->fp32, r->by_size};
    for (int i = 0; i < 4; i++) {
        assert_true(points[i]->value > 0 && points[i]->value >= points[i]->median);
        assert_true(points[i]->n_trials >= 5);
        assert_non_null(points[i]->method);
    }
    tm_json *json = tm_roofline_to_json(r);
    const tm_json *first = tm_json_at(tm_json_get(json, "int8_gmac_per_second"), 0);
    assert_true(tm_json_double(tm_json_get(first, "value"), 0) == r->int8[0].value);
    assert_true(tm_json_double(tm_json_get(first, "threads"), 0) == 1);
    tm_json_free(json);
    free(r);
}

/* A single thread has no barrier. Two threads take some time, even when they share a core. */
static void test_barriers_take_time(void **state)
{
    (void)state;
    int threads[] = {1, 2};
    tm_roofline_options options = {.threads = threads,
                                   .n_threads = 2,
                                   .cache_bytes = 1 << 20,
                                   .available_bytes = (size_t)16 << 20,
                                   .seconds_each = 0.01,
                                   .oversubscribe = true};
    tm_roofline *r = calloc(1, sizeof *r);
    tm_error err = {0};
    assert_int_equal(tm_roofline_measure(&options, r, &err), TM_OK);
    assert_int_equal(r->n_barrier, 1);
    assert_int_equal(r->barrier[0].threads, 2);
    assert_true(r->barrier[0].value > 5 && r->barrier[0].value < 1e9); /* ns */
    assert_true(r->barrier[0].median >= r->barrier[0].value);
    tm_json *json = tm_roofline_to_json(r);
    assert_int_equal(tm_json_count(tm_json_get(json, "barrier_ns")), 1);
    tm_json_free(json);
    free(r);
}

static void test_invalid_options_are_errors(void **state)
{
    (void)state;
    tm_roofline *r = calloc(1, sizeof *r);
    tm_error err = {0};
    tm_roofline_options none = {.n_threads = 0};
    assert_int_equal(tm_roofline_measure(&none, r, &err), TM_ARG);
    int threads[] = {1};
    tm_roofline_options tiny = {.threads = threads, .n_threads = 1, .available_bytes = 1 << 16};
    assert_int_equal(tm_roofline_measure(&tiny, r, &err), TM_NOMEM);
    free(r);
}

static void test_thread_counts_are_ascending_and_unique(void **state)
{
    (void)state;
    int counts[TM_ROOFLINE_MAX], n = 0;
    const int given[] = {4, 1, 4, 2, 1, 8};
    for (int i = 0; i < 6; i++) tm_roofline_add_count(counts, &n, given[i]);
    assert_int_equal(n, 4);
    const int wanted[] = {1, 2, 4, 8};
    assert_memory_equal(counts, wanted, sizeof wanted);
    for (int i = 100; i < 200; i++) tm_roofline_add_count(counts, &n, i);
    assert_int_equal(n, TM_ROOFLINE_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_sees_every_byte),
        cmocka_unit_test(test_points_are_positive_and_named),
        cmocka_unit_test(test_barriers_take_time),
        cmocka_unit_test(test_invalid_options_are_errors),
        cmocka_unit_test(test_thread_counts_are_ascending_and_unique),
    };
    return cmocka_run_group_tests_name("roofline", tests, NULL, NULL);
}
