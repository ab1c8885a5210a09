/* i2r16 with 512-bit vpdpbusd: codes as the unsigned operand, lanes are rows. */
#include <immintrin.h>

#include "kernels/panel.h"

/* One token. The four planes stay where they are in the byte and are summed apart: plane p counts
 * 4^p-fold, which saves the shifts. A sum is at most 192 x 127 x n_cols / 4 in size: below 2^31 up
 * to n_cols = 352,000. It is a multiple of 4^p, so the final shift is exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m512i mask0 = _mm512_set1_epi8(0x03), mask1 = _mm512_set1_epi8(0x0c);
    const __m512i mask2 = _mm512_set1_epi8(0x30), mask3 = _mm512_set1_epi8((char)0xc0);
    const __m512i sum = _mm512_set1_epi32(x->sum[0]);
    const __m512 scale = _mm512_set1_ps(x->scale[0]), w_scale = _mm512_set1_ps(w->scale);
    size_t n_blocks = ((size_t)w->n_cols + 15) / 16;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m512i a0 = _mm512_setzero_si512(), a1 = a0, a2 = a0, a3 = a0;
        __m512i b0 = a0, b1 = a0, b2 = a0, b3 = a0;
        const int8_t *q = x->i8;
        size_t b = 0;
#define PLANE(acc, v, mask, at)                                                                    \
    acc = _mm512_dpbusd_epi32(acc, _mm512_and_si512(v, mask),                                      \
                              _mm512_set1_epi32(tm_load_i32(q + (at))))
        for (; b + 2 <= n_blocks; b += 2, data += 2 * TM_I2_BLOCK, q += 32) {
            _mm_prefetch((const char *)data + TM_PREFETCH_BYTES, _MM_HINT_T0);
            _mm_prefetch((const char *)data + TM_PREFETCH_BYTES + 64, _MM_HINT_T0);
            __m512i u = _mm512_loadu_si512(data), v = _mm512_loadu_si512(data + TM_I2_BLOCK);
            PLANE(a0, u, mask0, 0);
            PLANE(a1, u, mask1, 4);
            PLANE(a2, u, mask2, 8);
            PLANE(a3, u, mask3, 12);
            PLANE(b0, v, mask0, 16);
            PLANE(b1, v, mask1, 20);
            PLANE(b2, v, mask2, 24);
            PLANE(b3, v, mask3, 28);
        }
        if (b < n_blocks) {
            __m512i u = _mm512_loadu_si512(data);
            PLANE(a0, u, mask0, 0);
            PLANE(a1, u, mask1, 4);
            PLANE(a2, u, mask2, 8);
            PLANE(a3, u, mask3, 12);
            data += TM_I2_BLOCK;
        }
#undef PLANE
        a0 = _mm512_add_epi32(a0, b0);
        a1 = _mm512_srai_epi32(_mm512_add_epi32(a1, b1), 2);
        a2 = _mm512_srai_epi32(_mm512_add_epi32(a2, b2), 4);
        a3 = _mm512_srai_epi32(_mm512_add_epi32(a3, b3), 6);
        __m512i total = _mm512_add_epi32(_mm512_add_epi32(a0, a1), _mm512_add_epi32(a2, a3));
        __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(total, sum));
        value = _mm512_mul_ps(_mm512_mul_ps(value, scale), w_scale);
        int n = row_end - row;
        _mm512_mask_storeu_ps(y + row, n >= TM_GROUP ? 0xffff : (__mmask16)((1u << n) - 1), value);
    }
}

/* N_GROUPS x WIDTH sums in registers: 2 x 12 or 4 x 6 = 24 of 32. The constants are literals where
 * this is called, so that every loop over them unrolls and acc never is memory. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    __m512i acc[24], v[4], plane[4];
    const __m512i mask = _mm512_set1_epi8(3);
#pragma GCC unroll 24
    for (int i = 0; i < n_groups * width; i++) acc[i] = _mm512_setzero_si512();

    if (packed) {
        for (int u = 0; u < n_units; u += 4, weights += TM_I2_BLOCK) {
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                v[g] = _mm512_loadu_si512(weights + (size_t)g * group_bytes);
                _mm_prefetch((const char *)weights + (size_t)g * group_bytes +
                                 TM_PREFETCH_BYTES / n_groups,
                             _MM_HINT_T0);
            }
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++, panel += 4 * width) {
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++)
                    plane[g] = _mm512_and_si512(_mm512_srli_epi32(v[g], (unsigned)(2 * p)), mask);
#pragma GCC unroll 12
                for (int t = 0; t < width; t++) {
                    __m512i q = _mm512_set1_epi32(tm_load_i32(panel + 4 * t));
#pragma GCC unroll 4
                    for (int g = 0; g < n_groups; g++)
                        acc[g * width + t] = _mm512_dpbusd_epi32(acc[g * width + t], plane[g], q);
                }
            }
        }
    } else {
        for (int u = 0; u < n_units; u++, weights += 64, panel += 4 * width) {
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++)
                v[g] = _mm512_loadu_si512(weights + (size_t)g * group_bytes);
#pragma GCC unroll 12
            for (int t = 0; t < width; t++) {
                __m512i q = _mm512_set1_epi32(tm_load_i32(panel + 4 * t));
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++)
                    acc[g * width + t] = _mm512_dpbusd_epi32(acc[g * width + t], v[g], q);
            }
        }
    }
#pragma GCC unroll 12
    for (int t = 0; t < width; t++) {
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) {
            void *to = sums + t * TM_PANEL_ROWS + g * TM_GROUP;
            __m512i sum = acc[g * width + t];
            if (add) sum = _mm512_add_epi32(sum, _mm512_loadu_si512(to));
            _mm512_storeu_si512(to, sum);
        }
    }
}

TM_WIDTHS_2_6(TM_MICRO, 1, 1)
TM_WIDTHS_2_6(TM_MICRO, 2, 1)
TM_WIDTHS_2_6(TM_MICRO, 4, 1)
TM_WIDTHS_7_12(TM_MICRO, 1, 1)
TM_WIDTHS_7_12(TM_MICRO, 2, 1)
TM_MICRO(6, 1, 0)
TM_MICRO(6, 2, 0)
TM_WIDTHS_7_12(TM_MICRO, 1, 0)
TM_WIDTHS_7_12(TM_MICRO, 2, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
#define AT TM_MICRO_AT
    static tm_panel_micro *const packed_1[13] = {TM_WIDTHS_2_6(AT, 1, 1) TM_WIDTHS_7_12(AT, 1, 1)};
    static tm_panel_micro *const packed_2[13] = {TM_WIDTHS_2_6(AT, 2, 1) TM_WIDTHS_7_12(AT, 2, 1)};
    static tm_panel_micro *const packed_4[13] = {TM_WIDTHS_2_6(AT, 4, 1)};
    static tm_panel_micro *const tiled_1[13] = {AT(6, 1, 0) TM_WIDTHS_7_12(AT, 1, 0)};
    static tm_panel_micro *const tiled_2[13] = {AT(6, 2, 0) TM_WIDTHS_7_12(AT, 2, 0)};
#undef AT
    if (packed) return (groups == 4 ? packed_4 : groups == 2 ? packed_2 : packed_1)[width];
    return (groups == 2 ? tiled_2 : tiled_1)[width];
}

/* 24 sums in registers either way: more would not fit, fewer would wait for each other. */
static int groups_of(int width)
{
    return width <= 6 ? 4 : 2;
}

static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    const __m512i mask = _mm512_set1_epi8(3);
    for (int u = 0; u < n_units; u += 4, packed += TM_I2_BLOCK, tile += 256) {
        __m512i v = _mm512_loadu_si512(packed);
        _mm512_storeu_si512(tile, _mm512_and_si512(v, mask));
        _mm512_storeu_si512(tile + 64, _mm512_and_si512(_mm512_srli_epi32(v, 2), mask));
        _mm512_storeu_si512(tile + 128, _mm512_and_si512(_mm512_srli_epi32(v, 4), mask));
        _mm512_storeu_si512(tile + 192, _mm512_and_si512(_mm512_srli_epi32(v, 6), mask));
    }
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 12,
    .width_step = 1,
    .unit_bytes = TM_I2_BLOCK / 4,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_avx512vnni = {
    .name = "i2r16_mad_avx512vnni",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
