#include "engine/pool.h"
#include "tests/tm_test.h"

#include <sched.h>
#include <stdatomic.h>
#include <string.h>

#define MAX_THREADS 8

static tm_pool *open_pool(int n_threads)
{
    tm_pool *pool;
    tm_error err = {0};
    tm_pool_options options = {.n_threads = n_threads, .oversubscribe = true};
    if (tm_pool_open(&options, &pool, &err) != TM_OK) fail_msg("%s", err.message);
    return pool;
}

static void test_split_covers_in_order(void **state)
{
    static const int counts[] = {0, 1, 15, 16, 17, 640, 2560, 32002, 128256};
    static const int steps[] = {1, 16, 32};
    (void)state;
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        for (size_t j = 0; j < sizeof steps / sizeof *steps; j++)
            for (int parts = 1; parts < 70; parts += parts < 5 ? 1 : 13) {
                int expected = 0, least = INT32_MAX, most = 0;
                for (int part = 0; part < parts; part++) {
                    int begin, end;
                    tm_split(counts[i], steps[j], part, parts, &begin, &end);
                    assert_int_equal(begin, expected);
                    assert_true(end >= begin);
                    if (begin < counts[i]) assert_int_equal(begin % steps[j], 0);
                    int units = (end - begin + steps[j] - 1) / steps[j];
                    if (units < least) least = units;
                    if (units > most) most = units;
                    expected = end;
                }
                assert_int_equal(expected, counts[i]);
                assert_true(most - least <= 1);
            }
}

static void test_split_does_not_overflow(void **state)
{
    int begin, end;
    (void)state;
    tm_split(INT32_MAX, 1, 4095, 4096, &begin, &end);
    assert_int_equal(end, INT32_MAX);
    assert_true(begin > INT32_MAX - 600000 && begin < INT32_MAX - 500000);
}

typedef struct ring {
    tm_pool *pool;
    int slots[MAX_THREADS]; /* plain memory: only the barrier makes it safe */
    int n_rounds;
    atomic_int n_wrong, n_calls;
} ring;

/* In each round every thread writes its slot, and reads all others after the barrier. */
static void go_around(void *arg, int thread, int n_threads)
{
    ring *r = arg;
    atomic_fetch_add(&r->n_calls, 1);
    for (int round = 1; round <= r->n_rounds; round++) {
        r->slots[thread] = round * MAX_THREADS + thread;
        tm_pool_barrier(r->pool);
        for (int i = 0; i < n_threads; i++)
            if (r->slots[i] != round * MAX_THREADS + i) atomic_fetch_add(&r->n_wrong, 1);
        tm_pool_barrier(r->pool);
    }
}

static void check_ring(int n_threads, int n_runs, int n_rounds)
{
    ring r = {.pool = open_pool(n_threads), .n_rounds = n_rounds};
    assert_int_equal(tm_pool_threads(r.pool), n_threads);
    for (int i = 0; i < n_runs; i++) tm_pool_run(r.pool, go_around, &r);
    tm_pool_close(r.pool);
    assert_int_equal(r.n_calls, n_runs * n_threads);
    assert_int_equal(r.n_wrong, 0);
}

static void test_barrier_orders_memory(void **state)
{
    (void)state;
    for (int n = 1; n <= 3; n++) check_ring(n, 20, 50);
}

static void test_barrier_when_oversubscribed(void **state)
{
    (void)state;
    check_ring(MAX_THREADS, 20, 20);
}

/* Far enough apart for the threads to fall asleep: a lost wake-up would hang here. */
static void test_sleeping_threads_wake(void **state)
{
    (void)state;
    ring r = {.pool = open_pool(3), .n_rounds = 1};
    for (int i = 0; i < 20; i++) {
        tm_pool_run(r.pool, go_around, &r);
        usleep(i % 2 ? 3000 : 600);
    }
    tm_pool_close(r.pool);
    assert_int_equal(r.n_calls, 60);
    assert_int_equal(r.n_wrong, 0);
}

static void wait_late(void *arg, int thread, int n_threads)
{
    tm_pool *pool = *(tm_pool **)arg;
    for (int i = 0; i < n_threads; i++) {
        if (i == thread) usleep(2000);
        tm_pool_barrier(pool);
    }
}

static void test_barrier_wakes_its_sleepers(void **state)
{
    (void)state;
    tm_pool *pool = open_pool(2);
    for (int i = 0; i < 5; i++) tm_pool_run(pool, wait_late, &pool);
    tm_pool_close(pool);
}

static void expect_error(tm_pool_options options, tm_status wanted, const char *text)
{
    tm_pool *pool;
    tm_error err = {0};
    assert_int_equal(tm_pool_open(&options, &pool, &err), wanted);
    assert_null(pool);
    if (!strstr(err.message, text)) fail_msg("'%s' does not say '%s'", err.message, text);
}

static void test_bad_counts_are_errors(void **state)
{
    char limit[32];
    int n = tm_usable_cpus();
    (void)state;
    snprintf(limit, sizeof limit, "may use %d CPU", n);
    expect_error((tm_pool_options){.n_threads = 0}, TM_ARG, "threads: 0");
    expect_error((tm_pool_options){.n_threads = -3}, TM_ARG, "threads: -3");
    expect_error((tm_pool_options){.n_threads = n + 1}, TM_ARG, limit);
    expect_error((tm_pool_options){.n_threads = INT32_MAX}, TM_ARG, limit);
}

static void test_bad_cpus_are_errors(void **state)
{
    int absent = 60000, negative = -1;
    cpu_set_t set;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    int first = 0;
    while (!CPU_ISSET(first, &set)) first++;
    int twice[2] = {first, first};
    expect_error((tm_pool_options){.n_threads = 1, .cpus = &absent}, TM_ARG, "CPU 60000");
    expect_error((tm_pool_options){.n_threads = 1, .cpus = &negative}, TM_ARG, "CPU -1");
    if (tm_usable_cpus() > 1)
        expect_error((tm_pool_options){.n_threads = 2, .cpus = twice}, TM_ARG, "both");
}

static void note_cpu(void *arg, int thread, int n_threads)
{
    (void)n_threads;
    ((int *)arg)[thread] = sched_getcpu();
}

static void test_threads_run_where_they_are_pinned(void **state)
{
    int n = tm_usable_cpus() < MAX_THREADS ? tm_usable_cpus() : MAX_THREADS;
    int seen[MAX_THREADS];
    cpu_set_t before, after;
    tm_pool *pool;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    tm_pool_options options = {.n_threads = n, .pin = true};
    assert_int_equal(tm_pool_open(&options, &pool, NULL), TM_OK);
    int usable_inside = tm_usable_cpus();
    tm_pool_run(pool, note_cpu, seen);
    for (int i = 0; i < n; i++) {
        assert_true(tm_pool_cpu(pool, i) >= 0);
        assert_int_equal(seen[i], tm_pool_cpu(pool, i));
        for (int j = 0; j < i; j++) assert_int_not_equal(seen[i], seen[j]);
    }
    tm_pool_close(pool);
    assert_int_equal(sched_getaffinity(0, sizeof after, &after), 0);
    assert_true(CPU_EQUAL(&before, &after)); /* the mask of the caller is restored */
    assert_int_equal(usable_inside, CPU_COUNT(&before));
}

static void test_counts_follow_the_mask(void **state)
{
    cpu_set_t before, one;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof before, &before), 0);
    assert_int_equal(tm_usable_cpus(), CPU_COUNT(&before));
    assert_true(tm_usable_cores() >= 1 && tm_usable_cores() <= tm_usable_cpus());
    int first = 0;
    while (!CPU_ISSET(first, &before)) first++;
    CPU_ZERO(&one);
    CPU_SET(first, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    assert_int_equal(tm_usable_cpus(), 1);
    assert_int_equal(tm_usable_cores(), 1);
    expect_error((tm_pool_options){.n_threads = 2}, TM_ARG, "may use 1 CPU");
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
}

static void test_unpinned_threads_have_no_cpu(void **state)
{
    (void)state;
    tm_pool *pool = open_pool(2);
    assert_int_equal(tm_pool_cpu(pool, 0), -1);
    assert_int_equal(tm_pool_cpu(pool, 1), -1);
    tm_pool_close(pool);
}

/* A performance core and an efficiency core, each with its own memory, as hwloc exports them. */
static const char two_kinds[] =
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE topology SYSTEM \"hwloc2.dtd\">\n"
    "<topology version=\"2.0\">"
    "<object type=\"Machine\" os_index=\"0\" cpuset=\"0x3\" complete_cpuset=\"0x3\""
    " allowed_cpuset=\"0x3\" nodeset=\"0x3\" complete_nodeset=\"0x3\" allowed_nodeset=\"0x3\""
    " gp_index=\"1\">"
#define CORE(number, set, a, b, c)                                                                 \
    "<object type=\"Core\" os_index=\"" number "\" gp_index=\"" a "\"" set ">"                     \
    "<object type=\"NUMANode\" os_index=\"" number "\" gp_index=\"" b "\"" set                     \
    " local_memory=\"1073741824\"/>"                                                               \
    "<object type=\"PU\" os_index=\"" number "\" gp_index=\"" c "\"" set "/></object>"
#define SET(mask)                                                                                  \
    " cpuset=\"" mask "\" complete_cpuset=\"" mask "\" nodeset=\"" mask                            \
    "\" complete_nodeset=\"" mask "\""
    CORE("0", SET("0x1"), "3", "4", "2")
        CORE("1", SET("0x2"), "6", "7",
             "5") "</object><cpukind cpuset=\"0x1\" forced_efficiency=\"0\"/>"
                  "<cpukind cpuset=\"0x2\" forced_efficiency=\"1\"/></topology>\n";

static void test_kinds_of_cores_and_memory_nodes(void **state)
{
    char path[] = "/tmp/ternmark-topology-XXXXXX";
    cpu_set_t mask;
    (void)state;
    assert_int_equal(sched_getaffinity(0, sizeof mask, &mask), 0);
    if (!CPU_ISSET(0, &mask) || !CPU_ISSET(1, &mask))
        TM_SKIP("kinds of core: this process may not use CPUs 0 and 1");
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, two_kinds, sizeof two_kinds - 1), sizeof two_kinds - 1);
    close(file);
    setenv("HWLOC_XMLFILE", path, 1);
    tm_pool *pools[2];
    tm_error err = {0};
    tm_status status = TM_OK;
    for (int n = 1; n <= 2 && status == TM_OK; n++) {
        tm_pool_options options = {.n_threads = n, .cpus = (const int[]){1, 0}, .pin = true};
        status = tm_pool_open(&options, &pools[n - 1], &err);
        if (status != TM_OK) break;
        if (n == 2) { /* the performance core is CPU 1 */
            assert_int_equal(tm_pool_cpu(pools[1], 0), 1);
            assert_int_equal(tm_pool_node(pools[1], 0), 1);
            assert_int_equal(tm_pool_node(pools[1], 1), 0);
        }
        assert_int_equal(tm_pool_cores_differ(pools[n - 1]), n == 2);
        tm_pool_close(pools[n - 1]);
    }
    if (status == TM_OK) {
        tm_pool_options options = {.n_threads = 2, .pin = true};
        status = tm_pool_open(&options, &pools[0], &err);
        if (status == TM_OK) {
            assert_int_equal(tm_pool_cpu(pools[0], 0), 1); /* the performance core first */
            tm_pool_close(pools[0]);
        }
    }
    unsetenv("HWLOC_XMLFILE");
    unlink(path);
    if (status != TM_OK) fail_msg("%s", err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_split_covers_in_order),
        cmocka_unit_test(test_split_does_not_overflow),
        cmocka_unit_test(test_barrier_orders_memory),
        cmocka_unit_test(test_barrier_when_oversubscribed),
        cmocka_unit_test(test_sleeping_threads_wake),
        cmocka_unit_test(test_barrier_wakes_its_sleepers),
        cmocka_unit_test(test_bad_counts_are_errors),
        cmocka_unit_test(test_bad_cpus_are_errors),
        cmocka_unit_test(test_threads_run_where_they_are_pinned),
        cmocka_unit_test(test_counts_follow_the_mask),
        cmocka_unit_test(test_unpinned_threads_have_no_cpu),
        cmocka_unit_test(test_kinds_of_cores_and_memory_nodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
