/* Template: prompts with 512-bit vpdpbusd, for a layout whose blocks decode to vectors of 16 rows x
 * 4 columns of unsigned codes. A kernel file includes it once, after it has defined
 *   TM_MAD_BLOCK_UNITS, TM_MAD_BLOCK_BYTES   units of a block, its packed bytes
 *   TM_MAD_BLOCKS_IN_PLACE   up to this many blocks of tokens, a tile is not worth its cost
 *   TM_MAD_FOUR_GROUPS       up to this many tokens, at most 6, four row groups are multiplied at
 *                            once; beyond that, two
 *   TM_MAD_BLOCK_GROUPS      row groups in a block, 4 bytes apart (default 1)
 *   block                    a type: a block of 16 rows in registers
 *   block load_block(const uint8_t *at)        a block; it must not read beyond it
 *   void load_groups(block v[], const uint8_t *at, int n_groups)
 *                            1, 2 or 4 of them; only if TM_MAD_BLOCK_GROUPS exceeds 1
 *   __m512i block_plane(block from, int p)     codes 0..2 of unit p, a literal
 * It defines `ops` and store_rows; all its functions are static. */
#ifndef TM_KERNELS_TERNARY_MAD_AVX512VNNI_TEMPLATE_H
#define TM_KERNELS_TERNARY_MAD_AVX512VNNI_TEMPLATE_H

#if !defined TM_MAD_BLOCK_UNITS || !defined TM_MAD_BLOCK_BYTES ||                                  \
    !defined TM_MAD_BLOCKS_IN_PLACE || !defined TM_MAD_FOUR_GROUPS
#error "mad_avx512vnni_template.h: define the macros that its first comment names"
#endif

#include "kernels/panel.h"

#include <immintrin.h>

#ifndef TM_MAD_BLOCK_GROUPS
#define TM_MAD_BLOCK_GROUPS 1
#endif

/* y = ((float)(total - x sum) * x scale) * w scale for the first n of 16 rows. */
TM_ALWAYS_INLINE void store_rows(float *y, __m512i total, const tm_weight *w, const tm_act *x,
                                 int n)
{
    __m512 value = _mm512_cvtepi32_ps(_mm512_sub_epi32(total, _mm512_set1_epi32(x->sum[0])));
    value =
        _mm512_mul_ps(_mm512_mul_ps(value, _mm512_set1_ps(x->scale[0])), _mm512_set1_ps(w->scale));
    _mm512_mask_storeu_ps(y, n >= TM_GROUP ? 0xffff : (__mmask16)((1u << n) - 1), value);
}

/* N_GROUPS x WIDTH sums in registers: 2 x 12 or 4 x 6 = 24 of 32. Callers pass literals for the
 * constants, so that every loop over them unrolls and acc stays in registers. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    block v[4];
    __m512i acc[24], tile[4], plane[4];
#pragma GCC unroll 24
    for (int i = 0; i < n_groups * width; i++) acc[i] = _mm512_setzero_si512();

    if (packed) {
        size_t ahead =
            TM_MAD_BLOCK_GROUPS > 1 ? TM_PREFETCH_BYTES : tm_panel_ahead(group_bytes, n_groups);
        const int n_here =
            n_groups < TM_MAD_BLOCK_GROUPS ? n_groups : TM_MAD_BLOCK_GROUPS; /* of one block */
        for (int u = 0; u < n_units; u += TM_MAD_BLOCK_UNITS, weights += TM_MAD_BLOCK_BYTES) {
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++) {
                const uint8_t *at = weights + (size_t)g * group_bytes;
                if (TM_MAD_BLOCK_GROUPS == 1) v[g] = load_block(at);
                if (g % TM_MAD_BLOCK_GROUPS != 0) continue;
                for (int line = 0; line < TM_MAD_BLOCK_BYTES * n_here / TM_MAD_BLOCK_GROUPS;
                     line += 64)
                    _mm_prefetch((const char *)at + ahead + line, _MM_HINT_T1);
            }
#if TM_MAD_BLOCK_GROUPS > 1
            load_groups(v, weights, n_groups);
#endif
#pragma GCC unroll 6
            for (int p = 0; p < TM_MAD_BLOCK_UNITS; p++, panel += 4 * width) {
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++) plane[g] = block_plane(v[g], p);
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
            _mm_prefetch((const char *)panel + TM_PANEL_AHEAD, _MM_HINT_T0);
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++)
                tile[g] = _mm512_loadu_si512(weights + (size_t)g * group_bytes);
#pragma GCC unroll 12
            for (int t = 0; t < width; t++) {
                __m512i q = _mm512_set1_epi32(tm_load_i32(panel + 4 * t));
#pragma GCC unroll 4
                for (int g = 0; g < n_groups; g++)
                    acc[g * width + t] = _mm512_dpbusd_epi32(acc[g * width + t], tile[g], q);
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

/* At most 24 sums in registers: more would not fit, and fewer than 8 would stall on each other. */
static int groups_of(int width)
{
    return width <= TM_MAD_FOUR_GROUPS ? 4 : 2;
}

static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    for (int u = 0; u < n_units; u += TM_MAD_BLOCK_UNITS, packed += TM_MAD_BLOCK_BYTES) {
        block from = load_block(packed);
#pragma GCC unroll 6
        for (int p = 0; p < TM_MAD_BLOCK_UNITS; p++, tile += 64)
            _mm512_storeu_si512(tile, block_plane(from, p));
    }
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 12,
    .width_step = 1,
    .block_units = TM_MAD_BLOCK_UNITS,
    .block_bytes = TM_MAD_BLOCK_BYTES,
    .block_groups = TM_MAD_BLOCK_GROUPS,
    .blocks_in_place = TM_MAD_BLOCKS_IN_PLACE,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

#endif
