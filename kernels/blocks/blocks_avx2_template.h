/* Template: few tokens of a block layout with AVX2 or more, 8 rows at a time, read in place.
 * blocks_panel_<isa>_template.h includes it. The kernel file defines before it
 *   TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES, TM_BLOCK_SCALE_AT
 *                             weights and bytes of a block, offset of its scale
 * and after it
 *   dot(block, q, sum)        8 int32 whose sum is that of the block; sum: x->sum of these values
 * One block of 8 rows becomes a vector whose lanes are rows, so that no float is added across lanes
 * and the blocks of each row are added in order. The next rows are prefetched into L2 only: the 8
 * rows are in 8 places, and their misses together would occupy every fill buffer of L1. */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_AVX2_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_AVX2_TEMPLATE_H

#if !defined TM_BLOCK_WEIGHTS || !defined TM_BLOCK_BYTES || !defined TM_BLOCK_SCALE_AT
#error "blocks_avx2_template.h: define TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES and TM_BLOCK_SCALE_AT first"
#endif

#include "kernels/blocks/blocks.h"
#include "kernels/kernel.h"

#include <immintrin.h>

#define TM_BLOCK_ROWS   8
#define TOKENS_IN_PLACE 3 /* that share the unpacking of a block */

/* Lane i: the sum of the lanes of v[i]. */
TM_ALWAYS_INLINE __m256i add_lanes_of_8(const __m256i *v)
{
    __m256i a = _mm256_hadd_epi32(_mm256_hadd_epi32(v[0], v[1]), _mm256_hadd_epi32(v[2], v[3]));
    __m256i b = _mm256_hadd_epi32(_mm256_hadd_epi32(v[4], v[5]), _mm256_hadd_epi32(v[6], v[7]));
    return _mm256_add_epi32(_mm256_permute2x128_si256(a, b, 0x20),
                            _mm256_permute2x128_si256(a, b, 0x31));
}

TM_ALWAYS_INLINE __m256i dot(const uint8_t *block, const int8_t *q, const int32_t *sum);

/* The scales of 8 rows as floats: 8 loads of a half. */
TM_ALWAYS_INLINE __m256 load_scales(const uint8_t *const *at, size_t offset)
{
    tm_half h[TM_BLOCK_ROWS];
#pragma GCC unroll 8
    for (int i = 0; i < TM_BLOCK_ROWS; i++) memcpy(&h[i], at[i] + offset, sizeof *h);
    return _mm256_cvtph_ps(_mm_setr_epi16((short)h[0], (short)h[1], (short)h[2], (short)h[3],
                                          (short)h[4], (short)h[5], (short)h[6], (short)h[7]));
}

/* Up to 8 rows at `at` for n_tokens tokens from `token` on. The literal n_tokens lets gcc unpack a
 * block once for all of them. */
TM_ALWAYS_INLINE void tokens_of_8(const tm_weight *w, const tm_act *x, const uint8_t *const *at,
                                  int token, int row, int n, float *y, const int n_tokens)
{
    size_t row_bytes = tm_blocks_row_bytes(w->n_cols, TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES),
           n_blocks = row_bytes / TM_BLOCK_BYTES;
    size_t stride = (size_t)x->stride, from = (size_t)token * stride;
    const int8_t *q = x->i8 + from;
    const int32_t *sum = x->sum + from / TM_ACT_SUM_STEP;
    const float *scale = x->scale + from / TM_BLOCK_WEIGHTS;
    __m256 total[TOKENS_IN_PLACE];
#pragma GCC unroll 3
    for (int t = 0; t < n_tokens; t++) total[t] = _mm256_setzero_ps();
    for (size_t b = 0; b < n_blocks; b++) {
        __m256i sums[TOKENS_IN_PLACE][TM_BLOCK_ROWS];
#pragma GCC unroll 8
        for (int i = 0; i < TM_BLOCK_ROWS; i++) {
            const uint8_t *block = at[i] + b * TM_BLOCK_BYTES;
#pragma GCC unroll 4
            for (int line = 0; line < TM_BLOCK_BYTES; line += 64) /* the next 8 rows */
                _mm_prefetch((const char *)block + TM_BLOCK_ROWS * row_bytes + line, _MM_HINT_T1);
#pragma GCC unroll 3
            for (int t = 0; t < n_tokens; t++)
                sums[t][i] =
                    dot(block, q + (size_t)t * stride + b * TM_BLOCK_WEIGHTS,
                        sum + ((size_t)t * stride + b * TM_BLOCK_WEIGHTS) / TM_ACT_SUM_STEP);
        }
        __m256 d = load_scales(at, b * TM_BLOCK_BYTES + TM_BLOCK_SCALE_AT);
#pragma GCC unroll 3
        for (int t = 0; t < n_tokens; t++) {
            __m256 factor =
                _mm256_mul_ps(d, _mm256_set1_ps(scale[(size_t)t * stride / TM_BLOCK_WEIGHTS + b]));
            __m256 value = _mm256_cvtepi32_ps(add_lanes_of_8(sums[t]));
            total[t] = _mm256_add_ps(total[t], _mm256_mul_ps(value, factor));
        }
    }
#pragma GCC unroll 3
    for (int t = 0; t < n_tokens; t++) {
        float out[TM_BLOCK_ROWS];
        _mm256_storeu_ps(out, total[t]);
        memcpy(y + (size_t)(token + t) * (size_t)w->n_rows + (size_t)row, out,
               (size_t)n * sizeof *out);
    }
}

/* Any number of tokens. */
static void rows_of_8(const tm_weight *w, const tm_act *x, int row_begin, int row_end, float *y)
{
    size_t row_bytes = tm_blocks_row_bytes(w->n_cols, TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES);
    for (int row = row_begin; row < row_end; row += TM_BLOCK_ROWS) {
        int n = row_end - row < TM_BLOCK_ROWS ? row_end - row : TM_BLOCK_ROWS;
        const uint8_t *at[TM_BLOCK_ROWS]; /* the last row stands in for missing ones */
        for (int i = 0; i < TM_BLOCK_ROWS; i++)
            at[i] = (const uint8_t *)w->data + (size_t)(row + (i < n ? i : n - 1)) * row_bytes;
        for (int t = 0, taken; t < x->n_tokens; t += taken) {
            int rest = x->n_tokens - t;
            taken = rest == 3 ? 3 : rest > 1 ? 2 : 1;
            if (taken == 3)
                tokens_of_8(w, x, at, t, row, n, y, 3);
            else if (taken == 2)
                tokens_of_8(w, x, at, t, row, n, y, 2);
            else
                tokens_of_8(w, x, at, t, row, n, y, 1);
        }
    }
}

/* sum: 16 sums of 16 values each. Returns them negated, folded into 8 int32. */
TM_ALWAYS_INLINE __m256i minus_sums_of_256(const int32_t *sum)
{
    __m256i all = _mm256_add_epi32(_mm256_loadu_si256((const void *)sum),
                                   _mm256_loadu_si256((const void *)(sum + 8)));
    return _mm256_sub_epi32(_mm256_setzero_si256(), all);
}

#define TM_BLOCK_KERNEL(layout, act, suffix, isa_bits, tolerance_value, source_text)               \
    const tm_kernel tm_kernel_##layout##_##act##_##suffix = {                                      \
        .name = #layout "_" #act "_" #suffix,                                                      \
        .format = &tm_format_##layout,                                                             \
        .isa = isa_bits,                                                                           \
        .row_step = 1,                                                                             \
        .tolerance = tolerance_value,                                                              \
        .scratch_size = scratch_size,                                                              \
        .prepare = prepare,                                                                        \
        .prepare_part = prepare_part,                                                              \
        .rows = rows,                                                                              \
        .source = source_text,                                                                     \
    };

#endif
