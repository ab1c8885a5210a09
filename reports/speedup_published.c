/* What stands beside the measured rows: published rows, and the notes of both. */
#include "reports/speedup_sheet.h"

#include <math.h>
#include <string.h>

static void add_figure(tm_table *table, const tm_measured *figure, int digits)
{
    char text[64];
    if (!isfinite(figure->value))
        tm_sheet_add_missing(table, figure->missing);
    else if (digits)
        tm_table_add_cell(table, "%s", tm_number(figure->value, digits, text, sizeof text));
    else /* as printed */
        tm_table_add_cell(table, "%s", tm_number_short(figure->value, 9, text, sizeof text));
}

static void add_paper(tm_sheet *s, const char *paper_table)
{
    static const char *const labels[] = {"llama.cpp fp16, tokens/s", "bitnet.cpp best, tokens/s",
                                         "speed-up (their ratio)"};
    for (int d = 0; tm_paper_devices[d]; d++) {
        tm_table_add_group(s->table, "published: %s %s, %s, %s", TM_PAPER_SPEED, paper_table,
                           tm_paper_devices[d],
                           strcmp(paper_table, "Table 5") == 0 ? "2 threads" : "unlimited threads");
        for (int row = 0; row < 3; row++) {
            tm_table_add_row(s->table);
            tm_table_add_cell(s->table, "%s", labels[row]);
            for (int i = 0; i < s->n_models; i++) {
                tm_paper_cell cell = tm_speedup_paper_cell(s->input->published, paper_table,
                                                           tm_paper_devices[d], s->models[i]);
                add_figure(s->table,
                           row == 0   ? &cell.fp16
                           : row == 1 ? &cell.ternary
                                      : &cell.ratio,
                           row == 2 ? 3 : 0);
            }
        }
    }
}

/* Says what stands beside, what does not, and what the paper leaves open. */
static void add_paper_notes(tm_sheet *s, const char *paper_table)
{
    const tm_cell *cell = s->cell;
    if (paper_table) {
        tm_table_add_note(
            s->table, "Published figures come from other machines; the paper states neither prompt "
                      "and output lengths nor the kernel of a cell, and its speed-up stands on its "
                      "own fp16 baseline.");
        if (strcmp(paper_table, "Table 5") == 0 && s->input->cores == 2)
            tm_table_add_note(s->table,
                              "Two threads stand beside the paper's two-thread table; they are all "
                              "cores here, but its table for unlimited threads (Table 4) was made "
                              "with more and is not set beside.");
    } else if (cell->n_gen == 0)
        tm_table_add_note(s->table,
                          "%s prints no figures for prompts: nothing published stands beside.",
                          TM_PAPER_SPEED);
    else if (cell->n_prompt > 0 || cell->depth > 0)
        tm_table_add_note(
            s->table,
            "%s prints generation only, without stated lengths: nothing published stands "
            "beside this test.",
            TM_PAPER_SPEED);
    else
        tm_table_add_note(s->table,
                          "%s prints 2 threads (Table 5) and unlimited threads (Table 4): nothing "
                          "published stands beside %d thread%s.",
                          TM_PAPER_SPEED, cell->threads, cell->threads == 1 ? "" : "s");
}

/* The paper's sizes that the store does not ask for. */
static void add_sizes_note(tm_sheet *s)
{
    const tm_published *published = s->input->published;
    tm_text sizes = {0};
    for (int i = 0; i < published->n; i++) {
        const tm_published_value *claim = &published->items[i];
        bool is_shown = strcmp(claim->paper, TM_PAPER_SPEED) != 0 ||
                        strcmp(claim->table, "Table 4") != 0 ||
                        strstr(claim->device, tm_paper_devices[0]) == NULL ||
                        strstr(claim->system, "fp16") == NULL;
        for (int k = 0; k < s->n_models; k++)
            is_shown |= strcmp(tm_model_label(s->models[k]), claim->model) == 0;
        if (!is_shown) tm_text_format(&sizes, "%s%s", sizes.length ? ", " : "", claim->model);
    }
    if (sizes.length)
        tm_table_add_note(s->table, "Sizes of the paper that this store does not hold: %s.",
                          tm_text_string(&sizes));
    s->table->failed |= sizes.failed;
    tm_text_free(&sizes);
}

static void add_2b4t(tm_sheet *s)
{
    tm_measured why = {.value = NAN};
    const tm_published_value *claim = tm_speedup_2b4t_claim(s->input->published, &why);
    bool has_model = false;
    if (s->cell->n_prompt > 0 || s->cell->depth > 0 || !claim) return;
    for (int i = 0; i < s->n_models; i++)
        has_model |= strcmp(tm_model_label(s->models[i]), TM_MODEL_2B4T) == 0;
    if (!has_model) return;
    tm_table_add_group(s->table, "published: %s %s, %s", claim->paper, claim->table, claim->device);
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "bitnet.cpp, ms per token");
    for (int i = 0; i < s->n_models; i++) {
        char text[64];
        if (strcmp(tm_model_label(s->models[i]), TM_MODEL_2B4T) == 0)
            tm_table_add_cell(s->table, "%s", tm_number_short(claim->value, 9, text, sizeof text));
        else
            tm_sheet_add_missing(s->table, "the report is about " TM_MODEL_2B4T " only");
    }
    tm_table_add_note(s->table,
                      "%s: %s; it prints no fp16 figure of the same model, so no speed-up.",
                      claim->paper, claim->conditions);
}

static void add_legend(tm_sheet *s)
{
    tm_table_add_note(
        s->table,
        "In these tables a measured value [low, high] has a 95 %% interval over fresh "
        "processes, and a speed-up one over pairs of processes run next to each other (t on "
        "log ratios where there are fewer than 6 pairs).");
}

/* The mean over models, which has the spread of the models, not of the measuring. */
static void add_mean_note(tm_sheet *s)
{
    double ratios[sizeof s->models / sizeof *s->models];
    int n = 0;
    for (int i = 0; i < s->n_models; i++) {
        const tm_speedup *speedup = tm_sheet_find(s, s->models[i]);
        if (!speedup || !isfinite(speedup->comparison.ratio.value)) continue;
        ratios[n++] = speedup->comparison.ratio.value;
    }
    if (s->kind == TM_SHEET_PAPER && n >= 2) {
        tm_interval mean = tm_interval_geometric(ratios, n, TM_CONFIDENCE);
        char text[128];
        tm_table_add_note(
            s->table,
            "Measured: geometric mean of the speed-up over %d models %s (the interval is the "
            "spread of the models).",
            n, tm_number_interval(&mean, 3, text, sizeof text));
    }
}

void tm_sheet_add_published(tm_sheet *s)
{
    const char *paper_table =
        s->kind == TM_SHEET_PAPER ? tm_speedup_paper_table(s->cell, s->input->cores) : NULL;
    if (paper_table) add_paper(s, paper_table);
    if (s->kind == TM_SHEET_OTHER) add_2b4t(s);
    if (s->is_first) add_legend(s);
    add_mean_note(s);
    if (s->kind == TM_SHEET_PAPER) add_paper_notes(s, paper_table);
    if (paper_table) add_sizes_note(s);
}
