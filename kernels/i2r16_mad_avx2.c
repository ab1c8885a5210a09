/* i2r16 with AVX2: vpmaddubsw into int16, widened before it can overflow. */
#include <immintrin.h>

#include "kernels/panel.h"

/* y = (sum * x scale) * w scale for the first n of 16 rows. */
static void store_rows(float *y, __m256i low, __m256i high, float scale, float w_scale, int n)
{
    float piece[TM_GROUP];
    float *to = n >= TM_GROUP ? y : piece;
    __m256 s = _mm256_set1_ps(scale), ws = _mm256_set1_ps(w_scale);
    _mm256_storeu_ps(to, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(low), s), ws));
    _mm256_storeu_ps(to + 8, _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(high), s), ws));
    if (n < TM_GROUP) memcpy(y, piece, (size_t)n * sizeof *y);
}

/* One token. A byte's even planes are read after a shift by 0 and 4, the odd ones stay two bits up
 * and count 4-fold. In int16, a block adds at most 2 x 508 to even and 2 x 2032 to odd, so that 8
 * blocks reach at most 32,512; then both go to int32. An odd sum is a multiple of 4: its shift is
 * exact. */
#define BLOCKS_A_FLUSH 8

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m256i mask_even = _mm256_set1_epi8(0x03), mask_odd = _mm256_set1_epi8(0x0c);
    const __m256i ones = _mm256_set1_epi16(1), sum = _mm256_set1_epi32(x->sum[0]);
    size_t n_blocks = ((size_t)w->n_cols + 15) / 16;
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m256i even32[2], odd32[2];
        const int8_t *q = x->i8;
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) even32[k] = odd32[k] = _mm256_setzero_si256();
        for (size_t b = 0; b < n_blocks;) {
            size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
            __m256i even[2], odd[2];
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) even[k] = odd[k] = _mm256_setzero_si256();
            for (; b < end; b++, data += TM_I2_BLOCK, q += 16) {
                __m256i value[4];
                _mm_prefetch((const char *)data + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 4
                for (int p = 0; p < 4; p++) value[p] = _mm256_set1_epi32(tm_load_i32(q + 4 * p));
#pragma GCC unroll 2
                for (int k = 0; k < 2; k++) {
                    __m256i v = _mm256_loadu_si256((const void *)(data + 32 * k)),
                            up = _mm256_srli_epi16(v, 4);
                    even[k] = _mm256_add_epi16(
                        even[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_even), value[0]));
                    odd[k] = _mm256_add_epi16(
                        odd[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_odd), value[1]));
                    even[k] = _mm256_add_epi16(
                        even[k], _mm256_maddubs_epi16(_mm256_and_si256(up, mask_even), value[2]));
                    odd[k] = _mm256_add_epi16(
                        odd[k], _mm256_maddubs_epi16(_mm256_and_si256(up, mask_odd), value[3]));
                }
            }
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                even32[k] = _mm256_add_epi32(even32[k], _mm256_madd_epi16(even[k], ones));
                odd32[k] = _mm256_add_epi32(odd32[k], _mm256_madd_epi16(odd[k], ones));
            }
        }
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++)
            even32[k] =
                _mm256_sub_epi32(_mm256_add_epi32(even32[k], _mm256_srai_epi32(odd32[k], 2)), sum);
        store_rows(y + row, even32[0], even32[1], x->scale[0], w->scale, row_end - row);
    }
}

/* Two products of a code 0..2 and an int8 are at most 508 in size: 64 of them stay in int16. */
#define UNITS_A_FLUSH 64

/* Codes of 8 rows x 4 columns: plane p of a packed half block, or unit p of a tile. */
TM_ALWAYS_INLINE __m256i load_plane(const uint8_t *at, int p, bool packed)
{
    if (!packed) return _mm256_loadu_si256((const void *)(at + 64 * p));
    return _mm256_and_si256(_mm256_srli_epi32(_mm256_loadu_si256((const void *)at), 2 * p),
                            _mm256_set1_epi8(3));
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
        for (; u < end; u += 4, weights += packed ? TM_I2_BLOCK : 256) {
            if (packed) _mm_prefetch((const char *)weights + TM_PREFETCH_BYTES, _MM_HINT_T0);
#pragma GCC unroll 4
            for (int p = 0; p < 4; p++, panel += 4 * width) {
                __m256i low = load_plane(weights, p, packed);
                __m256i high = load_plane(weights + 32, p, packed);
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
    .width_max = 4,
    .width_step = 1,
    .unit_bytes = TM_I2_BLOCK / 4,
    .unpack = unpack,
    .groups = groups_of,
    .micro = micro,
};

TM_PANEL_FUNCTIONS(ops)

const tm_kernel tm_kernel_i2r16_mad_avx2 = {
    .name = "i2r16_mad_avx2",
    .format = &tm_format_i2r16,
    .isa = TM_ISA_AVX2,
    .row_step = TM_GROUP,
    .tolerance = 0,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "bitnet.cpp I2_S (2410.16144, 3.1): 2-bit codes, multiply-add; panels as in BLIS",
};
