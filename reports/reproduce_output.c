/* The results of claims as tables and as JSON. */
#include "harness/base/json.h"
#include "reports/reproduce.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *unit_of(tm_claim_metric metric)
{
    static const char *const units[] = {
        [TM_CLAIM_SPEEDUP] = "x",
        [TM_CLAIM_SAVING_PERCENT] = "% saved",
        [TM_CLAIM_TOKENS_PER_SECOND] = "tokens/s",
        [TM_CLAIM_MS_PER_TOKEN] = "ms/token",
        [TM_CLAIM_MEMORY_GB] = "GB",
        [TM_CLAIM_JOULES] = "J",
    };
    return units[metric];
}

static bool is_judged(const tm_claim_result *r)
{
    return r->verdict != TM_CLAIM_NOT_COMPARABLE && r->verdict != TM_CLAIM_NOT_MEASURED;
}

/* How many results from `first` on share a row: those of a group that were not judged for one
 * reason. A format for programs has a row for each. */
static int count_alike(const tm_claim_results *results, int first, bool is_data)
{
    const tm_claim_result *r = &results->items[first];
    int n = 1;
    if (is_data || is_judged(r)) return 1;
    while (first + n < results->n) {
        const tm_claim_result *next = &results->items[first + n];
        if (next->claim->group != r->claim->group || next->verdict != r->verdict ||
            strcmp(next->reason, r->reason) != 0)
            break;
        n++;
    }
    return n;
}

static void add_interval(tm_table *table, const tm_interval *interval)
{
    char text[64];
    if (isfinite(interval->value))
        tm_table_add_cell(table, "%s", tm_number_interval(interval, 3, text, sizeof text));
    else
        tm_table_add_cell(table, "-");
}

/* "42.1 of <100": what the baseline read, and what its machine can. */
static void add_worth(tm_table *table, const tm_measured *read, const char *of)
{
    char text[64];
    if (isfinite(read->value))
        tm_table_add_cell(table, "%s%s%s", tm_number(read->value, 3, text, sizeof text),
                          of[0] ? " of " : "", of);
    else
        tm_table_add_cell(table, "-");
}

static void add_row(tm_table *table, const tm_claim_result *r, int n_alike)
{
    const tm_claim *claim = r->claim;
    const char *unit = unit_of(claim->group->metric);
    char test[24], threads[24], percent[32], share[48] = "";
    tm_table_add_row(table);
    if (n_alike > 1)
        tm_table_add_cell(table, "%s (%d claims)", claim->group->id, n_alike);
    else
        tm_table_add_cell(table, "%s", claim->id);
    if (n_alike > 1)
        tm_table_add_cell(table, "%s", tm_claim_test(claim, test));
    else
        tm_table_add_cell(table, "%s, %s", tm_claim_test(claim, test),
                          tm_claim_threads(claim, threads));
    if (n_alike > 1 || claim->low < claim->high)
        tm_table_add_cell(table, "%s", n_alike > 1 ? unit : claim->printed);
    else
        tm_table_add_cell(table, "%s %s", claim->printed[0] ? claim->printed : "-", unit);
    add_interval(table, &r->measured);
    tm_table_add_cell_with_note(table, tm_claim_verdict_name(r->verdict), r->reason);
    if (claim->group->metric != TM_CLAIM_SPEEDUP || n_alike > 1) return;
    add_interval(table, &r->over_f16);
    add_interval(table, &r->over_peer);
    add_worth(table, &r->baseline_gb_per_second, claim->bandwidth);
    if (isfinite(r->f16_share.value))
        snprintf(
            share, sizeof share, "%s",
            tm_number(r->f16_gb_per_second.value / r->f16_share.value, 3, percent, sizeof percent));
    add_worth(table, &r->f16_gb_per_second, share);
}

void tm_claim_results_tally(const tm_claim_results *results, tm_text *out)
{
    const char *between = ": ";
    tm_text_format(out, "%d claim%s", results->n, tm_plural(results->n));
    for (int v = 0; v < TM_CLAIM_N_VERDICTS; v++) {
        if (results->counts[v] == 0) continue;
        tm_text_format(out, "%s%d %s", between, results->counts[v],
                       tm_claim_verdict_name((tm_claim_verdict)v));
        between = ", ";
    }
}

static void add_tally(tm_table *table, const tm_claim_results *results)
{
    tm_text text = {0};
    tm_claim_results_tally(results, &text);
    tm_table_add_note(table, "%s.", tm_text_string(&text));
    table->failed |= text.failed;
    tm_text_free(&text);
}

static void fill(const tm_claims *claims, const tm_claim_results *results, bool is_data,
                 tm_table *table)
{
    static const char *const headings[] = {
        "Claim",         "Test",           "Published",        "Measured [95 %]", "Verdict",
        "Over our fp16", "Over fp16 peer", "Their fp16, GB/s", "Our fp16, GB/s",  NULL};
    tm_table_init(table, "Published claims and what was measured");
    tm_table_name_groups(table, "Paper");
    for (int i = 0; headings[i]; i++)
        tm_table_add_column(table, headings[i], i == 0 || i == 1 || i == 4 ? TM_LEFT : TM_RIGHT);
    const char *last = "";
    for (int i = 0, n; i < results->n; i += n) {
        const tm_claim_result *r = &results->items[i];
        n = count_alike(results, i, is_data);
        for (int p = 0; p < claims->n_papers && strcmp(last, r->claim->group->paper) != 0; p++)
            if (strcmp(claims->papers[p].paper, r->claim->group->paper) == 0) {
                tm_table_add_group(table, "%s, %s", claims->papers[p].paper,
                                   claims->papers[p].title);
                last = claims->papers[p].paper;
            }
        add_row(table, r, n);
    }
    add_tally(table, results);
    tm_table_add_note(
        table,
        "Their fp16, GB/s: the bandwidth that the published fp16 tokens/s imply, and the bandwidth "
        "of that machine if a source states it. A baseline far below its limit inflates the "
        "speed-up. Our fp16, GB/s: the same for the baseline measured here.");
}

void tm_claim_results_table(const tm_claims *claims, const tm_claim_results *results, tm_table *out)
{
    fill(claims, results, false, out);
}

static tm_json *to_json(const tm_claim_result *r)
{
    const tm_claim *claim = r->claim;
    const tm_claim_group *g = claim->group;
    tm_json *out = tm_json_object();
    char text[160];
    tm_json_put_string(out, "id", claim->id);
    tm_json_put_string(out, "paper", g->paper);
    snprintf(text, sizeof text, "%s, %s", g->table, g->device);
    tm_json_put_string(out, "source", text);
    tm_json_put_string(out, "metric", tm_claim_metric_name(g->metric));
    tm_json_put_string(out, "model", claim->model);
    tm_json_put_string(out, "test", tm_claim_test(claim, text));
    if (claim->threads)
        tm_json_put_int(out, "threads", claim->threads);
    else
        tm_json_put_missing(out, "threads", "all cores of the machine");
    if (g->kernel[0]) tm_json_put_string(out, "kernel", g->kernel);
    if (g->baseline[0]) tm_json_put_string(out, "baseline", g->baseline);
    const bool is_range = claim->low < claim->high;
    tm_json_put_finite(out, "published", is_range ? NAN : claim->low,
                       is_range ? "a range is printed: see published_low and published_high"
                                : claim->missing);
    tm_json_put_finite(out, "published_low", claim->low, claim->missing);
    tm_json_put_finite(out, "published_high", claim->high, claim->missing);
    tm_json_put_number(out, "tolerance", g->tolerance);
    tm_interval_put(out, "measured", &r->measured, r->reason, TM_LONE_PAIR);
    tm_json_put_string(out, "verdict", tm_claim_verdict_name(r->verdict));
    tm_json_put_string(out, "reason", r->reason);
    if (g->not_stated[0]) tm_json_put_string(out, "not_stated", g->not_stated);
    if (g->conditions[0]) tm_json_put_string(out, "conditions", g->conditions);
    if (g->metric != TM_CLAIM_SPEEDUP) return out;
    tm_interval_put(out, "over_f16", &r->over_f16, r->f16_missing, TM_LONE_PAIR);
    tm_interval_put(out, "over_peer", &r->over_peer, r->peer_missing, TM_LONE_PAIR);
    if (r->peer[0]) tm_json_put_string(out, "peer", r->peer);
    tm_measured_put(out, "published_baseline_gb_per_second", &r->baseline_gb_per_second);
    tm_json_put_finite(out, "published_machine_gb_per_second", claim->bandwidth_gb,
                       "no source prints it");
    if (claim->bandwidth[0]) tm_json_put_string(out, "published_machine_printed", claim->bandwidth);
    tm_measured_put(out, "f16_gb_per_second", &r->f16_gb_per_second);
    tm_measured_put(out, "f16_share_of_bandwidth", &r->f16_share);
    return out;
}

static tm_status write_json(const tm_claim_results *results, tm_text *out, tm_error *err)
{
    tm_json *array = tm_json_array();
    for (int i = 0; array && i < results->n; i++)
        tm_json_append(array, to_json(&results->items[i]));
    return tm_text_put_json(out, array, true, err);
}

tm_status tm_claim_results_write(const tm_claims *claims, const tm_claim_results *results,
                                 const char *format, tm_text *out, tm_error *err)
{
    const tm_table_format *how;
    tm_table table;
    if (strcmp(format, "json") == 0) return write_json(results, out, err);
    tm_status status = tm_table_format_find(format, &how, err);
    if (status != TM_OK) return status;
    fill(claims, results, how->is_data, &table);
    status = how->write(&table, out, err);
    tm_table_free(&table);
    return status;
}
