#include "engine/gguf_private.h"
#include "kernels/blocks/blocks.h"

#include <assert.h>
#include <strings.h>

static const struct {
    const char *name;
    tm_gguf_type id;
    int n_weights, n_bytes, scale_offset, n_scales;
} types[] = {
#define TYPE_ROW(name, id, block, bytes, offset, scales)                                           \
    {#name, TM_GGUF_##name, block, bytes, offset, scales},
    TM_GGUF_TYPES(TYPE_ROW)};
#define N_TYPES (sizeof types / sizeof types[0])

/* Bytes after the codes of an I2_S tensor: a float scale and 28 bytes of padding. */
#define I2_S_TAIL 32

const char *tm_gguf_type_name(uint32_t id)
{
    for (size_t i = 0; i < N_TYPES; i++)
        if (types[i].id == id) return types[i].name;
    return NULL;
}

bool tm_gguf_type_find(const char *name, tm_gguf_type *out)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (strcasecmp(types[i].name, name) != 0) continue;
        *out = types[i].id;
        return true;
    }
    return false;
}

bool tm_gguf_is_expanded(tm_gguf_type type)
{
    switch (type) {
    case TM_GGUF_Q4_1:
    case TM_GGUF_Q5_0:
    case TM_GGUF_Q5_1:
    case TM_GGUF_Q2_K:
    case TM_GGUF_Q3_K:
    case TM_GGUF_Q4_K:
    case TM_GGUF_Q5_K:
        return true;
    default:
        return false;
    }
}

bool tm_gguf_block(uint32_t type, int *n_weights, int *n_bytes)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].id != type) continue;
        *n_weights = types[i].n_weights;
        *n_bytes = types[i].n_bytes;
        return true;
    }
    return false;
}

size_t tm_gguf_bytes(tm_gguf_type type, const int64_t *ne, int n_dims)
{
    int n_weights, n_bytes;
    size_t n = 1, bytes;
    if (!tm_gguf_block(type, &n_weights, &n_bytes)) return 0;
    for (int i = 0; i < n_dims; i++)
        if (ne[i] < 1 || !tm_mul_size(n, (size_t)ne[i], &n)) return 0;
    if (n > INT64_MAX || ne[0] % n_weights) return 0;
    if (!tm_mul_size(n / (size_t)n_weights, (size_t)n_bytes, &bytes)) return 0;
    if (type == TM_GGUF_I2_S && !tm_add_size(bytes, I2_S_TAIL, &bytes)) return 0;
    return bytes;
}

int64_t tm_gguf_rows(const tm_gguf_tensor *tensor)
{
    return tensor->ne[1] * tensor->ne[2] * tensor->ne[3];
}

float tm_gguf_i2_s_scale(const tm_gguf_tensor *tensor)
{
    return tm_float_from_bits(tm_load_u32(tensor->data + tensor->bytes - I2_S_TAIL));
}

int tm_gguf_scales(tm_gguf_type type, int *offset)
{
    for (size_t i = 0; i < N_TYPES; i++) {
        if (types[i].id != type) continue;
        *offset = types[i].scale_offset;
        return types[i].n_scales;
    }
    return 0;
}

static int i2_s_group = 128;

bool tm_gguf_set_i2_s_layout(int group)
{
    if (group != 64 && group != 128) return false;
    i2_s_group = group;
    return true;
}

int tm_gguf_i2_s_layout(void)
{
    return i2_s_group;
}

/* Groups of 4 n weights in n bytes, the first quarter in the top bits. n is constant in every call,
 * so that the inlined loops are fast. */
static inline void i2_s_groups(const uint8_t *block, int n, int8_t *out)
{
    for (int group = 0; group < 32 / n; group++, block += n)
        for (int quarter = 0; quarter < 4; quarter++)
            for (int m = 0; m < n; m++) *out++ = (int8_t)((block[m] >> (6 - 2 * quarter) & 3) - 1);
}

static void i2_s_block(const uint8_t *block, int8_t *out)
{
    if (i2_s_group == 128)
        i2_s_groups(block, 32, out);
    else
        i2_s_groups(block, 16, out);
}

static void scaled(const int8_t *codes, int n, float scale, float *out)
{
    for (int i = 0; i < n; i++) out[i] = (float)codes[i] * scale;
}

/* One block. The scale of I2_S is the tensor's. */
static void block_floats(const tm_gguf_tensor *tensor, const uint8_t *block, float i2_s_scale,
                         float *out)
{
    int8_t codes[TM_GGUF_MAX_BLOCK];
    switch (tensor->type) {
    case TM_GGUF_F32:
        *out = tm_float_from_bits(tm_load_u32(block));
        break;
    case TM_GGUF_F16:
        *out = tm_half_to_float(tm_load_u16(block));
        break;
    case TM_GGUF_BF16:
        *out = tm_bf16_to_float(tm_load_u16(block));
        break;
    case TM_GGUF_Q4_0:
        tm_q4_0_decode(block, out);
        break;
    case TM_GGUF_Q4_1:
        tm_gguf_q4_1_decode(block, out);
        break;
    case TM_GGUF_Q5_0:
        tm_gguf_q5_0_decode(block, out);
        break;
    case TM_GGUF_Q5_1:
        tm_gguf_q5_1_decode(block, out);
        break;
    case TM_GGUF_Q8_0:
        tm_q8_0_decode(block, out);
        break;
    case TM_GGUF_Q2_K:
        tm_gguf_q2_k_decode(block, out);
        break;
    case TM_GGUF_Q3_K:
        tm_gguf_q3_k_decode(block, out);
        break;
    case TM_GGUF_Q4_K:
        tm_gguf_q4_k_decode(block, out);
        break;
    case TM_GGUF_Q5_K:
        tm_gguf_q5_k_decode(block, out);
        break;
    case TM_GGUF_Q6_K:
        tm_q6_k_decode(block, out);
        break;
    case TM_GGUF_TQ1_0:
        tm_tq1_0_decode(block, out);
        break;
    case TM_GGUF_TQ2_0:
        tm_tq2_0_decode(block, out);
        break;
    case TM_GGUF_I2_S:
        i2_s_block(block, codes);
        scaled(codes, 128, i2_s_scale, out);
        break;
    }
}

void tm_gguf_read_floats(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                         float *out)
{
    int n_weights = 1, n_bytes = 1;
    assert(0 <= row_begin && row_begin <= row_end && row_end <= tm_gguf_rows(tensor));
    tm_gguf_block(tensor->type, &n_weights, &n_bytes);
    int64_t begin = row_begin * tensor->ne[0] / n_weights,
            end = row_end * tensor->ne[0] / n_weights;
    const uint8_t *data = tensor->data;
    float i2_s_scale = tensor->type == TM_GGUF_I2_S ? tm_gguf_i2_s_scale(tensor) : 0;

    if (tensor->type == TM_GGUF_F32) {
        memcpy(out, data + begin * 4, (size_t)(end - begin) * 4);
        return;
    }
    if (tensor->type == TM_GGUF_F16) { /* the embedding of a large model: no call per weight */
        for (int64_t i = begin; i < end; i++) *out++ = tm_half_to_float(tm_load_u16(data + 2 * i));
        return;
    }
    for (int64_t i = begin; i < end; i++, out += n_weights)
        block_floats(tensor, data + i * n_bytes, i2_s_scale, out);
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
    case TM_GGUF_I2_S:
        i2_s_block(block, out);
        return 128;
    default:
        return 0;
    }
}
