/* TQ1_0 and TQ2_0 of llama.cpp: ternary weights, 256 to a block with one half-precision scale. */
#include "kernels/blocks/blocks.h"

#include <math.h>

/* Source: llama.cpp's reference quantizers of TQ1_0 and TQ2_0: weights are multiplied with the
 * reciprocal of the largest magnitude before it is rounded to a half. */
static void ternary_codes(const float *x, uint8_t *codes, uint8_t *scale)
{
    float most = 0;
    for (int i = 0; i < TM_K_WEIGHTS; i++)
        if (fabsf(x[i]) > most) most = fabsf(x[i]);
    float inverse = most > 0 ? 1 / most : 0;
    for (int i = 0; i < TM_K_WEIGHTS; i++) codes[i] = (uint8_t)(lroundf(x[i] * inverse) + 1);
    tm_half bits = tm_half_from_float(most);
    memcpy(scale, &bits, sizeof bits);
}

static void scaled(const int8_t *codes, float scale, float *x)
{
    for (int i = 0; i < TM_K_WEIGHTS; i++) x[i] = (float)codes[i] * scale;
}

/* tq1_0: five trits a byte.
 *
 *   byte    0          32         48     52
 *         +----------+----------+------+------+
 *         | qs       | qs       | qh   | d    |   54 bytes, 256 weights
 *         +----------+----------+------+------+
 *   trits   m, 32 + m, 64 + m, 96 + m, 128 + m of qs[m], m < 32, most significant first
 *                      160 + m, 176 + m, 192 + m, 208 + m, 224 + m of qs[32 + m], m < 16
 *                                 240 + m, 244 + m, 248 + m, 252 + m, none of qh[m], m < 4
 *
 * A byte is the number v = sum trit_k 3^(4-k) as a fraction of 243, rounded up: ceil(256 v / 243).
 * byte * 3^k mod 256 keeps the fraction that trit k leads; times 3, its integer part is the trit.
 */
static int tq1_0_code(uint8_t byte, int k)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    uint8_t fraction = (uint8_t)(byte * powers[k]);
    return fraction * 3 >> 8;
}

static uint8_t pack_243(const uint8_t *codes, int stride, int n)
{
    int value = 0;
    for (int k = 0; k < 5; k++) value = 3 * value + (k < n ? codes[k * stride] : 0);
    return (uint8_t)((value * 256 + 242) / 243);
}

void tm_tq1_0_encode(const float *x, uint8_t *block)
{
    uint8_t codes[TM_K_WEIGHTS];
    ternary_codes(x, codes, block + TM_TQ1_0_SCALE);
    for (int m = 0; m < 32; m++) block[m] = pack_243(codes + m, 32, 5);
    for (int m = 0; m < 16; m++) block[32 + m] = pack_243(codes + 160 + m, 16, 5);
    for (int m = 0; m < 4; m++) block[48 + m] = pack_243(codes + 240 + m, 4, 4);
}

void tm_tq1_0_codes(const uint8_t *block, int8_t *codes)
{
    for (int k = 0; k < 5; k++)
        for (int m = 0; m < 32; m++) codes[32 * k + m] = (int8_t)(tq1_0_code(block[m], k) - 1);
    for (int k = 0; k < 5; k++)
        for (int m = 0; m < 16; m++)
            codes[160 + 16 * k + m] = (int8_t)(tq1_0_code(block[32 + m], k) - 1);
    for (int k = 0; k < 4; k++)
        for (int m = 0; m < 4; m++)
            codes[240 + 4 * k + m] = (int8_t)(tq1_0_code(block[48 + m], k) - 1);
}

void tm_tq1_0_decode(const uint8_t *block, float *x)
{
    int8_t codes[TM_K_WEIGHTS];
    tm_tq1_0_codes(block, codes);
    scaled(codes, tm_block_half(block + TM_TQ1_0_SCALE), x);
}

TM_BLOCK_FORMAT(tq1_0, TM_ACT_Q8K, TM_K_WEIGHTS, TM_TQ1_0_BYTES, true, "llama.cpp TQ1_0")

/* tq2_0: two bits a trit, the first 32 of each 128 in the lowest bits.
 *
 *   byte    0                  32                    64     66
 *         +------------------+---------------------+------+
 *         | 0 .. 127         | 128 .. 255          | d    |
 *         +------------------+---------------------+------+
 *   bits    7 6      5 4     3 2     1 0
 *           96 + m   64 + m  32 + m  m        of byte m; code = trit + 1
 */
void tm_tq2_0_encode(const float *x, uint8_t *block)
{
    uint8_t codes[TM_K_WEIGHTS];
    ternary_codes(x, codes, block + TM_TQ2_0_SCALE);
    for (int h = 0; h < 2; h++)
        for (int m = 0; m < 32; m++) {
            const uint8_t *c = codes + 128 * h + m;
            block[32 * h + m] = (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
        }
}

void tm_tq2_0_codes(const uint8_t *block, int8_t *codes)
{
    for (int h = 0; h < 2; h++)
        for (int g = 0; g < 4; g++)
            for (int m = 0; m < 32; m++)
                codes[128 * h + 32 * g + m] = (int8_t)((block[32 * h + m] >> 2 * g & 3) - 1);
}

void tm_tq2_0_decode(const uint8_t *block, float *x)
{
    int8_t codes[TM_K_WEIGHTS];
    tm_tq2_0_codes(block, codes);
    scaled(codes, tm_block_half(block + TM_TQ2_0_SCALE), x);
}

TM_BLOCK_FORMAT(tq2_0, TM_ACT_Q8K, TM_K_WEIGHTS, TM_TQ2_0_BYTES, true, "llama.cpp TQ2_0")
