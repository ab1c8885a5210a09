#include "harness/cli/profile_run.h"

#include "harness/measure/worker_process.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Longest silence of a worker that loads a model or runs a test once. */
#define PATIENCE_SECONDS 120
#define PATIENCE_FACTOR  20

/* One arm in its worker. */
typedef struct arm_run {
    tm_profile_run *run;
    const tm_arm *arm;
    tm_worker_request request;
    char folder[256]; /* for the trace of each test; "": no trace */
    int next;         /* the cell whose profile is due */
    bool is_fatal;    /* the error is ours, not the worker's */
} arm_run;

static double point(const tm_roofline_point *points, int n, int threads)
{
    for (int i = 0; i < n; i++)
        if (points[i].threads == threads) return points[i].value;
    return NAN;
}

static tm_profile_limits limits_of(const tm_roofline *r, int threads)
{
    return (tm_profile_limits){
        .read_gb_per_second = point(r->read, r->n_read, threads),
        .int8_gmac_per_second = point(r->int8, r->n_int8, threads),
        .fp32_gmac_per_second = point(r->fp32, r->n_fp32, threads),
        .barrier_ns = point(r->barrier, r->n_barrier, threads),
    };
}

static void trace_path(const arm_run *a, int test, char *out, size_t size)
{
    snprintf(out, size, "%s.%d", a->request.profile.trace, test);
}

static void fill_request(arm_run *a)
{
    const tm_profile_run *run = a->run;
    tm_worker_request *r = &a->request;
    r->cell = a->arm->cells[0];
    r->n_tests = a->arm->n_cells;
    for (int i = 0; i < r->n_tests; i++) {
        const tm_cell *c = &a->arm->cells[i];
        r->tests[i] = (tm_worker_test){.test = {c->n_prompt, c->n_gen, c->depth, c->n_sequences},
                                       .n_profile_pairs = run->n_pairs};
    }
    r->seed = run->seed;
    r->oversubscribe = run->oversubscribe;
    r->f16_kv = true;
    r->check = true;
    snprintf(r->counters, sizeof r->counters, "%s", run->suite->counters);
    r->energy = run->suite->energy; /* no source: nothing to measure */
    r->profile.fastest = run->fastest;
    r->profile.whole = true;
    r->profile.first_cell = run->trace->n_cells + 1;
    if (a->folder[0]) snprintf(r->profile.trace, sizeof r->profile.trace, "%s/test", a->folder);
}

static void print_next(const arm_run *a)
{
    char label[512];
    if (a->run->quiet || a->next >= a->arm->n_cells) return;
    fprintf(stderr, "%s\n", tm_cell_label(&a->arm->cells[a->next], label, sizeof label));
}

/* Takes over the line's profile. */
static tm_status keep(arm_run *a, const tm_cell *cell, tm_worker_line *line, tm_error *err)
{
    tm_profile_run *run = a->run;
    tm_profiled *item = &run->items[run->n_items++];
    char path[1100], label[512];
    const tm_worker_profile *profile = line->profile;
    *item = (tm_profiled){.cell = *cell,
                          .profile = profile->profile,
                          .limits = limits_of(run->roofline, cell->threads),
                          .shown = run->fastest ? "fastest" : "median"};
    for (int t = 0; t < TM_BACKEND_CPUS_MAX; t++)
        item->cpus[t] = t < profile->n_cpus ? profile->cpus[t] : -1;
    free(line->profile);
    line->profile = NULL;
    if (run->folded)
        tm_folded_add(run->folded, tm_cell_label(cell, label, sizeof label), &item->profile);
    if (!a->folder[0]) return TM_OK;
    trace_path(a, line->test, path, sizeof path);
    return tm_profile_trace_splice(run->trace, path, err);
}

static tm_status take_profile(arm_run *a, tm_worker_line *line, tm_error *err)
{
    char label[512];
    if (line->test != a->next || a->next >= a->arm->n_cells)
        return tm_fail(err, TM_FORMAT, "the worker sent the profile of test %d; test %d was due",
                       line->test, a->next);
    const tm_cell *cell = &a->arm->cells[a->next++];
    if (!line->profile) {
        fprintf(stderr, "failed %s: %s\n", tm_cell_label(cell, label, sizeof label),
                line->record.reason);
        a->run->n_failed++;
        return TM_OK;
    }
    tm_status status = keep(a, cell, line, err);
    a->is_fatal = status != TM_OK;
    return status;
}

static tm_status take_line(void *arg, tm_worker_line *line, tm_error *err)
{
    arm_run *a = arg;
    tm_status status = TM_OK;
    if (line->kind == TM_WORKER_PROFILE) status = take_profile(a, line, err);
    if (line->kind == TM_WORKER_CHECKED || line->kind == TM_WORKER_PROFILE) print_next(a);
    tm_worker_line_free(line);
    return status;
}

/* A worker is silent over all the runs of a profile. */
static double patience(void *arg)
{
    const arm_run *a = arg;
    return (PATIENCE_SECONDS + PATIENCE_FACTOR * a->arm->predicted_seconds) *
           TM_PROFILE_RUNS(a->run->n_pairs);
}

static tm_status make_folder(arm_run *a, tm_error *err)
{
    const char *parent = getenv("TMPDIR");
    if (!a->run->trace->file) return TM_OK;
    snprintf(a->folder, sizeof a->folder, "%s/ternmark-trace-XXXXXX",
             parent && *parent ? parent : "/tmp");
    if (mkdtemp(a->folder)) return TM_OK;
    tm_status status = tm_fail(err, TM_IO, "%s: %s", a->folder, strerror(errno));
    a->folder[0] = 0;
    return status;
}

static void remove_folder(const arm_run *a)
{
    char path[1100];
    if (!a->folder[0]) return;
    for (int i = 0; i < a->request.n_tests; i++) {
        trace_path(a, i, path, sizeof path);
        unlink(path);
    }
    rmdir(a->folder);
}

/* A worker that fails costs its own cells only. */
static tm_status run_arm(arm_run *a, tm_error *err)
{
    static const char *const argv[] = {"/proc/self/exe", "worker", NULL};
    const tm_worker_process process = {.argv = argv,
                                       .request = &a->request,
                                       .on_line = take_line,
                                       .patience = patience,
                                       .arg = a,
                                       .interrupt = a->run->interrupt};
    const tm_cell *c = &a->arm->cells[0];
    tm_status status = make_folder(a, err);
    if (status != TM_OK) return status;
    fill_request(a);
    tm_affinity before;
    status = tm_cpu_choice_enter(c->cpus, &before, err);
    if (status == TM_OK) status = tm_worker_process_run(&process, err);
    tm_affinity_restore(&before);
    remove_folder(a);
    if (status == TM_OK || status == TM_INTERRUPTED || a->is_fatal) return status;
    fprintf(stderr, "failed %s %s %d thread%s: %s\n", c->model, c->kernel, c->threads,
            tm_plural(c->threads), err->message);
    a->run->n_failed++;
    return TM_OK;
}

tm_status tm_profile_run_arms(tm_profile_run *run, tm_error *err)
{
    tm_status status = TM_OK;
    arm_run *a = malloc(sizeof *a);
    run->items = calloc((size_t)run->plan->n_cells, sizeof *run->items);
    if (!a || !run->items)
        status = tm_fail(err, TM_NOMEM, "no memory for %d cells", run->plan->n_cells);
    for (int i = 0; i < run->plan->n_arms && status == TM_OK; i++) {
        const tm_arm *arm = &run->plan->arms[i];
        const tm_cell *c = &arm->cells[0];
        *a = (arm_run){.run = run, .arm = arm};
        if (arm->skip[0])
            fprintf(stderr, "skipped %s %s %d thread%s: %s\n", c->model, c->kernel, c->threads,
                    tm_plural(c->threads), arm->skip);
        else
            status = run_arm(a, err);
    }
    free(a);
    return status;
}

void tm_profile_run_free(tm_profile_run *run)
{
    for (int i = 0; i < run->n_items; i++) tm_profile_free(&run->items[i].profile);
    free(run->items);
    run->items = NULL;
    run->n_items = 0;
}
