/* Template: rows of a block layout with NEON, 4 rows x 1, 2 or 4 tokens in registers. A kernel file
 * includes it once, after it has defined
 *   TM_BLOCK_WEIGHTS, TM_BLOCK_BYTES, TM_BLOCK_SCALE_AT
 *                             weights and bytes of a block, offset of its scale
 *   TM_BLOCK_CODE_OFFSET      what its codes exceed the weights by
 *   TM_BLOCK_CODE_MAX         their largest magnitude
 *   TM_BLOCK_INNER_SCALES_AT  where the int8 scales of 16 weights each begin, or -1
 *   TM_BLOCK_CODES_16         a function (block, i): codes 16 i .. 16 i + 15, i a literal
 * The integer sums of 4 rows become a vector whose lanes are rows, so that no float is added across
 * lanes and the blocks of each row are added in order, as kernels/blocks/blocks.h requires. All its
 * functions are static.
 *
 *   few tokens: codes go from the block into registers, for each 4 rows
 *   prompts:    for each chunk of tokens
 *                 for each 16 rows                   their totals: 18 KiB
 *                   for each piece of 256 columns    16 rows unpacked into a tile of 4 KiB
 *                     for each 4 tokens              1 KiB of each piece, L1
 *                       for each 4 rows              8 loads to 16 sdot or 32 smlal
 */
#ifndef TM_KERNELS_BLOCKS_BLOCKS_NEON_TEMPLATE_H
#define TM_KERNELS_BLOCKS_BLOCKS_NEON_TEMPLATE_H

#if !defined TM_BLOCK_WEIGHTS || !defined TM_BLOCK_BYTES || !defined TM_BLOCK_SCALE_AT ||          \
    !defined TM_BLOCK_CODE_OFFSET || !defined TM_BLOCK_CODE_MAX ||                                 \
    !defined TM_BLOCK_INNER_SCALES_AT || !defined TM_BLOCK_CODES_16
#error "blocks_neon_template.h: define the macros that its first comment names"
#endif

#include "kernels/blocks/blocks.h"
#include "kernels/panel.h"
#include "kernels/ternary/trit_neon.h"

#include <arm_neon.h>
#include <stdalign.h>

#define QUAD                  4 /* rows whose sums become one vector */
#define TILE_QUADS            4
#define SIXTEENS              (TM_BLOCK_WEIGHTS / 16)           /* of a block */
#define TM_BLOCK_PIECE_BLOCKS (TM_K_WEIGHTS / TM_BLOCK_WEIGHTS) /* of 256 columns */
#define TM_BLOCK_TOKENS_MIN   3                                 /* fewer are not worth a tile */
#define HAS_INNER             (TM_BLOCK_INNER_SCALES_AT >= 0)
#ifdef __ARM_FEATURE_DOTPROD
#define SMALL_CODES 0
#else
/* In int16, a lane adds 2 products for every 16 weights. */
#define SMALL_CODES (!HAS_INNER && TM_BLOCK_CODE_MAX * 127 * 2 * SIXTEENS <= 32767)
_Static_assert(TM_BLOCK_CODE_MAX * 127 * 2 <= 32767, "two products must fit 16 bits");
#endif

/* The products of a row with a token: int16 if those of a block fit, else int32. Not yet added
 * across lanes. */
#if SMALL_CODES
typedef int16x8_t block_sum;
#else
typedef int32x4_t block_sum;
#endif

TM_ALWAYS_INLINE block_sum no_sum(void)
{
#if SMALL_CODES
    return vdupq_n_s16(0);
#else
    return vdupq_n_s32(0);
#endif
}

/* sum + 16 products, all times `inner` where there are such scales. */
TM_ALWAYS_INLINE block_sum add_products(block_sum sum, int8x16_t codes, int8x16_t q, int32_t inner)
{
    (void)inner;
#if defined __ARM_FEATURE_DOTPROD
    if (!HAS_INNER) return vdotq_s32(sum, codes, q);
    return vmlaq_n_s32(sum, vdotq_s32(vdupq_n_s32(0), codes, q), inner);
#elif SMALL_CODES
    return vmlal_high_s8(vmlal_s8(sum, vget_low_s8(codes), vget_low_s8(q)), codes, q);
#else
    int16x8_t products = vmlal_high_s8(vmull_s8(vget_low_s8(codes), vget_low_s8(q)), codes, q);
    if (!HAS_INNER) return vpadalq_s16(sum, products);
    return vmlaq_n_s32(sum, vpaddlq_s16(products), inner);
#endif
}

TM_ALWAYS_INLINE int32x4_t in_32_bits(block_sum sum)
{
#if SMALL_CODES
    return vpaddlq_s16(sum);
#else
    return sum;
#endif
}

/* One block of 4 rows: where it is, or its codes in a tile, [SIXTEENS][QUAD][16]. */
typedef struct block_quad {
    const uint8_t *at[QUAD];
    const int8_t *tile;
    int32_t inner[QUAD][SIXTEENS];
    float32x4_t d;
} block_quad;

TM_ALWAYS_INLINE float32x4_t load_scales(const uint8_t *const *at)
{
    uint16x4_t bits = vdup_n_u16(0);
    const uint16_t *half[QUAD]; /* ld1 needs no alignment */
#pragma GCC unroll 4
    for (int r = 0; r < QUAD; r++)
        half[r] = (const uint16_t *)(const void *)(at[r] + TM_BLOCK_SCALE_AT);
    bits = vld1_lane_u16(half[0], bits, 0);
    bits = vld1_lane_u16(half[1], bits, 1);
    bits = vld1_lane_u16(half[2], bits, 2);
    bits = vld1_lane_u16(half[3], bits, 3);
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
}

/* d and inner of the block at `at`. */
TM_ALWAYS_INLINE void load_factors(block_quad *quad)
{
    quad->d = load_scales(quad->at);
#if HAS_INNER
#pragma GCC unroll 4
    for (int r = 0; r < QUAD; r++) {
        int8x16_t v = vld1q_s8((const int8_t *)quad->at[r] + TM_BLOCK_INNER_SCALES_AT);
        int16x8_t low = vmovl_s8(vget_low_s8(v)), high = vmovl_high_s8(v);
        vst1q_s32(quad->inner[r], vmovl_s16(vget_low_s16(low)));
        vst1q_s32(quad->inner[r] + 4, vmovl_high_s16(low));
        vst1q_s32(quad->inner[r] + 8, vmovl_s16(vget_low_s16(high)));
        vst1q_s32(quad->inner[r] + 12, vmovl_high_s16(high));
    }
#endif
}

/* TM_BLOCK_CODE_OFFSET times the sum of a token's block. */
TM_ALWAYS_INLINE int32_t offset_of(const int32_t *sum)
{
    int32_t total = 0;
    if (TM_BLOCK_CODE_OFFSET != 0)
#pragma GCC unroll 16
        for (int i = 0; i < SIXTEENS; i++) total += sum[i];
    return TM_BLOCK_CODE_OFFSET * total;
}

/* totals[token] += (float)sums of a block * (d * scale). q, sum, scale: of the first token's block;
 * a token has `stride` of q. width and packed are literals. */
TM_ALWAYS_INLINE void add_block(const block_quad *quad, const int8_t *q, size_t stride,
                                const int32_t *sum, const float *scale, float32x4_t *totals,
                                const int width, const bool packed)
{
    block_sum acc[4][QUAD];
#pragma GCC unroll 16
    for (int i = 0; i < QUAD * width; i++) acc[i / QUAD][i % QUAD] = no_sum();
    if (packed) {
#pragma GCC unroll 16
        for (int i = 0; i < SIXTEENS; i++) {
            int8x16_t values[2];
#pragma GCC unroll 2
            for (int t = 0; t < width; t++) values[t] = vld1q_s8(q + (size_t)t * stride + 16 * i);
#pragma GCC unroll 4
            for (int r = 0; r < QUAD; r++) {
                int8x16_t codes = TM_BLOCK_CODES_16(quad->at[r], i);
#pragma GCC unroll 2
                for (int t = 0; t < width; t++)
                    acc[t][r] = add_products(acc[t][r], codes, values[t],
                                             HAS_INNER ? quad->inner[r][i] : 0);
            }
            TM_KEEP_LOADS_BELOW(acc[0][0], acc[width - 1][QUAD - 1]);
            TM_KEEP_LOADS_BELOW(acc[0][1], acc[width - 1][QUAD - 2]);
        }
    } else {
#pragma GCC unroll 2
        for (int i = 0; i < SIXTEENS; i++) {
            int8x16_t codes[QUAD];
#pragma GCC unroll 4
            for (int r = 0; r < QUAD; r++) codes[r] = vld1q_s8(quad->tile + 64 * i + 16 * r);
#pragma GCC unroll 4
            for (int t = 0; t < width; t++) {
                int8x16_t values = vld1q_s8(q + (size_t)t * stride + 16 * i);
#pragma GCC unroll 4
                for (int r = 0; r < QUAD; r++)
                    acc[t][r] = add_products(acc[t][r], codes[r], values,
                                             HAS_INNER ? quad->inner[r][i] : 0);
            }
        }
    }
#pragma GCC unroll 4
    for (int t = 0; t < width; t++) {
        int32x4_t low = vpaddq_s32(in_32_bits(acc[t][0]), in_32_bits(acc[t][1]));
        int32x4_t high = vpaddq_s32(in_32_bits(acc[t][2]), in_32_bits(acc[t][3]));
        int32x4_t sums = vpaddq_s32(low, high);
        float factor = scale[(size_t)t * (stride / TM_BLOCK_WEIGHTS)];
        if (packed && TM_BLOCK_CODE_OFFSET != 0)
            sums = vsubq_s32(sums,
                             vdupq_n_s32(offset_of(sum + (size_t)t * (stride / TM_ACT_SUM_STEP))));
        totals[t] =
            vaddq_f32(totals[t], vmulq_f32(vcvtq_f32_s32(sums), vmulq_n_f32(quad->d, factor)));
    }
}

static inline size_t n_blocks_of(int n_cols)
{
    return ((size_t)n_cols + TM_BLOCK_WEIGHTS - 1) / TM_BLOCK_WEIGHTS;
}

/* Row r of 4; the last row before n stands in for a missing one. */
static inline const uint8_t *row_at(const tm_weight *w, int row, int r, int n)
{
    return (const uint8_t *)w->data +
           (size_t)(row + (r < n ? r : n - 1)) * (n_blocks_of(w->n_cols) * TM_BLOCK_BYTES);
}

static inline void store_rows_of(float *y, float32x4_t total, int n)
{
    float out[QUAD];
    vst1q_f32(out, total);
    memcpy(y, out, (size_t)(n < QUAD ? n : QUAD) * sizeof *out);
}

/* width: a literal. Prefetches the next 4 rows into L2. */
TM_ALWAYS_INLINE void rows_in_place(const tm_weight *w, const tm_act *x, int token, int row, int n,
                                    float *y, const int width)
{
    size_t n_blocks = n_blocks_of(w->n_cols), stride = (size_t)x->stride;
    const int8_t *q = x->i8 + (size_t)token * stride;
    const int32_t *sum = x->sum + (size_t)token * (stride / TM_ACT_SUM_STEP);
    const float *scale = x->scale + (size_t)token * (stride / TM_BLOCK_WEIGHTS);
    float32x4_t totals[2] = {vdupq_n_f32(0), vdupq_n_f32(0)};
    block_quad quad;
    for (int r = 0; r < QUAD; r++) quad.at[r] = row_at(w, row, r, n);
    for (size_t b = 0; b < n_blocks; b++, q += TM_BLOCK_WEIGHTS, sum += SIXTEENS, scale++) {
#pragma GCC unroll 4
        for (int r = 0; r < QUAD; r++)
            for (int line = 0; line < TM_BLOCK_BYTES; line += 64)
                __builtin_prefetch(quad.at[r] + QUAD * n_blocks * TM_BLOCK_BYTES + line, 0, 2);
        load_factors(&quad);
        add_block(&quad, q, stride, sum, scale, totals, width, true);
        for (int r = 0; r < QUAD; r++) quad.at[r] += TM_BLOCK_BYTES;
    }
    for (int t = 0; t < width; t++)
        store_rows_of(y + (size_t)(token + t) * (size_t)w->n_rows + (size_t)row, totals[t], n);
}

/* Codes without their offset. */
static inline void make_tile(const uint8_t *const *at, int8_t *tile)
{
#pragma GCC unroll 16
    for (int i = 0; i < SIXTEENS; i++)
        for (int r = 0; r < QUAD; r++)
            vst1q_s8(tile + 64 * i + 16 * r,
                     vsubq_s8(TM_BLOCK_CODES_16(at[r], i), vdupq_n_s8(TM_BLOCK_CODE_OFFSET)));
}

/* totals[token][row of 16] += a piece of 4 rows. */
TM_ALWAYS_INLINE void add_piece(const block_quad *quads, int n_blocks, const int8_t *q,
                                size_t stride, const float *scale, float *totals, const int width)
{
    float32x4_t total[4];
#pragma GCC unroll 4
    for (int t = 0; t < width; t++) total[t] = vld1q_f32(totals + t * TM_GROUP);
    for (int b = 0; b < n_blocks; b++)
        add_block(quads + b, q + b * TM_BLOCK_WEIGHTS, stride, NULL, scale + b, total, width,
                  false);
#pragma GCC unroll 4
    for (int t = 0; t < width; t++) vst1q_f32(totals + t * TM_GROUP, total[t]);
}

/* Rows row .. row+n-1, at most 16, for tokens token_begin .. token_end-1. */
static void rows_by_tiles(const tm_weight *w, const tm_act *x, int row, int n, int token_begin,
                          int token_end, float *y)
{
    alignas(64) int8_t tile[TILE_QUADS][TM_BLOCK_PIECE_BLOCKS][SIXTEENS * QUAD * 16];
    alignas(64) float totals[TM_PANEL_TOKENS * TM_GROUP];
    block_quad quads[TILE_QUADS][TM_BLOCK_PIECE_BLOCKS];
    size_t n_blocks = n_blocks_of(w->n_cols), stride = (size_t)x->stride;
    int n_quads = (n + QUAD - 1) / QUAD;

    memset(totals, 0, (size_t)(token_end - token_begin) * TM_GROUP * sizeof *totals);
    for (size_t b = 0; b < n_blocks; b += TM_BLOCK_PIECE_BLOCKS) {
        int n_piece =
            n_blocks - b < TM_BLOCK_PIECE_BLOCKS ? (int)(n_blocks - b) : TM_BLOCK_PIECE_BLOCKS;
        for (int i = 0; i < n_quads; i++)
            for (int k = 0; k < n_piece; k++) {
                block_quad *quad = &quads[i][k];
                for (int r = 0; r < QUAD; r++)
                    quad->at[r] =
                        row_at(w, row, QUAD * i + r, n) + (b + (size_t)k) * TM_BLOCK_BYTES;
                load_factors(quad);
                make_tile(quad->at, tile[i][k]);
                quad->tile = tile[i][k];
            }
        for (int t = token_begin; t < token_end;) {
            const int8_t *q = x->i8 + (size_t)t * stride + b * TM_BLOCK_WEIGHTS;
            const float *scale = x->scale + (size_t)t * (stride / TM_BLOCK_WEIGHTS) + b;
            float *to = totals + (t - token_begin) * TM_GROUP;
            int width = token_end - t >= 4 ? 4 : 1;
            for (int i = 0; i < n_quads; i++) {
                if (width == 4)
                    add_piece(quads[i], n_piece, q, stride, scale, to + QUAD * i, 4);
                else
                    add_piece(quads[i], n_piece, q, stride, scale, to + QUAD * i, 1);
            }
            t += width;
        }
    }
    for (int t = token_begin; t < token_end; t++)
        memcpy(y + (size_t)t * (size_t)w->n_rows + (size_t)row,
               totals + (t - token_begin) * TM_GROUP, (size_t)n * sizeof *y);
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    (void)scratch;
    if (x->n_tokens < TM_BLOCK_TOKENS_MIN) {
        for (int row = row_begin; row < row_end; row += QUAD) {
            if (x->n_tokens == 1)
                rows_in_place(w, x, 0, row, row_end - row, y, 1);
            else
                rows_in_place(w, x, 0, row, row_end - row, y, 2);
        }
        return;
    }
    for (int t = 0; t < x->n_tokens; t += TM_PANEL_TOKENS) {
        int end = x->n_tokens - t < TM_PANEL_TOKENS ? x->n_tokens : t + TM_PANEL_TOKENS;
        for (int row = row_begin; row < row_end; row += TM_GROUP)
            rows_by_tiles(w, x, row, row_end - row < TM_GROUP ? row_end - row : TM_GROUP, t, end,
                          y);
    }
}

#define TM_BLOCK_KERNEL(layout, act, suffix, isa_bits, tolerance_value, source_text)               \
    const tm_kernel tm_kernel_##layout##_##act##_##suffix = {                                      \
        .name = #layout "_" #act "_" #suffix,                                                      \
        .format = &tm_format_##layout,                                                             \
        .isa = isa_bits,                                                                           \
        .row_step = 1,                                                                             \
        .tolerance = tolerance_value,                                                              \
        .rows = rows,                                                                              \
        .source = source_text,                                                                     \
    };

#endif
