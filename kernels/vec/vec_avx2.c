#include "kernels/vec/vec.h"

#include <immintrin.h>

/* A v16 is two registers. A tile takes 6 v16 of sums, a vector and a broadcast value: 15 of 16
 * registers. */
typedef struct v16 {
    __m256 lo, hi;
} v16;
typedef struct i16 {
    __m256i lo, hi;
} i16;
#define V_INLINE __attribute__((always_inline))
#define V_ROWS   6
/* Tiles of V_ROWS queries x v16, and of fewer queries, larger tiles first. */
#define V_TILES_6(X, ...) X(6, 1, __VA_ARGS__)
#define V_TILES_4(X, ...) X(4, 1, __VA_ARGS__)
#define V_TILES_3(X, ...) X(3, 1, __VA_ARGS__)
#define V_TILES_2(X, ...) X(2, 2, __VA_ARGS__) X(2, 1, __VA_ARGS__)
#define V_TILES_1(X, ...) X(1, 4, __VA_ARGS__) X(1, 2, __VA_ARGS__) X(1, 1, __VA_ARGS__)

/* Eight words from windows + 8 - n: n set, then clear (n = 0 .. 8). */
static const int32_t windows[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
/* Sixteen bytes from shifts + 2 * k move k halves to the front and clear the rest. */
static const int8_t shifts[32] = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
                                  -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1};

static inline V_INLINE int clamp8(int n)
{
    return n < 0 ? 0 : n > 8 ? 8 : n;
}
static inline V_INLINE __m256i window(int n)
{
    return _mm256_loadu_si256((const __m256i *)(windows + 8 - n));
}

static inline V_INLINE v16 v_zero(void)
{
    return (v16){_mm256_setzero_ps(), _mm256_setzero_ps()};
}
static inline V_INLINE v16 v_set(float x)
{
    return (v16){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}
/* n of four elements (0 and less: none, 4 and more: all). Not vmaskmovps: emulators read all of it,
 * and processors slow down if the rest is on an unmapped page. */
static inline V_INLINE __m128 load4(const float *p, int n)
{
    if (n >= 4) return _mm_loadu_ps(p);
    if (n <= 0) return _mm_setzero_ps();
    if (n == 1) return _mm_load_ss(p);
    __m128 two = _mm_castsi128_ps(_mm_loadl_epi64((const __m128i *)p));
    return n == 2 ? two : _mm_insert_ps(two, _mm_load_ss(p + 2), 0x20);
}
static inline V_INLINE v16 v_load(const float *p, int n)
{
    if (n == 16) return (v16){_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)};
    return (v16){_mm256_set_m128(load4(p + 4, n - 4), load4(p, n)),
                 _mm256_set_m128(load4(p + 12, n - 12), load4(p + 8, n - 8))};
}
static inline V_INLINE void v_store(float *p, v16 v, int n)
{
    if (n == 16) {
        _mm256_storeu_ps(p, v.lo);
        _mm256_storeu_ps(p + 8, v.hi);
        return;
    }
    _mm256_maskstore_ps(p, window(clamp8(n)), v.lo);
    if (n > 8) _mm256_maskstore_ps(p + 8, window(n - 8), v.hi);
}
/* n halves (1 .. 8) at row + i. If the row has eight that end there, loads those and moves the n to
 * the front. */
static inline V_INLINE __m128i load_halves(const tm_half *row, int i, int n)
{
    if (i + n >= 8) {
        __m128i eight = _mm_loadu_si128((const __m128i *)(row + i + n - 8));
        __m128i shift = _mm_loadu_si128((const __m128i *)(shifts + 2 * (8 - n)));
        return _mm_shuffle_epi8(eight, shift);
    }
    tm_half few[8] = {0};
    for (int k = 0; k < n; k++) few[k] = row[i + k];
    return _mm_loadu_si128((const __m128i *)few);
}
static inline V_INLINE v16 v_load_half(const tm_half *row, int i, int n)
{
    if (n <= 8) return (v16){_mm256_cvtph_ps(load_halves(row, i, n)), _mm256_setzero_ps()};
    __m128i hi =
        n == 16 ? _mm_loadu_si128((const __m128i *)(row + i + 8)) : load_halves(row, i + 8, n - 8);
    return (v16){_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(row + i))), _mm256_cvtph_ps(hi)};
}
static inline V_INLINE void v_store_half(tm_half *p, v16 v, int n)
{
    __m128i lo = _mm256_cvtps_ph(v.lo, _MM_FROUND_TO_NEAREST_INT);
    __m128i hi = _mm256_cvtps_ph(v.hi, _MM_FROUND_TO_NEAREST_INT);
    if (n == 16) {
        _mm_storeu_si128((__m128i *)p, lo);
        _mm_storeu_si128((__m128i *)(p + 8), hi);
        return;
    }
    tm_half all[16];
    _mm_storeu_si128((__m128i *)all, lo);
    _mm_storeu_si128((__m128i *)(all + 8), hi);
    memcpy(p, all, (size_t)n * sizeof *p);
}
static inline V_INLINE v16 v_add(v16 a, v16 b)
{
    return (v16){_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_sub(v16 a, v16 b)
{
    return (v16){_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_mul(v16 a, v16 b)
{
    return (v16){_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_div(v16 a, v16 b)
{
    return (v16){_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
static inline V_INLINE v16 v_fnma(v16 a, v16 b, v16 c)
{
    return (v16){_mm256_fnmadd_ps(a.lo, b.lo, c.lo), _mm256_fnmadd_ps(a.hi, b.hi, c.hi)};
}
static inline V_INLINE v16 v_max(v16 a, v16 b)
{
    return (v16){_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_min(v16 a, v16 b)
{
    return (v16){_mm256_min_ps(a.lo, b.lo), _mm256_min_ps(a.hi, b.hi)};
}
static inline V_INLINE v16 v_abs(v16 a)
{
    __m256 sign = _mm256_set1_ps(-0.0f);
    return (v16){_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
static inline V_INLINE v16 v_rint(v16 a)
{
    return (v16){_mm256_round_ps(a.lo, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC),
                 _mm256_round_ps(a.hi, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)};
}
/* In two factors: 2^128 is no float. The first product is exact. */
static inline V_INLINE __m256 scale2(__m256 p, __m256 n)
{
    __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    __m256i bias = _mm256_set1_epi32(127), rest = _mm256_sub_epi32(whole, half);
    __m256i first = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    __m256i second = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return _mm256_mul_ps(_mm256_mul_ps(p, _mm256_castsi256_ps(first)), _mm256_castsi256_ps(second));
}
static inline V_INLINE v16 v_scale2(v16 p, v16 n)
{
    return (v16){scale2(p.lo, n.lo), scale2(p.hi, n.hi)};
}
static inline V_INLINE __m256 add_exponent(__m256 p, __m256 n)
{
    __m256i shifted = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), shifted));
}
static inline V_INLINE v16 v_add_exponent(v16 p, v16 n)
{
    return (v16){add_exponent(p.lo, n.lo), add_exponent(p.hi, n.hi)};
}
static inline V_INLINE v16 v_zero_below(v16 x, v16 limit, v16 r)
{
    return (v16){_mm256_andnot_ps(_mm256_cmp_ps(x.lo, limit.lo, _CMP_LT_OQ), r.lo),
                 _mm256_andnot_ps(_mm256_cmp_ps(x.hi, limit.hi, _CMP_LT_OQ), r.hi)};
}
static inline V_INLINE float v_max_lane(v16 v)
{
    __m256 eight = _mm256_max_ps(v.lo, v.hi);
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}
static inline V_INLINE float v_halves(v16 v)
{
    __m256 eight = _mm256_add_ps(v.lo, v.hi);
    __m128 a = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    a = _mm_add_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_add_ss(a, _mm_movehdup_ps(a)));
}
static inline V_INLINE v16 v_swap_pairs(v16 a)
{
    return (v16){_mm256_permute_ps(a.lo, 0xb1), _mm256_permute_ps(a.hi, 0xb1)};
}
static inline V_INLINE __m256 twice(const float *p)
{
    __m256 four = _mm256_castps128_ps256(_mm_loadu_ps(p));
    return _mm256_permutevar8x32_ps(four, _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3));
}
static inline V_INLINE v16 v_twice(const float *p)
{
    return (v16){twice(p), twice(p + 4)};
}
static inline V_INLINE v16 v_subadd(v16 a, v16 b)
{
    return (v16){_mm256_addsub_ps(a.lo, b.lo), _mm256_addsub_ps(a.hi, b.hi)};
}

static inline V_INLINE i16 i_zero(void)
{
    return (i16){_mm256_setzero_si256(), _mm256_setzero_si256()};
}
static inline V_INLINE i16 i_add(i16 a, i16 b)
{
    return (i16){_mm256_add_epi32(a.lo, b.lo), _mm256_add_epi32(a.hi, b.hi)};
}
static inline V_INLINE int32_t i_sum(i16 a)
{
    __m256i eight = _mm256_add_epi32(a.lo, a.hi);
    __m128i t = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    t = _mm_add_epi32(t, _mm_shuffle_epi32(t, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(t, _mm_shuffle_epi32(t, 0xb1)));
}
static inline V_INLINE i16 i_from(v16 a)
{
    return (i16){_mm256_cvtps_epi32(a.lo), _mm256_cvtps_epi32(a.hi)};
}
static inline V_INLINE void i_store_i8(int8_t *q, i16 a, int n)
{
    /* packs works within 128-bit parts: 0-3 8-11 | 4-7 12-15. */
    __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(a.lo, a.hi), 0xd8);
    __m128i bytes =
        _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    if (n == 16) {
        _mm_storeu_si128((__m128i *)q, bytes);
        return;
    }
    int8_t all[16];
    _mm_storeu_si128((__m128i *)all, bytes);
    memcpy(q, all, (size_t)n);
}

#include "kernels/vec/vec_attend_template.h"

const tm_vec tm_vec_avx2 = TM_VEC_WIDE_ROW("vec_avx2", TM_ISA_AVX2);
