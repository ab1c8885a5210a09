/* The codes of ternary types, block by block. */
#include "engine/gguf_private.h"
#include "kernels/blocks/blocks.h"

typedef enum i2_s_layout { GROUPS_OF_128, GROUPS_OF_64, GROUPS_OF_4, ROWS } i2_s_layout;

static const char *const layout_names[] = {
    [GROUPS_OF_128] = "128", [GROUPS_OF_64] = "64", [GROUPS_OF_4] = "4", [ROWS] = "rows", NULL};

static i2_s_layout layout = GROUPS_OF_128;

const char *const *tm_gguf_i2_s_layout_names(void)
{
    return layout_names;
}

static bool find_layout(const char *name, i2_s_layout *out)
{
    for (int i = 0; layout_names[i]; i++) {
        if (strcmp(layout_names[i], name) != 0) continue;
        *out = (i2_s_layout)i;
        return true;
    }
    return false;
}

bool tm_gguf_set_i2_s_layout(const char *name)
{
    return find_layout(name, &layout);
}

const char *tm_gguf_i2_s_layout(void)
{
    return layout_names[layout];
}

bool tm_gguf_i2_s_fits(const tm_gguf_tensor *tensor)
{
    return layout != ROWS || tm_gguf_rows(tensor) % 4 == 0;
}

/* Groups of 4 n weights in n bytes, the first quarter in the top bits. n is constant in every call,
 * so that the inlined loops are fast. */
static inline void i2_s_groups(const uint8_t *block, int n, int8_t *out)
{
    for (int group = 0; group < 32 / n; group++, block += n)
        for (int quarter = 0; quarter < 4; quarter++)
            for (int m = 0; m < n; m++) *out++ = (int8_t)((block[m] >> (6 - 2 * quarter) & 3) - 1);
}

/* The first of four rows is in the top bits. The weights may go on in the next row. */
static void i2_s_of_rows(const tm_gguf_tensor *tensor, int64_t first, int8_t *out)
{
    int64_t row = first / tensor->ne[0], col = first % tensor->ne[0];
    for (int i = 0; i < TM_I2_S_CODES; i++) {
        uint8_t byte = tensor->data[row / 4 * tensor->ne[0] + col];
        out[i] = (int8_t)((byte >> (6 - 2 * (row % 4)) & 3) - 1);
        if (++col == tensor->ne[0]) col = 0, row++;
    }
}

void tm_gguf_i2_s_pack(const char *name, uint8_t *data, size_t n_bytes, int64_t ne0, int8_t *codes)
{
    /* Four rows are a group of ne0 bytes. */
    const size_t group_bytes[] = {
        [GROUPS_OF_128] = 32, [GROUPS_OF_64] = 16, [GROUPS_OF_4] = 1, [ROWS] = (size_t)ne0};
    i2_s_layout to = GROUPS_OF_128;
    find_layout(name, &to);
    size_t n = group_bytes[to], unit = n > 32 ? n : 32;
    for (uint8_t *at = data; at < data + n_bytes; at += unit) {
        const int8_t *in = codes;
        for (size_t i = 0; i < unit; i += 32) i2_s_groups(at + i, 32, codes + 4 * i);
        for (size_t i = 0; i < unit; i += n, in += 4 * n)
            for (size_t m = 0; m < n; m++)
                at[i + m] = (uint8_t)((in[m] + 1) << 6 | (in[n + m] + 1) << 4 |
                                      (in[2 * n + m] + 1) << 2 | (in[3 * n + m] + 1));
    }
}

void tm_gguf_i2_s_codes(const tm_gguf_tensor *tensor, int64_t index, int8_t *out)
{
    const uint8_t *block = tensor->data + index * TM_I2_S_CODES / 4;
    switch (layout) {
    case GROUPS_OF_128:
        i2_s_groups(block, 32, out);
        break;
    case GROUPS_OF_64:
        i2_s_groups(block, 16, out);
        break;
    case GROUPS_OF_4:
        i2_s_groups(block, 1, out);
        break;
    case ROWS:
        i2_s_of_rows(tensor, index * TM_I2_S_CODES, out);
        break;
    }
}

/* Four weights a byte, the first in the lowest bits. Source: llama.cpp, Q2_0; PrismML, PQ2_0. */
static void q2_0_codes(const uint8_t *bytes, int n, int8_t *out)
{
    for (int i = 0; i < n; i++) out[i] = (int8_t)((bytes[i / 4] >> 2 * (i % 4) & 3) - 1);
}

/* Eight signs a byte, the first in the lowest bit. Source: llama.cpp, Q1_0. */
static void q1_0_codes(const uint8_t *bytes, int n, int8_t *out)
{
    for (int i = 0; i < n; i++) out[i] = bytes[i / 8] >> i % 8 & 1 ? 1 : -1;
}

/* n_bytes bytes of n_trits trits each, most significant first, as in TQ1_0: trit k of byte m is
 * weight k n_bytes + m. */
static void trits_of(const uint8_t *bytes, int n_bytes, int n_trits, int8_t *out)
{
    static const uint8_t powers[5] = {1, 3, 9, 27, 81};
    for (int k = 0; k < n_trits; k++)
        for (int m = 0; m < n_bytes; m++)
            *out++ = (int8_t)(((uint8_t)(bytes[m] * powers[k]) * 3 >> 8) - 1);
}

/* 16 bytes with weights 0 .. 79, 8 with 80 .. 119, 2 with 120 .. 127. Source: PrismML, PTQ1_0. */
static void ptq1_0_codes(const uint8_t *block, int8_t *out)
{
    trits_of(block, 16, 5, out);
    trits_of(block + 16, 8, 5, out + 80);
    trits_of(block + 24, 2, 4, out + 120);
}

/* Byte j has weights j, 16 + j, 32 + j, 48 + j, the first in the lowest bits. Source: ik_llama.cpp,
 * IQ2_BN. */
static void iq2_bn_codes(const uint8_t *block, int8_t *out)
{
    for (int group = 0; group < 4; group++)
        for (int j = 0; j < 16; j++) *out++ = (int8_t)((block[j] >> 2 * group & 3) - 1);
}

/* Byte 3 i + k has weights 16 i + 5 k .. + 4, the first least significant; the last byte has weight
 * 15 of every 16. Source: ik_llama.cpp, IQ1_BN. */
static void iq1_bn_codes(const uint8_t *block, int8_t *out)
{
    int last = block[12] * 243 >> 8;
    for (int i = 0; i < 4; i++) {
        for (int k = 0; k < 3; k++) {
            int value = block[3 * i + k] * 243 >> 8;
            for (int j = 0; j < 5; j++, value /= 3)
                out[16 * i + 5 * k + j] = (int8_t)(value % 3 - 1);
        }
        out[16 * i + 15] = (int8_t)(last % 3 - 1);
        last /= 3;
    }
}

bool tm_gguf_is_ternary(tm_gguf_type type)
{
    switch (type) {
    case TM_GGUF_TQ1_0:
    case TM_GGUF_TQ2_0:
    case TM_GGUF_I2_S:
    case TM_GGUF_Q1_0:
    case TM_GGUF_Q2_0:
    case TM_GGUF_PQ2_0:
    case TM_GGUF_PTQ1_0:
    case TM_GGUF_IQ1_BN:
    case TM_GGUF_IQ2_BN:
        return true;
    default:
        return false;
    }
}

int tm_gguf_block_codes(tm_gguf_type type, const uint8_t *block, int8_t *out)
{
    switch (type) {
    case TM_GGUF_TQ1_0:
        tm_tq1_0_codes(block, out);
        return 256;
    case TM_GGUF_TQ2_0:
        tm_tq2_0_codes(block, out);
        return 256;
    case TM_GGUF_Q1_0:
        q1_0_codes(block + 2, 128, out);
        return 128;
    case TM_GGUF_Q2_0:
        q2_0_codes(block + 2, 64, out);
        return 64;
    case TM_GGUF_PQ2_0:
        q2_0_codes(block + 2, 128, out);
        return 128;
    case TM_GGUF_PTQ1_0:
        ptq1_0_codes(block, out);
        return 128;
    case TM_GGUF_IQ1_BN:
        iq1_bn_codes(block, out);
        return 64;
    case TM_GGUF_IQ2_BN:
        iq2_bn_codes(block, out);
        return 64;
    default:
        return 0;
    }
}
