#include "engine/gguf_private.h"
#include "kernels/blocks/blocks.h"

#include <assert.h>
#include <math.h>

static void store_bf16(uint8_t *out, float value)
{
    tm_bf16 bits = tm_bf16_from_float(value);
    memcpy(out, &bits, sizeof bits);
}

static void store_half(uint8_t *out, float value)
{
    tm_half bits = tm_half_from_float(value);
    memcpy(out, &bits, sizeof bits);
}

/* By sign; magnitudes below 1e-6 become zero. Source: bitnet.cpp. */
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

/* Source: llama.cpp, quantize_row_q2_0_ref. */
static void encode_q2_0(const float *x, uint8_t *out)
{
    float most = 0;
    for (int i = 0; i < 64; i++) most = fmaxf(most, fabsf(x[i]));
    float inverse = most > 0 ? 1 / most : 0;
    store_half(out, most);
    for (int i = 0; i < 64; i++) {
        float code = roundf(x[i] * inverse) + 1;
        int shift = 2 * (i % 4);
        uint8_t bits = (uint8_t)(code < 0 ? 0 : code > 3 ? 3 : code);
        if (shift == 0) out[2 + i / 4] = 0;
        out[2 + i / 4] |= (uint8_t)(bits << shift);
    }
}

void tm_gguf_write_floats(tm_gguf_type type, const float *values, int64_t ne0, int64_t n_rows,
                          int64_t row_begin, int64_t row_end, float scale, uint8_t *out)
{
    int n_weights = 1, n_bytes = 1;
    bool known = tm_gguf_block(type, &n_weights, &n_bytes);
    assert(known && ne0 % n_weights == 0);
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
        case TM_GGUF_BF16:
            store_bf16(block, *values);
            break;
        case TM_GGUF_TQ1_0:
            tm_tq1_0_encode(values, block);
            break;
        case TM_GGUF_TQ2_0:
            tm_tq2_0_encode(values, block);
            break;
        case TM_GGUF_I2_S:
            encode_i2_s(values, block);
            break;
        case TM_GGUF_Q2_0:
            encode_q2_0(values, block);
            break;
        case TM_GGUF_Q8_0:
            tm_q8_0_encode(values, block);
            break;
        case TM_GGUF_Q4_0:
            tm_q4_0_encode(values, block);
            break;
        case TM_GGUF_Q6_K:
            tm_q6_k_encode(values, block);
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
