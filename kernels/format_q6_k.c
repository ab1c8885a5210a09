/* q6_k: Q6_K of llama.cpp, 256 weights of 6 bits with an int8 scale for each 16 of them.
 *
 *   byte    0            128          192           208    210
 *         +------------+------------+-------------+------+
 *         | ql         | qh         | scales      | d    |
 *         +------------+------------+-------------+------+
 *
 * Weight 128 h + 32 g + l has its low four bits in ql[64 h + 32 (g & 1) + l], low half for g < 2,
 * and its high two in bits 2g, 2g + 1 of qh[32 h + l]; w = d * scales[i / 16] * (code - 32).
 */
#include <math.h>

#include "kernels/blocks.h"

#define TINY 1e-15f /* of llama.cpp: a group below it is zeros */

/* Round to nearest even, |x| < 2^22. */
static int nearest(float x)
{
    return (int)(tm_bits_from_float(x + 0x1.8p23f) & 0x007fffff) - 0x00400000;
}

static int clamp_code(int code)
{
    return code < -32 ? -32 : code > 31 ? 31 : code;
}

/* The sums that tell how well codes at this factor fit, weighted with x^2. */
static void fit(const float *x, float factor, float *sum_lx, float *sum_l2)
{
    *sum_lx = *sum_l2 = 0;
    for (int i = 0; i < 16; i++) {
        float code = (float)clamp_code(nearest(factor * x[i])), weight = x[i] * x[i];
        *sum_lx += weight * x[i] * code;
        *sum_l2 += weight * code * code;
    }
}

/* The best scale of 16 weights among 19 near the one that makes the largest -32. Source: llama.cpp,
 * make_qx_quants. */
static float best_scale(const float *x, int8_t *codes)
{
    float most = 0, sum_lx, sum_l2;
    for (int i = 0; i < 16; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    memset(codes, 0, 16);
    if (fabsf(most) < TINY) return 0;
    float factor = -32 / most;
    fit(x, factor, &sum_lx, &sum_l2);
    float scale = sum_l2 != 0 ? sum_lx / sum_l2 : 0, best = scale * sum_lx;
    for (int step = -9; step <= 9; step++) {
        float other = -(32 + 0.1f * (float)step) / most;
        if (step == 0) continue;
        fit(x, other, &sum_lx, &sum_l2);
        if (!(sum_l2 > 0 && sum_lx * sum_lx > best * sum_l2)) continue;
        factor = other;
        scale = sum_lx / sum_l2;
        best = scale * sum_lx;
    }
    for (int i = 0; i < 16; i++) codes[i] = (int8_t)clamp_code(nearest(factor * x[i]));
    return scale;
}

void tm_q6_k_encode(const float *x, uint8_t *block)
{
    int8_t codes[TM_K_WEIGHTS];
    float scales[16], most = 0;
    for (int g = 0; g < 16; g++) {
        scales[g] = best_scale(x + 16 * g, codes + 16 * g);
        if (fabsf(scales[g]) > fabsf(most)) most = scales[g];
    }
    memset(block, 0, TM_Q6_K_BYTES);
    if (fabsf(most) < TINY) return;
    float inverse = -128.0f / most;
    tm_half bits = tm_half_from_float(1 / inverse);
    memcpy(block + TM_Q6_K_SCALE, &bits, sizeof bits);
    for (int g = 0; g < 16; g++) {
        int scale = nearest(inverse * scales[g]);
        block[192 + g] = (uint8_t)(int8_t)(scale < 127 ? scale : 127);
        float d = tm_half_to_float(bits) * (float)(int8_t)block[192 + g];
        for (int i = 16 * g; d != 0 && i < 16 * g + 16; i++)
            codes[i] = (int8_t)clamp_code(nearest(x[i] / d));
    }
    for (int i = 0; i < TM_K_WEIGHTS; i++) {
        int code = codes[i] + 32, h = i / 128, g = i % 128 / 32, l = i % 32;
        block[64 * h + 32 * (g & 1) + l] |= (uint8_t)((code & 15) << 4 * (g >> 1));
        block[128 + 32 * h + l] |= (uint8_t)(code >> 4 << 2 * g);
    }
}

void tm_q6_k_codes(const uint8_t *block, int8_t *codes)
{
    for (int h = 0; h < 2; h++)
        for (int g = 0; g < 4; g++) {
            const uint8_t *ql = block + 64 * h + 32 * (g & 1), *qh = block + 128 + 32 * h;
            for (int l = 0; l < 32; l++)
                codes[128 * h + 32 * g + l] =
                    (int8_t)((ql[l] >> 4 * (g >> 1) & 15) + 16 * (qh[l] >> 2 * g & 3) - 32);
        }
}

void tm_q6_k_decode(const uint8_t *block, float *x)
{
    int8_t codes[TM_K_WEIGHTS];
    const int8_t *scales = (const int8_t *)block + 192;
    float d = tm_block_half(block + TM_Q6_K_SCALE);
    tm_q6_k_codes(block, codes);
    for (int i = 0; i < TM_K_WEIGHTS; i++) x[i] = d * (float)scales[i / 16] * (float)codes[i];
}

TM_BLOCK_FORMAT(q6_k, TM_ACT_Q8K, TM_K_WEIGHTS, TM_Q6_K_BYTES, false, "llama.cpp Q6_K")
