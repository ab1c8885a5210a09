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
    size_t n = 1, bytes, heads;
    if (!tm_gguf_block(type, &n_weights, &n_bytes)) return 0;
    for (int i = 0; i < n_dims; i++)
        if (ne[i] < 1 || !tm_mul_size(n, (size_t)ne[i], &n)) return 0;
    if (n > INT64_MAX || ne[0] % n_weights) return 0;
    if (!tm_mul_size(n / (size_t)n_weights, (size_t)n_bytes, &bytes)) return 0;
    heads = n / (size_t)ne[0] * (size_t)tm_gguf_row_head(type); /* at most 4 n, as bytes is */
    if (type == TM_GGUF_I2_S) heads = I2_S_TAIL;
    return tm_add_size(bytes, heads, &bytes) ? bytes : 0;
}

int tm_gguf_row_head(tm_gguf_type type)
{
    return type == TM_GGUF_IQ1_BN ? 2 : type == TM_GGUF_IQ2_BN ? 4 : 0;
}

size_t tm_gguf_row_bytes(const tm_gguf_tensor *tensor)
{
    int n_weights = 1, n_bytes = 1;
    tm_gguf_block(tensor->type, &n_weights, &n_bytes);
    return (size_t)(tensor->ne[0] / n_weights) * (size_t)n_bytes +
           (size_t)tm_gguf_row_head(tensor->type);
}

float tm_gguf_row_scale(const tm_gguf_tensor *tensor, int64_t row)
{
    const uint8_t *at = tensor->data + (size_t)row * tm_gguf_row_bytes(tensor);
    return tensor->type == TM_GGUF_IQ1_BN ? tm_half_to_float(tm_load_u16(at))
                                          : tm_float_from_bits(tm_load_u32(at));
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

static void scaled(const int8_t *codes, int n, float scale, float *out)
{
    for (int i = 0; i < n; i++) out[i] = (float)codes[i] * scale;
}

/* A block of codes without a scale of its own. Returns their number. */
static int codes_floats(tm_gguf_type type, const uint8_t *block, float scale, float *out)
{
    int8_t codes[TM_GGUF_MAX_BLOCK];
    int n = tm_gguf_block_codes(type, block, codes);
    scaled(codes, n, scale, out);
    return n;
}

/* One block of a type whose blocks have their scales. */
static void block_floats(tm_gguf_type type, const uint8_t *block, float *out)
{
    switch (type) {
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
    case TM_GGUF_Q1_0:
    case TM_GGUF_Q2_0:
    case TM_GGUF_PQ2_0:
        codes_floats(type, block, tm_half_to_float(tm_load_u16(block)), out);
        break;
    case TM_GGUF_PTQ1_0:
        codes_floats(type, block, tm_half_to_float(tm_load_u16(block + 26)), out);
        break;
    case TM_GGUF_I2_S:
    case TM_GGUF_IQ1_BN:
    case TM_GGUF_IQ2_BN:
        break;
    }
}

static void rows_with_heads(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                            float *out)
{
    int n_weights = 1, n_bytes = 1;
    tm_gguf_block(tensor->type, &n_weights, &n_bytes);
    for (int64_t row = row_begin; row < row_end; row++) {
        const uint8_t *at = tensor->data + (size_t)row * tm_gguf_row_bytes(tensor);
        float scale = tm_gguf_row_scale(tensor, row);
        at += tm_gguf_row_head(tensor->type);
        for (int64_t i = 0; i < tensor->ne[0]; i += n_weights, at += n_bytes)
            out += codes_floats(tensor->type, at, scale, out);
    }
}

void tm_gguf_read_floats(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                         float *out)
{
    int n_weights = 1, n_bytes = 1;
    assert(0 <= row_begin && row_begin <= row_end && row_end <= tm_gguf_rows(tensor));
    if (tensor->view) {
        tm_gguf_view_floats(tensor, row_begin, row_end, out);
        return;
    }
    tm_gguf_block(tensor->type, &n_weights, &n_bytes);
    int64_t begin = row_begin * tensor->ne[0] / n_weights,
            end = row_end * tensor->ne[0] / n_weights;
    const uint8_t *data = tensor->data;

    if (tensor->type == TM_GGUF_F32) {
        memcpy(out, data + begin * 4, (size_t)(end - begin) * 4);
        return;
    }
    if (tensor->type == TM_GGUF_F16) { /* the embedding of a large model: no call per weight */
        for (int64_t i = begin; i < end; i++) *out++ = tm_half_to_float(tm_load_u16(data + 2 * i));
        return;
    }
    if (tm_gguf_row_head(tensor->type)) {
        rows_with_heads(tensor, row_begin, row_end, out);
        return;
    }
    if (tensor->type == TM_GGUF_I2_S) {
        int8_t codes[TM_I2_S_CODES];
        float scale = tm_gguf_i2_s_scale(tensor);
        for (int64_t i = begin; i < end; i++, out += TM_I2_S_CODES) {
            tm_gguf_i2_s_codes(tensor, i, codes);
            scaled(codes, TM_I2_S_CODES, scale, out);
        }
        return;
    }
    for (int64_t i = begin; i < end; i++, out += n_weights)
        block_floats(tensor->type, data + i * n_bytes, out);
}
