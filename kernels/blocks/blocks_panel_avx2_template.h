/* Template: prompts of a block layout with AVX2, 16 rows x up to 4 tokens in registers. A kernel
 * file includes it once; blocks_avx2_template.h and blocks_panel_template.h say what it defines for
 * it, and TM_BLOCK_CODE_BYTES. Codes of 8 bits are summed in 16 bits: a partial sum may wrap, but
 * the final one fits (each kernel file says why). Codes of 16 bits are summed in 32. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_PANEL_AVX2_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_PANEL_AVX2_TEMPLATE_H

#if !defined TM_BLOCK_CODE_BYTES
#error "blocks_panel_avx2_template.h: define TM_BLOCK_CODE_BYTES first"
#endif

#include "kernels/blocks/blocks_avx2_template.h"

#define TM_BLOCK_PANEL_ROWS 16
#define TM_BLOCK_WIDTH_MAX  4

#include "kernels/blocks/blocks_panel_template.h"

/* Two sums of 16 bits. */
TM_ALWAYS_INLINE uint32_t first_sum(int32_t even, int32_t odd)
{
    return (uint16_t)(-TM_BLOCK_CODE_OFFSET * even) |
           (uint32_t)(uint16_t)(-TM_BLOCK_CODE_OFFSET * odd) << 16;
}

/* 8 rows of 32 bytes -> 8 units of 8 rows. */
TM_ALWAYS_INLINE void transpose_8(const uint8_t *from, size_t stride, uint8_t *to)
{
    __m256i a[8], b[8];
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++)
        a[i] = _mm256_loadu_si256((const void *)(from + (size_t)i * stride));
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) { /* dwords of two rows */
        b[i] = _mm256_unpacklo_epi32(a[i], a[i + 1]);
        b[i + 1] = _mm256_unpackhi_epi32(a[i], a[i + 1]);
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) { /* of four rows: column 4 lane + k in a[i + k] */
        a[i] = _mm256_unpacklo_epi64(b[i], b[i + 2]);
        a[i + 1] = _mm256_unpackhi_epi64(b[i], b[i + 2]);
        a[i + 2] = _mm256_unpacklo_epi64(b[i + 1], b[i + 3]);
        a[i + 3] = _mm256_unpackhi_epi64(b[i + 1], b[i + 3]);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 4; k++) {
        uint8_t *at = to + k * TM_BLOCK_PANEL_ROWS * 4;
        _mm256_storeu_si256((void *)at, _mm256_permute2x128_si256(a[k], a[4 + k], 0x20));
        _mm256_storeu_si256((void *)(at + 4 * TM_BLOCK_PANEL_ROWS * 4),
                            _mm256_permute2x128_si256(a[k], a[4 + k], 0x31));
    }
}

TM_ALWAYS_INLINE void transpose(const uint8_t *from, size_t stride, uint8_t *to)
{
    for (int half = 0; half < 2; half++) {
        transpose_8(from + 32 * half, stride, to + 8 * half * TM_BLOCK_PANEL_ROWS * 4);
        transpose_8(from + 8 * stride + 32 * half, stride,
                    to + 8 * half * TM_BLOCK_PANEL_ROWS * 4 + 32);
    }
}

TM_ALWAYS_INLINE __m256i add_products(__m256i sum, __m256i w, __m256i q)
{
    if (TM_BLOCK_CODE_BYTES == 1) return _mm256_add_epi16(sum, _mm256_maddubs_epi16(w, q));
    return _mm256_add_epi32(sum, _mm256_madd_epi16(w, q));
}

TM_ALWAYS_INLINE void multiply(const block_tile *tile, int b, const uint32_t *panel, int n_units,
                               int32_t *sums, const int width)
{
    const uint8_t *codes_at = tile->codes[b * TM_BLOCK_UNITS][0];
    __m256i sum[8], part[8];
    for (int s = 0; s < TM_BLOCK_N_SCALES; s++) {
#pragma GCC unroll 4
        for (int t = 0; t < width; t++)
            part[t] = part[width + t] = _mm256_set1_epi32((int32_t)panel[t]);
        panel += width;
#pragma GCC unroll 4
        for (int u = 0; u < n_units; u++, panel += width, codes_at += 4 * TM_BLOCK_PANEL_ROWS) {
            __m256i low = _mm256_loadu_si256((const void *)codes_at),
                    high = _mm256_loadu_si256((const void *)(codes_at + 32));
#pragma GCC unroll 4
            for (int t = 0; t < width; t++) {
                __m256i q = _mm256_set1_epi32((int32_t)panel[t]);
                part[t] = add_products(part[t], low, q);
                part[width + t] = add_products(part[width + t], high, q);
            }
        }
        const int32_t *of_rows = tile->scales[b * TM_BLOCK_N_SCALES + s];
#pragma GCC unroll 8
        for (int i = 0; i < 2 * width; i++) {
            __m256i factor = TM_BLOCK_N_SCALES == 1
                                 ? _mm256_set1_epi16(1)
                                 : _mm256_loadu_si256((const void *)(of_rows + i / width * 8));
            __m256i value = TM_BLOCK_CODE_BYTES == 1 ? _mm256_madd_epi16(part[i], factor) : part[i];
            sum[i] = s == 0 ? value : _mm256_add_epi32(sum[i], value);
        }
    }
#pragma GCC unroll 12
    for (int t = 0; t < width; t++)
#pragma GCC unroll 2
        for (int g = 0; g < 2; g++) {
            int32_t *to = sums + t * TM_BLOCK_PANEL_ROWS + 8 * g;
            _mm256_storeu_si256((void *)to, sum[g * width + t]);
        }
}

TM_ALWAYS_INLINE void add_scaled_sums(const int32_t *sums, const float *d, const uint32_t *scale,
                                      int width, float *totals)
{
    __m256 low = _mm256_loadu_ps(d), high = _mm256_loadu_ps(d + 8);
    for (int t = 0; t < width; t++, sums += TM_BLOCK_PANEL_ROWS, totals += TM_BLOCK_PANEL_ROWS) {
        __m256 of_token = _mm256_castsi256_ps(_mm256_set1_epi32((int32_t)scale[t]));
#pragma GCC unroll 2
        for (int g = 0; g < 2; g++) {
            __m256 factor = _mm256_mul_ps(g != 0 ? high : low, of_token);
            __m256 value = _mm256_cvtepi32_ps(_mm256_loadu_si256((const void *)(sums + 8 * g)));
            float *to = totals + 8 * g;
            _mm256_storeu_ps(to, _mm256_add_ps(_mm256_loadu_ps(to), _mm256_mul_ps(value, factor)));
        }
    }
}

TM_WIDTHS_2_4(TM_BLOCK_MICRO, 0)

static block_micro *micro_of(int width)
{
    static block_micro *const micros[5] = {TM_WIDTHS_2_4(TM_BLOCK_MICRO_AT, 0)};
    return micros[width];
}

#endif
