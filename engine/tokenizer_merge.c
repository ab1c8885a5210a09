/* Joins neighbouring tokens, the best pair first and the leftmost of equal pairs, with a heap of
 * the pairs that can be joined: n log n steps for n characters. Pairs that have changed since they
 * were added are recognised by their length when they come up. */
#include "engine/tokenizer_private.h"

#include <stdlib.h>

/* What SentencePiece writes for a space: U+2581. */
#define SPACE_MARK "\xe2\x96\x81"

static bool before(const tm_join *a, const tm_join *b)
{
    return a->cost != b->cost ? a->cost < b->cost : a->left < b->left;
}

static tm_status push(tm_merger *m, tm_join join, tm_error *err)
{
    tm_status status =
        tm_grow((void **)&m->heap, &m->heap_capacity, m->n_heap + 1, sizeof *m->heap, err);
    if (status != TM_OK) return status;
    size_t at = m->n_heap++;
    for (; at > 0 && before(&join, &m->heap[(at - 1) / 2]); at = (at - 1) / 2)
        m->heap[at] = m->heap[(at - 1) / 2];
    m->heap[at] = join;
    return TM_OK;
}

static tm_join pop(tm_merger *m)
{
    tm_join top = m->heap[0], last = m->heap[--m->n_heap];
    size_t at = 0;
    for (size_t child; (child = 2 * at + 1) < m->n_heap; at = child) {
        if (child + 1 < m->n_heap && before(&m->heap[child + 1], &m->heap[child])) child++;
        if (!before(&m->heap[child], &last)) break;
        m->heap[at] = m->heap[child];
    }
    m->heap[at] = last;
    return top;
}

/* The highest score first: an unsigned number in reverse order of the floats. */
static uint32_t score_cost(float score)
{
    uint32_t bits;
    score += 0.0f; /* -0 becomes 0 */
    memcpy(&bits, &score, sizeof bits);
    return bits >> 31 ? bits : ~bits & 0x7fffffffu;
}

/* The token that a text may become; -1: none. Control tokens are not made of ordinary text. */
static int32_t find_piece(const tm_tokenizer *t, const char *text, size_t length)
{
    int32_t id = tm_tokenizer_find(t, text, length);
    if (id < 0) return -1;
    uint8_t type = t->types[id];
    return type == TOKEN_CONTROL || type == TOKEN_UNKNOWN || type == TOKEN_BYTE ? -1 : id;
}

/* Adds the pair of `left` and the symbol behind it, if it can be joined. */
static tm_status consider(tm_merger *m, int32_t left, tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    if (left < 0 || m->symbols[left].next < 0) return TM_OK;
    const tm_symbol *a = &m->symbols[left], *b = &m->symbols[a->next];
    tm_join join = {.left = left, .length = a->length + b->length};
    m->out->n_steps++;
    if (t->is_bpe) {
        const tm_merge *merge = tm_vocabulary_merge(t, a->id, b->id);
        if (!merge) return TM_OK;
        join.cost = (uint32_t)merge->rank;
        join.id = merge->id;
    } else {
        if (join.length > t->longest) return TM_OK;
        join.id = find_piece(t, m->text + a->begin, join.length);
        if (join.id < 0) return TM_OK;
        join.cost = score_cost(t->scores[join.id]);
    }
    return push(m, join, err);
}

static tm_status join_all(tm_merger *m, size_t n_symbols, tm_error *err)
{
    tm_status status = TM_OK;
    m->n_heap = 0;
    for (size_t i = 0; status == TM_OK && i + 1 < n_symbols; i++)
        status = consider(m, (int32_t)i, err);
    while (status == TM_OK && m->n_heap > 0) {
        tm_join join = pop(m);
        tm_symbol *a = &m->symbols[join.left];
        if (a->length == 0 || a->next < 0) continue;
        tm_symbol *b = &m->symbols[a->next];
        if (a->length + b->length != join.length) continue;
        a->length = join.length;
        a->id = join.id;
        a->next = b->next;
        b->length = 0;
        if (a->next >= 0) m->symbols[a->next].prev = join.left;
        status = consider(m, a->prev, err);
        if (status == TM_OK) status = consider(m, join.left, err);
    }
    return status;
}

/* A symbol that is no token: its bytes, or the unknown token. `text` holds the symbol. */
static tm_status add_bytes(tm_merger *m, const char *text, const tm_symbol *symbol, tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    tm_status status = TM_OK;
    uint8_t missing = 0;
    bool complete = true;
    for (uint32_t i = 0; i < symbol->length && complete; i++) {
        missing = (uint8_t)text[symbol->begin + i];
        complete = t->bytes[missing] >= 0;
    }
    if (!complete && t->unknown >= 0) return tm_token_ids_add(m->out, t->unknown, err);
    if (!complete)
        return tm_fail(err, TM_FORMAT,
                       "tokenizer.ggml.tokens has no token for the byte 0x%02X of the text, and "
                       "tokenizer.ggml.unknown_token_id is missing",
                       missing);
    for (uint32_t i = 0; i < symbol->length && status == TM_OK; i++)
        status = tm_token_ids_add(m->out, t->bytes[(uint8_t)text[symbol->begin + i]], err);
    return status;
}

static tm_status add_ids(tm_merger *m, const char *text, tm_error *err)
{
    tm_status status = TM_OK;
    for (int32_t i = 0; status == TM_OK && i >= 0; i = m->symbols[i].next)
        status = m->symbols[i].id >= 0 ? tm_token_ids_add(m->out, m->symbols[i].id, err)
                                       : add_bytes(m, text, &m->symbols[i], err);
    return status;
}

static void set_symbol(tm_merger *m, size_t i, size_t begin, size_t length, int32_t id)
{
    m->symbols[i] = (tm_symbol){.prev = (int32_t)i - 1,
                                .next = (int32_t)i + 1,
                                .id = id,
                                .begin = (uint32_t)begin,
                                .length = (uint32_t)length};
}

static tm_status grow_symbols(tm_merger *m, size_t n, tm_error *err)
{
    return tm_grow((void **)&m->symbols, &m->symbols_capacity, n, sizeof *m->symbols, err);
}

/* The token of a whole word, spelled as in the vocabulary; *id is -1 if there is none. */
static tm_status find_word(tm_merger *m, const char *word, size_t length, int32_t *id,
                           tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    *id = -1;
    if (length > t->longest) return TM_OK; /* a byte takes one byte of a token or more */
    tm_status status = tm_grow((void **)&m->text, &m->text_capacity, 2 * length, 1, err);
    if (status != TM_OK) return status;
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        int code_point = tm_byte_to_code_point((uint8_t)word[i]);
        if (code_point >= 128) m->text[n++] = (char)(0xc0 | code_point >> 6);
        m->text[n++] = (char)(code_point >= 128 ? 0x80 | (code_point & 63) : code_point);
    }
    *id = find_piece(t, m->text, n);
    return TM_OK;
}

tm_status tm_merger_word(tm_merger *m, const char *word, size_t length, tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    if (t->whole_words) {
        int32_t id;
        tm_status status = find_word(m, word, length, &id, err);
        if (status != TM_OK) return status;
        if (id >= 0) return tm_token_ids_add(m->out, id, err);
    }
    tm_status status = grow_symbols(m, length, err);
    if (status != TM_OK) return status;
    for (size_t i = 0; i < length; i++) set_symbol(m, i, i, 1, t->bytes[(uint8_t)word[i]]);
    m->symbols[length - 1].next = -1;
    status = join_all(m, length, err);
    return status != TM_OK ? status : add_ids(m, word, err);
}

tm_status tm_merger_text(tm_merger *m, const char *text, size_t length, bool begins_text,
                         tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    size_t mark = strlen(SPACE_MARK), n = 0, n_symbols = 0;
    tm_status status = tm_grow((void **)&m->text, &m->text_capacity, (length + 1) * mark, 1, err);
    if (status == TM_OK) status = grow_symbols(m, length + 1, err);
    if (status != TM_OK) return status;
    bool prefix = begins_text && t->adds_space;
    for (size_t i = 0; prefix || i < length; n_symbols++) {
        size_t step = mark;
        if (prefix || text[i] == ' ') {
            memcpy(m->text + n, SPACE_MARK, mark);
            i += !prefix;
            prefix = false;
        } else {
            bool complete;
            step = (size_t)tm_utf8_scan(text + i, length - i, &complete);
            memcpy(m->text + n, text + i, step);
            i += step;
        }
        set_symbol(m, n_symbols, n, step, find_piece(t, m->text + n, step));
        n += step;
    }
    m->symbols[n_symbols - 1].next = -1;
    status = join_all(m, n_symbols, err);
    return status != TM_OK ? status : add_ids(m, m->text, err);
}

void tm_merger_free(tm_merger *m)
{
    free(m->text);
    free(m->symbols);
    free(m->heap);
}
