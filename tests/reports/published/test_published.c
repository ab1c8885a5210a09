#include "reports/published/published.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

#define TABLES "results/published/tables.jsonl"

static char *read_file(const char *path, size_t *length)
{
    FILE *in = fopen(path, "rb");
    if (!in) return NULL;
    char *text = malloc(1 << 20);
    assert_non_null(text);
    *length = fread(text, 1, 1 << 20, in);
    assert_true(*length < 1 << 20);
    fclose(in);
    return text;
}

static int open_tables(void **state)
{
    static tm_published published;
    size_t length;
    tm_error err = {0};
    char *text = read_file(TABLES, &length);
    if (!text) {
        fprintf(stderr, "%s: cannot be read; run the tests from the repository's root\n", TABLES);
        return -1;
    }
    tm_status status = tm_published_parse(text, length, TABLES, &published, &err);
    free(text);
    if (status != TM_OK) fprintf(stderr, "%s\n", err.message);
    *state = &published;
    return status == TM_OK ? 0 : -1;
}

static int close_tables(void **state)
{
    tm_published_free(*state);
    return 0;
}

static void every_value_is_a_number_or_has_a_reason(void **state)
{
    const tm_published *p = *state;
    int n_null = 0;
    assert_int_equal(p->n, 853);
    for (int i = 0; i < p->n; i++) {
        const tm_published_value *c = &p->items[i];
        assert_true(c->paper[0] && c->table[0] && c->metric[0] && c->unit[0]);
        assert_int_equal(isfinite(c->value) + (c->range != NULL) + (c->why_null != NULL), 1);
        n_null += c->why_null != NULL;
    }
    assert_int_equal(n_null, 29);
}

/* Values copied from Tables 4 and 5 of the paper. */
static void tables_of_the_papers_are_found(void **state)
{
    const struct {
        const char *table, *device, *model, *system;
        double value;
    } cells[] = {
        {"Table 4", "M2 Ultra", "125M", "fp16", 434.4},
        {"Table 4", "M2 Ultra", "125M", "bitnet.cpp", 593.43},
        {"Table 4", "M2 Ultra", "30B", "bitnet.cpp", 17.07},
        {"Table 5", "i7-13700H", "125M", "fp16", 119.84},
        {"Table 5", "i7-13700H", "3.8B", "bitnet.cpp", 20.51},
        {"Table 5", "i7-13700H", "100B", "bitnet.cpp", 0.97},
        {"Table 5", "M2 Ultra", "100B", "bitnet.cpp", 1.27},
    };
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        tm_published_query q = {.paper = "2410.16144",
                                .table = cells[i].table,
                                .device = cells[i].device,
                                .model = cells[i].model,
                                .system = cells[i].system};
        tm_measured f = tm_published_figure(*state, &q);
        assert_string_equal(f.missing, "");
        assert_true(f.value == cells[i].value);
    }
}

static void missing_values_have_a_reason(void **state)
{
    tm_published_query q = {.paper = "2410.16144",
                            .table = "Table 5",
                            .device = "i7-13700H",
                            .model = "30B",
                            .system = "fp16"};
    tm_measured f = tm_published_figure(*state, &q);
    assert_true(isnan(f.value));
    assert_string_equal(f.missing, "published as N/A");

    q.model = "2B";
    f = tm_published_figure(*state, &q);
    assert_true(isnan(f.value));
    assert_string_equal(f.missing,
                        "1-bit AI Infra 1.1 (arXiv:2410.16144), Table 5 prints no value for 2B");

    q = (tm_published_query){.paper = "2410.16144", .table = "Table 5", .model = "125M"};
    f = tm_published_figure(*state, &q);
    assert_true(isnan(f.value));
    assert_string_equal(f.missing, "4 published values match");
    assert_int_equal(tm_published_count(*state, &q), 4);

    q = (tm_published_query){.paper = "2410.16144", .metric = "x86 speedup range"};
    f = tm_published_figure(*state, &q);
    assert_true(isnan(f.value));
    assert_string_equal(f.missing, "printed as a range: 2.37x-6.17x");
    const tm_published_value *claim = tm_published_find(*state, &q, &f);
    assert_non_null(claim);
    assert_string_equal(claim->range, "2.37x-6.17x");
}

static void latency_of_2b4t_is_found(void **state)
{
    tm_published_query q = {.paper = "2504.12285",
                            .table = "Table 1",
                            .metric = "decode latency (TPOT)",
                            .system = "BitNet b1.58 2B"};
    tm_measured why, f = tm_published_figure(*state, &q);
    assert_true(f.value == 29.0);
    const tm_published_value *claim = tm_published_find(*state, &q, &why);
    assert_non_null(claim);
    assert_string_equal(claim->unit, "ms");
    assert_non_null(strstr(claim->conditions, "128 tokens generated"));
}

static void errors_name_the_line(void **state)
{
    (void)state;
    const struct {
        const char *text, *expected;
    } cases[] = {
        {"\n{\"paper\": 3}\n", "line 2"},
        {"[]\n", "line 1: not a JSON object"},
        {"{\"paper\":\"p\",\"table\":\"t\",\"device\":\"d\",\"metric\":\"m\",\"unit\":\"u\","
         "\"model\":\"a\","
         "\"system\":\"s\",\"conditions\":\"\",\"value\":null}",
         "why_null"},
        {"{\"paper\":\"p\",\"table\":\"t\",\"device\":\"d\",\"metric\":\"m\",\"unit\":\"u\","
         "\"model\":\"a\","
         "\"system\":\"s\",\"conditions\":\"\",\"value\":true}",
         "must be a number"},
        {"{\"paper\":\"p\",\"table\":\"t\",\"device\":\"d\",\"metric\":\"m\",\"unit\":\"u\","
         "\"model\":\"a\","
         "\"system\":\"s\",\"conditions\":\"\",\"valu\":1}",
         "valu"},
        {"{\"paper\":", "line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tm_published p;
        tm_error err = {0};
        assert_int_equal(tm_published_parse(cases[i].text, strlen(cases[i].text), "list", &p, &err),
                         TM_FORMAT);
        assert_non_null(strstr(err.message, cases[i].expected));
    }
    tm_published p;
    tm_error err = {0};
    assert_int_equal(tm_published_parse("", 0, "list", &p, &err), TM_OK);
    assert_int_equal(p.n, 0);
    tm_published_free(&p);
}

static void models_have_the_names_of_the_papers(void **state)
{
    (void)state;
    assert_string_equal(tm_model_label("synth:125M"), "125M");
    assert_string_equal(tm_model_label("synth:dummy 125M"), "125M");
    assert_string_equal(tm_model_label("synth:2B-4T"), "BitNet-b1.58-2B-4T");
    assert_string_equal(tm_model_label("/models/bitnet-b1.58-2b-4t.gguf"),
                        "bitnet-b1.58-2b-4t.gguf");
    assert_string_equal(tm_model_label("/models/x.gguf"), "x.gguf");
    const struct {
        const char *model, *model_shape, *shape;
        double parameters;
    } cells[] = {{"synth:2B-4T", "", "BitNet-b1.58-2B-4T", 2e9}, /* stores without the key */
                 {"synth:2B-4T", "2B-4T", "BitNet-b1.58-2B-4T", 2e9},
                 {"/models/x.gguf", "2B-4T", "BitNet-b1.58-2B-4T", 2e9},
                 {"/models/7B.gguf", "125M", "125M", 125e6},
                 {"/models/bitnet-2b-4t.gguf", "", "", NAN},
                 {"/synth:125M", "", "", NAN},
                 {"null:1000", "", "", NAN}};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        tm_cell cell = {0};
        strcpy(cell.model, cells[i].model);
        strcpy(cell.model_shape, cells[i].model_shape);
        assert_string_equal(tm_cell_shape(&cell), cells[i].shape);
        if (cells[i].shape[0])
            assert_float_equal(tm_model_parameters(cell.model, tm_cell_shape(&cell)),
                               cells[i].parameters, 1.0);
    }
    const struct {
        const char *label;
        double parameters;
    } sizes[] = {{"125M", 125e6},
                 {"1.5B", 1.5e9},
                 {"100B", 100e9},
                 {"BitNet-b1.58-2B-4T", 2e9},
                 {"Falcon3-10B-1.58bit.gguf", 10e9}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        assert_float_equal(tm_nominal_parameters(sizes[i].label), sizes[i].parameters, 1.0);
    assert_true(isnan(tm_nominal_parameters("x.gguf")));
    assert_true(isnan(tm_nominal_parameters("b1.58")));
    assert_true(isnan(tm_nominal_parameters("")));
}

static void papers_are_named_by_title_and_number(void **state)
{
    const tm_published *all = *state;
    char text[160], small[24];
    assert_string_equal(tm_papers_named("2410.16144 Table 5", text, sizeof text),
                        "1-bit AI Infra 1.1 (arXiv:2410.16144) Table 5");
    assert_string_equal(tm_papers_named("ik_llama.cpp", text, sizeof text), "ik_llama.cpp");
    assert_string_equal(tm_papers_named("see 2410.16144", small, sizeof small),
                        "see 1-bit AI Infra 1.1 ");
    /* Every number in the data has a title. */
    for (int i = 0; i < all->n; i++) {
        const char *paper = all->items[i].paper;
        const bool is_number = strlen(paper) == 10 && paper[4] == '.';
        assert_int_equal(strstr(tm_papers_named(paper, text, sizeof text), "arXiv:") != NULL,
                         is_number);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_value_is_a_number_or_has_a_reason),
        cmocka_unit_test(papers_are_named_by_title_and_number),
        cmocka_unit_test(tables_of_the_papers_are_found),
        cmocka_unit_test(missing_values_have_a_reason),
        cmocka_unit_test(latency_of_2b4t_is_found),
        cmocka_unit_test(errors_name_the_line),
        cmocka_unit_test(models_have_the_names_of_the_papers),
    };
    return cmocka_run_group_tests(tests, open_tables, close_tables);
}
