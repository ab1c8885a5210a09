/* Stores that hold several runs, builds and machines, or the same repetition twice: each value
 * comes from one of each, and what does not belong together is kept apart. */
#include "reports/limits.h"
#include "reports/speedup_sheet.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

#define MODEL  "synth:125M"
#define FP16   "f16_fma_x"
#define FIRST  "i2_mad_x"
#define SECOND "t5_lut_x"

typedef struct mixed {
    sample_store store;
    tm_summaries all;
    tm_speedups speedups;
} mixed;

static void near_to(double got, double wanted, double share, const char *what, int line)
{
    if (!(fabs(got - wanted) <= share * wanted))
        fail_msg("line %d: %s is %.9g, wanted %.9g", line, what, got, wanted);
}
#define NEAR(got, wanted) near_to(got, wanted, 1e-6, #got, __LINE__)

/* Adds a run. read: its bandwidth in GB/s with one thread. */
static void add_run(mixed *m, const char *id, const char *fingerprint, const char *build,
                    double read)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"schema\":1,\"kind\":\"run\",\"run\":\"%s\",\"fingerprint\":\"%s\",\"build\":"
             "\"%s\",\"machine\":{\"cpu_model\":\"CPU %s\",\"cores\":2},\"roofline\":{"
             "\"read_gb_per_second\":[{\"threads\":1,\"value\":%g}],\"int8_gmac_per_second\":"
             "[{\"threads\":1,\"value\":%g}]}}",
             id, fingerprint, build, fingerprint, read, 10 * read);
    sample_add_run(&m->store, json);
    snprintf(m->store.records.items[m->store.records.n - 1].run_id, 24, "%s", id);
}

/* Adds a process of two repetitions to a run; the build is part of the cell's id. */
static void add_process(mixed *m, const char *run, const char *build, const char *kernel,
                        int number, int slot, double rate)
{
    const int from = m->store.records.n;
    sample_add_process(&m->store, MODEL, kernel, 1, 0, 16, number, slot, rate, 1e9);
    for (int i = from; i < m->store.records.n; i++) {
        tm_record *r = &m->store.records.items[i];
        snprintf(r->run_id, sizeof r->run_id, "%s", run);
        snprintf(r->cell_id, sizeof r->cell_id, "%s-%s", kernel, build);
    }
}

static void add_pairs(mixed *m, const char *run, const char *build, const char *kernel, int n,
                      double fp16, double ternary)
{
    for (int i = 0; i < n; i++) {
        add_process(m, run, build, FP16, i, i % 2, fp16);
        add_process(m, run, build, kernel, i, 1 - i % 2, ternary);
    }
}

static void summarise(mixed *m)
{
    tm_error err = {0};
    if (tm_summaries_make(m->store.records.items, m->store.records.n, &m->all, &err) != TM_OK ||
        tm_speedups_make(&m->all, &m->speedups, &err) != TM_OK)
        fail_msg("%s", err.message);
}

static const tm_cell_summary *find(const mixed *m, const char *kernel)
{
    const tm_cell_summary *s = tm_summaries_find(&m->all, "ternmark", MODEL, kernel, 1, "tg16");
    if (!s) fail_msg("no summary of %s", kernel);
    return s;
}

static void forget(mixed *m)
{
    tm_speedups_free(&m->speedups);
    tm_summaries_free(&m->all);
    sample_free(&m->store);
}

static void machines_are_kept_apart(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    add_run(&m, "r2", "B", "b1", 100);
    add_pairs(&m, "r2", "b1", FIRST, 4, 50, 300);
    summarise(&m);
    assert_int_equal(m.all.n_machines, 2);
    assert_int_equal(m.all.n, 4);
    assert_int_equal(m.speedups.n, 2);
    for (int i = 0; i < 4; i++) {
        assert_false(m.all.items[i].superseded);
        assert_int_equal(m.all.items[i].n_processes, 4);
        assert_string_equal(m.all.items[i].newest, "");
    }
    NEAR(m.speedups.items[0].baseline->tokens_per_second.value, 10);
    NEAR(m.speedups.items[0].comparison.ratio.value, 3);
    NEAR(m.speedups.items[1].baseline->tokens_per_second.value, 50);
    NEAR(m.speedups.items[1].comparison.ratio.value, 6);
    NEAR(tm_limit_read(m.speedups.items[0].ternary).share.value, 30.0 / 20);
    NEAR(tm_limit_read(m.speedups.items[1].ternary).share.value, 300.0 / 100);
    forget(&m);
}

static void equal_numbers_in_two_runs_are_different_processes(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    add_run(&m, "r2", "A", "b1", 20);
    add_pairs(&m, "r2", "b1", FIRST, 4, 20, 60);
    summarise(&m);
    const tm_cell_summary *fp16 = find(&m, FP16);
    assert_int_equal(fp16->n_processes, 8);
    assert_int_equal(fp16->n_repetitions, 16);
    assert_int_equal(fp16->n_runs, 2);
    NEAR(fp16->processes[0].tokens_per_second, 10);
    NEAR(fp16->processes[4].tokens_per_second, 20);
    /* The factor between the runs shows in the interval of the speed, not in that of the ratio. */
    assert_true(fp16->tokens_per_second.high / fp16->tokens_per_second.low > 1.5);
    assert_int_equal(m.speedups.items[0].comparison.n_pairs, 8);
    NEAR(m.speedups.items[0].comparison.ratio.low, 3);
    NEAR(m.speedups.items[0].comparison.ratio.high, 3);
    forget(&m);
}

static void percentages_use_the_limit_of_each_run(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 10);
    add_run(&m, "r2", "A", "b1", 5);
    summarise(&m);
    NEAR(tm_limit_read(find(&m, FIRST)).value.value, 20);
    NEAR(tm_limit_read(find(&m, FIRST)).share.value, 10.0 / 20);
    NEAR(tm_limit_multiply(find(&m, FIRST)).share.value, 20.0 / 200);
    forget(&m);
}

static void cells_of_an_older_build_are_marked(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 6, 10, 30);
    add_run(&m, "r2", "A", "b2", 20);
    add_process(&m, "r2", "b2", FP16, 0, 0, 50);
    summarise(&m);
    NEAR(find(&m, FP16)->tokens_per_second.value, 50);
    assert_string_equal(find(&m, FP16)->newest, "");
    assert_string_equal(find(&m, FIRST)->build, "b1");
    assert_string_equal(find(&m, FIRST)->newest, "b2");
    int n_superseded = 0;
    for (int i = 0; i < m.all.n; i++) n_superseded += m.all.items[i].superseded;
    assert_int_equal(n_superseded, 1);
    /* No ratio of two builds. */
    const tm_comparison *c = &m.speedups.items[0].comparison;
    assert_true(isnan(c->ratio.value));
    assert_string_equal(c->missing,
                        "no pair in one run: i2_mad_x was measured by build b1, f16_fma_x by "
                        "build b2");
    forget(&m);
}

/* Sets the hash of the model in the records from `from` on, as part of the cell's id. */
static void set_model(mixed *m, int from, const char *hash)
{
    for (int i = from; i < m->store.records.n; i++) {
        tm_record *r = &m->store.records.items[i];
        if (r->kind == TM_RECORD_RUN) continue;
        snprintf(r->cell.model_hash, sizeof r->cell.model_hash, "%s", hash);
        snprintf(r->cell_id, sizeof r->cell_id, "%.16s-%.6s", r->cell.kernel, hash);
    }
}

/* speedup.csv of the store; free it. Its lines end with older_model. */
static tm_text csv_of(const mixed *m)
{
    tm_error err = {0};
    tm_text text = {0};
    tm_table table;
    const tm_published none = {0};
    const tm_sheet_machine machines[] = {{.name = "A"}, {.name = "B"}};
    const tm_sheet_input input = {
        .speedups = &m->speedups, .published = &none, .machines = machines, .n_machines = 2};
    assert_int_equal(tm_speedup_csv(&input, &table, &err), TM_OK);
    assert_int_equal(tm_table_write_csv(&table, &text, &err), TM_OK);
    tm_table_free(&table);
    return text;
}

/* The last field of the line with this quantity. */
static const char *last_field(const tm_text *csv, const char *quantity)
{
    static char field[32];
    const char *line = strstr(tm_text_string(csv), quantity);
    if (!line) fail_msg("no %s in %s", quantity, tm_text_string(csv));
    const char *end = strchr(line, '\r'), *begin = end;
    while (begin[-1] != ',') begin--;
    snprintf(field, sizeof field, "%.*s", (int)(end - begin), begin);
    return field;
}

static void cells_of_a_replaced_model_are_marked(void **state)
{
    (void)state;
    mixed m = {0};
    char text[320] = "";
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    set_model(&m, 0, "old");
    const int from = m.store.records.n;
    add_run(&m, "r2", "A", "b1", 20);
    add_process(&m, "r2", "b1", SECOND, 0, 0, 20);
    set_model(&m, from, "new");
    summarise(&m);
    assert_true(find(&m, FP16)->older_model);
    assert_true(find(&m, FIRST)->older_model);
    assert_false(find(&m, SECOND)->older_model);
    tm_summary_age(find(&m, FIRST), text, sizeof text);
    assert_non_null(strstr(text, "an earlier model of this name"));
    /* The newest model is shown even if only the earlier one has pairs. */
    assert_string_equal(m.speedups.items[0].ternary->cell.kernel, SECOND);
    tm_text csv = csv_of(&m);
    assert_string_equal(last_field(&csv, "interval_percent"), "older_model");
    assert_string_equal(last_field(&csv, ",fp16,tokens/s,"), "yes");
    assert_string_equal(last_field(&csv, ",ternary,tokens/s,"), "no");
    /* A ratio is as old as the older of its arms. */
    assert_string_equal(last_field(&csv, ",speed-up,1,"), "yes");
    tm_text_free(&csv);
    forget(&m);

    /* Records without the hash say nothing about the model. */
    m = (mixed){0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    summarise(&m);
    for (int i = 0; i < m.all.n; i++) assert_false(m.all.items[i].older_model);
    forget(&m);
}

static void a_role_may_change(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    add_run(&m, "r2", "A", "b1", 20);
    const int from = m.store.records.n;
    for (int i = 0; i < 4; i++) add_process(&m, "r2", "b1", FIRST, i, i % 2, 30);
    for (int i = from; i < m.store.records.n; i++)
        strcpy(m.store.records.items[i].cell.role, TM_ROLE_BASELINE);
    for (int i = 0; i < 4; i++) add_process(&m, "r2", "b1", SECOND, i, 1 - i % 2, 33);
    summarise(&m);
    assert_string_equal(find(&m, FIRST)->cell.role, TM_ROLE_BASELINE);
    assert_non_null(
        strstr(find(&m, FIRST)->warning, "its role was ternary before it became baseline"));
    assert_string_equal(m.speedups.items[0].ternary->cell.kernel, SECOND);
    assert_string_equal(m.speedups.items[0].baseline->cell.kernel, FIRST);
    NEAR(m.speedups.items[0].comparison.ratio.value, 1.1);
    forget(&m);
}

static void repeated_repetitions_count_once(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 4, 10, 30);
    add_process(&m, "r1", "b1", FIRST, 3, 0, 90);
    summarise(&m);
    const tm_cell_summary *s = find(&m, FIRST);
    assert_int_equal(s->n_processes, 4);
    assert_int_equal(s->n_repetitions, 8);
    assert_int_equal(s->n_duplicates, 2);
    NEAR(s->tokens_per_second.value, 30);
    NEAR(m.speedups.items[0].comparison.ratio.high, 3);
    forget(&m);
}

static void a_kernel_added_later_leaves_the_measured_ratio(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 6, 10, 30);
    add_run(&m, "r2", "A", "b1", 20);
    for (int i = 0; i < 6; i++) add_process(&m, "r2", "b1", SECOND, i, i % 2, 33);
    summarise(&m);
    assert_string_equal(m.speedups.items[0].ternary->cell.kernel, FIRST);
    assert_int_equal(m.speedups.items[0].comparison.n_pairs, 6);
    NEAR(m.speedups.items[0].comparison.ratio.value, 3);
    assert_int_equal(m.speedups.items[0].n_kernels, 1);
    forget(&m);

    /* With pairs of its own it is the fastest. */
    m = (mixed){0};
    add_run(&m, "r1", "A", "b1", 20);
    add_pairs(&m, "r1", "b1", FIRST, 6, 10, 30);
    add_run(&m, "r2", "A", "b1", 20);
    add_pairs(&m, "r2", "b1", SECOND, 6, 20, 66);
    summarise(&m);
    assert_string_equal(m.speedups.items[0].ternary->cell.kernel, SECOND);
    assert_int_equal(m.speedups.items[0].comparison.n_pairs, 6);
    NEAR(m.speedups.items[0].comparison.ratio.value, 3.3);
    forget(&m);
}

static void a_process_has_one_partner(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    for (int i = 0; i < 6; i++) {
        add_process(&m, "r1", "b1", FP16, i, 0, 10);
        add_process(&m, "r1", "b1", FIRST, i, 0, 90); /* not the other slot */
        add_process(&m, "r1", "b1", FIRST, i, 1, 30);
    }
    summarise(&m);
    const tm_comparison *c = &m.speedups.items[0].comparison;
    assert_int_equal(find(&m, FIRST)->n_processes, 12);
    assert_int_equal(c->n_pairs, 6);
    assert_int_equal(c->n_unpaired, 6);
    NEAR(c->ratio.value, 3);
    NEAR(c->ratio.high, 3);
    forget(&m);
}

static void few_pairs_have_a_range_and_no_interval(void **state)
{
    (void)state;
    for (int n = 1; n <= 5; n++) {
        mixed m = {0};
        add_run(&m, "r1", "A", "b1", 20);
        for (int i = 0; i < n; i++) {
            add_process(&m, "r1", "b1", FP16, i, i % 2, 10);
            add_process(&m, "r1", "b1", FIRST, i, 1 - i % 2, 20 + 10 * (i % 2));
        }
        summarise(&m);
        const tm_comparison *c = &m.speedups.items[0].comparison;
        assert_int_equal(c->n_pairs, n);
        const bool has_range = strcmp(c->ratio.method, TM_PAIRS_RANGE) == 0;
        assert_int_equal(has_range, n == 2 || n == 3);
        if (n == 1) assert_true(isnan(c->ratio.low) && isnan(c->ratio.high));
        if (has_range) {
            NEAR(c->ratio.low, 2);
            NEAR(c->ratio.high, 3);
        }
        if (n >= 4) assert_true(c->ratio.low < 2 && c->ratio.high > 3); /* t is wider */
        assert_int_equal(c->verdict == TM_VERDICT_NO_INTERVAL, n < 4);
        /* An odd number leaves part of the slot effect in the ratio. */
        assert_int_equal(strstr(c->warning, "odd number of pairs") != NULL, n > 1 && n % 2);
        forget(&m);
    }
}

/* A t interval of three processes would be wider than all that was seen. */
static void few_processes_have_their_range(void **state)
{
    (void)state;
    mixed m = {0};
    add_run(&m, "r1", "A", "b1", 20);
    for (int i = 0; i < 3; i++) add_process(&m, "r1", "b1", FIRST, i, 0, 10 << i);
    summarise(&m);
    const tm_interval *rate = &find(&m, FIRST)->tokens_per_second;
    assert_string_equal(rate->method, TM_PROCESSES_RANGE);
    NEAR(rate->value, 20);
    NEAR(rate->low, 10);
    NEAR(rate->high, 40);
    assert_true(isnan(rate->confidence));
    forget(&m);

    /* The mean of equal values is not outside their range by rounding. */
    static const double all[] = {1.0 / 3, 19.25, 0.1, 77.7, 1e6 / 7};
    for (int i = 0; i < 5; i++) {
        const double values[] = {all[i], all[i], all[i]};
        const tm_interval equal = tm_processes_interval(values, 3);
        assert_true(equal.low <= equal.value && equal.value <= equal.high);
    }
}

static void the_fastest_of_several_has_a_wider_interval(void **state)
{
    (void)state;
    tm_error err;
    mixed m = {0};
    tm_comparison alone;
    char text[200] = "";
    add_run(&m, "r1", "A", "b1", 20);
    for (int i = 0; i < 20; i++) {
        const double noise = 1 + 0.01 * ((i * 7) % 5 - 2);
        add_process(&m, "r1", "b1", FP16, i, i / 2 % 2, 10);
        add_process(&m, "r1", "b1", i % 2 ? FIRST : SECOND, i, 1 - i / 2 % 2,
                    (i % 2 ? 20 : 21) * noise);
    }
    summarise(&m);
    const tm_comparison *c = &m.speedups.items[0].comparison;
    assert_int_equal(tm_compare_cells(find(&m, SECOND), find(&m, FP16), &alone, &err), TM_OK);
    assert_string_equal(c->a->cell.kernel, SECOND);
    assert_int_equal(c->n_candidates, 2);
    assert_int_equal(alone.n_candidates, 1);
    NEAR(c->confidence, 1 - 0.05 / 2);
    assert_true(c->ratio.confidence >= 0.975 && alone.ratio.confidence < c->ratio.confidence);
    NEAR(c->ratio.value, alone.ratio.value);
    assert_true(c->ratio.low < alone.ratio.low && c->ratio.high > alone.ratio.high);
    tm_comparison_choice(c, text, sizeof text);
    assert_string_equal(text, "fastest of 2 kernels by these samples: slightly too high; 97.5 % "
                              "interval, Bonferroni for 2 kernels");
    text[0] = '\0';
    tm_comparison_choice(&alone, text, sizeof text);
    assert_string_equal(text, "");
    tm_comparison_free(&alone);
    forget(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_are_kept_apart),
        cmocka_unit_test(equal_numbers_in_two_runs_are_different_processes),
        cmocka_unit_test(percentages_use_the_limit_of_each_run),
        cmocka_unit_test(cells_of_an_older_build_are_marked),
        cmocka_unit_test(cells_of_a_replaced_model_are_marked),
        cmocka_unit_test(a_role_may_change),
        cmocka_unit_test(repeated_repetitions_count_once),
        cmocka_unit_test(a_kernel_added_later_leaves_the_measured_ratio),
        cmocka_unit_test(a_process_has_one_partner),
        cmocka_unit_test(few_pairs_have_a_range_and_no_interval),
        cmocka_unit_test(few_processes_have_their_range),
        cmocka_unit_test(the_fastest_of_several_has_a_wider_interval),
    };
    return cmocka_run_group_tests_name("mixed stores", tests, NULL, NULL);
}
