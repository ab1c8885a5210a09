/* The published rows of a speed-up table, and the notes of the table. */
#include "reports/speedup_sheet.h"

#include <math.h>
#include <string.h>

static void add_paper(tm_sheet *s, const char *paper_table)
{
    static const char *const labels[] = {"llama.cpp fp16, tokens/s", "bitnet.cpp best, tokens/s",
                                         "Speed-up (their ratio)"};
    char paper[128];
    for (int d = 0; tm_paper_devices[d]; d++) {
        tm_table_add_group(s->table, "published: %s, %s, %s, %s",
                           tm_papers_named(TM_PAPER_SPEED, paper, sizeof paper), paper_table,
                           tm_paper_devices[d], tm_paper_threads(paper_table));
        for (int row = 0; row < 3; row++) {
            tm_table_add_row(s->table);
            tm_table_add_cell(s->table, "%s", labels[row]);
            for (int i = 0; i < s->n_columns; i++) {
                tm_paper_cell cell = tm_paper_speed_cell(s->input->published, paper_table,
                                                         tm_paper_devices[d], s->columns[i].shape);
                tm_sheet_add_published(s,
                                       row == 0   ? &cell.fp16
                                       : row == 1 ? &cell.ternary
                                                  : &cell.ratio,
                                       row == 2 ? 3 : 0);
            }
        }
    }
}

/* Says which published values are shown, or why none, and what the paper does not state. */
static void add_paper_notes(tm_sheet *s, const char *paper_table)
{
    const tm_cell *cell = s->cell;
    char paper[128];
    tm_papers_named(TM_PAPER_SPEED, paper, sizeof paper);
    if (paper_table) {
        tm_table_add_note(
            s->table,
            "Published values come from other machines. The paper states neither prompt and "
            "output lengths nor the kernel of a cell; its speed-up is over its own fp16 "
            "baseline.");
        if (strcmp(paper_table, TM_PAPER_2_THREADS) == 0 &&
            tm_sheet_machine_of(s->input, s->cell)->cores == 2)
            tm_table_add_note(
                s->table,
                "Two threads are compared with the paper's table for two threads. They are "
                "all cores here, but the machines of its table for unlimited threads "
                "(Table 4) have more.");
    } else if (cell->n_gen == 0)
        tm_table_add_note(
            s->table, "%s prints no prompt speeds, so this table has no published values.", paper);
    else if (cell->n_prompt > 0 || cell->depth > 0)
        tm_table_add_note(
            s->table,
            "%s prints only generation, without stated lengths, so this table has no published "
            "values.",
            paper);
    else
        tm_table_add_note(
            s->table,
            "%s prints 2 threads (Table 5) and unlimited threads (Table 4), so this table "
            "for %d thread%s has no published values.",
            paper, cell->threads, tm_plural(cell->threads));
}

/* Names the sizes of the paper that the store lacks. */
static void add_sizes_note(tm_sheet *s)
{
    const tm_published *published = s->input->published;
    tm_text sizes = {0};
    for (int i = 0; i < published->n; i++) {
        const tm_published_value *printed = &published->items[i];
        bool is_shown = strcmp(printed->paper, TM_PAPER_SPEED) != 0 ||
                        strcmp(printed->table, TM_PAPER_ALL_THREADS) != 0 ||
                        !strstr(printed->device, tm_paper_devices[0]) ||
                        !strstr(printed->system, "fp16");
        for (int k = 0; k < s->n_columns; k++)
            is_shown |= strcmp(s->columns[k].shape, printed->model) == 0;
        if (!is_shown) tm_text_format(&sizes, "%s%s", sizes.length ? ", " : "", printed->model);
    }
    if (sizes.length)
        tm_table_add_note(s->table, "Sizes of the paper that this store lacks: %s.",
                          tm_text_string(&sizes));
    s->table->failed |= sizes.failed;
    tm_text_free(&sizes);
}

/* Returns whether it added the row. */
static bool add_2b4t(tm_sheet *s)
{
    tm_measured why = {.value = NAN};
    const tm_published_value *printed = tm_paper_2b4t_latency(s->input->published, &why);
    bool has_model = false;
    char paper[128];
    if (s->cell->n_prompt > 0 || s->cell->depth > 0 || !printed) return false;
    for (int i = 0; i < s->n_columns; i++)
        has_model |= strcmp(s->columns[i].shape, TM_MODEL_2B4T) == 0;
    if (!has_model) return false;
    tm_papers_named(printed->paper, paper, sizeof paper);
    tm_table_add_group(s->table, "published: %s, %s, %s", paper, printed->table, printed->device);
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "bitnet.cpp, ms/token");
    for (int i = 0; i < s->n_columns; i++) {
        char text[64];
        if (strcmp(s->columns[i].shape, TM_MODEL_2B4T) == 0)
            tm_table_add_cell(s->table, "%s",
                              tm_number_short(printed->value, 9, text, sizeof text));
        else
            tm_sheet_add_missing(s, "the report is only about " TM_MODEL_2B4T);
    }
    tm_table_add_note(
        s->table,
        "%s: %s; it prints no fp16 value of the same model, so there is no published speed-up.",
        paper, printed->conditions);
    return true;
}

static void add_interval_note(tm_sheet *s)
{
    tm_table_add_note(
        s->table,
        "value [low, high]: for tokens/s a within-run interval (t on logarithms over processes, "
        "below 4 processes their range), which does not cover drift between runs; for a speed-up "
        "the 95 %% interval over pairs of processes that ran next to each other, in which drift "
        "cancels (by t on logarithms below 6 pairs, below 4 pairs their range).");
}

/* The mean over models, with their range: how much they differ, not how well each was measured. */
static void add_mean_note(tm_sheet *s)
{
    double ratios[TM_SHEET_MAX_COLUMNS];
    int n = 0;
    for (int i = 0; i < s->n_columns; i++) {
        const tm_speedup *speedup = s->columns[i].speedup;
        if (!speedup || !isfinite(speedup->comparison.ratio.value)) continue;
        ratios[n++] = speedup->comparison.ratio.value;
    }
    if (s->kind == TM_SHEET_PAPER && n >= 2) {
        double low = ratios[0], high = ratios[0];
        for (int i = 1; i < n; i++) {
            low = fmin(low, ratios[i]);
            high = fmax(high, ratios[i]);
        }
        char mean[64], least[64], most[64];
        tm_table_add_note(
            s->table,
            "Measured: geometric mean of the speed-up over %d models: %s (from %s to %s).", n,
            tm_number(tm_interval_geometric(ratios, n, TM_CONFIDENCE).value, 3, mean, sizeof mean),
            tm_number(low, 3, least, sizeof least), tm_number(high, 3, most, sizeof most));
    }
}

void tm_speedup_sheet_published(tm_sheet *s)
{
    const char *paper_table =
        s->kind == TM_SHEET_PAPER
            ? tm_paper_speed_table(s->cell, tm_sheet_machine_of(s->input, s->cell)->cores)
            : NULL;
    if (paper_table) add_paper(s, paper_table);
    const bool has_2b4t = s->kind == TM_SHEET_OTHER && add_2b4t(s);
    if (paper_table || has_2b4t) tm_sheet_note_shapes(s);
    if (s->is_first) add_interval_note(s);
    add_mean_note(s);
    if (s->kind == TM_SHEET_PAPER) add_paper_notes(s, paper_table);
    if (paper_table) add_sizes_note(s);
}
