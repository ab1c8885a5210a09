#include "reports/report_parts.h"
#include "tests/reports/sample_store.h"
#include "tests/tm_test.h"

static void add_decode(sample_store *store, const char *model, int depth, int n_sequences,
                       double tokens_per_second, double bytes_per_token)
{
    int first = store->records.n;
    sample_add_process(store, model, "i2_mad_x", 2, 0, 16, 0, 0, tokens_per_second,
                       bytes_per_token);
    for (int i = first; i < store->records.n; i++) {
        tm_record *r = &store->records.items[i];
        r->cell.depth = depth;
        r->cell.n_sequences = n_sequences;
        tm_test_name(0, 16, depth, n_sequences, r->cell.test, sizeof r->cell.test);
        snprintf(r->cell_id, sizeof r->cell_id, "%.8s-%.12s", model + 6, r->cell.test);
    }
}

/* The table as Markdown; the caller frees it. */
static tm_text growth_of(const sample_store *store, const char *run, bool *is_measured_for)
{
    tm_error err = {0};
    tm_summaries summaries;
    tm_json *json = NULL;
    tm_table table;
    tm_text text = {0};
    assert_int_equal(tm_json_parse(run, strlen(run), "run", &json, &err), TM_OK);
    assert_int_equal(tm_summaries_make(store->records.items, store->records.n, &summaries, &err),
                     TM_OK);
    for (int i = 0; i < summaries.n; i++)
        for (int p = 0; p < summaries.items[i].n_processes; p++)
            summaries.items[i].processes[p].document = json;
    tm_report_view view = {.summaries = &summaries};
    assert_int_equal(tm_report_growth(&view, is_measured_for, &table, &err), TM_OK);
    assert_int_equal(tm_table_write_markdown(&table, &text, &err), TM_OK);
    tm_table_free(&table);
    tm_summaries_free(&summaries);
    tm_json_free(json);
    return text;
}

/* Series along each axis in ascending order, with floors computed by hand at 20 GB/s and 100
 * GMAC/s. A sample has twice as many MACs as bytes, so memory is the limit: 1 MB takes 0.05 ms, its
 * 2 MMAC 0.02 ms. */
static void growth_shows_the_floors(void **state)
{
    static const char run[] = "{\"roofline\":{\"read_gb_per_second\":[{\"threads\":2,\"value\":20}]"
                              ",\"int8_gmac_per_second\":[{\"threads\":2,\"value\":100}]}}";
    /* In the order of the table: model size, then context, then sequences. */
    static const char *const rows[] = {
        "| against model size: i2_mad_x (ternary) | 125M | i2_mad_x | 2 | 0 | 1 | 20.00 | 2.500 "
        "<sup>a</sup> | 1 | 1.000 | 2.50 | memory |",
        "| against model size: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 0 | 1 | 100.0 | 10.00 "
        "<sup>a</sup> | 1 | 5.000 | 2.00 | memory |",
        "context: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 0 | 1 | 100.0 | 10.00 <sup>a</sup> | "
        "1 | 5.000 | 2.00 | memory |",
        "context: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 256 | 1 | 110.0 | 12.50 <sup>a</sup> "
        "| 1 | 5.500 | 2.27 | memory |",
        "context: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 4096 | 1 | 300.0 | 20.00 <sup>a</sup> "
        "| 1 | 15.00 | 1.33 | memory |",
        "together: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 0 | 1 | 100.0 | 10.00 <sup>a</sup> | "
        "1 | 5.000 | 2.00 | memory |",
        "together: i2_mad_x (ternary) | 700M | i2_mad_x | 2 | 0 | 8 | 16.00 | 4.000 <sup>a</sup> | "
        "1 | 0.8000 | 5.00 | memory |"};
    sample_store store = {0};
    bool is_measured_for;
    (void)state;
    add_decode(&store, "synth:700M", 0, 1, 100, 100e6);
    add_decode(&store, "synth:125M", 0, 0, 400, 20e6);
    tm_text text = growth_of(&store, run, &is_measured_for);
    assert_false(is_measured_for); /* every store has several sizes */
    tm_text_free(&text);
    add_decode(&store, "synth:700M", 4096, 1, 50, 300e6);
    add_decode(&store, "synth:700M", 256, 1, 80, 110e6);
    add_decode(&store, "synth:700M", 0, 8, 250, 16e6);
    text = growth_of(&store, run, &is_measured_for);
    assert_true(is_measured_for);
    const char *at = tm_text_string(&text);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *row = strstr(at, rows[i]);
        if (!row) fail_msg("no row \"%s\" in its place: %.1500s", rows[i], at);
        at = row;
    }
    tm_text_free(&text);

    /* A file or seed that was replaced since is marked, as in the other tables. */
    for (int i = 0; i < store.records.n; i++) {
        tm_cell *c = &store.records.items[i].cell;
        strcpy(c->model_hash, c->depth == 256 ? "old" : "new");
    }
    text = growth_of(&store, run, &is_measured_for);
    assert_non_null(strstr(tm_text_string(&text), "| 12.50 <sup>b</sup> |"));
    assert_non_null(strstr(tm_text_string(&text), "an earlier model of this name"));
    tm_text_free(&text);

    /* Without a limit at this number of threads the floor is missing. */
    text = growth_of(&store, "{\"roofline\":{\"read_gb_per_second\":[]}}", &is_measured_for);
    assert_non_null(strstr(tm_text_string(&text), "| 10.00 <sup>a</sup> | 1 | -"));
    assert_non_null(strstr(tm_text_string(&text), "no read_gb_per_second for 2 threads"));
    tm_text_free(&text);
    sample_free(&store);
}

/* Adds a decode cell: the kernel that a name of the suite resolved to on this model. */
static void add_asked(sample_store *store, const char *model, const char *kernel, const char *asked,
                      const char *head, double bytes_per_token)
{
    int first = store->records.n;
    sample_add_process(store, model, kernel, 2, 0, 16, 0, 0, 1e9 / bytes_per_token,
                       bytes_per_token);
    for (int i = first; i < store->records.n; i++) {
        tm_record *r = &store->records.items[i];
        snprintf(r->cell.kernel_asked, sizeof r->cell.kernel_asked, "%s", asked);
        snprintf(r->cell.head_asked, sizeof r->cell.head_asked, "%s", head);
        snprintf(r->cell.head_kernel, sizeof r->cell.head_kernel, "%s_x",
                 strcmp(head, "auto") == 0 ? "f16" : head);
        snprintf(r->cell_id, sizeof r->cell_id, "%d", first);
    }
}

/* A series keeps a model on which its name resolved to another kernel; each row names the
 * kernel. */
static void series_has_one_name_in_the_suite(void **state)
{
    static const char *const rows[] = {
        "| against model size: f16 (baseline) | 125M | f16_x |",
        "| against model size: f16 (baseline) | 700M | f16_x |",
        "| against model size: auto (ternary) | 125M | i2_mad_x |",
        "| against model size: auto (ternary) | 350M | t5_lut_x |",
        "| against model size: auto (ternary) | 700M | i2_mad_x |",
        /* Requested by its own name only where no other name resolved to it. */
        "| against model size: i2_mad_x (ternary) | 125M | i2_mad_x |",
        "| against model size: i2_mad_x (ternary) | 350M | i2_mad_x |",
        "| against model size: i2_mad_x (ternary) | 700M | i2_mad_x |",
        "| against model size: auto, head q6_k (ternary) | 125M | i2_mad_x |",
        "| against model size: auto, head q6_k (ternary) | 700M | t5_lut_x |"};
    sample_store store = {0};
    bool is_measured_for;
    (void)state;
    add_asked(&store, "synth:125M", "f16_x", "f16", "auto", 200e6);
    add_asked(&store, "synth:125M", "i2_mad_x", "auto", "auto", 20e6);
    add_asked(&store, "synth:125M", "i2_mad_x", "auto", "q6_k", 18e6);
    add_asked(&store, "synth:350M", "t5_lut_x", "auto", "auto", 50e6);
    add_asked(&store, "synth:350M", "i2_mad_x", "i2_mad_x", "auto", 60e6);
    add_asked(&store, "synth:700M", "f16_x", "f16", "auto", 1000e6);
    add_asked(&store, "synth:700M", "i2_mad_x", "auto", "auto", 100e6);
    add_asked(&store, "synth:700M", "t5_lut_x", "auto", "q6_k", 80e6);
    tm_text text = growth_of(&store, "{}", &is_measured_for);
    assert_non_null(strstr(tm_text_string(&text), "| Series |"));
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (!strstr(tm_text_string(&text), rows[i]))
            fail_msg("no row \"%s\": %.1500s", rows[i], tm_text_string(&text));
    int n = 0;
    for (const char *at = tm_text_string(&text); (at = strstr(at, "| against")); at++) n++;
    assert_int_equal(n, sizeof rows / sizeof *rows);
    tm_text_free(&text);
    sample_free(&store);
}

/* Two kernels of one model are not a series, although they read different numbers of bytes. */
static void two_kernels_of_one_model_are_not_a_series(void **state)
{
    sample_store store = {0};
    bool is_measured_for;
    (void)state;
    add_asked(&store, "synth:125M", "i2_mad_x", "auto", "auto", 20e6);
    add_asked(&store, "synth:125M", "t5_lut_x", "auto", "auto", 18e6);
    tm_text text = growth_of(&store, "{}", &is_measured_for);
    assert_null(strstr(tm_text_string(&text), "against"));
    assert_null(strstr(tm_text_string(&text), "125M"));
    tm_text_free(&text);
    sample_free(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(growth_shows_the_floors),
                                       cmocka_unit_test(series_has_one_name_in_the_suite),
                                       cmocka_unit_test(two_kernels_of_one_model_are_not_a_series)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
