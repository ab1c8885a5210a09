/* Checks statistics against published worked examples and tables, and against enumeration. */
#include "tests/tm_test.h"

#include "harness/stats/stats.h"

#include <limits.h>
#include <math.h>
#include <string.h>

#define COUNT(array) ((int)(sizeof(array) / sizeof((array)[0])))

static void near_to(double got, double wanted, double within, const char *what, int line)
{
    if (!(fabs(got - wanted) <= within))
        fail_msg("line %d: %s is %.17g, expected %.17g within %g", line, what, got, wanted, within);
}
#define NEAR(got, wanted, within) near_to(got, wanted, within, #got, __LINE__)

static void exponentials(const double *d, int n, double *out)
{
    for (int i = 0; i < n; i++) out[i] = exp(d[i]);
}

/* Hamilton depression scale factor IV of nine patients at their first (x) and second visit (y).
 * Source: Hollander and Wolfe 1973, table 3.1; used by R's documentation of wilcox.test. */
static const double hamilton_x[] = {1.83, 0.50, 1.62, 2.48, 1.68, 1.88, 1.55, 3.06, 1.30};
static const double hamilton_y[] = {0.878, 0.647, 0.598, 2.05, 1.06, 1.29, 1.06, 3.14, 1.29};

static void depression_scale_of_hollander_and_wolfe(void **state)
{
    (void)state;
    double d[9];
    for (int i = 0; i < 9; i++) d[i] = hamilton_y[i] - hamilton_x[i];
    /* R: V = 40, p-value = 0.03906, and 0.01953 one-sided: 10 of the 512 sign patterns. */
    NEAR(tm_signed_rank_p(d, 9), 20.0 / 512, 1e-15);
    /* Hollander, Wolfe, Chicken, examples 3.3 and 3.4: -.46, and (-.786, -.010) at 96.1 %. */
    tm_interval interval = tm_hodges_lehmann(d, 9, 0.95);
    NEAR(interval.value, -0.46, 1e-12);
    NEAR(interval.low, -0.786, 1e-12);
    NEAR(interval.high, -0.010, 1e-12);
    NEAR(interval.confidence, 1 - 20.0 / 512, 1e-15);
    assert_int_equal(interval.n, 9);
    assert_string_equal(interval.method, "Wilcoxon signed-rank");
}

/* Differences in height of crossed and self-fertilised maize, in eighths of an inch.
 * Source: Darwin 1876 in Fisher, The Design of Experiments, section 17, table 3. */
static const double darwin[] = {49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48};

static void maize_of_darwin(void **state)
{
    (void)state;
    /* R 4, wilcox.test(crossed, self, paired = TRUE, conf.int = TRUE) in inches: V = 96,
     * p-value = 0.04126, 95 percent confidence interval 0.50 5.19, (pseudo)median 3.125. */
    NEAR(tm_signed_rank_p(darwin, 15), 0.04126, 5e-6);
    tm_interval rank = tm_hodges_lehmann(darwin, 15, 0.95);
    NEAR(rank.value / 8, 3.125, 1e-12);
    NEAR(rank.low / 8, 0.50, 0.005);
    NEAR(rank.high / 8, 5.19, 0.005);
    /* R, t.test of the same data: mean 2.616667, interval 0.003899 to 5.229434. */
    double factors[15];
    for (int i = 0; i < 15; i++) factors[i] = exp(darwin[i] / 8);
    tm_interval t = tm_interval_positive(factors, 15, 0.95);
    NEAR(log(t.value), 2.616667, 1e-6);
    NEAR(log(t.low), 0.003899, 1e-6);
    NEAR(log(t.high), 5.229434, 1e-6);
    assert_string_equal(t.method, "t on logs");
    /* Fisher's result for the mean: t = 2.148 with 14 degrees of freedom. */
    NEAR(tm_mean(darwin, 15) / (tm_standard_deviation(darwin, 15) / sqrt(15)), 2.148, 5e-4);
}

/* Extra hours of sleep under two drugs. Source: Student 1908; R's data set `sleep`. */
static const double sleep_1[] = {0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0};
static const double sleep_2[] = {1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4};

static void sleep_of_student(void **state)
{
    (void)state;
    /* R, t.test(extra ~ group, paired = TRUE): mean 1.58, interval 0.7001142 to 2.4598858. */
    double a[10], b[10];
    exponentials(sleep_2, 10, a);
    exponentials(sleep_1, 10, b);
    tm_interval t = tm_interval_ratio_t(a, b, 10, 0.95);
    NEAR(log(t.value), 1.58, 1e-12);
    NEAR(log(t.low), 0.7001142, 1e-7);
    NEAR(log(t.high), 2.4598858, 1e-7);
    assert_int_equal(t.n, 10);
}

static void t_quantiles_of_tables_and_closed_forms(void **state)
{
    (void)state;
    /* Source: Abramowitz and Stegun, table 26.10; NIST/SEMATECH e-Handbook, 1.3.6.7.2. */
    static const struct {
        double degrees, p95, p975, p995, p999;
    } table[] = {
        {1, 6.314, 12.706, 63.657, 318.309}, {2, 2.920, 4.303, 9.925, 22.327},
        {3, 2.353, 3.182, 5.841, 10.215},    {4, 2.132, 2.776, 4.604, 7.173},
        {5, 2.015, 2.571, 4.032, 5.893},     {9, 1.833, 2.262, 3.250, 4.297},
        {10, 1.812, 2.228, 3.169, 4.144},    {19, 1.729, 2.093, 2.861, 3.579},
        {30, 1.697, 2.042, 2.750, 3.385},    {60, 1.671, 2.000, 2.660, 3.232},
        {120, 1.658, 1.980, 2.617, 3.160},   {1e9, 1.645, 1.960, 2.576, 3.090},
    };
    for (int i = 0; i < COUNT(table); i++) {
        double v = table[i].degrees;
        NEAR(tm_t_quantile(0.95, v), table[i].p95, 5.1e-4);
        NEAR(tm_t_quantile(0.975, v), table[i].p975, 5.1e-4);
        NEAR(tm_t_quantile(0.995, v), table[i].p995, 5.1e-4);
        NEAR(tm_t_quantile(0.999, v), table[i].p999, 5.1e-4);
    }
    /* Source: Shaw 2006, J. Comput. Finance 9(4), 37-73: closed forms for 1, 2 and 4 degrees of
     * freedom. */
    for (double p = 1e-12; p < 1; p = p < 0.1 ? p * 9 : p + 0.0371) {
        double a = 4 * p * (1 - p), q = 4 / sqrt(a) * cos(acos(sqrt(a)) / 3);
        double four = copysign(sqrt(fmax(0, q - 4)), p - 0.5);
        double one = -1 / tan(M_PI * p), two = (2 * p - 1) * sqrt(2 / a);
        NEAR(tm_t_quantile(p, 1), one, 1e-12 * fabs(one) + 1e-15);
        NEAR(tm_t_quantile(p, 2), two, 1e-12 * fabs(two) + 1e-15);
        NEAR(tm_t_quantile(p, 4), four, 1e-7 * fabs(four) + 1e-7); /* q - 4 cancels near 0.5 */
    }
    /* The method changes at 1e5 degrees of freedom; check both sides. */
    NEAR(tm_t_quantile(0.975, 99999), tm_t_quantile(0.975, 100001), 1e-9);
}

static void normal_quantiles_of_tables(void **state)
{
    (void)state;
    /* Source: Wichura 1988 (AS 241), test values; Abramowitz and Stegun, table 26.5. */
    NEAR(tm_normal_quantile(0.25), -0.6744897501960817, 1e-14);
    NEAR(tm_normal_quantile(0.001), -3.090232306167814, 1e-13);
    NEAR(tm_normal_quantile(1e-20), -9.262340089798408, 1e-12);
    NEAR(tm_normal_quantile(0.975), 1.959963984540054, 1e-14);
}

static void quantiles_at_the_ends(void **state)
{
    (void)state;
    assert_true(tm_t_quantile(0, 5) == -INFINITY && tm_t_quantile(1, 5) == INFINITY);
    assert_true(tm_t_quantile(0.5, 5) == 0);
    assert_true(isnan(tm_t_quantile(-0.1, 5)) && isnan(tm_t_quantile(1.1, 5)));
    assert_true(isnan(tm_t_quantile(NAN, 5)) && isnan(tm_t_quantile(0.9, 0)));
    assert_true(isnan(tm_t_quantile(0.9, NAN)));
    assert_true(tm_normal_quantile(0) == -INFINITY && tm_normal_quantile(1) == INFINITY);
}

/* Largest W- that is significant at 5 %, two-sided, n = 6 .. 60.
 * Source: OEIS A226330 (Mitic, The Mathematica Journal 6(3)); up to n = 25 also Wilcoxon 1945,
 * table 2. */
static const int critical[] = {0,   2,   3,   5,   8,   10,  13,  17,  21,  25,  29,  34,  40,  46,
                               52,  58,  65,  73,  81,  89,  98,  107, 116, 126, 137, 147, 159, 170,
                               182, 195, 208, 221, 235, 249, 264, 279, 294, 310, 327, 343, 361, 378,
                               396, 415, 434, 453, 473, 494, 514, 536, 557, 579, 602, 625, 648};

/* Makes differences of magnitudes 1 .. n whose negative ranks sum to w. */
static void differences_with_sum(int n, int w, double *d)
{
    for (int rank = n; rank >= 1; rank--) {
        bool negative = rank <= w;
        d[rank - 1] = negative ? -rank : rank;
        if (negative) w -= rank;
    }
}

static void signed_rank_p_agrees_with_the_critical_values(void **state)
{
    (void)state;
    assert_int_equal(COUNT(critical), 55);
    for (int n = 6; n <= 60; n++) {
        double d[60];
        differences_with_sum(n, critical[n - 6], d);
        double inside = tm_signed_rank_p(d, n);
        differences_with_sum(n, critical[n - 6] + 1, d);
        double outside = tm_signed_rank_p(d, n);
        if (!(inside <= 0.05 && outside > 0.05))
            fail_msg("n %d: p is %.6f at %d and %.6f at the next", n, inside, critical[n - 6],
                     outside);
    }
    double five[] = {1, 2, 3, 4, 5};
    NEAR(tm_signed_rank_p(five, 5), 0.0625, 1e-15);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Every Walsh average, sorted. */
static int walsh_averages(const double *d, int n, double *out)
{
    int count = 0;
    for (int i = 0; i < n; i++)
        for (int j = i; j < n; j++) out[count++] = 0.5 * d[i] + 0.5 * d[j];
    qsort(out, (size_t)count, sizeof *out, ascending);
    return count;
}

static void intervals_end_at_the_walsh_averages_of_the_table(void **state)
{
    (void)state;
    static double d[300], all[300 * 301 / 2];
    tm_rng rng = {20};
    for (int n = 6; n <= 60; n++) {
        for (int i = 0; i < n; i++) d[i] = tm_rng_uniform(&rng) - 0.4;
        int count = walsh_averages(d, n, all), c = critical[n - 6] + 1;
        double middle = count % 2 ? all[count / 2] : 0.5 * (all[count / 2 - 1] + all[count / 2]);
        tm_interval interval = tm_hodges_lehmann(d, n, 0.95);
        NEAR(interval.value, middle, 1e-15);
        NEAR(interval.low, all[c - 1], 0);
        NEAR(interval.high, all[count - c], 0);
        assert_true(interval.confidence >= 0.95 && interval.confidence < 0.97);
    }
    /* n > 60 uses the large-sample form of Hollander, Wolfe, Chicken, 3.3:
     * c near n(n+1)/4 - 1.96 sqrt(n(n+1)(2n+1)/24). */
    int n = 300;
    for (int i = 0; i < n; i++) d[i] = floor(tm_rng_uniform(&rng) * 50) - 20; /* many ties */
    int count = walsh_averages(d, n, all);
    int c = (int)floor(n * (n + 1) / 4.0 - 1.959964 * sqrt(n * (n + 1.0) * (2 * n + 1) / 24));
    tm_interval interval = tm_hodges_lehmann(d, n, 0.95);
    NEAR(interval.value, 0.5 * (all[count / 2 - 1] + all[count / 2]), 0);
    NEAR(interval.low, all[c - 1], 0);
    NEAR(interval.high, all[count - c], 0);
    assert_string_equal(interval.method, "Wilcoxon signed-rank, normal approximation");
}

/* The p-value by its definition: mid-ranks of the non-zero differences, with every pattern of signs
 * equally likely. */
static double p_by_enumeration(const double *d, int n)
{
    int doubled[16], m = 0, observed = 0, total = 0, kept[16];
    for (int i = 0; i < n; i++)
        if (d[i] != 0) kept[m++] = i;
    for (int i = 0; i < m; i++) {
        int below = 0, equal = 0;
        for (int j = 0; j < m; j++) {
            below += fabs(d[kept[j]]) < fabs(d[kept[i]]);
            equal += fabs(d[kept[j]]) == fabs(d[kept[i]]);
        }
        doubled[i] = 2 * below + equal + 1;
        total += doubled[i];
        if (d[kept[i]] > 0) observed += doubled[i];
    }
    int as_far = 0;
    for (int signs = 0; signs < 1 << m; signs++) {
        int sum = 0;
        for (int i = 0; i < m; i++)
            if (signs >> i & 1) sum += doubled[i];
        as_far += abs(2 * sum - total) >= abs(2 * observed - total);
    }
    return (double)as_far / (1 << m);
}

static void ties_and_zeros_agree_with_enumeration(void **state)
{
    (void)state;
    tm_rng rng = {7};
    for (int trial = 0; trial < 200; trial++) {
        double d[12];
        int n = 3 + (int)tm_rng_below(&rng, 10), range = 2 + (int)tm_rng_below(&rng, 9);
        for (int i = 0; i < n; i++)
            d[i] = (double)tm_rng_below(&rng, (uint64_t)(2 * range + 1)) - range + trial % 3;
        NEAR(tm_signed_rank_p(d, n), p_by_enumeration(d, n), 1e-14);
    }
    double zeros[] = {0, 0, 0};
    NEAR(tm_signed_rank_p(zeros, 3), 1, 0);
}

static void signed_rank_p_continues_into_the_normal_approximation(void **state)
{
    (void)state;
    double d[80];
    /* The negative ranks sum to 40 % of the total, far from both ends. */
    for (int n = 58; n <= 64; n++) {
        differences_with_sum(n, n * (n + 1) / 5, d);
        double mean = n * (n + 1) / 4.0, sd = sqrt(n * (n + 1.0) * (2 * n + 1) / 24);
        double approximate = erfc((mean - n * (n + 1) / 5 - 0.5) / sd / M_SQRT2);
        NEAR(tm_signed_rank_p(d, n), approximate, 2e-3);
        if (n > 60) NEAR(tm_signed_rank_p(d, n), approximate, 1e-12);
    }
}

static void ratios_do_not_depend_on_which_arm_is_first(void **state)
{
    (void)state;
    double a[11], b[11];
    tm_rng rng = {3};
    for (int n = 2; n <= 11; n++) {
        for (int i = 0; i < n; i++) {
            a[i] = 90 + 20 * tm_rng_uniform(&rng);
            b[i] = 40 + 10 * tm_rng_uniform(&rng);
        }
        tm_interval r = tm_interval_ratio(a, b, n, 0.95), back = tm_interval_ratio(b, a, n, 0.95);
        NEAR(r.value * back.value, 1, 1e-14);
        NEAR(r.low * back.high, 1, 1e-14);
        NEAR(r.high * back.low, 1, 1e-14);
        assert_true(r.low < r.value && r.value < r.high);
        assert_true(r.value > 1.5 && r.value < 2.8);
        assert_string_equal(r.method, n < 6 ? "t on logs: n < 6" : "Wilcoxon signed-rank");
    }
    /* At n = 6 the interval is the range of the ratios; its confidence is 1 - 2/64. */
    tm_interval six = tm_interval_ratio(a, b, 6, 0.95);
    double low = INFINITY, high = 0;
    for (int i = 0; i < 6; i++) {
        low = fmin(low, a[i] / b[i]);
        high = fmax(high, a[i] / b[i]);
    }
    NEAR(six.low, low, 1e-14);
    NEAR(six.high, high, 1e-14);
    NEAR(six.confidence, 0.96875, 0);
    /* A 99 % interval needs 8 pairs. */
    assert_string_equal(tm_interval_ratio(a, b, 7, 0.99).method,
                        "t on logs: n too small for signed-rank");
    assert_string_equal(tm_interval_ratio(a, b, 8, 0.99).method, "Wilcoxon signed-rank");
}

static void what_is_not_there_is_not_a_number(void **state)
{
    (void)state;
    double one[] = {3.5}, bad[] = {1, 2, 3, 4, 5, 6, -1}, infinite[] = {1, INFINITY},
           many[] = {1, 2, 3, 4, 5, 6, 7};
    assert_true(isnan(tm_median(one, 0)) && isnan(tm_mean(one, 0)));
    assert_true(isnan(tm_standard_deviation(one, 1)));
    tm_interval x = tm_interval_positive(one, 1, 0.95);
    NEAR(x.value, 3.5, 1e-15);
    assert_true(isnan(x.low) && isnan(x.high) && isnan(x.confidence));
    assert_string_equal(x.method, "none: n < 2");
    x = tm_interval_positive(one, 0, 0.95);
    assert_true(isnan(x.value) && x.n == 0);
    assert_string_equal(x.method, "none: no values");
    x = tm_interval_positive(bad, 7, 0.95);
    assert_true(isnan(x.value) && isnan(x.low));
    x = tm_interval_ratio(many, bad, 7, 0.95);
    assert_true(isnan(x.value) && isnan(x.low));
    assert_string_equal(x.method, "none: a value is not positive");
    x = tm_interval_positive(infinite, 2, 0.95);
    assert_true(isnan(x.value));
    x = tm_hodges_lehmann(infinite, 2, 0.95);
    assert_string_equal(x.method, "none: a value is not finite");
    x = tm_hodges_lehmann(many, 5, 0.95);
    NEAR(x.value, 3, 0);
    assert_true(isnan(x.low) && isnan(x.high));
    assert_string_equal(x.method, "none: n too small for signed-rank");
    double with_nan[] = {1, NAN, 2};
    assert_true(isnan(tm_median(with_nan, 3)) && isnan(tm_signed_rank_p(with_nan, 3)));
    assert_true(isnan(tm_quantile(many, 7, 1.5)) && isnan(tm_quantile(many, 7, NAN)));
    /* Equal values give an interval of zero width, not a missing one. */
    double equal[] = {2, 2, 2, 2, 2, 2};
    x = tm_interval_positive(equal, 6, 0.95);
    assert_true(x.value == x.low && x.value == x.high);
    x = tm_interval_ratio(equal, equal, 6, 0.95);
    assert_true(x.value == 1 && x.low == 1 && x.high == 1);
}

static void order_statistics(void **state)
{
    (void)state;
    double values[] = {7, 1, 10, 4, 2, 9, 3, 8, 6, 5}, before[10];
    memcpy(before, values, sizeof values);
    /* R, quantile(1:10): 0 % 1.00, 25 % 3.25, 50 % 5.50, 75 % 7.75, 100 % 10.00. */
    NEAR(tm_quantile(values, 10, 0), 1, 0);
    NEAR(tm_quantile(values, 10, 0.25), 3.25, 1e-15);
    NEAR(tm_median(values, 10), 5.5, 0);
    NEAR(tm_quantile(values, 10, 0.75), 7.75, 1e-15);
    NEAR(tm_quantile(values, 10, 1), 10, 0);
    NEAR(tm_median(values, 9), 6, 0);
    assert_memory_equal(values, before, sizeof values);
    static double many[1001]; /* larger than the copy on the stack */
    for (int i = 0; i < 1001; i++) many[i] = (i * 387) % 1001;
    NEAR(tm_median(many, 1001), 500, 0);
    NEAR(tm_quantile(many, 1001, 0.99), 990, 1e-9);
}

static void percentiles_only_where_samples_support_them(void **state)
{
    (void)state;
    static double values[400];
    for (int i = 0; i < 400; i++) values[i] = i;
    int needed;
    /* 97.5 % on each side: ln 0.025 / ln q, rounded up. */
    assert_true(isnan(tm_percentile_supported(values, 367, 0.99, &needed)));
    assert_int_equal(needed, 368);
    NEAR(tm_percentile_supported(values, 368, 0.99, &needed), 0.99 * 367, 1e-9);
    assert_true(isnan(tm_percentile_supported(values, 35, 0.9, &needed)));
    assert_int_equal(needed, 36);
    assert_false(isnan(tm_percentile_supported(values, 36, 0.9, &needed)));
    tm_percentile_supported(values, 1, 0.1, &needed);
    assert_int_equal(needed, 36);
    /* The median has an interval from n = 6 on, as in the sign test. */
    assert_true(isnan(tm_percentile_supported(values, 5, 0.5, &needed)));
    assert_int_equal(needed, 6);
    NEAR(tm_percentile_supported(values, 6, 0.5, &needed), 2.5, 0);
    assert_true(isnan(tm_percentile_supported(values, 400, 1, &needed)));
    assert_int_equal(needed, INT_MAX);
}

static void outliers_beyond_tukeys_fences(void **state)
{
    (void)state;
    /* The quartiles are 3.25 and 7.75, so the fences are -3.5 and 14.5. */
    double values[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 14.6};
    bool marked[10];
    assert_int_equal(tm_mark_outliers(values, 10, marked), 1);
    for (int i = 0; i < 10; i++) assert_int_equal(marked[i], i == 9);
    values[9] = 14.4;
    assert_int_equal(tm_mark_outliers(values, 10, marked), 0);
    values[9] = 10;
    values[0] = -3.6;
    assert_int_equal(tm_mark_outliers(values, 10, marked), 1);
    assert_true(marked[0]);
    double few[] = {1, 1, 100};
    assert_int_equal(tm_mark_outliers(few, 3, marked), 0);
    assert_false(marked[2]);
}

static void slot_effect_is_found_and_does_not_move_the_ratio(void **state)
{
    (void)state;
    double a[12], b[12];
    bool first_is_a[12];
    for (int i = 0; i < 12; i++) {
        double noise = 0.001 * (i % 3 - 1);
        first_is_a[i] = i % 2 == 0;
        a[i] = 130 * exp(noise) * (first_is_a[i] ? 1 : 0.97);
        b[i] = 100 * (first_is_a[i] ? 0.97 : 1);
    }
    tm_interval slot = tm_slot_effect(a, b, first_is_a, 12, 0.95);
    /* Pairs that run a first gain 1 / 0.97; the others lose as much. */
    NEAR(slot.value, -2 * log(0.97), 0.002);
    assert_true(slot.low > 0 && slot.high > slot.value);
    NEAR(tm_interval_ratio(a, b, 12, 0.95).value, 1.3, 0.002);
    for (int i = 0; i < 12; i++) a[i] /= first_is_a[i] ? 1 / 0.97 : 0.97;
    slot = tm_slot_effect(a, b, first_is_a, 12, 0.95);
    assert_true(slot.low < 0 && slot.high > 0);
    assert_true(isnan(tm_slot_effect(a, b, first_is_a, 3, 0.95).low));
    for (int i = 0; i < 12; i++) first_is_a[i] = true;
    slot = tm_slot_effect(a, b, first_is_a, 12, 0.95);
    assert_true(isnan(slot.value) && isnan(slot.low));
    assert_string_equal(slot.method, "none: every pair ran in the same order");
    /* R, t.test(extra ~ group, var.equal = TRUE) on `sleep`:
     * interval -3.363874 to 0.203874, 18 degrees. */
    double s[20], ones[20];
    bool group_1[20];
    exponentials(sleep_1, 10, s);
    exponentials(sleep_2, 10, s + 10);
    for (int i = 0; i < 20; i++) {
        ones[i] = 1;
        group_1[i] = i < 10;
    }
    slot = tm_slot_effect(s, ones, group_1, 20, 0.95);
    NEAR(slot.value, -1.58, 1e-12);
    NEAR(slot.low, -3.363874, 1e-6);
    NEAR(slot.high, 0.203874, 1e-6);
}

static void geometric_mean_of_fleming_and_wallace(void **state)
{
    (void)state;
    /* The main point of Fleming and Wallace 1986: normalised to either machine, the geometric
     * mean ranks them the same way. Ratios 2 and 1/2 average to 1. */
    double ratios[] = {2, 0.5, 4, 0.25};
    tm_interval mean = tm_interval_geometric(ratios, 4, 0.95);
    NEAR(mean.value, 1, 1e-15);
    NEAR(mean.low * mean.high, 1, 1e-12);
    /* Logs +-1, +-2 doublings: sd sqrt(10/3) ln 2, t = 3.182446 with 3 degrees of freedom. */
    NEAR(log(mean.high), 3.1824463 * sqrt(10.0 / 3) * M_LN2 / 2, 1e-6);
    assert_string_equal(mean.method, "t on log-ratios");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(depression_scale_of_hollander_and_wolfe),
        cmocka_unit_test(maize_of_darwin),
        cmocka_unit_test(sleep_of_student),
        cmocka_unit_test(t_quantiles_of_tables_and_closed_forms),
        cmocka_unit_test(normal_quantiles_of_tables),
        cmocka_unit_test(quantiles_at_the_ends),
        cmocka_unit_test(signed_rank_p_agrees_with_the_critical_values),
        cmocka_unit_test(intervals_end_at_the_walsh_averages_of_the_table),
        cmocka_unit_test(ties_and_zeros_agree_with_enumeration),
        cmocka_unit_test(signed_rank_p_continues_into_the_normal_approximation),
        cmocka_unit_test(ratios_do_not_depend_on_which_arm_is_first),
        cmocka_unit_test(what_is_not_there_is_not_a_number),
        cmocka_unit_test(order_statistics),
        cmocka_unit_test(percentiles_only_where_samples_support_them),
        cmocka_unit_test(outliers_beyond_tukeys_fences),
        cmocka_unit_test(slot_effect_is_found_and_does_not_move_the_ratio),
        cmocka_unit_test(geometric_mean_of_fleming_and_wallace),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
