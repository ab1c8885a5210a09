/* i2r16 with the VEX-coded 256-bit vpdpbusd: processors with AVX-VNNI and no AVX-512. */
#include "kernels/panel.h"
#include "kernels/ternary/i2.h"
#include "kernels/ternary/trit_avx2.h"

#include <immintrin.h>

/* One token. The four planes keep their place in the byte and are summed separately: plane p counts
 * 4^p-fold. A sum is at most 192 x 127 x n_cols / 4 in size: below 2^31 up to n_cols = 352,000. It
 * is a multiple of 4^p, so the final shift is exact. */
static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m256i mask[4] = {_mm256_set1_epi8(0x03), _mm256_set1_epi8(0x0c), _mm256_set1_epi8(0x30),
                             _mm256_set1_epi8((char)0xc0)};
    const __m256i sum = _mm256_set1_epi32(x->sum[0]);
    size_t n_blocks = tm_i2_blocks(w->n_cols), ahead = (size_t)tm_kernel_ahead;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m256i low[4], high[4];
        const int8_t *q = x->i8;
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) low[p] = high[p] = _mm256_setzero_si256();
        for (size_t b = 0; b < n_blocks; b++, data += TM_I2_BLOCK, q += 16) {
            _mm_prefetch((const char *)data + ahead, _MM_HINT_T0);
            __m256i u = _mm256_loadu_si256((const void *)data),
                    v = _mm256_loadu_si256((const void *)(data + 32));
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++) {
                __m256i value = _mm256_set1_epi32(tm_load_i32(q + 4 * p));
                low[p] = _mm256_dpbusd_avx_epi32(low[p], _mm256_and_si256(u, mask[p]), value);
                high[p] = _mm256_dpbusd_avx_epi32(high[p], _mm256_and_si256(v, mask[p]), value);
                TM_KEEP_IN_REGISTER(low[p]);
                TM_KEEP_IN_REGISTER(high[p]);
            }
        }
#pragma GCC unroll 4
        for (int p = 1; p < 4; p++) {
            low[0] = _mm256_add_epi32(low[0], _mm256_srai_epi32(low[p], 2 * p));
            high[0] = _mm256_add_epi32(high[0], _mm256_srai_epi32(high[p], 2 * p));
        }
        store_rows(y + row, _mm256_sub_epi32(low[0], sum), _mm256_sub_epi32(high[0], sum),
                   x->scale[0], w->scale, row_end - row);
    }
}

/* Codes of 8 rows x 4 columns: plane p of a packed half block, or unit p of a tile. */
TM_ALWAYS_INLINE __m256i load_plane(const uint8_t *at, int p, bool packed)
{
    if (!packed) return _mm256_loadu_si256((const void *)(at + 64 * p));
    return _mm256_and_si256(_mm256_srli_epi32(_mm256_loadu_si256((const void *)at), 2 * p),
                            _mm256_set1_epi8(3));
}

/* 2 vectors of 8 rows x WIDTH sums in registers: 2 x 6 = 12 of 16. Callers pass literals for the
 * constants, so that every loop over them unrolls and acc stays in registers. */
TM_ALWAYS_INLINE void multiply(const uint8_t *weights, size_t group_bytes, const uint8_t *panel,
                               int n_units, tm_panel_sum *sums, bool add, const int n_groups,
                               const int width, const bool packed)
{
    __m256i acc[12], low, high;
    (void)group_bytes;
    (void)n_groups;
#pragma GCC unroll 12
    for (int i = 0; i < 2 * width; i++) acc[i] = _mm256_setzero_si256();

    for (int u = 0; u < n_units; u += 4, weights += packed ? TM_I2_BLOCK : 256) {
        if (packed) _mm_prefetch((const char *)weights + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++, panel += 4 * width) {
            low = load_plane(weights, p, packed);
            high = load_plane(weights + 32, p, packed);
#pragma GCC unroll 6
            for (int t = 0; t < width; t++) {
                __m256i value = _mm256_set1_epi32(tm_load_i32(panel + 4 * t));
                acc[2 * t] = _mm256_dpbusd_avx_epi32(acc[2 * t], low, value);
                acc[2 * t + 1] = _mm256_dpbusd_avx_epi32(acc[2 * t + 1], high, value);
                TM_KEEP_IN_REGISTER(acc[2 * t]);
                TM_KEEP_IN_REGISTER(acc[2 * t + 1]);
            }
        }
    }
#pragma GCC unroll 6
    for (int t = 0; t < width; t++) {
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            __m256i *to = (__m256i *)(void *)(sums + t * TM_PANEL_ROWS + 8 * k);
            __m256i sum = acc[2 * t + k];
            if (add) sum = _mm256_add_epi32(sum, _mm256_loadu_si256(to));
            _mm256_storeu_si256(to, sum);
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

static void unpack(const uint8_t *packed, int n_units, uint8_t *tile)
{
    const __m256i mask = _mm256_set1_epi8(3);
    for (int u = 0; u < n_units; u += 4, packed += TM_I2_BLOCK, tile += 256) {
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            __m256i v = _mm256_loadu_si256((const void *)(packed + 32 * k));
            uint8_t *to = tile + 32 * k;
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++)
                _mm256_storeu_si256((__m256i *)(void *)(to + 64 * p),
                                    _mm256_and_si256(_mm256_srli_epi32(v, 2 * p), mask));
        }
    }
}

static const tm_panel_ops ops = {
    .act = TM_ACT_I8,
    .width_max = 6,
    .width_step = 1,
    .block_units = 4,
    .block_bytes = TM_I2_BLOCK,
    .blocks_in_place = 3,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_avxvnni = {
    .name = "i2r16_mad_avxvnni",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_AVX2 | TM_ISA_AVXVNNI,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
