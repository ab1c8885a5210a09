/* The estimates as tables and as JSON. Every column holds either computed or published
 * estimates. */
#include "harness/base/json.h"
#include "reports/output/table.h"
#include "reports/published/arithmetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS 4 /* significant digits of a computed value: one more than most papers print */
#define TITLE  "Energy of arithmetic, an estimate (operations x energy per operation), not measured"
#define FORMULA                                                                                    \
    "estimate = n_tokens x [linear weights x e_linear + 2 x n_tokens x heads x head_dim x layers " \
    "x e_attention]; no paper prints the formula"

/* With as many decimals as the paper prints, including trailing zeros. */
static char *as_printed(double value, int decimals, char *out, size_t size)
{
    if (value == 0.0) return tm_number(value, 1, out, size);
    int digits = decimals + 1 + (int)floor(log10(fabs(value)));
    return tm_number(value, digits < 1 ? 1 : digits, out, size);
}

static void add_figure(tm_table *table, const tm_measured *figure, int digits)
{
    char text[64];
    if (isfinite(figure->value))
        tm_table_add_cell(table, "%s", tm_number(figure->value, digits, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "-", figure->missing);
}

/* "match", "differs by -0.01", or "-". */
static char *result(const tm_estimate *estimate, char *out, size_t size)
{
    char number[64];
    const double difference = tm_estimate_difference(estimate);
    if (!tm_estimate_is_comparable(estimate))
        snprintf(out, size, "-");
    else if (tm_estimate_matches(estimate))
        snprintf(out, size, "match");
    else
        snprintf(out, size, "differs by %s%s", difference > 0 ? "+" : "",
                 as_printed(difference, estimate->decimals, number, sizeof number));
    return out;
}

/* Three cells: estimate, published, result. */
static void add_estimate(tm_table *table, const tm_estimate *estimate)
{
    char text[96];
    add_figure(table, &estimate->computed, DIGITS);
    if (isfinite(estimate->published.value))
        tm_table_add_cell(
            table, "%s",
            as_printed(estimate->published.value, estimate->decimals, text, sizeof text));
    else
        add_figure(table, &estimate->published, DIGITS);
    tm_table_add_cell(table, "%s", result(estimate, text, sizeof text));
}

/* "energy: 6 of 6 printed figures match" */
static void add_tally(tm_table *table, const char *what, int n, int n_matches)
{
    if (n > 0)
        tm_table_add_note(table, "%s: %d of %d printed figures match to the last digit%s", what,
                          n_matches, n, n_matches < n ? "; the others differ as shown" : "");
}

static void tally(const tm_estimate *estimate, int *n, int *n_matches)
{
    *n += tm_estimate_is_comparable(estimate);
    *n_matches += tm_estimate_matches(estimate);
}

/* Starts a group for the table that the value is printed in (NULL: none), unless it is the current
 * one. */
static void add_origin(tm_table *table, const tm_published_value *printed,
                       const tm_published_value **last)
{
    const bool is_new = !table->n_groups || !printed != !*last ||
                        (printed && (strcmp(printed->paper, (*last)->paper) != 0 ||
                                     strcmp(printed->table, (*last)->table) != 0));
    char paper[128];
    if (!is_new) return;
    if (printed)
        tm_table_add_group(table, "%s; published estimate: %s, %s", TM_ARITHMETIC_ORIGIN,
                           tm_papers_named(printed->paper, paper, sizeof paper), printed->table);
    else
        tm_table_add_group(table, "%s", TM_ARITHMETIC_ORIGIN);
    *last = printed;
}

static void add_columns(tm_table *table, const char *const *headings, int n_left)
{
    for (int i = 0; headings[i]; i++)
        tm_table_add_column(table, headings[i], i < n_left ? TM_LEFT : TM_RIGHT);
}

static void fill_energy(const tm_arithmetic *data, const tm_arithmetic_rows *rows, tm_table *table)
{
    static const char *const headings[] = {
        "Model",  "Precision",    "Node, nm",      "Attention, %", "Estimate, J", "Published, J",
        "Result", "Estimate, GB", "Published, GB", "Result",       "Times less",  NULL};
    const tm_published_value *last = NULL;
    int n[2] = {0}, n_matches[2] = {0};
    tm_table_init(table, TITLE);
    add_columns(table, headings, 2);
    for (int i = 0; i < rows->n; i++) {
        const tm_arithmetic_row *row = &rows->items[i];
        if (row->quantity != TM_QUANTITY_ENERGY) continue;
        add_origin(table, row->energy_joules.printed, &last);
        tm_table_add_row(table);
        tm_table_add_cell(table, "%s", row->model);
        tm_table_add_cell(table, "%s", row->precision);
        tm_table_add_cell(table, "%d", row->node_nm);
        tm_table_add_cell(table, "%.0f", 100.0 * row->attention_fraction.value);
        add_estimate(table, &row->energy_joules);
        add_estimate(table, &row->memory_gb);
        add_figure(table, &row->ratio.computed, 3);
        tally(&row->energy_joules, &n[0], &n_matches[0]);
        tally(&row->memory_gb, &n[1], &n_matches[1]);
    }
    tm_table_add_note(table, "%s; n_tokens = %lld (%s). GB: linear weights, 1e9 bytes.", FORMULA,
                      (long long)data->n_tokens, data->n_tokens_source);
    tm_table_add_note(table, "times less: the fp16 estimate of the shape over this one.");
    add_tally(table, "energy", n[0], n_matches[0]);
    add_tally(table, "memory", n[1], n_matches[1]);
}

static void fill_operations(const tm_arithmetic_rows *rows, tm_table *table)
{
    static const char *const headings[] = {"Model",       "System",       "Operation", "Node, nm",
                                           "Estimate, J", "Published, J", "Result",    NULL};
    const tm_published_value *last = NULL;
    int n = 0, n_matches = 0;
    tm_table_init(table, TITLE ": additions and multiplications apart");
    add_columns(table, headings, 3);
    for (int i = 0; i < rows->n; i++) {
        const tm_arithmetic_row *row = &rows->items[i];
        if (row->quantity != TM_QUANTITY_ADD && row->quantity != TM_QUANTITY_MUL) continue;
        add_origin(table, row->energy_joules.printed, &last);
        tm_table_add_row(table);
        tm_table_add_cell(table, "%s", row->model);
        tm_table_add_cell(table, "%s", row->system ? row->system : row->precision);
        tm_table_add_cell(table, "%s", tm_quantity_name(row->quantity));
        tm_table_add_cell(table, "%d", row->node_nm);
        add_estimate(table, &row->energy_joules);
        tally(&row->energy_joules, &n, &n_matches);
    }
    add_tally(table, "energy", n, n_matches);
}

static void fill_ratios(const tm_arithmetic_rows *rows, tm_table *table)
{
    static const char *const headings[] = {"Model",       "Shape",        "Ratio",  "Node, nm",
                                           "Estimate, x", "Published, x", "Result", NULL};
    const tm_published_value *last = NULL;
    int n = 0, n_matches = 0;
    tm_table_init(table, TITLE ": how many times less than fp16");
    add_columns(table, headings, 3);
    for (int i = 0; i < rows->n; i++) {
        const tm_arithmetic_row *row = &rows->items[i];
        if (!row->ratio.printed) continue;
        add_origin(table, row->ratio.printed, &last);
        tm_table_add_row(table);
        if (row->note[0])
            tm_table_add_cell_with_note(table, row->model, row->note);
        else
            tm_table_add_cell(table, "%s", row->model);
        tm_table_add_cell(table, "%s", row->shape ? row->shape->name : "-");
        tm_table_add_cell(table, "%s",
                          row->quantity == TM_QUANTITY_OPERATION_RATIO ? "per operation"
                                                                       : "whole prompt");
        tm_table_add_cell(table, "%d", row->node_nm);
        add_estimate(table, &row->ratio);
        tally(&row->ratio, &n, &n_matches);
    }
    add_tally(table, "ratios", n, n_matches);
}

static void fill_constants(const tm_arithmetic *data, tm_table *table)
{
    static const char *const headings[] = {"Operation", "Node, nm", "Energy, pJ", NULL};
    const char *last = NULL;
    tm_table_init(table, "What the estimates stand on: published energies of one operation");
    add_columns(table, headings, 1);
    for (int i = 0; i < data->n_operations; i++) {
        const tm_operation *o = &data->operations[i];
        char number[64], source[256];
        if (!last || strcmp(last, o->source) != 0)
            tm_table_add_group(table, "published: %s",
                               tm_papers_named(o->source, source, sizeof source));
        last = o->source;
        tm_table_add_row(table);
        tm_table_add_cell(table, "%s %s", o->type, o->is_mul ? "mul" : "add");
        tm_table_add_cell(table, "%d", o->node_nm);
        tm_table_add_cell(table, "%s",
                          tm_number_short(o->picojoules, DIGITS, number, sizeof number));
    }
}

/* Adds a row of CSV for a value. */
static void add_csv_row(tm_table *table, const tm_arithmetic_row *row, const char *figure,
                        const char *unit, const tm_estimate *estimate)
{
    char text[96];
    if (!isfinite(estimate->computed.value)) return;
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", figure);
    tm_table_add_cell(table, "%s", row->model);
    tm_table_add_cell(table, "%s", row->shape ? row->shape->name : "");
    tm_table_add_cell(table, "%s", row->precision);
    tm_table_add_cell(table, "%d", row->node_nm);
    tm_table_add_cell(table, "%s", unit);
    tm_table_add_cell(table, "%s", tm_number_short(estimate->computed.value, 9, text, sizeof text));
    text[0] = '\0';
    if (isfinite(estimate->published.value))
        as_printed(estimate->published.value, estimate->decimals, text, sizeof text);
    tm_table_add_cell(table, "%s", text);
    if (tm_estimate_is_comparable(estimate))
        tm_table_add_cell(table, "%s", result(estimate, text, sizeof text));
    else
        tm_table_add_cell(table, "not compared: %s", estimate->published.missing);
    if (estimate->printed)
        tm_table_add_cell(table, "%s %s", estimate->printed->paper, estimate->printed->table);
    else
        tm_table_add_cell(table, "%s", "");
    tm_table_add_cell(table, "%s", row->note);
}

static void fill_csv(const tm_arithmetic_rows *rows, tm_table *table)
{
    static const char *const headings[] = {"figure",  "model",        "shape",    "precision",
                                           "node_nm", "unit",         "estimate", "published",
                                           "result",  "published_in", "note",     NULL};
    tm_table_init(table, TITLE);
    tm_table_name_groups(table, "origin");
    add_columns(table, headings, 4);
    tm_table_add_group(table, "%s", TM_ARITHMETIC_ORIGIN);
    for (int i = 0; i < rows->n; i++) {
        const tm_arithmetic_row *row = &rows->items[i];
        const bool is_ratio = row->quantity == TM_QUANTITY_RATIO;
        add_csv_row(table, row, is_ratio ? "energy" : tm_quantity_name(row->quantity), "J",
                    &row->energy_joules);
        if (row->quantity == TM_QUANTITY_ENERGY)
            add_csv_row(table, row, "memory", "GB", &row->memory_gb);
        add_csv_row(table, row,
                    row->quantity == TM_QUANTITY_OPERATION_RATIO ? tm_quantity_name(row->quantity)
                                                                 : "ratio",
                    "x", &row->ratio);
    }
}

/* JSON keys of a value. */
typedef struct keys {
    const char *computed, *published, *origin, *matches, *difference;
} keys;

static void put_estimate(tm_json *object, const keys *k, const char *kind,
                         const tm_estimate *estimate)
{
    tm_measured_put(object, k->computed, &estimate->computed);
    tm_measured_put(object, k->published, &estimate->published);
    tm_text origin = {0};
    if (estimate->printed)
        tm_text_format(&origin, "%s: %s %s", kind, estimate->printed->paper,
                       estimate->printed->table);
    if (estimate->printed)
        tm_json_put_string(object, k->origin, tm_text_string(&origin));
    else
        tm_json_put_missing(object, k->origin, estimate->published.missing);
    tm_text_free(&origin);
    if (tm_estimate_is_comparable(estimate)) {
        tm_json_put_bool(object, k->matches, tm_estimate_matches(estimate));
        tm_json_put_number(object, k->difference, tm_estimate_difference(estimate));
    } else {
        const tm_measured *absent =
            isfinite(estimate->computed.value) ? &estimate->published : &estimate->computed;
        tm_json_put_missing(object, k->matches, absent->missing);
        tm_json_put_missing(object, k->difference, absent->missing);
    }
}

static void put_text(tm_json *object, const char *key, const char *text, const char *missing)
{
    if (text)
        tm_json_put_string(object, key, text);
    else
        tm_json_put_missing(object, key, missing);
}

static tm_json *row_to_json(const tm_arithmetic *data, const tm_arithmetic_row *row)
{
    static const keys energy = {"energy_joules", "published_joules", "published_joules_origin",
                                "energy_matches", "energy_difference_joules"};
    static const keys memory = {"memory_gb", "published_memory_gb", "published_memory_origin",
                                "memory_matches", "memory_difference_gb"};
    static const keys ratio = {"energy_ratio", "published_energy_ratio",
                               "published_energy_ratio_origin", "energy_ratio_matches",
                               "energy_ratio_difference"};
    tm_json *object = tm_json_object();
    tm_json_put_string(object, "model", row->model);
    tm_json_put_int(object, "node_nm", row->node_nm);
    tm_json_put_string(object, "quantity", tm_quantity_name(row->quantity));
    tm_json_put_string(object, "precision", row->precision);
    put_text(object, "system", row->system, "a shape that was asked for, not a paper's system");
    put_text(object, "shape", row->shape ? row->shape->name : NULL,
             row->energy_joules.computed.missing);
    put_text(object, "shape_source", row->shape ? row->shape->source : NULL,
             row->energy_joules.computed.missing);
    put_text(object, "baseline", row->baseline, row->ratio.computed.missing);
    tm_json_put_int(object, "n_tokens", data->n_tokens);
    tm_json_put_string(object, "origin", TM_ARITHMETIC_ORIGIN);
    put_estimate(object, &energy, "published estimate", &row->energy_joules);
    tm_measured_put(object, "attention_fraction", &row->attention_fraction);
    put_estimate(object, &memory, "published", &row->memory_gb);
    put_estimate(object, &ratio, "published estimate", &row->ratio);
    tm_json_put_string(object, "note", row->note);
    return object;
}

static tm_status write_json(const tm_arithmetic *data, const tm_arithmetic_rows *rows, tm_text *out,
                            tm_error *err)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < rows->n; i++) tm_json_append(array, row_to_json(data, &rows->items[i]));
    return tm_text_put_json(out, array, true, err);
}

/* Writes and frees the table; one without rows is omitted. */
static tm_status write_table(tm_table *table, const tm_table_format *format, tm_text *out,
                             tm_error *err)
{
    tm_status status = TM_OK;
    if (table->n_rows > 0 || table->failed) {
        if (out->length) tm_text_add_char(out, '\n');
        status = format->write(table, out, err);
    }
    tm_table_free(table);
    return status;
}

tm_status tm_arithmetic_write(const tm_arithmetic *data, const tm_arithmetic_rows *rows,
                              const char *format, tm_text *out, tm_error *err)
{
    tm_table table;
    const tm_table_format *of_table;
    if (strcmp(format, "json") == 0) return write_json(data, rows, out, err);
    tm_status status = tm_table_format_find(format, &of_table, err);
    if (status != TM_OK) return status;
    if (of_table->is_data) {
        fill_csv(rows, &table);
        return write_table(&table, of_table, out, err);
    }
    fill_energy(data, rows, &table);
    status = write_table(&table, of_table, out, err);
    if (status != TM_OK) return status;
    fill_operations(rows, &table);
    status = write_table(&table, of_table, out, err);
    if (status != TM_OK) return status;
    fill_ratios(rows, &table);
    status = write_table(&table, of_table, out, err);
    if (status != TM_OK) return status;
    fill_constants(data, &table);
    return write_table(&table, of_table, out, err);
}
