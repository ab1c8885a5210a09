/* Layouts: bytes written out by hand, packing in pieces, padding, sizes. */
#include "tests/tm_test.h"

#include "kernels/format.h"
#include "kernels/half.h"

#include <limits.h>
#include <math.h>
#include <string.h>

static void test_table_is_complete(void **state)
{
    int n = 0;
    (void)state;
    for (const tm_format *const *f = tm_formats(); *f; f++, n++) {
        assert_ptr_equal(tm_format_find((*f)->name), *f);
        assert_non_null((*f)->size);
        assert_non_null((*f)->source);
        assert_true((*f)->row_group >= 1 && (*f)->bits_per_weight > 0);
        assert_int_equal((*f)->pack_trits != NULL, (*f)->ternary);
        assert_int_equal((*f)->unpack_trits != NULL, (*f)->ternary);
        assert_int_equal((*f)->pack_floats != NULL, !(*f)->ternary);
        assert_int_equal((*f)->unpack_floats != NULL, !(*f)->ternary);
    }
    assert_true(n >= 4);
    assert_null(tm_format_find("i2r17"));
}

static void test_trit_bytes(void **state)
{
    const int8_t trits[6] = {1, -1, 0, 0, -1, 1};
    uint8_t data[64], wanted[64] = {1, 0xff, 0, 0, 0xff, 1};
    (void)state;
    memset(data, 0xa5, sizeof data);
    assert_int_equal(tm_format_trit.size(2, 3), sizeof data);
    tm_format_trit.pack_trits(trits, 0, 2, 2, 3, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Row 0: + - 0 + | 0 0 - + | + - - 0 | 0 0 - - | - +, codes 2 0 1 2 | 1 1 0 2 | 2 0 0 1 | 1 1 0 0 |
 * 0 2. Byte 0 holds columns 12, 8, 4, 0 from the top: 01 10 01 10. */
static void test_i2r16_bytes(void **state)
{
    const int8_t trits[2][18] = {
        {1, -1, 0, 1, 0, 0, -1, 1, 1, -1, -1, 0, 0, 0, -1, -1, -1, 1},
        {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}};
    uint8_t data[128], wanted[128];
    (void)state;
    memset(data, 0xa5, sizeof data);
    memset(wanted, 0x55, sizeof wanted); /* padding: 01 01 01 01 */
    memcpy(wanted, (const uint8_t[]){0x66, 0x44, 0x01, 0x1a, 0, 0, 0, 0}, 8);
    memcpy(wanted + 64, (const uint8_t[]){0x54, 0x56, 0x55, 0x55, 0x54, 0x54, 0x55, 0x55}, 8);
    assert_int_equal(tm_format_i2r16.size(2, 18), sizeof data);
    tm_format_i2r16.pack_trits(trits[0], 0, 2, 2, 18, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Row 0: + - 0 + | 0 0 - + | + - - 0 | -, in threes + 0 + = 10, - 0 - = -10, 0 - - = -12, + + 0 = 4
 * and, of column 12 alone, -1. Row 1, all -, has -13 four times and -1. Signs of codes 0 .. 7 are
 * in bits 7 3 5 1 6 2 4 0. */
static void test_t3r16_bytes(void **state)
{
    const int8_t trits[2][13] = {{1, -1, 0, 1, 0, 0, -1, 1, 1, -1, -1, 0, -1},
                                 {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}};
    uint8_t data[128], wanted[128] = {0};
    (void)state;
    memset(data, 0xa5, sizeof data);
    wanted[0] = 0x1a, wanted[16] = 0x0a, wanted[32] = 0x0c, wanted[48] = 0x04, wanted[64] = 0x68;
    wanted[1] = 0x1d, wanted[17] = wanted[33] = wanted[49] = 0x0d, wanted[65] = 0xea;
    assert_int_equal(tm_format_t3r16.size(2, 13), sizeof data);
    tm_format_t3r16.pack_trits(trits[0], 0, 2, 2, 13, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Row 0: + - | 0 + | 0 0 | - + | + - | - 0 | 0 0 | - - | - +, indices 6 5 4 2 6 1 4 0 2, those of
 * even pairs in the lower halves. Row 1 is all -; padding has 4. */
static void test_tl1r16_bytes(void **state)
{
    const int8_t trits[2][18] = {
        {1, -1, 0, 1, 0, 0, -1, 1, 1, -1, -1, 0, 0, 0, -1, -1, -1, 1},
        {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1}};
    uint8_t data[128], wanted[128];
    (void)state;
    memset(data, 0xa5, sizeof data);
    memset(wanted, 0x44, sizeof wanted);
    wanted[0] = 0x56, wanted[16] = 0x24, wanted[32] = 0x16, wanted[48] = 0x04;
    wanted[1] = wanted[17] = wanted[33] = wanted[49] = 0;
    wanted[64] = 0x42, wanted[65] = 0x40;
    assert_int_equal(tm_format_tl1r16.size(2, 18), sizeof data);
    tm_format_tl1r16.pack_trits(trits[0], 0, 2, 2, 18, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Row 0: + - 0 + | 0 0 - + | + - - 0 | - + 0 0 | + 0 - - | +, by column % 4: + 0 + - + as the value
 * 1 + 9 - 27 + 81 = 64 = 27 x 2 + 10, - 0 - + 0 as 17 = 27 - 10, 0 - - 0 - as -(27 x 3 + 12) and
 * + + 0 0 - as -(27 x 3 - 4): low = 23, 3, 25, 9, high = 1, 0, 2, 2. In the next block 1 = 27 + 1
 * of the second kind. Row 1 is all -: -121 = -(27 x 4 + 13); then -1. Row 17, 5 bytes later, has +
 * in column 8 and - in column 4: 9 - 3 = 6. */
static void test_t5r64_bytes(void **state)
{
    const int8_t trits[18][21] = {
        {1, -1, 0, 1, 0, 0, -1, 1, 1, -1, -1, 0, -1, 1, 0, 0, 1, 0, -1, -1, 1},
        {-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1, -1},
        [17] = {[4] = -1, [8] = 1}};
    uint8_t data[512], wanted[512];
    (void)state;
    memset(data, 0xa5, sizeof data);
    memset(wanted, 27, sizeof wanted);
    wanted[0] = 1 << 5 | 23, wanted[64] = 3, wanted[128] = 128 | 2 << 5 | 25;
    wanted[192] = 128 | 2 << 5 | 9;
    wanted[1] = wanted[65] = wanted[129] = wanted[193] = 128 | 3 << 5 | 26;
    wanted[256] = 28, wanted[257] = 128 | 28;
    wanted[5] = 128 | 2 << 5 | 30;
    assert_int_equal(tm_format_t5r64.size(18, 21), sizeof data);
    tm_format_t5r64.pack_trits(trits[0], 0, 18, 18, 21, data);
    assert_memory_equal(data, wanted, sizeof data);
}

static void test_f32r16_bytes(void **state)
{
    const float values[2][3] = {{1, 2, 3}, {-4, -5, -6}};
    float data[48], wanted[48] = {0};
    (void)state;
    wanted[0] = 1, wanted[16] = 2, wanted[32] = 3;
    wanted[1] = -4, wanted[17] = -5, wanted[33] = -6;
    memset(data, 0xa5, sizeof data);
    assert_int_equal(tm_format_f32r16.size(2, 3), sizeof data);
    tm_format_f32r16.pack_floats(values[0], 0, 2, 2, 3, data);
    assert_memory_equal(data, wanted, sizeof data);
}

static void test_f16r16_bytes(void **state)
{
    const float values[17] = {1, -2, 65504, 0x1p-24f, 0.1f, [16] = 0.5f};
    tm_half data[32], wanted[32] = {0x3c00, 0xc000, 0x7bff, 0x0001, 0x2e66, [16] = 0x3800};
    (void)state;
    memset(data, 0xa5, sizeof data);
    assert_int_equal(tm_format_f16r16.size(17, 1), sizeof data);
    tm_format_f16r16.pack_floats(values, 0, 17, 17, 1, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Three columns: two pairs, the last one half empty. 1 + 2^-8 is between two values: the even one
 * wins. */
static void test_bf16r16_bytes(void **state)
{
    const float values[2][3] = {{1, -2, 1.01171875f}, {1.00390625f, 0x1.02p-130f, INFINITY}};
    tm_bf16 data[64], wanted[64] = {0x3f80, 0xc000, 0x3f80, 0x0008, [32] = 0x3f82, 0, 0x7f80, 0};
    (void)state;
    memset(data, 0xa5, sizeof data);
    assert_int_equal(tm_format_bf16r16.size(2, 3), sizeof data);
    tm_format_bf16r16.pack_floats(values[0], 0, 2, 2, 3, data);
    assert_memory_equal(data, wanted, sizeof data);
}

/* Packed row group by row group, last first, into other garbage: the same bytes, so every byte is
 * written, none beyond, and groups do not depend on each other. Then back. */
static void pieces_are_the_whole(const tm_format *format, int n_rows, int n_cols)
{
    size_t n = (size_t)n_rows * (size_t)n_cols, size = format->size(n_rows, n_cols);
    int8_t *trits = malloc(n), *trits_row = malloc((size_t)n_cols);
    float *values = malloc(n * sizeof *values),
          *values_row = malloc((size_t)n_cols * sizeof *values);
    uint8_t *whole = malloc(size + 64), *pieces = malloc(size + 64);
    tm_rng rng = {(uint64_t)n};
    assert_true(trits && trits_row && values && values_row && whole && pieces);
    assert_int_equal(size % 64, 0);
    for (size_t i = 0; i < n; i++) {
        trits[i] = (int8_t)((int)tm_rng_below(&rng, 3) - 1);
        values[i] = (float)tm_rng_uniform(&rng) - 0.5f;
        values[i] = format == &tm_format_bf16r16 ? tm_bf16_to_float(tm_bf16_from_float(values[i]))
                                                 : tm_half_to_float(tm_half_from_float(values[i]));
    }
    memset(whole, 0xa5, size + 64);
    memset(pieces, 0x5a, size + 64);
    if (format->ternary)
        format->pack_trits(trits, 0, n_rows, n_rows, n_cols, whole);
    else
        format->pack_floats(values, 0, n_rows, n_rows, n_cols, whole);
    int step = format->row_group, last = (n_rows - 1) / step * step;
    for (int begin = last; begin >= 0; begin -= step) {
        int end = begin + step < n_rows ? begin + step : n_rows;
        size_t at = (size_t)begin * (size_t)n_cols;
        if (format->ternary)
            format->pack_trits(trits + at, begin, end, n_rows, n_cols, pieces);
        else
            format->pack_floats(values + at, begin, end, n_rows, n_cols, pieces);
    }
    assert_memory_equal(whole, pieces, size);
    for (int i = 0; i < 64; i++)
        assert_true(whole[size + (size_t)i] == 0xa5 && pieces[size + (size_t)i] == 0x5a);
    for (int r = 0; r < n_rows; r++) {
        size_t at = (size_t)r * (size_t)n_cols;
        if (format->ternary) {
            format->unpack_trits(whole, r, n_rows, n_cols, trits_row);
            assert_memory_equal(trits_row, trits + at, (size_t)n_cols);
        } else {
            format->unpack_floats(whole, r, n_rows, n_cols, values_row);
            for (int c = 0; format->block != 0 && c < n_cols; c++) /* half of the largest */
                assert_true(fabsf(values_row[c] - values[at + (size_t)c]) <= 0.2501f);
            if (format->block == 0)
                assert_memory_equal(values_row, values + at, (size_t)n_cols * sizeof *values);
        }
    }
    free(trits);
    free(trits_row);
    free(values);
    free(values_row);
    free(whole);
    free(pieces);
}

static void test_packing_in_pieces(void **state)
{
    static const int rows[] = {1, 15, 16, 17, 33, 48}, cols[] = {1, 2, 15, 16, 17, 100, 257};
    (void)state;
    for (const tm_format *const *f = tm_formats(); *f; f++)
        for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
            for (size_t c = 0; c < sizeof cols / sizeof *cols; c++)
                pieces_are_the_whole(*f, rows[r], cols[c]);
}

/* The layout's own conversion agrees with half.h at every half, between them, and beyond. */
static void test_f16r16_rounds_like_half(void **state)
{
    (void)state;
    for (unsigned bits = 0; bits < 0x8000; bits += 5) {
        float value = tm_half_to_float((tm_half)bits), next = tm_half_to_float((tm_half)(bits + 1));
        float values[16] = {value, -value, next, (value + next) / 2, -(value + next) / 2};
        tm_half data[32];
        values[5] = nextafterf(values[3], 0);
        values[6] = nextafterf(values[3], INFINITY);
        values[7] = value * 1.0001f;
        values[8] = -value * 0x1p-13f;
        values[9] = value * 3e38f;
        tm_format_f16r16.pack_floats(values, 0, 16, 16, 1, data);
        for (int i = 0; i < 16; i++) {
            tm_half wanted = tm_half_from_float(values[i]);
            if (isnan(values[i]))
                assert_true((data[i] & 0x7fff) > 0x7c00);
            else
                assert_int_equal(data[i], wanted);
        }
    }
}

static void test_sizes_follow_bits_per_weight(void **state)
{
    (void)state;
    for (const tm_format *const *f = tm_formats(); *f; f++) /* whole blocks of every layout */
        assert_true((double)(*f)->size(2560, 3840) == 2560.0 * 3840 * (*f)->bits_per_weight / 8);
    /* The largest int counts still fit: 2^27 groups x (2^31 - 1) x 64 bytes = 2^64 - 2^33. */
    assert_true(tm_format_f32r16.size(INT_MAX, INT_MAX) == SIZE_MAX - ((size_t)1 << 33) + 1);
    assert_int_equal(tm_format_i2r16.size(INT_MAX, INT_MAX), (size_t)1 << 60);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_is_complete),
        cmocka_unit_test(test_trit_bytes),
        cmocka_unit_test(test_i2r16_bytes),
        cmocka_unit_test(test_t3r16_bytes),
        cmocka_unit_test(test_t5r64_bytes),
        cmocka_unit_test(test_tl1r16_bytes),
        cmocka_unit_test(test_f32r16_bytes),
        cmocka_unit_test(test_f16r16_bytes),
        cmocka_unit_test(test_bf16r16_bytes),
        cmocka_unit_test(test_f16r16_rounds_like_half),
        cmocka_unit_test(test_packing_in_pieces),
        cmocka_unit_test(test_sizes_follow_bits_per_weight),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
