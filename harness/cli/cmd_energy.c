/* ternmark energy: joules per token of a model, with the meters of this machine. It composes what
 * doctor, bench and report do: the sources, energy windows in fresh processes, and one table. */
#include "harness/base/atomic_file.h"
#include "harness/cli/arms_run.h"
#include "harness/cli/bench_output.h"
#include "harness/cli/commands.h"
#include "harness/cli/energy_options.h"
#include "harness/cli/interrupt.h"
#include "harness/doctor/doctor.h"
#include "reports/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPETITIONS 3 /* for tokens/s; the windows repeat the work by themselves */

typedef struct request {
    tm_cell_settings cells;
    tm_energy_settings energy;
    const char *store, *plot;
    int64_t processes;
} request;

/* What a run needs; large, hence in one allocation. */
typedef struct work {
    tm_doctor sources;
    tm_energy_source_choice meter;
    tm_arm_request arm;
    tm_machine machine;
} work;

static tm_status fill_suite(const request *r, tm_suite *suite, tm_error *err)
{
    tm_suite_init(suite);
    strcpy(suite->name, "energy");
    suite->repetitions = REPETITIONS;
    suite->processes = (int)r->processes;
    suite->warmup = 1;
    tm_status status = tm_cell_fill_suite(&r->cells, suite, err);
    if (status == TM_OK) status = tm_energy_adjust(&r->energy, suite, err);
    if (status == TM_OK && r->energy.energy && strcmp(suite->energy.source, "none") == 0)
        return tm_fail(err, TM_ARG, "--energy=none leaves nothing to measure; use bench");
    if (status == TM_OK && suite->energy.marker && !r->store)
        return tm_fail(err, TM_ARG,
                       "--meter-marker needs --store FILE, into which `import` adds the joules");
    if (status == TM_OK && strcmp(suite->energy.source, "none") == 0)
        status = tm_energy_source_parse("require", &suite->energy, err);
    suite->energy.required = true;
    return status == TM_OK ? tm_suite_check(suite, err) : status;
}

/* The first source that a permission or another machine would make work, or NULL. */
static const tm_energy_source_answer *find_fixable(const tm_energy_source_choice *choice)
{
    static const tm_probe_state states[] = {TM_PROBE_DENIED, TM_PROBE_STUCK, TM_PROBE_INVALID};
    for (size_t k = 0; k < sizeof states / sizeof *states; k++)
        for (int i = 0; i < choice->n_tried; i++) {
            const tm_energy_source_answer *a = &choice->tried[i];
            if (a->health.state == states[k] && a->health.fix[0]) return a;
        }
    return NULL;
}

/* Says in two lines what would give a source. */
static tm_status refuse(const tm_energy_source_choice *choice, const char *source, tm_error *err)
{
    const tm_energy_source_answer *a = find_fixable(choice);
    if (a)
        fprintf(stderr, "ternmark energy: %s; fix: %s\n", a->health.reason, a->health.fix);
    else if (strcmp(source, "auto") == 0)
        fprintf(stderr, "ternmark energy: this machine shows no energy counter and no meter; few "
                        "virtual machines do\n");
    else
        fprintf(stderr, "ternmark energy: %s\n", choice->missing);
    return tm_fail(err, TM_UNSUPPORTED,
                   "no joules can be measured; a wall meter works everywhere: --meter COMMAND, "
                   "which prints \"time watts\" and then samples, or --meter-csv FILE");
}

/* The doctor's answer about the sources as a table, and the source that it does not look for: an
 * external meter, or the fake one. */
static void fill_sources(const tm_doctor *doctor, const tm_energy_source_choice *used,
                         tm_table *out)
{
    char note[1000];
    bool is_listed = !used->source[0];
    tm_table_init(out, "Energy sources");
    tm_table_add_column(out, "Source", TM_LEFT);
    tm_table_add_column(out, "Status", TM_LEFT);
    tm_table_add_column(out, "Channels", TM_LEFT);
    for (int i = 0; i < doctor->n_lines; i++) {
        const tm_doctor_line *line = &doctor->lines[i];
        if (strcmp(line->name, "energy") == 0) continue; /* it sums up the others */
        snprintf(note, sizeof note, "%s%s%s", line->detail, line->fix[0] ? "; fix: " : "",
                 line->fix);
        is_listed |= strcmp(line->name + strlen("energy "), used->source) == 0;
        tm_table_add_row(out);
        tm_table_add_cell(out, "%s", line->name + strlen("energy "));
        tm_table_add_cell(out, "%s", tm_doctor_status_text(line->status));
        if (note[0])
            tm_table_add_cell_with_note(out, line->value, note);
        else
            tm_table_add_cell(out, "%s", line->value);
    }
    if (is_listed) return;
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", used->source);
    tm_table_add_cell(out, "%s", used->later ? "later" : "ok");
    tm_table_add_cell(out, "%s", used->scope);
}

/* The sources, and what will be measured; before the work, so that it can be stopped. */
static tm_status show_sources(const work *w, const tm_call *call, tm_error *err)
{
    const tm_energy_source_options *o = &w->arm.suite.energy;
    const tm_table_format *format;
    const int n = w->arm.suite.processes;
    tm_table table;
    tm_text text = {0};
    if (strcmp(call->format, "json") == 0) return TM_OK;
    tm_status status = tm_table_format_find(call->format, &format, err);
    if (status != TM_OK || format->is_data) return status;
    fill_sources(&w->sources, &w->meter, &table);
    if (w->meter.source[0]) {
        tm_table_add_note(&table, "Used: %s, scope %s. It covers %s.", w->meter.source,
                          w->meter.scope, tm_probe_scope_covers(w->meter.scope));
        tm_table_add_note(&table,
                          "Windows: prompt and generation apart, %g s each or more, %g s of idle "
                          "before and after, in each of %d process%s.",
                          o->seconds, o->idle_seconds, n, n == 1 ? "" : "es");
    }
    status = format->write(&table, &text, err);
    if (status == TM_OK) fprintf(call->out, "%s\n", tm_text_string(&text));
    fflush(call->out);
    tm_table_free(&table);
    tm_text_free(&text);
    return status;
}

static tm_status show_json(const work *w, const tm_records *records, const tm_call *call,
                           tm_error *err)
{
    tm_summaries summaries;
    tm_json *cells = NULL, *root;
    tm_status status = tm_summaries_make(records->items, records->n, &summaries, err);
    if (status != TM_OK) return status;
    status = tm_bench_output_json(&summaries, &cells, err);
    tm_summaries_free(&summaries);
    if (status != TM_OK) return status;
    root = tm_json_object();
    tm_json_set(root, "sources", tm_doctor_to_json(&w->sources));
    tm_json_put_string(root, "source", w->meter.source);
    tm_json_put_string(root, "scope", w->meter.scope);
    tm_json_put_string(root, "scope_covers", tm_probe_scope_covers(w->meter.scope));
    tm_json_set(root, "cells", cells);
    return tm_print_json(call->out, root, err);
}

static tm_status draw(const tm_plot *plot, const char *directory, tm_error *err)
{
    tm_error why;
    if (!tm_plot_count_points(plot)) {
        fprintf(stderr, "ternmark energy: no plot: no window has a trace of its power\n");
        return TM_OK;
    }
    tm_status status = tm_plot_write(plot, directory, err);
    /* Without gnuplot, script and data can be drawn on another machine. */
    if (status == TM_OK && tm_plot_run(directory, plot->stem, &why) != TM_OK)
        fprintf(stderr, "%s/%s.gp: %s\n", directory, plot->stem, why.message);
    return status;
}

static tm_status show(const request *r, const work *w, const tm_records *records,
                      const tm_call *call, tm_error *err)
{
    tm_table table;
    tm_plot plot;
    tm_text text = {0};
    const tm_table_format *format = NULL;
    const bool is_json = strcmp(call->format, "json") == 0;
    tm_status status = tm_report_energy_part(records, &table, &plot, err);
    if (status == TM_OK && is_json) status = show_json(w, records, call, err);
    if (status == TM_OK && !is_json) status = tm_table_format_find(call->format, &format, err);
    /* Down, the table is as narrow as a terminal. */
    if (format && !format->is_data) tm_table_transpose(&table);
    if (format) status = format->write(&table, &text, err);
    if (status == TM_OK) fputs(tm_text_string(&text), call->out);
    if (status == TM_OK && r->plot) status = draw(&plot, r->plot, err);
    tm_text_free(&text);
    tm_plot_free(&plot);
    tm_table_free(&table);
    return status;
}

static int exit_status(const tm_sweep_outcome *o)
{
    if (o->n_cells_failed) return 4;
    if (o->n_windows_lost || o->n_windows_due) return 5;
    return o->n_cells_ok ? 0 : 3;
}

static tm_status measure(const request *r, work *w, tm_call *call, tm_error *err)
{
    tm_plan plan = {0};
    tm_sweep_outcome outcome = {0};
    tm_interrupt interrupt = tm_interrupt_open();
    const tm_arms_request arms = {.command = "energy",
                                  .a = &w->arm,
                                  .cells = &r->cells,
                                  .store = r->store,
                                  .energy = &w->meter,
                                  .interrupt = &interrupt};
    tm_status status = tm_arms_run(&arms, &plan, &outcome, &w->machine, err);
    const tm_records records = tm_sweep_new_records(&outcome);
    if (status == TM_OK && records.n > 0) status = show(r, w, &records, call, err);
    if (outcome.interrupted)
        call->exit_status = tm_interrupt_exit_status(&interrupt);
    else if (status == TM_OK)
        call->exit_status = exit_status(&outcome);
    tm_plan_free(&plan);
    tm_sweep_outcome_free(&outcome);
    return status;
}

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    const request *r = settings;
    tm_error why;
    work *w = calloc(1, sizeof *w);
    if (!w) return tm_fail(err, TM_NOMEM, "no memory for the suite");
    tm_suite *suite = &w->arm.suite;
    tm_status status = fill_suite(r, suite, err);
    if (status == TM_OK && r->plot) status = tm_make_folders(r->plot, err);
    if (status == TM_OK) {
        const char *root = suite->energy.root[0] ? suite->energy.root : "/";
        tm_doctor_read_energy(&(tm_doctor_options){.root = root}, &w->sources);
        const tm_status chosen = tm_energy_source_choose(&suite->energy, &w->meter, &why);
        if (chosen != TM_OK && chosen != TM_UNSUPPORTED) {
            *err = why;
            status = chosen;
        }
        if (status == TM_OK) status = show_sources(w, call, err);
        if (status == TM_OK && chosen == TM_UNSUPPORTED) {
            call->exit_status = 5;
            status = refuse(&w->meter, suite->energy.source, err);
        }
    }
    if (status == TM_OK) status = measure(r, w, call, err);
    free(w);
    return status;
}

static const tm_option rows[] = {
    {"processes", NULL, TM_INTEGER(request, processes), "N",
     .help = "fresh processes, each with its own windows (default 4)", .low = 1, .high = 1000},
    {"plot", NULL, TM_DIR(request, plot), "DIR",
     .help = "write a plot of power over time to DIR, with the windows shaded"},
    {"store", NULL, TM_FILE(request, store), "FILE",
     .help = "also append the records to a store, for `report` and `import`",
     .group = TM_EXECUTION_GROUP},
    {0},
};

const tm_command tm_command_energy = {
    .name = "energy",
    .synopsis = "-m MODEL [OPTIONS]",
    .summary = "measure joules per token of a model",
    .description =
        "Says which energy sources work here and what they cover, measures prompt and generation "
        "in windows of their own with idle power before and after, and prints one table: joules "
        "per token (gross and net), tokens per joule, power, the error of reading, and n.\n\n"
        "A source is required; without one, nothing is measured and the exit status is 5. An "
        "external meter (--meter, --meter-csv) works on every machine. harness/cli/ENERGY.md says "
        "how to defend the result.",
    .examples = "ternmark energy -m synth:2B-4T\n"
                "ternmark energy -m model.gguf -t 4 --plot plots --store energy.jsonl\n"
                "ternmark energy -m model.gguf --meter \"python3 wall.py\" --format json",
    .formats = (const char *const[]){TM_TABLE_FORMAT_NAMES "json", NULL},
    .prints = true,
    .options = (const tm_option_set[]){{tm_cell_options, offsetof(request, cells)},
                                       {rows, 0},
                                       {tm_energy_options, offsetof(request, energy)},
                                       {0}},
    .get_rows = tm_energy_source_rows,
    .got_rows_offset = offsetof(request, energy),
    .settings_size = sizeof(request),
    .defaults = &(const request){.cells = TM_CELL_DEFAULTS,
                                 .energy = TM_ENERGY_DEFAULTS,
                                 .processes = 4}, /* as many as an interval needs */
    .run = run,
};
