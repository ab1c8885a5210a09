/* Every variant this machine can run, over shapes; and the reference against sums by hand. Some 20 s of
 * processor time, of which a busy machine gives little. check: limit 1200 */
#include "tests/tm_test.h"

#include <string.h>

#include "kernels/check.h"

static const int rows[] = {1, 15, 16, 17, 33, 100};
static const int cols[] = {1, 3, 13, 16, 23, 48, 100, 255, 256, 257, 768};
static const int tokens[] = {1, 2, 3, 5, 12, 13, 33, 130};
#define N(a)        (sizeof(a) / sizeof *(a))
#define PRODUCT_MAX 50000 /* of the full cross product; larger shapes are chosen below */

/* Emulated processors of one family run after each other, and natively tested kernels run again there: a
 * kernel that needs none but these instruction sets was tested in full elsewhere, and gets few shapes. */
static unsigned tested_isa;
#define FEW_PRODUCTS 2000
#define FEW_LARGE    2

/* Past a K-block, a tile of 8 row groups, a chunk of 288 tokens, int16 and published widths; 15 groups
 * of 64 rows, which t5r64 takes by 8, 4, 2 and 1. */
static const int large[][3] = {
    {33, 2560, 3}, {17, 5460, 5}, {16, 8640, 3}, {130, 520, 13}, {4, 520, 300},  {40, 1025, 7},
    {1, 65536, 1}, {2, 65536, 2}, {130, 64, 25}, {20, 1523, 40}, {33, 1021, 14}, {950, 501, 1},
};

static void check(const tm_kernel *kernel, int n_rows, int n_cols, int n_tokens)
{
    tm_error err;
    uint64_t seed = (uint64_t)n_rows * 1000003 + (uint64_t)n_cols * 1009 + (uint64_t)n_tokens;
    if (tm_check_kernel(kernel, n_rows, n_cols, n_tokens, seed, &err) != TM_OK)
        fail_msg("%s", err.message);
}

static void kernel_equals_the_reference(void **state)
{
    const tm_kernel *kernel = *state;
    tm_error err;
    if (tm_kernel_available(kernel, &err) != TM_OK) TM_SKIP("%s", err.message);
    bool few = getenv("TM_TESTED_ISA") && (kernel->isa & ~tested_isa) == 0;
    long most = few ? FEW_PRODUCTS : PRODUCT_MAX;
    for (size_t r = 0; r < N(rows); r++)
        for (size_t c = 0; c < N(cols); c++)
            for (size_t t = 0; t < N(tokens); t++)
                if ((long)rows[r] * cols[c] * tokens[t] <= most)
                    check(kernel, rows[r], cols[c], tokens[t]);
    for (size_t i = 0; i < (few ? FEW_LARGE : N(large)); i++)
        check(kernel, large[i][0], large[i][1], large[i][2]);
}

static void every_width_of_a_token_block(void **state)
{
    tm_error err;
    (void)state;
    for (const tm_kernel *const *p = tm_kernels(); *p; p++)
        for (int n_tokens = 1; n_tokens <= 27 && tm_kernel_available(*p, &err) == TM_OK; n_tokens++)
            check(*p, 70, 20, n_tokens);
}

static void bad_shapes_are_refused(void **state)
{
    const tm_kernel *kernel = tm_kernel_find("i2r16_mad_scalar");
    tm_error err;
    (void)state;
    assert_int_equal(tm_check_kernel(kernel, 0, 16, 1, 1, &err), TM_ARG);
    assert_int_equal(tm_check_kernel(kernel, 16, 0, 1, 1, &err), TM_ARG);
    assert_int_equal(tm_check_kernel(kernel, 16, 65537, 1, 1, &err), TM_ARG);
    assert_int_equal(tm_check_kernel(kernel, 16, 16, 0, 1, &err), TM_ARG);
}

/* [1 -1 0; 0 1 1] x [2 3 -5] = [-1 -2]; scales 0.5 and 4. */
static void reference_by_hand(void **state)
{
    const int8_t trits[] = {1, -1, 0, 0, 1, 1};
    const float values[] = {1, -1, 0, 0, 1, 1}, scale[] = {0.5f};
    int8_t q[256] = {2, 3, -5};
    float f[256] = {2, 3, -5}, y[2];
    const int32_t sum[] = {0};
    double exact[2], magnitude[2];
    tm_act x = {
        .n_tokens = 1, .n_cols = 3, .stride = 256, .i8 = q, .f32 = f, .scale = scale, .sum = sum};
    (void)state;
    tm_reference_trits(trits, 4, 2, 3, &x, y);
    assert_true(y[0] == -2 && y[1] == -4);
    tm_reference_floats(values, 2, 3, &x, exact, magnitude);
    assert_true(exact[0] == -1 && exact[1] == -2 && magnitude[0] == 5 && magnitude[1] == 8);
}

int main(void)
{
    struct CMUnitTest tests[128];
    size_t n = 0;
    const char *tested = getenv("TM_TESTED_ISA");
    tm_error err;
    if (tested && tm_isa_parse(tested, &tested_isa, &err) != TM_OK) {
        fprintf(stderr, "TM_TESTED_ISA: %s\n", err.message);
        return 1;
    }
    for (const tm_kernel *const *p = tm_kernels(); *p && n < N(tests) - 3; p++) {
        if (!(*p)->rows) continue; /* of the other architecture */
        tests[n++] =
            (struct CMUnitTest){(*p)->name, kernel_equals_the_reference, NULL, NULL, (void *)*p};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(every_width_of_a_token_block);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(bad_shapes_are_refused);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(reference_by_hand);
    return _cmocka_run_group_tests("kernels", tests, n, NULL, NULL);
}
