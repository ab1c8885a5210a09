/* Published values are found by the shape of a model, never by the name of its file. And the
 * colours of a plot's limits. */
#include "reports/report.h"
#include "tests/harness/scratch.h"
#include "tests/reports/sample_windows.h"

#define TABLES "results/published/tables.jsonl"

static tm_published published;

static int load(void **state)
{
    tm_error err = {0};
    size_t size;
    if (scratch_make(state) != 0) return -1;
    char *text = read_file(TABLES, &size);
    tm_status status = tm_published_parse(text, size, TABLES, &published, &err);
    free(text);
    return status == TM_OK ? 0 : -1;
}

static int unload(void **state)
{
    tm_published_free(&published);
    return scratch_remove(state);
}

static void set_shape(sample_store *store, const char *model, const char *shape)
{
    for (int i = 0; i < store->records.n; i++) {
        tm_cell *cell = &store->records.items[i].cell;
        if (strcmp(cell->model, model) == 0)
            snprintf(cell->model_shape, sizeof cell->model_shape, "%s", shape);
    }
}

/* A file of the report of a store; free it. */
static char *write_report(const sample_store *store, const char *directory, const char *file)
{
    tm_error err = {0};
    tm_report report;
    char dir[512], path[600];
    size_t size;
    const tm_model_size sizes[] = {{"BitNet-b1.58-2B-4T", 2000000000, 300000000, true}};
    snprintf(dir, sizeof dir, "%s", scratch_path(directory));
    snprintf(path, sizeof path, "%s/%s", dir, file);
    tm_report_options options = {.store = "s.jsonl",
                                 .directory = dir,
                                 .formats = TM_REPORT_ALL,
                                 .published = &published,
                                 .sizes = sizes,
                                 .n_sizes = 1};
    assert_ok(tm_report_write(&store->records, &options, &report, &err), err);
    tm_report_free(&report);
    return read_file(path, &size);
}

static int count(const char *text, const char *part)
{
    int n = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) n++;
    return n;
}

#define LATENCY "published,2504.12285,Table 1,"
#define TWO     "published,2410.16144,Table 5,"

static void files_have_the_published_values_of_their_shape(void **state)
{
    static const struct {
        const char *model, *shape;
        int n_latencies, n_speeds; /* lines of speedup.csv */
    } cases[] = {
        {"synth:2B-4T", "", 1, 0}, /* older stores lack the key */
        {"synth:2B-4T", "2B-4T", 1, 0},
        {"/m/x.gguf", "2B-4T", 1, 0},
        {"/m/x.gguf", "125M", 0, 6}, /* two machines; fp16, ternary and their ratio */
        {"/m/7B.gguf", "125M", 0, 6},
        {"/m/x.gguf", "Falcon3-1B", 0, 0}, /* the papers print no speed of it */
        {"/m/x.gguf", "", 0, 0},
        {"/m/bitnet-b1.58-2b-4t.gguf", "", 0, 0},
        {"/m/synth:7B.gguf", "", 0, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        sample_store store = {0};
        sample_add_run(&store, SAMPLE_RUN);
        sample_add_pairs(&store, cases[i].model, "i2_mad_x", 2, 0, 16, 4, 6.1, 3.6, 4.8e9);
        set_shape(&store, cases[i].model, cases[i].shape);
        char *csv = write_report(&store, "shape", "speedup.csv");
        if (count(csv, LATENCY) != cases[i].n_latencies || count(csv, TWO) != cases[i].n_speeds)
            fail_msg("%s of shape \"%s\": %d and %d published lines in\n%s", cases[i].model,
                     cases[i].shape, count(csv, LATENCY), count(csv, TWO), csv);
        free(csv);
        sample_free(&store);
    }
}

/* A file and a synthetic model of one shape are two columns, and the page says what the file is. */
static void a_file_and_a_synthetic_model_stay_apart(void **state)
{
    (void)state;
    sample_store store = {0};
    sample_add_run(&store, SAMPLE_RUN);
    sample_add_pairs(&store, "/m/x.gguf", "i2_mad_x", 2, 0, 16, 4, 6.1, 3.6, 4.8e9);
    sample_add_pairs(&store, "synth:2B-4T", "i2_mad_x", 2, 0, 16, 4, 6.1, 3.6, 4.8e9);
    set_shape(&store, "/m/x.gguf", "2B-4T");
    char *page = write_report(&store, "both", "report.md");
    assert_non_null(strstr(page, "x.gguf has the shape of BitNet-b1.58-2B-4T."));
    assert_null(strstr(page, "BitNet-b1.58-2B-4T has the shape"));
    assert_non_null(strstr(page, "| bitnet.cpp, ms/token | 29 | 29 |"));
    free(page);
    /* The size of the weights follows from the shape too. */
    char *cells = write_report(&store, "both", "cells.csv");
    assert_null(strstr(cells, "the shape of this model is not known"));
    free(cells);
    sample_free(&store);
}

/* The energy table keeps both columns too, next to the joules of the paper. */
static void energy_tables_go_by_shape(void **state)
{
    static const char *const models[] = {"/m/700m-or-so.gguf", "synth:700M"};
    (void)state;
    sample_store store = {0};
    sample_add_run(&store, SAMPLE_ENERGY_RUN);
    for (int m = 0; m < 2; m++)
        for (int i = 0; i < 6; i++) {
            sample_add_process(&store, models[m], "f16_fma_x", 2, 0, 32, i, i % 2, 20, 1e9);
            sample_add_process(&store, models[m], "i2_mad_x", 2, 0, 32, i, 1 - i % 2, 80, 2e8);
            sample_add_window(&store, models[m], "f16_fma_x", 2, 0, 32, i, i % 2,
                              TM_PHASE_GENERATION, &sample_powercap, 20, 137 + m);
            sample_add_window(&store, models[m], "i2_mad_x", 2, 0, 32, i, 1 - i % 2,
                              TM_PHASE_GENERATION, &sample_powercap, 80, 93 + m);
        }
    set_shape(&store, models[0], "700M");
    char *text = write_report(&store, "energy", "energy.txt");
    const char *row = strstr(text, "\n  fp16, J/");
    assert_non_null(row);
    char line[400];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(row + 1, "\n"), row + 1);
    assert_int_equal(count(line, "6.85"), 3); /* value, low and high of the first */
    assert_int_equal(count(line, "6.90"), 3);
    assert_non_null(strstr(text, "700m-or-so.gguf has the shape of 700M."));
    free(text);
    char *csv = write_report(&store, "energy", "energy.csv");
    assert_int_equal(count(csv, "published,2410.16144,Table 6,"), 2 * 2 * 3);
    free(csv);
    sample_free(&store);
}

/* Lines have no markers: two limits of one colour could not be told apart. */
static void limits_of_all_thread_counts_differ_in_colour(void **state)
{
    (void)state;
    enum { LIMITS = 6 };
    sample_store store = {0};
    char colours[LIMITS][8];
    int n = 0;
    sample_add_run(&store, "{\"schema\":1,\"kind\":\"run\",\"run\":\"run-1\",\"roofline\":{"
                           "\"read_gb_per_second\":[{\"threads\":1,\"value\":10},"
                           "{\"threads\":2,\"value\":20},{\"threads\":4,\"value\":30},"
                           "{\"threads\":8,\"value\":40},{\"threads\":16,\"value\":50},"
                           "{\"threads\":32,\"value\":60}]}}");
    for (int threads = 1; threads <= 32; threads *= 2)
        sample_add_pairs(&store, "synth:125M", "i2_mad_x", threads, 0, 16, 1, 10.0 * threads, 3,
                         1e8);
    char *script = write_report(&store, "limits", "plots/roofline.gp");
    for (const char *at = script; (at = strstr(at, " lt rgb \"")); at++) {
        const char *title = strstr(at, "title \"");
        if (!title || strncmp(title, "title \"read bandwidth", 21) != 0) continue;
        assert_true(n < LIMITS);
        snprintf(colours[n], sizeof colours[n], "%.7s", strchr(at, '"') + 1);
        for (int i = 0; i < n; i++) assert_string_not_equal(colours[i], colours[n]);
        n++;
    }
    assert_int_equal(n, LIMITS);
    free(script);
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(files_have_the_published_values_of_their_shape),
        cmocka_unit_test(a_file_and_a_synthetic_model_stay_apart),
        cmocka_unit_test(energy_tables_go_by_shape),
        cmocka_unit_test(limits_of_all_thread_counts_differ_in_colour),
    };
    return cmocka_run_group_tests_name("report shapes", tests, load, unload);
}
