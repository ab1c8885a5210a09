/* Template: f32r16, f16r16 and bf16r16 with AVX-512. A kernel file includes it once, after it has
 * defined TM_FMA_WEIGHT (kernels/panel.h). It defines the functions of a kernel row; all are
 * static. */
#ifndef TM_KERNELS_FLOATS_FMA_AVX512_TEMPLATE_H
#define TM_KERNELS_FLOATS_FMA_AVX512_TEMPLATE_H

#if !defined TM_FMA_WEIGHT
#error "fma_avx512_template.h: define TM_FMA_WEIGHT first"
#endif

#include "kernels/panel.h"

#include <immintrin.h>

#define TM_FMA_UNIT_BYTES                                                                          \
    (TM_FMA_WEIGHT == TM_FMA_F32 ? 64 : 32) /* 16 rows x 1 column in the layout */
#define TM_FMA_BLOCK_UNITS (TM_FMA_WEIGHT == TM_FMA_BF16 ? 2 : 1) /* columns stored together */
#define TM_FMA_CHAINS      8                                      /* latency 4 x 2 a cycle */

/* Column `c` of those that begin at `at`, on a multiple of TM_FMA_BLOCK_UNITS, stored as `type`. */
TM_ALWAYS_INLINE __m512 load_column(const uint8_t *at, int c, int type)
{
    if (type == TM_FMA_F32) return _mm512_loadu_ps((const void *)(at + 64 * c));
    if (type == TM_FMA_F16) return _mm512_cvtph_ps(_mm256_loadu_si256((const void *)(at + 32 * c)));
    __m512i pair = _mm512_loadu_si512(at + 64 * (c / 2));
    return _mm512_castsi512_ps(c % 2 != 0
                                   ? _mm512_and_si512(pair, _mm512_set1_epi32((int)0xffff0000))
                                   : _mm512_slli_epi32(pair, 16));
}

/* One token: column c goes to chain c % 8, and the chains are added up every TM_PANEL_UNITS columns
 * of each, so that no sum is longer than TM_FLOAT_TOLERANCE counts. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    int n_cols = w->n_cols,
        n_stored = (n_cols + TM_FMA_BLOCK_UNITS - 1) / TM_FMA_BLOCK_UNITS * TM_FMA_BLOCK_UNITS;
    size_t group_bytes = (size_t)n_stored * (size_t)TM_FMA_UNIT_BYTES,
           ahead = (size_t)tm_kernel_ahead;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data = (const uint8_t *)w->data + (size_t)row / TM_GROUP * group_bytes;
        __m512 total = _mm512_setzero_ps();
        int c = 0;
        while (c < n_cols) {
            int piece_end = n_cols - c < TM_FMA_CHAINS * TM_PANEL_UNITS
                                ? n_cols
                                : c + TM_FMA_CHAINS * TM_PANEL_UNITS;
            __m512 chain[TM_FMA_CHAINS];
#pragma GCC unroll 8
            for (int k = 0; k < TM_FMA_CHAINS; k++) chain[k] = _mm512_setzero_ps();
            for (; c + TM_FMA_CHAINS <= piece_end;
                 c += TM_FMA_CHAINS, data += TM_FMA_CHAINS * TM_FMA_UNIT_BYTES) {
#pragma GCC unroll 8
                for (int k = 0; k < TM_FMA_CHAINS; k++) {
                    if (k * TM_FMA_UNIT_BYTES % 64 == 0)
                        _mm_prefetch((const char *)data + ahead + k * TM_FMA_UNIT_BYTES,
                                     _MM_HINT_T0);
                    chain[k] = _mm512_fmadd_ps(load_column(data, k, TM_FMA_WEIGHT),
                                               _mm512_set1_ps(x->f32[c + k]), chain[k]);
                }
            }
            for (int k = 0; c < piece_end; c++, k++)
                chain[0] = _mm512_fmadd_ps(load_column(data, k, TM_FMA_WEIGHT),
                                           _mm512_set1_ps(x->f32[c]), chain[0]);
#pragma GCC unroll 8
            for (int half = TM_FMA_CHAINS / 2; half > 0; half /= 2)
#pragma GCC unroll 8
                for (int k = 0; k < half; k++) chain[k] = _mm512_add_ps(chain[k], chain[k + half]);
            total = _mm512_add_ps(total, chain[0]);
        }
        int n = row_end - row;
        _mm512_mask_storeu_ps(y + row, n >= TM_GROUP ? 0xffff : (__mmask16)((1u << n) - 1), total);
    }
}

/* N_GROUPS x WIDTH sums in registers, as in i2r16_mad_avx512vnni.c. `packed`: read the layout. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    const int type = packed ? TM_FMA_WEIGHT : TM_FMA_F32, n_block = packed ? TM_FMA_BLOCK_UNITS : 1;
    const size_t block_bytes = packed ? TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES : 64;
    __m512 acc[24], v[4];
#pragma GCC unroll 24
    for (int i = 0; i < n_groups * width; i++) acc[i] = _mm512_setzero_ps();

    size_t ahead = tm_panel_ahead(group_bytes, n_groups);
    for (int u = 0; u < n_units; u += n_block, weights += block_bytes) {
#pragma GCC unroll 4
        for (int g = 0; packed && g < n_groups; g++)
            _mm_prefetch((const char *)weights + (size_t)g * group_bytes + ahead, _MM_HINT_T1);
#pragma GCC unroll 2
        for (int k = 0; k < n_block; k++, panel += 4 * width) {
            if (!packed) _mm_prefetch((const char *)panel + TM_PANEL_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++)
                v[g] = load_column(weights + (size_t)g * group_bytes, k, type);
#pragma GCC unroll 12
            for (int t = 0; t < width; t++) {
                __m512 value = _mm512_castsi512_ps(_mm512_set1_epi32(tm_load_i32(panel + 4 * t)));
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++)
                    acc[g * width + t] = _mm512_fmadd_ps(v[g], value, acc[g * width + t]);
            }
        }
    }
#pragma GCC unroll 12
    for (int t = 0; t < width; t++) {
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) {
            float *to = &sums[t * TM_PANEL_ROWS + g * TM_GROUP].f;
            __m512 sum = acc[g * width + t];
            if (add) sum = _mm512_add_ps(sum, _mm512_loadu_ps(to));
            _mm512_storeu_ps(to, sum);
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

static int groups_of(int width)
{
    return width <= 6 ? 4 : 2;
}

#if TM_FMA_WEIGHT != TM_FMA_F32
static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units;
         u += TM_FMA_BLOCK_UNITS, packed += TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES)
#pragma GCC unroll 2
        for (int k = 0; k < TM_FMA_BLOCK_UNITS; k++, tile += 64)
            _mm512_storeu_ps(tile, load_column(packed, k, TM_FMA_WEIGHT));
}
#endif

/* In place up to 144 tokens: converting a column again for every 12 tokens costs less than a tile
 * of twice the bytes in L1 (Zen 4, 64 and 128 tokens of f16r16: 58 and 57 GMAC/s against 50 and
 * 51). */
static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .width_max = 12,
    .width_step = 1,
    .block_units = TM_FMA_BLOCK_UNITS,
    .block_bytes = TM_FMA_BLOCK_UNITS * TM_FMA_UNIT_BYTES,
    .blocks_in_place = 12,
#if TM_FMA_WEIGHT != TM_FMA_F32
    .unpack = unpack,
#endif
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

#endif
