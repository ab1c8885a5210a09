/* Template: prompts of a block layout with 512-bit vpdpbusd, 32 rows x up to 12 tokens in
 * registers, or 6 tokens where a block has scales inside it and so needs a second sum. A kernel
 * file includes it once; blocks_avx2_template.h and blocks_panel_template.h say what it defines for
 * it. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_PANEL_AVX512_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_PANEL_AVX512_TEMPLATE_H

#if !defined TM_BLOCK_SCALE_UNITS
#error "blocks_panel_avx512_template.h: define TM_BLOCK_SCALE_UNITS first"
#endif

#include "kernels/blocks/blocks_avx2_template.h"

#define TM_BLOCK_CODE_BYTES 1
#define TM_BLOCK_PANEL_ROWS 32
#ifndef TM_BLOCK_TOKENS_MIN
#define TM_BLOCK_TOKENS_MIN 5
#endif
#define TM_BLOCK_WIDTH_MAX (TM_BLOCK_SCALE_UNITS < TM_BLOCK_WEIGHTS / 4 ? 6 : 12)

#include "kernels/blocks/blocks_panel_template.h"

TM_ALWAYS_INLINE uint32_t first_sum(int32_t even, int32_t odd)
{
    return (uint32_t)(-TM_BLOCK_CODE_OFFSET * (even + odd));
}

TM_ALWAYS_INLINE void transpose(const uint8_t *from, size_t stride, uint8_t *to)
{
    __m512i a[16], b[16];
#pragma GCC unroll 16
    for (int i = 0; i < 16; i++) a[i] = _mm512_loadu_si512(from + (size_t)i * stride);
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) { /* dwords of two rows */
        b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) { /* of four rows: column 4 lane + k in a[i + k] */
        a[i] = _mm512_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm512_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm512_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm512_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        __m512i low0 = _mm512_shuffle_i32x4(a[k], a[4 + k], 0x88),
                low1 = _mm512_shuffle_i32x4(a[8 + k], a[12 + k], 0x88),
                high0 = _mm512_shuffle_i32x4(a[k], a[4 + k], 0xdd),
                high1 = _mm512_shuffle_i32x4(a[8 + k], a[12 + k], 0xdd);
        uint8_t *at = to + k * TM_BLOCK_PANEL_ROWS * 4;
        _mm512_storeu_si512(at, _mm512_shuffle_i32x4(low0, low1, 0x88));
        _mm512_storeu_si512(at + 4 * TM_BLOCK_PANEL_ROWS * 4,
                            _mm512_shuffle_i32x4(high0, high1, 0x88));
        _mm512_storeu_si512(at + 8 * TM_BLOCK_PANEL_ROWS * 4,
                            _mm512_shuffle_i32x4(low0, low1, 0xdd));
        _mm512_storeu_si512(at + 12 * TM_BLOCK_PANEL_ROWS * 4,
                            _mm512_shuffle_i32x4(high0, high1, 0xdd));
    }
}

/* sum[] = n_units units of 32 rows x `width` tokens. */
TM_ALWAYS_INLINE void add_units(const uint8_t *weights, const uint32_t *panel, int n_units,
                                __m512i *sum, const int width)
{
#pragma GCC unroll 24
    for (int i = 0; i < 2 * width; i++) sum[i] = _mm512_set1_epi32((int32_t)panel[i / 2]);
    panel += width;
    for (int u = 0; u < n_units; u++, panel += width, weights += 4 * TM_BLOCK_PANEL_ROWS) {
        __m512i low = _mm512_loadu_si512(weights), high = _mm512_loadu_si512(weights + 64);
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) {
            __m512i q = _mm512_set1_epi32((int32_t)panel[t]);
            sum[2 * t] = _mm512_dpbusd_epi32(sum[2 * t], low, q);
            sum[2 * t + 1] = _mm512_dpbusd_epi32(sum[2 * t + 1], high, q);
        }
    }
}

TM_ALWAYS_INLINE void multiply(const block_tile *tile, int b, const uint32_t *panel, int n_units,
                               int32_t *sums, const int width)
{
    const uint8_t *weights = tile->codes[b * TM_BLOCK_UNITS][0];
    __m512i sum[24], part[24];
    if (TM_BLOCK_N_SCALES == 1) {
        add_units(weights, panel, n_units, sum, width);
    } else {
#pragma GCC unroll 24
        for (int i = 0; i < 2 * width; i++) sum[i] = _mm512_setzero_si512();
        for (int s = 0; s < TM_BLOCK_N_SCALES; s++) {
            const int32_t *of_rows = tile->scales[b * TM_BLOCK_N_SCALES + s];
            __m512i low = _mm512_loadu_si512(of_rows), high = _mm512_loadu_si512(of_rows + 16);
            add_units(weights, panel, n_units, part, width);
            weights += TM_BLOCK_SCALE_UNITS * 4 * TM_BLOCK_PANEL_ROWS;
            panel += (TM_BLOCK_SCALE_UNITS + 1) * width;
#pragma GCC unroll 24
            for (int i = 0; i < 2 * width; i++)
                sum[i] = _mm512_add_epi32(sum[i], _mm512_mullo_epi32(part[i], i % 2 ? high : low));
        }
    }
#pragma GCC unroll 24
    for (int i = 0; i < 2 * width; i++) _mm512_storeu_si512(sums + 16 * i, sum[i]);
}

TM_ALWAYS_INLINE void add_scaled_sums(const int32_t *sums, const float *d, const uint32_t *scale,
                                      int width, float *totals)
{
    __m512 low = _mm512_loadu_ps(d), high = _mm512_loadu_ps(d + 16);
    for (int t = 0; t < width; t++, sums += TM_BLOCK_PANEL_ROWS, totals += TM_BLOCK_PANEL_ROWS) {
        __m512 of_token = _mm512_castsi512_ps(_mm512_set1_epi32((int32_t)scale[t]));
#pragma GCC unroll 2
        for (int g = 0; g < 2; g++) {
            __m512 factor = _mm512_mul_ps(g != 0 ? high : low, of_token);
            __m512 value = _mm512_cvtepi32_ps(_mm512_loadu_si512(sums + 16 * g));
            float *to = totals + 16 * g;
            _mm512_storeu_ps(to, _mm512_add_ps(_mm512_loadu_ps(to), _mm512_mul_ps(value, factor)));
        }
    }
}

TM_WIDTHS_2_6(TM_BLOCK_MICRO, 0)
#if TM_BLOCK_SCALE_UNITS == TM_BLOCK_WEIGHTS / 4
TM_WIDTHS_7_12(TM_BLOCK_MICRO, 0)
#endif

static block_micro *micro_of(int width)
{
    static block_micro *const micros[13] = {
        TM_WIDTHS_2_6(TM_BLOCK_MICRO_AT, 0)
#if TM_BLOCK_SCALE_UNITS == TM_BLOCK_WEIGHTS / 4
            TM_WIDTHS_7_12(TM_BLOCK_MICRO_AT, 0)
#endif
    };
    return micros[width];
}

#endif
