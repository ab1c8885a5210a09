/* The gate: budgets, thresholds, stored baselines and the worst outcome. */
#include "tests/tm_test.h"

#include "reports/gate.h"
#include "reports/pages.h"
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

static int count_plots_on_page(const tm_gate *gate)
{
    tm_error err = {0};
    sample_store store = {0};
    size_t size;
    char path[512];
    int n = 0;
    add(&store, "run-1", "cell2", 0, 10);
    snprintf(path, sizeof path, "%s", scratch_path("gate.html"));
    assert_ok(tm_gate_page(gate, &store.records, path, &err), err);
    char *page = read_file(path, &size);
    for (const char *at = page; (at = strstr(at, "<figure")); at++) n++;
    free(page);
    sample_free(&store);
    return n;
}

static void test_the_plot_has_ratios_and_the_worst_first(void **state)
{
    (void)state;
    const tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    tm_gate_result items[4] = {
        {.ratio = {.value = 1.01, .low = 0.99, .high = 1.03}, .outcome = TM_GATE_OUTCOME_PASS},
        {.ratio = none, .outcome = TM_GATE_OUTCOME_REGRESSION, .reason = "it crashed"},
        {.ratio = {.value = 0.9, .low = NAN, .high = NAN}, .outcome = TM_GATE_OUTCOME_REGRESSION},
        {.ratio = none, .outcome = TM_GATE_OUTCOME_PASS, .budget = "peak_rss<=1GiB"},
    };
    tm_gate gate = {.items = items, .n = 4};
    tm_plot plot;
    for (int i = 0; i < 4; i++) {
        items[i].metric = i == 1 ? NULL : &tm_metrics[0];
        items[i].threshold = i == 3 ? NAN : 0.05;
        snprintf(items[i].cell_id, sizeof items[i].cell_id, "cell%d", i);
        snprintf(items[i].cell.model, sizeof items[i].cell.model, "m%d", i);
    }
    tm_gate_plot(&gate, &plot);
    assert_false(plot.failed);
    assert_int_equal(plot.n_series, 2);
    assert_string_equal(plot.series[0].label, "regression");
    assert_true(plot.series[0].points[0].x == 1 && plot.series[0].points[0].value == 0.9);
    assert_string_equal(plot.series[0].points[0].link, "cell2");
    assert_true(plot.series[1].points[0].x == 2 && plot.series[1].points[0].high == 1.03);
    assert_int_equal(plot.n_tics, 2);
    assert_says(plot.tics[1].label, "m0");
    assert_says(plot.note, "Threshold: 5 %.");
    tm_plot_free(&plot);
    assert_int_equal(count_plots_on_page(&gate), 1);
    /* Nothing to draw is not a plot. */
    gate.items = &items[1];
    gate.n = 1;
    tm_gate_plot(&gate, &plot);
    assert_int_equal(tm_plot_count_points(&plot), 0);
    tm_plot_free(&plot);
    assert_int_equal(count_plots_on_page(&gate), 0);
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
        cmocka_unit_test(test_the_plot_has_ratios_and_the_worst_first),
    };
    return cmocka_run_group_tests_name("gate", tests, scratch_make, scratch_remove);
}
