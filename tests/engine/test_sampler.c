/* The chain of filters, on logits whose probabilities are known. */
#include "engine/sampler.h"
#include "tests/engine/tiny.h"

#include <math.h>

enum { N = 6, DRAWS = 20000 };

/* Probabilities 0.4, 0.3, 0.15, 0.1, 0.04, 0.01 in this order of ids. */
static const double shares[N] = {0.1, 0.4, 0.01, 0.3, 0.04, 0.15};

static void fill(float *logits)
{
    for (int i = 0; i < N; i++) logits[i] = (float)log(shares[i]) + 7;
}

static tm_sampler *open_sampler(tm_sampling options, int n_vocab)
{
    tm_sampler *s = NULL;
    if (options.top_p == 0) options.top_p = 1;
    if (options.repeat_penalty == 0) options.repeat_penalty = 1;
    TINY_OK(tm_sampler_open(&options, n_vocab, &s, &err));
    return s;
}

static int32_t next(tm_sampler *s, const float *logits)
{
    int32_t id = -1;
    TINY_OK(tm_sampler_next(s, logits, &id, &err));
    return id;
}

/* Draws must have these shares, within five standard deviations, and no others may occur. */
static void expect_shares(tm_sampling options, const double *wanted)
{
    float logits[N];
    int counts[N] = {0};
    double total = 0;
    options.temperature = options.temperature > 0 ? options.temperature : 1;
    options.seed = 42;
    tm_sampler *s = open_sampler(options, N);
    fill(logits);
    for (int i = 0; i < DRAWS; i++) counts[next(s, logits)]++;
    tm_sampler_close(s);
    for (int i = 0; i < N; i++) total += wanted[i];
    for (int i = 0; i < N; i++) {
        double p = wanted[i] / total, deviation = sqrt(p * (1 - p) / DRAWS);
        double got = (double)counts[i] / DRAWS;
        if (fabs(got - p) > 5 * deviation)
            fail_msg("token %d: share %g instead of %g +- %g", i, got, p, deviation);
    }
}

static void without_temperature_the_first_of_the_most_likely(void **state)
{
    (void)state;
    const float logits[N] = {-1, 3, 3, 2, -INFINITY, 3};
    tm_sampler *s = open_sampler((tm_sampling){.top_k = 2}, N);
    for (int i = 0; i < 3; i++) assert_int_equal(next(s, logits), 1);
    tm_sampler_close(s);
}

static void shares_are_those_of_the_filters(void **state)
{
    (void)state;
    expect_shares((tm_sampling){0}, shares);
    expect_shares((tm_sampling){.top_k = N}, shares);
    expect_shares((tm_sampling){.top_k = 3}, (const double[N]){0, 0.4, 0, 0.3, 0, 0.15});
    expect_shares((tm_sampling){.top_k = 1}, (const double[N]){0, 1});
    /* The fewest with at least the share: 0.4 + 0.3 reaches 0.69, not 0.71. */
    expect_shares((tm_sampling){.top_p = 0.69}, (const double[N]){0, 0.4, 0, 0.3});
    expect_shares((tm_sampling){.top_p = 0.71}, (const double[N]){0, 0.4, 0, 0.3, 0, 0.15});
    expect_shares((tm_sampling){.top_p = 1e-9}, (const double[N]){0, 1});
    /* Of the most likely: 0.3 of 0.4 is 0.12. */
    expect_shares((tm_sampling){.min_p = 0.3}, (const double[N]){0, 0.4, 0, 0.3, 0, 0.15});
    expect_shares((tm_sampling){.min_p = 1}, (const double[N]){0, 1});
    /* Top-p takes its share of what top-k left: 0.4 / 0.7 is 0.57. */
    expect_shares((tm_sampling){.top_k = 2, .top_p = 0.56}, (const double[N]){0, 1});
    expect_shares((tm_sampling){.top_k = 2, .top_p = 0.58}, (const double[N]){0, 0.4, 0, 0.3});
    /* The temperature comes last: the filters see the shares above. */
    expect_shares((tm_sampling){.top_p = 0.69, .temperature = 0.5},
                  (const double[N]){0, 0.16, 0, 0.09});
    expect_shares((tm_sampling){.temperature = 2},
                  (const double[N]){sqrt(0.1), sqrt(0.4), 0.1, sqrt(0.3), 0.2, sqrt(0.15)});
}

static void a_seed_repeats_its_tokens(void **state)
{
    (void)state;
    float logits[N];
    int n_different = 0;
    fill(logits);
    tm_sampler *a = open_sampler((tm_sampling){.temperature = 1, .seed = 7}, N);
    tm_sampler *b = open_sampler((tm_sampling){.temperature = 1, .seed = 7}, N);
    tm_sampler *c = open_sampler((tm_sampling){.temperature = 1, .seed = 8}, N);
    for (int i = 0; i < 100; i++) {
        int32_t id = next(a, logits);
        assert_int_equal(next(b, logits), id);
        n_different += next(c, logits) != id;
    }
    assert_true(n_different > 20);
    tm_sampler_close(a);
    tm_sampler_close(b);
    tm_sampler_close(c);
}

static void the_penalty_counts_a_token_once_and_forgets_it(void **state)
{
    (void)state;
    const float logits[N] = {2, 1.5f, -1, -1.5f, 0, 1};
    tm_sampler *s = open_sampler((tm_sampling){.repeat_penalty = 2, .repeat_last = 3}, N);
    assert_int_equal(next(s, logits), 0);
    tm_sampler_accept(s, 0);
    tm_sampler_accept(s, 0);
    assert_int_equal(next(s, logits), 1); /* 2 / 2 is below 1.5 */
    tm_sampler_accept(s, 1);
    assert_int_equal(next(s, logits), 0); /* 1, 0.75: once, though 0 came twice; the first of two */
    tm_sampler_accept(s, 4);
    tm_sampler_accept(s, 4);
    assert_int_equal(next(s, logits), 0); /* forgotten */
    tm_sampler_close(s);
    /* A negative logit becomes smaller, not larger. */
    const float negative[2] = {-1, -1.5f};
    s = open_sampler((tm_sampling){.repeat_penalty = 2, .repeat_last = 1}, 2);
    tm_sampler_accept(s, 0);
    assert_int_equal(next(s, negative), 1);
    tm_sampler_close(s);
}

static void logits_that_are_not_numbers_are_errors(void **state)
{
    (void)state;
    float logits[N] = {0, 1, 2, NAN, 4, 5};
    int32_t id;
    tm_error err = {0};
    tm_sampler *s = open_sampler((tm_sampling){.temperature = 1}, N);
    assert_int_equal(tm_sampler_next(s, logits, &id, &err), TM_FORMAT);
    logits[3] = INFINITY;
    assert_int_equal(tm_sampler_next(s, logits, &id, &err), TM_FORMAT);
    for (int i = 0; i < N; i++) logits[i] = -INFINITY;
    assert_int_equal(tm_sampler_next(s, logits, &id, &err), TM_FORMAT);
    logits[4] = 1;
    assert_int_equal(tm_sampler_next(s, logits, &id, &err), TM_OK);
    assert_int_equal(id, 4);
    tm_sampler_close(s);
}

/* The heap must order any logits: compared with a plain search for the k best. */
static void the_k_best_are_found_among_many(void **state)
{
    (void)state;
    enum { MANY = 1000, K = 17 };
    float logits[MANY];
    bool is_best[MANY] = {false};
    tm_rng rng = {3};
    for (int i = 0; i < MANY; i++) logits[i] = (float)(tm_rng_next(&rng) % 200) / 50;
    for (int k = 0; k < K; k++) {
        int best = -1;
        for (int i = 0; i < MANY; i++)
            if (!is_best[i] && (best < 0 || logits[i] > logits[best])) best = i;
        is_best[best] = true;
    }
    bool is_drawn[MANY] = {false};
    tm_sampler *s = open_sampler((tm_sampling){.temperature = 50, .top_k = K}, MANY);
    for (int i = 0; i < 2000; i++) is_drawn[next(s, logits)] = true;
    tm_sampler_close(s);
    for (int i = 0; i < MANY; i++) assert_int_equal(is_drawn[i], is_best[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_temperature_the_first_of_the_most_likely),
        cmocka_unit_test(shares_are_those_of_the_filters),
        cmocka_unit_test(a_seed_repeats_its_tokens),
        cmocka_unit_test(the_penalty_counts_a_token_once_and_forgets_it),
        cmocka_unit_test(logits_that_are_not_numbers_are_errors),
        cmocka_unit_test(the_k_best_are_found_among_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
