/* Vocabularies so small that the ids can be worked out by hand. */
#include "tests/engine/test_tokenizer.h"

static const tm_encode_options plain = {0}, special = {.special = true}, bos = {.bos = true};

static void bpe_joins_by_rank_and_from_the_left(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, "gpt-2");
    opened o = open_vocab(&v);
    expect_ids(o.t, TEXT(""), plain, "");
    expect_ids(o.t, TEXT(""), bos, "263");
    expect_ids(o.t, TEXT("hello"), plain, "259");
    /* "l l" comes before "h e", and "he ll" before "hell o". */
    expect_ids(o.t, TEXT("helllo"), plain, "258 108 111");
    expect_ids(o.t, TEXT("hel"), plain, "257 108");
    /* The space belongs to the word behind it. */
    expect_ids(o.t, TEXT("hello world"), bos, "263 259 260 111 114 108 100");
    expect_ids(o.t, TEXT("aaa"), plain, "261 97");
    expect_ids(o.t, TEXT("aaaaaaa"), plain, "262 261 97");
    expect_ids(o.t, TEXT("\xc3\xa9"), plain, "195 169");
    expect_ids(o.t, TEXT("e\xcc\x81"), plain, "101 204 129");
    expect_ids(o.t, TEXT("a\0b"), plain, "97 0 98");
    assert_int_equal(tm_tokenizer_n_tokens(o.t), 268);
    assert_int_equal(tm_tokenizer_bos(o.t), 263);
    assert_int_equal(tm_tokenizer_eos(o.t), -1);
    assert_false(tm_tokenizer_adds_bos(o.t));
    close_vocab(o);
}

/* A rule of the Llama 3 kind takes a word that is a token, although no merge makes it. */
static void whole_words_are_taken_where_the_rule_says_so(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, "llama-bpe");
    vocab_add(&v, "xyz", TOKEN_NORMAL, 0);
    vocab_add(&v, "uvw", TOKEN_CONTROL, 0);
    v.n_types = v.n_tokens;
    opened o = open_vocab(&v);
    expect_ids(o.t, TEXT("xyz"), plain, "268");
    expect_ids(o.t, TEXT("xyzz"), plain, "120 121 122 122");
    expect_ids(o.t, TEXT("uvw"), plain, "117 118 119");
    assert_true(tm_tokenizer_adds_bos(o.t));
    close_vocab(o);
    v.pre = "qwen2";
    o = open_vocab(&v);
    expect_ids(o.t, TEXT("xyz"), plain, "120 121 122");
    close_vocab(o);
}

static void special_tokens_are_cut_out_longest_first(void **state)
{
    (void)state;
    vocab v;
    make_bpe(&v, "gpt-2");
    opened o = open_vocab(&v);
    expect_ids(o.t, TEXT("a<|bos|>a"), special, "97 263 97");
    expect_ids(o.t, TEXT("<|bos|>"), plain, "60 124 98 111 115 124 62");
    expect_ids(o.t, TEXT("<|eot|><|bos|>"), special, "265");
    expect_ids(o.t, TEXT("<|eot|><|eot|>"), special, "264 264");
    /* The longer token begins inside the shorter one, and wins. */
    expect_ids(o.t, TEXT("<|bos|><tool>"), special, "60 124 266");
    /* User-defined tokens are recognised in any case. */
    expect_ids(o.t, TEXT("a<tool>a"), plain, "97 267 97");
    expect_ids(o.t, TEXT("<|bos"), special, "60 124 98 111 115");
    close_vocab(o);
}

static tm_status add_word(void *arg, const char *word, size_t length, tm_error *err)
{
    (void)err;
    char *list = arg;
    size_t n = strlen(list);
    snprintf(list + n, 400 - n, "%s%.*s", n ? "/" : "", (int)length, word);
    return TM_OK;
}

static void texts_are_split_as_the_rule_says(void **state)
{
    (void)state;
    static const struct {
        const char *pre, *text, *words;
    } cases[] = {
        {"llama-bpe", "2024 is 12345.", "202/4/ is/ /123/45/."},
        {"qwen2", "2024 is 12345.", "2/0/2/4/ is/ /1/2/3/4/5/."},
        {"default", "2024 is 12345.", "202/4/ is/ /123/45/."},
        {"gpt-2", "2024 is 12345.", "2024/ is/ 12345/."},
        {"smollm", "2024 is 12.", "2/0/2/4/ is/ /1/2/."},
        {"falcon", "12345 a`b", "123/45/ a/`/b"},
        {"falcon3", "You'RE  here\r\n\n x", "You/'RE/ / here/\r\n\n/ x"},
        {"gpt-2", "You'RE  here", "You/'/RE/ / here"},
        {"llama-bpe", "a \t \nb", "a/ \t \n/b"},
        {"llama-bpe", "a!!\n\nb", "a/!!\n\n/b"},
        {"llama-bpe", "end   ", "end/   "},
        {"llama-bpe", "(ab)", "(ab/)"},
        /* A combining mark is no letter, except for qwen35. */
        {"qwen2", "ae\xcc\x81i", "ae/\xcc\x81i"},
        {"qwen35", "ae\xcc\x81i", "ae\xcc\x81i"},
        /* U+0085 and U+3000 are white space, U+180E is not. */
        {"llama-bpe", "a\xc2\x85\xe3\x80\x80", "a/\xc2\x85\xe3\x80\x80"},
        {"llama-bpe", "a\xe1\xa0\x8e\xe1\xa0\x8e", "a/\xe1\xa0\x8e\xe1\xa0\x8e"},
        {"llama-bpe", "a\xe1\xa0\x8e\xe1\xa0\x8e ", "a/\xe1\xa0\x8e\xe1\xa0\x8e/ "},
        {"llama-bpe", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char words[400] = "";
        tm_splitter *s;
        tm_pre_rule rule;
        tm_error err = {0};
        tm_gguf_string pre = {cases[i].pre, strlen(cases[i].pre)};
        assert_int_equal(tm_splitter_open(pre, &rule, &s, &err), TM_OK);
        assert_int_equal(
            tm_splitter_split(s, cases[i].text, strlen(cases[i].text), add_word, words, &err),
            TM_OK);
        if (strcmp(words, cases[i].words) != 0)
            fail_msg("%s: %s, not %s", cases[i].pre, words, cases[i].words);
        tm_splitter_close(s);
    }
}

static void sentence_pieces_join_by_score(void **state)
{
    (void)state;
    vocab v;
    make_spm(&v);
    opened o = open_vocab(&v);
    expect_ids(o.t, TEXT(""), bos, "1");
    expect_ids(o.t, TEXT("a"), plain, "12");
    expect_ids(o.t, TEXT(" a"), plain, "6 12");
    /* bc (-2) is joined before ab (-3), and the space joins a. */
    expect_ids(o.t, TEXT("abc"), bos, "1 12 10");
    expect_ids(o.t, TEXT("ab"), plain, "6 9");
    /* The leftmost of equal pairs. */
    expect_ids(o.t, TEXT("baaa"), plain, "6 8 13 7");
    expect_ids(o.t, TEXT("b\xc3\xa9"), plain, "6 8 3 4");
    expect_ids(o.t, TEXT("\0"), plain, "6 5");
    /* Ordinary text does not become a control token. A special token is followed by a space. */
    expect_ids(o.t, TEXT("<s>a"), plain, "6 14 17 7");
    expect_ids(o.t, TEXT("<s>a"), special, "1 12");
    assert_true(tm_tokenizer_adds_bos(o.t));
    close_vocab(o);
    v.no_space_prefix = true;
    o = open_vocab(&v);
    expect_ids(o.t, TEXT("a"), plain, "7");
    close_vocab(o);
}

static void bytes_and_their_characters_are_one_to_one(void **state)
{
    (void)state;
    int n = 0;
    for (int byte = 0; byte < 256; byte++)
        assert_int_equal(tm_code_point_to_byte(tm_byte_to_code_point((uint8_t)byte)), byte);
    for (int c = -1; c < 0x400; c++) n += tm_code_point_to_byte(c) >= 0;
    assert_int_equal(n, 256);
    assert_int_equal(tm_byte_to_code_point(' '), 0x120);
    assert_int_equal(tm_byte_to_code_point('\n'), 0x10a);
    assert_int_equal(tm_byte_to_code_point(173), 323);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_and_their_characters_are_one_to_one),
        cmocka_unit_test(bpe_joins_by_rank_and_from_the_left),
        cmocka_unit_test(whole_words_are_taken_where_the_rule_says_so),
        cmocka_unit_test(special_tokens_are_cut_out_longest_first),
        cmocka_unit_test(texts_are_split_as_the_rule_says),
        cmocka_unit_test(sentence_pieces_join_by_score),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
