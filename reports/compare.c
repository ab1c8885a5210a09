#include "reports/compare.h"

#include "reports/output/text.h"
#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool excludes_one(tm_interval x)
{
    return x.low > 1 || x.high < 1;
}

/* Scratch space while pairs are matched. */
typedef struct pairing {
    tm_comparison *to;
    const tm_json *run;              /* the record of the last run of a; NULL: there is none */
    double *a_controls, *b_controls; /* [n_controls] pairs with a control in both arms */
    int n_controls;
    double *a_ordered, *b_ordered; /* [n_ordered] pairs of known order */
    bool *first_is_a;
    int n_ordered;
} pairing;

static void free_pairing(pairing *p)
{
    tm_free(p->a_controls);
    tm_free(p->b_controls);
    tm_free(p->a_ordered);
    tm_free(p->b_ordered);
    tm_free(p->first_is_a);
}

static void *alloc_array(int n, size_t size, tm_status *status, tm_error *err)
{
    void *memory = NULL;
    if (*status == TM_OK) *status = tm_alloc(&memory, (size_t)n, size, "pairs", err);
    return memory;
}

static tm_status alloc_pairing(pairing *p, tm_comparison *to, int n, tm_error *err)
{
    tm_status status = TM_OK;
    *p = (pairing){.to = to};
    to->a_values = alloc_array(n, sizeof *to->a_values, &status, err);
    to->b_values = alloc_array(n, sizeof *to->b_values, &status, err);
    to->first_is_a = alloc_array(n, sizeof *to->first_is_a, &status, err);
    p->a_controls = alloc_array(n, sizeof *p->a_controls, &status, err);
    p->b_controls = alloc_array(n, sizeof *p->b_controls, &status, err);
    p->a_ordered = alloc_array(n, sizeof *p->a_ordered, &status, err);
    p->b_ordered = alloc_array(n, sizeof *p->b_ordered, &status, err);
    p->first_is_a = alloc_array(n, sizeof *p->first_is_a, &status, err);
    return status;
}

static void add_pair(pairing *p, const tm_process *a, const tm_process *b)
{
    tm_comparison *to = p->to;
    int i = to->n_pairs++;
    to->a_values[i] = a->tokens_per_second;
    to->b_values[i] = b->tokens_per_second;
    to->first_is_a[i] = a->slot < b->slot;
    if (a->slot != b->slot) {
        p->a_ordered[p->n_ordered] = a->tokens_per_second;
        p->b_ordered[p->n_ordered] = b->tokens_per_second;
        p->first_is_a[p->n_ordered++] = a->slot < b->slot;
    }
    if (isfinite(a->control) && isfinite(b->control)) {
        p->a_controls[p->n_controls] = a->control;
        p->b_controls[p->n_controls++] = b->control;
    }
}

/* With s = speed in the second slot over speed in the first, the ratio is r / s in pairs that ran a
 * first and r s in the others. The difference of their logs is -2 ln s. */
static tm_interval slot_ratio(const pairing *p)
{
    tm_interval x =
        tm_slot_effect(p->a_ordered, p->b_ordered, p->first_is_a, p->n_ordered, TM_CONFIDENCE);
    tm_interval out = x;
    out.value = exp(-0.5 * x.value);
    out.low = exp(-0.5 * x.high);
    out.high = exp(-0.5 * x.low);
    return out;
}

static void set_ratio(tm_comparison *c, double confidence)
{
    c->confidence = confidence;
    c->ratio = tm_pairs_ratio(c->a_values, c->b_values, c->n_pairs, confidence);
    c->ratio_t = tm_interval_ratio_t(c->a_values, c->b_values, c->n_pairs, confidence);
    if (c->n_pairs < TM_MIN_PAIRS)
        c->verdict = TM_VERDICT_NO_INTERVAL;
    else if (c->control_moved)
        c->verdict = TM_VERDICT_INCONCLUSIVE;
    else if (!excludes_one(c->ratio))
        c->verdict = TM_VERDICT_NO_DIFFERENCE;
    else
        c->verdict = c->ratio.value > 1 ? TM_VERDICT_FASTER : TM_VERDICT_SLOWER;
}

void tm_comparison_widen(tm_comparison *c, int n_candidates)
{
    if (n_candidates < 2 || c->n_pairs == 0) return;
    c->n_candidates = n_candidates;
    set_ratio(c, 1 - (1 - TM_CONFIDENCE) / n_candidates);
}

void tm_comparison_choice(const tm_comparison *c, char *text, size_t size)
{
    char percent[32];
    if (c->n_candidates < 2) return;
    tm_add_sentence(text, size, "fastest of %d kernels by these samples: slightly too high",
                    c->n_candidates);
    if (c->n_pairs >= TM_MIN_PAIRS)
        tm_add_sentence(text, size, "%s %% interval, Bonferroni for %d kernels",
                        tm_number_short(100 * c->confidence, 3, percent, sizeof percent),
                        c->n_candidates);
}

static void judge_pairs(pairing *p)
{
    tm_comparison *c = p->to;
    char *text = c->warning;
    size_t size = sizeof c->warning;
    c->slot = slot_ratio(p);
    c->slot_moved = excludes_one(c->slot);
    c->control = tm_interval_ratio(p->a_controls, p->b_controls, p->n_controls, TM_CONFIDENCE);
    c->control_moved = excludes_one(c->control);
    set_ratio(c, TM_CONFIDENCE);

    char advice[96];
    tm_more_processes(p->run, c->n_pairs, TM_MIN_PAIRS, advice, sizeof advice);
    if (c->n_pairs == 1)
        tm_add_sentence(text, size, "1 pair gives no interval: %s", advice);
    else if (c->n_pairs < TM_MIN_PAIRS)
        tm_add_sentence(text, size, "%d pairs give no interval, their range is shown: %s",
                        c->n_pairs, advice);
    else if (c->n_pairs < 6)
        tm_add_sentence(text, size, "%d pairs: the interval is Student's t on logarithms",
                        c->n_pairs);
    if (p->n_ordered % 2 != 0 && c->n_pairs > 1)
        tm_add_sentence(text, size,
                        "with an odd number of pairs, 1/%d of the difference between first and "
                        "second slot stays in the ratio",
                        p->n_ordered);
    if (c->n_pairs >= TM_MIN_PAIRS && excludes_one(c->ratio) != excludes_one(c->ratio_t))
        tm_add_sentence(text, size,
                        "the rank and the t interval disagree: raise --processes above %d",
                        c->n_pairs);
    if (c->slot_moved)
        tm_add_sentence(text, size, "the arm that ran second was %s by %.1f %%",
                        c->slot.value < 1 ? "slower" : "faster", 100 * fabs(1 - c->slot.value));
    if (c->control_moved)
        tm_add_sentence(text, size, "the control moved by %+.1f %%", 100 * (c->control.value - 1));
    if (c->gap_seconds > 60)
        tm_add_sentence(text, size, "up to %.0f s lie between the two processes of a pair",
                        c->gap_seconds);
    if (c->n_apart > 0)
        tm_add_sentence(text, size, "%d pair%s whose processes lie much further apart not counted",
                        c->n_apart, tm_plural(c->n_apart));
    if (c->n_unpaired > 0)
        tm_add_sentence(text, size, "%d process%s without a partner not counted", c->n_unpaired,
                        c->n_unpaired > 1 ? "es" : "");
}

/* A ratio with another engine says why to distrust that engine. */
static void warn_of_peers(tm_comparison *c)
{
    const tm_cell_summary *sides[] = {c->a, c->b};
    for (int i = 0; i < 2; i++)
        if (tm_cell_is_peer(&sides[i]->cell) && sides[i]->marks[0])
            tm_add_sentence(c->warning, sizeof c->warning, "%s: %s", sides[i]->cell.kernel,
                            sides[i]->marks);
}

static void begin_comparison(tm_comparison *out, const tm_cell_summary *a, const tm_cell_summary *b)
{
    tm_interval none = tm_interval_positive(NULL, 0, TM_CONFIDENCE);
    *out = (tm_comparison){
        .a = a, .b = b, .ratio = none, .ratio_t = none, .slot = none, .control = none};
    out->n_candidates = 1;
    out->confidence = TM_CONFIDENCE;
    out->gap_seconds = NAN;
    out->verdict = TM_VERDICT_MISSING;
    const tm_cell_summary *sides[] = {a, b};
    for (int i = 0; i < (a == b ? 1 : 2); i++) {
        if (!sides[i])
            tm_add_sentence(out->missing, sizeof out->missing, "one of the cells was not run");
        else if (*sides[i]->missing)
            tm_add_sentence(out->missing, sizeof out->missing, "%s: %s", sides[i]->cell.kernel,
                            sides[i]->missing);
    }
}

/* Time between two processes; NaN: not known. */
static double gap_of(const tm_process *a, const tm_process *b)
{
    if (isnan(a->begin) || isnan(b->begin)) return NAN;
    return fmax(0, fmax(a->begin, b->begin) - fmin(a->end, b->end));
}

/* The process of `b` that ran as a pair with one of `a`, or NULL. Each process has one partner at
 * most, even if a cell has two processes of the same number: the one of the other slot. */
static const tm_process *partner_of(const tm_process *p, const tm_cell_summary *a,
                                    const tm_cell_summary *b)
{
    const tm_process *found = tm_process_partner(p, b->processes, b->n_processes);
    return found && tm_process_partner(found, a->processes, a->n_processes) == p ? found : NULL;
}

/* The longest time between the processes of a pair that still counts. gaps: room for all pairs. */
static double longest_gap(const tm_cell_summary *a, const tm_cell_summary *b, double *gaps)
{
    int n = 0;
    for (int i = 0; i < a->n_processes; i++) {
        const tm_process *partner = partner_of(&a->processes[i], a, b);
        double gap = partner ? gap_of(&a->processes[i], partner) : NAN;
        if (isfinite(gap)) gaps[n++] = gap;
    }
    return n > 0 ? fmax(TM_PAIR_GAP_SECONDS, TM_PAIR_GAP_FACTOR * tm_median(gaps, n)) : INFINITY;
}

/* Processes of `own` that have a partner neither in `other` nor in another cell of `all`. */
static int count_unpaired(const tm_summaries *all, const tm_cell_summary *own,
                          const tm_cell_summary *other)
{
    int n = 0;
    for (int i = 0; i < own->n_processes; i++) {
        bool has_partner = partner_of(&own->processes[i], own, other);
        for (int k = 0; all && k < all->n && !has_partner; k++)
            has_partner = &all->items[k] != own && tm_same_place(&all->items[k].cell, &own->cell) &&
                          partner_of(&own->processes[i], own, &all->items[k]);
        n += !has_partner;
    }
    return n;
}

tm_status tm_compare_cells(const tm_cell_summary *a, const tm_cell_summary *b, tm_comparison *out,
                           tm_error *err)
{
    return tm_compare_among(NULL, a, b, out, err);
}

tm_status tm_compare_among(const tm_summaries *all, const tm_cell_summary *a,
                           const tm_cell_summary *b, tm_comparison *out, tm_error *err)
{
    begin_comparison(out, a, b);
    if (*out->missing) return TM_OK;
    pairing p;
    tm_status status = alloc_pairing(
        &p, out, a->n_processes < b->n_processes ? a->n_processes : b->n_processes, err);
    if (status != TM_OK) goto done;
    if (a->n_processes > 0) p.run = a->processes[a->n_processes - 1].document;
    const double limit = longest_gap(a, b, out->a_values);
    for (int i = 0; i < a->n_processes; i++) {
        const tm_process *partner = partner_of(&a->processes[i], a, b);
        if (!partner) continue;
        double gap = gap_of(&a->processes[i], partner);
        if (gap > limit) {
            out->n_apart++;
            continue;
        }
        out->gap_seconds = fmax(out->gap_seconds, gap);
        add_pair(&p, &a->processes[i], partner);
    }
    out->n_unpaired = count_unpaired(all, a, b) + count_unpaired(all, b, a);
    if (out->n_pairs > 0) warn_of_peers(out);
    if (out->n_pairs > 0)
        judge_pairs(&p);
    else if (out->n_apart > 0)
        snprintf(out->missing, sizeof out->missing,
                 "the processes of each of the %d pairs lie more than %.0f s apart", out->n_apart,
                 limit);
    else if (a->newest[0] || b->newest[0])
        snprintf(out->missing, sizeof out->missing,
                 "no pair in one run: %s was measured by build %s, %s by build %s", a->cell.kernel,
                 a->build, b->cell.kernel, b->build);
    else
        snprintf(out->missing, sizeof out->missing, "no pair in one run among %d and %d processes",
                 a->n_processes, b->n_processes);
done:
    free_pairing(&p);
    if (status != TM_OK) tm_comparison_free(out);
    return status;
}

void tm_comparison_free(tm_comparison *comparison)
{
    tm_free(comparison->a_values);
    tm_free(comparison->b_values);
    tm_free(comparison->first_is_a);
    comparison->a_values = comparison->b_values = NULL;
    comparison->first_is_a = NULL;
    comparison->n_pairs = 0;
}
