/* Logits and greedy tokens of other programs: llama.cpp for F32, F16 and TQ files, bitnet.cpp for
 * I2_S. The limits are relative L2 distances per position, as the fixtures' notes give them: what
 * two right programs differ by, and less than any mistake costs. */
#include "tests/engine/tiny.h"

#include <math.h>

#include "engine/source.h"

enum { MAX_TOKENS = 64, MAX_PATH = 700 };

typedef struct golden {
    int n_tokens, n_greedy, n_vocab;
    int32_t tokens[MAX_TOKENS], greedy[MAX_TOKENS];
    double margin[MAX_TOKENS];
    float *logits; /* [n_tokens][n_vocab] */
} golden;

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    if (text == NULL || fread(text, 1, *size, file) != *size) fail_msg("cannot read %s", path);
    text[*size] = 0;
    fclose(file);
    return text;
}

/* The numbers of the array behind "key" at or after `text`. */
static int numbers(const char *text, const char *key, double *out)
{
    char quoted[64];
    int n = 0;
    snprintf(quoted, sizeof quoted, "\"%s\": [", key);
    const char *at = strstr(text, quoted);
    if (at == NULL) fail_msg("no %s in the fixture", quoted);
    at += strlen(quoted);
    while (n < MAX_TOKENS) {
        char *end;
        out[n++] = strtod(at, &end);
        if (end == at) fail_msg("%s holds something else than numbers", key);
        at = end + strspn(end, " \n,");
        if (*at == ']') return n;
    }
    fail_msg("%s is longer than %d", key, MAX_TOKENS);
    return 0;
}

/* `run`: "kv32" or "kv16". */
static golden load_golden(const char *name, const char *run)
{
    golden g;
    char path[MAX_PATH], quoted[32], file[96];
    double values[MAX_TOKENS];
    size_t size;
    snprintf(file, sizeof file, "models/%s.json", name);
    char *text = read_file(tm_fixture(file, path, sizeof path), &size);
    g.n_tokens = numbers(text, "tokens", values);
    for (int i = 0; i < g.n_tokens; i++) g.tokens[i] = (int32_t)values[i];
    snprintf(quoted, sizeof quoted, "\"%s\": {", run);
    const char *section = strstr(text, quoted);
    if (section == NULL) fail_msg("%s has no run %s", path, run);
    g.n_greedy = numbers(section, "greedy_32", values);
    for (int i = 0; i < g.n_greedy; i++) g.greedy[i] = (int32_t)values[i];
    assert_int_equal(numbers(section, "greedy_margin", g.margin), g.n_greedy);
    assert_int_equal(numbers(section, "shape", values), 2);
    assert_int_equal(values[0], g.n_tokens);
    g.n_vocab = (int)values[1];
    free(text);
    snprintf(file, sizeof file, "models/%s.%s.f32", name, run);
    g.logits = (float *)read_file(tm_fixture(file, path, sizeof path), &size);
    assert_int_equal(size, (size_t)g.n_tokens * (size_t)g.n_vocab * sizeof(float));
    return g;
}

static tm_model load_model(const char *name, const char *kernel, tm_pool *pool)
{
    char path[MAX_PATH], file[96];
    tm_source source;
    tm_model model;
    tm_model_options options = {0};
    snprintf(file, sizeof file, "models/%s.gguf", name);
    TINY_OK(tm_source_open_gguf(tm_fixture(file, path, sizeof path), &source, &err));
    if (kernel != NULL) TINY_OK(tm_kernel_resolve(kernel, &options.kernel, &err));
    TINY_OK(tm_model_open(&source, &options, pool, &model, &err));
    tm_source_close(&source);
    return model;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* Per position relative L2; fails above `each`, or where the median is above `median`. Then the
 * greedy tokens, up to the first that was a close call (margin below `close_call`) for the other
 * program. */
static void compare(const char *name, const char *run, const char *kernel, double each,
                    double median, double close_call)
{
    golden g = load_golden(name, run);
    tm_pool *pool = tiny_pool(2);
    tm_model model = load_model(name, kernel, pool);
    tm_session *session =
        tiny_session(&model, pool,
                     (tm_session_options){
                         .n_context = 128, .f16_kv = strcmp(run, "kv16") == 0, .all_logits = true});
    const float *logits;
    double errors[MAX_TOKENS];
    size_t n_vocab = (size_t)g.n_vocab;
    assert_int_equal(model.config.n_vocab, g.n_vocab);
    TINY_OK(tm_session_eval(session, g.tokens, g.n_tokens, TM_LOGITS_ALL, &logits, &err));
    for (int t = 0; t < g.n_tokens; t++) {
        double difference = 0, length = 0;
        for (size_t i = (size_t)t * n_vocab; i < (size_t)(t + 1) * n_vocab; i++) {
            difference += pow((double)logits[i] - (double)g.logits[i], 2);
            length += pow((double)g.logits[i], 2);
        }
        errors[t] = sqrt(difference / length);
        if (!(errors[t] <= each))
            fail_msg("%s, %s: position %d is off by %g (limit %g)", name, run, t, errors[t], each);
    }
    qsort(errors, (size_t)g.n_tokens, sizeof *errors, compare_doubles);
    if (!(errors[g.n_tokens / 2] <= median))
        fail_msg("%s, %s: the median position is off by %g (limit %g)", name, run,
                 errors[g.n_tokens / 2], median);

    logits += (size_t)(g.n_tokens - 1) * n_vocab;
    for (int i = 0; i < g.n_greedy && g.margin[i] >= close_call; i++) {
        int32_t token = tm_argmax(logits, g.n_vocab);
        if (token != g.greedy[i])
            fail_msg("%s, %s: greedy token %d is %d, the other program's %d by a margin of %g",
                     name, run, i, token, g.greedy[i], g.margin[i]);
        TINY_OK(tm_session_eval(session, &token, 1, TM_LOGITS_LAST, &logits, &err));
    }
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
    free(g.logits);
}

/* kernel: of the linear weights; NULL: the engine's choice. */
static void compare_both(const char *name, const char *kernel, double each, double median,
                         double each_kv16)
{
    compare(name, "kv32", kernel, each, median, 0.5);
    compare(name, "kv16", kernel, each_kv16, each_kv16, 2);
}

static void need_fixtures(void)
{
    char path[MAX_PATH];
    TM_NEED_FIXTURE("models/bn_t-f32.gguf", path);
}

static void test_f32(void **state)
{
    (void)state;
    need_fixtures();
    compare_both("bn_t-f32", NULL, 2e-5, 2e-5, 2e-3);
}

static void test_f16(void **state)
{
    (void)state;
    need_fixtures();
    compare_both("bn_t-F16", NULL, 1.5e-3, 1.5e-3, 2e-3);
}

static void test_i2_s_of_one_layer(void **state)
{
    (void)state;
    need_fixtures();
    compare_both("bn_t-I2_S", NULL, 3e-4, 3e-4, 1e-1);
}

/* Rounding to int8 amplifies: one flipped value ends at percents of one position, not of the
 * median. */
static void test_i2_s_of_every_architecture(void **state)
{
    static const char *const names[] = {"bn_a-I2_S", "bn_b-I2_S", "bn_c-I2_S",  "bn_s-I2_S",
                                        "ll_d-I2_S", "ll_e-I2_S", "b158_g-I2_S"};
    (void)state;
    need_fixtures();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], NULL, 6e-2, 2e-3, 1e-1);
}

/* Activations in blocks of 256, and of 32 where a matrix is Q4_0. */
static void test_files_with_blockwise_activations(void **state)
{
    static const char *const names[] = {"bn_s-TQ1_0", "ll_e-TQ1_0", "bn_a-TQ2_0", "bn_b-TQ2_0",
                                        "bn_c-TQ2_0", "bn_s-TQ2_0", "ll_d-TQ2_0"};
    static const char *const one_layer[] = {"bn_t-TQ1_0", "bn_t-I2_S_q6k", "bn_t-TQ2_0_q6k"};
    (void)state;
    need_fixtures();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], NULL, 6e-2, 2e-3, 1e-1);
    for (size_t i = 0; i < sizeof one_layer / sizeof *one_layer; i++)
        compare_both(one_layer[i], NULL, 3e-4, 3e-4, 1e-1);
}

/* The same trits with one scale of activations per token: the limit is what the two ways cost.
 * bitnet.cpp's logits of bn_b-I2_S are 0.062 from llama.cpp's of bn_b-TQ2_0, the same model, at the
 * worst position. */
static void test_blockwise_files_on_a_ternary_kernel(void **state)
{
    static const char *const names[] = {"bn_t-TQ1_0", "bn_s-TQ1_0", "ll_e-TQ1_0", "bn_a-TQ2_0",
                                        "bn_b-TQ2_0", "bn_s-TQ2_0", "ll_d-TQ2_0", "bn_t-TQ2_0_q6k"};
    (void)state;
    need_fixtures();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], "ternary", 6.5e-2, 5e-2, 1e-1);
}

/* The F32 original run with int8 activations and 2-bit weights is the I2_S file, head and all. */
static void test_f32_file_on_a_ternary_kernel(void **state)
{
    (void)state;
    need_fixtures();
    golden g = load_golden("bn_t-I2_S", "kv32");
    tm_pool *pool = tiny_pool(1);
    tm_model model = load_model("bn_t-f32", "ternary", pool);
    tm_session *session =
        tiny_session(&model, pool, (tm_session_options){.n_context = 64, .all_logits = true});
    const float *logits;
    double difference = 0, length = 0;
    TINY_OK(tm_session_eval(session, g.tokens, g.n_tokens, TM_LOGITS_ALL, &logits, &err));
    for (size_t i = 0; i < (size_t)g.n_tokens * (size_t)g.n_vocab; i++) {
        difference += pow((double)logits[i] - (double)g.logits[i], 2);
        length += pow((double)g.logits[i], 2);
    }
    assert_true(sqrt(difference / length) < 3e-4);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
    free(g.logits);
}

static float *logits_on(const char *name, const char *kernel, int n_threads, const golden *g)
{
    tm_pool *pool = tiny_pool(n_threads);
    tm_model model = load_model(name, kernel, pool);
    tm_session *session =
        tiny_session(&model, pool, (tm_session_options){.n_context = 64, .all_logits = true});
    const float *logits;
    size_t bytes = (size_t)g->n_tokens * (size_t)g->n_vocab * sizeof(float);
    TINY_OK(tm_session_eval(session, g->tokens, g->n_tokens, TM_LOGITS_ALL, &logits, &err));
    float *copy = malloc(bytes);
    memcpy(copy, logits, bytes);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
    return copy;
}

static void test_exact_kernels_agree_on_real_files(void **state)
{
    static const char *const names[] = {"b158_g-I2_S", "ll_d-I2_S", "bn_s-TQ1_0", "bn_c-I2_S"};
    int n_checked = 0;
    (void)state;
    need_fixtures();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        golden g = load_golden(names[i], "kv32");
        size_t bytes = (size_t)g.n_tokens * (size_t)g.n_vocab * sizeof(float);
        float *wanted = logits_on(names[i], "trit_mad_scalar", 1, &g);
        for (const tm_kernel *const *k = tm_kernels(); *k != NULL; k++) {
            if (tm_kernel_available(*k, NULL) != TM_OK) continue;
            if (!(*k)->format->ternary || (*k)->tolerance != 0) continue;
            float *got = logits_on(names[i], (*k)->name, 2, &g);
            if (memcmp(got, wanted, bytes) != 0)
                fail_msg("%s: %s and the reference differ", names[i], (*k)->name);
            free(got);
            n_checked++;
        }
        free(wanted);
        free(g.logits);
    }
    assert_true(n_checked >= 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_f32),
        cmocka_unit_test(test_f16),
        cmocka_unit_test(test_i2_s_of_one_layer),
        cmocka_unit_test(test_i2_s_of_every_architecture),
        cmocka_unit_test(test_files_with_blockwise_activations),
        cmocka_unit_test(test_blockwise_files_on_a_ternary_kernel),
        cmocka_unit_test(test_f32_file_on_a_ternary_kernel),
        cmocka_unit_test(test_exact_kernels_agree_on_real_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
