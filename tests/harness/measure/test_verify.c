/* Verifying kernels: equal, close and different logits, figures of activations by hand, and every
 * kernel on small models. */
#include "harness/measure/verify.h"
#include "tests/engine/tiny.h"

#include <math.h>

static tm_verify_row compare(const char *kernel, const float *got, const float *wanted)
{
    tm_verify_row row = {.kernel = tm_kernel_find(kernel)};
    tm_verify_compare(got, wanted, 2, 3, &row);
    return row;
}

static void exact_kernels_must_give_the_same_bits(void **state)
{
    (void)state;
    const float wanted[6] = {1, 2, 3, 4, 0, 6};
    float got[6];
    memcpy(got, wanted, sizeof got);
    tm_verify_row row = compare("i2r16_mad_scalar", got, wanted);
    assert_int_equal(row.status, TM_VERIFY_EQUAL);
    assert_int_equal(row.position, -1);
    assert_true(row.distance == 0);
    got[4] = -0.0f;
    row = compare("i2r16_mad_scalar", got, wanted);
    assert_int_equal(row.status, TM_VERIFY_DIFFERENT);
    assert_int_equal(row.position, 1);
    assert_int_equal(row.id, 1);
    assert_true(row.distance == 0);
}

static void inexact_kernels_may_differ_by_their_rounding(void **state)
{
    (void)state;
    const float wanted[6] = {3, 4, 0, 0, 3, 4};
    float got[6];
    memcpy(got, wanted, sizeof got);
    got[1] = 4 + 0.005f; /* 0.001 of the length 5 */
    tm_verify_row row = compare("f32r16_fma_scalar", got, wanted);
    assert_int_equal(row.status, TM_VERIFY_CLOSE);
    assert_true(fabs(row.distance - 0.001) < 1e-6);
    assert_int_equal(row.position, 0);
    assert_int_equal(row.id, 1);
    assert_true(row.value == got[1] && row.expected == 4);
    got[1] = 4.05f;
    assert_int_equal(compare("f32r16_fma_scalar", got, wanted).status, TM_VERIFY_DIFFERENT);
    got[1] = NAN;
    assert_int_equal(compare("f32r16_fma_scalar", got, wanted).status, TM_VERIFY_DIFFERENT);
    got[1] = INFINITY;
    assert_int_equal(compare("f32r16_fma_scalar", got, wanted).status, TM_VERIFY_DIFFERENT);
    /* The worst position counts, wherever it is. */
    got[1] = 4;
    got[5] = 5;
    assert_int_equal(compare("f32r16_fma_scalar", got, wanted).status, TM_VERIFY_DIFFERENT);
}

static void figures_of_activations_are_those_of_their_definitions(void **state)
{
    (void)state;
    /* Probabilities 1/2, 1/4, 1/4 against 1/4, 1/2, 1/4, then the same against itself. */
    const float base[6] = {logf(2), 0, 0, logf(2), 0, 0};
    const float got[6] = {7, 7 + logf(2), 7, 7 + logf(2), 7, 7};
    tm_verify_activation a = {0};
    tm_verify_compare_activation(got, base, 2, 3, &a);
    double kl = 0.5 * log(0.5 / 0.25) + 0.25 * log(0.25 / 0.5);
    assert_true(fabs(a.kl_largest - kl) < 1e-6);
    assert_true(fabs(a.kl - kl / 2) < 1e-6);
    assert_true(a.top1_share == 0.5);
    assert_true(fabs(a.difference - (7 + log(2))) < 1e-6);
}

typedef struct counts {
    int of[TM_VERIFY_SKIPPED + 1];
    const char *bad;
} counts;

static void count(void *arg, const tm_verify_row *row)
{
    counts *c = arg;
    c->of[row->status]++;
    if (row->status == TM_VERIFY_DIFFERENT) c->bad = row->kernel->name;
    if (row->status == TM_VERIFY_SKIPPED && !row->reason[0]) fail_msg("skipped without a reason");
    if (row->status != TM_VERIFY_SKIPPED && row->kernel->tolerance == 0)
        assert_int_equal(row->n_same, 3);
}

static tm_verify_result verify(const char *kernel, int64_t available_bytes, counts *c)
{
    const tm_config config = tiny_config("bitnet-b1.58");
    const int32_t ids[5] = {1, 5, 9, 17, 99};
    const tm_kernel *only = kernel ? tm_kernel_find(kernel) : NULL;
    tm_source source;
    tm_verify_result result;
    TINY_OK(tm_source_open_synth(&config, 7, &source, &err));
    tm_verify_request r = {.source = &source,
                           .ids = ids,
                           .n_ids = 5,
                           .n_greedy = 3,
                           .n_threads = 1,
                           .available_bytes = available_bytes,
                           .kernels = only ? &only : NULL,
                           .n_kernels = 1};
    *c = (counts){0};
    TINY_OK(tm_verify(&r, count, c, &result, &err));
    tm_source_close(&source);
    return result;
}

static void every_kernel_of_this_machine_is_right(void **state)
{
    (void)state;
    counts c;
    tm_error ignored;
    int n = 0, n_kinds = 1; /* trits, and the layouts of other kinds */
    for (const tm_kernel *const *k = tm_kernels(); *k; k++)
        n += tm_kernel_available(*k, &ignored) == TM_OK;
    for (const tm_format *const *f = tm_formats(); *f; f++) n_kinds += !(*f)->ternary;
    tm_verify_result result = verify(NULL, -1, &c);
    if (c.bad) fail_msg("%s differs", c.bad);
    assert_int_equal(result.n_rows, n);
    assert_int_equal(c.of[TM_VERIFY_DIFFERENT] + c.of[TM_VERIFY_SKIPPED], 0);
    assert_int_equal(c.of[TM_VERIFY_REFERENCE], n_kinds);
    assert_non_null(result.fp16);
    for (int i = 0; i < TM_VERIFY_ACTIVATIONS; i++) {
        const tm_verify_activation *a = &result.activations[i];
        assert_non_null(a->kernel);
        assert_true(a->kl >= 0 && a->kl_largest >= a->kl && a->difference > 0);
        assert_true(a->top1_share >= 0 && a->top1_share <= 1);
    }
}

static void one_kernel_is_compared_with_its_reference_only(void **state)
{
    (void)state;
    counts c;
    tm_verify_result result = verify("t5r64_lut_scalar", -1, &c);
    assert_int_equal(result.n_rows, 1);
    assert_int_equal(c.of[TM_VERIFY_EQUAL], 1);
    assert_null(result.fp16);
}

static void weights_that_do_not_fit_are_skipped(void **state)
{
    (void)state;
    counts c;
    tm_verify_result result = verify(NULL, 10000, &c);
    assert_int_equal(c.of[TM_VERIFY_SKIPPED], result.n_rows);
    assert_int_equal(result.n_skipped, result.n_rows);
    assert_null(result.fp16);
    assert_non_null(strstr(result.fp16_reason, "are available"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exact_kernels_must_give_the_same_bits),
        cmocka_unit_test(inexact_kernels_may_differ_by_their_rounding),
        cmocka_unit_test(figures_of_activations_are_those_of_their_definitions),
        cmocka_unit_test(every_kernel_of_this_machine_is_right),
        cmocka_unit_test(one_kernel_is_compared_with_its_reference_only),
        cmocka_unit_test(weights_that_do_not_fit_are_skipped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
