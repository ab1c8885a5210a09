#include "reports/summary_cell.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool is_aa(const tm_cell *cell)
{
    return strcmp(cell->role, TM_ROLE_AA) == 0;
}

/* An A/A cell is a row of its own. */
static bool same_row(const tm_cell *a, const tm_cell *b)
{
    return tm_same_names(a, b) && is_aa(a) == is_aa(b);
}

/* Scratch of tm_summaries_make; every array has one item per record, begins one more. */
typedef struct work {
    int *groups; /* of each record; -1: a run record */
    int *firsts; /* of each group: its first record */
    int *lasts;  /* of each group: its last record */
    const tm_record **records;
    const tm_record **windows, **profiles;
    int *begins;
    double *values, *medians;
    bool *flags;
    int n_groups;
} work;

static void free_work(work *w)
{
    tm_free(w->groups);
    tm_free(w->firsts);
    tm_free(w->lasts);
    tm_free(w->records);
    tm_free(w->windows);
    tm_free(w->profiles);
    tm_free(w->begins);
    tm_free(w->values);
    tm_free(w->medians);
    tm_free(w->flags);
}

/* NULL when out of memory, now or before. */
static void *alloc_array(int n, size_t size, tm_status *status, tm_error *err)
{
    void *memory = NULL;
    if (*status == TM_OK) *status = tm_alloc(&memory, (size_t)n + 1, size, "records by cell", err);
    return memory;
}

static tm_status alloc_work(work *w, int n, tm_error *err)
{
    tm_status status = TM_OK;
    *w = (work){0};
    w->groups = alloc_array(n, sizeof *w->groups, &status, err);
    w->firsts = alloc_array(n, sizeof *w->firsts, &status, err);
    w->lasts = alloc_array(n, sizeof *w->lasts, &status, err);
    w->records = alloc_array(n, sizeof *w->records, &status, err);
    w->windows = alloc_array(n, sizeof *w->windows, &status, err);
    w->profiles = alloc_array(n, sizeof *w->profiles, &status, err);
    w->begins = alloc_array(n, sizeof *w->begins, &status, err);
    w->values = alloc_array(n, sizeof *w->values, &status, err);
    w->medians = alloc_array(n, sizeof *w->medians, &status, err);
    w->flags = alloc_array(n, sizeof *w->flags, &status, err);
    return status;
}

static void find_groups(const tm_record *records, int n, work *w)
{
    for (int i = 0; i < n; i++) {
        w->groups[i] = -1;
        if (records[i].kind == TM_RECORD_RUN) continue;
        int g = 0;
        while (g < w->n_groups && !(same_row(&records[w->firsts[g]].cell, &records[i].cell) &&
                                    strcmp(records[w->firsts[g]].cell_id, records[i].cell_id) == 0))
            g++;
        if (g == w->n_groups) w->firsts[w->n_groups++] = i;
        w->groups[i] = g;
        w->lasts[g] = i;
    }
}

static int compare_samples(const void *a, const void *b)
{
    const tm_record *x = *(const tm_record *const *)a, *y = *(const tm_record *const *)b;
    if (x->process != y->process) return x->process < y->process ? -1 : 1;
    if (x->slot != y->slot) return x->slot < y->slot ? -1 : 1;
    return (x->sample.repetition > y->sample.repetition) -
           (x->sample.repetition < y->sample.repetition);
}

/* Keeps the reason, and the memory prediction, of a record that is not a valid sample. */
static void note_failure(const tm_record *r, tm_cell_summary *out)
{
    bool skipped = strcmp(r->status, "skipped") == 0;
    const char *reason = r->reason;
    if (!*reason)
        reason = r->kind == TM_RECORD_SAMPLE ? "a sample without tokens or elapsed time"
                                             : "no reason recorded";
    snprintf(out->status, sizeof out->status, "%s", skipped ? "skipped" : "failed");
    snprintf(out->missing, sizeof out->missing, "%s", reason);
    if (r->predicted_bytes > 0) out->predicted_bytes.value = (double)r->predicted_bytes;
    if (skipped) return;
    out->n_failed++;
    snprintf(out->failure, sizeof out->failure, "%s", reason);
}

/* The record of a run, or NULL. */
static const tm_json *find_run(const tm_record *records, int n, const char *run)
{
    for (int i = n - 1; i >= 0; i--)
        if (records[i].kind == TM_RECORD_RUN && strcmp(records[i].run_id, run) == 0)
            return records[i].run.document;
    return NULL;
}

static tm_status summarise_group(const tm_record *records, int n, work *w, int group,
                                 tm_control_hook control, void *context, tm_cell_summary *out,
                                 tm_error *err)
{
    tm_samples s = {.records = w->records,
                    .begins = w->begins,
                    .values = w->values,
                    .medians = w->medians,
                    .flags = w->flags};
    const tm_record *first = &records[w->firsts[group]];
    out->cell = first->cell;
    memcpy(out->cell_id, first->cell_id, sizeof out->cell_id);
    out->predicted_bytes.value = NAN;
    int n_windows = 0, n_profiles = 0;
    for (int i = w->firsts[group]; i < n; i++) {
        if (w->groups[i] != group) continue;
        if (!*out->cell.role) out->cell = records[i].cell; /* a later run may set the role */
        if (records[i].kind == TM_RECORD_ENERGY)
            w->windows[n_windows++] = &records[i];
        else if (records[i].kind == TM_RECORD_PROFILE)
            w->profiles[n_profiles++] = &records[i];
        else if (tm_record_is_valid_sample(&records[i]))
            s.records[s.n++] = &records[i];
        else
            note_failure(&records[i], out);
    }
    if (s.n == 0 && !out->missing[0])
        snprintf(out->missing, sizeof out->missing, "%s only: no repetition was timed",
                 n_windows > 0 ? "energy windows" : "a profile");
    tm_cell_profile_make(records, n, w->profiles, n_profiles, w->values, &out->profile);
    qsort(s.records, (size_t)s.n, sizeof *s.records, compare_samples);
    for (int i = 0; i < s.n; i++)
        if (i == 0 || s.records[i]->process != s.records[i - 1]->process ||
            s.records[i]->slot != s.records[i - 1]->slot)
            s.begins[s.n_processes++] = i;
    s.begins[s.n_processes] = s.n;
    tm_status status = tm_cell_summarise(&s, control, context, out, err);
    if (status != TM_OK) return status;
    /* Without samples and windows, energy is missing for the same reason. */
    const tm_json *run = find_run(records, n, records[w->lasts[group]].run_id);
    if (s.n == 0 && n_windows == 0)
        tm_cell_energy_miss(&out->energy, run, out->missing);
    else
        status = tm_cell_energy_make(w->windows, n_windows, &out->cell, run, &out->energy, err);
    return status;
}

static void mark_superseded(const work *w, tm_summaries *all)
{
    for (int i = 0; i < all->n; i++)
        for (int j = 0; j < all->n; j++)
            if (w->lasts[j] > w->lasts[i] && same_row(&all->items[i].cell, &all->items[j].cell))
                all->items[i].superseded = true;
}

tm_status tm_summaries_make(const tm_record *records, int n, tm_control_hook control, void *context,
                            tm_summaries *out, tm_error *err)
{
    work w;
    void *memory;
    *out = (tm_summaries){0};
    tm_status status = alloc_work(&w, n, err);
    if (status != TM_OK) goto done;
    find_groups(records, n, &w);
    if (w.n_groups == 0) goto done;
    status = tm_alloc(&memory, (size_t)w.n_groups, sizeof *out->items, "summaries of cells", err);
    if (status != TM_OK) goto done;
    out->items = memory;
    out->n = w.n_groups;
    for (int g = 0; g < out->n && status == TM_OK; g++)
        status = summarise_group(records, n, &w, g, control, context, &out->items[g], err);
    mark_superseded(&w, out);
done:
    free_work(&w);
    if (status != TM_OK) tm_summaries_free(out);
    return status;
}

void tm_summaries_free(tm_summaries *summaries)
{
    for (int i = 0; i < summaries->n; i++) {
        tm_free(summaries->items[i].processes);
        tm_free(summaries->items[i].counters);
        tm_cell_energy_free(&summaries->items[i].energy);
    }
    tm_free(summaries->items);
    *summaries = (tm_summaries){0};
}

const tm_cell_summary *tm_summaries_find(const tm_summaries *all, const char *engine,
                                         const char *model, const char *kernel, int threads,
                                         const char *test)
{
    for (int i = 0; i < all->n; i++) {
        const tm_cell *c = &all->items[i].cell;
        if (!all->items[i].superseded && !is_aa(c) && strcmp(c->engine, engine) == 0 &&
            strcmp(c->model, model) == 0 && strcmp(c->kernel, kernel) == 0 &&
            c->threads == threads && strcmp(c->test, test) == 0)
            return &all->items[i];
    }
    return NULL;
}

/* A head of a different size makes a different model: its savings do not come from the linear
 * weights. Heads that were not recorded count as equal. */
static bool same_head(const tm_cell_summary *a, const tm_cell_summary *b)
{
    return !isfinite(a->head_bytes.value) || !isfinite(b->head_bytes.value) ||
           a->head_bytes.value == b->head_bytes.value;
}

const tm_cell_summary *tm_summaries_best(const tm_summaries *all, const char *role,
                                         const char *engine, const char *model, int threads,
                                         const char *test, const tm_cell_summary *like,
                                         int *n_kernels)
{
    const tm_cell_summary *best = NULL;
    *n_kernels = 0;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (s->superseded || strcmp(s->cell.role, role) != 0 ||
            (engine && strcmp(s->cell.engine, engine) != 0) || strcmp(s->cell.model, model) != 0 ||
            s->cell.threads != threads || strcmp(s->cell.test, test) != 0 ||
            (like && !same_head(s, like)))
            continue;
        bool measured = isfinite(s->tokens_per_second.value);
        *n_kernels += measured;
        if (!best || (measured && !(s->tokens_per_second.value <= best->tokens_per_second.value)))
            best = s;
    }
    return best;
}
