/* f16r16 with fmlal (FEAT_FHM), which multiplies halves exactly and adds the products to floats: no
 * weight is converted. For one token an activation is the sum of two halves; prompts are multiplied
 * as in f16r16_fma_neon, since two products of 4 lanes take as long as one conversion for many. */
#define TM_FMA_WEIGHT     TM_FMA_F16
#define TM_FMA_OWN_DECODE 1
#include "kernels/floats/fma_neon_template.h"

#include <math.h>

#define CHAINS 2 /* of columns, x 8 vectors: 4 of 4 rows for each half */
#define COLS   8 /* of an iteration: a vector of activations */

/* x = (high + low / LOW) / scale, with a power of two that brings the largest of a token to
 * 2^14 .. 2^15. Both halves have 11 bits, so that x is rounded by at most 2^-22 of its size; one
 * below 2^-29 of the largest, by at most 2^-50 of the largest. With the 128 sums of a chain, those
 * of 256 pieces and of their halves, that is 4 + 128 + 256 + 4 times 2^-24, of 768 in
 * TM_FLOAT_TOLERANCE. */
#define LOW 0x1p11f

/* The scratch of one token. */
typedef struct halves {
    float16_t *high, *low; /* [n_cols], 0 up to a multiple of COLS */
    float *unscale;        /* 1 / scale */
} halves;

static size_t n_padded(int n_cols)
{
    return tm_round_up((size_t)n_cols, COLS);
}

static halves halves_in(const void *scratch, int n_cols)
{
    float16_t *high = (float16_t *)(uintptr_t)scratch, *low = high + n_padded(n_cols);
    return (halves){high, low, (float *)(void *)(low + n_padded(n_cols))};
}

static float scale_of(const float *x, int n)
{
    float32x4_t most = vdupq_n_f32(0);
    float largest = 0;
    int i = 0, exponent;
    for (; i + 4 <= n; i += 4) most = vmaxq_f32(most, vabsq_f32(vld1q_f32(x + i)));
    largest = vmaxvq_f32(most);
    for (; i < n; i++) largest = fmaxf(largest, fabsf(x[i]));
    if (!(largest > 0) || isinf(largest)) return 1;
    frexpf(largest, &exponent); /* largest = 0.5 .. 1 times 2^exponent */
    return ldexpf(1, exponent < -112 ? 127 : 15 - exponent);
}

static void split(const float *x, size_t n, float scale, float16_t *high, float16_t *low)
{
    for (size_t i = 0; i < n; i += 4) { /* x is padded: TM_ACT_STRIDE_STEP */
        float32x4_t scaled = vmulq_n_f32(vld1q_f32(x + i), scale);
        float16x4_t h = vcvt_f16_f32(scaled);
        float32x4_t rest = vsubq_f32(scaled, vcvt_f32_f16(h));
        vst1_f16(high + i, h);
        vst1_f16(low + i, vcvt_f16_f32(vmulq_n_f32(rest, LOW)));
    }
}

static void decode(const tm_weight *w, const void *scratch, int row_begin, int row_end, float *y)
{
    const halves x = halves_in(scratch, w->n_cols);
    const float unscale = *x.unscale;
    size_t ahead = (size_t)tm_kernel_ahead, n_cols = (size_t)w->n_cols;
    for (int row = row_begin; row < row_end; row += TM_GROUP) {
        const uint8_t *data =
            (const uint8_t *)w->data + (size_t)row / TM_GROUP * n_cols * TM_FMA_UNIT_BYTES;
        float32x4_t total[4];
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) total[i] = vdupq_n_f32(0);
        for (size_t c = 0; c < n_cols;) {
            size_t end =
                n_cols - c < CHAINS * TM_PANEL_UNITS ? n_cols : c + CHAINS * TM_PANEL_UNITS;
            float32x4_t chain[8 * CHAINS]; /* of a column: 4 of high, 4 of low */
#pragma GCC unroll 16
            for (int k = 0; k < 8 * CHAINS; k++) chain[k] = vdupq_n_f32(0);
#define ADD(to, u, v, half, k)                                                                     \
    (to)[0] = vfmlalq_laneq_low_f16((to)[0], u, half, k);                                          \
    (to)[1] = vfmlalq_laneq_high_f16((to)[1], u, half, k);                                         \
    (to)[2] = vfmlalq_laneq_low_f16((to)[2], v, half, k);                                          \
    (to)[3] = vfmlalq_laneq_high_f16((to)[3], v, half, k)
#define COLUMN(k)                                                                                  \
    {                                                                                              \
        const float16_t *at = (const float16_t *)(const void *)data + TM_GROUP * (k);              \
        float16x8_t u = vld1q_f16(at), v = vld1q_f16(at + 8);                                      \
        ADD(chain + (k) % 2 * 8, u, v, high, k);                                                   \
        ADD(chain + (k) % 2 * 8 + 4, u, v, low, k);                                                \
    }
            for (; c + COLS <= end; c += COLS, data += COLS * TM_FMA_UNIT_BYTES) {
                float16x8_t high = vld1q_f16(x.high + c), low = vld1q_f16(x.low + c);
#pragma GCC unroll 4
                for (int line = 0; line < COLS * TM_FMA_UNIT_BYTES; line += 64)
                    __builtin_prefetch(data + ahead + line);
                COLUMN(0)
                COLUMN(1)
                COLUMN(2)
                COLUMN(3)
                COLUMN(4)
                COLUMN(5)
                COLUMN(6)
                COLUMN(7)
            }
            for (; c < end; c++, data += TM_FMA_UNIT_BYTES) { /* the last columns */
                float16x8_t high = vdupq_n_f16(x.high[c]), low = vdupq_n_f16(x.low[c]);
                COLUMN(0)
            }
#undef COLUMN
#undef ADD
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++) {
                float32x4_t high = vaddq_f32(chain[i], chain[i + 8]),
                            low = vaddq_f32(chain[i + 4], chain[i + 12]);
                total[i] = vaddq_f32(total[i], vfmaq_n_f32(high, low, 1 / LOW));
            }
        }
        float piece[TM_GROUP];
        int n = row_end - row;
        float *to = n >= TM_GROUP ? y + row : piece;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) vst1q_f32(to + 4 * i, vmulq_n_f32(total[i], unscale));
        if (n < TM_GROUP) memcpy(y + row, piece, (size_t)n * sizeof *y);
    }
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    if (n_tokens > 1) return tm_panel_size(&ops, n_cols, n_tokens);
    return tm_round_up(2 * n_padded(n_cols) * sizeof(float16_t) + sizeof(float), 64);
}

static void prepare_part(const tm_act *x, void *scratch, int part, int n_parts)
{
    if (x->n_tokens > 1) {
        tm_panel_prepare(&ops, x, scratch, part, n_parts);
        return;
    }
    const halves to = halves_in(scratch, x->n_cols);
    size_t n = n_padded(x->n_cols), pieces = n / COLS;
    size_t begin = pieces * (size_t)part / (size_t)n_parts * COLS,
           end = pieces * ((size_t)part + 1) / (size_t)n_parts * COLS;
    float scale = scale_of(x->f32, x->n_cols);
    split(x->f32 + begin, end - begin, scale, to.high + begin, to.low + begin);
    if (part == 0) *to.unscale = 1 / scale;
}

static void prepare(const tm_act *x, void *scratch)
{
    prepare_part(x, scratch, 0, 1);
}

static void rows(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,
                 int row_end, float *y)
{
    if (x->n_tokens == 1)
        decode(w, scratch, row_begin, row_end, y);
    else
        tm_panel_rows(&ops, w, x, scratch, row_begin, row_end, y);
}

const tm_kernel tm_kernel_f16r16_fma_fhm = {
    .name = "f16r16_fma_fhm",
    .format = &tm_format_f16r16,
    .isa = TM_ISA_NEON | TM_ISA_FHM,
    .row_step = TM_GROUP,
    .tolerance = TM_FLOAT_TOLERANCE,
    .scratch_size = scratch_size,
    .prepare = prepare,
    .prepare_part = prepare_part,
    .rows = rows,
    .source = "panels as in BLIS (Van Zee, van de Geijn 2015), fmlal",
};
