#include "harness/record/record_profile.h"

#include "harness/record/record_row.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS_MAX     1e16 /* of one region; a third of a year */
#define AMOUNT_MAX 1e24 /* bytes or products of a region */
#define RATIO_MAX  1e6
/* Allowed difference between the region and the sum of its parts: the counters of two cores differ,
 * and small models take microseconds. */
#define SUM_SHARE 0.05
#define SUM_NS    20e3

void tm_record_profile_free(tm_record_profile *table)
{
    free(table->entries);
    table->entries = NULL;
    table->n_entries = 0;
}

tm_profile_sum tm_record_profile_sum(const tm_record_profile *table,
                                     const tm_profile_limits *limits, int begin, int end)
{
    tm_profile_sum sum = tm_profile_sum_none();
    for (int i = begin; i < end; i++) tm_profile_sum_add(&sum, &table->entries[i].part, limits);
    return sum;
}

int tm_record_profile_end(const tm_record_profile *table, int begin)
{
    int end = begin + 1;
    while (end < table->n_entries &&
           strcmp(table->entries[end].operation, table->entries[begin].operation) == 0)
        end++;
    return end;
}

static tm_json *entry_to_json(const tm_record_profile_row *e)
{
    const tm_op_cost *cost = &e->part.cost;
    tm_json *item = tm_json_object();
    tm_json_put_string(item, "operation", e->operation);
    tm_json_put_int(item, "n_layers", e->n_layers);
    tm_json_put_number(item, "work_ns", e->part.work_ns);
    tm_json_put_number(item, "wait_ns", e->part.wait_ns);
    tm_json_put_number(item, "best_ns", e->part.best_ns);
    tm_json_put_number(item, "memory_bytes", cost->memory_bytes);
    tm_json_put_number(item, "activation_bytes", cost->activation_bytes);
    tm_json_put_number(item, "macs", cost->macs);
    tm_json_put_bool(item, "is_int8", cost->is_int8);
    return item;
}

void tm_record_profile_put(tm_json *json, const tm_record_profile *t)
{
    tm_json_put_int(json, "n_threads", t->n_threads);
    tm_json_put_int(json, "n_tokens", t->n_tokens);
    tm_json_put_int(json, "n_passes", t->n_passes);
    tm_json_put_int(json, "n_pairs", t->n_pairs);
    tm_json_put_number(json, "region_ns", t->region_ns);
    tm_json_put_number(json, "idle_ns", t->idle_ns);
    tm_json_put_int(json, "elapsed_ns", t->elapsed_ns);
    tm_json_put_number(json, "overhead", t->overhead);
    tm_json_put_finite(json, "overhead_low", t->overhead_low, TM_LONE_PAIR);
    tm_json_put_finite(json, "overhead_high", t->overhead_high, TM_LONE_PAIR);
    tm_json_put_number(json, "stamp_ns", t->stamp_ns);
    tm_json_put_number(json, "stamps_per_thread", t->stamps_per_thread);
    tm_json_put_string(json, "clock", t->clock);
    tm_json *list = tm_json_array();
    for (int i = 0; i < t->n_entries; i++) tm_json_append(list, entry_to_json(&t->entries[i]));
    tm_json_set(json, "operations", list);
}

/* Reading. */

static void entry_of(tm_json_reader *outer, const tm_json *item, tm_record_profile_row *out)
{
    tm_json_reader r = {
        .json = item, .status = outer->status, .err = outer->err, .what = outer->what};
    tm_op_cost *cost = &out->part.cost;
    tm_read_text(&r, "operation", out->operation, sizeof out->operation);
    if (!out->operation[0]) tm_read_fail(&r, "an operation has no name");
    out->n_layers = (int)tm_read_int(&r, "n_layers", 0, 1 << 20);
    out->part.work_ns = tm_read_number(&r, "work_ns", 0, NS_MAX);
    out->part.wait_ns = tm_read_number(&r, "wait_ns", 0, NS_MAX);
    out->part.best_ns = tm_read_number(&r, "best_ns", 0, NS_MAX);
    cost->memory_bytes = tm_read_number(&r, "memory_bytes", 0, AMOUNT_MAX);
    cost->activation_bytes = tm_read_number(&r, "activation_bytes", 0, AMOUNT_MAX);
    cost->macs = tm_read_number(&r, "macs", 0, AMOUNT_MAX);
    cost->is_int8 = tm_read_bool(&r, "is_int8");
    outer->status = r.status;
}

static void entries_of(tm_json_reader *r, tm_record_profile *out)
{
    const tm_json *list = tm_json_get(r->json, "operations");
    int n = tm_json_count(list);
    if (!tm_json_is_array(list) || n < 1 || n > TM_RECORD_PROFILE_ROWS_MAX)
        tm_read_fail(r, "\"operations\" must be an array of 1 to %d", TM_RECORD_PROFILE_ROWS_MAX);
    if (r->status != TM_OK) return;
    out->entries = calloc((size_t)n, sizeof *out->entries);
    if (!out->entries) {
        r->status = tm_fail(r->err, TM_NOMEM, "record: no memory for %d operations", n);
        return;
    }
    out->n_entries = n;
    const tm_json *item = tm_json_at(list, 0);
    for (int i = 0; i < n; i++, item = tm_json_next(item)) entry_of(r, item, &out->entries[i]);
}

static void check(tm_json_reader *r, const tm_record_profile *t)
{
    double sum = t->idle_ns;
    for (int i = 0; i < t->n_entries; i++)
        sum += t->entries[i].part.work_ns + t->entries[i].part.wait_ns;
    if (fabs(sum - t->region_ns) > SUM_SHARE * t->region_ns + SUM_NS)
        tm_read_fail(r, "operations and idle time add up to %g ns, but the region took %g ns", sum,
                     t->region_ns);
    if (isfinite(t->overhead_low) != isfinite(t->overhead_high) || t->overhead_low > t->overhead ||
        t->overhead_high < t->overhead)
        tm_read_fail(r, "\"overhead\" is %g, not between its bounds %g and %g", t->overhead,
                     t->overhead_low, t->overhead_high);
}

tm_status tm_record_profile_from_json(const tm_json *json, tm_record_profile *out, tm_error *err)
{
    tm_json_reader r = {.json = json, .err = err, .what = "profile record"};
    *out = (tm_record_profile){0};
    out->n_threads = (int)tm_read_int(&r, "n_threads", 1, 1 << 20);
    out->n_tokens = (int)tm_read_int(&r, "n_tokens", 1, TM_RECORD_COUNT_MAX);
    out->n_passes = (int)tm_read_int(&r, "n_passes", 1, TM_RECORD_COUNT_MAX);
    out->n_pairs = (int)tm_read_int(&r, "n_pairs", 1, TM_RECORD_COUNT_MAX);
    out->region_ns = tm_read_number(&r, "region_ns", 1, NS_MAX);
    out->idle_ns = tm_read_number(&r, "idle_ns", 0, NS_MAX);
    out->elapsed_ns = tm_read_int(&r, "elapsed_ns", 1, TM_RECORD_BYTES_MAX);
    out->overhead = tm_read_number(&r, "overhead", 0, RATIO_MAX);
    out->overhead_low = tm_read_number_or(&r, "overhead_low", NAN);
    out->overhead_high = tm_read_number_or(&r, "overhead_high", NAN);
    out->stamp_ns = tm_read_number(&r, "stamp_ns", 0, NS_MAX);
    out->stamps_per_thread = tm_read_number(&r, "stamps_per_thread", 0, AMOUNT_MAX);
    tm_read_text(&r, "clock", out->clock, sizeof out->clock);
    entries_of(&r, out);
    if (r.status == TM_OK) check(&r, out);
    if (r.status != TM_OK) tm_record_profile_free(out);
    return r.status;
}

static void put_profile(tm_json *json, const tm_record *record)
{
    tm_json_put_int(json, "process", record->process);
    tm_json_put_int(json, "slot", record->slot);
    if (record->profile.n_entries > 0) tm_record_profile_put(json, &record->profile);
    tm_json_put_string(json, "marks", record->marks);
}

static void read_profile(tm_json_reader *r, tm_record *record)
{
    tm_record_read_process(r, record);
    tm_read_text(r, "marks", record->marks, sizeof record->marks);
    if (r->status != TM_OK) return;
    if (strcmp(record->status, "ok") == 0)
        r->status = tm_record_profile_from_json(r->json, &record->profile, r->err);
    else if (!record->reason[0])
        r->status = tm_fail(r->err, TM_FORMAT, "record: the profile is %s without a reason",
                            record->status);
}

static void free_profile(tm_record *record)
{
    tm_record_profile_free(&record->profile);
}

const tm_record_row tm_record_row_profile = {.name = "profile",
                                             .has_cell = true,
                                             .has_status = true,
                                             .put = put_profile,
                                             .read = read_profile,
                                             .free = free_profile};
