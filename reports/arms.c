#include "reports/arms.h"

#include "reports/summary_cell.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_MOVED 0.01 /* log ratio above which the control makes a row inconclusive */

/* The records of one process of a cell. */
typedef struct process {
    const char *run;
    int number, slot;
    int n_samples, n_windows;
    const tm_record **samples; /* [n_samples], then its windows; both in one array */
    double control;
} process;

typedef struct process_list {
    process *items;
    const tm_record **records; /* of all processes */
    int n;
} process_list;

static void free_list(process_list *list)
{
    free(list->items);
    free(list->records);
}

static bool is_of(const tm_record *r, const char *cell_id)
{
    return (tm_record_is_valid_sample(r) || r->kind == TM_RECORD_ENERGY) &&
           strcmp(r->cell_id, cell_id) == 0;
}

/* By run, process, samples before windows, and order in the store. */
static int compare_records(const void *a, const void *b)
{
    const tm_record *x = *(const tm_record *const *)a, *y = *(const tm_record *const *)b;
    int order = strcmp(x->run_id, y->run_id);
    if (order == 0) order = (x->process > y->process) - (x->process < y->process);
    if (order == 0) order = (x->kind > y->kind) - (x->kind < y->kind);
    return order != 0 ? order : (x > y) - (x < y);
}

static double control_of(const process *p)
{
    double values[64];
    int n = 0;
    for (int i = 0; i < p->n_samples && n < 64; i++)
        if (p->samples[i]->sample.spin_ns > 0) values[n++] = (double)p->samples[i]->sample.spin_ns;
    return tm_median(values, n);
}

static tm_status list_processes(const tm_record *records, int n, const char *cell_id,
                                process_list *out, tm_error *err)
{
    int count = 0, k = 0;
    for (int i = 0; i < n; i++) count += is_of(&records[i], cell_id);
    *out = (process_list){0};
    out->records = calloc((size_t)count + 1, sizeof *out->records);
    out->items = calloc((size_t)count + 1, sizeof *out->items);
    if (!out->records || !out->items) {
        free_list(out);
        return tm_fail(err, TM_NOMEM, "no memory for %d processes", count);
    }
    for (int i = 0; i < n; i++)
        if (is_of(&records[i], cell_id)) out->records[k++] = &records[i];
    qsort(out->records, (size_t)count, sizeof *out->records, compare_records);
    for (int i = 0; i < count; i++) {
        const tm_record *r = out->records[i];
        process *last = out->n > 0 ? &out->items[out->n - 1] : NULL;
        if (!last || last->number != r->process || strcmp(last->run, r->run_id) != 0) {
            last = &out->items[out->n++];
            *last = (process){.run = r->run_id,
                              .number = r->process,
                              .slot = r->slot,
                              .samples = &out->records[i]};
        }
        if (r->kind == TM_RECORD_ENERGY)
            last->n_windows++;
        else
            last->n_samples++;
    }
    for (int i = 0; i < out->n; i++) out->items[i].control = control_of(&out->items[i]);
    return TM_OK;
}

static double value_of(const tm_metric *metric, const process *p, char *why)
{
    const tm_process_records records = {p->samples, p->n_samples, p->samples + p->n_samples,
                                        p->n_windows};
    double value = metric->of_process(metric, &records, why);
    if (value > 0 && isfinite(value)) return value;
    if (!why[0]) snprintf(why, 160, "not a positive number");
    return NAN;
}

static tm_status new_row(tm_arms *arms, const tm_cell *a, const char *a_id, const tm_cell *b,
                         const char *b_id, const tm_metric *metric, int n, tm_arms_row **out,
                         tm_error *err)
{
    if (arms->n_rows == arms->room) {
        int room = arms->room ? 2 * arms->room : 16;
        tm_arms_row *more = realloc(arms->rows, (size_t)room * sizeof *more);
        if (!more) return tm_fail(err, TM_NOMEM, "no memory for %d rows", room);
        arms->rows = more;
        arms->room = room;
    }
    tm_arms_row *row = &arms->rows[arms->n_rows];
    *row = (tm_arms_row){.a = *a, .b = *b, .metric = metric, .noise_floor = NAN};
    snprintf(row->a_id, sizeof row->a_id, "%s", a_id);
    snprintf(row->b_id, sizeof row->b_id, "%s", b_id);
    double *values = calloc(4 * (size_t)n + 1, sizeof *values);
    row->first_is_a = calloc((size_t)n + 1, sizeof *row->first_is_a);
    row->a_values = values;
    if (!values || !row->first_is_a) {
        free(values);
        free(row->first_is_a);
        return tm_fail(err, TM_NOMEM, "no memory for %d processes", n);
    }
    row->b_values = values + n;
    row->a_controls = values + 2 * (size_t)n;
    row->b_controls = values + 3 * (size_t)n;
    arms->n_rows++;
    *out = row;
    return TM_OK;
}

void tm_arms_free(tm_arms *arms)
{
    for (int i = 0; i < arms->n_rows; i++) {
        free(arms->rows[i].a_values); /* the other arrays lie in this one */
        free(arms->rows[i].first_is_a);
    }
    free(arms->rows);
    *arms = (tm_arms){0};
}

static void add_controls(tm_arms_row *row, const process *a, const process *b)
{
    if (isnan(a->control) || isnan(b->control)) return;
    row->a_controls[row->n_controls] = a->control;
    row->b_controls[row->n_controls++] = b->control;
}

/* Notes the marks of another engine's samples. */
static void note_peer(tm_arms_row *row, const tm_cell *cell, const process_list *list)
{
    char marks[400] = "";
    for (int i = 0; i < list->n && tm_cell_is_peer(cell); i++)
        for (int k = 0; k < list->items[i].n_samples; k++)
            tm_collect_marks(list->items[i].samples[k]->marks, marks, sizeof marks);
    if (marks[0]) tm_add_sentence(row->peers, sizeof row->peers, "%s: %s", cell->kernel, marks);
}

static void take_pairs(tm_arms_row *row, const process_list *a, const process_list *b)
{
    char why[160] = "";
    row->is_paired = true;
    for (int i = 0; i < a->n; i++)
        for (int k = 0; k < b->n; k++) {
            const process *p = &a->items[i], *q = &b->items[k];
            if (p->number != q->number || strcmp(p->run, q->run) != 0) continue;
            double x = value_of(row->metric, p, why), y = value_of(row->metric, q, why);
            if (isnan(x) || isnan(y)) continue;
            row->first_is_a[row->n_a] = p->slot < q->slot;
            row->a_values[row->n_a] = x;
            row->b_values[row->n_a++] = y;
            add_controls(row, p, q);
        }
    row->n_b = row->n_a;
    if (row->n_a > 0) return;
    if (why[0])
        snprintf(row->missing, sizeof row->missing, "%s", why);
    else if (a->n == 0 || b->n == 0)
        snprintf(row->missing, sizeof row->missing, "%s was not measured",
                 a->n == 0 && b->n == 0 ? "neither arm"
                 : a->n == 0            ? "A"
                                        : "B");
    else
        snprintf(row->missing, sizeof row->missing, "no pair in one run among %d and %d processes",
                 a->n, b->n);
}

tm_status tm_arms_add_pairs(tm_arms *arms, const tm_record *records, int n, const tm_cell *a,
                            const char *a_id, const tm_cell *b, const char *b_id,
                            const tm_metric *metric, tm_error *err)
{
    process_list of_a = {0}, of_b = {0};
    tm_arms_row *row;
    tm_status status = list_processes(records, n, a_id, &of_a, err);
    if (status == TM_OK) status = list_processes(records, n, b_id, &of_b, err);
    if (status == TM_OK)
        status =
            new_row(arms, a, a_id, b, b_id, metric, of_a.n < of_b.n ? of_a.n : of_b.n, &row, err);
    if (status == TM_OK) {
        note_peer(row, a, &of_a);
        note_peer(row, b, &of_b);
        take_pairs(row, &of_a, &of_b);
    }
    free_list(&of_a);
    free_list(&of_b);
    return status;
}

static int take_set(const tm_metric *metric, const process_list *list, double *values, char *why)
{
    int n = 0;
    for (int i = 0; i < list->n; i++) {
        double value = value_of(metric, &list->items[i], why);
        if (!isnan(value)) values[n++] = value;
    }
    return n;
}

tm_status tm_arms_add_sets(tm_arms *arms, const tm_record *a_records, int n_a, const tm_cell *a,
                           const char *a_id, const tm_record *b_records, int n_b, const tm_cell *b,
                           const char *b_id, const tm_metric *metric, tm_error *err)
{
    process_list of_a = {0}, of_b = {0};
    tm_arms_row *row;
    char why[160] = "";
    tm_status status = list_processes(a_records, n_a, a_id, &of_a, err);
    if (status == TM_OK) status = list_processes(b_records, n_b, b_id, &of_b, err);
    if (status == TM_OK)
        status =
            new_row(arms, a, a_id, b, b_id, metric, of_a.n > of_b.n ? of_a.n : of_b.n, &row, err);
    if (status == TM_OK) {
        note_peer(row, a, &of_a);
        note_peer(row, b, &of_b);
        row->n_a = take_set(metric, &of_a, row->a_values, why);
        row->n_b = take_set(metric, &of_b, row->b_values, why);
        if (row->n_a == 0 || row->n_b == 0)
            snprintf(row->missing, sizeof row->missing, "%s: %s", row->n_a == 0 ? "A" : "B",
                     why[0] ? why : "not measured");
    }
    free_list(&of_a);
    free_list(&of_b);
    return status;
}

/* Drops the processes of other runs. */
static void keep_run(process_list *list, const char *run)
{
    int n = 0;
    for (int i = 0; i < list->n; i++)
        if (strcmp(list->items[i].run, run) == 0) list->items[n++] = list->items[i];
    list->n = n;
}

/* One value of all processes together. */
static int take_pool(const tm_metric *metric, const process_list *list, double *values, char *why)
{
    size_t n = 0, room = 1;
    for (int i = 0; i < list->n; i++) room += (size_t)list->items[i].n_samples;
    process all = {.samples = calloc(room, sizeof *all.samples)};
    for (int i = 0; all.samples && i < list->n; i++)
        for (int k = 0; k < list->items[i].n_samples; k++)
            all.samples[n++] = list->items[i].samples[k];
    all.n_samples = (int)n;
    values[0] = value_of(metric, &all, why);
    free(all.samples);
    return isnan(values[0]) ? 0 : 1;
}

tm_status tm_metric_values(const tm_record *records, int n, const char *cell_id, const char *run,
                           const tm_metric *metric, double **values, int *n_values, char *why,
                           tm_error *err)
{
    process_list list;
    *values = NULL;
    *n_values = 0;
    why[0] = 0;
    tm_status status = list_processes(records, n, cell_id, &list, err);
    if (status != TM_OK) return status;
    if (run) keep_run(&list, run);
    *values = calloc((size_t)list.n + 1, sizeof **values);
    if (*values) {
        *n_values = take_set(metric, &list, *values, why);
        if (*n_values == 0 && metric->quantile > 0)
            *n_values = take_pool(metric, &list, *values, why);
    }
    if (!*values) status = tm_fail(err, TM_NOMEM, "no memory for %d processes", list.n);
    if (*n_values == 0 && !why[0]) snprintf(why, 160, "no valid sample");
    free_list(&list);
    return status;
}

static bool excludes_one(tm_interval x)
{
    return x.low > 1 || x.high < 1;
}

/* Speed in the second slot over the first, from pairs in both orders. */
static tm_interval slot_of(const tm_arms_row *row)
{
    tm_interval x =
        tm_slot_effect(row->b_values, row->a_values, row->first_is_a, row->n_a, TM_ARMS_CONFIDENCE);
    tm_interval out = x;
    double sign = row->metric->higher_is_better ? 0.5 : -0.5;
    out.value = exp(sign * x.value);
    out.low = exp(fmin(sign * x.low, sign * x.high));
    out.high = exp(fmax(sign * x.low, sign * x.high));
    return out;
}

static void judge_pairs(tm_arms_row *row, const tm_looks *looks)
{
    const int n = row->n_a;
    row->ratio = looks
                     ? tm_look_interval(looks, row->b_values, row->a_values, n, TM_ARMS_CONFIDENCE)
                     : tm_interval_ratio(row->b_values, row->a_values, n, TM_ARMS_CONFIDENCE);
    tm_range_of_few(row->b_values, row->a_values, n, TM_PAIRS_RANGE, &row->ratio);
    if (n >= TM_MIN_PAIRS)
        row->p = fmin(1, tm_ratio_p(row->b_values, row->a_values, n) * (looks ? looks->n : 1));
    row->slot = slot_of(row);
    row->control =
        tm_interval_ratio(row->b_controls, row->a_controls, row->n_controls, TM_ARMS_CONFIDENCE);
}

static void warn(tm_arms_row *row)
{
    char *text = row->warning;
    size_t size = sizeof row->warning;
    const int n = row->n_a;
    if (row->peers[0]) tm_add_sentence(text, size, "%s", row->peers);
    if (!row->is_paired)
        tm_add_sentence(text, size,
                        "not pairs: the stores were measured at different times, so drift of the "
                        "machine is part of the ratio");
    else if (n < TM_MIN_PAIRS)
        tm_add_sentence(text, size, "%d pair%s: at least %d are required for an interval", n,
                        tm_plural(n), TM_MIN_PAIRS);
    else if (n < 6)
        tm_add_sentence(text, size, "%d pairs: the interval is Student's t on logarithms", n);
    if (row->is_paired && n >= TM_MIN_PAIRS && n % 2 != 0)
        tm_add_sentence(text, size,
                        "an odd number of pairs leaves 1/%d of the slot effect in the ratio", n);
    if (excludes_one(row->slot))
        tm_add_sentence(text, size, "the arm that ran second was %s by %.1f %%",
                        row->slot.value < 1 ? "worse" : "better", 100 * fabs(1 - row->slot.value));
    if (excludes_one(row->control))
        tm_add_sentence(text, size, "the control loop took %+.1f %% longer in B",
                        100 * (row->control.value - 1));
}

static void call_inconclusive(tm_arms_row *row, const char *why)
{
    row->verdict = TM_ARMS_INCONCLUSIVE;
    row->inconclusive = why;
}

static void decide(tm_arms_row *row)
{
    const double change = exp(fabs(log(row->ratio.value)));
    const bool b_is_more = row->ratio.value > 1;
    row->inconclusive = NULL;
    if (row->missing[0])
        row->verdict = TM_ARMS_NOT_MEASURED;
    else if (isnan(row->ratio.low) || isnan(row->ratio.confidence))
        row->verdict = TM_ARMS_TOO_FEW;
    else if (excludes_one(row->control) && fabs(log(row->control.value)) > CONTROL_MOVED)
        call_inconclusive(row, "the control moved as well");
    else if (!excludes_one(row->ratio))
        row->verdict = TM_ARMS_NO_DIFFERENCE;
    else if (row->p_holm > 1 - TM_ARMS_CONFIDENCE)
        call_inconclusive(row, "not significant after correction for all rows");
    else if (change <= row->noise_floor)
        call_inconclusive(row, "within the noise floor");
    else
        row->verdict = b_is_more == row->metric->higher_is_better ? TM_ARMS_BETTER : TM_ARMS_WORSE;
}

static void add_means(tm_arms *arms)
{
    double *ratios = malloc(sizeof *ratios * (size_t)(arms->n_rows + 1));
    arms->n_means = 0;
    for (const tm_metric *m = tm_metrics; ratios && m->name; m++) {
        int n = 0;
        for (int i = 0; i < arms->n_rows; i++)
            if (arms->rows[i].metric == m && arms->rows[i].ratio.value > 0)
                ratios[n++] = arms->rows[i].ratio.value;
        if (n > 1)
            arms->means[arms->n_means++] =
                (tm_arms_mean){m, tm_interval_geometric(ratios, n, TM_ARMS_CONFIDENCE)};
    }
    free(ratios);
}

void tm_arms_judge(tm_arms *arms, const tm_looks *looks)
{
    const tm_interval none = tm_interval_positive(NULL, 0, TM_ARMS_CONFIDENCE);
    double *p = malloc(sizeof *p * (size_t)(arms->n_rows + 1));
    for (int i = 0; i < arms->n_rows; i++) {
        tm_arms_row *row = &arms->rows[i];
        row->ratio = row->slot = row->control = none;
        row->p = row->p_holm = NAN;
        row->warning[0] = 0;
        row->a_median = tm_median(row->a_values, row->n_a);
        row->b_median = tm_median(row->b_values, row->n_b);
        if (row->missing[0]) continue;
        if (row->is_paired) {
            judge_pairs(row, looks);
        } else {
            row->ratio = tm_interval_ratio_sets(row->b_values, row->n_b, row->a_values, row->n_a,
                                                TM_ARMS_CONFIDENCE, &row->p);
        }
        warn(row);
    }
    for (int i = 0; p && i < arms->n_rows; i++) p[i] = arms->rows[i].p;
    if (p && arms->n_rows <= TM_HOLM_MAX) tm_holm(p, arms->n_rows, p);
    for (int i = 0; i < arms->n_rows; i++) {
        arms->rows[i].p_holm = p ? p[i] : NAN;
        decide(&arms->rows[i]);
    }
    free(p);
    add_means(arms);
}

const char *tm_arms_verdict_name(const tm_arms_row *row)
{
    switch (row->verdict) {
    case TM_ARMS_NOT_MEASURED:
        return "not measured";
    case TM_ARMS_TOO_FEW:
        return "too few pairs";
    case TM_ARMS_INCONCLUSIVE:
        return "inconclusive";
    case TM_ARMS_NO_DIFFERENCE:
        return "no difference shown";
    case TM_ARMS_BETTER:
        return row->metric->better;
    case TM_ARMS_WORSE:
        return row->metric->worse;
    }
    return "";
}

static char *change_text(double ratio, char *text, size_t size)
{
    char number[32];
    snprintf(text, size, "%c%s %%", ratio < 1 ? '-' : '+',
             tm_number(100 * fabs(ratio - 1), 2, number, sizeof number));
    return text;
}

char *tm_arms_words(const tm_arms_row *row, char *text, size_t size)
{
    char value[32], low[32], high[32], n[64];
    if (row->missing[0]) {
        snprintf(text, size, "not measured: %s", row->missing);
        return text;
    }
    tm_number(row->ratio.value, 3, value, sizeof value);
    tm_number(row->ratio.low, 3, low, sizeof low);
    tm_number(row->ratio.high, 3, high, sizeof high);
    if (row->is_paired)
        snprintf(n, sizeof n, "%d pair%s", row->n_a, tm_plural(row->n_a));
    else
        snprintf(n, sizeof n, "%d and %d processes", row->n_a, row->n_b);
    char words[240];
    switch (row->verdict) {
    case TM_ARMS_TOO_FEW:
        if (isnan(row->ratio.low))
            snprintf(words, sizeof words, "%sx (%s: no interval)", value, n);
        else
            snprintf(words, sizeof words, "%sx (range of %s: %s to %s)", value, n, low, high);
        break;
    case TM_ARMS_NO_DIFFERENCE:
        snprintf(words, sizeof words, "no difference shown (could be %s to %s, %s)",
                 change_text(row->ratio.low, low, sizeof low),
                 change_text(row->ratio.high, high, sizeof high), n);
        break;
    case TM_ARMS_INCONCLUSIVE:
        snprintf(words, sizeof words, "inconclusive, %s: %sx (95 %% %s to %s, %s)",
                 row->inconclusive, value, low, high, n);
        break;
    default:
        snprintf(words, sizeof words, "B is %s: %sx (95 %% %s to %s, %s)",
                 tm_arms_verdict_name(row), value, low, high, n);
        break;
    }
    if (isnan(row->noise_floor))
        snprintf(text, size, "%s", words);
    else
        snprintf(text, size, "%s; noise floor %s", words,
                 tm_number(row->noise_floor, 3, value, sizeof value));
    return text;
}
