#include "harness/tune/tune.h"

#include "harness/base/json_reader.h"

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

static void read_candidate(tm_json_reader *outer, const tm_json *json, tm_tune_candidate *out)
{
    char name[64] = "";
    tm_json_reader r = *outer;
    r.json = json;
    tm_read_text(&r, "kernel", name, sizeof name);
    out->n_rounds = (int)tm_read_int(&r, "rounds", 0, 1000);
    out->kernel = tm_kernel_find(name);
    if (!out->kernel) tm_read_fail(&r, "unknown kernel \"%s\"", name);
    out->prompt_ns = tm_json_double(tm_json_get(json, "prompt_ns_per_token"), NAN);
    out->decode_ns = tm_json_double(tm_json_get(json, "decode_ns_per_token"), NAN);
    snprintf(out->reason, sizeof out->reason, "%s",
             tm_json_text(tm_json_get(json, "left_behind"), ""));
    outer->status = r.status;
}

tm_status tm_tune_from_json(const tm_json *json, tm_tune *out, tm_error *err)
{
    tm_json_reader r = {.json = json, .err = err, .what = "tuning result"};
    char kernel[64] = "";
    memset(out, 0, sizeof *out);
    (void)tm_read_int(&r, "schema", SCHEMA, SCHEMA);
    tm_read_text(&r, "family", out->family, sizeof out->family);
    tm_read_text(&r, "kernel", kernel, sizeof kernel);
    out->n_threads = (int)tm_read_int(&r, "threads", 1, 1 << 20);
    out->n_layers = (int)tm_read_int(&r, "layers", 1, 1 << 20);
    out->of_layers = (int)tm_read_int(&r, "of_layers", 1, 1 << 20);
    out->best = -1;
    const tm_json *candidates = tm_json_get(json, "candidates");
    int n = tm_json_count(candidates);
    if (n < 1 || n > TM_TUNE_MAX)
        tm_read_fail(&r, "%d candidates; expected 1 to %d", n, TM_TUNE_MAX);
    for (int i = 0; i < n && r.status == TM_OK; i++) {
        tm_tune_candidate *c = &out->candidates[i];
        read_candidate(&r, tm_json_at(candidates, i), c);
        if (r.status != TM_OK) break;
        out->n++;
        if (strcmp(c->kernel->name, kernel) == 0 && isfinite(tm_tune_request_ns(c))) out->best = i;
    }
    if (out->best < 0) tm_read_fail(&r, "the best kernel \"%s\" was not measured", kernel);
    return r.status;
}
