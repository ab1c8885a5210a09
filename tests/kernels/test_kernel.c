/* Every kernel that this machine can run, on many shapes, and the reference against sums by hand.
 *
 * Each check (kernels/check.c) covers all fills, guard pages, row ranges and pack/unpack. This file
 * chooses the shapes, and how many of them a run gets:
 *
 *   full      natively: all small shapes, a third of the medium ones, all large ones, and every
 *             width of a block of tokens
 *   emulated  kernels that only an emulated CPU can run: half of the small shapes, a quarter of the
 *             medium ones, the large ones that cross a boundary, every width up to 13 tokens
 *   again     kernels that another run has already tested in full: a quarter of the small shapes,
 *             two large ones
 *
 * A part of the shapes still has most pairs of sizes (rows and columns, columns and tokens, rows
 * and tokens). TM_TESTED_ISA marks an emulated run and names the instruction sets whose kernels
 * other runs have tested in full.
 *
 * The full run takes some 10 s of processor time. check: limit 1200 */
#include "tests/tm_test.h"

#include "kernels/check.h"

#include <string.h>

static const int rows[] = {1, 15, 16, 17, 33, 100};
static const int cols[] = {1, 3, 13, 16, 23, 48, 100, 255, 256, 257, 768};
static const int tokens[] = {1, 2, 3, 5, 12, 13, 33, 130};
#define N(a)       (sizeof(a) / sizeof *(a))
#define SMALL_MAX  2000  /* rows x columns x tokens of a small shape */
#define MEDIUM_MAX 50000 /* and of a medium one */

typedef struct shape {
    int n_rows, n_cols, n_tokens;
} shape;

/* Beyond a K-block, a tile of 8 row groups, a chunk of 288 tokens and int16, widths of published
 * models, and 15 groups of 64 rows, of which t5r64 takes 8, 4, 2 and 1 at once. */
static const shape large[] = {
    {33, 2560, 3}, {17, 5460, 5}, {16, 8640, 3}, {130, 520, 13}, {4, 520, 300},  {40, 1025, 7},
    {1, 65536, 1}, {2, 65536, 2}, {130, 64, 25}, {20, 1523, 13}, {33, 1021, 14}, {950, 501, 1},
};
/* The same boundaries with as few rows, columns and tokens as cross them. */
static const shape large_emulated[] = {
    {17, 1025, 3}, {130, 130, 5}, {2, 20, 300}, {2, 8640, 3}, {1, 65536, 1}, {950, 21, 1},
};
static const shape large_again[] = {{17, 1025, 3}, {1, 8640, 2}};

typedef struct amount {
    int small_step, medium_step; /* takes one of this many shapes; 0: none */
    int widths;                  /* every width of a block of tokens up to this */
    const shape *large;
    size_t n_large;
} amount;

static const amount full = {1, 3, 27, large, N(large)};
static const amount emulated = {2, 4, 13, large_emulated, N(large_emulated)};
static const amount again = {4, 0, 0, large_again, N(large_again)};

static bool is_emulated;
static unsigned tested_isa;

static const amount *amount_for(const tm_kernel *kernel)
{
    if (!is_emulated) return &full;
    return (kernel->isa & ~tested_isa) == 0 ? &again : &emulated;
}

static void check(const tm_kernel *kernel, int n_rows, int n_cols, int n_tokens)
{
    tm_error err;
    uint64_t seed = (uint64_t)n_rows * 1000003 + (uint64_t)n_cols * 1009 + (uint64_t)n_tokens;
    if (tm_check_kernel(kernel, n_rows, n_cols, n_tokens, seed, &err) != TM_OK)
        fail_msg("%s", err.message);
}

/* By the sum of the indices: for a pair of sizes, one of `step` third sizes is taken. */
static bool is_chosen(size_t r, size_t c, size_t t, const amount *a)
{
    long product = (long)rows[r] * cols[c] * tokens[t];
    int step = product <= SMALL_MAX ? a->small_step : product <= MEDIUM_MAX ? a->medium_step : 0;
    return step > 0 && (r + c + t) % (size_t)step == 0;
}

static void test_kernel_equals_the_reference(void **state)
{
    const tm_kernel *kernel = *state;
    const amount *a = amount_for(kernel);
    tm_error err;
    if (tm_kernel_available(kernel, &err) != TM_OK) TM_SKIP("%s", err.message);
    for (size_t r = 0; r < N(rows); r++)
        for (size_t c = 0; c < N(cols); c++)
            for (size_t t = 0; t < N(tokens); t++)
                if (is_chosen(r, c, t, a)) check(kernel, rows[r], cols[c], tokens[t]);
    for (int width = 1; width <= a->widths; width++) check(kernel, 70, 20, width);
    for (size_t i = 0; i < a->n_large; i++)
        check(kernel, a->large[i].n_rows, a->large[i].n_cols, a->large[i].n_tokens);
}

static void test_invalid_shapes_are_errors(void **state)
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
static void test_reference_by_hand(void **state)
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
    is_emulated = tested != NULL;
    if (tested && tm_isa_parse(tested, &tested_isa, &err) != TM_OK) {
        fprintf(stderr, "TM_TESTED_ISA: %s\n", err.message);
        return 1;
    }
    for (const tm_kernel *const *p = tm_kernels(); *p; p++) {
        if (!(*p)->rows) continue; /* of the other architecture */
        if (n == N(tests) - 2) {
            fprintf(stderr, "more than %zu kernels: raise the size of tests[]\n", n);
            return 1;
        }
        tests[n++] = (struct CMUnitTest){(*p)->name, test_kernel_equals_the_reference, NULL, NULL,
                                         (void *)*p};
    }
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_invalid_shapes_are_errors);
    tests[n++] = (struct CMUnitTest)cmocka_unit_test(test_reference_by_hand);
    return _cmocka_run_group_tests("kernels", tests, n, NULL, NULL);
}
