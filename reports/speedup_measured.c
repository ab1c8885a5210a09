/* The measured rows of a speed-up table. */
#include "reports/speedup_sheet.h"

#include <math.h>
#include <stdio.h>

static void add_interval(tm_table *table, const tm_interval *interval, const char *lone)
{
    char text[128];
    tm_number_interval(interval, 3, text, sizeof text);
    if (isfinite(interval->low) && isfinite(interval->high))
        tm_table_add_cell(table, "%s", text);
    else
        tm_table_add_cell_with_note(table, text, lone);
}

typedef enum row_kind {
    ROW_FP16,
    ROW_TERNARY,
    ROW_RATIO,
    ROW_PAIRS,
    ROW_FP16_MS,
    ROW_TERNARY_MS,
    ROW_FP16_KERNEL,
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
        return;
    }
    tm_interval shown = as_ms ? milliseconds(cell->tokens_per_second) : cell->tokens_per_second;
    add_interval(s->table, &shown, "one process: no interval");
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
    if (!isfinite(c->ratio.value))
        tm_sheet_add_missing(s, c->missing);
    else
        add_interval(s->table, &c->ratio, "one pair: no interval");
}

static void add_measured_row(tm_sheet *s, const char *label, row_kind kind)
{
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "%s", label);
    for (int i = 0; i < s->n_columns; i++) {
        const tm_speedup *speedup = s->columns[i].speedup;
        switch (kind) {
        case ROW_FP16:
        case ROW_FP16_MS:
            add_rate(s, speedup, true, kind == ROW_FP16_MS);
            break;
        case ROW_TERNARY:
        case ROW_TERNARY_MS:
            add_rate(s, speedup, false, kind == ROW_TERNARY_MS);
            break;
        case ROW_RATIO:
            add_ratio(s, speedup);
            break;
        case ROW_FP16_KERNEL:
        case ROW_TERNARY_KERNEL:
            add_kernel(s, speedup, kind == ROW_FP16_KERNEL);
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

void tm_speedup_sheet_measured(tm_sheet *s)
{
    const int threads = s->cell->threads, cores = s->input->cores;
    tm_table_add_group(s->table, "%s: %s, %d thread%s%s, %s",
                       tm_sheet_origin(s->input, s->columns[0].model), s->input->machine, threads,
                       tm_plural(threads), threads == cores ? " (all cores)" : "", s->cell->test);
    add_measured_row(s, "fp16, tokens/s", ROW_FP16);
    add_measured_row(s, "ternary, tokens/s", ROW_TERNARY);
    add_measured_row(s, "speed-up", ROW_RATIO);
    add_measured_row(s, "pairs", ROW_PAIRS);
    if (s->kind == TM_SHEET_OTHER && s->cell->n_prompt == 0) {
        add_measured_row(s, "fp16, ms per token", ROW_FP16_MS);
        add_measured_row(s, "ternary, ms per token", ROW_TERNARY_MS);
    }
    add_measured_row(s, "fp16 kernel", ROW_FP16_KERNEL);
    add_measured_row(s, "ternary kernel", ROW_TERNARY_KERNEL);
    add_measured_row(s, "processes, fp16 / ternary", ROW_PROCESSES);
}
