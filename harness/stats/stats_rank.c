#include "harness/stats/stats.h"

#include "harness/stats/stats_scratch.h"

#include <assert.h>
#include <math.h>
#include <string.h>

/* Up to this n the null distribution is computed, above it the normal approximation is used. At
 * n = 61 and a requested 95 %, the approximation covers 95.14 % and the exact interval 95.06 %. */
#define EXACT_N   60
#define EXACT_SUM (EXACT_N * (EXACT_N + 1)) /* of doubled ranks */

/* P(W = w) for w = 0 .. sum of scores. W sums a random subset of the scores, each taken with
 * probability 1/2. It only adds positive numbers and halves exactly, so the relative error stays
 * below n * 2^-53. Returns the largest w. Source: Hollander, Wolfe, Chicken, 3.1, comment 5. */
static int null_distribution(const int *scores, int n, double *probability)
{
    int top = 0;
    probability[0] = 1;
    for (int i = 0; i < n; i++) {
        int score = scores[i];
        for (int w = top + 1; w <= top + score; w++) probability[w] = 0;
        top += score;
        for (int w = top; w >= 0; w--)
            probability[w] = 0.5 * (probability[w] + (w >= score ? probability[w - score] : 0));
    }
    return top;
}

/* The largest c with P(W <= c - 1) <= alpha / 2. The interval reaches from the c-th smallest to the
 * c-th largest Walsh average. 0: n is too small. *tail: that probability. */
static int64_t exact_rank(int n, double alpha, double *tail)
{
    int scores[EXACT_N];
    double probability[EXACT_SUM / 2 + 1];
    for (int i = 0; i < n; i++) scores[i] = i + 1;
    int top = null_distribution(scores, n, probability);
    double sum = 0;
    int c = 0;
    *tail = 0;
    /* Allow for rounding if the tail equals alpha / 2. */
    while (c <= top && sum + probability[c] <= 0.5 * alpha * (1 + 1e-12)) sum += probability[c++];
    *tail = sum;
    return c;
}

/* Maps doubles to integers in the same order, and back. */
static int64_t ordered(double x)
{
    int64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits ^ ((bits >> 63) & INT64_MAX);
}

static double from_ordered(int64_t bits)
{
    double x;
    bits ^= (bits >> 63) & INT64_MAX;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static double walsh(double a, double b)
{
    return 0.5 * a + 0.5 * b;
}

/* The number of Walsh averages of the sorted d, i <= j, that are at most x. */
static int64_t count_up_to(const double *d, int n, double x)
{
    int64_t count = 0;
    int j = n - 1;
    for (int i = 0; i < n; i++) {
        while (j >= i && walsh(d[i], d[j]) > x) j--;
        if (j < i) break;
        count += j - i + 1;
    }
    return count;
}

/* The k-th smallest (k from 1) of the n (n + 1) / 2 Walsh averages of the sorted d. Computes
 * none of them: bisects the doubles, at most 64 times. */
static double kth_walsh(const double *d, int n, int64_t k)
{
    int64_t low = ordered(d[0]), high = ordered(d[n - 1]);
    while (low < high) {
        int64_t middle = low + (int64_t)(((uint64_t)high - (uint64_t)low) / 2);
        if (count_up_to(d, n, from_ordered(middle)) >= k)
            high = middle;
        else
            low = middle + 1;
    }
    return from_ordered(low) + 0.0; /* -0 becomes 0 */
}

/* Source: Hollander, Wolfe, Chicken, 3.2 (estimate) and 3.3 (interval; its large-sample form above
 * EXACT_N). */
tm_interval tm_hodges_lehmann(const double *d, int n, double confidence)
{
    assert(confidence > 0 && confidence < 1);
    tm_interval out = {NAN, NAN, NAN, n, NAN, "none: no values"};
    if (n <= 0) return out;
    out.method = "none: a value is not finite";
    for (int i = 0; i < n; i++)
        if (!isfinite(d[i])) return out;
    tm_scratch scratch;
    double *sorted = tm_scratch_take(&scratch, n);
    out.method = "none: out of memory";
    if (!sorted) return out;
    memcpy(sorted, d, (size_t)n * sizeof *d);
    qsort(sorted, (size_t)n, sizeof *sorted, tm_compare_doubles);

    int64_t n_walsh = (int64_t)n * (n + 1) / 2;
    double median = kth_walsh(sorted, n, (n_walsh + 1) / 2);
    if (n_walsh % 2 == 0) median = walsh(median, kth_walsh(sorted, n, n_walsh / 2 + 1));
    out.value = median;

    int64_t c;
    if (n <= EXACT_N) {
        double tail;
        c = exact_rank(n, 1 - confidence, &tail);
        out.confidence = 1 - 2 * tail;
        out.method = "Wilcoxon signed-rank";
    } else {
        double z = tm_normal_quantile(0.5 + 0.5 * confidence);
        double spread = sqrt((double)n_walsh * (2.0 * n + 1) / 12); /* n (n + 1) (2 n + 1) / 24 */
        c = (int64_t)floor(0.5 * (double)n_walsh - z * spread);
        out.confidence = confidence;
        out.method = "Wilcoxon signed-rank, normal approximation";
    }
    if (c >= 1 && c <= n_walsh + 1 - c) {
        out.low = kth_walsh(sorted, n, c);
        out.high = kth_walsh(sorted, n, n_walsh + 1 - c);
    } else {
        out.confidence = NAN;
        out.method = "none: n too small for signed-rank";
    }
    tm_scratch_drop(&scratch);
    return out;
}

static int compare_magnitudes(const void *a, const void *b)
{
    double x = fabs(*(const double *)a), y = fabs(*(const double *)b);
    return (x > y) - (x < y);
}

/* The doubled mid-rank of a run of equal magnitudes d[begin..end) of the sorted differences. */
static int64_t doubled_midrank(int begin, int end)
{
    return (int64_t)begin + 1 + end;
}

static int end_of_ties(const double *d, int begin, int n)
{
    int end = begin + 1;
    while (end < n && fabs(d[end]) == fabs(d[begin])) end++;
    return end;
}

static double exact_p(const double *d, int n)
{
    int scores[EXACT_N];
    double probability[EXACT_SUM + 1];
    int positive = 0;
    for (int begin = 0, end; begin < n; begin = end) {
        end = end_of_ties(d, begin, n);
        for (int i = begin; i < end; i++) {
            scores[i] = (int)doubled_midrank(begin, end);
            if (d[i] > 0) positive += scores[i];
        }
    }
    int top = null_distribution(scores, n, probability);
    /* Symmetric around top / 2, also with ties: twice the tail of the nearer end. */
    int nearer = positive < top - positive ? positive : top - positive;
    double tail = 0;
    for (int w = 0; w <= nearer; w++) tail += probability[w];
    return fmin(1, 2 * tail);
}

/* Source: Hollander, Wolfe, Chicken, 3.1, large-sample form with corrections for ties and
 * continuity. */
static double normal_p(const double *d, int n)
{
    double positive = 0, variance = 0, mean = 0.25 * n * (n + 1.0);
    for (int begin = 0, end; begin < n; begin = end) {
        end = end_of_ties(d, begin, n);
        double rank = 0.5 * (double)doubled_midrank(begin, end);
        for (int i = begin; i < end; i++) {
            variance += 0.25 * rank * rank;
            if (d[i] > 0) positive += rank;
        }
    }
    double away = fmax(0, fabs(positive - mean) - 0.5);
    return erfc(away / sqrt(variance) * M_SQRT1_2);
}

double tm_signed_rank_p(const double *d, int n)
{
    if (n <= 0) return NAN;
    tm_scratch scratch;
    double *kept = tm_scratch_take(&scratch, n);
    if (!kept) return NAN;
    int n_kept = 0;
    bool finite = true;
    for (int i = 0; i < n; i++) {
        finite = finite && isfinite(d[i]);
        if (d[i] != 0) kept[n_kept++] = d[i];
    }
    double p = 1;
    if (!finite) {
        p = NAN;
    } else if (n_kept > 0) {
        qsort(kept, (size_t)n_kept, sizeof *kept, compare_magnitudes);
        p = n_kept <= EXACT_N ? exact_p(kept, n_kept) : normal_p(kept, n_kept);
    }
    tm_scratch_drop(&scratch);
    return p;
}
