/* The edges of a window whose reads are slow, once or always: the joules are those of the time between the
 * edges, within the bound that the window states. */
#include "harness/base/clock.h"
#include "harness/probe/probe_source.h"
#include "tests/harness/scratch.h"

#include <math.h>

#define WATTS 100.0

static int n_reads, n_slow; /* the first n_slow reads of a window are slow */

/* A count is taken at once, and told late. */
static tm_probe_state read_late(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)probe;
    (void)channel;
    out->raw = (uint64_t)(1e-3 * WATTS * (double)tm_now_ns());
    if (n_reads++ < n_slow) usleep(40000);
    return TM_PROBE_OK;
}

static const tm_probe_source late = {.name = "late", .read = read_late};

/* Two domains, as slow as each other. */
static tm_probe *make_probe(void)
{
    tm_error err = {0};
    tm_channel *c;
    tm_probe *probe = calloc(1, sizeof *probe);
    probe->source = &late;
    probe->options.max_watts = 1000;
    for (int i = 0; i < 2; i++) {
        assert_ok(tm_probe_add(probe, &c, &err), err);
        snprintf(c->info.name, sizeof c->info.name, "package-%d", i);
        snprintf(c->info.scope, sizeof c->info.scope, "package");
        snprintf(c->info.unit, sizeof c->info.unit, "joules");
        c->info.method = "counter";
        c->scale = 1e-6;
    }
    assert_ok(tm_probe_window_open(probe, &err), err);
    return probe;
}

static void check_window(tm_probe *probe, double least_bound)
{
    tm_probe_window window;
    n_reads = 0;
    int64_t begin = tm_now_ns();
    tm_probe_start(probe);
    int64_t inner_begin = tm_now_ns();
    usleep(300000);
    int64_t inner_end = tm_now_ns();
    tm_probe_stop(probe, &window);
    double edges_took = 1e-9 * (double)(tm_now_ns() - inner_end + inner_begin - begin);
    for (int i = 0; i < 2; i++) {
        const tm_probe_value *v = &window.values[i];
        if (v->state != TM_PROBE_OK && edges_took > 0.14) { /* the machine stood still */
            assert_says(v->reason, "at both edges took so long");
            continue;
        }
        assert_int_equal(v->state, TM_PROBE_OK);
        if (!(fabs(v->value - WATTS * window.seconds) <= v->error_bound))
            fail_msg("%g J in %g s at %g W, bound %g J", v->value, window.seconds, WATTS,
                     v->error_bound);
        assert_true(v->error_bound >= least_bound);
        assert_true(v->largest_gap_seconds >= 0.3);
    }
}

static void test_a_late_read_is_done_again(void **state)
{
    (void)state;
    tm_probe *probe = make_probe();
    n_slow = 1;
    check_window(probe, 0);
    assert_true(n_reads >= 6); /* two at either edge, and two again */
    /* By now it is known how long a read takes. */
    n_slow = 2;
    check_window(probe, 0);
    assert_true(n_reads >= 6);
    tm_probe_close(probe);
}

/* Half of 40 ms at each edge, and 20 ms to the middle between the domains. */
static void test_reads_that_are_always_late_are_in_the_bound(void **state)
{
    (void)state;
    tm_probe *probe = make_probe();
    n_slow = INT32_MAX;
    for (int i = 0; i < 2; i++) check_window(probe, 2 * WATTS * (0.02 + 0.019));
    tm_probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_late_read_is_done_again),
        cmocka_unit_test(test_reads_that_are_always_late_are_in_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
