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

static float largest(const float *x, int64_t n)
{
    float most = 0;
    for (int64_t i = 0; i < n; i++) most = fmaxf(most, fabsf(x[i]));
    return most;
}

/* Source: llama.cpp, quantize_row_q2_0_ref; PrismML, PQ2_0 with n = 128. */
static void encode_q2_0(const float *x, int n, uint8_t *out)
{
    float most = largest(x, n);
    float inverse = most > 0 ? 1 / most : 0;
    store_half(out, most);
    for (int i = 0; i < n; i++) {
        float code = roundf(x[i] * inverse) + 1;
        int shift = 2 * (i % 4);
        uint8_t bits = (uint8_t)(code < 0 ? 0 : code > 3 ? 3 : code);
        if (shift == 0) out[2 + i / 4] = 0;
        out[2 + i / 4] |= (uint8_t)(bits << shift);
    }
}

/* Source: llama.cpp, quantize_row_q1_0_ref. */
static void encode_q1_0(const float *x, uint8_t *out)
{
    float sum = 0;
    for (int i = 0; i < 128; i++) sum += fabsf(x[i]);
    store_half(out, sum / 128);
    memset(out + 2, 0, 16);
    for (int i = 0; i < 128; i++) out[2 + i / 8] |= (uint8_t)((x[i] >= 0) << i % 8);
}

/* A number of five digits of base 3 as the byte whose multiples by powers of 3 give the digits. */
static uint8_t byte_of_trits(int value)
{
    return (uint8_t)((value * 256 + 242) / 243);
}

/* As PrismML's PTQ1_0 is read: trit k of byte m is weight k n_bytes + m. */
static void pack_trits(const float *x, float inverse, int n_bytes, int n_trits, uint8_t *out)
{
    for (int m = 0; m < n_bytes; m++) {
        int value = 0;
        for (int k = 0; k < 5; k++)
            value = value * 3 + (k < n_trits ? (int)roundf(x[k * n_bytes + m] * inverse) + 1 : 0);
        out[m] = byte_of_trits(value);
    }
}

static void encode_ptq1_0(const float *x, uint8_t *out)
{
    float most = largest(x, 128), inverse = most > 0 ? 1 / most : 0;
    pack_trits(x, inverse, 16, 5, out);
    pack_trits(x + 80, inverse, 8, 5, out + 16);
    pack_trits(x + 120, inverse, 2, 4, out + 24);
    store_half(out + 26, most);
}

/* By sign; magnitudes below half of the row's largest become zero. Source: ik_llama.cpp. */
static int row_code(float x, float most)
{
    return fabsf(x) < most / 2 || most == 0 ? 1 : x > 0 ? 2 : 0;
}

/* The order of weights is that of iq2_bn_codes and iq1_bn_codes. */
static void encode_iq2_bn(const float *x, float most, uint8_t *out)
{
    for (int j = 0; j < 16; j++)
        out[j] = (uint8_t)(row_code(x[j], most) | row_code(x[j + 16], most) << 2 |
                           row_code(x[j + 32], most) << 4 | row_code(x[j + 48], most) << 6);
}

static void encode_iq1_bn(const float *x, float most, uint8_t *out)
{
    int last = 0;
    for (int i = 3; i >= 0; i--) {
        for (int k = 0; k < 3; k++) {
            int value = 0;
            for (int j = 4; j >= 0; j--) value = value * 3 + row_code(x[16 * i + 5 * k + j], most);
            out[3 * i + k] = byte_of_trits(value);
        }
        last = last * 3 + row_code(x[16 * i + 15], most);
    }
    out[12] = byte_of_trits(last);
}

static void store_row_scale(tm_gguf_type type, float scale, uint8_t *out)
{
    if (type == TM_GGUF_IQ1_BN)
        store_half(out, scale);
    else
        memcpy(out, &scale, sizeof scale);
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
    int head = tm_gguf_row_head(type);
    float most = 0; /* of a row, in types whose rows begin with a scale */
    for (int64_t i = begin; i < end; i++, values += n_weights) {
        int64_t row = head ? i * n_weights / ne0 : 0;
        uint8_t *block = out + i * n_bytes + (row + 1) * head;
        if (head && i * n_weights % ne0 == 0) {
            most = largest(values, ne0);
            store_row_scale(type, most, block - head);
        }
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
        case TM_GGUF_PQ2_0:
            encode_q2_0(values, n_weights, block);
            break;
        case TM_GGUF_PTQ1_0:
            encode_ptq1_0(values, block);
            break;
        case TM_GGUF_Q1_0:
            encode_q1_0(values, block);
            break;
        case TM_GGUF_IQ1_BN:
            encode_iq1_bn(values, most, block);
            break;
        case TM_GGUF_IQ2_BN:
            encode_iq2_bn(values, most, block);
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
