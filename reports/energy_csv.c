/* The values of the energy tables, one per row, for programs. */
#include "reports/energy_sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* The fields to the left of a value. */
typedef struct row {
    const char *origin, *paper, *paper_table, *device, *test, *phase, *model, *kernel;
    const tm_energy_phase *energy; /* NULL: published */
    int threads;                   /* 0: not a number ("unlimited") */
} row;

static void add_value(tm_table *out, const row *r, const char *quantity, const char *unit,
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

static void add_arm(tm_table *out, row r, const tm_cell_summary *cell, tm_phase phase,
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
        {"idle power", "W", &e->idle_watts, e->missing[0] ? e->missing : e->idle_missing},
    };
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        snprintf(name, sizeof name, "%s%s, %s", e->fake ? "fake " : "", side, figures[i].name);
        add_value(out, &r, name, figures[i].unit, figures[i].value, "processes",
                  figures[i].missing);
    }
}

static void add_published(const tm_sheet_input *input, const tm_speedup *s, tm_table *out)
{
    for (int d = 0; tm_paper_devices[d]; d++) {
        const tm_paper_cell cell =
            tm_paper_energy_cell(input->published, tm_paper_devices[d], tm_cell_shape(s->cell));
        const row r = {.origin = "published",
                       .paper = TM_PAPER_SPEED,
                       .paper_table = TM_PAPER_ENERGY_TABLE,
                       .device = tm_paper_devices[d],
                       .test = "generation, length not stated",
                       .phase = "generation",
                       .model = tm_cell_shape(s->cell),
                       .kernel = ""};
        const struct {
            const char *name, *unit;
            const tm_measured *figure;
        } figures[] = {{"fp16", "J/token", &cell.fp16},
                       {"ternary", "J/token", &cell.ternary},
                       {"saving (of these two)", "%", &cell.saving_percent}};
        for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
            tm_interval v = {.value = figures[i].figure->value, .low = NAN, .high = NAN};
            add_value(out, &r, figures[i].name, figures[i].unit, &v, "",
                      figures[i].figure->missing);
        }
    }
}

static tm_status add_speedup(const tm_sheet_input *input, const tm_speedup *s, tm_phase phase,
                             tm_table *out, tm_error *err)
{
    row r = {.origin = tm_sheet_origin(input, s->cell),
             .paper = "",
             .paper_table = "",
             .device = tm_sheet_machine_of(input, s->cell)->name,
             .test = s->cell->test,
             .phase = tm_phase_text(phase),
             .model = tm_model_label(s->cell->model),
             .kernel = "",
             .threads = s->cell->threads};
    if (s->baseline) add_arm(out, r, s->baseline, phase, tm_sheet_baseline_name(s));
    if (s->ternary) add_arm(out, r, s->ternary, phase, "ternary");
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
        add_value(out, &r, "saving", "%", &gross, "pairs", ratio.missing);
        add_value(out, &r, "saving of net", "%", &net, "pairs", ratio.net_missing);
    }
    if (phase == TM_PHASE_GENERATION && s->cell->n_prompt == 0 && s->cell->depth == 0 &&
        s->cell->threads == tm_sheet_machine_of(input, s->cell)->cores &&
        tm_paper_has_energy(input->published, tm_cell_shape(s->cell)))
        add_published(input, s, out);
    return TM_OK;
}

tm_status tm_energy_csv(const tm_sheet_input *input, tm_table *out, tm_error *err)
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
            tm_status status = add_speedup(input, s, (tm_phase)phase, out, err);
            if (status != TM_OK) return status;
        }
    }
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "energy.csv: out of memory for %d rows", out->n_rows);
    return TM_OK;
}
