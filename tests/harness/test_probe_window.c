/* Windows over a source of the test's own: what happens to counts that shared a counter of the processor,
 * that fall, or that stand still. */
#include "harness/probe_source.h"
#include "tests/harness/scratch.h"

#include <math.h>

static tm_reading now[2]; /* what the two channels read */

static tm_probe_state read_now(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    *out = now[channel - probe->channels];
    return TM_PROBE_OK;
}

static const tm_probe_source scripted = {.name = "scripted", .read = read_now};

static tm_probe *probe;
static tm_probe_window window;

static int make_probe(void **state)
{
    tm_error err = {0};
    tm_channel *c;
    (void)state;
    probe = calloc(1, sizeof *probe);
    probe->source = &scripted;
    for (int i = 0; i < 2; i++) {
        assert_ok(tm_probe_add(probe, &c, &err), err);
        snprintf(c->info.name, sizeof c->info.name, i ? "misses" : "cycles");
        snprintf(c->info.unit, sizeof c->info.unit, "count");
        c->info.method = "perf";
    }
    assert_ok(tm_probe_window_open(probe, &err), err);
    memset(now, 0, sizeof now);
    return 0;
}

static int close_probe(void **state)
{
    (void)state;
    tm_probe_close(probe);
    return 0;
}

static void test_a_share_scales_and_is_told(void **state)
{
    (void)state;
    now[0] = (tm_reading){.raw = 100, .enabled_ns = 5000, .running_ns = 4000};
    now[1] = (tm_reading){.raw = 10, .enabled_ns = 5000, .running_ns = 5000};
    tm_probe_start(probe);
    now[0] = (tm_reading){.raw = 500, .enabled_ns = 6000, .running_ns = 4400};
    now[1] = (tm_reading){.raw = 30, .enabled_ns = 6000, .running_ns = 6000};
    tm_probe_stop(probe, &window);
    /* Of this window: 400 counts in 400 of 1000 ns. */
    assert_true(fabs(window.values[0].counted_share - 0.4) < 1e-12);
    assert_true(fabs(window.values[0].value - 1000) < 1e-9);
    assert_true(window.values[1].counted_share == 1 && window.values[1].value == 20);
    tm_json *json = tm_probe_window_to_json(&window);
    const tm_json *row = tm_json_at(tm_json_get(json, "channels"), 0);
    assert_true(fabs(tm_json_double(tm_json_get(row, "counted_share"), 0) - 0.4) < 1e-9);
    tm_json_free(json);
}

static void test_never_counted_is_no_count(void **state)
{
    (void)state;
    now[0] = (tm_reading){.raw = 7, .enabled_ns = 5000, .running_ns = 100};
    tm_probe_start(probe);
    now[0].enabled_ns = 9000;
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "cycles never had a counter to itself");
    assert_true(isnan(window.values[0].value));
}

static void test_a_count_that_falls_is_none(void **state)
{
    (void)state;
    now[1].raw = 1000;
    tm_probe_start(probe);
    now[1].raw = 999;
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[1].state, TM_PROBE_INVALID);
    assert_says(window.values[1].reason, "misses went back from 1000 to 999");
}

static void test_standing_still(void **state)
{
    (void)state;
    probe->channels[1].may_rest = true;
    tm_probe_start(probe);
    usleep(120000);
    tm_probe_stop(probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_STUCK);
    assert_true(isnan(window.values[0].value));
    assert_int_equal(window.values[1].state, TM_PROBE_OK);
    assert_true(window.values[1].value == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_share_scales_and_is_told, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_never_counted_is_no_count, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_a_count_that_falls_is_none, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_standing_still, make_probe, close_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
