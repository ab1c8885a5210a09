#include "harness/cli/profile_output.h"

#include "harness/sweep/plan.h"
#include "reports/profile_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An operation's rates are over its work; those of a layer or of the whole include its waits. */
static void add_row(tm_table *table, const tm_profiled *item, const char *name, int layer, int op)
{
    const tm_profile *p = &item->profile;
    tm_profile_sum sum = tm_profile_sum_of(p, &item->limits, layer, op);
    double against_ns = op != TM_PROFILE_ALL      ? sum.work_ns
                        : layer != TM_PROFILE_ALL ? sum.work_ns + sum.wait_ns
                                                  : p->region_ns;
    if (sum.work_ns > 0 || sum.wait_ns > 0)
        tm_profile_table_add(table, name, NULL, &sum, against_ns, p->region_ns, p->n_tokens);
}

static void fill_operations(const tm_profiled *item, tm_table *table)
{
    const tm_profile *p = &item->profile;
    for (int o = 0; o < TM_OP_COUNT; o++)
        add_row(table, item, tm_op_name((tm_op)o), TM_PROFILE_ALL, o);
    tm_profile_table_add_idle(table, tm_profile_idle_ns(p), p->region_ns, p->n_tokens);
    add_row(table, item, "all", TM_PROFILE_ALL, TM_PROFILE_ALL);
}

static void fill_layers(const tm_profiled *item, tm_table *table)
{
    for (int l = -1; l < item->profile.n_layers; l++) {
        char name[32] = "outside";
        if (l >= 0) snprintf(name, sizeof name, "layer %d", l);
        add_row(table, item, name, l, TM_PROFILE_ALL);
    }
}

/* A percentage of one thread's time. */
static void add_percent(tm_table *table, double part_ns, double region_ns)
{
    tm_table_add_cell(table, "%.2f", 100 * part_ns / region_ns);
}

static void fill_threads(const tm_profiled *item, tm_table *table)
{
    static const char *const headings[] = {"CPU", "Busy, %", "Barrier, %", "Idle, %"};
    const tm_profile *p = &item->profile;
    tm_table_init(table, "");
    tm_table_add_column(table, "Thread", TM_LEFT);
    for (int i = 0; i < 4; i++) tm_table_add_column(table, headings[i], TM_RIGHT);
    for (int t = 0; t < p->n_threads; t++) {
        const tm_profile_thread *thread = &p->threads[t];
        int cpu = t < TM_BACKEND_CPUS_MAX ? item->cpus[t] : -1;
        tm_table_add_row(table);
        tm_table_add_cell(table, "%d", t);
        if (cpu >= 0)
            tm_table_add_cell(table, "%d", cpu);
        else
            tm_table_add_cell(table, "-");
        add_percent(table, thread->busy_ns, p->region_ns);
        add_percent(table, thread->wait_ns, p->region_ns);
        add_percent(table, thread->idle_ns, p->region_ns);
    }
}

static tm_status write_table(tm_table *table, const tm_table_format *format, tm_text *out,
                             tm_error *err)
{
    tm_status status = format->write(table, out, err);
    tm_table_free(table);
    tm_text_add_char(out, '\n');
    return status;
}

static void put_limits(const tm_profiled *item, tm_text *out)
{
    const tm_profile_limits *l = &item->limits;
    int n = item->profile.n_threads;
    char read[64], int8[64], fp32[64];
    if (!isfinite(l->read_gb_per_second)) {
        tm_text_add(out, "Roofline: not measured (--seconds 0).\n");
        return;
    }
    tm_text_format(
        out,
        "Roofline of %d thread%s, from this run: read %s GB/s, int8 %s GMAC/s, fp32 %s GMAC/s.\n",
        n, tm_plural(n), tm_number(l->read_gb_per_second, 3, read, sizeof read),
        tm_number(l->int8_gmac_per_second, 3, int8, sizeof int8),
        tm_number(l->fp32_gmac_per_second, 3, fp32, sizeof fp32));
}

static void put_overhead(const tm_profile *p, tm_text *out)
{
    double stamps_ns = p->stamps_per_thread * p->stamp_ns;
    tm_text_format(out, "Profiling overhead: %+.2f %%", 100 * (p->overhead.value - 1));
    if (isfinite(p->overhead.low))
        tm_text_format(out, " [%+.2f, %+.2f]", 100 * (p->overhead.low - 1),
                       100 * (p->overhead.high - 1));
    tm_text_format(
        out,
        " (%d pairs with and without stamps, %s), %+.2f %% between the fastest runs; %.0f stamps "
        "per thread of %.1f ns (%s) predict %.2f %%.\n",
        p->n_pairs, p->overhead.method, 100 * (p->fastest_ratio - 1), p->stamps_per_thread,
        p->stamp_ns, p->clock, 100 * stamps_ns / p->region_ns);
}

static void put_barriers(const tm_profiled *item, tm_text *out)
{
    const tm_profile *p = &item->profile;
    double waits = 0, wait_ns = 0;
    char text[64];
    for (int t = 0; t < p->n_threads; t++) {
        waits += (double)p->threads[t].n_waits / p->n_threads;
        wait_ns += p->threads[t].wait_ns / p->n_threads;
    }
    if (p->n_threads == 1) return;
    tm_text_format(out, "Barriers: %s per token",
                   tm_number(waits / p->n_tokens, 3, text, sizeof text));
    if (isfinite(item->limits.barrier_ns))
        tm_text_format(out, " x %.0f ns each if all threads arrive together = %.2f %% of the time",
                       item->limits.barrier_ns,
                       100 * waits * item->limits.barrier_ns / p->region_ns);
    tm_text_format(out, "; threads spent %.2f %% of the time in them.\n",
                   100 * wait_ns / p->region_ns);
}

static void put_counters(const tm_record *record, int n_tokens, tm_text *out)
{
    char text[64];
    if (!record->sample.n_counters) return;
    tm_text_format(out, "Counters (%s) over %d tokens, from a run without stamps:\n",
                   record->sample.counter_group, n_tokens);
    for (int i = 0; i < record->sample.n_counters; i++) {
        const tm_counter *c = &record->sample.counters[i];
        if (isnan(c->figure.value))
            tm_text_format(out, "  %-26s -  %s\n", c->name, c->figure.missing);
        else
            tm_text_format(out, "  %-26s %s %s (%s)\n", c->name,
                           tm_number(c->figure.value, 5, text, sizeof text), c->unit, c->method);
    }
}

static void put_lines(const tm_profiled *item, tm_text *out)
{
    const tm_profile *p = &item->profile;
    put_overhead(p, out);
    put_limits(item, out);
    put_barriers(item, out);
    put_counters(&p->record, p->n_tokens, out);
    if (p->record.marks[0]) tm_text_format(out, "Warnings: %s.\n", p->record.marks);
    tm_text_add_char(out, '\n');
}

static tm_status write_tables(const tm_profiled *item, const tm_table_format *format, bool layers,
                              tm_text *out, tm_error *err)
{
    const tm_profile *p = &item->profile;
    tm_table table;
    char label[512], title[640], ms[64], rate[64];
    snprintf(title, sizeof title, "%s: %d tokens in %s ms, %s tokens/s (%s of %d runs)",
             tm_cell_label(&item->cell, label, sizeof label), p->n_tokens,
             tm_number((double)p->elapsed_ns * 1e-6, 4, ms, sizeof ms),
             tm_number(p->n_tokens * 1e9 / (double)p->elapsed_ns, 4, rate, sizeof rate),
             item->shown, p->n_pairs);
    tm_profile_table_begin(&table, title, "Operation");
    fill_operations(item, &table);
    tm_status status = write_table(&table, format, out, err);
    if (status == TM_OK && layers) {
        tm_profile_table_begin(&table, "", "Layer");
        fill_layers(item, &table);
        status = write_table(&table, format, out, err);
    }
    if (status != TM_OK) return status;
    fill_threads(item, &table);
    status = write_table(&table, format, out, err);
    put_lines(item, out);
    return status;
}

static void add_csv_row(tm_table *table, const tm_profiled *item, int layer, int op)
{
    const tm_profile *p = &item->profile;
    tm_profile_sum sum = tm_profile_sum_of(p, &item->limits, layer, op);
    if (!(sum.work_ns > 0) && !(sum.wait_ns > 0)) return;
    tm_table_add_row(table);
    tm_table_add_cell(table, "%s", item->cell.model);
    tm_table_add_cell(table, "%s", item->cell.kernel);
    tm_table_add_cell(table, "%d", item->cell.threads);
    tm_table_add_cell(table, "%s", item->cell.test);
    if (layer >= 0)
        tm_table_add_cell(table, "%d", layer);
    else
        tm_table_add_cell(table, "%s", layer == TM_PROFILE_ALL ? "all" : "outside");
    tm_table_add_cell(table, "%s", tm_op_name((tm_op)op));
    tm_profile_fields_add(table, &sum, p->region_ns, p->n_tokens);
}

static tm_status write_data(const tm_profiled *items, int n, const tm_table_format *format,
                            bool layers, tm_text *out, tm_error *err)
{
    static const char *const headings[] = {"model", "kernel", "threads",
                                           "test",  "layer",  "operation"};
    tm_table table;
    tm_table_init(&table, "");
    for (size_t i = 0; i < sizeof headings / sizeof *headings; i++)
        tm_table_add_column(&table, headings[i], TM_LEFT);
    tm_profile_fields_begin(&table);
    for (int i = 0; i < n; i++) {
        int first = layers ? -1 : TM_PROFILE_ALL,
            last = layers ? items[i].profile.n_layers - 1 : first;
        for (int l = first; l <= last; l++)
            for (int o = 0; o < TM_OP_COUNT; o++) add_csv_row(&table, &items[i], l, o);
    }
    tm_status status = format->write(&table, out, err);
    tm_table_free(&table);
    return status;
}

static tm_status write_json(const tm_profiled *items, int n, bool layers, tm_text *out,
                            tm_error *err)
{
    return tm_text_put_json(out, tm_profile_to_json(items, n, layers), true, err);
}

tm_status tm_profile_output_write(const tm_profiled *items, int n, const char *format, bool layers,
                                  tm_text *out, tm_error *err)
{
    const tm_table_format *of_table;
    if (strcmp(format, "json") == 0) return write_json(items, n, layers, out, err);
    tm_status status = tm_table_format_find(format, &of_table, err);
    if (status != TM_OK) return status;
    if (of_table->is_data) return write_data(items, n, of_table, layers, out, err);
    for (int i = 0; i < n && status == TM_OK; i++)
        status = write_tables(&items[i], of_table, layers, out, err);
    return status == TM_OK ? tm_text_status(out, "the profile", err) : status;
}
