/* Template: prompts with vpmaddubsw, for a layout whose blocks decode to bytes with a code of 2
 * bits per unit. A kernel file includes it once, after it has defined
 *   TM_MAD_BLOCK_UNITS, TM_MAD_BLOCK_BYTES   units of a block, its packed bytes
 *   TM_MAD_PART_UNITS        units that are unpacked together, at most 4
 *   TM_MAD_BLOCKS_IN_PLACE   up to this many blocks of tokens, a tile is not worth its cost
 *   __m256i load_half(const uint8_t *at, int half, int part)
 *                            rows 8 * half .. of a block, 4 columns each: bits 2p, 2p + 1 of a byte
 *                            are its code of unit part * TM_MAD_PART_UNITS + p. It must not read
 *                            beyond the block. half and part are literals.
 * It defines `ops` and store_rows; all its functions are static. */
#ifndef TM_KERNELS_TERNARY_MAD_AVX2_TEMPLATE_H
#define TM_KERNELS_TERNARY_MAD_AVX2_TEMPLATE_H

#if !defined TM_MAD_BLOCK_UNITS || !defined TM_MAD_BLOCK_BYTES || !defined TM_MAD_PART_UNITS ||    \
    !defined TM_MAD_BLOCKS_IN_PLACE
#error "mad_avx2_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"
#include "kernels/ternary/trit_avx2.h"

#include <immintrin.h>

/* Two products of a code 0..2 and an int8 are at most 508 in size: 64 of them stay in int16. */
#define TM_MAD_UNITS_A_FLUSH (64 / TM_MAD_BLOCK_UNITS * TM_MAD_BLOCK_UNITS)
#define TM_MAD_BLOCK_PARTS   (TM_MAD_BLOCK_UNITS / TM_MAD_PART_UNITS)

/* Codes of unit p of a part. */
TM_ALWAYS_INLINE __m256i part_plane(__m256i part, int p)
{
    return _mm256_and_si256(_mm256_srli_epi32(part, 2 * p), _mm256_set1_epi8(3));
}

/* acc[2t], acc[2t + 1] += codes of 16 rows x token t of a unit. In tiles, gcc's own order is faster
 * than TM_KEEP_IN_REGISTER's (Zen 5: 180 GMAC/s against 141). */
TM_ALWAYS_INLINE void add_unit(__m256i acc[8], __m256i low, __m256i high, const uint8_t *panel,
                               const int width, const bool packed)
{
#pragma GCC unroll 4
    for (int t = 0; t < width; t++) {
        __m256i value = _mm256_set1_epi32(tm_load_i32(panel + 4 * t));
        acc[2 * t] = _mm256_add_epi16(acc[2 * t], _mm256_maddubs_epi16(low, value));
        acc[2 * t + 1] = _mm256_add_epi16(acc[2 * t + 1], _mm256_maddubs_epi16(high, value));
        if (packed) {
            TM_KEEP_IN_REGISTER(acc[2 * t]);
            TM_KEEP_IN_REGISTER(acc[2 * t + 1]);
        }
    }
}

/* 2 vectors of 8 rows x WIDTH int16 sums in registers: 2 x 4 = 8 of 16, with room for the products.
 * Callers pass literals for the constants, so that every loop over them unrolls. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const __m256i ones = _mm256_set1_epi16(1);
    (void)group_bytes;
    (void)n_groups;
    for (int u = 0; u < n_units;) {
        int end = n_units - u < TM_MAD_UNITS_A_FLUSH ? n_units : u + TM_MAD_UNITS_A_FLUSH;
        __m256i acc[8];
#pragma GCC unroll 8
        for (int i = 0; i < 2 * width; i++) acc[i] = _mm256_setzero_si256();
        if (packed) {
            for (; u < end; u += TM_MAD_BLOCK_UNITS, weights += TM_MAD_BLOCK_BYTES) {
                _mm_prefetch((const char *)weights + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 2
                for (int part = 0; part < TM_MAD_BLOCK_PARTS; part++) {
                    __m256i low = load_half(weights, 0, part), high = load_half(weights, 1, part);
#pragma GCC unroll 4
                    for (int p = 0; p < TM_MAD_PART_UNITS; p++, panel += 4 * width)
                        add_unit(acc, part_plane(low, p), part_plane(high, p), panel, width,
                                 packed);
                }
            }
        } else {
#pragma GCC unroll 4
            for (; u < end; u++, weights += 64, panel += 4 * width)
                add_unit(acc, _mm256_loadu_si256((const void *)weights),
                         _mm256_loadu_si256((const void *)(weights + 32)), panel, width, packed);
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
    for (int u = 0; u < n_units; u += TM_MAD_BLOCK_UNITS, packed += TM_MAD_BLOCK_BYTES) {
#pragma GCC unroll 2
        for (int part = 0; part < TM_MAD_BLOCK_PARTS; part++, tile += 64 * TM_MAD_PART_UNITS) {
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                __m256i half = load_half(packed, k, part);
#pragma GCC unroll 4
                for (int p = 0; p < TM_MAD_PART_UNITS; p++)
                    _mm256_storeu_si256((__m256i *)(void *)(tile + 64 * p + 32 * k),
                                        part_plane(half, p));
            }
        }
    }
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 4,
    .width_step = 1,
    .block_units = TM_MAD_BLOCK_UNITS,
    .block_bytes = TM_MAD_BLOCK_BYTES,
    .blocks_in_place = TM_MAD_BLOCKS_IN_PLACE,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

#endif
