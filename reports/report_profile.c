/* Time by operation of every profiled cell, and its operations as points of a roofline plot. */
#include "reports/profile_table.h"
#include "reports/report_parts.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Operations below this share of the time are summed in one row. */
#define SMALL_PERCENT 0.5

static bool is_shown(const tm_cell_summary *s)
{
    return !s->superseded && s->profile.is_asked;
}

/* Whether another shown cell differs only in the head kernel. */
static bool has_other_head(const tm_summaries *all, const tm_cell *c)
{
    for (int i = 0; i < all->n; i++) {
        const tm_cell *other = &all->items[i].cell;
        if (is_shown(&all->items[i]) && strcmp(other->head_kernel, c->head_kernel) != 0 &&
            other->machine == c->machine && strcmp(other->model, c->model) == 0 &&
            strcmp(other->kernel, c->kernel) == 0 && other->threads == c->threads &&
            strcmp(other->test, c->test) == 0)
            return true;
    }
    return false;
}

static const char *label_of(const tm_summaries *all, const tm_cell *c, char *text, size_t size)
{
    bool head = has_other_head(all, c);
    const char *machine = all->n_machines > 1 ? all->machines[c->machine].name : "";
    snprintf(text, size, "%s %s%s%s, %d thread%s, %s%s%s", tm_model_label(c->model), c->kernel,
             head ? ", head " : "", head ? c->head_kernel : "", c->threads, tm_plural(c->threads),
             c->test, machine[0] ? ", " : "", machine);
    return text;
}

static void add_sum(const tm_record_profile *t, const char *name, const char *note,
                    const tm_profile_sum *sum, double against_ns, tm_table *out)
{
    tm_profile_table_add(out, name, note, sum, against_ns, t->region_ns, t->n_tokens);
}

static bool is_small(const tm_record_profile *t, const tm_profile_sum *sum)
{
    tm_profile_row row = tm_profile_row_of(sum, sum->work_ns, t->region_ns, t->n_tokens);
    return row.time_percent + row.wait_percent < SMALL_PERCENT;
}

/* The overhead of profiling and the number of pairs it comes from. */
static const char *overhead_note(const tm_cell_profile *p, char *text, size_t size)
{
    const tm_interval *o = &p->overhead;
    int n = snprintf(text, size, "profiling overhead %+.2f %%", 100 * (o->value - 1));
    if (isfinite(o->low))
        n += snprintf(text + n, size - (size_t)n, " [%+.2f, %+.2f]", 100 * (o->low - 1),
                      100 * (o->high - 1));
    n += snprintf(text + n, size - (size_t)n, " of the time (%d process%s of %d pair%s)",
                  p->n_processes, p->n_processes == 1 ? "" : "es", p->shown->n_pairs,
                  tm_plural(p->shown->n_pairs));
    if (p->n_lost) n += snprintf(text + n, size - (size_t)n, "; %d without a profile", p->n_lost);
    if (p->limits_missing[0])
        snprintf(text + n, size - (size_t)n, "; no limits: %s", p->limits_missing);
    return text;
}

static int count_small(const tm_cell_profile *p)
{
    const tm_record_profile *t = p->shown;
    int n = 0;
    for (int i = 0, end; i < t->n_entries; i = end) {
        end = tm_record_profile_end(t, i);
        tm_profile_sum sum = tm_record_profile_sum(t, &p->limits, i, end);
        n += is_small(t, &sum);
    }
    return n;
}

static void add_cell(const tm_cell_profile *p, tm_table *out)
{
    const tm_record_profile *t = p->shown;
    tm_profile_sum small = tm_profile_sum_none();
    char text[480];
    const int n_small = count_small(p);
    for (int i = 0, end; i < t->n_entries; i = end) {
        end = tm_record_profile_end(t, i);
        tm_profile_sum sum = tm_record_profile_sum(t, &p->limits, i, end);
        if (n_small < 2 || !is_small(t, &sum)) {
            add_sum(t, t->entries[i].operation, NULL, &sum, sum.work_ns, out);
            continue;
        }
        for (int k = i; k < end; k++) tm_profile_sum_add(&small, &t->entries[k].part, &p->limits);
    }
    /* Some of them have a limit and others do not, so the sum has none. */
    small = (tm_profile_sum){small.work_ns, small.wait_ns, small.best_ns, .least_ns = NAN};
    snprintf(text, sizeof text, "%d smaller operations", n_small);
    if (n_small > 1) add_sum(t, text, NULL, &small, small.work_ns, out);
    tm_profile_table_add_idle(out, t->idle_ns, t->region_ns, t->n_tokens);
    tm_profile_sum all = tm_record_profile_sum(t, &p->limits, 0, t->n_entries);
    add_sum(t, "all", overhead_note(p, text, sizeof text), &all, t->region_ns, out);
}

tm_status tm_report_profile(const tm_summaries *all, tm_table *out, tm_error *err)
{
    char label[256];
    tm_profile_table_begin(out, "", "Operation");
    tm_table_name_groups(out, "Cell");
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        if (!is_shown(s)) continue;
        char age[320] = "";
        tm_summary_age(s, age, sizeof age);
        tm_table_add_group(out, "%s%s%s", label_of(all, &s->cell, label, sizeof label),
                           age[0] ? ": " : "", age);
        if (s->profile.shown) {
            add_cell(&s->profile, out);
            continue;
        }
        tm_table_add_row(out);
        tm_table_add_cell_with_note(out, "-", s->profile.missing);
    }
    if (out->n_rows)
        tm_table_add_note(
            out,
            "Shown: the process of median time, profiled after its repetitions. Time: share of the "
            "region, mean over threads. Wait: at the barrier after the operation. Best: each "
            "operation in its fastest run. Rates count the time the threads worked, and in the "
            "last row all of the time. Bytes: weights, keys, values and activations, each once. "
            "Limit: the larger of the time to read at the bandwidth and the time to multiply at "
            "the peak, both measured in the same run.");
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "profile table: out of memory for %d rows", out->n_rows);
    return TM_OK;
}

static void add_names(const tm_cell_summary *s, tm_table *out)
{
    const tm_cell *c = &s->cell;
    tm_table_add_row(out);
    tm_table_add_cell(out, "%s", c->engine);
    tm_table_add_cell(out, "%s", c->model);
    tm_table_add_cell(out, "%s", c->kernel);
    tm_table_add_cell(out, "%s", c->head_kernel);
    tm_table_add_cell(out, "%d", c->threads);
    tm_table_add_cell(out, "%s", c->test);
}

tm_status tm_report_profile_csv(const tm_summaries *all, tm_table *out, tm_error *err)
{
    static const char *const before[] = {"engine",  "model", "kernel",   "head_kernel",
                                         "threads", "test",  "operation"};
    static const char *const after[] = {"n_processes", "overhead_percent", "missing"};
    char text[64];
    tm_table_init(out, "");
    for (size_t i = 0; i < sizeof before / sizeof *before; i++)
        tm_table_add_column(out, before[i], TM_LEFT);
    tm_profile_fields_begin(out);
    for (size_t i = 0; i < sizeof after / sizeof *after; i++)
        tm_table_add_column(out, after[i], TM_LEFT);
    for (int i = 0; i < all->n; i++) {
        const tm_cell_summary *s = &all->items[i];
        const tm_cell_profile *p = &s->profile;
        const tm_record_profile *t = p->shown;
        if (!is_shown(s)) continue;
        for (int k = 0, end; t && k < t->n_entries; k = end) {
            end = tm_record_profile_end(t, k);
            tm_profile_sum sum = tm_record_profile_sum(t, &p->limits, k, end);
            add_names(s, out);
            tm_table_add_cell(out, "%s", t->entries[k].operation);
            tm_profile_fields_add(out, &sum, t->region_ns, t->n_tokens);
            tm_table_add_cell(out, "%d", p->n_processes);
            tm_table_add_cell(out, "%s",
                              tm_number_short(100 * (p->overhead.value - 1), 6, text, sizeof text));
            tm_table_add_cell(out, "%s", p->limits_missing);
        }
        if (t) continue;
        add_names(s, out);
        for (int k = 0; k < 1 + TM_PROFILE_FIELDS; k++) tm_table_add_cell(out, "%s", "");
        tm_table_add_cell(out, "0");
        tm_table_add_cell(out, "%s", "");
        tm_table_add_cell(out, "%s", p->missing);
    }
    if (out->failed)
        return tm_fail(err, TM_NOMEM, "profile.csv: out of memory for %d rows", out->n_rows);
    return TM_OK;
}

bool tm_report_plot_operations(const tm_report_view *view, int *next, tm_plot *plot)
{
    char label[256];
    for (; *next < view->summaries->n; (*next)++) {
        const tm_cell_summary *s = &view->summaries->items[*next];
        if (!is_shown(s) || !s->profile.shown) continue;
        tm_profile_plot(s->profile.shown, &s->profile.limits,
                        label_of(view->summaries, &s->cell, label, sizeof label), plot);
        (*next)++;
        return true;
    }
    return false;
}
