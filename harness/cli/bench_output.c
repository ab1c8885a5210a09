#include "harness/cli/bench_output.h"

#include "kernels/kernel.h"
#include "reports/energy_sheet.h"
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

/* The baseline cell of the same model, threads and test, of any engine. NULL if there is none, or
 * if it is the cell itself. */
static const tm_cell_summary *baseline_of(const tm_summaries *all, const tm_cell_summary *s)
{
    int n_kernels;
    const tm_cell_summary *base =
        tm_summaries_best(all, TM_ROLE_BASELINE, NULL, s->cell.model, s->cell.threads, s->cell.test,
                          NULL, &n_kernels);
    return base == s ? NULL : base;
}

static tm_status put_ratio(tm_json *object, const tm_summaries *all, const tm_cell_summary *s,
                           tm_error *err)
{
    const tm_cell_summary *base = baseline_of(all, s);
    if (!base) return TM_OK;
    tm_comparison comparison;
    tm_status status = tm_compare_cells(s, base, &comparison, err);
    if (status != TM_OK) return status;
    tm_interval_put(object, "speedup_over_baseline", &comparison.ratio, comparison.missing,
                    TM_LONE_PAIR);
    tm_comparison_free(&comparison);
    return TM_OK;
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

static tm_status to_json(const tm_summaries *all, const tm_cell_summary *s, tm_json **out,
                         tm_error *err)
{
    tm_json *o = tm_json_object();
    tm_json_put_string(o, "engine", s->cell.engine);
    tm_json_put_string(o, "model", s->cell.model);
    tm_json_put_string(o, "kernel", s->cell.kernel);
    tm_json_put_string(o, "head_kernel", s->cell.head_kernel);
    tm_json_put_int(o, "threads", s->cell.threads);
    tm_json_put_string(o, "test", s->cell.test);
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

static tm_status write_json(const tm_summaries *all, bool lines, tm_text *out, tm_error *err)
{
    tm_json *array = tm_json_array();
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++) {
        tm_json *object = NULL;
        status = to_json(all, &all->items[i], &object, err);
        if (lines) {
            char *text = tm_json_print(object, false);
            tm_text_add(out, text);
            tm_text_add_char(out, '\n');
            free(text);
            tm_json_free(object);
        } else {
            tm_json_append(array, object);
        }
    }
    if (!lines) {
        char *text = tm_json_print(array, true);
        tm_text_add(out, text);
        tm_text_add_char(out, '\n');
        free(text);
    }
    tm_json_free(array);
    return status == TM_OK ? tm_text_status(out, "the cells", err) : status;
}

static void add_number(tm_table *table, double value, int digits)
{
    char text[64];
    tm_table_add_cell(table, "%s", tm_number(value, digits, text, sizeof text));
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
    tm_table_add_cell(table, "%s", watts[0] ? watts : "-");
    tm_table_add_cell(table, "%s", first ? tm_energy_origin(first, origin, sizeof origin) : "-");
}

static tm_status add_row(tm_table *table, const tm_summaries *all, const tm_cell_summary *s,
                         bool energy, tm_error *err)
{
    char text[160];
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", s->cell.model);
    tm_table_add_cell(table, "%s", s->cell.kernel);
    tm_table_add_cell(table, "%s", head_layout(s->cell.head_kernel));
    tm_table_add_cell(table, "%d", s->cell.threads);
    tm_table_add_cell(table, "%s", s->cell.test);
    if (isnan(s->tokens_per_second.value))
        tm_table_add_cell_with_note(table, "N/A", s->missing);
    else if (s->warning[0])
        tm_table_add_cell_with_note(
            table, tm_number_interval(&s->tokens_per_second, 4, text, sizeof text), s->warning);
    else
        tm_table_add_cell(table, "%s",
                          tm_number_interval(&s->tokens_per_second, 4, text, sizeof text));
    tm_table_add_cell(table, "%d", s->n_processes);
    add_number(table, s->first_token_ms.value, 3);
    add_number(table, s->token_p50.value_ms, 3);
    add_number(table, s->peak_rss_bytes.value / 0x1p20, 4);
    add_number(table, s->read_gb_per_second.value, 3);
    if (energy) add_energy(table, s);
    const tm_cell_summary *base = baseline_of(all, s);
    if (!base) {
        tm_table_add_cell(table, "-");
        return TM_OK;
    }
    tm_comparison comparison;
    tm_status status = tm_compare_cells(s, base, &comparison, err);
    if (status != TM_OK) return status;
    if (comparison.n_pairs == 0)
        tm_table_add_cell_with_note(table, "N/A", comparison.missing);
    else
        tm_table_add_cell(table, "%s", tm_number_interval(&comparison.ratio, 3, text, sizeof text));
    tm_comparison_free(&comparison);
    return TM_OK;
}

static tm_status write_table(const tm_summaries *all, const char *format, tm_text *out,
                             tm_error *err)
{
    static const char *const headings[] = {"threads",   "test",           "tokens/s [95 %]",
                                           "processes", "first token ms", "p50 ms",
                                           "RSS MiB",   "read GB/s"};
    /* CSV always has these columns; text and Markdown only when energy was requested. */
    bool energy = strcmp(format, "csv") == 0;
    for (int i = 0; i < all->n; i++) energy = energy || all->items[i].energy.is_asked;
    tm_table table;
    tm_table_init(&table, "");
    tm_table_add_column(&table, "model", TM_LEFT);
    tm_table_add_column(&table, "kernel", TM_LEFT);
    tm_table_add_column(&table, "head", TM_LEFT);
    for (size_t i = 0; i < sizeof headings / sizeof headings[0]; i++)
        tm_table_add_column(&table, headings[i], TM_RIGHT);
    if (energy) {
        tm_table_add_column(&table, "J/token", TM_RIGHT);
        tm_table_add_column(&table, "W", TM_RIGHT);
        tm_table_add_column(&table, "energy from", TM_LEFT);
    }
    tm_table_add_column(&table, "x baseline", TM_RIGHT);
    tm_status status = TM_OK;
    for (int i = 0; status == TM_OK && i < all->n; i++)
        status = add_row(&table, all, &all->items[i], energy, err);
    if (status == TM_OK) {
        if (strcmp(format, "md") == 0)
            status = tm_table_write_markdown(&table, out, err);
        else if (strcmp(format, "csv") == 0)
            status = tm_table_write_csv(&table, out, err);
        else
            status = tm_table_write_text(&table, out, err);
    }
    tm_table_free(&table);
    return status;
}

/* Not in CSV, where a second table has no place; `ternmark report` writes it to a file of its
 * own. */
static tm_status write_profile(const tm_summaries *all, const char *format, tm_text *out,
                               tm_error *err)
{
    tm_table table;
    tm_status status = tm_report_profile(all, &table, err);
    if (status == TM_OK && table.n_rows > 0 && strcmp(format, "csv") != 0) {
        tm_text_add_char(out, '\n');
        status = strcmp(format, "md") == 0 ? tm_table_write_markdown(&table, out, err)
                                           : tm_table_write_text(&table, out, err);
    }
    tm_table_free(&table);
    return status;
}

tm_status tm_bench_output_write(const tm_summaries *summaries, const char *format, tm_text *out,
                                tm_error *err)
{
    if (strcmp(format, "json") == 0) return write_json(summaries, false, out, err);
    if (strcmp(format, "jsonl") == 0) return write_json(summaries, true, out, err);
    tm_status status = write_table(summaries, format, out, err);
    return status == TM_OK ? write_profile(summaries, format, out, err) : status;
}
