#include "harness/stats/stats.h"

#include "harness/stats/stats_scratch.h"

#include <assert.h>
#include <limits.h>
#include <math.h>
#include <string.h>

/* The smallest n whose signed-rank interval reaches 95 %: 2^-6 < 2.5 % < 2^-5. */
#define SIGNED_RANK_N 6

double tm_mean(const double *values, int n)
{
    if (n <= 0) return NAN;
    double sum = 0;
    for (int i = 0; i < n; i++) sum += values[i];
    return sum / n;
}

double tm_standard_deviation(const double *values, int n)
{
    if (n < 2) return NAN;
    double mean = tm_mean(values, n), sum = 0;
    for (int i = 0; i < n; i++) sum += (values[i] - mean) * (values[i] - mean);
    return sqrt(sum / (n - 1));
}

/* Source: Hyndman and Fan 1996, definition 7. */
static double sorted_quantile(const double *sorted, int n, double q)
{
    double position = q * (n - 1);
    int below = (int)floor(position);
    if (below >= n - 1) return sorted[n - 1];
    double part = position - below;
    /* Do not interpolate at an order statistic: 0 * inf is NaN. */
    if (part == 0) return sorted[below];
    return sorted[below] + part * (sorted[below + 1] - sorted[below]);
}

/* A sorted copy. NULL for n = 0, if a value is NaN, or without memory. */
static double *sort_into(tm_scratch *scratch, const double *values, int n)
{
    scratch->large = NULL;
    if (n <= 0) return NULL;
    double *sorted = tm_scratch_take(scratch, n);
    if (!sorted) return NULL;
    memcpy(sorted, values, (size_t)n * sizeof *values);
    qsort(sorted, (size_t)n, sizeof *sorted, tm_compare_doubles);
    return isnan(sorted[n - 1]) ? NULL : sorted;
}

double tm_quantile(const double *values, int n, double q)
{
    tm_scratch scratch;
    const double *sorted = q >= 0 && q <= 1 ? sort_into(&scratch, values, n) : NULL;
    double result = NAN;
    if (sorted) result = sorted_quantile(sorted, n, q);
    if (q >= 0 && q <= 1) tm_scratch_drop(&scratch);
    return result;
}

double tm_median(const double *values, int n)
{
    return tm_quantile(values, n, 0.5);
}

/* P(all values lie below the q-quantile) = q^n and P(all lie above) = (1 - q)^n must both be at
 * most 2.5 %. Then an interval between two order statistics exists. Source: David and Nagaraja,
 * Order Statistics (3rd ed.), 7.1. */
static int percentile_needs(double q)
{
    double nearer_one = fmax(q, 1 - q);
    if (!(nearer_one < 1)) return INT_MAX;
    double n = ceil(log(0.025) / log(nearer_one));
    return n < INT_MAX ? (int)n : INT_MAX;
}

double tm_percentile_supported(const double *values, int n, double q, int *needed)
{
    *needed = percentile_needs(q);
    return n >= *needed ? tm_quantile(values, n, q) : NAN;
}

/* Mean and standard deviation of ln(a[i] / b[i]), or of ln a[i] if b is NULL. False if a value
 * is not positive and finite. */
static bool log_moments(const double *a, const double *b, int n, double *mean, double *deviation)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) {
        double value = b ? a[i] / b[i] : a[i];
        if (!(a[i] > 0) || (b && !(b[i] > 0)) || !(value > 0) || !isfinite(value)) return false;
        sum += log(value);
    }
    *mean = sum / n;
    for (int i = 0; i < n; i++) {
        double away = log(b ? a[i] / b[i] : a[i]) - *mean;
        squares += away * away;
    }
    *deviation = n > 1 ? sqrt(squares / (n - 1)) : NAN;
    return true;
}

static tm_interval log_t(const double *a, const double *b, int n, double confidence,
                         const char *method)
{
    assert(confidence > 0 && confidence < 1);
    tm_interval out = {NAN, NAN, NAN, n, NAN, "none: no values"};
    double mean, deviation;
    if (n <= 0) return out;
    out.method = "none: a value is not positive";
    if (!log_moments(a, b, n, &mean, &deviation)) return out;
    out.value = exp(mean);
    out.method = "none: n < 2";
    if (n < 2) return out;
    double half = tm_t_quantile(0.5 + 0.5 * confidence, n - 1) * deviation / sqrt(n);
    out.low = exp(mean - half);
    out.high = exp(mean + half);
    out.confidence = confidence;
    out.method = method;
    return out;
}

tm_interval tm_interval_positive(const double *values, int n, double confidence)
{
    return log_t(values, NULL, n, confidence, "t on logs");
}

tm_interval tm_interval_geometric(const double *ratios, int n, double confidence)
{
    return log_t(ratios, NULL, n, confidence, "t on log-ratios");
}

tm_interval tm_interval_ratio_t(const double *a, const double *b, int n, double confidence)
{
    return log_t(a, b, n, confidence, "t on logs");
}

tm_interval tm_interval_ratio(const double *a, const double *b, int n, double confidence)
{
    if (n < SIGNED_RANK_N) return log_t(a, b, n, confidence, "t on logs: n < 6");
    double mean, deviation;
    tm_interval out = {NAN, NAN, NAN, n, NAN, "none: a value is not positive"};
    if (!log_moments(a, b, n, &mean, &deviation)) return out;
    tm_scratch scratch;
    double *d = tm_scratch_take(&scratch, n);
    out.method = "none: out of memory";
    if (!d) return out;
    for (int i = 0; i < n; i++) d[i] = log(a[i] / b[i]);
    out = tm_hodges_lehmann(d, n, confidence);
    tm_scratch_drop(&scratch);
    if (isnan(out.low) && isfinite(out.value))
        return log_t(a, b, n, confidence, "t on logs: n too small for signed-rank");
    out.value = exp(out.value);
    out.low = exp(out.low);
    out.high = exp(out.high);
    return out;
}

void tm_range_of_few(const double *a, const double *b, int n, const char *method, tm_interval *x)
{
    if (n < 2 || n >= TM_MIN_PAIRS || !isfinite(x->value)) return;
    x->low = INFINITY;
    x->high = -INFINITY;
    for (int i = 0; i < n; i++) {
        const double value = b ? a[i] / b[i] : a[i];
        x->low = fmin(x->low, value);
        x->high = fmax(x->high, value);
    }
    x->value = fmin(fmax(x->value, x->low), x->high); /* not outside by rounding */
    x->confidence = NAN;
    x->method = method;
}

tm_interval tm_pairs_ratio(const double *a, const double *b, int n, double confidence)
{
    tm_interval x = tm_interval_ratio(a, b, n, confidence);
    tm_range_of_few(a, b, n, TM_PAIRS_RANGE, &x);
    return x;
}

tm_interval tm_processes_interval(const double *values, int n)
{
    tm_interval x = tm_interval_positive(values, n, TM_CONFIDENCE);
    tm_range_of_few(values, NULL, n, TM_PROCESSES_RANGE, &x);
    return x;
}

double tm_ratio_p(const double *a, const double *b, int n)
{
    double mean, deviation;
    if (n < 2 || !log_moments(a, b, n, &mean, &deviation)) return NAN;
    if (n < SIGNED_RANK_N)
        return deviation > 0 ? 2 * tm_t_upper_tail(fabs(mean) / (deviation / sqrt(n)), n - 1)
               : mean == 0   ? 1
                             : 0;
    tm_scratch scratch;
    double *d = tm_scratch_take(&scratch, n);
    if (!d) return NAN;
    for (int i = 0; i < n; i++) d[i] = log(a[i] / b[i]);
    double p = tm_signed_rank_p(d, n);
    tm_scratch_drop(&scratch);
    return p;
}

/* Source: Welch 1947; degrees of freedom after Satterthwaite 1946. */
tm_interval tm_interval_ratio_sets(const double *a, int n_a, const double *b, int n_b,
                                   double confidence, double *p)
{
    assert(confidence > 0 && confidence < 1);
    tm_interval out = {NAN, NAN, NAN, n_a < n_b ? n_a : n_b, NAN, "none: no values"};
    double mean_a, mean_b, sd_a, sd_b;
    *p = NAN;
    if (n_a <= 0 || n_b <= 0) return out;
    out.method = "none: a value is not positive";
    if (!log_moments(a, NULL, n_a, &mean_a, &sd_a) || !log_moments(b, NULL, n_b, &mean_b, &sd_b))
        return out;
    out.value = exp(mean_a - mean_b);
    out.method = "none: n < 2";
    if (n_a < 2 || n_b < 2) return out;
    double va = sd_a * sd_a / n_a, vb = sd_b * sd_b / n_b, error = sqrt(va + vb);
    double degrees = error > 0 ? (va + vb) * (va + vb) / (va * va / (n_a - 1) + vb * vb / (n_b - 1))
                               : n_a + n_b - 2;
    double half = tm_t_quantile(0.5 + 0.5 * confidence, degrees) * error;
    out.low = exp(mean_a - mean_b - half);
    out.high = exp(mean_a - mean_b + half);
    out.confidence = confidence;
    out.method = "Welch's t on logs";
    double away = fabs(mean_a - mean_b);
    *p = error > 0 ? 2 * tm_t_upper_tail(away / error, degrees) : away > 0 ? 0 : 1;
    return out;
}

/* Two samples with a pooled deviation. Pairs alternate, so the two halves differ in size by at
 * most one, and pooling is then robust to unequal variances. */
tm_interval tm_slot_effect(const double *a, const double *b, const bool *first_is_a, int n,
                           double confidence)
{
    assert(confidence > 0 && confidence < 1);
    tm_interval out = {NAN, NAN, NAN, n, NAN, "none: no values"};
    double mean[2] = {0, 0}, squares = 0, unused[2];
    int count[2] = {0, 0};
    if (n <= 0) return out;
    out.method = "none: a value is not positive";
    if (!log_moments(a, b, n, &unused[0], &unused[1])) return out;
    for (int i = 0; i < n; i++) {
        mean[first_is_a[i]] += log(a[i] / b[i]);
        count[first_is_a[i]]++;
    }
    out.method = "none: every pair ran in the same order";
    if (count[0] == 0 || count[1] == 0) return out;
    mean[0] /= count[0];
    mean[1] /= count[1];
    out.value = mean[1] - mean[0];
    out.method = "none: fewer than 2 pairs in one order";
    if (count[0] < 2 || count[1] < 2) return out;
    for (int i = 0; i < n; i++) {
        double away = log(a[i] / b[i]) - mean[first_is_a[i]];
        squares += away * away;
    }
    double deviation = sqrt(squares / (n - 2) * (1.0 / count[0] + 1.0 / count[1]));
    double half = tm_t_quantile(0.5 + 0.5 * confidence, n - 2) * deviation;
    out.low = out.value - half;
    out.high = out.value + half;
    out.confidence = confidence;
    out.method = "t, pooled";
    return out;
}

/* Source: Tukey, Exploratory Data Analysis, 2D (inner fences), with quartiles of type 7. */
int tm_mark_outliers(const double *values, int n, bool *is_outlier)
{
    for (int i = 0; i < n; i++) is_outlier[i] = false;
    if (n < 4) return 0;
    tm_scratch scratch;
    const double *sorted = sort_into(&scratch, values, n);
    int count = 0;
    if (sorted) {
        double lower = sorted_quantile(sorted, n, 0.25), upper = sorted_quantile(sorted, n, 0.75);
        double reach = 1.5 * (upper - lower);
        for (int i = 0; i < n; i++) {
            is_outlier[i] = values[i] < lower - reach || values[i] > upper + reach;
            count += is_outlier[i];
        }
    }
    tm_scratch_drop(&scratch);
    return count;
}
