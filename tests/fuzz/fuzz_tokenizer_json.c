/* Any bytes as tokenizer.json: a vocabulary whose tokens are read back as text, or a sentence. */
#include "engine/hf_private.h"
#include "engine/tokenizer.h"
#include "tests/fuzz/replay.h"

static void use(const tm_tokenizer *t)
{
    static const char text[] = "Hello, w\xc3\xb6rld 2024!\n  <|end|> a";
    tm_token_ids ids = {0};
    tm_token_text out = {0};
    tm_error err = {0};
    tm_encode_options options = {.special = true};
    tm_decoder decoder = tm_decoder_start(t, true);
    if (tm_tokenizer_encode(t, text, sizeof text - 1, options, &ids, &err) == TM_OK) {
        for (size_t i = 0; i < ids.n; i++) {
            if (ids.ids[i] < 0 || ids.ids[i] >= tm_tokenizer_n_tokens(t)) abort();
            if (tm_decoder_push(&decoder, ids.ids[i], &out, &err) != TM_OK) abort();
        }
    } else if (!err.message[0]) {
        abort();
    }
    tm_token_ids_free(&ids);
    free(out.data);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    tm_json_text root, none = {NULL, 0};
    tm_gguf_writer *w;
    tm_gguf *gguf;
    tm_tokenizer *t;
    tm_error err = {0};
    if (tm_json_text_check((const char *)data, size, &root, &err) != TM_OK) {
        if (!err.message[0]) abort();
        return 0;
    }
    if (tm_gguf_create(-1, "fuzz", &w, &err) != TM_OK) return 0;
    /* The same text as tokenizer_config.json and generation_config.json, whose keys differ. */
    if (tm_hf_put_tokenizer(w, root, root, size % 2 ? root : none, 0, &err) != TM_OK) {
        if (!err.message[0]) abort();
        tm_gguf_abandon(w);
        return 0;
    }
    if (tm_gguf_finish_in_memory(w, &gguf, &err) != TM_OK) abort();
    if (tm_tokenizer_open(gguf, NULL, &t, &err) == TM_OK) {
        use(t);
        tm_tokenizer_close(t);
    } else if (!err.message[0]) {
        abort();
    }
    tm_gguf_close(gguf);
    return 0;
}
