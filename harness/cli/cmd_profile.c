/* ternmark profile: shows where the time of a test goes, by operation, layer and thread. */
#include "harness/base/atomic_file.h"
#include "harness/base/version.h"
#include "harness/cli/cell_options.h"
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/cli/plan_roofline.h"
#include "harness/cli/profile_run.h"
#include "reports/output/table.h"
#include "reports/profile_table.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct settings {
    tm_cell_settings cells;
    const char *trace, *folded, *plot;
    int64_t pairs;
    double seconds;
    bool layers, fastest;
} settings;

/* Everything that is open while cells are measured. */
typedef struct state {
    const settings *s;
    tm_machine machine;
    tm_suite *suite;
    tm_tune_choices choices;
    tm_plan plan;
    tm_roofline *roofline;
    tm_profile_trace trace;
    FILE *folded; /* into folded_text */
    char *folded_text;
    size_t folded_size;
    tm_profile_run run;
    tm_interrupt interrupt;
    bool is_measuring_roofline; /* in another thread, after an interrupt */
} state;

static tm_status fill_suite(const settings *s, tm_suite *suite, tm_error *err)
{
    tm_suite_init(suite);
    strcpy(suite->name, "profile");
    suite->repetitions = 2 * (int)s->pairs;
    tm_status status = tm_cell_fill_suite(&s->cells, suite, err);
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

static tm_status make_plan(state *st, tm_error *err)
{
    const tm_cell_settings *cells = &st->s->cells;
    tm_progress progress;
    char build[24];
    tm_progress_init(&progress, cells->quiet);
    tm_status status = tm_build_hash(NULL, build, sizeof build, err);
    tm_tuner tuner = tm_cell_choice(cells, build, &st->machine, &progress, &st->interrupt);
    tm_plan_options options = {.seed = (uint64_t)cells->seed,
                               .oversubscribe = cells->oversubscribe,
                               .build = build,
                               .choices = &st->choices};
    if (status == TM_OK)
        status = tm_plan_list_choices(st->suite, &st->machine, &options, &st->choices, err);
    if (status == TM_OK) status = tm_tune_resolve(&tuner, &st->choices, err);
    if (status == TM_OK) status = tm_plan_make(st->suite, &st->machine, &options, &st->plan, err);
    tm_progress_end(&progress);
    return status;
}

/* Checks and opens the outputs before measuring, so that a wrong path is reported at once. */
static tm_status open_outputs(state *st, tm_error *err)
{
    const settings *s = st->s;
    tm_status status = s->plot ? tm_make_folders(s->plot, err) : TM_OK;
    if (status == TM_OK && s->folded) status = tm_atomic_file_check(s->folded, err);
    if (status == TM_OK && s->folded) {
        st->folded = open_memstream(&st->folded_text, &st->folded_size);
        if (!st->folded) status = tm_fail(err, TM_NOMEM, "no memory for folded stacks");
    }
    return status == TM_OK && s->trace ? tm_profile_trace_open(s->trace, &st->trace, err) : status;
}

/* status: the outcome of measuring. Only a run that has measured something and was not interrupted
 * replaces earlier files. */
static tm_status close_outputs(state *st, tm_status status, tm_error *err)
{
    bool is_kept = status == TM_OK && st->run.n_items > 0;
    if (is_kept)
        status = tm_profile_trace_close(&st->trace, err);
    else
        tm_profile_trace_abandon(&st->trace);
    if (!st->folded) return status;
    if (fclose(st->folded) != 0 && status == TM_OK)
        status = tm_fail(err, TM_NOMEM, "no memory for folded stacks");
    if (is_kept && status == TM_OK)
        status = tm_atomic_file_write(st->s->folded, st->folded_text, st->folded_size, err);
    free(st->folded_text);
    return status;
}

typedef struct roofline_job {
    state *st;
    tm_status status;
    tm_error *err;
} roofline_job;

static void run_roofline_job(void *arg)
{
    roofline_job *job = arg;
    const tm_plan_roofline_request request = {.machine = &job->st->machine,
                                              .plan = &job->st->plan,
                                              .oversubscribe = job->st->s->cells.oversubscribe,
                                              .interrupt = NULL};
    job->status =
        tm_plan_roofline_measure(&request, job->st->s->seconds, job->st->roofline, job->err);
}

/* Runs before any model takes memory. An interrupt does not wait for it. */
static tm_status measure_roofline(state *st, tm_error *err)
{
    static tm_error why; /* outlives this call if the measurement does */
    static roofline_job job;
    job = (roofline_job){.st = st, .err = &why};
    if (!(st->s->seconds > 0)) return TM_OK;
    if (tm_interrupt_run(&st->interrupt, run_roofline_job, &job)) {
        if (job.status == TM_UNSUPPORTED) fprintf(stderr, "no roofline: %s\n", why.message);
        if (job.status == TM_UNSUPPORTED) return TM_OK;
        *err = why;
        return job.status;
    }
    st->is_measuring_roofline = true;
    return tm_fail(err, TM_INTERRUPTED, "interrupted");
}

static tm_status measure(state *st, tm_error *err)
{
    const settings *s = st->s;
    tm_status status = fill_suite(s, st->suite, err);
    if (status == TM_OK) status = tm_machine_read("/", &st->machine, err);
    if (status == TM_OK) status = make_plan(st, err);
    if (status == TM_OK) status = open_outputs(st, err);
    if (status == TM_OK) status = measure_roofline(st, err);
    st->run = (tm_profile_run){.suite = st->suite,
                               .plan = &st->plan,
                               .roofline = st->roofline,
                               .seed = (uint64_t)s->cells.seed,
                               .n_pairs = (int)s->pairs,
                               .fastest = s->fastest,
                               .quiet = s->cells.quiet,
                               .oversubscribe = s->cells.oversubscribe,
                               .interrupt = &st->interrupt,
                               .trace = &st->trace,
                               .folded = st->folded};
    if (status == TM_OK) status = tm_profile_run_arms(&st->run, err);
    return close_outputs(st, status, err);
}

static tm_status draw(const state *st, tm_error *err)
{
    for (int i = 0; i < st->run.n_items; i++) {
        tm_plot plot;
        tm_error why = {0};
        char label[512];
        tm_record_profile table;
        const tm_profiled *item = &st->run.items[i];
        tm_status status = tm_profile_to_table(&item->profile, &table, err);
        if (status != TM_OK) return status;
        tm_profile_plot(&table, &item->limits, tm_cell_label(&item->cell, label, sizeof label),
                        &plot);
        tm_record_profile_free(&table);
        snprintf(plot.stem, sizeof plot.stem, "roofline-%d", i + 1);
        if (tm_plot_count_points(&plot)) {
            status = tm_plot_write(&plot, st->s->plot, err);
            /* Without gnuplot, script and data can be drawn on another machine. */
            if (status == TM_OK && tm_plot_run(st->s->plot, plot.stem, &why) != TM_OK)
                fprintf(stderr, "%s/%s.gp: %s\n", st->s->plot, plot.stem, why.message);
        } else {
            fprintf(stderr, "%s: no plot: the roofline was not measured\n",
                    st->run.items[i].cell.test);
        }
        tm_plot_free(&plot);
        if (status != TM_OK) return status;
    }
    return TM_OK;
}

static tm_status print(const state *st, const tm_call *call, tm_error *err)
{
    tm_text text = {0};
    tm_status status = tm_profile_output_write(st->run.items, st->run.n_items, call->format,
                                               st->s->layers, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    tm_text_free(&text);
    return status;
}

/* Prints the finished cells, also after an interrupt. */
static tm_status profile(state *st, tm_call *call, tm_error *err)
{
    tm_status status = measure(st, err);
    int n = st->run.n_items;
    if (status == TM_INTERRUPTED) {
        fprintf(stderr, "ternmark profile: interrupted; %d of %d cells were finished\n", n,
                st->plan.n_cells);
        call->exit_status = tm_interrupt_exit_status(&st->interrupt);
        if (n == 0) return TM_OK;
    } else if (status != TM_OK) {
        return status;
    } else {
        call->exit_status = st->run.n_failed ? 4 : n == 0 ? 3 : 0;
    }
    status = print(st, call, err);
    return status == TM_OK && st->s->plot ? draw(st, err) : status;
}

static tm_status run(void *arg, tm_call *call, tm_error *err)
{
    state st = {.s = arg,
                .suite = malloc(sizeof *st.suite),
                .roofline = calloc(1, sizeof *st.roofline),
                .interrupt = tm_interrupt_open()};
    tm_status status = st.suite && st.roofline ? profile(&st, call, err)
                                               : tm_fail(err, TM_NOMEM, "no memory for a suite");
    if (st.is_measuring_roofline) _exit(call->exit_status); /* it uses what is freed here */
    tm_profile_run_free(&st.run);
    tm_plan_free(&st.plan);
    tm_tune_choices_free(&st.choices);
    free(st.roofline);
    free(st.suite);
    return status;
}

static const tm_option rows[] = {
    {"repetitions", "r", TM_INTEGER(settings, pairs), "N",
     .help = "pairs of runs, with and without time stamps (default 10)", .low = 1, .high = 1000},
    {"layers", NULL, TM_FLAG(settings, layers), NULL, .help = "also print times by layer"},
    {"fastest", NULL, TM_FLAG(settings, fastest), NULL,
     .help = "show the fastest run instead of the median one; for noisy machines"},
    {"trace", NULL, TM_FILE(settings, trace), "FILE",
     .help = "write a trace for Perfetto (Chrome trace JSON)"},
    {"folded", NULL, TM_FILE(settings, folded), "FILE",
     .help = "write folded stacks for flame graphs, in nanoseconds"},
    {"plot", NULL, TM_DIR(settings, plot), "DIR",
     .help = "draw each cell's roofline as DIR/roofline-N"},
    {"seconds", NULL, TM_NUMBER(settings, seconds), "SECONDS",
     .help = "time to measure each roofline limit (default 0.5; 0: no limits)",
     .group = TM_EXECUTION_GROUP, .high = 60},
    {0},
};

const tm_command tm_command_profile = {
    .name = "profile",
    .synopsis = "-m MODEL [OPTIONS]",
    .summary = "show where the time goes: by operation, layer and thread",
    .description =
        "Shows where the time of each test goes, by operation, layer and thread, next to the "
        "roofline of this machine. ^C ends it at once and prints the finished cells.",
    .examples = "ternmark profile -m synth:125M -t 1 -p 32 -n 8 -r 3 --layers\n"
                "ternmark profile -m synth:125M -p 0 -n 8 --trace trace.json --plot plots",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .options =
        (const tm_option_set[]){{tm_cell_options, offsetof(settings, cells)}, {rows, 0}, {0}},
    .settings_size = sizeof(settings),
    .defaults = &(const settings){.cells = TM_CELL_DEFAULTS, .pairs = 10, .seconds = 0.5},
    .run = run,
};
