/* Template: the operations of vec.h over vectors of 16 floats, written once for every instruction
 * set.
 *
 * vec_<isa>.c includes it (through vec_attend_template.h) after it has defined, all static inline,
 *   V_INLINE                   the attribute of the functions below
 *   v16, i16                   16 floats; 16 int32
 *   V_ROWS                     queries of a tile of attention, at most
 *   V_TILES_1 .. V_TILES_6(X, ...)
 *                              the tiles of 1, 2, 3, 4 and 6 queries: X(queries, v16, ...) for each
 *   v_zero, v_set, v_load(p, n), v_store(p, v, n)
 *                              n of 16 elements; the others are read as 0 and not written
 *   v_load_half(row, i, n), v_store_half
 *                              the same at row + i; v_load_half may read from row on
 *   v_add, v_sub, v_mul, v_div, v_fma(a, b, c) = a b + c, v_fnma(a, b, c) = -a b + c
 *   v_max(a, b) = a > b ? a : b, v_min(a, b) = a < b ? a : b, v_abs, v_rint (ties to even)
 *   v_scale2(p, n)             p * 2^n, n integral in -126 .. 128, rounded once
 *   v_add_exponent(p, n)       the same if p and the result are normal; p may be NaN
 *   v_zero_below(x, limit, r)  x < limit ? 0 : r
 *   v_max_lane(v)              the largest lane; none is NaN
 *   v_halves(v)                the sum of the lanes, added by halves
 *   v_swap_pairs, v_twice(p)   (1 0 3 2 ...); 8 floats as (0 0 1 1 ...)
 *   v_subadd(a, b)             a - b in even lanes, a + b in odd ones
 *   i_zero, i_add, i_sum, i_from(v), i_store_i8(q, i, n)
 */
#ifndef TM_KERNELS_VEC_VEC_WIDE_TEMPLATE_H
#define TM_KERNELS_VEC_VEC_WIDE_TEMPLATE_H

#if !defined V_INLINE || !defined V_ROWS || !defined V_TILES_1 || !defined V_TILES_2 ||            \
    !defined V_TILES_3 || !defined V_TILES_4 || !defined V_TILES_6
#error "vec_wide_template.h: define the macros that its first comment names"
#endif

#include "kernels/vec/vec_exp.h"

#include <float.h>

static inline V_INLINE int wide_min(int a, int b)
{
    return a < b ? a : b;
}

/* exp(x) = p * 2^n above TM_EXP_LOW. */
static inline V_INLINE v16 exp_parts(v16 x, v16 *n)
{
    *n = v_rint(v_mul(x, v_set(TM_EXP_LOG2E)));
    v16 r = v_fnma(*n, v_set(TM_EXP_LN2_HI), x);
    r = v_fnma(*n, v_set(TM_EXP_LN2_LO), r);
    v16 p = v_set(TM_EXP_C6);
    p = v_fma(p, r, v_set(TM_EXP_C5));
    p = v_fma(p, r, v_set(TM_EXP_C4));
    p = v_fma(p, r, v_set(TM_EXP_C3));
    p = v_fma(p, r, v_set(TM_EXP_C2));
    p = v_fma(p, r, v_set(1));
    return v_fma(p, r, v_set(1));
}

static inline V_INLINE v16 wide_exp(v16 x)
{
    v16 n, p = exp_parts(v_min(v_set(TM_EXP_HIGH), x), &n);
    return v_zero_below(x, v_set(TM_EXP_LOW), v_scale2(p, n));
}

/* exp of x <= 0, or NaN: e^-87 .. 1 are normal numbers, so 2^n is a sum in the exponent. */
static inline V_INLINE v16 wide_exp_down(v16 x)
{
    v16 n, p = exp_parts(x, &n);
    return v_zero_below(x, v_set(TM_EXP_LOW), v_add_exponent(p, n));
}

/* The sum of 64 lanes. */
static inline V_INLINE float wide_halves64(v16 a, v16 b, v16 c, v16 d)
{
    return v_halves(v_add(v_add(a, c), v_add(b, d)));
}

static inline float wide_sum_squares(const float *x, int n)
{
    v16 a = v_zero(), b = a, c = a, d = a, t;
    int i = 0;
    for (; i + 64 <= n; i += 64) {
        t = v_load(x + i, 16), a = v_fma(t, t, a);
        t = v_load(x + i + 16, 16), b = v_fma(t, t, b);
        t = v_load(x + i + 32, 16), c = v_fma(t, t, c);
        t = v_load(x + i + 48, 16), d = v_fma(t, t, d);
    }
    if (i < n) t = v_load(x + i, wide_min(n - i, 16)), a = v_fma(t, t, a);
    if (i + 16 < n) t = v_load(x + i + 16, wide_min(n - i - 16, 16)), b = v_fma(t, t, b);
    if (i + 32 < n) t = v_load(x + i + 32, wide_min(n - i - 32, 16)), c = v_fma(t, t, c);
    if (i + 48 < n) t = v_load(x + i + 48, n - i - 48), d = v_fma(t, t, d);
    return wide_halves64(a, b, c, d);
}

/* Elementwise: each operation first on n of 16 elements at i, then over a whole array. */
static inline V_INLINE void scale_by_at(const float *x, float factor, const float *weight, int i,
                                        int n, float *y)
{
    v16 scaled = v_mul(v_load(x + i, n), v_set(factor));
    v_store(y + i, v_mul(scaled, v_load(weight + i, n)), n);
}

static inline void wide_scale_by(const float *x, float factor, const float *weight, int n, float *y)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) scale_by_at(x, factor, weight, i, 16, y);
    if (i < n) scale_by_at(x, factor, weight, i, n - i, y);
}

static inline void wide_add(const float *x, const float *z, int n, float *y)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) v_store(y + i, v_add(v_load(x + i, 16), v_load(z + i, 16)), 16);
    if (i < n) v_store(y + i, v_add(v_load(x + i, n - i), v_load(z + i, n - i)), n - i);
}

static inline V_INLINE void silu_mul_at(const float *gate, const float *up, int i, int n,
                                        float *out)
{
    v16 g = v_load(gate + i, n);
    v16 silu = v_div(g, v_add(v_set(1), wide_exp(v_sub(v_zero(), g))));
    v_store(out + i, v_mul(silu, v_load(up + i, n)), n);
}

static inline void wide_silu_mul(const float *gate, const float *up, int n, float *out)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) silu_mul_at(gate, up, i, 16, out);
    if (i < n) silu_mul_at(gate, up, i, n - i, out);
}

static inline V_INLINE void relu2_mul_at(const float *gate, const float *up, int i, int n,
                                         float *out)
{
    v16 r = v_max(v_zero(), v_load(gate + i, n));
    v_store(out + i, v_mul(v_mul(r, r), v_load(up + i, n)), n);
}

static inline void wide_relu2_mul(const float *gate, const float *up, int n, float *out)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) relu2_mul_at(gate, up, i, 16, out);
    if (i < n) relu2_mul_at(gate, up, i, n - i, out);
}

static inline void wide_to_half(const float *x, int n, tm_half *y)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) v_store_half(y + i, v_load(x + i, 16), 16);
    if (i < n) v_store_half(y + i, v_load(x + i, n - i), n - i);
}

static inline void wide_from_half(const tm_half *x, int n, float *y)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) v_store(y + i, v_load_half(x, i, 16), 16);
    if (i < n) v_store(y + i, v_load_half(x, i, n - i), n - i);
}

static inline V_INLINE v16 quantize_at(const float *x, int n, v16 s)
{
    v16 t = v_max(v_mul(v_load(x, n), s), v_set(-127));
    return v_min(t, v_set(127));
}

static inline float wide_quantize_i8(const float *x, int n, int n_padded, int8_t *q, int32_t *sum)
{
    v16 a = v_zero(), b = a;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        a = v_max(v_abs(v_load(x + i, 16)), a);
        b = v_max(v_abs(v_load(x + i + 16, 16)), b);
    }
    for (; i < n; i += 16) a = v_max(v_abs(v_load(x + i, wide_min(n - i, 16))), a);
    float max = v_max_lane(v_max(a, b));
    float s = (float)(127.0 / (max > 1e-5 ? (double)max : 1e-5));

    v16 scale = v_set(s);
    i16 total = i_zero();
    for (i = 0; i + 16 <= n; i += 16) {
        i16 t = i_from(quantize_at(x + i, 16, scale));
        i_store_i8(q + i, t, 16);
        total = i_add(total, t);
    }
    if (i < n) { /* the elements beyond are 0 * s = 0 */
        i16 t = i_from(quantize_at(x + i, n - i, scale));
        i_store_i8(q + i, t, n - i);
        total = i_add(total, t);
    }
    for (i = n; i < n_padded; i++) q[i] = 0;
    *sum = i_sum(total);
    return 1 / s;
}

/* Stores exp(x - max) of n of 16 elements; returns them, with 0 in the other lanes. */
static inline V_INLINE v16 exp_at(float *x, int n, v16 max)
{
    v16 e = wide_exp_down(v_sub(v_load(x, n), max));
    v_store(x, e, n);
    return n == 16 ? e : v_load(x, n);
}

static inline float wide_exps(float *x, int n, float *max)
{
    v16 a = v_set(-FLT_MAX), b = a, c, d;
    int i = 0;
    for (; i + 32 <= n; i += 32) {
        a = v_max(v_load(x + i, 16), a);
        b = v_max(v_load(x + i + 16, 16), b);
    }
    float most = v_max_lane(v_max(a, b));
    for (; i < n; i++) most = x[i] > most ? x[i] : most;
    *max = most;

    v16 m = v_set(most);
    a = b = c = d = v_zero();
    for (i = 0; i + 64 <= n; i += 64) {
        a = v_add(a, exp_at(x + i, 16, m));
        b = v_add(b, exp_at(x + i + 16, 16, m));
        c = v_add(c, exp_at(x + i + 32, 16, m));
        d = v_add(d, exp_at(x + i + 48, 16, m));
    }
    if (i < n) a = v_add(a, exp_at(x + i, wide_min(n - i, 16), m));
    if (i + 16 < n) b = v_add(b, exp_at(x + i + 16, wide_min(n - i - 16, 16), m));
    if (i + 32 < n) c = v_add(c, exp_at(x + i + 32, wide_min(n - i - 32, 16), m));
    if (i + 48 < n) d = v_add(d, exp_at(x + i + 48, n - i - 48, m));
    return wide_halves64(a, b, c, d);
}

static inline V_INLINE void join_at(float *x, float a, const float *z, float b, int i, int n)
{
    v16 kept = v_mul(v_load(x + i, n), v_set(a));
    v_store(x + i, v_fma(v_load(z + i, n), v_set(b), kept), n);
}

static inline void wide_join(float *x, float a, const float *z, float b, int n)
{
    int i = 0;
    for (; i + 16 <= n; i += 16) join_at(x, a, z, b, i, 16);
    if (i < n) join_at(x, a, z, b, i, n - i);
}

static inline void wide_scale(const float *x, float factor, int n, float *y)
{
    v16 f = v_set(factor);
    int i = 0;
    for (; i + 16 <= n; i += 16) v_store(y + i, v_mul(v_load(x + i, 16), f), 16);
    if (i < n) v_store(y + i, v_mul(v_load(x + i, n - i), f), n - i);
}

static inline V_INLINE void rotate_split_at(float *x, int half, const float *cos, const float *sin,
                                            int i, int n)
{
    v16 u = v_load(x + i, n), v = v_load(x + half + i, n);
    v16 c = v_load(cos + i, n), s = v_load(sin + i, n);
    v_store(x + i, v_sub(v_mul(u, c), v_mul(v, s)), n);
    v_store(x + half + i, v_add(v_mul(u, s), v_mul(v, c)), n);
}

static inline void wide_rotate(float *x, int n_rot, const float *cos, const float *sin,
                               bool half_split)
{
    int half = n_rot / 2, i = 0;
    if (half_split) {
        for (; i + 16 <= half; i += 16) rotate_split_at(x, half, cos, sin, i, 16);
        if (i < half) rotate_split_at(x, half, cos, sin, i, half - i);
        return;
    }
    for (; i + 8 <= half; i += 8) {
        v16 uv = v_load(x + 2 * i, 16), vu = v_swap_pairs(uv);
        v_store(x + 2 * i, v_subadd(v_mul(uv, v_twice(cos + i)), v_mul(vu, v_twice(sin + i))), 16);
    }
    for (; i < half; i++) {
        float u = x[2 * i], v = x[2 * i + 1];
        x[2 * i] = u * cos[i] - v * sin[i];
        x[2 * i + 1] = u * sin[i] + v * cos[i];
    }
}

#endif
