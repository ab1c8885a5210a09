/* Looks, Holm's correction and the rule of the gate: examples by hand, and their promised error
 * rates by simulation. Seeds are fixed; no machine is measured. check: long */
#include "tests/tm_test.h"

#include "harness/stats/sequential.h"
#include "tests/harness/stats/noise.h"

#include <math.h>
#include <string.h>

#define MAX_PAIRS 96
#define MAX_ROWS  12

static void looks_are_even_and_end_at_the_maximum(void **state)
{
    (void)state;
    static const struct {
        int max, n, at[8];
    } table[] = {
        {1, 1, {2}},
        {6, 1, {6}},
        {8, 1, {8}},
        {9, 1, {8}},
        {10, 2, {8, 10}},
        {24, 4, {8, 12, 16, 24}},
        {48, 6, {8, 12, 16, 24, 32, 48}},
        {65, 7, {8, 12, 16, 24, 32, 48, 64}},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        tm_looks looks = tm_looks_make(table[i].max);
        assert_int_equal(looks.n, table[i].n);
        for (int k = 0; k < looks.n; k++) assert_int_equal(looks.at[k], table[i].at[k]);
        assert_true(tm_is_look(&looks, looks.at[0]));
        assert_false(tm_is_look(&looks, looks.at[0] + 1));
    }
    tm_looks most = tm_looks_make(1 << 30);
    assert_true(most.n <= TM_LOOKS_MAX);
    assert_int_equal(most.at[most.n - 1], 1 << 30);
}

static void holm_matches_an_example_by_hand(void **state)
{
    (void)state;
    /* 3 x 0.01, 2 x 0.02, then 0.03 raised to its predecessor. */
    double p[] = {0.03, NAN, 0.01, 0.02}, expected[] = {0.04, NAN, 0.03, 0.04}, out[4];
    tm_holm(p, 4, out);
    for (int i = 0; i < 4; i++)
        if (isnan(expected[i]))
            assert_true(isnan(out[i]));
        else
            assert_true(fabs(out[i] - expected[i]) < 1e-15);
    double large[] = {0.6, 0.9};
    tm_holm(large, 2, large);
    assert_true(large[0] == 1 && large[1] == 1);
}

static void half_width_is_symmetric_on_logs(void **state)
{
    (void)state;
    tm_interval x = {.value = 1, .low = 1 / 1.02, .high = 1.02};
    assert_true(fabs(tm_interval_half_width(x) - 0.02) < 1e-12);
    x.low = NAN;
    assert_true(isnan(tm_interval_half_width(x)));
}

/* One row whose n pairs all have this ratio, with a little spread. */
static tm_gate_row decide(const tm_gate_limits *limits, double noise_floor, double ratio, int n,
                          bool out_of_time)
{
    double a[MAX_PAIRS], b[MAX_PAIRS];
    const double *as = a, *bs = b;
    tm_gate_row row;
    tm_gate_row_init(&row, TM_GATE_THRESHOLD, noise_floor);
    for (int i = 0; i < n && tm_gate_row_is_open(&row); i++) {
        int made = i + 1;
        a[i] = 1;
        b[i] = ratio * (1 + 0.001 * (i % 3));
        tm_gate_step(limits, &row, &as, &bs, &made, 1, out_of_time && made == n);
    }
    return row;
}

static void gate_decides_clear_rows_early(void **state)
{
    (void)state;
    tm_gate_limits limits = TM_GATE_LIMITS;
    assert_int_equal(decide(&limits, NAN, 1, 8, false).state, TM_GATE_PASS);
    assert_int_equal(decide(&limits, NAN, 0.8, 8, false).state, TM_GATE_PASS);
    assert_int_equal(decide(&limits, NAN, 1, 7, false).state, TM_GATE_SCREENING);
    /* 8 pairs have p = 2/256 per look, which 6 looks raise to 0.047. */
    tm_gate_row slow = decide(&limits, NAN, 1.2, 8, false);
    assert_int_equal(slow.state, TM_GATE_CONFIRMING);
    assert_int_equal(slow.n_screen, 8);
    slow = decide(&limits, NAN, 1.2, 16, false);
    assert_int_equal(slow.state, TM_GATE_REGRESSION);
    assert_int_equal(slow.ratio.n, 8); /* of the second batch alone */
    assert_true(slow.ratio.low > 1.19 && slow.ratio.high < 1.21);
}

static void gate_never_fails_without_a_second_batch(void **state)
{
    (void)state;
    tm_gate_limits limits = TM_GATE_LIMITS;
    assert_int_equal(decide(&limits, NAN, 1.2, 8, true).state, TM_GATE_INCONCLUSIVE);
    assert_int_equal(decide(&limits, NAN, 1.2, 2, true).state, TM_GATE_INCONCLUSIVE);
    assert_int_equal(decide(&limits, NAN, 1.2, 10, true).state, TM_GATE_INCONCLUSIVE);
    tm_gate_row none;
    const double *empty = NULL;
    int n = 0;
    tm_gate_row_init(&none, TM_GATE_THRESHOLD, NAN);
    tm_gate_step(&limits, &none, &empty, &empty, &n, 1, true);
    assert_int_equal(none.state, TM_GATE_INCONCLUSIVE);
}

static void gate_stays_within_the_noise_floor(void **state)
{
    (void)state;
    tm_gate_limits limits = TM_GATE_LIMITS;
    tm_gate_row row = decide(&limits, 1.3, 1.2, 48, false);
    assert_int_equal(row.state, TM_GATE_INCONCLUSIVE);
    assert_non_null(strstr(row.because, "noise floor"));
    assert_int_equal(decide(&limits, 1.3, 1.4, 32, false).state, TM_GATE_REGRESSION);
}

static void zero_and_infinite_costs_are_inconclusive(void **state)
{
    (void)state;
    tm_gate_limits limits = TM_GATE_LIMITS;
    assert_int_equal(decide(&limits, NAN, NAN, 48, false).state, TM_GATE_INCONCLUSIVE);
    assert_int_equal(decide(&limits, NAN, INFINITY, 48, false).state, TM_GATE_INCONCLUSIVE);
    assert_int_equal(decide(&limits, NAN, 0, 48, false).state, TM_GATE_INCONCLUSIVE);
}

typedef struct outcome {
    int regressions, inconclusive; /* gates */
    int found;                     /* gates whose row 0 is a regression */
    double pairs;                  /* per row */
} outcome;

/* Runs whole gates of 12 rows; row 0 is slower by `factor`. Rows take turns, as in a sweep. */
static outcome simulate(const noise_model *noise, double factor, int trials, uint64_t seed)
{
    static double a[MAX_ROWS][MAX_PAIRS], b[MAX_ROWS][MAX_PAIRS];
    const tm_gate_limits limits = TM_GATE_LIMITS;
    tm_rng rng = {seed};
    outcome out = {0};
    for (int t = 0; t < trials; t++) {
        tm_gate_row rows[MAX_ROWS];
        const double *as[MAX_ROWS], *bs[MAX_ROWS];
        int n[MAX_ROWS] = {0}, states[5] = {0};
        double drift = begin_drift(&rng, noise);
        for (int i = 0; i < MAX_ROWS; i++) {
            tm_gate_row_init(&rows[i], TM_GATE_THRESHOLD, NAN);
            as[i] = a[i];
            bs[i] = b[i];
        }
        for (int round = 0, open = MAX_ROWS; open > 0; round++) {
            open = 0;
            for (int i = 0; i < MAX_ROWS; i++) {
                if (!tm_gate_row_is_open(&rows[i])) continue;
                double first = next_run(&rng, noise, &drift),
                       second = next_run(&rng, noise, &drift);
                bool flip = round & 1;
                a[i][n[i]] = flip ? second : first;
                b[i][n[i]++] = (flip ? first : second) * (i == 0 ? factor : 1);
                out.pairs += 1.0 / trials / MAX_ROWS;
                open++;
            }
            tm_gate_step(&limits, rows, as, bs, n, MAX_ROWS, false);
        }
        for (int i = 0; i < MAX_ROWS; i++) states[rows[i].state]++;
        out.regressions += states[TM_GATE_REGRESSION] > 0;
        out.inconclusive += states[TM_GATE_INCONCLUSIVE] > 0;
        out.found += rows[0].state == TM_GATE_REGRESSION;
    }
    return out;
}

/* At most 1 % of gates without a difference fail. In 500 trials of a gate that fails in 2 %, 3 or
 * fewer failures have a chance of 1 %. */
static void gate_raises_few_false_alarms(void **state)
{
    (void)state;
    const noise_model *noises[] = {&drifting, &rough};
    for (int k = 0; k < 2; k++) {
        outcome x = simulate(noises[k], 1, 500, 11 + (uint64_t)k);
        if (x.regressions > 3)
            fail_msg("%s noise: %d of 500 gates failed", noises[k]->name, x.regressions);
        if (x.inconclusive > 25)
            fail_msg("%s noise: %d of 500 inconclusive", noises[k]->name, x.inconclusive);
        if (x.pairs > 40) fail_msg("%s noise: %.1f pairs a row", noises[k]->name, x.pairs);
    }
}

static void gate_finds_a_slow_down_of_10_percent(void **state)
{
    (void)state;
    const noise_model *noises[] = {&quiet, &drifting, &rough};
    for (int k = 0; k < 3; k++) {
        outcome x = simulate(noises[k], 1.1, 200, 21 + (uint64_t)k);
        if (x.found < 190) /* 95 %; the promise is 90 % */
            fail_msg("%s noise: found in %d of 200 gates", noises[k]->name, x.found);
    }
}

/* Adds pairs until the interval excludes 1, with and without the correction for looks. Shares of
 * trials that wrongly exclude 1, or whose last interval misses the true ratio. */
static void stopping_early_keeps_the_promised_coverage(void **state)
{
    (void)state;
    enum { trials = 2000 };
    const noise_model *noises[] = {&quiet, &drifting, &rough};
    const tm_looks looks = tm_looks_make(64);
    tm_rng rng = {31};
    for (int k = 0; k < 3; k++) {
        int corrected = 0, naive = 0;
        for (int t = 0; t < trials; t++) {
            double a[64], b[64], drift = begin_drift(&rng, noises[k]);
            bool stopped = false, stopped_naive = false;
            for (int i = 0; i < 64; i++) {
                double first = next_run(&rng, noises[k], &drift);
                double second = next_run(&rng, noises[k], &drift);
                a[i] = i & 1 ? second : first;
                b[i] = i & 1 ? first : second;
                tm_interval x = {.low = NAN, .high = NAN}, y = x;
                if (!stopped && tm_is_look(&looks, i + 1))
                    x = tm_look_interval(&looks, a, b, i + 1, 0.95);
                if (!stopped_naive && i >= 5) y = tm_interval_ratio(a, b, i + 1, 0.95);
                stopped = stopped || x.low > 1 || x.high < 1;
                stopped_naive = stopped_naive || y.low > 1 || y.high < 1;
            }
            corrected += stopped;
            naive += stopped_naive;
        }
        /* 5 % plus four standard deviations of a share of 2000 trials. */
        if (corrected > trials * 0.0695)
            fail_msg("%s noise: %d of %d wrong", noises[k]->name, corrected, trials);
        /* Looking after every pair without a correction would fail this test by far. */
        if (naive < trials * 0.15)
            fail_msg("%s noise: only %d of %d wrong without correction", noises[k]->name, naive,
                     trials);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_are_even_and_end_at_the_maximum),
        cmocka_unit_test(holm_matches_an_example_by_hand),
        cmocka_unit_test(half_width_is_symmetric_on_logs),
        cmocka_unit_test(gate_decides_clear_rows_early),
        cmocka_unit_test(gate_never_fails_without_a_second_batch),
        cmocka_unit_test(gate_stays_within_the_noise_floor),
        cmocka_unit_test(zero_and_infinite_costs_are_inconclusive),
        cmocka_unit_test(gate_raises_few_false_alarms),
        cmocka_unit_test(gate_finds_a_slow_down_of_10_percent),
        cmocka_unit_test(stopping_early_keeps_the_promised_coverage),
    };
    return cmocka_run_group_tests_name("sequential decisions", tests, NULL, NULL);
}
