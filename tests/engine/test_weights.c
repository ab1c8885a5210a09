/* Weights as numbers: the same in every layout, and another hash for another weight. */
#include "engine/weights.h"
#include "tests/engine/tiny.h"

#include <stdio.h>
#include <unistd.h>

static tm_source synthetic(uint64_t seed)
{
    tm_config config = tiny_config("bitnet");
    config.n_hidden = 256;
    config.head_dim = 64;
    config.n_rot = 64;
    tm_source source;
    TINY_OK(tm_source_open_synth(&config, seed, &source, &err));
    return source;
}

static tm_weights weights_of(tm_source *source, tm_role role)
{
    tm_weights w = {0};
    TINY_OK(tm_weights_read(source, role, 1, &w, &err));
    return w;
}

/* The synthetic scales are half-precision numbers, which every type holds. */
static void test_types_share_hashes(void **state)
{
    (void)state;
    static const tm_gguf_type types[] = {TM_GGUF_F32, TM_GGUF_F16, TM_GGUF_TQ1_0, TM_GGUF_TQ2_0,
                                         TM_GGUF_I2_S};
    static const tm_role tested[] = {TM_ROLE_EMBEDDING, TM_ROLE_ATTN_NORM, TM_ROLE_Q, TM_ROLE_DOWN};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
        char path[] = "/tmp/test_weights_XXXXXX";
        int fd = mkstemp(path);
        tm_source made = synthetic(7), file;
        assert_true(fd >= 0);
        TINY_OK(tm_source_write_gguf(&made, types[i], fd, path, &err));
        close(fd);
        TINY_OK(tm_source_open_gguf(path, &file, &err));
        unlink(path);
        for (size_t k = 0; k < sizeof tested / sizeof tested[0]; k++) {
            tm_weights a = weights_of(&made, tested[k]), b = weights_of(&file, tested[k]);
            tm_weights_difference d;
            assert_int_equal(a.hash, b.hash);
            assert_int_equal(a.n, b.n);
            assert_int_equal(a.n_zero, b.n_zero);
            TINY_OK(tm_weights_compare(&made, &file, tested[k], 1, &d, &err));
            assert_int_equal(d.n_different, 0);
        }
        tm_source_close(&file);
        tm_source_close(&made);
    }
}

/* A source whose matrices have one weight changed, or two exchanged. */
static tm_source original;
static int change_row, change_col;
static float change_by;

static void changed_floats(const tm_source *source, tm_role role, int layer, int row_begin,
                           int row_end, float *out)
{
    int n_rows, n_cols;
    original.floats(source, role, layer, row_begin, row_end, out);
    tm_role_shape(&source->config, role, &n_rows, &n_cols);
    if (change_row >= row_begin && change_row < row_end)
        out[(change_row - row_begin) * n_cols + change_col] += change_by;
}

static void test_one_weight_changes_the_hash(void **state)
{
    (void)state;
    original = synthetic(7);
    tm_source changed = original;
    uint64_t before = weights_of(&original, TM_ROLE_DOWN).hash, seen[3];
    changed.floats = changed_floats;
    change_by = 0;
    assert_int_equal(weights_of(&changed, TM_ROLE_DOWN).hash, before);
    change_by = 1e-4f;
    for (int i = 0; i < 3; i++) { /* the first weight, one inside, the last */
        tm_weights_difference d;
        change_row = i * 255 / 2;
        change_col = i * 255 / 2;
        seen[i] = weights_of(&changed, TM_ROLE_DOWN).hash;
        assert_int_not_equal(seen[i], before);
        TINY_OK(tm_weights_compare(&original, &changed, TM_ROLE_DOWN, 1, &d, &err));
        assert_int_equal(d.n_different, 1);
        assert_true(d.largest > 0.9e-4 && d.largest < 1.1e-4);
    }
    assert_int_not_equal(seen[0], seen[1]);
    assert_int_not_equal(seen[1], seen[2]);
    tm_source_close(&original);
}

static void test_the_place_of_a_weight_counts(void **state)
{
    (void)state;
    tm_source a = synthetic(7), b = synthetic(8);
    assert_int_not_equal(weights_of(&a, TM_ROLE_Q).hash, weights_of(&b, TM_ROLE_Q).hash);
    assert_int_not_equal(weights_of(&a, TM_ROLE_GATE).hash, weights_of(&a, TM_ROLE_UP).hash);
    tm_weights norm = weights_of(&a, TM_ROLE_ATTN_NORM);
    assert_int_equal(norm.n, a.config.n_hidden);
    assert_int_equal(norm.n_zero, 0);
    tm_source_close(&b);
    tm_source_close(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_share_hashes),
        cmocka_unit_test(test_one_weight_changes_the_hash),
        cmocka_unit_test(test_the_place_of_a_weight_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
