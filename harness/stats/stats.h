/* Figures with their uncertainty. Pure computation: no clock, no machine.
 *
 * The unit of replication is a fresh process: callers first reduce the repetitions inside one process
 * to one value (tm_median). Methods and their limits: Hollander, Wolfe, Chicken, Nonparametric
 * Statistical Methods (3rd ed.), 3.1-3.3 (signed rank, Hodges-Lehmann); Kalibera and Jones, ISMM 2013.
 */
#ifndef TM_HARNESS_STATS_STATS_H
#define TM_HARNESS_STATS_STATS_H

#include "kernels/base.h"

/* A value with a two-sided confidence interval. low and high are NaN where n cannot support one. */
typedef struct tm_interval {
    double value, low, high;
    int n;              /* independent values it stands on */
    double confidence;  /* what was reached: exact methods may exceed what was asked */
    const char *method; /* "t on logs", "Wilcoxon signed-rank", "none: n < 2" */
} tm_interval;

double tm_median(const double *values, int n); /* NaN for n = 0; does not reorder its input */
double tm_mean(const double *values, int n);
double tm_standard_deviation(const double *values, int n); /* n - 1; NaN for n < 2 */
/* Quantile by linear interpolation between order statistics (type 7), q in 0 .. 1. */
double tm_quantile(const double *values, int n, double q);
/* The same, but NaN where n samples do not support it: a distribution-free 95 % interval (2.5 % on each side)
 * for the q-quantile must exist inside the sample. *needed: the n that would. */
double tm_percentile_supported(const double *values, int n, double q, int *needed);

/* Quantiles of Student's t and of the normal distribution; NaN for p outside 0 .. 1. */
double tm_t_quantile(double p, double degrees);
double tm_normal_quantile(double p);

/* Positive process-level values (times, rates): geometric mean with t on logs; n < 2: no interval. */
tm_interval tm_interval_positive(const double *values, int n, double confidence);

/* Ratios from pairs. a[i], b[i]: positive values of the two arms of pair i; estimates the ratio
 * a / b. Hodges-Lehmann with the Wilcoxon signed-rank interval for n >= 6 (exact up to 60, then by the
 * normal approximation; `method` says which), t on logs below. */
tm_interval tm_interval_ratio(const double *a, const double *b, int n, double confidence);
/* The t interval of the same, to print beside it. */
tm_interval tm_interval_ratio_t(const double *a, const double *b, int n, double confidence);
/* Pseudo-median of d and its exact signed-rank interval (n >= 6 for 95 %), without logs. */
tm_interval tm_hodges_lehmann(const double *d, int n, double confidence);
/* Two-sided p of the signed-rank test of d around 0; zeros are dropped, ties get mid-ranks. Exact up to
 * 60 differences, above that by the normal approximation. */
double tm_signed_rank_p(const double *d, int n);

/* Slot effect: mean log ratio of pairs run AB against those run BA, with a t interval of the
 * difference; first_is_a[i]: pair i ran a first. value near 0 is good; low/high NaN if n too small. */
tm_interval tm_slot_effect(const double *a, const double *b, const bool *first_is_a, int n,
                           double confidence);

/* Marks values outside Tukey's fences (1.5 interquartile ranges); needs n >= 4. Returns how many. */
int tm_mark_outliers(const double *values, int n, bool *is_outlier);

/* Geometric mean of ratios over models (Fleming and Wallace 1986), t on log-ratios. */
tm_interval tm_interval_geometric(const double *ratios, int n, double confidence);

#endif
