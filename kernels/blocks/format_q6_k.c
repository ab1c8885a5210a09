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
#include "kernels/blocks/blocks.h"

#include <math.h>

#define TINY 1e-15f /* of llama.cpp: a group below it is zeros */

/* Four floats or sixteen bytes: registers that every machine has. */
typedef float v4 __attribute__((vector_size(16)));
typedef int32_t i4 __attribute__((vector_size(16)));
typedef uint8_t b16 __attribute__((vector_size(16)));

static inline v4 all(float x)
{
    return (v4){x, x, x, x};
}

/* mask ? a : b; a lane of mask is all ones or zeros. */
static inline v4 choose(i4 mask, v4 a, v4 b)
{
    return (v4)((mask & (i4)a) | (~mask & (i4)b));
}

/* Round to nearest even, |x| < 2^22. */
static inline v4 nearest(v4 x)
{
    const v4 magic = all(0x1.8p23f);
    return (x + magic) - magic;
}

static inline v4 clamp_code(v4 code)
{
    const v4 low = all(-32), high = all(31);
    code = choose(code < low, low, code);
    return choose(code > high, high, code);
}

/* codes = x * factor, or x / divisor, rounded: 16 of them, plus 32. */
static void put_codes(const float *x, float factor, float divisor, uint8_t *codes)
{
    for (int i = 0; i < 16; i += 4) {
        v4 value;
        memcpy(&value, x + i, sizeof value);
        value = divisor != 0 ? value / all(divisor) : value * all(factor);
        v4 code = clamp_code(nearest(value)) + all(32);
        for (int k = 0; k < 4; k++) codes[i + k] = (uint8_t)code[k];
    }
}

/* The one of largest magnitude among 16, the first on ties. */
static float largest(const float *x)
{
    const i4 sign = {INT32_MIN, INT32_MIN, INT32_MIN, INT32_MIN};
    v4 most = all(0);
    for (int i = 0; i < 16; i += 4) {
        v4 value;
        memcpy(&value, x + i, sizeof value);
        value = (v4)((i4)value & ~sign);
        most = choose(value > most, value, most);
    }
    float m = most[0];
    for (int k = 1; k < 4; k++) m = most[k] > m ? most[k] : m;
    for (int i = 0; i < 16; i++)
        if (fabsf(x[i]) == m) return x[i];
    return 0; /* only NaN */
}

/* Factors tried for a group: -(32 + 0.1 step) / most for steps -9 .. 9, and one unused lane. */
#define N_STEPS 19
#define N_REGS  5 /* of 4 lanes */
#define EACH(j) _Pragma("GCC unroll 5") for (int j = 0; j < N_REGS; j++)

/* The sums that measure how well the codes of each factor fit, weighted by x^2. Every lane adds in
 * the order of x, as one factor after the other would. A value below 31.5 / 32.9 of the largest
 * stays within -32 .. 31 at every factor. */
static void fit(const float *x, float most, const float *factor, float *sum_lx, float *sum_l2)
{
    const float safe = fabsf(most) * 0.957f;
    v4 f[N_REGS], lx[N_REGS], l2[N_REGS];
    EACH(j) memcpy(&f[j], factor + 4 * j, sizeof f[j]);
    EACH(j) lx[j] = l2[j] = all(0);
    for (int i = 0; i < 16; i++) {
        float weight = x[i] * x[i];
        v4 value = all(x[i]), w = all(weight), wx = all(weight * x[i]);
        if (fabsf(x[i]) < safe) {
            EACH(j)
            {
                v4 code = nearest(f[j] * value);
                lx[j] += wx * code;
                l2[j] += w * code * code;
            }
        } else {
            EACH(j)
            {
                v4 code = clamp_code(nearest(f[j] * value));
                lx[j] += wx * code;
                l2[j] += w * code * code;
            }
        }
    }
    EACH(j) memcpy(sum_lx + 4 * j, &lx[j], sizeof lx[j]);
    EACH(j) memcpy(sum_l2 + 4 * j, &l2[j], sizeof l2[j]);
}

/* The best scale of 16 weights among 19 near the one that makes the largest -32, and the factor
 * that gave its codes. Source: llama.cpp, make_qx_quants. */
static float best_scale(const float *x, float *best_factor)
{
    float most = largest(x), factor[4 * N_REGS], sum_lx[4 * N_REGS], sum_l2[4 * N_REGS];
    *best_factor = 0;
    if (fabsf(most) < TINY) return 0;
    for (int j = 0; j < 4 * N_REGS; j++) factor[j] = -(32 + 0.1f * (float)(j - N_STEPS / 2)) / most;
    fit(x, most, factor, sum_lx, sum_l2);
    int chosen = N_STEPS / 2; /* step 0 first */
    float scale = sum_l2[chosen] != 0 ? sum_lx[chosen] / sum_l2[chosen] : 0;
    float best = scale * sum_lx[chosen];
    for (int j = 0; j < N_STEPS; j++) {
        if (j == N_STEPS / 2) continue;
        if (!(sum_l2[j] > 0 && sum_lx[j] * sum_lx[j] > best * sum_l2[j])) continue;
        chosen = j;
        scale = sum_lx[j] / sum_l2[j];
        best = scale * sum_lx[j];
    }
    *best_factor = factor[chosen];
    return scale;
}

void tm_q6_k_encode(const float *x, uint8_t *block)
{
    uint8_t codes[TM_K_WEIGHTS];
    float scales[16], factors[16], most = 0;
    for (int g = 0; g < 16; g++) {
        scales[g] = best_scale(x + 16 * g, &factors[g]);
        if (fabsf(scales[g]) > fabsf(most)) most = scales[g];
    }
    memset(block, 0, TM_Q6_K_BYTES);
    if (fabsf(most) < TINY) return;
    float inverse = -128.0f / most;
    tm_half bits = tm_half_from_float(1 / inverse);
    memcpy(block + TM_Q6_K_SCALE, &bits, sizeof bits);
    for (int g = 0; g < 16; g++) {
        int scale = (int)nearest(all(inverse * scales[g]))[0];
        block[192 + g] = (uint8_t)(int8_t)(scale < 127 ? scale : 127);
        float d = tm_half_to_float(bits) * (float)(int8_t)block[192 + g];
        put_codes(x + 16 * g, factors[g], d, codes + 16 * g);
    }
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l += 16) {
            b16 c[4], low[2], high;
            for (int g = 0; g < 4; g++) memcpy(&c[g], codes + 128 * h + 32 * g + l, sizeof c[g]);
            for (int g = 0; g < 2; g++) low[g] = (c[g] & 15) | (c[g + 2] << 4);
            high = c[0] >> 4 | c[1] >> 4 << 2 | c[2] >> 4 << 4 | c[3] >> 4 << 6;
            memcpy(block + 64 * h + l, &low[0], sizeof low[0]);
            memcpy(block + 64 * h + 32 + l, &low[1], sizeof low[1]);
            memcpy(block + 128 + 32 * h + l, &high, sizeof high);
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
