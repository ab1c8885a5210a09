/* A profile as JSON: a key per value, and the reason for each missing one. */
#include "harness/cli/profile_output.h"
#include "reports/profile_table.h"

#include <math.h>

static tm_json *sum_json(const tm_profiled *item, int layer, int op)
{
    const tm_profile *p = &item->profile;
    tm_profile_sum sum = tm_profile_sum_of(p, &item->limits, layer, op);
    tm_json *o = tm_json_object();
    if (op >= 0) tm_json_put_string(o, "operation", tm_op_name((tm_op)op));
    if (op < 0 && layer >= 0) tm_json_put_int(o, "layer", layer);
    if (op < 0 && layer == -1) tm_json_put_missing(o, "layer", "outside the layers");
    tm_profile_sum_put(o, &sum, p->region_ns, p->n_tokens);
    return o;
}

static bool happened(const tm_profiled *item, int layer, int op)
{
    tm_profile_sum sum = tm_profile_sum_of(&item->profile, &item->limits, layer, op);
    return sum.work_ns > 0 || sum.wait_ns > 0;
}

static tm_json *operations(const tm_profiled *item, int layer)
{
    tm_json *array = tm_json_array();
    for (int o = 0; o < TM_OP_COUNT; o++)
        if (happened(item, layer, o)) tm_json_append(array, sum_json(item, layer, o));
    return array;
}

static tm_json *layers_json(const tm_profiled *item)
{
    tm_json *array = tm_json_array();
    for (int l = -1; l < item->profile.n_layers; l++) {
        tm_json *layer = sum_json(item, l, TM_PROFILE_ALL);
        tm_json_set(layer, "operations", operations(item, l));
        tm_json_append(array, layer);
    }
    return array;
}

static tm_json *threads_json(const tm_profiled *item)
{
    const tm_profile *p = &item->profile;
    tm_json *array = tm_json_array();
    for (int t = 0; t < p->n_threads; t++) {
        const tm_profile_thread *thread = &p->threads[t];
        tm_json *o = tm_json_object();
        tm_json_put_int(o, "thread", t);
        if (t < TM_BACKEND_CPUS_MAX && item->cpus[t] >= 0)
            tm_json_put_int(o, "cpu", item->cpus[t]);
        else
            tm_json_put_missing(o, "cpu", "the thread is not pinned");
        tm_json_put_number(o, "busy_ns", thread->busy_ns);
        tm_json_put_number(o, "barrier_ns", thread->wait_ns);
        tm_json_put_number(o, "idle_ns", thread->idle_ns);
        tm_json_put_int(o, "barriers", thread->n_waits);
        tm_json_append(array, o);
    }
    return array;
}

static tm_json *limits_json(const tm_profile_limits *limits, int n_threads)
{
    static const char missing[] = "the roofline was not measured";
    tm_json *o = tm_json_object();
    tm_profile_limits_put(o, limits, missing);
    tm_json_put_finite(o, "barrier_ns", limits->barrier_ns,
                       n_threads == 1 ? "single thread: no barriers" : missing);
    return o;
}

static tm_json *counters_json(const tm_record *record)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < record->sample.n_counters; i++) {
        const tm_counter *c = &record->sample.counters[i];
        tm_json *o = tm_json_object();
        tm_json_put_string(o, "name", c->name);
        tm_json_put_string(o, "unit", c->unit);
        tm_json_put_finite(o, "value", c->figure.value, c->figure.missing);
        tm_json_append(array, o);
    }
    return array;
}

static tm_json *item_json(const tm_profiled *item, bool layers)
{
    const tm_profile *p = &item->profile;
    tm_json *o = tm_json_object();
    tm_json_put_string(o, "model", item->cell.model);
    tm_json_put_string(o, "kernel", item->cell.kernel);
    tm_json_put_string(o, "head_kernel", item->cell.head_kernel);
    tm_json_put_int(o, "threads", item->cell.threads);
    tm_json_put_string(o, "test", item->cell.test);
    tm_json_put_int(o, "n_tokens", p->n_tokens);
    tm_json_put_int(o, "n_passes", p->n_passes);
    tm_json_put_string(o, "run_shown", item->shown);
    tm_json_put_int(o, "elapsed_ns", p->elapsed_ns);
    tm_json_put_number(o, "region_ns", p->region_ns);
    tm_json_put_number(o, "tokens_per_second", p->n_tokens * 1e9 / (double)p->elapsed_ns);
    tm_profile_overhead_put(o, &p->overhead);
    tm_json_put_number(o, "overhead_of_fastest_percent", 100 * (p->fastest_ratio - 1));
    tm_json_put_number(o, "stamp_ns", p->stamp_ns);
    tm_json_put_number(o, "stamps_per_thread", p->stamps_per_thread);
    tm_json_put_number(o, "stamps_percent",
                       100 * p->stamps_per_thread * p->stamp_ns / p->region_ns);
    tm_json_put_string(o, "clock", p->clock);
    tm_json_set(o, "limits", limits_json(&item->limits, p->n_threads));
    tm_json_set(o, "operations", operations(item, TM_PROFILE_ALL));
    if (layers) tm_json_set(o, "layers", layers_json(item));
    tm_json_set(o, "threads_time", threads_json(item));
    if (p->record.sample.n_counters) tm_json_set(o, "counters", counters_json(&p->record));
    tm_json_put_string(o, "marks", p->record.marks);
    return o;
}

tm_json *tm_profile_to_json(const tm_profiled *items, int n, bool layers)
{
    tm_json *array = tm_json_array();
    for (int i = 0; i < n; i++) tm_json_append(array, item_json(&items[i], layers));
    return array;
}
