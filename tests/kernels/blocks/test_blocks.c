/* Layouts in blocks: activations against their definition, and every variant of a layout against
 * its scalar row, bit for bit, for any bytes that a file may hold. */
#include "tests/tm_test.h"

#include "kernels/blocks/q2.h"
#include "kernels/kernel.h"

#include <math.h>
#include <string.h>

#define N(a) (sizeof(a) / sizeof *(a))
enum { MAX_COLS = 2560, MAX_TOKENS = 301, MAX_ROWS = 37 };

static float values[MAX_COLS];

/* Full range, ties of the largest magnitude with both signs, tiny, zeros. */
static void fill_values(int fill, int n)
{
    tm_rng rng = {(uint64_t)fill * 77 + (uint64_t)n};
    for (int i = 0; i < n; i++) {
        float u = (float)(2 * tm_rng_uniform(&rng) - 1);
        values[i] = fill == 0   ? u * 50
                    : fill == 1 ? (float)((int)tm_rng_below(&rng, 5) - 2)
                    : fill == 2 ? u * 1e-30f
                    : fill == 3 ? (i / 256 % 2 ? 0 : u * u * u * 1000)
                                : (float)((int)tm_rng_below(&rng, 509) - 254) / 2; /* x.5 */
    }
}

/* One block as blocks.h defines it. */
static float by_definition(const float *x, int n, bool q80, int8_t *q)
{
    float m = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(m)) m = x[i];
    memset(q, 0, (size_t)n);
    if (m == 0) return 0;
    float factor = q80 ? 127 / fabsf(m) : -127 / m;
    for (int i = 0; i < n; i++) {
        float rounded = rintf(factor * x[i]);
        q[i] = (int8_t)(rounded < 127 ? rounded : 127);
    }
    return q80 ? tm_half_to_float(tm_half_from_float(fabsf(m) / 127)) : 1 / factor;
}

static void test_activations_follow_their_definition(void **state)
{
    static const int widths[] = {1, 15, 32, 255, 256, 257, 640, MAX_COLS};
    static int8_t q[MAX_COLS + 256], wanted_q[256];
    static float scale[MAX_COLS];
    static int32_t sum[MAX_COLS];
    (void)state;
    for (size_t k = 0; k < N(widths) * 10; k++) {
        int n = widths[k / 10], fill = (int)k % 5, block = k % 10 < 5 ? 256 : 32;
        int padded = (n + 255) / 256 * 256;
        fill_values(fill, n);
        memset(q, 99, sizeof q);
        scale[padded / block] = 99;
        sum[padded / 16] = 99;
        (block == 32 ? tm_act_quantize_q80 : tm_act_quantize_q8k)(values, n, padded, q, scale, sum);
        for (int i = 0; i < padded; i += block) {
            float x[256] = {0};
            if (i < n) memcpy(x, values + i, (size_t)(n - i < block ? n - i : block) * sizeof *x);
            float wanted = by_definition(x, block, block == 32, wanted_q);
            assert_memory_equal(q + i, wanted_q, (size_t)block);
            assert_int_equal(tm_bits_from_float(scale[i / block]), tm_bits_from_float(wanted));
        }
        for (int i = 0; i < padded / 16; i++) {
            int total = 0;
            for (int c = 16 * i; c < 16 * i + 16; c++) total += q[c];
            assert_int_equal(sum[i], total);
        }
        assert_true(q[padded] == 99 && scale[padded / block] == 99 && sum[padded / 16] == 99);
    }
}

static void test_nan_makes_its_scale_nan(void **state)
{
    static int8_t q[512];
    float scale[16];
    int32_t sum[32];
    (void)state;
    fill_values(0, 512);
    values[300] = NAN;
    tm_act_quantize_q8k(values, 512, 512, q, scale, sum);
    assert_true(isfinite(scale[0]) && isnan(scale[1]));
    tm_act_quantize_q80(values, 512, 512, q, scale, sum);
    for (int i = 0; i < 16; i++) assert_int_equal(isnan(scale[i]) != 0, i == 300 / 32);
}

/* The first row of the table with this layout. */
static const tm_kernel *scalar_of(const tm_format *format)
{
    const tm_kernel *const *k = tm_kernels();
    while ((*k)->format != format) k++;
    return *k;
}

static void make_act(const tm_format *format, int n_cols, int n_tokens, tm_act *x)
{
    static int8_t q[MAX_TOKENS * MAX_COLS];
    static float scale[MAX_TOKENS * MAX_COLS / 32];
    static int32_t sum[MAX_TOKENS * MAX_COLS / 16];
    size_t stride = (size_t)(n_cols + 255) / 256 * 256, block = (size_t)tm_act_block(format->act),
           n_scales = stride / block;
    for (size_t t = 0; t < (size_t)n_tokens; t++) {
        fill_values((int)t % 2 * 3, n_cols);
        (block == 32 ? tm_act_quantize_q80
                     : tm_act_quantize_q8k)(values, n_cols, (int)stride, q + t * stride,
                                            scale + t * n_scales, sum + t * stride / 16);
    }
    *x = (tm_act){.n_tokens = n_tokens,
                  .n_cols = n_cols,
                  .stride = (int)stride,
                  .i8 = q,
                  .scale = scale,
                  .sum = sum};
}

/* Random bytes instead of packed weights: every code and scale byte, finite block scales. */
static void fill_blocks(const tm_format *format, uint8_t *data, size_t size, tm_rng *rng)
{
    bool pieces = format == &tm_format_q2r16;
    size_t bytes = pieces ? TM_Q2_BYTES : (size_t)(format->bits_per_weight * format->block / 8);
    size_t at = pieces || format->block == 32 ? 0 : bytes - 2, n_scales = pieces ? 32 : 1;
    for (size_t i = 0; i < size; i++) data[i] = (uint8_t)tm_rng_below(rng, 256);
    for (size_t i = 0; i + bytes <= size; i += bytes)
        for (size_t k = 0; k < n_scales; k++) {
            tm_half d = tm_half_from_float((float)(tm_rng_uniform(rng) - 0.5));
            memcpy(data + i + at + 2 * k, &d, sizeof d);
        }
}

static void expect_same(const tm_kernel *kernel, const float *got, const float *wanted, size_t n,
                        const int *shape, const char *how)
{
    if (memcmp(got, wanted, n * sizeof *got) != 0)
        fail_msg("%s differs from %s on %d x %d, %d tokens, %s", kernel->name,
                 scalar_of(kernel->format)->name, shape[0], shape[1], shape[2], how);
}

static void test_variants_give_the_scalar_bits(void **state)
{
    /* More tokens than a chunk, tiles with a few rows, and every width of a block of tokens. */
    static const int shapes[][3] = {{1, 256, 1},        {7, 512, 2},         {8, 256, 3},
                                    {MAX_ROWS, 640, 1}, {17, 33, 2},         {9, MAX_COLS, 3},
                                    {16, 288, 4},       {33, 800, 5},        {32, 1000, 6},
                                    {MAX_ROWS, 257, 7}, {1, 513, 8},         {5, 96, 9},
                                    {31, 64, 10},       {2, 300, 11},        {18, 700, 12},
                                    {34, MAX_COLS, 29}, {4, 544, MAX_TOKENS}};
    static float wanted[MAX_ROWS * MAX_TOKENS], got[MAX_ROWS * MAX_TOKENS];
    int n_checked = 0;
    (void)state;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        const tm_format *format = (*k)->format;
        if (format->block == 0 || tm_kernel_available(*k, NULL) != TM_OK) continue;
        for (size_t s = 0; s < N(shapes); s++) {
            int n_rows = shapes[s][0], n_cols = shapes[s][1], n_tokens = shapes[s][2];
            size_t size = format->size(n_rows, n_cols), n = (size_t)(n_rows * n_tokens);
            uint8_t *data = malloc(size);
            tm_rng rng = {s + 5};
            tm_act x;
            fill_blocks(format, data, size, &rng);
            make_act(format, n_cols, n_tokens, &x);
            tm_weight w = {format, n_rows, n_cols, 1, data};
            scalar_of(format)->rows(&w, &x, NULL, 0, n_rows, wanted);
            (*k)->rows(&w, &x, NULL, 0, n_rows, got);
            expect_same(*k, got, wanted, n, shapes[s], "without scratch");
            if ((*k)->prepare) {
                size_t bytes = (*k)->scratch_size(n_cols, n_tokens);
                void *scratch = aligned_alloc(64, bytes + 64);
                for (int part = 3; part >= 0; part--) (*k)->prepare_part(&x, scratch, part, 4);
                memset(got, 0xff, n * sizeof *got);
                (*k)->rows(&w, &x, scratch, 0, n_rows / 2, got);
                (*k)->rows(&w, &x, scratch, n_rows / 2, n_rows, got);
                expect_same(*k, got, wanted, n, shapes[s], "prepared in parts");
                free(scratch);
            }
            free(data);
        }
        n_checked++;
    }
    assert_true(n_checked >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activations_follow_their_definition),
        cmocka_unit_test(test_nan_makes_its_scale_nan),
        cmocka_unit_test(test_variants_give_the_scalar_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
