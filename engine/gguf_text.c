/* Keys as text, and their comparison. */
#include "engine/gguf_private.h"

#include <inttypes.h>
#include <stdio.h>

#define SHOWN_ITEMS 3 /* of an array */

bool tm_gguf_same_value(const tm_gguf_key *a, const tm_gguf_key *b)
{
    return a->type == b->type && a->item_type == b->item_type && a->n_items == b->n_items &&
           a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

static int64_t signed_value(const uint8_t *data, size_t bytes)
{
    uint64_t value = 0;
    memcpy(&value, data, bytes);
    unsigned unused = 64 - 8 * (unsigned)bytes;
    return (int64_t)(value << unused) >> unused;
}

/* A value of a fixed size. */
static void print_number(uint32_t type, const uint8_t *data, char *out, size_t size)
{
    uint64_t value = 0;
    float single;
    double wide;
    memcpy(&value, data, tm_gguf_value_size(type));
    switch (type) {
    case GGUF_F32:
        memcpy(&single, data, sizeof single);
        snprintf(out, size, "%.9g", (double)single);
        break;
    case GGUF_F64:
        memcpy(&wide, data, sizeof wide);
        snprintf(out, size, "%.17g", wide);
        break;
    case GGUF_BOOL:
        snprintf(out, size, "%s", value ? "true" : "false");
        break;
    case GGUF_I8:
    case GGUF_I16:
    case GGUF_I32:
    case GGUF_I64:
        snprintf(out, size, "%" PRId64, signed_value(data, tm_gguf_value_size(type)));
        break;
    default:
        snprintf(out, size, "%" PRIu64, value);
    }
}

static void print_items(const tm_gguf_key *key, char *out, size_t size)
{
    const uint8_t *at = key->data;
    size_t n = 0;
    for (uint64_t i = 0; i < key->n_items && i < SHOWN_ITEMS; i++) {
        char text[TM_GGUF_QUOTED];
        if (key->item_type == GGUF_STRING) {
            tm_gguf_string item = {(const char *)at + 8, (size_t)tm_load_u64(at)};
            tm_gguf_quote(item, text);
            at += 8 + item.length;
        } else {
            print_number(key->item_type, at, text, sizeof text);
            at += tm_gguf_value_size(key->item_type);
        }
        n += (size_t)snprintf(out + n, size - n, "%s%s", i ? ", " : "", text);
    }
    if (key->n_items > SHOWN_ITEMS) snprintf(out + n, size - n, ", ...");
}

tm_gguf_key_text tm_gguf_print_key(const tm_gguf_key *key)
{
    tm_gguf_key_text out = {.name = ""};
    const char *type = tm_gguf_value_type_name(key->item_type);
    size_t n = key->name.length < sizeof out.name ? key->name.length : sizeof out.name - 1;
    for (size_t i = 0; i < n; i++) {
        char c = key->name.data[i];
        out.name[i] = c >= 32 && c < 127 ? c : '?';
    }
    snprintf(out.type, sizeof out.type, "%s", type);
    if (key->type == GGUF_STRING) {
        tm_gguf_quote((tm_gguf_string){(const char *)key->data, key->bytes}, out.value);
    } else if (key->type == GGUF_ARRAY) {
        snprintf(out.type, sizeof out.type, "%s[%" PRIu64 "]", type, key->n_items);
        print_items(key, out.value, sizeof out.value);
    } else {
        print_number(key->type, key->data, out.value, sizeof out.value);
    }
    return out;
}
