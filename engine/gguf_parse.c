#include "engine/gguf_private.h"

#include <stdlib.h>

#define MAGIC             0x46554747u /* "GGUF" */
#define DEFAULT_ALIGNMENT 32
#define MAX_ALIGNMENT     (4u << 20) /* twice a huge page; more only moves the data away */
#define MAX_NAME          63         /* llama.cpp keeps 64 bytes with the NUL */
#define SMALLEST_KEY      14         /* length, one byte, type, one byte of value */
#define SMALLEST_INFO     33         /* length, one byte, dimensions, one dimension, type, offset */
#define MAX_KEYS          (1u << 16) /* models have about 30; a forged count must not cost GiB */
#define MAX_TENSORS       (1u << 20)

typedef struct cursor {
    const uint8_t *data;
    size_t size, pos; /* pos <= size */
} cursor;

static tm_status take(cursor *c, uint64_t n, const char *what, const uint8_t **out, tm_error *err)
{
    if (n > c->size - c->pos)
        return tm_fail(err, TM_FORMAT,
                       "%s at offset %zu needs %llu bytes, but %zu remain of the file", what,
                       c->pos, (unsigned long long)n, c->size - c->pos);
    *out = c->data + c->pos;
    c->pos += n;
    return TM_OK;
}

static tm_status take_u32(cursor *c, const char *what, uint32_t *out, tm_error *err)
{
    const uint8_t *p = NULL;
    tm_status status = take(c, 4, what, &p, err);
    if (!status) *out = tm_load_u32(p);
    return status;
}

static tm_status take_u64(cursor *c, const char *what, uint64_t *out, tm_error *err)
{
    const uint8_t *p = NULL;
    tm_status status = take(c, 8, what, &p, err);
    if (!status) *out = tm_load_u64(p);
    return status;
}

static tm_status take_string(cursor *c, const char *what, tm_gguf_string *out, tm_error *err)
{
    uint64_t length;
    const uint8_t *p = NULL;
    tm_status status = take_u64(c, what, &length, err);
    if (!status) status = take(c, length, what, &p, err);
    if (!status) *out = (tm_gguf_string){(const char *)p, length};
    return status;
}

/* Checks a count from the file against what the rest of the file could hold, before anything is
 * allocated. */
static tm_status check_count(const cursor *c, const char *what, uint64_t n, size_t smallest,
                             size_t most, tm_error *err)
{
    size_t room = (c->size - c->pos) / smallest;
    if (n > room)
        return tm_fail(err, TM_FORMAT, "the header states %llu %s, but the file has room for %zu",
                       (unsigned long long)n, what, room);
    if (n > most)
        return tm_fail(err, TM_FORMAT, "the header states %llu %s; the limit is %zu",
                       (unsigned long long)n, what, most);
    return TM_OK;
}

static tm_status check_bools(const uint8_t *data, uint64_t n, tm_error *err)
{
    for (uint64_t i = 0; i < n; i++)
        if (data[i] > 1)
            return tm_fail(err, TM_FORMAT, "a bool of value %d; it must be 0 or 1", data[i]);
    return TM_OK;
}

static tm_status take_array(cursor *c, tm_gguf_key *key, tm_error *err)
{
    tm_status status = take_u32(c, "an array's item type", &key->item_type, err);
    if (!status) status = take_u64(c, "an array's length", &key->n_items, err);
    if (status) return status;
    if (key->item_type == GGUF_ARRAY)
        return tm_fail(err, TM_FORMAT, "arrays of arrays are not supported");
    size_t item = key->item_type == GGUF_STRING ? 8 : tm_gguf_value_size(key->item_type);
    if (!item)
        return tm_fail(err, TM_FORMAT, "an array of type %u; types are 0 to 12", key->item_type);
    if (key->n_items > (c->size - c->pos) / item)
        return tm_fail(err, TM_FORMAT, "an array of %llu items, but the file has room for %zu",
                       (unsigned long long)key->n_items, (c->size - c->pos) / item);
    if (key->item_type != GGUF_STRING) {
        status = take(c, key->n_items * item, "an array", &key->data, err);
        key->bytes = key->n_items * item;
        if (!status && key->item_type == GGUF_BOOL)
            status = check_bools(key->data, key->n_items, err);
        return status;
    }
    size_t begin = c->pos;
    for (uint64_t i = 0; i < key->n_items; i++) {
        tm_gguf_string text;
        if ((status = take_string(c, "a string of an array", &text, err))) return status;
    }
    key->data = c->data + begin;
    key->bytes = c->pos - begin;
    return TM_OK;
}

static tm_status take_key(cursor *c, tm_gguf_key *key, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    tm_status status = take_string(c, "a key", &key->name, err);
    if (!status && key->name.length == 0)
        status = tm_fail(err, TM_FORMAT, "the key before offset %zu is empty", c->pos);
    if (!status) status = take_u32(c, "a key's type", &key->type, err);
    if (status) return status;

    key->item_type = key->type;
    key->n_items = 1;
    if (key->type == GGUF_ARRAY) {
        status = take_array(c, key, err);
    } else if (key->type == GGUF_STRING) {
        tm_gguf_string text = {NULL, 0};
        status = take_string(c, "a string", &text, err);
        key->data = (const uint8_t *)text.data;
        key->bytes = text.length;
    } else if (!(key->bytes = tm_gguf_value_size(key->type))) {
        status = tm_fail(err, TM_FORMAT, "value type %u; types are 0 to 12", key->type);
    } else {
        status = take(c, key->bytes, "a value", &key->data, err);
        if (!status && key->type == GGUF_BOOL) status = check_bools(key->data, 1, err);
    }
    return status ? tm_fail_in(err, "key %s", tm_gguf_quote(key->name, quoted)) : TM_OK;
}

static tm_status check_tensor_name(const cursor *c, tm_gguf_string name, const char *quoted,
                                   tm_error *err)
{
    if (name.length < 1 || name.length > MAX_NAME)
        return tm_fail(err, TM_FORMAT,
                       "the tensor name %s before offset %zu has %zu bytes; it must have 1 to %d",
                       quoted, c->pos, name.length, MAX_NAME);
    if (memchr(name.data, 0, name.length))
        return tm_fail(err, TM_FORMAT, "the tensor name %s contains a zero byte", quoted);
    return TM_OK;
}

/* *offset receives the offset of the tensor's data: where the data section begins is known only
 * after the last info. */
static tm_status take_tensor(cursor *c, uint32_t alignment, tm_gguf_tensor *tensor,
                             uint64_t *offset, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    uint32_t n_dims = 0, type = 0;
    tm_status status = take_string(c, "a tensor's name", &tensor->name, err);
    if (status) return status;
    tm_gguf_quote(tensor->name, quoted);
    if ((status = check_tensor_name(c, tensor->name, quoted, err))) return status;
    if ((status = take_u32(c, "a tensor's number of dimensions", &n_dims, err))) return status;
    if (n_dims < 1 || n_dims > 4)
        return tm_fail(err, TM_FORMAT, "tensor %s has %u dimensions; it must have 1 to 4", quoted,
                       n_dims);
    tensor->n_dims = (int)n_dims;
    for (int i = 0; i < 4; i++) {
        uint64_t n = 1;
        if (i < tensor->n_dims && (status = take_u64(c, "a tensor's dimension", &n, err)))
            return status;
        if (n < 1 || n > INT64_MAX)
            return tm_fail(err, TM_FORMAT,
                           "tensor %s has %llu as dimension %d; it must be 1 to 2^63 - 1", quoted,
                           (unsigned long long)n, i);
        tensor->ne[i] = (int64_t)n;
    }
    if ((status = take_u32(c, "a tensor's type", &type, err))) return status;
    if ((status = take_u64(c, "a tensor's offset", offset, err))) return status;

    int n_weights, n_bytes;
    if (!tm_gguf_block(type, &n_weights, &n_bytes))
        return tm_gguf_refuse_type(tensor->name, type, err);
    tensor->type = (tm_gguf_type)type;
    if (tensor->ne[0] % n_weights)
        return tm_fail(err, TM_FORMAT,
                       "tensor %s has rows of %lld weights; type %s needs a multiple of %d", quoted,
                       (long long)tensor->ne[0], tm_gguf_type_name(type), n_weights);
    tensor->bytes = tm_gguf_bytes(tensor->type, tensor->ne, tensor->n_dims);
    if (!tensor->bytes)
        return tm_fail(err, TM_FORMAT,
                       "tensor %s has %lld x %lld x %lld x %lld weights, more than can be counted",
                       quoted, (long long)tensor->ne[0], (long long)tensor->ne[1],
                       (long long)tensor->ne[2], (long long)tensor->ne[3]);
    if (tensor->type == TM_GGUF_I2_S && !tm_gguf_i2_s_fits(tensor))
        return tm_fail(
            err, TM_FORMAT,
            "tensor %s has %lld rows; I2_S with four rows in a byte needs a multiple of 4", quoted,
            (long long)tm_gguf_rows(tensor));
    if (*offset % alignment)
        return tm_fail(err, TM_FORMAT,
                       "tensor %s begins at offset %llu, not a multiple of the alignment %u",
                       quoted, (unsigned long long)*offset, alignment);
    return TM_OK;
}

static int compare_keys(const void *a, const void *b)
{
    return tm_gguf_compare_names(((const tm_gguf_key *)a)->name, ((const tm_gguf_key *)b)->name);
}

static int compare_tensor_names(const void *a, const void *b)
{
    return tm_gguf_compare_names((*(const tm_gguf_tensor *const *)a)->name,
                                 (*(const tm_gguf_tensor *const *)b)->name);
}

static int compare_tensor_places(const void *a, const void *b)
{
    const uint8_t *p = (*(const tm_gguf_tensor *const *)a)->data;
    const uint8_t *q = (*(const tm_gguf_tensor *const *)b)->data;
    return (p > q) - (p < q);
}

static tm_status check_header(cursor *c, uint64_t *n_tensors, uint64_t *n_keys, tm_error *err)
{
    uint32_t magic = 0, version = 0;
    if (c->size < 24)
        return tm_fail(err, TM_FORMAT, "the file has %zu bytes; a GGUF header has 24", c->size);
    tm_status status = take_u32(c, "the magic", &magic, err);
    if (!status) status = take_u32(c, "the version", &version, err);
    if (!status) status = take_u64(c, "the tensor count", n_tensors, err);
    if (!status) status = take_u64(c, "the key count", n_keys, err);
    if (status) return status;
    if (magic != MAGIC) {
        const char *what = tm_gguf_other_file(c->data, c->size);
        return tm_fail(err, TM_FORMAT,
                       "the file begins with %02x %02x %02x %02x, not with 47 47 55 46 (GGUF)%s%s",
                       c->data[0], c->data[1], c->data[2], c->data[3], what ? ": it is " : "",
                       what ? what : "");
    }
    if (version == 0x02000000u || version == 0x03000000u)
        return tm_fail(
            err, TM_UNSUPPORTED,
            "the file is big-endian; convert it with gguf_convert_endian.py of llama.cpp");
    if (version != 2 && version != 3)
        return tm_fail(err, TM_UNSUPPORTED,
                       "the file has GGUF version %u; versions 2 and 3 are supported; convert the "
                       "checkpoint again",
                       version);
    status = check_count(c, "tensors", *n_tensors, SMALLEST_INFO, MAX_TENSORS, err);
    return status ? status : check_count(c, "keys", *n_keys, SMALLEST_KEY, MAX_KEYS, err);
}

static tm_status parse_keys(tm_gguf *g, cursor *c, tm_error *err)
{
    tm_status status =
        tm_alloc((void **)&g->keys, (size_t)g->n_keys, sizeof *g->keys, "GGUF keys", err);
    for (int i = 0; i < g->n_keys && !status; i++) status = take_key(c, &g->keys[i], err);
    if (status) return status;
    if (g->n_keys) qsort(g->keys, (size_t)g->n_keys, sizeof *g->keys, compare_keys);
    for (int i = 1; i < g->n_keys; i++) {
        char quoted[TM_GGUF_QUOTED];
        if (compare_keys(&g->keys[i - 1], &g->keys[i]) == 0)
            return tm_fail(err, TM_FORMAT, "key %s occurs twice",
                           tm_gguf_quote(g->keys[i].name, quoted));
    }
    return TM_OK;
}

static tm_status read_alignment(const tm_gguf *g, uint32_t *alignment, tm_error *err)
{
    bool found;
    *alignment = DEFAULT_ALIGNMENT;
    tm_status status = tm_gguf_u32(g, "general.alignment", alignment, &found, err);
    if (status) return status;
    if (*alignment == 0 || (*alignment & (*alignment - 1)) || *alignment > MAX_ALIGNMENT)
        return tm_fail(err, TM_FORMAT,
                       "general.alignment is %u; it must be a power of two up to %u", *alignment,
                       MAX_ALIGNMENT);
    return TM_OK;
}

static tm_status check_overlaps(tm_gguf *g, tm_error *err)
{
    qsort(g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, compare_tensor_places);
    for (int i = 1; i < g->n_tensors; i++) {
        const tm_gguf_tensor *a = g->by_name[i - 1], *b = g->by_name[i];
        char first[TM_GGUF_QUOTED], second[TM_GGUF_QUOTED];
        if ((size_t)(b->data - a->data) < a->bytes)
            return tm_fail(
                err, TM_FORMAT,
                "tensors %s and %s overlap: they begin %zu bytes apart, the first has %zu as %s",
                tm_gguf_quote(a->name, first), tm_gguf_quote(b->name, second),
                (size_t)(b->data - a->data), a->bytes, tm_gguf_type_name(a->type));
    }
    qsort(g->by_name, (size_t)g->n_tensors, sizeof *g->by_name, compare_tensor_names);
    for (int i = 1; i < g->n_tensors; i++) {
        char quoted[TM_GGUF_QUOTED];
        if (compare_tensor_names(&g->by_name[i - 1], &g->by_name[i]) == 0)
            return tm_fail(err, TM_FORMAT, "tensor %s occurs twice",
                           tm_gguf_quote(g->by_name[i]->name, quoted));
    }
    return TM_OK;
}

static tm_status parse_tensors(tm_gguf *g, cursor *c, tm_error *err)
{
    uint32_t alignment;
    uint64_t *offsets = NULL;
    size_t n = (size_t)g->n_tensors;
    tm_status status = read_alignment(g, &alignment, err);
    if (status || n == 0) return status; /* a vocabulary only: a data section is optional */
    status = tm_alloc((void **)&g->tensors, n, sizeof *g->tensors, "GGUF tensors", err);
    if (!status)
        status = tm_alloc((void **)&g->by_name, n, sizeof *g->by_name, "GGUF tensor names", err);
    if (!status)
        status = tm_alloc((void **)&offsets, n, sizeof *offsets, "GGUF tensor offsets", err);
    for (size_t i = 0; i < n && !status; i++)
        status = take_tensor(c, alignment, &g->tensors[i], &offsets[i], err);
    if (status) goto fail;

    size_t begin =
        tm_round_up(c->pos, alignment); /* no overflow: pos <= a file's size, far below 2^63 */
    if (begin > c->size) {
        status = tm_fail(err, TM_FORMAT,
                         "the tensor data would begin at offset %zu, past the file's end at %zu",
                         begin, c->size);
        goto fail;
    }
    size_t room = c->size - begin;
    if ((status = tm_gguf_settle_types(g->tensors, offsets, n, room, alignment, err))) goto fail;
    for (size_t i = 0; i < n; i++) {
        tm_gguf_tensor *tensor = &g->tensors[i];
        if (offsets[i] > room || tensor->bytes > room - offsets[i]) {
            char quoted[TM_GGUF_QUOTED];
            status =
                tm_fail(err, TM_FORMAT,
                        "tensor %s of type %s has %zu bytes at offset %llu of the data, which has "
                        "%zu bytes",
                        tm_gguf_quote(tensor->name, quoted), tm_gguf_type_name(tensor->type),
                        tensor->bytes, (unsigned long long)offsets[i], room);
            goto fail;
        }
        tensor->data = c->data + begin + offsets[i];
        tensor->gguf = g;
        g->by_name[i] = tensor;
    }
    status = check_overlaps(g, err);
fail:
    tm_free(offsets);
    return status;
}

tm_status tm_gguf_parse(tm_gguf *g, tm_error *err)
{
    cursor c = {g->data, g->size, 0};
    uint64_t n_tensors = 0, n_keys = 0;
    tm_status status = check_header(&c, &n_tensors, &n_keys, err);
    if (status) return status;
    g->n_tensors = (int)n_tensors;
    g->n_keys = (int)n_keys;
    status = parse_keys(g, &c, err);
    return status ? status : parse_tensors(g, &c, err);
}
