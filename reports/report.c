#include "reports/report.h"

#include "harness/base/atomic_file.h"
#include "reports/energy_sheet.h"
#include "reports/report_parts.h"
#include "reports/speedup_sheet.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

tm_status tm_report_formats(const char *list, unsigned *out, tm_error *err)
{
    static const char *const names[] = {TM_TABLE_FORMAT_NAMES "all", NULL};
    *out = 0;
    for (const char *item = list;; item++) {
        char name[32];
        int n = (int)strcspn(item, ","), i = 0;
        snprintf(name, sizeof name, "%.*s", n < 31 ? n : 31, item);
        while (names[i] && strcmp(names[i], name) != 0) i++;
        if (!names[i]) return tm_unknown_name(err, "format", name, names);
        *out |= i < TM_TABLE_N_FORMATS ? 1u << i : TM_REPORT_ALL;
        item += n;
        if (!*item) return TM_OK;
    }
}

void tm_report_free(tm_report *report)
{
    tm_text_free(&report->text);
    tm_text_free(&report->files);
    tm_text_free(&report->remarks);
}

/* What all sections and files share. */
typedef struct work {
    tm_summaries summaries;
    tm_speedups speedups;
    tm_sheet_machine *machines;
    tm_sheet_input input;
    tm_tables tables;
    tm_tables energy;      /* savings; none if no run asked for energy */
    tm_table energy_cells; /* one row per cell and phase; no rows if no run asked */
    tm_table profile;      /* one row per cell and operation; no rows if no run asked */
    tm_plots plots;
    tm_report_view view;
    tm_text warnings;
    int n_warnings;
    size_t plot_remarks_length; /* bytes of `remarks` that are about plots */
    tm_report *out;
} work;

static void free_work(work *w)
{
    tm_text_free(&w->warnings);
    tm_plots_free(&w->plots);
    tm_tables_free(&w->tables);
    tm_tables_free(&w->energy);
    tm_table_free(&w->energy_cells);
    tm_table_free(&w->profile);
    tm_speedups_free(&w->speedups);
    tm_free(w->machines);
    tm_summaries_free(&w->summaries);
    free(w);
}

static tm_status save_file(work *w, const tm_text *text, const char *stem, const char *extension,
                           tm_error *err)
{
    return tm_report_save(text, w->view.options->directory, stem, extension, &w->out->files, err);
}

static bool has_energy(const work *w)
{
    return w->energy_cells.n_rows > 0;
}

/* Appends the speed-up tables in one format. */
static tm_status put_speedups(const work *w, tm_table_writer put, tm_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    for (int i = 0; i < w->tables.n && status == TM_OK; i++) {
        if (i) tm_text_add_char(out, '\n');
        status = put(&w->tables.items[i], out, err);
    }
    return status;
}

static tm_status put_energy(const work *w, tm_table_writer put, tm_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    if (!has_energy(w)) return TM_OK;
    for (int i = 0; i < w->energy.n && status == TM_OK; i++) {
        status = put(&w->energy.items[i], out, err);
        tm_text_add_char(out, '\n');
    }
    return status == TM_OK ? put(&w->energy_cells, out, err) : status;
}

static tm_status put_profile(const work *w, tm_table_writer put, tm_text *out, tm_error *err)
{
    return w->profile.n_rows > 0 ? put(&w->profile, out, err) : TM_OK;
}

/* Appends the growth table in one format, if it has rows; as text only if the store was made for
 * it. */
static tm_status put_growth(const work *w, tm_table_writer put, const char *title, tm_text *out,
                            tm_error *err)
{
    tm_table table;
    bool is_measured_for;
    tm_status status = tm_report_growth(&w->view, &is_measured_for, &table, err);
    if (status == TM_OK && table.n_rows > 0 && (is_measured_for || put != tm_table_write_text)) {
        tm_text_add(out, title);
        status = put(&table, out, err);
    }
    tm_table_free(&table);
    return status;
}

/* What `ternmark report` prints, whichever formats are saved. */
static tm_status print_tables(work *w, tm_error *err)
{
    tm_text *out = &w->out->text;
    tm_status status = put_speedups(w, tm_table_write_text, out, err);
    if (!w->tables.n) tm_text_add(out, TM_REPORT_NO_SPEEDUP "\n");
    if (status == TM_OK) status = put_growth(w, tm_table_write_text, "\nCost growth\n", out, err);
    if (has_energy(w)) tm_text_add_char(out, '\n');
    if (status == TM_OK) status = put_energy(w, tm_table_write_text, out, err);
    if (w->profile.n_rows > 0) tm_text_add(out, "\nWhere the time goes\n");
    if (status == TM_OK) status = put_profile(w, tm_table_write_text, out, err);
    return status == TM_OK ? tm_text_status(out, "text", err) : status;
}

/* A file for each kind of tables that the store has, for people. */
static tm_status write_documents(work *w, const tm_table_format *format, tm_error *err)
{
    static const struct {
        const char *stem;
        tm_status (*put)(const work *w, tm_table_writer put, tm_text *out, tm_error *err);
    } documents[] = {{"speedup", put_speedups}, {"energy", put_energy}, {"profile", put_profile}};
    tm_status status = TM_OK;
    for (size_t i = 0; i < sizeof documents / sizeof *documents && status == TM_OK; i++) {
        tm_text text = {0};
        status = documents[i].put(w, format->write, &text, err);
        if (status == TM_OK && text.length > 0)
            status = save_file(w, &text, documents[i].stem, format->extension, err);
        tm_text_free(&text);
    }
    return status;
}

static tm_status fill_speedup(const tm_report_view *view, tm_table *out, tm_error *err)
{
    return tm_speedup_csv(view->input, out, err);
}

static tm_status fill_profile(const tm_report_view *view, tm_table *out, tm_error *err)
{
    return tm_report_profile_csv(view->summaries, out, err);
}

static tm_status fill_energy(const tm_report_view *view, tm_table *out, tm_error *err)
{
    return tm_energy_csv(view->input, out, err);
}

/* A file for each table, for programs. */
static tm_status write_data(work *w, const tm_table_format *format, tm_error *err)
{
    static const struct {
        const char *stem;
        bool is_always_there; /* even without rows */
        tm_status (*fill)(const tm_report_view *view, tm_table *out, tm_error *err);
    } tables[] = {
        {"speedup", true, fill_speedup},         {"cells", true, tm_report_cells_csv},
        {"growth", false, tm_report_growth_csv}, {"counters", false, tm_report_counters_csv},
        {"profile", false, fill_profile},        {"energy", false, fill_energy},
    };
    tm_status status = TM_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == TM_OK; i++) {
        tm_table table;
        tm_text text = {0};
        status = tables[i].fill(&w->view, &table, err);
        if (status == TM_OK) status = format->write(&table, &text, err);
        if (status == TM_OK && (tables[i].is_always_there || table.n_rows > 0))
            status = save_file(w, &text, tables[i].stem, format->extension, err);
        tm_text_free(&text);
        tm_table_free(&table);
    }
    return status;
}

/* What the plots do not show. */
static void put_plot_remarks(const work *w, tm_text *out)
{
    if (w->input.n_machines > 1) {
        tm_text_add(out, "The plots show one machine only: ");
        tm_markdown_escape(w->input.machines[w->view.machine].name, out);
        tm_text_add(out, ", that of the last run.\n\n");
    }
    if (!w->plots.n && !w->plots.n_reasons)
        tm_text_add(out, "No cell has a value, so there is nothing to plot.\n\n");
    for (int i = 0; i < w->plots.n_reasons; i++)
        tm_text_format(out, "Left out: %s.\n\n", w->plots.reasons[i]);
    if (w->plots.n_left_out)
        tm_text_format(out,
                       "%d more profiled cells are in the table only; `ternmark profile --plot` "
                       "draws the operations of one cell.\n\n",
                       w->plots.n_left_out);
}

static void put_plots(const work *w, tm_text *out)
{
    tm_text_add(out, "## Plots\n\n");
    for (int i = 0; i < w->plots.n; i++) {
        const tm_plot *plot = &w->plots.items[i];
        if (w->view.options->run_gnuplot && !w->plots.is_drawn[i]) continue;
        tm_text_add(out, "![");
        tm_markdown_escape(plot->title, out);
        tm_text_format(out, "](plots/%s.png)\n\n", plot->stem);
    }
    put_plot_remarks(w, out);
    tm_text_add(out, "plots/ holds the data (.dat), the script (.gp) and the pictures (.png, .svg, "
                     ".pdf) of each plot. To "
                     "draw a plot again, run `gnuplot NAME.gp` there.\n");
    if (w->plot_remarks_length) {
        tm_text_format(out, "\nNot drawn: %.*s", (int)w->plot_remarks_length, w->out->remarks.data);
    }
    tm_text_add_char(out, '\n');
}

static tm_status put_counters(const work *w, tm_text *out, tm_error *err)
{
    tm_table table;
    tm_status status = tm_report_counters(&w->view, &table, err);
    if (status == TM_OK && table.n_rows > 0) {
        tm_text_add(out, "\n## Counters\n\n");
        status = tm_table_write_markdown(&table, out, err);
    }
    tm_table_free(&table);
    return status;
}

/* report.md: all tables, plots and remarks. */
static tm_status write_markdown(work *w, tm_error *err)
{
    tm_text text = {0};
    tm_table cells;
    tm_status status = TM_OK;
    status = tm_report_head(&w->view, tm_table_write_markdown, &text, err);
    tm_text_add(&text, "\n## Warnings\n\n");
    tm_text_add(&text, tm_text_string(&w->warnings));
    tm_text_add(&text, "\n## Missing values\n\n");
    if (status == TM_OK) status = tm_report_missing(&w->view, &text, err);
    tm_text_add(&text, "\n## Speed-up over ");
    tm_markdown_escape(tm_sheet_baseline(&w->input, NULL), &text);
    tm_text_add(&text, "\n\n");
    if (status == TM_OK) status = put_speedups(w, tm_table_write_markdown, &text, err);
    tm_text_add(&text, w->tables.n ? "\n" : TM_REPORT_NO_SPEEDUP "\n\n");
    tm_text_add(&text, "## Energy\n\n");
    if (!has_energy(w))
        tm_text_add(&text,
                    "No run of this store asked for energy; use `ternmark run --energy=auto` "
                    "to measure it.\n\n");
    else if (status == TM_OK)
        status = put_energy(w, tm_table_write_markdown, &text, err);
    if (has_energy(w)) tm_text_add_char(&text, '\n');
    put_plots(w, &text);
    tm_text_add(&text, "## Cells\n\n");
    if (status == TM_OK) {
        status = tm_report_cells(&w->view, &cells, err);
        if (status == TM_OK) status = tm_table_write_markdown(&cells, &text, err);
        tm_table_free(&cells);
    }
    if (status == TM_OK)
        status = put_growth(w, tm_table_write_markdown, "\n## Cost growth\n\n", &text, err);
    if (w->profile.n_rows > 0) tm_text_add(&text, "\n## Where the time goes\n\n");
    if (status == TM_OK) status = put_profile(w, tm_table_write_markdown, &text, err);
    if (status == TM_OK) status = put_counters(w, &text, err);
    tm_text_add(&text, "\n## Machine and conditions\n\n");
    if (status == TM_OK)
        status = tm_report_machine(w->view.records, tm_table_write_markdown, &text, err);
    if (status == TM_OK) status = save_file(w, &text, "report", "md", err);
    tm_text_free(&text);
    return status;
}

/* Says on stderr that there are warnings, because report.md may never be opened. */
static void mention_warnings(work *w)
{
    const tm_report_options *options = w->view.options;
    if (!w->n_warnings) return;
    tm_text_format(&w->out->remarks, "%d warning%s about these results", w->n_warnings,
                   tm_plural(w->n_warnings));
    if (options->page)
        tm_text_format(&w->out->remarks, ": see %s\n", options->page);
    else if (options->formats & (1u << TM_TABLE_MARKDOWN))
        tm_text_format(&w->out->remarks, ": see %s/report.md\n", options->directory);
    else
        tm_text_add(&w->out->remarks, ": add md to --format to see them\n");
}

static tm_status name_machines(work *w, tm_error *err)
{
    const tm_summaries *all = &w->summaries;
    void *memory;
    tm_status status =
        tm_alloc(&memory, (size_t)all->n_machines, sizeof *w->machines, "machines", err);
    if (status != TM_OK) return status;
    w->machines = memory;
    for (int i = 0; i < all->n_machines; i++) {
        const tm_summary_machine *from = &all->machines[i];
        const tm_json *machine = tm_json_get(from->run, "machine");
        tm_sheet_machine *to = &w->machines[i];
        bool has_twin = false;
        for (int k = 0; k < all->n_machines; k++)
            has_twin |= k != i && strcmp(all->machines[k].name, from->name) == 0;
        to->cores = tm_report_cores(from->run);
        to->emulated = tm_json_true(tm_json_get(machine, "emulated"));
        to->architecture = tm_json_text(tm_json_get(machine, "architecture"), NULL);
        snprintf(to->name, sizeof to->name, "%.100s",
                 from->name[0] ? from->name : "this machine (CPU not recorded)");
        if (has_twin)
            snprintf(to->name + strlen(to->name), sizeof to->name - strlen(to->name),
                     " (fingerprint %.30s%s)", from->fingerprint[0] ? from->fingerprint : "none",
                     to->emulated ? ", emulated" : "");
    }
    return TM_OK;
}

/* What the sections are made from. */
static tm_status prepare_view(work *w, const tm_records *records, const tm_report_options *options,
                              tm_error *err)
{
    tm_status status = tm_summaries_make(records->items, records->n, &w->summaries, err);
    if (status != TM_OK) return status;
    w->summaries.n_refused = records->n_refused;
    if (!w->summaries.n) return tm_fail(err, TM_ARG, "%s: the store holds no cell", options->store);
    status = tm_speedups_make(&w->summaries, &w->speedups, err);
    if (status != TM_OK) return status;
    status = name_machines(w, err);
    if (status != TM_OK) return status;
    w->input = (tm_sheet_input){.speedups = &w->speedups,
                                .published = options->published,
                                .machines = w->machines,
                                .n_machines = w->summaries.n_machines};
    w->view = (tm_report_view){.records = records,
                               .options = options,
                               .summaries = &w->summaries,
                               .input = &w->input,
                               .run = tm_report_last_run(records)};
    for (int i = 0; i < w->summaries.n_machines; i++)
        if (w->summaries.machines[i].run == w->view.run) w->view.machine = i;
    return TM_OK;
}

static tm_status prepare(work *w, const tm_records *records, const tm_report_options *options,
                         tm_error *err)
{
    tm_status status = prepare_view(w, records, options, err);
    if (status == TM_OK) status = tm_speedup_sheets(&w->input, &w->tables, err);
    if (status == TM_OK) status = tm_energy_sheets(&w->input, &w->energy, err);
    if (status == TM_OK) status = tm_report_energy(&w->view, &w->energy_cells, err);
    if (status == TM_OK) status = tm_report_profile(&w->summaries, &w->profile, err);
    return status == TM_OK ? tm_report_plots(&w->view, &w->plots, err) : status;
}

/* The files of the folder. */
static tm_status write_folder(work *w, tm_error *err)
{
    const tm_report_options *options = w->view.options;
    tm_status status = tm_make_folders(options->directory, err);
    /* Plots come first, because report.md lists those that could not be drawn. */
    if (status == TM_OK)
        status = tm_report_draw(&w->plots, options->directory, options->run_gnuplot, w->out, err);
    w->plot_remarks_length = w->out->remarks.length;
    for (int i = 0; i < TM_TABLE_N_FORMATS && status == TM_OK; i++) {
        const tm_table_format *format = &tm_table_formats[i];
        if (!(options->formats & (1u << i))) continue;
        status = i == TM_TABLE_MARKDOWN ? write_markdown(w, err)
                 : format->is_data      ? write_data(w, format, err)
                                        : write_documents(w, format, err);
    }
    return status;
}

static tm_status write_page(work *w, tm_error *err)
{
    tm_text remarks = {0};
    put_plot_remarks(w, &remarks);
    const tm_report_content content = {.view = &w->view,
                                       .speedups = &w->tables,
                                       .energy = &w->energy,
                                       .energy_cells = &w->energy_cells,
                                       .profile = &w->profile,
                                       .plots = &w->plots,
                                       .plot_remarks = tm_text_string(&remarks),
                                       .warnings = tm_text_string(&w->warnings),
                                       .n_warnings = w->n_warnings};
    tm_status status = tm_report_page(&content, w->view.options->page, err);
    if (status == TM_OK) tm_text_format(&w->out->files, "%s\n", w->view.options->page);
    w->out->files.failed |= remarks.failed;
    tm_text_free(&remarks);
    return status;
}

tm_status tm_report_write(const tm_records *records, const tm_report_options *options,
                          tm_report *out, tm_error *err)
{
    *out = (tm_report){0};
    if (options->directory && !options->directory[0])
        return tm_fail(err, TM_IO, "the report's directory has no name");
    work *w = calloc(1, sizeof *w);
    if (!w) return tm_fail(err, TM_NOMEM, "report: out of memory");
    w->out = out;
    tm_status status = prepare(w, records, options, err);
    if (status == TM_OK) status = tm_report_warnings(&w->view, &w->warnings, &w->n_warnings, err);
    if (status == TM_OK) status = print_tables(w, err);
    if (status == TM_OK && options->directory) status = write_folder(w, err);
    if (status == TM_OK && options->page) status = write_page(w, err);
    if (status == TM_OK) mention_warnings(w);
    if (status == TM_OK) status = tm_text_status(&out->files, "list of files", err);
    if (status == TM_OK) status = tm_text_status(&out->remarks, "list of remarks", err);
    free_work(w);
    return status;
}

tm_status tm_report_energy_part(const tm_records *records, tm_table *cells, tm_plot *watts,
                                tm_error *err)
{
    const tm_report_options options = {.store = "energy"};
    *cells = (tm_table){0};
    *watts = (tm_plot){0};
    work *w = calloc(1, sizeof *w);
    if (!w) return tm_fail(err, TM_NOMEM, "energy: out of memory");
    tm_status status = prepare_view(w, records, &options, err);
    if (status == TM_OK) status = tm_report_energy(&w->view, cells, err);
    if (status == TM_OK) tm_report_plot_watts(&w->view, watts);
    if (status == TM_OK && watts->failed)
        status = tm_fail(err, TM_NOMEM, "energy: out of memory for the plot");
    free_work(w);
    return status;
}
