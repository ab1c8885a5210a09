/* Half precision against its definition: sign x 2^(e-15) x 1.m, e = 0 subnormal, e = 31 special. */
#include "tests/tm_test.h"

#include "kernels/half.h"

#include <math.h>

static double value_of(unsigned bits)
{
    int exponent = bits >> 10 & 31, mantissa = bits & 1023;
    double magnitude = exponent ? ldexp(1024 + mantissa, exponent - 25) : ldexp(mantissa, -24);
    return bits & 0x8000 ? -magnitude : magnitude;
}

static void test_every_half_has_its_value(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        float f = tm_half_to_float((tm_half)bits);
        if ((bits & 0x7c00) != 0x7c00)
            assert_true((double)f == value_of(bits));
        else if (bits & 1023)
            assert_true(isnan(f));
        else
            assert_true(isinf(f));
        assert_int_equal(signbit(f) != 0, bits >> 15);
    }
}

static void test_every_half_round_trips(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 65536; bits++) {
        tm_half back = tm_half_from_float(tm_half_to_float((tm_half)bits));
        if ((bits & 0x7c00) == 0x7c00 && (bits & 1023)) {
            assert_int_equal(back & 0x7c00, 0x7c00);
            assert_int_not_equal(back & 1023, 0);
        } else {
            assert_int_equal(back, bits);
        }
    }
}

/* Between two neighbours: the midpoint goes to the even one, anything else to the nearer. */
static void test_rounding_is_to_nearest_even(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x7c00; bits++) {
        double low = value_of(bits), high = bits == 0x7bff ? 65536 : value_of(bits + 1);
        float middle = (float)((low + high) / 2); /* 12 bits: exact */
        for (unsigned sign = 0; sign < 2; sign++) {
            float s = sign ? -1.0f : 1.0f;
            unsigned top = sign << 15;
            assert_int_equal(tm_half_from_float(s * middle), top | (bits + (bits & 1)));
            assert_int_equal(tm_half_from_float(s * nextafterf(middle, 0)), top | bits);
            assert_int_equal(tm_half_from_float(s * nextafterf(middle, INFINITY)),
                             top | (bits + 1));
        }
    }
    assert_int_equal(tm_half_from_float(1e30f), 0x7c00);
    assert_int_equal(tm_half_from_float(-INFINITY), 0xfc00);
    assert_int_equal(tm_half_from_float(1e-30f), 0);
}

static void test_bfloat_is_the_top_half_of_a_float(void **state)
{
    (void)state;
    assert_true(tm_bf16_to_float(0x3f80) == 1.0f);
    assert_true(tm_bf16_to_float(0xc040) == -3.0f);
    /* Each round-trips; between two, the midpoint goes to the even one, the rest to the nearer. */
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        uint32_t middle = bits << 16 | 0x8000;
        if ((bits & 0x7f80) == 0x7f80) { /* infinite or NaN */
            tm_bf16 quiet = (tm_bf16)((bits & 0x7f) ? bits | 0x40 : bits);
            assert_int_equal(tm_bf16_from_float(tm_bf16_to_float((tm_bf16)bits)), quiet);
            continue;
        }
        assert_int_equal(tm_bf16_from_float(tm_bf16_to_float((tm_bf16)bits)), bits);
        assert_int_equal(tm_bf16_from_float(tm_float_from_bits(middle)), bits + (bits & 1));
        assert_int_equal(tm_bf16_from_float(tm_float_from_bits(middle - 1)), bits);
        assert_int_equal(tm_bf16_from_float(tm_float_from_bits(middle + 1)), bits + 1);
    }
    assert_int_equal(tm_bf16_from_float(tm_float_from_bits(0x7f800001)), 0x7fc0); /* a NaN stays */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_half_has_its_value),
        cmocka_unit_test(test_every_half_round_trips),
        cmocka_unit_test(test_rounding_is_to_nearest_even),
        cmocka_unit_test(test_bfloat_is_the_top_half_of_a_float),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
