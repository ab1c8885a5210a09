/* Q8_0 and Q4_0 of llama.cpp: 32 weights to a block with one half-precision scale before them.
 *
 *   byte    0     2                                34
 *         +------+----------------------------------+
 *   q8_0  | d    | 32 x int8                        |   w = d q
 *         +------+----------------+-----------------+
 *   q4_0  | d    | 16 x 2 nibbles |                     w = d (nibble - 8)
 *         +------+----------------+
 *
 * Byte j of the nibbles holds weight j in its low and weight j + 16 in its high half.
 */
#include "kernels/blocks/blocks.h"

#include <math.h>

static void store_half(float value, uint8_t *at)
{
    tm_half bits = tm_half_from_float(value);
    memcpy(at, &bits, sizeof bits);
}

/* The one of largest magnitude, the first on ties. */
static float largest(const float *x)
{
    float most = 0;
    for (int i = 0; i < TM_Q_WEIGHTS; i++)
        if (fabsf(x[i]) > fabsf(most)) most = x[i];
    return most;
}

void tm_q8_0_encode(const float *x, uint8_t *block)
{
    float scale = fabsf(largest(x)) / 127, inverse = scale > 0 ? 1 / scale : 0;
    store_half(scale, block);
    for (int i = 0; i < TM_Q_WEIGHTS; i++) block[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

void tm_q8_0_decode(const uint8_t *block, float *x)
{
    float scale = tm_block_half(block);
    for (int i = 0; i < TM_Q_WEIGHTS; i++) x[i] = (float)(int8_t)block[2 + i] * scale;
}

TM_BLOCK_FORMAT(q8_0, TM_ACT_Q80, TM_Q_WEIGHTS, TM_Q8_0_BYTES, false, "llama.cpp Q8_0")

static uint8_t q4_0_code(float x)
{
    int code = (int)(x + 8.5f);
    return (uint8_t)(code < 15 ? code : 15);
}

/* Source: llama.cpp: the weight of largest magnitude becomes -8. */
void tm_q4_0_encode(const float *x, uint8_t *block)
{
    float scale = largest(x) / -8, inverse = scale != 0 ? 1 / scale : 0;
    store_half(scale, block);
    for (int j = 0; j < 16; j++)
        block[2 + j] = (uint8_t)(q4_0_code(x[j] * inverse) | q4_0_code(x[j + 16] * inverse) << 4);
}

void tm_q4_0_decode(const uint8_t *block, float *x)
{
    float scale = tm_block_half(block);
    for (int j = 0; j < 16; j++) {
        x[j] = (float)((block[2 + j] & 15) - 8) * scale;
        x[j + 16] = (float)((block[2 + j] >> 4) - 8) * scale;
    }
}

TM_BLOCK_FORMAT(q4_0, TM_ACT_Q80, TM_Q_WEIGHTS, TM_Q4_0_BYTES, false, "llama.cpp Q4_0")
