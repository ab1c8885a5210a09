/* Token ids of llama.cpp for its standard texts and for texts with special tokens. The vocabularies
 * are not part of the repository: the tests are skipped where the fixtures are missing. */
#include "tests/engine/test_tokenizer.h"

#define FOLDER    "tokenizers/"
#define SEPARATOR "\n__ggml_vocab_test__\n"

/* Reads a stream to its end and closes it; free the result. */
static char *read_stream(FILE *file, bool is_process, size_t *length)
{
    size_t capacity = 1 << 16;
    char *text = malloc(capacity + 1);
    *length = 0;
    assert_non_null(file);
    assert_non_null(text);
    for (size_t n; (n = fread(text + *length, 1, capacity - *length, file)) > 0;) {
        *length += n;
        if (*length == capacity) text = realloc(text, (capacity *= 2) + 1);
        assert_non_null(text);
    }
    text[*length] = '\0';
    assert_int_equal(is_process ? pclose(file) : fclose(file), 0);
    return text;
}

static char *read_fixture(const char *name, size_t *length)
{
    char path[512];
    TM_NEED_FIXTURE(name, path);
    return read_stream(fopen(path, "rb"), false, length);
}

/* inputs: texts with SEPARATOR after each but perhaps the last. outputs: a line of ids for each. */
static void compare(const tm_tokenizer *t, tm_encode_options options, const char *inputs,
                    const char *outputs)
{
    size_t n_in, n_out;
    char *in = read_fixture(inputs, &n_in), *out = read_fixture(outputs, &n_out);
    char *text = in, *line = out;
    int n = 0;
    for (; text < in + n_in; n++) {
        char *end = strstr(text, SEPARATOR), *newline = strchr(line, '\n');
        if (!newline) fail_msg("%s has fewer lines than %s has texts", outputs, inputs);
        char *after = end ? end + strlen(SEPARATOR) : in + n_in;
        if (!end) end = in + n_in;
        *end = *newline = '\0';
        for (char *last = newline; last > line && last[-1] == ' ';) *--last = '\0';
        expect_ids(t, text, (size_t)(end - text), options, line + strspn(line, " "));
        text = after;
        line = newline + 1;
    }
    assert_true(n >= 8);
    free(in);
    free(out);
}

/* The Llama 3 vocabulary is compressed. */
static tm_tokenizer *open_llama_bpe(const char *pre, tm_gguf **gguf, char **data)
{
    char path[512], command[600];
    size_t size;
    tm_tokenizer *t = NULL;
    tm_error err = {0};
    TM_NEED_FIXTURE(FOLDER "ggml-vocab-llama-bpe.gguf.gz", path);
    snprintf(command, sizeof command, "gzip -dc '%s'", path);
    *data = read_stream(popen(command, "r"), true, &size);
    if (tm_gguf_open_memory((const uint8_t *)*data, size, gguf, &err) != TM_OK ||
        tm_tokenizer_open(*gguf, pre, &t, &err) != TM_OK)
        fail_msg("%s", err.message);
    return t;
}

static void close_all(tm_tokenizer *t, tm_gguf *gguf, char *data)
{
    tm_tokenizer_close(t);
    tm_gguf_close(gguf);
    free(data);
}

static void llama_bpe_ids_agree(void **state)
{
    (void)state;
    tm_gguf *gguf;
    char *data;
    tm_tokenizer *t = open_llama_bpe(NULL, &gguf, &data);
    tm_encode_options plain = {0}, special = {.bos = true, .special = true};
    compare(t, plain, FOLDER "ggml-vocab-llama-bpe.gguf.inp",
            FOLDER "ggml-vocab-llama-bpe.gguf.out");
    compare(t, plain, FOLDER "special.inp", FOLDER "special.llama-bpe.plain.out");
    compare(t, special, FOLDER "special.inp", FOLDER "special.llama-bpe.bos-parse.out");
    close_all(t, gguf, data);
}

/* BitNet-b1.58-2B-4T's file has no tokenizer.ggml.pre. */
static void the_default_rule_agrees(void **state)
{
    (void)state;
    tm_gguf *gguf;
    char *data;
    tm_tokenizer *t = open_llama_bpe("default", &gguf, &data);
    compare(t, (tm_encode_options){0}, FOLDER "ggml-vocab-llama-bpe.gguf.inp",
            FOLDER "llama-bpe-no-pre.out");
    close_all(t, gguf, data);
}

static void llama_spm_ids_agree(void **state)
{
    (void)state;
    tm_gguf *gguf;
    tm_tokenizer *t = NULL;
    char path[512];
    tm_error err = {0};
    tm_encode_options plain = {0}, bos = {.bos = true}, special = {.bos = true, .special = true};
    TM_NEED_FIXTURE(FOLDER "ggml-vocab-llama-spm.gguf", path);
    if (tm_gguf_open(path, &gguf, &err) != TM_OK ||
        tm_tokenizer_open(gguf, NULL, &t, &err) != TM_OK)
        fail_msg("%s", err.message);
    compare(t, plain, FOLDER "ggml-vocab-llama-spm.gguf.inp",
            FOLDER "ggml-vocab-llama-spm.gguf.out");
    compare(t, bos, FOLDER "special.inp", FOLDER "special.llama-spm.bos.out");
    compare(t, special, FOLDER "special.inp", FOLDER "special.llama-spm.bos-parse.out");
    close_all(t, gguf, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama_bpe_ids_agree),
        cmocka_unit_test(the_default_rule_agrees),
        cmocka_unit_test(llama_spm_ids_agree),
    };
    return cmocka_run_group_tests_name("tokenizer_golden", tests, NULL, NULL);
}
