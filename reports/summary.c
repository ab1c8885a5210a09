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

/* A run of the records. */
typedef struct store_run {
    const char *id;
    const tm_json *document;
    int machine;
} store_run;

/* Scratch of tm_summaries_make; every array has one item per record, begins one more. */
typedef struct work {
    store_run *runs; /* [n_runs] the run records, in order */
    int *run_of;     /* of each record: its run; -1: the records do not have it */
    int n_runs;
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
    tm_free(w->runs);
    tm_free(w->run_of);
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
    w->runs = alloc_array(n, sizeof *w->runs, &status, err);
    w->run_of = alloc_array(n, sizeof *w->run_of, &status, err);
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

/* Whether the instructions of a run were emulated. */
static bool is_emulated(const tm_json *run)
{
    return tm_json_true(tm_json_get(tm_json_get(run, "machine"), "emulated"));
}

/* The machine of a run, which is added if it is new. The name is compared as well: an old program
 * may have left out the fingerprint, and a copied store may have another name only. */
static int machine_of(const tm_json *document, tm_summaries *out)
{
    const char *fingerprint = tm_json_text(tm_json_get(document, "fingerprint"), "");
    const char *name = tm_json_text(tm_json_get(tm_json_get(document, "machine"), "cpu_model"), "");
    int i = 0;
    while (i < out->n_machines && (strcmp(out->machines[i].fingerprint, fingerprint) != 0 ||
                                   strcmp(out->machines[i].name, name) != 0 ||
                                   is_emulated(out->machines[i].run) != is_emulated(document)))
        i++;
    if (i == out->n_machines) out->n_machines++;
    out->machines[i] = (tm_summary_machine){document, fingerprint, name};
    return i;
}

/* Records whose run is not among them belong to the machine of the newest run. */
static void find_runs(const tm_record *records, int n, work *w, tm_summaries *out)
{
    for (int i = 0; i < n; i++) {
        if (records[i].kind != TM_RECORD_RUN) continue;
        const tm_json *document = records[i].run.document;
        w->runs[w->n_runs++] = (store_run){records[i].run_id, document, machine_of(document, out)};
    }
    if (out->n_machines == 0)
        out->machines[out->n_machines++] = (tm_summary_machine){.fingerprint = "", .name = ""};
    for (int i = 0, at = w->n_runs - 1; i < n; i++) {
        if (at < 0 || strcmp(w->runs[at].id, records[i].run_id) != 0) {
            at = w->n_runs - 1;
            while (at >= 0 && strcmp(w->runs[at].id, records[i].run_id) != 0) at--;
        }
        w->run_of[i] = at;
    }
}

static int machine_of_record(const work *w, int record)
{
    int own = w->run_of[record];
    return own >= 0 ? w->runs[own].machine : w->n_runs > 0 ? w->runs[w->n_runs - 1].machine : 0;
}

static void find_groups(const tm_record *records, int n, work *w)
{
    for (int i = 0; i < n; i++) {
        w->groups[i] = -1;
        if (records[i].kind == TM_RECORD_RUN) continue;
        int g = 0, machine = machine_of_record(w, i);
        while (g < w->n_groups && !(machine_of_record(w, w->firsts[g]) == machine &&
                                    same_row(&records[w->firsts[g]].cell, &records[i].cell) &&
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
    int runs = strcmp(x->run_id, y->run_id); /* an id begins with its date */
    if (runs != 0) return runs;
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

static bool same_process(const tm_record *a, const tm_record *b)
{
    return strcmp(a->run_id, b->run_id) == 0 && a->process == b->process && a->slot == b->slot;
}

/* Sorts the samples, leaves out repetitions that were there already, and finds the processes. */
static void sort_samples(tm_samples *s, tm_cell_summary *out)
{
    int n = 0;
    qsort(s->records, (size_t)s->n, sizeof *s->records, compare_samples);
    for (int i = 0; i < s->n; i++) {
        const tm_record *r = s->records[i], *last = n > 0 ? s->records[n - 1] : NULL;
        bool is_next = last && same_process(r, last);
        if (is_next && r->sample.repetition == last->sample.repetition) {
            out->n_duplicates++;
            continue;
        }
        if (!is_next) {
            out->n_runs += !last || strcmp(r->run_id, last->run_id) != 0;
            s->begins[s->n_processes++] = n;
        }
        s->records[n++] = r;
    }
    s->n = n;
    s->begins[s->n_processes] = n;
}

/* Sets the run documents of the processes and the builds. */
static void place_in_runs(const work *w, int group, const tm_summaries *all, tm_cell_summary *out)
{
    for (int p = 0; p < out->n_processes; p++)
        for (int i = 0; i < w->n_runs; i++)
            if (strcmp(w->runs[i].id, out->processes[p].run) == 0)
                out->processes[p].document = w->runs[i].document;
    const int last = w->run_of[w->lasts[group]];
    const tm_json *newest = all->machines[out->cell.machine].run;
    const char *build =
        tm_json_text(tm_json_get(last < 0 ? NULL : w->runs[last].document, "build"), "");
    const char *now = tm_json_text(tm_json_get(newest, "build"), "");
    snprintf(out->build, sizeof out->build, "%s", build);
    if (build[0] && now[0] && strcmp(build, now) != 0)
        snprintf(out->newest, sizeof out->newest, "%s", now);
}

static tm_status summarise_group(const tm_record *records, int n, work *w, int group,
                                 const tm_summaries *all, tm_cell_summary *out, tm_error *err)
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
    char earlier[sizeof first->cell.role] = "";
    for (int i = w->firsts[group]; i < n; i++) {
        if (w->groups[i] != group) continue;
        const char *role = records[i].cell.role; /* a later run may change it */
        if (*role && strcmp(role, out->cell.role) != 0) {
            snprintf(earlier, sizeof earlier, "%s", out->cell.role);
            out->cell = records[i].cell;
        }
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
    out->cell.machine = machine_of_record(w, w->firsts[group]);
    sort_samples(&s, out);
    const int last = w->run_of[w->lasts[group]];
    const tm_json *run = last < 0 ? NULL : w->runs[last].document;
    s.run = run;
    tm_status status = tm_cell_summarise(&s, out, err);
    if (status != TM_OK) return status;
    if (*earlier)
        tm_add_sentence(out->warning, sizeof out->warning, "its role was %s before it became %s",
                        earlier, out->cell.role);
    place_in_runs(w, group, all, out);
    /* Without samples and windows, energy is missing for the same reason. */
    if (s.n == 0 && n_windows == 0)
        tm_cell_energy_miss(&out->energy, run, out->missing);
    else
        status = tm_cell_energy_make(w->windows, n_windows, &out->cell, run, &out->energy, err);
    return status;
}

/* Whether two cells name one model: the same file, unless a peer has its own. */
static bool same_model_name(const tm_cell *a, const tm_cell *b)
{
    return a->machine == b->machine && strcmp(a->engine, b->engine) == 0 &&
           strcmp(a->model, b->model) == 0 &&
           (!tm_cell_is_peer(a) || strcmp(a->kernel, b->kernel) == 0);
}

/* Marks the cells whose model is not the one that its name stood for last. */
static void mark_older_models(const work *w, tm_summaries *all)
{
    for (int i = 0; i < all->n; i++) {
        const tm_cell *own = &all->items[i].cell;
        int last = i;
        for (int j = 0; j < all->n && own->model_hash[0]; j++) {
            const tm_cell *other = &all->items[j].cell;
            if (w->lasts[j] > w->lasts[last] && other->model_hash[0] && same_model_name(own, other))
                last = j;
        }
        all->items[i].older_model = strcmp(own->model_hash, all->items[last].cell.model_hash) != 0;
    }
}

void tm_summary_age(const tm_cell_summary *s, char *text, size_t size)
{
    if (s->newest[0])
        tm_add_sentence(text, size, "measured by the older build %s; the newest run has build %s",
                        s->build[0] ? s->build : "(not recorded)", s->newest);
    if (s->older_model)
        tm_add_sentence(text, size,
                        "measured with an earlier model of this name: its file, or its seed, was "
                        "replaced later");
}

static void mark_superseded(const work *w, tm_summaries *all)
{
    for (int i = 0; i < all->n; i++)
        for (int j = 0; j < all->n; j++)
            if (w->lasts[j] > w->lasts[i] && same_row(&all->items[i].cell, &all->items[j].cell))
                all->items[i].superseded = true;
}

tm_status tm_summaries_make(const tm_record *records, int n, tm_summaries *out, tm_error *err)
{
    work w;
    void *memory;
    *out = (tm_summaries){0};
    tm_status status = alloc_work(&w, n, err);
    if (status != TM_OK) goto done;
    status = tm_alloc(&memory, (size_t)n + 1, sizeof *out->machines, "machines", err);
    if (status != TM_OK) goto done;
    out->machines = memory;
    find_runs(records, n, &w, out);
    find_groups(records, n, &w);
    if (w.n_groups == 0) goto done;
    status = tm_alloc(&memory, (size_t)w.n_groups, sizeof *out->items, "summaries of cells", err);
    if (status != TM_OK) goto done;
    out->items = memory;
    out->n = w.n_groups;
    for (int g = 0; g < out->n && status == TM_OK; g++)
        status = summarise_group(records, n, &w, g, out, &out->items[g], err);
    mark_superseded(&w, out);
    mark_older_models(&w, out);
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
    tm_free(summaries->machines);
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

bool tm_cells_are_paired(const tm_cell_summary *a, const tm_cell_summary *b)
{
    for (int i = 0; i < a->n_processes; i++)
        for (int k = 0; k < b->n_processes; k++)
            if (tm_processes_are_pair(&a->processes[i], &b->processes[k])) return true;
    return false;
}

/* Whether a cell has a pair with the partner, or with any cell of its column in the other role. */
static bool has_pair(const tm_summaries *all, const tm_cell_summary *s,
                     const tm_cell_summary *partner)
{
    if (partner) return tm_cells_are_paired(s, partner);
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *other = &all->items[i];
        if (!other->superseded && !is_aa(&other->cell) &&
            strcmp(other->cell.role, s->cell.role) != 0 && tm_same_place(&other->cell, &s->cell) &&
            same_head(other, s) && tm_cells_are_paired(s, other))
            return true;
    }
    return false;
}

static bool is_candidate(const tm_cell_summary *s, const tm_best_query *q)
{
    return !s->superseded && strcmp(s->cell.role, q->role) == 0 &&
           tm_same_place(&s->cell, q->column) &&
           (q->any_engine || strcmp(s->cell.engine, q->column->engine) == 0) &&
           (!q->partner || same_head(s, q->partner));
}

const tm_cell_summary *tm_summaries_best(const tm_summaries *all, const tm_best_query *query,
                                         int *n_kernels)
{
    const tm_cell_summary *best = NULL;
    int best_rank = -1;
    *n_kernels = 0;
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (!is_candidate(s, query)) continue;
        const double rate = s->tokens_per_second.value;
        const bool is_current = !s->newest[0] && !s->older_model;
        /* First a value, then the newest build and model, then pairs. */
        int rank = !isfinite(rate) ? 0 : 1 + 2 * is_current + has_pair(all, s, query->partner);
        if (rank > best_rank) *n_kernels = 0;
        if (rank >= best_rank) *n_kernels += rank > 0;
        if (rank > best_rank ||
            (rank == best_rank && rank > 0 && rate > best->tokens_per_second.value)) {
            best = s;
            best_rank = rank;
        }
    }
    return best;
}
