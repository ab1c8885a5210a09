#include "engine/gguf_private.h"
#include "kernels/half.h"

#include <assert.h>
#include <math.h>

static void store_half(uint8_t *out, float value)
{
    tm_half bits = tm_half_from_float(value);
    memcpy(out, &bits, sizeof bits);
}

static float absmax(const float *x, int n)
{
    float most = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > most) most = fabsf(x[i]);
    return most;
}

/* Source: llama.cpp's reference quantizers of TQ1_0 and TQ2_0: weights are multiplied with the
 * reciprocal of the largest magnitude before it is rounded to a half. */
static void ternary_codes(const float *x, uint8_t *codes, float *scale)
{
    *scale = absmax(x, 256);
    float inverse = *scale > 0 ? 1 / *scale : 0;
    for (int i = 0; i < 256; i++) codes[i] = (uint8_t)(lroundf(x[i] * inverse) + 1);
}

/* Five codes as a fraction of 243, rounded up so that the reader's multiplications give them
 * back. */
static uint8_t pack_243(const uint8_t *codes, int stride, int n)
{
    int value = 0;
    for (int k = 0; k < 5; k++) value = 3 * value + (k < n ? codes[k * stride] : 0);
    return (uint8_t)((value * 256 + 242) / 243);
}

static void encode_tq1_0(const float *x, uint8_t *out)
{
    uint8_t codes[256];
    float scale;
    ternary_codes(x, codes, &scale);
    for (int m = 0; m < 32; m++) out[m] = pack_243(codes + m, 32, 5);
    for (int m = 0; m < 16; m++) out[32 + m] = pack_243(codes + 160 + m, 16, 5);
    for (int m = 0; m < 4; m++) out[48 + m] = pack_243(codes + 240 + m, 4, 4);
    store_half(out + 52, scale);
}

static void encode_tq2_0(const float *x, uint8_t *out)
{
    uint8_t codes[256];
    float scale;
    ternary_codes(x, codes, &scale);
    for (int h = 0; h < 2; h++)
        for (int m = 0; m < 32; m++) {
            const uint8_t *c = codes + 128 * h + m;
            out[32 * h + m] = (uint8_t)(c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6);
        }
    store_half(out + 64, scale);
}

/* Source: bitnet.cpp: by sign, what is below 1e-6 becomes zero. */
static uint8_t i2_s_code(float x)
{
    return fabs((double)x) < 1e-6 ? 1 : x > 0 ? 2 : 0;
}

static void encode_i2_s(const float *x, uint8_t *out)
{
    for (int m = 0; m < 32; m++)
        out[m] = (uint8_t)(i2_s_code(x[m]) << 6 | i2_s_code(x[m + 32]) << 4 |
                           i2_s_code(x[m + 64]) << 2 | i2_s_code(x[m + 96]));
}

static void encode_q8_0(const float *x, uint8_t *out)
{
    float scale = absmax(x, 32) / 127, inverse = scale > 0 ? 1 / scale : 0;
    store_half(out, scale);
    for (int i = 0; i < 32; i++) out[2 + i] = (uint8_t)(int8_t)roundf(x[i] * inverse);
}

static uint8_t q4_0_code(float x)
{
    int code = (int)(x + 8.5f);
    return (uint8_t)(code < 15 ? code : 15);
}

/* Source: llama.cpp: the weight of largest magnitude, the first one on ties, becomes -8. */
static void encode_q4_0(const float *x, uint8_t *out)
{
    float largest = 0;
    for (int i = 0; i < 32; i++)
        if (fabsf(x[i]) > fabsf(largest)) largest = x[i];
    float scale = largest / -8, inverse = scale != 0 ? 1 / scale : 0;
    store_half(out, scale);
    for (int j = 0; j < 16; j++)
        out[2 + j] = (uint8_t)(q4_0_code(x[j] * inverse) | q4_0_code(x[j + 16] * inverse) << 4);
}

void tm_gguf_write_floats(tm_gguf_type type, const float *values, int64_t ne0, int64_t n_rows,
                          int64_t row_begin, int64_t row_end, float scale, uint8_t *out)
{
    int n_weights = 1, n_bytes = 1;
    bool known = tm_gguf_block(type, &n_weights, &n_bytes);
    assert(known && type != TM_GGUF_BF16 && type != TM_GGUF_Q6_K && ne0 % n_weights == 0);
    assert(0 <= row_begin && row_begin <= row_end && row_end <= n_rows);
    (void)known;
    int64_t begin = row_begin * ne0 / n_weights, end = row_end * ne0 / n_weights;
    for (int64_t i = begin; i < end; i++, values += n_weights) {
        uint8_t *block = out + i * n_bytes;
        switch (type) {
        case TM_GGUF_F32:
            memcpy(block, values, 4);
            break;
        case TM_GGUF_F16:
            store_half(block, *values);
            break;
        case TM_GGUF_TQ1_0:
            encode_tq1_0(values, block);
            break;
        case TM_GGUF_TQ2_0:
            encode_tq2_0(values, block);
            break;
        case TM_GGUF_I2_S:
            encode_i2_s(values, block);
            break;
        case TM_GGUF_Q8_0:
            encode_q8_0(values, block);
            break;
        case TM_GGUF_Q4_0:
            encode_q4_0(values, block);
            break;
        default:
            break;
        }
    }
    if (type == TM_GGUF_I2_S && row_end == n_rows) {
        uint8_t *tail = out + n_rows * ne0 / n_weights * n_bytes;
        memset(tail, 0, 32);
        memcpy(tail, &scale, sizeof scale);
    }
}
