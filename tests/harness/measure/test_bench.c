/* What a repetition costs and needs: bytes, products, and the size of its session. */
#include "harness/measure/bench.h"
#include "harness/measure/worker.h"
#include "tests/tm_test.h"

#include <math.h>

/* Every test divides the cache anew, so a deep test and a wide one need no deep and wide cache. */
static void test_sizes(void **state)
{
    (void)state;
    tm_session_options sizes;
    static const tm_test tests[] = {{0, 16, 4096, 1}, {0, 16, 0, 32}, {64, 0, 0, 1}};
    tm_worker_sizes(tests, 3, &sizes);
    assert_int_equal(sizes.n_context, 4112);
    assert_int_equal(sizes.n_sequences, 32);
    assert_int_equal(sizes.n_positions, 4112);
    assert_int_equal(sizes.n_batch, 512);
    tm_worker_sizes(tests + 1, 2, &sizes);
    assert_int_equal(sizes.n_context, 64);
    assert_int_equal(sizes.n_positions, 32 * 16);
    assert_int_equal(sizes.n_batch, 64);
}

/* Equal to sums computed by hand: weights 1000, head 100, 10 bytes per position. */
static void test_costs(void **state)
{
    (void)state;
    double bytes, macs;
    tm_costs c = {.linear_bytes = 900,
                  .norm_bytes = 100,
                  .head_bytes = 100,
                  .kv_bytes_per_position = 10,
                  .linear_macs = 7,
                  .head_macs = 5,
                  .attention_macs_per_position = 2};
    tm_test tg = {0, 2, 3, 1};
    tm_bench_costs(&c, 4, &tg, &bytes, &macs); /* positions 4 and 5 */
    assert_true(bytes == (2 * 1100 + 10 * 9) / 2.0);
    assert_true(macs == (2 * 12 + 2 * 9) / 2.0);
    tm_test pp = {6, 0, 0, 0};
    tm_bench_costs(&c, 4, &pp, &bytes, &macs); /* passes of 4 and 2 tokens */
    assert_true(fabs(bytes - (2 * 1000 + 10 * (4 + 6) + 100) / 6.0) < 1e-9);
    assert_true(fabs(macs - (6 * 7 + 5 + 2 * 21) / 6.0) < 1e-9);
    /* Two layers of which the last has 3 MACs and 300 bytes beside K and V. The first pass ends at
     * its keys and values; in the second all but the last token do. Pairs of tokens and positions:
     * 10 and 11, of the last layer's half only the last token's 6. */
    c.last_bytes = 300, c.last_macs = 3, c.n_layers = 2;
    tm_bench_costs(&c, 4, &pp, &bytes, &macs);
    assert_true(fabs(bytes - (1000 - 300 + 10 * 4 / 2 + 1000 + 10 * 6 + 100) / 6.0) < 1e-9);
    assert_true(fabs(macs - (6 * 7 - 5 * 3 + 5 + 21 + 6) / 6.0) < 1e-9);
    tm_bench_costs(&c, 4, &tg, &bytes, &macs); /* decoding needs every layer */
    assert_true(macs == (2 * 12 + 2 * 9) / 2.0);
    tm_test together = {0, 2, 3, 8}; /* 16 tokens of 2 passes */
    tm_bench_costs(&c, 4, &together, &bytes, &macs);
    assert_true(bytes == (2 * 1100 + 8 * 10 * 9) / 16.0);
    assert_true(macs == (2 * 12 + 2 * 9) / 2.0);
    tm_test pg = {1, 1, 0, 1};
    tm_bench_costs(&c, 4, &pg, &bytes, &macs);
    assert_true(bytes == (2 * 1100 + 10 * 3) / 2.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sizes), cmocka_unit_test(test_costs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
