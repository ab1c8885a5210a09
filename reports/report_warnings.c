/* Reasons to distrust a value, and values that are missing with the reason. */
#include "reports/limits.h"
#include "reports/report_items.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A share of the read bandwidth that its own uncertainty, some percent, does not explain. */
#define LIMIT_EXCEEDED 1.1

static void put_machines(const tm_report_view *view, tm_text *out)
{
    const tm_sheet_input *input = view->input;
    for (int i = 0; i < input->n_machines; i++)
        if (input->machines[i].emulated) {
            tm_text_add(out, "- instructions were emulated: the times ");
            if (input->n_machines > 1) {
                tm_text_add(out, "of ");
                tm_markdown_escape(input->machines[i].name, out);
                tm_text_add_char(out, ' ');
            }
            tm_text_add(out, "in this report have no meaning\n");
        }
    if (input->n_machines < 2) return;
    tm_text_format(out,
                   "- the store holds runs of %d machines: every table and row is of one of them, "
                   "and no value mixes them\n",
                   input->n_machines);
}

/* Conditions that changed between samples. No value is corrected for them. */
static void put_range(const tm_report_view *view, size_t offset, const char *what, const char *unit,
                      double scale, double share, double step, tm_text *out)
{
    double low = INFINITY, high = -INFINITY;
    char low_text[64], high_text[64];
    for (int i = 0; i < view->records->n; i++) {
        const tm_record *r = &view->records->items[i];
        const tm_measured *f = (const tm_measured *)(const void *)((const char *)r + offset);
        if (r->kind != TM_RECORD_SAMPLE || f->missing[0] || !isfinite(f->value)) continue;
        if (f->value < low) low = f->value;
        if (f->value > high) high = f->value;
    }
    if (!(high - low > step) || !(high - low > share * high)) return;
    tm_text_format(out, "- the %s of the samples ranged from %s to %s %s\n", what,
                   tm_number(low * scale, 3, low_text, sizeof low_text),
                   tm_number(high * scale, 3, high_text, sizeof high_text), unit);
}

static void put_conditions(const tm_report_view *view, tm_text *out)
{
    /* 5 %: as for the mark of a single sample. 3 C: a larger rise would need a cool-down. */
    put_range(view, offsetof(tm_record, sample.frequency_after_hz), "clock", "GHz", 1e-9, 0.05, 0,
              out);
    put_range(view, offsetof(tm_record, sample.temperature_before_celsius),
              "temperature at the start", "C", 1, 0, 3, out);
}

static void put_energy(const tm_report_view *view, tm_report_items *out)
{
    int n_fake = 0;
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        if (s->superseded) continue;
        n_fake += s->energy.fake;
        for (int phase = 0; phase < TM_PHASES; phase++) {
            char text[560];
            if (!s->energy.phases[phase].warning[0]) continue;
            snprintf(text, sizeof text, "energy, %s: %s", tm_phase_text((tm_phase)phase),
                     s->energy.phases[phase].warning);
            tm_report_items_add(out, &s->cell, text);
        }
    }
    if (n_fake) {
        char text[160];
        snprintf(
            text, sizeof text,
            "the joules and watts of %d cell%s are fake: they come from a test source, nothing "
            "was measured",
            n_fake, tm_plural(n_fake));
        tm_report_items_add(out, NULL, text);
    }
}

/* Median speed of the processes of a run. values: room for all. */
static double speed_in(const tm_cell_summary *s, const char *run, double *values)
{
    int n = 0;
    for (int i = 0; i < s->n_processes; i++)
        if (strcmp(s->processes[i].run, run) == 0) values[n++] = s->processes[i].tokens_per_second;
    return tm_median(values, n);
}

/* Runs of one cell that differ by more than its processes do elsewhere: the value is a mean of
 * times that have little in common. */
static void put_drift(const tm_cell_summary *s, tm_report_items *out)
{
    char text[240], ratio[64];
    if (s->n_runs < 2) return;
    double *values = calloc((size_t)s->n_processes, sizeof *values);
    const char *first = s->processes[0].run, *last = s->processes[s->n_processes - 1].run;
    if (!values) {
        out->failed = true;
        return;
    }
    double change = speed_in(s, last, values) / speed_in(s, first, values);
    free(values);
    if (fabs(change - 1) <= TM_UNSTABLE_CV) return;
    snprintf(text, sizeof text,
             "in run %s it was %s times as fast as in run %s: its tokens/s covers both", last,
             tm_number(change, 3, ratio, sizeof ratio), first);
    tm_report_items_add(out, &s->cell, text);
}

/* Faster than the memory: cached weights, or a bandwidth that was measured while others worked. */
static void put_limit(const tm_cell_summary *s, tm_report_items *out)
{
    char text[240], share[64], limit[64];
    const tm_cell_limit read = tm_limit_read(s);
    if (read.share.missing[0] || !(read.share.value > LIMIT_EXCEEDED)) return;
    snprintf(text, sizeof text,
             "reads weights at %s %% of the measured %s GB/s: a cache holds them, or the machine "
             "was busy when the bandwidth was measured",
             tm_number(100 * read.share.value, 3, share, sizeof share),
             tm_number(read.value.value, 3, limit, sizeof limit));
    tm_report_items_add(out, &s->cell, text);
}

static void put_cells(const tm_report_view *view, tm_report_items *out)
{
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        char text[640];
        if (s->superseded) {
            tm_report_items_add(
                out, &s->cell,
                "the store also holds results of an older build or model file; they are "
                "omitted");
            continue;
        }
        text[0] = '\0';
        tm_summary_age(s, text, sizeof text);
        if (text[0]) tm_report_items_add(out, &s->cell, text);
        put_drift(s, out);
        put_limit(s, out);
        tm_report_items_add_parts(out, &s->cell, s->warning);
        if (s->n_duplicates > 0) {
            snprintf(text, sizeof text,
                     "%d sample%s of a repetition that was there already: counted once",
                     s->n_duplicates, tm_plural(s->n_duplicates));
            tm_report_items_add(out, &s->cell, text);
        }
        if (s->n_marked && !strstr(s->warning, "marked"))
            tm_report_items_add_parts(out, &s->cell, s->marks);
    }
}

tm_status tm_report_warnings(const tm_report_view *view, tm_text *out, int *n, tm_error *err)
{
    const size_t begin = out->length;
    if (view->records->torn_bytes)
        tm_text_format(out, "- the last line of the store was torn: %zu bytes were ignored\n",
                       view->records->torn_bytes);
    tm_report_items items = {0};
    char left_out[1400];
    if (tm_records_left_out(view->records, left_out, sizeof left_out))
        tm_report_items_add(&items, NULL, left_out);
    put_machines(view, out);
    put_conditions(view, out);
    put_cells(view, &items);
    put_energy(view, &items);
    for (int i = 0; i < view->input->speedups->n; i++) {
        const tm_speedup *s = &view->input->speedups->items[i];
        char text[1100];
        if (!s->comparison.warning[0]) continue;
        const char *base = tm_sheet_baseline_name(s);
        snprintf(text, sizeof text, "speed-up over %s: %s", base ? base : "the baseline",
                 s->comparison.warning);
        tm_report_items_add(&items, s->ternary ? &s->ternary->cell : s->cell, text);
    }
    tm_report_items_put(view, &items, false, out);
    *n = 0;
    for (size_t i = begin; i < out->length; i++) *n += out->data[i] == '\n';
    if (*n == 0) tm_text_add(out, "- none\n");
    return tm_text_status(out, "warnings", err);
}

/* Ternary cells of a column that has a speed-up, but from which they are left out. */
static void put_unpaired(const tm_report_view *view, const tm_speedup *column, tm_report_items *out)
{
    for (int i = 0; i < view->summaries->n && column->comparison.n_pairs > 0; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        char text[160];
        if (s->superseded || s == column->ternary || !tm_same_column(&s->cell, column->cell) ||
            strcmp(s->cell.role, TM_ROLE_TERNARY) != 0 || !isfinite(s->tokens_per_second.value) ||
            tm_cells_are_paired(s, column->baseline))
            continue;
        snprintf(text, sizeof text, "not in the speed-up: no pair in one run with %s",
                 column->baseline->cell.kernel);
        tm_report_items_add(out, &s->cell, text);
    }
}

tm_status tm_report_missing(const tm_report_view *view, tm_text *out, tm_error *err)
{
    const size_t begin = out->length;
    tm_report_items items = {0};
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        tm_text sentence = {0};
        if (s->superseded || !s->missing[0]) continue;
        tm_text_format(&sentence, "%s%s%s", s->status, s->status[0] ? ": " : "", s->missing);
        tm_report_items_add(&items, &s->cell, tm_text_string(&sentence));
        if (sentence.failed) out->failed = true;
        tm_text_free(&sentence);
    }
    for (int i = 0; i < view->input->speedups->n; i++) {
        const tm_speedup *s = &view->input->speedups->items[i];
        put_unpaired(view, s, &items);
        bool is_listed =
            (s->baseline && s->baseline->missing[0]) || (s->ternary && s->ternary->missing[0]);
        if (!s->comparison.missing[0] || is_listed) continue;
        tm_text sentence = {0};
        tm_text_format(&sentence, "no speed-up: %s", s->comparison.missing);
        tm_report_items_add(&items, s->ternary ? &s->ternary->cell : s->cell,
                            tm_text_string(&sentence));
        if (sentence.failed) out->failed = true;
        tm_text_free(&sentence);
    }
    tm_report_items_put(view, &items, true, out);
    if (out->length == begin) tm_text_add(out, "- every cell of the store has a value\n");
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        if (s->superseded || !isfinite(s->tokens_per_second.value)) continue;
        if (isfinite(s->energy.joules_per_token.value)) continue;
        char text[512];
        snprintf(text, sizeof text, "no energy: %s", s->energy.missing);
        bool is_listed = false; /* one line for all cells with the same reason */
        for (int k = 0; k < i; k++) {
            const tm_cell_summary *other = &view->summaries->items[k];
            is_listed |= !other->superseded && isfinite(other->tokens_per_second.value) &&
                         strcmp(other->energy.missing, s->energy.missing) == 0;
        }
        if (!is_listed) tm_report_items_add(&items, NULL, text);
    }
    tm_report_items_put(view, &items, true, out);
    bool has_roofline = false;
    for (int i = 0; i < view->records->n; i++) {
        const tm_record *r = &view->records->items[i];
        has_roofline |=
            r->kind == TM_RECORD_RUN && tm_json_is_object(tm_json_get(r->run.document, "roofline"));
    }
    if (!has_roofline)
        tm_text_add(
            out, "- percentages of the machine's limits: no run of this store holds a roofline\n");
    return tm_text_status(out, "list of missing values", err);
}
