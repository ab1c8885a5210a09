/* Text of the chain model (chain.h), which is known in closed form, and what ends it. */
#include "engine/generate.h"
#include "tests/engine/chain.h"
#include "tests/engine/tiny.h"

#define ALPHABET "abcdefghijklmnopqrstuvwxyz \xce\xb1\xf0\x9f\x98\x80."

typedef struct chain {
    tm_gguf *gguf;
    tm_tokenizer *tokenizer;
    tm_pool *pool;
    tm_model model;
} chain;

static chain open_chain(void)
{
    chain c;
    char path[] = "/tmp/tm_chain_XXXXXX";
    tm_source source;
    tm_model_options options = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    chain_write(fd, path, NULL);
    close(fd);
    TINY_OK(tm_gguf_open(path, &c.gguf, &err));
    TINY_OK(tm_tokenizer_open(c.gguf, NULL, &c.tokenizer, &err));
    TINY_OK(tm_source_open_gguf(path, &source, &err));
    c.pool = tiny_pool(2);
    TINY_OK(tm_model_open(&source, &options, c.pool, &c.model, &err));
    tm_source_close(&source);
    unlink(path);
    return c;
}

static void close_chain(chain *c)
{
    tm_model_close(&c->model);
    tm_pool_close(c->pool);
    tm_tokenizer_close(c->tokenizer);
    tm_gguf_close(c->gguf);
}

typedef struct seen {
    char text[4096];
    size_t length;
    int ids[256], n_ids, n_pieces;
} seen;

/* Every piece must be whole characters. */
static void take(void *arg, int32_t id, const char *text, size_t length)
{
    seen *s = arg;
    for (size_t i = 0; i < length;) {
        bool complete;
        i += (size_t)tm_utf8_scan(text + i, length - i, &complete);
        assert_true(complete);
    }
    assert_true(s->length + length < sizeof s->text);
    memcpy(s->text + s->length, text, length);
    s->length += length;
    s->text[s->length] = '\0';
    if (id >= 0) s->ids[s->n_ids++] = id;
    s->n_pieces += length > 0;
}

/* Generates with options after a prompt, in a context of n_context positions. */
static tm_generated generate(const chain *c, const char *prompt, int n_tokens, int n_context,
                             const char *const *stops, int n_stops, seen *s)
{
    const tm_sampling greedy = {.top_p = 1, .repeat_penalty = 1};
    const tm_generate_options options = {.n_tokens = n_tokens,
                                         .n_context = n_context,
                                         .stops = stops,
                                         .n_stops = n_stops,
                                         .on_token = take,
                                         .arg = s};
    tm_token_ids ids = {0};
    tm_sampler *sampler = NULL;
    tm_generated out;
    *s = (seen){0};
    TINY_OK(tm_tokenizer_encode(c->tokenizer, prompt, strlen(prompt),
                                (tm_encode_options){.bos = true}, &ids, &err));
    tm_session *session =
        tiny_session(&c->model, c->pool, (tm_session_options){.n_context = n_context});
    TINY_OK(tm_sampler_open(&greedy, CHAIN_VOCAB, &sampler, &err));
    TINY_OK(tm_generate(session, c->tokenizer, sampler, &ids, &options, &out, &err));
    assert_int_equal(out.n_prompt, ids.n);
    assert_int_equal(out.n_steps, out.n_tokens - 1);
    assert_int_equal(out.n_tokens, s->n_ids);
    assert_int_equal(out.last, s->ids[s->n_ids - 1]);
    assert_int_equal(tm_session_position(session), out.n_prompt + out.n_steps);
    assert_true(out.prompt_ns > 0 && out.first_token_ns >= out.prompt_ns);
    tm_sampler_close(sampler);
    tm_session_close(session);
    tm_token_ids_free(&ids);
    return out;
}

static void text_is_the_chain(void **state)
{
    chain *c = *state;
    seen s;
    tm_generated g = generate(c, "a", 70, 100, NULL, 0, &s);
    assert_string_equal(s.text,
                        "bcdefghijklmnopqrstuvwxyz \xce\xb1\xf0\x9f\x98\x80." ALPHABET "abc");
    assert_int_equal(g.end, TM_END_LENGTH);
    assert_int_equal(g.n_tokens, 70);
    /* One piece per character: 29 + 30 + 3, none for the first bytes of a character. */
    assert_int_equal(s.n_pieces, 62);
    generate(c, "", 3, 100, NULL, 0, &s);
    assert_string_equal(s.text, "abc");
    /* A character that is cut off becomes U+FFFD. */
    generate(c, "z", 2, 100, NULL, 0, &s);
    assert_string_equal(s.text, " \xef\xbf\xbd");
}

static void tokens_that_end_a_text_end_it(void **state)
{
    chain *c = *state;
    seen s;
    tm_generated g = generate(c, "?", 9, 100, NULL, 0, &s);
    assert_string_equal(s.text, "!");
    assert_int_equal(g.end, TM_END_TOKEN);
    assert_int_equal(g.last, CHAIN_EOS);
    assert_int_equal(s.n_ids, 2);
    g = generate(c, "1", 9, 100, NULL, 0, &s); /* by its name */
    assert_string_equal(s.text, "2");
    assert_int_equal(g.end, TM_END_TOKEN);
    assert_int_equal(g.last, CHAIN_IM_END);
}

static void the_end_of_the_context_ends_a_text(void **state)
{
    chain *c = *state;
    seen s;
    tm_generated g = generate(c, "a", 0, 6, NULL, 0, &s);
    assert_string_equal(s.text, "bcdef"); /* BOS, a, and four of these are in the context */
    assert_int_equal(g.end, TM_END_CONTEXT);
    g = generate(c, "a", 5, 6, NULL, 0, &s);
    assert_int_equal(g.end, TM_END_LENGTH);
    g = generate(c, "abcde", 0, 6, NULL, 0, &s);
    assert_string_equal(s.text, "f");
    assert_int_equal(g.end, TM_END_CONTEXT);
}

static void stop_strings_end_a_text_and_are_no_part_of_it(void **state)
{
    chain *c = *state;
    static const struct {
        const char *stops[3], *text;
        int which, n_pieces; /* which: -1 for none */
    } cases[] = {
        {{"fgh"}, "bcde", 0, 4},
        {{"h", "fgh"}, "bcde", 1, 4},
        {{"i", "fgi", "fgh"}, "bcde", 2, 4},
        {{"b"}, "", 0, 0},
        /* "f" and "fg" are held back, and come when "fgx" can no longer be. */
        {{"fgx"}, "bcdefghijk", -1, 8},
        {{"\xce\xb1\xf0\x9f\x98\x81", "xyz \xce\xb1"}, "bcdefghijk", -1, 10},
        /* What is held back at the end is text. */
        {{"ijkl"}, "bcdefghijk", -1, 8},
        {{"hijk"}, "bcdefg", 0, 6},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        seen s;
        int n = 0;
        while (n < 3 && cases[i].stops[n]) n++;
        tm_generated g = generate(c, "a", 10, 100, cases[i].stops, n, &s);
        assert_string_equal(s.text, cases[i].text);
        assert_int_equal(s.n_pieces, cases[i].n_pieces);
        assert_int_equal(g.end, cases[i].which < 0 ? TM_END_LENGTH : TM_END_STRING);
        if (cases[i].which >= 0) assert_int_equal(g.end_stop, cases[i].which);
    }
    /* Bytes of one character are not compared before it is complete. */
    seen s;
    const char *const stops[] = {"\xce\xb1"};
    generate(c, "y", 10, 100, stops, 1, &s);
    assert_string_equal(s.text, "z ");
}

static void prompts_that_do_not_fit_are_errors(void **state)
{
    chain *c = *state;
    const tm_sampling greedy = {.top_p = 1, .repeat_penalty = 1};
    const tm_generate_options options = {.n_context = 4};
    tm_sampler *sampler = NULL;
    tm_generated out;
    tm_error got = {0};
    int32_t five[] = {4, 4, 4, 4, 4};
    tm_token_ids ids = {.ids = five, .n = 5};
    tm_session *session = tiny_session(&c->model, c->pool, (tm_session_options){.n_context = 4});
    TINY_OK(tm_sampler_open(&greedy, CHAIN_VOCAB, &sampler, &err));
    assert_int_equal(tm_generate(session, c->tokenizer, sampler, &ids, &options, &out, &got),
                     TM_ARG);
    assert_non_null(strstr(got.message, "has 5 tokens, but 4 of the 4 positions"));
    ids.n = 0;
    assert_int_equal(tm_generate(session, c->tokenizer, sampler, &ids, &options, &out, &got),
                     TM_ARG);
    assert_non_null(strstr(got.message, "empty"));
    tm_sampler_close(sampler);
    tm_session_close(session);
}

/* The file that the command-line tests use is this one. */
static void the_golden_file_is_what_the_writer_writes(void **state)
{
    (void)state;
    char golden[512], path[] = "/tmp/tm_chain_XXXXXX", command[1200];
    if (!tm_golden("chain.gguf", golden, sizeof golden)) fail_msg("no tests/golden/chain.gguf");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    chain_write(fd, path, "{% for message in messages %}{{ message['content'] }}{% endfor %}");
    close(fd);
    snprintf(command, sizeof command, "cmp %s %s", golden, path);
    int status = system(command);
    if (status != 0 && getenv("TM_WRITE_GOLDEN")) {
        snprintf(command, sizeof command, "cp %s %s", path, golden);
        status = system(command);
    }
    unlink(path);
    assert_int_equal(status, 0);
}

int main(void)
{
    chain c = open_chain();
#define WITH(test) cmocka_unit_test_prestate(test, &c)
    const struct CMUnitTest tests[] = {
        WITH(text_is_the_chain),
        WITH(tokens_that_end_a_text_end_it),
        WITH(the_end_of_the_context_ends_a_text),
        WITH(stop_strings_end_a_text_and_are_no_part_of_it),
        WITH(prompts_that_do_not_fit_are_errors),
        cmocka_unit_test(the_golden_file_is_what_the_writer_writes),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_chain(&c);
    return failed;
}
