/* exp as every row of vec.h computes it: the constants, and the scalar form that defines it.
 *
 * n = rint(x * log2(e)); r = x - n ln 2, exact but for the last of its two steps, |r| <= 0.3467;
 * exp(r) = 1 + r + r^2 (C2 + C3 r + ... + C6 r^4) by Horner's rule; exp(x) = exp(r) * 2^n.
 * C2..C6: our minimax fit to the relative error on |r| <= ln(2)/2, each rounded to float before the
 * rest was fitted again: 3.2e-9, 0.05 ulp. With the roundings: below 1 ulp on [-87, 88.72].
 */
#ifndef TM_KERNELS_VEC_VEC_EXP_H
#define TM_KERNELS_VEC_VEC_EXP_H

#include "kernels/half.h"

#include <math.h>
#include <stdint.h>

/* Smaller x give 0, so that no subnormal arises (e^-87 = 1.6e-38, the smallest normal is 1.2e-38)
 * and the result does not depend on whether the processor flushes subnormals. */
#define TM_EXP_LOW -87.0f
/* Larger x give infinity, as this does: float ends at e^88.723. Keeps n <= 128. */
#define TM_EXP_HIGH  89.0f
#define TM_EXP_LOG2E 0x1.715476p+0f
#define TM_EXP_LN2_HI                                                                              \
    0x1.62e43p-1f /* n * LN2_HI and x - n * LN2_HI need no rounding inside an fma */
#define TM_EXP_LN2_LO -0x1.05c61p-29f
#define TM_EXP_C2     0x1.fffffcp-2f
#define TM_EXP_C3     0x1.55548cp-3f
#define TM_EXP_C4     0x1.555858p-5f
#define TM_EXP_C5     0x1.123dep-7f
#define TM_EXP_C6     0x1.6ac74ep-10f

/* exp(x) for any x; NaN gives NaN. */
static inline float tm_vec_exp(float x)
{
    if (x < TM_EXP_LOW) return 0;
    if (x != x) return x;
    if (x > TM_EXP_HIGH) x = TM_EXP_HIGH;
    float n = rintf(x * TM_EXP_LOG2E); /* -126 .. 128 */
    float r = fmaf(-n, TM_EXP_LN2_HI, x);
    r = fmaf(-n, TM_EXP_LN2_LO, r);
    float p = TM_EXP_C6;
    p = fmaf(p, r, TM_EXP_C5);
    p = fmaf(p, r, TM_EXP_C4);
    p = fmaf(p, r, TM_EXP_C3);
    p = fmaf(p, r, TM_EXP_C2);
    p = fmaf(p, r, 1);
    p = fmaf(p, r, 1);
    /* 2^n in two factors: 2^128 is no float, though 0.9 * 2^128 is. */
    int32_t half = (int32_t)n / 2, rest = (int32_t)n - half;
    float first = tm_float_from_bits((uint32_t)(half + 127) << 23);
    float second = tm_float_from_bits((uint32_t)(rest + 127) << 23);
    return p * first * second;
}

#endif
