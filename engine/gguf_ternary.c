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

/* Where the blocks of a tensor are. */
typedef struct blocks {
    const tm_gguf_tensor *tensor;
    int n_weights, n_bytes, scale_offset, head;
    size_t per_row, row_bytes, n;
    float scale; /* of every block, unless they or their rows have one */
} blocks;

static blocks blocks_of(const tm_gguf_tensor *tensor)
{
    blocks b = {.tensor = tensor, .n_weights = 1, .n_bytes = 1};
    tm_gguf_block(tensor->type, &b.n_weights, &b.n_bytes);
    tm_gguf_scales(tensor->type, &b.scale_offset);
    b.head = tm_gguf_row_head(tensor->type);
    b.row_bytes = tm_gguf_row_bytes(tensor);
    b.per_row = (size_t)(tensor->ne[0] / b.n_weights);
    b.n = b.per_row * (size_t)tm_gguf_rows(tensor);
    if (tensor->type == TM_GGUF_I2_S) {
        b.scale = tm_gguf_i2_s_scale(tensor);
        b.n = (tensor->bytes - 32) / 32; /* they may straddle rows */
    }
    return b;
}

static const uint8_t *block_at(const blocks *b, size_t i)
{
    const uint8_t *data = b->tensor->data;
    if (b->head == 0) return data + i * (size_t)b->n_bytes;
    return data + i / b->per_row * b->row_bytes + (size_t)b->head +
           i % b->per_row * (size_t)b->n_bytes;
}

static float scale_at(const blocks *b, size_t i)
{
    if (b->head != 0) return tm_gguf_row_scale(b->tensor, (int64_t)(i / b->per_row));
    if (b->tensor->type == TM_GGUF_I2_S) return b->scale;
    return tm_half_to_float(tm_load_u16(block_at(b, i) + b->scale_offset));
}

static tm_status check_row_scales(const tm_gguf_tensor *tensor, tm_error *err)
{
    size_t n = (size_t)tm_gguf_rows(tensor), row_bytes = tm_gguf_row_bytes(tensor);
    for (size_t row = 0; row < n; row++) {
        float scale = tm_gguf_row_scale(tensor, (int64_t)row);
        release_passed(tensor, row * row_bytes, row_bytes);
        if (!isfinite(scale))
            return not_finite(tensor, "the scale of ", row * (size_t)tensor->ne[0], scale, err);
    }
    return TM_OK;
}

static tm_status check_block_scales(const tm_gguf_tensor *tensor, tm_error *err)
{
    int n_weights = 1, n_bytes = 1, offset = 0, n_scales = tm_gguf_scales(tensor->type, &offset);
    tm_gguf_block(tensor->type, &n_weights, &n_bytes);
    size_t n = tensor->bytes / (size_t)n_bytes;
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
    if (tensor->view) return tm_gguf_view_check(tensor, err);
    if (tensor->type == TM_GGUF_I2_S) return check_i2_s_scale(tensor, err);
    if (tm_gguf_row_head(tensor->type)) return check_row_scales(tensor, err);
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

/* Whether `n` weights are zero or of one magnitude, which a half can hold. */
static bool are_of_one_half(const tm_gguf_tensor *tensor, size_t begin, size_t n)
{
    int size = float_size(tensor->type);
    uint32_t magnitude = 0;
    bool differ = false;
    for (size_t i = begin; i < begin + n; i++) {
        uint32_t bits = magnitude_bits(tensor->data, i, size);
        if (bits > magnitude) magnitude = bits;
    }
    for (size_t i = begin; i < begin + n; i++) {
        uint32_t bits = magnitude_bits(tensor->data, i, size);
        differ |= (bits != 0) & (bits != magnitude);
    }
    if (differ || magnitude >= infinity_bits(tensor->type)) return false;
    float value = tensor->type == TM_GGUF_F32   ? tm_float_from_bits(magnitude)
                  : tensor->type == TM_GGUF_F16 ? tm_half_to_float((tm_half)magnitude)
                                                : tm_bf16_to_float((tm_bf16)magnitude);
    return tm_half_to_float(tm_half_from_float(value)) == value;
}

bool tm_gguf_is_ternary_in_blocks(const tm_gguf_tensor *tensor)
{
    enum { BLOCK = 64 };
    if (tensor->view) { /* another order of rows changes nothing */
        if (tensor->view->is_packed || tensor->view->rounds) return false;
        tensor = &tensor->view->stored;
    }
    if (!is_float_type(tensor->type) || tensor->ne[0] % BLOCK) return false;
    size_t size = (size_t)float_size(tensor->type), n = tensor->bytes / size;
    for (size_t i = 0; i < n; i += BLOCK) {
        if (!are_of_one_half(tensor, i, BLOCK)) return false;
        release_passed(tensor, i * size, BLOCK * size);
    }
    return true;
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

/* Whether a byte of the type can hold a code 3. */
static bool has_code_3(tm_gguf_type type)
{
    return type == TM_GGUF_TQ2_0 || type == TM_GGUF_Q2_0 || type == TM_GGUF_PQ2_0 ||
           type == TM_GGUF_IQ2_BN;
}

/* A code 3: twice the scale in the types of llama.cpp's Q2_0, else an error. */
static tm_status refuse_code_3(const tm_gguf_tensor *tensor, size_t weight, float scale,
                               tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    if (tensor->type != TM_GGUF_Q2_0 && tensor->type != TM_GGUF_PQ2_0)
        return bad_code(tensor, weight, err);
    return tm_fail(err, TM_UNSUPPORTED,
                   "tensor %s is not ternary: " PLACE_FORMAT " is twice the scale %g",
                   tm_gguf_quote(tensor->name, quoted), PLACE(tensor, weight), (double)scale);
}

/* Blocks of zeros may have any scale; all others must have the same. */
static tm_status scale_of_blocks(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    const blocks b = blocks_of(tensor);
    bool three_is_possible = has_code_3(tensor->type);
    float magnitude = 0; /* of the first block that is not all zero */
    for (size_t i = 0; i < b.n; i++) {
        const uint8_t *block = block_at(&b, i);
        size_t weight = i * (size_t)b.n_weights;
        float d = fabsf(scale_at(&b, i));
        int8_t codes[TM_GGUF_MAX_BLOCK];
        release_passed(tensor, (size_t)(block - tensor->data), (size_t)(b.n_bytes + b.head));
        if (!isfinite(d)) return not_finite(tensor, "the scale of ", weight, d, err);
        if (!three_is_possible && (d == magnitude || d == 0)) continue;
        tm_gguf_block_codes(tensor->type, block, codes);
        int three = three_is_possible ? find_code_3(codes, b.n_weights) : -1;
        if (three >= 0) return refuse_code_3(tensor, weight + (size_t)three, d, err);
        if (d == 0 || d == magnitude || !any_nonzero(codes, b.n_weights)) continue;
        if (magnitude != 0) {
            char quoted[TM_GGUF_QUOTED];
            return tm_fail(err, TM_UNSUPPORTED,
                           "tensor %s is not ternary: the scale from " PLACE_FORMAT
                           " on is %g, but it was %g before",
                           tm_gguf_quote(tensor->name, quoted), PLACE(tensor, weight), (double)d,
                           (double)magnitude);
        }
        magnitude = d;
    }
    *scale = magnitude;
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
        for (size_t block = 0; block < n / 32; block++) { /* bytes may not be in order of rows */
            int8_t codes[TM_I2_S_CODES];
            tm_gguf_i2_s_codes(tensor, (int64_t)block, codes);
            int k = find_code_3(codes, TM_I2_S_CODES);
            if (k >= 0) return bad_code(tensor, TM_I2_S_CODES * block + (size_t)k, err);
        }
    }
    *scale = zeros ? fabsf(tm_gguf_i2_s_scale(tensor)) : 0;
    return TM_OK;
}

tm_status tm_gguf_ternary_scale(const tm_gguf_tensor *tensor, float *scale, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    if (tensor->view) return tm_gguf_view_scale(tensor, scale, err);
    if (is_float_type(tensor->type)) return scale_of_floats(tensor, scale, err);
    if (tensor->type == TM_GGUF_I2_S) return scale_of_i2_s(tensor, scale, err);
    if (tm_gguf_is_ternary(tensor->type)) return scale_of_blocks(tensor, scale, err);
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
    const blocks b = blocks_of(tensor);
    assert(0 <= row_begin && row_begin <= row_end && row_end <= tm_gguf_rows(tensor));
    if (tensor->view) {
        tm_gguf_view_trits(tensor, row_begin, row_end, out);
        return;
    }
    int64_t begin = row_begin * tensor->ne[0] / b.n_weights,
            end = row_end * tensor->ne[0] / b.n_weights;
    if (is_float_type(tensor->type)) {
        for (int64_t i = begin; i < end; i++) {
            float value = float_at(tensor, (size_t)i);
            *out++ = (int8_t)((value > 0) - (value < 0));
        }
        return;
    }
    for (int64_t i = begin; i < end; i++, out += b.n_weights) {
        if (tensor->type == TM_GGUF_I2_S)
            tm_gguf_i2_s_codes(tensor, i, out);
        else
            tm_gguf_block_codes(tensor->type, block_at(&b, (size_t)i), out);
        apply_sign(out, b.n_weights, scale_at(&b, (size_t)i));
    }
}
