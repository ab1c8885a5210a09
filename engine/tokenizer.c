#include "engine/tokenizer.h"

#include "engine/gguf_private.h"
#include "engine/tokenizer_private.h"

#include <assert.h>
#include <stdlib.h>

#define KEY "tokenizer.ggml."

tm_status tm_grow(void **array, size_t *capacity, size_t n, size_t size, tm_error *err)
{
    if (n <= *capacity) return TM_OK;
    size_t wanted = n > 2 * *capacity ? n : 2 * *capacity, n_bytes;
    if (wanted < 64) wanted = 64;
    void *grown = tm_mul_size(wanted, size, &n_bytes) ? realloc(*array, n_bytes) : NULL;
    if (!grown) return tm_fail(err, TM_NOMEM, "no memory for %zu items of a text", wanted);
    *array = grown;
    *capacity = wanted;
    return TM_OK;
}

tm_status tm_token_ids_add(tm_token_ids *out, int32_t id, tm_error *err)
{
    tm_status status =
        tm_grow((void **)&out->ids, &out->capacity, out->n + 1, sizeof *out->ids, err);
    if (status == TM_OK) out->ids[out->n++] = id;
    return status;
}

void tm_token_ids_free(tm_token_ids *ids)
{
    free(ids->ids);
    *ids = (tm_token_ids){0};
}

static tm_status read_model(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_string model;
    char quoted[TM_GGUF_QUOTED];
    tm_status status = tm_gguf_str(gguf, KEY "model", &model, NULL, err);
    if (status != TM_OK) return status;
    t->is_bpe = model.length == 4 && memcmp(model.data, "gpt2", 4) == 0;
    if (t->is_bpe || (model.length == 5 && memcmp(model.data, "llama", 5) == 0)) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED,
                   "key '" KEY "model' is %s; supported are gpt2 (byte-level BPE) and llama "
                   "(SentencePiece)",
                   tm_gguf_quote(model, quoted));
}

/* *id: -1 if the key is absent. */
static tm_status read_id(const tm_gguf *gguf, const tm_tokenizer *t, const char *key, int32_t *id,
                         tm_error *err)
{
    uint32_t value;
    bool found;
    *id = -1;
    tm_status status = tm_gguf_u32(gguf, key, &value, &found, err);
    if (status != TM_OK || !found) return status;
    if (value == UINT32_MAX) return TM_OK; /* what converters write for "none" */
    if (value >= (uint32_t)t->n_tokens)
        return tm_fail(err, TM_FORMAT, "key '%s' is %u; it must be below the vocabulary size %d",
                       key, value, t->n_tokens);
    *id = (int32_t)value;
    return TM_OK;
}

/* Some files name only the end of a document, and models end their replies with another token.
 * llama.cpp goes by these names too. */
static tm_status read_ends(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    static const char *const names[] = {"<|eot_id|>",    "<|eom_id|>",    "<|end_of_text|>",
                                        "<|im_end|>",    "<|endoftext|>", "<|end|>",
                                        "<end_of_turn>", "<EOT>"};
    enum { N_NAMES = sizeof names / sizeof *names };
    static_assert(N_NAMES + 3 <= TM_TOKENIZER_ENDS, "there is room for all");
    int n = 0;
    t->ends[n++] = t->eos;
    tm_status status = read_id(gguf, t, KEY "eot_token_id", &t->ends[n++], err);
    if (status == TM_OK) status = read_id(gguf, t, KEY "eom_token_id", &t->ends[n++], err);
    for (int i = 0; i < N_NAMES; i++)
        t->ends[n++] = tm_tokenizer_find(t, names[i], strlen(names[i]));
    while (n < TM_TOKENIZER_ENDS) t->ends[n++] = -1;
    return status;
}

static tm_status read_flags(const tm_gguf *gguf, tm_tokenizer *t, tm_error *err)
{
    bool found;
    tm_status status = read_id(gguf, t, KEY "bos_token_id", &t->bos, err);
    if (status == TM_OK) status = read_id(gguf, t, KEY "eos_token_id", &t->eos, err);
    if (status == TM_OK) status = read_ends(gguf, t, err);
    if (status == TM_OK) status = read_id(gguf, t, KEY "unknown_token_id", &t->unknown, err);
    if (status == TM_OK)
        status = tm_gguf_bool(gguf, KEY "add_bos_token", &t->adds_bos, &found, err);
    if (status == TM_OK && !t->is_bpe)
        status = tm_gguf_bool(gguf, KEY "add_space_prefix", &t->adds_space, &found, err);
    return status;
}

static tm_status open_splitter(const tm_gguf *gguf, const char *pre, tm_tokenizer *t, tm_error *err)
{
    tm_gguf_string name = {"default", strlen("default")};
    tm_pre_rule rule;
    bool found;
    tm_status status = tm_gguf_str(gguf, KEY "pre", &name, &found, err);
    if (status == TM_OK && pre) {
        name = (tm_gguf_string){pre, strlen(pre)};
        if (!tm_splitter_knows(name))
            status = tm_unknown_name(err, "pre-tokenizer", pre, tm_tokenizer_pre_names());
    }
    if (status == TM_OK) status = tm_splitter_open(name, &rule, &t->splitter, err);
    if (status != TM_OK) return status;
    t->whole_words = rule.whole_words;
    t->adds_bos = rule.adds_bos;
    /* tokenizer.json states it; in GGUF files it follows from the rule. */
    return pre ? TM_OK
               : tm_gguf_bool(gguf, "tokenizer.ignore_merges", &t->whole_words, &found, err);
}

tm_status tm_tokenizer_open(const tm_gguf *gguf, const char *pre, tm_tokenizer **out, tm_error *err)
{
    tm_gguf_string reason;
    bool is_missing;
    tm_status status = tm_gguf_str(gguf, TM_GGUF_TOKENIZER_MISSING, &reason, &is_missing, err);
    if (status == TM_OK && is_missing)
        return tm_fail(err, TM_UNSUPPORTED, "%.*s", (int)reason.length, reason.data);
    tm_tokenizer *t = calloc(1, sizeof *t);
    if (!t) return tm_fail(err, TM_NOMEM, "no memory for the tokenizer");
    t->adds_bos = t->adds_space = true; /* SentencePiece's defaults */
    if (status == TM_OK) status = read_model(gguf, t, err);
    if (status == TM_OK && pre && !t->is_bpe)
        status = tm_fail(err, TM_ARG,
                         "key '" KEY "model' is 'llama' (SentencePiece), but the rule '%s' is only "
                         "for byte-level BPE",
                         pre);
    if (status == TM_OK && t->is_bpe) status = open_splitter(gguf, pre, t, err);
    if (status == TM_OK) status = tm_vocabulary_read(gguf, t, err);
    if (status == TM_OK) status = read_flags(gguf, t, err);
    if (status == TM_OK) {
        *out = t;
        return TM_OK;
    }
    tm_tokenizer_close(t);
    if (err && err->status != TM_NOMEM && tm_gguf_path(gguf))
        tm_fail_in(err, "%s", tm_gguf_path(gguf));
    return status;
}

void tm_tokenizer_close(tm_tokenizer *t)
{
    if (!t) return;
    tm_splitter_close(t->splitter);
    tm_free(t->texts);
    tm_free(t->types);
    tm_free(t->strips);
    tm_free(t->scores);
    tm_free(t->slots);
    tm_free(t->merges);
    tm_specials_close(t->specials);
    free(t);
}

int tm_tokenizer_n_tokens(const tm_tokenizer *t)
{
    return t->n_tokens;
}

int32_t tm_tokenizer_bos(const tm_tokenizer *t)
{
    return t->bos;
}

int32_t tm_tokenizer_eos(const tm_tokenizer *t)
{
    return t->eos;
}

bool tm_tokenizer_ends(const tm_tokenizer *t, int32_t id)
{
    for (int i = 0; i < TM_TOKENIZER_ENDS; i++)
        if (id >= 0 && t->ends[i] == id) return true;
    return false;
}

tm_gguf_string tm_tokenizer_text(const tm_tokenizer *t, int32_t id)
{
    assert(id >= 0 && id < t->n_tokens);
    return t->texts[id];
}

bool tm_tokenizer_adds_bos(const tm_tokenizer *t)
{
    return t->adds_bos;
}

static tm_status check_text(const char *text, size_t length, tm_error *err)
{
    if (length >= 1u << 30)
        return tm_fail(err, TM_ARG, "the text has %zu bytes; it must be shorter than 2^30", length);
    for (size_t i = 0; i < length;) {
        bool complete;
        int n = tm_utf8_scan(text + i, length - i, &complete);
        if (!complete)
            return tm_fail(err, TM_FORMAT, "the text is not valid UTF-8: byte 0x%02X at offset %zu",
                           (uint8_t)text[i], i);
        i += (size_t)n;
    }
    return TM_OK;
}

static tm_status add_word(void *arg, const char *word, size_t length, tm_error *err)
{
    return tm_merger_word(arg, word, length, err);
}

/* A stretch without special tokens. */
static tm_status add_stretch(tm_merger *m, const char *text, size_t length, bool begins_text,
                             tm_error *err)
{
    if (length == 0) return TM_OK;
    if (!m->tokenizer->is_bpe) return tm_merger_text(m, text, length, begins_text, err);
    return tm_splitter_split(m->tokenizer->splitter, text, length, add_word, m, err);
}

/* The end of a stretch [begin, end) before a special token, which may take the white space. */
static size_t stretch_end(const tm_tokenizer *t, const char *text, size_t begin, size_t end,
                          int32_t id)
{
    if (!t->strips || !(t->strips[id] & TOKEN_STRIPS_LEFT)) return end;
    size_t last = begin; /* behind the last character that is no white space */
    for (size_t i = begin; i < end;) {
        bool complete;
        size_t space = tm_utf8_space(text + i, end - i);
        i += space ? space : (size_t)tm_utf8_scan(text + i, end - i, &complete);
        if (!space) last = i;
    }
    return last;
}

/* Where the text goes on behind a special token that ends at `begin`. */
static size_t skip_right(const tm_tokenizer *t, const char *text, size_t begin, size_t length,
                         const int32_t *marks, int32_t id)
{
    size_t space = 1;
    if (!t->strips || !(t->strips[id] & TOKEN_STRIPS_RIGHT)) return begin;
    while (begin < length && !marks[begin] && space)
        begin += space = tm_utf8_space(text + begin, length - begin);
    return begin;
}

static tm_status add_marked(tm_merger *m, const char *text, size_t length, const int32_t *marks,
                            tm_error *err)
{
    const tm_tokenizer *t = m->tokenizer;
    tm_status status = TM_OK;
    bool begins_text = true;
    for (size_t i = 0; status == TM_OK && i < length;) {
        size_t end = i;
        while (end < length && !marks[end]) end++;
        int32_t id = end < length ? marks[end] - 1 : -1;
        size_t stop = id < 0 ? end : stretch_end(t, text, i, end, id);
        status = add_stretch(m, text + i, stop - i, begins_text, err);
        if (status != TM_OK || end == length) break;
        status = tm_token_ids_add(m->out, id, err);
        i = skip_right(t, text, end + t->texts[id].length, length, marks, id);
        begins_text = true;
    }
    return status;
}

tm_status tm_tokenizer_encode(const tm_tokenizer *t, const char *text, size_t length,
                              tm_encode_options options, tm_token_ids *out, tm_error *err)
{
    tm_merger m = {.tokenizer = t, .out = out};
    int32_t *marks = NULL;
    tm_status status = check_text(text, length, err);
    if (status == TM_OK && options.bos) {
        if (t->bos < 0)
            return tm_fail(err, TM_FORMAT,
                           "key '" KEY "bos_token_id' is missing, so there is no "
                           "BOS to begin with");
        status = tm_token_ids_add(out, t->bos, err);
    }
    if (status == TM_OK && t->specials) {
        status = tm_alloc((void **)&marks, length, sizeof *marks, "the special tokens", err);
        if (status == TM_OK)
            status = tm_specials_mark(t->specials, text, length, options.special, marks, err);
        if (status == TM_OK) status = add_marked(&m, text, length, marks, err);
        tm_free(marks);
    } else if (status == TM_OK) {
        status = add_stretch(&m, text, length, true, err);
    }
    tm_merger_free(&m);
    return status;
}
