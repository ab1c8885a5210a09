#include "harness/tune/tune.h"

#include "harness/base/json_reader.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define SCHEMA 2

/* By tm_race_end. */
static const char *const ends[] = {"failed", "left behind",    "slower",
                                   "equal",  "not told apart", "chosen"};
#define N_ENDS (int)(sizeof ends / sizeof *ends)

static tm_json *ratio_to_json(const tm_interval *ratio)
{
    const char *const why = "fewer than 8 pairs";
    tm_json *json = tm_json_object();
    tm_json_put_number(json, "value", ratio->value);
    tm_json_put_finite(json, "low", ratio->low, why);
    tm_json_put_finite(json, "high", ratio->high, why);
    tm_json_put_int(json, "n", ratio->n);
    return json;
}

tm_json *tm_tune_to_json(const tm_tune *tune)
{
    tm_json *json = tm_json_object(), *candidates = tm_json_array();
    char text[640];
    tm_json_put_int(json, "schema", SCHEMA);
    tm_json_put_string(json, "family", tune->family);
    tm_json_put_int(json, "threads", tune->n_threads);
    tm_json_put_int(json, "layers", tune->n_layers);
    tm_json_put_int(json, "of_layers", tune->of_layers);
    tm_json_put_string(json, "kernel", tune->candidates[tune->best].kernel->name);
    tm_tune_why(tune, text, sizeof text);
    tm_json_put_string(json, "why", text);
    tm_json_put_number(json, "measured_unix_seconds", tune->unix_seconds);
    for (int i = 0; i < tune->n; i++) {
        const tm_tune_candidate *c = &tune->candidates[i];
        tm_json *one = tm_json_object();
        tm_tune_place_text(tune, i, text, sizeof text);
        tm_json_put_string(one, "kernel", c->kernel->name);
        tm_json_put_int(one, "runs", c->n_runs);
        tm_json_put_finite(one, "prompt_ns_per_token", c->prompt_ns, c->failure);
        tm_json_put_finite(one, "decode_ns_per_token", c->decode_ns, c->failure);
        tm_json_put_string(one, "end", ends[c->place.end]);
        if (c->place.lost_to >= 0) {
            tm_json_put_string(one, "lost_to", tune->candidates[c->place.lost_to].kernel->name);
            tm_json_set(one, "time_ratio", ratio_to_json(&c->place.ratio));
        }
        tm_json_put_string(one, "remark", text);
        tm_json_append(candidates, one);
    }
    tm_json_set(json, "candidates", candidates);
    return json;
}

static void read_candidate(tm_json_reader *outer, const tm_json *json, tm_tune_candidate *out)
{
    char name[64] = "", end[32] = "";
    tm_json_reader r = *outer;
    r.json = json;
    tm_read_text(&r, "kernel", name, sizeof name);
    tm_read_text(&r, "end", end, sizeof end);
    out->n_runs = (int)tm_read_int(&r, "runs", 0, 1 << 20);
    out->kernel = tm_kernel_find(name);
    if (!out->kernel) tm_read_fail(&r, "unknown kernel \"%s\"", name);
    int i = 0;
    while (i < N_ENDS && strcmp(ends[i], end) != 0) i++;
    if (i == N_ENDS)
        tm_read_fail(&r, "unknown end \"%s\"", end);
    else
        out->place.end = (tm_race_end)i;
    const tm_json *ratio = tm_json_get(json, "time_ratio");
    out->prompt_ns = tm_json_double(tm_json_get(json, "prompt_ns_per_token"), NAN);
    out->decode_ns = tm_json_double(tm_json_get(json, "decode_ns_per_token"), NAN);
    out->place.ratio = (tm_interval){.value = tm_json_double(tm_json_get(ratio, "value"), NAN),
                                     .low = tm_json_double(tm_json_get(ratio, "low"), NAN),
                                     .high = tm_json_double(tm_json_get(ratio, "high"), NAN),
                                     .n = (int)tm_json_double(tm_json_get(ratio, "n"), 0)};
    if (out->place.end == TM_RACE_FAILED)
        snprintf(out->failure, sizeof out->failure, "%s",
                 tm_json_text(tm_json_get(json, "remark"), ""));
    outer->status = r.status;
}

/* The candidates that the others lost to. */
static void read_opponents(const tm_json *candidates, tm_tune *out)
{
    for (int i = 0; i < out->n; i++) {
        const char *name = tm_json_text(tm_json_get(tm_json_at(candidates, i), "lost_to"), "");
        out->candidates[i].place.lost_to = -1;
        for (int k = 0; k < out->n; k++)
            if (strcmp(out->candidates[k].kernel->name, name) == 0)
                out->candidates[i].place.lost_to = k;
    }
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
    out->unix_seconds = tm_json_double(tm_json_get(json, "measured_unix_seconds"), NAN);
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
        if (strcmp(c->kernel->name, kernel) == 0 && c->place.end == TM_RACE_WON) out->best = i;
    }
    if (r.status == TM_OK) read_opponents(candidates, out);
    if (out->best < 0) tm_read_fail(&r, "the best kernel \"%s\" was not measured", kernel);
    return r.status;
}
