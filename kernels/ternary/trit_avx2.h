/* What the AVX2 variants of ternary layouts share, whatever the layout. */
#ifndef TM_KERNELS_TERNARY_TRIT_AVX2_H
#define TM_KERNELS_TERNARY_TRIT_AVX2_H

#include "kernels/panel.h"

#include <immintrin.h>

/* y = (sum * x scale) * w scale for the first n of 16 rows. */
static inline void store_rows(float *y, __m256i low, __m256i high, float scale, float w_scale,
                              int n)
{
    float piece[TM_GROUP];
    float *to = n >= TM_GROUP ? y : piece;
    __m256 s = _mm256_set1_ps(scale), ws = _mm256_set1_ps(w_scale);
    _mm256_storeu_ps(to, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(low), s), ws));
    _mm256_storeu_ps(to + 8, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(high), s), ws));
    if (n < TM_GROUP) memcpy(y, piece, (size_t)n * sizeof *y);
}

#endif
