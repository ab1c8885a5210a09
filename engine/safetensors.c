#include "engine/safetensors.h"

#include "engine/gguf_private.h"
#include "engine/json_text.h"

#include <stdlib.h>

#define MAX_HEADER 100000000u /* the format's own limit */

static const struct {
    const char *name;
    unsigned bits;
} types[] = {
#define TYPE_ROW(name, bits) {#name, bits},
    TM_SAFETENSORS_TYPES(TYPE_ROW)};
enum { N_TYPES = sizeof types / sizeof types[0] };

const char *tm_safetensors_type_name(tm_safetensors_type type)
{
    return types[type].name;
}

/* The message of what is wrong with a tensor. */
#define FAIL(err, status, tensor, ...)                                                             \
    (tm_fail(err, status, __VA_ARGS__), fail_in(err, (tensor)->name))

static tm_status fail_in(tm_error *err, tm_gguf_string name)
{
    char quoted[TM_GGUF_QUOTED];
    return tm_fail_in(err, "tensor %s", tm_gguf_quote(name, quoted));
}

static tm_status read_type(tm_json_text value, tm_safetensor *t, tm_error *err)
{
    char name[24] = "";
    for (int i = 0; i < N_TYPES; i++) {
        if (!tm_json_text_equals(value, types[i].name)) continue;
        t->type = (tm_safetensors_type)i;
        return TM_OK;
    }
    if (!tm_json_text_copy(value, name, sizeof name))
        return FAIL(err, TM_FORMAT, t, "its dtype is missing or no name");
    for (char *c = name; *c; c++)
        if (*c < 32 || *c > 126) *c = '?';
    return FAIL(err, TM_UNSUPPORTED, t, "its dtype '%s' is unknown", name);
}

/* Also checks that the product of the shape is the tensor's size. */
static tm_status read_shape(tm_json_text value, tm_safetensor *t, tm_error *err)
{
    tm_json_text item;
    uint64_t n = 1;
    if (!tm_json_text_is_array(value)) return FAIL(err, TM_FORMAT, t, "its shape is missing");
    for (size_t cursor = 0; tm_json_text_next(value, &cursor, NULL, &item); t->n_dims++) {
        if (t->n_dims == 4) return FAIL(err, TM_UNSUPPORTED, t, "it has more than 4 dimensions");
        int64_t *dim = &t->shape[t->n_dims];
        if (!tm_json_text_int(item, 0, INT64_MAX, dim))
            return FAIL(err, TM_FORMAT, t, "dimension %d of its shape is not a whole number",
                        t->n_dims);
        if (__builtin_mul_overflow(n, (uint64_t)*dim, &n))
            return FAIL(err, TM_FORMAT, t, "its shape overflows");
    }
    uint64_t bits;
    if (__builtin_mul_overflow(n, (uint64_t)types[t->type].bits, &bits) || bits % 8 ||
        bits / 8 != t->bytes)
        return FAIL(err, TM_FORMAT, t,
                    "its data has %zu bytes, which is not what shape and dtype %s need", t->bytes,
                    types[t->type].name);
    return TM_OK;
}

static tm_status read_offsets(tm_json_text value, size_t data_begin, size_t size, tm_safetensor *t,
                              tm_error *err)
{
    int64_t at[2] = {0, 0};
    tm_json_text item;
    size_t n = 0, room = size - data_begin;
    for (size_t cursor = 0; tm_json_text_next(value, &cursor, NULL, &item); n++)
        if (n >= 2 || !tm_json_text_int(item, 0, INT64_MAX, &at[n])) break;
    if (n != 2 || tm_json_text_count(value) != 2)
        return FAIL(err, TM_FORMAT, t, "its data_offsets must be two whole numbers");
    if (at[0] > at[1] || (uint64_t)at[1] > room)
        return FAIL(err, TM_FORMAT, t,
                    "its data lies at %lld to %lld, but the file has %zu bytes of data; it may be "
                    "incomplete",
                    (long long)at[0], (long long)at[1], room);
    t->offset = data_begin + (size_t)at[0];
    t->bytes = (size_t)(at[1] - at[0]);
    return TM_OK;
}

static int compare_offsets(const void *a, const void *b)
{
    const tm_safetensor *x = a, *y = b;
    if (x->offset != y->offset) return x->offset < y->offset ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty tensors first */
}

static int compare_names(const void *a, const void *b)
{
    return tm_gguf_compare_names(((const tm_safetensor *)a)->name,
                                 ((const tm_safetensor *)b)->name);
}

/* Sorts by name, then by offset, and leaves them so. */
static tm_status check_order(tm_safetensors *file, size_t data_begin, size_t size, tm_error *err)
{
    if (file->n_tensors == 0) return TM_OK;
    size_t n = (size_t)file->n_tensors, end = data_begin;
    qsort(file->tensors, n, sizeof *file->tensors, compare_names);
    for (size_t i = 1; i < n; i++)
        if (compare_names(&file->tensors[i - 1], &file->tensors[i]) == 0)
            return FAIL(err, TM_FORMAT, &file->tensors[i], "it is in the header twice");
    qsort(file->tensors, n, sizeof *file->tensors, compare_offsets);
    for (size_t i = 0; i < n; i++) {
        const tm_safetensor *t = &file->tensors[i];
        if (t->offset != end)
            return FAIL(err, TM_FORMAT, t, "its data begins at byte %zu of the file; %zu expected",
                        t->offset, end);
        end += t->bytes;
    }
    if (end != size)
        return tm_fail(err, TM_FORMAT, "the tensors end at byte %zu of the file, which has %zu",
                       end, size);
    return TM_OK;
}

static tm_status read_tensors(tm_json_text header, size_t data_begin, size_t size,
                              tm_safetensors *file, tm_error *err)
{
    tm_json_text key, value;
    size_t used = 0;
    for (size_t cursor = 0; tm_json_text_next(header, &cursor, &key, &value);) {
        if (tm_json_text_equals(key, "__metadata__")) continue;
        tm_safetensor *t = &file->tensors[file->n_tensors++];
        t->name.data = file->names + used;
        t->name.length = tm_json_text_string(key, file->names + used);
        used += t->name.length;
        tm_status status =
            read_offsets(tm_json_text_get(value, "data_offsets"), data_begin, size, t, err);
        if (status == TM_OK) status = read_type(tm_json_text_get(value, "dtype"), t, err);
        if (status == TM_OK) status = read_shape(tm_json_text_get(value, "shape"), t, err);
        if (status != TM_OK) return status;
    }
    return check_order(file, data_begin, size, err);
}

tm_status tm_safetensors_read(const uint8_t *data, size_t size, tm_safetensors *out, tm_error *err)
{
    tm_safetensors file = {0};
    tm_json_text header;
    *out = file;
    if (size < 10)
        return tm_fail(err, TM_FORMAT, "the file has %zu bytes, too few for a safetensors header",
                       size);
    uint64_t length = tm_load_u64(data);
    if (length > MAX_HEADER)
        return tm_fail(err, TM_FORMAT, "the header states a length of %llu bytes; the limit is %u",
                       (unsigned long long)length, MAX_HEADER);
    if (length > size - 8)
        return tm_fail(err, TM_FORMAT,
                       "the header states a length of %llu bytes, but the file has %zu; it may be "
                       "incomplete",
                       (unsigned long long)length, size);
    const char *text = (const char *)data + 8;
    tm_status status = tm_json_text_check(text, (size_t)length, &header, err);
    if (status == TM_OK && !tm_json_text_is_object(header))
        status = tm_fail(err, TM_FORMAT, "the header is not a JSON object");
    if (status != TM_OK) return status;
    size_t n = tm_json_text_count(header); /* {"a":{"dtype": ... takes more than 40 bytes */
    if (n > length / 40)
        return tm_fail(err, TM_FORMAT, "the header has %zu tensors in %llu bytes", n,
                       (unsigned long long)length);
    status =
        tm_alloc((void **)&file.tensors, n + 1, sizeof *file.tensors, "a list of tensors", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&file.names, (size_t)length, 1, "names of tensors", err);
    if (status == TM_OK) status = read_tensors(header, 8 + (size_t)length, size, &file, err);
    if (status == TM_OK)
        *out = file;
    else
        tm_safetensors_free(&file);
    return status;
}

void tm_safetensors_free(tm_safetensors *file)
{
    tm_free(file->tensors);
    tm_free(file->names);
    *file = (tm_safetensors){0};
}
