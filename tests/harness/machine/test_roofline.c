#include "harness/machine/roofline.h"
#include "kernels/peak/peak.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
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
    assert_int_equal(r->n_clock, 1);
    const tm_roofline_point *points[] = {r->read, r->int8, r->fp32, r->by_size, r->clock};
    for (int i = 0; i < 5; i++) {
        assert_true(points[i]->value > 0 && points[i]->value >= points[i]->median);
        assert_true(points[i]->n_trials >= 5);
        assert_non_null(points[i]->method);
    }
    tm_json *json = tm_roofline_to_json(r);
    const tm_json *first = tm_json_at(tm_json_get(json, "int8_gmac_per_second"), 0);
    assert_true(tm_json_double(tm_json_get(first, "value"), 0) == r->int8[0].value);
    assert_true(tm_json_double(tm_json_get(first, "threads"), 0) == 1);
    first = tm_json_at(tm_json_get(json, "clock_ghz"), 0);
    assert_true(tm_json_double(tm_json_get(first, "value"), 0) == r->clock[0].value);
    /* No core adds more than once per cycle of 10 GHz in a chain. */
    assert_true(r->clock[0].value < 10);
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

/* A machine with caches of one size, each shared by some CPUs. */
static tm_roofline_options options_of(int n_cpus, double cache_mib, const char *shared_by,
                                      int64_t available_gib)
{
    static const int one = 1;
    tm_machine m = {.n_online_cpus = n_cpus, .memory_available_bytes = available_gib << 30};
    m.caches.n = 2;
    m.caches.items[0] = (tm_machine_cache){.level = 2, .size_bytes = 1 << 20};
    m.caches.items[1] = (tm_machine_cache){.level = 3, .size_bytes = cache_mib * 0x1p20};
    snprintf(m.caches.items[1].shared_by_cpus, sizeof m.caches.items[1].shared_by_cpus, "%s",
             shared_by);
    return tm_roofline_options_for(&m, &one, 1);
}

/* The region lies beyond all caches of the last level that the threads can use, not beyond one. */
static void test_regions_exceed_all_last_caches(void **state)
{
    (void)state;
    static const size_t mib = 1 << 20;
    static const struct {
        const char *machine, *shared_by;
        int n_cpus, cache_mib, n_caches, threads, caches_mib, region_mib;
    } rows[] = {
        {"EPYC 7V73X", "0-7", 64, 96, 8, 64, 768, 2048},
        {"EPYC 7V73X, one thread", "0-7", 64, 96, 8, 1, 96, 768},
        {"two EPYC 7V73X", "0-7", 128, 96, 16, 128, 1536, 3072},
        {"EPYC 9684X", "0-7,96-103", 192, 96, 12, 96, 1152, 2304},
        {"EPYC 9684X, two threads", "0-7,96-103", 192, 96, 12, 2, 192, 1536},
        {"EPYC 9654", "0-7,96-103", 192, 32, 12, 96, 384, 2048},
        {"a laptop", "0-7", 8, 8, 1, 8, 8, 512},
        {"sharing not known", "", 16, 32, 1, 16, 32, 512},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_roofline_options o =
            options_of(rows[i].n_cpus, rows[i].cache_mib, rows[i].shared_by, 256);
        const size_t caches = tm_roofline_caches(&o, rows[i].threads);
        const size_t region = tm_roofline_region(&o, rows[i].threads);
        if (o.n_caches != rows[i].n_caches || caches != (size_t)rows[i].caches_mib * mib ||
            region != (size_t)rows[i].region_mib * mib)
            fail_msg("%s: %d caches of %zu MiB, %zu MiB together, a region of %zu MiB",
                     rows[i].machine, o.n_caches, o.cache_bytes / mib, caches / mib, region / mib);
        assert_true(region >= 2 * caches);
    }
    /* Half of the available memory at most. */
    tm_roofline_options small = options_of(192, 96, "0-7,96-103", 2);
    assert_int_equal(tm_roofline_region(&small, 96), 1024 * mib);
}

/* Two kinds of cores share one cache on some machines, and have their own on others. */
static void test_kinds_of_cores_may_share_a_cache(void **state)
{
    (void)state;
    static const int one = 1;
    tm_machine m = {.n_online_cpus = 20, .n_core_kinds = 2, .memory_available_bytes = 1 << 30};
    for (int k = 0; k < 2; k++) {
        m.core_kinds[k].n_cpus = k ? 8 : 12;
        m.core_kinds[k].caches.n = 1;
        m.core_kinds[k].caches.items[0] = (tm_machine_cache){.level = 3, .size_bytes = 24 << 20};
        strcpy(m.core_kinds[k].caches.items[0].shared_by_cpus, "0-19");
    }
    assert_int_equal(tm_roofline_options_for(&m, &one, 1).n_caches, 1);
    strcpy(m.core_kinds[0].caches.items[0].shared_by_cpus, "0-11");
    strcpy(m.core_kinds[1].caches.items[0].shared_by_cpus, "12-19");
    m.core_kinds[1].caches.items[0].size_bytes = 4 << 20;
    tm_roofline_options o = tm_roofline_options_for(&m, &one, 1);
    assert_int_equal(o.n_caches, 2); /* 24 and 4 MiB: rounded up */
    assert_int_equal(o.cache_bytes, 24 << 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_read_sees_every_byte),
        cmocka_unit_test(test_points_are_positive_and_named),
        cmocka_unit_test(test_barriers_take_time),
        cmocka_unit_test(test_invalid_options_are_errors),
        cmocka_unit_test(test_thread_counts_are_ascending_and_unique),
        cmocka_unit_test(test_regions_exceed_all_last_caches),
        cmocka_unit_test(test_kinds_of_cores_may_share_a_cache),
    };
    return cmocka_run_group_tests_name("roofline", tests, NULL, NULL);
}
