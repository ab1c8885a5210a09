/* Logits and greedy tokens of other programs: llama.cpp for F32, F16 and TQ files, bitnet.cpp for
 * I2_S. The limits are relative L2 distances per position: as much as two correct programs differ,
 * and less than any mistake costs. engine/README.md lists them.
 *
 * The models of tests/golden are always there; the others are skipped where the fixtures are
 * missing. Emulated ($TM_TESTED_ISA is set), only the models of tests/golden run: they exercise
 * each path.
 */
#include "engine/source.h"
#include "tests/engine/tiny.h"

#include <math.h>

enum { MAX_TOKENS = 64, MAX_PATH = 700 };

typedef struct golden {
    int n_tokens, n_greedy, n_vocab;
    int32_t tokens[MAX_TOKENS], greedy[MAX_TOKENS];
    double margin[MAX_TOKENS];
    float *logits; /* [n_tokens][n_vocab] */
} golden;

/* NULL where the file is absent, or emulated and not part of the repository. */
static const char *find_file(const char *model, const char *end, char *path, size_t size)
{
    char name[96];
    snprintf(name, sizeof name, "models/%s%s", model, end);
    if (getenv("TM_TESTED_ISA")) return tm_golden(name + strlen("models/"), path, size);
    return tm_fixture(name, path, size);
}

/* Models and runs of the running test that were compared, and the first that was not. */
static int n_compared;
static char first_missing[96];

static int start_counting(void **state)
{
    (void)state;
    n_compared = 0;
    first_missing[0] = '\0';
    return 0;
}

/* Ends a test: skipped if nothing could be compared. */
static void need_one_compared(void)
{
    if (n_compared == 0) TM_SKIP("no fixture models/%s: set TM_FIXTURES", first_missing);
}

static char *read_file(const char *path, size_t *size)
{
    FILE *file = fopen(path, "rb");
    if (!file) fail_msg("cannot open %s", path);
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    char *text = malloc(*size + 1);
    if (!text || fread(text, 1, *size, file) != *size) fail_msg("cannot read %s", path);
    text[*size] = 0;
    fclose(file);
    return text;
}

/* The numbers of the array of "key", the first at or after text; returns how many. */
static int numbers(const char *text, const char *key, double *out)
{
    char quoted[64];
    int n = 0;
    snprintf(quoted, sizeof quoted, "\"%s\": [", key);
    const char *at = strstr(text, quoted);
    if (!at) fail_msg("no %s in the fixture", quoted);
    at += strlen(quoted);
    while (n < MAX_TOKENS) {
        char *end;
        out[n++] = strtod(at, &end);
        if (end == at) fail_msg("%s holds something other than numbers", key);
        at = end + strspn(end, " \n,");
        if (*at == ']') return n;
    }
    fail_msg("%s is longer than %d", key, MAX_TOKENS);
    return 0;
}

/* run: "kv32" or "kv16". False where the fixture is absent. */
static bool load_golden(const char *name, const char *run, golden *g)
{
    char path[MAX_PATH], logits_path[MAX_PATH], quoted[32], end[16];
    double values[MAX_TOKENS];
    size_t size;
    snprintf(end, sizeof end, ".%s.f32", run);
    if (!find_file(name, end, logits_path, sizeof logits_path) ||
        !find_file(name, ".json", path, sizeof path)) {
        if (!first_missing[0]) snprintf(first_missing, sizeof first_missing, "%s%s", name, end);
        return false;
    }
    char *text = read_file(path, &size);
    g->n_tokens = numbers(text, "tokens", values);
    for (int i = 0; i < g->n_tokens; i++) g->tokens[i] = (int32_t)values[i];
    snprintf(quoted, sizeof quoted, "\"%s\": {", run);
    const char *section = strstr(text, quoted);
    if (!section) fail_msg("%s has no run %s", path, run);
    g->n_greedy = numbers(section, "greedy_32", values);
    for (int i = 0; i < g->n_greedy; i++) g->greedy[i] = (int32_t)values[i];
    assert_int_equal(numbers(section, "greedy_margin", g->margin), g->n_greedy);
    assert_int_equal(numbers(section, "shape", values), 2);
    assert_int_equal(values[0], g->n_tokens);
    g->n_vocab = (int)values[1];
    free(text);
    g->logits = (float *)read_file(logits_path, &size);
    assert_int_equal(size, (size_t)g->n_tokens * (size_t)g->n_vocab * sizeof(float));
    return true;
}

/* bn_t-f32 and bn_t-F16 are not part of the repository, but their weights are those of bn_t-I2_S:
 * trits times a float. So the engine writes them from that file. */
static void open_written(const char *name, tm_source *out)
{
    char path[MAX_PATH], written[] = "/tmp/tm_golden_XXXXXX";
    tm_gguf_type type = strcmp(name, "bn_t-f32") == 0 ? TM_GGUF_F32 : TM_GGUF_F16;
    tm_source source;
    assert_non_null(find_file("bn_t-I2_S", ".gguf", path, sizeof path));
    TINY_OK(tm_source_open_gguf(path, &source, &err));
    int fd = mkstemp(written);
    assert_true(fd >= 0);
    TINY_OK(tm_source_write_gguf(&source, type, fd, written, &err));
    close(fd);
    tm_source_close(&source);
    TINY_OK(tm_source_open_gguf(written, out, &err));
    unlink(written);
}

/* kernel: of the linear weights; NULL: the engine's choice. False where the fixture is absent. */
static bool load_model(const char *name, const char *kernel, tm_pool *pool, tm_model *model)
{
    char path[MAX_PATH];
    tm_source source;
    tm_model_options options = {0};
    if (find_file(name, ".gguf", path, sizeof path)) {
        TINY_OK(tm_source_open_gguf(path, &source, &err));
    } else if (strcmp(name, "bn_t-f32") == 0 || strcmp(name, "bn_t-F16") == 0) {
        open_written(name, &source);
    } else {
        if (!first_missing[0]) snprintf(first_missing, sizeof first_missing, "%s.gguf", name);
        return false;
    }
    if (kernel) TINY_OK(tm_kernel_resolve(kernel, &options.kernel, &err));
    TINY_OK(tm_model_open(&source, &options, pool, model, &err));
    tm_source_close(&source);
    return true;
}

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double relative_error(const float *got, const float *wanted, size_t n)
{
    double difference = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        difference += pow((double)got[i] - (double)wanted[i], 2);
        length += pow((double)wanted[i], 2);
    }
    return sqrt(difference / length);
}

/* Largest relative L2 distance of a position, that of the median position, and the margin below
 * which the other program's choice of a greedy token was too close to be compared. */
typedef struct limits {
    double each, median, close_call;
} limits;

/* The greedy tokens after the prompt, up to the first close call. */
static void compare_greedy(const char *label, const golden *g, tm_session *session,
                           const float *logits, double close_call)
{
    logits += (size_t)(g->n_tokens - 1) * (size_t)g->n_vocab;
    for (int i = 0; i < g->n_greedy && g->margin[i] >= close_call; i++) {
        int32_t token = tm_argmax(logits, g->n_vocab);
        if (token != g->greedy[i])
            fail_msg("%s: greedy token %d is %d, the other program's %d by a margin of %g", label,
                     i, token, g->greedy[i], g->margin[i]);
        TINY_OK(tm_session_eval(session, &token, 1, TM_LOGITS_LAST, &logits, &err));
    }
}

static void compare(const char *name, const char *run, const char *kernel, limits limit)
{
    golden g;
    tm_model model;
    tm_pool *pool = tiny_pool(2);
    const float *logits;
    double errors[MAX_TOKENS];
    char label[64];
    snprintf(label, sizeof label, "%s, %s", name, run);
    if (!load_golden(name, run, &g) || !load_model(name, kernel, pool, &model)) {
        tm_pool_close(pool);
        return;
    }
    tm_session_options options = {
        .n_context = 128, .f16_kv = strcmp(run, "kv16") == 0, .all_logits = true};
    tm_session *session = tiny_session(&model, pool, options);
    size_t n_vocab = (size_t)g.n_vocab;
    assert_int_equal(model.config.n_vocab, g.n_vocab);
    TINY_OK(tm_session_eval(session, g.tokens, g.n_tokens, TM_LOGITS_ALL, &logits, &err));
    for (int t = 0; t < g.n_tokens; t++) {
        size_t at = (size_t)t * n_vocab;
        errors[t] = relative_error(logits + at, g.logits + at, n_vocab);
        if (!(errors[t] <= limit.each))
            fail_msg("%s: position %d is off by %g (limit %g)", label, t, errors[t], limit.each);
    }
    qsort(errors, (size_t)g.n_tokens, sizeof *errors, compare_doubles);
    if (!(errors[g.n_tokens / 2] <= limit.median))
        fail_msg("%s: the median position is off by %g (limit %g)", label, errors[g.n_tokens / 2],
                 limit.median);
    compare_greedy(label, &g, session, logits, limit.close_call);
    tm_session_close(session);
    tm_model_close(&model);
    tm_pool_close(pool);
    free(g.logits);
    n_compared++;
}

/* each_kv16: the limit of both kinds for a half-precision KV cache. */
static void compare_both(const char *name, const char *kernel, double each, double median,
                         double each_kv16)
{
    compare(name, "kv32", kernel, (limits){each, median, 0.5});
    compare(name, "kv16", kernel, (limits){each_kv16, each_kv16, 2});
}

static void test_f32(void **state)
{
    (void)state;
    compare_both("bn_t-f32", NULL, 2e-5, 2e-5, 2e-3);
    need_one_compared();
}

static void test_f16(void **state)
{
    (void)state;
    compare_both("bn_t-F16", NULL, 1.5e-3, 1.5e-3, 2e-3);
    need_one_compared();
}

/* A model of one layer has no second layer in which a flipped int8 value could grow. */
static void test_one_layer(void **state)
{
    static const char *const names[] = {"bn_t-I2_S", "bn_t-TQ1_0", "bn_t-I2_S_q6k",
                                        "bn_t-TQ2_0_q6k"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], NULL, 3e-4, 3e-4, 1e-1);
    need_one_compared();
}

/* Rounding to int8 amplifies small differences: one flipped value moves one position by some
 * percent, but not the median. */
static void test_i2_s_of_every_architecture(void **state)
{
    static const char *const names[] = {"b158_g-I2_S", "bn_a-I2_S", "bn_b-I2_S", "bn_c-I2_S",
                                        "bn_s-I2_S",   "ll_d-I2_S", "ll_e-I2_S"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], NULL, 6e-2, 2e-3, 1e-1);
    need_one_compared();
}

/* Activations in blocks of 256, and of 32 where a matrix is Q4_0. */
static void test_blockwise_activations(void **state)
{
    static const char *const names[] = {"bn_c-TQ2_0", "ll_d-TQ2_0", "bn_s-TQ1_0", "ll_e-TQ1_0",
                                        "bn_a-TQ2_0", "bn_b-TQ2_0", "bn_s-TQ2_0"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], NULL, 6e-2, 2e-3, 1e-1);
    need_one_compared();
}

static float *logits_on(const char *name, const char *kernel, int n_threads, const golden *g)
{
    tm_model model;
    tm_pool *pool = tiny_pool(n_threads);
    float *copy = NULL;
    if (load_model(name, kernel, pool, &model)) {
        tm_session *session =
            tiny_session(&model, pool, (tm_session_options){.n_context = 64, .all_logits = true});
        const float *logits;
        size_t bytes = (size_t)g->n_tokens * (size_t)g->n_vocab * sizeof(float);
        TINY_OK(tm_session_eval(session, g->tokens, g->n_tokens, TM_LOGITS_ALL, &logits, &err));
        copy = malloc(bytes);
        assert_non_null(copy);
        memcpy(copy, logits, bytes);
        tm_session_close(session);
        tm_model_close(&model);
    }
    tm_pool_close(pool);
    return copy;
}

/* Architectures and types of 2026: norms of q and k, YaRN, scales for every 64 weights in all
 * matrices; the three scales of minicpm and scaled positions. */
static void test_later_architectures(void **state)
{
    (void)state;
    compare("qw_y-Q2_0", "kv32", NULL, (limits){6e-2, 2e-3, 0.5});
    compare("mc_l-TQ2_0", "kv32", NULL, (limits){6e-2, 2e-3, 0.5});
    need_one_compared();
}

/* ik_llama.cpp quantizes activations in four parts, so its logits are only near, but one scale per
 * matrix makes the files equal to the same model in I2_S. */
static void test_types_with_scales_of_rows(void **state)
{
    static const char *const names[] = {"b158_g-IQ1_BN", "b158_g-IQ2_BN"};
    golden g;
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        compare(names[i], "kv16", NULL, (limits){1e-1, 1e-1, 2});
        if (!load_golden(names[i], "kv16", &g)) continue;
        float *got = logits_on(names[i], NULL, 1, &g),
              *wanted = logits_on("b158_g-I2_S", NULL, 1, &g);
        size_t bytes = (size_t)g.n_tokens * (size_t)g.n_vocab * sizeof(float);
        if (got && wanted) assert_memory_equal(got, wanted, bytes);
        free(got);
        free(wanted);
        free(g.logits);
    }
    need_one_compared();
}

/* The same trits with one scale of activations per token. The limit is what this difference costs:
 * bitnet.cpp's logits of bn_b-I2_S are 0.062 from llama.cpp's of bn_b-TQ2_0, the same model, at the
 * worst position. */
static void test_blockwise_files_on_a_ternary_kernel(void **state)
{
    static const char *const names[] = {"bn_t-TQ1_0", "ll_d-TQ2_0", "bn_s-TQ1_0", "ll_e-TQ1_0",
                                        "bn_a-TQ2_0", "bn_b-TQ2_0", "bn_s-TQ2_0", "bn_t-TQ2_0_q6k"};
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        compare_both(names[i], "ternary", 6.5e-2, 5e-2, 1e-1);
    need_one_compared();
}

/* The F32 original with int8 activations and 2-bit weights is the I2_S file, head and all. */
static void test_f32_file_on_a_ternary_kernel(void **state)
{
    golden g;
    (void)state;
    if (!load_golden("bn_t-I2_S", "kv32", &g)) need_one_compared();
    float *logits = logits_on("bn_t-f32", "ternary", 1, &g);
    if (!logits) need_one_compared();
    size_t n = (size_t)g.n_tokens * (size_t)g.n_vocab;
    assert_true(relative_error(logits, g.logits, n) < 3e-4);
    free(logits);
    free(g.logits);
}

/* The number of kernels that ran the model. */
static int compare_exact_kernels(const char *name)
{
    golden g;
    int n = 0;
    if (!load_golden(name, "kv32", &g)) return 0;
    size_t bytes = (size_t)g.n_tokens * (size_t)g.n_vocab * sizeof(float);
    float *wanted = logits_on(name, "trit_mad_scalar", 1, &g);
    for (const tm_kernel *const *k = tm_kernels(); *k && wanted; k++) {
        if (tm_kernel_available(*k, NULL) != TM_OK) continue;
        if (!(*k)->format->ternary || (*k)->tolerance != 0) continue;
        float *got = logits_on(name, (*k)->name, 2, &g);
        if (memcmp(got, wanted, bytes) != 0)
            fail_msg("%s: %s and the reference differ", name, (*k)->name);
        free(got);
        n++;
    }
    free(wanted);
    free(g.logits);
    return n;
}

static void test_exact_kernels_agree_on_real_files(void **state)
{
    static const char *const names[] = {"bn_t-TQ1_0", "b158_g-I2_S", "ll_d-I2_S", "bn_s-TQ1_0",
                                        "bn_c-I2_S"};
    (void)state;
    /* Emulated, the smallest is enough: test_session compares the kernels on more shapes. */
    size_t n = getenv("TM_TESTED_ISA") ? 1 : sizeof names / sizeof *names;
    for (size_t i = 0; i < n; i++) n_compared += compare_exact_kernels(names[i]);
    need_one_compared();
    assert_true(n_compared >= 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define GOLDEN_TEST(test) cmocka_unit_test_setup(test, start_counting)
        GOLDEN_TEST(test_f32),
        GOLDEN_TEST(test_f16),
        GOLDEN_TEST(test_one_layer),
        GOLDEN_TEST(test_i2_s_of_every_architecture),
        GOLDEN_TEST(test_blockwise_activations),
        GOLDEN_TEST(test_later_architectures),
        GOLDEN_TEST(test_types_with_scales_of_rows),
        GOLDEN_TEST(test_blockwise_files_on_a_ternary_kernel),
        GOLDEN_TEST(test_f32_file_on_a_ternary_kernel),
        GOLDEN_TEST(test_exact_kernels_agree_on_real_files),
#undef GOLDEN_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
