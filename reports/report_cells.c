/* The cells of a store, one row each. Here the values of a summary become the cells of a table. */
#include "reports/energy_sheet.h"
#include "reports/headings.h"
#include "reports/kernel_names.h"
#include "reports/limits.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Bytes of all weights in the layouts of the kernels, GB (10^9 bytes). */
static tm_measured model_gb(const tm_report_view *view, const tm_cell_summary *s)
{
    tm_measured figure = {.value = NAN};
    const double head_bytes = tm_kernel_name_weight_bytes(s->cell.head_kernel);
    for (int i = 0; i < view->options->n_sizes; i++) {
        const tm_model_size *size = &view->options->sizes[i];
        if (strcasecmp(size->name, tm_cell_shape(&s->cell)) != 0) continue;
        /* The embedding of an untied model is a table of its own, kept in 16 bits per weight. */
        double head = isfinite(s->head_bytes.value) ? s->head_bytes.value
                                                    : (double)size->embedding_weights * head_bytes;
        double embedding = size->tied_head ? 0 : (double)size->embedding_weights * 2.0;
        double bytes =
            (double)size->linear_weights * s->bits_per_weight.value / 8.0 + head + embedding;
        if (isfinite(bytes))
            tm_measured_set(&figure, bytes * 1e-9);
        else
            tm_measured_miss(&figure, "the bits per weight of the layout are not recorded");
        return figure;
    }
    tm_measured_miss(&figure, "the shape of this model is not known");
    return figure;
}

static void add_figure(tm_table *table, const tm_measured *figure, double factor, int digits)
{
    char text[64];
    if (isfinite(figure->value))
        tm_table_add_cell(table, "%s",
                          tm_number(figure->value * factor, digits, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "-",
                                    figure->missing[0] ? figure->missing : "not measured");
}

static void add_percentile(tm_table *table, const tm_cell *cell, const tm_percentile *p)
{
    char text[64], note[96];
    if (isfinite(p->value_ms)) {
        tm_table_add_cell(table, "%s", tm_number(p->value_ms, 3, text, sizeof text));
        return;
    }
    if (p->n == 0)
        snprintf(note, sizeof note, "%s",
                 cell->n_gen == 0 ? "the test generates no tokens"
                                  : "no times of single tokens were recorded");
    else
        snprintf(note, sizeof note, "%d per-token times; at least %d are required", p->n,
                 p->needed);
    tm_table_add_cell_with_note(table, "-", note);
}

static void add_rss(tm_table *table, const tm_cell_summary *s)
{
    char total[64], anonymous[64], file[64], text[200];
    if (!isfinite(s->peak_rss_bytes.value)) {
        add_figure(table, &s->peak_rss_bytes, 1.0, 3);
        return;
    }
    tm_number(s->peak_rss_bytes.value / 1048576.0, 3, total, sizeof total);
    tm_number(s->rss_anonymous_bytes.value / 1048576.0, 3, anonymous, sizeof anonymous);
    tm_number(s->rss_file_bytes.value / 1048576.0, 3, file, sizeof file);
    snprintf(text, sizeof text, "%s (%s/%s)", total, anonymous, file);
    tm_table_add_cell(table, "%s", text);
}

static bool is_shown(const tm_cell_summary *s)
{
    return !s->superseded && isfinite(s->tokens_per_second.value);
}

/* From the least to the greatest of several values. */
typedef struct range {
    double low, high;
} range;
static const range no_range = {INFINITY, -INFINITY};

static void widen(range *of, const tm_measured *value)
{
    if (!isfinite(value->value)) return;
    of->low = fmin(of->low, value->value);
    of->high = fmax(of->high, value->value);
}

static bool has_equal_processes(const tm_cell_summary *s)
{
    for (int i = 1; i < s->n_processes; i++)
        if (s->processes[i].n_repetitions != s->processes[0].n_repetitions) return false;
    return true;
}

static void add_cell_row(const tm_report_view *view, const tm_cell_summary *s, tm_table *out)
{
    char text[128];
    const int threads = s->cell.threads;
    tm_measured gb = model_gb(view, s);
    tm_measured of_bandwidth = tm_limit_read(s).share;
    tm_measured of_peak = tm_limit_multiply(s).share;
    tm_measured first = {.value = s->first_token_ms.value};
    if (!isfinite(first.value))
        tm_measured_miss(&first, "%s",
                         s->first_token_missing[0] ? s->first_token_missing : "not measured");
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", tm_model_label(s->cell.model));
    add_figure(out, &gb, 1.0, 3);
    tm_report_add_kernel(s, out);
    tm_table_add_cell(out, "%d", threads);
    tm_table_add_cell(out, "%s", s->cell.test);
    tm_number_interval(&s->tokens_per_second, 3, text, sizeof text);
    tm_table_add_cell(out, "%s", text);
    tm_table_link(out, s->cell_id);
    if (s->n_processes > 0 && s->n_repetitions % s->n_processes == 0 && has_equal_processes(s))
        tm_table_add_cell(out, "%d x %d", s->n_processes, s->n_repetitions / s->n_processes);
    else
        tm_table_add_cell(out, "%d, %d in all", s->n_processes, s->n_repetitions);
    add_figure(out, &first, 1.0, 3);
    add_percentile(out, &s->cell, &s->token_p50);
    add_percentile(out, &s->cell, &s->token_p90);
    add_percentile(out, &s->cell, &s->token_p99);
    add_rss(out, s);
    add_figure(out, &s->bytes_per_token, 1e-6, 3);
    add_figure(out, &s->read_gb_per_second, 1.0, 3);
    add_figure(out, &of_bandwidth, 100.0, 2);
    add_figure(out, &of_peak, 100.0, 2);
    if (isfinite(s->energy.joules_per_token.value))
        tm_table_add_cell(
            out, "%s",
            tm_energy_number(&s->energy.joules_per_token, s->energy.fake, text, sizeof text));
    else
        tm_table_add_cell_with_note(out, "-", s->energy.missing);
    tm_table_add_cell(out, "%s", s->marks);
}

void tm_report_add_kernel(const tm_cell_summary *s, tm_table *out)
{
    char note[320] = "";
    tm_summary_age(s, note, sizeof note);
    if (note[0])
        tm_table_add_cell_with_note(out, s->cell.kernel, note);
    else
        tm_table_add_cell(out, "%s", s->cell.kernel);
}

tm_status tm_report_cells(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const struct {
        const char *heading;
        tm_align align;
    } columns[] = {
        {TM_HEADING_MODEL, TM_LEFT},
        {"Weights, GB", TM_RIGHT},
        {TM_HEADING_KERNEL, TM_LEFT},
        {TM_HEADING_THREADS, TM_RIGHT},
        {TM_HEADING_TEST, TM_LEFT},
        {TM_HEADING_SPEED, TM_RIGHT},
        {"Processes x repetitions", TM_RIGHT},
        {TM_HEADING_FIRST_TOKEN, TM_RIGHT},
        {TM_HEADING_P50, TM_RIGHT},
        {TM_HEADING_P90, TM_RIGHT},
        {TM_HEADING_P99, TM_RIGHT},
        {TM_HEADING_PEAK_RSS " (at the end: anonymous/file)", TM_RIGHT},
        {TM_HEADING_MB_TOKEN, TM_RIGHT},
        {TM_HEADING_BANDWIDTH, TM_RIGHT},
        {"Of bandwidth, %", TM_RIGHT},
        {"Of MAC peak, %", TM_RIGHT},
        {TM_HEADING_JOULES, TM_RIGHT},
        {"Marks", TM_LEFT},
    };
    range load = no_range, check = no_range;
    tm_table_init(out, "");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        tm_table_add_column(out, columns[i].heading, columns[i].align);
    for (int machine = 0; machine < view->summaries->n_machines; machine++) {
        const char *origin = NULL;
        for (int i = 0; i < view->summaries->n; i++) {
            const tm_cell_summary *s = &view->summaries->items[i];
            const char *own = tm_sheet_origin(view->input, &s->cell);
            if (!is_shown(s) || s->cell.machine != machine) continue;
            if (!origin || strcmp(origin, own) != 0) {
                if (view->summaries->n_machines > 1)
                    tm_table_add_group(out, "%s: %s", own,
                                       tm_sheet_machine_of(view->input, &s->cell)->name);
                else
                    tm_table_add_group(out, "%s", own);
            }
            origin = own;
            add_cell_row(view, s, out);
            widen(&load, &s->load_ms);
            widen(&check, &s->check_ms);
        }
    }
    tm_table_add_note(
        out,
        "tokens/s [within run]: t interval on logarithms over the processes of these runs, below "
        "4 processes their range; it does not cover drift, so another run may lie outside. n: "
        "processes x repetitions in each, or processes and repetitions in all. "
        "Weights: linear weights, embedding and head in their layouts, computed from the shape. "
        "p50 to p99: over the tokens of all these processes together. "
        "MB/token and GB/s: what the test must read (weights, head, keys and values), not what a "
        "counter saw. MAC peak: that of the kernel's arithmetic, measured by the roofline of "
        "the cell's own run; a head of other arithmetic counts at the same peak, so that with a "
        "float head the share is too low. Peak RSS: of the process until then, loading included; "
        "anonymous and "
        "file memory: at the end of the repetition. J/token: "
        "gross, over all tokens of the test.");
    if (load.low <= load.high && check.low <= check.high)
        tm_table_add_note(out,
                          "Before timing, a process took %.2g to %.2g s to load its model and %.2g "
                          "to %.2g s to check its kernels on the model's shapes and its greedy "
                          "tokens (medians of cells).",
                          load.low * 1e-3, load.high * 1e-3, check.low * 1e-3, check.high * 1e-3);
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "cell table: out of memory for %d rows", out->n_rows);
    return TM_OK;
}

/* Adds a field; an empty one adds its reason to `missing`. */
static void add_field(tm_table *out, tm_text *missing, const char *key, double value,
                      const char *why)
{
    char text[64];
    tm_table_add_cell(out, "%s", tm_number_short(value, 6, text, sizeof text));
    if (!isfinite(value))
        tm_text_format(missing, "%s%s: %s", missing->length ? "; " : "", key,
                       why && why[0] ? why : "not measured");
}

/* Numeric columns: adds the fields of a row, or with s = NULL the headings. */
static void add_numbers(const tm_cell_summary *s, tm_table *out, tm_text *missing)
{
    const tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    const tm_interval *rate = s ? &s->tokens_per_second : &none;
    const tm_interval *first = s ? &s->first_token_ms : &none;
    tm_measured bandwidth = {.value = NAN}, peak = {.value = NAN};
    if (s) {
        bandwidth = tm_limit_read(s).value;
        peak = tm_limit_multiply(s).value;
    }
    const char *lone = "an interval requires two processes";
    const struct {
        const char *key;
        double value;
        const char *why;
    } columns[] = {
        {"tokens_per_second", rate->value, s ? s->missing : NULL},
        {"tokens_per_second_low", rate->low, s && s->missing[0] ? s->missing : lone},
        {"tokens_per_second_high", rate->high, s && s->missing[0] ? s->missing : lone},
        {"cv", s ? s->cv : NAN, s && s->missing[0] ? s->missing : lone},
        {"first_token_ms", first->value, s ? s->first_token_missing : NULL},
        {"first_token_ms_low", first->low,
         s && s->first_token_missing[0] ? s->first_token_missing : lone},
        {"first_token_ms_high", first->high,
         s && s->first_token_missing[0] ? s->first_token_missing : lone},
        {"token_p50_ms", s ? s->token_p50.value_ms : NAN, "too few per-token times"},
        {"token_p90_ms", s ? s->token_p90.value_ms : NAN, "too few per-token times"},
        {"token_p99_ms", s ? s->token_p99.value_ms : NAN, "too few per-token times"},
#define FIGURE(name) {#name, s ? s->name.value : NAN, s ? s->name.missing : NULL}
        FIGURE(load_ms),
        FIGURE(check_ms),
        FIGURE(bytes_per_token),
        FIGURE(macs_per_token),
        FIGURE(bits_per_weight),
        FIGURE(head_bytes),
        FIGURE(read_gb_per_second),
        {"bandwidth_gb_per_second", bandwidth.value, bandwidth.missing},
        FIGURE(gmac_per_second),
        {"peak_gmac_per_second", peak.value, peak.missing},
        FIGURE(predicted_bytes),
        FIGURE(peak_rss_bytes),
        FIGURE(rss_anonymous_bytes),
        FIGURE(rss_file_bytes),
        FIGURE(minor_faults),
        FIGURE(major_faults),
        FIGURE(voluntary_switches),
        FIGURE(involuntary_switches),
        FIGURE(cpu_user_seconds),
        FIGURE(cpu_system_seconds),
        FIGURE(steal_percent),
        FIGURE(frequency_after_hz),
        FIGURE(throttle_events),
        FIGURE(temperature_after_celsius),
        FIGURE(harness_ns_per_token),
#undef FIGURE
    };
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        if (s)
            add_field(out, missing, columns[i].key, columns[i].value, columns[i].why);
        else
            tm_table_add_column(out, columns[i].key, TM_LEFT);
    }
}

/* Energy columns: adds the fields of a row, or with s = NULL the headings. A fake value is not a
 * number here ("fake 0.5"), so that no program can mistake it for a measurement. */
static void add_energy(const tm_cell_summary *s, tm_table *out, tm_text *missing)
{
    static const char *const heads[][5] = {
        {"joules_per_prompt_token", "net_joules_per_prompt_token", "prompt_watts",
         "net_prompt_watts", "prompt_energy_"},
        {"joules_per_output_token", "net_joules_per_output_token", "generation_watts",
         "net_generation_watts", "generation_energy_"},
    };
    static const char *const ends[] = {"", "_low", "_high"};
    static const char *const about[] = {"source", "scope", "method", "windows"};
    const tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    for (int group = 0; group <= TM_PHASES; group++) {
        const bool is_whole = group == TM_PHASES;
        const tm_energy_phase *e = s && !is_whole ? &s->energy.phases[group] : NULL;
        const tm_interval *figures[] = {e ? &e->joules_per_token : &none,
                                        e ? &e->net_joules_per_token : &none, e ? &e->watts : &none,
                                        e ? &e->net_watts : &none};
        if (s && is_whole) figures[0] = &s->energy.joules_per_token;
        const bool is_fake = s && (is_whole ? s->energy.fake : e->fake);
        for (int i = 0; i < (is_whole ? 1 : 4); i++) {
            const double values[] = {figures[i]->value, figures[i]->low, figures[i]->high};
            for (int k = 0; k < 3; k++) {
                char key[64], number[64];
                snprintf(key, sizeof key, "%s%s", is_whole ? "joules_per_token" : heads[group][i],
                         ends[k]);
                if (!s) {
                    tm_table_add_column(out, key, TM_LEFT);
                    continue;
                }
                tm_number_short(values[k], 6, number, sizeof number);
                tm_table_add_cell(out, "%s%s", is_fake && number[0] ? "fake " : "", number);
                if (k == 0 && !number[0])
                    tm_text_format(missing, "%s%s: %s", missing->length ? "; " : "", key,
                                   is_whole ? s->energy.missing
                                   : i % 2  ? e->net_missing
                                            : e->missing);
            }
        }
        for (int i = 0; i < (is_whole ? 0 : 4); i++) {
            char text[96];
            snprintf(text, sizeof text, "%s%s", heads[group][4], about[i]);
            if (!s)
                tm_table_add_column(out, text, TM_LEFT);
            else
                tm_table_add_cell(out, "%s",
                                  i == 0   ? e->source
                                  : i == 1 ? e->scope
                                  : i == 2 ? e->method
                                           : tm_energy_counts(e, text, sizeof text));
        }
    }
}

static void add_error(const tm_energy_phase *e, bool is_net, tm_table *out)
{
    char number[64];
    tm_number_short(100 * (is_net ? e->largest_net_error : e->largest_error), 3, number,
                    sizeof number);
    tm_table_add_cell(out, "%s%s", e->fake && number[0] ? "fake " : "", number);
}

tm_status tm_report_cells_csv(const tm_report_view *view, tm_table *out, tm_error *err)
{
    static const char *const before[] = {
        "origin",        "engine",      "model",    "kernel",        "head_kernel", "role",
        "threads",       "test",        "cell_id",  "superseded",    "status",      "n_processes",
        "n_repetitions", "n_outliers",  "n_failed", "n_token_times", "method",      "machine",
        "build",         "older_build", "n_runs",   "older_model",   NULL};
    static const char *const after[] = {"tokens",
                                        "marks",
                                        "warning",
                                        "missing",
                                        "prompt_reading_error_percent",
                                        "net_prompt_reading_error_percent",
                                        "generation_reading_error_percent",
                                        "net_generation_reading_error_percent",
                                        NULL};
    tm_text missing = {0};
    tm_table_init(out, "");
    for (int i = 0; before[i]; i++) tm_table_add_column(out, before[i], TM_LEFT);
    add_numbers(NULL, out, NULL);
    add_energy(NULL, out, NULL);
    for (int i = 0; after[i]; i++) tm_table_add_column(out, after[i], TM_LEFT);
    for (int i = 0; i < view->summaries->n; i++) {
        const tm_cell_summary *s = &view->summaries->items[i];
        const tm_cell *c = &s->cell;
        const char *const texts[] = {tm_sheet_origin(view->input, c),
                                     c->engine,
                                     c->model,
                                     c->kernel,
                                     c->head_kernel,
                                     c->role};
        missing.length = 0;
        tm_table_add_row(out);
        for (size_t k = 0; k < sizeof texts / sizeof *texts; k++)
            tm_table_add_cell(out, "%s", texts[k]);
        tm_table_add_cell(out, "%d", c->threads);
        tm_table_add_cell(out, "%s", c->test);
        tm_table_add_cell(out, "%s", s->cell_id);
        tm_table_add_cell(out, "%s", s->superseded ? "yes" : "no");
        tm_table_add_cell(out, "%s", s->status);
        const int counts[] = {s->n_processes, s->n_repetitions, s->n_outliers, s->n_failed,
                              s->token_p50.n};
        for (size_t k = 0; k < sizeof counts / sizeof *counts; k++)
            tm_table_add_cell(out, "%d", counts[k]);
        tm_table_add_cell(out, "%s",
                          s->tokens_per_second.method && isfinite(s->tokens_per_second.value)
                              ? s->tokens_per_second.method
                              : "");
        tm_table_add_cell(out, "%s", tm_sheet_machine_of(view->input, c)->name);
        tm_table_add_cell(out, "%s", s->build);
        tm_table_add_cell(out, "%s", s->newest[0] ? "yes" : "no");
        tm_table_add_cell(out, "%d", s->n_runs);
        tm_table_add_cell(out, "%s", s->older_model ? "yes" : "no");
        add_numbers(s, out, &missing);
        add_energy(s, out, &missing);
        tm_table_add_cell(out, "%s", s->tokens);
        tm_table_add_cell(out, "%s", s->marks);
        tm_table_add_cell(out, "%s", s->warning);
        /* A cell without any value has one reason for all of them. */
        tm_table_add_cell(out, "%s",
                          s->missing[0]    ? s->missing
                          : missing.length ? tm_text_string(&missing)
                                           : "");
        for (int phase = 0; phase < TM_PHASES; phase++) {
            add_error(&s->energy.phases[phase], false, out);
            add_error(&s->energy.phases[phase], true, out);
        }
    }
    bool has_failed = out->failed || missing.failed;
    tm_text_free(&missing);
    if (has_failed)
        return tm_fail(err, TM_NOMEM, "cells.csv: out of memory for %d rows", out->n_rows);
    return TM_OK;
}
