/* Vocabularies of tokenizer.json: the same ids as a GGUF file, special tokens, and what is wrong
 * with one. Ids of long random texts were compared with npm's @huggingface/tokenizers by hand. */
#include "engine/tokenizer.h"
#include "tests/engine/hf_folder.h"

#define L3                                                                                         \
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}{1,3}"           \
    "| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"
#define SPLIT(regex)                                                                               \
    "{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Split\",\"pattern\":{\"Regex\":"        \
    "\"" regex "\"},\"behavior\":\"Isolated\",\"invert\":false},{\"type\":\"ByteLevel\","          \
    "\"add_prefix_space\":false,\"use_regex\":false}]}"
#define ADDED                                                                                      \
    "{\"id\":12,\"content\":\"<l>\",\"special\":true,\"lstrip\":true},"                            \
    "{\"id\":13,\"content\":\"<r>\",\"special\":false,\"rstrip\":true},"                           \
    "{\"id\":14,\"content\":\"<b>\",\"special\":true}"
#define VOCAB                                                                                      \
    "{\"a\":0,\"b\":1,\"c\":2,\"\\u0120\":3,\"ab\":4,\"\\u0120a\":5,\"abc\":6,\"1\":7,\"2\":8,"    \
    "\"!\":9,\"\\u010a\":10,\"bc\":11}"
/* pre-tokenizer, added tokens, post-processor, vocabulary, the rest of the model */
#define FILE_OF(pre, added, post, vocab, model)                                                    \
    "{\"added_tokens\":[" added "],\"normalizer\":null,\"pre_tokenizer\":" pre                     \
    ",\"post_processor\":" post ",\"model\":{\"type\":\"BPE\",\"vocab\":" vocab "," model "}}"
#define BOS                                                                                        \
    "{\"type\":\"TemplateProcessing\",\"single\":[{\"SpecialToken\":{\"id\":\"<b>\"}},"            \
    "{\"Sequence\":{\"id\":\"A\"}}]}"
#define MERGES "\"merges\":[\"a b\",[\"b\",\"c\"],\"\\u0120 a\"]"

/* A folder whose embedding has 20 rows. */
static void make(hf_folder *f, const char *tokenizer, const char *settings)
{
    static const float rows[20];
    tm_config config = tiny_config("bitnet-b1.58");
    hf_start(f, 1);
    hf_add(f, "model.embed_tokens.weight", "F32", 20, 1, rows, sizeof rows);
    hf_write_config(f, &config, HF_F32);
    hf_finish(f);
    hf_write_text(f, "tokenizer.json", tokenizer);
    if (settings) hf_write_text(f, "tokenizer_config.json", settings);
}

static tm_tokenizer *opened(const hf_folder *f, tm_gguf **gguf)
{
    tm_tokenizer *t = NULL;
    TINY_OK(tm_gguf_open(f->path, gguf, &err));
    TINY_OK(tm_tokenizer_open(*gguf, NULL, &t, &err));
    return t;
}

static void expect_ids(const tm_tokenizer *t, const char *text, const char *wanted)
{
    char got[200] = "";
    tm_token_ids ids = {0};
    tm_encode_options options = {.special = true};
    TINY_OK(tm_tokenizer_encode(t, text, strlen(text), options, &ids, &err));
    for (size_t i = 0, n = 0; i < ids.n; i++)
        n += (size_t)snprintf(got + n, sizeof got - n, "%s%d", i ? " " : "", ids.ids[i]);
    tm_token_ids_free(&ids);
    if (strcmp(got, wanted) != 0) fail_msg("'%s': %s, expected %s", text, got, wanted);
}

static void test_byte_level(void **state)
{
    (void)state;
    hf_folder f;
    tm_gguf *gguf;
    make(&f, FILE_OF(SPLIT(L3), ADDED, BOS, VOCAB, MERGES),
         "{\"eos_token\":{\"content\":\"<l>\"}}");
    tm_tokenizer *t = opened(&f, &gguf);
    assert_int_equal(tm_tokenizer_n_tokens(t), 20);
    assert_int_equal(tm_tokenizer_bos(t), 14);
    assert_int_equal(tm_tokenizer_eos(t), 12);
    assert_true(tm_tokenizer_adds_bos(t));
    assert_int_equal(tm_tokenizer_find(t, "[PAD19]", 7), 19);
    expect_ids(t, "ab", "4");
    expect_ids(t, "abc a", "4 2 5"); /* "abc" is no merge, and ignore_merges is off */
    expect_ids(t, "12!", "7 8 9");
    expect_ids(t, "a \n<l> b", "0 12 3 1"); /* white space before <l> is its own */
    expect_ids(t, "a <r> \xe3\x80\x80 b<b> a", "0 3 13 1 14 5");
    expect_ids(t, "<r>  <l>", "13 12");
    tm_tokenizer_close(t);
    tm_gguf_close(gguf);
    hf_remove(&f);
    make(&f, FILE_OF(SPLIT(L3), "", "null", VOCAB, MERGES ",\"ignore_merges\":true"), NULL);
    hf_write_text(&f, "chat_template.jinja", "{{}}");
    t = opened(&f, &gguf);
    tm_gguf_string template = {NULL, 0};
    TINY_OK(tm_gguf_str(gguf, "tokenizer.chat_template", &template, NULL, &err));
    assert_int_equal(template.length, 4);
    assert_memory_equal(template.data, "{{}}", 4);
    assert_false(tm_tokenizer_adds_bos(t));
    assert_int_equal(tm_tokenizer_bos(t), -1);
    expect_ids(t, "abc a", "6 5");
    tm_tokenizer_close(t);
    tm_gguf_close(gguf);
    hf_remove(&f);
}

/* Spaces become U+2581, bytes without a token <0xNN>. */
static void test_byte_fallback(void **state)
{
    (void)state;
    hf_folder f;
    tm_gguf *gguf;
    make(&f,
         "{\"added_tokens\":[{\"id\":0,\"content\":\"<unk>\",\"special\":true}],"
         "\"normalizer\":{\"type\":\"Sequence\",\"normalizers\":[{\"type\":\"Prepend\","
         "\"prepend\":\"\\u2581\"},{\"type\":\"Replace\",\"pattern\":{\"String\":\" \"},"
         "\"content\":\"\\u2581\"}]},\"pre_tokenizer\":null,\"model\":{\"type\":\"BPE\","
         "\"byte_fallback\":true,\"unk_token\":\"<unk>\",\"vocab\":{\"<unk>\":0,\"<0xC3>\":1,"
         "\"<0xA9>\":2,\"\\u2581\":3,\"a\":4,\"b\":5,\"\\u2581a\":6,\"ab\":7,\"\\u2581ab\":8},"
         "\"merges\":[[\"a\",\"b\"],[\"\\u2581\",\"a\"],[\"\\u2581\",\"ab\"]]}}",
         NULL);
    tm_tokenizer *t = opened(&f, &gguf);
    expect_ids(t, "ab a", "8 6");
    expect_ids(t, "\xc3\xa9 b", "3 1 2 3 5");
    expect_ids(t, "z", "3 0");
    tm_tokenizer_close(t);
    tm_gguf_close(gguf);
    hf_remove(&f);
}

static void test_rules_are_recognised(void **state)
{
    static const struct {
        const char *pre, *name;
    } rules[] = {
        {SPLIT(L3), "llama-bpe"},
        {SPLIT("(?:'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD])|[^\\\\r\\\\n\\\\p{L}"
               "\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*"
               "[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"),
         "qwen2"},
        {"{\"type\":\"ByteLevel\",\"add_prefix_space\":false}", "gpt-2"},
        {"{\"type\":\"Sequence\",\"pretokenizers\":[{\"type\":\"Digits\",\"individual_digits\":"
         "true},{\"type\":\"ByteLevel\",\"add_prefix_space\":false,\"use_regex\":true}]}",
         "smollm"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        char text[2000];
        hf_folder f;
        tm_gguf *gguf;
        tm_gguf_string pre = {NULL, 0};
        snprintf(text, sizeof text,
                 "{\"pre_tokenizer\":%s,\"model\":{\"vocab\":" VOCAB "," MERGES "}}", rules[i].pre);
        make(&f, text, NULL);
        TINY_OK(tm_gguf_open(f.path, &gguf, &err));
        TINY_OK(tm_gguf_str(gguf, "tokenizer.ggml.pre", &pre, NULL, &err));
        assert_int_equal(pre.length, strlen(rules[i].name));
        assert_memory_equal(pre.data, rules[i].name, pre.length);
        tm_gguf_close(gguf);
        hf_remove(&f);
    }
}

/* The model opens all the same; its tokenizer does not. */
static void test_mistakes_are_named(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{ ", "tokenizer.json: the JSON ends after 2 bytes"},
        {"{\"model\":{\"type\":\"Unigram\"}}", "model.type is 'Unigram'; only BPE is supported"},
        {"{\"model\":{\"type\":\"BPE\"}}", "it is neither byte-level BPE"},
        {FILE_OF(SPLIT("a+"), "", "null", VOCAB, MERGES), "its pre_tokenizer is not a known one"},
        {FILE_OF("{\"type\":\"ByteLevel\"}", "", "null", VOCAB, MERGES),
         "its pre_tokenizer is not a known one"}, /* it puts a space before the text */
        {FILE_OF(SPLIT(L3), "", "null", "{}", MERGES), "model.vocab is missing or empty"},
        {FILE_OF(SPLIT(L3), "", "null", "{\"a\":20}", MERGES),
         "it has the token id 20, but the embedding has 20 rows"},
        {FILE_OF(SPLIT(L3), "", "null", "{\"a\":0,\"b\":-1}", MERGES),
         "the id of token 'b' is not 0 to 19"},
        {FILE_OF(SPLIT(L3), "", "null", "{\"a\":0,\"b\":0}", MERGES),
         "tokens 'a' and 'b' have the id 0"},
        {FILE_OF(SPLIT(L3), "{\"id\":0,\"content\":\"x\"}", "null", VOCAB, MERGES),
         "tokens 'a' and 'x' have the id 0"},
        {FILE_OF(SPLIT(L3), "{\"id\":12,\"content\":\"x\",\"single_word\":true}", "null", VOCAB,
                 MERGES),
         "the added token 12 has single_word, which is not supported"},
        {FILE_OF(SPLIT(L3), "{\"id\":12}", "null", VOCAB, MERGES), "added_tokens has no content"},
        {FILE_OF(SPLIT(L3), "", "null", VOCAB, "\"merges\":7"), "model.merges is missing"},
        {FILE_OF(SPLIT(L3), "", "null", VOCAB, "\"merges\":[[\"a\",\"b\",\"c\"]]"),
         "a merge is neither"},
        {FILE_OF(SPLIT(L3), "", "null", VOCAB, "\"merges\":[[\"a\",\"b c\"]]"),
         "a merge is neither"},
        {FILE_OF(SPLIT(L3), "", "null", VOCAB, "\"merges\":[\"a x\"]"),
         "merge 0 'a x' names 'x', which is not in"},
        {FILE_OF(SPLIT(L3), "", "null", VOCAB, "\"merges\":[\"c c\"]"),
         "the result of merge 0 'c c' is not in"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hf_folder f;
        tm_gguf *gguf;
        tm_tokenizer *t;
        tm_error wrong = {0};
        make(&f, cases[i].text, NULL);
        TINY_OK(tm_gguf_open(f.path, &gguf, &err));
        assert_int_not_equal(tm_tokenizer_open(gguf, NULL, &t, &wrong), TM_OK);
        if (!strstr(wrong.message, cases[i].message)) fail_msg("%s", wrong.message);
        tm_gguf_close(gguf);
        hf_remove(&f);
    }
}

/* Rows without columns cost nothing in the file, and so may not cost memory. */
static void test_an_embedding_without_columns(void **state)
{
    (void)state;
    hf_folder f;
    tm_gguf *gguf;
    tm_error wrong = {0};
    tm_config config = tiny_config("bitnet-b1.58");
    hf_start(&f, 1);
    hf_add(&f, "model.embed_tokens.weight", "F32", INT32_MAX, 0, "", 0);
    hf_write_config(&f, &config, HF_F32);
    hf_finish(&f);
    hf_write_text(&f, "tokenizer.json", FILE_OF(SPLIT(L3), "", "null", VOCAB, MERGES));
    assert_int_equal(tm_gguf_open(f.path, &gguf, &wrong), TM_FORMAT);
    assert_non_null(strstr(wrong.message, "tensor 'model.embed_tokens.weight': it is empty"));
    hf_remove(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_byte_level),
        cmocka_unit_test(test_byte_fallback),
        cmocka_unit_test(test_rules_are_recognised),
        cmocka_unit_test(test_mistakes_are_named),
        cmocka_unit_test(test_an_embedding_without_columns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
