/* Any bytes as a GGUF file with a vocabulary, and as a text: the ids are tokens of the vocabulary,
 * and where each byte has a token of its own, they become the text again. */
#include "engine/tokenizer_private.h"
#include "tests/fuzz/replay.h"

static bool is_byte_level(const tm_tokenizer *t)
{
    bool complete = t->is_bpe;
    for (int i = 0; i < 256; i++) complete &= t->bytes[i] >= 0;
    for (int i = 0; i < t->n_tokens; i++) complete &= t->types[i] <= TOKEN_NORMAL;
    return complete;
}

static void check_ids(const tm_tokenizer *t, const tm_token_ids *ids, const char *text, size_t size)
{
    tm_decoder decoder = tm_decoder_start(t, true);
    tm_token_text back = {0};
    tm_error err = {0};
    tm_status status = TM_OK;
    for (size_t i = 0; status == TM_OK && i < ids->n; i++)
        status = tm_decoder_push(&decoder, ids->ids[i], &back, &err);
    if (status == TM_OK) status = tm_decoder_finish(&decoder, &back, &err);
    if (status != TM_OK) abort();
    bool same = back.length == size && (size == 0 || memcmp(back.data, text, size) == 0);
    if (is_byte_level(t) && !same) abort();
    free(back.data);
}

static void encode(const tm_tokenizer *t, const char *text, size_t size)
{
    for (int i = 0; i < 2; i++) {
        tm_token_ids ids = {0};
        tm_error err = {0};
        tm_encode_options options = {.special = i == 1};
        tm_status status = tm_tokenizer_encode(t, text, size, options, &ids, &err);
        if (status == TM_OK)
            check_ids(t, &ids, text, size);
        else if (!err.message[0])
            abort(); /* a refusal says why */
        if (ids.n_steps > 3 * (size + 1)) abort();
        tm_token_ids_free(&ids);
    }
}

/* Every token by itself, which may be broken text. */
static void decode(const tm_tokenizer *t)
{
    tm_decoder decoder = tm_decoder_start(t, false);
    tm_token_text text = {0};
    tm_error err = {0};
    for (int id = 0; id < t->n_tokens; id++)
        if (tm_decoder_push(&decoder, id, &text, &err) != TM_OK) abort();
    for (size_t i = 0; i < text.length;) {
        bool complete;
        i += (size_t)tm_utf8_scan(text.data + i, text.length - i, &complete);
        if (!complete) abort();
    }
    free(text.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_gguf *gguf;
    tm_tokenizer *t;
    tm_error err = {0};
    if (tm_gguf_open_memory(data, size, &gguf, &err) != TM_OK) return 0; /* see fuzz_gguf.c */
    if (tm_tokenizer_open(gguf, NULL, &t, &err) == TM_OK) {
        char *text = malloc(size);
        for (size_t i = 0; text && i < size;) {
            bool complete;
            int n = tm_utf8_scan((const char *)data + i, size - i, &complete);
            memcpy(text + i, data + i, (size_t)(complete ? n : 1));
            if (!complete) text[i] = '?';
            i += (size_t)(complete ? n : 1);
        }
        if (text) encode(t, text, size);
        encode(t, (const char *)data, size);
        encode(t, "", 0);
        decode(t);
        free(text);
        tm_tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    tm_gguf_close(gguf);
    return 0;
}
