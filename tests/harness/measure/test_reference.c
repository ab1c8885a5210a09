/* Greedy tokens of a model against those of scalar kernels on the same weights. */
#include "harness/measure/backend.h"
#include "kernels/cpu.h"
#include "tests/tm_test.h"

enum { N = 4 };

static tm_backend open_model(const char *file, const char *kernel)
{
    char path[512];
    tm_backend backend;
    tm_error err = {0};
    const tm_kernel *k, *head;
    if (!tm_golden(file, path, sizeof path)) fail_msg("no tests/golden/%s", file);
    assert_int_equal(tm_kernel_resolve(kernel, &k, &err), TM_OK);
    assert_int_equal(tm_kernel_resolve("f16", &head, &err), TM_OK);
    const tm_backend_request request = {.model = path,
                                        .kernel = k->name,
                                        .head_kernel = head->name,
                                        .n_threads = 1,
                                        .oversubscribe = true,
                                        .session = {.n_context = TM_GREEDY_PROMPT + N,
                                                    .n_batch = TM_GREEDY_PROMPT,
                                                    .f16_kv = true}};
    if (tm_backend_open(&request, &backend, &err) != TM_OK) fail_msg("%s", err.message);
    return backend;
}

static void hashes(tm_backend *backend, char *greedy, char *reference)
{
    tm_error err = {0};
    assert_int_equal(tm_backend_greedy(backend, N, greedy, 24, &err), TM_OK);
    assert_int_equal(backend->reference(backend, N, reference, 24, &err), TM_OK);
}

static void kernels_that_are_right_agree(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"bn_t-I2_S.gguf", "ternary"}, {"b158_g-I2_S.gguf", "i2r16"}, {"bn_c-TQ2_0.gguf", "tq2_0"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char greedy[24], reference[24], again[24];
        tm_backend backend = open_model(cases[i][0], cases[i][1]);
        hashes(&backend, greedy, reference);
        if (backend.model->kernel->isa == TM_ISA_NONE || backend.model->kernel->tolerance != 0)
            assert_string_equal(reference, ""); /* nothing to compare */
        else
            assert_string_equal(reference, greedy);
        hashes(&backend, again, reference); /* the model's own session is back */
        assert_string_equal(again, greedy);
        tm_backend_close(&backend);
    }
}

static void scalar_and_float_kernels_have_no_reference(void **state)
{
    (void)state;
    static const char *const kernels[] = {"i2r16_mad_scalar", "trit_mad_scalar", "f32"};
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        char greedy[24], reference[24];
        tm_backend backend = open_model("bn_t-I2_S.gguf", kernels[i]);
        hashes(&backend, greedy, reference);
        assert_string_equal(reference, "");
        tm_backend_close(&backend);
    }
}

static void (*right_rows)(const tm_weight *, const tm_act *, const void *, int, int, float *);

/* The last row is wrong, which no check of the first rows finds. */
static void wrong_rows(const tm_weight *w, const tm_act *x, const void *scratch, int begin, int end,
                       float *y)
{
    right_rows(w, x, scratch, begin, end, y);
    if (end < w->n_rows) return;
    for (int t = 0; t < x->n_tokens; t++)
        y[(size_t)t * (size_t)w->n_rows + (size_t)w->n_rows - 1] += 1000;
}

static void a_wrong_kernel_is_found(void **state)
{
    (void)state;
    char greedy[24], reference[24];
    tm_backend backend = open_model("bn_t-I2_S.gguf", "i2r16_mad_scalar");
    tm_kernel wrong = *backend.model->kernel;
    right_rows = wrong.rows;
    wrong.rows = wrong_rows;
    backend.model->layers[0].down.kernel = &wrong;
    hashes(&backend, greedy, reference);
    assert_string_not_equal(reference, "");
    assert_string_not_equal(reference, greedy);
    tm_backend_close(&backend);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_that_are_right_agree),
        cmocka_unit_test(scalar_and_float_kernels_have_no_reference),
        cmocka_unit_test(a_wrong_kernel_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
