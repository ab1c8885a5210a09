/* About 10 s of processor time, more on a busy machine. check: limit 1200 */
#include "engine/forward.h"
#include "tests/engine/naive.h"
#include "tests/engine/session_shapes.h"
#include "tests/engine/tiny.h"

#include <math.h>

/* Logits of every token of the prompt, evaluated in pieces of `piece` tokens. out: [n][n_vocab]. */
static void run_pieces(const tm_model *model, tm_pool *pool, bool f16_kv, int n, int piece,
                       float *out)
{
    size_t n_vocab = (size_t)model->config.n_vocab;
    tm_session *session =
        tiny_session(model, pool,
                     (tm_session_options){
                         .n_context = n, .n_batch = piece, .f16_kv = f16_kv, .all_logits = true});
    for (int at = 0; at < n; at += piece) {
        int count = n - at < piece ? n - at : piece;
        const float *logits;
        TINY_OK(tm_session_eval(session, prompt + at, count, TM_LOGITS_ALL, &logits, &err));
        memcpy(out + (size_t)at * n_vocab, logits, (size_t)count * n_vocab * sizeof *out);
    }
    assert_int_equal(tm_session_position(session), n);
    tm_session_close(session);
}

typedef struct run {
    const char *kernel, *head;
    int n_threads, n_tokens, piece;
    bool f16_kv;
} run;

static float *logits_of(const tm_config *config, run r)
{
    tm_pool *pool = tiny_pool(r.n_threads);
    tm_model model = tiny_model(config, r.kernel, r.head, pool);
    float *out = malloc((size_t)r.n_tokens * (size_t)config->n_vocab * sizeof *out);
    run_pieces(&model, pool, r.f16_kv, r.n_tokens, r.piece, out);
    tm_model_close(&model);
    tm_pool_close(pool);
    return out;
}

/* Logits of run r against those of a reference run. */
static void expect_bits(const tm_config *config, run reference, const float *wanted, run r)
{
    float *got = logits_of(config, r);
    size_t n = (size_t)r.n_tokens * (size_t)config->n_vocab;
    for (size_t i = 0; i < n; i++)
        if (memcmp(&wanted[i], &got[i], sizeof *got) != 0)
            fail_msg("%s: %s (%d threads, pieces of %d) and %s (%d, %d) differ at %zu: %a %a",
                     config->arch, reference.kernel, reference.n_threads, reference.piece, r.kernel,
                     r.n_threads, r.piece, i, (double)wanted[i], (double)got[i]);
    free(got);
}

/* The logits of a reference run, which are all finite. */
static float *reference_logits(const tm_config *config, run reference)
{
    float *logits = logits_of(config, reference);
    size_t n = (size_t)reference.n_tokens * (size_t)config->n_vocab;
    for (size_t i = 0; i < n; i++) assert_true(isfinite(logits[i]));
    return logits;
}

static double relative_error(const float *got, const double *wanted, size_t n)
{
    double difference = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)got[i] - wanted[i]) * ((double)got[i] - wanted[i]);
        size += wanted[i] * wanted[i];
    }
    return sqrt(difference / size);
}

/* Compares with the same model in doubles, position by position. */
static void expect_near_naive(const tm_config *config, const char *kernel, const char *head,
                              bool f16_kv, int n_tokens, double limit)
{
    tm_source source;
    size_t n_vocab = (size_t)config->n_vocab;
    double *wanted = malloc((size_t)n_tokens * n_vocab * sizeof *wanted);
    TINY_OK(tm_source_open_synth(config, 7, &source, &err));
    naive_forward(&source, prompt, n_tokens, wanted);
    tm_source_close(&source);
    for (int piece = 1; piece <= n_tokens; piece += n_tokens - 1) {
        run r = {.kernel = kernel,
                 .head = head,
                 .n_threads = 2,
                 .n_tokens = n_tokens,
                 .piece = piece,
                 .f16_kv = f16_kv};
        float *got = logits_of(config, r);
        for (int t = 0; t < n_tokens; t++) {
            double error =
                relative_error(got + (size_t)t * n_vocab, wanted + (size_t)t * n_vocab, n_vocab);
            if (!(error <= limit))
                fail_msg("%s, %s, head_dim %d, ffn %d, pieces of %d: position %d is off by %g "
                         "(limit %g)",
                         config->arch, kernel, config->head_dim, config->n_ffn, piece, t, error,
                         limit);
        }
        free(got);
    }
    free(wanted);
}

static void test_float_kernels_match_doubles(void **state)
{
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs);
    for (int i = 0; i < n; i++) expect_near_naive(&configs[i], "f32r16", "f32r16", false, 9, 5e-6);
}

static void test_half_kernels_are_near_doubles(void **state)
{
    (void)state;
    tm_config config = shaped("bitnet", 192, 500, 4, 2, 48);
    expect_near_naive(&config, "f16r16", "f16r16", false, 9, 1e-3); /* weights rounded to half */
    expect_near_naive(&config, "f32r16", "f32r16", true, 9,
                      2e-3); /* keys and values rounded to half */
}

/* int8 activations cost some percent (published formats: 1.4 to 4.8 %), not a wrong answer. */
static void test_ternary_kernels_are_near_doubles(void **state)
{
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs);
    for (int i = 0; i < n; i++)
        if (configs[i].head_dim > 2)
            expect_near_naive(&configs[i], "ternary", "f32r16", false, 9, 0.12);
}

/* A source with rotation factors 2^(2i / n_rot), which turn base 10000 into base 20000, in one role
 * and factors of 1 in the others. */
static tm_source plain;
static tm_role factor_role;

static tm_status describe_factors(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                                  tm_error *err)
{
    tm_status status = plain.describe(source, role, layer, out, err);
    if (tm_role_is_optional(role)) out->present = tm_role_present(&source->config, role);
    if (role == TM_ROLE_ROPE_FREQS && role != factor_role) out->present = false;
    return status;
}

static void floats_factors(const tm_source *source, tm_role role, int layer, int row_begin,
                           int row_end, float *out)
{
    int n_rot = source->config.n_rot;
    if (!tm_role_is_optional(role)) {
        plain.floats(source, role, layer, row_begin, row_end, out);
        return;
    }
    for (int i = 0; i < n_rot / 2; i++)
        out[i] = role == factor_role ? exp2f(2.0f * (float)i / (float)n_rot) : 1;
}

static void factors_divide_the_frequencies(const char *arch, tm_role role, int n_original)
{
    float logits[2][100];
    double wanted[100];
    factor_role = role;
    tm_pool *pool = tiny_pool(1);
    for (int i = 0; i < 2; i++) {
        tm_source source;
        tm_model model;
        const float *out;
        tm_config config = tiny_config(arch);
        tm_model_options options = {0};
        config.rope_base = i == 0 ? 20000 : 10000;
        config.rope_scaling.n_context = n_original;
        TINY_OK(tm_kernel_resolve("f32r16", &options.kernel, &err));
        TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
        plain = source;
        if (i == 1) {
            source.describe = describe_factors;
            source.floats = floats_factors;
        }
        TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
        tm_session *session = tiny_session(&model, pool, (tm_session_options){.n_context = 64});
        TINY_OK(tm_session_eval(session, prompt, MAX_TOKENS, TM_LOGITS_LAST, &out, &err));
        memcpy(logits[i], out, sizeof logits[i]);
        tm_session_close(session);
        tm_model_close(&model);
        tm_source_close(&source);
    }
    for (int i = 0; i < 100; i++) wanted[i] = (double)logits[0][i];
    assert_true(relative_error(logits[1], wanted, 100) < 1e-5);
    tm_pool_close(pool);
}

/* Contexts have 64 positions. */
static void test_rotation_factors_divide_the_frequencies(void **state)
{
    (void)state;
    factors_divide_the_frequencies("llama", TM_ROLE_ROPE_FREQS, 0);
    factors_divide_the_frequencies("minicpm", TM_ROLE_ROPE_SHORT, 64);
    factors_divide_the_frequencies("minicpm", TM_ROLE_ROPE_LONG, 63);
}

static void test_threads_do_not_change_bits(void **state)
{
    tm_config configs[16];
    static const char *const kernels[] = {"ternary", "f16r16", "f32r16"};
    (void)state;
    int n = odd_shapes(configs);
    for (int i = 0; i < n; i++) {
        const char *kernel = kernels[i % 3];
        for (int piece = 1; piece <= 9; piece += 8) {
            run one = {kernel, NULL, 1, 9, piece, i % 2};
            float *wanted = reference_logits(&configs[i], one);
            for (int threads = 2; threads <= 3; threads++)
                expect_bits(&configs[i], one, wanted,
                            (run){kernel, NULL, threads, 9, piece, i % 2});
            free(wanted);
        }
    }
}

/* Prompts as a whole, in pieces or by single tokens. The hidden states of a ternary model are the
 * same bits in every case; a float kernel may add in another order for many tokens, so it is only
 * near. */
static void test_pieces_do_not_change_bits(void **state)
{
    static const char *const kernels[] = {"ternary", "f16r16_fma_scalar", "f32r16_fma_scalar"};
    (void)state;
    tm_config config = shaped("bitnet-b1.58", 192, 500, 4, 2, 48);
    for (int i = 0; i < 3; i++) {
        const char *head = "f16r16_fma_scalar";
        run whole = {kernels[i], head, 2, MAX_TOKENS, MAX_TOKENS, true};
        float *wanted = reference_logits(&config, whole);
        for (int piece = 1; piece <= 11; piece += 5)
            expect_bits(&config, whole, wanted,
                        (run){kernels[i], head, 2, MAX_TOKENS, piece, true});
        free(wanted);
    }
}

static void test_pieces_are_near_for_fast_float_kernels(void **state)
{
    static const char *const kernels[] = {"ternary", "f16r16", "f32r16"};
    (void)state;
    tm_config config = shaped("bitnet-b1.58", 192, 500, 4, 2, 48);
    size_t n = MAX_TOKENS * (size_t)config.n_vocab;
    for (int i = 0; i < 3; i++) {
        double *whole = malloc(n * sizeof *whole);
        float *logits =
            logits_of(&config, (run){kernels[i], NULL, 2, MAX_TOKENS, MAX_TOKENS, false});
        for (size_t j = 0; j < n; j++) whole[j] = (double)logits[j];
        free(logits);
        for (int piece = 1; piece <= 11; piece += 5) {
            logits = logits_of(&config, (run){kernels[i], NULL, 2, MAX_TOKENS, piece, false});
            double error = relative_error(logits, whole, n);
            if (!(error < 3e-6))
                fail_msg("%s: pieces of %d are off by %g", kernels[i], piece, error);
            free(logits);
        }
        free(whole);
    }
}

/* Each kernel meets every shape, with a token or the whole prompt at a time, in turn. */
static void test_exact_kernels_give_the_same_bits(void **state)
{
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs), n_kernels = 0;
    for (int i = 0; i < n; i++) {
        run references[2];
        float *wanted[2];
        for (int j = 0; j < 2; j++) {
            references[j] = (run){"trit_mad_scalar", NULL, 1, 7, j ? 7 : 1, false};
            wanted[j] = reference_logits(&configs[i], references[j]);
        }
        n_kernels = 0;
        for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
            if (tm_kernel_available(*k, NULL) != TM_OK) continue;
            if ((*k)->tolerance != 0 || !(*k)->format->ternary) continue;
            int j = (i + n_kernels++) % 2;
            expect_bits(&configs[i], references[j], wanted[j],
                        (run){(*k)->name, NULL, 2, 7, references[j].piece, false});
        }
        for (int j = 0; j < 2; j++) free(wanted[j]);
    }
    assert_true(n_kernels >= 2);
}

/* Logits of the last of LONGEST tokens: a prompt in passes of `piece`, and the last 9 one by one.
 */
static void long_logits(const tm_config *config, int n_threads, int piece, bool f16_kv, float *out)
{
    tm_pool *pool = tiny_pool(n_threads);
    tm_model model = tiny_model(config, "ternary", "f16r16_fma_scalar", pool);
    tm_session *session = tiny_session(
        &model, pool,
        (tm_session_options){.n_context = LONGEST, .n_batch = LONGEST, .f16_kv = f16_kv});
    const float *logits = NULL;
    for (int i = 0, n; i < LONGEST; i += n) {
        n = i >= LONGEST - 9 ? 1 : LONGEST - 9 - i < piece ? LONGEST - 9 - i : piece;
        TINY_OK(tm_session_eval(session, prompt + i, n, TM_LOGITS_LAST, &logits, &err));
    }
    memcpy(out, logits, (size_t)config->n_vocab * sizeof *out);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
}

/* Contexts of several chunks, which threads share by chunk instead of by head while decoding: the
 * same bits for any number of threads, heads per kv head, and passes. */
static void test_threads_and_pieces_do_not_change_long_contexts(void **state)
{
    static const int heads[][2] = {{6, 3}, {5, 1}, {3, 3}, {16, 1}};
    (void)state;
    for (int h = 0; h < 4; h++) {
        float first[100], logits[100];
        int n_heads = heads[h][0], n_kv = heads[h][1], head_dim = h == 1 ? 24 : 16;
        tm_config config = shaped("bitnet", 16 * n_heads, 96, n_heads, n_kv, head_dim);
        long_logits(&config, 1, h == 0 ? 1 : 57, h & 1, first);
        for (int threads = 1; threads <= 4; threads++) {
            int piece = threads % 2 != 0 ? LONGEST : 100;
            long_logits(&config, threads, piece, h & 1, logits);
            if (memcmp(first, logits, sizeof first) != 0)
                fail_msg("%d heads, %d kv heads: %d threads with passes of %d differ", n_heads,
                         n_kv, threads, piece);
        }
    }
}

/* The joined chunks are the softmax over all positions. */
static void test_long_contexts_match_doubles(void **state)
{
    (void)state;
    tm_config config = shaped("bitnet", 64, 96, 4, 2, 16);
    expect_near_naive(&config, "f32r16", "f32r16", false, TM_ATTEND_CHUNK + 40, 1e-5);
}

static void test_last_logits_equal_the_last_of_all(void **state)
{
    (void)state;
    tm_config config = tiny_config("llama");
    tm_pool *pool = tiny_pool(2);
    tm_model model = tiny_model(&config, "ternary", "f16r16_fma_scalar", pool);
    float all[MAX_TOKENS * 100];
    const float *logits;
    run_pieces(&model, pool, true, MAX_TOKENS, MAX_TOKENS, all);
    tm_session *session = tiny_session(
        &model, pool, (tm_session_options){.n_context = 64, .n_batch = 7, .f16_kv = true});
    for (int again = 0; again < 2; again++) {
        TINY_OK(tm_session_eval(session, prompt, MAX_TOKENS, TM_LOGITS_LAST, &logits, &err));
        assert_memory_equal(logits, all + (MAX_TOKENS - 1) * 100, 100 * sizeof *all);
        tm_session_reset(session); /* and again from the start, over the old cache */
        assert_int_equal(tm_session_position(session), 0);
    }
    TINY_OK(tm_session_eval(session, prompt, MAX_TOKENS - 1, TM_LOGITS_NONE, &logits, &err));
    assert_null(logits);
    TINY_OK(tm_session_eval(session, prompt + MAX_TOKENS - 1, 1, TM_LOGITS_LAST, &logits, &err));
    assert_memory_equal(logits, all + (MAX_TOKENS - 1) * 100, 100 * sizeof *all);
    /* Rewound to the middle: tokens before it stay, tokens after it are overwritten. */
    TINY_OK(tm_session_eval(session, prompt, 3, TM_LOGITS_LAST, &logits, &err));
    tm_session_rewind(session, MAX_TOKENS - 2);
    assert_int_equal(tm_session_position(session), MAX_TOKENS - 2);
    TINY_OK(tm_session_eval(session, prompt + MAX_TOKENS - 2, 2, TM_LOGITS_LAST, &logits, &err));
    assert_memory_equal(logits, all + (MAX_TOKENS - 1) * 100, 100 * sizeof *all);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
}

/* What the last layer skips changes no logits and no cache, for all kinds of shapes, threads and
 * passes. A float kernel that prepares scratch of all tokens is only near. */
static void expect_logits(const char *kernel, const float *got, const float *wanted, size_t n)
{
    double exact[100];
    for (size_t i = 0; i < n; i++) exact[i] = (double)wanted[i];
    if (strcmp(kernel, "f16r16") != 0)
        assert_memory_equal(got, wanted, n * sizeof *got);
    else
        assert_true(relative_error(got, exact, n) < 3e-6);
}

static void test_skipping_unused_outputs_changes_no_logits(void **state)
{
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs);
    for (int i = 0; i < 3 * n; i++) {
        const tm_config *config = &configs[i % n];
        const char *kernel = i < n       ? "trit_mad_scalar"
                             : i < 2 * n ? "ternary"
                                         : "f16r16_fma_scalar";
        size_t n_vocab = (size_t)config->n_vocab;
        float *all = logits_of(config, (run){kernel, "f16r16_fma_scalar", 1, 16, 16, true});
        tm_pool *pool = tiny_pool(1 + i % 3);
        tm_model model = tiny_model(config, kernel, "f16r16_fma_scalar", pool);
        for (int piece = 1; piece <= 16; piece += 5) {
            const float *logits;
            tm_session *session = tiny_session(
                &model, pool,
                (tm_session_options){.n_context = 16, .n_batch = piece, .f16_kv = true});
            TINY_OK(tm_session_eval(session, prompt, 6, TM_LOGITS_NONE, NULL, &err));
            TINY_OK(tm_session_eval(session, prompt + 6, 8, TM_LOGITS_LAST, &logits, &err));
            expect_logits(kernel, logits, all + 13 * n_vocab, n_vocab);
            TINY_OK(tm_session_eval(session, prompt + 14, 1, TM_LOGITS_NONE, NULL, &err));
            TINY_OK(tm_session_eval(session, prompt + 15, 1, TM_LOGITS_LAST, &logits, &err));
            expect_logits(kernel, logits, all + 15 * n_vocab, n_vocab);
            tm_session_close(session);
        }
        free(all);
        tm_model_close(&model);
        tm_pool_close(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_float_kernels_match_doubles),
        cmocka_unit_test(test_half_kernels_are_near_doubles),
        cmocka_unit_test(test_ternary_kernels_are_near_doubles),
        cmocka_unit_test(test_rotation_factors_divide_the_frequencies),
        cmocka_unit_test(test_threads_do_not_change_bits),
        cmocka_unit_test(test_pieces_do_not_change_bits),
        cmocka_unit_test(test_pieces_are_near_for_fast_float_kernels),
        cmocka_unit_test(test_exact_kernels_give_the_same_bits),
        cmocka_unit_test(test_threads_and_pieces_do_not_change_long_contexts),
        cmocka_unit_test(test_long_contexts_match_doubles),
        cmocka_unit_test(test_last_logits_equal_the_last_of_all),
        cmocka_unit_test(test_skipping_unused_outputs_changes_no_logits),
    };
    fill_prompt();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
