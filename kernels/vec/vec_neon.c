#include "kernels/vec/vec.h"

#include <arm_neon.h>

/* A v16 is four registers. A tile takes 6 v16 of sums, a vector and a broadcast value: 29 of 32
 * registers. */
typedef struct v16 {
    float32x4_t a, b, c, d;
} v16;
typedef struct i16 {
    int32x4_t a, b, c, d;
} i16;
#define V_INLINE __attribute__((always_inline))
#define V_ROWS   6
/* Tiles of V_ROWS queries x v16, and of fewer queries, larger tiles first. */
#define V_TILES_6(X, ...) X(6, 1, __VA_ARGS__)
#define V_TILES_4(X, ...) X(4, 1, __VA_ARGS__)
#define V_TILES_3(X, ...) X(3, 2, __VA_ARGS__) X(3, 1, __VA_ARGS__)
#define V_TILES_2(X, ...) X(2, 2, __VA_ARGS__) X(2, 1, __VA_ARGS__)
#define V_TILES_1(X, ...) X(1, 4, __VA_ARGS__) X(1, 2, __VA_ARGS__) X(1, 1, __VA_ARGS__)

/* n of four elements (0: none, 4 and more: all). */
static inline V_INLINE float32x4_t load4(const float *p, int n)
{
    if (n >= 4) return vld1q_f32(p);
    float32x4_t v = vdupq_n_f32(0);
    if (n >= 1) v = vld1q_lane_f32(p, v, 0);
    if (n >= 2) v = vld1q_lane_f32(p + 1, v, 1);
    if (n >= 3) v = vld1q_lane_f32(p + 2, v, 2);
    return v;
}
static inline V_INLINE void store4(float *p, float32x4_t v, int n)
{
    if (n >= 4) {
        vst1q_f32(p, v);
        return;
    }
    if (n >= 1) vst1q_lane_f32(p, v, 0);
    if (n >= 2) vst1q_lane_f32(p + 1, v, 1);
    if (n >= 3) vst1q_lane_f32(p + 2, v, 2);
}
static inline V_INLINE float32x4_t load4_half(const tm_half *p, int n)
{
    uint16x4_t v = vdup_n_u16(0);
    if (n >= 4) {
        v = vld1_u16(p);
    } else {
        if (n >= 1) v = vld1_lane_u16(p, v, 0);
        if (n >= 2) v = vld1_lane_u16(p + 1, v, 1);
        if (n >= 3) v = vld1_lane_u16(p + 2, v, 2);
    }
    return vcvt_f32_f16(vreinterpret_f16_u16(v));
}
static inline V_INLINE void store4_half(tm_half *p, float32x4_t x, int n)
{
    uint16x4_t v = vreinterpret_u16_f16(vcvt_f16_f32(x));
    if (n >= 4) {
        vst1_u16(p, v);
        return;
    }
    if (n >= 1) vst1_lane_u16(p, v, 0);
    if (n >= 2) vst1_lane_u16(p + 1, v, 1);
    if (n >= 3) vst1_lane_u16(p + 2, v, 2);
}

static inline V_INLINE v16 v_set(float x)
{
    float32x4_t v = vdupq_n_f32(x);
    return (v16){v, v, v, v};
}
static inline V_INLINE v16 v_zero(void)
{
    return v_set(0);
}
static inline V_INLINE v16 v_load(const float *p, int n)
{
    return (v16){load4(p, n), load4(p + 4, n - 4), load4(p + 8, n - 8), load4(p + 12, n - 12)};
}
static inline V_INLINE void v_store(float *p, v16 v, int n)
{
    store4(p, v.a, n);
    store4(p + 4, v.b, n - 4);
    store4(p + 8, v.c, n - 8);
    store4(p + 12, v.d, n - 12);
}
static inline V_INLINE v16 v_load_half(const tm_half *row, int i, int n)
{
    const tm_half *p = row + i;
    if (n == 16) {
        float16x8_t lo = vreinterpretq_f16_u16(vld1q_u16(p));
        float16x8_t hi = vreinterpretq_f16_u16(vld1q_u16(p + 8));
        return (v16){vcvt_f32_f16(vget_low_f16(lo)), vcvt_high_f32_f16(lo),
                     vcvt_f32_f16(vget_low_f16(hi)), vcvt_high_f32_f16(hi)};
    }
    return (v16){load4_half(p, n), load4_half(p + 4, n - 4), load4_half(p + 8, n - 8),
                 load4_half(p + 12, n - 12)};
}
static inline V_INLINE void v_store_half(tm_half *p, v16 v, int n)
{
    store4_half(p, v.a, n);
    store4_half(p + 4, v.b, n - 4);
    store4_half(p + 8, v.c, n - 8);
    store4_half(p + 12, v.d, n - 12);
}

static inline V_INLINE v16 v_add(v16 x, v16 y)
{
    return (v16){vaddq_f32(x.a, y.a), vaddq_f32(x.b, y.b), vaddq_f32(x.c, y.c),
                 vaddq_f32(x.d, y.d)};
}
static inline V_INLINE v16 v_sub(v16 x, v16 y)
{
    return (v16){vsubq_f32(x.a, y.a), vsubq_f32(x.b, y.b), vsubq_f32(x.c, y.c),
                 vsubq_f32(x.d, y.d)};
}
static inline V_INLINE v16 v_mul(v16 x, v16 y)
{
    return (v16){vmulq_f32(x.a, y.a), vmulq_f32(x.b, y.b), vmulq_f32(x.c, y.c),
                 vmulq_f32(x.d, y.d)};
}
static inline V_INLINE v16 v_div(v16 x, v16 y)
{
    return (v16){vdivq_f32(x.a, y.a), vdivq_f32(x.b, y.b), vdivq_f32(x.c, y.c),
                 vdivq_f32(x.d, y.d)};
}
static inline V_INLINE v16 v_fma(v16 x, v16 y, v16 z)
{
    return (v16){vfmaq_f32(z.a, x.a, y.a), vfmaq_f32(z.b, x.b, y.b), vfmaq_f32(z.c, x.c, y.c),
                 vfmaq_f32(z.d, x.d, y.d)};
}
static inline V_INLINE v16 v_fnma(v16 x, v16 y, v16 z)
{
    return (v16){vfmsq_f32(z.a, x.a, y.a), vfmsq_f32(z.b, x.b, y.b), vfmsq_f32(z.c, x.c, y.c),
                 vfmsq_f32(z.d, x.d, y.d)};
}
/* By comparison: vmaxq_f32 would give NaN where either is NaN. */
static inline V_INLINE float32x4_t max4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcgtq_f32(x, y), x, y);
}
static inline V_INLINE float32x4_t min4(float32x4_t x, float32x4_t y)
{
    return vbslq_f32(vcltq_f32(x, y), x, y);
}
static inline V_INLINE v16 v_max(v16 x, v16 y)
{
    return (v16){max4(x.a, y.a), max4(x.b, y.b), max4(x.c, y.c), max4(x.d, y.d)};
}
static inline V_INLINE v16 v_min(v16 x, v16 y)
{
    return (v16){min4(x.a, y.a), min4(x.b, y.b), min4(x.c, y.c), min4(x.d, y.d)};
}
static inline V_INLINE v16 v_abs(v16 x)
{
    return (v16){vabsq_f32(x.a), vabsq_f32(x.b), vabsq_f32(x.c), vabsq_f32(x.d)};
}
static inline V_INLINE v16 v_rint(v16 x)
{
    return (v16){vrndnq_f32(x.a), vrndnq_f32(x.b), vrndnq_f32(x.c), vrndnq_f32(x.d)};
}
/* In two factors: 2^128 is no float. The first product is exact. */
static inline V_INLINE float32x4_t scale2(float32x4_t p, float32x4_t n)
{
    int32x4_t whole = vcvtq_s32_f32(n), half = vshrq_n_s32(whole, 1);
    int32x4_t bias = vdupq_n_s32(127), rest = vsubq_s32(whole, half);
    p = vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23)));
    return vmulq_f32(p, vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23)));
}
static inline V_INLINE v16 v_scale2(v16 p, v16 n)
{
    return (v16){scale2(p.a, n.a), scale2(p.b, n.b), scale2(p.c, n.c), scale2(p.d, n.d)};
}
static inline V_INLINE float32x4_t add_exponent(float32x4_t p, float32x4_t n)
{
    int32x4_t shifted = vshlq_n_s32(vcvtq_s32_f32(n), 23);
    return vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), shifted));
}
static inline V_INLINE v16 v_add_exponent(v16 p, v16 n)
{
    return (v16){add_exponent(p.a, n.a), add_exponent(p.b, n.b), add_exponent(p.c, n.c),
                 add_exponent(p.d, n.d)};
}
static inline V_INLINE float32x4_t zero_below(float32x4_t x, float32x4_t limit, float32x4_t r)
{
    return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(r), vcltq_f32(x, limit)));
}
static inline V_INLINE v16 v_zero_below(v16 x, v16 limit, v16 r)
{
    return (v16){zero_below(x.a, limit.a, r.a), zero_below(x.b, limit.b, r.b),
                 zero_below(x.c, limit.c, r.c), zero_below(x.d, limit.d, r.d)};
}

static inline V_INLINE float v_max_lane(v16 x)
{
    return vmaxvq_f32(vmaxq_f32(vmaxq_f32(x.a, x.b), vmaxq_f32(x.c, x.d)));
}
/* 16 lanes to 4. */
static inline V_INLINE float32x4_t quarter(v16 x)
{
    return vaddq_f32(vaddq_f32(x.a, x.c), vaddq_f32(x.b, x.d));
}
static inline V_INLINE float v_halves(v16 x)
{
    float32x4_t t = quarter(x);
    return vpadds_f32(vadd_f32(vget_low_f32(t), vget_high_f32(t)));
}
static inline V_INLINE v16 v_swap_pairs(v16 x)
{
    return (v16){vrev64q_f32(x.a), vrev64q_f32(x.b), vrev64q_f32(x.c), vrev64q_f32(x.d)};
}
static inline V_INLINE v16 v_twice(const float *p)
{
    float32x4_t lo = vld1q_f32(p), hi = vld1q_f32(p + 4);
    return (v16){vzip1q_f32(lo, lo), vzip2q_f32(lo, lo), vzip1q_f32(hi, hi), vzip2q_f32(hi, hi)};
}
static inline V_INLINE float32x4_t subadd(float32x4_t x, float32x4_t y)
{
    static const uint32_t even[4] = {0x80000000u, 0, 0x80000000u, 0};
    return vaddq_f32(x,
                     vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(y), vld1q_u32(even))));
}
static inline V_INLINE v16 v_subadd(v16 x, v16 y)
{
    return (v16){subadd(x.a, y.a), subadd(x.b, y.b), subadd(x.c, y.c), subadd(x.d, y.d)};
}

static inline V_INLINE i16 i_zero(void)
{
    int32x4_t v = vdupq_n_s32(0);
    return (i16){v, v, v, v};
}
static inline V_INLINE i16 i_add(i16 x, i16 y)
{
    return (i16){vaddq_s32(x.a, y.a), vaddq_s32(x.b, y.b), vaddq_s32(x.c, y.c),
                 vaddq_s32(x.d, y.d)};
}
static inline V_INLINE int32_t i_sum(i16 x)
{
    return vaddvq_s32(vaddq_s32(vaddq_s32(x.a, x.b), vaddq_s32(x.c, x.d)));
}
static inline V_INLINE i16 i_from(v16 x)
{
    return (i16){vcvtnq_s32_f32(x.a), vcvtnq_s32_f32(x.b), vcvtnq_s32_f32(x.c),
                 vcvtnq_s32_f32(x.d)};
}
static inline V_INLINE void i_store_i8(int8_t *q, i16 x, int n)
{
    int16x8_t lo = vcombine_s16(vmovn_s32(x.a), vmovn_s32(x.b));
    int16x8_t hi = vcombine_s16(vmovn_s32(x.c), vmovn_s32(x.d));
    int8x16_t bytes = vcombine_s8(vmovn_s16(lo), vmovn_s16(hi));
    if (n == 16) {
        vst1q_s8(q, bytes);
        return;
    }
    int8_t all[16];
    vst1q_s8(all, bytes);
    memcpy(q, all, (size_t)n);
}

#include "kernels/vec/vec_attend_template.h"

const tm_vec tm_vec_neon = TM_VEC_WIDE_ROW("vec_neon", TM_ISA_NEON);
