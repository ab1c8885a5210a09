/* Calls of a session: several sequences, predicted memory, errors. */
#include "engine/forward.h"
#include "tests/engine/session_shapes.h"

#include <math.h>

/* Sequences of different lengths decoded together, compared with each of them alone. */
static void test_sequences_equal_single_sequences(void **state)
{
    enum { N = 3, STEPS = 5 };
    static const int start[N] = {7, 1, 4};
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs);
    for (int i = 0; i < 2 * n; i++) {
        const tm_config *config = &configs[i % n];
        size_t n_vocab = (size_t)config->n_vocab;
        tm_pool *pool = tiny_pool(1 + i % 4);
        tm_model model =
            tiny_model(config, i % 2 ? "ternary" : "trit_mad_scalar", "f16r16_fma_scalar", pool);
        tm_session_options options = {.n_context = 16, .n_batch = 2, .f16_kv = i < n};
        tm_session *alone = tiny_session(&model, pool, options);
        options.n_sequences = N + 1;
        options.n_context = 48; /* of one sequence; divided into three of 16 */
        options.n_positions = 48;
        tm_session *together = tiny_session(&model, pool, options);
        const float *logits;
        tm_session_divide(together, N, 16);
        for (int s = 0; s < N; s++) {
            tm_session_use(together, s);
            TINY_OK(tm_session_eval(together, prompt + s, start[s], TM_LOGITS_NONE, NULL, &err));
            assert_int_equal(tm_session_position(together), start[s]);
        }
        for (int step = 0; step < STEPS; step++) {
            int32_t tokens[N];
            const float *one;
            for (int s = 0; s < N; s++) tokens[s] = prompt[(3 * s + step) % MAX_TOKENS];
            /* The last becomes a copy of the first and continues like it. */
            if (step == 3) tm_session_copy(together, 0, N - 1);
            if (step >= 3) tokens[N - 1] = tokens[0];
            TINY_OK(tm_session_step(together, tokens, N, TM_LOGITS_LAST, &logits, &err));
            if (step >= 3)
                assert_memory_equal(logits, logits + (N - 1) * n_vocab, n_vocab * sizeof *logits);
            for (int s = 0; s < N - (step >= 3); s++) {
                tm_session_reset(alone);
                TINY_OK(tm_session_eval(alone, prompt + s, start[s], TM_LOGITS_NONE, NULL, &err));
                for (int k = 0; k <= step; k++)
                    TINY_OK(tm_session_eval(alone, &prompt[(3 * s + k) % MAX_TOKENS], 1,
                                            TM_LOGITS_LAST, &one, &err));
                assert_memory_equal(one, logits + (size_t)s * n_vocab, n_vocab * sizeof *one);
            }
        }
        tm_error why = {0};
        const int32_t tokens[N + 1] = {0};
        assert_int_equal(tm_session_step(together, tokens, N + 1, TM_LOGITS_NONE, NULL, &why),
                         TM_ARG);
        for (int k = 0; k < 16 - start[0] - STEPS; k++)
            TINY_OK(tm_session_step(together, tokens, 1, TM_LOGITS_NONE, NULL, &err));
        assert_int_equal(tm_session_step(together, tokens, 1, TM_LOGITS_NONE, NULL, &why), TM_ARG);
        assert_non_null(strstr(why.message, "context of sequence 0 is full: 16 positions"));
        tm_session_close(alone);
        tm_session_close(together);
        tm_model_close(&model);
        tm_pool_close(pool);
    }
}

static void test_predicted_bytes_equal_the_mapping(void **state)
{
    (void)state;
    tm_config config = shaped("bitnet", 192, 500, 4, 2, 48);
    for (int i = 0; i < 8; i++) {
        tm_session_options options = {.n_context = 50 + 900 * (i & 1),
                                      .n_batch = i & 2 ? 3 : 0,
                                      .f16_kv = i & 4,
                                      .all_logits = i & 1};
        tm_pool *pool = tiny_pool(1 + i % 3);
        tm_model model = tiny_model(&config, "ternary", "f16r16", pool);
        tm_session *session = tiny_session(&model, pool, options);
        size_t bytes =
            tm_session_bytes(&config, model.kernel, model.head_kernel, &options, 1 + i % 3);
        assert_int_equal(session->arena.bytes, bytes);
        const tm_thread_buffers *last = &session->threads[i % 3];
        uint8_t *end =
            (uint8_t *)last->part + TM_ATTEND_ROWS * (size_t)config.head_dim * sizeof(float);
        assert_true(end <= session->arena.data + bytes);
        size_t cache =
            (size_t)options.n_context * model.costs.kv_bytes_per_position * (i & 4 ? 1 : 2);
        assert_true(bytes > cache);
        tm_session_close(session);
        tm_model_close(&model);
        tm_pool_close(pool);
    }
}

/* A buffer of tokens x positions would add more than the limit: 4096 * 4096 bytes at least. */
static void test_a_long_prompt_needs_memory_in_proportion(void **state)
{
    (void)state;
    tm_config config = shaped("bitnet", 192, 500, 4, 2, 48);
    tm_pool *pool = tiny_pool(1);
    tm_model model = tiny_model(&config, "ternary", "f16r16", pool);
    size_t bytes[3];
    for (int i = 0; i < 3; i++) {
        int n = 1024 << i;
        tm_session_options options = {.n_context = n, .n_batch = n, .f16_kv = true};
        bytes[i] = tm_session_bytes(&config, model.kernel, model.head_kernel, &options, 2);
    }
    size_t rest = bytes[2] - bytes[1], twice = 2 * (bytes[1] - bytes[0]);
    assert_in_range(rest, twice - 65536, twice + 65536);
    tm_model_close(&model);
    tm_pool_close(pool);
}

static void expect_error(tm_session *session, int n, tm_logits which, const int32_t *tokens,
                         const char *text)
{
    tm_error err = {0};
    int before = tm_session_position(session);
    assert_int_equal(tm_session_eval(session, tokens, n, which, NULL, &err), TM_ARG);
    if (!strstr(err.message, text)) fail_msg("'%s' does not say '%s'", err.message, text);
    assert_int_equal(tm_session_position(session), before);
}

static void test_tokens_that_do_not_fit_are_errors(void **state)
{
    static const int32_t high[2] = {1, 100}, low[2] = {-1, 0};
    (void)state;
    tm_config config = tiny_config("bitnet");
    tm_pool *pool = tiny_pool(1);
    tm_model model = tiny_model(&config, NULL, NULL, pool);
    tm_session *session =
        tiny_session(&model, pool, (tm_session_options){.n_context = 8, .n_batch = 4});
    expect_error(session, 0, TM_LOGITS_LAST, prompt, "at least 1");
    expect_error(session, 2, TM_LOGITS_LAST, high, "token 1 of 2: id 100");
    expect_error(session, 2, TM_LOGITS_LAST, low, "id -1");
    expect_error(session, 9, TM_LOGITS_LAST, prompt, "8 positions");
    expect_error(session, 2, TM_LOGITS_ALL, prompt, "without room");
    TINY_OK(tm_session_eval(session, prompt, 6, TM_LOGITS_NONE, NULL, &err));
    expect_error(session, 3, TM_LOGITS_NONE, prompt, "3 tokens after 6");
    TINY_OK(tm_session_eval(session, prompt, 2, TM_LOGITS_LAST, NULL, &err));
    tm_session_close(session);

    session = tiny_session(&model, pool,
                           (tm_session_options){.n_context = 8, .n_batch = 4, .all_logits = true});
    expect_error(session, 5, TM_LOGITS_ALL, prompt, "batch of 4");
    tm_session_close(session);

    tm_session_options bad[] = {
        {.n_context = 0}, {.n_context = -5}, {.n_context = 5, .n_batch = -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tm_error err = {0};
        assert_int_equal(tm_session_open(&model, pool, &bad[i], &session, &err), TM_ARG);
        assert_null(session);
    }
    tm_model_close(&model);
    tm_pool_close(pool);
}

static void test_argmax_takes_the_first_of_equals(void **state)
{
    (void)state;
    assert_int_equal(tm_argmax((const float[]){-3, 5, 2, 5}, 4), 1);
    assert_int_equal(tm_argmax((const float[]){-INFINITY}, 1), 0);
    assert_int_equal(tm_argmax((const float[]){0, -0.0f, 1e-30f}, 3), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sequences_equal_single_sequences),
        cmocka_unit_test(test_predicted_bytes_equal_the_mapping),
        cmocka_unit_test(test_a_long_prompt_needs_memory_in_proportion),
        cmocka_unit_test(test_tokens_that_do_not_fit_are_errors),
        cmocka_unit_test(test_argmax_takes_the_first_of_equals),
    };
    fill_prompt();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
