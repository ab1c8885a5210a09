#include "reports/pages.h"

#include "reports/arms_output.h"
#include "reports/headings.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tm_status tm_page_machine(tm_page *page, const char *heading, const tm_records *records,
                          tm_error *err)
{
    tm_text text = {0};
    tm_page_section(page, heading, true);
    tm_status status = tm_report_machine(records, tm_table_write_html, &text, err);
    if (status == TM_OK) tm_page_prose(page, tm_text_string(&text));
    page->body.failed |= text.failed;
    tm_text_free(&text);
    return status;
}

static void add_number(tm_table *table, double value, int digits, const char *why)
{
    char text[64];
    if (isfinite(value))
        tm_table_add_cell(table, "%s", tm_number(value, digits, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "-", why && why[0] ? why : "not recorded");
}

static void add_measured(tm_table *table, const tm_measured *value, double factor)
{
    add_number(table, value->value * factor, 3, value->missing);
}

static void add_sample(tm_table *table, const tm_record *r)
{
    const tm_record_sample *s = &r->sample;
    const bool is_ok = strcmp(r->status, "ok") == 0;
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", r->run_id);
    tm_table_add_cell(table, "%d", r->process);
    tm_table_add_cell(table, "%s", r->slot ? "second" : "first");
    tm_table_add_cell(table, "%d", s->repetition);
    add_number(table, is_ok ? tm_record_rate(r) : NAN, 4, r->reason);
    add_number(table, is_ok ? (double)s->elapsed_ns * 1e-6 : NAN, 5, r->reason);
    add_number(table, is_ok && s->first_token_ns > 0 ? (double)s->first_token_ns * 1e-6 : NAN, 4,
               is_ok ? "the test has no prompt" : r->reason);
    add_measured(table, &s->peak_rss_bytes, 1.0 / 1048576.0);
    add_measured(table, &s->steal_percent, 1.0);
    add_measured(table, &s->frequency_after_hz, 1e-9);
    tm_table_add_cell(table, "%s", is_ok ? r->marks : r->reason);
}

static void add_window(tm_table *table, const tm_record *r)
{
    const tm_record_energy *e = &r->energy;
    const char *fake = e->fake ? "fake " : "";
    char text[64];
    const tm_measured *const values[] = {&e->gross_joules, &e->net_joules, &e->idle_before_watts,
                                         &e->idle_after_watts};
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", r->run_id);
    tm_table_add_cell(table, "%d", r->process);
    tm_table_add_cell(table, "%s", tm_phase_text(e->phase));
    add_number(table, e->window_seconds > 0 ? e->window_seconds : NAN, 3, e->reason);
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        if (isfinite(values[i]->value))
            tm_table_add_cell(table, "%s%s", fake,
                              tm_number(values[i]->value, 4, text, sizeof text));
        else
            tm_table_add_cell_with_note(table, "-", values[i]->missing);
    tm_table_add_cell(table, "%s, %s", e->source, e->scope);
    tm_table_add_cell(table, "%s", e->reason[0] ? e->reason : e->marks);
}

typedef struct column {
    const char *heading;
    tm_align align;
} column;

/* A table of the records of one kind of a cell; nothing without any. */
static tm_status put_records(tm_page *page, const tm_records *records, const char *cell_id,
                             tm_record_kind kind, const column *columns, tm_error *err)
{
    tm_table table;
    tm_table_init(&table, kind == TM_RECORD_ENERGY ? "Energy windows" : "");
    for (; columns->heading; columns++)
        tm_table_add_column(&table, columns->heading, columns->align);
    for (int i = 0; i < records->n; i++) {
        const tm_record *r = &records->items[i];
        if (r->kind != kind || strcmp(r->cell_id, cell_id) != 0) continue;
        if (kind == TM_RECORD_ENERGY)
            add_window(&table, r);
        else
            add_sample(&table, r);
    }
    tm_status status = table.n_rows || table.failed ? tm_page_table(page, &table, err) : TM_OK;
    tm_table_free(&table);
    return status;
}

/* All samples and energy windows of one cell in all runs. */
static tm_status put_cell(tm_page *page, const tm_records *records, int first, tm_error *err)
{
    static const column samples[] = {{"Run", TM_LEFT},
                                     {"Process", TM_RIGHT},
                                     {"In its pair", TM_LEFT},
                                     {"Repetition", TM_RIGHT},
                                     {"tokens/s", TM_RIGHT},
                                     {"Time, ms", TM_RIGHT},
                                     {"First token, ms", TM_RIGHT},
                                     {"Peak RSS, MiB", TM_RIGHT},
                                     {"Steal, %", TM_RIGHT},
                                     {"Clock after, GHz", TM_RIGHT},
                                     {"Marks", TM_LEFT},
                                     {0}};
    static const column windows[] = {{"Run", TM_LEFT},
                                     {"Process", TM_RIGHT},
                                     {"Tokens", TM_LEFT},
                                     {"Window, s", TM_RIGHT},
                                     {"Gross, J", TM_RIGHT},
                                     {"Net, J", TM_RIGHT},
                                     {"Idle before, W", TM_RIGHT},
                                     {"Idle after, W", TM_RIGHT},
                                     {"Meter", TM_LEFT},
                                     {"Remarks", TM_LEFT},
                                     {0}};
    const tm_record *of = &records->items[first];
    char label[1200];
    int n = 0;
    for (int i = first; i < records->n; i++)
        n += records->items[i].kind == TM_RECORD_SAMPLE &&
             strcmp(records->items[i].cell_id, of->cell_id) == 0;
    tm_cell_label(&of->cell, label, sizeof label);
    snprintf(label + strlen(label), sizeof label - strlen(label), ": %d sample%s", n, tm_plural(n));
    tm_page_cell_begin(page, of->cell_id, label);
    if (!n) tm_page_note(page, of->reason[0] ? of->reason : "no sample");
    tm_status status = put_records(page, records, of->cell_id, TM_RECORD_SAMPLE, samples, err);
    if (status == TM_OK)
        status = put_records(page, records, of->cell_id, TM_RECORD_ENERGY, windows, err);
    tm_page_cell_end(page);
    return status;
}

static bool is_of_cell(const tm_record *r)
{
    return r->kind == TM_RECORD_SAMPLE || r->kind == TM_RECORD_CELL;
}

tm_status tm_page_samples(tm_page *page, const tm_records *records, tm_error *err)
{
    tm_status status = TM_OK;
    tm_page_section(page, "Raw samples", true);
    for (int i = 0; i < records->n && status == TM_OK; i++) {
        bool is_known = !is_of_cell(&records->items[i]);
        for (int k = 0; k < i && !is_known; k++)
            is_known = is_of_cell(&records->items[k]) &&
                       strcmp(records->items[k].cell_id, records->items[i].cell_id) == 0;
        if (!is_known) status = put_cell(page, records, i, err);
    }
    return status;
}

/* "3 rows: 2 faster, 1 no difference shown", or the words of the only row. */
static void put_arms_verdict(tm_page *page, const tm_arms *arms)
{
    char words[480];
    tm_text text = {0};
    int n_better = 0, n_worse = 0;
    tm_text_format(&text, "B compared with A, %d rows", arms->n_rows);
    for (int i = 0; i < arms->n_rows; i++) {
        const char *name = tm_arms_verdict_name(&arms->rows[i]);
        int n = 0, n_before = 0;
        n_better += arms->rows[i].verdict == TM_ARMS_BETTER;
        n_worse += arms->rows[i].verdict == TM_ARMS_WORSE;
        for (int k = 0; k < arms->n_rows; k++) {
            const bool is_same = strcmp(tm_arms_verdict_name(&arms->rows[k]), name) == 0;
            n += is_same;
            n_before += is_same && k < i;
        }
        if (!n_before) tm_text_format(&text, "%s%d %s", i ? ", " : ": ", n, name);
    }
    tm_page_verdict(page,
                    n_worse                    ? TM_TONE_BAD
                    : n_better == arms->n_rows ? TM_TONE_GOOD
                                               : TM_TONE_UNSURE,
                    arms->n_rows == 1 ? tm_arms_words(&arms->rows[0], words, sizeof words)
                                      : tm_text_string(&text));
    page->body.failed |= text.failed;
    tm_text_free(&text);
}

/* The values that a row compares, one per process. */
static tm_status put_arms_values(tm_page *page, const tm_arms_row *row, int number, tm_error *err)
{
    char id[24], text[1200], a[64], b[64];
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, row->is_paired ? "Pair" : "Process", TM_RIGHT);
    if (row->is_paired) tm_table_add_column(&table, "First", TM_LEFT);
    tm_table_add_column(&table, "A", TM_RIGHT);
    tm_table_add_column(&table, "B", TM_RIGHT);
    for (int i = 0; i < row->n_a || i < row->n_b; i++) {
        tm_table_add_row(&table);
        tm_table_add_cell(&table, "%d", i + 1);
        if (row->is_paired) tm_table_add_cell(&table, "%s", row->first_is_a[i] ? "A" : "B");
        tm_table_add_cell(&table, "%s",
                          i < row->n_a ? tm_metric_text(row->metric, row->a_values[i], a, sizeof a)
                                       : "");
        tm_table_add_cell(&table, "%s",
                          i < row->n_b ? tm_metric_text(row->metric, row->b_values[i], b, sizeof b)
                                       : "");
    }
    snprintf(id, sizeof id, "row-%d", number);
    tm_arms_place(row, text, sizeof text);
    snprintf(text + strlen(text), sizeof text - strlen(text), ": %s", row->metric->label);
    tm_page_cell_begin(page, id, text);
    if (!table.n_rows) tm_page_note(page, row->missing);
    tm_status status = table.n_rows ? tm_page_table(page, &table, err) : TM_OK;
    tm_page_cell_end(page);
    tm_table_free(&table);
    return status;
}

tm_status tm_arms_page(const tm_arms *arms, const tm_records *records, int n, const char *path,
                       tm_error *err)
{
    tm_page page;
    tm_table table;
    tm_plot plot;
    tm_page_begin(&page, "ternmark compare");
    put_arms_verdict(&page, arms);
    tm_page_section(&page, "Rows", false);
    tm_arms_table(arms, &table);
    tm_arms_plot(arms, &plot);
    tm_status status = tm_page_table(&page, &table, err);
    tm_page_plot(&page, &plot);
    tm_page_section(&page, "Raw values", true);
    for (int i = 0; i < arms->n_rows && status == TM_OK; i++)
        status = put_arms_values(&page, &arms->rows[i], i + 1, err);
    for (int i = 0; i < n && status == TM_OK; i++)
        status = tm_page_machine(&page,
                                 n == 1   ? TM_PAGE_MACHINE
                                 : i == 0 ? TM_PAGE_MACHINE " of A"
                                          : TM_PAGE_MACHINE " of B",
                                 &records[i], err);
    if (status == TM_OK) status = tm_page_save(&page, path, err);
    tm_plot_free(&plot);
    tm_table_free(&table);
    tm_page_free(&page);
    return status;
}

tm_status tm_gate_page(const tm_gate *gate, const tm_records *records, const char *path,
                       tm_error *err)
{
    static const tm_tone tones[] = {[TM_GATE_OUTCOME_PASS] = TM_TONE_GOOD,
                                    [TM_GATE_OUTCOME_INCONCLUSIVE] = TM_TONE_UNSURE,
                                    [TM_GATE_OUTCOME_REGRESSION] = TM_TONE_BAD};
    tm_page page;
    tm_table table;
    tm_plot plot;
    tm_page_begin(&page, "ternmark gate");
    tm_gate_table(gate, &table);
    tm_gate_plot(gate, &plot);
    tm_page_verdict(&page, tones[tm_gate_judge(gate)], table.title ? table.title : "");
    tm_page_section(&page, "Rows", false);
    tm_status status = tm_page_table(&page, &table, err);
    if (tm_plot_count_points(&plot) || plot.failed) tm_page_plot(&page, &plot);
    if (status == TM_OK) status = tm_page_machine(&page, TM_PAGE_MACHINE, records, err);
    if (status == TM_OK) status = tm_page_samples(&page, records, err);
    if (status == TM_OK) status = tm_page_save(&page, path, err);
    tm_plot_free(&plot);
    tm_table_free(&table);
    tm_page_free(&page);
    return status;
}

/* All records of several stores, borrowed; free the array with tm_free. A cell that two stores hold
 * has one part of the page. */
static tm_status join_records(const tm_records *records, int n, tm_records *out, tm_error *err)
{
    void *items;
    int n_all = 0;
    for (int i = 0; i < n; i++) n_all += records[i].n;
    tm_status status = tm_alloc(&items, (size_t)n_all + 1, sizeof *out->items, "records", err);
    if (status != TM_OK) return status;
    *out = (tm_records){.items = items};
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < records[i].n; k++) out->items[out->n + k] = records[i].items[k];
        out->n += records[i].n;
    }
    return TM_OK;
}

tm_status tm_claims_page(const tm_claims *claims, const tm_claim_results *results,
                         const tm_records *records, int n, const char *path, tm_error *err)
{
    const int judged = tm_claim_results_status(results);
    tm_page page;
    tm_table table;
    tm_text tally = {0};
    tm_records all = {0};
    tm_status status = join_records(records, n, &all, err);
    if (status != TM_OK) return status;
    tm_page_begin(&page, "ternmark reproduce");
    tm_claim_results_tally(results, &tally);
    tm_page_verdict(&page,
                    judged == 0   ? TM_TONE_GOOD
                    : judged == 1 ? TM_TONE_BAD
                                  : TM_TONE_UNSURE,
                    tm_text_string(&tally));
    tm_page_section(&page, "Claims", false);
    tm_claim_results_table(claims, results, &table);
    status = tm_page_table(&page, &table, err);
    if (status == TM_OK) status = tm_page_machine(&page, TM_PAGE_MACHINE, &all, err);
    if (status == TM_OK) status = tm_page_samples(&page, &all, err);
    page.body.failed |= tally.failed;
    if (status == TM_OK) status = tm_page_save(&page, path, err);
    tm_table_free(&table);
    tm_text_free(&tally);
    tm_page_free(&page);
    tm_free(all.items);
    return status;
}
