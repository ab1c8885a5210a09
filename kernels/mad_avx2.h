/* Prompts with vpmaddubsw, for any layout whose blocks decode to bytes that hold a code of 2 bits
 * per unit. Included by one kernel file of each layout, which defines before:
 *   BLOCK_UNITS, BLOCK_BYTES                          units of a block, its packed bytes
 *   BLOCKS_IN_PLACE                                   so many blocks of tokens do not pay for a
 *                                                     tile
 *   __m256i load_half(const uint8_t *at, int half)    rows 8 * half .. of a block, 4 columns each:
 *                                                     bits 2p, 2p + 1 of a byte are its code of
 *                                                     unit p; reads no byte past the block
 * Only static inline and static. */
#ifndef TM_KERNELS_MAD_AVX2_H
#define TM_KERNELS_MAD_AVX2_H

#include <immintrin.h>

#include "kernels/panel.h"

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

/* Two products of a code 0..2 and an int8 are at most 508 in size: 64 of them stay in int16. */
#define UNITS_A_FLUSH (64 / BLOCK_UNITS * BLOCK_UNITS)

/* Codes of rows 8 * half .. and unit p: of a packed half block, or of a tile at `at`. */
TM_ALWAYS_INLINE __m256i load_plane(const uint8_t *at, __m256i block, int half, int p, bool packed)
{
    if (!packed) return _mm256_loadu_si256((const void *)(at + 64 * p + 32 * half));
    return _mm256_and_si256(_mm256_srli_epi32(block, 2 * p), _mm256_set1_epi8(3));
}

/* 2 vectors of 8 rows x WIDTH int16 sums in registers: 2 x 4 = 8 of 16, with room for the products.
 * The constants are literals where this is called, so that every loop over them unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const __m256i ones = _mm256_set1_epi16(1);
    (void)group_bytes;
    (void)n_groups;
    for (int u = 0; u < n_units;) {
        int end = n_units - u < UNITS_A_FLUSH ? n_units : u + UNITS_A_FLUSH;
        __m256i acc[8];
#pragma GCC unroll 8
        for (int i = 0; i < 2 * width; i++) acc[i] = _mm256_setzero_si256();
        for (; u < end; u += BLOCK_UNITS, weights += packed ? BLOCK_BYTES : 64 * BLOCK_UNITS) {
            __m256i block[2];
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++)
                block[k] = packed ? load_half(weights, k) : _mm256_setzero_si256();
            if (packed) _mm_prefetch((const char *)weights + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 4
            for (int p = 0; p < BLOCK_UNITS; p++, panel += 4 * width) {
                __m256i low = load_plane(weights, block[0], 0, p, packed);
                __m256i high = load_plane(weights, block[1], 1, p, packed);
#pragma GCC unroll 4
                for (int t = 0; t < width; t++) {
                    __m256i value = _mm256_set1_epi32(tm_load_i32(panel + 4 * t));
                    acc[2 * t] = _mm256_add_epi16(acc[2 * t], _mm256_maddubs_epi16(low, value));
                    acc[2 * t + 1] =
                        _mm256_add_epi16(acc[2 * t + 1], _mm256_maddubs_epi16(high, value));
                }
            }
        }
#pragma GCC unroll 4
        for (int t = 0; t < width; t++) {
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                __m256i *to = (__m256i *)(void *)(sums + t * TM_PANEL_ROWS + 8 * k);
                __m256i sum = _mm256_madd_epi16(acc[2 * t + k], ones);
                if (add) sum = _mm256_add_epi32(sum, _mm256_loadu_si256(to));
                _mm256_storeu_si256(to, sum);
            }
        }
        add = true;
    }
}

TM_WIDTHS_2_4(TM_MICRO, 1, 1)
TM_WIDTHS_2_4(TM_MICRO, 1, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const in_place[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 1)};
    static tm_panel_micro *const tiled[5] = {TM_WIDTHS_2_4(TM_MICRO_AT, 1, 0)};
    (void)groups;
    return (packed ? in_place : tiled)[width];
}

static int groups_of(int width)
{
    (void)width;
    return 1;
}

static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units;
         u += BLOCK_UNITS, packed += BLOCK_BYTES, tile += 64 * BLOCK_UNITS) {
#pragma GCC unroll 2
        for (int half = 0; half < 2; half++) {
            __m256i block = load_half(packed, half);
#pragma GCC unroll 4
            for (int p = 0; p < BLOCK_UNITS; p++)
                _mm256_storeu_si256((__m256i *)(void *)(tile + 64 * p + 32 * half),
                                    load_plane(NULL, block, half, p, true));
        }
    }
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 4,
    .width_step = 1,
    .block_units = BLOCK_UNITS,
    .block_bytes = BLOCK_BYTES,
    .blocks_in_place = BLOCKS_IN_PLACE,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

#endif
