/* Working copies for the files of this room, on the stack if they are small. */
#ifndef TM_HARNESS_STATS_STATS_SCRATCH_H
#define TM_HARNESS_STATS_STATS_SCRATCH_H

#include "kernels/base.h"

#include <stdlib.h>

typedef struct tm_scratch {
    double small[128]; /* enough for a hundred processes without an allocation */
    double *large;
} tm_scratch;

/* n uninitialised values; NULL: no memory. */
static inline double *tm_scratch_take(tm_scratch *scratch, int n)
{
    size_t bytes;
    scratch->large = NULL;
    if ((size_t)n <= sizeof scratch->small / sizeof scratch->small[0]) return scratch->small;
    if (!tm_mul_size((size_t)n, sizeof(double), &bytes)) return NULL;
    return scratch->large = malloc(bytes);
}

static inline void tm_scratch_drop(tm_scratch *scratch)
{
    free(scratch->large);
}

/* For qsort: ascending, NaN last. */
static inline int tm_compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (x != x || y != y) return (x != x) - (y != y);
    return (x > y) - (x < y);
}

#endif
