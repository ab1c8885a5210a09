/* Any bytes as a text for every rule that splits words: the first byte chooses the rule and whether
 * control tokens are recognised. The ids become the text again, and the work is linear. */
#include "engine/tokenizer_private.h"
#include "tests/fuzz/replay.h"

#include <sys/mman.h>
#include <unistd.h>

enum { MAX_RULES = 64 };

/* A token per byte, a few joined ones, and special ones that contain each other. */
static void write_vocabulary(int fd)
{
    static char bytes[256][3];
    static const char *const more[] = {
        "he", "ll",  "hell",       "\xc4\xa0t", "aa",         "aaaa", "\xc4\xa0\xc4\xa0",
        "12", "<s>", "<|eot_id|>", "<s><s>",    "eot_id|><s>"};
    static const char *const merges[] = {
        "h e", "l l", "he ll", "\xc4\xa0 t", "a a", "aa aa", "\xc4\xa0 \xc4\xa0", "1 2"};
    enum { N_MORE = sizeof more / sizeof *more, N = 256 + N_MORE };
    const char *tokens[N];
    int32_t types[N];
    tm_gguf_writer *w;
    tm_error err;
    for (int i = 0; i < N; i++) {
        types[i] = i < 256 + 8 ? TOKEN_NORMAL : i == N - 1 ? TOKEN_USER_DEFINED : TOKEN_CONTROL;
        tokens[i] = i < 256 ? bytes[i] : more[i - 256];
        if (i >= 256) continue;
        int c = tm_byte_to_code_point((uint8_t)i);
        if (c < 128)
            bytes[i][0] = (char)c;
        else
            snprintf(bytes[i], 3, "%c%c", 0xc0 | c >> 6, 0x80 | (c & 63));
    }
    if (tm_gguf_create(fd, "vocabulary", &w, &err) != TM_OK) abort();
    tm_gguf_put_str(w, "tokenizer.ggml.model", "gpt2");
    tm_gguf_put_str_array(w, "tokenizer.ggml.tokens", tokens, N);
    tm_gguf_put_i32_array(w, "tokenizer.ggml.token_type", types, N);
    tm_gguf_put_str_array(w, "tokenizer.ggml.merges", merges, sizeof merges / sizeof *merges);
    if (tm_gguf_finish(w, NULL, NULL, &err) != TM_OK) abort();
}

/* The tokenizer of a rule; opened once, and never closed. */
static const tm_tokenizer *tokenizer_of(uint8_t choice)
{
    static tm_tokenizer *opened[MAX_RULES];
    static tm_gguf *gguf;
    static int n_rules;
    const char *const *names = tm_tokenizer_pre_names();
    tm_error err;
    if (!gguf) {
        int fd = memfd_create("vocabulary", 0);
        if (fd < 0) abort();
        write_vocabulary(fd);
        off_t size = lseek(fd, 0, SEEK_END);
        void *data = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (data == MAP_FAILED || tm_gguf_open_memory(data, (size_t)size, &gguf, &err) != TM_OK)
            abort();
        close(fd);
        while (names[n_rules]) n_rules++;
        if (n_rules > MAX_RULES) abort();
    }
    int rule = choice % n_rules;
    if (!opened[rule] && tm_tokenizer_open(gguf, names[rule], &opened[rule], &err) != TM_OK)
        abort();
    return opened[rule];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    const tm_tokenizer *t = tokenizer_of(data[0] & 127);
    const char *text = (const char *)data + 1;
    const tm_encode_options options = {.special = data[0] >> 7};
    tm_decoder decoder = tm_decoder_start(t, true);
    tm_token_ids ids = {0};
    tm_token_text back = {0};
    tm_error err = {0};
    tm_status status = tm_tokenizer_encode(t, text, size - 1, options, &ids, &err);
    if (status == TM_OK) {
        for (size_t i = 0; i < ids.n; i++)
            if (tm_decoder_push(&decoder, ids.ids[i], &back, &err) != TM_OK) abort();
        if (tm_decoder_finish(&decoder, &back, &err) != TM_OK) abort();
        if (back.length != size - 1 || (size > 1 && memcmp(back.data, text, size - 1) != 0))
            abort();
    } else if (!err.message[0]) {
        abort(); /* a refusal says why */
    }
    if (ids.n_steps > 3 * size) abort();
    tm_token_ids_free(&ids);
    free(back.data);
    return 0;
}
