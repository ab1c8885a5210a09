#include "reports/energy_sheet.h"

#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A sheet of one phase. */
typedef struct energy_sheet {
    tm_sheet sheet;
    tm_phase phase;
    tm_energy_ratio ratios[TM_SHEET_MAX_COLUMNS]; /* ternary / baseline, by column */
    bool is_fake;                                 /* some column has fake joules */
    bool has_paper; /* the paper prints this test: its table is shown below */
} energy_sheet;

static const tm_energy_phase *phase_of(const energy_sheet *s, const tm_cell_summary *cell)
{
    return cell ? &cell->energy.phases[s->phase] : NULL;
}

static bool is_asked(const tm_speedup *speedup)
{
    return (speedup->baseline && speedup->baseline->energy.is_asked) ||
           (speedup->ternary && speedup->ternary->energy.is_asked);
}

/* The sizes of the paper: all of them where its table is shown, else those in the store. */
static void add_paper_columns(energy_sheet *s)
{
    const tm_published *published = s->sheet.input->published;
    const tm_speedups *all = s->sheet.input->speedups;
    for (int i = 0; i < published->n; i++) {
        const tm_published_value *v = &published->items[i];
        if (strcmp(v->paper, TM_PAPER_SPEED) != 0 || strcmp(v->table, TM_PAPER_ENERGY_TABLE) != 0 ||
            strcmp(v->metric, "energy") != 0)
            continue;
        bool has_own = false;
        for (int k = 0; k < all->n; k++) {
            const tm_cell *cell = all->items[k].cell;
            if (!tm_sheet_same(cell, s->sheet.cell) ||
                strcasecmp(tm_cell_shape(cell), v->model) != 0)
                continue;
            tm_sheet_add_column(&s->sheet, cell->model, v->model, &all->items[k]);
            has_own = true;
        }
        if (s->has_paper && !has_own) tm_sheet_add_column(&s->sheet, v->model, v->model, NULL);
    }
}

static void add_other_columns(energy_sheet *s)
{
    const tm_speedups *all = s->sheet.input->speedups;
    for (int i = 0; i < all->n; i++) {
        const tm_cell *cell = all->items[i].cell;
        const char *shape = tm_cell_shape(cell);
        tm_sheet_kind kind = tm_model_is_fake(cell->model) ? TM_SHEET_FAKE
                             : tm_paper_has_energy(s->sheet.input->published, shape)
                                 ? TM_SHEET_PAPER
                                 : TM_SHEET_OTHER;
        if (kind == s->sheet.kind && is_asked(&all->items[i]) && tm_sheet_same(cell, s->sheet.cell))
            tm_sheet_add_column(&s->sheet, cell->model, shape, &all->items[i]);
    }
}

/* Returns whether the sheet is shown: energy was asked for, and there are joules. Without joules
 * only the paper's table is shown; the table by cells has the reasons of the others. */
static bool collect_columns(energy_sheet *s)
{
    bool is_wanted = false, has_joules = false;
    if (s->sheet.kind == TM_SHEET_PAPER)
        add_paper_columns(s);
    else
        add_other_columns(s);
    for (int i = 0; i < s->sheet.n_columns; i++) {
        const tm_speedup *speedup = s->sheet.columns[i].speedup;
        if (!speedup) continue;
        is_wanted |= is_asked(speedup);
        const tm_energy_phase *a = phase_of(s, speedup->baseline);
        const tm_energy_phase *b = phase_of(s, speedup->ternary);
        s->is_fake |= (a && a->fake) || (b && b->fake);
        has_joules |= (a && !a->missing[0]) || (b && !b->missing[0]);
    }
    return is_wanted && (has_joules || s->has_paper);
}

char *tm_energy_number(const tm_interval *interval, bool fake, char *text, size_t size)
{
    char number[128];
    tm_number_interval(interval, 3, number, sizeof number);
    snprintf(text, size, "%s%s", fake ? "fake " : "", number);
    return text;
}

static void add_missing(energy_sheet *s, const char *why)
{
    char note[560];
    snprintf(note, sizeof note, "not measurable here: %s", why[0] ? why : "not measured");
    tm_sheet_add_missing(&s->sheet, note);
}

/* cell: whose age is noted; NULL: of several. */
static void add_interval(energy_sheet *s, const tm_cell_summary *cell, const tm_interval *interval,
                         bool fake, const char *why, const char *lone)
{
    char text[160], note[320] = "";
    if (!isfinite(interval->value)) {
        add_missing(s, why);
        return;
    }
    if (cell) tm_summary_age(cell, note, sizeof note);
    if (!isfinite(interval->low))
        tm_add_sentence(note, sizeof note, "%s", lone);
    else if (strcmp(interval->method, TM_PROCESSES_RANGE) == 0 ||
             strcmp(interval->method, TM_PAIRS_RANGE) == 0)
        tm_add_sentence(note, sizeof note, "%s", interval->method);
    tm_energy_number(interval, fake, text, sizeof text);
    if (note[0])
        tm_table_add_cell_with_note(s->sheet.table, text, note);
    else
        tm_table_add_cell(s->sheet.table, "%s", text);
}

typedef enum quantity { GROSS, NET, NET_ERROR, WATTS, SPEED, METER, COUNTS } quantity;

static void add_side(energy_sheet *s, int i, bool is_baseline, quantity which)
{
    const tm_speedup *speedup = s->sheet.columns[i].speedup;
    const tm_cell_summary *cell = tm_sheet_arm(speedup, is_baseline);
    const tm_energy_phase *e = phase_of(s, cell);
    static const char *const lone = "one process: no interval";
    char text[160];
    if (!cell) {
        tm_sheet_add_absent(&s->sheet, speedup, is_baseline);
        return;
    }
    switch (which) {
    case GROSS:
        add_interval(s, cell, &e->joules_per_token, e->fake, e->missing, lone);
        break;
    case NET:
        add_interval(s, cell, &e->net_joules_per_token, e->fake, e->net_missing, lone);
        break;
    case NET_ERROR:
        if (isfinite(e->largest_net_error))
            tm_table_add_cell(s->sheet.table, "%s",
                              tm_number(100 * e->largest_net_error, 2, text, sizeof text));
        else
            add_missing(s, e->missing[0] ? e->missing : e->net_error_missing);
        break;
    case WATTS:
        add_interval(s, cell, &e->watts, e->fake, e->missing, lone);
        break;
    case SPEED:
        add_interval(s, cell, &cell->tokens_per_second, false, cell->missing, lone);
        break;
    case METER:
        if (e->missing[0])
            tm_table_add_cell(s->sheet.table, "-");
        else
            tm_table_add_cell(s->sheet.table, "%s", tm_energy_origin(e, text, sizeof text));
        break;
    case COUNTS:
        tm_energy_counts(e, text, sizeof text);
        if (e->warning[0])
            tm_table_add_cell_with_note(s->sheet.table, text, e->warning);
        else
            tm_table_add_cell(s->sheet.table, "%s", text[0] ? text : "-");
        break;
    }
}

static void add_row(energy_sheet *s, const char *label, bool is_baseline, quantity which)
{
    tm_table_add_row(s->sheet.table);
    tm_table_add_cell(s->sheet.table, "%s", label);
    for (int i = 0; i < s->sheet.n_columns; i++) add_side(s, i, is_baseline, which);
}

static void add_saving(energy_sheet *s, const char *label, bool is_net)
{
    tm_table_add_row(s->sheet.table);
    tm_table_add_cell(s->sheet.table, "%s", label);
    for (int i = 0; i < s->sheet.n_columns; i++) {
        const tm_energy_ratio *r = &s->ratios[i];
        const tm_speedup *speedup = s->sheet.columns[i].speedup;
        if (!speedup || !speedup->baseline || !speedup->ternary) {
            tm_sheet_add_absent(&s->sheet, speedup, speedup && !speedup->baseline);
            continue;
        }
        tm_interval saving = tm_energy_saving_percent(is_net ? &r->net : &r->gross);
        const char *why = is_net ? r->net_missing : r->missing;
        if (isfinite(saving.value))
            add_interval(s, NULL, &saving, false, why, "one pair: no interval");
        else if (r->is_refused)
            tm_table_add_cell_with_note(s->sheet.table, "refused", why);
        else
            add_missing(s, why);
    }
}

static void add_verdicts(energy_sheet *s)
{
    char label[96], range[48];
    tm_interval nothing = {.value = NAN};
    if (tm_paper_judge_saving(s->sheet.input->published,
                              tm_sheet_machine_of(s->sheet.input, s->sheet.cell)->architecture,
                              &nothing, range) == TM_ENERGY_NO_CLAIM)
        return;
    snprintf(label, sizeof label, "Against the paper's %s", range);
    tm_table_add_row(s->sheet.table);
    tm_table_add_cell(s->sheet.table, "%s", label);
    for (int i = 0; i < s->sheet.n_columns; i++) {
        tm_interval saving = tm_energy_saving_percent(&s->ratios[i].gross);
        bool has_ratio = s->sheet.columns[i].speedup && isfinite(s->ratios[i].gross.value);
        if (has_ratio && saving.n < TM_MIN_PAIRS) saving.low = saving.high = NAN;
        tm_energy_verdict verdict =
            tm_paper_judge_saving(s->sheet.input->published,
                                  tm_sheet_machine_of(s->sheet.input, s->sheet.cell)->architecture,
                                  has_ratio ? &saving : &nothing, range);
        tm_table_add_cell(s->sheet.table, "%s", tm_energy_verdict_words(verdict));
    }
}

static void add_measured(energy_sheet *s, bool has_claims)
{
    const char *tokens = tm_energy_token_name(s->phase);
    const int threads = s->sheet.cell->threads;
    const tm_sheet_column *first = &s->sheet.columns[0];
    const tm_sheet_machine *machine = tm_sheet_machine_of(s->sheet.input, s->sheet.cell);
    const char *base = tm_sheet_baseline(s->sheet.input, s->sheet.cell);
    char label[96], unit[32], cpus[TM_CPU_CHOICE_SIZE + 16];
    tm_table_add_group(
        s->sheet.table, "%s: %s, %d thread%s%s%s, %s, %s",
        s->is_fake ? "fake joules and watts (not measured)"
                   : tm_sheet_origin(s->sheet.input,
                                     first->speedup ? first->speedup->cell : s->sheet.cell),
        machine->name, threads, tm_plural(threads), threads == machine->cores ? " (all cores)" : "",
        tm_cell_cpus_text(s->sheet.cell, cpus, sizeof cpus), s->sheet.cell->test,
        tm_phase_text(s->phase));
    for (int is_net = 0; is_net <= 1; is_net++) {
        const char *kind = is_net ? "net " : "";
        snprintf(unit, sizeof unit, "%sJ/%s token", kind, tokens);
        add_row(s, tm_sheet_label(base, unit, label), true, is_net ? NET : GROSS);
        snprintf(label, sizeof label, "Ternary, %sJ/%s token", kind, tokens);
        add_row(s, label, false, is_net ? NET : GROSS);
        snprintf(label, sizeof label, "Saving%s, %%", is_net ? " of net" : "");
        add_saving(s, label, is_net);
        if (!is_net && has_claims) add_verdicts(s);
        if (!is_net) continue;
        add_row(s, tm_sheet_label(base, "net reading error, %", label), true, NET_ERROR);
        add_row(s, "Ternary, net reading error, %", false, NET_ERROR);
    }
    tm_table_add_row(s->sheet.table);
    tm_table_add_cell(s->sheet.table, "Pairs");
    for (int i = 0; i < s->sheet.n_columns; i++)
        if (s->ratios[i].n_pairs)
            tm_table_add_cell(s->sheet.table, "%d", s->ratios[i].n_pairs);
        else
            tm_table_add_cell(s->sheet.table, "-");
    add_row(s, tm_sheet_label(base, "W", label), true, WATTS);
    add_row(s, "Ternary, W", false, WATTS);
    add_row(s, tm_sheet_label(base, "tokens/s", label), true, SPEED);
    add_row(s, "Ternary, tokens/s", false, SPEED);
    add_row(s, tm_sheet_label(base, "meter", label), true, METER);
    add_row(s, "Ternary, meter", false, METER);
    add_row(s, tm_sheet_label(base, "windows", label), true, COUNTS);
    add_row(s, "Ternary, windows", false, COUNTS);
}

static void add_published(energy_sheet *s)
{
    static const char *const labels[] = {"llama.cpp fp16, J/token", "bitnet.cpp, J/token",
                                         "Saving (of these two), %"};
    char paper[128];
    for (int d = 0; tm_paper_devices[d]; d++) {
        tm_table_add_group(s->sheet.table, "published: %s, Table 6, %s, unlimited threads",
                           tm_papers_named(TM_PAPER_SPEED, paper, sizeof paper),
                           tm_paper_devices[d]);
        for (int row = 0; row < 3; row++) {
            tm_table_add_row(s->sheet.table);
            tm_table_add_cell(s->sheet.table, "%s", labels[row]);
            for (int i = 0; i < s->sheet.n_columns; i++) {
                tm_paper_cell cell = tm_paper_energy_cell(
                    s->sheet.input->published, tm_paper_devices[d], s->sheet.columns[i].shape);
                tm_sheet_add_published(&s->sheet,
                                       row == 0   ? &cell.fp16
                                       : row == 1 ? &cell.ternary
                                                  : &cell.saving_percent,
                                       row == 2 ? 3 : 0);
            }
        }
    }
    tm_table_add_note(s->sheet.table,
                      "Published joules come from other machines, and the paper states neither how "
                      "they were measured nor their scope. Compare savings only, each of which is "
                      "from one machine.");
}

static tm_status fill_sheet(energy_sheet *s, tm_error *err)
{
    char title[240], paper[128];
    for (int i = 0; i < s->sheet.n_columns; i++) {
        const tm_speedup *speedup = s->sheet.columns[i].speedup;
        if (!speedup || !speedup->baseline || !speedup->ternary) continue;
        tm_status status = tm_energy_compare(phase_of(s, speedup->ternary),
                                             phase_of(s, speedup->baseline), &s->ratios[i], err);
        if (status != TM_OK) return status;
    }
    snprintf(title, sizeof title,
             "%sEnergy of %s (%s), %d thread%s: J/%s token and saving of ternary over %s%s",
             s->is_fake ? "FAKE. " : "", tm_phase_text(s->phase), s->sheet.cell->test,
             s->sheet.cell->threads, tm_plural(s->sheet.cell->threads),
             tm_energy_token_name(s->phase), tm_sheet_baseline(s->sheet.input, s->sheet.cell),
             tm_sheet_kind_text(s->sheet.kind));
    tm_table_init(s->sheet.table, title);
    s->sheet.table->is_sheet = true;
    tm_table_add_column(s->sheet.table, "", TM_LEFT);
    for (int i = 0; i < s->sheet.n_columns; i++)
        tm_table_add_column(s->sheet.table, tm_sheet_heading(&s->sheet, i), TM_RIGHT);
    add_measured(s, s->has_paper);
    if (s->has_paper) {
        add_published(s);
        tm_sheet_note_shapes(&s->sheet);
    }
    if (s->sheet.is_first)
        tm_table_add_note(
            s->sheet.table,
            "J/token: gross, all that the scope drew while the phase was repeated. Net: above the "
            "idle power measured next to the window with the model loaded. Net is not the cost of "
            "the model: an idle machine without it draws less. Net reading error: the largest "
            "bound of "
            "a window, with the readings of idle power and half of what they differ by.");
    if (s->sheet.kind == TM_SHEET_PAPER && !s->has_paper)
        tm_table_add_note(
            s->sheet.table,
            "%s prints energy only for generation at unlimited threads (Table 6), so this "
            "table has no published values.",
            tm_papers_named(TM_PAPER_SPEED, paper, sizeof paper));
    return TM_OK;
}

tm_status tm_energy_sheets(const tm_sheet_input *input, tm_tables *out, tm_error *err)
{
    const tm_speedups *all = input->speedups;
    tm_status status = TM_OK;
    *out = (tm_tables){0};
    energy_sheet *s = calloc(1, sizeof *s);
    out->items = calloc((size_t)all->n * TM_N_SHEET_KINDS * TM_PHASES + 1, sizeof *out->items);
    if (!s || !out->items) status = tm_fail(err, TM_NOMEM, "energy tables: out of memory");
    for (int i = 0; status == TM_OK && i < all->n * TM_PHASES; i++) {
        /* Generation first: it is what the paper prints. */
        tm_phase phase = i < all->n ? TM_PHASE_GENERATION : TM_PHASE_PROMPT;
        const tm_cell *cell = all->items[i % all->n].cell;
        bool is_first = (phase == TM_PHASE_PROMPT ? cell->n_prompt : cell->n_gen) > 0;
        for (int k = 0; k < i % all->n; k++) is_first &= !tm_sheet_same(all->items[k].cell, cell);
        for (int kind = 0; is_first && kind < TM_N_SHEET_KINDS && status == TM_OK; kind++) {
            *s = (energy_sheet){.phase = phase};
            s->sheet = (tm_sheet){.input = input,
                                  .cell = cell,
                                  .kind = (tm_sheet_kind)kind,
                                  .is_first = out->n == 0,
                                  .table = &out->items[out->n]};
            s->has_paper = kind == TM_SHEET_PAPER && phase == TM_PHASE_GENERATION &&
                           cell->n_prompt == 0 && cell->depth == 0 &&
                           cell->threads == tm_sheet_machine_of(input, cell)->cores;
            if (!collect_columns(s)) continue;
            out->n++;
            status = fill_sheet(s, err);
            if (status == TM_OK && s->sheet.table->failed)
                status = tm_fail(err, TM_NOMEM, "energy tables: out of memory for their cells");
        }
    }
    free(s);
    if (status != TM_OK) tm_tables_free(out);
    return status;
}
