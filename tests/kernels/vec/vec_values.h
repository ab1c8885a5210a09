/* Values for the tests of vec.h, plain and adversarial, and which rows can be tested. */
#ifndef TM_TESTS_KERNELS_VEC_VEC_VALUES_H
#define TM_TESTS_KERNELS_VEC_VEC_VALUES_H

#include "tests/tm_test.h"

#include "kernels/vec/vec.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum fill { PLAIN, TINY, LARGE, EDGES, TIES, EQUAL, ONE_HUGE, ZEROS, WILD, N_FILLS };

/* Element i of a fill. */
static inline float one_value(tm_rng *rng, enum fill fill, int i)
{
    static const float edges[] = {0,      -0.0f,   0x1p-149f, -0x1p-126f, 1e-38f,  FLT_MAX, 1,
                                  -87,    -87.01f, 87,        88.7228f,   88.723f, -104,    0.5f,
                                  -88.8f, 89.1f,   -1e-5f,    65519.9f,   6e-8f,   -3e-8f,  65520};
    static const float wild[] = {NAN, INFINITY, -INFINITY, -NAN};
    float u = (float)(tm_rng_uniform(rng) * 2 - 1);
    switch (fill) {
    case PLAIN:
        return u * 4;
    case TINY:
        return u * 0x1p-130f;
    case LARGE:
        return u * 3e38f;
    case EDGES:
        return edges[tm_rng_below(rng, sizeof edges / sizeof *edges)];
    case TIES:
        return i == 0 ? 127 : (float)(int)(u * 254) * 0.5f;
    case EQUAL:
        return -3.25f;
    case ONE_HUGE:
        return i == 3 ? 3e38f : u;
    case ZEROS:
        return u < 0 ? -0.0f : 0;
    default:
        return tm_rng_below(rng, 8) ? u * 100 : wild[tm_rng_below(rng, 4)];
    }
}

static inline void fill_values(float *x, int n, enum fill fill, uint64_t seed)
{
    tm_rng rng = {seed};
    for (int i = 0; i < n; i++) x[i] = one_value(&rng, fill, i);
}

static inline const tm_vec *scalar(void)
{
    return tm_vecs()[0];
}

static inline bool available(const tm_vec *v)
{
    return !(v->isa & ~tm_cpu_isa());
}

#endif
