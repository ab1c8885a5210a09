/* The vocabulary of tokenizer.json as the keys tokenizer.ggml.* that a converter would write.
 * Source: huggingface/tokenizers, models/bpe and tokenizer/added_vocabulary.rs; types of tokens as
 * llama.cpp's convert_hf_to_gguf.py writes them. */
#include "engine/hf_private.h"
#include "engine/tokenizer_private.h"

#include <stdio.h>
#include <stdlib.h>

#define KEY "tokenizer.ggml."

#define MAX_ID   (1 << 24)
#define PAD_TEXT 16 /* "[PAD16777215]" */

#define CONTRACTION_ANY  "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define CONTRACTION_BOTH "(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])"
#define LLAMA3(contraction, digits)                                                                \
    contraction "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits                                           \
                "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define QWEN35(contraction)                                                                        \
    contraction "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"                                    \
                "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"

/* Steps of a pre-tokenizer, in their order, and the name of the rule. "bytes": ByteLevel without
 * its expression; "words": with it; "digit": Digits one by one; else an expression of Split. */
static const struct {
    const char *steps[5], *pre;
} rules[] = {
    {{LLAMA3(CONTRACTION_ANY, "\\p{N}{1,3}"), "bytes"}, "llama-bpe"},
    {{LLAMA3(CONTRACTION_BOTH, "\\p{N}{1,3}"), "bytes"}, "llama-bpe"},
    {{LLAMA3(CONTRACTION_ANY, "\\p{N}"), "bytes"}, "qwen2"},
    {{LLAMA3(CONTRACTION_BOTH, "\\p{N}"), "bytes"}, "qwen2"},
    {{QWEN35(CONTRACTION_ANY), "bytes"}, "qwen35"},
    {{QWEN35(CONTRACTION_BOTH), "bytes"}, "qwen35"},
    {{"digit", "words"}, "smollm"},
    {{"words"}, "gpt-2"},
    {{GPT2, "bytes"}, "gpt-2"},
    {{"marks", "words", "digits", "[0-9][0-9][0-9]"}, "falcon"},
    {{"marks", "words", "[0-9][0-9][0-9]"}, "falcon"},
};
enum { N_RULES = sizeof rules / sizeof rules[0], MAX_STEPS = 5 };

/* Ids in the order of their texts. qsort has no argument for the texts, so pairs are sorted. */
typedef struct spelled {
    tm_gguf_string text;
    int64_t id;
} spelled;

typedef struct vocabulary {
    tm_gguf_writer *w;
    tm_json_text root, settings, generation;          /* whole files */
    tm_json_text added, normalizer, pre, post, model; /* of root */
    tm_json_text vocab, merges, unknown;              /* of model */
    bool ignores_merges, has_bytes;
    bool is_bytes;         /* byte-level BPE; else SentencePiece's spelling of spaces */
    tm_gguf_string *texts; /* owned, [n] */
    int32_t *types;        /* owned, [n]; TOKEN_UNDEFINED: no token yet */
    int32_t *strips;       /* owned, [n]: TOKEN_STRIPS_* */
    bool any_strips;
    spelled *sorted; /* owned, [n] */
    int64_t n;
    char *arena; /* owned: the texts; no longer than the file and the names of padding */
    size_t used;
} vocabulary;

/* Calls itself for the items of a Sequence, one level deep; `list` is their name. */
static bool next_step(tm_json_text whole, const char *list, size_t *cursor, tm_json_text *out)
{
    if (tm_json_text_is_null(whole)) return false;
    if (tm_json_text_equals(tm_json_text_get(whole, "type"), "Sequence"))
        return tm_json_text_next(tm_json_text_get(whole, list), cursor, NULL, out);
    *out = whole;
    return (*cursor)++ == 0;
}

static bool is_type(tm_json_text value, const char *type)
{
    return tm_json_text_equals(tm_json_text_get(value, "type"), type);
}

static bool flag(tm_json_text object, const char *key, bool otherwise)
{
    return tm_json_text_bool(tm_json_text_get(object, key), otherwise);
}

/* Whether a step of the pre-tokenizer is what a rule says. */
static bool is_step(tm_json_text value, const char *step)
{
    if (is_type(value, "ByteLevel"))
        return !flag(value, "add_prefix_space", true) &&
               strcmp(step, flag(value, "use_regex", true) ? "words" : "bytes") == 0;
    if (is_type(value, "Digits"))
        return strcmp(step, flag(value, "individual_digits", false) ? "digit" : "digits") == 0;
    if (is_type(value, "Punctuation")) return strcmp(step, "marks") == 0;
    return is_type(value, "Split") && !flag(value, "invert", false) &&
           tm_json_text_equals(tm_json_text_get(value, "behavior"), "Isolated") &&
           tm_json_text_equals(tm_json_text_get(tm_json_text_get(value, "pattern"), "Regex"), step);
}

static const char *find_rule(tm_json_text pre)
{
    tm_json_text step;
    for (int i = 0; i < N_RULES; i++) {
        size_t cursor = 0;
        int k = 0;
        for (; next_step(pre, "pretokenizers", &cursor, &step); k++)
            if (k == MAX_STEPS || !rules[i].steps[k] || !is_step(step, rules[i].steps[k])) break;
        bool is_end = !next_step(pre, "pretokenizers", &cursor, &step);
        if (is_end && k > 0 && k < MAX_STEPS && !rules[i].steps[k]) return rules[i].pre;
    }
    return NULL;
}

static bool has_step(tm_json_text whole, const char *list, const char *type)
{
    tm_json_text step;
    for (size_t cursor = 0; next_step(whole, list, &cursor, &step);)
        if (is_type(step, type)) return true;
    return false;
}

static tm_status put_rule(const vocabulary *v, tm_error *err)
{
    const char *pre = find_rule(v->pre);
    tm_gguf_put_str(v->w, KEY "model", v->is_bytes ? "gpt2" : "llama");
    if (!v->is_bytes) return TM_OK;
    if (!pre)
        return tm_fail(err, TM_UNSUPPORTED,
                       "its pre_tokenizer is not a known one (llama-bpe, qwen2, qwen35, "
                       "smollm, gpt-2 and falcon); convert the model to GGUF and use --pre");
    tm_gguf_put_str(v->w, KEY "pre", pre);
    tm_gguf_put_bool(v->w, "tokenizer.ignore_merges", v->ignores_merges);
    return TM_OK;
}

/* Keeps the text of a JSON string. */
static tm_gguf_string keep(vocabulary *v, tm_json_text string)
{
    tm_gguf_string text = {v->arena + v->used, 0};
    text.length = tm_json_text_string(string, v->arena + v->used);
    v->used += text.length;
    return text;
}

static tm_status add_token(vocabulary *v, tm_json_text string, tm_json_text id_text, int32_t type,
                           tm_error *err)
{
    char quoted[TM_GGUF_QUOTED];
    int64_t id;
    tm_gguf_string text = keep(v, string);
    if (!tm_json_text_int(id_text, 0, v->n - 1, &id))
        return tm_fail(err, TM_FORMAT, "the id of token %s is not 0 to %lld",
                       tm_gguf_quote(text, quoted), (long long)v->n - 1);
    tm_gguf_string *have = &v->texts[id];
    bool is_new = v->types[id] == TOKEN_UNDEFINED;
    if (!is_new && tm_gguf_compare_names(*have, text) != 0) {
        char other[TM_GGUF_QUOTED];
        return tm_fail(err, TM_FORMAT, "tokens %s and %s have the id %lld",
                       tm_gguf_quote(*have, other), tm_gguf_quote(text, quoted), (long long)id);
    }
    *have = text;
    v->types[id] = type;
    return TM_OK;
}

/* <0x0A> */
static bool is_byte(tm_gguf_string text)
{
    return text.length == 6 && memcmp(text.data, "<0x", 3) == 0 && text.data[5] == '>';
}

static tm_status add_tokens(vocabulary *v, tm_error *err)
{
    tm_json_text vocab = v->vocab, key, value;
    tm_json_text added = v->added;
    tm_json_text unknown = v->unknown;
    tm_status status = TM_OK;
    for (size_t cursor = 0; status == TM_OK && tm_json_text_next(vocab, &cursor, &key, &value);)
        status = add_token(v, key, value, TOKEN_NORMAL, err);
    for (int64_t id = 0; status == TM_OK && id < v->n; id++)
        if (v->has_bytes && is_byte(v->texts[id])) v->types[id] = TOKEN_BYTE;
    for (size_t cursor = 0; status == TM_OK && tm_json_text_next(added, &cursor, NULL, &value);) {
        tm_json_text content = tm_json_text_get(value, "content");
        int32_t type = flag(value, "special", false) ? TOKEN_CONTROL : TOKEN_USER_DEFINED;
        if (!tm_json_text_is_string(content))
            return tm_fail(err, TM_FORMAT, "an item of added_tokens has no content");
        if (content.length == unknown.length && memcmp(content.at, unknown.at, content.length) == 0)
            type = TOKEN_UNKNOWN;
        int64_t id = 0;
        status = add_token(v, content, tm_json_text_get(value, "id"), type, err);
        if (status != TM_OK || !tm_json_text_int(tm_json_text_get(value, "id"), 0, v->n - 1, &id))
            continue;
        if (flag(value, "single_word", false))
            return tm_fail(err, TM_UNSUPPORTED,
                           "the added token %lld has single_word, which is not supported",
                           (long long)id);
        v->strips[id] = (flag(value, "lstrip", false) ? TOKEN_STRIPS_LEFT : 0) |
                        (flag(value, "rstrip", false) ? TOKEN_STRIPS_RIGHT : 0);
        v->any_strips |= v->strips[id] != 0;
    }
    return status;
}

/* What lies between the ids, and behind them up to the rows of the embedding. */
static void pad(vocabulary *v)
{
    for (int64_t id = 0; id < v->n; id++) {
        if (v->types[id] != TOKEN_UNDEFINED) continue;
        char *text = v->arena + v->used;
        int n = snprintf(text, PAD_TEXT, "[PAD%lld]", (long long)id);
        v->texts[id] = (tm_gguf_string){text, (size_t)n};
        v->types[id] = TOKEN_UNUSED;
        v->used += (size_t)n;
    }
}

/* One more than the largest id. */
static tm_status count_ids(const vocabulary *v, int64_t *out, tm_error *err)
{
    tm_json_text list = v->vocab, value;
    int64_t id, n = 0;
    for (size_t cursor = 0; tm_json_text_next(list, &cursor, NULL, &value);)
        if (tm_json_text_int(value, 0, MAX_ID, &id) && id >= n) n = id + 1;
    list = v->added;
    for (size_t cursor = 0; tm_json_text_next(list, &cursor, NULL, &value);)
        if (tm_json_text_int(tm_json_text_get(value, "id"), 0, MAX_ID, &id) && id >= n) n = id + 1;
    if (n == 0) return tm_fail(err, TM_FORMAT, "model.vocab is missing or empty");
    /* A forged id must not cost memory: a token takes more than a byte of the file. */
    if (n > (int64_t)v->root.length)
        return tm_fail(err, TM_FORMAT, "it has the token id %lld in %zu bytes", (long long)n - 1,
                       v->root.length);
    *out = n;
    return TM_OK;
}

static int compare_spelled(const void *a, const void *b)
{
    return tm_gguf_compare_names(((const spelled *)a)->text, ((const spelled *)b)->text);
}

static tm_status sort_tokens(vocabulary *v, tm_error *err)
{
    tm_status status =
        tm_alloc((void **)&v->sorted, (size_t)v->n, sizeof *v->sorted, "the vocabulary", err);
    for (int64_t id = 0; status == TM_OK && id < v->n; id++)
        v->sorted[id] = (spelled){v->texts[id], id};
    if (status == TM_OK) qsort(v->sorted, (size_t)v->n, sizeof *v->sorted, compare_spelled);
    return status;
}

/* The id of a token, or -1 if the vocabulary lacks it. */
static int64_t find_token(const vocabulary *v, tm_gguf_string text)
{
    spelled key = {.text = text};
    if (text.length == 0) return -1;
    const spelled *hit = bsearch(&key, v->sorted, (size_t)v->n, sizeof *v->sorted, compare_spelled);
    return hit ? hit->id : -1;
}

/* The merges as "A B", each in `texts` behind the one before. */
typedef struct merges {
    tm_gguf_string *items; /* owned */
    char *texts;           /* owned */
    size_t n;
} merges;

/* Both spellings: "A B" and ["A", "B"]. */
static tm_status read_merge(tm_json_text item, tm_gguf_string *out, char *end, tm_error *err)
{
    tm_json_text part;
    size_t parts = 0, n = tm_json_text_string(item, end);
    for (size_t cursor = 0; tm_json_text_next(item, &cursor, NULL, &part); parts++) {
        if (parts) end[n++] = ' ';
        size_t length = tm_json_text_string(part, end + n);
        if (length == 0 || memchr(end + n, ' ', length)) parts = 2; /* too many */
        n += length;
    }
    *out = (tm_gguf_string){end, n};
    if (tm_json_text_is_string(item) || parts == 2) return TM_OK;
    return tm_fail(err, TM_FORMAT,
                   "a merge is neither \"A B\" nor [\"A\", \"B\"] without spaces in A and B");
}

static tm_status read_merges(const vocabulary *v, merges *out, tm_error *err)
{
    tm_json_text list = v->merges, item;
    size_t n = tm_json_text_count(list), used = 0;
    if (!tm_json_text_is_array(list)) return tm_fail(err, TM_FORMAT, "model.merges is missing");
    tm_status status = tm_alloc((void **)&out->items, n + 1, sizeof *out->items, "the merges", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&out->texts, list.length + 1, 1, "the merges", err);
    for (size_t cursor = 0; status == TM_OK && tm_json_text_next(list, &cursor, NULL, &item);) {
        tm_gguf_string *merge = &out->items[out->n];
        status = read_merge(item, merge, out->texts + used, err);
        bool is_comment = merge->length >= 8 && memcmp(merge->data, "#version", 8) == 0;
        used += merge->length;
        out->n += !is_comment;
    }
    return status;
}

/* SentencePiece joins by the score of the result, BPE by the rank of the merge: a token's score is
 * minus the rank of the first merge that makes it. Source: converters of bitnet.cpp. */
static tm_status put_scores(const vocabulary *v, const merges *m, tm_error *err)
{
    float *scores = NULL;
    tm_status status =
        tm_alloc((void **)&scores, (size_t)v->n, sizeof *scores, "the vocabulary", err);
    if (status != TM_OK) return status;
    for (size_t i = m->n; i-- > 0;) {
        char joined[1024];
        const tm_gguf_string *merge = &m->items[i];
        const char *space = memchr(merge->data, ' ', merge->length);
        if (!space || merge->length > sizeof joined) continue;
        size_t left = (size_t)(space - merge->data);
        memcpy(joined, merge->data, left);
        memcpy(joined + left, space + 1, merge->length - left - 1);
        int64_t id = find_token(v, (tm_gguf_string){joined, merge->length - 1});
        if (id >= 0) scores[id] = -(float)(i + 1);
    }
    tm_gguf_put_f32_array(v->w, KEY "scores", scores, (size_t)v->n);
    tm_free(scores);
    return TM_OK;
}

static tm_status put_joins(const vocabulary *v, tm_error *err)
{
    merges m = {0};
    tm_status status = read_merges(v, &m, err);
    if (status == TM_OK && v->is_bytes)
        tm_gguf_put_strings(v->w, KEY "merges", m.items, m.n);
    else if (status == TM_OK)
        status = put_scores(v, &m, err);
    tm_free(m.items);
    tm_free(m.texts);
    return status;
}

/* A special token of tokenizer_config.json: its text, or an object with the content. -1: none. */
static int64_t special_id(vocabulary *v, tm_json_text value)
{
    if (tm_json_text_is_object(value)) value = tm_json_text_get(value, "content");
    char text[256];
    if (!tm_json_text_copy(value, text, sizeof text)) return -1;
    return find_token(v, (tm_gguf_string){text, strlen(text)});
}

static void put_id(const vocabulary *v, const char *key, int64_t id)
{
    if (id >= 0) tm_gguf_put_u32(v->w, key, (uint32_t)id);
}

/* The post-processor puts BOS before a text, and perhaps EOS behind it. */
static void read_template(vocabulary *v, int64_t *bos, bool *adds_bos, bool *adds_eos)
{
    tm_json_text post = v->post, step, item;
    for (size_t cursor = 0; next_step(post, "processors", &cursor, &step);) {
        bool is_before = true;
        if (!is_type(step, "TemplateProcessing")) continue;
        for (size_t at = 0;
             tm_json_text_next(tm_json_text_get(step, "single"), &at, NULL, &item);) {
            tm_json_text special = tm_json_text_get(item, "SpecialToken");
            if (tm_json_text_is_null(special)) {
                is_before = false;
            } else if (is_before) {
                *adds_bos = true;
                *bos = special_id(v, tm_json_text_get(special, "id"));
            } else {
                *adds_eos = true;
            }
        }
    }
}

/* Ends of generation: generation_config.json has one id or a list, tokenizer_config.json a text. */
static void put_ends(vocabulary *v)
{
    tm_json_text list = tm_json_text_get(v->generation, "eos_token_id"), item;
    int64_t eos = special_id(v, tm_json_text_get(v->settings, "eos_token")), id, other = -1;
    if (!tm_json_text_is_array(list) && tm_json_text_int(list, 0, v->n - 1, &id)) {
        if (eos < 0) eos = id;
        if (id != eos) other = id;
    }
    for (size_t cursor = 0; tm_json_text_next(list, &cursor, NULL, &item);) {
        if (!tm_json_text_int(item, 0, v->n - 1, &id)) continue;
        if (eos < 0) eos = id;
        if (id != eos && other < 0) other = id;
    }
    put_id(v, KEY "eos_token_id", eos);
    put_id(v, KEY "eot_token_id", other);
}

static tm_status put_template(const vocabulary *v, tm_error *err)
{
    tm_json_text text = tm_json_text_get(v->settings, "chat_template"), item;
    char *copy;
    for (size_t cursor = 0;
         tm_json_text_is_array(text) && tm_json_text_next(text, &cursor, NULL, &item);) {
        if (!tm_json_text_equals(tm_json_text_get(item, "name"), "default")) continue;
        text = tm_json_text_get(item, "template");
        break;
    }
    if (!tm_json_text_is_string(text)) return TM_OK;
    tm_status status = tm_alloc((void **)&copy, text.length, 1, "the chat template", err);
    if (status != TM_OK) return status;
    tm_gguf_string key = {copy, tm_json_text_string(text, copy)};
    tm_gguf_put_string(v->w, "tokenizer.chat_template", key);
    tm_free(copy);
    return TM_OK;
}

static tm_status put_specials(vocabulary *v, tm_error *err)
{
    bool adds_bos = false, adds_eos = false;
    int64_t bos = special_id(v, tm_json_text_get(v->settings, "bos_token"));
    read_template(v, &bos, &adds_bos, &adds_eos);
    put_id(v, KEY "bos_token_id", bos);
    put_ends(v);
    put_id(v, KEY "unknown_token_id", special_id(v, v->unknown));
    put_id(v, KEY "padding_token_id", special_id(v, tm_json_text_get(v->settings, "pad_token")));
    tm_gguf_put_bool(v->w, KEY "add_bos_token", adds_bos);
    if (adds_eos) tm_gguf_put_bool(v->w, KEY "add_eos_token", true);
    if (!v->is_bytes) {
        tm_json_text pre = v->pre;
        tm_json_text normalizer = v->normalizer;
        bool prefix = has_step(normalizer, "normalizers", "Prepend") ||
                      (has_step(pre, "pretokenizers", "Metaspace") &&
                       !tm_json_text_equals(tm_json_text_get(pre, "prepend_scheme"), "never"));
        tm_gguf_put_bool(v->w, KEY "add_space_prefix", prefix);
    }
    return put_template(v, err);
}

/* One pass for all members: the vocabulary and the merges have megabytes. */
static void find_members(tm_json_text object, const char *const *keys, tm_json_text *const *out)
{
    tm_json_text key, value;
    for (size_t cursor = 0; tm_json_text_next(object, &cursor, &key, &value);)
        for (int i = 0; keys[i]; i++)
            if (tm_json_text_equals(key, keys[i])) *out[i] = value;
}

static tm_status find_parts(vocabulary *v, tm_error *err)
{
    static const char *const parts[] = {"added_tokens",   "normalizer", "pre_tokenizer",
                                        "post_processor", "model",      NULL};
    static const char *const keys[] = {"type",          "vocab",         "merges", "unk_token",
                                       "ignore_merges", "byte_fallback", NULL};
    tm_json_text type = {NULL, 0}, ignores = type, has_bytes = type;
    find_members(v->root, parts,
                 (tm_json_text *const[]){&v->added, &v->normalizer, &v->pre, &v->post, &v->model});
    find_members(
        v->model, keys,
        (tm_json_text *const[]){&type, &v->vocab, &v->merges, &v->unknown, &ignores, &has_bytes});
    v->ignores_merges = tm_json_text_bool(ignores, false);
    v->has_bytes = tm_json_text_bool(has_bytes, false);
    if (!tm_json_text_is_null(type) && !tm_json_text_equals(type, "BPE")) {
        char text[24] = "";
        if (!tm_json_text_copy(type, text, sizeof text)) snprintf(text, sizeof text, "unknown");
        for (char *c = text; *c; c++)
            if (*c < 32 || *c > 126) *c = '?';
        return tm_fail(err, TM_UNSUPPORTED, "model.type is '%s'; only BPE is supported", text);
    }
    v->is_bytes = has_step(v->pre, "pretokenizers", "ByteLevel");
    if (v->is_bytes || v->has_bytes) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED,
                   "it is neither byte-level BPE (pre_tokenizer ByteLevel) nor BPE with "
                   "byte_fallback");
}

static tm_status put_all(vocabulary *v, int64_t n_rows, tm_error *err)
{
    tm_status status = find_parts(v, err);
    if (status == TM_OK) status = count_ids(v, &v->n, err);
    if (status == TM_OK && n_rows > 0 && v->n > n_rows)
        status =
            tm_fail(err, TM_FORMAT, "it has the token id %lld, but the embedding has %lld rows",
                    (long long)v->n - 1, (long long)n_rows);
    if (status != TM_OK) return status;
    if (n_rows > 0) v->n = n_rows;
    size_t n = (size_t)v->n;
    status = tm_alloc((void **)&v->texts, n, sizeof *v->texts, "the vocabulary", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&v->types, n, sizeof *v->types, "the vocabulary", err);
    if (status == TM_OK)
        status = tm_alloc((void **)&v->strips, n, sizeof *v->strips, "the vocabulary", err);
    if (status == TM_OK)
        status =
            tm_alloc((void **)&v->arena, v->root.length + n * PAD_TEXT, 1, "the vocabulary", err);
    if (status == TM_OK) status = add_tokens(v, err);
    if (status != TM_OK) return status;
    pad(v);
    status = put_rule(v, err);
    if (status != TM_OK) return status;
    tm_gguf_put_strings(v->w, KEY "tokens", v->texts, n);
    tm_gguf_put_i32_array(v->w, KEY "token_type", v->types, n);
    if (v->any_strips) tm_gguf_put_i32_array(v->w, TM_TOKEN_STRIPS, v->strips, n);
    status = sort_tokens(v, err);
    if (status == TM_OK) status = put_joins(v, err);
    return status == TM_OK ? put_specials(v, err) : status;
}

tm_status tm_hf_put_tokenizer(tm_gguf_writer *w, tm_json_text tokenizer, tm_json_text settings,
                              tm_json_text generation, int64_t n_vocab, tm_error *err)
{
    vocabulary v = {.w = w, .root = tokenizer, .settings = settings, .generation = generation};
    tm_status status = put_all(&v, n_vocab, err);
    tm_free(v.sorted);
    tm_free(v.arena);
    tm_free(v.strips);
    tm_free(v.types);
    tm_free(v.texts);
    return status;
}
