#include "reports/limits.h"
#include "reports/summary_cell.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

static const char run_text[] = "{\"roofline\": {"
                               "\"read_gb_per_second\": [{\"threads\": 2, \"value\": 20}],"
                               "\"int8_gmac_per_second\": [{\"threads\": 2, \"value\": 400}],"
                               "\"fp32_gmac_per_second\": [{\"threads\": 2, \"value\": 100}]}}";

static tm_measured peak_of(const char *kernel, const char *arithmetic, int threads)
{
    tm_cell cell = {.threads = threads};
    tm_error err = {0};
    tm_json *run = NULL;
    snprintf(cell.kernel, sizeof cell.kernel, "%s", kernel);
    snprintf(cell.arithmetic, sizeof cell.arithmetic, "%s", arithmetic);
    assert_int_equal(tm_json_parse(run_text, strlen(run_text), "run", &run, &err), TM_OK);
    tm_measured peak = tm_limit_macs(run, &cell);
    tm_json_free(run);
    return peak;
}

static void peak_is_that_of_the_recorded_arithmetic(void **state)
{
    (void)state;
    assert_true(peak_of("any_name", "int8", 2).value == 400);
    assert_true(peak_of("any_name", "fp32", 2).value == 100);
    /* The record counts, not the name. */
    assert_true(peak_of("f16r16_fma_avx2", "int8", 2).value == 400);
    tm_measured bf16 = peak_of("any_name", "bf16", 2);
    assert_true(isnan(bf16.value));
    assert_string_equal(bf16.missing, "the roofline does not measure the peak of bf16 arithmetic");
}

static void old_records_use_the_kernel_name(void **state)
{
    (void)state;
    assert_true(peak_of("i2r16_mad_avx2", "", 2).value == 400);
    assert_true(peak_of("q8_0_q80_scalar", "", 2).value == 400);
    assert_true(peak_of("f16r16_fma_avx2", "", 2).value == 100);
    assert_true(peak_of("f32r16_fma_scalar", "", 2).value == 100);
    assert_true(peak_of("bf16r16_fma_avx2", "", 2).value == 100);
    assert_true(isnan(peak_of("bf16r16_dot_avx512bf16", "", 2).value));
}

static void missing_limit_has_the_reason(void **state)
{
    (void)state;
    assert_string_equal(peak_of("i2r16_mad_avx2", "int8", 4).missing,
                        "the roofline of the run has no int8_gmac_per_second for 4 threads");
    assert_string_equal(tm_limit_find(NULL, "read_gb_per_second", 2).missing,
                        "the run did not measure the limits of the machine");
}

/* What came from a cache is no limit of memory. */
static void region_within_the_caches_gives_no_limit(void **state)
{
    (void)state;
    tm_error err = {0};
    tm_json *run = NULL;
    static const char text[] = "{\"roofline\": {\"read_gb_per_second\": ["
                               "{\"threads\": 1, \"value\": 20, \"bytes\": 1073741824, "
                               "\"caches_bytes\": 100663296},"
                               "{\"threads\": 96, \"value\": 900, \"bytes\": 1073741824, "
                               "\"caches_bytes\": 1207959552}]}}";
    assert_int_equal(tm_json_parse(text, sizeof text - 1, "run", &run, &err), TM_OK);
    assert_true(tm_limit_find(run, "read_gb_per_second", 1).value == 20);
    tm_measured none = tm_limit_find(run, "read_gb_per_second", 96);
    assert_true(isnan(none.value));
    assert_string_equal(none.missing, "the roofline read 1024 MiB of memory, no more than the "
                                      "caches of 96 threads hold (1152 MiB)");
    tm_json_free(run);
}

/* The advice names what ended the run. */
static void advice_names_the_limit(void **state)
{
    (void)state;
    static const struct {
        const char *run, *wanted;
    } cases[] = {
        {"{\"suite\": {\"processes\": 10, \"time_budget_seconds\": 60}}",
         "raise --time-budget or run it again (3 of 10 processes ran)"},
        {"{\"suite\": {\"processes\": 10}}", "run it again (3 of 10 processes ran)"},
        {"{\"suite\": {\"processes\": 3, \"time_budget_seconds\": 60}}",
         "raise --processes to at least 4"},
        {"{}", "raise --processes to at least 4"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_json *run = NULL;
        tm_error err = {0};
        char text[96];
        assert_int_equal(tm_json_parse(cases[i].run, strlen(cases[i].run), "run", &run, &err), 0);
        assert_string_equal(tm_more_processes(run, 3, 4, text, sizeof text), cases[i].wanted);
        tm_json_free(run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(advice_names_the_limit),
        cmocka_unit_test(peak_is_that_of_the_recorded_arithmetic),
        cmocka_unit_test(old_records_use_the_kernel_name),
        cmocka_unit_test(missing_limit_has_the_reason),
        cmocka_unit_test(region_within_the_caches_gives_no_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
