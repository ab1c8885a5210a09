/* Timing of kernels, with a clock that only the kernels of this test advance. */
#include "tests/tm_test.h"

#include "harness/measure/kernel_matrix.h"

#include <math.h>
#include <string.h>

extern const tm_kernel tm_kernel_trit_mad_scalar;

#define MAX_COPIES 64

static int64_t fake_ns;
static int64_t ns_per_row, ns_per_prepare;
static const void *copies[MAX_COPIES]; /* distinct matrices that the kernel received */
static int n_copies;

static int64_t fake_now(void *clock)
{
    (void)clock;
    return fake_ns;
}

static size_t scratch_size(int n_cols, int n_tokens)
{
    (void)n_cols, (void)n_tokens;
    return 64;
}

static void prepare(const tm_act *x, void *scratch)
{
    (void)x;
    memset(scratch, 1, 64);
    fake_ns += ns_per_prepare;
}

static void slow_rows(const tm_weight *w, const tm_act *x, const void *scratch, int begin, int end,
                      float *y)
{
    tm_kernel_trit_mad_scalar.rows(w, x, scratch, begin, end, y);
    fake_ns += ns_per_row * (end - begin);
    int i = 0;
    while (i < n_copies && copies[i] != w->data) i++;
    if (i == n_copies && n_copies < MAX_COPIES) copies[n_copies++] = w->data;
}

static void null_rows(const tm_weight *w, const tm_act *x, const void *scratch, int begin, int end,
                      float *y)
{
    (void)w, (void)x, (void)scratch, (void)begin, (void)end, (void)y;
}

/* Correct, with a known time. */
static const tm_kernel slow_kernel = {.name = "slow",
                                      .format = &tm_format_trit,
                                      .row_step = 1,
                                      .scratch_size = scratch_size,
                                      .prepare = prepare,
                                      .rows = slow_rows,
                                      .source = "this test"};
/* Wrong, and infinitely fast. */
static const tm_kernel null_kernel = {.name = "null",
                                      .format = &tm_format_trit,
                                      .row_step = 1,
                                      .rows = null_rows,
                                      .source = "this test"};

static const tm_kernel_timer_options fake_options = {.near_bytes = 1 << 14,
                                                     .far_bytes = 1 << 16,
                                                     .last_cache_bytes = 1 << 14,
                                                     .seconds = 0.2,
                                                     .check_rows = 8,
                                                     .seed = 7,
                                                     .now_ns = fake_now};

static int reset(void **state)
{
    (void)state;
    fake_ns = 1000;
    ns_per_row = 50000;
    ns_per_prepare = 300000;
    n_copies = 0;
    return 0;
}

static tm_kernel_matrix_row one_row(const tm_kernel *kernel, int n_rows, bool cold)
{
    return (tm_kernel_matrix_row){.kernel = kernel,
                                  .model = "test",
                                  .used_by = "q",
                                  .n_rows = n_rows,
                                  .n_cols = 256,
                                  .n_tokens = 2,
                                  .cold = cold,
                                  .gbench_ns = NAN,
                                  .again_ns = NAN};
}

static tm_status run_one(tm_kernel_matrix_row *row, const tm_kernel_timer_options *options)
{
    tm_kernel_matrix rows = {.items = row, .n = 1};
    tm_kernel_runner *runner;
    tm_error err = {0};
    assert_int_equal(tm_kernel_runner_open(options, &rows, &runner, &err), TM_OK);
    tm_status status = tm_kernel_runner_ready(runner, 0, &err);
    tm_kernel_runner_close(runner);
    return status;
}

static void test_times_follow_the_clock(void **state)
{
    (void)state;
    tm_kernel_matrix_row row = one_row(&slow_kernel, 48, false);
    assert_int_equal(run_one(&row, &fake_options), TM_OK);
    assert_int_equal(row.n_rows_checked, 8);
    assert_int_equal(row.times.n_rows, 48);
    assert_true(row.times.ns == 48 * 50000.0);
    assert_true(row.times.low_ns == row.times.ns && row.times.high_ns == row.times.ns);
    assert_true(row.times.prepare_ns == 300000.0);
    /* 2.4 ms a pass: nine passes take 20 ms, and nine samples fit into 0.2 s. */
    assert_int_equal(row.times.n_passes, 9);
    assert_int_equal(row.times.n_samples, 9);
    assert_true(row.bytes == 48 * 256.0 && row.macs == 48 * 256 * 2.0);
    assert_true(tm_kernel_matrix_row_matrix_ns(&row) == 48 * 50000.0 + 300000.0);
    assert_int_equal(n_copies, 2); /* the matrix of the check and that of the timing */
}

/* A matrix that exceeds the cache is timed on fewer rows; the time of all rows follows. */
static void test_in_cache_uses_fewer_rows(void **state)
{
    (void)state;
    ns_per_row = 1000;
    tm_kernel_matrix_row row = one_row(&slow_kernel, 1000, false);
    assert_int_equal(run_one(&row, &fake_options), TM_OK);
    assert_int_equal(row.times.n_rows, 64); /* 16 KiB / 256 columns */
    assert_true(row.weight_bytes == 1 << 14);
    assert_true(row.times.ns == 64 * 1000.0);
    assert_true(tm_kernel_matrix_row_matrix_ns(&row) == 1000 * 1000.0 + 300000.0);
}

static void test_from_memory_walks_through_copies(void **state)
{
    (void)state;
    tm_kernel_weights weights;
    tm_kernel_job job;
    tm_error err = {0};
    assert_int_equal(
        tm_kernel_weights_open(&tm_format_trit, 48, 256, true, &fake_options, &weights, &err),
        TM_OK);
    assert_int_equal(weights.n_copies, 6); /* of 12 KiB, to exceed 64 KiB */
    for (int i = 1; i < weights.n_copies; i++)
        assert_memory_equal(weights.pages.data, weights.pages.data + i * weights.copy_bytes,
                            weights.copy_bytes);
    assert_int_equal(tm_kernel_job_open(&slow_kernel, &weights, 2, 1, &job, &err), TM_OK);
    for (int i = 0; i < 7; i++) tm_kernel_job_pass(&job);
    assert_int_equal(n_copies, 6);
    assert_int_equal(job.next_copy, 1);
    /* Passes over parts: 20 + 20 rows of 48, then the next copy. */
    job.n_rows_pass = 20;
    job.next_copy = 0;
    int next[4] = {20, 0, 20, 0};
    for (int i = 0; i < 4; i++) {
        tm_kernel_job_pass(&job);
        assert_int_equal(job.next_row, next[i]);
        assert_int_equal(job.next_copy, (i + 1) / 2);
    }
    tm_kernel_job_close(&job);
    tm_kernel_weights_close(&weights);
}

static void test_long_passes_are_shortened(void **state)
{
    (void)state;
    ns_per_row = 1000000; /* 20 ms for 20 rows: whole steps of 16 */
    tm_kernel_matrix_row row = one_row(&slow_kernel, 64, false);
    assert_int_equal(run_one(&row, &fake_options), TM_OK);
    assert_int_equal(row.times.n_rows, 16);
    assert_true(row.times.ns == 16e6);
    assert_true(tm_kernel_matrix_row_matrix_ns(&row) == 64e6 + 300000.0);
}

static void test_wrong_kernels_are_not_timed(void **state)
{
    (void)state;
    tm_kernel_matrix_row row = one_row(&null_kernel, 48, false);
    assert_int_equal(run_one(&row, &fake_options), TM_CHECK);
    assert_int_equal(row.status, TM_CHECK);
    assert_non_null(strstr(row.reason, "null"));
    assert_int_equal(row.times.n_samples, 0);
    assert_true(isnan(tm_kernel_matrix_row_matrix_ns(&row)));
    tm_json *json = tm_kernel_matrix_row_to_json(&row);
    assert_true(tm_json_is_null(tm_json_get(json, "ns")));
    assert_string_equal(tm_json_text(tm_json_get(json, "ns_missing"), ""), row.reason);
    assert_string_equal(tm_json_text(tm_json_get(json, "status"), ""), "CHECK");
    tm_json_free(json);
}

static void test_unavailable_kernels_have_a_reason(void **state)
{
    (void)state;
    int n = 0;
    for (const tm_kernel *const *k = tm_kernels(); *k; k++) {
        if (tm_kernel_available(*k, NULL) == TM_OK) continue;
        tm_kernel_matrix_row row = one_row(*k, 48, false);
        assert_int_equal(run_one(&row, &fake_options), TM_UNSUPPORTED);
        assert_true(strlen(row.reason) > 0 && row.n_rows_checked == 0);
        n++;
    }
    assert_true(n > 0); /* at least those of the other architecture */
}

static void test_stopped_clock_is_an_error(void **state)
{
    (void)state;
    ns_per_row = ns_per_prepare = 0;
    tm_kernel_timer_options options = fake_options;
    tm_kernel_matrix_row row = one_row(&tm_kernel_trit_mad_scalar, 1, false);
    row.n_cols = row.n_tokens = 1;
    assert_int_equal(run_one(&row, &options), TM_UNSUPPORTED);
    assert_non_null(strstr(row.reason, "clock"));
    assert_true(isnan(row.times.ns));
}

static void test_too_little_memory_is_an_error(void **state)
{
    (void)state;
    tm_kernel_timer_options options = fake_options;
    options.last_cache_bytes = options.far_bytes;
    tm_kernel_matrix_row row = one_row(&slow_kernel, 48, true);
    assert_int_equal(run_one(&row, &options), TM_UNSUPPORTED);
    assert_non_null(strstr(row.reason, "last-level cache"));
}

static void test_rows_of_a_model(void **state)
{
    (void)state;
    const tm_config config = {.n_layers = 2,
                              .n_hidden = 128,
                              .n_ffn = 512,
                              .n_heads = 4,
                              .n_kv_heads = 1,
                              .head_dim = 32,
                              .n_vocab = 100,
                              .tied_head = true};
    const tm_kernel *kernels[] = {&slow_kernel, tm_kernel_find("f32r16_fma_scalar")};
    const int tokens[] = {1, 8, 32};
    tm_kernel_matrix rows = {0};
    tm_error err = {0};
    assert_int_equal(
        tm_kernel_matrix_add(&rows, "m", &config, kernels, 2, tokens, 3, true, true, &err), TM_OK);
    /* q,o; k,v; gate,up; down for both kernels, the head for the one that is not ternary. */
    assert_int_equal(rows.n, (4 * 2 + 1) * 3 * 2);
    int n_head = 0, n_kv = 0;
    for (int i = 0; i < rows.n; i++) {
        const tm_kernel_matrix_row *row = &rows.items[i];
        if (strcmp(row->used_by, "head") == 0) {
            assert_int_equal(row->n_rows, 100);
            assert_ptr_equal(row->kernel, kernels[1]);
            n_head++;
        } else if (strcmp(row->used_by, "k,v") == 0) {
            assert_int_equal(row->n_rows, 32);
            assert_int_equal(row->n_cols, 128);
            n_kv++;
        }
    }
    assert_int_equal(n_head, 3 * 2);
    assert_int_equal(n_kv, 2 * 3 * 2);
    assert_true(tm_kernel_matrix_estimate(&rows, &fake_options) > rows.n * 0.2);
    tm_kernel_matrix_free(&rows);
}

static void test_timers_agree_within_three_percent(void **state)
{
    (void)state;
    tm_kernel_matrix_row row = one_row(&slow_kernel, 48, false);
    assert_int_equal(run_one(&row, &fake_options), TM_OK);
    assert_true(isnan(tm_kernel_matrix_row_timer_ratio(&row)));
    assert_false(tm_kernel_matrix_row_timers_agree(&row));
    row.again_ns = row.times.ns * 1.04; /* the machine slows down; the mean is 1.02 */
    row.gbench_ns = row.times.ns * 1.02;
    assert_true(fabs(tm_kernel_matrix_row_timer_ratio(&row) - 1) < 1e-9);
    row.gbench_ns = row.times.ns * 1.02 * 1.029;
    assert_true(tm_kernel_matrix_row_timers_agree(&row));
    row.gbench_ns = row.times.ns * 1.02 * 1.031;
    assert_false(tm_kernel_matrix_row_timers_agree(&row));
}

/* Plays Google Benchmark: a row takes 5 % longer than by our own timer. */
static tm_status fake_gbench(const tm_gbench_rows *rows, const char *const *flags, int n_flags,
                             tm_gbench_display display, tm_error *err)
{
    assert_int_equal(n_flags, 1);
    assert_string_equal(flags[0], "--benchmark_min_time=1");
    assert_int_equal(display, TM_GBENCH_STDERR);
    for (int i = 0; i < rows->n; i++) {
        tm_gbench_costs costs;
        tm_error why;
        char name[256];
        rows->name(rows->arg, i, name, sizeof name);
        if (rows->ready(rows->arg, i, &costs, &why) != TM_OK) continue;
        assert_string_equal(name, "test/48x256/slow/2/cache");
        assert_true(costs.bytes == 48 * 256 && costs.items == 48 * 256 * 2);
        int64_t start = fake_ns;
        rows->pass(rows->arg);
        rows->result(rows->arg, i, (double)(fake_ns - start) * 1.05);
    }
    return tm_fail(err, TM_IO, "the last word");
}

static void test_google_benchmark_times_the_rows(void **state)
{
    (void)state;
    tm_kernel_matrix_row items[2] = {one_row(&slow_kernel, 48, false),
                                     one_row(&null_kernel, 48, false)};
    tm_kernel_matrix rows = {.items = items, .n = 2};
    tm_kernel_runner *runner;
    tm_error err = {0};
    const char *flags[] = {"--benchmark_min_time=1"};
    assert_int_equal(tm_kernel_runner_open(&fake_options, &rows, &runner, &err), TM_OK);
    assert_int_equal(tm_kernel_runner_gbench(runner, fake_gbench, flags, 1, TM_GBENCH_STDERR, &err),
                     TM_IO);
    assert_string_equal(err.message, "the last word");
    assert_int_equal(items[0].status, TM_OK);
    assert_true(fabs(tm_kernel_matrix_row_timer_ratio(&items[0]) - 1.05) < 1e-9);
    assert_int_equal(items[1].status, TM_CHECK);
    assert_true(isnan(items[1].gbench_ns));
    tm_kernel_runner_close(runner);
}

/* The plugin lies beside the program, not beside this test. */
static void test_missing_plugin_is_an_error(void **state)
{
    (void)state;
    tm_gbench_run *run;
    tm_error err = {0};
    assert_int_equal(tm_gbench_open(&run, &err), TM_UNSUPPORTED);
    assert_null(run);
    assert_non_null(strstr(err.message, TM_GBENCH_PLUGIN " is neither in "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_times_follow_the_clock, reset),
        cmocka_unit_test_setup(test_in_cache_uses_fewer_rows, reset),
        cmocka_unit_test_setup(test_from_memory_walks_through_copies, reset),
        cmocka_unit_test_setup(test_long_passes_are_shortened, reset),
        cmocka_unit_test_setup(test_wrong_kernels_are_not_timed, reset),
        cmocka_unit_test_setup(test_unavailable_kernels_have_a_reason, reset),
        cmocka_unit_test_setup(test_stopped_clock_is_an_error, reset),
        cmocka_unit_test_setup(test_too_little_memory_is_an_error, reset),
        cmocka_unit_test_setup(test_rows_of_a_model, reset),
        cmocka_unit_test_setup(test_timers_agree_within_three_percent, reset),
        cmocka_unit_test_setup(test_google_benchmark_times_the_rows, reset),
        cmocka_unit_test_setup(test_missing_plugin_is_an_error, reset),
    };
    return cmocka_run_group_tests_name("kernel_bench", tests, NULL, NULL);
}
