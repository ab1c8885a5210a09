/* Template: f32r16, f16r16 and bf16r16 with AVX2, FMA and F16C. A kernel file includes it once,
 * after it has defined TM_FMA_WEIGHT (kernels/panel.h). It defines the functions of a kernel row;
 * all are static. */
#ifndef TM_KERNELS_FLOATS_FMA_AVX2_TEMPLATE_H
#define TM_KERNELS_FLOATS_FMA_AVX2_TEMPLATE_H

#if !defined TM_FMA_WEIGHT
#error "fma_avx2_template.h: define TM_FMA_WEIGHT first"
#endif

#include "kernels/panel.h"

#include <immintrin.h>

#define TM_FMA_UNIT_BYTES                                                                          \
    (TM_FMA_WEIGHT == TM_FMA_F32 ? 64 : 32) /* 16 rows x 1 column in the layout */
#define TM_FMA_BLOCK_UNITS (TM_FMA_WEIGHT == TM_FMA_BF16 ? 2 : 1) /* columns stored together */
#define TM_FMA_CHAINS      4 /* x 2 vectors of 8 rows: a latency of 4 cycles x 2 a cycle */

/* 8 rows of column `c` of those that begin at `at`, on a multiple of TM_FMA_BLOCK_UNITS, stored as
 * `type`. high: the second 8. */
TM_ALWAYS_INLINE __m256 load_column(const uint8_t *at, int c, bool high, int type)
{
    if (type == TM_FMA_F32) return _mm256_loadu_ps((const void *)(at + 64 * c + 32 * high));
    if (type == TM_FMA_F16)
        return _mm256_cvtph_ps(_mm_loadu_si128((const void *)(at + 32 * c + 16 * high)));
    __m256i pair = _mm256_loadu_si256((const void *)(at + 64 * (c / 2) + 32 * high));
    return _mm256_castsi256_ps(c % 2 != 0
                                   ? _mm256_and_si256(pair, _mm256_set1_epi32((int)0xffff0000))
                                   : _mm256_slli_epi32(pair, 16));
}

/* The first n of 16 rows. */
TM_ALWAYS_INLINE void store_rows(float *y, __m256 low, __m256 high, int n)
{
    float piece[TM_GROUP];
    if (n >= TM_GROUP) {
        _mm256_storeu_ps(y, low);
        _mm256_storeu_ps(y + 8, high);
        return;
    }
    _mm256_storeu_ps(piece, low);
    _mm256_storeu_ps(piece + 8, high);
    memcpy(y, piece, (size_t)n * sizeof *y);
}

/* One token: column c goes to chain c % 4, and the chains are added up every TM_PANEL_UNITS columns
 * of each, so that no sum is longer than TM_FLOAT_TOLERANCE counts. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int n_cols = w->n_cols,
        n_stored = (n_cols + TM_FMA_BLOCK_UNITS - 1) / TM_FMA_BLOCK_UNITS * TM_FMA_BLOCK_UNITS;
    size_t group_bytes = (size_t)n_stored * (size_t)TM_FMA_UNIT_BYTES,
           ahead = (size_t)tm_kernel_ahead;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
        __m256 total[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
        int c = 0;
        while (c < n_cols) {
            int piece_end = n_cols - c < TM_FMA_CHAINS * TM_PANEL_UNITS
                                ? n_cols
                                : c + TM_FMA_CHAINS * TM_PANEL_UNITS;
            __m256 chain[2 * TM_FMA_CHAINS];
#pragma GCC unroll 8
            for (int k = 0; k < 2 * TM_FMA_CHAINS; k++) chain[k] = _mm256_setzero_ps();
            for (; c + TM_FMA_CHAINS <= piece_end;
                 c += TM_FMA_CHAINS, data += TM_FMA_CHAINS * TM_FMA_UNIT_BYTES) {
#pragma GCC unroll 4
                for (int k = 0; k < TM_FMA_CHAINS; k++) {
                    __m256 value = _mm256_broadcast_ss(x->f32 + c + k);
                    if (k * TM_FMA_UNIT_BYTES % 64 == 0)
                        _mm_prefetch((const char *)data + ahead + k * TM_FMA_UNIT_BYTES,
                                     _MM_HINT_T0);
#pragma GCC unroll 2
                    for (int i = 0; i < 2; i++)
                        chain[2 * k + i] = _mm256_fmadd_ps(
                            load_column(data, k, i != 0, TM_FMA_WEIGHT), value, chain[2 * k + i]);
                }
            }
            for (int k = 0; c < piece_end; c++, k++) {
                __m256 value = _mm256_broadcast_ss(x->f32 + c);
#pragma GCC unroll 2
                for (int i = 0; i < 2; i++)
                    chain[i] = _mm256_fmadd_ps(load_column(data, k, i != 0, TM_FMA_WEIGHT), value,
                                               chain[i]);
            }
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++)
                total[k] = _mm256_add_ps(total[k],
                                         _mm256_add_ps(_mm256_add_ps(chain[k], chain[k + 2]),
                                                       _mm256_add_ps(chain[k + 4], chain[k + 6])));
        }
        store_rows(y + row, total[0], total[1], row_end - row);
    }
}

/* 2 vectors of 8 rows x WIDTH sums in registers: 2 x 6 = 12 of 16. Callers pass literals for the
 * constants, so that every loop over them unrolls and acc stays in registers. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const int type = packed ? TM_FMA_WEIGHT : TM_FMA_F32, n_block = packed ? TM_FMA_BLOCK_UNITS : 1;
    const size_t block_bytes = packed ? TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES : 64;
    __m256 acc[12];
    (void)group_bytes;
    (void)n_groups;
#pragma GCC unroll 12
    for (int i = 0; i < 2 * width; i++) acc[i] = _mm256_setzero_ps();

    for (int u = 0; u < n_units; u += n_block, weights += block_bytes) {
        if (packed) _mm_prefetch((const char *)weights + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 2
        for (int k = 0; k < n_block; k++, panel += 4 * width) {
            __m256 low = load_column(weights, k, 0, type), high = load_column(weights, k, 1, type);
#pragma GCC unroll 6
            for (int t = 0; t < width; t++) {
                __m256 value = _mm256_castsi256_ps(_mm256_set1_epi32(tm_load_i32(panel + 4 * t)));
                acc[2 * t] = _mm256_fmadd_ps(low, value, acc[2 * t]);
                acc[2 * t + 1] = _mm256_fmadd_ps(high, value, acc[2 * t + 1]);
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < width; t++) {
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            float *to = &sums[t * TM_PANEL_ROWS + 8 * k].f;
            __m256 sum = acc[2 * t + k];
            if (add) sum = _mm256_add_ps(sum, _mm256_loadu_ps(to));
            _mm256_storeu_ps(to, sum);
        }
    }
}

TM_WIDTHS_2_6(TM_MICRO, 1, 1)
TM_WIDTHS_2_6(TM_MICRO, 1, 0)

static tm_panel_micro *micro(int groups, int width, bool packed)
{
    static tm_panel_micro *const in_place[7] = {TM_WIDTHS_2_6(TM_MICRO_AT, 1, 1)};
    static tm_panel_micro *const tiled[7] = {TM_WIDTHS_2_6(TM_MICRO_AT, 1, 0)};
    (void)groups;
    return (packed ? in_place : tiled)[width];
}

static int groups_of(int width)
{
    (void)width;
    return 1;
}

#if TM_FMA_WEIGHT != TM_FMA_F32
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units;
         u += TM_FMA_BLOCK_UNITS, packed += TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES)
#pragma GCC unroll 2
        for (int k = 0; k < TM_FMA_BLOCK_UNITS; k++, tile += 64) {
            _mm256_storeu_ps((float *)(void *)tile, load_column(packed, k, 0, TM_FMA_WEIGHT));
            _mm256_storeu_ps((float *)(void *)(tile + 32),
                             load_column(packed, k, 1, TM_FMA_WEIGHT));
        }
}
#endif

static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .width_max = 6,
    .width_step = 1,
    .block_units = TM_FMA_BLOCK_UNITS,
    .block_bytes = TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES,
    .blocks_in_place = 3,
#if TM_FMA_WEIGHT != TM_FMA_F32
    .unpack = unpack,
#endif
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

#endif
