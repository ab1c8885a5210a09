/* The vocabulary of a file: its tokens and merges, found by hash. */
#include "engine/gguf_private.h"
#include "engine/tokenizer_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY "tokenizer.ggml."

int tm_utf8_scan(const char *text, size_t length, bool *complete)
{
    const uint8_t *p = (const uint8_t *)text;
    *complete = false;
    if (length == 0) return 0;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
    if (n == 0 || p[0] > 0xf4) return 0;
    size_t i = 1;
    for (; i < n && i < length; i++) {
        /* No overlong forms, surrogates or code points above U+10FFFF. */
        uint8_t low = i > 1 ? 0x80 : p[0] == 0xe0 ? 0xa0 : p[0] == 0xf0 ? 0x90 : 0x80;
        uint8_t high = i > 1 ? 0xbf : p[0] == 0xed ? 0x9f : p[0] == 0xf4 ? 0x8f : 0xbf;
        if (p[i] < low || p[i] > high) break;
    }
    *complete = i == n;
    return (int)i;
}

size_t tm_utf8_space(const char *text, size_t length)
{
    const uint8_t *p = (const uint8_t *)text;
    if (length == 0) return 0;
    if (p[0] == ' ' || (p[0] >= '\t' && p[0] <= '\r')) return 1;
    if (length > 1 && p[0] == 0xc2) return p[1] == 0x85 || p[1] == 0xa0 ? 2 : 0;
    if (length < 3) return 0;
    uint32_t code = (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
    bool is_space = code == 0xe19a80 || (code >= 0xe28080 && code <= 0xe2808a) ||
                    code == 0xe280a8 || code == 0xe280a9 || code == 0xe280af || code == 0xe2819f ||
                    code == 0xe38080;
    return is_space ? 3 : 0;
}

/* GPT-2's table: printable bytes are themselves, the other 68 follow from 256 on. */
int tm_byte_to_code_point(uint8_t byte)
{
    if (byte < 33) return 256 + byte;
    if (byte >= 127 && byte < 161) return 256 + 33 + byte - 127;
    return byte == 173 ? 256 + 67 : byte;
}

int tm_code_point_to_byte(int code_point)
{
    int nth = code_point - 256; /* of those that do not stand for themselves */
    int byte = nth < 0 ? code_point : nth < 33 ? nth : nth < 67 ? nth - 33 + 127 : 173;
    return byte >= 0 && tm_byte_to_code_point((uint8_t)byte) == code_point ? byte : -1;
}

static uint64_t hash_text(const char *text, size_t length)
{
    uint64_t hash = length * TM_GOLDEN, word;
    for (; length >= 8; text += 8, length -= 8) {
        memcpy(&word, text, 8);
        hash = tm_mix64(hash ^ word);
    }
    word = 0;
    memcpy(&word, text, length);
    return tm_mix64(hash ^ word);
}

/* The slot of a text: empty, or with its token. */
static size_t find_slot(const tm_tokenizer *t, const char *text, size_t length)
{
    size_t at = hash_text(text, length) & (t->n_slots - 1);
    for (; t->slots[at]; at = (at + 1) & (t->n_slots - 1)) {
        tm_gguf_string have = t->texts[t->slots[at] - 1];
        if (have.length == length && memcmp(have.data, text, length) == 0) break;
    }
    return at;
}

int32_t tm_tokenizer_find(const tm_tokenizer *t, const char *text, size_t length)
{
    if (length == 0 || length > t->longest) return -1;
    return (int32_t)t->slots[find_slot(t, text, length)] - 1;
}

static size_t merge_slot(const tm_tokenizer *t, int32_t left, int32_t right)
{
    size_t mask = t->n_merges - 1;
    size_t at = tm_mix64((uint64_t)(uint32_t)left << 32 | (uint32_t)right) & mask;
    while (t->merges[at].rank >= 0 && (t->merges[at].left != left || t->merges[at].right != right))
        at = (at + 1) & mask;
    return at;
}

const tm_merge *tm_vocabulary_merge(const tm_tokenizer *t, int32_t left, int32_t right)
{
    if (left < 0 || right < 0) return NULL;
    const tm_merge *merge = &t->merges[merge_slot(t, left, right)];
    return merge->rank >= 0 ? merge : NULL;
}

/* Slots of a hash table of n items: a power of 2, at most two thirds of them used. */
static size_t count_slots(uint64_t n)
{
    size_t slots = 16;
    while (slots < n + n / 2) slots *= 2;
    return slots;
}

/* Takes the next string of an array, whose lengths were checked on opening. */
static tm_gguf_string next_string(const uint8_t **at)
{
    tm_gguf_string text = {(const char *)*at + 8, (size_t)tm_load_u64(*at)};
    *at += 8 + text.length;
    return text;
}

/* wanted: n_items for an array that has one per token; 0: any number below 2^31. */
static tm_status find_array(const tm_gguf *gguf, const char *key, uint32_t type, int wanted,
                            tm_gguf_array *out, bool *found, tm_error *err)
{
    tm_status status = tm_gguf_find_array(gguf, key, out, found, err);
    if (status != TM_OK || (found && !*found)) return status;
    bool is_integer = type == GGUF_I32 && out->item_type == GGUF_U32;
    if (out->item_type != type && !is_integer)
        return tm_fail(err, TM_FORMAT, "key '%s' is an array of type %u; it must hold %s", key,
                       out->item_type,
                       type == GGUF_STRING ? "strings"
                       : type == GGUF_F32  ? "f32"
                                           : "i32");
    if (wanted && out->n_items != (uint64_t)wanted)
        return tm_fail(err, TM_FORMAT, "key '%s' has %llu items, but '" KEY "tokens' has %d", key,
                       (unsigned long long)out->n_items, wanted);
    if (out->n_items > INT32_MAX)
        return tm_fail(err, TM_FORMAT, "key '%s' has %llu items; at most %d are supported", key,
                       (unsigned long long)out->n_items, INT32_MAX);
    return TM_OK;
}

static tm_status add_token(tm_tokenizer *t, int id, tm_gguf_string text, tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    bool complete = true;
    for (size_t i = 0; i < text.length && complete;)
        i += (size_t)tm_utf8_scan(text.data + i, text.length - i, &complete);
    if (!complete)
        return tm_fail(err, TM_FORMAT, "key '" KEY "tokens': token %d %s is not valid UTF-8", id,
                       tm_gguf_quote(text, quoted));
    t->texts[id] = text;
    if (text.length == 0) return TM_OK; /* some vocabularies have holes; no text becomes these */
    size_t slot = find_slot(t, text.data, text.length);
    if (t->slots[slot])
        return tm_fail(err, TM_FORMAT, "key '" KEY "tokens': tokens %u and %d are both %s",
                       t->slots[slot] - 1, id, tm_gguf_quote(text, quoted));
    t->slots[slot] = (uint32_t)id + 1;
    if (text.length > t->longest) t->longest = text.length;
    return TM_OK;
}

static tm_status read_tokens(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_array array;
    tm_status status = find_array(gguf, KEY "tokens", GGUF_STRING, 0, &array, NULL, err);
    if (status != TM_OK) return status;
    if (array.n_items == 0) return tm_fail(err, TM_FORMAT, "key '" KEY "tokens' is empty");
    t->n_tokens = (int)array.n_items;
    t->n_slots = count_slots(array.n_items);
    status = tm_alloc((void **)&t->texts, array.n_items, sizeof *t->texts, "the vocabulary", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&t->slots, t->n_slots, sizeof *t->slots, "the vocabulary", err);
    const uint8_t *at = array.data;
    for (int id = 0; status == TM_OK && id < t->n_tokens; id++)
        status = add_token(t, id, next_string(&at), err);
    return status;
}

static tm_status read_types(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_array array;
    bool found;
    tm_status status = tm_alloc((void **)&t->types, (size_t)t->n_tokens, 1, "the vocabulary", err);
    if (status == TM_OK)
        status = find_array(gguf, KEY "token_type", GGUF_I32, t->n_tokens, &array, &found, err);
    for (int id = 0; status == TM_OK && found && id < t->n_tokens; id++) {
        uint32_t type = tm_load_u32(array.data + 4 * (size_t)id);
        if (type > TOKEN_BYTE)
            return tm_fail(err, TM_FORMAT,
                           "key '" KEY "token_type': token %d has type %d; it must be 0 to 6", id,
                           (int)type);
        t->types[id] = (uint8_t)type;
    }
    return status;
}

static tm_status read_strips(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_array array;
    bool found;
    tm_status status =
        find_array(gguf, TM_TOKEN_STRIPS, GGUF_I32, t->n_tokens, &array, &found, err);
    if (status != TM_OK || !found) return status;
    status = tm_alloc((void **)&t->strips, (size_t)t->n_tokens, 1, "the vocabulary", err);
    for (int id = 0; status == TM_OK && id < t->n_tokens; id++)
        t->strips[id] = (uint8_t)tm_load_u32(array.data + 4 * (size_t)id);
    return status;
}

static tm_status read_scores(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_array array;
    tm_status status = find_array(gguf, KEY "scores", GGUF_F32, t->n_tokens, &array, NULL, err);
    if (status == TM_OK)
        status = tm_alloc((void **)&t->scores, (size_t)t->n_tokens, sizeof *t->scores,
                          "the vocabulary", err);
    if (status != TM_OK) return status;
    memcpy(t->scores, array.data, (size_t)t->n_tokens * sizeof *t->scores);
    for (int id = 0; id < t->n_tokens; id++)
        if (!isfinite(t->scores[id]))
            return tm_fail(err, TM_FORMAT,
                           "key '" KEY "scores': the score of token %d is %g; it must be finite",
                           id, (double)t->scores[id]);
    return TM_OK;
}

/* "A B": joins A and B. joined: room for the longest token. */
static tm_status add_merge(tm_tokenizer *t, int rank, tm_gguf_string text, char *joined,
                           tm_error *err)
{
    char quoted[TM_GGUF_QUOTED], wrong[TM_GGUF_QUOTED];
    /* A token may begin with a space only if it is the space itself. */
    const char *space = text.length > 1 ? memchr(text.data + 1, ' ', text.length - 1) : NULL;
    if (!space || space + 1 == text.data + text.length)
        return tm_fail(err, TM_FORMAT,
                       "key '" KEY "merges': merge %d is %s; it must be two tokens separated by a "
                       "space",
                       rank, tm_gguf_quote(text, quoted));
    tm_gguf_string left = {text.data, (size_t)(space - text.data)};
    tm_gguf_string right = {space + 1, text.length - left.length - 1}, both = {joined, 0}, *bad;
    tm_merge merge = {.left = tm_tokenizer_find(t, left.data, left.length),
                      .right = tm_tokenizer_find(t, right.data, right.length),
                      .id = -1,
                      .rank = rank};
    bad = merge.left < 0 ? &left : merge.right < 0 ? &right : NULL;
    if (!bad && left.length + right.length <= t->longest) {
        both.length = left.length + right.length;
        memcpy(joined, left.data, left.length);
        memcpy(joined + left.length, right.data, right.length);
        merge.id = tm_tokenizer_find(t, joined, both.length);
    }
    if (bad)
        return tm_fail(err, TM_FORMAT,
                       "key '" KEY "merges': merge %d %s names %s, which is not in '" KEY "tokens'",
                       rank, tm_gguf_quote(text, quoted), tm_gguf_quote(*bad, wrong));
    if (merge.id < 0)
        return tm_fail(err, TM_FORMAT,
                       "key '" KEY "merges': the result of merge %d %s is not in '" KEY "tokens'",
                       rank, tm_gguf_quote(text, quoted));
    tm_merge *slot = &t->merges[merge_slot(t, merge.left, merge.right)];
    if (slot->rank < 0) *slot = merge; /* the first of equal ones, as in llama.cpp */
    return TM_OK;
}

static tm_status read_merges(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_array array;
    char *joined = NULL;
    tm_status status = find_array(gguf, KEY "merges", GGUF_STRING, 0, &array, NULL, err);
    if (status != TM_OK) return status;
    t->n_merges = count_slots(array.n_items);
    status = tm_alloc((void **)&t->merges, t->n_merges, sizeof *t->merges, "the merges", err);
    if (status == TM_OK) status = tm_alloc((void **)&joined, t->longest, 1, "the merges", err);
    for (size_t i = 0; status == TM_OK && i < t->n_merges; i++) t->merges[i].rank = -1;
    const uint8_t *at = array.data;
    for (int rank = 0; status == TM_OK && rank < (int)array.n_items; rank++)
        status = add_merge(t, rank, next_string(&at), joined, err);
    tm_free(joined);
    return status;
}

static void find_bytes(tm_tokenizer *t)
{
    for (int byte = 0; byte < 256; byte++) {
        char text[8];
        int n = snprintf(text, sizeof text, "<0x%02X>", (unsigned)byte);
        int code_point = tm_byte_to_code_point((uint8_t)byte);
        if (t->is_bpe && code_point < 128)
            n = snprintf(text, sizeof text, "%c", code_point);
        else if (t->is_bpe)
            n = snprintf(text, sizeof text, "%c%c", 0xc0 | code_point >> 6,
                         0x80 | (code_point & 63));
        t->bytes[byte] = tm_tokenizer_find(t, text, (size_t)n);
    }
}

tm_status tm_vocabulary_read(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_status status = read_tokens(gguf, t, err);
    if (status == TM_OK) status = read_types(gguf, t, err);
    if (status == TM_OK) status = read_strips(gguf, t, err);
    if (status == TM_OK) status = t->is_bpe ? read_merges(gguf, t, err) : read_scores(gguf, t, err);
    if (status != TM_OK) return status;
    find_bytes(t);
    return tm_specials_open(t, &t->specials, err);
}
