/* The figures of energy one per row: for programs, and one line per cell and phase for reading. */
#include "reports/energy_table.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* What stands left of a figure. */
typedef struct row {
    const char *origin, *paper, *paper_table, *device, *test, *phase, *model, *kernel;
    const tm_energy_phase *energy; /* NULL: published */
    int threads;                   /* 0: not a number ("unlimited") */
} row;

static void put(tm_table *out, const row *r, const char *quantity, const char *unit,
                const tm_interval *v, const char *counted, const char *missing)
{
    const double numbers[] = {v->value, v->low, v->high};
    const bool has_value = isfinite(v->value);
    const tm_energy_phase *e = r->energy;
    char text[96];
    const char *const names[] = {r->origin, r->paper, r->paper_table, r->device};
    tm_table_add_row(out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        tm_table_add_cell(out, "%s", names[i]);
    if (r->threads > 0)
        tm_table_add_cell(out, "%d", r->threads);
    else
        tm_table_add_cell(out, "unlimited");
    const char *const more[] = {r->test, r->phase, r->model, r->kernel, quantity, unit};
    for (size_t i = 0; i < sizeof more / sizeof *more; i++) tm_table_add_cell(out, "%s", more[i]);
    for (int i = 0; i < 3; i++)
        tm_table_add_cell(out, "%s", tm_number_short(numbers[i], 6, text, sizeof text));
    if (has_value && v->n > 0)
        tm_table_add_cell(out, "%d", v->n);
    else
        tm_table_add_cell(out, "%s", "");
    tm_table_add_cell(out, "%s", has_value && v->n > 0 ? counted : "");
    tm_table_add_cell(out, "%s", has_value && v->method ? v->method : "");
    tm_table_add_cell(out, "%s", e ? e->source : "");
    tm_table_add_cell(out, "%s", e ? e->scope : "");
    tm_table_add_cell(out, "%s", e ? e->method : "");
    tm_table_add_cell(out, "%s", e ? tm_energy_counts(e, text, sizeof text) : "");
    tm_table_add_cell(out, "%s", has_value ? "" : missing);
}

static void put_side(tm_table *out, row r, const tm_cell_summary *cell, tm_phase phase,
                     const char *side)
{
    const tm_energy_phase *e = &cell->energy.phases[phase];
    char name[64], unit[32];
    r.kernel = cell->cell.kernel;
    r.energy = e;
    if (e->fake) r.origin = "fake";
    snprintf(unit, sizeof unit, "J/%s token", tm_energy_token_name(phase));
    const struct {
        const char *name, *unit;
        const tm_interval *value;
        const char *missing;
    } figures[] = {
        {"gross energy", unit, &e->joules_per_token, e->missing},
        {"net energy", unit, &e->net_joules_per_token, e->net_missing},
        {"gross power", "W", &e->watts, e->missing},
        {"net power", "W", &e->net_watts, e->net_missing},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        snprintf(name, sizeof name, "%s%s, %s", e->fake ? "fake " : "", side, figures[i].name);
        put(out, &r, name, figures[i].unit, figures[i].value, "processes", figures[i].missing);
    }
}

static void put_published(const tm_speedup_input *input, const tm_speedup *s, tm_table *out)
{
    for (int d = 0; tm_paper_devices[d]; d++) {
        const tm_paper_energy cell =
            tm_energy_paper_cell(input->published, tm_paper_devices[d], s->cell->model);
        const row r = {.origin = "published",
                       .paper = TM_PAPER_SPEED,
                       .paper_table = "Table 6",
                       .device = tm_paper_devices[d],
                       .test = "generation, length not stated",
                       .phase = "generation",
                       .model = tm_model_label(s->cell->model),
                       .kernel = ""};
        const struct {
            const char *name, *unit;
            const tm_measured *figure;
        } figures[] = {{"fp16", "J/token", &cell.fp16},
                       {"ternary", "J/token", &cell.ternary},
                       {"saving (of these two)", "%", &cell.saving_percent}};
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
            tm_interval v = {.value = figures[i].figure->value, .low = NAN, .high = NAN};
            put(out, &r, figures[i].name, figures[i].unit, &v, "", figures[i].figure->missing);
        }
    }
}

static tm_status put_column(const tm_speedup_input *input, const tm_speedup *s, tm_phase phase,
                            tm_table *out, tm_error *err)
{
    row r = {.origin = tm_speedup_origin(input, s->cell->model),
             .paper = "",
             .paper_table = "",
             .device = input->machine,
             .test = s->cell->test,
             .phase = tm_phase_text(phase),
             .model = tm_model_label(s->cell->model),
             .kernel = "",
             .threads = s->cell->threads};
    if (s->baseline) put_side(out, r, s->baseline, phase, "fp16");
    if (s->ternary) put_side(out, r, s->ternary, phase, "ternary");
    if (s->baseline && s->ternary) {
        tm_energy_ratio ratio;
        r.energy = &s->ternary->energy.phases[phase];
        r.kernel = s->ternary->cell.kernel;
        if (r.energy->fake) r.origin = "fake";
        tm_status status =
            tm_energy_compare(r.energy, &s->baseline->energy.phases[phase], &ratio, err);
        if (status != TM_OK) return status;
        tm_interval gross = tm_energy_saving_percent(&ratio.gross);
        tm_interval net = tm_energy_saving_percent(&ratio.net);
        put(out, &r, "saving", "%", &gross, "pairs", ratio.missing);
        put(out, &r, "saving of net", "%", &net, "pairs", ratio.net_missing);
    }
    tm_published_query question = {.paper = TM_PAPER_SPEED,
                                   .table = "Table 6",
                                   .metric = "energy",
                                   .model = tm_model_label(s->cell->model)};
    if (phase == TM_PHASE_GENERATION && s->cell->n_prompt == 0 && s->cell->depth == 0 &&
        s->cell->threads == input->cores && tm_published_count(input->published, &question) > 0)
        put_published(input, s, out);
    return TM_OK;
}

tm_status tm_energy_rows(const tm_speedup_input *input, tm_table *out, tm_error *err)
{
    static const char *const headings[] = {
        "origin",   "paper",    "table", "device", "threads", "test",    "phase", "model",
        "kernel",   "quantity", "unit",  "value",  "low",     "high",    "n",     "n_of",
        "interval", "source",   "scope", "method", "windows", "missing", NULL};
    tm_table_init(out, "");
    for (int i = 0; headings[i]; i++) tm_table_add_column(out, headings[i], TM_LEFT);
    for (int i = 0; i < input->speedups->n; i++) {
        const tm_speedup *s = &input->speedups->items[i];
        for (int phase = 0; phase < TM_PHASES; phase++) {
            if ((phase == TM_PHASE_PROMPT ? s->cell->n_prompt : s->cell->n_gen) == 0) continue;
            if (!(s->baseline && s->baseline->energy.is_asked) &&
                !(s->ternary && s->ternary->energy.is_asked))
                continue;
            tm_status status = put_column(input, s, (tm_phase)phase, out, err);
            if (status != TM_OK) return status;
        }
    }
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "energy rows: no memory for %d rows", out->n_rows);
    return TM_OK;
}

static void add_interval(tm_table *out, const tm_interval *v, bool fake, const char *why)
{
    char text[160];
    if (isfinite(v->value))
        tm_table_add_cell(out, "%s", tm_energy_number(v, fake, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", why[0] ? why : "not measured");
}

static void begin_line(tm_table *out, const tm_cell_summary *s, const char *phase)
{
    char text[128];
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(s->cell.model));
    tm_table_add_cell(out, "%s", s->cell.kernel);
    tm_table_add_cell(out, "%d", s->cell.threads);
    tm_table_add_cell(out, "%s", s->cell.test);
    tm_table_add_cell(out, "%s", phase);
    tm_table_add_cell(out, "%s", tm_number_interval(&s->tokens_per_second, 3, text, sizeof text));
}

static void add_line(tm_table *out, const tm_cell_summary *s, const tm_energy_phase *e)
{
    char text[160];
    begin_line(out, s, tm_energy_token_name(e->phase));
    add_interval(out, &e->joules_per_token, e->fake, e->missing);
    add_interval(out, &e->net_joules_per_token, e->fake, e->net_missing);
    add_interval(out, &e->watts, e->fake, e->missing);
    add_interval(out, &e->net_watts, e->fake, e->net_missing);
    if (isfinite(e->largest_error))
        tm_table_add_cell(out, "%s", tm_number(100 * e->largest_error, 2, text, sizeof text));
    else
        tm_table_add_cell(out, "-");
    tm_table_add_cell(out, "%s", e->missing[0] ? "-" : tm_energy_origin(e, text, sizeof text));
    tm_energy_counts(e, text, sizeof text);
    if (e->warning[0])
        tm_table_add_cell_with_note(out, text, e->warning);
    else
        tm_table_add_cell(out, "%s", text[0] ? text : "-");
}

/* Both phases of a test in one figure. */
static void add_whole(tm_table *out, const tm_cell_summary *s)
{
    begin_line(out, s, "all");
    add_interval(out, &s->energy.joules_per_token, s->energy.fake, s->energy.missing);
    for (int i = 0; i < 6; i++) tm_table_add_cell(out, "%s", "");
}

tm_status tm_energy_cells(const tm_speedup_input *input, const tm_summaries *all, tm_table *out,
                          tm_error *err)
{
    static const struct {
        const char *heading;
        tm_align align;
    } columns[] = {
        {"model", TM_LEFT},    {"kernel", TM_LEFT},       {"threads", TM_RIGHT},
        {"test", TM_LEFT},     {"tokens", TM_LEFT},       {"tokens/s", TM_RIGHT},
        {"J/token", TM_RIGHT}, {"net J/token", TM_RIGHT}, {"W", TM_RIGHT},
        {"net W", TM_RIGHT},   {"reading +-%", TM_RIGHT}, {"source, scope, method", TM_LEFT},
        {"windows", TM_LEFT},
    };
    bool has_fake = false;
    for (int i = 0; i < all->n; i++)
        has_fake |= !all->items[i].superseded && all->items[i].energy.fake;
    tm_table_init(out, has_fake ? "FAKE. Energy by cell and phase" : "Energy by cell and phase");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        tm_table_add_column(out, columns[i].heading, columns[i].align);
    out->n_keys = 5;
    const char *origin = NULL;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->superseded || !s->energy.is_asked) continue;
        const char *own = tm_speedup_origin(input, s->cell.model);
        if (s->energy.phases[TM_PHASE_PROMPT].missing[0] &&
            s->energy.phases[TM_PHASE_GENERATION].missing[0])
            own = "joules not measured";
        else if (s->energy.fake)
            own = "joules and watts fake (made up, not measured)";
        if (!origin || strcmp(origin, own) != 0) tm_table_add_group(out, "%s", own);
        origin = own;
        for (int phase = 0; phase < TM_PHASES; phase++)
            if ((phase == TM_PHASE_PROMPT ? s->cell.n_prompt : s->cell.n_gen) > 0)
                add_line(out, s, &s->energy.phases[phase]);
        if (s->cell.n_prompt > 0 && s->cell.n_gen > 0) add_whole(out, s);
    }
    tm_table_add_note(out,
                      "tokens: what joules are divided by; all: prompt and output tokens of one "
                      "repetition together. J/token, W: gross; net: above idle. reading +-%%: "
                      "largest error bound of reading a window, without the instrument's own. "
                      "windows: the last word of each process.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "energy by cell: no memory for %d rows", out->n_rows);
    return TM_OK;
}
