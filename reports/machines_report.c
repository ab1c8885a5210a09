#include "reports/machines_report.h"

#include "harness/base/atomic_file.h"
#include "reports/machines_plot.h"
#include "reports/pages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct work {
    tm_machines machines;
    tm_machine_places places;
    tm_published_machines others;
    tm_machines_view view;
    tm_table table, answers;
    tm_tables sheets;
    tm_plots plots;
    tm_records records; /* of all machines; its array is owned, its records are borrowed */
    const tm_report_options *options;
    tm_report *out;
} work;

static void free_work(work *w)
{
    tm_plots_free(&w->plots);
    tm_tables_free(&w->sheets);
    tm_table_free(&w->answers);
    tm_table_free(&w->table);
    tm_free(w->records.items);
    tm_published_machines_free(&w->others);
    tm_machine_places_free(&w->places);
    tm_machines_free(&w->machines);
    free(w);
}

static const char reading[] =
    "A column is one machine in one state; an upgrade or a restriction to fewer instruction sets "
    "is another column. Machines are compared where their intervals do not overlap. These "
    "intervals are 95 % within one run, so they do not cover drift between the days of two "
    "machines. Tokens/s per core divides by the physical cores that the threads can use, per GHz "
    "by the measured clock. Generation is compared with the read bandwidth of the same machine, a "
    "prompt with its multiply peak. Joules are compared within one scope only. Emulated, fake and "
    "published values are marked, and they get no rank and no ratio.\n";

static void put_plot_reasons(const work *w, tm_text *out)
{
    for (int i = 0; i < w->plots.n_reasons; i++)
        tm_text_format(out, "No plot: %s.\n\n", w->plots.reasons[i]);
}

/* The tables in one format, with headings if it is Markdown. */
static tm_status put_tables(const work *w, tm_table_writer put, bool is_markdown, tm_text *out,
                            tm_error *err)
{
    if (is_markdown) tm_text_add(out, "## Which machine\n\n");
    tm_status status = put(&w->answers, out, err);
    tm_text_add(out, is_markdown ? "\n## Machines\n\n" : "\n");
    if (status == TM_OK) status = put(&w->table, out, err);
    if (is_markdown) tm_text_add(out, "\n## Values\n");
    for (int i = 0; i < w->sheets.n && status == TM_OK; i++) {
        tm_text_add_char(out, '\n');
        status = put(&w->sheets.items[i], out, err);
    }
    return status;
}

static tm_status write_markdown(work *w, tm_error *err)
{
    tm_text text = {0};
    tm_text_add(&text, "# ternmark report: machines\n\n");
    tm_text_add(&text, reading);
    tm_text_add(&text, "\n## Remarks\n\n");
    tm_machines_remarks(&w->view, &text);
    tm_text_add_char(&text, '\n');
    tm_status status = put_tables(w, tm_table_write_markdown, true, &text, err);
    tm_text_add(&text, "\n## Plots\n\n");
    for (int i = 0; i < w->plots.n; i++) {
        if (w->options->run_gnuplot && !w->plots.is_drawn[i]) continue;
        tm_text_add(&text, "![");
        tm_markdown_escape(w->plots.items[i].title, &text);
        tm_text_format(&text, "](plots/%s.png)\n\n", w->plots.items[i].stem);
    }
    put_plot_reasons(w, &text);
    if (status == TM_OK)
        status = tm_report_save(&text, w->options->directory, "report", "md", &w->out->files, err);
    tm_text_free(&text);
    return status;
}

static tm_status write_data(work *w, const tm_table_format *format, tm_error *err)
{
    static const struct {
        const char *stem;
        tm_status (*fill)(const tm_machines_view *view, tm_table *out, tm_error *err);
    } tables[] = {{"machines", tm_machines_csv}, {"values", tm_machines_values_csv}};
    tm_status status = TM_OK;
    for (size_t i = 0; i < sizeof tables / sizeof *tables && status == TM_OK; i++) {
        tm_table table;
        tm_text text = {0};
        status = tables[i].fill(&w->view, &table, err);
        if (status == TM_OK) status = format->write(&table, &text, err);
        if (status == TM_OK)
            status = tm_report_save(&text, w->options->directory, tables[i].stem, format->extension,
                                    &w->out->files, err);
        tm_text_free(&text);
        tm_table_free(&table);
    }
    return status;
}

static tm_status write_document(work *w, const tm_table_format *format, tm_error *err)
{
    tm_text text = {0};
    tm_status status = put_tables(w, format->write, false, &text, err);
    if (status == TM_OK)
        status = tm_report_save(&text, w->options->directory, "machines", format->extension,
                                &w->out->files, err);
    tm_text_free(&text);
    return status;
}

static tm_status write_folder(work *w, tm_error *err)
{
    const tm_report_options *o = w->options;
    tm_status status = tm_make_folders(o->directory, err);
    if (status == TM_OK)
        status = tm_report_draw(&w->plots, o->directory, o->run_gnuplot, w->out, err);
    for (int i = 0; i < TM_TABLE_N_FORMATS && status == TM_OK; i++) {
        const tm_table_format *format = &tm_table_formats[i];
        if (!(o->formats & (1u << i))) continue;
        status = i == TM_TABLE_MARKDOWN ? write_markdown(w, err)
                 : format->is_data      ? write_data(w, format, err)
                                        : write_document(w, format, err);
    }
    return status;
}

static tm_status write_page(work *w, tm_error *err)
{
    tm_page page;
    tm_text text = {0};
    tm_page_begin(&page, "ternmark report: machines");
    tm_page_section(&page, "Which machine", false);
    tm_page_prose(&page, reading);
    tm_status status = tm_page_table(&page, &w->answers, err);
    tm_page_section(&page, "Remarks", false);
    tm_machines_remarks(&w->view, &text);
    tm_page_prose(&page, tm_text_string(&text));
    tm_page_section(&page, "Machines", false);
    if (status == TM_OK) status = tm_page_table(&page, &w->table, err);
    tm_page_section(&page, "Plots", false);
    text.length = 0;
    put_plot_reasons(w, &text);
    if (w->plots.n_reasons) tm_page_prose(&page, tm_text_string(&text));
    tm_page_plots_begin(&page);
    for (int i = 0; i < w->plots.n; i++) tm_page_plot(&page, &w->plots.items[i]);
    tm_page_plots_end(&page);
    tm_page_section(&page, "Values", false);
    for (int i = 0; i < w->sheets.n && status == TM_OK; i++)
        status = tm_page_table(&page, &w->sheets.items[i], err);
    if (status == TM_OK) status = tm_page_samples(&page, &w->records, err);
    page.body.failed |= text.failed;
    if (status == TM_OK) status = tm_page_save(&page, w->options->page, err);
    if (status == TM_OK) tm_text_format(&w->out->files, "%s\n", w->options->page);
    tm_text_free(&text);
    tm_page_free(&page);
    return status;
}

/* The records of all machines as one list: a page shows the samples of a cell once. */
static tm_status join_records(work *w, tm_error *err)
{
    void *items;
    size_t n = 0;
    for (int m = 0; m < w->machines.n; m++) n += (size_t)w->machines.items[m].n_records;
    tm_status status = tm_alloc(&items, n + 1, sizeof *w->records.items, "records", err);
    if (status != TM_OK) return status;
    w->records.items = items;
    for (int m = 0; m < w->machines.n; m++)
        for (int i = 0; i < w->machines.items[m].n_records; i++)
            w->records.items[w->records.n++] = w->machines.items[m].records[i];
    return TM_OK;
}

static tm_status prepare(work *w, const tm_machine_store *stores, int n, tm_error *err)
{
    const tm_published *published = w->options->published;
    tm_status status = tm_machines_make(stores, n, &w->machines, err);
    if (status == TM_OK) status = tm_machine_places_make(&w->machines, &w->places, err);
    if (status == TM_OK)
        status = tm_published_machines_make(published, &w->places, &w->others, err);
    if (status == TM_OK) status = join_records(w, err);
    if (status != TM_OK) return status;
    w->view = (tm_machines_view){.machines = &w->machines,
                                 .places = &w->places,
                                 .published = published,
                                 .others = &w->others};
    status = tm_machines_table(&w->view, &w->table, err);
    if (status == TM_OK) status = tm_machines_answers(&w->view, &w->answers, err);
    if (status == TM_OK) status = tm_machines_sheets(&w->view, &w->sheets, err);
    return status == TM_OK ? tm_machines_plots(&w->view, &w->plots, err) : status;
}

tm_status tm_machines_report(const tm_machine_store *stores, int n,
                             const tm_report_options *options, tm_report *out, tm_error *err)
{
    *out = (tm_report){0};
    work *w = calloc(1, sizeof *w);
    if (!w) return tm_fail(err, TM_NOMEM, "report: out of memory");
    w->out = out;
    w->options = options;
    tm_status status = prepare(w, stores, n, err);
    if (status == TM_OK) status = put_tables(w, tm_table_write_text, false, &out->text, err);
    if (status == TM_OK) {
        tm_text_add_char(&out->text, '\n');
        tm_machines_remarks(&w->view, &out->text);
    }
    if (status == TM_OK && options->directory) status = write_folder(w, err);
    if (status == TM_OK && options->page) status = write_page(w, err);
    if (status == TM_OK) status = tm_text_status(&out->text, "text", err);
    if (status == TM_OK) status = tm_text_status(&out->files, "list of files", err);
    if (status == TM_OK) status = tm_text_status(&out->remarks, "list of remarks", err);
    free_work(w);
    return status;
}
