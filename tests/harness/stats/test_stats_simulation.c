/* Checks by simulation that the interval of a paired ratio covers the true ratio as often as it
 * claims on a noisy machine, and that these tests fail for a method that does not. Seeds are
 * fixed; no machine is measured. */
#include "tests/tm_test.h"

#include "harness/stats/stats.h"
#include "tests/harness/stats/noise.h"

#include <math.h>

#define TRIALS    4000
#define MAX_PAIRS 20

/* Times of n consecutive runs. */
static void make_runs(tm_rng *rng, const noise_model *noise, int n, double *times)
{
    double drift = begin_drift(rng, noise);
    for (int i = 0; i < n; i++) times[i] = next_run(rng, noise, &drift);
}

typedef struct pairs {
    double a[MAX_PAIRS], b[MAX_PAIRS];
    bool first_is_a[MAX_PAIRS];
} pairs;

/* Makes n pairs in the order AB BA AB BA. b takes `factor` times as long as a; the second slot
 * takes `second` times as long as the first. */
static void make_pairs(tm_rng *rng, const noise_model *noise, int n, double factor, double second,
                       pairs *out)
{
    double times[2 * MAX_PAIRS];
    make_runs(rng, noise, 2 * n, times);
    for (int i = 0; i < n; i++) {
        int slot_a = i % 2;
        out->first_is_a[i] = slot_a == 0;
        out->a[i] = times[2 * i + slot_a] * (slot_a ? second : 1);
        out->b[i] = times[2 * i + 1 - slot_a] * factor * (slot_a ? 1 : second);
    }
}

static bool excludes(tm_interval x, double value)
{
    return x.low > value || x.high < value;
}

static void expect_share(int count, double low, double high, const char *name, int n,
                         const char *what)
{
    double share = (double)count / TRIALS;
    if (share < low || share > high)
        fail_msg("%s noise, n %d: %s in %.2f %% of %d trials, expected %.2f to %.2f %%", name, n,
                 what, 100 * share, TRIALS, 100 * low, 100 * high);
}

/* Four standard deviations of an observed share. A correct method exceeds it for one seed in
 * 16 000. */
static double four_sigma(double p, double trials)
{
    return 4 * sqrt(p * (1 - p) / trials);
}

static void paired_interval_gives_the_promised_false_alarms(void **state)
{
    (void)state;
    const noise_model *noises[] = {&quiet, &drifting, &rough};
    tm_rng rng = {1};
    double around = four_sigma(0.05, TRIALS);
    for (int k = 0; k < 6; k++) {
        const noise_model *noise = noises[k / 2];
        int n = k % 2 ? 20 : 10, alarms = 0, alarms_t = 0, beyond_5_percent = 0;
        for (int i = 0; i < TRIALS; i++) {
            pairs p;
            make_pairs(&rng, noise, n, 1, 1, &p);
            tm_interval ratio = tm_interval_ratio(p.b, p.a, n, 0.95);
            alarms += excludes(ratio, 1);
            beyond_5_percent += excludes(ratio, 1) && ratio.value > 1.05;
            alarms_t += excludes(tm_interval_ratio_t(p.b, p.a, n, 0.95), 1);
        }
        expect_share(alarms, 0.05 - around, 0.05 + around, noise->name, n, "false alarm");
        /* Spikes widen t intervals: fewer false alarms than 5 % are possible, many more are not. */
        expect_share(alarms_t, 0.02, 0.05 + around, noise->name, n, "false alarm of t");
        expect_share(beyond_5_percent, 0, 0.02, noise->name, n, "false alarm beyond 5 %");
    }
}

/* The comparison that this project avoids: all runs of one arm, then all of the other, and Welch's
 * t interval of the difference of their means. */
static bool welch_excludes_zero(const double *a, const double *b, int n)
{
    double va = tm_standard_deviation(a, n), vb = tm_standard_deviation(b, n);
    va *= va / n;
    vb *= vb / n;
    double degrees = (va + vb) * (va + vb) * (n - 1) / (va * va + vb * vb);
    return fabs(tm_mean(a, n) - tm_mean(b, n)) > tm_t_quantile(0.975, degrees) * sqrt(va + vb);
}

static void one_arm_after_the_other_fires_on_drift(void **state)
{
    (void)state;
    const noise_model *noises[] = {&drifting, &rough, &quiet};
    tm_rng rng = {2};
    for (int k = 0; k < 6; k++) {
        const noise_model *noise = noises[k / 2];
        int n = k % 2 ? 20 : 10, alarms = 0;
        for (int i = 0; i < TRIALS; i++) {
            double times[2 * MAX_PAIRS];
            make_runs(&rng, noise, 2 * n, times);
            alarms += welch_excludes_zero(times, times + n, n);
        }
        /* Six times the nominal 5 %, so the limits of the test above would reject this method. */
        if (noise->drift > 0)
            expect_share(alarms, 0.30, 0.60, noise->name, n, "Welch's false alarm");
        else
            expect_share(alarms, 0, 0.05, noise->name, n, "Welch's false alarm");
    }
}

static void real_slow_downs_are_found(void **state)
{
    (void)state;
    /* Shares that an independent program found for the same model in 1500 trials. */
    static const struct {
        const noise_model *noise;
        int n;
        double factor, found;
    } table[] = {
        {&drifting, 10, 1.08, 0.86},  {&drifting, 10, 1.10, 0.90},  {&drifting, 10, 1.15, 0.95},
        {&drifting, 20, 1.08, 0.995}, {&drifting, 20, 1.10, 0.999}, {&drifting, 20, 1.15, 0.999},
        {&rough, 10, 1.08, 0.74},     {&rough, 10, 1.10, 0.86},     {&rough, 10, 1.15, 0.95},
        {&rough, 20, 1.08, 0.94},     {&rough, 20, 1.10, 0.99},     {&rough, 20, 1.15, 1.00},
    };
    tm_rng rng = {3};
    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        int n = table[k].n, found = 0;
        for (int i = 0; i < TRIALS; i++) {
            pairs p;
            make_pairs(&rng, table[k].noise, n, table[k].factor, 1, &p);
            tm_interval ratio = tm_interval_ratio(p.b, p.a, n, 0.95);
            found += excludes(ratio, 1) && ratio.value > 1.05;
        }
        /* Both shares vary by chance, and the table is rounded. */
        double around = four_sigma(table[k].found, 1 / (1.0 / TRIALS + 1.0 / 1500)) + 0.01;
        expect_share(found, table[k].found - around, table[k].found + around, table[k].noise->name,
                     n, "slow-down found");
    }
}

static void spikes_widen_the_rank_interval_less_than_t(void **state)
{
    (void)state;
    const noise_model *noises[] = {&quiet, &drifting, &rough};
    tm_rng rng = {4};
    for (int k = 0; k < 3; k++) {
        double rank = 0, t = 0;
        for (int i = 0; i < TRIALS; i++) {
            pairs p;
            make_pairs(&rng, noises[k], 20, 1, 1, &p);
            tm_interval x = tm_interval_ratio(p.a, p.b, 20, 0.95);
            tm_interval y = tm_interval_ratio_t(p.a, p.b, 20, 0.95);
            rank += log(x.high / x.low);
            t += log(y.high / y.low);
        }
        if (!(rank / t > 0.5 && rank / t < 0.92))
            fail_msg("%s noise: 20 pairs give %.3f of the t interval's width", noises[k]->name,
                     rank / t);
    }
}

static void interval_and_p_value_say_the_same(void **state)
{
    (void)state;
    tm_rng rng = {5};
    int excluding = 0;
    for (int i = 0; i < TRIALS; i++) {
        int n = 6 + i % 15;
        pairs p;
        double d[MAX_PAIRS];
        make_pairs(&rng, &rough, n, 1 + 0.002 * (i % 50), 1, &p);
        for (int j = 0; j < n; j++) d[j] = log(p.b[j] / p.a[j]);
        tm_interval interval = tm_hodges_lehmann(d, n, 0.95);
        assert_true(interval.low <= interval.value && interval.value <= interval.high);
        assert_int_equal(excludes(interval, 0), tm_signed_rank_p(d, n) <= 0.05);
        excluding += excludes(interval, 0);
    }
    assert_in_range(excluding, TRIALS / 10, TRIALS * 9 / 10); /* both outcomes occurred */
}

static void slot_effect_is_told_from_a_difference(void **state)
{
    (void)state;
    tm_rng rng = {6};
    int false_alarms = 0, found = 0, ratio_alarms = 0, n = 20;
    double estimate = 0;
    for (int i = 0; i < TRIALS; i++) {
        pairs p;
        make_pairs(&rng, &quiet, n, 1, 1, &p);
        false_alarms += excludes(tm_slot_effect(p.a, p.b, p.first_is_a, n, 0.95), 0);
        make_pairs(&rng, &quiet, n, 1, 1.05, &p);
        tm_interval slot = tm_slot_effect(p.a, p.b, p.first_is_a, n, 0.95);
        tm_interval ratio = tm_interval_ratio(p.a, p.b, n, 0.95);
        found += slot.high < 0; /* the values are times: the arm that ran first is faster */
        ratio_alarms += excludes(ratio, 1);
        estimate += slot.value / TRIALS;
    }
    expect_share(false_alarms, 0, 0.05 + four_sigma(0.05, TRIALS), "quiet", n, "false slot effect");
    expect_share(found, 0.8, 1, "quiet", n, "slot effect of 5 % found");
    /* A slower second slot must not look like a difference between the arms. */
    expect_share(ratio_alarms, 0, 0.05 + four_sigma(0.05, TRIALS), "quiet", n,
                 "slot effect taken for a difference of the arms");
    if (fabs(estimate + 2 * log(1.05)) > 0.005) fail_msg("mean slot effect %.4f", estimate);
}

static void interval_of_one_figure_covers_it(void **state)
{
    (void)state;
    static const noise_model plain = {"Gaussian", 0, 0.05, 0};
    tm_rng rng = {7};
    for (int n = 2; n <= 10; n += 4) {
        int missed = 0;
        for (int i = 0; i < TRIALS; i++) {
            double times[10];
            make_runs(&rng, &plain, n, times);
            missed += excludes(tm_interval_positive(times, n, 0.95), 1);
        }
        double around = four_sigma(0.05, TRIALS);
        expect_share(missed, 0.05 - around, 0.05 + around, plain.name, n, "value missed");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paired_interval_gives_the_promised_false_alarms),
        cmocka_unit_test(one_arm_after_the_other_fires_on_drift),
        cmocka_unit_test(real_slow_downs_are_found),
        cmocka_unit_test(spikes_widen_the_rank_interval_less_than_t),
        cmocka_unit_test(interval_and_p_value_say_the_same),
        cmocka_unit_test(slot_effect_is_told_from_a_difference),
        cmocka_unit_test(interval_of_one_figure_covers_it),
    };
    return cmocka_run_group_tests_name("stats simulation", tests, NULL, NULL);
}
