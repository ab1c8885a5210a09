#include "harness/stats/stats.h"

#include <math.h>

/* Above this, the expansion around the normal quantile is more accurate than the incomplete beta
 * function, whose log-gamma differences lose a digit per factor of ten. */
#define MANY_DEGREES 1e5

/* Continued fraction of the regularised incomplete beta function, by the modified Lentz method.
 * Converges fast for x < (a + 1) / (a + b + 2). Source: NIST DLMF 8.17.22 and 3.10(iii). */
static double beta_fraction(double a, double b, double x)
{
    const double tiny = 1e-300;
    double c = 1, d = 1 - (a + b) * x / (a + 1);
    d = 1 / (fabs(d) < tiny ? tiny : d);
    double f = d;
    for (int m = 1; m < 10000; m++) {
        double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
        d = 1 + even * d;
        c = 1 + even / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= c * d;
        d = 1 + odd * d;
        c = 1 + odd / c;
        d = 1 / (fabs(d) < tiny ? tiny : d);
        c = fabs(c) < tiny ? tiny : c;
        f *= c * d;
        if (fabs(c * d - 1) < 1e-16) break;
    }
    return f;
}

static double log_gamma(double x)
{
    int sign;
    return lgamma_r(x, &sign); /* lgamma writes a global */
}

/* I_x(a, b). y = 1 - x is a parameter of its own, so that neither loses digits. Source: NIST
 * DLMF 8.17(i). */
static double incomplete_beta(double a, double b, double x, double y)
{
    if (x <= 0) return 0;
    if (y <= 0) return 1;
    double front = exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * log(x) + b * log(y));
    if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
    return 1 - front * beta_fraction(b, a, y) / b;
}

/* A distribution symmetric around 0. */
typedef struct symmetric {
    double degrees; /* 0: normal */
    double scale;   /* of the t density */
} symmetric;

static double upper_tail(const symmetric *s, double t)
{
    if (s->degrees == 0) return 0.5 * erfc(t * M_SQRT1_2);
    double sum = s->degrees + t * t;
    return 0.5 * incomplete_beta(0.5 * s->degrees, 0.5, s->degrees / sum, t * t / sum);
}

static double density(const symmetric *s, double t)
{
    if (s->degrees == 0) return exp(-0.5 * t * t) * 0.39894228040143267794; /* 1 / sqrt(2 pi) */
    return s->scale * pow(1 + t * t / s->degrees, -0.5 * (s->degrees + 1));
}

/* t > 0 with upper_tail(t) = p, 0 < p < 0.5. Newton's method on the logarithm of the tail, inside a
 * bracket; a step that would leave the bracket halves it instead. */
static double solve_tail(const symmetric *s, double p)
{
    double low = 0, high = 1;
    while (upper_tail(s, high) > p && high < 1e150) {
        low = high;
        high *= 2;
    }
    double t = 0.5 * (low + high);
    for (int i = 0; i < 200; i++) {
        double tail = upper_tail(s, t);
        if (tail == p) return t;
        if (tail > p)
            low = t;
        else
            high = t;
        double next = t + log(tail / p) * tail / density(s, t);
        if (!(next > low && next < high)) next = 0.5 * (low + high);
        if (fabs(next - t) <= 1e-15 * t) return next;
        t = next;
    }
    return t;
}

static double quantile(const symmetric *s, double p)
{
    if (!(p >= 0 && p <= 1)) return NAN;
    if (p == 0) return -INFINITY;
    if (p == 1) return INFINITY;
    if (p == 0.5) return 0;
    return p < 0.5 ? -solve_tail(s, p) : solve_tail(s, 1 - p);
}

double tm_normal_quantile(double p)
{
    symmetric normal = {0, 0};
    return quantile(&normal, p);
}

double tm_t_quantile(double p, double degrees)
{
    if (!(degrees > 0)) return NAN;
    if (degrees > MANY_DEGREES) {
        double z = tm_normal_quantile(p), z2 = z * z;
        if (!isfinite(z)) return z;
        /* The next term is below 1e-13 for |z| < 8. Source: Abramowitz and Stegun 26.7.5. */
        return z + z * (z2 + 1) / (4 * degrees) +
               z * (5 * z2 * z2 + 16 * z2 + 3) / (96 * degrees * degrees);
    }
    double scale =
        exp(log_gamma(0.5 * (degrees + 1)) - log_gamma(0.5 * degrees)) / sqrt(degrees * M_PI);
    symmetric t = {degrees, scale};
    return quantile(&t, p);
}

double tm_t_upper_tail(double t, double degrees)
{
    if (!(degrees > 0) || !(t >= 0)) return NAN;
    symmetric s = {degrees > MANY_DEGREES ? 0 : degrees, 0};
    return upper_tail(&s, t);
}
