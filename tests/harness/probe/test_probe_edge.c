/* Windows whose edges are read slowly, once or always: the joules belong to the time between the
 * edges, within the bound that the window states. */
#include "tests/harness/probe/fake_machine.h"

#define WATTS 100.0

static fake_machine machine;
static int n_reads, n_slow; /* the first n_slow reads of a window are slow */

/* The count is taken at once and returned late. */
static tm_probe_state read_late(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)probe;
    (void)channel;
    out->raw = (uint64_t)(1e-3 * WATTS * (double)machine.fake.time_ns);
    if (n_reads++ < n_slow) fake_clock_sleep(&machine.fake, 40000000);
    return TM_PROBE_OK;
}

static const tm_probe_source late = {.name = "late", .read = read_late};

/* A probe with two domains. */
static int make_probe(void **state)
{
    tm_error err = {0};
    tm_channel *c;
    (void)state;
    machine_init(&machine);
    tm_probe *probe = machine.probe = calloc(1, sizeof *probe);
    assert_non_null(probe);
    probe->source = &late;
    probe->options = (tm_probe_options){.max_watts = 1000, .clock = &machine.clock};
    for (int i = 0; i < 2; i++) {
        assert_ok(tm_probe_add(probe, &c, &err), err);
        snprintf(c->info.name, sizeof c->info.name, "package-%d", i);
        snprintf(c->info.scope, sizeof c->info.scope, "package");
        snprintf(c->info.unit, sizeof c->info.unit, "joules");
        c->info.method = "counter";
        c->scale = 1e-6;
    }
    assert_ok(tm_probe_window_open(probe, &err), err);
    return 0;
}

static int close_probe(void **state)
{
    (void)state;
    machine_close(&machine);
    return 0;
}

static void check_window(double least_bound)
{
    tm_probe_window window;
    n_reads = 0;
    machine_measure(&machine, 0.3, &window);
    for (int i = 0; i < 2; i++) {
        const tm_probe_value *v = &window.values[i];
        assert_measured(v);
        if (!(fabs(v->value - WATTS * window.seconds) <= v->error_bound))
            fail_msg("%g J in %g s at %g W, bound %g J", v->value, window.seconds, WATTS,
                     v->error_bound);
        assert_true(v->error_bound >= least_bound && v->error_bound < 0.5 * v->value);
        assert_true(v->largest_gap_seconds >= 0.3);
    }
}

static void test_a_slow_read_is_repeated(void **state)
{
    (void)state;
    n_slow = 1;
    check_window(0);
    /* Two at either edge, two repeated, and three until both have advanced after the window. */
    assert_int_equal(n_reads, 9);
    /* Now the usual duration of a read is known. */
    n_slow = 2;
    check_window(0);
    assert_int_equal(n_reads, 9);
}

/* Half of 40 ms at each edge, and 20 ms to the middle between the domains. */
static void test_the_bound_includes_reads_that_are_always_slow(void **state)
{
    (void)state;
    n_slow = INT32_MAX;
    for (int i = 0; i < 2; i++) check_window(2 * WATTS * (0.02 + 0.019));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_slow_read_is_repeated, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_the_bound_includes_reads_that_are_always_slow,
                                        make_probe, close_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
