/* What is compared, and the values of each machine: per core, GHz and limit. */
#include "reports/kernel_names.h"
#include "reports/limits.h"
#include "reports/machines.h"
#include "reports/sheet.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Whether two cells, perhaps of different machines, have one model. A file may have another path
 * elsewhere. */
static bool same_model(const tm_cell *a, const tm_cell *b)
{
    if (a->model_hash[0] && b->model_hash[0] && strcmp(a->model_hash, b->model_hash) != 0)
        return false;
    return strcmp(tm_model_label(a->model), tm_model_label(b->model)) == 0;
}

static bool same_subject(const tm_cell *a, const tm_cell *b)
{
    return same_model(a, b) && strcmp(a->engine, b->engine) == 0 && strcmp(a->test, b->test) == 0 &&
           strcmp(a->cpus, b->cpus) == 0;
}

static bool is_at(const tm_machine_column *machine, const tm_machine_place *place,
                  const tm_cell *cell)
{
    return same_subject(cell, place->cell) &&
           cell->threads == (place->threads ? place->threads : machine->cores);
}

const tm_speedup *tm_machine_speedup(const tm_machine_column *machine,
                                     const tm_machine_place *place)
{
    for (int i = 0; i < machine->speedups.n; i++)
        if (is_at(machine, place, machine->speedups.items[i].cell))
            return &machine->speedups.items[i];
    return NULL;
}

static int by_place(const void *a, const void *b)
{
    const tm_machine_place *x = a, *y = b;
    const int size = tm_sheet_cells_by_size(&x->cell, &y->cell);
    if (size) return size;
    if (x->is_prompt != y->is_prompt) return x->is_prompt - y->is_prompt;
    const int test = strcmp(x->cell->test, y->cell->test);
    if (test) return test;
    if ((x->threads == 0) != (y->threads == 0)) return x->threads == 0 ? 1 : -1;
    return (x->threads > y->threads) - (x->threads < y->threads);
}

/* Adds a place unless it is there. */
static void add_place(tm_machine_places *out, const tm_cell *cell, int threads)
{
    for (int i = 0; i < out->n; i++)
        if (out->items[i].threads == threads && same_subject(out->items[i].cell, cell)) return;
    out->items[out->n++] =
        (tm_machine_place){.cell = cell, .threads = threads, .is_prompt = cell->n_gen == 0};
}

static void count_machines(const tm_machines *machines, tm_machine_place *place)
{
    place->is_all = true;
    for (int m = 0; m < machines->n; m++) {
        const tm_speedup *s = tm_machine_speedup(&machines->items[m], place);
        if (!s) continue;
        place->n_machines++;
        place->is_all &= s->cell->threads == machines->items[m].cores;
    }
}

/* Machines of different sizes also meet at all of their cores. */
static void add_whole_machines(const tm_machines *machines, tm_machine_places *out)
{
    const int n = out->n;
    for (int i = 0; i < n; i++) {
        int least = 0, most = 0;
        const tm_machine_place all = {.cell = out->items[i].cell};
        for (int m = 0; m < machines->n; m++) {
            const int cores = machines->items[m].cores;
            if (cores == 0 || !tm_machine_speedup(&machines->items[m], &all)) continue;
            if (!least || cores < least) least = cores;
            if (cores > most) most = cores;
        }
        if (least != most) add_place(out, out->items[i].cell, 0);
    }
}

tm_status tm_machine_places_make(const tm_machines *machines, tm_machine_places *out, tm_error *err)
{
    void *memory;
    int room = 0;
    *out = (tm_machine_places){0};
    for (int m = 0; m < machines->n; m++) room += machines->items[m].speedups.n;
    tm_status status = tm_alloc(&memory, 2 * (size_t)room + 1, sizeof *out->items, "places", err);
    if (status != TM_OK) return status;
    out->items = memory;
    for (int m = 0; m < machines->n; m++)
        for (int i = 0; i < machines->items[m].speedups.n; i++) {
            const tm_cell *cell = machines->items[m].speedups.items[i].cell;
            add_place(out, cell, cell->threads);
        }
    add_whole_machines(machines, out);
    for (int i = 0; i < out->n; i++) count_machines(machines, &out->items[i]);
    qsort(out->items, (size_t)out->n, sizeof *out->items, by_place);
    return TM_OK;
}

void tm_machine_places_free(tm_machine_places *places)
{
    tm_free(places->items);
    *places = (tm_machine_places){0};
}

char *tm_machine_place_threads(const tm_machine_place *place, char *text, size_t size)
{
    if (place->threads == 0)
        snprintf(text, size, "all cores of each machine");
    else
        snprintf(text, size, "%d thread%s%s", place->threads, tm_plural(place->threads),
                 place->is_all ? " (all cores)" : "");
    return text;
}

TM_PRINTF(2, 3)
static void miss(tm_machine_figure *figure, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    figure->value = (tm_interval){.value = NAN, .low = NAN, .high = NAN};
    vsnprintf(figure->missing, sizeof figure->missing, fmt, args);
    va_end(args);
}

static void scale(tm_machine_figure *figure, const tm_interval *value, double factor)
{
    figure->value = *value;
    figure->value.value *= factor;
    figure->value.low *= factor;
    figure->value.high *= factor;
}

static const tm_cell_summary *find_kernel(const tm_machine_column *machine,
                                          const tm_machine_place *place, const char *kernel)
{
    const tm_cell_summary *found = NULL;
    for (int i = 0; i < machine->summaries.n; i++) {
        const tm_cell_summary *s = &machine->summaries.items[i];
        if (s->superseded || strcmp(s->cell.role, TM_ROLE_AA) == 0 ||
            strcmp(s->cell.kernel, kernel) != 0 || !is_at(machine, place, &s->cell))
            continue;
        if (!found || (isfinite(s->tokens_per_second.value) &&
                       !(found->tokens_per_second.value >= s->tokens_per_second.value)))
            found = s;
    }
    return found;
}

static void set_speed(const tm_machine_values *v, tm_machine_figure *speed)
{
    if (isfinite(v->cell->tokens_per_second.value))
        speed->value = v->cell->tokens_per_second;
    else
        miss(speed, "%s", v->cell->missing[0] ? v->cell->missing : "not measured");
}

/* The share of the limit that the cell uses; its interval is that of the speed. */
static void set_share(const tm_machine_values *v, bool is_prompt, tm_machine_figure *share)
{
    const tm_cell_limit limit = is_prompt ? tm_limit_multiply(v->cell) : tm_limit_read(v->cell);
    const tm_interval *speed = &v->figures[TM_MACHINE_SPEED].value;
    if (v->cell->cell.n_prompt > 0 && v->cell->cell.n_gen > 0)
        miss(share, "the test has a prompt and a generation, which have different limits");
    else if (!isfinite(limit.share.value))
        miss(share, "%s", limit.share.missing[0] ? limit.share.missing : "not measured");
    else
        scale(share, speed, 100 * limit.share.value / speed->value);
}

static void set_joules(tm_machine_values *v, bool is_prompt, tm_machine_figure *joules)
{
    const tm_energy_phase *e =
        &v->cell->energy.phases[is_prompt ? TM_PHASE_PROMPT : TM_PHASE_GENERATION];
    char text[64];
    if (e->fake && isfinite(e->joules_per_token.value)) {
        miss(joules, "fake: %s J/token, which the source fake made for tests",
             tm_number(e->joules_per_token.value, 3, text, sizeof text));
    } else if (isfinite(e->joules_per_token.value)) {
        joules->value = e->joules_per_token;
        v->scope = e->scope;
    } else
        miss(joules, "%s",
             !v->cell->energy.is_asked ? "no run asked for energy"
             : e->missing[0]           ? e->missing
                                       : "not measured");
}

/* Fills what follows from the speed. */
static void set_figures(const tm_machine_column *machine, const tm_machine_place *place,
                        tm_machine_values *v)
{
    tm_machine_figure *f = v->figures;
    const tm_interval *speed = &f[TM_MACHINE_SPEED].value;
    set_speed(v, &f[TM_MACHINE_SPEED]);
    v->clock_ghz = tm_limit_clock(v->cell);
    v->cores = machine->cores > 0 && machine->cores < v->cell->cell.threads
                   ? machine->cores
                   : (machine->cores > 0 ? v->cell->cell.threads : 0);
    if (!isfinite(speed->value)) {
        for (int q = TM_MACHINE_PER_CORE; q < TM_MACHINE_QUANTITIES; q++)
            miss(&f[q], "%s", f[TM_MACHINE_SPEED].missing);
    } else if (v->unranked[0]) {
        for (int q = TM_MACHINE_PER_CORE; q < TM_MACHINE_QUANTITIES; q++)
            miss(&f[q], "%s", v->unranked);
    } else {
        if (v->cores)
            scale(&f[TM_MACHINE_PER_CORE], speed, 1.0 / v->cores);
        else
            miss(&f[TM_MACHINE_PER_CORE], "the number of physical cores is not recorded");
        if (isfinite(v->clock_ghz.value))
            scale(&f[TM_MACHINE_PER_GHZ], speed, 1 / v->clock_ghz.value);
        else
            miss(&f[TM_MACHINE_PER_GHZ], "no clock: %s", v->clock_ghz.missing);
        set_share(v, place->is_prompt, &f[TM_MACHINE_SHARE]);
        set_joules(v, place->is_prompt, &f[TM_MACHINE_JOULES]);
    }
}

static void set_speedup(const tm_speedup *speedup, const tm_machine_values *v,
                        tm_machine_figure *out)
{
    if (out->missing[0]) return;
    if (speedup && v->cell == speedup->ternary && isfinite(speedup->comparison.ratio.value))
        out->value = speedup->comparison.ratio;
    else
        miss(out, "%s",
             speedup && speedup->comparison.missing[0] ? speedup->comparison.missing
                                                       : "no pairs with the baseline");
}

/* Joules of two scopes are not comparable: only those of the scope that most machines have stay. */
static void keep_one_scope(tm_machine_values *values, int n)
{
    const char *common = "";
    int most = 0;
    for (int i = 0; i < n; i++) {
        int same = 0;
        for (int k = 0; k < n; k++) same += strcmp(values[i].scope, values[k].scope) == 0;
        if (values[i].scope[0] && same > most) {
            most = same;
            common = values[i].scope;
        }
    }
    for (int i = 0; i < n; i++) {
        char text[128];
        tm_machine_figure *joules = &values[i].figures[TM_MACHINE_JOULES];
        if (!values[i].scope[0] || strcmp(values[i].scope, common) == 0) continue;
        tm_number_interval(&joules->value, 3, text, sizeof text);
        miss(joules,
             "%s J/token of the scope %s, which is not comparable with %s; a wall meter on every "
             "machine makes joules comparable",
             text, values[i].scope, common);
    }
}

static void set_values(const tm_machine_column *machine, const tm_machine_place *place,
                       const tm_machine_arm *arm, tm_machine_values *v)
{
    const tm_speedup *speedup = tm_machine_speedup(machine, place);
    const bool is_baseline = arm->kind == TM_MACHINE_BASELINE;
    *v = (tm_machine_values){.scope = "", .clock_ghz = {.value = NAN}};
    snprintf(v->unranked, sizeof v->unranked, "%s",
             tm_model_is_fake(place->cell->model)
                 ? "fake: a scripted model, whose times test the harness"
                 : machine->unranked);
    v->cell = arm->kind == TM_MACHINE_KERNEL ? find_kernel(machine, place, arm->kernel)
                                             : tm_sheet_arm(speedup, is_baseline);
    if (v->cell) {
        set_figures(machine, place, v);
        set_speedup(speedup, v, &v->figures[TM_MACHINE_SPEEDUP]);
        return;
    }
    for (int q = 0; q < TM_MACHINE_QUANTITIES; q++)
        if (speedup && arm->kind != TM_MACHINE_KERNEL)
            tm_speedup_absent(&machine->speedups, speedup, is_baseline, v->figures[q].missing,
                              sizeof v->figures[q].missing);
        else
            miss(&v->figures[q], "this machine ran no such cell");
    for (int q = 0; q < TM_MACHINE_QUANTITIES; q++)
        v->figures[q].value = (tm_interval){.value = NAN, .low = NAN, .high = NAN};
}

void tm_machines_values(const tm_machines *machines, const tm_machine_place *place,
                        const tm_machine_arm *arm, tm_machine_values *out)
{
    for (int m = 0; m < machines->n; m++) set_values(&machines->items[m], place, arm, &out[m]);
    keep_one_scope(out, machines->n);
}

/* Whether every machine that ran the kernel shows it as one of the two arms. */
static bool is_shown_already(const tm_machines *machines, const tm_machine_place *place,
                             const char *kernel)
{
    for (int m = 0; m < machines->n; m++) {
        const tm_speedup *s = tm_machine_speedup(&machines->items[m], place);
        const tm_cell_summary *own = find_kernel(&machines->items[m], place, kernel);
        if (own && own != tm_sheet_arm(s, true) && own != tm_sheet_arm(s, false)) return false;
    }
    return true;
}

int tm_machine_kernels(const tm_machines *machines, const tm_machine_place *place, const char **out,
                       int max)
{
    int n = 0;
    for (int m = 0; m < machines->n; m++)
        for (int i = 0; i < machines->items[m].summaries.n && n < max; i++) {
            const tm_cell *cell = &machines->items[m].summaries.items[i].cell;
            int n_machines = 0;
            bool is_known =
                !is_at(&machines->items[m], place, cell) || strcmp(cell->role, TM_ROLE_AA) == 0;
            for (int k = 0; k < n; k++) is_known |= strcmp(out[k], cell->kernel) == 0;
            if (is_known) continue;
            for (int k = 0; k < machines->n; k++)
                n_machines += find_kernel(&machines->items[k], place, cell->kernel) ? 1 : 0;
            if (n_machines > 1 && !is_shown_already(machines, place, cell->kernel))
                out[n++] = cell->kernel;
        }
    return n;
}

bool tm_machines_is_ranked(const tm_machine_values *values, tm_machine_quantity quantity,
                           const char **why)
{
    const tm_machine_figure *f = &values->figures[quantity];
    const char *reason = NULL;
    if (!isfinite(f->value.value))
        reason = f->missing;
    else if (values->unranked[0])
        reason = values->unranked;
    else if (quantity == TM_MACHINE_SHARE && f->value.value > TM_MACHINE_SHARE_MAX)
        reason = "above its limit: a cache served it, or the machine was busy when the limit was "
                 "measured";
    if (why) *why = reason;
    return !reason;
}

tm_machine_rank tm_machines_rank(const tm_machine_values *values, int n,
                                 tm_machine_quantity quantity)
{
    tm_machine_rank rank = {.best = -1, .next = -1, .ratio = {.value = NAN}};
    const double sign = quantity == TM_MACHINE_JOULES ? -1 : 1;
    for (int i = 0; i < n; i++) {
        const double own = sign * values[i].figures[quantity].value.value;
        if (!tm_machines_is_ranked(&values[i], quantity, NULL)) continue;
        if (rank.best < 0 || own > sign * values[rank.best].figures[quantity].value.value) {
            rank.next = rank.best;
            rank.best = i;
        } else if (rank.next < 0 || own > sign * values[rank.next].figures[quantity].value.value)
            rank.next = i;
    }
    if (rank.next < 0) return rank;
    const tm_interval *a = &values[sign > 0 ? rank.best : rank.next].figures[quantity].value;
    const tm_interval *b = &values[sign > 0 ? rank.next : rank.best].figures[quantity].value;
    rank.is_clear = a->low > b->high;
    rank.ratio = (tm_interval){
        .value = a->value / b->value, .low = a->low / b->high, .high = a->high / b->low};
    return rank;
}
