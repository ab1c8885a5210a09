/* The machine, environment and conditions of every run: run records as tables. */
#include "reports/headings.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const tm_json *tm_report_last_run(const tm_records *records)
{
    for (int i = records->n - 1; i >= 0; i--)
        if (records->items[i].kind == TM_RECORD_RUN) return records->items[i].run.document;
    return NULL;
}

bool tm_report_is_plotted(const tm_report_view *view, const tm_record *record)
{
    const tm_summaries *all = view->summaries;
    for (int i = 0; i < all->n && all->n_machines > 1; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->cell.machine == view->machine || strcmp(s->cell_id, record->cell_id) != 0) continue;
        for (int k = 0; k < s->n_processes; k++)
            if (strcmp(s->processes[k].run, record->run_id) == 0) return false;
    }
    return true;
}

int tm_report_cores(const tm_json *run)
{
    double cores =
        tm_json_double(tm_json_get(tm_json_get(run, "environment"), "usable_cores"), 0.0);
    if (!(cores >= 1.0))
        cores = tm_json_double(tm_json_get(tm_json_get(run, "machine"), "cores"), 0.0);
    return cores >= 1.0 && cores <= 1 << 20 ? (int)cores : 0;
}

/* A value on one line; an object inside an array as "level 1, type Data". */
static void put_value(tm_text *out, const tm_json *value)
{
    char number[64];
    if (tm_json_is_string(value)) {
        tm_text_add(out, tm_json_text(value, ""));
    } else if (tm_json_is_number(value)) {
        tm_text_add(out, tm_number_short(tm_json_double(value, NAN), 6, number, sizeof number));
    } else if (tm_json_is_bool(value)) {
        tm_text_add(out, tm_json_true(value) ? "yes" : "no");
    } else if (tm_json_is_array(value) || tm_json_is_object(value)) {
        const bool is_object = tm_json_is_object(value);
        const tm_json *item = tm_json_at(value, 0);
        for (int i = 0; item; i++, item = tm_json_next(item)) {
            if (i) tm_text_add(out, is_object ? ", " : "; ");
            if (is_object) tm_text_format(out, "%s ", tm_json_key(item));
            put_value(out, item);
        }
    } else
        tm_text_add(out, "-");
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void add_object(tm_table *table, const char *prefix, const tm_json *object)
{
    for (const tm_json *item = tm_json_at(object, 0); item; item = tm_json_next(item)) {
        const char *key = tm_json_key(item);
        tm_text name = {0}, value = {0}, reason_key = {0};
        tm_text_format(&name, "%s%s%s", prefix, prefix[0] ? "." : "", key);
        tm_text_format(&reason_key, "%s_missing", key);
        if (ends_with(key, "_missing")) {
            /* printed with its value */
        } else if (tm_json_is_object(item)) {
            add_object(table, tm_text_string(&name), item);
        } else {
            const char *reason = tm_json_text(tm_json_get(object, tm_text_string(&reason_key)),
                                              "no reason recorded");
            if (tm_json_is_null(item))
                tm_text_format(&value, "- (%s)", reason);
            else
                put_value(&value, item);
            tm_table_add_row(table);
            tm_table_add_cell(table, "%s", tm_text_string(&name));
            tm_table_add_cell(table, "%s", tm_text_string(&value));
        }
        table->failed |= name.failed || value.failed || reason_key.failed;
        tm_text_free(&name);
        tm_text_free(&value);
        tm_text_free(&reason_key);
    }
}

static void fill_run(tm_table *table, const tm_json *run)
{
    static const char *const known[] = {"schema", "kind", "run", "roofline", NULL};
    tm_table_add_column(table, TM_HEADING_KEY, TM_LEFT);
    tm_table_add_column(table, TM_HEADING_VALUE, TM_LEFT);
    for (const tm_json *item = tm_json_at(run, 0); item; item = tm_json_next(item)) {
        const char *key = tm_json_key(item);
        bool is_known = ends_with(key, "_missing");
        for (int i = 0; known[i]; i++) is_known |= strcmp(key, known[i]) == 0;
        if (is_known) continue;
        if (tm_json_is_object(item)) {
            add_object(table, key, item);
        } else {
            tm_text value = {0};
            put_value(&value, item);
            tm_table_add_row(table);
            tm_table_add_cell(table, "%s", key);
            tm_table_add_cell(table, "%s", tm_text_string(&value));
            table->failed |= value.failed;
            tm_text_free(&value);
        }
    }
}

static const char *value_of(const tm_table *table, const char *key)
{
    for (int i = 0; i < table->n_rows; i++)
        if (table->rows[i].n_cells == 2 && strcmp(table->rows[i].cells[0].text, key) == 0)
            return table->rows[i].cells[1].text;
    return NULL;
}

/* The rows of `other` that are different or absent in `last`. */
static void fill_difference(tm_table *out, const tm_table *other, const tm_table *last)
{
    tm_table_add_column(out, TM_HEADING_KEY, TM_LEFT);
    tm_table_add_column(out, TM_HEADING_VALUE, TM_LEFT);
    for (int i = 0; i < other->n_rows; i++) {
        if (other->rows[i].n_cells != 2) continue;
        const char *key = other->rows[i].cells[0].text, *value = other->rows[i].cells[1].text;
        const char *same = value_of(last, key);
        if (same && strcmp(same, value) == 0) continue;
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", key);
        tm_table_add_cell(out, "%s", value);
    }
}

static tm_status write_roofline(const tm_json *run, tm_table_writer put, tm_text *out,
                                tm_error *err)
{
    static const char *const kinds[] = {"read_gb_per_second", "int8_gmac_per_second",
                                        "fp32_gmac_per_second"};
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, "Limit (measured)", TM_LEFT);
    tm_table_add_column(&table, TM_HEADING_THREADS, TM_RIGHT);
    tm_table_add_column(&table, TM_HEADING_VALUE, TM_RIGHT);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const tm_json *points = tm_json_get(tm_json_get(run, "roofline"), kinds[k]);
        for (const tm_json *p = tm_json_at(points, 0); p; p = tm_json_next(p)) {
            char value[64];
            tm_table_add_row(&table);
            tm_table_add_cell(&table, "%s", kinds[k]);
            tm_table_add_cell(&table, "%.0f", tm_json_double(tm_json_get(p, "threads"), NAN));
            tm_table_add_cell(
                &table, "%s",
                tm_number(tm_json_double(tm_json_get(p, "value"), NAN), 3, value, sizeof value));
        }
    }
    tm_status status = TM_OK;
    if (table.n_rows)
        status = put(&table, out, err);
    else
        tm_text_add(out, "This run did not measure the machine's limits.\n");
    tm_table_free(&table);
    tm_text_add_char(out, '\n');
    return status;
}

tm_status tm_report_machine(const tm_records *records, tm_table_writer put, tm_text *out,
                            tm_error *err)
{
    const tm_json *last = tm_report_last_run(records);
    tm_table table;
    if (!last) {
        tm_text_add(out, "The store holds no run record, so the machine is not known.\n\n");
        return TM_OK;
    }
    tm_table_init(&table, "");
    fill_run(&table, last);
    tm_text_format(out, "Run %s:\n\n", tm_json_text(tm_json_get(last, "run"), "?"));
    tm_status status = put(&table, out, err);
    tm_text_add_char(out, '\n');
    if (status == TM_OK) status = write_roofline(last, put, out, err);
    for (int i = 0; status == TM_OK && i < records->n; i++) {
        if (records->items[i].kind != TM_RECORD_RUN) continue;
        const tm_json *run = records->items[i].run.document;
        if (run == last) continue;
        tm_table other, difference;
        tm_table_init(&other, "");
        tm_table_init(&difference, "");
        fill_run(&other, run);
        fill_difference(&difference, &other, &table);
        tm_text_format(out, "Earlier run %s, where it differs from the last:\n\n",
                       tm_json_text(tm_json_get(run, "run"), "?"));
        status = put(&difference, out, err);
        tm_text_add_char(out, '\n');
        if (status == TM_OK) status = write_roofline(run, put, out, err);
        tm_table_free(&other);
        tm_table_free(&difference);
    }
    tm_table_free(&table);
    return status == TM_OK ? tm_text_status(out, "machine section", err) : status;
}
