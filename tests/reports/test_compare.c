/* Summaries of cells and comparisons of pairs, from records with known results. */
#include "reports/speedup.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

#define MAX_RECORDS 512

static tm_record records[MAX_RECORDS];
static int n_records;

static void near_to(double got, double wanted, double within, const char *what, int line)
{
    if (!(fabs(got - wanted) <= within))
        fail_msg("line %d: %s is %.17g, wanted %.17g within %g", line, what, got, wanted, within);
}
#define NEAR(got, wanted, within) near_to(got, wanted, within, #got, __LINE__)

static int forget_records(void **state)
{
    (void)state;
    for (int i = 0; i < n_records; i++) free(records[i].sample.token_ns);
    memset(records, 0, sizeof records);
    n_records = 0;
    return 0;
}

static tm_record *add_record(const char *kernel, const char *role, const char *test)
{
    assert_true(n_records < MAX_RECORDS);
    tm_record *r = &records[n_records++];
    *r = (tm_record){.kind = TM_RECORD_SAMPLE};
    strcpy(r->run_id, "run1");
    snprintf(r->cell_id, sizeof r->cell_id, "id-%s", kernel);
    strcpy(r->cell.engine, "ternmark");
    strcpy(r->cell.model, "synth:125M");
    snprintf(r->cell.kernel, sizeof r->cell.kernel, "%s", kernel);
    snprintf(r->cell.role, sizeof r->cell.role, "%s", role);
    snprintf(r->cell.test, sizeof r->cell.test, "%s", test);
    r->cell.threads = 2;
    r->cell.n_gen = 100;
    strcpy(r->status, "ok");
    tm_measured *missing[] = {
        &r->sample.peak_rss_bytes,   &r->sample.rss_anonymous_bytes,  &r->sample.rss_file_bytes,
        &r->sample.minor_faults,     &r->sample.major_faults,         &r->sample.voluntary_switches,
        &r->sample.cpu_user_seconds, &r->sample.involuntary_switches, &r->sample.cpu_system_seconds,
        &r->sample.steal_percent,    &r->sample.harness_ns_per_token};
    for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
        tm_measured_miss(missing[i], "not read in this test");
    return r;
}

/* A sample of 100 tokens at a rate. */
static tm_record *add_sample(const char *kernel, const char *role, int process, int repetition,
                             int slot, double rate)
{
    tm_record *r = add_record(kernel, role, "tg100");
    r->process = process;
    r->sample.repetition = repetition;
    r->slot = slot;
    r->sample.n_tokens = 100;
    r->sample.elapsed_ns = llround(1e9 * 100 / rate);
    r->sample.bytes_per_token = 2e9;
    r->sample.macs_per_token = 5e8;
    return r;
}

static tm_record *add_cell(const char *kernel, const char *role, const char *test,
                           const char *status, const char *reason)
{
    tm_record *r = add_record(kernel, role, test);
    r->kind = TM_RECORD_CELL;
    snprintf(r->status, sizeof r->status, "%s", status);
    snprintf(r->reason, sizeof r->reason, "%s", reason);
    return r;
}

static tm_summaries summarise(void)
{
    tm_summaries all;
    tm_error err = {0};
    if (tm_summaries_make(records, n_records, &all, &err) != TM_OK) fail_msg("%s", err.message);
    return all;
}

static const tm_cell_summary *find_summary(const tm_summaries *all, const char *kernel)
{
    const tm_cell_summary *s = tm_summaries_find(all, "ternmark", "synth:125M", kernel, 2, "tg100");
    if (!s) fail_msg("no summary of %s", kernel);
    return s;
}

static void repetitions_become_one_value_per_process(void **state)
{
    (void)state;
    /* Out of order, as a resumed store may be; medians 10, 20, 40 and 20. */
    static const double rates[4][3] = {{9, 10, 90}, {20, 1, 21}, {40, 41, 39}, {20, 20, 20}};
    for (int repetition = 2; repetition >= 0; repetition--)
        for (int process = 0; process < 4; process++) {
            add_sample("k", "", 3 - process, repetition, 0, rates[3 - process][repetition]);
            records[n_records - 1].sample.load_ns = (4 - process) * 1000000;
            records[n_records - 1].sample.check_ns = process == 3 ? 0 : (4 - process) * 3000000;
        }
    tm_summaries all = summarise();
    assert_int_equal(all.n, 1);
    const tm_cell_summary *s = find_summary(&all, "k");
    assert_int_equal(s->n_processes, 4);
    assert_int_equal(s->n_repetitions, 12);
    assert_string_equal(s->status, "ok");
    assert_string_equal(s->missing, "");
    const double medians[] = {10, 20, 40, 20};
    for (int p = 0; p < 4; p++) {
        assert_int_equal(s->processes[p].number, p);
        assert_int_equal(s->processes[p].n_repetitions, 3);
        NEAR(s->processes[p].tokens_per_second, medians[p], 1e-6);
    }
    NEAR(s->tokens_per_second.value, 20, 1e-6);
    assert_int_equal(s->tokens_per_second.n, 4);
    /* Logs -ln 2, 0, ln 2, 0 around ln 20: t = 3.182446 with 3 degrees of freedom, times
     * sqrt(2 / 3) ln 2, over sqrt(4). */
    NEAR(log(s->tokens_per_second.high / 20), 3.182446 * sqrt(2 / 3.0) * M_LN2 / 2, 1e-5);
    /* Mean 90 / 4; sum of squared distances 475, over 3. */
    NEAR(s->cv, sqrt(475 / 3.0) / 22.5, 1e-6);
    NEAR(s->load_ms.value, 2.5, 1e-12);
    NEAR(s->check_ms.value, 9, 1e-12); /* of 12, 9, 6 and one that is not recorded */
    NEAR(s->read_gb_per_second.value, 40, 1e-6);
    NEAR(s->gmac_per_second.value, 10, 1e-6);
    assert_non_null(strstr(s->warning, "cv 55.9 %: raise --processes to at least 5"));
    tm_summaries_free(&all);
}

static void one_process_has_no_interval(void **state)
{
    (void)state;
    for (int i = 0; i < 5; i++) add_sample("k", "", 0, i, 0, 10 + i);
    tm_summaries all = summarise();
    const tm_cell_summary *s = find_summary(&all, "k");
    NEAR(s->tokens_per_second.value, 12, 1e-6);
    assert_int_equal(s->tokens_per_second.n, 1);
    assert_true(isnan(s->tokens_per_second.low) && isnan(s->tokens_per_second.high));
    assert_true(isnan(s->cv));
    assert_non_null(strstr(s->warning, "raise --processes to at least 2"));
    tm_summaries_free(&all);
}

static void missing_values_keep_their_reasons(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        tm_record *r = add_sample("k", "", i, 0, 0, 10);
        if (i == 1) tm_measured_set(&r->sample.peak_rss_bytes, 5e6);
        if (i == 2) tm_measured_set(&r->sample.peak_rss_bytes, 7e6);
        tm_measured_set(&r->sample.minor_faults, 0); /* measured, and 0 */
        r->sample.bytes_per_token = 0;               /* not recorded */
    }
    tm_summaries all = summarise();
    const tm_cell_summary *s = find_summary(&all, "k");
    NEAR(s->peak_rss_bytes.value, 6e6, 0);
    assert_string_equal(s->peak_rss_bytes.missing, "");
    NEAR(s->minor_faults.value, 0, 0);
    assert_string_equal(s->minor_faults.missing, "");
    assert_true(isnan(s->steal_percent.value));
    assert_string_equal(s->steal_percent.missing, "not read in this test");
    assert_true(isnan(s->energy.joules_per_token.value));
    assert_string_equal(s->energy.missing, "the run did not ask for energy");
    assert_true(isnan(s->bytes_per_token.value) && isnan(s->read_gb_per_second.value));
    assert_string_equal(s->read_gb_per_second.missing, "bytes per token not recorded");
    assert_true(isnan(s->load_ms.value) && *s->load_ms.missing);
    assert_true(isnan(s->first_token_ms.value));
    assert_string_equal(s->first_token_missing, "the test has no prompt");
    NEAR(s->gmac_per_second.value, 5, 1e-6);
    tm_summaries_free(&all);
}

static void cells_without_samples_have_the_reason(void **state)
{
    (void)state;
    records[n_records++].kind = TM_RECORD_RUN;
    add_cell("big", "", "tg100", "skipped", "needs 90 GiB, 8 GiB are free")->predicted_bytes = 90;
    add_cell("broken", "", "tg100", "failed", "the worker was killed by signal 9");
    add_sample("timeless", "", 0, 0, 0, 10)->sample.elapsed_ns = 0;
    tm_summaries all = summarise();
    assert_int_equal(all.n, 3);
    const tm_cell_summary *s = find_summary(&all, "big");
    assert_string_equal(s->status, "skipped");
    assert_string_equal(s->missing, "needs 90 GiB, 8 GiB are free");
    assert_true(isnan(s->tokens_per_second.value) && s->tokens_per_second.n == 0);
    assert_true(isnan(s->read_gb_per_second.value) && isnan(s->cv));
    assert_string_equal(s->peak_rss_bytes.missing, s->missing);
    NEAR(s->predicted_bytes.value, 90, 0);
    assert_int_equal(s->n_processes, 0);
    assert_int_equal(s->n_failed, 0);
    s = find_summary(&all, "broken");
    assert_string_equal(s->status, "failed");
    assert_string_equal(s->missing, "the worker was killed by signal 9");
    assert_true(isnan(s->predicted_bytes.value) && *s->predicted_bytes.missing);
    assert_true(isnan(s->token_p99.value_ms) && s->token_p99.n == 0 && s->token_p99.needed == 368);
    s = find_summary(&all, "timeless");
    assert_true(isnan(s->tokens_per_second.value));
    assert_string_equal(s->missing, "a sample without tokens or elapsed time");
    tm_summaries_free(&all);

    /* A failure before the samples is reported with the values. */
    add_sample("broken", "", 1, 0, 0, 10);
    all = summarise();
    s = find_summary(&all, "broken");
    assert_string_equal(s->status, "ok");
    assert_string_equal(s->missing, "");
    NEAR(s->tokens_per_second.value, 10, 1e-6);
    assert_int_equal(s->n_failed, 1);
    assert_non_null(strstr(s->warning, "failed 1 time: the worker was killed by signal 9"));
    tm_summaries_free(&all);
}

static void percentiles_require_enough_tokens(void **state)
{
    (void)state;
    for (int p = 0; p < 4; p++) {
        tm_record *r = add_sample("k", "", p, 0, 0, 10);
        r->sample.n_token_ns = 25;
        r->sample.token_ns = calloc(25, sizeof *r->sample.token_ns);
        for (int t = 0; t < 25; t++)
            r->sample.token_ns[t] = 1000000 * (1 + t + 25 * p); /* 1 .. 100 ms */
        r->sample.first_token_ns = 8000000 + p * 1000;
    }
    tm_summaries all = summarise();
    const tm_cell_summary *s = find_summary(&all, "k");
    NEAR(s->token_p50.value_ms, 50.5, 1e-9);
    NEAR(s->token_p90.value_ms, 90.1, 1e-9);
    assert_true(isnan(s->token_p99.value_ms));
    assert_int_equal(s->token_p99.n, 100);
    assert_int_equal(s->token_p99.needed, 368);
    NEAR(s->first_token_ms.value, 8.0015, 1e-6);
    assert_int_equal(s->first_token_ms.n, 4);
    assert_string_equal(s->first_token_missing, "");
    tm_summaries_free(&all);
}

static void outliers_are_marked_and_kept(void **state)
{
    (void)state;
    for (int p = 0; p < 10; p++) add_sample("k", "", p, 0, 0, p == 4 ? 50 : 100 + 0.1 * p);
    strcpy(records[2].marks, "steal 3 %; load 9");
    strcpy(records[3].marks, "load 9");
    strcpy(records[1].sample.tokens, "aa");
    strcpy(records[5].sample.tokens, "bb");
    tm_summaries all = summarise();
    const tm_cell_summary *s = find_summary(&all, "k");
    assert_int_equal(s->n_outliers, 1);
    for (int p = 0; p < 10; p++) assert_int_equal(s->processes[p].is_outlier, p == 4);
    /* The pseudo-median ignores the outlier; the geometric mean would be 93.7. */
    assert_string_equal(s->tokens_per_second.method, "Wilcoxon signed-rank");
    NEAR(s->tokens_per_second.value, 100.4, 0.2);
    assert_int_equal(s->tokens_per_second.n, 10);
    assert_true(s->tokens_per_second.low < 100 && s->tokens_per_second.high < 101);
    assert_string_equal(s->marks, "steal 3 %; load 9");
    assert_int_equal(s->n_marked, 2);
    assert_string_equal(s->tokens, "aa");
    assert_non_null(strstr(s->warning, "1 of 10 processes is an outlier"));
    assert_non_null(strstr(s->warning, "different tokens"));
    assert_non_null(strstr(s->warning, "2 of 10 samples marked: steal 3 %; load 9"));
    assert_non_null(strstr(s->warning, "cv 16."));
    tm_summaries_free(&all);
}

/* Adds alternating pairs: ternary is `ratio` times as fast, the second slot `second` times as
 * fast. */
static void add_pairs(const char *ternary, int n, int first_number, int step, double ratio,
                      double second)
{
    for (int i = 0; i < n; i++) {
        int number = first_number + i * step, slot = i % 2;
        double wobble = 1 + 0.01 * ((i * 7) % 5 - 2), level = 100 + 10 * i; /* drift of both arms */
        add_sample("f16", TM_ROLE_BASELINE, number, 0, slot, level * (slot ? second : 1));
        add_sample(ternary, TM_ROLE_TERNARY, number, 0, 1 - slot,
                   level * ratio * wobble * (slot ? 1 : second));
    }
}

static void compare(const tm_cell_summary *a, const tm_cell_summary *b, tm_comparison *out)
{
    tm_error err = {0};
    if (tm_compare_cells(a, b, out, &err) != TM_OK) fail_msg("%s", err.message);
}

static void drift_cancels_out_of_pairs(void **state)
{
    (void)state;
    add_pairs("t", 10, 0, 1, 2, 1);
    tm_summaries all = summarise();
    tm_comparison c;
    compare(find_summary(&all, "t"), find_summary(&all, "f16"), &c);
    /* Ratios 2 and -2, -1, 0, 1, 2 % of it, twice each: 7 of the 55 Walsh averages lie below -1 %,
     * the 9th is -1 %. */
    assert_int_equal(c.n_pairs, 10);
    assert_int_equal(c.n_unpaired, 0);
    /* The speed nearly doubles over the run; the ratio is not affected. */
    NEAR(c.ratio.value, 2, 0.01);
    assert_true(c.ratio.low > 1.97 && c.ratio.high < 2.03);
    assert_string_equal(c.ratio.method, "Wilcoxon signed-rank");
    assert_string_equal(c.ratio_t.method, "t on logs");
    assert_int_equal(c.verdict, TM_VERDICT_FASTER);
    assert_false(c.slot_moved);
    assert_true(isnan(c.control.value) && !c.control_moved);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(c.first_is_a[i], i % 2 == 1);
        NEAR(c.b_values[i], 100 + 10 * i, 1e-4);
    }
    tm_comparison_free(&c);
    compare(find_summary(&all, "f16"), find_summary(&all, "t"), &c);
    NEAR(c.ratio.value, 0.5, 0.005);
    assert_int_equal(c.verdict, TM_VERDICT_SLOWER);
    tm_comparison_free(&c);
    tm_summaries_free(&all);
}

static void slower_second_slot_is_detected(void **state)
{
    (void)state;
    add_pairs("t", 10, 0, 1, 2, 0.9);
    tm_summaries all = summarise();
    tm_comparison c;
    compare(find_summary(&all, "t"), find_summary(&all, "f16"), &c);
    NEAR(c.slot.value, 0.9, 0.01);
    assert_true(c.slot_moved && c.slot.low < 0.9 && c.slot.high < 1);
    NEAR(c.ratio.value, 2, 0.02);
    assert_non_null(strstr(c.warning, "the arm that ran second was slower by"));
    tm_comparison_free(&c);
    tm_summaries_free(&all);
}

static void only_processes_of_one_run_are_pairs(void **state)
{
    (void)state;
    /* Two kernels alternate against one baseline: numbers 0, 2, 4 .. and 1, 3, 5 .. */
    add_pairs("t1", 6, 0, 2, 2, 1);
    add_pairs("t2", 6, 1, 2, 3, 1);
    /* The partner belongs to another run, or does not exist. */
    add_sample("f16", TM_ROLE_BASELINE, 20, 0, 0, 100);
    strcpy(add_sample("t1", TM_ROLE_TERNARY, 20, 0, 1, 900)->run_id, "run2");
    add_sample("t1", TM_ROLE_TERNARY, 22, 0, 0, 900);
    tm_summaries all = summarise();
    tm_comparison c;
    compare(find_summary(&all, "t1"), find_summary(&all, "f16"), &c);
    assert_int_equal(find_summary(&all, "f16")->n_processes, 13);
    assert_int_equal(c.n_pairs, 6);
    assert_int_equal(c.n_unpaired, 9);
    assert_true(c.ratio.high < 2.1);
    assert_non_null(strstr(c.warning, "9 processes without a partner"));
    tm_comparison_free(&c);
    compare(find_summary(&all, "t2"), find_summary(&all, "t1"), &c);
    assert_int_equal(c.n_pairs, 0);
    assert_string_equal(c.missing, "no pair in one run among 6 and 8 processes");
    tm_comparison_free(&c);
    tm_summaries_free(&all);
}

static void moved_control_makes_a_comparison_inconclusive(void **state)
{
    (void)state;
    add_pairs("t", 8, 0, 1, 1.2, 1);
    for (int i = 0; i < n_records; i++)
        records[i].sample.spin_ns = strcmp(records[i].cell.kernel, "t") == 0 ? 1100 + i : 1000 + i;
    tm_summaries all = summarise();
    tm_comparison c;
    compare(find_summary(&all, "t"), find_summary(&all, "f16"), &c);
    assert_true(c.control_moved);
    NEAR(c.control.value, 1.1, 0.01);
    assert_int_equal(c.verdict, TM_VERDICT_INCONCLUSIVE);
    assert_non_null(strstr(c.warning, "the control moved by +10"));
    tm_comparison_free(&c);
    tm_summaries_free(&all);
    /* Equal in both arms: the verdict does not change. */
    for (int i = 0; i < n_records; i++) records[i].sample.spin_ns = 1000 + (i * 5) % 11;
    all = summarise();
    compare(find_summary(&all, "t"), find_summary(&all, "f16"), &c);
    assert_true(!c.control_moved && isfinite(c.control.value));
    assert_int_equal(c.verdict, TM_VERDICT_FASTER);
    tm_comparison_free(&c);
    tm_summaries_free(&all);
}

static void the_fastest_kernel_is_the_column(void **state)
{
    (void)state;
    tm_error err;
    tm_speedups speedups;
    add_pairs("slow", 6, 0, 3, 2, 1);
    add_pairs("fast", 6, 1, 3, 3, 1);
    add_pairs("middle", 6, 2, 3, 2.5, 1);
    add_cell("absent", TM_ROLE_TERNARY, "tg100", "skipped", "this machine lacks it");
    add_cell("fast", TM_ROLE_TERNARY, "pp64", "skipped", "needs more memory");
    add_sample("other", "", 0, 0, 0, 1e6); /* no role: not part of a speed-up */
    for (int i = 0; i < n_records; i++) records[i].sample.head_bytes = 2e6;
    /* A different head makes a different model: it is not compared with the baseline. */
    add_sample("small head", TM_ROLE_TERNARY, 0, 0, 1, 1e6)->sample.head_bytes = 8e5;
    tm_summaries all = summarise();
    assert_int_equal(tm_speedups_make(&all, &speedups, &err), TM_OK);
    assert_int_equal(speedups.n, 2);
    const tm_speedup *s = &speedups.items[0];
    assert_string_equal(s->cell->test, "tg100");
    assert_string_equal(s->ternary->cell.kernel, "fast");
    assert_string_equal(s->baseline->cell.kernel, "f16");
    assert_int_equal(s->n_kernels, 3);
    assert_int_equal(s->n_baselines, 1);
    assert_int_equal(s->comparison.n_pairs, 6);
    NEAR(s->comparison.ratio.value, 3, 0.03);
    s = &speedups.items[1];
    assert_string_equal(s->cell->test, "pp64");
    assert_string_equal(s->ternary->missing, "needs more memory");
    assert_null(s->baseline);
    assert_int_equal(s->n_kernels, 0);
    assert_string_equal(s->comparison.missing, "no baseline cell was run");
    tm_speedups_free(&speedups);
    tm_summaries_free(&all);
}

static void another_build_has_its_own_summary(void **state)
{
    (void)state;
    add_sample("k", TM_ROLE_TERNARY, 0, 0, 0, 10);
    strcpy(add_sample("k", TM_ROLE_TERNARY, 0, 0, 0, 90)->cell_id, "id-new");
    tm_summaries all = summarise();
    assert_int_equal(all.n, 2);
    assert_true(all.items[0].superseded && !all.items[1].superseded);
    NEAR(find_summary(&all, "k")->tokens_per_second.value, 90, 1e-6);
    int n;
    const tm_best_query query = {.role = TM_ROLE_TERNARY, .column = &all.items[1].cell};
    const tm_cell_summary *best = tm_summaries_best(&all, &query, &n);
    assert_ptr_equal(best, &all.items[1]);
    assert_int_equal(n, 1);
    tm_summaries_free(&all);
    /* The first build, measured again later, is the current one. */
    add_sample("k", TM_ROLE_TERNARY, 1, 0, 0, 10);
    all = summarise();
    assert_true(!all.items[0].superseded && all.items[1].superseded);
    tm_summaries_free(&all);
}

static void no_records_give_no_summaries(void **state)
{
    (void)state;
    tm_error err;
    tm_speedups speedups;
    tm_summaries all = summarise();
    assert_int_equal(all.n, 0);
    assert_int_equal(tm_speedups_make(&all, &speedups, &err), TM_OK);
    assert_int_equal(speedups.n, 0);
    assert_null(tm_summaries_find(&all, "ternmark", "m", "k", 1, "tg1"));
    tm_speedups_free(&speedups);
    tm_summaries_free(&all);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, forget_records)
    const struct CMUnitTest tests[] = {
        TEST(repetitions_become_one_value_per_process),
        TEST(one_process_has_no_interval),
        TEST(missing_values_keep_their_reasons),
        TEST(cells_without_samples_have_the_reason),
        TEST(percentiles_require_enough_tokens),
        TEST(outliers_are_marked_and_kept),
        TEST(drift_cancels_out_of_pairs),
        TEST(slower_second_slot_is_detected),
        TEST(only_processes_of_one_run_are_pairs),
        TEST(moved_control_makes_a_comparison_inconclusive),
        TEST(the_fastest_kernel_is_the_column),
        TEST(another_build_has_its_own_summary),
        TEST(no_records_give_no_summaries),
    };
    return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}
