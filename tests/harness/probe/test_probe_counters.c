/* Counters of this process compared with getrusage and the CPU-time clock, and the fake source's
 * labels. */
#include "harness/probe/probe_counters.h"
#include "tests/harness/probe/fake_machine.h"

#include <sys/mman.h>
#include <sys/resource.h>

static tm_probe *open_source(const char *source)
{
    tm_probe *probe = NULL;
    tm_probe_health health;
    tm_error err = {0};
    assert_ok(tm_probe_open(source, NULL, &probe, &health, &err), err);
    return probe;
}

static double cpu_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define N_PAGES 2000

static void *touch_pages(void *arg)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    char *memory =
        mmap(NULL, N_PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    (void)arg;
    if (memory == MAP_FAILED) return NULL;
    madvise(memory, N_PAGES * page, MADV_NOHUGEPAGE);
    for (size_t i = 0; i < N_PAGES; i++) ((volatile char *)memory)[i * page] = 1;
    munmap(memory, N_PAGES * page);
    return NULL;
}

static void test_counts_of_a_busy_region(void **state)
{
    (void)state;
    tm_probe *probe = open_source("counters");
    tm_probe_window window;
    struct rusage before, after;
    pthread_t thread;
    volatile uint64_t x = 1;
    tm_probe_start(probe);
    getrusage(RUSAGE_SELF, &before);
    double cpu = cpu_seconds();
    /* A thread that starts after opening is counted, too. */
    assert_int_equal(pthread_create(&thread, NULL, touch_pages, NULL), 0);
    pthread_join(thread, NULL);
    while (cpu_seconds() - cpu < 0.2) x = tm_mix64(x);
    cpu = cpu_seconds() - cpu;
    getrusage(RUSAGE_SELF, &after);
    tm_probe_stop(probe, &window);

    const tm_probe_value *v = value_of(&window, "minor_faults");
    assert_int_equal(v->state, TM_PROBE_OK);
    assert_true(v->value >= N_PAGES);
    assert_true(fabs(v->value - (double)(after.ru_minflt - before.ru_minflt)) < 100);
    double both = value_of(&window, "cpu_user")->value + value_of(&window, "cpu_system")->value;
    assert_true(fabs(both - cpu) < 0.05);
    v = value_of(&window, "task_clock");
    if (v->state == TM_PROBE_OK) {
        assert_true(fabs(v->value - cpu) < 0.05);
        assert_true(v->counted_share > 0.999);
        assert_true(value_of(&window, "page_faults")->value >= N_PAGES);
    } else
        assert_true(v->reason[0] && isnan(v->value));
    v = value_of(&window, "instructions");
    if (v->state == TM_PROBE_OK)
        assert_true(v->value > 1e6);
    else {
        assert_true(isnan(v->value));
        assert_says(v->reason, "instructions");
    }
    assert_string_equal(v->info->unit, "count");
    tm_probe_close(probe);
}

static void test_a_count_of_zero_is_ok(void **state)
{
    (void)state;
    tm_probe *probe = open_source("counters");
    tm_probe_window window;
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    tm_probe_start(probe);
    usleep(150000);
    tm_probe_stop(probe, &window);
    getrusage(RUSAGE_SELF, &after);
    const tm_probe_value *v = value_of(&window, "major_faults");
    assert_int_equal(v->state, TM_PROBE_OK);
    /* 0, unless other programs took the memory meanwhile. */
    assert_true(v->value >= 0 && v->value <= (double)(after.ru_majflt - before.ru_majflt));
    assert_true(value_of(&window, "voluntary_switches")->value >= 1);
    tm_probe_close(probe);
}

static void test_fake_joules_are_labelled_fake(void **state)
{
    (void)state;
    fake_machine machine;
    tm_probe_window w;
    tm_probe_value sum;
    machine_init(&machine);
    machine_open(&machine, "fake", &(tm_probe_options){0});
    machine_measure(&machine, 1.05, &w);
    assert_true(w.fake);
    assert_string_equal(w.source, "fake");
    const tm_probe_value *v = &w.values[0];
    assert_measured(v);
    assert_close(v->value, 10 * w.seconds);
    assert_close(v->error_bound, v->value * 2e-3 / (w.seconds - 2e-3) + 2e-6);
    assert_says(v->info->name, "fake");
    assert_says(v->info->scope, "fake");
    assert_says(v->info->method, "fake");
    tm_probe_sum(&w, "package", &sum);
    assert_int_equal(sum.state, TM_PROBE_MISSING); /* never the joules of a package */
    tm_json *json = tm_probe_window_to_json(&w);
    assert_true(tm_json_true(tm_json_get(json, "fake")));
    assert_string_equal(tm_json_text(tm_json_get(json, "source"), ""), "fake");
    tm_json_free(json);
    machine_close(&machine);
    for (const char *const *s = tm_probe_energy_sources(); *s; s++)
        assert_string_not_equal(*s, "fake"); /* never chosen by auto */
}

static void test_unknown_source_is_an_error(void **state)
{
    (void)state;
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    assert_int_equal(tm_probe_open("powrcap", NULL, &probe, &health, &err), TM_ARG);
    assert_says(err.message, "did you mean \"powercap\"");
    assert_null(probe);
}

/* On a hybrid processor an event of one PMU is not the event of the process. */
static void test_kinds_of_cores_are_added_or_missing(void **state)
{
    (void)state;
    static const char *const pmus[] = {"armv8_cortex_a55", "armv8_cortex_a76", "armv8_cortex_x1"};
    const char *root = scratch_path("hybrid"), *reason;
    const tm_probe_event events[] = {{"instructions", ""}, {"task_clock", ""}};
    const tm_probe_counters_options own = {.events = events, .n_events = 2};
    const tm_probe_options options = {.root = root, .own = &own, .spin_seconds = -1};
    for (int n = 1; n <= 3; n++) {
        char path[128], text[16];
        tm_probe *probe;
        tm_probe_health health;
        tm_error err = {0};
        snprintf(path, sizeof path, "sys/bus/event_source/devices/%s/cpus", pmus[n - 1]);
        tree_put(root, path, "0-3");
        snprintf(path, sizeof path, "sys/bus/event_source/devices/%s/type", pmus[n - 1]);
        snprintf(text, sizeof text, "%d", 900 + n); /* no machine has it */
        tree_put(root, path, text);
        assert_ok(tm_probe_open("counters", &options, &probe, &health, &err), err);
        for (int i = 0; i < tm_probe_n_channels(probe); i++) {
            bool software = strcmp(tm_probe_channel(probe, i)->name, "task_clock") == 0;
            tm_probe_state found = tm_probe_channel_state(probe, i, &reason);
            if (!software && n > 1) assert_int_not_equal(found, TM_PROBE_OK);
            if (!software && n == 3) assert_says(reason, "3 kinds of cores");
        }
        tm_probe_close(probe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counts_of_a_busy_region),
        cmocka_unit_test(test_a_count_of_zero_is_ok),
        cmocka_unit_test(test_fake_joules_are_labelled_fake),
        cmocka_unit_test(test_unknown_source_is_an_error),
        cmocka_unit_test(test_kinds_of_cores_are_added_or_missing),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
