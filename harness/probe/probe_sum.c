/* What a window says: the joules of a scope, and everything as JSON. */
#include "harness/probe/probe_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

const char *tm_probe_scope_covers(const char *scope)
{
#define NOT_OF_PROCESSOR "not disks, fans, cards and the losses of the power supply"
    static const struct {
        const char *scope, *covers;
    } rows[] = {
        {"package", "the processor packages; not memory, " NOT_OF_PROCESSOR},
        {"package+dram", "the processor packages and their memory; " NOT_OF_PROCESSOR},
        {"socket", "the processor sockets and their memory; " NOT_OF_PROCESSOR},
        {"dram", "memory only"},
        {"core", "the processor's cores only"},
        {"psys", "the parts of the machine that its maker wired to the platform counter"},
        {"system", "the whole machine and what it feeds, as this meter sees it"},
        {TM_SCOPE_PMIC, "the processor, memory and board logic behind the board's power chip; not "
                        "USB, the fan, other loads of the 5 V input and the chip's own losses"},
        {"fake package", "nothing: its joules are made up for tests"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strcmp(rows[i].scope, scope) == 0) return rows[i].covers;
    return "one rail of the board; the board's manual says what it feeds";
}

void tm_probe_sum(const tm_probe_window *window, const char *scope, tm_probe_value *out)
{
    bool with_dram = strcmp(scope, "package+dram") == 0;
    int n_package = 0, n_dram = 0, n = 0;
    *out = (tm_probe_value){.value = 0, .error_bound = 0, .counted_share = 1};
    for (int i = 0; i < window->n_values; i++) {
        const tm_probe_value *v = &window->values[i];
        if (!tm_probe_in_scope(v->info, scope)) continue;
        n_package += strcmp(v->info->scope, "package") == 0;
        n_dram += strcmp(v->info->scope, "dram") == 0;
        n++;
        if (v->state != TM_PROBE_OK && out->state == TM_PROBE_OK) {
            out->state = v->state;
            memcpy(out->reason, v->reason, sizeof out->reason);
        }
        out->value += v->value;
        out->error_bound += v->error_bound;
        out->wraps += v->wraps;
        if (n == 1 || v->n_samples < out->n_samples) out->n_samples = v->n_samples;
        if (n == 1 || v->rate_hz < out->rate_hz) out->rate_hz = v->rate_hz;
        if (v->largest_gap_seconds > out->largest_gap_seconds)
            out->largest_gap_seconds = v->largest_gap_seconds;
    }
    if (n == 0 || (with_dram && (n_package == 0 || n_dram == 0))) {
        out->state = TM_PROBE_MISSING;
        snprintf(out->reason, sizeof out->reason, "%s has no domain of scope %s", window->source,
                 with_dram && n_package ? "dram" : scope);
    } else if (with_dram && n_dram < n_package) {
        out->state = TM_PROBE_MISSING;
        snprintf(out->reason, sizeof out->reason, "%s has dram for %d of %d packages only",
                 window->source, n_dram, n_package);
    }
    if (out->state != TM_PROBE_OK) out->value = out->error_bound = NAN;
}

tm_json *tm_probe_window_to_json(const tm_probe_window *window)
{
    tm_json *json = tm_json_object(), *channels = tm_json_array();
    if (!json || !channels) {
        tm_json_free(json);
        tm_json_free(channels);
        return NULL;
    }
    tm_json_put_string(json, "source", window->source);
    tm_json_put_bool(json, "fake", window->fake);
    tm_json_put_number(json, "seconds", window->seconds);
    tm_json_put_number(json, "sampler_cpu_seconds", window->sampler_cpu_seconds);
    for (int i = 0; i < window->n_values; i++) {
        const tm_probe_value *v = &window->values[i];
        tm_json *row = tm_json_object();
        tm_json_put_string(row, "name", v->info->name);
        tm_json_put_string(row, "scope", v->info->scope);
        tm_json_put_string(row, "method", v->info->method);
        tm_json_put_string(row, "status", tm_probe_state_text(v->state));
        if (v->state == TM_PROBE_OK)
            tm_json_put_number(row, v->info->unit, v->value);
        else
            tm_json_put_missing(row, v->info->unit, v->reason);
        tm_json_put_number(row, "error_bound", v->error_bound);
        tm_json_put_int(row, "samples", v->n_samples);
        tm_json_put_int(row, "wraps", v->wraps);
        tm_json_put_number(row, "rate_hz", v->rate_hz);
        tm_json_put_number(row, "largest_gap_seconds", v->largest_gap_seconds);
        tm_json_put_number(row, "counted_share", v->counted_share);
        tm_json_append(channels, row);
    }
    tm_json_set(json, "channels", channels);
    return json;
}
