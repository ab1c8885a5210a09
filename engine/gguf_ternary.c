#include "engine/gguf_private.h"
#include "kernels/half.h"

#include <assert.h>
#include <math.h>

#define CHUNK 512        /* weights tested without a branch */
#define PIECE (1u << 20) /* bytes read before they are released; a multiple of CHUNK */

/* Which magnitude bits of a float type are allowed. */
typedef struct rule {
    uint32_t infinity; /* these bits and above are not finite */
    bool exact;        /* only zero and `magnitude` are allowed */
    uint32_t magnitude;
} rule;

static bool is_float_type(tm_gguf_type type)
{
    return type == TM_GGUF_F32 || type == TM_GGUF_F16 || type == TM_GGUF_BF16;
}

static int float_size(tm_gguf_type type)
{
    return type == TM_GGUF_F32 ? 4 : 2;
}

static uint32_t infinity_bits(tm_gguf_type type)
{
    return type == TM_GGUF_F32 ? 0x7f800000u : type == TM_GGUF_F16 ? 0x7c00u : 0x7f80u;
}

static inline uint32_t magnitude_bits(const uint8_t *data, size_t i, int size)
{
    return size == 4 ? tm_load_u32(data + 4 * i) & 0x7fffffffu
                     : tm_load_u16(data + 2 * i) & 0x7fffu;
}

static inline bool is_bad(uint32_t bits, const rule *r)
{
    return (bits >= r->infinity) | (r->exact & (bits != 0) & (bits != r->magnitude));
}

/* Index of the first weight in [begin, n) that breaks the rule, or n. `size` is a constant in
 * every caller, so that the inlined loop has no branch. */
static inline size_t first_bad(const uint8_t *data, size_t begin, size_t n, int size,
                               const rule *given)
{
    const rule r = *given;
    for (size_t i = begin; i < n; i += CHUNK) {
        size_t end = n - i < CHUNK ? n : i + CHUNK;
        bool any = false;
        for (size_t j = i; j < end; j++) any |= is_bad(magnitude_bits(data, j, size), &r);
        if (!any) continue;
        for (size_t j = i; j < end; j++)
            if (is_bad(magnitude_bits(data, j, size), &r)) return j;
    }
    return n;
}

static size_t first_bad_float(const tm_gguf_tensor *tensor, size_t begin, const rule *r)
{
    size_t size = (size_t)float_size(tensor->type), n = tensor->bytes / size;
    while (begin < n) {
        size_t end = n - begin < PIECE / size ? n : begin + PIECE / size;
        size_t i = size == 4 ? first_bad(tensor->data, begin, end, 4, r)
                             : first_bad(tensor->data, begin, end, 2, r);
        if (i < end) return i;
        tm_gguf_release(tensor, begin * size, end * size);
        begin = end;
    }
    return n;
}

/* For a scan in steps of `step` bytes that has reached byte `at`: releases each piece that was
 * read. The caller releases the last one. */
static inline void release_passed(const tm_gguf_tensor *tensor, size_t at, size_t step)
{
    if (at < step || at / PIECE == (at - step) / PIECE) return;
    tm_gguf_release(tensor, at - PIECE, at);
}

static float float_at(const tm_gguf_tensor *tensor, size_t i)
{
    switch (tensor->type) {
    case TM_GGUF_F32:
        return tm_float_from_bits(tm_load_u32(tensor->data + 4 * i));
    case TM_GGUF_F16:
        return tm_half_to_float(tm_load_u16(tensor->data + 2 * i));
    default:
        return tm_bf16_to_float(tm_load_u16(tensor->data + 2 * i));
    }
}

/* "weight 5 of row 3", for a message. */
#define PLACE_FORMAT "weight %lld of row %lld"
#define PLACE(tensor, i)                                                                           \
    (long long)((int64_t)(i) % (tensor)->ne[0]), (long long)((int64_t)(i) / (tensor)->ne[0])

static tm_status not_finite(const tm_gguf_tensor *tensor, const char *what, size_t weight,
                            float value, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    return tm_fail(err, TM_FORMAT, "tensor %s: %s" PLACE_FORMAT " is %g; it must be finite",
                   tm_gguf_quote(tensor->name, quoted), what, PLACE(tensor, weight), (double)value);
}

/* Number of blocks of a block type; I2_S's tail is not one. */
static size_t count_blocks(const tm_gguf_tensor *tensor, int *n_weights, int *n_bytes)
{
    *n_weights = *n_bytes = 1;
    tm_gguf_block(tensor->type, n_weights, n_bytes);
    return tensor->bytes / (size_t)*n_bytes - (tensor->type == TM_GGUF_I2_S ? 1 : 0);
}

static tm_status check_block_scales(const tm_gguf_tensor *tensor, tm_error *err)
{
    int n_weights, n_bytes, offset = 0, n_scales = tm_gguf_scales(tensor->type, &offset);
    size_t n = count_blocks(tensor, &n_weights, &n_bytes);
    for (size_t i = 0; i < n; i++) {
        const uint8_t *scales = tensor->data + i * (size_t)n_bytes + offset;
        release_passed(tensor, i * (size_t)n_bytes, (size_t)n_bytes);
        for (int k = 0; k < n_scales; k++) {
            uint16_t bits = tm_load_u16(scales + 2 * k);
            if ((bits & 0x7c00) == 0x7c00)
                return not_finite(tensor, "the scale of ", i * (size_t)n_weights,
                                  tm_half_to_float(bits), err);
        }
    }
    return TM_OK;
}

static tm_status check_i2_s_scale(const tm_gguf_tensor *tensor, tm_error *err)
{
    float scale = tm_gguf_i2_s_scale(tensor);
    char quoted[TM_GGUF_QUOTED];
    if (isfinite(scale)) return TM_OK;
    return tm_fail(err, TM_FORMAT, "tensor %s: its scale is %g; it must be finite",
                   tm_gguf_quote(tensor->name, quoted), (double)scale);
}

tm_status tm_gguf_check_finite(const tm_gguf_tensor *tensor, tm_error *err)
{
    if (tensor->type == TM_GGUF_I2_S) return check_i2_s_scale(tensor, err);
    if (!is_float_type(tensor->type)) return check_block_scales(tensor, err);
    rule r = {.infinity = infinity_bits(tensor->type)};
    size_t n = tensor->bytes / (size_t)float_size(tensor->type), i = first_bad_float(tensor, 0, &r);
    return i < n ? not_finite(tensor, "", i, float_at(tensor, i), err) : TM_OK;
}

static tm_status scale_of_floats(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    rule r = {.infinity = infinity_bits(tensor->type), .exact = true, .magnitude = 0};
    size_t n = tensor->bytes / (size_t)float_size(tensor->type);
    size_t first = first_bad_float(tensor, 0, &r); /* the first weight that is not zero */
    *scale = 0;
    if (first == n) return TM_OK;
    *scale = fabsf(float_at(tensor, first));
    if (!isfinite(*scale)) return not_finite(tensor, "", first, float_at(tensor, first), err);
    r.magnitude = magnitude_bits(tensor->data, first, float_size(tensor->type));
    size_t i = first_bad_float(tensor, first, &r);
    if (i == n) return TM_OK;
    float value = float_at(tensor, i);
    if (!isfinite(value)) return not_finite(tensor, "", i, value, err);
    char quoted[TM_GGUF_QUOTED];
    return tm_fail(err, TM_UNSUPPORTED,
                   "tensor %s is not ternary: " PLACE_FORMAT " is %g, but others are +-%g",
                   tm_gguf_quote(tensor->name, quoted), PLACE(tensor, i), (double)value,
                   (double)*scale);
}

static bool any_nonzero(const int8_t *codes, int n)
{
    for (int i = 0; i < n; i++)
        if (codes[i]) return true;
    return false;
}

static int find_code_3(const int8_t *codes, int n)
{
    for (int i = 0; i < n; i++)
        if (codes[i] > 1) return i;
    return -1;
}

static tm_status bad_code(const tm_gguf_tensor *tensor, size_t weight, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    return tm_fail(err, TM_FORMAT,
                   "tensor %s: " PLACE_FORMAT " has code 3; a ternary code is 0, 1 or 2",
                   tm_gguf_quote(tensor->name, quoted), PLACE(tensor, weight));
}

/* Blocks of zeros may have any scale; all others must have the same. */
static tm_status scale_of_blocks(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    int n_weights, n_bytes, offset = 0;
    tm_gguf_scales(tensor->type, &offset);
    size_t n = count_blocks(tensor, &n_weights, &n_bytes);
    uint16_t magnitude = 0; /* of the first block that is not all zero */
    for (size_t i = 0; i < n; i++) {
        const uint8_t *block = tensor->data + i * (size_t)n_bytes;
        uint16_t bits = tm_load_u16(block + offset) & 0x7fff;
        int8_t codes[TM_GGUF_MAX_BLOCK];
        release_passed(tensor, i * (size_t)n_bytes, (size_t)n_bytes);
        if (bits >= 0x7c00)
            return not_finite(tensor, "the scale of ", i * (size_t)n_weights,
                              tm_half_to_float(bits), err);
        if (tensor->type == TM_GGUF_TQ1_0 && bits == magnitude) continue; /* has no code 3 */
        tm_gguf_block_codes(tensor->type, block, codes);
        int three = find_code_3(codes, n_weights);
        if (three >= 0) return bad_code(tensor, i * (size_t)n_weights + (size_t)three, err);
        if (bits == 0 || bits == magnitude || !any_nonzero(codes, n_weights)) continue;
        if (magnitude) {
            char quoted[TM_GGUF_QUOTED];
            return tm_fail(err, TM_UNSUPPORTED,
                           "tensor %s is not ternary: the scale from " PLACE_FORMAT
                           " on is %g, but it was %g before",
                           tm_gguf_quote(tensor->name, quoted),
                           PLACE(tensor, i * (size_t)n_weights), (double)tm_half_to_float(bits),
                           (double)tm_half_to_float(magnitude));
        }
        magnitude = bits;
    }
    *scale = tm_half_to_float(magnitude);
    return TM_OK;
}

static tm_status scale_of_i2_s(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    size_t n = tensor->bytes - 32;
    uint8_t zeros = 0; /* bits that differ from four codes of 1, over all bytes */
    tm_status status = check_i2_s_scale(tensor, err);
    if (status) return status;
    for (size_t i = 0; i < n; i += CHUNK) {
        size_t end = n - i < CHUNK ? n : i + CHUNK;
        uint8_t threes = 0;
        release_passed(tensor, i, CHUNK);
        for (size_t j = i; j < end; j++) {
            threes |= tensor->data[j] & tensor->data[j] >> 1 & 0x55;
            zeros |= tensor->data[j] ^ 0x55;
        }
        if (!threes) continue;
        for (size_t block = i / 32; block < end / 32; block++) {
            int8_t codes[TM_GGUF_MAX_BLOCK];
            int k = find_code_3(
                codes, tm_gguf_block_codes(TM_GGUF_I2_S, tensor->data + 32 * block, codes));
            if (k >= 0) return bad_code(tensor, 128 * block + (size_t)k, err);
        }
    }
    *scale = zeros ? fabsf(tm_gguf_i2_s_scale(tensor)) : 0;
    return TM_OK;
}

tm_status tm_gguf_ternary_scale(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    if (is_float_type(tensor->type)) return scale_of_floats(tensor, scale, err);
    if (tensor->type == TM_GGUF_I2_S) return scale_of_i2_s(tensor, scale, err);
    if (tensor->type == TM_GGUF_TQ1_0 || tensor->type == TM_GGUF_TQ2_0)
        return scale_of_blocks(tensor, scale, err);
    return tm_fail(err, TM_UNSUPPORTED, "tensor %s is not ternary: its type is %s",
                   tm_gguf_quote(tensor->name, quoted), tm_gguf_type_name(tensor->type));
}

/* Flips or clears codes so that they match a scale >= 0. */
static void apply_sign(int8_t *codes, int n, float scale)
{
    int sign = (scale > 0) - (scale < 0);
    if (sign == 1) return;
    for (int i = 0; i < n; i++) codes[i] = (int8_t)(codes[i] * sign);
}

void tm_gguf_read_trits(const tm_gguf_tensor *tensor, int64_t row_begin, int64_t row_end,
                        int8_t *out)
{
    int n_weights, n_bytes, offset = 0, n_scales = tm_gguf_scales(tensor->type, &offset);
    assert(0 <= row_begin && row_begin <= row_end && row_end <= tm_gguf_rows(tensor));
    count_blocks(tensor, &n_weights, &n_bytes);
    int64_t begin = row_begin * tensor->ne[0] / n_weights,
            end = row_end * tensor->ne[0] / n_weights;
    if (is_float_type(tensor->type)) {
        for (int64_t i = begin; i < end; i++) {
            float value = float_at(tensor, (size_t)i);
            *out++ = (int8_t)((value > 0) - (value < 0));
        }
        return;
    }
    float scale = tensor->type == TM_GGUF_I2_S ? tm_gguf_i2_s_scale(tensor) : 0;
    for (int64_t i = begin; i < end; i++, out += n_weights) {
        const uint8_t *block = tensor->data + i * n_bytes;
        tm_gguf_block_codes(tensor->type, block, out);
        if (n_scales) scale = tm_half_to_float(tm_load_u16(block + offset));
        apply_sign(out, n_weights, scale);
    }
}
