/* A whole profile as JSON and back: how a worker sends it to the process that shows it. */
#include "harness/base/json_reader.h"
#include "harness/measure/profile.h"

#include <stdlib.h>
#include <string.h>

#define NS_MAX     1e16 /* of one region; a third of a year */
#define AMOUNT_MAX 1e24 /* bytes or products of a region */

static tm_json *op_to_json(const tm_profile_op *op, int layer, int o)
{
    const tm_op_cost *cost = &op->part.cost;
    tm_json *json = tm_json_object();
    tm_json_put_int(json, "layer", layer);
    tm_json_put_int(json, "op", o);
    tm_json_put_number(json, "work_ns", op->part.work_ns);
    tm_json_put_number(json, "wait_ns", op->part.wait_ns);
    tm_json_put_number(json, "best_ns", op->part.best_ns);
    tm_json_put_number(json, "longest_ns", op->longest_ns);
    tm_json_put_int(json, "n_pieces", op->n_pieces);
    tm_json_put_number(json, "memory_bytes", cost->memory_bytes);
    tm_json_put_number(json, "activation_bytes", cost->activation_bytes);
    tm_json_put_number(json, "macs", cost->macs);
    tm_json_put_bool(json, "is_int8", cost->is_int8);
    return json;
}

static tm_json *numbers(const double *values, int n)
{
    tm_json *list = tm_json_array();
    for (int i = 0; i < n; i++) tm_json_append(list, tm_json_number(values[i]));
    return list;
}

tm_json *tm_profile_transfer_to_json(const tm_profile *p)
{
    static const tm_profile_op nothing;
    tm_json *json = tm_json_object(), *ops = tm_json_array(), *threads = tm_json_array();
    tm_json_put_int(json, "n_layers", p->n_layers);
    tm_json_put_int(json, "n_threads", p->n_threads);
    tm_json_put_int(json, "n_tokens", p->n_tokens);
    tm_json_put_int(json, "n_passes", p->n_passes);
    tm_json_put_int(json, "n_pairs", p->n_pairs);
    tm_json_put_number(json, "region_ns", p->region_ns);
    tm_json_put_int(json, "elapsed_ns", p->elapsed_ns);
    tm_json_put_number(json, "stamp_ns", p->stamp_ns);
    tm_json_put_number(json, "stamps_per_thread", p->stamps_per_thread);
    tm_json_put_string(json, "clock", p->clock);
    tm_json_set(json, "with_ns", numbers(p->with_ns, p->n_pairs));
    tm_json_set(json, "without_ns", numbers(p->without_ns, p->n_pairs));
    for (int l = -1; l < p->n_layers; l++)
        for (int o = 0; o < TM_OP_COUNT; o++) {
            const tm_profile_op *op = &p->ops[(size_t)(l + 1) * TM_OP_COUNT + (size_t)o];
            if (memcmp(op, &nothing, sizeof *op) != 0) tm_json_append(ops, op_to_json(op, l, o));
        }
    tm_json_set(json, "operations", ops);
    for (int t = 0; t < p->n_threads; t++) {
        const tm_profile_thread *thread = &p->threads[t];
        tm_json *item = tm_json_object();
        tm_json_put_number(item, "busy_ns", thread->busy_ns);
        tm_json_put_number(item, "wait_ns", thread->wait_ns);
        tm_json_put_number(item, "idle_ns", thread->idle_ns);
        tm_json_put_int(item, "n_waits", thread->n_waits);
        tm_json_append(threads, item);
    }
    tm_json_set(json, "threads", threads);
    tm_json_set(json, "sample", tm_record_to_json(&p->record));
    return json;
}

/* Reading. */

static const tm_json *array_of(tm_json_reader *r, const char *key, int low, int high)
{
    const tm_json *list = tm_json_get(r->json, key);
    int n = tm_json_count(list);
    if (!tm_json_is_array(list) || n < low || n > high)
        tm_read_fail(r, "\"%s\" is not an array of %d to %d", key, low, high);
    return r->status == TM_OK ? tm_json_at(list, 0) : NULL;
}

static void read_times(tm_json_reader *r, const char *key, int n, double *out)
{
    const tm_json *item = array_of(r, key, n, n);
    for (int i = 0; item; i++, item = tm_json_next(item)) {
        out[i] = tm_json_double(item, -1);
        if (!(out[i] > 0 && out[i] <= NS_MAX)) tm_read_fail(r, "%s[%d] is not a time", key, i);
    }
}

static void read_op(tm_json_reader *outer, const tm_json *item, tm_profile *out)
{
    tm_json_reader r = {
        .json = item, .status = outer->status, .err = outer->err, .what = outer->what};
    int layer = (int)tm_read_int(&r, "layer", -1, out->n_layers - 1);
    int o = (int)tm_read_int(&r, "op", 0, TM_OP_COUNT - 1);
    if (r.status == TM_OK) {
        tm_profile_op *op = &out->ops[(size_t)(layer + 1) * TM_OP_COUNT + (size_t)o];
        tm_op_cost *cost = &op->part.cost;
        op->part.work_ns = tm_read_number(&r, "work_ns", 0, NS_MAX);
        op->part.wait_ns = tm_read_number(&r, "wait_ns", 0, NS_MAX);
        op->part.best_ns = tm_read_number(&r, "best_ns", 0, NS_MAX);
        op->longest_ns = tm_read_number(&r, "longest_ns", 0, NS_MAX);
        op->n_pieces = tm_read_int(&r, "n_pieces", 0, TM_RECORD_BYTES_MAX);
        cost->memory_bytes = tm_read_number(&r, "memory_bytes", 0, AMOUNT_MAX);
        cost->activation_bytes = tm_read_number(&r, "activation_bytes", 0, AMOUNT_MAX);
        cost->macs = tm_read_number(&r, "macs", 0, AMOUNT_MAX);
        cost->is_int8 = tm_read_bool(&r, "is_int8");
    }
    outer->status = r.status;
}

static void read_thread(tm_json_reader *outer, const tm_json *item, tm_profile_thread *out)
{
    tm_json_reader r = {
        .json = item, .status = outer->status, .err = outer->err, .what = outer->what};
    out->busy_ns = tm_read_number(&r, "busy_ns", 0, NS_MAX);
    out->wait_ns = tm_read_number(&r, "wait_ns", 0, NS_MAX);
    out->idle_ns = tm_read_number(&r, "idle_ns", 0, NS_MAX);
    out->n_waits = tm_read_int(&r, "n_waits", 0, TM_RECORD_BYTES_MAX);
    outer->status = r.status;
}

static void read_lists(tm_json_reader *r, tm_profile *out)
{
    size_t n_ops = ((size_t)out->n_layers + 1) * TM_OP_COUNT;
    if (r->status != TM_OK) return;
    out->ops = calloc(n_ops, sizeof *out->ops);
    out->threads = calloc((size_t)out->n_threads, sizeof *out->threads);
    out->with_ns = calloc((size_t)out->n_pairs, sizeof *out->with_ns);
    out->without_ns = calloc((size_t)out->n_pairs, sizeof *out->without_ns);
    if (!out->ops || !out->threads || !out->with_ns || !out->without_ns) {
        r->status = tm_fail(r->err, TM_NOMEM, "no memory for a profile");
        return;
    }
    read_times(r, "with_ns", out->n_pairs, out->with_ns);
    read_times(r, "without_ns", out->n_pairs, out->without_ns);
    const tm_json *item = array_of(r, "operations", 1, (int)n_ops);
    for (; item; item = tm_json_next(item)) read_op(r, item, out);
    item = array_of(r, "threads", out->n_threads, out->n_threads);
    for (int t = 0; item; t++, item = tm_json_next(item)) read_thread(r, item, &out->threads[t]);
    if (r->status == TM_OK)
        r->status = tm_record_from_json(tm_json_get(r->json, "sample"), &out->record, r->err);
}

tm_status tm_profile_transfer_from_json(const tm_json *json, tm_profile *out, tm_error *err)
{
    tm_json_reader r = {.json = json, .err = err, .what = "profile"};
    *out = (tm_profile){0};
    out->n_layers = (int)tm_read_int(&r, "n_layers", 0, 10000);
    out->n_threads = (int)tm_read_int(&r, "n_threads", 1, 1 << 16);
    out->n_tokens = (int)tm_read_int(&r, "n_tokens", 1, TM_RECORD_COUNT_MAX);
    out->n_passes = (int)tm_read_int(&r, "n_passes", 1, TM_RECORD_COUNT_MAX);
    out->n_pairs = (int)tm_read_int(&r, "n_pairs", 1, TM_PROFILE_PAIRS_MAX);
    out->region_ns = tm_read_number(&r, "region_ns", 1, NS_MAX);
    out->elapsed_ns = tm_read_int(&r, "elapsed_ns", 1, TM_RECORD_BYTES_MAX);
    out->stamp_ns = tm_read_number(&r, "stamp_ns", 0, NS_MAX);
    out->stamps_per_thread = tm_read_number(&r, "stamps_per_thread", 0, AMOUNT_MAX);
    tm_read_text(&r, "clock", out->clock, sizeof out->clock);
    read_lists(&r, out);
    if (r.status == TM_OK)
        tm_profile_compare(out);
    else
        tm_profile_free(out);
    return r.status;
}
