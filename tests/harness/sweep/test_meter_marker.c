/* The load pattern, and the search for it in logs that are slow, noisy, long, of joules, or without
 * it. */
#include "harness/sweep/meter_marker.h"

#include "tests/harness/fake_clock.h"
#include "tests/harness/scratch.h"

#include <math.h>

#define BEGIN 1.8e9 /* of the pattern, on this machine's clock */

static tm_meter_marker marker(void)
{
    static const double seconds[] = {2.6, 3.3, 2.9, 3.6, 2.6};
    tm_meter_marker m = {.n_threads = 2, .edge_unix_seconds = {BEGIN}};
    for (int i = 0; i < TM_METER_MARKER_PARTS; i++)
        m.edge_unix_seconds[i + 1] = m.edge_unix_seconds[i] + seconds[i];
    return m;
}

typedef struct meter_log {
    double before, after, period, offset; /* seconds; the offset is to be found */
    double noise, step;                   /* watts: of each sample; of the pattern */
    bool joules, twice;                   /* twice: the pattern repeats 60 s later */
    double mean;                          /* each sample is the mean of so many seconds before it */
} meter_log;

static double exact_watts_at(const meter_log *l, double time)
{
    tm_meter_marker m = marker();
    double watts = 20;
    for (int copy = 0; copy <= l->twice; copy++)
        for (int part = 1; part < TM_METER_MARKER_PARTS; part += 2) {
            double since = time - 60 * copy - m.edge_unix_seconds[part];
            double length = m.edge_unix_seconds[part + 1] - m.edge_unix_seconds[part];
            if (since >= 0 && since < length) watts += l->step;
        }
    /* Work later, in pieces that are longer than the pattern's parts. */
    if (time > BEGIN + 100 && fmod(time, 35) < 13) watts += 2 * l->step;
    return watts;
}

static double watts_at(const meter_log *l, double time, tm_rng *rng)
{
    double noise = l->noise * ((double)tm_rng_below(rng, 2001) / 1000 - 1), watts = 0;
    int n = l->mean > 0 ? 20 : 1;
    for (int i = 0; i < n; i++) watts += exact_watts_at(l, time - l->mean * (i + 0.5) / n) / n;
    return watts + noise;
}

static void make_series(const meter_log *l, tm_meter_series *series)
{
    char line[80];
    double joules = 0;
    tm_rng rng = {7};
    memset(series, 0, sizeof *series);
    tm_meter_series_add_line(series, l->joules ? "time joules" : "time;watts", 0);
    for (double t = BEGIN - l->before; t < BEGIN + 15 + l->after; t += l->period) {
        double watts = watts_at(l, t, &rng);
        joules += watts * l->period;
        snprintf(line, sizeof line, "%.4f %.4f", t - l->offset, l->joules ? joules : watts);
        tm_meter_series_add_line(series, line, 0);
    }
    assert_string_equal(series->broken, "");
}

static void test_finds_the_offset(void **state)
{
    (void)state;
    static const meter_log logs[] = {
        {60, 300, 1, 12.4, 0.5, 40, false, false, 0},      /* one sample per second */
        {60, 300, 0.1, -37.25, 8, 30, false, false, 0},    /* noisy */
        {20000, 20000, 1, 7200.3, 2, 30, false, false, 0}, /* half a day, another time zone */
        {60, 300, 0.2, 3.5, 1, 40, true, false, 0},        /* a count of joules */
        {30, 30, 0.02, 0, 0, 5, false, false, 0},          /* exact */
        /* Wall meters: means of the time before, at several places between two samples. */
        {60, 300, 1, 37.25, 0.5, 40, false, false, 1},
        {60.3, 300, 1, 37.25, 0.5, 40, false, false, 1},
        {60.7, 300, 1, 37.25, 0.5, 40, false, false, 1},
        {60.1, 300, 0.5, 37.25, 0.5, 40, false, false, 1},
        {60.3, 300, 0.5, 37.25, 0.5, 40, false, false, 1},
        {60.25, 300, 1, 37.25, 0.5, 40, false, false, 0},
        {60.75, 300, 1, 37.25, 0.5, 40, false, false, 0},
    };
    tm_meter_marker m = marker();
    for (size_t i = 0; i < sizeof logs / sizeof logs[0]; i++) {
        tm_meter_series series;
        tm_meter_marker_match match;
        tm_error err = {0};
        make_series(&logs[i], &series);
        assert_ok(tm_meter_marker_find(&series, &m, &match, &err), err);
        double off = fabs(match.offset_seconds - logs[i].offset);
        if (!(off <= match.error_seconds))
            fail_msg("log %zu: %.3f s instead of %.3f s, within %.3f s", i, match.offset_seconds,
                     logs[i].offset, match.error_seconds);
        double most = logs[i].period + logs[i].mean + 0.1 * logs[i].noise;
        assert_true(match.error_seconds >= 0.5 * logs[i].period);
        assert_true(match.error_seconds <= most + 0.02);
        assert_true(match.correlation > 0.7 && match.correlation <= 1 + 1e-9);
        tm_meter_series_free(&series);
    }
}

static void expect_refusal(const meter_log *l, const char *says)
{
    tm_meter_marker m = marker();
    tm_meter_series series;
    tm_meter_marker_match match;
    tm_error err = {0};
    make_series(l, &series);
    assert_int_equal(tm_meter_marker_find(&series, &m, &match, &err), TM_UNSUPPORTED);
    assert_says(err.message, says);
    tm_meter_series_free(&series);
}

static void test_logs_without_a_clear_match_are_refused(void **state)
{
    (void)state;
    expect_refusal(&(meter_log){60, 60, 0.5, 0, 3, 0, false, false, 0},
                   "the load pattern is not found");
    expect_refusal(&(meter_log){60, 60, 0.5, 0, 0, 0, false, false, 0},
                   "the load pattern is not found"); /* flat */
    expect_refusal(&(meter_log){60, 200, 0.5, 0, 0.5, 40, false, true, 0}, "two places");
    expect_refusal(&(meter_log){0, -8, 0.5, 0, 0.5, 40, false, false, 0},
                   "shorter than the load pattern");
    expect_refusal(&(meter_log){0, -13, 0.5, 0, 0.5, 40, false, false, 0}, "has only 4 samples");
    expect_refusal(&(meter_log){60, 60, 2, 0, 0.5, 40, false, false, 0},
                   "the load pattern is not found"); /* too slow */
}

/* A log whose times repeat is read for a few samples only, and the refusal says why. */
static void test_a_refusal_says_why_the_log_is_short(void **state)
{
    (void)state;
    tm_meter_marker m = marker();
    tm_meter_series series = {0};
    tm_meter_marker_match match;
    tm_error err = {0};
    char line[64];
    tm_meter_series_add_line(&series, "time watts", 0);
    for (int i = 0; i < 40; i++) {
        snprintf(line, sizeof line, "%.0f %d", BEGIN + (i < 2 ? i : 1), 20 + i);
        tm_meter_series_add_line(&series, line, 0);
    }
    assert_int_equal(tm_meter_marker_find(&series, &m, &match, &err), TM_UNSUPPORTED);
    assert_says(err.message, "has only 2 samples: sample 3 at 1800000001.000 is not after");
    tm_meter_series_free(&series);
}

static void test_marker_round_trip(void **state)
{
    (void)state;
    tm_meter_marker m = marker(), back;
    tm_json *json = tm_meter_marker_to_json(&m);
    assert_true(tm_meter_marker_from_json(json, &back));
    assert_memory_equal(&m.edge_unix_seconds, &back.edge_unix_seconds, sizeof m.edge_unix_seconds);
    tm_json_free(json);
    assert_false(tm_meter_marker_from_json(NULL, &back));
    static const char *const bad[] = {
        "{\"edge_unix_seconds\":[1,2,3,4,5]}", "{\"edge_unix_seconds\":[1,2,3,4,5,5]}",
        "{\"edge_unix_seconds\":[1,2,3,4,5,\"6\"]}", "{\"edge_unix_seconds\":[1,2,3,4,5,900]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        tm_error err = {0};
        assert_ok(tm_json_parse(bad[i], strlen(bad[i]), "marker", &json, &err), err);
        assert_false(tm_meter_marker_from_json(json, &back));
        tm_json_free(json);
    }
}

static void test_the_pattern_takes_its_time(void **state)
{
    (void)state;
    fake_clock fake;
    tm_meter_marker m;
    tm_error err = {0};
    fake_clock_init(&fake);
    assert_ok(tm_meter_marker_show(2, NULL, &fake.clock, &m, &err), err);
    assert_int_equal(m.n_threads, 2);
    assert_in_range(fake.slept_ns, 14999999999, 15000000001);
    for (int i = 0; i < TM_METER_MARKER_PARTS; i++)
        assert_true(fabs(m.edge_unix_seconds[i + 1] - m.edge_unix_seconds[i] - 3) < 0.6);
    /* Edges in the same phase of a meter of one second would leave its place open by a second. */
    for (int i = 1; i < TM_METER_MARKER_PARTS; i++) {
        double length = m.edge_unix_seconds[i + 1] - m.edge_unix_seconds[i];
        assert_true(fabs(length - round(length)) > 0.1);
    }
}

static void interrupt_second_part(fake_clock *fake)
{
    if (fake->n_sleeps == 2) assert_int_equal(write(*(int *)fake->arg, "x", 1), 1);
}

static void test_an_interrupt_ends_the_pattern(void **state)
{
    (void)state;
    fake_clock fake;
    tm_meter_marker m;
    tm_error err = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    fake_clock_init(&fake);
    fake.on_sleep = interrupt_second_part;
    fake.arg = &ends[1];
    const tm_interrupt interrupt = {ends[0]};
    assert_int_equal(tm_meter_marker_show(1, &interrupt, &fake.clock, &m, &err), TM_INTERRUPTED);
    assert_int_equal(fake.n_sleeps, 2);
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_the_offset),
        cmocka_unit_test(test_logs_without_a_clear_match_are_refused),
        cmocka_unit_test(test_a_refusal_says_why_the_log_is_short),
        cmocka_unit_test(test_marker_round_trip),
        cmocka_unit_test(test_the_pattern_takes_its_time),
        cmocka_unit_test(test_an_interrupt_ends_the_pattern),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
