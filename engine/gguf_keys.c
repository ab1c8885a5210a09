#include "engine/gguf_private.h"

#include <math.h>
#include <stdlib.h>

int tm_gguf_compare_names(tm_gguf_string a, tm_gguf_string b)
{
    size_t shorter = a.length < b.length ? a.length : b.length;
    int order = memcmp(a.data, b.data, shorter);
    return order ? order : (a.length > b.length) - (a.length < b.length);
}

size_t tm_gguf_value_size(uint32_t type)
{
    static const uint8_t sizes[] = {
        [GGUF_U8] = 1,  [GGUF_I8] = 1,  [GGUF_U16] = 2, [GGUF_I16] = 2,
        [GGUF_U32] = 4, [GGUF_I32] = 4, [GGUF_F32] = 4, [GGUF_BOOL] = 1,
        [GGUF_U64] = 8, [GGUF_I64] = 8, [GGUF_F64] = 8,
    };
    return type < sizeof sizes ? sizes[type] : 0;
}

const char *tm_gguf_value_type_name(uint32_t type)
{
    static const char *const names[] = {
        [GGUF_U8] = "u8",         [GGUF_I8] = "i8",       [GGUF_U16] = "u16", [GGUF_I16] = "i16",
        [GGUF_U32] = "u32",       [GGUF_I32] = "i32",     [GGUF_F32] = "f32", [GGUF_BOOL] = "bool",
        [GGUF_STRING] = "string", [GGUF_ARRAY] = "array", [GGUF_U64] = "u64", [GGUF_I64] = "i64",
        [GGUF_F64] = "f64",
    };
    return type < sizeof names / sizeof names[0] ? names[type] : "unknown";
}

const char *tm_gguf_quote(tm_gguf_string text, char out[TM_GGUF_QUOTED])
{
    size_t n = 0, limit = 60;
    out[n++] = '\'';
    for (size_t i = 0; i < text.length && i < limit; i++) {
        char c = text.data[i];
        out[n++] = c >= 32 && c < 127 ? c : '?';
    }
    if (text.length > limit) {
        memcpy(out + n, "...", 3);
        n += 3;
    }
    out[n++] = '\'';
    out[n] = '\0';
    return out;
}

static int compare_key(const void *a, const void *b)
{
    return tm_gguf_compare_names(((const tm_gguf_key *)a)->name, ((const tm_gguf_key *)b)->name);
}

int tm_gguf_n_keys(const tm_gguf *gguf)
{
    return gguf->n_keys;
}

const tm_gguf_key *tm_gguf_key_at(const tm_gguf *gguf, int index)
{
    return &gguf->keys[index];
}

const tm_gguf_key *tm_gguf_find_key(const tm_gguf *gguf, tm_gguf_string name)
{
    tm_gguf_key wanted = {.name = name};
    if (gguf->n_keys == 0) return NULL;
    return bsearch(&wanted, gguf->keys, (size_t)gguf->n_keys, sizeof *gguf->keys, compare_key);
}

/* NULL, with status OK, for an optional key that is absent. */
static tm_status find_key(const tm_gguf *gguf, const char *name, const tm_gguf_key **out,
                          bool *found, tm_error *err)
{
    *out = tm_gguf_find_key(gguf, (tm_gguf_string){name, strlen(name)});
    if (found) *found = *out;
    if (!*out && !found) return tm_fail(err, TM_FORMAT, "key '%s' is missing", name);
    return TM_OK;
}

static tm_status wrong_type(const tm_gguf_key *key, const char *wanted, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    return tm_fail(err, TM_FORMAT, "key %s is of type %s%s; it must be %s",
                   tm_gguf_quote(key->name, quoted), key->type == GGUF_ARRAY ? "array of " : "",
                   tm_gguf_value_type_name(key->item_type), wanted);
}

tm_status tm_gguf_u32(const tm_gguf *gguf, const char *name, uint32_t *out, bool *found,
                      tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    uint64_t value;
    int64_t negative = 0;
    switch (key->type) {
    case GGUF_U8:
        value = key->data[0];
        break;
    case GGUF_U16:
        value = tm_load_u16(key->data);
        break;
    case GGUF_U32:
        value = tm_load_u32(key->data);
        break;
    case GGUF_U64:
        value = tm_load_u64(key->data);
        break;
    case GGUF_I8:
        value = (uint64_t)(negative = (int8_t)key->data[0]);
        break;
    case GGUF_I16:
        value = (uint64_t)(negative = (int16_t)tm_load_u16(key->data));
        break;
    case GGUF_I32:
        value = (uint64_t)(negative = (int32_t)tm_load_u32(key->data));
        break;
    case GGUF_I64:
        value = (uint64_t)(negative = (int64_t)tm_load_u64(key->data));
        break;
    default:
        return wrong_type(key, "an integer", err);
    }
    if (negative < 0)
        return tm_fail(err, TM_FORMAT, "key '%s' is %lld; it must be 0 to 2^32 - 1", name,
                       (long long)negative);
    if (value > UINT32_MAX)
        return tm_fail(err, TM_FORMAT, "key '%s' is %llu; it must be 0 to 2^32 - 1", name,
                       (unsigned long long)value);
    *out = (uint32_t)value;
    return TM_OK;
}

tm_status tm_gguf_f32(const tm_gguf *gguf, const char *name, float *out, bool *found, tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    double value;
    if (key->type == GGUF_F32) {
        float single;
        memcpy(&single, key->data, sizeof single);
        value = single;
    } else if (key->type == GGUF_F64) {
        memcpy(&value, key->data, sizeof value);
    } else {
        return wrong_type(key, "f32", err);
    }
    if (!isfinite((float)value))
        return tm_fail(err, TM_FORMAT, "key '%s' is %g; it must be finite", name, value);
    *out = (float)value;
    return TM_OK;
}

tm_status tm_gguf_bool(const tm_gguf *gguf, const char *name, bool *out, bool *found, tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    if (key->type != GGUF_BOOL) return wrong_type(key, "bool", err);
    *out = key->data[0] != 0;
    return TM_OK;
}

tm_status tm_gguf_str(const tm_gguf *gguf, const char *name, tm_gguf_string *out, bool *found,
                      tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    if (key->type != GGUF_STRING) return wrong_type(key, "a string", err);
    *out = (tm_gguf_string){(const char *)key->data, key->bytes};
    return TM_OK;
}

tm_status tm_gguf_find_array(const tm_gguf *gguf, const char *name, tm_gguf_array *out, bool *found,
                             tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    if (key->type != GGUF_ARRAY) return wrong_type(key, "an array", err);
    *out = (tm_gguf_array){key->item_type, key->n_items, key->data, key->bytes};
    return TM_OK;
}

tm_status tm_gguf_array_length(const tm_gguf *gguf, const char *name, uint64_t *out, bool *found,
                               tm_error *err)
{
    const tm_gguf_key *key;
    tm_status status = find_key(gguf, name, &key, found, err);
    if (status || !key) return status;
    if (key->type != GGUF_ARRAY || key->item_type != GGUF_STRING)
        return wrong_type(key, "an array of strings", err);
    *out = key->n_items;
    return TM_OK;
}
