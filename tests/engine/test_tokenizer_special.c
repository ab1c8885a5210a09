/* Special tokens in texts, compared with a plain search by length, and their limit. */
#include "engine/tokenizer_private.h"
#include "tests/tm_test.h"

enum { TOKENS_MAX = 64, TEXT_MAX = 200 };

typedef struct fixture {
    char bytes[TOKENS_MAX][16];
    tm_gguf_string texts[TOKENS_MAX];
    uint8_t types[TOKENS_MAX];
    tm_tokenizer t;
} fixture;

static bool is_known(const fixture *f, const char *text, size_t length)
{
    for (int id = 0; id < f->t.n_tokens; id++)
        if (f->texts[id].length == length && memcmp(f->texts[id].data, text, length) == 0)
            return true;
    return false;
}

/* Tokens of a few letters, so that they overlap and contain each other. */
static void make_tokens(fixture *f, int n, int n_letters, tm_rng *rng)
{
    f->t = (tm_tokenizer){.texts = f->texts, .types = f->types};
    for (int tries = 0; tries < n; tries++) {
        int id = f->t.n_tokens;
        size_t length = 1 + tm_rng_below(rng, 9);
        for (size_t i = 0; i < length; i++)
            f->bytes[id][i] = (char)('a' + tm_rng_below(rng, (uint64_t)n_letters));
        if (is_known(f, f->bytes[id], length)) continue;
        f->texts[id] = (tm_gguf_string){f->bytes[id], length};
        f->types[id] = (uint8_t)(TOKEN_NORMAL + tm_rng_below(rng, 4)); /* also unknown ones */
        f->t.n_tokens++;
    }
}

/* The longest first, from the left. */
static void mark_plainly(const fixture *f, const char *text, size_t n, bool control, int32_t *marks)
{
    for (size_t length = 16; length > 0; length--)
        for (size_t i = 0; i + length <= n; i++)
            for (int id = 0; id < f->t.n_tokens; id++) {
                bool counts =
                    f->types[id] == TOKEN_USER_DEFINED || (control && f->types[id] != TOKEN_NORMAL);
                bool is_free = true;
                if (!counts || f->texts[id].length != length ||
                    memcmp(text + i, f->texts[id].data, length) != 0)
                    continue;
                for (size_t k = i; k < i + length; k++) is_free &= marks[k] == 0;
                if (!is_free) continue;
                for (size_t k = i + 1; k < i + length; k++) marks[k] = -1;
                marks[i] = id + 1;
            }
}

static void marks_are_those_of_a_plain_search(void **state)
{
    (void)state;
    static fixture f;
    tm_rng rng = {11};
    int n_marked = 0;
    for (int round = 0; round < 150; round++) {
        int n_letters = 1 + (int)tm_rng_below(&rng, 3);
        char text[TEXT_MAX];
        size_t n = tm_rng_below(&rng, TEXT_MAX);
        tm_specials *s = NULL;
        tm_error err = {0};
        make_tokens(&f, 1 + (int)tm_rng_below(&rng, TOKENS_MAX - 1), n_letters, &rng);
        for (size_t i = 0; i < n; i++)
            text[i] = (char)('a' + tm_rng_below(&rng, (uint64_t)n_letters));
        assert_int_equal(tm_specials_open(&f.t, &s, &err), TM_OK);
        for (int control = 0; s && control < 2; control++) {
            int32_t got[TEXT_MAX] = {0}, wanted[TEXT_MAX] = {0};
            assert_int_equal(tm_specials_mark(s, text, n, control, got, &err), TM_OK);
            mark_plainly(&f, text, n, control, wanted);
            if (memcmp(got, wanted, sizeof got) != 0)
                fail_msg("round %d: other marks in \"%.*s\"", round, (int)n, text);
            for (size_t i = 0; i < n; i++) n_marked += got[i] > 0;
        }
        tm_specials_close(s);
    }
    assert_true(n_marked > 400);
}

/* A thousand lengths in a megabyte of text: 10^9 comparisons by length. */
static void tokens_that_contain_each_other_are_found_in_one_pass(void **state)
{
    (void)state;
    enum { N = 1000, LENGTH = 1 << 20 };
    static tm_gguf_string texts[N];
    static uint8_t types[N];
    char *text = malloc(LENGTH);
    int32_t *marks = calloc(LENGTH, sizeof *marks);
    tm_tokenizer t = {.n_tokens = N, .texts = texts, .types = types};
    tm_specials *s = NULL;
    tm_error err = {0};
    memset(text, 'a', LENGTH);
    for (int id = 0; id < N; id++) {
        texts[id] = (tm_gguf_string){text, (size_t)id + 1};
        types[id] = TOKEN_CONTROL;
    }
    assert_int_equal(tm_specials_open(&t, &s, &err), TM_OK);
    assert_int_equal(tm_specials_mark(s, text, LENGTH, true, marks, &err), TM_OK);
    for (size_t i = 0; i + N <= LENGTH; i += N) assert_int_equal(marks[i], N);
    assert_int_equal(marks[LENGTH / N * N], LENGTH % N); /* one token for the rest */
    tm_specials_close(s);
    free(marks);
    free(text);
}

static void too_many_bytes_of_special_tokens_are_refused(void **state)
{
    (void)state;
    char *text = calloc(1, (1 << 20) + 1);
    tm_gguf_string texts[1] = {{text, 1 << 20}};
    uint8_t types[1] = {TOKEN_USER_DEFINED};
    tm_tokenizer t = {.n_tokens = 1, .texts = texts, .types = types};
    tm_specials *s = NULL;
    tm_error err = {0};
    assert_int_equal(tm_specials_open(&t, &s, &err), TM_OK);
    tm_specials_close(s);
    texts[0].length++;
    assert_int_equal(tm_specials_open(&t, &s, &err), TM_UNSUPPORTED);
    assert_non_null(strstr(err.message, "have 1048577 bytes; at most 1048576"));
    types[0] = TOKEN_NORMAL;
    assert_int_equal(tm_specials_open(&t, &s, &err), TM_OK);
    assert_null(s);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_those_of_a_plain_search),
        cmocka_unit_test(tokens_that_contain_each_other_are_found_in_one_pass),
        cmocka_unit_test(too_many_bytes_of_special_tokens_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
