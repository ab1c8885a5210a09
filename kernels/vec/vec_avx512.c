#include "kernels/vec/vec.h"

#include <immintrin.h>

/* A v16 is one register. A tile takes 24 sums, 4 vectors and a broadcast value: 29 of 32
 * registers. */
typedef __m512 v16;
typedef __m512i i16;
#define V_INLINE __attribute__((always_inline))
#define V_ROWS   6
/* Tiles of V_ROWS queries x v16, and of fewer queries, larger tiles first. */
#define V_TILES_6(X, ...) X(6, 4, __VA_ARGS__) X(6, 2, __VA_ARGS__) X(6, 1, __VA_ARGS__)
#define V_TILES_4(X, ...) X(4, 4, __VA_ARGS__) X(4, 2, __VA_ARGS__) X(4, 1, __VA_ARGS__)
#define V_TILES_3(X, ...) X(3, 4, __VA_ARGS__) X(3, 2, __VA_ARGS__) X(3, 1, __VA_ARGS__)
#define V_TILES_2(X, ...) X(2, 4, __VA_ARGS__) X(2, 2, __VA_ARGS__) X(2, 1, __VA_ARGS__)
#define V_TILES_1(X, ...)                                                                          \
    X(1, 8, __VA_ARGS__) X(1, 4, __VA_ARGS__) X(1, 2, __VA_ARGS__) X(1, 1, __VA_ARGS__)

static inline V_INLINE __mmask16 first(int n) /* n < 16 */
{
    return (__mmask16)((1u << n) - 1);
}

static inline V_INLINE v16 v_zero(void)
{
    return _mm512_setzero_ps();
}
static inline V_INLINE v16 v_set(float x)
{
    return _mm512_set1_ps(x);
}
static inline V_INLINE v16 v_load(const float *p, int n)
{
    return n == 16 ? _mm512_loadu_ps(p) : _mm512_maskz_loadu_ps(first(n), p);
}
static inline V_INLINE void v_store(float *p, v16 v, int n)
{
    if (n == 16)
        _mm512_storeu_ps(p, v);
    else
        _mm512_mask_storeu_ps(p, first(n), v);
}
static inline V_INLINE v16 v_load_half(const tm_half *row, int i, int n)
{
    __m256i h = n == 16 ? _mm256_loadu_si256((const __m256i *)(row + i))
                        : _mm256_maskz_loadu_epi16(first(n), row + i);
    return _mm512_cvtph_ps(h);
}
static inline V_INLINE void v_store_half(tm_half *p, v16 v, int n)
{
    __m256i h = _mm512_cvtps_ph(v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    if (n == 16)
        _mm256_storeu_si256((__m256i *)p, h);
    else
        _mm256_mask_storeu_epi16(p, first(n), h);
}
static inline V_INLINE v16 v_add(v16 a, v16 b)
{
    return _mm512_add_ps(a, b);
}
static inline V_INLINE v16 v_sub(v16 a, v16 b)
{
    return _mm512_sub_ps(a, b);
}
static inline V_INLINE v16 v_mul(v16 a, v16 b)
{
    return _mm512_mul_ps(a, b);
}
static inline V_INLINE v16 v_div(v16 a, v16 b)
{
    return _mm512_div_ps(a, b);
}
static inline V_INLINE v16 v_fma(v16 a, v16 b, v16 c)
{
    return _mm512_fmadd_ps(a, b, c);
}
static inline V_INLINE v16 v_fnma(v16 a, v16 b, v16 c)
{
    return _mm512_fnmadd_ps(a, b, c);
}
static inline V_INLINE v16 v_max(v16 a, v16 b)
{
    return _mm512_max_ps(a, b);
}
static inline V_INLINE v16 v_min(v16 a, v16 b)
{
    return _mm512_min_ps(a, b);
}
static inline V_INLINE v16 v_abs(v16 a)
{
    return _mm512_abs_ps(a);
}
static inline V_INLINE v16 v_rint(v16 a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
static inline V_INLINE v16 v_scale2(v16 p, v16 n)
{
    return _mm512_scalef_ps(p, n);
}
static inline V_INLINE v16 v_add_exponent(v16 p, v16 n)
{
    return _mm512_scalef_ps(p, n);
}
static inline V_INLINE v16 v_zero_below(v16 x, v16 limit, v16 r)
{
    return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x, limit, _CMP_NLT_UQ), r);
}

static inline V_INLINE float v_max_lane(v16 a)
{
    return _mm512_reduce_max_ps(a);
}
/* Adds the lanes of each 128-bit part by halves; the sum is in all four. */
static inline V_INLINE v16 halves_within(v16 a)
{
    a = _mm512_add_ps(a, _mm512_permute_ps(a, 0x4e));
    return _mm512_add_ps(a, _mm512_permute_ps(a, 0xb1));
}
static inline V_INLINE float v_halves(v16 a)
{
    a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0x4e));
    a = _mm512_add_ps(a, _mm512_shuffle_f32x4(a, a, 0xb1));
    return _mm512_cvtss_f32(halves_within(a));
}
static inline V_INLINE v16 v_swap_pairs(v16 a)
{
    return _mm512_permute_ps(a, 0xb1);
}
static inline V_INLINE v16 v_twice(const float *p)
{
    __m512i index = _mm512_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7);
    return _mm512_permutexvar_ps(index, _mm512_castps256_ps512(_mm256_loadu_ps(p)));
}
static inline V_INLINE v16 v_subadd(v16 a, v16 b)
{
    return _mm512_mask_sub_ps(_mm512_add_ps(a, b), 0x5555, a, b);
}

static inline V_INLINE i16 i_zero(void)
{
    return _mm512_setzero_si512();
}
static inline V_INLINE i16 i_add(i16 a, i16 b)
{
    return _mm512_add_epi32(a, b);
}
static inline V_INLINE int32_t i_sum(i16 a)
{
    return _mm512_reduce_add_epi32(a);
}
static inline V_INLINE i16 i_from(v16 a)
{
    return _mm512_cvtps_epi32(a);
}
static inline V_INLINE void i_store_i8(int8_t *q, i16 a, int n)
{
    if (n == 16)
        _mm_storeu_si128((__m128i *)q, _mm512_cvtepi32_epi8(a));
    else
        _mm_mask_storeu_epi8(q, first(n), _mm512_cvtepi32_epi8(a));
}

#include "kernels/vec/vec_attend_template.h"

const tm_vec tm_vec_avx512 = TM_VEC_WIDE_ROW("vec_avx512", TM_ISA_AVX512 | TM_ISA_AVX2);
