#include "harness/tune/tune.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA 1

tm_json *tm_tune_to_json(const tm_tune *tune)
{
    tm_json *json = tm_json_object(), *candidates = tm_json_array();
    tm_json_put_int(json, "schema", SCHEMA);
    tm_json_put_string(json, "family", tune->family);
    tm_json_put_int(json, "threads", tune->n_threads);
    tm_json_put_int(json, "layers", tune->n_layers);
    tm_json_put_int(json, "of_layers", tune->of_layers);
    tm_json_put_string(json, "kernel", tune->candidates[tune->best].kernel->name);
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        tm_json *one = tm_json_object();
        tm_json_put_string(one, "kernel", c->kernel->name);
        tm_json_put_int(one, "rounds", c->n_rounds);
        tm_json_put_finite(one, "prompt_ns_per_token", c->prompt_ns, c->reason);
        tm_json_put_finite(one, "decode_ns_per_token", c->decode_ns, c->reason);
        if (c->reason[0]) tm_json_put_string(one, "left_behind", c->reason);
        tm_json_append(candidates, one);
    }
    tm_json_set(json, "candidates", candidates);
    return json;
}

static tm_status read_candidate(const tm_json *json, tm_tune_candidate *out, tm_error *err)
{
    static const char what[] = "tuning result";
    const char *name;
    int64_t rounds;
    tm_status status = tm_json_need_string(json, "kernel", what, &name, err);
    if (status == TM_OK) status = tm_json_need_int(json, "rounds", what, 0, 1000, &rounds, err);
    if (status != TM_OK) return status;
    out->kernel = tm_kernel_find(name);
    if (!out->kernel) return tm_fail(err, TM_FORMAT, "%s: unknown kernel \"%s\"", what, name);
    out->n_rounds = (int)rounds;
    out->prompt_ns = tm_json_double(tm_json_get(json, "prompt_ns_per_token"), NAN);
    out->decode_ns = tm_json_double(tm_json_get(json, "decode_ns_per_token"), NAN);
    snprintf(out->reason, sizeof out->reason, "%s",
             tm_json_text(tm_json_get(json, "left_behind"), ""));
    return TM_OK;
}

tm_status tm_tune_from_json(const tm_json *json, tm_tune *out, tm_error *err)
{
    static const char what[] = "tuning result";
    const char *family, *kernel;
    int64_t schema, threads, layers, of_layers;
    memset(out, 0, sizeof *out);
    tm_status status = tm_json_need_int(json, "schema", what, SCHEMA, SCHEMA, &schema, err);
    if (status == TM_OK) status = tm_json_need_string(json, "family", what, &family, err);
    if (status == TM_OK) status = tm_json_need_string(json, "kernel", what, &kernel, err);
    if (status == TM_OK)
        status = tm_json_need_int(json, "threads", what, 1, 1 << 20, &threads, err);
    if (status == TM_OK) status = tm_json_need_int(json, "layers", what, 1, 1 << 20, &layers, err);
    if (status == TM_OK)
        status = tm_json_need_int(json, "of_layers", what, 1, 1 << 20, &of_layers, err);
    if (status != TM_OK) return status;
    snprintf(out->family, sizeof out->family, "%s", family);
    out->n_threads = (int)threads;
    out->n_layers = (int)layers;
    out->of_layers = (int)of_layers;
    out->best = -1;
    const tm_json *candidates = tm_json_get(json, "candidates");
    int n = tm_json_count(candidates);
    if (n < 1 || n > TM_TUNE_MAX)
        return tm_fail(err, TM_FORMAT, "%s: %d candidates; expected 1 to %d", what, n, TM_TUNE_MAX);
    for (int i = 0; i < n && status == TM_OK; i++) {
        status = read_candidate(tm_json_at(candidates, i), &out->candidates[i], err);
        if (status != TM_OK) return status;
        out->n++;
        if (strcmp(out->candidates[i].kernel->name, kernel) == 0 &&
            isfinite(tm_tune_request_ns(&out->candidates[i])))
            out->best = i;
    }
    if (out->best >= 0) return TM_OK;
    return tm_fail(err, TM_FORMAT, "%s: the best kernel \"%s\" was not measured", what, kernel);
}
