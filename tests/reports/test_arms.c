/* Two arms compared: pairs, independent sets, verdicts, Holm's correction over rows, and words. The
 * values are made by hand; nothing is measured. */
#include "tests/tm_test.h"

#include "reports/arms_output.h"
#include "reports/output/table.h"
#include "tests/harness/scratch.h"
#include "tests/reports/sample_store.h"

#include <math.h>

static void add(sample_store *store, const char *id, int process, int slot, double rate,
                double spin_ms)
{
    tm_record *r = sample_add(store);
    sample_name(r, "synth:125M", id, 1, 0, 8);
    r->kind = TM_RECORD_SAMPLE;
    snprintf(r->status, sizeof r->status, "ok");
    snprintf(r->cell_id, sizeof r->cell_id, "%s", id);
    r->process = process;
    r->slot = slot;
    r->sample.n_tokens = 8;
    r->sample.elapsed_ns = (int64_t)(8e9 / rate);
    r->sample.spin_ns = (int64_t)(spin_ms * 1e6);
    tm_measured_set(&r->sample.peak_rss_bytes, 1e6 * rate);
}

static tm_cell cell(const char *kernel)
{
    tm_record r = {0};
    sample_name(&r, "synth:125M", kernel, 1, 0, 8);
    return r.cell;
}

static void add_row(tm_arms *arms, const sample_store *s, const char *a, const char *b,
                    const char *metric)
{
    tm_error err = {0};
    const tm_metric *m;
    tm_cell of_a = cell(a), of_b = cell(b);
    assert_ok(tm_metric_need(metric, &m, &err), err);
    assert_ok(tm_arms_add_pairs(arms, s->records.items, s->records.n, &of_a, a, &of_b, b, m, &err),
              err);
}

/* n pairs of rates 100 and 100 * factor, with a spread of 1 % and alternating order. */
static void add_pairs(sample_store *s, const char *a, const char *b, int n, double factor,
                      double spin_b)
{
    for (int i = 0; i < n; i++) {
        double noise = 1 + 0.01 * (i % 3 - 1), own = 1 + 0.002 * (i % 5 - 2);
        add(s, a, i, i % 2, 100 * noise, 2);
        add(s, b, i, 1 - i % 2, 100 * noise * factor * own, spin_b);
    }
}

static void test_pairs_give_the_ratio_b_over_a(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    char text[480];
    add_pairs(&s, "a", "b", 10, 1.1, 2);
    add(&s, "b", 10, 0, 1, 2); /* no partner */
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    add_row(&arms, &s, "a", "b", "peak_rss");
    tm_arms_judge(&arms, NULL);
    const tm_arms_row *row = &arms.rows[0];
    assert_int_equal(row->n_a, 10);
    assert_true(fabs(row->ratio.value - 1.1) < 0.002);
    assert_true(row->ratio.low > 1.09 && row->ratio.high < 1.11);
    assert_int_equal(row->verdict, TM_ARMS_BETTER);
    assert_string_equal(tm_arms_verdict_name(row), "faster");
    assert_non_null(strstr(tm_arms_words(row, text, sizeof text), "B is faster: 1.10x (95 % 1.10"));
    /* More memory is worse. */
    assert_int_equal(arms.rows[1].verdict, TM_ARMS_WORSE);
    assert_string_equal(tm_arms_verdict_name(&arms.rows[1]), "higher");
    /* p = 2/1024 of ten pairs that agree, times two rows. */
    assert_true(fabs(row->p - 2.0 / 1024) < 1e-12);
    assert_true(fabs(row->p_holm - 4.0 / 1024) < 1e-12);
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_holm_counts_every_row(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    add_pairs(&s, "a", "b", 6, 1.1, 2); /* p = 2/64 */
    add_pairs(&s, "c", "d", 6, 1, 2);
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_BETTER);
    add_row(&arms, &s, "c", "d", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_INCONCLUSIVE);
    assert_non_null(strstr(arms.rows[0].inconclusive, "rows"));
    assert_int_equal(arms.n_means, 1);
    assert_int_equal(arms.means[0].ratio.n, 2);
    assert_true(fabs(arms.means[0].ratio.value - sqrt(1.1)) < 0.003);
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_looks_widen_the_interval(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    tm_looks looks = tm_looks_make(64);
    add_pairs(&s, "a", "b", 16, 1.1, 2);
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    tm_interval one = arms.rows[0].ratio;
    tm_arms_judge(&arms, &looks);
    assert_true(arms.rows[0].ratio.high - arms.rows[0].ratio.low > one.high - one.low);
    assert_true(fabs(arms.rows[0].p - 7 * 2.0 / 65536) < 1e-12); /* seven looks */
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_few_pairs_give_a_range_and_no_verdict(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    char text[480];
    add_pairs(&s, "a", "b", 3, 1.1, 2);
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_TOO_FEW);
    assert_non_null(strstr(tm_arms_words(&arms.rows[0], text, sizeof text), "range of 3 pairs"));
    assert_true(isnan(arms.rows[0].p));
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_control_and_noise_floor_make_it_inconclusive(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    char text[480];
    add_pairs(&s, "a", "b", 10, 1.1, 1.8); /* the machine was faster in B */
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_INCONCLUSIVE);
    assert_true(fabs(arms.rows[0].control.value - 0.9) < 1e-6);
    assert_non_null(strstr(tm_arms_words(&arms.rows[0], text, sizeof text), "control moved"));
    tm_arms_free(&arms);

    add_pairs(&s, "c", "d", 10, 1.1, 2);
    add_row(&arms, &s, "c", "d", "tokens_per_second");
    arms.rows[0].noise_floor = 1.2;
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_INCONCLUSIVE);
    assert_non_null(strstr(tm_arms_words(&arms.rows[0], text, sizeof text), "noise floor 1.20"));
    arms.rows[0].noise_floor = 1.05;
    tm_arms_judge(&arms, NULL);
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_BETTER);
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_slot_effect_is_reported(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    for (int i = 0; i < 10; i++) {
        double noise = 1 + 0.001 * (i % 3);
        add(&s, "a", i, i % 2, 100 * noise * (i % 2 ? 0.9 : 1), 2);
        add(&s, "b", i, 1 - i % 2, 100 * (i % 2 ? 1 : 0.9), 2);
    }
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_true(fabs(arms.rows[0].slot.value - 0.9) < 0.002);
    assert_non_null(strstr(arms.rows[0].warning, "ran second was worse by 10.0 %"));
    assert_int_equal(arms.rows[0].verdict, TM_ARMS_NO_DIFFERENCE);
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_missing_values_have_their_reason(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    add_pairs(&s, "a", "b", 4, 1, 2);
    add_row(&arms, &s, "a", "b", "first_token");
    add_row(&arms, &s, "a", "b", "joules_per_token");
    add_row(&arms, &s, "a", "none", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    assert_string_equal(arms.rows[0].missing, "the test has no prompt");
    assert_non_null(strstr(arms.rows[1].missing, "--energy"));
    assert_string_equal(arms.rows[2].missing, "B was not measured");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arms.rows[i].verdict, TM_ARMS_NOT_MEASURED);
        tm_json *json = tm_arms_row_to_json(&arms.rows[i]);
        assert_string_equal(tm_json_text(tm_json_get(json, "ratio_missing"), ""),
                            arms.rows[i].missing);
        assert_true(tm_json_is_null(tm_json_get(json, "b")));
        tm_json_free(json);
    }
    tm_arms_free(&arms);
    sample_free(&s);
}

/* Welch's interval by hand: logs 0, 0.1, 0.2 and 1, 1.1, 1.2, so the means differ by 1, both
 * variances are 0.01, and the error is sqrt(2 x 0.01 / 3) with 4 degrees of freedom. */
static void test_sets_are_compared_after_welch(void **state)
{
    (void)state;
    sample_store s = {0};
    tm_arms arms = {0};
    tm_error err = {0};
    tm_cell a = cell("a"), b = cell("b");
    for (int i = 0; i < 3; i++) {
        add(&s, "a", i, 0, exp(0.1 * i), 2);
        add(&s, "b", i, 0, exp(1 + 0.1 * i), 2);
    }
    assert_ok(tm_arms_add_sets(&arms, s.records.items, s.records.n, &a, "a", s.records.items,
                               s.records.n, &b, "b", &tm_metrics[0], &err),
              err);
    tm_arms_judge(&arms, NULL);
    const tm_arms_row *row = &arms.rows[0];
    double half = 2.7764451051977987 * sqrt(0.02 / 3);
    assert_true(fabs(log(row->ratio.value) - 1) < 1e-7);
    assert_true(fabs(log(row->ratio.low) - (1 - half)) < 1e-7);
    assert_true(fabs(log(row->ratio.high) - (1 + half)) < 1e-7);
    /* t = 12.2474 with 4 degrees: p = 0.000255 */
    assert_true(fabs(row->p - 2.5521e-4) < 1e-7);
    assert_int_equal(row->verdict, TM_ARMS_BETTER);
    assert_non_null(strstr(row->warning, "not pairs"));
    tm_json *json = tm_arms_row_to_json(row);
    assert_true(tm_json_is_null(tm_json_get(json, "pairs")));
    tm_json_free(json);
    tm_arms_free(&arms);
    sample_free(&s);
}

static void test_json_has_the_keys_that_scripts_rely_on(void **state)
{
    (void)state;
    static const char *const keys[] = {"model", "threads", "test",  "metric",  "a",
                                       "b",     "ratio",   "pairs", "verdict", "noise_floor"};
    sample_store s = {0};
    tm_arms arms = {0};
    tm_text text = {0};
    tm_error err = {0};
    add_pairs(&s, "a", "b", 6, 1.1, 2);
    add_row(&arms, &s, "a", "b", "tokens_per_second");
    tm_arms_judge(&arms, NULL);
    tm_json *json = tm_arms_row_to_json(&arms.rows[0]);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        assert_non_null(tm_json_get(json, keys[i]));
    assert_true(tm_json_double(tm_json_get(tm_json_get(json, "ratio"), "low"), NAN) > 1);
    tm_json_free(json);
    const char *const formats[] = {TM_TABLE_FORMAT_NAMES "json"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        assert_ok(tm_arms_write(&arms, formats[i], &text, &err), err);
        assert_non_null(strstr(tm_text_string(&text), "faster"));
        tm_text_free(&text);
        text = (tm_text){0};
    }
    tm_arms_free(&arms);
    sample_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs_give_the_ratio_b_over_a),
        cmocka_unit_test(test_holm_counts_every_row),
        cmocka_unit_test(test_looks_widen_the_interval),
        cmocka_unit_test(test_few_pairs_give_a_range_and_no_verdict),
        cmocka_unit_test(test_control_and_noise_floor_make_it_inconclusive),
        cmocka_unit_test(test_slot_effect_is_reported),
        cmocka_unit_test(test_missing_values_have_their_reason),
        cmocka_unit_test(test_sets_are_compared_after_welch),
        cmocka_unit_test(test_json_has_the_keys_that_scripts_rely_on),
    };
    return cmocka_run_group_tests_name("arms", tests, NULL, NULL);
}
