/* Reports of stores with profiles: values computed by hand in every format, reasons of missing
 * values, and the roofline of the same run. */
#include "reports/report.h"
#include "reports/report_parts.h"
#include "tests/harness/record_profiles.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

#include <ftw.h>

static char dir[64];

static int open_folder(void **state)
{
    (void)state;
    snprintf(dir, sizeof dir, "/tmp/ternmark-profile-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int close_folder(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define RUN(id, roofline)                                                                          \
    "{\"schema\":1,\"kind\":\"run\",\"run\":\"" id "\",\"machine\":{\"cpu_model\":\"Imaginary\"}," \
    "\"environment\":{\"usable_cores\":2}," roofline "}"
#define LIMITS(read)                                                                               \
    "\"roofline\":{\"read_gb_per_second\":[{\"threads\":2,\"value\":" read "}],"                   \
    "\"int8_gmac_per_second\":[{\"threads\":2,\"value\":100}],"                                    \
    "\"fp32_gmac_per_second\":[{\"threads\":2,\"value\":20}]}"

/* The table of op_tables.h, `scale` times as slow; NULL reason: there is one. */
static tm_record *add_profile(sample_store *store, const char *kernel, int process, double scale,
                              const char *reason)
{
    tm_record *r = sample_add(store);
    r->kind = TM_RECORD_PROFILE;
    sample_name(r, "synth:125M", kernel, 2, 0, 2);
    r->process = process;
    snprintf(r->status, sizeof r->status, "%s", reason ? "skipped" : "ok");
    if (reason) {
        snprintf(r->reason, sizeof r->reason, "%s", reason);
        return r;
    }
    r->profile = make_op_table(scale);
    return r;
}

static void add_times(sample_store *store, const char *kernel, int n)
{
    for (int i = 0; i < n; i++)
        sample_add_process(store, "synth:125M", kernel, 2, 0, 2, i, 0, 1e6, 1e6);
}

static tm_summaries summarise(const sample_store *store)
{
    tm_error err = {0};
    tm_summaries summaries;
    if (tm_summaries_make(store->records.items, store->records.n, &summaries, &err) != TM_OK)
        fail_msg("%s", err.message);
    return summaries;
}

static tm_text table_of(const tm_summaries *summaries, bool rows)
{
    tm_error err = {0};
    tm_table table;
    tm_text text = {0};
    assert_int_equal((rows ? tm_report_profile_csv : tm_report_profile)(summaries, &table, &err),
                     TM_OK);
    assert_int_equal((rows ? tm_table_write_csv : tm_table_write_markdown)(&table, &text, &err),
                     TM_OK);
    tm_table_free(&table);
    return text;
}

static void assert_has(const char *text, const char *part)
{
    if (!text || !strstr(text, part))
        fail_msg("\"%s\" is not in:\n%s", part, text ? text : "(no file)");
}

/* The process of median time is shown, with the limits of its own run although a later run measured
 * others. At 10 GB/s `down` takes at least 250 of 600 ns and the head 90 of 180 ns. */
static void the_process_of_median_time_is_shown(void **state)
{
    (void)state;
    sample_store store = {0};
    sample_add_run(&store, RUN("run-1", LIMITS("10")));
    add_times(&store, "i2_mad_x", 3);
    add_profile(&store, "i2_mad_x", 0, 3, NULL)->profile.overhead = 1.05;
    add_profile(&store, "i2_mad_x", 1, 1, NULL);
    add_profile(&store, "i2_mad_x", 2, 0.5, NULL)->profile.overhead = 0.99;
    sample_add_run(&store, RUN("run-2", LIMITS("1000")));
    snprintf(store.records.items[store.records.n - 1].run_id, 24, "run-2");
    tm_summaries summaries = summarise(&store);
    assert_int_equal(summaries.n, 1);
    const tm_cell_profile *p = &summaries.items[0].profile;
    assert_true(p->is_asked && p->shown && p->shown->region_ns == 1000);
    assert_int_equal(p->n_processes, 3);
    assert_true(p->overhead.value > 1.0 && p->overhead.value < 1.04 && p->overhead.n == 3);
    assert_true(p->overhead.low < p->overhead.value);
    assert_true(p->limits.read_gb_per_second == 10 && p->limits_missing[0] == 0);
    tm_text text = table_of(&summaries, false);
    static const char *const rows[] = {
        "| Cell | Operation | Time, % |",
        "| 125M i2_mad_x, 2 threads, tg2 | attn_norm | 0.40 | 0.00200 | 0.00150 | 0.00 | 75.0 | - "
        "| "
        "- | - | - |",
        "| down | 60.00 | 0.300 | 0.240 | 8.00 | 1.50 | 36.7 | int8 | 41.7 | 52.1 |",
        "| head | 18.00 | 0.0900 | 0.0750 | 9.60 | 4.11 | 10.0 | fp32 | 50.0 | 60.0 |",
        "| idle | 4.00 | 0.0200 |",
        "| all <sup>a</sup> | 78.40 |",
        "profiling overhead +1.97 % [",
        "(3 processes of 3 pairs)"};
    const char *at = tm_text_string(&text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *found = strstr(at, rows[i]);
        if (!found) fail_msg("no \"%s\" in its place: %s", rows[i], at);
        at = found;
    }
    tm_text_free(&text);
    text = table_of(&summaries, true);
    assert_has(tm_text_string(&text),
               "\r\nternmark,synth:125M,i2_mad_x,f16_x,2,tg2,down,300,240,40,450,"
               "11000,1.5,36.6666667,int8,60,8,41.6666667,3,");
    tm_text_free(&text);
    tm_summaries_free(&summaries);
    sample_free(&store);
}

static void missing_profiles_have_the_reason(void **state)
{
    (void)state;
    sample_store store = {0};
    sample_add_run(&store, RUN("run-1", "\"roofline\":null,\"roofline_missing\":\"not measured\""));
    add_times(&store, "i2_mad_x", 2);
    add_profile(&store, "i2_mad_x", 0, 1, NULL);
    add_profile(&store, "i2_mad_x", 1, 1, "stamps found no room");
    add_times(&store, "other_engine", 1);
    add_profile(&store, "other_engine", 0, 1, "the worker of this engine does not say");
    add_times(&store, "never_asked", 1);
    /* The process was killed after its profile and before its sample. */
    tm_record *lone = add_profile(&store, "untimed", 0, 1, NULL);
    tm_summaries few = summarise(&store);
    assert_int_equal(lone->profile.n_pairs, 3); /* too few for an interval */
    assert_true(isnan(few.items[3].profile.overhead.low));
    tm_summaries_free(&few);
    lone->profile.n_pairs = 4;
    tm_summaries summaries = summarise(&store);
    assert_int_equal(summaries.n, 4);
    const tm_cell_summary *untimed = &summaries.items[3];
    assert_string_equal(untimed->missing, "a profile only: no repetition was timed");
    assert_true(isnan(untimed->tokens_per_second.value) && untimed->profile.shown);
    /* With one process the interval is over its own pairs. */
    assert_true(untimed->profile.overhead.low == 1.01);
    tm_text text = table_of(&summaries, false);
    const char *table = tm_text_string(&text);
    assert_has(table, "| down | 60.00 | 0.300 | 0.240 | 8.00 | 1.50 | 36.7 | - | - | - |");
    assert_has(table, "; 1 without a profile; no limits: its run did not measure the "
                      "machine's limits");
    assert_has(table, "| 125M other_engine, 2 threads, tg2 | - <sup>b</sup> |");
    assert_has(table, "the worker of this engine does not say");
    assert_null(strstr(table, "never_asked"));
    tm_text_free(&text);
    text = table_of(&summaries, true);
    assert_has(tm_text_string(&text),
               "other_engine,f16_x,2,tg2,,,,,,,,,,,,,0,,the worker of this engine does not say");
    tm_text_free(&text);

    tm_json *json = tm_cell_profile_to_json(&summaries.items[1].profile);
    assert_true(tm_json_is_null(tm_json_get(json, "operations")));
    assert_has(tm_json_text(tm_json_get(json, "operations_missing"), ""), "does not say");
    tm_json_free(json);
    json = tm_cell_profile_to_json(&untimed->profile);
    assert_int_equal(tm_json_count(tm_json_get(json, "operations")), 3);
    const tm_json *down = tm_json_at(tm_json_get(json, "operations"), 1);
    assert_true(tm_json_double(tm_json_get(down, "time_percent"), 0) == 60);
    assert_true(tm_json_is_null(tm_json_get(down, "percent_of_limit")));
    assert_has(
        tm_json_text(tm_json_get(tm_json_get(json, "limits"), "read_gb_per_second_missing"), ""),
        "did not measure");
    tm_json_free(json);
    tm_summaries_free(&summaries);
    sample_free(&store);
}

/* Two or more operations below 0.5 % share a row without rates; a single one has its own row. */
static void small_operations_share_a_row(void **state)
{
    (void)state;
    sample_store store = {0};
    add_times(&store, "i2_mad_x", 1);
    tm_record_profile *t = &add_profile(&store, "i2_mad_x", 0, 1, NULL)->profile;
    snprintf(t->entries[3].operation, sizeof t->entries[3].operation, "small");
    t->entries[3].part.work_ns = 2;
    t->entries[3].part.wait_ns = 1;
    tm_summaries summaries = summarise(&store);
    tm_text text = table_of(&summaries, false);
    assert_has(tm_text_string(&text),
               "| 2 smaller operations | 0.60 | 0.00300 | 0.0765 | 0.10 | - | - | - "
               "| - | - |");
    assert_null(strstr(tm_text_string(&text), "attn_norm"));
    tm_text_free(&text);
    text = table_of(&summaries, true); /* the CSV has all of them */
    assert_has(tm_text_string(&text), ",attn_norm,");
    tm_text_free(&text);
    tm_summaries_free(&summaries);
    sample_free(&store);
}

static void superseded_cells_are_omitted(void **state)
{
    (void)state;
    sample_store store = {0};
    add_times(&store, "i2_mad_x", 1);
    add_profile(&store, "i2_mad_x", 0, 1, NULL);
    add_times(&store, "i2_mad_x", 1); /* of another build */
    tm_record *r = &store.records.items[store.records.n - 1];
    snprintf(r[0].cell_id, sizeof r->cell_id, "later");
    snprintf(r[-1].cell_id, sizeof r->cell_id, "later");
    tm_summaries summaries = summarise(&store);
    tm_text text = table_of(&summaries, false);
    assert_null(strstr(tm_text_string(&text), "down"));
    tm_text_free(&text);
    tm_summaries_free(&summaries);
    sample_free(&store);
}

static char *slurp(const char *name)
{
    static char text[1 << 18];
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *in = fopen(path, "rb");
    if (!in) return NULL;
    text[fread(text, 1, sizeof text - 1, in)] = '\0';
    fclose(in);
    return text;
}

static tm_report write_report(const sample_store *store)
{
    static const tm_published published;
    tm_error err = {0};
    tm_report report;
    tm_report_options options = {.store = "made-up.jsonl",
                                 .directory = dir,
                                 .formats = TM_REPORT_ALL,
                                 .published = &published};
    if (tm_report_write(&store->records, &options, &report, &err) != TM_OK)
        fail_msg("%s", err.message);
    return report;
}

static void every_file_of_a_report_has_the_profile(void **state)
{
    (void)state;
    static const char *const files[] = {"profile.txt", "profile.tex", "profile.csv"};
    sample_store store = {0};
    sample_add_run(&store, RUN("run-1", LIMITS("10")));
    add_times(&store, "i2_mad_x", 1);
    tm_report report = write_report(&store);
    for (int i = 0; i < 3; i++) assert_null(slurp(files[i]));
    assert_null(strstr(slurp("report.md"), "Where the time goes"));
    assert_null(strstr(tm_text_string(&report.text), "Where the time goes"));
    tm_report_free(&report);

    add_profile(&store, "i2_mad_x", 0, 1, NULL);
    report = write_report(&store);
    for (int i = 0; i < 3; i++) assert_has(slurp(files[i]), "down");
    assert_has(slurp("report.md"), "## Where the time goes");
    assert_has(slurp("report.md"), "](plots/operations-1.png)");
    assert_has(tm_text_string(&report.text), "\nWhere the time goes\n");
    assert_has(tm_text_string(&report.files), "plots/operations-1.gp");
    const char *data = slurp("plots/operations-1.dat");
    assert_has(data, "down, 60.0 % of time");
    assert_has(data, "fp32 limit");
    tm_report_free(&report);

    /* The number of plots is limited; the others are counted. */
    for (int i = 0; i < TM_REPORT_OPERATION_PLOTS + 2; i++) {
        char kernel[32];
        snprintf(kernel, sizeof kernel, "kernel_%d", i);
        add_times(&store, kernel, 1);
        add_profile(&store, kernel, 0, 1, NULL);
    }
    report = write_report(&store);
    assert_has(slurp("report.md"), "3 more profiled cells are in the table only");
    assert_non_null(slurp("plots/operations-12.gp"));
    assert_null(slurp("plots/operations-13.gp"));
    tm_report_free(&report);
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_process_of_median_time_is_shown),
        cmocka_unit_test(missing_profiles_have_the_reason),
        cmocka_unit_test(small_operations_share_a_row),
        cmocka_unit_test(superseded_cells_are_omitted),
        cmocka_unit_test(every_file_of_a_report_has_the_profile),
    };
    return cmocka_run_group_tests(tests, open_folder, close_folder);
}
