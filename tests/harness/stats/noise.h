/* A model of a noisy machine for simulations: the noise of a run, on log time, is AR(1) drift,
 * Gaussian noise and a 5 % chance of a slow spike (exponential, mean 15 %). */
#ifndef TM_TESTS_HARNESS_STATS_NOISE_H
#define TM_TESTS_HARNESS_STATS_NOISE_H

#include "kernels/base.h"

#include <math.h>

#define NOISE_RHO       0.9
#define NOISE_SPIKE_LOG 0.15

typedef struct noise_model {
    const char *name;
    double drift, independent; /* standard deviations on log time */
    double spike;              /* probability */
} noise_model;

static const noise_model quiet = {"quiet", 0, 0.02, 0.05},
                         drifting = {"drifting", 0.05, 0.02, 0.05},
                         rough = {"rough", 0.08, 0.04, 0.05};

static inline double gaussian(tm_rng *rng)
{
    double u = 1 - tm_rng_uniform(rng); /* Box and Muller 1958 */
    return sqrt(-2 * log(u)) * cos(2 * M_PI * tm_rng_uniform(rng));
}

/* The time of the next run, without noise 1. *drift is the state between runs; begin_drift starts
 * it. */
static inline double begin_drift(tm_rng *rng, const noise_model *noise)
{
    return noise->drift * gaussian(rng);
}

static inline double next_run(tm_rng *rng, const noise_model *noise, double *drift)
{
    double log_time = *drift + noise->independent * gaussian(rng);
    if (tm_rng_uniform(rng) < noise->spike)
        log_time -= NOISE_SPIKE_LOG * log(1 - tm_rng_uniform(rng));
    *drift = NOISE_RHO * *drift + sqrt(1 - NOISE_RHO * NOISE_RHO) * noise->drift * gaussian(rng);
    return exp(log_time);
}

#endif
