#include "harness/cli/bench_output.h"

#include "kernels/kernel.h"
#include "reports/energy_sheet.h"
#include "reports/headings.h"
#include "reports/output/table.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_percentile(tm_json *object, const char *key, const tm_percentile *p)
{
    char why[96];
    snprintf(why, sizeof why, "%d times; at least %d are required", p->n, p->needed);
    tm_json_put_finite(object, key, p->value_ms, why);
}

static bool is_baseline(const tm_cell_summary *s)
{
    return strcmp(s->cell.role, TM_ROLE_BASELINE) == 0;
}

/* The baseline cell of the same model, threads and test, of any engine; without one NULL, and *why
 * is the reason. */
static const tm_cell_summary *baseline_of(const tm_summaries *all, const tm_cell_summary *s,
                                          const char **why)
{
    int n_kernels;
    tm_best_query query = {
        .role = TM_ROLE_BASELINE, .column = &s->cell, .any_engine = true, .partner = s};
    *why = "it is the baseline";
    if (is_baseline(s)) return NULL;
    const tm_cell_summary *base = tm_summaries_best(all, &query, &n_kernels);
    query.partner = NULL;
    *why = base ? NULL
           : tm_summaries_best(all, &query, &n_kernels)
               ? "its head has other bytes than the baseline's, so it is another model"
               : "no baseline of this model, threads and test was run";
    return base;
}

static tm_status put_ratio(tm_json *object, const tm_summaries *all, const tm_cell_summary *s,
                           tm_error *err)
{
    const char *why;
    const tm_cell_summary *base = baseline_of(all, s, &why);
    if (!base) {
        tm_json_put_missing(object, "speedup_over_baseline", why);
        return TM_OK;
    }
    tm_comparison comparison;
    tm_status status = tm_compare_among(all, s, base, &comparison, err);
    if (status != TM_OK) return status;
    tm_json_put_string(object, "baseline", base->cell.kernel);
    tm_interval_put(object, "speedup_over_baseline", &comparison.ratio, comparison.missing,
                    TM_LONE_PAIR);
    tm_json_put_string(object, "speedup_warning", comparison.warning);
    tm_comparison_free(&comparison);
    return TM_OK;
}

static const char *origin_of(const tm_cell_summary *s)
{
    return tm_model_is_fake(s->cell.model) ? "fake" : "measured";
}

static void put_counters(tm_json *object, const tm_cell_summary *s)
{
    if (s->n_counters == 0) return;
    tm_json *counters = tm_json_object();
    for (int i = 0; i < s->n_counters; i++) {
        const tm_counter *c = &s->counters[i];
        tm_json *json = tm_json_object();
        tm_measured_put(json, "value", &c->figure);
        tm_json_put_string(json, "unit", c->unit);
        tm_json_put_string(json, "method", c->method);
        tm_json_put_number(json, "share", c->share);
        tm_json_set(counters, c->name, json);
    }
    tm_json_put_string(object, "counter_group", s->counter_group);
    tm_json_set(object, "counters", counters);
}

/* Where, when and by what the cell was measured, from the record of its last run. */
static void put_run(tm_json *object, const tm_cell_summary *s)
{
    static const char *const keys[] = {"date", "version", "commit", "compiler"};
    const tm_json *run = s->n_processes > 0 ? s->processes[s->n_processes - 1].document : NULL;
    const tm_json *environment = tm_json_get(run, "environment");
    const char *machine = tm_json_text(tm_json_get(tm_json_get(run, "machine"), "cpu_model"), "");
    const char *const why = "the records do not have its run";
    if (machine[0])
        tm_json_put_string(object, "machine", machine);
    else
        tm_json_put_missing(object, "machine", run ? "the system does not name the CPU" : why);
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const char *text = tm_json_text(tm_json_get(environment, keys[i]), "");
        if (text[0])
            tm_json_put_string(object, keys[i], text);
        else
            tm_json_put_missing(object, keys[i], run ? "not recorded" : why);
    }
}

static tm_status to_json(const tm_summaries *all, const tm_cell_summary *s, tm_json **out,
                         tm_error *err)
{
    tm_json *o = tm_json_object();
    tm_json_put_string(o, "engine", s->cell.engine);
    tm_json_put_string(o, "model", s->cell.model);
    tm_json_put_string(o, "kernel", s->cell.kernel);
    tm_json_put_string(o, "head_kernel", s->cell.head_kernel);
    tm_json_put_int(o, "threads", s->cell.threads);
    if (s->cell.cpus[0]) tm_json_put_string(o, "cpus", s->cell.cpus);
    tm_json_put_string(o, "test", s->cell.test);
    tm_json_put_string(o, "role", s->cell.role);
    tm_json_put_string(o, "cell_id", s->cell_id);
    if (s->build[0])
        tm_json_put_string(o, "build", s->build);
    else
        tm_json_put_missing(o, "build", "the records do not have its run");
    put_run(o, s);
    tm_json_put_bool(o, "superseded", s->superseded);
    tm_json_put_bool(o, "older_build", s->newest[0] != 0);
    tm_json_put_bool(o, "older_model", s->older_model);
    tm_json_put_string(o, "origin", origin_of(s));
    tm_json_put_string(o, "status", s->status);
    tm_interval_put(o, "tokens_per_second", &s->tokens_per_second, s->missing, TM_LONE_PROCESS);
    tm_interval_put(o, "first_token_ms", &s->first_token_ms, s->first_token_missing,
                    TM_LONE_PROCESS);
    put_percentile(o, "token_p50_ms", &s->token_p50);
    put_percentile(o, "token_p90_ms", &s->token_p90);
    put_percentile(o, "token_p99_ms", &s->token_p99);
    tm_measured_put(o, "bytes_per_token", &s->bytes_per_token);
    tm_measured_put(o, "bits_per_weight", &s->bits_per_weight);
    tm_measured_put(o, "head_bytes", &s->head_bytes);
    tm_measured_put(o, "read_gb_per_second", &s->read_gb_per_second);
    tm_measured_put(o, "gmac_per_second", &s->gmac_per_second);
    tm_measured_put(o, "peak_rss_bytes", &s->peak_rss_bytes);
    tm_measured_put(o, "rss_anonymous_bytes", &s->rss_anonymous_bytes);
    tm_measured_put(o, "rss_file_bytes", &s->rss_file_bytes);
    tm_measured_put(o, "predicted_bytes", &s->predicted_bytes);
    tm_measured_put(o, "frequency_after_hz", &s->frequency_after_hz);
    tm_measured_put(o, "throttle_events", &s->throttle_events);
    tm_measured_put(o, "temperature_after_celsius", &s->temperature_after_celsius);
    put_counters(o, s);
    if (s->energy.fake) {
        tm_interval_put(o, "fake_joules_per_token", &s->energy.joules_per_token, s->energy.missing,
                        TM_LONE_PROCESS);
        tm_json_put_missing(o, "joules_per_token", "fake: see fake_joules_per_token");
    } else {
        tm_interval_put(o, "joules_per_token", &s->energy.joules_per_token, s->energy.missing,
                        TM_LONE_PROCESS);
    }
    tm_json_set(o, "energy", tm_cell_energy_to_json(&s->energy, &s->cell));
    if (s->profile.is_asked) tm_json_set(o, "profile", tm_cell_profile_to_json(&s->profile));
    tm_json_put_string(o, "marks", s->marks);
    tm_json_put_string(o, "warning", s->warning);
    *out = o;
    return put_ratio(o, all, s, err);
}

tm_status tm_bench_output_json(const tm_summaries *all, tm_json **out, tm_error *err)
{
    tm_json *array = tm_json_array();
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++) {
        tm_json *object = NULL;
        status = to_json(all, &all->items[i], &object, err);
        tm_json_append(array, object);
    }
    *out = status == TM_OK ? array : NULL;
    if (status != TM_OK) tm_json_free(array);
    return status;
}

tm_status tm_bench_output_write_line(const tm_summaries *all, int i, tm_text *out, tm_error *err)
{
    tm_json *object = NULL;
    tm_status status = to_json(all, &all->items[i], &object, err);
    if (status == TM_OK) return tm_text_put_json(out, object, false, err);
    tm_json_free(object);
    return status;
}

static tm_status write_lines(const tm_summaries *all, tm_text *out, tm_error *err)
{
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++)
        status = tm_bench_output_write_line(all, i, out, err);
    return status;
}

/* The columns of numbers that not every test or machine has. A reader returns the value and sets
 * *why it is missing, for which `text` has room. */
typedef double number_reader(const tm_cell_summary *s, const char **why, char text[96]);

static double read_first_token(const tm_cell_summary *s, const char **why, char text[96])
{
    (void)text;
    *why = s->first_token_missing;
    return s->first_token_ms.value;
}

static double read_p50(const tm_cell_summary *s, const char **why, char text[96])
{
    const tm_percentile *p = &s->token_p50;
    snprintf(text, 96, "%d times of single tokens; at least %d are required", p->n, p->needed);
    *why = s->missing[0] ? s->missing : p->n == 0 ? "no times of single tokens" : text;
    return p->value_ms;
}

static double read_peak_rss(const tm_cell_summary *s, const char **why, char text[96])
{
    (void)text;
    *why = s->peak_rss_bytes.missing;
    return s->peak_rss_bytes.value / 0x1p20;
}

static double read_bandwidth(const tm_cell_summary *s, const char **why, char text[96])
{
    (void)text;
    *why = s->read_gb_per_second.missing;
    return s->read_gb_per_second.value;
}

static const struct number_column {
    const char *heading;
    int digits;
    number_reader *read;
} number_columns[] = {
    {TM_HEADING_FIRST_TOKEN, 3, read_first_token},
    {TM_HEADING_P50, 3, read_p50},
    {TM_HEADING_PEAK_RSS, 4, read_peak_rss},
    {TM_HEADING_BANDWIDTH, 3, read_bandwidth},
};
enum { N_NUMBER_COLUMNS = sizeof number_columns / sizeof number_columns[0] };

/* The optional columns that have a value in some row. */
typedef struct shown_columns {
    bool numbers[N_NUMBER_COLUMNS], energy, ratio;
} shown_columns;

static shown_columns find_shown(const tm_summaries *all)
{
    shown_columns shown = {0};
    const char *why;
    char text[96];
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        for (int k = 0; k < N_NUMBER_COLUMNS; k++)
            shown.numbers[k] |= isfinite(number_columns[k].read(s, &why, text));
        shown.energy |= s->energy.is_asked;
        shown.ratio |= is_baseline(s);
    }
    return shown;
}

/* A number, or "-" with the reason. */
static void add_number(tm_table *table, const struct number_column *column,
                       const tm_cell_summary *s)
{
    char text[96];
    const char *why;
    const double value = column->read(s, &why, text);
    if (isfinite(value))
        tm_table_add_cell(table, "%s", tm_number(value, column->digits, text, sizeof text));
    else
        tm_table_add_cell_with_note(table, "-", why[0] ? why : "not measured");
}

/* Names the columns without any value. What a test does not have needs no reason. */
static void add_hidden_note(tm_table *table, const tm_summaries *all, const shown_columns *shown)
{
    for (int k = 0; k < N_NUMBER_COLUMNS; k++) {
        char text[96];
        const char *why = "";
        for (int i = 0; i < all->n && !shown->numbers[k]; i++) {
            const tm_cell_summary *s = &all->items[i];
            if (k == 0 && s->cell.n_prompt == 0) continue;
            if (number_columns[k].read == read_p50 && s->cell.n_gen == 0) continue;
            if (!s->missing[0]) number_columns[k].read(s, &why, text);
        }
        if (why[0])
            tm_table_add_note(table, "%s: not measured (%s).", number_columns[k].heading, why);
    }
}

/* The weight format of the output head; the whole name if it is not one of our kernels. */
static const char *head_layout(const char *head_kernel)
{
    const tm_kernel *kernel = tm_kernel_find(head_kernel);
    return kernel ? kernel->format->name : head_kernel[0] ? head_kernel : "-";
}

/* Joules per token, watts and their source. A fake value is labelled fake in every cell. */
static void add_energy(tm_table *table, const tm_cell_summary *s)
{
    const tm_cell_energy *e = &s->energy;
    const tm_energy_phase *first = NULL;
    char text[160], watts[160] = "", origin[240], notes[480] = "";
    if (isnan(e->joules_per_token.value)) tm_table_add_cell_with_note(table, "-", e->missing);
    for (int i = 0; i < TM_PHASES; i++) {
        const tm_energy_phase *p = &e->phases[i];
        size_t n = strlen(watts);
        size_t at = strlen(notes);
        if (!strstr(notes, p->warning))
            snprintf(notes + at, sizeof notes - at, "%s%s", at ? "; " : "", p->warning);
        if (isnan(p->watts.value)) continue;
        bool both = s->cell.n_prompt > 0 && s->cell.n_gen > 0;
        snprintf(watts + n, sizeof watts - n, "%s%s%s%s", n ? ", " : "",
                 both ? tm_energy_token_name(p->phase) : "", both ? " " : "",
                 tm_energy_number(&p->watts, p->fake, text, sizeof text));
        if (!first) first = p;
    }
    if (!isnan(e->joules_per_token.value)) {
        tm_energy_number(&e->joules_per_token, e->fake, text, sizeof text);
        if (notes[0])
            tm_table_add_cell_with_note(table, text, notes);
        else
            tm_table_add_cell(table, "%s", text);
    }
    if (!first) {
        tm_table_add_cell_with_note(table, "-", e->missing);
        tm_table_add_cell_with_note(table, "-", e->missing);
        return;
    }
    tm_table_add_cell(table, "%s", watts);
    tm_table_add_cell(table, "%s", tm_energy_origin(first, origin, sizeof origin));
}

/* Why the speed may not be what it seems; "" for nothing. */
static void explain_speed(const tm_cell_summary *s, char *text, size_t size)
{
    text[0] = '\0';
    tm_summary_age(s, text, size);
    if (tm_model_is_fake(s->cell.model))
        snprintf(text + strlen(text), size - strlen(text), "%sfake: a scripted model",
                 text[0] ? "; " : "");
    if (s->tokens_per_second.method && strcmp(s->tokens_per_second.method, TM_PROCESSES_RANGE) == 0)
        snprintf(text + strlen(text), size - strlen(text), "%s" TM_PROCESSES_RANGE,
                 text[0] ? "; " : "");
    if (s->warning[0])
        snprintf(text + strlen(text), size - strlen(text), "%s%s", text[0] ? "; " : "", s->warning);
}

static tm_status add_ratio(tm_table *table, const tm_summaries *all, const tm_cell_summary *s,
                           tm_error *err)
{
    char text[160];
    const char *why;
    const tm_cell_summary *base = baseline_of(all, s, &why);
    if (!base) {
        if (is_baseline(s))
            tm_table_add_cell(table, "baseline");
        else
            tm_table_add_cell_with_note(table, "N/A", why);
        return TM_OK;
    }
    tm_comparison comparison;
    tm_status status = tm_compare_among(all, s, base, &comparison, err);
    if (status != TM_OK) return status;
    tm_number_interval(&comparison.ratio, 3, text, sizeof text);
    if (comparison.n_pairs == 0)
        tm_table_add_cell_with_note(table, "N/A", comparison.missing);
    else if (comparison.warning[0])
        tm_table_add_cell_with_note(table, text, comparison.warning);
    else
        tm_table_add_cell(table, "%s", text);
    tm_table_add_cell(table, "%d", comparison.n_pairs);
    tm_comparison_free(&comparison);
    return TM_OK;
}

static tm_status add_row(tm_table *table, const tm_summaries *all, const tm_cell_summary *s,
                         const shown_columns *shown, tm_error *err)
{
    char text[160], note[700];
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", s->cell.model);
    tm_table_add_cell(table, "%s", s->cell.kernel);
    tm_table_add_cell(table, "%s", head_layout(s->cell.head_kernel));
    tm_table_add_cell(table, "%d%s%s", s->cell.threads, s->cell.cpus[0] ? " of " : "",
                      s->cell.cpus);
    tm_table_add_cell(table, "%s", s->cell.test);
    explain_speed(s, note, sizeof note);
    tm_number_interval(&s->tokens_per_second, 4, text, sizeof text);
    if (isnan(s->tokens_per_second.value))
        tm_table_add_cell_with_note(table, "N/A", s->missing);
    else if (note[0])
        tm_table_add_cell_with_note(table, text, note);
    else
        tm_table_add_cell(table, "%s", text);
    tm_table_add_cell(table, "%d", s->n_processes);
    for (int k = 0; k < N_NUMBER_COLUMNS; k++)
        if (shown->numbers[k]) add_number(table, &number_columns[k], s);
    if (shown->energy) add_energy(table, s);
    return shown->ratio ? add_ratio(table, all, s, err) : TM_OK;
}

static tm_status write_table(const tm_summaries *all, const tm_table_format *format, tm_text *out,
                             tm_error *err)
{
    static const char *const headings[] = {TM_HEADING_THREADS, TM_HEADING_TEST, TM_HEADING_SPEED,
                                           TM_HEADING_PROCESSES};
    const shown_columns shown = find_shown(all);
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, TM_HEADING_MODEL, TM_LEFT);
    tm_table_add_column(&table, TM_HEADING_KERNEL, TM_LEFT);
    tm_table_add_column(&table, TM_HEADING_HEAD, TM_LEFT);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
        tm_table_add_column(&table, headings[i], TM_RIGHT);
    for (int k = 0; k < N_NUMBER_COLUMNS; k++)
        if (shown.numbers[k]) tm_table_add_column(&table, number_columns[k].heading, TM_RIGHT);
    if (shown.energy) {
        tm_table_add_column(&table, TM_HEADING_JOULES, TM_RIGHT);
        tm_table_add_column(&table, TM_HEADING_WATTS, TM_RIGHT);
        tm_table_add_column(&table, TM_HEADING_METER, TM_LEFT);
    }
    if (shown.ratio) {
        tm_table_add_column(&table, TM_HEADING_SPEEDUP, TM_RIGHT);
        tm_table_add_column(&table, TM_HEADING_PAIRS, TM_RIGHT);
    }
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++)
        status = add_row(&table, all, &all->items[i], &shown, err);
    add_hidden_note(&table, all, &shown);
    if (status == TM_OK) status = format->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

static void add_csv_number(tm_table *table, double value)
{
    char text[64];
    tm_table_add_cell(table, "%s",
                      isfinite(value) ? tm_number_short(value, 9, text, sizeof text) : "");
}

static void add_csv_interval(tm_table *table, const tm_interval *x)
{
    add_csv_number(table, x->value);
    add_csv_number(table, x->low);
    add_csv_number(table, x->high);
}

static tm_status add_csv_row(tm_table *table, const tm_summaries *all, const tm_cell_summary *s,
                             tm_error *err)
{
    const tm_interval none = {.value = NAN, .low = NAN, .high = NAN};
    const tm_energy_phase *first = NULL;
    char origin[240];
    const char *why;
    const tm_cell_summary *base = baseline_of(all, s, &why);
    tm_comparison c = {.ratio = none};
    if (why) snprintf(c.missing, sizeof c.missing, "%s", why);
    tm_status status = base ? tm_compare_among(all, s, base, &c, err) : TM_OK;
    if (status != TM_OK) return status;
    for (int i = TM_PHASES - 1; i >= 0; i--)
        if (!isnan(s->energy.phases[i].watts.value)) first = &s->energy.phases[i];
    const bool is_fake = s->energy.fake;
    const char *const texts[] = {s->cell.engine,      s->cell.model, s->cell.kernel,
                                 s->cell.head_kernel, s->cell.role,  s->cell.test};
    tm_table_add_row(table);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        tm_table_add_cell(table, "%s", texts[i]);
    tm_table_add_cell(table, "%d", s->cell.threads);
    tm_table_add_cell(table, "%s", s->cell.cpus);
    tm_table_add_cell(table, "%s", s->cell_id);
    tm_table_add_cell(table, "%s", s->build);
    tm_table_add_cell(table, "%s", s->superseded ? "yes" : "no");
    tm_table_add_cell(table, "%s", s->newest[0] ? "yes" : "no");
    tm_table_add_cell(table, "%s", origin_of(s));
    tm_table_add_cell(table, "%s", s->status);
    add_csv_interval(table, &s->tokens_per_second);
    tm_table_add_cell(table, "%d", s->n_processes);
    tm_table_add_cell(table, "%d", s->n_repetitions);
    add_csv_number(table, s->first_token_ms.value);
    add_csv_number(table, s->token_p50.value_ms);
    add_csv_number(table, s->peak_rss_bytes.value);
    add_csv_number(table, s->bytes_per_token.value);
    add_csv_number(table, s->read_gb_per_second.value);
    add_csv_interval(table, is_fake ? &none : &s->energy.joules_per_token);
    add_csv_interval(table, is_fake ? &s->energy.joules_per_token : &none);
    add_csv_number(table, first && !is_fake ? first->watts.value : NAN);
    add_csv_number(table, first && is_fake ? first->watts.value : NAN);
    tm_table_add_cell(table, "%s", first ? tm_energy_origin(first, origin, sizeof origin) : "");
    tm_table_add_cell(table, "%s", base ? base->cell.kernel : "");
    add_csv_interval(table, &c.ratio);
    tm_table_add_cell(table, "%d", c.n_pairs);
    tm_table_add_cell(table, "%s", c.n_pairs > 0 ? c.ratio.method : "");
    tm_table_add_cell(table, "%s", c.n_pairs > 0 ? c.warning : c.missing);
    tm_table_add_cell(table, "%s", s->warning);
    tm_table_add_cell(table, "%s", s->missing);
    tm_table_add_cell(table, "%s", s->older_model ? "yes" : "no");
    tm_comparison_free(&c);
    return TM_OK;
}

/* One value per field, empty if it is missing. */
static tm_status write_data(const tm_summaries *all, const tm_table_format *format, tm_text *out,
                            tm_error *err)
{
    static const char *const columns[] = {"engine",
                                          "model",
                                          "kernel",
                                          "head_kernel",
                                          "role",
                                          "test",
                                          "threads",
                                          "cpus",
                                          "cell_id",
                                          "build",
                                          "superseded",
                                          "older_build",
                                          "origin",
                                          "status",
                                          "tokens_per_second",
                                          "tokens_per_second_low",
                                          "tokens_per_second_high",
                                          "n_processes",
                                          "n_repetitions",
                                          "first_token_ms",
                                          "token_p50_ms",
                                          "peak_rss_bytes",
                                          "bytes_per_token",
                                          "read_gb_per_second",
                                          "joules_per_token",
                                          "joules_per_token_low",
                                          "joules_per_token_high",
                                          "fake_joules_per_token",
                                          "fake_joules_per_token_low",
                                          "fake_joules_per_token_high",
                                          "watts",
                                          "fake_watts",
                                          "energy_from",
                                          "baseline",
                                          "speedup_over_baseline",
                                          "speedup_over_baseline_low",
                                          "speedup_over_baseline_high",
                                          "pairs",
                                          "speedup_method",
                                          "speedup_remark",
                                          "warning",
                                          "missing",
                                          "older_model"};
    tm_table table;
    tm_table_init(&table, "");
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++)
        tm_table_add_column(&table, columns[i], TM_LEFT);
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++)
        status = add_csv_row(&table, all, &all->items[i], err);
    if (status == TM_OK) status = format->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

/* Not in formats of data, where a second table has no place; `ternmark report` writes it to a file
 * of its own. */
static tm_status write_profile(const tm_summaries *all, const tm_table_format *format, tm_text *out,
                               tm_error *err)
{
    tm_table table;
    tm_status status = tm_report_profile(all, &table, err);
    if (status == TM_OK && table.n_rows > 0) {
        tm_text_add_char(out, '\n');
        status = format->write(&table, out, err);
    }
    tm_table_free(&table);
    return status;
}

tm_status tm_bench_output_write(const tm_summaries *summaries, const char *format, tm_text *out,
                                tm_error *err)
{
    if (strcmp(format, "json") == 0) {
        tm_json *array;
        tm_status status = tm_bench_output_json(summaries, &array, err);
        return status == TM_OK ? tm_text_put_json(out, array, true, err) : status;
    }
    if (strcmp(format, "jsonl") == 0) return write_lines(summaries, out, err);
    const tm_table_format *of_table;
    tm_status status = tm_table_format_find(format, &of_table, err);
    if (status != TM_OK) return status;
    if (of_table->is_data) return write_data(summaries, of_table, out, err);
    status = write_table(summaries, of_table, out, err);
    return status == TM_OK ? write_profile(summaries, of_table, out, err) : status;
}
