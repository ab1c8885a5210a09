/* The choice among kernels for every subset of the instruction sets of this machine. */
#include "tests/tm_test.h"

#include "kernels/kernel.h"

#include <string.h>

static const char *const families[] = {"ternary", "f16",    "bf16",   "f32",     "i2r16",  "t3r16",
                                       "t5r64",   "tl1r16", "f16r16", "bf16r16", "f32r16", "trit"};
#define N_FAMILIES (sizeof families / sizeof *families)

static void test_rows_are_complete(void **state)
{
    (void)state;
    for (const tm_kernel *const *p = tm_kernels(); *p; p++) {
        const tm_kernel *k = *p;
        char prefix[64], suffix[64];
        const char *isa = strrchr(k->name, '_');
        tm_error err;
        assert_ptr_equal(tm_kernel_find(k->name), k);
        assert_non_null(k->format);
        assert_non_null(k->source);
        assert_int_equal(k->row_step, k->format->row_group);
        snprintf(prefix, sizeof prefix, "%s_", k->format->name);
        assert_memory_equal(k->name, prefix, strlen(prefix));
        assert_non_null(isa);
        unsigned bits;
        if (strcmp(isa + 1, "scalar") == 0)
            assert_int_equal(k->isa, TM_ISA_NONE);
        else {
            assert_int_equal(tm_isa_parse(isa + 1, &bits, &err), TM_OK);
            assert_int_equal(k->isa & bits, bits);
        }
        if (k->rows) {
            assert_int_equal(k->scratch_size != NULL, k->prepare != NULL);
        } else { /* of the other architecture */
            snprintf(suffix, sizeof suffix, "%s needs %s; this machine is ", k->name, isa + 1);
            assert_int_equal(tm_kernel_available(k, &err), TM_UNSUPPORTED);
            assert_memory_equal(err.message, suffix, strlen(suffix));
        }
    }
}

static void test_arithmetic_of_each_kernel(void **state)
{
    (void)state;
    for (const tm_kernel *const *p = tm_kernels(); *p; p++) {
        const char *name = (*p)->name, *expected = "int8";
        if (strstr(name, "_fma_")) expected = "fp32";
        if (strstr(name, "_dot_")) expected = "bf16";
        assert_string_equal(tm_arithmetic_name(tm_kernel_arithmetic(*p)), expected);
    }
}

static void test_missing_isa_is_named(void **state)
{
    tm_error err;
    (void)state;
    for (const tm_kernel *const *p = tm_kernels(); *p; p++) {
        if (!(*p)->rows || tm_kernel_available(*p, &err) != TM_OK) continue;
        for (unsigned bit = 1; bit < 1u << TM_ISA_COUNT; bit <<= 1) {
            if (!((*p)->isa & bit)) continue;
            char text[64];
            tm_cpu_limit(~bit);
            assert_int_equal(tm_kernel_available(*p, &err), TM_UNSUPPORTED);
            assert_non_null(strstr(err.message, tm_isa_text(bit, text, sizeof text)));
            assert_non_null(strstr(err.message, "which TERNMARK_ISA leaves out"));
            tm_cpu_limit(~0u);
        }
    }
}

/* For every subset of this machine's bits each family has a kernel that needs no other bit, and no
 * available kernel of its layout comes after it in the table. */
static void test_every_isa_subset_has_a_choice(void **state)
{
    unsigned machine = tm_cpu_isa(), subset = machine;
    (void)state;
    for (;; subset = (subset - 1) & machine) {
        tm_cpu_limit(subset);
        for (size_t i = 0; i < N_FAMILIES; i++) {
            const tm_kernel *kernel;
            tm_error err;
            assert_int_equal(tm_kernel_pick(families[i], &kernel, &err), TM_OK);
            assert_non_null(kernel->rows);
            assert_int_equal(kernel->isa & ~subset, 0);
            if (subset == 0) assert_non_null(strstr(kernel->name, "_scalar"));
            const tm_kernel *const *p = tm_kernels();
            while (*p != kernel) p++;
            for (p++; *p; p++)
                if ((*p)->format == kernel->format)
                    assert_int_equal(tm_kernel_available(*p, NULL), TM_UNSUPPORTED);
        }
        if (subset == 0) break;
    }
    tm_cpu_limit(~0u);
}

/* A kernel that is faster because it rounds more is only chosen by name. */
static void test_no_choice_loosens_the_tolerance(void **state)
{
    (void)state;
    for (const tm_format *const *f = tm_formats(); *f; f++) {
        const tm_kernel *best, *scalar;
        tm_error err;
        assert_int_equal(tm_kernel_pick((*f)->name, &best, &err), TM_OK);
        tm_cpu_limit(0);
        assert_int_equal(tm_kernel_pick((*f)->name, &scalar, &err), TM_OK);
        tm_cpu_limit(~0u);
        if (best->tolerance > scalar->tolerance)
            fail_msg("%s is preferred to %s with tolerance %g", best->name, scalar->name,
                     (double)best->tolerance);
    }
}

static void test_unknown_family_suggests_the_nearest(void **state)
{
    const tm_kernel *kernel;
    tm_error err;
    (void)state;
    assert_int_equal(tm_kernel_pick("ternray", &kernel, &err), TM_ARG);
    assert_null(kernel);
    assert_non_null(strstr(err.message, "\"ternary\"?"));
    assert_int_equal(tm_kernel_pick("", &kernel, &err), TM_ARG);
    assert_null(tm_kernel_find("i2r16_mad_sse"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_complete),
        cmocka_unit_test(test_arithmetic_of_each_kernel),
        cmocka_unit_test(test_missing_isa_is_named),
        cmocka_unit_test(test_every_isa_subset_has_a_choice),
        cmocka_unit_test(test_no_choice_loosens_the_tolerance),
        cmocka_unit_test(test_unknown_family_suggests_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
