/* ternmark profile: where the time of a test goes, by operation, layer and thread. */
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/profile_output.h"
#include "harness/cli/progress.h"
#include "harness/probe/counter_group.h"
#include "harness/sweep/plan.h"
#include "harness/measure/profile_trace.h"
#include "harness/base/version.h"
#include "harness/measure/worker.h"
#include "reports/profile_table.h"

typedef struct request {
    tm_cell_settings cells;
    const char *trace, *folded, *plot;
    int64_t pairs;
    double seconds;
    bool layers, fastest;
} request;

/* What is open while cells are measured. */
typedef struct state {
    const request *r;
    tm_call *call;
    tm_machine env;
    tm_suite *suite;
    tm_tune_choices choices;
    tm_plan plan;
    tm_roofline *roofline;
    tm_profile_trace trace;
    FILE *folded;
    tm_counter_group group;
    tm_profiled *items; /* [n_items], room for every cell */
    int n_items, n_failed, interrupt_fd;
    /* Of what was finished: items, trace and folded stacks. Whoever takes it after an interrupt keeps it. */
    pthread_mutex_t output;
    bool is_measuring; /* still, after an interrupt */
    tm_status status;  /* of the measurements, and why */
    tm_error err;
} state;

static tm_status fill_suite(const request *r, tm_suite *suite, tm_error *err)
{
    tm_suite_init(suite);
    strcpy(suite->name, "profile");
    suite->repetitions = 2 * (int)r->pairs;
    tm_status status = tm_cell_fill_suite(&r->cells, suite, err);
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

static tm_status make_plan(state *s, tm_error *err)
{
    tm_progress progress;
    char build[24];
    tm_progress_init(&progress, s->r->cells.quiet);
    tm_status status = tm_build_hash(NULL, build, sizeof build, err);
    tm_tuner tuner = tm_cell_choice(&s->r->cells, build, &s->env, &progress, s->interrupt_fd);
    tm_plan_options options = {.seed = (uint64_t)s->r->cells.seed,
                               .oversubscribe = s->r->cells.oversubscribe,
                               .build = build,
                               .choices = &s->choices};
    if (status == TM_OK)
        status = tm_plan_list_choices(s->suite, &s->env, &options, &s->choices, err);
    if (status == TM_OK) status = tm_tune_resolve(&tuner, &s->choices, err);
    if (status == TM_OK) status = tm_plan_make(s->suite, &s->env, &options, &s->plan, err);
    tm_progress_end(&progress);
    return status;
}

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

/* The last run of a cell with stamps goes into the trace. */
typedef struct seen {
    state *s;
    const tm_cell *cell;
} seen;

static void see(void *arg, const tm_stamps *stamps, int first_pass, double ticks_per_ns)
{
    const seen *v = arg;
    char label[512];
    if (!v->s->trace.file) return;
    pthread_mutex_lock(&v->s->output);
    tm_profile_trace_add(&v->s->trace, tm_cell_label(v->cell, label, sizeof label), stamps,
                         first_pass, ticks_per_ns);
    pthread_mutex_unlock(&v->s->output);
}

static tm_status profile_cell(state *s, tm_bench *bench, const tm_cell *cell, tm_error *err)
{
    tm_profiled *item = &s->items[s->n_items];
    char label[512];
    seen v = {.s = s, .cell = cell};
    tm_profile_options options = {.n_pairs = (int)s->r->pairs,
                                  .fastest = s->r->fastest,
                                  .see = see,
                                  .see_arg = &v,
                                  .available_bytes = s->env.memory_available_bytes};
    tm_test test = {cell->n_prompt, cell->n_gen, cell->depth, cell->n_sequences};
    if (!s->r->cells.quiet) fprintf(stderr, "%s\n", tm_cell_label(cell, label, sizeof label));
    item->cell = *cell;
    item->shown = s->r->fastest ? "fastest" : "median";
    item->limits = limits_of(s->roofline, cell->threads);
    for (int t = 0; t < TM_BACKEND_CPUS_MAX; t++)
        item->cpus[t] = t < bench->backend->n_cpus ? bench->backend->cpus[t] : -1;
    tm_status status = tm_profile_measure(bench, &test, &options, &item->profile, err);
    if (status != TM_OK) return status;
    pthread_mutex_lock(&s->output);
    s->n_items++;
    if (s->folded)
        tm_folded_add(s->folded, tm_cell_label(cell, label, sizeof label), &item->profile);
    pthread_mutex_unlock(&s->output);
    return TM_OK;
}

/* All tests of an arm, on one model, checked before. */
static tm_status profile_arm(state *s, const tm_arm *arm, tm_error *err)
{
    const tm_cell *first = &arm->cells[0];
    tm_test tests[TM_SUITE_MAX];
    tm_backend backend = {0};
    tm_bench bench = {0};
    tm_counters *counters = NULL;
    tm_backend_request wanted = {.model = first->model,
                                 .kernel = first->kernel,
                                 .head_kernel = first->head_kernel,
                                 .n_threads = first->threads,
                                 .oversubscribe = s->r->cells.oversubscribe,
                                 .seed = (uint64_t)s->r->cells.seed,
                                 .garbage_fd = -1};
    for (int i = 0; i < arm->n_cells; i++) {
        const tm_cell *c = &arm->cells[i];
        tests[i] = (tm_test){c->n_prompt, c->n_gen, c->depth, c->n_sequences};
    }
    tm_worker_sizes(tests, arm->n_cells, &wanted.session);
    wanted.session.f16_kv = true;
    tm_status status = TM_OK;
    if (s->r->cells.counters) status = tm_counters_open(&s->group, NULL, &counters, err);
    if (status == TM_OK) status = tm_backend_open(&wanted, &backend, err);
    if (status == TM_OK) status = backend.check(&backend, err);
    if (status == TM_OK)
        status = tm_bench_open(&backend, tests, arm->n_cells, wanted.seed, &bench, err);
    bench.counters = counters;
    bench.n_threads = first->threads;
    for (int i = 0; i < arm->n_cells && status == TM_OK; i++)
        status = profile_cell(s, &bench, &arm->cells[i], err);
    tm_bench_close(&bench);
    tm_backend_close(&backend);
    tm_counters_close(counters);
    return status;
}

static tm_status profile_arms(state *s, tm_error *err)
{
    s->items = calloc((size_t)s->plan.n_cells, sizeof *s->items);
    if (!s->items) return tm_fail(err, TM_NOMEM, "no memory for %d cells", s->plan.n_cells);
    for (int i = 0; i < s->plan.n_arms; i++) {
        const tm_arm *arm = &s->plan.arms[i];
        const tm_cell *c = &arm->cells[0];
        tm_error why = {0};
        if (arm->skip[0]) {
            fprintf(stderr, "skipped %s %s %d threads: %s\n", c->model, c->kernel, c->threads,
                    arm->skip);
            continue;
        }
        if (profile_arm(s, arm, &why) == TM_OK) continue;
        fprintf(stderr, "failed %s %s %d threads: %s\n", c->model, c->kernel, c->threads,
                why.message);
        s->n_failed++;
    }
    return TM_OK;
}

/* Files are opened before anything is measured, so that a wrong path costs no minutes. */
static tm_status open_files(state *s, tm_error *err)
{
    const request *r = s->r;
    if (r->plot && mkdir(r->plot, 0777) != 0 && errno != EEXIST)
        return tm_fail(err, TM_IO, "%s: %s", r->plot, strerror(errno));
    if (r->folded && !(s->folded = fopen(r->folded, "w")))
        return tm_fail(err, TM_IO, "%s: %s", r->folded, strerror(errno));
    return r->trace ? tm_profile_trace_open(r->trace, &s->trace, err) : TM_OK;
}

static tm_status close_files(state *s, tm_error *err)
{
    tm_status status = tm_profile_trace_close(&s->trace, err);
    if (!s->folded) return status;
    errno = 0;
    bool failed = fflush(s->folded) != 0 || ferror(s->folded) != 0;
    if ((fclose(s->folded) != 0 || failed) && status == TM_OK)
        status = tm_fail(err, TM_IO, "%s: could not be written whole: %s", s->r->folded,
                         strerror(errno ? errno : EIO));
    return status;
}

static tm_status draw(const state *s, tm_error *err)
{
    for (int i = 0; i < s->n_items; i++) {
        tm_plot plot;
        tm_error why = {0};
        char label[512];
        tm_record_profile table;
        const tm_profiled *item = &s->items[i];
        tm_status status = tm_profile_to_table(&item->profile, &table, err);
        if (status != TM_OK) return status;
        tm_profile_plot(&table, &item->limits, tm_cell_label(&item->cell, label, sizeof label),
                        &plot);
        tm_record_profile_free(&table);
        snprintf(plot.stem, sizeof plot.stem, "roofline-%d", i + 1);
        if (tm_plot_count_points(&plot)) {
            status = tm_plot_write(&plot, s->r->plot, err);
            /* Script and data are there; without gnuplot the rest is for another machine. */
            if (status == TM_OK && tm_plot_run(s->r->plot, plot.stem, &why) != TM_OK)
                fprintf(stderr, "%s/%s.gp: %s\n", s->r->plot, plot.stem, why.message);
        } else {
            fprintf(stderr, "%s: no plot: no limits were measured\n", s->items[i].cell.test);
        }
        tm_plot_free(&plot);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

static tm_status print(const state *s, tm_error *err)
{
    tm_text text = {0};
    tm_status status =
        tm_profile_output_write(s->items, s->n_items, s->call->format, s->r->layers, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), s->call->out);
    tm_text_free(&text);
    return status;
}

static void measure_all(void *arg)
{
    state *s = arg;
    const tm_plan_roofline_request limits = {.env = &s->env,
                                             .plan = &s->plan,
                                             .oversubscribe = s->r->cells.oversubscribe,
                                             .interrupt_fd = -1};
    s->status = TM_OK;
    /* Before any model takes memory. */
    if (s->r->seconds > 0)
        s->status = tm_plan_roofline_measure(&limits, s->r->seconds, s->roofline, &s->err);
    if (s->status == TM_OK) s->status = profile_arms(s, &s->err);
}

static tm_status measure(state *s, tm_error *err)
{
    const tm_cell_settings *cells = &s->r->cells;
    tm_status status = fill_suite(s->r, s->suite, err);
    if (status == TM_OK && cells->counters)
        status = tm_counter_group_read(cells->counters, &s->group, err);
    if (status == TM_OK) status = tm_machine_read("/", &s->env, err);
    if (status == TM_OK) status = make_plan(s, err);
    if (status == TM_OK) status = open_files(s, err);
    if (status == TM_OK && tm_interrupt_run(s->interrupt_fd, measure_all, s)) {
        *err = s->err;
        status = s->status;
    } else if (status == TM_OK) {
        pthread_mutex_lock(&s->output);
        s->is_measuring = true;
        status = tm_fail(err, TM_INTERRUPTED, "interrupted");
    }
    tm_error why = {0};
    tm_status closed = close_files(s, &why);
    if (status == TM_OK && closed != TM_OK) {
        *err = why;
        status = closed;
    }
    return status;
}

/* Cells that were finished are shown also after an interrupt. */
static tm_status profile(state *s, bool *interrupted, tm_error *err)
{
    tm_status status = measure(s, err);
    *interrupted = status == TM_INTERRUPTED;
    if (*interrupted) {
        fprintf(stderr, "ternmark profile: interrupted; %d of %d cells were finished\n", s->n_items,
                s->plan.n_cells);
        status = TM_OK;
        if (s->n_items == 0) return status;
    }
    if (status == TM_OK) status = print(s, err);
    return status == TM_OK && s->r->plot ? draw(s, err) : status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const request *r = settings;
    bool interrupted = false;
    state s = {.r = r,
               .call = call,
               .suite = malloc(sizeof *s.suite),
               .roofline = calloc(1, sizeof *s.roofline),
               .interrupt_fd = tm_interrupt_open(),
               .output = PTHREAD_MUTEX_INITIALIZER};
    tm_status status = s.suite && s.roofline ? profile(&s, &interrupted, err)
                                             : tm_fail(err, TM_NOMEM, "no memory");
    if (status == TM_OK && interrupted)
        call->exit_status = tm_interrupt_exit_status(s.interrupt_fd);
    else if (status == TM_OK)
        call->exit_status = s.n_failed ? 4 : s.n_items == 0 ? 3 : 0;
    if (s.is_measuring) { /* with what would be freed here */
        fflush(stdout);
        _exit(call->exit_status);
    }
    for (int i = 0; i < s.n_items; i++) tm_profile_free(&s.items[i].profile);
    free(s.items);
    if (s.suite) tm_plan_free(&s.plan);
    tm_tune_choices_free(&s.choices);
    tm_machine_free(&s.env);
    free(s.roofline);
    free(s.suite);
    return status;
}

static const tm_option rows[] = {
    {"repetitions", "r", TM_INTEGER(request, pairs), "N",
     .help = "pairs of runs, with and without time stamps (default 10)", .low = 1, .high = 1000},
    {"layers", NULL, TM_FLAG(request, layers), NULL, .help = "also print times by layer"},
    {"fastest", NULL, TM_FLAG(request, fastest), NULL,
     .help = "show the fastest run instead of the median one; for noisy machines"},
    {"trace", NULL, TM_FILE(request, trace), "FILE",
     .help = "write a trace for Perfetto (Chrome trace JSON)"},
    {"folded", NULL, TM_FILE(request, folded), "FILE",
     .help = "write folded stacks for flame graphs, in nanoseconds"},
    {"plot", NULL, TM_DIR(request, plot), "DIR",
     .help = "draw each cell's roofline as DIR/roofline-N"},
    {"seconds", NULL, TM_NUMBER(request, seconds), "SECONDS",
     .help = "time to measure each roofline limit (default 0.5; 0: no limits)",
     .group = TM_EXECUTION_GROUP, .high = 60},
    {0}};

const tm_command tm_command_profile = {
    .name = "profile",
    .synopsis = "-m MODEL [OPTIONS]",
    .summary = "show where the time goes: by operation, layer and thread",
    .description =
        "Shows where the time of each test goes, by operation, layer and thread, next to the "
        "roofline of this machine. ^C ends it at once and prints the finished cells.",
    .examples = "ternmark profile -m synth:125M -t 1 -p 32 -n 8 -r 3 --layers\n"
                "ternmark profile -m synth:125M -p 0 -n 8 --trace trace.json --plot plots",
    .formats = (const char *const[]){"text", "md", "csv", "json", NULL},
    .options = (const tm_option_set[]){{tm_cell_options, offsetof(request, cells)}, {rows, 0}, {0}},
    .settings_size = sizeof(request),
    .defaults = &(const request){.cells = TM_CELL_DEFAULTS, .pairs = 10, .seconds = 0.5},
    .run = run,
};
