/* About 10 s of processor time, more on a busy machine. check: limit 1200 */
#include "engine/forward.h"
#include "tests/engine/naive.h"
#include "tests/engine/tiny.h"

#include <math.h>

enum { MAX_TOKENS = 24, LONGEST = 2 * TM_ATTEND_CHUNK + 30 };

/* A prompt of MAX_TOKENS tokens, then the same tokens in another order, for long contexts. */
static int32_t prompt[LONGEST] = {1,  17, 60, 42, 99, 7,  23, 5,  88, 64, 3,  50,
                                  71, 20, 33, 9,  22, 10, 80, 61, 54, 12, 77, 91};

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

static tm_config shaped(const char *arch, int n_hidden, int n_ffn, int n_heads, int n_kv,
                        int head_dim)
{
    tm_config config = tiny_config(arch);
    config.n_hidden = n_hidden;
    config.n_ffn = n_ffn;
    config.n_heads = n_heads;
    config.n_kv_heads = n_kv;
    config.head_dim = head_dim;
    config.n_rot = head_dim;
    return config;
}

/* Widths and head sizes of published models, small otherwise, and some odd ones. The wide ones have
 * one layer, which costs half the time. */
static int odd_shapes(tm_config *out)
{
    int n = 0;
    out[n++] = tiny_config("bitnet");
    out[n++] = tiny_config("bitnet-b1.58");
    out[n++] = tiny_config("llama");
    out[n] = shaped("bitnet", 192, 5460, 4, 2, 48);
    out[n++].n_layers = 1;
    out[n++] = shaped("bitnet-25", 100, 300, 3, 3, 100);
    out[n] = shaped("llama", 96, 8640, 6, 2, 120);
    out[n++].n_layers = 1;
    out[n++] = shaped("bitnet", 96, 90, 5, 1, 96);
    out[n++] = shaped("llama", 33, 1, 1, 1, 2);
    out[n] = shaped("llama", 64, 100, 2, 1, 64);
    out[n].n_rot = 16; /* the rest of a head is not rotated */
    out[n++].tied_head = false;
    return n;
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

/* A source with rotation factors 2^(2i / n_rot), which turn base 10000 into base 20000. */
static tm_source plain;

static tm_status describe_factors(tm_source *source, tm_role role, int layer, tm_tensor_info *out,
                                  tm_error *err)
{
    tm_status status = plain.describe(source, role, layer, out, err);
    if (role == TM_ROLE_ROPE_FREQS) out->present = true;
    return status;
}

static void floats_factors(const tm_source *source, tm_role role, int layer, int row_begin,
                           int row_end, float *out)
{
    int n_rot = source->config.n_rot;
    if (role != TM_ROLE_ROPE_FREQS) {
        plain.floats(source, role, layer, row_begin, row_end, out);
        return;
    }
    for (int i = 0; i < n_rot / 2; i++) out[i] = exp2f(2.0f * (float)i / (float)n_rot);
}

static void test_rotation_factors_divide_the_frequencies(void **state)
{
    float logits[2][100];
    double wanted[100];
    (void)state;
    tm_pool *pool = tiny_pool(1);
    for (int i = 0; i < 2; i++) {
        tm_source source;
        tm_model model;
        const float *out;
        tm_config config = tiny_config("llama");
        tm_model_options options = {0};
        config.rope_base = i == 0 ? 20000 : 10000;
        TINY_OK(tm_kernel_resolve("f32r16", &options.kernel, &err));
        TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
        plain = source;
        if (i == 1) {
            source.describe = describe_factors;
            source.floats = floats_factors;
        }
        TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
        assert_true(!!model.rope_freqs == (i == 1));
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

static void test_exact_kernels_give_the_same_bits(void **state)
{
    tm_config configs[16];
    (void)state;
    int n = odd_shapes(configs), n_checked = 0;
    for (int i = 0; i < n; i++) {
        for (int piece = 1; piece <= 7; piece += 6) {
            run reference = {"trit_mad_scalar", NULL, 1, 7, piece, false};
            float *wanted = reference_logits(&configs[i], reference);
            for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
                if (tm_kernel_available(*k, NULL) != TM_OK) continue;
                if ((*k)->tolerance != 0 || !(*k)->format->ternary) continue;
                expect_bits(&configs[i], reference, wanted,
                            (run){(*k)->name, NULL, 2, 7, piece, false});
                n_checked++;
            }
            free(wanted);
        }
    }
    assert_true(n_checked >= 2 * 2 * n); /* two kernels at least */
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
        cmocka_unit_test(test_sequences_equal_single_sequences),
        cmocka_unit_test(test_predicted_bytes_equal_the_mapping),
        cmocka_unit_test(test_tokens_that_do_not_fit_are_errors),
        cmocka_unit_test(test_argmax_takes_the_first_of_equals),
    };
    for (int i = MAX_TOKENS; i < LONGEST; i++) prompt[i] = prompt[i * 7 % MAX_TOKENS];
    return cmocka_run_group_tests(tests, NULL, NULL);
}
