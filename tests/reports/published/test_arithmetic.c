/* The estimates and the values that papers print, and the data behind them. */
#include "harness/base/embedded.h"
#include "harness/base/json.h"
#include "harness/measure/shapes.h"
#include "reports/published/arithmetic.h"
#include "tests/tm_test.h"

#include <math.h>
#include <string.h>

#define ENERGIES "results/published/energy_per_op.json"
#define TABLES   "results/published/tables.jsonl"

typedef struct fixture {
    tm_arithmetic data;
    tm_published published;
    tm_shapes models;
    tm_arithmetic_shape shapes[64];
    tm_arithmetic_rows rows; /* of every printed value */
} fixture;

static int open_all(void **state)
{
    static fixture f;
    tm_error err = {0};
    const tm_embedded *energies = tm_embedded_find(ENERGIES), *tables = tm_embedded_find(TABLES);
    if (!energies || !tables) return -1;
    tm_status status =
        tm_arithmetic_parse(energies->text, energies->length, ENERGIES, &f.data, &err);
    if (status == TM_OK)
        status = tm_published_parse(tables->text, tables->length, TABLES, &f.published, &err);
    if (status == TM_OK) status = tm_shapes_read(&f.models, &err);
    for (int i = 0; status == TM_OK && i < f.models.n; i++) {
        const tm_shape *m = &f.models.items[i];
        f.shapes[i] = (tm_arithmetic_shape){.name = m->name,
                                            .source = m->source,
                                            .linear_weights = m->linear_weights,
                                            .attention_width =
                                                (int64_t)m->config.n_heads * m->config.head_dim,
                                            .n_layers = m->config.n_layers};
    }
    if (status == TM_OK)
        status = tm_arithmetic_compare(&f.data, &f.published, f.shapes, f.models.n, &f.rows, &err);
    if (status != TM_OK) fprintf(stderr, "%s\n", err.message);
    *state = &f;
    return status == TM_OK ? 0 : -1;
}

static int close_all(void **state)
{
    fixture *f = *state;
    tm_arithmetic_rows_free(&f->rows);
    tm_shapes_free(&f->models);
    tm_published_free(&f->published);
    tm_arithmetic_free(&f->data);
    return 0;
}

static const tm_arithmetic_row *find_row(const fixture *f, tm_quantity quantity, const char *model,
                                         const char *system, int node_nm)
{
    const tm_arithmetic_row *found = NULL;
    for (int i = 0; i < f->rows.n; i++) {
        const tm_arithmetic_row *r = &f->rows.items[i];
        if (r->quantity != quantity || strcmp(r->model, model) != 0 || r->node_nm != node_nm ||
            (system && strcmp(r->system, system) != 0))
            continue;
        assert_null(found);
        found = r;
    }
    assert_non_null(found);
    return found;
}

static void assert_prints(double value, int decimals, const char *expected)
{
    char text[64];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    assert_string_equal(text, expected);
}

/* 2504.12285 Table 1. Another program computed the longer values with the formula. */
static void six_energies_match_the_printed_ones(void **state)
{
    const struct {
        const char *model, *printed, *memory, *worked_out;
        int memory_decimals;
        bool memory_matches;
    } rows[] = {
        {"LLaMA 3.2 1B", "0.258", "2", "0.2576980378", 0, true},
        {"Gemma-3 1B", "0.186", "1.4", "0.1856063406", 1, true},
        {"Qwen2.5 1.5B", "0.347", "2.6", "0.3466843914", 1, true},
        {"SmolLM2 1.7B", "0.425", "3.2", "0.4252017623", 1, true},
        {"MiniCPM 2B", "0.649", "4.9", "0.6492782592", 1, false},
        {"BitNet b1.58 2B", "0.028", "0.4", "0.0276018758", 1, true},
    };
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const tm_arithmetic_row *r = find_row(f, TM_QUANTITY_ENERGY, rows[i].model, NULL, 7);
        assert_prints(r->energy_joules.computed.value, 10, rows[i].worked_out);
        assert_prints(r->energy_joules.computed.value, 3, rows[i].printed);
        assert_prints(r->energy_joules.published.value, 3, rows[i].printed);
        assert_true(tm_estimate_matches(&r->energy_joules));
        assert_prints(r->memory_gb.computed.value, rows[i].memory_decimals, rows[i].memory);
        assert_int_equal(r->memory_gb.decimals, rows[i].memory_decimals);
        assert_int_equal(tm_estimate_matches(&r->memory_gb), rows[i].memory_matches);
        assert_string_equal(r->energy_joules.printed->paper, "2504.12285");
    }
}

static void memory_of_minicpm_differs(void **state)
{
    const tm_arithmetic_row *r = find_row(*state, TM_QUANTITY_ENERGY, "MiniCPM 2B", NULL, 7);
    assert_prints(r->memory_gb.computed.value, 2, "4.88");
    assert_prints(r->memory_gb.published.value, 1, "4.8");
    assert_prints(tm_estimate_difference(&r->memory_gb), 1, "0.1");
}

static void attention_is_73_percent_of_bitnet(void **state)
{
    const tm_arithmetic_row *r = find_row(*state, TM_QUANTITY_ENERGY, "BitNet b1.58 2B", NULL, 7);
    assert_prints(100.0 * r->attention_fraction.value, 0, "73");
}

/* 2310.11453 Table 1: [model][system][7 nm mul, 7 nm add, 45 nm mul, 45 nm add] as printed. */
static void thirty_four_of_thirty_six_entries_match(void **state)
{
    static const char *const models[] = {"6.7B", "13B", "30B"};
    static const char *const systems[] = {"Transformer W32A32", "Transformer W16A16",
                                          "BitNet (1-bit)"};
    static const char *const printed[3][3][4] = {
        {{"4.41", "1.28", "12.46", "3.03"},
         {"1.14", "0.54", "3.70", "1.35"},
         {"0.02", "0.04", "0.08", "0.13"}},
        {{"8.58", "2.49", "24.23", "5.89"},
         {"2.23", "1.05", "7.20", "2.62"},
         {"0.04", "0.06", "0.12", "0.24"}},
        {{"20.09", "5.83", "56.73", "13.80"},
         {"5.21", "2.45", "16.87", "6.13"},
         {"0.06", "0.14", "0.20", "0.53"}},
    };
    const fixture *f = *state;
    int n_matches = 0;
    for (int m = 0; m < 3; m++)
        for (int s = 0; s < 3; s++)
            for (int k = 0; k < 4; k++) {
                const tm_arithmetic_row *r = find_row(f, k % 2 ? TM_QUANTITY_ADD : TM_QUANTITY_MUL,
                                                      models[m], systems[s], k < 2 ? 7 : 45);
                const bool is_miss = s == 2 && k == 1 && m != 1;
                assert_prints(r->energy_joules.published.value, 2, printed[m][s][k]);
                assert_int_equal(tm_estimate_matches(&r->energy_joules), !is_miss);
                if (is_miss)
                    assert_prints(tm_estimate_difference(&r->energy_joules), 2, "-0.01");
                else
                    assert_prints(r->energy_joules.computed.value, 2, printed[m][s][k]);
                n_matches += !is_miss;
            }
    assert_int_equal(n_matches, 34);
    assert_prints(find_row(f, TM_QUANTITY_ADD, "6.7B", systems[2], 7)->energy_joules.computed.value,
                  4, "0.0341");
    assert_prints(find_row(f, TM_QUANTITY_ADD, "30B", systems[2], 7)->energy_joules.computed.value,
                  4, "0.1349");
}

/* 2402.17764 Figure 3: (0.16 + 0.34) / 0.007, and ratios of shapes the paper may not have used. */
static void ratio_of_operations_matches_and_ratios_of_models_differ(void **state)
{
    const struct {
        const char *model, *computed, *printed;
    } rows[] = {{"1.3B", "18.71", "18.6"},
                {"3B", "25.38", "21.7"},
                {"7B", "29.39", "29.1"},
                {"13B", "33.30", "32.9"},
                {"70B", "42.42", "41.2"}};
    const fixture *f = *state;
    const tm_arithmetic_row *r = find_row(f, TM_QUANTITY_OPERATION_RATIO, "n/a", NULL, 7);
    assert_float_equal(r->ratio.computed.value, 0.5 / 0.007, 1e-9);
    assert_prints(r->ratio.published.value, 1, "71.4");
    assert_true(tm_estimate_matches(&r->ratio));
    assert_true(isnan(r->energy_joules.computed.value) && r->energy_joules.computed.missing[0]);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        r = find_row(f, TM_QUANTITY_RATIO, rows[i].model, NULL, 7);
        assert_prints(r->ratio.computed.value, 2, rows[i].computed);
        assert_prints(r->ratio.published.value, 1, rows[i].printed);
        assert_false(tm_estimate_matches(&r->ratio));
        assert_true(tm_estimate_is_comparable(&r->ratio));
        assert_true(r->note[0] != '\0');
        assert_true(isnan(r->energy_joules.published.value));
        assert_true(r->energy_joules.published.missing[0] != '\0');
    }
}

static void every_row_is_expected(void **state)
{
    const fixture *f = *state;
    assert_int_equal(f->rows.n, 6 + 36 + 6);
}

/* The energies are equal in both files of published values: editing only one of them fails. */
static void energies_are_equal_in_both_files(void **state)
{
    const fixture *f = *state;
    assert_int_equal(f->data.n_operations, 12);
    for (int i = 0; i < f->data.n_operations; i++) {
        const tm_operation *o = &f->data.operations[i];
        char device[16];
        snprintf(device, sizeof device, "%d nm", o->node_nm);
        tm_published_query q = {.table = "Table 2",
                                .paper = "2310.11453",
                                .device = device,
                                .metric = o->is_mul ? "MUL energy" : "ADD energy",
                                .model = "op",
                                .system = o->type};
        assert_non_null(strstr(o->source, "2310.11453 Table 2"));
        int n = 0;
        for (int k = 0; k < f->published.n; k++) { /* "7 nm" is not a part of "45 nm" */
            const tm_published_value *c = &f->published.items[k];
            if (strcmp(c->paper, q.paper) != 0 || strcmp(c->table, q.table) != 0 ||
                strcmp(c->device, device) != 0 || strcmp(c->metric, q.metric) != 0 ||
                strcmp(c->system, o->type) != 0)
                continue;
            assert_string_equal(c->unit, "pJ");
            assert_float_equal(c->value, o->picojoules, 0.0);
            n++;
        }
        assert_int_equal(n, 1);
        if (!strstr(o->source, "2504.12285 Table 4")) continue;
        q.paper = "2504.12285";
        q.table = "Table 4";
        assert_float_equal(tm_published_figure(&f->published, &q).value, o->picojoules, 0.0);
    }
}

static int count_matches(const fixture *f)
{
    tm_arithmetic_rows rows;
    tm_error err;
    assert_int_equal(
        tm_arithmetic_compare(&f->data, &f->published, f->shapes, f->models.n, &rows, &err), TM_OK);
    int n = 0;
    for (int i = 0; i < rows.n; i++)
        n += tm_estimate_matches(&rows.items[i].energy_joules) +
             tm_estimate_matches(&rows.items[i].memory_gb) +
             tm_estimate_matches(&rows.items[i].ratio);
    tm_arithmetic_rows_free(&rows);
    return n;
}

/* A wrong constant must show: 6 + 34 energies, 5 memories and 1 ratio match, and fewer do with any
 * of them off. */
static void wrong_constants_lose_matches(void **state)
{
    fixture *f = *state;
    const int n = count_matches(f);
    assert_int_equal(n, 6 + 34 + 5 + 1);
    for (int i = 0; i < f->data.n_operations; i++) {
        tm_operation *o = &f->data.operations[i];
        const double kept = o->picojoules;
        const bool is_used =
            strcmp(o->type, "INT8") != 0 || !o->is_mul; /* no precision multiplies INT8 */
        o->picojoules = kept * 1.15;
        if (is_used)
            assert_true(count_matches(f) < n);
        else
            assert_int_equal(count_matches(f), n);
        o->picojoules = kept;
    }
    f->data.n_tokens = 500;
    assert_true(count_matches(f) < n);
    f->data.n_tokens = 512;
    for (int i = 0; i < f->data.n_shapes; i++) {
        const int64_t kept = f->data.shapes[i].linear_weights;
        f->data.shapes[i].linear_weights += kept / 20;
        /* The shapes of 2402.17764 have no matching value. */
        if (strncmp(f->data.shapes[i].name, "BitNet", 6) == 0) assert_true(count_matches(f) < n);
        f->data.shapes[i].linear_weights = kept;
    }
    for (int i = 0; i < f->data.n_precisions; i++) {
        tm_arithmetic_precision *p = &f->data.precisions[i];
        const double kept = p->bits_per_weight;
        p->bits_per_weight *= 1.15;
        if (strcmp(p->name, "fp16") == 0 || strcmp(p->name, "ternary") == 0)
            assert_true(count_matches(f) < n);
        p->bits_per_weight = kept;
    }
    assert_int_equal(count_matches(f), n);
}

static const tm_arithmetic_shape *shape_named(const fixture *f, const char *name)
{
    for (int i = 0; i < f->models.n; i++)
        if (strcmp(f->shapes[i].name, name) == 0) return &f->shapes[i];
    fail_msg("no shape %s", name);
    return NULL;
}

static void named_shapes_have_every_precision_and_node(void **state)
{
    const fixture *f = *state;
    const tm_arithmetic_shape asked[] = {*shape_named(f, "BitNet-b1.58-2B-4T"),
                                         *shape_named(f, "dummy 125M")};
    tm_arithmetic_rows rows;
    tm_error err;
    assert_int_equal(tm_arithmetic_estimate(&f->data, &f->published, asked, 2, &rows, &err), TM_OK);
    assert_int_equal(rows.n, 2 * 2 * 3);
    for (int i = 0; i < rows.n; i++) {
        const tm_arithmetic_row *r = &rows.items[i];
        const bool is_printed = i < 6 && r->node_nm == 7 && strcmp(r->precision, "ternary") == 0;
        assert_true(r->energy_joules.computed.value > 0.0);
        assert_int_equal(isfinite(r->energy_joules.published.value), is_printed);
        assert_int_equal(tm_estimate_matches(&r->energy_joules), is_printed);
        assert_int_equal(isfinite(r->ratio.computed.value), strcmp(r->precision, "ternary") == 0);
        if (!is_printed) assert_true(r->energy_joules.published.missing[0] != '\0');
    }
    /* 125M by hand: 512 x (103809024 x 0.5 + 2 x 512 x 768 x 11 x 0.5) pJ */
    assert_string_equal(rows.items[7].precision, "fp16");
    assert_float_equal(rows.items[7].energy_joules.computed.value, 0.028789702656, 1e-12);
    tm_arithmetic_rows_free(&rows);
}

/* Every null has a reason, and every value an origin. */
static void json_has_a_reason_for_every_null(void **state)
{
    const fixture *f = *state;
    static const char *const contract[] = {
        "model", "node_nm", "energy_joules", "published_joules", "memory_gb", "published_memory_gb",
        NULL};
    tm_text text = {0};
    tm_error err;
    tm_json *json;
    assert_int_equal(tm_arithmetic_write(&f->data, &f->rows, "json", &text, &err), TM_OK);
    assert_int_equal(tm_json_parse(text.data, text.length, "written", &json, &err), TM_OK);
    assert_int_equal(tm_json_count(json), f->rows.n);
    for (const tm_json *row = tm_json_at(json, 0); row; row = tm_json_next(row)) {
        for (int i = 0; contract[i]; i++) assert_non_null(tm_json_get(row, contract[i]));
        assert_string_equal(tm_json_text(tm_json_get(row, "origin"), ""), TM_ARITHMETIC_ORIGIN);
        for (const tm_json *m = tm_json_at(row, 0); m; m = tm_json_next(m)) {
            char key[96];
            if (!tm_json_is_null(m)) continue;
            snprintf(key, sizeof key, "%s_missing", tm_json_key(m));
            assert_true(tm_json_text(tm_json_get(row, key), "")[0] != '\0');
        }
        if (tm_json_is_number(tm_json_get(row, "published_joules")))
            assert_non_null(strstr(tm_json_text(tm_json_get(row, "published_joules_origin"), ""),
                                   "published estimate: 2"));
    }
    tm_json_free(json);
    tm_text_free(&text);
}

static char *written(const fixture *f, const char *format)
{
    tm_text text = {0};
    tm_error err;
    assert_int_equal(tm_arithmetic_write(&f->data, &f->rows, format, &text, &err), TM_OK);
    assert_non_null(text.data);
    return text.data;
}

/* "measured" occurs only after "not". */
static void assert_claims_no_measurement(const char *text)
{
    for (const char *at = text; (at = strstr(at, "measured")) != NULL; at++) {
        assert_true(at - text >= 4);
        assert_memory_equal(at - 4, "not ", 4);
    }
}

static void tables_say_estimate(void **state)
{
    const fixture *f = *state;
    char *text = written(f, "text");
    assert_non_null(strstr(text, "energy: 6 of 6 printed figures match"));
    assert_non_null(strstr(text, "memory: 5 of 6 printed figures match"));
    assert_non_null(strstr(text, "energy: 34 of 36 printed figures match"));
    assert_non_null(strstr(text, "ratios: 1 of 6 printed figures match"));
    assert_non_null(strstr(text, "differs by +0.1 "));
    assert_claims_no_measurement(text);
    free(text);

    text = written(f, "md");
    int n_rows = 0;
    for (const char *at = text; (at = strstr(at, "\n| ")) != NULL; at++)
        if (strncmp(at + 3, "estimate: ", 10) == 0) n_rows++;
    assert_int_equal(n_rows, f->rows.n);
    assert_claims_no_measurement(text);
    free(text);

    text = written(f, "csv");
    int n_lines = 0;
    for (char *line = strtok(text, "\r\n"); line; line = strtok(NULL, "\r\n"), n_lines++)
        if (n_lines == 0)
            assert_memory_equal(line, "origin,figure,", 14);
        else
            assert_memory_equal(line, TM_ARITHMETIC_ORIGIN ",", sizeof TM_ARITHMETIC_ORIGIN);
    /* 6 energies with memories, one of them with a ratio; 36 entries; 5 x energy and ratio; one
     * ratio */
    assert_int_equal(n_lines, 1 + 6 * 2 + 1 + 36 + 5 * 2 + 1);
    free(text);
}

/* Parses the file with one string replaced. */
static char *edited(const char *from, const char *to)
{
    const tm_embedded *file = tm_embedded_find(ENERGIES);
    const char *at = strstr(file->text, from);
    assert_non_null(at);
    const size_t size = file->length + strlen(to) + 1;
    char *text = malloc(size);
    assert_non_null(text);
    snprintf(text, size, "%.*s%s%s", (int)(at - file->text), file->text, to, at + strlen(from));
    return text;
}

static void errors_name_the_broken_data(void **state)
{
    const struct {
        const char *from, *to, *message;
    } edits[] = {
        {"\"n_tokens\": 512", "\"n_tokens\": 0", "\"n_tokens\""},
        {"\"n_tokens\": 512", "\"n_tokns\": 512", "did you mean \"n_tokens\""},
        {"\"picojoules\": 0.38", "\"picojoules\": -0.38", "must be above 0"},
        {"\"picojoules\": 0.38", "\"picojoules\": 1e300", "at most"},
        {"\"picojoules\": 0.38", "\"picojoules\": \"0.38\"", "picojoules"},
        {"\"operation\": \"mul\"", "\"operation\": \"add\"", "appears twice"},
        {"\"operation\": \"mul\"", "\"operation\": \"div\"", "neither add nor mul"},
        {"\"node_nm\": 45, \"type\": \"FP32\", \"operation\": \"mul\"",
         "\"node_nm\": 22, \"type\": \"FP32\", \"operation\": \"mul\"", "has no energy at 45 nm"},
        {"[\"INT8 add\"]", "[\"INT4 add\"]", "no energy of operation \"INT4 add\""},
        {"[\"INT8 add\"]", "[]", "list of 1 to 4"},
        {"[\"INT8 add\"]", "[3]", "neither add nor mul"},
        {"\"baseline\": \"fp16\"", "\"baseline\": \"fp8\"", "no precision \"fp8\""},
        {"\"for_any_shape\": true", "\"for_any_shape\": 1", "must be true or false"},
        {"\"precision\": \"binary\"", "\"precision\": \"unary\"", "no precision \"unary\""},
        {"\"layers\": 32", "\"layers\": 0", "\"layers\""},
        {"\"paper\": \"2310.11453\"", "\"paper\": \"2504.12285\"", "appears twice"},
        {"\"papers\": [", "\"papers\": [3, ", "must hold objects only"},
        {" ]\n}\n", "", "line"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        tm_arithmetic data;
        tm_error err = {0};
        char *text = edited(edits[i].from, edits[i].to);
        tm_status status = tm_arithmetic_parse(text, strlen(text), "edited", &data, &err);
        if (status != TM_FORMAT) fail_msg("edit %zu: status %d", i, status);
        if (!strstr(err.message, edits[i].message))
            fail_msg("edit %zu: \"%s\" does not say \"%s\"", i, err.message, edits[i].message);
        free(text);
    }
}

static void printed_value_without_a_shape_is_an_error(void **state)
{
    const struct {
        const char *from, *to, *message;
    } edits[] = {
        {"\"shape\": \"BitNet 6.7B\"", "\"shape\": \"BitNet 6.8B\"", "no shape \"BitNet 6.8B\""},
        {"{\"model\": \"13B\", \"system\"", "{\"model\": \"14B\", \"system\"",
         "has no shape for 13B"},
    };
    const fixture *f = *state;
    for (size_t i = 0; i < sizeof edits / sizeof *edits; i++) {
        tm_arithmetic data;
        tm_arithmetic_rows rows;
        tm_error err = {0};
        char *text = edited(edits[i].from, edits[i].to);
        assert_int_equal(tm_arithmetic_parse(text, strlen(text), "edited", &data, &err), TM_OK);
        assert_int_equal(
            tm_arithmetic_compare(&data, &f->published, f->shapes, f->models.n, &rows, &err),
            TM_FORMAT);
        assert_non_null(strstr(err.message, edits[i].message));
        tm_arithmetic_free(&data);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(six_energies_match_the_printed_ones),
        cmocka_unit_test(memory_of_minicpm_differs),
        cmocka_unit_test(attention_is_73_percent_of_bitnet),
        cmocka_unit_test(thirty_four_of_thirty_six_entries_match),
        cmocka_unit_test(ratio_of_operations_matches_and_ratios_of_models_differ),
        cmocka_unit_test(every_row_is_expected),
        cmocka_unit_test(energies_are_equal_in_both_files),
        cmocka_unit_test(wrong_constants_lose_matches),
        cmocka_unit_test(named_shapes_have_every_precision_and_node),
        cmocka_unit_test(json_has_a_reason_for_every_null),
        cmocka_unit_test(tables_say_estimate),
        cmocka_unit_test(errors_name_the_broken_data),
        cmocka_unit_test(printed_value_without_a_shape_is_an_error),
    };
    return cmocka_run_group_tests(tests, open_all, close_all);
}
