/* The gate: budgets, thresholds, stored baselines and the worst outcome. */
#include "tests/tm_test.h"

#include "reports/gate.h"
#include "reports/output/table.h"
#include "tests/harness/scratch.h"
#include "tests/reports/sample_store.h"

#include <math.h>

static void add(sample_store *store, const char *run, const char *id, int process, double rate)
{
    tm_record *r = sample_add(store);
    sample_name(r, "synth:125M", "i2r16_mad_scalar", 1, 0, 8);
    r->kind = TM_RECORD_SAMPLE;
    snprintf(r->status, sizeof r->status, "ok");
    snprintf(r->run_id, sizeof r->run_id, "%s", run);
    snprintf(r->cell_id, sizeof r->cell_id, "%s", id);
    r->process = process;
    r->sample.n_tokens = 8;
    r->sample.elapsed_ns = (int64_t)(8e9 / rate);
    tm_measured_set(&r->sample.peak_rss_bytes, 1e6);
}

static void test_budgets_parse_with_units(void **state)
{
    (void)state;
    tm_budgets budgets;
    tm_error err = {0};
    assert_ok(tm_budgets_parse("tokens_per_second>=5, peak_rss<=1GiB,token_p99 < 0.2s,"
                               "joules_per_token<=3000mJ",
                               &budgets, &err),
              err);
    assert_int_equal(budgets.n, 4);
    assert_true(budgets.items[0].at_least && budgets.items[0].limit == 5);
    assert_true(!budgets.items[1].at_least && budgets.items[1].limit == 0x1p30);
    assert_true(!budgets.items[2].at_least && budgets.items[2].limit == 200);
    assert_true(budgets.items[3].limit == 3);
    assert_string_equal(budgets.items[2].text, "token_p99 < 0.2s");
}

static void test_wrong_budgets_show_the_position(void **state)
{
    (void)state;
    static const struct {
        const char *text, *where;
    } table[] = {
        {"", "character 1: expected the name of a metric"},
        {"speed>=5", "character 1: expected the name of a metric"},
        {"peak_rss", "character 9: expected >= or <="},
        {"peak_rss<=", "character 11: expected a number"},
        {"peak_rss<=-1MB", "character 11: expected a number"},
        {"peak_rss<=0MB", "character 11: expected a number above 0"},
        {"peak_rss<=1", "character 12: expected a unit"},
        {"peak_rss<=1ms", "character 12: expected a unit"},
        {"tokens_per_second>=5x", "character 21: expected a unit"},
        {"instructions_per_token<=5MB", "character 26: expected no unit"},
        {"peak_rss<=1MB peak_rss<=2MB", "character 15: expected a comma"},
        {"peak_rss<=1MB,", "character 15: expected the name of a metric"},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        tm_budgets budgets;
        tm_error err = {0};
        assert_int_equal(tm_budgets_parse(table[i].text, &budgets, &err), TM_ARG);
        if (!strstr(err.message, table[i].where))
            fail_msg("\"%s\": %s; expected %s", table[i].text, err.message, table[i].where);
    }
}

static void test_thresholds_parse(void **state)
{
    (void)state;
    tm_gate_metrics m;
    tm_error err = {0};
    assert_ok(tm_gate_metrics_parse("5%", &m, &err), err);
    assert_true(m.n == 1 && m.items[0].metric == &tm_metrics[0] && m.items[0].threshold == 0.05);
    assert_ok(tm_gate_metrics_parse("peak_rss=2%,tokens_per_second=0.1", &m, &err), err);
    assert_true(m.n == 2 && m.items[0].threshold == 0.02 && m.items[1].threshold == 0.1);
    static const char *const wrong[] = {
        "", "0", "5", "-5%", "nan", "peak_rss=5%,peak_rss=6%", "x=5%", "5%,,6%"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_int_equal(tm_gate_metrics_parse(wrong[i], &m, &err), TM_ARG);
}

static tm_gate_outcome budget_of(const sample_store *s, const char *text)
{
    tm_gate gate = {0};
    tm_budgets budgets;
    tm_error err = {0};
    tm_cell cell = s->records.items[0].cell;
    assert_ok(tm_budgets_parse(text, &budgets, &err), err);
    assert_ok(tm_gate_add_budget(&gate, &budgets.items[0], &cell, "a", s->records.items,
                                 s->records.n, &err),
              err);
    tm_gate_outcome outcome = gate.items[0].outcome;
    assert_true(gate.items[0].reason[0] != 0);
    tm_gate_free(&gate);
    return outcome;
}

static void test_a_budget_needs_the_whole_interval(void **state)
{
    (void)state;
    sample_store s = {0};
    for (int i = 0; i < 4; i++) add(&s, "run-1", "a", i, 100 + i); /* about 99.4 to 103.6 */
    assert_int_equal(budget_of(&s, "tokens_per_second>=95"), TM_GATE_OUTCOME_PASS);
    assert_int_equal(budget_of(&s, "tokens_per_second>=110"), TM_GATE_OUTCOME_REGRESSION);
    assert_int_equal(budget_of(&s, "tokens_per_second>=101.5"), TM_GATE_OUTCOME_INCONCLUSIVE);
    assert_int_equal(budget_of(&s, "peak_rss<=1MB"), TM_GATE_OUTCOME_PASS); /* zero variance */
    assert_int_equal(budget_of(&s, "peak_rss<=0.9MB"), TM_GATE_OUTCOME_REGRESSION);
    assert_int_equal(budget_of(&s, "joules_per_token<=3"), TM_GATE_OUTCOME_INCONCLUSIVE);
    sample_free(&s);
}

/* Six stored runs of 100 tokens/s with changes of up to `spread`, then a head of `rate`. */
static tm_gate_result against_history(double spread, double rate)
{
    sample_store s = {0}, head = {0};
    tm_gate gate = {0};
    tm_error err = {0};
    char run[16];
    for (int r = 0; r < 6; r++)
        for (int p = 0; p < 3; p++) {
            snprintf(run, sizeof run, "run-%d", r);
            add(&s, run, "a", p, (100 + 0.1 * p) * (1 + spread * (r - 2.5) / 2.5));
        }
    for (int p = 0; p < 6; p++) add(&head, "head", "b", p, rate + 0.1 * p);
    tm_gate_metrics metrics = {.items = {{&tm_metrics[0], 0.05}}, .n = 1};
    tm_gate_baseline baseline = {.stored = &s.records,
                                 .metrics = &metrics,
                                 .records = head.records.items,
                                 .n_records = head.records.n};
    tm_cell cell = head.records.items[0].cell;
    assert_ok(tm_summaries_make(s.records.items, s.records.n, &baseline.all, &err), err);
    assert_ok(tm_gate_add_baseline(&gate, &baseline, &cell, "b", &err), err);
    assert_int_equal(gate.n, 1);
    tm_gate_result result = gate.items[0];
    tm_gate_free(&gate);
    tm_summaries_free(&baseline.all);
    sample_free(&s);
    sample_free(&head);
    return result;
}

static void test_a_noisy_history_raises_the_threshold(void **state)
{
    (void)state;
    tm_gate_result quiet = against_history(0.001, 90), noisy = against_history(0.1, 90);
    assert_int_equal(quiet.outcome, TM_GATE_OUTCOME_REGRESSION);
    assert_true(quiet.threshold == 0.05);
    /* Changes of 2, 6 and 10 %, each twice: Q3 + 3 (Q3 - Q1) is above 20 %. */
    assert_true(noisy.threshold > 0.2);
    assert_int_not_equal(noisy.outcome, TM_GATE_OUTCOME_REGRESSION);
    assert_int_equal(against_history(0.001, 100).outcome, TM_GATE_OUTCOME_PASS);
    assert_int_equal(against_history(0.001, 110).outcome, TM_GATE_OUTCOME_PASS); /* faster */
}

static void test_the_worst_row_decides(void **state)
{
    (void)state;
    tm_gate gate = {0};
    tm_error err = {0};
    tm_cell cell = {.model = "m", .kernel = "k", .threads = 1, .test = "tg8"};
    assert_int_equal(tm_gate_judge(&gate), TM_GATE_OUTCOME_INCONCLUSIVE); /* nothing was measured */
    static const tm_gate_outcome steps[] = {TM_GATE_OUTCOME_PASS, TM_GATE_OUTCOME_INCONCLUSIVE,
                                            TM_GATE_OUTCOME_REGRESSION, TM_GATE_OUTCOME_PASS};
    static const tm_gate_outcome worst[] = {TM_GATE_OUTCOME_PASS, TM_GATE_OUTCOME_INCONCLUSIVE,
                                            TM_GATE_OUTCOME_REGRESSION, TM_GATE_OUTCOME_REGRESSION};
    for (int i = 0; i < 4; i++) {
        assert_ok(tm_gate_add_failure(&gate, &cell, "id", steps[i], "a reason", &err), err);
        assert_int_equal(tm_gate_judge(&gate), worst[i]);
    }
    const char *const formats[] = {TM_TABLE_FORMAT_NAMES "json"};
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        tm_text text = {0};
        assert_ok(tm_gate_write(&gate, formats[i], &text, &err), err);
        assert_non_null(strstr(tm_text_string(&text), "regression"));
        assert_non_null(strstr(tm_text_string(&text), "a reason"));
        tm_text_free(&text);
    }
    tm_gate_free(&gate);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_budgets_parse_with_units),
        cmocka_unit_test(test_wrong_budgets_show_the_position),
        cmocka_unit_test(test_thresholds_parse),
        cmocka_unit_test(test_a_budget_needs_the_whole_interval),
        cmocka_unit_test(test_a_noisy_history_raises_the_threshold),
        cmocka_unit_test(test_the_worst_row_decides),
    };
    return cmocka_run_group_tests_name("gate", tests, NULL, NULL);
}
