/* The system's clock and the sampling thread, end to end. All other tests of windows use a fake
 * clock.
 *
 * A busy machine may not schedule the thread for a while. The probe must then refuse the window,
 * and the test is skipped if it does so in every try. */
#include "harness/probe/probe_source.h"
#include "tests/harness/probe/energy_tree.h"

#include <math.h>

#define N_TRIES      5
#define WAIT_SECONDS 60

/* Waits until a channel of the open window has been read n times, or a read failed. */
static void wait_for_reads(tm_probe *probe, int channel, int64_t n)
{
    for (int64_t end = tm_now_ns() + WAIT_SECONDS * 1000000000ll;;) {
        pthread_mutex_lock(&probe->lock);
        const tm_tally *t = &probe->tallies[channel];
        bool done = t->n_samples >= n || t->state != TM_PROBE_OK;
        pthread_mutex_unlock(&probe->lock);
        if (done) return;
        if (tm_now_ns() > end) fail_msg("no %d reads within %d s", (int)n, WAIT_SECONDS);
        usleep(2000);
    }
}

/* The edges must lie within the calls that made them. */
static void start_window(tm_probe *probe)
{
    int64_t before = tm_now_ns();
    tm_probe_start(probe);
    assert_true(probe->begin_ns >= before && probe->begin_ns <= tm_now_ns());
}

static void stop_window(tm_probe *probe, tm_probe_window *window)
{
    int64_t before = tm_now_ns();
    tm_probe_stop(probe, window);
    assert_true(window->end_ns >= before && window->end_ns <= tm_now_ns());
}

/* A rail of 10 W in two files, sampled 100 times per second. What a sample costs is measured; how
 * much depends on the machine. */
static void test_a_rail_is_sampled_at_its_rate(void **state)
{
    (void)state;
    const char *root = scratch_path("rail"), *folder = "sys/class/hwmon/hwmon3";
    char path[64];
    tree_put(root, "sys/class/hwmon/hwmon3/name", "ina3221");
    snprintf(path, sizeof path, "%s/in1_input", folder);
    tree_put(root, path, "5000");
    snprintf(path, sizeof path, "%s/curr1_input", folder);
    tree_put(root, path, "2000");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {
        .root = root, .rate_hz = 100, .min_seconds = 0.1, .spin_seconds = -1};
    assert_ok(tm_probe_open("hwmon", &options, &probe, &health, &err), err);
    int n_measured = 0;
    for (int i = 0; i < N_TRIES && n_measured == 0; i++) {
        tm_probe_window w;
        start_window(probe);
        wait_for_reads(probe, 0, 20);
        stop_window(probe, &w);
        const tm_probe_value *v = &w.values[0];
        assert_true(w.sampler_cpu_seconds > 0);
        assert_true(v->n_samples <= 3 + (int64_t)(100 * w.seconds));
        if (v->state != TM_PROBE_OK) continue;
        n_measured++;
        assert_true(fabs(v->value - 10 * w.seconds) <= v->error_bound);
    }
    tm_probe_close(probe);
    if (n_measured == 0) TM_SKIP("this machine is too busy to read the power regularly");
}

/* A counter at 50 W that wraps every second and begins 5 J before it wraps. The counter does not
 * advance while an edge is read, so the joules are known exactly. */
static void test_a_counter_is_followed_through_a_wrap(void **state)
{
    (void)state;
    static tree_meter m; /* static, because a failed test leaves its thread running */
    const char *root = scratch_path("wrap");
    tree_zone(root, "intel-rapl:0", "package-0", "0", "50000000");
    m = (tree_meter){.root = root,
                     .paths = {"sys/class/powercap/intel-rapl:0/energy_uj"},
                     .watts = {50},
                     .range = {50000000},
                     .total = {45000000},
                     .step_seconds = 5e-3};
    tree_meter_start(&m);
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options options = {
        .root = root, .max_watts = 60, .min_seconds = 0.05, .spin_seconds = WAIT_SECONDS};
    assert_ok(tm_probe_open("powercap", &options, &probe, &health, &err), err);
    bool measured = false;
    for (int i = 0; i < N_TRIES && !measured; i++) {
        tm_probe_window w;
        pthread_mutex_lock(&m.lock);
        m.total[0] = 45000000;
        tree_meter_write(&m, 0);
        start_window(probe);
        pthread_mutex_unlock(&m.lock);
        usleep(250000);
        pthread_mutex_lock(&m.lock);
        uint64_t total = m.total[0];
        stop_window(probe, &w);
        pthread_mutex_unlock(&m.lock);
        const tm_probe_value *v = &w.values[0];
        measured = v->state == TM_PROBE_OK && v->wraps > 0;
        if (v->state != TM_PROBE_OK) continue;
        assert_int_equal(v->wraps, total / 50000000);
        assert_true(fabs(v->value - 1e-6 * (double)(total - 45000000)) < 1e-6);
    }
    tree_meter_stop(&m);
    tm_probe_close(probe);
    if (!measured) TM_SKIP("this machine is too busy to read the counter regularly");
}

/* CLOCK_REALTIME lies between two reads of it around the conversion. */
static void test_monotonic_times_convert_to_unix_times(void **state)
{
    (void)state;
    for (int i = 0; i < 100; i++) {
        double before = tm_unix_now();
        double now = 1e-9 * (double)(tm_now_ns() + tm_unix_offset_ns());
        double after = tm_unix_now();
        assert_true(now > before - 1e-3 && now < after + 1e-3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_rail_is_sampled_at_its_rate),
        cmocka_unit_test(test_a_counter_is_followed_through_a_wrap),
        cmocka_unit_test(test_monotonic_times_convert_to_unix_times),
    };
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
