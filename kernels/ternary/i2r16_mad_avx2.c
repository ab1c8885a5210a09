/* i2r16 with AVX2: vpmaddubsw into int16, widened before it can overflow. */
#include "kernels/panel.h"
#include "kernels/ternary/i2.h"

#include <immintrin.h>

#define TM_MAD_BLOCK_UNITS     4
#define TM_MAD_BLOCK_BYTES     TM_I2_BLOCK
#define TM_MAD_PART_UNITS      4
#define TM_MAD_BLOCKS_IN_PLACE 2

TM_ALWAYS_INLINE __m256i load_half(const uint8_t *at, int half, int part)
{
    (void)part;
    return _mm256_loadu_si256((const void *)(at + 32 * half));
}

#include "kernels/ternary/mad_avx2_template.h"

/* One token. A byte's even planes are read after a shift by 0 and 4, the odd ones stay two bits up
 * and count 4-fold. In int16, a block adds at most 2 x 508 to even and 2 x 2032 to odd sums: odd
 * ones join the even ones after 8 blocks (32,512) at the latest, these go to int32 after 16. An odd
 * sum is a multiple of 4: its shift is exact. */
#define BLOCKS_A_JOIN  8
#define BLOCKS_A_FLUSH 16

/* sum[k] += rows 8 k .. 8 k + 7 of n_blocks blocks, at most BLOCKS_A_JOIN. */
TM_ALWAYS_INLINE void add_blocks(__m256i sum[2], const uint8_t *data, const int8_t *q,
                                 size_t n_blocks)
{
    const __m256i mask_even = _mm256_set1_epi8(0x03), mask_odd = _mm256_set1_epi8(0x0c);
    const uint8_t *ahead = data + tm_kernel_ahead, *end = data + n_blocks * TM_I2_BLOCK;
    __m256i odd[2];
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) odd[k] = _mm256_setzero_si256();
    /* gcc 12 would otherwise share these with the caller's and keep them in memory. */
    __asm__("" : "+r"(data), "+r"(q), "+r"(ahead), "+r"(end));
    for (; data < end; data += TM_I2_BLOCK, ahead += TM_I2_BLOCK, q += 16) {
        __m256i value[4];
        _mm_prefetch((const char *)ahead, _MM_HINT_T0);
#pragma GCC unroll 4
        for (int p = 0; p < 4; p++) value[p] = _mm256_set1_epi32(tm_load_i32(q + 4 * p));
#pragma GCC unroll 2
        for (int k = 0; k < 2; k++) {
            __m256i v = _mm256_loadu_si256((const void *)(data + 32 * k)),
                    up = _mm256_srli_epi16(v, 4);
            sum[k] = _mm256_add_epi16(
                sum[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_even), value[0]));
            odd[k] = _mm256_add_epi16(
                odd[k], _mm256_maddubs_epi16(_mm256_and_si256(v, mask_odd), value[1]));
            sum[k] = _mm256_add_epi16(
                sum[k], _mm256_maddubs_epi16(_mm256_and_si256(up, mask_even), value[2]));
            odd[k] = _mm256_add_epi16(
                odd[k], _mm256_maddubs_epi16(_mm256_and_si256(up, mask_odd), value[3]));
        }
    }
#pragma GCC unroll 2
    for (int k = 0; k < 2; k++) sum[k] = _mm256_add_epi16(sum[k], _mm256_srai_epi16(odd[k], 2));
}

static void decode(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    const __m256i ones = _mm256_set1_epi16(1), minus = _mm256_set1_epi32(-x->sum[0]);
    size_t n_blocks = tm_i2_blocks(w->n_cols);
    const uint8_t *data =
        (const uint8_t *)w->data + (size_t)row_begin / TM_GROUP * n_blocks * TM_I2_BLOCK;

    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        __m256i total[2] = {minus, minus};
        for (size_t b = 0; b < n_blocks;) {
            size_t end = n_blocks - b < BLOCKS_A_FLUSH ? n_blocks : b + BLOCKS_A_FLUSH;
            __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
            for (size_t n; b < end; b += n, data += n * TM_I2_BLOCK) {
                n = end - b < BLOCKS_A_JOIN ? end - b : BLOCKS_A_JOIN;
                add_blocks(sum, data, x->i8 + 16 * b, n);
            }
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++)
                total[k] = _mm256_add_epi32(total[k], _mm256_madd_epi16(sum[k], ones));
        }
        store_rows(y + row, total[0], total[1], x->scale[0], w->scale, row_end - row);
    }
}

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
