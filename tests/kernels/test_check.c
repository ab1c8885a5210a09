/* The checker itself: kernels that are wrong on purpose must fail, each for the right reason. */
#include "tests/tm_test.h"

#include "kernels/check.h"

#include <signal.h>
#include <string.h>

typedef void rows_function(const tm_weight *, const tm_act *, const void *, int, int, float *);

/* sum_c trit * q over columns col_begin .. col_end-1 of the canonical matrix. */
static int sum_of(const tm_weight *w, const tm_act *x, int row, int token, int col_end)
{
    const int8_t *trits = (const int8_t *)w->data + (size_t)row * (size_t)w->n_cols;
    const int8_t *q = x->i8 + (size_t)token * (size_t)x->stride;
    int sum = 0;
    for (int c = 0; c < col_end; c++) sum += trits[c] * q[c];
    return sum;
}

static float *cell(const tm_weight *w, float *y, int row, int token)
{
    return y + (size_t)token * (size_t)w->n_rows + (size_t)row;
}

#define EACH_CELL                                                                                  \
    for (int t = 0; t < x->n_tokens; t++)                                                          \
        for (int r = row_begin; r < row_end; r++)
#define MUTANT(name)                                                                               \
    static void name(const tm_weight *w, const tm_act *x, const void *scratch, int row_begin,      \
                     int row_end, float *y)
#define RIGHT(sum, t) (((float)(sum)*x->scale[t]) * w->scale)

MUTANT(right)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, r, t, w->n_cols), t);
}

MUTANT(off_by_one_row)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, (r + 1) % w->n_rows, t, w->n_cols), t);
}

MUTANT(rows_swapped_far)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, (r + 64) % w->n_rows, t, w->n_cols), t);
}

MUTANT(other_token)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, r, (t + 1) % x->n_tokens, w->n_cols), t);
}

MUTANT(int16_sum)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT((int16_t)sum_of(w, x, r, t, w->n_cols), t);
}

/* As a vpmaddubsw loop that widens too late by a factor of 2: wrong only near the largest sums. */
MUTANT(int16_sum_of_512)
{
    (void)scratch;
    EACH_CELL
    {
        int sum = 0;
        for (int c = 0; c < w->n_cols; c += 512) {
            int end = c + 512 < w->n_cols ? c + 512 : w->n_cols;
            sum += (int16_t)(sum_of(w, x, r, t, end) - sum_of(w, x, r, t, c));
        }
        *cell(w, y, r, t) = RIGHT(sum, t);
    }
}

MUTANT(last_columns_ignored)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, r, t, w->n_cols - 1), t);
}

MUTANT(scales_multiplied_first)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = (float)sum_of(w, x, r, t, w->n_cols) * (x->scale[t] * w->scale);
}

MUTANT(scale_of_token_0)
{
    (void)scratch;
    EACH_CELL *cell(w, y, r, t) = RIGHT(sum_of(w, x, r, t, w->n_cols), 0 * t);
}

MUTANT(last_row_left_out)
{
    (void)scratch;
    EACH_CELL if (r + 1 < w->n_rows) * cell(w, y, r, t) = RIGHT(sum_of(w, x, r, t, w->n_cols), t);
}

MUTANT(writes_the_row_before)
{
    right(w, x, scratch, row_begin ? row_begin - 1 : 0, row_end, y);
}

MUTANT(writes_every_row)
{
    (void)row_begin, (void)row_end;
    right(w, x, scratch, 0, w->n_rows, y);
}

MUTANT(writes_after_y)
{
    right(w, x, scratch, row_begin, row_end, y);
    if (row_end == w->n_rows) y[(size_t)x->n_tokens * (size_t)w->n_rows] = 0;
}

MUTANT(writes_before_y)
{
    right(w, x, scratch, row_begin, row_end, y);
    y[-1] = 0;
}

static volatile int sink;
MUTANT(reads_after_weights)
{
    sink = ((const int8_t *)w->data)[w->format->size(w->n_rows, w->n_cols)];
    right(w, x, scratch, row_begin, row_end, y);
}

MUTANT(reads_after_activations)
{
    sink = x->i8[(size_t)x->n_tokens * (size_t)x->stride];
    right(w, x, scratch, row_begin, row_end, y);
}

MUTANT(writes_to_activations)
{
    int8_t *q = (int8_t *)(uintptr_t)x->i8;
    q[0] = q[0];
    *(volatile int8_t *)q = q[0];
    right(w, x, scratch, row_begin, row_end, y);
}

MUTANT(illegal_instruction)
{
    (void)w, (void)x, (void)scratch, (void)row_begin, (void)row_end, (void)y;
    raise(SIGILL);
}

MUTANT(divides_by_zero)
{
    (void)w, (void)x, (void)scratch, (void)row_begin, (void)row_end, (void)y;
    raise(SIGFPE);
}

/* A scratch with a mark that prepare must set. */
static size_t scratch_64(int n_cols, int n_tokens)
{
    (void)n_cols, (void)n_tokens;
    return 64;
}
static void prepare_nothing(const tm_act *x, void *scratch)
{
    (void)x, (void)scratch;
}
static void prepare_mark(const tm_act *x, void *scratch)
{
    (void)x;
    *(int *)scratch = 1;
}
static void prepare_writes_after(const tm_act *x, void *scratch)
{
    (void)x;
    *(int *)scratch = 1;
    ((volatile int *)scratch)[16] = 0;
}
static void prepare_writes_before(const tm_act *x, void *scratch)
{
    (void)x;
    *(int *)scratch = 1;
    ((int *)scratch)[-1] = 0;
}
static void prepare_last_part_lost(const tm_act *x, void *scratch, int part, int n_parts)
{
    if (part + 1 < n_parts) prepare_mark(x, (char *)scratch + 32);
}
MUTANT(needs_mark)
{
    if (*(const int *)scratch == 1) right(w, x, scratch, row_begin, row_end, y);
}
MUTANT(writes_to_scratch)
{
    *(volatile int *)(uintptr_t)scratch = 2;
    right(w, x, scratch, row_begin, row_end, y);
}

static tm_kernel kernel_of(rows_function *rows)
{
    return (tm_kernel){
        .name = "mutant", .format = &tm_format_trit, .row_step = 1, .rows = rows, .source = "test"};
}

/* 70 rows x 1024 columns, 3 tokens: 64-byte multiples everywhere but in y. */
static void must_fail(const tm_kernel *kernel, const char *why)
{
    tm_error err;
    tm_status status = tm_check_kernel(kernel, 70, 1024, 3, 11, &err);
    if (status != TM_CHECK)
        fail_msg("status %s instead of CHECK (%s)", tm_status_name(status), why);
    if (!strstr(err.message, why)) fail_msg("\"%s\" does not contain \"%s\"", err.message, why);
    assert_non_null(strstr(err.message, "seed 11"));
}

static void test_correct_kernels_pass(void **state)
{
    tm_error err;
    tm_kernel kernel = kernel_of(right);
    (void)state;
    assert_int_equal(tm_check_kernel(&kernel, 70, 1024, 3, 11, &err), TM_OK);
    kernel.rows = needs_mark;
    kernel.scratch_size = scratch_64;
    kernel.prepare = prepare_mark;
    assert_int_equal(tm_check_kernel(&kernel, 70, 1024, 3, 11, &err), TM_OK);
}

static void test_wrong_sums_fail(void **state)
{
    static const struct {
        rows_function *rows;
        const char *why;
    } mutants[] = {
        {off_by_one_row, "got"},
        {rows_swapped_far, "got"},
        {other_token, "got"},
        {int16_sum, "all +1 x 127"},
        {int16_sum_of_512, "all +1 x 127"},
        {last_columns_ignored, "got"},
        {scale_of_token_0, "got"},
        {scales_multiplied_first, "got"},
        {last_row_left_out, "got nan"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mutants / sizeof *mutants; i++) {
        tm_kernel kernel = kernel_of(mutants[i].rows);
        must_fail(&kernel, mutants[i].why);
    }
}

static void test_wrong_accesses_fail(void **state)
{
    static const struct {
        rows_function *rows;
        const char *why;
    } mutants[] = {
        {writes_the_row_before, "outside the range"},
        {writes_every_row, "outside the range"},
        {writes_after_y, "crashed with signal 11"},
        {writes_before_y, "wrote before y"},
        {reads_after_weights, "crashed"},
        {reads_after_activations, "crashed"},
        {writes_to_activations, "crashed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof mutants / sizeof *mutants; i++) {
        tm_kernel kernel = kernel_of(mutants[i].rows);
        must_fail(&kernel, mutants[i].why);
    }
}

static void test_crashes_are_failed_checks(void **state)
{
    tm_kernel kernel = kernel_of(illegal_instruction);
    (void)state;
    must_fail(&kernel, "illegal instruction");
    kernel.rows = divides_by_zero;
    must_fail(&kernel, "crashed with signal 8");
    must_fail(&kernel, "crashed with signal 8"); /* the handlers are installed again */
}

static void test_wrong_scratch_fails(void **state)
{
    tm_kernel kernel = kernel_of(needs_mark);
    (void)state;
    kernel.scratch_size = scratch_64;
    kernel.prepare = prepare_nothing;
    must_fail(&kernel, "got nan");
    kernel.prepare = prepare_writes_after;
    must_fail(&kernel, "crashed");
    kernel.prepare = prepare_writes_before;
    must_fail(&kernel, "prepare wrote outside");
    kernel.prepare = prepare_mark;
    kernel.prepare_part = prepare_last_part_lost;
    must_fail(&kernel, "got nan");
    kernel.prepare_part = NULL;
    kernel.rows = writes_to_scratch;
    must_fail(&kernel, "crashed");
}

/* A layout that unpacks the wrong row. */
static void unpack_shifted(const void *data, int row, int n_rows, int n_cols, int8_t *trits)
{
    tm_format_trit.unpack_trits(data, row ? row - 1 : 0, n_rows, n_cols, trits);
}

static void test_wrong_layouts_fail(void **state)
{
    tm_kernel kernel = kernel_of(right);
    tm_format format = tm_format_trit;
    (void)state;
    format.unpack_trits = unpack_shifted;
    kernel.format = &format;
    must_fail(&kernel, "unpacked differs");
}

/* Floats: one column short, and sums with half the precision of a float. */
static void float_rows(const tm_weight *w, const tm_act *x, int row_begin, int row_end, int n_cols,
                       float error, float *y)
{
    float *row = malloc((size_t)w->n_cols * sizeof *row);
    for (int r = row_begin; r < row_end; r++) {
        w->format->unpack_floats(w->data, r, w->n_rows, w->n_cols, row);
        for (int t = 0; t < x->n_tokens; t++) {
            double sum = 0;
            for (int c = 0; c < n_cols; c++)
                sum += (double)row[c] * (double)x->f32[(size_t)t * (size_t)x->stride + (size_t)c];
            *cell(w, y, r, t) = (float)sum * (1 + error);
        }
    }
    free(row);
}
MUTANT(float_right)
{
    (void)scratch;
    float_rows(w, x, row_begin, row_end, w->n_cols, 0, y);
}
MUTANT(float_column_lost)
{
    (void)scratch;
    float_rows(w, x, row_begin, row_end, w->n_cols - 1, 0, y);
}
MUTANT(float_inexact)
{
    (void)scratch;
    float_rows(w, x, row_begin, row_end, w->n_cols, 0x1p-12f, y);
}

static void test_wrong_floats_fail(void **state)
{
    tm_error err;
    tm_kernel kernel = kernel_of(float_right);
    (void)state;
    kernel.format = &tm_format_f32r16;
    kernel.row_step = 16;
    kernel.tolerance = 0x1p-20f;
    assert_int_equal(tm_check_kernel(&kernel, 70, 1024, 3, 11, &err), TM_OK);
    kernel.rows = float_column_lost;
    must_fail(&kernel, "got");
    kernel.rows = float_inexact;
    must_fail(&kernel, "within");
}

static void test_unavailable_kernels_do_not_run(void **state)
{
    tm_error err;
    tm_kernel kernel = kernel_of(right);
    (void)state;
    kernel.isa = (1u << TM_ISA_COUNT) - 1; /* no machine has the sets of both architectures */
    assert_int_equal(tm_check_kernel(&kernel, 16, 16, 1, 1, &err), TM_UNSUPPORTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_correct_kernels_pass),
        cmocka_unit_test(test_wrong_sums_fail),
        cmocka_unit_test(test_wrong_accesses_fail),
        cmocka_unit_test(test_crashes_are_failed_checks),
        cmocka_unit_test(test_wrong_scratch_fails),
        cmocka_unit_test(test_wrong_layouts_fail),
        cmocka_unit_test(test_wrong_floats_fail),
        cmocka_unit_test(test_unavailable_kernels_do_not_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
