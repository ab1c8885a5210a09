/* Results with their uncertainty. Pure computation: no clock, no machine.
 *
 * The unit of replication is a fresh process. Callers first reduce the repetitions inside a process
 * to one value (tm_median). Methods and their limits: Hollander, Wolfe, Chicken, Nonparametric
 * Statistical Methods (3rd ed.), 3.1-3.3 (signed rank, Hodges-Lehmann); Kalibera and Jones, ISMM
 * 2013.
 */
#ifndef TM_HARNESS_STATS_STATS_H
#define TM_HARNESS_STATS_STATS_H

#include "kernels/base.h"

/* A value with a two-sided confidence interval. low and high are NaN if n is too small for one. */
typedef struct tm_interval {
    double value, low, high;
    int n;              /* independent values */
    double confidence;  /* achieved; exact methods may exceed the requested level */
    const char *method; /* "t on logs", "Wilcoxon signed-rank", "none: n < 2" */
} tm_interval;

double tm_median(const double *values, int n); /* NaN for n = 0; does not reorder its input */
double tm_mean(const double *values, int n);
double tm_standard_deviation(const double *values, int n); /* n - 1; NaN for n < 2 */
/* Quantile by linear interpolation between order statistics (type 7), q in 0 .. 1. */
double tm_quantile(const double *values, int n, double q);
/* The same, but NaN if n samples are too few: the sample must contain a distribution-free 95 %
 * interval of the q-quantile (2.5 % on each side). *needed: the n that suffices. */
double tm_percentile_supported(const double *values, int n, double q, int *needed);

/* Quantiles of Student's t and of the normal distribution; NaN for p outside 0 .. 1. */
double tm_t_quantile(double p, double degrees);
/* P(T > t) for t at least 0. */
double tm_t_upper_tail(double t, double degrees);
double tm_normal_quantile(double p);

/* Positive values, one per process (times, rates): geometric mean with a t interval on
 * logarithms. No interval if n < 2. */
tm_interval tm_interval_positive(const double *values, int n, double confidence);

/* The ratio a / b from pairs. a[i], b[i]: positive values of the two arms of pair i. For n >= 6:
 * Hodges-Lehmann with the Wilcoxon signed-rank interval, exact up to 60 pairs, then by the normal
 * approximation (see `method`). Below: t interval on logarithms. */
tm_interval tm_interval_ratio(const double *a, const double *b, int n, double confidence);
/* Two-sided p of "the ratio is 1", by the test that belongs to tm_interval_ratio: signed rank, or t
 * on logarithms below 6 pairs. NaN for fewer than 2 pairs. */
double tm_ratio_p(const double *a, const double *b, int n);
/* The t interval of the same ratio, for comparison. */
tm_interval tm_interval_ratio_t(const double *a, const double *b, int n, double confidence);
/* The ratio of the geometric means of two independent sets: Welch's t interval on logarithms, at
 * least 2 values each. *p: two-sided, of no difference; NaN without an interval. */
tm_interval tm_interval_ratio_sets(const double *a, int n_a, const double *b, int n_b,
                                   double confidence, double *p);
/* Pseudo-median of d and its exact signed-rank interval (n >= 6 for 95 %), without logs. */
tm_interval tm_hodges_lehmann(const double *d, int n, double confidence);
/* Two-sided p of the signed-rank test of d around 0. Zeros are dropped, ties get mid-ranks.
 * Exact up to 60 differences, then by the normal approximation. */
double tm_signed_rank_p(const double *d, int n);

/* What is printed: intervals at TM_CONFIDENCE. Fewer pairs or processes than TM_MIN_PAIRS give no
 * interval: low and high are the smallest and the largest of them, confidence is NaN, and the
 * method says so. */
#define TM_CONFIDENCE      0.95
#define TM_MIN_PAIRS       4
#define TM_PAIRS_RANGE     "range of the pairs"
#define TM_PROCESSES_RANGE "range of the processes"
/* tm_interval_ratio, or the range. */
tm_interval tm_pairs_ratio(const double *a, const double *b, int n, double confidence);
/* Geometric mean of the positive values of processes with its within-run interval: what the
 * processes of these runs scatter, not what another run may give. t on logs, or the range. */
tm_interval tm_processes_interval(const double *values, int n);
/* Replaces the bounds of *x by the range of a[i] / b[i] (b NULL: of a[i]) if n is from 2 to
 * TM_MIN_PAIRS - 1. */
void tm_range_of_few(const double *a, const double *b, int n, const char *method, tm_interval *x);

/* Slot effect: the mean log-ratio of pairs run AB minus that of pairs run BA, with a t interval.
 * first_is_a[i]: pair i ran a first. The ideal is 0. low and high are NaN if n is too small. */
tm_interval tm_slot_effect(const double *a, const double *b, const bool *first_is_a, int n,
                           double confidence);

/* Marks values outside Tukey's fences (1.5 interquartile ranges) and returns their number; 0 if
 * n < 4. */
int tm_mark_outliers(const double *values, int n, bool *is_outlier);

/* Geometric mean of ratios over models, with a t interval on logarithms. Source: Fleming and
 * Wallace 1986. */
tm_interval tm_interval_geometric(const double *ratios, int n, double confidence);

#endif
