#include "kernels/half.h"
#include "tests/engine/tiny.h"

#include <math.h>

static tm_source open_synth(const tm_config *config, uint64_t seed)
{
    tm_source source;
    TINY_OK(tm_source_open_synth(config, seed, &source, &err));
    return source;
}

static tm_tensor_info describe(tm_source *source, tm_role role, int layer)
{
    tm_tensor_info info;
    TINY_OK(source->describe(source, role, layer, &info, &err));
    return info;
}

static void test_any_range_gives_the_same_rows(void **state)
{
    static const int widths[] = {1, 2, 37, 39, 40, 41, 42, 43, 44, 80, 83, 100, 257, 5460};
    (void)state;
    for (size_t i = 0; i < sizeof widths / sizeof *widths; i++) {
        tm_config config = tiny_config("llama");
        config.n_ffn = widths[i];
        tm_source source = open_synth(&config, 1);
        size_t n = (size_t)widths[i], n_rows = (size_t)config.n_hidden;
        int8_t *whole = malloc(n * n_rows), *row = malloc(n);
        float *values = malloc(n * sizeof *values);
        tm_tensor_info info = describe(&source, TM_ROLE_DOWN, 1);
        source.trits(&source, TM_ROLE_DOWN, 1, 0, config.n_hidden, whole);
        for (int r = 0; r < config.n_hidden; r++) {
            source.trits(&source, TM_ROLE_DOWN, 1, r, r + 1, row);
            assert_memory_equal(row, whole + (size_t)r * n, n);
            source.floats(&source, TM_ROLE_DOWN, 1, r, r + 1, values);
            for (size_t c = 0; c < n; c++) {
                assert_in_range(row[c] + 1, 0, 2);
                assert_true(values[c] == (float)row[c] * info.scale);
            }
        }
        free(whole);
        free(row);
        free(values);
        tm_source_close(&source);
    }
}

/* The first columns depend neither on the number of columns nor on a file's layout. */
static void test_wider_matrices_begin_with_the_same_columns(void **state)
{
    (void)state;
    tm_config narrow = tiny_config("llama"), wide = narrow;
    narrow.n_ffn = 93;
    wide.n_ffn = 400;
    int8_t a[93], b[400];
    tm_source one = open_synth(&narrow, 3), two = open_synth(&wide, 3);
    one.trits(&one, TM_ROLE_DOWN, 0, 5, 6, a);
    two.trits(&two, TM_ROLE_DOWN, 0, 5, 6, b);
    assert_memory_equal(a, b, sizeof a);
    tm_source_close(&one);
    tm_source_close(&two);
}

static void test_tensors_rows_and_seeds_differ(void **state)
{
    enum { N = 128 };
    (void)state;
    tm_config config = tiny_config("bitnet");
    tm_source one = open_synth(&config, 1), two = open_synth(&config, 2);
    int8_t base[N], other[5][N];
    one.trits(&one, TM_ROLE_Q, 0, 0, 1, base);
    one.trits(&one, TM_ROLE_Q, 0, 1, 2, other[0]);
    one.trits(&one, TM_ROLE_Q, 1, 0, 1, other[1]);
    one.trits(&one, TM_ROLE_K, 0, 0, 1, other[2]);
    two.trits(&two, TM_ROLE_Q, 0, 0, 1, other[3]);
    one.trits(&one, TM_ROLE_GATE, 0, 0, 1, other[4]);
    for (int i = 0; i < 5; i++) {
        int same = 0;
        for (int c = 0; c < N; c++) same += base[c] == other[i][c];
        /* a third of 128 by chance, deviation 5.3: 75 is six deviations out */
        assert_in_range(same, 11, 75);
    }
    tm_source_close(&one);
    tm_source_close(&two);
}

static void test_trits_are_uniform(void **state)
{
    enum { WIDTH = 4000, ROWS = 128 };
    static int8_t trits[ROWS * WIDTH];
    (void)state;
    tm_config config = tiny_config("llama");
    config.n_ffn = WIDTH;
    tm_source source = open_synth(&config, 11);
    source.trits(&source, TM_ROLE_DOWN, 0, 0, ROWS, trits);
    /* By position in the stream's words too: each byte and digit must be as even as the rest. */
    for (int position = 0; position < 40; position++) {
        int count[3] = {0}, total = 0;
        for (int i = position; i < ROWS * WIDTH; i += 40, total++) count[trits[i] + 1]++;
        double deviation = sqrt(total * 2.0 / 9.0);
        assert_true(fabs(count[0] - total * 86.0 / 256) < 5 * deviation);
        assert_true(fabs(count[1] - total * 85.0 / 256) < 5 * deviation);
        assert_true(fabs(count[2] - total * 85.0 / 256) < 5 * deviation);
    }
    /* Trits of different words are independent: 9 kinds of pairs, chi-square with 8 degrees. */
    int pairs[9] = {0};
    for (int i = 0; i < ROWS * WIDTH; i += 80)
        for (int j = i; j < i + 40; j++) pairs[(trits[j] + 1) * 3 + trits[j + 40] + 1]++;
    double chi = 0, p[3] = {86.0 / 256, 85.0 / 256, 85.0 / 256};
    for (int i = 0; i < 9; i++) {
        double expected = p[i / 3] * p[i % 3] * ROWS * WIDTH / 2;
        chi += (pairs[i] - expected) * (pairs[i] - expected) / expected;
    }
    assert_true(chi < 40); /* beyond 40: probability 3e-6 */
    tm_source_close(&source);
}

static void test_embedding_is_normal_and_half(void **state)
{
    enum { WIDTH = 512, ROWS = 400 };
    static float values[ROWS * WIDTH];
    (void)state;
    tm_config config = tiny_config("bitnet");
    config.n_vocab = ROWS;
    config.n_hidden = WIDTH;
    config.n_heads = 16;
    tm_source source = open_synth(&config, 5);
    source.floats(&source, TM_ROLE_EMBEDDING, 0, 0, ROWS, values);
    double sum = 0, square = 0, within = 0;
    int n = ROWS * WIDTH;
    for (int i = 0; i < n; i++) {
        assert_true(tm_half_to_float(tm_half_from_float(values[i])) == values[i]);
        sum += (double)values[i];
        square += (double)values[i] * (double)values[i];
        within += fabsf(values[i]) < 0.2887f;
    }
    assert_true(fabs(sum / n) < 5 * 0.29 / sqrt(n));
    assert_true(fabs(sqrt(square / n) - 0.2887) < 0.003);
    assert_true(fabs(within / n - 0.68) < 0.02); /* normal: 0.683 within one deviation */
    float row[WIDTH];
    source.floats(&source, TM_ROLE_EMBEDDING, 9, 77, 78, row); /* the layer is ignored */
    assert_memory_equal(row, values + (size_t)77 * WIDTH, sizeof row);
    tm_source_close(&source);
}

static void test_scales_and_norms_stay_in_range(void **state)
{
    (void)state;
    tm_config config = tiny_config("bitnet-b1.58");
    config.n_layers = 30;
    tm_source source = open_synth(&config, 5);
    float least = 10, most = 0, norm[128];
    for (int layer = 0; layer < config.n_layers; layer++) {
        tm_tensor_info info = describe(&source, TM_ROLE_Q, layer);
        assert_true(info.present && info.ternary);
        assert_true(tm_half_to_float(tm_half_from_float(info.scale)) == info.scale);
        float factor = info.scale * sqrtf(config.n_hidden * 2 / 3.0f);
        if (factor < least) least = factor;
        if (factor > most) most = factor;
        source.floats(&source, TM_ROLE_FFN_NORM, layer, 0, 1, norm);
        for (int i = 0; i < 128; i++) assert_true(norm[i] >= 0.5f && norm[i] < 1.5f);
    }
    assert_true(least >= 0.499f && least < 0.8f && most <= 2.001f && most > 1.2f);
    assert_false(describe(&source, TM_ROLE_HEAD, 0).present); /* tied */
    assert_false(describe(&source, TM_ROLE_ROPE_FREQS, 0).present);
    assert_true(describe(&source, TM_ROLE_FFN_SUB_NORM, 3).present);
    tm_source_close(&source);
}

static void test_impossible_shapes_are_errors(void **state)
{
    tm_source source;
    tm_error err = {0};
    (void)state;
    tm_config config = tiny_config("bitnet");
    config.n_kv_heads = 3;
    assert_int_equal(tm_source_open_synth(&config, 1, &source, &err), TM_FORMAT);
    assert_true(strlen(err.message) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any_range_gives_the_same_rows),
        cmocka_unit_test(test_wider_matrices_begin_with_the_same_columns),
        cmocka_unit_test(test_tensors_rows_and_seeds_differ),
        cmocka_unit_test(test_trits_are_uniform),
        cmocka_unit_test(test_embedding_is_normal_and_half),
        cmocka_unit_test(test_scales_and_norms_stay_in_range),
        cmocka_unit_test(test_impossible_shapes_are_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
