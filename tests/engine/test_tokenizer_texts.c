/* Texts that are hard, text from ids, and vocabularies that are wrong. */
#include "tests/engine/test_tokenizer.h"

static const tm_encode_options plain = {0}, special = {.special = true};

static size_t put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) return out[0] = (char)c, 1;
    size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, c >>= 6) out[i] = (char)(0x80 | (c & 63));
    out[0] = (char)((0xf00 >> n & 0xff) | c);
    return n;
}

/* Characters of all lengths, and many of those that the rules treat differently. */
static size_t random_text(tm_rng *rng, char *out, size_t n_characters)
{
    static const char *const common[] = {
        " ",  "\n",       "\r",       "\t", "'", "ll",      "he",     "1",         "hello",
        "aa", "\xcc\x81", "\xc2\xa0", ".",  "`", "<|bos|>", "<tool>", "<|eot|><|", "\xe3\x80\x80"};
    size_t n = 0;
    for (size_t i = 0; i < n_characters; i++) {
        if (tm_rng_below(rng, 2)) {
            const char *text = common[tm_rng_below(rng, sizeof common / sizeof *common)];
            memcpy(out + n, text, strlen(text));
            n += strlen(text);
            continue;
        }
        static const uint32_t limits[] = {0x80, 0x800, 0x10000, 0x110000};
        uint32_t c = (uint32_t)tm_rng_below(rng, limits[tm_rng_below(rng, 4)]);
        if (c < 0xd800 || c > 0xdfff) n += put_utf8(out + n, c);
    }
    return n;
}

/* decode(encode(text)), id by id; every step must add whole characters. */
static void decode_all(const tm_tokenizer *t, const tm_token_ids *ids, tm_token_text *out)
{
    tm_decoder d = tm_decoder_start(t, true);
    tm_error err = {0};
    for (size_t i = 0; i < ids->n; i++) {
        size_t before = out->length;
        assert_int_equal(tm_decoder_push(&d, ids->ids[i], out, &err), TM_OK);
        for (bool complete; before < out->length; assert_true(complete))
            before += (size_t)tm_utf8_scan(out->data + before, out->length - before, &complete);
    }
    assert_int_equal(tm_decoder_finish(&d, out, &err), TM_OK);
}

static void random_texts_come_back(void **state)
{
    (void)state;
    tm_rng rng = {5};
    tm_error err = {0};
    static char text[64 * 16];
    for (const char *const *pre = tm_tokenizer_pre_names(); *pre; pre++) {
        vocab v;
        make_bpe(&v, *pre);
        opened o = open_vocab(&v);
        for (int i = 0; i < 300; i++) {
            size_t n = random_text(&rng, text, (size_t)i % 64);
            tm_token_ids ids = {0};
            tm_token_text back = {0};
            assert_int_equal(tm_tokenizer_encode(o.t, text, n, i % 2 ? plain : special, &ids, &err),
                             TM_OK);
            decode_all(o.t, &ids, &back);
            assert_int_equal(back.length, n);
            if (n) assert_memory_equal(back.data, text, n);
            free(back.data);
            tm_token_ids_free(&ids);
        }
        close_vocab(o);
    }
}

/* One token or space repeated. The work is counted: at most 3 joins are considered per byte, and
 * PCRE2 has a limit that grows with the text, not with its square. */
static void a_megabyte_of_one_character_takes_linear_work(void **state)
{
    (void)state;
    static const char characters[] = {'a', 'z', ' ', '\n', '1', '!', '\t', '\'', 'l'};
    size_t length = 1 << 20;
    char *text = malloc(length);
    tm_error err = {0};
    assert_non_null(text);
    for (const char *const *pre = tm_tokenizer_pre_names(); *pre; pre++) {
        vocab v;
        make_bpe(&v, *pre);
        opened o = open_vocab(&v);
        bool is_first_of_its_kind = strcmp(*pre, "default") == 0 || strcmp(*pre, "llama3") == 0 ||
                                    strcmp(*pre, "smollm") == 0 || strcmp(*pre, "falcon") == 0;
        for (size_t i = 0; is_first_of_its_kind && i < sizeof characters; i++) {
            tm_token_ids ids = {0};
            memset(text, characters[i], length);
            if (tm_tokenizer_encode(o.t, text, length, plain, &ids, &err) != TM_OK)
                fail_msg("%s: %s", *pre, err.message);
            assert_true(ids.n_steps <= 3 * length);
            if (characters[i] == 'a') assert_int_equal(ids.n, length / 4);
            if (characters[i] == 'z') assert_int_equal(ids.n, length);
            tm_token_ids_free(&ids);
        }
        close_vocab(o);
    }
    free(text);
}

static void a_megabyte_of_one_piece_takes_linear_work(void **state)
{
    (void)state;
    size_t length = 1 << 20;
    char *text = malloc(length);
    vocab v;
    tm_error err = {0};
    tm_token_ids ids = {0};
    assert_non_null(text);
    make_spm(&v);
    v.no_space_prefix = true;
    opened o = open_vocab(&v);
    memset(text, 'a', length);
    assert_int_equal(tm_tokenizer_encode(o.t, text, length, plain, &ids, &err), TM_OK);
    assert_int_equal(ids.n, length / 2); /* "aa" */
    assert_true(ids.n_steps <= 3 * length);
    tm_token_ids_free(&ids);
    close_vocab(o);
    free(text);
}

static void text_that_is_not_utf8_is_an_error(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"ab\xff", "byte 0xFF at offset 2"},
        {"\xc0\x80", "byte 0xC0 at offset 0"},         /* overlong */
        {"a\xed\xa0\x80", "byte 0xED at offset 1"},    /* surrogate */
        {"\xf4\x90\x80\x80", "byte 0xF4 at offset 0"}, /* above U+10FFFF */
        {"\xe2\x82", "byte 0xE2 at offset 0"},         /* cut */
        {"a\x80", "byte 0x80 at offset 1"},
    };
    vocab v;
    make_bpe(&v, NULL);
    opened o = open_vocab(&v);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_error err = {0};
        tm_token_ids ids = {0};
        assert_int_equal(
            tm_tokenizer_encode(o.t, cases[i].text, strlen(cases[i].text), plain, &ids, &err),
            TM_FORMAT);
        if (!strstr(err.message, cases[i].message)) fail_msg("%s", err.message);
        tm_token_ids_free(&ids);
    }
    close_vocab(o);
}

/* The text of ids, with "|" after each piece. */
static void expect_pieces(const tm_tokenizer *t, bool show, const int32_t *ids, size_t n,
                          const char *wanted)
{
    tm_decoder d = tm_decoder_start(t, show);
    tm_token_text out = {0};
    tm_error err = {0};
    char got[200] = "";
    for (size_t i = 0; i <= n; i++) {
        out.length = 0;
        tm_status status =
            i < n ? tm_decoder_push(&d, ids[i], &out, &err) : tm_decoder_finish(&d, &out, &err);
        assert_int_equal(status, TM_OK);
        snprintf(got + strlen(got), sizeof got - strlen(got), "%.*s|", (int)out.length,
                 out.data ? out.data : "");
    }
    assert_string_equal(got, wanted);
    free(out.data);
}

#define EXPECT_PIECES(t, show, wanted, ...)                                                        \
    expect_pieces(t, show, (const int32_t[]){__VA_ARGS__},                                         \
                  sizeof((const int32_t[]){__VA_ARGS__}) / sizeof(int32_t), wanted)

static void characters_are_completed_before_they_come(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, NULL);
    opened o = open_vocab(&v);
    tm_error err = {0};
    tm_token_text out = {0};
    EXPECT_PIECES(o.t, false, "hello| w||", 259, 260);
    EXPECT_PIECES(o.t, false, "|\xc3\xa9||", 0xc3, 0xa9);
    EXPECT_PIECES(o.t, false, "|||\xf0\x9f\xa6\x99||", 0xf0, 0x9f, 0xa6, 0x99);
    EXPECT_PIECES(o.t, false, "||\xef\xbf\xbd|", 0xe2, 0x82); /* cut */
    EXPECT_PIECES(o.t, false,
                  "|\xef\xbf\xbd"
                  "a||",
                  0xc3, 'a');                                             /* broken off */
    EXPECT_PIECES(o.t, false, "\xef\xbf\xbd|\xef\xbf\xbd||", 0xa9, 0xff); /* no beginning */
    EXPECT_PIECES(o.t, false, "|\xef\xbf\xbd|\xc3\xa9||", 0xc3, 0xc3, 0xa9);
    EXPECT_PIECES(o.t, false, "|a||", 263, 'a');
    EXPECT_PIECES(o.t, true, "<|bos|>|a||", 263, 'a');
    EXPECT_PIECES(o.t, false, "<tool>||", 267);
    tm_decoder d = tm_decoder_start(o.t, false);
    assert_int_equal(tm_decoder_push(&d, 268, &out, &err), TM_ARG);
    assert_int_equal(tm_decoder_push(&d, -1, &out, &err), TM_ARG);
    assert_non_null(strstr(err.message, "token id -1"));
    close_vocab(o);
}

static void sentence_pieces_become_text(void **state)
{
    (void)state;
    vocab v;
    make_spm(&v);
    opened o = open_vocab(&v);
    EXPECT_PIECES(o.t, false, "a|bc| a|b||", 12, 10, 12, 8);
    EXPECT_PIECES(o.t, false, "|a||", 1, 12);
    EXPECT_PIECES(o.t, false, "| |a||", 6, 6, 7);
    EXPECT_PIECES(o.t, false, "b||\xc3\xa9||", 8, 3, 4);
    EXPECT_PIECES(o.t, true, "<s>|</s>||", 1, 2);
    close_vocab(o);
}

static void characters_without_a_token(void **state)
{
    (void)state;
    vocab v;
    tm_error err = {0};
    tm_token_ids ids = {0};
    make_spm(&v);
    opened o = open_vocab(&v);
    assert_int_equal(tm_tokenizer_encode(o.t, "ax", 2, plain, &ids, &err), TM_FORMAT);
    assert_non_null(strstr(err.message, "no token for the byte 0x78"));
    tm_token_ids_free(&ids);
    close_vocab(o);
    v.unknown = 2;
    o = open_vocab(&v);
    expect_ids(o.t, "ax", 2, plain, "12 2");
    close_vocab(o);
    v.bos = 0;
    o = open_vocab(&v);
    assert_int_equal(tm_tokenizer_encode(o.t, "a", 1, (tm_encode_options){.bos = true}, &ids, &err),
                     TM_FORMAT);
    assert_non_null(strstr(err.message, "'tokenizer.ggml.bos_token_id' is missing"));
    close_vocab(o);
}

static void expect_refusal(const vocab *v, tm_status status, const char *message)
{
    tm_gguf *gguf;
    tm_tokenizer *t;
    tm_error err = {0};
    assert_int_equal(vocab_open(v, NULL, &gguf, &t, &err), status);
    if (!strstr(err.message, message)) fail_msg("\"%s\" lacks \"%s\"", err.message, message);
    tm_gguf_close(gguf);
}

static void wrong_vocabularies_are_refused(void **state)
{
    (void)state;
    vocab v;
#define REFUSED(make, change, message)                                                             \
    do {                                                                                           \
        make;                                                                                      \
        change;                                                                                    \
        expect_refusal(&v, TM_FORMAT, message);                                                    \
    } while (0)
    REFUSED(make_bpe(&v, NULL), v.model = NULL, "key 'tokenizer.ggml.model' is missing");
    REFUSED(make_bpe(&v, NULL), v.n_tokens = v.n_types = 0, "'tokenizer.ggml.tokens' is missing");
    REFUSED(make_bpe(&v, NULL), v.tokens[3] = "hello", "tokens 3 and 259 are both 'hello'");
    REFUSED(make_bpe(&v, NULL), v.tokens[260] = "\xc3", "token 260 '?' is not valid UTF-8");
    REFUSED(make_bpe(&v, NULL), v.n_types--, "'tokenizer.ggml.token_type' has 267 items");
    REFUSED(make_bpe(&v, NULL), v.types[5] = 7, "token 5 has type 7; it must be 0 to 6");
    REFUSED(make_bpe(&v, NULL), v.types[5] = -1, "token 5 has type -1");
    REFUSED(make_bpe(&v, NULL), v.n_merges = 0, "key 'tokenizer.ggml.merges' is missing");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "he xx", "merge 2 'he xx' names 'xx', which is not");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "xx he", "merge 2 'xx he' names 'xx'");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "ll he", "the result of merge 2 'll he' is not in");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "hell", "merge 2 is 'hell'; it must be two tokens");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "he ", "it must be two tokens");
    REFUSED(make_bpe(&v, NULL), v.merges[2] = "", "it must be two tokens");
    REFUSED(make_bpe(&v, NULL), v.bos = 268,
            "'tokenizer.ggml.bos_token_id' is 268; it must be below");
    REFUSED(make_spm(&v), v.n_scores--,
            "'tokenizer.ggml.scores' has 17 items, but 'tokenizer.ggml.tokens' has 18");
    REFUSED(make_spm(&v), v.n_scores = 0, "key 'tokenizer.ggml.scores' is missing");
    REFUSED(make_spm(&v), v.scores[4] = 0.0f / 0.0f, "the score of token 4 is");
    REFUSED(make_spm(&v), v.unknown = 99, "'tokenizer.ggml.unknown_token_id' is 99");
#undef REFUSED
    make_bpe(&v, "gemma4");
    expect_refusal(&v, TM_UNSUPPORTED,
                   "'tokenizer.ggml.pre' is 'gemma4'; supported are default, llama-bpe");
    make_bpe(&v, NULL);
    v.model = "bert";
    expect_refusal(&v, TM_UNSUPPORTED, "'tokenizer.ggml.model' is 'bert'; supported are gpt2");
}

/* Empty tokens are holes of the vocabulary. Of equal merges the first counts. */
static void holes_and_equal_merges_are_accepted(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, "gpt-2");
    vocab_add(&v, "", TOKEN_UNUSED, 0);
    vocab_add(&v, "", TOKEN_UNUSED, 0);
    v.n_types = v.n_tokens;
    v.merges[v.n_merges++] = "l l";
    opened o = open_vocab(&v);
    expect_ids(o.t, "helllo", 6, plain, "258 108 111");
    close_vocab(o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_texts_come_back),
        cmocka_unit_test(a_megabyte_of_one_character_takes_linear_work),
        cmocka_unit_test(a_megabyte_of_one_piece_takes_linear_work),
        cmocka_unit_test(text_that_is_not_utf8_is_an_error),
        cmocka_unit_test(characters_are_completed_before_they_come),
        cmocka_unit_test(sentence_pieces_become_text),
        cmocka_unit_test(characters_without_a_token),
        cmocka_unit_test(wrong_vocabularies_are_refused),
        cmocka_unit_test(holes_and_equal_merges_are_accepted),
    };
    return cmocka_run_group_tests_name("tokenizer_texts", tests, NULL, NULL);
}
