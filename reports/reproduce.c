#include "reports/reproduce.h"

#include "reports/limits.h"
#include "reports/report_parts.h"
#include "reports/summary_cell.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define F16_BYTES 2.0 /* per weight of an fp16 baseline */

const char *tm_claim_verdict_name(tm_claim_verdict verdict)
{
    static const char *const names[] = {
        "reproduced",     "same direction, smaller", "same direction, larger",
        "not reproduced", "not comparable",          "not measured",
    };
    return names[verdict];
}

/* The value of no effect, which separates the directions; NaN: an absolute value has none. */
static double neutral_of(tm_claim_metric metric)
{
    return metric == TM_CLAIM_SPEEDUP ? 1 : metric == TM_CLAIM_SAVING_PERCENT ? 0 : NAN;
}

tm_claim_verdict tm_claim_judge(const tm_claim *claim, const tm_interval *m)
{
    const tm_claim_group *g = claim->group;
    const double low = claim->low - g->tolerance * fabs(claim->low);
    const double high = claim->high + g->tolerance * fabs(claim->high);
    /* One process has no interval: the value stands for it. */
    const double from = isfinite(m->low) ? m->low : m->value;
    const double to = isfinite(m->high) ? m->high : m->value;
    const bool overlaps = from <= high && to >= low;
    const double neutral = neutral_of(g->metric);
    if (isnan(neutral)) {
        if (overlaps) return TM_CLAIM_REPRODUCED;
        const bool is_better = g->metric == TM_CLAIM_TOKENS_PER_SECOND ? from > high : to < low;
        return is_better ? TM_CLAIM_LARGER : TM_CLAIM_NOT_REPRODUCED;
    }
    const bool claims_effect = low > neutral || high < neutral;
    const bool may_be_none = from <= neutral && to >= neutral;
    if (overlaps) return claims_effect && may_be_none ? TM_CLAIM_NOT_MEASURED : TM_CLAIM_REPRODUCED;
    if (!claims_effect || may_be_none || (low > neutral) != (from > neutral))
        return TM_CLAIM_NOT_REPRODUCED;
    return (low > neutral) == (from > high) ? TM_CLAIM_LARGER : TM_CLAIM_SMALLER;
}

/* A column of cells that may answer a claim: one machine, model, number of threads and test. */
typedef struct column {
    const tm_summaries *all;
    const tm_cell_summary *any; /* one of its cells */
    const tm_summary_machine *machine;
    int cores;
    const tm_cell_summary *a, *b; /* kernel and baseline; NULL: no such cell */
    int n_a, n_b;                 /* cells that each is the fastest of */
} column;

static bool is_ours(const tm_cell *cell)
{
    return strcmp(cell->engine, "ternmark") == 0 && strcmp(cell->role, TM_ROLE_AA) != 0 &&
           !cell->variant[0];
}

static const char *architecture_of(const tm_summary_machine *machine)
{
    return tm_json_text(tm_json_get(tm_json_get(machine->run, "machine"), "architecture"), "");
}

static bool is_emulated(const tm_summary_machine *machine)
{
    return tm_json_true(tm_json_get(tm_json_get(machine->run, "machine"), "emulated"));
}

/* Whether the layout of a kernel, the first part of its name, is the one named. */
static bool has_layout(const char *kernel, const char *layout)
{
    const size_t n = strlen(layout);
    return strncmp(kernel, layout, n) == 0 && kernel[n] == '_';
}

/* The fastest cell of a kernel or layout in the column of `any`. */
static const tm_cell_summary *find_arm(const tm_summaries *all, const tm_cell *any,
                                       const char *name, const tm_cell_summary *partner, int *n)
{
    const tm_cell_summary *found = NULL;
    const bool is_f16 = strcmp(name, TM_CLAIM_F16) == 0;
    *n = 0;
    if (is_f16 || strcmp(name, TM_CLAIM_TERNARY) == 0) {
        const tm_best_query query = {
            .role = is_f16 ? TM_ROLE_BASELINE : TM_ROLE_TERNARY, .column = any, .partner = partner};
        return tm_summaries_best(all, &query, n);
    }
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->superseded || !is_ours(&s->cell) || !tm_same_column(&s->cell, any) ||
            !has_layout(s->cell.kernel, name))
            continue;
        *n += !s->missing[0];
        if (!found ||
            (!s->missing[0] && !(found->tokens_per_second.value > s->tokens_per_second.value)))
            found = s;
    }
    return found;
}

/* The fastest fp16 peer in the column: a peer whose name or weights say that they are fp16. */
static const tm_cell_summary *find_peer(const tm_summaries *all, const tm_cell *any)
{
    const tm_cell_summary *found = NULL;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        const char *name = s->cell.kernel;
        const bool is_f16 = s->bits_per_weight.value == 16 || strstr(name, "f16") ||
                            strstr(name, "F16") || strstr(name, "fp16");
        if (s->superseded || s->missing[0] || strcmp(s->cell.role, TM_ROLE_PEER) != 0 || !is_f16 ||
            !tm_same_place(&s->cell, any))
            continue;
        if (!found || s->tokens_per_second.value > found->tokens_per_second.value) found = s;
    }
    return found;
}

/* Whether the paper names the shape of a cell anywhere, for claims over all its models. */
static bool is_shape_of_claim(const tm_claims *claims, const tm_claim *claim, const char *shape)
{
    if (!shape[0] || !claim->shape[0]) return false;
    if (strcmp(claim->shape, TM_CLAIM_ANY_SHAPE) != 0)
        return strcmp(tm_shape_label(claim->shape), shape) == 0;
    for (int i = 0; i < claims->n; i++) {
        const tm_claim *other = &claims->items[i];
        if (strcmp(other->group->paper, claim->group->paper) == 0 &&
            strcmp(other->shape, TM_CLAIM_ANY_SHAPE) != 0 && other->shape[0] &&
            strcmp(tm_shape_label(other->shape), shape) == 0)
            return true;
    }
    return false;
}

/* Whether the cell has the claim's model, threads and kind of test. */
static bool is_of_claim(const tm_claims *claims, const tm_claim *claim, const tm_cell *cell,
                        int cores)
{
    const tm_claim_group *g = claim->group;
    if (!is_ours(cell) || cell->depth > 0 || cell->n_sequences > 1) return false;
    if ((g->is_prompt ? cell->n_gen : cell->n_prompt) > 0) return false;
    /* A speed-up hardly depends on the length of a generation, a speed does. */
    if (!tm_claim_is_relative(g->metric) && g->length &&
        g->length != (g->is_prompt ? cell->n_prompt : cell->n_gen))
        return false;
    if (cell->threads != (claim->threads ? claim->threads : cores)) return false;
    return is_shape_of_claim(claims, claim, tm_cell_shape(cell));
}

/* How well a column answers: with values, with the stated length, with more processes. */
static double worth(const column *c, const tm_claim *claim)
{
    const tm_cell *cell = &c->any->cell;
    const int length = claim->group->is_prompt ? cell->n_prompt : cell->n_gen;
    double points = length == claim->group->length ? 1e6 : fmin(length, 1e5);
    if (c->a && !c->a->missing[0]) points += 1e7 + c->a->n_processes;
    if (c->b && !c->b->missing[0]) points += 1e8;
    if (c->any->newest[0] || c->any->older_model) points -= 5e5;
    return points;
}

static column make_column(const tm_summaries *all, const tm_cell_summary *any,
                          const tm_claim_group *g)
{
    column c = {.all = all, .any = any, .machine = &all->machines[any->cell.machine]};
    c.cores = tm_report_cores(c.machine->run);
    if (g->baseline[0]) c.b = find_arm(all, &any->cell, g->baseline, NULL, &c.n_b);
    if (g->kernel[0]) c.a = find_arm(all, &any->cell, g->kernel, c.b, &c.n_a);
    return c;
}

static bool is_machine_of(const tm_claim_group *g, const tm_summary_machine *machine)
{
    if (is_emulated(machine)) return false;
    if (g->cpu[0] && !strstr(machine->name, g->cpu)) return false;
    return strcmp(g->machine, "gpu") == 0 || strcmp(g->machine, "any") == 0 ||
           strcmp(g->machine, architecture_of(machine)) == 0;
}

/* The columns that may answer a claim, the best of each model. Returns their number; *list is
 * owned by the caller. */
static tm_status find_columns(const tm_reproduce_input *in, const tm_claim *claim, column **list,
                              int *n, tm_error *err)
{
    int room = 1;
    for (int s = 0; s < in->n_stores; s++) room += in->summaries[s].n;
    *n = 0;
    *list = calloc((size_t)room, sizeof **list);
    if (!*list) return tm_fail(err, TM_NOMEM, "no memory for %d cells", room);
    for (int s = 0; s < in->n_stores; s++) {
        const tm_summaries *all = &in->summaries[s];
        for (int i = 0; i < all->n; i++) {
            const tm_cell_summary *cell = &all->items[i];
            const tm_summary_machine *machine = &all->machines[cell->cell.machine];
            if (cell->superseded || !is_machine_of(claim->group, machine) ||
                !is_of_claim(in->claims, claim, &cell->cell, tm_report_cores(machine->run)))
                continue;
            column c = make_column(all, cell, claim->group);
            int k = 0;
            while (k < *n &&
                   strcmp(tm_cell_shape(&(*list)[k].any->cell), tm_cell_shape(&cell->cell)) != 0)
                k++;
            if (k == *n)
                (*list)[(*n)++] = c;
            else if (worth(&c, claim) > worth(&(*list)[k], claim))
                (*list)[k] = c;
        }
    }
    return TM_OK;
}

static const tm_interval nothing = {.value = NAN, .low = NAN, .high = NAN, .method = "none"};

/* Ratio of the speeds of two cells. */
static tm_status ratio_of(const column *c, const tm_cell_summary *a, const tm_cell_summary *b,
                          int n_a, tm_interval *out, char *missing, size_t size, tm_error *err)
{
    tm_comparison comparison;
    tm_status status = tm_compare_among(c->all, a, b, &comparison, err);
    if (status != TM_OK) return status;
    tm_comparison_widen(&comparison, n_a);
    *out = comparison.n_pairs > 0 ? comparison.ratio : nothing;
    snprintf(missing, size, "%.*s", (int)size - 1, comparison.missing);
    if (comparison.control_moved)
        snprintf(missing, size, "inconclusive: the control moved by %+.1f %% between the two arms",
                 100 * (comparison.control.value - 1));
    tm_comparison_free(&comparison);
    return TM_OK;
}

static tm_status measure_saving(const column *c, tm_interval *out, char *missing, size_t size,
                                tm_error *err)
{
    tm_energy_ratio ratio;
    const tm_phase phase = c->any->cell.n_gen > 0 ? TM_PHASE_GENERATION : TM_PHASE_PROMPT;
    if (!c->a || !c->b) {
        snprintf(missing, size, "one of the two arms was not run");
        return TM_OK;
    }
    tm_status status =
        tm_energy_compare(&c->a->energy.phases[phase], &c->b->energy.phases[phase], &ratio, err);
    if (status != TM_OK) return status;
    if (isfinite(ratio.gross.value)) *out = tm_energy_saving_percent(&ratio.gross);
    snprintf(missing, size, "%.*s", (int)size - 1, ratio.missing);
    return TM_OK;
}

static void measure_absolute(const column *c, tm_claim_metric metric, tm_interval *out,
                             char *missing, size_t size)
{
    if (!c->a || c->a->missing[0]) {
        snprintf(missing, size, "%.*s", (int)size - 1, c->a ? c->a->missing : "it was not run");
        return;
    }
    *out = c->a->tokens_per_second;
    if (metric == TM_CLAIM_MS_PER_TOKEN) {
        const tm_interval rate = *out;
        out->value = 1e3 / rate.value;
        out->low = 1e3 / rate.high;
        out->high = 1e3 / rate.low;
    }
}

/* The claim's quantity in one column. `missing` says why it is NaN, or why it cannot be judged. */
static tm_status measure(const column *c, const tm_claim_group *g, tm_interval *out, char *missing,
                         size_t size, tm_error *err)
{
    *out = nothing;
    missing[0] = '\0';
    if (g->metric == TM_CLAIM_SPEEDUP)
        return ratio_of(c, c->a, c->b, c->n_a, out, missing, size, err);
    if (g->metric == TM_CLAIM_SAVING_PERCENT) return measure_saving(c, out, missing, size, err);
    measure_absolute(c, g->metric, out, missing, size);
    return TM_OK;
}

/* Adds a column's value to a claim over several models. */
static void widen_over_models(tm_interval *all, const tm_interval *one, int n, double *sum,
                              tm_claim_metric metric)
{
    *sum += metric == TM_CLAIM_SPEEDUP ? log(one->value) : one->value;
    all->low = n == 1 ? one->value : fmin(all->low, one->value);
    all->high = n == 1 ? one->value : fmax(all->high, one->value);
    all->value = metric == TM_CLAIM_SPEEDUP ? exp(*sum / n) : *sum / n;
    all->n = n;
    all->method = "range over models";
}

static const tm_model_size *find_size(const tm_reproduce_input *in, const char *shape)
{
    for (int i = 0; i < in->n_sizes; i++)
        if (strcmp(in->sizes[i].name, tm_shape_label(shape)) == 0) return &in->sizes[i];
    return NULL;
}

/* What the published baseline read. */
static void set_baseline_worth(const tm_reproduce_input *in, tm_claim_result *r)
{
    const tm_claim *claim = r->claim;
    const tm_model_size *size = find_size(in, claim->shape);
    if (strcmp(claim->group->baseline, TM_CLAIM_F16) != 0 || claim->group->is_prompt ||
        claim->group->metric != TM_CLAIM_SPEEDUP)
        tm_measured_miss(&r->baseline_gb_per_second, "the claim is not about generation over fp16");
    else if (!isfinite(claim->baseline_value) || !size)
        tm_measured_miss(&r->baseline_gb_per_second, "the source prints no speed of its baseline");
    else
        tm_measured_set(&r->baseline_gb_per_second,
                        claim->baseline_value * F16_BYTES * 1e-9 *
                            (double)(size->linear_weights + size->embedding_weights));
    if (strcmp(claim->group->machine, "gpu") == 0)
        tm_measured_miss(&r->baseline_gb_per_second, "the claim is about a GPU");
}

/* The two further ratios, and what our own baseline read. */
static tm_status add_ratios(const column *c, tm_claim_result *r, tm_error *err)
{
    int n_f16, n_a;
    const tm_cell_summary *f16 = find_arm(c->all, &c->any->cell, TM_CLAIM_F16, NULL, &n_f16);
    const tm_cell_summary *a = c->a;
    n_a = c->n_a;
    if (!a) a = find_arm(c->all, &c->any->cell, TM_CLAIM_TERNARY, f16, &n_a);
    const tm_cell_summary *peer = find_peer(c->all, &c->any->cell);
    tm_status status =
        ratio_of(c, a, f16, n_a, &r->over_f16, r->f16_missing, sizeof r->f16_missing, err);
    if (status == TM_OK && peer) {
        snprintf(r->peer, sizeof r->peer, "%s", peer->cell.kernel);
        status =
            ratio_of(c, a, peer, n_a, &r->over_peer, r->peer_missing, sizeof r->peer_missing, err);
    }
    if (f16) {
        r->f16_gb_per_second = f16->read_gb_per_second;
        r->f16_share = tm_limit_read(f16).share;
    }
    return status;
}

/* Why no machine of the stores is the one of the claim; "" if one is. */
static void explain_machine(const tm_reproduce_input *in, const tm_claim_group *g, char *out,
                            size_t size)
{
    const tm_summary_machine *other = NULL;
    out[0] = '\0';
    for (int s = 0; s < in->n_stores; s++)
        for (int m = 0; m < in->summaries[s].n_machines; m++) {
            const tm_summary_machine *machine = &in->summaries[s].machines[m];
            if (is_machine_of(g, machine)) return;
            if (!other || !is_emulated(machine)) other = machine;
        }
    if (!other) {
        snprintf(out, size, "no store names its machine");
        return;
    }
    const char *name = other->name[0] ? other->name : "a CPU that is not recorded";
    if (is_emulated(other))
        snprintf(out, size,
                 "these stores are from an emulated machine, whose times have no meaning");
    else if (g->cpu[0])
        snprintf(out, size, "an absolute value from %s; these stores are from %s", g->device, name);
    else
        snprintf(out, size, "the claim is about %s; these stores are from %s (%s)", g->machine,
                 name,
                 architecture_of(other)[0] ? architecture_of(other) : "architecture not recorded");
}

/* What a reader must know of the cells that gave a verdict. */
static void add_circumstances(const column *c, const tm_claim *claim, int n_models, char *text,
                              size_t size)
{
    const tm_claim_group *g = claim->group;
    const tm_cell *cell = &c->any->cell;
    char test[24];
    tm_add_sentence(text, size, "%s, %d thread%s, %s",
                    c->machine->name[0] ? c->machine->name : "CPU not recorded", cell->threads,
                    tm_plural(cell->threads), cell->test);
    if (strcmp(claim->shape, TM_CLAIM_ANY_SHAPE) == 0)
        tm_add_sentence(text, size, "judged by %d of the paper's models", n_models);
    if (n_models == 1 && c->a && c->b)
        tm_add_sentence(text, size, "%s over %s", c->a->cell.kernel, c->b->cell.kernel);
    else if (n_models == 1 && c->a)
        tm_add_sentence(text, size, "%s", c->a->cell.kernel);
    if (g->metric == TM_CLAIM_SAVING_PERCENT && c->a) {
        char origin[160];
        const tm_phase phase = cell->n_gen > 0 ? TM_PHASE_GENERATION : TM_PHASE_PROMPT;
        tm_add_sentence(text, size, "gross joules, %s",
                        tm_energy_origin(&c->a->energy.phases[phase], origin, sizeof origin));
    }
    const double a_cv = c->a ? c->a->cv : NAN, b_cv = c->b ? c->b->cv : NAN;
    if (n_models == 1 && fmax(a_cv, b_cv) > TM_UNSTABLE_CV) /* fmax leaves out a NaN */
        tm_add_sentence(text, size, "processes of an arm scatter by %.0f %%",
                        100 * fmax(a_cv, b_cv));
    if (!claim->threads) tm_add_sentence(text, size, "all cores: %d here", c->cores);
    if (g->length && g->length != (g->is_prompt ? cell->n_prompt : cell->n_gen))
        tm_add_sentence(text, size, "published with %s", tm_claim_test(claim, test));
    if (strcmp(g->kernel, TM_CLAIM_TERNARY) != 0)
        tm_add_sentence(text, size, "our kernels of these layouts, not the source's code");
}

static void explain_verdict(const column *c, int n_models, tm_claim_result *r)
{
    char measured[64], tolerance[32];
    const tm_claim *claim = r->claim;
    const tm_interval *m = &r->measured;
    tm_number_interval(m, 3, measured, sizeof measured);
    if (r->verdict == TM_CLAIM_NOT_MEASURED)
        snprintf(
            r->reason, sizeof r->reason,
            "inconclusive: %s holds both the published %s and no effect; more processes narrow "
            "it",
            measured, claim->printed);
    else if (claim->group->tolerance > 0)
        snprintf(r->reason, sizeof r->reason, "%s against %s +-%s %%", measured, claim->printed,
                 tm_number_short(100 * claim->group->tolerance, 3, tolerance, sizeof tolerance));
    else
        snprintf(r->reason, sizeof r->reason, "%s against %s", measured, claim->printed);
    add_circumstances(c, claim, n_models, r->reason, sizeof r->reason);
    if (claim->group->not_stated[0])
        tm_add_sentence(r->reason, sizeof r->reason, "the source does not state %s",
                        claim->group->not_stated);
}

/* Measures a column for a verdict: `missing` says why it gives none; "": it does. */
static tm_status measure_for_verdict(const column *c, const tm_claim_group *g, tm_interval *out,
                                     char *missing, size_t size, tm_error *err)
{
    tm_status status = measure(c, g, out, missing, size, err);
    if (status != TM_OK || missing[0]) return status;
    if (!isfinite(out->value))
        snprintf(missing, size, "no arm has a value");
    else if (out->n < TM_MIN_PAIRS)
        snprintf(missing, size, "only %d %s: %d give an interval", out->n,
                 tm_claim_is_relative(g->metric) ? "pairs" : "processes", TM_MIN_PAIRS);
    return TM_OK;
}

static tm_status judge_model(const column *c, tm_claim_result *r, tm_error *err)
{
    tm_status status =
        measure_for_verdict(c, r->claim->group, &r->measured, r->reason, sizeof r->reason, err);
    r->verdict = TM_CLAIM_NOT_MEASURED;
    if (status != TM_OK || r->reason[0]) return status;
    r->verdict = tm_claim_judge(r->claim, &r->measured);
    explain_verdict(c, 1, r);
    return TM_OK;
}

/* A claim over all models of a paper is reproduced if every model that was measured confirms it.
 * Otherwise the worst of them decides. */
static tm_status judge_all_models(const column *list, int n, tm_claim_result *r, tm_error *err)
{
    static const tm_claim_verdict worst_first[] = {TM_CLAIM_NOT_REPRODUCED, TM_CLAIM_SMALLER,
                                                   TM_CLAIM_LARGER, TM_CLAIM_REPRODUCED};
    const column *shown = NULL;
    tm_interval one, first = nothing;
    char missing[480];
    double sum = 0;
    int counts[TM_CLAIM_N_VERDICTS] = {0}, n_models = 0;
    r->verdict = TM_CLAIM_NOT_MEASURED;
    for (int i = 0; i < n; i++) {
        tm_status status =
            measure_for_verdict(&list[i], r->claim->group, &one, missing, sizeof missing, err);
        if (status != TM_OK) return status;
        if (missing[0] && !r->reason[0]) snprintf(r->reason, sizeof r->reason, "%s", missing);
        const tm_claim_verdict verdict =
            missing[0] ? TM_CLAIM_NOT_MEASURED : tm_claim_judge(r->claim, &one);
        counts[verdict]++;
        if (verdict == TM_CLAIM_NOT_MEASURED) continue;
        shown = &list[i];
        if (++n_models == 1) first = one;
        widen_over_models(&r->measured, &one, n_models, &sum, r->claim->group->metric);
    }
    if (!shown) {
        if (!r->reason[0])
            snprintf(r->reason, sizeof r->reason, "inconclusive: more processes are needed");
        return TM_OK;
    }
    if (n_models == 1) r->measured = first;
    for (int i = 3; i >= 0; i--)
        if (counts[worst_first[i]] > 0) r->verdict = worst_first[i];
    explain_verdict(shown, n_models, r);
    for (int i = 0; i < 4 && n_models > 1; i++)
        if (counts[worst_first[i]] > 0)
            tm_add_sentence(r->reason, sizeof r->reason, "%s: %d model%s",
                            tm_claim_verdict_name(worst_first[i]), counts[worst_first[i]],
                            tm_plural(counts[worst_first[i]]));
    return TM_OK;
}

/* Judges by the columns that were found. */
static tm_status judge_columns(const column *list, int n, tm_claim_result *r, tm_error *err)
{
    const bool is_over_models = strcmp(r->claim->shape, TM_CLAIM_ANY_SHAPE) == 0;
    char test[24], threads[24];
    if (n > 0 && is_over_models) return judge_all_models(list, n, r, err);
    if (n > 0) return judge_model(&list[0], r, err);
    r->verdict = TM_CLAIM_NOT_MEASURED;
    snprintf(r->reason, sizeof r->reason, "the stores contain no cell of %s on %s with test %s",
             is_over_models ? "its models" : "this model", tm_claim_threads(r->claim, threads),
             tm_claim_test(r->claim, test));
    return TM_OK;
}

static tm_status judge(const tm_reproduce_input *in, const tm_claim *claim, tm_claim_result *r,
                       tm_error *err)
{
    const tm_claim_group *g = claim->group;
    column *list;
    int n;
    *r = (tm_claim_result){
        .claim = claim, .measured = nothing, .over_f16 = nothing, .over_peer = nothing};
    tm_measured_miss(&r->f16_gb_per_second, "no fp16 baseline was measured");
    tm_measured_miss(&r->f16_share, "no fp16 baseline was measured");
    snprintf(r->f16_missing, sizeof r->f16_missing, "it was not measured");
    snprintf(r->peer_missing, sizeof r->peer_missing, "the stores contain no fp16 peer");
    set_baseline_worth(in, r);
    tm_status status = find_columns(in, claim, &list, &n, err);
    if (status == TM_OK && n > 0 && g->metric == TM_CLAIM_SPEEDUP &&
        strcmp(claim->shape, TM_CLAIM_ANY_SHAPE) != 0)
        status = add_ratios(&list[0], r, err);
    r->verdict = TM_CLAIM_NOT_COMPARABLE;
    if (g->not_comparable[0])
        snprintf(r->reason, sizeof r->reason, "%s", g->not_comparable);
    else if (!isfinite(claim->low))
        snprintf(r->reason, sizeof r->reason, "the source prints no value: %s", claim->missing);
    else if (g->not_measured[0]) {
        r->verdict = TM_CLAIM_NOT_MEASURED;
        snprintf(r->reason, sizeof r->reason, "%s", g->not_measured);
    } else {
        explain_machine(in, g, r->reason, sizeof r->reason);
        if (!r->reason[0] && status == TM_OK) status = judge_columns(list, n, r, err);
    }
    free(list);
    return status;
}

tm_status tm_reproduce_judge(const tm_reproduce_input *in, tm_claim_results *out, tm_error *err)
{
    *out = (tm_claim_results){.items = calloc((size_t)in->claims->n + 1, sizeof *out->items)};
    if (!out->items) return tm_fail(err, TM_NOMEM, "no memory for %d claims", in->claims->n);
    for (int i = 0; i < in->claims->n; i++) {
        const tm_claim *claim = &in->claims->items[i];
        if (in->paper && strcmp(claim->group->paper, in->paper) != 0) continue;
        tm_claim_result *result = &out->items[out->n++];
        tm_status status = judge(in, claim, result, err);
        if (status != TM_OK) return status;
        out->counts[result->verdict]++;
    }
    return TM_OK;
}

void tm_claim_results_free(tm_claim_results *results)
{
    free(results->items);
    *results = (tm_claim_results){0};
}

int tm_claim_results_status(const tm_claim_results *r)
{
    if (r->counts[TM_CLAIM_NOT_REPRODUCED] > 0) return 1;
    const int n_judged =
        r->counts[TM_CLAIM_REPRODUCED] + r->counts[TM_CLAIM_SMALLER] + r->counts[TM_CLAIM_LARGER];
    return n_judged > 0 ? 0 : 3;
}
