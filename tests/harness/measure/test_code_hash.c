/* The hash of the code that runs a model: it changes with the engine and with the model's own
 * kernels, and with nothing else. */
#include "harness/measure/code_hash.h"
#include "tests/tm_test.h"

static void hash_of(const char *linear_kernel, uint64_t engine, uint64_t linear, uint64_t head,
                    uint64_t other, char *text, size_t size)
{
    const tm_code_hash objects[] = {{"forward", engine},
                                    {"i2r16_mad_scalar", linear},
                                    {"f16r16_fma_scalar", head},
                                    {"t3r16_lut_scalar", other},
                                    {0}};
    const tm_kernel *kernel = tm_kernel_find(linear_kernel);
    const tm_matrix matrix = {.kernel = kernel};
    tm_layer layer = {.q = matrix,
                      .k = matrix,
                      .v = matrix,
                      .o = matrix,
                      .gate = matrix,
                      .up = matrix,
                      .down = matrix};
    const tm_model model = {.config = {.n_layers = 1},
                            .layers = &layer,
                            .head = {.kernel = tm_kernel_find("f16r16_fma_scalar")}};
    tm_code_hashes_use(objects);
    tm_code_hash_of(&model, text, size);
    tm_code_hashes_use(NULL);
}

static void test_hash_depends_on_what_runs(void **state)
{
    (void)state;
    char same[24], other[24];
    const char *linear = "i2r16_mad_scalar";
    hash_of(linear, 1, 2, 3, 4, same, sizeof same);
    assert_int_equal(strlen(same), 16);
    hash_of(linear, 1, 2, 3, 5, other, sizeof other);
    assert_string_equal(same, other);
    hash_of(linear, 9, 2, 3, 4, other, sizeof other);
    assert_string_not_equal(same, other);
    hash_of(linear, 1, 9, 3, 4, other, sizeof other);
    assert_string_not_equal(same, other);
    hash_of(linear, 1, 2, 9, 4, other, sizeof other);
    assert_string_not_equal(same, other);
    hash_of("t3r16_lut_scalar", 1, 2, 3, 4, other, sizeof other);
    assert_string_not_equal(same, other);
}

static void test_no_hash_is_known_without_objects(void **state)
{
    (void)state;
    char text[24] = "x";
    tm_model model = {0};
    tm_code_hash_of(&model, text, sizeof text);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hash_depends_on_what_runs),
        cmocka_unit_test(test_no_hash_is_known_without_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
