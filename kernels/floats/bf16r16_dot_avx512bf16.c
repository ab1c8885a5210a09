/* bf16r16 with vdpbf16ps: pairs of columns at twice the rate of FMA, activations rounded to
 * bfloat16. Never the default: the FMA kernels do not round the activations. */
#include "kernels/half.h"
#include "kernels/panel.h"

#include <immintrin.h>

#define UNIT_BYTES 64 /* 16 rows x 2 columns */
#define CHAINS     8

/* An activation is rounded by at most 2^-8 of its size: 8 bits of mantissa. Each of the two
 * products of a pair is added with one rounding to nearest, as counted for TM_FLOAT_TOLERANCE: 256
 * in a piece and 256 pieces. Values below 2^-126 count as zero. Source: Intel SDM vol. 2,
 * VDPBF16PS. */
#define TOLERANCE (0x1p-8f + TM_FLOAT_TOLERANCE)

/* The operand of one pair of columns for all rows. */
TM_ALWAYS_INLINE __m512bh repeat_pair(const uint32_t *pair)
{
    return (__m512bh)_mm512_set1_epi32((int32_t)*pair);
}

static void decode(const tm_weight *w, const uint32_t *pairs, int row_begin, int row_end, float *y)
{
    int n_units = (w->n_cols + 1) / 2;
    size_t ahead = (size_t)tm_kernel_ahead;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)row / TM_GROUP * (size_t)n_units * UNIT_BYTES;
        __m512 total = _mm512_setzero_ps();
        for (int u = 0; u < n_units;) {
            int rest = n_units - u, piece = CHAINS * TM_PANEL_UNITS;
            int end = u + (rest < piece ? rest : piece);
            __m512 chain[CHAINS];
#pragma GCC unroll 8
            for (int k = 0; k < CHAINS; k++) chain[k] = _mm512_setzero_ps();
            for (; u + CHAINS <= end; u += CHAINS, data += CHAINS * UNIT_BYTES)
#pragma GCC unroll 8
                for (int k = 0; k < CHAINS; k++) {
                    const uint8_t *at = data + k * UNIT_BYTES;
                    _mm_prefetch((const char *)at + ahead, _MM_HINT_T0);
                    chain[k] = _mm512_dpbf16_ps(chain[k], (__m512bh)_mm512_loadu_si512(at),
                                                repeat_pair(pairs + u + k));
                }
            for (; u < end; u++, data += UNIT_BYTES)
                chain[0] = _mm512_dpbf16_ps(chain[0], (__m512bh)_mm512_loadu_si512(data),
                                            repeat_pair(pairs + u));
#pragma GCC unroll 8
            for (int half = CHAINS / 2; half > 0; half /= 2)
#pragma GCC unroll 8
                for (int k = 0; k < half; k++) chain[k] = _mm512_add_ps(chain[k], chain[k + half]);
            total = _mm512_add_ps(total, chain[0]);
        }
        int n = row_end - row;
        _mm512_mask_storeu_ps(y + row, n >= TM_GROUP ? 0xffff : (__mmask16)((1u << n) - 1), total);
    }
}

/* N_GROUPS x WIDTH sums in registers, as in kernels/floats/fma_avx512_template.h; the layout is the
 * tile. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    __m512 acc[24];
    __m512bh v[4];
    size_t ahead = tm_panel_ahead(group_bytes, n_groups);
#pragma GCC unroll 24
    for (int i = 0; i < n_groups * width; i++) acc[i] = _mm512_setzero_ps();

    for (int u = 0; u < n_units; u++, weights += UNIT_BYTES, panel += 4 * width) {
#pragma GCC unroll 4
        for (int g = 0; g < n_groups; g++) {
            v[g] = (__m512bh)_mm512_loadu_si512(weights + (size_t)g * group_bytes);
            if (packed)
                _mm_prefetch((const char *)weights + (size_t)g * group_bytes + ahead, _MM_HINT_T1);
        }
#pragma GCC unroll 12
        for (int t = 0; t < width; t++) {
            __m512bh pair = (__m512bh)_mm512_set1_epi32(tm_load_i32(panel + 4 * t));
#pragma GCC unroll 4
            for (int g = 0; g < n_groups; g++)
                acc[g * width + t] = _mm512_dpbf16_ps(acc[g * width + t], v[g], pair);
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

/* The layout is the tile, so the same functions serve packed weights and tiles. */
static tm_panel_micro *micro(int groups, int width, bool packed)
{
#define AT TM_MICRO_AT
    static tm_panel_micro *const of_1[13] = {TM_WIDTHS_2_6(AT, 1, 1) TM_WIDTHS_7_12(AT, 1, 1)};
    static tm_panel_micro *const of_2[13] = {TM_WIDTHS_2_6(AT, 2, 1) TM_WIDTHS_7_12(AT, 2, 1)};
    static tm_panel_micro *const of_4[13] = {TM_WIDTHS_2_6(AT, 4, 1)};
#undef AT
    (void)packed;
    return (groups == 4 ? of_4 : groups == 2 ? of_2 : of_1)[width];
}

static int groups_of(int width)
{
    return width <= 6 ? 4 : 2;
}

static const tm_panel_ops ops = {
    .act = TM_ACT_F32,
    .unit_cols = 2,
    .width_max = 12,
    .width_step = 1,
    .block_units = 1,
    .block_bytes = UNIT_BYTES,
    .blocks_in_place = 3,
    .groups = groups_of,
    .micro = micro,
};

#include "kernels/floats/bf16_pairs_template.h"

const tm_kernel tm_kernel_bf16r16_dot_avx512bf16 = {
    .name = "bf16r16_dot_avx512bf16",
    .format = &tm_format_bf16r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512BF16,
    .row_step = TM_GROUP,
    .tolerance = TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .by_name_only = true,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015), vdpbf16ps",
};
