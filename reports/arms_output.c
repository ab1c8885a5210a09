#include "reports/arms_output.h"

#include "harness/record/measured.h"
#include "reports/published/published.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "X", or "X / Y" where the arms differ. */
static void add_both(char *text, size_t size, const char *a, const char *b)
{
    size_t n = strlen(text);
    if (!*a && !*b) return;
    if (n > 0) n += (size_t)snprintf(text + n, size - n, " ");
    if (n >= size) return;
    if (strcmp(a, b) == 0)
        snprintf(text + n, size - n, "%s", a);
    else
        snprintf(text + n, size - n, "%s / %s", *a ? a : "-", *b ? b : "-");
}

static void add_if(bool wanted, char *text, size_t size, const char *a, const char *b)
{
    if (wanted) add_both(text, size, a, b);
}

static void threads_text(const tm_cell *cell, char *text, size_t size)
{
    snprintf(text, size, "%d thread%s", cell->threads, tm_plural(cell->threads));
}

char *tm_arms_place(const tm_arms_row *row, char *text, size_t size)
{
    char a[32], b[32];
    *text = 0;
    threads_text(&row->a, a, sizeof a);
    threads_text(&row->b, b, sizeof b);
    add_both(text, size, row->a.model, row->b.model);
    add_both(text, size, a, b);
    add_both(text, size, row->a.test, row->b.test);
    return text;
}

char *tm_arms_difference(const tm_arms_row *row, char *text, size_t size)
{
    const tm_cell *a = &row->a, *b = &row->b;
    *text = 0;
    add_if(strcmp(a->engine, b->engine) != 0, text, size, a->engine, b->engine);
    add_both(text, size, a->kernel, b->kernel);
    add_if(strcmp(a->head_kernel, b->head_kernel) != 0, text, size, a->head_kernel, b->head_kernel);
    add_if(strcmp(a->variant, b->variant) != 0, text, size, a->variant, b->variant);
    return text;
}

/* One text key, or NULL with both values in KEY_a and KEY_b where the arms differ. */
static void put_both(tm_json *o, const char *key, const char *a, const char *b)
{
    char longer[64];
    if (strcmp(a, b) == 0) {
        tm_json_put_string(o, key, a);
        return;
    }
    tm_json_put_missing(o, key, "the arms differ");
    snprintf(longer, sizeof longer, "%s_a", key);
    tm_json_put_string(o, longer, a);
    snprintf(longer, sizeof longer, "%s_b", key);
    tm_json_put_string(o, longer, b);
}

static void put_value(tm_json *o, const char *key, double value, const char *why)
{
    if (isfinite(value))
        tm_json_put_number(o, key, value);
    else
        tm_json_put_missing(o, key, why);
}

static tm_json *values_json(const double *values, int n)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < n; i++) tm_json_append(array, tm_json_number(values[i]));
    return array;
}

tm_json *tm_arms_row_to_json(const tm_arms_row *row)
{
    const tm_cell *a = &row->a, *b = &row->b;
    const char *why = row->missing[0] ? row->missing : "too few pairs";
    char words[480];
    tm_json *o = tm_json_object();
    put_both(o, "model", a->model, b->model);
    if (a->threads == b->threads) {
        tm_json_put_int(o, "threads", a->threads);
    } else {
        tm_json_put_missing(o, "threads", "the arms differ");
        tm_json_put_int(o, "threads_a", a->threads);
        tm_json_put_int(o, "threads_b", b->threads);
    }
    put_both(o, "test", a->test, b->test);
    put_both(o, "kernel", a->kernel, b->kernel);
    put_both(o, "head_kernel", a->head_kernel, b->head_kernel);
    put_both(o, "variant", a->variant, b->variant);
    tm_json_put_string(o, "metric", row->metric->name);
    tm_json_put_string(o, "unit", row->metric->unit);
    tm_json_put_bool(o, "higher_is_better", row->metric->higher_is_better);
    put_value(o, "a", row->a_median, why);
    put_value(o, "b", row->b_median, why);
    tm_interval_put(o, "ratio", &row->ratio, row->missing, "too few pairs for an interval");
    if (row->is_paired) {
        tm_json_put_int(o, "pairs", row->n_a);
    } else {
        tm_json_put_missing(o, "pairs", "the stores were measured at different times");
        tm_json_put_int(o, "processes_a", row->n_a);
        tm_json_put_int(o, "processes_b", row->n_b);
    }
    tm_json_put_string(o, "verdict", tm_arms_verdict_name(row));
    put_value(o, "p", row->p, why);
    put_value(o, "p_holm", row->p_holm, why);
    put_value(o, "noise_floor", row->noise_floor,
              "no A/A run of this kind of cell on this machine: run compare --aa");
    put_value(o, "slot_effect", row->slot.value, "not enough pairs in both orders");
    put_value(o, "control_ratio", row->control.value, "no control was timed");
    tm_json_put_string(o, "words", tm_arms_words(row, words, sizeof words));
    tm_json_put_string(o, "warning", row->warning);
    tm_json_set(o, "a_values", values_json(row->a_values, row->n_a));
    tm_json_set(o, "b_values", values_json(row->b_values, row->n_b));
    return o;
}

static tm_status write_json(const tm_arms *arms, tm_text *out, tm_error *err)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < arms->n_rows; i++)
        tm_json_append(array, tm_arms_row_to_json(&arms->rows[i]));
    return tm_text_put_json(out, array, true, err);
}

static void add_value(tm_table *table, const tm_arms_row *row, double value)
{
    char text[64];
    if (isfinite(value))
        tm_table_add_cell(table, "%s", tm_metric_text(row->metric, value, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "-", row->missing);
}

static void add_row(tm_table *table, const tm_arms_row *row, int number)
{
    char text[1200], words[480], link[24];
    snprintf(link, sizeof link, "row-%d", number);
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", tm_arms_place(row, text, sizeof text));
    tm_table_add_cell(table, "%s", tm_arms_difference(row, text, sizeof text));
    tm_table_add_cell(table, "%s", row->metric->label);
    add_value(table, row, row->a_median);
    tm_table_link(table, link);
    add_value(table, row, row->b_median);
    tm_table_link(table, link);
    tm_arms_words(row, words, sizeof words);
    if (row->warning[0])
        tm_table_add_cell_with_note(table, words, row->warning);
    else
        tm_table_add_cell(table, "%s", words);
}

static void add_means(tm_table *table, const tm_arms *arms)
{
    char value[32], low[32], high[32];
    for (int i = 0; i < arms->n_means; i++) {
        const tm_interval *x = &arms->means[i].ratio;
        tm_table_add_note(
            table,
            "geometric mean of the ratios of %s over %d rows: %s [%s, %s] (t interval "
            "over rows)",
            arms->means[i].metric->label, x->n, tm_number(x->value, 3, value, sizeof value),
            tm_number(x->low, 3, low, sizeof low), tm_number(x->high, 3, high, sizeof high));
    }
    if (arms->n_rows > 1)
        tm_table_add_note(table, "verdicts hold for all %d rows together (Holm's correction)",
                          arms->n_rows);
}

static tm_status write_data(const tm_arms *arms, const tm_table_format *format, tm_text *out,
                            tm_error *err)
{
    static const char *const headings[] = {
        "model_a",   "model_b",    "threads_a", "threads_b", "test",   "kernel_a",    "kernel_b",
        "variant_a", "variant_b",  "metric",    "unit",      "a",      "b",           "ratio",
        "ratio_low", "ratio_high", "pairs",     "verdict",   "p_holm", "noise_floor", "warning"};
    tm_table table;
    char text[64];
    tm_table_init(&table, "");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(&table, headings[i], TM_LEFT);
    for (int i = 0; i < arms->n_rows; i++) {
        const tm_arms_row *r = &arms->rows[i];
        const double numbers[] = {r->a_median, r->b_median, r->ratio.value, r->ratio.low,
                                  r->ratio.high};
        tm_table_add_row(&table);
        tm_table_add_cell(&table, "%s", r->a.model);
        tm_table_add_cell(&table, "%s", r->b.model);
        tm_table_add_cell(&table, "%d", r->a.threads);
        tm_table_add_cell(&table, "%d", r->b.threads);
        tm_table_add_cell(&table, "%s", r->a.test);
        tm_table_add_cell(&table, "%s", r->a.kernel);
        tm_table_add_cell(&table, "%s", r->b.kernel);
        tm_table_add_cell(&table, "%s", r->a.variant);
        tm_table_add_cell(&table, "%s", r->b.variant);
        tm_table_add_cell(&table, "%s", r->metric->name);
        tm_table_add_cell(&table, "%s", r->metric->unit);
        for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++)
            tm_table_add_cell(&table, "%s",
                              isfinite(numbers[k]) ? tm_number(numbers[k], 6, text, sizeof text)
                                                   : "");
        if (r->is_paired)
            tm_table_add_cell(&table, "%d", r->n_a);
        else
            tm_table_add_cell(&table, "%s", "");
        tm_table_add_cell(&table, "%s", tm_arms_verdict_name(r));
        tm_table_add_cell(&table, "%s",
                          isfinite(r->p_holm) ? tm_number(r->p_holm, 3, text, sizeof text) : "");
        tm_table_add_cell(&table, "%s",
                          isfinite(r->noise_floor) ? tm_number(r->noise_floor, 4, text, sizeof text)
                                                   : "");
        tm_table_add_cell(&table, "%s", r->missing[0] ? r->missing : r->warning);
    }
    tm_status status = format->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

void tm_arms_table(const tm_arms *arms, tm_table *out)
{
    static const char *const headings[] = {"Cell", "A / B", "Metric",
                                           "A",    "B",     "B compared with A"};
    tm_table_init(out, "");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(out, headings[i], i == 3 || i == 4 ? TM_RIGHT : TM_LEFT);
    for (int i = 0; i < arms->n_rows; i++) add_row(out, &arms->rows[i], i + 1);
    add_means(out, arms);
}

tm_status tm_arms_write(const tm_arms *arms, const char *format, tm_text *out, tm_error *err)
{
    if (strcmp(format, "json") == 0) return write_json(arms, out, err);
    const tm_table_format *of_table;
    tm_status status = tm_table_format_find(format, &of_table, err);
    if (status != TM_OK) return status;
    if (of_table->is_data) return write_data(arms, of_table, out, err);
    tm_table table;
    tm_arms_table(arms, &table);
    status = of_table->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

/* Rows that are not of the words "A" and "B" alone: what the arms are, if it is the same in all. */
static void name_arms(const tm_arms *arms, char *text, size_t size)
{
    char first[1200], other[1200];
    *text = 0;
    for (int i = 0; i < arms->n_rows; i++)
        if (i == 0)
            tm_arms_difference(&arms->rows[0], first, sizeof first);
        else if (strcmp(tm_arms_difference(&arms->rows[i], other, sizeof other), first) != 0)
            return;
    if (arms->n_rows) snprintf(text, size, "A / B: %.200s. ", first);
}

void tm_arms_plot(const tm_arms *arms, tm_plot *out)
{
    char text[1200], label[128], names[256];
    int least = 0, most = 0;
    bool is_fake = false;
    tm_plot_init(out, "compare", "B compared with A", "row", "ratio B / A (logarithmic)");
    for (int i = 0; i < arms->n_rows; i++) is_fake |= tm_model_is_fake(arms->rows[i].a.model);
    tm_plot_add_series(out, "", is_fake ? TM_FAKE : TM_MEASURED, 0, 0, false);
    out->is_rows = true;
    for (int i = 0; i < arms->n_rows; i++) {
        const tm_arms_row *row = &arms->rows[i];
        const int n = row->n_a < row->n_b || row->is_paired ? row->n_a : row->n_b;
        if (i == 0 || n < least) least = n;
        if (n > most) most = n;
        snprintf(label, sizeof label, "%.60s, %s", tm_arms_place(row, text, sizeof text),
                 row->metric->label);
        tm_plot_add_tic(out, i + 1, label);
        tm_plot_add_point(out, i + 1, row->ratio.value, row->ratio.low, row->ratio.high);
        snprintf(label, sizeof label, "row-%d", i + 1);
        tm_plot_link(out, label);
    }
    name_arms(arms, names, sizeof names);
    if (least < most)
        snprintf(label, sizeof label, "%d to %d", least, most);
    else
        snprintf(label, sizeof label, "%d", most);
    snprintf(out->note, sizeof out->note,
             "%sBars: 95 %% interval (n: %s), below %d pairs their range. Dashed: no difference. "
             "More is better for speed, less for all else.%s",
             names, label, TM_MIN_PAIRS, is_fake ? " FAKE: scripted models." : "");
}
