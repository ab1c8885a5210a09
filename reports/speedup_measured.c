/* The measured rows of a speed-up table. */
#include "reports/speedup_sheet.h"

#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

typedef enum row_kind {
    ROW_BASELINE,
    ROW_TERNARY,
    ROW_RATIO,
    ROW_PAIRS,
    ROW_BASELINE_MS,
    ROW_TERNARY_MS,
    ROW_BASELINE_KERNEL,
    ROW_TERNARY_KERNEL,
    ROW_PROCESSES,
} row_kind;

static tm_interval milliseconds(tm_interval rate)
{
    tm_interval ms = rate;
    ms.value = 1e3 / rate.value;
    ms.low = 1e3 / rate.high;
    ms.high = 1e3 / rate.low;
    return ms;
}

static void add_rate(tm_sheet *s, const tm_speedup *speedup, bool is_baseline, bool as_ms)
{
    const tm_cell_summary *cell = tm_sheet_arm(speedup, is_baseline);
    if (!cell) {
        tm_sheet_add_absent(s, speedup, is_baseline);
        return;
    }
    if (!isfinite(cell->tokens_per_second.value)) {
        tm_sheet_add_missing(s, cell->missing);
        tm_table_link(s->table, cell->cell_id);
        return;
    }
    tm_interval shown = as_ms ? milliseconds(cell->tokens_per_second) : cell->tokens_per_second;
    char text[128], note[640] = "";
    tm_summary_age(cell, note, sizeof note);
    if (tm_cell_is_peer(&cell->cell)) tm_add_sentence(note, sizeof note, "%s", cell->marks);
    if (!isfinite(shown.low))
        tm_add_sentence(note, sizeof note, "one process: no interval");
    else if (strcmp(shown.method, TM_PROCESSES_RANGE) == 0)
        tm_add_sentence(note, sizeof note, "%s", TM_PROCESSES_RANGE);
    tm_number_interval(&shown, 3, text, sizeof text);
    if (note[0])
        tm_table_add_cell_with_note(s->table, text, note);
    else
        tm_table_add_cell(s->table, "%s", text);
    tm_table_link(s->table, cell->cell_id);
}

static void add_kernel(tm_sheet *s, const tm_speedup *speedup, bool is_baseline)
{
    const tm_cell_summary *cell = tm_sheet_arm(speedup, is_baseline);
    int n = !speedup ? 0 : is_baseline ? speedup->n_baselines : speedup->n_kernels;
    char note[96];
    if (!cell || !isfinite(cell->tokens_per_second.value)) {
        tm_table_add_cell(s->table, "-");
    } else if (n > 1) {
        snprintf(note, sizeof note, "fastest of %d measured kernels", n);
        tm_table_add_cell_with_note(s->table, cell->cell.kernel, note);
    } else
        tm_table_add_cell(s->table, "%s", cell->cell.kernel);
}

static void add_processes(tm_sheet *s, const tm_speedup *speedup)
{
    const tm_cell_summary *a = speedup ? speedup->baseline : NULL;
    const tm_cell_summary *b = speedup ? speedup->ternary : NULL;
    char left[16] = "-", right[16] = "-";
    if (a && a->n_processes) snprintf(left, sizeof left, "%d", a->n_processes);
    if (b && b->n_processes) snprintf(right, sizeof right, "%d", b->n_processes);
    tm_table_add_cell(s->table, "%s / %s", left, right);
}

static void add_ratio(tm_sheet *s, const tm_speedup *speedup)
{
    if (!speedup) {
        tm_sheet_add_absent(s, speedup, false);
        return;
    }
    const tm_comparison *c = &speedup->comparison;
    char text[128], note[320] = "";
    if (!isfinite(c->ratio.value)) {
        tm_sheet_add_missing(s, c->missing);
        return;
    }
    tm_comparison_choice(c, note, sizeof note);
    if (c->n_pairs < TM_MIN_PAIRS)
        tm_add_sentence(note, sizeof note, "%s",
                        c->n_pairs == 1 ? "one pair: no interval" : "range of the pairs");
    if (c->slot_moved)
        tm_add_sentence(note, sizeof note, "the arm that ran second was %s by %.1f %%",
                        c->slot.value < 1 ? "slower" : "faster", 100 * fabs(1 - c->slot.value));
    tm_number_interval(&c->ratio, 3, text, sizeof text);
    if (note[0])
        tm_table_add_cell_with_note(s->table, text, note);
    else
        tm_table_add_cell(s->table, "%s", text);
    tm_table_link(s->table, speedup->ternary->cell_id);
}

static void add_measured_row(tm_sheet *s, const char *label, row_kind kind)
{
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "%s", label);
    for (int i = 0; i < s->n_columns; i++) {
        const tm_speedup *speedup = s->columns[i].speedup;
        switch (kind) {
        case ROW_BASELINE:
        case ROW_BASELINE_MS:
            add_rate(s, speedup, true, kind == ROW_BASELINE_MS);
            break;
        case ROW_TERNARY:
        case ROW_TERNARY_MS:
            add_rate(s, speedup, false, kind == ROW_TERNARY_MS);
            break;
        case ROW_RATIO:
            add_ratio(s, speedup);
            break;
        case ROW_BASELINE_KERNEL:
        case ROW_TERNARY_KERNEL:
            add_kernel(s, speedup, kind == ROW_BASELINE_KERNEL);
            break;
        case ROW_PROCESSES:
            add_processes(s, speedup);
            break;
        case ROW_PAIRS:
            if (speedup && speedup->comparison.n_pairs > 0)
                tm_table_add_cell(s->table, "%d", speedup->comparison.n_pairs);
            else
                tm_table_add_cell(s->table, "-");
            break;
        }
    }
}

/* Whether a baseline is named by its weights and not by its kernel. */
static bool is_precision(const char *name)
{
    return strcmp(name, "fp16") == 0 || strcmp(name, "fp32") == 0 || strcmp(name, "bf16") == 0;
}

void tm_speedup_sheet_measured(tm_sheet *s)
{
    const int threads = s->cell->threads;
    const tm_sheet_machine *machine = tm_sheet_machine_of(s->input, s->cell);
    const char *base = tm_sheet_baseline(s->input, s->cell);
    char label[96], cpus[TM_CPU_CHOICE_SIZE + 16];
    tm_table_add_group(
        s->table, "%s: %s, %d thread%s%s%s, %s",
        tm_sheet_origin(s->input, s->columns[0].speedup ? s->columns[0].speedup->cell : s->cell),
        machine->name, threads, tm_plural(threads), threads == machine->cores ? " (all cores)" : "",
        tm_cell_cpus_text(s->cell, cpus, sizeof cpus), s->cell->test);
    add_measured_row(s, tm_sheet_label(base, "tokens/s", label), ROW_BASELINE);
    add_measured_row(s, "Ternary, tokens/s", ROW_TERNARY);
    add_measured_row(s, "Speed-up", ROW_RATIO);
    add_measured_row(s, "Pairs", ROW_PAIRS);
    if (s->kind == TM_SHEET_OTHER && s->cell->n_prompt == 0) {
        add_measured_row(s, tm_sheet_label(base, "ms/token", label), ROW_BASELINE_MS);
        add_measured_row(s, "Ternary, ms/token", ROW_TERNARY_MS);
    }
    snprintf(label, sizeof label, "%s kernel", is_precision(base) ? base : "Baseline");
    add_measured_row(s, label, ROW_BASELINE_KERNEL);
    add_measured_row(s, "Ternary kernel", ROW_TERNARY_KERNEL);
    snprintf(label, sizeof label, "Processes, %s / ternary", base);
    add_measured_row(s, label, ROW_PROCESSES);
}
