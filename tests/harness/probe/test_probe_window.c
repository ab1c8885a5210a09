/* Windows over a source of the test's own: what happens to counts that shared a counter of the processor,
 * that fall, or that stand still; and to joules when the thread that reads them stands still. */
#include "tests/harness/probe/timed_window.h"

static tm_reading now[2]; /* what the two channels read */

/* What they read instead where watts are set: a count of joules or the power at the moment, with the
 * call going on before and after it. */
static struct {
    double watts, watts_later; /* the later ones from step_ns on */
    int64_t step_ns;
    useconds_t before, after;
    bool once; /* the next call only */
} script[2];

static double joules_until(int i, int64_t ns)
{
    double later = ns > script[i].step_ns ? 1e-9 * (double)(ns - script[i].step_ns) : 0;
    return script[i].watts * (1e-9 * (double)ns - later) + script[i].watts_later * later;
}

static tm_probe_state read_now(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    int i = (int)(channel - probe->channels);
    if (!(script[i].watts > 0)) {
        *out = now[i];
        return TM_PROBE_OK;
    }
    if (script[i].before) usleep(script[i].before);
    int64_t ns = tm_now_ns();
    double watts = ns < script[i].step_ns ? script[i].watts : script[i].watts_later;
    out->raw = (uint64_t)(1e6 * (channel->kind == TM_CHANNEL_POWER ? watts : joules_until(i, ns)));
    if (channel->range) out->raw %= channel->range;
    if (script[i].after) usleep(script[i].after);
    if (script[i].once) script[i].before = script[i].after = 0;
    return TM_PROBE_OK;
}

static const tm_probe_source scripted = {.name = "scripted", .read = read_now};

static tm_probe *probe;
static tm_probe_window window;

static void add_channels(const char *unit, tm_channel_kind kind, double scale)
{
    tm_error err = {0};
    tm_channel *c;
    probe = calloc(1, sizeof *probe);
    probe->source = &scripted;
    for (int i = 0; i < 2; i++) {
        assert_ok(tm_probe_add(probe, &c, &err), err);
        snprintf(c->info.name, sizeof c->info.name, i ? "misses" : "cycles");
        snprintf(c->info.scope, sizeof c->info.scope, "package");
        snprintf(c->info.unit, sizeof c->info.unit, "%s", unit);
        c->info.method = "perf";
        c->kind = kind;
        c->scale = scale;
    }
    memset(now, 0, sizeof now);
    memset(script, 0, sizeof script);
}

static int make_probe(void **state)
{
    tm_error err = {0};
    (void)state;
    add_channels("count", TM_CHANNEL_COUNTER, 1);
    assert_ok(tm_probe_window_open(probe, &err), err);
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
    usleep(120000); /* in which other counts that stay are stuck */
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

/* Joules of both channels at 30 W; `limit` watts at most. */
static void open_joules(tm_channel_kind kind, uint64_t range, double limit)
{
    tm_error err = {0};
    add_channels("joules", kind, 1e-6);
    probe->options = (tm_probe_options){.max_watts = limit, .min_seconds = 0.02, .rate_hz = 200};
    for (int i = 0; i < 2; i++) {
        probe->channels[i].range = range;
        script[i].watts = script[i].watts_later = 30;
    }
    assert_ok(tm_probe_window_open(probe, &err), err);
}

static void let_calls_take(useconds_t before_0, useconds_t after_0, useconds_t before_1,
                           useconds_t after_1)
{
    pthread_mutex_lock(&probe->lock);
    script[0].before = before_0, script[0].after = after_0;
    script[1].before = before_1, script[1].after = after_1;
    pthread_mutex_unlock(&probe->lock);
}

/* A thread that stands still before or after it has read, in one channel or between two: the edge may be
 * anywhere in the call, and the bound says so. */
static void test_a_call_that_takes_long_is_in_the_bound(void **state)
{
    (void)state;
    static const tm_channel_kind kinds[] = {TM_CHANNEL_COUNTER, TM_CHANNEL_POWER};
    static const useconds_t calls[][4] = {
        {10000, 0, 0, 0}, {0, 10000, 0, 0}, {0, 0, 10000, 0}, {0, 0, 0, 10000}};
    for (int k = 0; k < 8; k++) {
        const useconds_t *slow = calls[k % 4];
        timed_window t;
        open_joules(kinds[k / 4], 0, 1000);
        let_calls_take(slow[0], slow[1], slow[2], slow[3]);
        timed_start(probe, &t);
        let_calls_take(0, 0, 0, 0);
        if (kinds[k / 4] == TM_CHANNEL_POWER) wait_until(has_read(probe, 0, 12));
        timed_sleep(&t, 0.1);
        let_calls_take(slow[1], slow[0], slow[3], slow[2]);
        timed_stop(probe, &t);
        for (int i = 0; i < 2; i++) {
            const tm_probe_value *v = &t.w.values[i];
            double truth = 30 * t.w.seconds, watts = v->value / t.w.seconds;
            if (stood_still(v, &t)) continue;
            if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
            if (!(fabs(v->value - truth) <= v->error_bound))
                fail_msg("case %d: %g J of channel %d, truth %g J, bound %g J", k, v->value, i,
                         truth, v->error_bound);
            /* Half of 10 ms at each edge in the slow channel, and no more than the calls took. */
            if (slow[2 * i] || slow[2 * i + 1]) assert_true(v->error_bound >= 0.0099 * watts);
            assert_true(v->error_bound <= edges_joules(v, &t, 2e-3) + 1e-4);
        }
        tm_probe_close(probe);
    }
}

/* The power doubles within a call of 20 ms, between the sample and the call's middle; at the edges calls
 * are quick. */
static void test_a_step_under_slow_calls(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        open_joules(TM_CHANNEL_POWER, 0, 1000);
        timed_window t;
        timed_start(probe, &t);
        let_calls_take(side ? 20000 : 0, side ? 0 : 20000, 0, 0);
        wait_until(has_read(probe, 0, 8));
        pthread_mutex_lock(&probe->lock);
        for (int i = 0; i < 2; i++) {
            script[i].step_ns = tm_now_ns() + (side ? 16000000 : 7000000);
            script[i].watts_later = 60;
        }
        pthread_mutex_unlock(&probe->lock);
        wait_until(has_read(probe, 0, 16));
        let_calls_take(0, 0, 0, 0);
        timed_stop(probe, &t);
        for (int i = 0; i < 2; i++) {
            const tm_probe_value *v = &t.w.values[i];
            double truth = joules_until(i, t.w.end_ns) - joules_until(i, t.w.begin_ns);
            if (stood_still(v, &t)) continue;
            if (v->state != TM_PROBE_OK) fail_msg("%s", v->reason);
            if (!(fabs(v->value - truth) <= v->error_bound))
                fail_msg("%g J of channel %d, truth %g J, bound %g J", v->value, i, truth,
                         v->error_bound);
            assert_true(v->error_bound <=
                        60 * v->largest_gap_seconds + edges_joules(v, &t, 0) + 1e-3);
        }
        tm_probe_close(probe);
    }
}

/* The first count is taken at once and its call goes on for 100 ms: between the middles of both calls
 * lie 50 ms, between the counts 100. */
static void test_a_gap_is_the_longest_it_may_have_been(void **state)
{
    (void)state;
    static const struct {
        uint64_t range;
        double limit;
        const char *says;
    } rows[] = {{0, 31, ""}, {28800000, 360, "may have wrapped more than once"}};
    for (int i = 0; i < 2; i++) {
        timed_window t;
        open_joules(TM_CHANNEL_COUNTER, 0, rows[i].limit);
        probe->channels[0].range = rows[i].range;
        script[0].step_ns = tm_now_ns();
        let_calls_take(0, 100000, 0, 0);
        timed_start(probe, &t);
        let_calls_take(0, 0, 0, 0);
        timed_sleep(&t, rows[i].range ? 0 : 0.4);
        timed_stop(probe, &t);
        const tm_probe_value *v = &t.w.values[0];
        assert_true(v->largest_gap_seconds >= 0.1);
        if (rows[i].says[0]) {
            assert_int_equal(v->state, TM_PROBE_INVALID);
            assert_says(v->reason, rows[i].says);
        } else if (v->state != TM_PROBE_OK && !stood_at_edges(v, &t))
            fail_msg("%s", v->reason);
        tm_probe_close(probe);
    }
}

/* Half of the window went by in the calls of its readings: no figure is left. */
static void test_edges_that_take_the_window(void **state)
{
    (void)state;
    timed_window t;
    open_joules(TM_CHANNEL_COUNTER, 0, 1000);
    let_calls_take(50000, 50000, 0, 0);
    for (int turn = 0; turn < 20; turn++) {
        timed_start(probe, &t);
        timed_sleep(&t, 0.02);
        timed_stop(probe, &t);
        if (t.w.seconds < 0.3) break; /* of which 0.15 are uncertain; else it stood still between */
    }
    assert_true(stood_at_edges(&t.w.values[0], &t));
    assert_true(isnan(t.w.values[0].value) && isnan(t.w.values[0].error_bound));
    tm_probe_close(probe);
}

/* Power between two samples is not known when they lie as far apart as this. */
static void test_power_that_was_not_read_is_no_energy(void **state)
{
    (void)state;
    timed_window t;
    open_joules(TM_CHANNEL_POWER, 0, 1000);
    timed_start(probe, &t);
    wait_until(has_read(probe, 0, 12));
    pthread_mutex_lock(&probe->lock);
    int64_t n = probe->tallies[0].n_samples;
    script[0].once = true;
    script[0].before = 2050000;
    pthread_mutex_unlock(&probe->lock);
    wait_until(has_read(probe, 0, n + 2));
    timed_stop(probe, &t);
    assert_int_equal(t.w.values[0].state, TM_PROBE_INVALID);
    assert_says(t.w.values[0].reason, "cycles was not read for ");
    assert_true(isnan(t.w.values[0].value) && isnan(t.w.values[0].error_bound));
    tm_probe_close(probe);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_share_scales_and_is_told, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_never_counted_is_no_count, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_a_count_that_falls_is_none, make_probe, close_probe),
        cmocka_unit_test_setup_teardown(test_standing_still, make_probe, close_probe),
        cmocka_unit_test(test_a_call_that_takes_long_is_in_the_bound),
        cmocka_unit_test(test_a_step_under_slow_calls),
        cmocka_unit_test(test_a_gap_is_the_longest_it_may_have_been),
        cmocka_unit_test(test_edges_that_take_the_window),
        cmocka_unit_test(test_power_that_was_not_read_is_no_energy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
