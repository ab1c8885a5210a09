/* Errors, memory, names, the generator. */
#include "tests/tm_test.h"

#include "kernels/base.h"

#include <string.h>

static void statuses_have_names(void **state)
{
    (void)state;
    assert_string_equal(tm_status_name(TM_OK), "OK");
    assert_string_equal(tm_status_name(TM_INTERRUPTED), "INTERRUPTED");
    assert_string_equal(tm_status_name((tm_status)1000), "CHECK");
}

static void fail_fills_and_prefixes(void **state)
{
    tm_error err;
    (void)state;
    assert_int_equal(tm_fail(&err, TM_IO, "file %s: %d bytes", "x", 7), TM_IO);
    assert_int_equal(err.status, TM_IO);
    assert_string_equal(err.message, "file x: 7 bytes");
    assert_int_equal(tm_fail_in(&err, "model %d", 3), TM_IO);
    assert_string_equal(err.message, "model 3: file x: 7 bytes");
    assert_int_equal(tm_fail(NULL, TM_ARG, "nobody listens"), TM_ARG);

    char long_text[1000];
    memset(long_text, 'a', sizeof long_text - 1);
    long_text[sizeof long_text - 1] = 0;
    assert_int_equal(tm_fail(&err, TM_ARG, "%s", long_text), TM_ARG);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
    assert_int_equal(tm_fail_in(&err, "%s", long_text), TM_ARG);
    assert_int_equal(strlen(err.message), sizeof err.message - 1);
}

static void memory_is_zero_and_aligned(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 37) {
        void *memory;
        tm_error err;
        assert_int_equal(tm_alloc(&memory, n, 3, "test", &err), TM_OK);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t i = 0; i < 3 * n; i++) assert_int_equal(((uint8_t *)memory)[i], 0);
        tm_free(memory);
    }
    tm_free(NULL);
}

static void sizes_that_do_not_fit_are_refused(void **state)
{
    void *memory = &memory;
    tm_error err;
    tm_pages pages;
    (void)state;
    assert_int_equal(tm_alloc(&memory, SIZE_MAX / 2, 3, "table of tests", &err), TM_NOMEM);
    assert_null(memory);
    assert_non_null(strstr(err.message, "table of tests"));
    assert_int_equal(tm_alloc(&memory, SIZE_MAX, 1, "test", &err), TM_NOMEM);
    assert_int_equal(tm_pages_open(&pages, SIZE_MAX - 5, "pages of tests", &err), TM_NOMEM);
    assert_non_null(strstr(err.message, "pages of tests"));
    tm_pages_close(&pages);
}

static void pages_are_aligned_and_writable(void **state)
{
    const size_t sizes[] = {0, 1, 4096, (size_t)2 << 20, ((size_t)2 << 20) + 1};
    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tm_pages pages;
        tm_error err;
        assert_int_equal(tm_pages_open(&pages, sizes[i], "test", &err), TM_OK);
        assert_int_equal((uintptr_t)pages.data % ((size_t)2 << 20), 0);
        assert_int_equal(pages.bytes, sizes[i]);
        if (sizes[i]) {
            pages.data[0] = 1;
            pages.data[sizes[i] - 1] = 2;
        }
        tm_pages_close(&pages);
        assert_null(pages.data);
        tm_pages_close(&pages);
    }
}

static void nearest_name_suggests_only_what_is_near(void **state)
{
    static const char *const names[] = {"ternary", "f16", "f32", "i2r16", "i2r16_mad_avx512vnni",
                                        NULL};
    (void)state;
    assert_string_equal(tm_nearest_name("ternari", names), "ternary");
    assert_string_equal(tm_nearest_name("TERNARY", names), "ternary");
    assert_string_equal(tm_nearest_name("f33", names), "f32");
    assert_string_equal(tm_nearest_name("i2r16_mad_avx512", names), "i2r16_mad_avx512vnni");
    assert_null(tm_nearest_name("q", names));
    assert_null(tm_nearest_name("", names));
    assert_null(tm_nearest_name("something quite different", names));
    char long_name[500];
    memset(long_name, 'f', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = 0;
    assert_null(tm_nearest_name(long_name, names));
}

static void unknown_name_suggests_or_lists_names(void **state)
{
    static const char *const names[] = {"ternary", "f16", "f32", NULL}, *const none[] = {NULL};
    const char *many[200];
    tm_error err;
    (void)state;
    assert_int_equal(tm_unknown_name(&err, "kernel family", "ternari", names), TM_ARG);
    assert_string_equal(err.message,
                        "unknown kernel family \"ternari\"; did you mean \"ternary\"?");
    assert_int_equal(tm_unknown_name(&err, "kernel family", "bfloat", names), TM_ARG);
    assert_string_equal(err.message,
                        "unknown kernel family \"bfloat\"; expected one of ternary, f16, f32");
    assert_int_equal(tm_unknown_name(&err, "shape", "x", none), TM_ARG);
    assert_string_equal(err.message, "unknown shape \"x\"");
    for (int i = 0; i < 199; i++) many[i] = "something";
    many[199] = NULL;
    assert_int_equal(tm_unknown_name(&err, "shape", "x", many), TM_ARG);
    assert_string_equal(err.message + strlen(err.message) - 5, ", ...");
    assert_true(strlen(err.message) < 300);
}

static void plural_ending_follows_the_number(void **state)
{
    (void)state;
    assert_string_equal(tm_plural(0), "s");
    assert_string_equal(tm_plural(1), "");
    assert_string_equal(tm_plural(2), "s");
}

static void generator_gives_the_published_stream(void **state)
{
    /* SplitMix64 from 1234567, as listed by Rosetta Code and the test suites of several libraries.
     */
    static const uint64_t wanted[] = {6457827717110365317u, 3203168211198807973u,
                                      9817491932198370423u, 4593380528125082431u,
                                      16408922859458223821u};
    tm_rng rng = {1234567};
    (void)state;
    for (int i = 0; i < 5; i++) assert_true(tm_rng_next(&rng) == wanted[i]);
    for (int i = 0; i < 1000; i++) {
        assert_true(tm_rng_below(&rng, 3) < 3);
        double u = tm_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(statuses_have_names),
        cmocka_unit_test(fail_fills_and_prefixes),
        cmocka_unit_test(memory_is_zero_and_aligned),
        cmocka_unit_test(sizes_that_do_not_fit_are_refused),
        cmocka_unit_test(pages_are_aligned_and_writable),
        cmocka_unit_test(nearest_name_suggests_only_what_is_near),
        cmocka_unit_test(unknown_name_suggests_or_lists_names),
        cmocka_unit_test(plural_ending_follows_the_number),
        cmocka_unit_test(generator_gives_the_published_stream),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
