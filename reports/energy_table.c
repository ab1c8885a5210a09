#include "reports/energy_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODELS_MAX = 256 };

typedef enum column_kind { PAPER, OTHER, SCRIPTED, N_KINDS } column_kind;

/* One table: a phase of a test at a thread count over some models. */
typedef struct sheet {
    const tm_speedup_input *input;
    const tm_cell *cell; /* any of it: engine, threads, test */
    tm_phase phase;
    column_kind kind;
    const char *models[MODELS_MAX];        /* of the paper: as it names them */
    const tm_speedup *columns[MODELS_MAX]; /* NULL: not in the store */
    tm_energy_ratio ratios[MODELS_MAX];
    int n_models;
    bool is_fake;   /* some column is made up */
    bool has_paper; /* the paper prints this test: its table stands below */
    bool is_first;  /* of its document: says how to read them all */
    tm_table *table;
} sheet;

static bool is_paper_model(const tm_speedup_input *input, const char *model)
{
    tm_published_query question = {.paper = TM_PAPER_SPEED,
                                   .table = "Table 6",
                                   .metric = "energy",
                                   .model = tm_model_label(model)};
    return tm_published_count(input->published, &question) > 0;
}

static const tm_energy_phase *phase_of(const sheet *s, const tm_cell_summary *cell)
{
    return cell ? &cell->energy.phases[s->phase] : NULL;
}

static bool is_asked(const tm_speedup *column)
{
    return (column->baseline && column->baseline->energy.is_asked) ||
           (column->ternary && column->ternary->energy.is_asked);
}

static bool same_sheet(const tm_cell *a, const tm_cell *b)
{
    return strcmp(a->engine, b->engine) == 0 && a->threads == b->threads &&
           strcmp(a->test, b->test) == 0;
}

static const tm_speedup *find(const sheet *s, const char *label)
{
    const tm_speedups *all = s->input->speedups;
    for (int i = 0; i < all->n; i++)
        if (same_sheet(all->items[i].cell, s->cell) &&
            strcasecmp(tm_model_label(all->items[i].cell->model), label) == 0)
            return &all->items[i];
    return NULL;
}

static void add_column(sheet *s, const char *model, const tm_speedup *column)
{
    for (int i = 0; i < s->n_models; i++)
        if (strcasecmp(s->models[i], model) == 0) return;
    if (s->n_models == MODELS_MAX) return;
    s->models[s->n_models] = model;
    s->columns[s->n_models++] = column;
}

/* Beside the paper all of its sizes: what was not run says so. */
static void collect_models(sheet *s)
{
    const tm_speedups *all = s->input->speedups;
    const tm_published *published = s->input->published;
    for (int i = 0; i < published->n && s->kind == PAPER; i++) {
        const tm_published_value *c = &published->items[i];
        if (strcmp(c->paper, TM_PAPER_SPEED) == 0 && strcmp(c->table, "Table 6") == 0 &&
            strcmp(c->metric, "energy") == 0)
            if (s->has_paper || find(s, c->model)) add_column(s, c->model, find(s, c->model));
    }
    for (int i = 0; i < all->n && s->kind != PAPER; i++) {
        const char *model = all->items[i].cell->model;
        bool is_scripted = tm_model_is_fake(model);
        if (!same_sheet(all->items[i].cell, s->cell) || !is_asked(&all->items[i]) ||
            is_scripted != (s->kind == SCRIPTED) ||
            (!is_scripted && is_paper_model(s->input, model)))
            continue;
        add_column(s, tm_model_label(model), &all->items[i]);
    }
    bool is_wanted = false, has_joules = false;
    for (int i = 0; i < s->n_models; i++) {
        if (!s->columns[i]) continue;
        is_wanted |= is_asked(s->columns[i]);
        const tm_energy_phase *a = phase_of(s, s->columns[i]->baseline);
        const tm_energy_phase *b = phase_of(s, s->columns[i]->ternary);
        s->is_fake |= (a && a->fake) || (b && b->fake);
        has_joules |= (a && !a->missing[0]) || (b && !b->missing[0]);
    }
    /* Without joules only the paper's table is worth its reasons: all stand in the one by cells. */
    if (!is_wanted || !(has_joules || s->has_paper)) s->n_models = 0;
}

char *tm_energy_number(const tm_interval *interval, bool fake, char *text, size_t size)
{
    char number[128];
    tm_number_interval(interval, 3, number, sizeof number);
    snprintf(text, size, "%s%s", fake ? "fake " : "", number);
    return text;
}

static void add_missing(sheet *s, const char *why)
{
    char note[560];
    snprintf(note, sizeof note, "not measurable here: %s", why[0] ? why : "not measured");
    tm_table_add_cell_with_note(s->table, "N/A", note);
}

static void add_absent(sheet *s, const tm_speedup *column, bool is_baseline)
{
    char note[160];
    if (!column)
        snprintf(note, sizeof note,
                 "not part of the run: no cell of this model with %s and %d "
                 "thread%s",
                 s->cell->test, s->cell->threads, s->cell->threads == 1 ? "" : "s");
    else
        snprintf(note, sizeof note, "no %s cell of this model in the store",
                 is_baseline ? "fp16" : "ternary");
    tm_table_add_cell_with_note(s->table, "N/A", note);
}

static void add_interval(sheet *s, const tm_interval *interval, bool fake, const char *why,
                         const char *lone)
{
    char text[160];
    if (!isfinite(interval->value))
        add_missing(s, why);
    else if (isfinite(interval->low))
        tm_table_add_cell(s->table, "%s", tm_energy_number(interval, fake, text, sizeof text));
    else
        tm_table_add_cell_with_note(s->table, tm_energy_number(interval, fake, text, sizeof text),
                                    lone);
}

typedef enum quantity { GROSS, NET, WATTS, SPEED, METER, COUNTS } quantity;

static void add_side(sheet *s, int i, bool is_baseline, quantity which)
{
    const tm_speedup *column = s->columns[i];
    const tm_cell_summary *cell = !column ? NULL : is_baseline ? column->baseline : column->ternary;
    const tm_energy_phase *e = phase_of(s, cell);
    static const char *const lone = "one process: no interval";
    char text[160];
    if (!cell) {
        add_absent(s, column, is_baseline);
        return;
    }
    switch (which) {
    case GROSS:
        add_interval(s, &e->joules_per_token, e->fake, e->missing, lone);
        break;
    case NET:
        add_interval(s, &e->net_joules_per_token, e->fake, e->net_missing, lone);
        break;
    case WATTS:
        add_interval(s, &e->watts, e->fake, e->missing, lone);
        break;
    case SPEED:
        add_interval(s, &cell->tokens_per_second, false, cell->missing, lone);
        break;
    case METER:
        if (e->missing[0])
            tm_table_add_cell(s->table, "-");
        else
            tm_table_add_cell(s->table, "%s", tm_energy_origin(e, text, sizeof text));
        break;
    case COUNTS:
        tm_energy_counts(e, text, sizeof text);
        if (e->warning[0])
            tm_table_add_cell_with_note(s->table, text, e->warning);
        else
            tm_table_add_cell(s->table, "%s", text[0] ? text : "-");
        break;
    }
}

static void add_row(sheet *s, const char *label, bool is_baseline, quantity which)
{
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "%s", label);
    for (int i = 0; i < s->n_models; i++) add_side(s, i, is_baseline, which);
}

static void add_saving(sheet *s, const char *label, bool is_net)
{
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "%s", label);
    for (int i = 0; i < s->n_models; i++) {
        const tm_energy_ratio *r = &s->ratios[i];
        const tm_speedup *column = s->columns[i];
        if (!column || !column->baseline || !column->ternary) {
            add_absent(s, column, column && !column->baseline);
            continue;
        }
        tm_interval saving = tm_energy_saving_percent(is_net ? &r->net : &r->gross);
        const char *why = is_net ? r->net_missing : r->missing;
        if (isfinite(saving.value))
            add_interval(s, &saving, false, why, "one pair: no interval");
        else if (strncmp(why, "fake", 4) == 0 || strncmp(why, "joules of different", 19) == 0)
            tm_table_add_cell_with_note(s->table, "refused", why);
        else
            add_missing(s, why);
    }
}

static void add_verdicts(sheet *s)
{
    char label[96], range[48];
    tm_interval nothing = {.value = NAN};
    if (tm_energy_judge(s->input->published, s->input->architecture, &nothing, range) ==
        TM_ENERGY_NO_CLAIM)
        return;
    snprintf(label, sizeof label, "against the paper's %s", range);
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "%s", label);
    for (int i = 0; i < s->n_models; i++) {
        tm_interval saving = tm_energy_saving_percent(&s->ratios[i].gross);
        bool has_ratio = s->columns[i] && isfinite(s->ratios[i].gross.value);
        tm_energy_verdict verdict = tm_energy_judge(s->input->published, s->input->architecture,
                                                    has_ratio ? &saving : &nothing, range);
        tm_table_add_cell(s->table, "%s", tm_energy_verdict_words(verdict));
    }
}

static void add_measured(sheet *s, bool has_claims)
{
    const char *tokens = tm_energy_token_name(s->phase);
    const int threads = s->cell->threads;
    char label[96];
    tm_table_add_group(
        s->table, "%s: %s, %d thread%s%s, %s, %s",
        s->is_fake ? "joules and watts fake (made up, not measured)"
                   : tm_speedup_origin(s->input,
                                       s->columns[0] ? s->columns[0]->cell->model : s->models[0]),
        s->input->machine, threads, threads == 1 ? "" : "s",
        threads == s->input->cores ? " (all cores)" : "", s->cell->test, tm_phase_text(s->phase));
    for (int is_net = 0; is_net <= 1; is_net++) {
        const char *kind = is_net ? "net " : "";
        snprintf(label, sizeof label, "fp16, %sJ/%s token", kind, tokens);
        add_row(s, label, true, is_net ? NET : GROSS);
        snprintf(label, sizeof label, "ternary, %sJ/%s token", kind, tokens);
        add_row(s, label, false, is_net ? NET : GROSS);
        snprintf(label, sizeof label, "saving%s, %%", is_net ? " of net" : "");
        add_saving(s, label, is_net);
        if (!is_net && has_claims) add_verdicts(s);
    }
    tm_table_add_row(s->table);
    tm_table_add_cell(s->table, "pairs");
    for (int i = 0; i < s->n_models; i++)
        if (s->ratios[i].n_pairs)
            tm_table_add_cell(s->table, "%d", s->ratios[i].n_pairs);
        else
            tm_table_add_cell(s->table, "-");
    add_row(s, "fp16, W", true, WATTS);
    add_row(s, "ternary, W", false, WATTS);
    add_row(s, "fp16, tokens/s", true, SPEED);
    add_row(s, "ternary, tokens/s", false, SPEED);
    add_row(s, "fp16 from", true, METER);
    add_row(s, "ternary from", false, METER);
    add_row(s, "fp16 windows", true, COUNTS);
    add_row(s, "ternary windows", false, COUNTS);
}

static void add_figure(sheet *s, const tm_measured *figure, int digits)
{
    char text[64];
    if (!isfinite(figure->value))
        tm_table_add_cell_with_note(s->table, "N/A", figure->missing);
    else if (digits)
        tm_table_add_cell(s->table, "%s", tm_number(figure->value, digits, text, sizeof text));
    else /* as printed */
        tm_table_add_cell(s->table, "%s", tm_number_short(figure->value, 9, text, sizeof text));
}

static void add_published(sheet *s)
{
    static const char *const labels[] = {"llama.cpp fp16, J/token", "bitnet.cpp, J/token",
                                         "saving (of these two), %"};
    for (int d = 0; tm_paper_devices[d]; d++) {
        tm_table_add_group(s->table, "published: %s Table 6, %s, unlimited threads", TM_PAPER_SPEED,
                           tm_paper_devices[d]);
        for (int row = 0; row < 3; row++) {
            tm_table_add_row(s->table);
            tm_table_add_cell(s->table, "%s", labels[row]);
            for (int i = 0; i < s->n_models; i++) {
                tm_paper_energy cell =
                    tm_energy_paper_cell(s->input->published, tm_paper_devices[d], s->models[i]);
                add_figure(s,
                           row == 0   ? &cell.fp16
                           : row == 1 ? &cell.ternary
                                      : &cell.saving_percent,
                           row == 2 ? 3 : 0);
            }
        }
    }
    tm_table_add_note(s->table,
                      "Published joules come from other machines; the paper says neither how they "
                      "were measured nor over what scope, so that only savings, each inside one "
                      "machine, can be held against each other.");
}

static tm_status fill(sheet *s, tm_error *err)
{
    static const char *const kinds[] = {"", ", other models", ", scripted models"};
    char title[240];
    for (int i = 0; i < s->n_models; i++) {
        const tm_speedup *column = s->columns[i];
        if (!column || !column->baseline || !column->ternary) continue;
        tm_status status = tm_energy_compare(phase_of(s, column->ternary),
                                             phase_of(s, column->baseline), &s->ratios[i], err);
        if (status != TM_OK) return status;
    }
    snprintf(title, sizeof title,
             "%sEnergy of %s (%s), %d thread%s: J/%s token and what ternary saves over fp16%s",
             s->is_fake ? "FAKE. " : "", tm_phase_text(s->phase), s->cell->test, s->cell->threads,
             s->cell->threads == 1 ? "" : "s", tm_energy_token_name(s->phase), kinds[s->kind]);
    tm_table_init(s->table, title);
    tm_table_add_column(s->table, "", TM_LEFT);
    for (int i = 0; i < s->n_models; i++) tm_table_add_column(s->table, s->models[i], TM_RIGHT);
    add_measured(s, s->has_paper);
    if (s->has_paper) add_published(s);
    if (s->is_first)
        tm_table_add_note(
            s->table, "J/token: gross, all that the scope drew while the phase was repeated. net: "
                      "above the idle power beside the window, which is not \"what the model "
                      "costs\": an idle machine sleeps deeper than a loaded one ever does.");
    if (s->kind == PAPER && !s->has_paper)
        tm_table_add_note(s->table,
                          "%s prints energy of generation at unlimited threads (Table 6) only: "
                          "nothing published stands beside this table.",
                          TM_PAPER_SPEED);
    return TM_OK;
}

tm_status tm_energy_tables(const tm_speedup_input *input, tm_tables *out, tm_error *err)
{
    const tm_speedups *all = input->speedups;
    tm_status status = TM_OK;
    *out = (tm_tables){0};
    sheet *s = calloc(1, sizeof *s);
    out->items = calloc((size_t)all->n * N_KINDS * TM_PHASES + 1, sizeof *out->items);
    if (!s || !out->items) status = tm_fail(err, TM_NOMEM, "energy tables: no memory");
    for (int i = 0; status == TM_OK && i < all->n * TM_PHASES; i++) {
        /* Generation first: it is what the paper prints. */
        tm_phase phase = i < all->n ? TM_PHASE_GENERATION : TM_PHASE_PROMPT;
        const tm_cell *cell = all->items[i % all->n].cell;
        bool is_first = (phase == TM_PHASE_PROMPT ? cell->n_prompt : cell->n_gen) > 0;
        for (int k = 0; k < i % all->n; k++) is_first &= !same_sheet(all->items[k].cell, cell);
        for (int kind = 0; is_first && kind < N_KINDS && status == TM_OK; kind++) {
            *s = (sheet){.input = input,
                         .cell = cell,
                         .phase = phase,
                         .kind = (column_kind)kind,
                         .is_first = out->n == 0,
                         .table = &out->items[out->n]};
            s->has_paper = s->kind == PAPER && phase == TM_PHASE_GENERATION &&
                           cell->n_prompt == 0 && cell->depth == 0 && cell->threads == input->cores;
            collect_models(s);
            if (!s->n_models) continue;
            out->n++;
            status = fill(s, err);
            if (status == TM_OK && s->table->failed)
                status = tm_fail(err, TM_NOMEM, "energy tables: no memory for their cells");
        }
    }
    free(s);
    if (status != TM_OK) tm_tables_free(out);
    return status;
}
