/* Tiny vocabularies, written as GGUF files and read back. */
#ifndef TM_TESTS_ENGINE_TEST_TOKENIZER_H
#define TM_TESTS_ENGINE_TEST_TOKENIZER_H

#include "engine/tokenizer_private.h"
#include "tests/tm_test.h"

enum { VOCAB_MAX = 600 };

/* A key is left out if its count or text is 0. */
typedef struct vocab {
    const char *model, *pre;
    const char *tokens[VOCAB_MAX], *merges[16];
    float scores[VOCAB_MAX];
    int32_t types[VOCAB_MAX];
    size_t n_tokens, n_scores, n_types, n_merges;
    bool no_merges, no_space_prefix;
    int bos, unknown; /* 0: none */
} vocab;

static inline void vocab_add(vocab *v, const char *text, int type, float score)
{
    assert_true(v->n_tokens < VOCAB_MAX);
    v->tokens[v->n_tokens] = text;
    v->scores[v->n_tokens] = score;
    v->types[v->n_tokens++] = type;
}

/* Writes the file, reads it and opens its tokenizer. *gguf: close it after the tokenizer, also
 * after an error. */
static inline tm_status vocab_open(const vocab *v, const char *pre, tm_gguf **gguf,
                                   tm_tokenizer **out, tm_error *err)
{
    char path[] = "/tmp/tm_tokenizer_XXXXXX";
    tm_gguf_writer *w;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(tm_gguf_create(fd, path, &w, err), TM_OK);
    if (v->model) tm_gguf_put_str(w, "tokenizer.ggml.model", v->model);
    if (v->pre) tm_gguf_put_str(w, "tokenizer.ggml.pre", v->pre);
    if (v->n_tokens) tm_gguf_put_str_array(w, "tokenizer.ggml.tokens", v->tokens, v->n_tokens);
    if (v->n_scores) tm_gguf_put_f32_array(w, "tokenizer.ggml.scores", v->scores, v->n_scores);
    if (v->n_types) tm_gguf_put_i32_array(w, "tokenizer.ggml.token_type", v->types, v->n_types);
    if (v->n_merges) tm_gguf_put_str_array(w, "tokenizer.ggml.merges", v->merges, v->n_merges);
    if (v->bos) tm_gguf_put_u32(w, "tokenizer.ggml.bos_token_id", (uint32_t)v->bos);
    if (v->unknown) tm_gguf_put_u32(w, "tokenizer.ggml.unknown_token_id", (uint32_t)v->unknown);
    if (v->no_space_prefix) tm_gguf_put_bool(w, "tokenizer.ggml.add_space_prefix", false);
    assert_int_equal(tm_gguf_finish(w, NULL, NULL, err), TM_OK);
    close(fd);
    assert_int_equal(tm_gguf_open(path, gguf, err), TM_OK);
    unlink(path);
    return tm_tokenizer_open(*gguf, pre, out, err);
}

/* "1 5 9" */
static inline const char *ids_text(const tm_token_ids *ids, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < ids->n && n < size; i++)
        n += (size_t)snprintf(out + n, size - n, "%s%d", i ? " " : "", ids->ids[i]);
    return out;
}

/* The ids of a text must be those of `wanted`. */
static inline void expect_ids(const tm_tokenizer *t, const char *text, size_t length,
                              tm_encode_options options, const char *wanted)
{
    static char got[1 << 16];
    tm_error err = {0};
    tm_token_ids ids = {0};
    if (tm_tokenizer_encode(t, text, length, options, &ids, &err) != TM_OK)
        fail_msg("\"%s\": %s", text, err.message);
    ids_text(&ids, got, sizeof got);
    if (strcmp(got, wanted) != 0) fail_msg("\"%s\" is %s, not %s", text, got, wanted);
    tm_token_ids_free(&ids);
}

#define TEXT(text) text, sizeof(text) - 1

/* One token per byte, id = byte, then the tokens of the merges. */
static inline void make_bpe(vocab *v, const char *pre)
{
    static char bytes[256][3];
    static const char *const joined[] = {"ll", "he", "hell", "hello", "\xc4\xa0w", "aa", "aaaa"};
    static const char *const merges[] = {"l l",        "h e", "he ll", "hell o",
                                         "\xc4\xa0 w", "a a", "aa aa"};
    *v = (vocab){.model = "gpt2", .pre = pre};
    for (int byte = 0; byte < 256; byte++) {
        int c = tm_byte_to_code_point((uint8_t)byte);
        if (c < 128)
            snprintf(bytes[byte], 3, "%c", c);
        else
            snprintf(bytes[byte], 3, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
        vocab_add(v, bytes[byte], TOKEN_NORMAL, 0);
    }
    for (int i = 0; i < 7; i++) vocab_add(v, joined[i], TOKEN_NORMAL, 0); /* 256 to 262 */
    memcpy(v->merges, merges, sizeof merges);
    v->n_merges = 7;
    vocab_add(v, "<|bos|>", TOKEN_CONTROL, 0);          /* 263 */
    vocab_add(v, "<|eot|>", TOKEN_CONTROL, 0);          /* 264 */
    vocab_add(v, "<|eot|><|bos|>", TOKEN_CONTROL, 0);   /* 265 */
    vocab_add(v, "bos|><tool>", TOKEN_USER_DEFINED, 0); /* 266 */
    vocab_add(v, "<tool>", TOKEN_USER_DEFINED, 0);      /* 267 */
    v->n_types = v->n_tokens;
    v->bos = 263;
}

typedef struct opened {
    tm_gguf *gguf;
    tm_tokenizer *t;
} opened;

static inline opened open_vocab(const vocab *v)
{
    opened o = {0};
    tm_error err = {0};
    if (vocab_open(v, NULL, &o.gguf, &o.t, &err) != TM_OK) fail_msg("%s", err.message);
    return o;
}

static inline void close_vocab(opened o)
{
    tm_tokenizer_close(o.t);
    tm_gguf_close(o.gguf);
}

/* Ids: 0 unknown, 1 and 2 control, 3 to 7 bytes of "e-acute" and others, then pieces. */
static inline void make_spm(vocab *v)
{
    static const struct {
        const char *text;
        int type;
        float score;
    } tokens[] = {
        {"<unk>", TOKEN_UNKNOWN, 0},
        {"<s>", TOKEN_CONTROL, 0},
        {"</s>", TOKEN_CONTROL, 0},
        {"<0xC3>", TOKEN_BYTE, 0},
        {"<0xA9>", TOKEN_BYTE, 0},
        {"<0x00>", TOKEN_BYTE, 0},
        {"\xe2\x96\x81", 1, -10},
        {"a", 1, -11},
        {"b", 1, -12},
        {"ab", 1, -3},
        {"bc", 1, -2},
        {"c", 1, -13},
        {"\xe2\x96\x81"
         "a",
         1, -4},
        {"aa", 1, -5},
        {"<s", 1, -6},
        {"<", 1, -14},
        {"s", 1, -15},
        {">", 1, -16},
    };
    *v = (vocab){.model = "llama", .bos = 1};
    for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
        vocab_add(v, tokens[i].text, tokens[i].type, tokens[i].score);
    v->n_scores = v->n_types = v->n_tokens;
}

#endif
