/* Vocabularies so small that the ids can be worked out by hand, texts that are hard, and
 * vocabularies that are wrong. */
#include "engine/tokenizer_private.h"
#include "tests/engine/test_tokenizer.h"

#define TEXT(text) text, sizeof(text) - 1

/* One token per byte, id = byte, then the tokens of the merges. */
static void make_bpe(vocab *v, const char *pre)
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

static opened open_vocab(const vocab *v)
{
    opened o = {0};
    tm_error err = {0};
    if (vocab_open(v, NULL, &o.gguf, &o.t, &err) != TM_OK) fail_msg("%s", err.message);
    return o;
}

static void close_vocab(opened o)
{
    tm_tokenizer_close(o.t);
    tm_gguf_close(o.gguf);
}

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

/* Ids: 0 unknown, 1 and 2 control, 3 to 7 bytes of "e-acute" and others, then pieces. */
static void make_spm(vocab *v)
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bpe_joins_by_rank_and_from_the_left),
        cmocka_unit_test(whole_words_are_taken_where_the_rule_says_so),
        cmocka_unit_test(special_tokens_are_cut_out_longest_first),
        cmocka_unit_test(texts_are_split_as_the_rule_says),
        cmocka_unit_test(sentence_pieces_join_by_score),
    };
    return cmocka_run_group_tests_name("tokenizer", tests, NULL, NULL);
}
