/* Rows with outcomes, limits, names and targets of exports. tests/harness/cli/export.sh reads whole
 * exports of stores with other programs. */
#include "reports/export.h"
#include "reports/export_format.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

#include <math.h>

typedef struct fixture {
    sample_store store;
    tm_export_store export;
    tm_export_row rows[32];
    tm_export view; /* of rows */
    tm_text text, notes;
    tm_error err;
} fixture;

/* n pairs of a kernel, and a row for the ternary cell. */
static int open_fixture(void **state)
{
    static fixture f;
    memset(&f, 0, sizeof f);
    sample_add_run(&f.store, SAMPLE_RUN);
    sample_add_pairs(&f.store, "synth:125M", "i2_mad_x", 2, 0, 16, 4, 100.0, 2.0, 1e8);
    if (tm_export_store_open(&f.store.records, "s.jsonl", &f.export, &f.err) != TM_OK) return -1;
    f.view = f.export.view;
    f.view.rows = f.rows;
    f.view.n_rows = 0;
    *state = &f;
    return 0;
}

static int close_fixture(void **state)
{
    fixture *f = *state;
    tm_text_free(&f->text);
    tm_text_free(&f->notes);
    tm_export_store_close(&f->export);
    sample_free(&f->store);
    return 0;
}

static void add_row(fixture *f, const char *metric, const char *outcome, const char *reason,
                    double ratio)
{
    f->rows[f->view.n_rows++] = (tm_export_row){.cell = &f->export.summaries.items[1],
                                                .metric = metric,
                                                .outcome = outcome,
                                                .reason = reason,
                                                .ratio = ratio,
                                                .ratio_low = ratio - 0.02,
                                                .ratio_high = ratio + 0.02};
}

static const char *export_as(fixture *f, const char *name)
{
    const tm_export_format *format;
    assert_int_equal(tm_export_find(name, &format, &f->err), TM_OK);
    tm_text_free(&f->text);
    tm_text_free(&f->notes);
    assert_int_equal(tm_export_to_text(&f->view, format, &f->text, &f->notes, &f->err), TM_OK);
    return tm_text_string(&f->text);
}

static int count(const char *text, const char *what)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++) n++;
    return n;
}

static void has(const char *text, const char *what)
{
    if (!strstr(text, what)) fail_msg("\"%s\" is not in:\n%s", what, text);
}

static void outcomes_become_failures_and_skips(void **state)
{
    fixture *f = *state;
    add_row(f, NULL, "pass", NULL, 1.01);
    add_row(f, "peak_rss", "regression", "more memory & no reason", 1.2);
    add_row(f, "token_p99", "inconclusive", "4 pairs are too few", 1.05);
    const char *text = export_as(f, "junit");
    has(text, "tests=\"3\" failures=\"1\" errors=\"0\" skipped=\"1\"");
    has(text, "name=\"tg16@2 peak_rss\"");
    has(text,
        "<failure message=\"peak_rss: 1.20 [1.18, 1.22] of the base; more memory &amp; no reason\" "
        "type=\"regression\"/>");
    has(text,
        "<skipped message=\"token_p99: 1.05 [1.03, 1.07] of the base; 4 pairs are too few\"/>");
    text = export_as(f, "github");
    has(text, "::error title=regression%3A synth%3A125M/i2_mad_x/tg16/threads%3A2 peak_rss::"
              "1.20 [1.18, 1.22] of the base. more memory & no reason\n");
    has(text, "::warning title=inconclusive%3A ");
    has(text, "::notice title=ternmark::demo: 3 rows, 1 pass, 1 regression, 1 inconclusive\n");
}

static void formats_of_values_take_a_cell_once(void **state)
{
    fixture *f = *state;
    add_row(f, NULL, "pass", NULL, 1.01);
    add_row(f, "peak_rss", "regression", "more memory", 1.2);
    assert_int_equal(count(export_as(f, "bencher"), "throughput"), 1);
    assert_string_equal(tm_text_string(&f->notes), "");
    const char *text = export_as(f, "openmetrics");
    assert_int_equal(count(text, "\nternmark_tokens_per_second{"), 1);
    assert_int_equal(count(text, "\nternmark_head_ratio{"), 2);
    has(text, "metric=\"peak_rss\",outcome=\"regression\"} 1.2\n");
}

static void compared_rows_are_kept_whatever_their_build(void **state)
{
    fixture *f = *state;
    f->export.summaries.items[1].superseded = true; /* by the base, which ran last */
    add_row(f, NULL, NULL, NULL, NAN);
    const tm_export_format *format;
    assert_int_equal(tm_export_find("bencher", &format, &f->err), TM_OK);
    assert_int_equal(tm_export_to_text(&f->view, format, &f->text, &f->notes, &f->err),
                     TM_UNSUPPORTED);
    assert_string_equal(tm_text_string(&f->notes),
                        "bencher: left out 1 cell: of an older build or model file\n");
    f->view.n_rows = 0;
    add_row(f, NULL, "pass", NULL, 1.0);
    has(export_as(f, "bencher"), "throughput");
    assert_string_equal(tm_text_string(&f->notes), "");
}

static void github_shows_ten_annotations_of_a_kind(void **state)
{
    fixture *f = *state;
    for (int i = 0; i < 10; i++) add_row(f, NULL, "regression", "slower", 0.8);
    assert_int_equal(count(export_as(f, "github"), "::error "), 10);
    for (int i = 0; i < 2; i++) add_row(f, NULL, "regression", "slower", 0.8);
    const char *text = export_as(f, "github");
    assert_int_equal(count(text, "::error "), 10);
    has(text, "::error title=ternmark::3 more rows; the summary lists all of them\n");
}

static void samples_are_those_of_the_cell_each_once(void **state)
{
    fixture *f = *state;
    const tm_record **samples;
    int n;
    sample_add_process(&f->store, "synth:125M", "i2_mad_x", 2, 0, 16, 0, 1, 200.0, 1e8); /* again */
    tm_export_store_close(&f->export);
    assert_int_equal(tm_export_store_open(&f->store.records, "s.jsonl", &f->export, &f->err),
                     TM_OK);
    f->view = f->export.view;
    f->view.rows = f->rows;
    f->view.n_rows = 0;
    add_row(f, NULL, "pass", NULL, 1.0);
    assert_int_equal(tm_export_samples(&f->view, f->rows[0].cell, &samples, &n, &f->err), TM_OK);
    assert_int_equal(n, 8); /* 4 processes of 2 repetitions; the baseline's are not among them */
    for (int i = 0; i < n; i++) assert_string_equal(samples[i]->cell.kernel, "i2_mad_x");
    free(samples);
}

static void text_becomes_valid_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"plain \xc3\xa9 \xf0\x9f\x90\x91", "plain \xc3\xa9 \xf0\x9f\x90\x91"},
        {"<a & \"b\">\t\n\r", "&lt;a &amp; &quot;b&quot;&gt;&#9;&#10;&#13;"},
        {"\x01\x1b\x7f", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"cut \xc3", "cut \xef\xbf\xbd"},
        {"cut \xf0\x9f\x90", "cut \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                                 /* overlong / */
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* a surrogate */
        {"\xef\xbf\xbf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},                 /* U+FFFF */
        {"\xf4\x90\x80\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above 10FFFF */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_text out = {0};
        tm_export_put(&out, cases[i].in, tm_export_xml);
        assert_string_equal(tm_text_string(&out), cases[i].out);
        tm_text_free(&out);
    }
}

static void every_metric_that_was_measured_is_exported(void **state)
{
    fixture *f = *state;
    tm_export_metric metrics[TM_METRICS_MAX], one;
    const tm_metric *metric;
    tm_cell_summary cell = f->export.summaries.items[1];
    tm_counter counter = {.name = "instructions", .figure = {.value = 3200}};
    const int n = tm_export_metrics(&cell, metrics);
    assert_true(n > 0 && strcmp(metrics[0].row->name, "tokens_per_second") == 0);
    cell.counters = &counter;
    cell.n_counters = 1;
    assert_int_equal(tm_export_metrics(&cell, metrics), n + 1);
    assert_int_equal(tm_metric_need("instructions_per_token", &metric, &f->err), TM_OK);
    assert_true(tm_export_metric_of(&cell, metric, &one));
    assert_true(fabs(one.value.value - 200) < 1e-9); /* of tg16 */
    counter.figure.value = NAN;
    assert_int_equal(tm_export_metrics(&cell, metrics), n);
    strcpy(cell.status, "failed");
    assert_int_equal(tm_export_metrics(&cell, metrics), 0);
}

static void targets_are_parsed(void **state)
{
    fixture *f = *state;
    tm_export_target target;
    assert_int_equal(tm_export_parse("junit:a:b.xml", &target, &f->err), TM_OK);
    assert_string_equal(target.path, "a:b.xml");
    static const char *const bad[][2] = {
        {"junit", "names no file; write junit:FILE"}, {"junit:", "names no file; write junit:FILE"},
        {"juint:x", "did you mean \"junit\""},        {":x", "unknown export format \"\""},
        {"", "unknown export format \"\""},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(tm_export_parse(bad[i][0], &target, &f->err), TM_ARG);
        has(f->err.message, bad[i][1]);
    }
}

static void two_files_get_a_suffix_each(void **state)
{
    fixture *f = *state;
    char dir[] = "/tmp/ternmark-export-XXXXXX", path[128];
    static const char *const names[][3] = {
        {"a.b.json", "a.b-bigger.json", "a.b-smaller.json"},
        {"plain", "plain-bigger", "plain-smaller"},
        {".hidden", ".hidden-bigger", ".hidden-smaller"},
    };
    tm_export_target target = {0};
    assert_non_null(mkdtemp(dir));
    add_row(f, NULL, "pass", NULL, 1.0);
    assert_int_equal(tm_export_find("github-action-benchmark", &target.format, &f->err), TM_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", dir, names[i][0]);
        target.path = path;
        assert_int_equal(tm_export_to_file(&f->view, &target, &f->notes, &f->err), TM_OK);
        for (int k = 1; k <= 2; k++) {
            snprintf(path, sizeof path, "%s/%s", dir, names[i][k]);
            assert_int_equal(unlink(path), 0);
        }
    }
    assert_int_equal(rmdir(dir), 0);
}

static void the_head_is_named_where_it_tells_cells_apart(void **state)
{
    fixture *f = *state;
    tm_text name = {0};
    tm_cell *cell = &f->export.summaries.items[1].cell;
    add_row(f, NULL, NULL, NULL, NAN);
    tm_export_name(&f->view, f->rows[0].cell, &name);
    assert_string_equal(tm_text_string(&name), "synth:125M/i2_mad_x/tg16/threads:2");
    name.length = 0;
    snprintf(cell->head_kernel, sizeof cell->head_kernel, "q6k_x");
    snprintf(cell->engine, sizeof cell->engine, "peer");
    tm_export_name(&f->view, f->rows[0].cell, &name);
    assert_string_equal(tm_text_string(&name),
                        "synth:125M/i2_mad_x/tg16/threads:2/engine:peer/head:q6k_x");
    tm_text_free(&name);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(outcomes_become_failures_and_skips),
        TEST(formats_of_values_take_a_cell_once),
        TEST(compared_rows_are_kept_whatever_their_build),
        TEST(github_shows_ten_annotations_of_a_kind),
        TEST(samples_are_those_of_the_cell_each_once),
        TEST(text_becomes_valid_utf8),
        TEST(every_metric_that_was_measured_is_exported),
        TEST(targets_are_parsed),
        TEST(two_files_get_a_suffix_each),
        TEST(the_head_is_named_where_it_tells_cells_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
