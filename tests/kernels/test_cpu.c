/* Instruction set bits: against the compiler's own detection, and as text. */
#include "tests/tm_test.h"

#include "kernels/cpu.h"

#include <string.h>

#define ALL ((1u << TM_ISA_COUNT) - 1)

static void test_bits_agree_with_the_compiler(void **state)
{
    unsigned isa = tm_cpu_isa();
    (void)state;
#if defined(__x86_64__)
    const unsigned arm =
        TM_ISA_NEON | TM_ISA_DOTPROD | TM_ISA_I8MM | TM_ISA_BF16 | TM_ISA_FP16 | TM_ISA_FHM;
    __builtin_cpu_init();
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                __builtin_cpu_supports("bmi2");
    bool avx512 = avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    assert_int_equal(isa & arm, 0);
    /* Every processor with AVX2 and FMA has F16C. */
    assert_int_equal((isa & TM_ISA_AVX2) != 0, avx2);
    assert_int_equal((isa & TM_ISA_AVX512) != 0, avx512);
    assert_int_equal((isa & TM_ISA_AVX512VNNI) != 0,
                     avx512 && __builtin_cpu_supports("avx512vnni"));
    assert_int_equal((isa & TM_ISA_AVX512VBMI) != 0, avx512 &&
                                                         __builtin_cpu_supports("avx512vbmi") &&
                                                         __builtin_cpu_supports("avx512vbmi2"));
    assert_int_equal((isa & TM_ISA_AVX512BF16) != 0,
                     avx512 && __builtin_cpu_supports("avx512bf16"));
    if (isa & TM_ISA_AVXVNNI) assert_true(avx2);
#else
    assert_true(isa & TM_ISA_NEON); /* part of the AArch64 Linux ABI */
    assert_int_equal(
        isa & (TM_ISA_AVX2 | TM_ISA_AVX512 | TM_ISA_AVX512VNNI | TM_ISA_AVXVNNI | TM_ISA_AMXINT8),
        0);
#endif
}

static void test_limit_removes_and_restores_bits(void **state)
{
    unsigned isa = tm_cpu_isa();
    (void)state;
    tm_cpu_limit(0);
    assert_int_equal(tm_cpu_isa(), 0);
    tm_cpu_limit(TM_ISA_AVX2 | TM_ISA_NEON);
    assert_int_equal(tm_cpu_isa(), isa & (TM_ISA_AVX2 | TM_ISA_NEON));
    tm_cpu_limit(~0u);
    assert_int_equal(tm_cpu_isa(), isa);
}

static void test_text_round_trip(void **state)
{
    char text[200];
    unsigned isa;
    tm_error err;
    (void)state;
    assert_string_equal(tm_isa_text(0, text, sizeof text), "none");
    assert_string_equal(tm_isa_text(TM_ISA_AVX2 | TM_ISA_AVX512, text, sizeof text), "avx2+avx512");
    for (unsigned bits = 0; bits <= ALL; bits++) {
        tm_isa_text(bits, text, sizeof text);
        assert_int_equal(tm_isa_parse(text, &isa, &err), TM_OK);
        assert_int_equal(isa, bits);
    }
    assert_int_equal(tm_isa_parse("neon,dotprod", &isa, &err), TM_OK);
    assert_int_equal(isa, TM_ISA_NEON | TM_ISA_DOTPROD);
    assert_int_equal(tm_isa_parse("all", &isa, &err), TM_OK);
    assert_int_equal(isa, ALL);

    char small[8];
    tm_isa_text(ALL, small, sizeof small);
    assert_true(strlen(small) < sizeof small);
}

static void test_unknown_name_suggests_the_nearest(void **state)
{
    static const char *const bad[] = {"", ",", "avx2,", "avx2++neon", "avx2 ", "sse2"};
    unsigned isa;
    tm_error err;
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(tm_isa_parse(bad[i], &isa, &err), TM_ARG);
    assert_int_equal(tm_isa_parse("avx2,noen", &isa, &err), TM_ARG);
    assert_non_null(strstr(err.message, "\"noen\""));
    assert_non_null(strstr(err.message, "\"neon\"?"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits_agree_with_the_compiler),
        cmocka_unit_test(test_limit_removes_and_restores_bits),
        cmocka_unit_test(test_text_round_trip),
        cmocka_unit_test(test_unknown_name_suggests_the_nearest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
