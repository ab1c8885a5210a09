/* Windows over a scripted source: counts that share a hardware counter, go back or stay the same,
 * and joules when reads are slow, late or missing. */
#include "tests/harness/probe/fake_machine.h"

#define MS 1000000ll

static fake_machine machine;
static tm_probe_window window;
static tm_reading now[2]; /* what the two channels read, unless watts are set */

/* A channel that counts joules, or reads the power, while each call takes some time before and
 * after the reading. */
static struct {
    double watts, watts_later; /* the latter from step_ns on */
    int64_t step_ns;
    int64_t before_ns, after_ns;
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
    fake_clock_sleep(&machine.fake, script[i].before_ns);
    int64_t ns = machine.fake.time_ns;
    double watts = ns < script[i].step_ns ? script[i].watts : script[i].watts_later;
    out->raw = (uint64_t)(1e6 * (channel->kind == TM_CHANNEL_POWER ? watts : joules_until(i, ns)));
    if (channel->range) out->raw %= channel->range;
    fake_clock_sleep(&machine.fake, script[i].after_ns);
    return TM_PROBE_OK;
}

static const tm_probe_source scripted = {.name = "scripted", .read = read_now};

static void add_channels(const char *unit, tm_channel_kind kind, double scale)
{
    tm_error err = {0};
    tm_channel *c;
    machine_init(&machine);
    tm_probe *probe = machine.probe = calloc(1, sizeof *probe);
    assert_non_null(probe);
    probe->source = &scripted;
    probe->options.clock = &machine.clock;
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

static int open_counts(void **state)
{
    tm_error err = {0};
    (void)state;
    add_channels("count", TM_CHANNEL_COUNTER, 1);
    assert_ok(tm_probe_window_open(machine.probe, &err), err);
    return 0;
}

static int close_probe(void **state)
{
    (void)state;
    machine_close(&machine);
    return 0;
}

static void test_a_shared_counter_is_scaled_by_its_share(void **state)
{
    (void)state;
    now[0] = (tm_reading){.raw = 100, .enabled_ns = 5000, .running_ns = 4000};
    now[1] = (tm_reading){.raw = 10, .enabled_ns = 5000, .running_ns = 5000};
    tm_probe_start(machine.probe);
    now[0] = (tm_reading){.raw = 500, .enabled_ns = 6000, .running_ns = 4400};
    now[1] = (tm_reading){.raw = 30, .enabled_ns = 6000, .running_ns = 6000};
    tm_probe_stop(machine.probe, &window);
    /* During this window: 400 counts in 400 of 1000 ns. */
    assert_close(window.values[0].counted_share, 0.4);
    assert_close(window.values[0].value, 1000);
    assert_true(window.values[1].counted_share == 1 && window.values[1].value == 20);
    tm_json *json = tm_probe_window_to_json(&window);
    const tm_json *row = tm_json_at(tm_json_get(json, "channels"), 0);
    assert_close(tm_json_double(tm_json_get(row, "counted_share"), 0), 0.4);
    tm_json_free(json);
}

static void test_an_event_without_a_counter_is_invalid(void **state)
{
    (void)state;
    now[0] = (tm_reading){.raw = 7, .enabled_ns = 5000, .running_ns = 100};
    tm_probe_start(machine.probe);
    now[0].enabled_ns = 9000;
    machine_sleep(&machine, 0.12); /* long enough for another count to be stuck */
    tm_probe_stop(machine.probe, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_INVALID);
    assert_says(window.values[0].reason, "cycles was never assigned a counter");
    assert_true(isnan(window.values[0].value));
}

static void test_a_count_that_goes_back_is_invalid(void **state)
{
    (void)state;
    now[1].raw = 1000;
    tm_probe_start(machine.probe);
    now[1].raw = 999;
    tm_probe_stop(machine.probe, &window);
    assert_int_equal(window.values[1].state, TM_PROBE_INVALID);
    assert_says(window.values[1].reason, "misses went back from 1000 to 999");
}

static void test_a_count_that_stays_is_stuck_unless_it_may_rest(void **state)
{
    (void)state;
    machine.probe->channels[1].may_rest = true;
    machine_measure(&machine, 0.12, &window);
    assert_int_equal(window.values[0].state, TM_PROBE_STUCK);
    assert_true(isnan(window.values[0].value));
    assert_int_equal(window.values[1].state, TM_PROBE_OK);
    assert_true(window.values[1].value == 0);
}

/* Both channels measure 30 W. limit: the most watts. range: of the first channel; 0: no wraps. */
static void open_joules(tm_channel_kind kind, double limit, uint64_t range)
{
    tm_error err = {0};
    add_channels("joules", kind, 1e-6);
    machine.probe->channels[0].range = range;
    machine.probe->options.max_watts = limit;
    machine.probe->options.min_seconds = 0.02;
    machine.probe->options.rate_hz = 200;
    for (int i = 0; i < 2; i++) {
        script[i].watts = script[i].watts_later = 30;
        if (kind != TM_CHANNEL_POWER) continue;
        machine.probe->channels[i].refresh_seconds = machine.probe->channels[i].mean_seconds = 1e-6;
    }
    assert_ok(tm_probe_window_open(machine.probe, &err), err);
}

static void set_call_times(int64_t before_0, int64_t after_0, int64_t before_1, int64_t after_1)
{
    script[0].before_ns = before_0, script[0].after_ns = after_0;
    script[1].before_ns = before_1, script[1].after_ns = after_1;
}

/* The thread is preempted before or after the reading, in either channel. The edge may be anywhere
 * in the call, and the bound includes that. */
static void test_the_bound_includes_slow_calls(void **state)
{
    (void)state;
    static const tm_channel_kind kinds[] = {TM_CHANNEL_COUNTER, TM_CHANNEL_POWER};
    static const int64_t calls[][4] = {
        {10 * MS, 0, 0, 0}, {0, 10 * MS, 0, 0}, {0, 0, 10 * MS, 0}, {0, 0, 0, 10 * MS}};
    for (int k = 0; k < 8; k++) {
        const int64_t *slow = calls[k % 4];
        open_joules(kinds[k / 4], 1000, 0);
        set_call_times(slow[0], slow[1], slow[2], slow[3]);
        tm_probe_start(machine.probe);
        set_call_times(0, 0, 0, 0);
        machine_sleep(&machine, 0.1);
        set_call_times(slow[1], slow[0], slow[3], slow[2]);
        tm_probe_stop(machine.probe, &window);
        for (int i = 0; i < 2; i++) {
            const tm_probe_value *v = &window.values[i];
            double truth = 30 * window.seconds, watts = v->value / window.seconds;
            assert_measured(v);
            if (!(fabs(v->value - truth) <= v->error_bound))
                fail_msg("case %d: %g J of channel %d, truth %g J, bound %g J", k, v->value, i,
                         truth, v->error_bound);
            /* Half of 10 ms at each edge in the slow channel; no more than both calls took. */
            if (slow[2 * i] || slow[2 * i + 1]) assert_true(v->error_bound >= 0.0099 * watts);
            double off = 0.022;
            assert_true(v->error_bound <= v->value * off / (window.seconds - off) + 1e-4);
        }
        machine_close(&machine);
    }
}

/* The power doubles during a call of 20 ms, between the reading and the middle of the call. The
 * calls at the edges are quick. */
static void test_the_bound_includes_a_step_during_a_slow_call(void **state)
{
    (void)state;
    for (int side = 0; side < 2; side++) {
        open_joules(TM_CHANNEL_POWER, 1000, 0);
        tm_probe_start(machine.probe);
        machine_sleep(&machine, 0.05);
        set_call_times(side ? 20 * MS : 0, side ? 0 : 20 * MS, 0, 0);
        machine_sleep(&machine, 0.1);
        /* The next call begins when it is due. */
        for (int i = 0; i < 2; i++) {
            script[i].step_ns = machine.probe->due_ns + (side ? 16 * MS : 7 * MS);
            script[i].watts_later = 60;
        }
        machine_sleep(&machine, 0.1);
        set_call_times(0, 0, 0, 0);
        tm_probe_stop(machine.probe, &window);
        for (int i = 0; i < 2; i++) {
            const tm_probe_value *v = &window.values[i];
            double truth = joules_until(i, window.end_ns) - joules_until(i, window.begin_ns);
            assert_measured(v);
            if (!(fabs(v->value - truth) <= v->error_bound))
                fail_msg("%g J of channel %d, truth %g J, bound %g J", v->value, i, truth,
                         v->error_bound);
            assert_true(v->error_bound <= 60 * v->largest_gap_seconds + 1e-3);
        }
        machine_close(&machine);
    }
}

/* The first count is read at once, but its call takes 100 ms. The middles of the two calls are 50
 * ms apart, the counts 100 ms. */
static void test_a_gap_is_the_longest_possible(void **state)
{
    (void)state;
    static const struct {
        uint64_t range;
        double limit;
        const char *says;
    } rows[] = {{0, 31, ""}, {28800000, 360, "may have wrapped more than once"}};
    for (int i = 0; i < 2; i++) {
        open_joules(TM_CHANNEL_COUNTER, rows[i].limit, rows[i].range);
        script[0].step_ns = machine.fake.time_ns;
        set_call_times(0, 100 * MS, 0, 0);
        tm_probe_start(machine.probe);
        set_call_times(0, 0, 0, 0);
        machine_sleep(&machine, rows[i].range ? 0 : 0.4);
        tm_probe_stop(machine.probe, &window);
        const tm_probe_value *v = &window.values[0];
        assert_true(v->largest_gap_seconds >= 0.1);
        if (rows[i].says[0])
            assert_not_measured(v, TM_PROBE_INVALID, rows[i].says);
        else
            assert_measured(v);
        machine_close(&machine);
    }
}

static void test_edges_that_take_half_of_the_window_are_invalid(void **state)
{
    (void)state;
    open_joules(TM_CHANNEL_COUNTER, 1000, 0);
    set_call_times(50 * MS, 50 * MS, 0, 0);
    machine_measure(&machine, 0.02, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "at both edges took too long");
    machine_close(&machine);
}

/* A counter that is read too late may have wrapped twice. */
static void test_a_late_sampler_may_miss_a_wrap(void **state)
{
    (void)state;
    open_joules(TM_CHANNEL_COUNTER, 60, 6000000); /* wraps in 0.1 s at 60 W, in 0.2 s at 30 W */
    tm_probe_start(machine.probe);
    machine_stall(&machine, 0.3);
    machine_sleep(&machine, 0.1);
    tm_probe_stop(machine.probe, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "was not read for 0.3 s");
    assert_measured(&window.values[1]);
    machine_close(&machine);
}

static void test_power_with_a_long_gap_is_invalid(void **state)
{
    (void)state;
    open_joules(TM_CHANNEL_POWER, 1000, 0);
    tm_probe_start(machine.probe);
    machine_sleep(&machine, 0.1);
    machine_stall(&machine, 2.05);
    machine_sleep(&machine, 0.1);
    tm_probe_stop(machine.probe, &window);
    assert_not_measured(&window.values[0], TM_PROBE_INVALID, "cycles was not read for 2.05");
    machine_close(&machine);
}

/* After a stall the sampler neither catches up nor drifts from its period. */
static void test_a_stall_is_followed_by_no_burst(void **state)
{
    (void)state;
    open_joules(TM_CHANNEL_POWER, 1000, 0);
    tm_probe_start(machine.probe);
    machine_sleep(&machine, 0.1); /* 20 samples at 200 Hz */
    machine_stall(&machine, 1);   /* one when it ends */
    machine_sleep(&machine, 0.1); /* 20 more */
    tm_probe_stop(machine.probe, &window);
    const tm_probe_value *v = &window.values[0];
    assert_measured(v);
    assert_true(v->n_samples >= 42 && v->n_samples <= 43); /* and two edges */
    assert_close(v->largest_gap_seconds, 1.0);
    assert_true(fabs(v->value - 30 * window.seconds) <= v->error_bound);
    machine_close(&machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_shared_counter_is_scaled_by_its_share, open_counts,
                                        close_probe),
        cmocka_unit_test_setup_teardown(test_an_event_without_a_counter_is_invalid, open_counts,
                                        close_probe),
        cmocka_unit_test_setup_teardown(test_a_count_that_goes_back_is_invalid, open_counts,
                                        close_probe),
        cmocka_unit_test_setup_teardown(test_a_count_that_stays_is_stuck_unless_it_may_rest,
                                        open_counts, close_probe),
        cmocka_unit_test(test_the_bound_includes_slow_calls),
        cmocka_unit_test(test_the_bound_includes_a_step_during_a_slow_call),
        cmocka_unit_test(test_a_gap_is_the_longest_possible),
        cmocka_unit_test(test_edges_that_take_half_of_the_window_are_invalid),
        cmocka_unit_test(test_a_late_sampler_may_miss_a_wrap),
        cmocka_unit_test(test_power_with_a_long_gap_is_invalid),
        cmocka_unit_test(test_a_stall_is_followed_by_no_burst),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
