/* The first screen of report.md: what was measured, the main values, and what they are worth. */
#include "reports/headings.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ROWS_MAX = 16 };

static void put_origin(const tm_report_view *v, tm_text *out)
{
    const tm_json *environment = tm_json_get(v->run, "environment");
    tm_text_add(out, "# ternmark report\n\nStore: ");
    tm_markdown_escape(v->options->store, out);
    for (int i = 0; i < v->input->n_machines; i++) {
        const tm_sheet_machine *machine = &v->input->machines[i];
        tm_text_add(out, "\n\nMachine: ");
        tm_markdown_escape(machine->name, out);
        if (machine->cores)
            tm_text_format(out, ", %d physical core%s usable", machine->cores,
                           tm_plural(machine->cores));
    }
    tm_text_add(out, "\n\nBuild: ternmark ");
    tm_markdown_escape(tm_json_text(tm_json_get(environment, "version"), "(version not recorded)"),
                       out);
    tm_text_add(out, ", commit ");
    tm_markdown_escape(tm_json_text(tm_json_get(environment, "commit"), "not recorded"), out);
    tm_text_add(out, ", ");
    tm_markdown_escape(tm_json_text(tm_json_get(environment, "compiler"), "compiler not recorded"),
                       out);
    tm_text_add(out, "\n\n");
}

/* The columns of the speed-up tables that the summary shows: decoding, or prompts where the store
 * has nothing else. */
static bool is_main(const tm_speedup *s, bool has_decode)
{
    const tm_cell *cell = s->cell;
    return cell->depth == 0 && cell->n_sequences <= 1 && (cell->n_gen > 0) == has_decode &&
           (!has_decode || cell->n_prompt == 0);
}

static void add_value(tm_table *table, const tm_interval *value, const char *missing)
{
    char text[128];
    if (isfinite(value->value))
        tm_table_add_cell(table, "%s", tm_number_interval(value, 3, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "N/A", missing && missing[0] ? missing : "not measured");
}

static void add_arm(const tm_report_view *view, const tm_speedup *s, bool is_baseline,
                    tm_table *table)
{
    const tm_interval none = {.value = NAN};
    const tm_cell_summary *cell = tm_sheet_arm(s, is_baseline);
    char absent[240];
    if (cell) {
        add_value(table, &cell->tokens_per_second, cell->missing);
        tm_table_link(table, cell->cell_id);
    } else
        add_value(table, &none,
                  tm_speedup_absent(view->input->speedups, s, is_baseline, absent, sizeof absent));
}

static void add_row(const tm_report_view *view, const tm_speedup *s, tm_table *table)
{
    const tm_cell *cell = s->cell;
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", tm_model_label(cell->model));
    if (view->input->n_machines > 1)
        tm_table_add_cell(table, "%s", tm_sheet_machine_of(view->input, cell)->name);
    tm_table_add_cell(table, "%d", cell->threads);
    tm_table_add_cell(table, "%s", cell->test);
    add_arm(view, s, true, table);
    add_arm(view, s, false, table);
    add_value(table, &s->comparison.ratio, s->comparison.missing);
    if (s->ternary) tm_table_link(table, s->ternary->cell_id);
    if (s->comparison.n_pairs)
        tm_table_add_cell(table, "%d", s->comparison.n_pairs);
    else
        tm_table_add_cell(table, "-");
}

static tm_status put_main_table(const tm_report_view *view, tm_table_writer put, tm_text *out,
                                tm_error *err)
{
    const tm_speedups *all = view->input->speedups;
    bool has_decode = false;
    int n_left_out = 0;
    char heading[96];
    tm_table table;
    for (int i = 0; i < all->n; i++) has_decode |= is_main(&all->items[i], true);
    tm_table_init(&table, "");
    tm_table_add_column(&table, TM_HEADING_MODEL, TM_LEFT);
    if (view->input->n_machines > 1) tm_table_add_column(&table, "Machine", TM_LEFT);
    tm_table_add_column(&table, TM_HEADING_THREADS, TM_RIGHT);
    tm_table_add_column(&table, TM_HEADING_TEST, TM_LEFT);
    tm_sheet_label(tm_sheet_baseline(view->input, NULL), "tokens/s", heading);
    tm_table_add_column(&table, heading, TM_RIGHT);
    tm_table_add_column(&table, "Ternary, tokens/s", TM_RIGHT);
    tm_table_add_column(&table, TM_HEADING_SPEEDUP, TM_RIGHT);
    tm_table_add_column(&table, TM_HEADING_PAIRS, TM_RIGHT);
    for (int i = 0; i < all->n; i++) {
        if (!is_main(&all->items[i], has_decode)) continue;
        if (table.n_rows == ROWS_MAX)
            n_left_out++;
        else
            add_row(view, &all->items[i], &table);
    }
    tm_status status = TM_OK;
    if (table.n_rows) status = put(&table, out, err);
    if (n_left_out) tm_text_format(out, "\nThe tables below have %d more columns.\n", n_left_out);
    tm_table_free(&table);
    return status;
}

/* The machine is called busy above this share of samples during which others took CPU time, or
 * above this mean of the CPU time that the hypervisor took. */
#define BUSY_SHARE         0.1
#define BUSY_STEAL_PERCENT 5.0

/* Numbers of valid samples: all, marked, and marked with CPU time that others took. */
typedef struct disturbance {
    int n, n_marked, n_others, n_hypervisor;
    bool is_busy;
} disturbance;

static disturbance disturbance_of(const tm_records *records)
{
    disturbance d = {0};
    double steal = 0;
    int n_either = 0, n_steal = 0;
    for (int i = 0; i < records->n; i++) {
        const tm_record *r = &records->items[i];
        if (r->kind != TM_RECORD_SAMPLE || strcmp(r->status, "ok") != 0) continue;
        const bool has_others = strstr(r->marks, "other processes");
        const bool has_hypervisor = strstr(r->marks, "hypervisor");
        d.n++;
        d.n_marked += r->marks[0] != '\0';
        d.n_others += has_others;
        d.n_hypervisor += has_hypervisor;
        n_either += has_others || has_hypervisor;
        if (!isfinite(r->sample.steal_percent.value)) continue;
        steal += r->sample.steal_percent.value;
        n_steal++;
    }
    d.is_busy = n_either > BUSY_SHARE * d.n || (n_steal && steal / n_steal > BUSY_STEAL_PERCENT);
    return d;
}

/* One paragraph: pairs, marks, how busy the machine was, older cells. */
static void put_trust(const tm_report_view *view, tm_text *out)
{
    const tm_speedups *all = view->input->speedups;
    int n_older = 0, least = 0, most = 0;
    const disturbance d = disturbance_of(view->records);
    for (int i = 0; i < all->n; i++) {
        const int n = all->items[i].comparison.n_pairs;
        if (!isfinite(all->items[i].comparison.ratio.value)) continue;
        if (!most || n < least) least = n;
        if (n > most) most = n;
    }
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        n_older += !s->superseded && (s->newest[0] || s->older_model);
    }
    tm_text_add(out, "\n**Trust:** ");
    if (most == 0)
        tm_text_add(out, "no speed-up has pairs. ");
    else if (least == most)
        tm_text_format(out, "each speed-up has %d pair%s. ", most, tm_plural(most));
    else
        tm_text_format(out, "a speed-up has %d to %d pairs. ", least, most);
    if (most > 0 && least < TM_MIN_PAIRS)
        tm_text_format(out, "Below %d pairs the range of the pairs is shown, not an interval. ",
                       TM_MIN_PAIRS);
    tm_text_format(out, "%d of %d samples are marked as disturbed", d.n_marked, d.n);
    if (d.n_others || d.n_hypervisor)
        tm_text_format(out, ": other processes took CPU time during %d, the hypervisor during %d",
                       d.n_others, d.n_hypervisor);
    tm_text_add(out, ". ");
    if (d.is_busy) tm_text_add(out, "The machine was busy. ");
    if (n_older)
        tm_text_format(out, "%d cell%s from an older build or model file. ", n_older,
                       n_older == 1 ? " is" : "s are");
    tm_text_add(out, "Brackets: of a ratio its 95 % interval over pairs, of other values their "
                     "interval within this run.\n\n"
                     "Every value states its origin: *measured* by ternmark in this store, "
                     "*published* by a paper about other machines, or *predicted* before a run. A "
                     "missing value is N/A or -, with the reason, and never 0.\n");
}

tm_status tm_report_head(const tm_report_view *view, tm_table_writer put, tm_text *out,
                         tm_error *err)
{
    put_origin(view, out);
    tm_text_add(out, "## Summary\n\n");
    tm_status status = put_main_table(view, put, out, err);
    put_trust(view, out);
    return status;
}
