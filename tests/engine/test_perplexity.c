/* Perplexity of the chain model (chain.h), worked out from its probabilities, and windows compared
 * with a plain evaluation. */
#include "engine/perplexity.h"
#include "tests/engine/chain.h"
#include "tests/engine/tiny.h"

#include <math.h>

static tm_model open_chain(tm_pool *pool)
{
    char path[] = "/tmp/tm_chain_XXXXXX";
    tm_source source;
    tm_model model;
    tm_model_options options = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    chain_write(fd, path, NULL);
    close(fd);
    TINY_OK(tm_source_open_gguf(path, &source, &err));
    TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
    tm_source_close(&source);
    unlink(path);
    return model;
}

static void expect_near(double got, double wanted, double relative)
{
    if (!(fabs(got - wanted) <= relative * fabs(wanted)))
        fail_msg("%.12g instead of %.12g", got, wanted);
}

/* A token that follows has the logit L of 44, any other 0. */
static void the_chain_has_the_perplexity_of_its_probabilities(void **state)
{
    (void)state;
    enum { CONTEXT = 10, N = 34 }; /* three windows, and a tail of 4 */
    static const int32_t ids[N] = {4,  5, 6, 7,  8,  9, 10, 11, 12, 13, 14, 15, 4, 5, 6, 9, 10,
                                   11, 4, 4, 38, 39, 2, 4,  5,  6,  7,  9,  10, 1, 1, 1, 1, 1};
    tm_pool *pool = tiny_pool(1);
    tm_model model = open_chain(pool);
    tm_session *session = tiny_session(
        &model, pool, (tm_session_options){.n_context = CONTEXT, .n_batch = 3, .all_logits = true});
    const tm_perplexity_options options = {.n_context = CONTEXT, .n_batch = 3, .bos = 1};
    double log_total = log(exp(chain_logit()) + CHAIN_VOCAB - 1), sum = 0, squares = 0;
    int n = 0;
    for (int w = 0; w < 3; w++)
        for (int i = CONTEXT / 2; i < CONTEXT - 1; i++, n++) {
            const int32_t *at = ids + w * CONTEXT + i;
            double nll = log_total - (at[1] == chain_next(at[0]) ? chain_logit() : 0);
            sum += nll;
            squares += nll * nll;
        }
    tm_perplexity p;
    TINY_OK(tm_perplexity_measure(session, CHAIN_VOCAB, ids, N, &options, &p, &err));
    assert_int_equal(p.n_windows, 3);
    assert_int_equal(p.n_scored, 12);
    assert_int_equal(n, 12);
    assert_int_equal(tm_perplexity_scored(CONTEXT), 4);
    assert_int_equal(tm_perplexity_scored(512), 255);
    expect_near(p.mean_nll, sum / 12, 1e-5);
    expect_near(p.value, exp(sum / 12), 1e-5);
    expect_near(p.standard_error, exp(sum / 12) * sqrt((squares / 12 - sum / 12 * sum / 12) / 11),
                1e-4);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
}

typedef struct windows {
    int n;
    double last;
} windows;

static void count(void *arg, const tm_perplexity *so_far)
{
    windows *w = arg;
    assert_int_equal(so_far->n_windows, ++w->n);
    w->last = so_far->value;
}

/* Negative log-likelihoods of a window, evaluated in one batch. */
static double plain(tm_session *session, int n_vocab, const int32_t *ids, int n)
{
    const float *logits;
    double sum = 0;
    tm_session_reset(session);
    TINY_OK(tm_session_eval(session, ids, n, TM_LOGITS_ALL, &logits, &err));
    for (int p = n / 2; p < n - 1; p++) {
        const float *row = logits + (size_t)p * (size_t)n_vocab;
        double total = 0;
        for (int i = 0; i < n_vocab; i++) total += exp((double)row[i]);
        sum += log(total) - (double)row[ids[p + 1]];
    }
    return sum;
}

static void windows_begin_with_bos_and_an_empty_cache(void **state)
{
    (void)state;
    enum { CONTEXT = 16, N = 40 };
    tm_config config = tiny_config("bitnet-b1.58");
    tm_pool *pool = tiny_pool(2);
    tm_model model = tiny_model(&config, NULL, NULL, pool);
    tm_session *session = tiny_session(
        &model, pool,
        (tm_session_options){.n_context = CONTEXT, .n_batch = CONTEXT, .all_logits = true});
    int32_t ids[N], window[CONTEXT];
    for (int i = 0; i < N; i++) ids[i] = (i * 37 + 11) % config.n_vocab;
    for (int bos = -1; bos <= 3; bos += 4) {
        windows seen = {0};
        const tm_perplexity_options options = {
            .n_context = CONTEXT, .n_batch = 3, .bos = bos, .on_window = count, .arg = &seen};
        double wanted = 0;
        for (int w = 0; w < 2; w++) {
            memcpy(window, ids + w * CONTEXT, sizeof window);
            if (bos >= 0) window[0] = bos;
            wanted += plain(session, config.n_vocab, window, CONTEXT);
        }
        tm_perplexity p;
        TINY_OK(tm_perplexity_measure(session, config.n_vocab, ids, N, &options, &p, &err));
        assert_int_equal(p.n_windows, 2);
        assert_int_equal(seen.n, 2);
        assert_true(seen.last == p.value);
        expect_near(p.mean_nll, wanted / 14, 1e-4);
    }
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
}

static void limits_are_kept(void **state)
{
    (void)state;
    tm_config config = tiny_config("llama");
    tm_pool *pool = tiny_pool(1);
    tm_model model = tiny_model(&config, NULL, NULL, pool);
    tm_session *session = tiny_session(
        &model, pool, (tm_session_options){.n_context = 4, .n_batch = 4, .all_logits = true});
    const int32_t ids[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    tm_perplexity_options options = {.n_context = 4, .n_batch = 4, .bos = -1};
    tm_perplexity p;
    tm_error got = {0};
    assert_int_equal(tm_perplexity_measure(session, config.n_vocab, ids, 7, &options, &p, &got),
                     TM_ARG);
    assert_non_null(strstr(got.message, "the text has 7 tokens; two windows of 4 need 8"));
    options.n_windows = 1;
    TINY_OK(tm_perplexity_measure(session, config.n_vocab, ids, 12, &options, &p, &err));
    assert_int_equal(p.n_windows, 1);
    assert_int_equal(p.n_scored, 1);
    assert_true(isnan(p.standard_error));
    options.n_windows = 9;
    TINY_OK(tm_perplexity_measure(session, config.n_vocab, ids, 12, &options, &p, &err));
    assert_int_equal(p.n_windows, 3);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_chain_has_the_perplexity_of_its_probabilities),
        cmocka_unit_test(windows_begin_with_bos_and_an_empty_cache),
        cmocka_unit_test(limits_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
