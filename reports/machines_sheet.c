/* The values of machines side by side: answers, a table per place, and all values for programs. */
#include "reports/machines_sheet.h"

#include "reports/energy_sheet.h"
#include "reports/headings.h"
#include "reports/kernel_names.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KERNELS_MAX = 24 };

bool tm_machines_is_shown(const tm_machines_view *view, const tm_machine_place *place)
{
    return place->n_machines > 1 || view->machines->n == 1;
}

static const char *quantity_heading(tm_machine_quantity quantity, bool is_prompt)
{
    static const char *const headings[TM_MACHINE_QUANTITIES] = {
        [TM_MACHINE_SPEED] = "Tokens/s",
        [TM_MACHINE_PER_CORE] = "Tokens/s per core",
        [TM_MACHINE_PER_GHZ] = "Tokens/s per GHz",
        [TM_MACHINE_SHARE] = "Of its read bandwidth, %",
        [TM_MACHINE_JOULES] = "Energy, J/token",
        [TM_MACHINE_SPEEDUP] = "Speed-up over its baseline"};
    return quantity == TM_MACHINE_SHARE && is_prompt ? "Of its multiply peak, %"
                                                     : headings[quantity];
}

/* The note of a value: why it does not count, its age, its interval. */
static void note_value(const tm_machine_values *v, tm_machine_quantity quantity, char *note,
                       size_t size)
{
    const tm_interval *value = &v->figures[quantity].value;
    const char *why;
    note[0] = '\0';
    if (!tm_machines_is_ranked(v, quantity, &why)) tm_add_sentence(note, size, "%s", why);
    tm_summary_age(v->cell, note, size);
    /* Its first sentence: the report of the store has the others. */
    if (v->cell->warning[0] && quantity == TM_MACHINE_SPEED)
        tm_add_sentence(note, size, "%.*s", (int)strcspn(v->cell->warning, ";"), v->cell->warning);
    if (!isfinite(value->low))
        tm_add_sentence(note, size, "%s",
                        quantity == TM_MACHINE_SPEEDUP ? TM_LONE_PAIR : TM_LONE_PROCESS);
}

static void add_figure(const tm_machine_values *v, tm_machine_quantity quantity, tm_table *out)
{
    const tm_machine_figure *f = &v->figures[quantity];
    char text[160], note[700];
    if (!isfinite(f->value.value)) {
        tm_table_add_cell_with_note(out, "N/A", f->missing[0] ? f->missing : "not measured");
        return;
    }
    note_value(v, quantity, note, sizeof note);
    tm_number_interval(&f->value, 3, text, sizeof text);
    if (note[0])
        tm_table_add_cell_with_note(out, text, note);
    else
        tm_table_add_cell(out, "%s", text);
    tm_table_link(out, v->cell->cell_id);
}

static void add_published(const tm_machines_view *view, const tm_published_machine *machine,
                          const tm_machine_place *place, const tm_machine_arm *arm,
                          tm_machine_quantity quantity, tm_table *out)
{
    const tm_published_value *v =
        arm->kind == TM_MACHINE_KERNEL ||
                (quantity != TM_MACHINE_SPEED && quantity != TM_MACHINE_JOULES)
            ? NULL
            : tm_published_machine_value(view->published, machine, place, arm->kind, quantity);
    char text[64], note[700], unstated[96];
    if (!v) {
        const bool is_printed = quantity == TM_MACHINE_SPEED || quantity == TM_MACHINE_JOULES;
        tm_table_add_cell(out, is_printed ? "not stated" : "-");
        return;
    }
    tm_number_short(v->value, 9, text, sizeof text);
    tm_published_unstated(v, unstated, sizeof unstated);
    snprintf(note, sizeof note, "published, %.60s, %.80s: %.80s", v->paper, v->table, v->system);
    if (v->conditions[0]) tm_add_sentence(note, sizeof note, "%s", v->conditions);
    if (unstated[0]) tm_add_sentence(note, sizeof note, "%s", unstated);
    if (quantity != TM_MACHINE_JOULES) {
        tm_table_add_cell_with_note(out, text, note);
        return;
    }
    tm_add_sentence(note, sizeof note,
                    "the source prints %s J/token without a scope, so it is not comparable", text);
    tm_table_add_cell_with_note(out, "N/A", note);
}

/* The machines that are published in a place; shown[others->n]. */
static void find_published(const tm_machines_view *view, const tm_machine_place *place, bool *shown)
{
    for (int m = 0; m < view->others->n; m++)
        shown[m] = tm_published_is_at(view->published, &view->others->items[m], place);
}

/* Scratch of one place. */
typedef struct scratch {
    tm_machine_values *values; /* [machines->n] */
    bool *shown;               /* [others->n] */
} scratch;

static tm_status alloc_scratch(const tm_machines_view *view, scratch *out, tm_error *err)
{
    void *memory;
    *out = (scratch){0};
    tm_status status = tm_alloc(&memory, (size_t)view->machines->n + 1, sizeof *out->values,
                                "values of machines", err);
    if (status != TM_OK) return status;
    out->values = memory;
    status = tm_alloc(&memory, (size_t)view->others->n + 1, sizeof *out->shown,
                      "published machines", err);
    if (status == TM_OK) out->shown = memory;
    return status;
}

static void free_scratch(scratch *s)
{
    tm_free(s->values);
    tm_free(s->shown);
}

static bool has_energy(const tm_machine_values *values, int n)
{
    for (int i = 0; i < n; i++)
        if (values[i].cell && values[i].cell->energy.is_asked) return true;
    return false;
}

static void add_row(const tm_machines_view *view, const tm_machine_place *place,
                    const tm_machine_arm *arm, const scratch *s, tm_machine_quantity quantity,
                    tm_table *out)
{
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", quantity_heading(quantity, place->is_prompt));
    for (int m = 0; m < view->machines->n; m++) add_figure(&s->values[m], quantity, out);
    for (int m = 0; m < view->others->n; m++)
        if (s->shown[m]) add_published(view, &view->others->items[m], place, arm, quantity, out);
}

/* Rows that say what the values are of: kernel, threads, meter. */
static void add_facts(const tm_machines_view *view, const tm_machine_place *place,
                      const tm_machine_arm *arm, const scratch *s, bool has_joules, tm_table *out)
{
    static const char *const names[] = {TM_HEADING_KERNEL, TM_HEADING_THREADS, TM_HEADING_METER};
    const tm_phase phase = place->is_prompt ? TM_PHASE_PROMPT : TM_PHASE_GENERATION;
    bool has_threads = place->threads == 0;
    char text[160];
    for (int m = 0; m < view->others->n; m++) has_threads |= s->shown[m];
    for (int fact = 0; fact < 3; fact++) {
        if ((fact == 1 && !has_threads) || (fact == 2 && !has_joules)) continue;
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", names[fact]);
        for (int m = 0; m < view->machines->n; m++) {
            const tm_cell_summary *cell = s->values[m].cell;
            if (!cell)
                tm_table_add_cell(out, "-");
            else if (fact == 0)
                tm_table_add_cell(out, "%s", cell->cell.kernel);
            else if (fact == 1)
                tm_table_add_cell(out, "%d", cell->cell.threads);
            else
                tm_table_add_cell(
                    out, "%s",
                    cell->energy.phases[phase].missing[0]
                        ? "-"
                        : tm_energy_origin(&cell->energy.phases[phase], text, sizeof text));
        }
        for (int m = 0; m < view->others->n; m++) {
            if (!s->shown[m]) continue;
            const tm_published_value *v =
                arm->kind == TM_MACHINE_KERNEL
                    ? NULL
                    : tm_published_machine_value(view->published, &view->others->items[m], place,
                                                 arm->kind, TM_MACHINE_SPEED);
            const int threads = v ? tm_published_threads(v) : 0;
            if (fact == 0 && v) /* the note of the value has the rest of the name */
                tm_table_add_cell(out, "%.*s", (int)strcspn(v->system, "(;,"), v->system);
            else if (fact == 1 && threads)
                tm_table_add_cell(out, "%d", threads);
            else if (fact == 1 && v)
                tm_table_add_cell(out, "%s",
                                  strstr(v->conditions, "unlimited") ? "unlimited" : "not stated");
            else
                tm_table_add_cell(out, "-");
        }
    }
}

static void add_arm(const tm_machines_view *view, const tm_machine_place *place,
                    const tm_machine_arm *arm, scratch *s, tm_table *out)
{
    tm_machines_values(view->machines, place, arm, s->values);
    const bool has_joules = has_energy(s->values, view->machines->n);
    if (arm->kind == TM_MACHINE_TERNARY)
        tm_table_add_group(out, "fastest ternary kernel");
    else if (arm->kind == TM_MACHINE_BASELINE)
        tm_table_add_group(out, "baseline");
    else
        tm_table_add_group(out, "kernel %s", arm->kernel);
    add_facts(view, place, arm, s, has_joules, out);
    for (int q = 0; q < TM_MACHINE_QUANTITIES; q++) {
        if (q == TM_MACHINE_JOULES && !has_joules) continue;
        if (q == TM_MACHINE_SPEEDUP && arm->kind != TM_MACHINE_TERNARY) continue;
        add_row(view, place, arm, s, (tm_machine_quantity)q, out);
    }
}

static const char *what_of(const tm_machine_place *place)
{
    return place->is_prompt            ? "Prompt"
           : place->cell->n_prompt > 0 ? "Prompt and generation"
                                       : "Generation";
}

static void add_headings(const tm_machines_view *view, const tm_machine_place *place,
                         const scratch *s, tm_table *out)
{
    char heading[192];
    tm_table_add_column(out, "", TM_LEFT);
    for (int m = 0; m < view->machines->n; m++) {
        const tm_machine_column *machine = &view->machines->items[m];
        const bool is_fake = tm_model_is_fake(place->cell->model);
        snprintf(heading, sizeof heading, "%s%s", is_fake ? "fake: " : "", machine->name);
        tm_table_add_column(out, heading, TM_RIGHT);
    }
    for (int m = 0; m < view->others->n; m++) {
        if (!s->shown[m]) continue;
        snprintf(heading, sizeof heading, "published: %s", view->others->items[m].name);
        tm_table_add_column(out, heading, TM_RIGHT);
    }
}

static void fill_sheet(const tm_machines_view *view, const tm_machine_place *place, scratch *s,
                       tm_table *out)
{
    const char *kernels[KERNELS_MAX];
    char title[400], threads[64], cpus[TM_CPU_CHOICE_SIZE + 16];
    const bool is_peer = strcmp(place->cell->engine, "ternmark") != 0;
    snprintf(title, sizeof title, "%.120s, %s (%s), %s%s%s%.31s",
             tm_model_label(place->cell->model), what_of(place), place->cell->test,
             tm_machine_place_threads(place, threads, sizeof threads),
             tm_cell_cpus_text(place->cell, cpus, sizeof cpus), is_peer ? ", engine " : "",
             is_peer ? place->cell->engine : "");
    tm_table_init(out, title);
    out->is_sheet = true;
    tm_table_name_groups(out, "Arm");
    find_published(view, place, s->shown);
    add_headings(view, place, s, out);
    for (int arm = TM_MACHINE_TERNARY; arm <= TM_MACHINE_BASELINE; arm++) {
        const tm_machine_arm own = {.kind = (tm_machine_arm_kind)arm};
        add_arm(view, place, &own, s, out);
    }
    const int n = tm_machine_kernels(view->machines, place, kernels, KERNELS_MAX);
    for (int k = 0; k < n; k++) {
        const tm_machine_arm own = {.kind = TM_MACHINE_KERNEL, .kernel = kernels[k]};
        add_arm(view, place, &own, s, out);
    }
}

tm_status tm_machines_sheets(const tm_machines_view *view, tm_tables *out, tm_error *err)
{
    scratch s;
    *out = (tm_tables){.items = calloc((size_t)view->places->n + 1, sizeof *out->items)};
    if (!out->items) return tm_fail(err, TM_NOMEM, "out of memory for the tables of machines");
    tm_status status = alloc_scratch(view, &s, err);
    for (int i = 0; i < view->places->n && status == TM_OK; i++) {
        if (!tm_machines_is_shown(view, &view->places->items[i])) continue;
        tm_table *table = &out->items[out->n++];
        fill_sheet(view, &view->places->items[i], &s, table);
        if (table->failed)
            status = tm_fail(err, TM_NOMEM, "out of memory for the tables of machines");
    }
    free_scratch(&s);
    return status;
}

/* "A, by a factor of 1.8 [1.7, 1.9] over B", or that the two are not told apart. */
static void add_answer(const tm_machines_view *view, const tm_machine_values *values,
                       tm_machine_quantity quantity, tm_table *out)
{
    const tm_machine_rank rank = tm_machines_rank(values, view->machines->n, quantity);
    const tm_machine_column *items = view->machines->items;
    char ratio[128], note[500] = "";
    if (rank.next >= 0 && rank.is_clear) {
        tm_table_add_cell(out, "%s, by a factor of %s over %s", items[rank.best].name,
                          tm_number_interval(&rank.ratio, 3, ratio, sizeof ratio),
                          items[rank.next].name);
        return;
    }
    if (rank.next >= 0) {
        const bool has_intervals = isfinite(values[rank.best].figures[quantity].value.low) &&
                                   isfinite(values[rank.next].figures[quantity].value.low);
        snprintf(note, sizeof note, "%s and %s: %s", items[rank.best].name, items[rank.next].name,
                 has_intervals ? "their intervals overlap"
                               : "one process has no interval; measure more processes");
        tm_table_add_cell_with_note(out, "not told apart", note);
        return;
    }
    for (int m = 0; m < view->machines->n; m++) {
        const char *why;
        if (!tm_machines_is_ranked(&values[m], quantity, &why))
            tm_add_sentence(note, sizeof note, "%s: %s", items[m].name, why);
    }
    tm_table_add_cell_with_note(out, rank.best < 0 ? "no value counts" : "only one value counts",
                                note[0] ? note : "one machine only");
}

/* The ternary kernels, or the baselines where no machine has ternary ones. */
static void answer_values(const tm_machines_view *view, const tm_machine_place *place,
                          tm_machine_values *values, tm_machine_arm *arm)
{
    bool has_ternary = false;
    for (int m = 0; m < view->machines->n; m++) {
        const tm_speedup *s = tm_machine_speedup(&view->machines->items[m], place);
        has_ternary |= s && s->ternary;
    }
    *arm = (tm_machine_arm){.kind = has_ternary ? TM_MACHINE_TERNARY : TM_MACHINE_BASELINE};
    tm_machines_values(view->machines, place, arm, values);
}

tm_status tm_machines_answers(const tm_machines_view *view, tm_table *out, tm_error *err)
{
    scratch s;
    tm_status status = alloc_scratch(view, &s, err);
    tm_table_init(out, "");
    tm_table_add_column(out, TM_HEADING_MODEL, TM_LEFT);
    tm_table_add_column(out, TM_HEADING_TEST, TM_LEFT);
    tm_table_add_column(out, TM_HEADING_THREADS, TM_LEFT);
    tm_table_add_column(out, "Which is faster (tokens/s)", TM_LEFT);
    tm_table_add_column(out, "Which uses its memory or peak better (%)", TM_LEFT);
    tm_table_add_column(out, "Which needs fewer joules (J/token)", TM_LEFT);
    for (int i = 0; i < view->places->n && status == TM_OK; i++) {
        const tm_machine_place *place = &view->places->items[i];
        char threads[64];
        tm_machine_arm arm;
        if (!tm_machines_is_shown(view, place)) continue;
        answer_values(view, place, s.values, &arm);
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", tm_model_label(place->cell->model));
        tm_table_add_cell(out, "%s", place->cell->test);
        tm_table_add_cell(out, "%s", tm_machine_place_threads(place, threads, sizeof threads));
        add_answer(view, s.values, TM_MACHINE_SPEED, out);
        add_answer(view, s.values, TM_MACHINE_SHARE, out);
        add_answer(view, s.values, TM_MACHINE_JOULES, out);
    }
    free_scratch(&s);
    return status == TM_OK && out->failed ? tm_fail(err, TM_NOMEM, "out of memory for answers")
                                          : status;
}
