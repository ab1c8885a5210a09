#include "harness/probe/energy_source.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRACE_HZ      4   /* a plot of some tens of seconds; 0.01 % of a core */
#define OPEN_SECONDS  1   /* opening and proving alive */
#define WINDOW_EXTRA  1.5 /* settling, and the last repetition that passes the window's end */
#define CLAUSE_LENGTH 110 /* of a source that is not there */

void tm_energy_source_init(tm_energy_source_options *options)
{
    *options = (tm_energy_source_options){.source = "none", .seconds = 10, .idle_seconds = 10};
}

tm_status tm_energy_source_parse(const char *text, tm_energy_source_options *options, tm_error *err)
{
    static const char *const words[] = {"auto", "none", "require", "fake"};
    const char *names[16];
    int n = 0;
    bool required = strncmp(text, "require", 7) == 0 && (text[7] == 0 || text[7] == '=');
    const char *name = !required ? text : text[7] ? text + 8 : "auto";
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) names[n++] = words[i];
    for (const char *const *s = tm_probe_energy_sources(); *s && n < 15; s++) names[n++] = *s;
    names[n] = NULL;
    for (int i = 0; i < n; i++) {
        bool word = strcmp(names[i], "require") == 0 || (required && strcmp(name, "none") == 0);
        if (word || strcmp(names[i], name) != 0) continue;
        snprintf(options->source, sizeof options->source, "%s", name);
        options->required = required;
        return TM_OK;
    }
    const char *near = tm_nearest_name(name, names);
    return tm_fail(err, TM_ARG,
                   "no source \"%s\" of energy%s%s%s; there are auto, none, require, powercap, "
                   "perf, hwmon and others that `ternmark doctor` lists",
                   text, near ? ": did you mean \"" : "", near ? near : "", near ? "\"?" : "");
}

tm_status tm_energy_source_check(const tm_energy_source_options *o, tm_error *err)
{
    bool meter = strcmp(o->source, "meter") == 0, automatic = strcmp(o->source, "auto") == 0;
    if (o->command[0] && o->csv[0])
        return tm_fail(err, TM_ARG, "a meter is either a command or a file: \"%.80s\" or %.80s",
                       o->command, o->csv);
    if ((o->command[0] || o->csv[0]) && !meter && !automatic)
        return tm_fail(err, TM_ARG,
                       "energy comes from %s, and a meter is named as well: \"%.120s\"", o->source,
                       o->command[0] ? o->command : o->csv);
    if (meter && !o->command[0] && !o->csv[0] && !o->marker)
        return tm_fail(
            err, TM_ARG,
            "energy from a meter needs the command that reads it, the file it writes, or "
            "a marker to find the run in its log later");
    return TM_OK;
}

tm_json *tm_energy_source_to_json(const tm_energy_source_options *o)
{
    tm_json *json = tm_json_object();
    tm_json_put_string(json, "source", o->source);
    tm_json_put_bool(json, "require", o->required);
    tm_json_put_number(json, "seconds", o->seconds);
    tm_json_put_number(json, "idle_seconds", o->idle_seconds);
    if (o->command[0]) tm_json_put_string(json, "meter", o->command);
    if (o->csv[0]) tm_json_put_string(json, "meter_csv", o->csv);
    if (o->csv_offset_seconds != 0)
        tm_json_put_number(json, "meter_offset_seconds", o->csv_offset_seconds);
    tm_json_put_bool(json, "marker", o->marker);
    return json;
}

static tm_status text_of(const tm_json *json, const char *key, const char *what, char *out,
                         size_t size, tm_error *err)
{
    const char *text;
    if (!tm_json_get(json, key)) return TM_OK;
    tm_status status = tm_json_need_string(json, key, what, &text, err);
    if (status != TM_OK) return status;
    if (strlen(text) >= size)
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" is longer than %zu characters", what, key,
                       size - 1);
    strcpy(out, text);
    return TM_OK;
}

static tm_status number_of(const tm_json *json, const char *key, const char *what, double low,
                           double high, double *out, tm_error *err)
{
    double value;
    if (!tm_json_get(json, key)) return TM_OK;
    tm_status status = tm_json_need_number(json, key, what, &value, err);
    if (status != TM_OK) return status;
    if (!(value >= low && value <= high))
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" is %g, not from %g to %g", what, key, value, low,
                       high);
    *out = value;
    return TM_OK;
}

static tm_status flag_of(const tm_json *json, const char *key, const char *what, bool *out,
                         tm_error *err)
{
    const tm_json *member = tm_json_get(json, key);
    if (member && !tm_json_is_bool(member))
        return tm_fail(err, TM_FORMAT, "%s: \"%s\" is neither true nor false", what, key);
    if (member) *out = tm_json_true(member);
    return TM_OK;
}

tm_status tm_energy_source_from_json(const tm_json *json, const char *what,
                                     tm_energy_source_options *o, tm_error *err)
{
    static const char *const known[] = {"source",
                                        "require",
                                        "seconds",
                                        "idle_seconds",
                                        "meter",
                                        "meter_csv",
                                        "meter_offset_seconds",
                                        "marker",
                                        NULL};
    char source[32] = "";
    tm_error why;
    if (tm_json_is_string(json))
        snprintf(source, sizeof source, "%s", tm_json_text(json, ""));
    else if (!tm_json_is_object(json))
        return tm_fail(err, TM_FORMAT, "%s: neither the name of a source nor an object", what);
    tm_status status = tm_json_is_object(json) ? tm_json_only_keys(json, known, what, err) : TM_OK;
    if (status == TM_OK) status = text_of(json, "source", what, source, sizeof source, err);
    if (status == TM_OK && source[0] && tm_energy_source_parse(source, o, &why) != TM_OK)
        status = tm_fail(err, TM_FORMAT, "%s: %s", what, why.message);
    if (status == TM_OK) status = flag_of(json, "require", what, &o->required, err);
    if (status == TM_OK)
        status = number_of(json, "seconds", what, TM_ENERGY_SECONDS_MIN, TM_ENERGY_SECONDS_MAX,
                           &o->seconds, err);
    if (status == TM_OK)
        status =
            number_of(json, "idle_seconds", what, 0, TM_ENERGY_SECONDS_MAX, &o->idle_seconds, err);
    if (status == TM_OK) status = text_of(json, "meter", what, o->command, sizeof o->command, err);
    if (status == TM_OK) status = text_of(json, "meter_csv", what, o->csv, sizeof o->csv, err);
    if (status == TM_OK)
        status = number_of(json, "meter_offset_seconds", what, -TM_METER_OFFSET_MAX,
                           TM_METER_OFFSET_MAX, &o->csv_offset_seconds, err);
    if (status == TM_OK) status = flag_of(json, "marker", what, &o->marker, err);
    return status;
}

tm_probe_options tm_energy_source_probe_options(const tm_energy_source_options *o)
{
    return (tm_probe_options){.root = o->root[0] ? o->root : NULL,
                              .min_seconds = TM_ENERGY_SECONDS_MIN,
                              .trace_hz = TRACE_HZ,
                              .meter = o->command[0] ? o->command : NULL,
                              .meter_csv = o->csv[0] ? o->csv : NULL,
                              .meter_offset_seconds = o->csv_offset_seconds};
}

/* "a; b; c" of the sources that are not there; each with its name, as their sentences have it. */
static void explain(tm_energy_source_choice *out)
{
    size_t at = 0;
    out->missing[0] = 0;
    for (int i = 0; i < out->n_tried && at + 1 < sizeof out->missing; i++)
        at += (size_t)snprintf(out->missing + at, sizeof out->missing - at, "%s%.*s",
                               at ? "; " : "", CLAUSE_LENGTH, out->tried[i].health.reason);
}

static bool answers(const tm_energy_source_options *o, const char *name,
                    tm_energy_source_choice *out)
{
    tm_probe *probe;
    tm_error why = {0};
    tm_probe_options probing = tm_energy_source_probe_options(o);
    tm_energy_source_answer *answer = &out->tried[out->n_tried++];
    snprintf(answer->name, sizeof answer->name, "%s", name);
    probing.trace_hz = 0;
    bool alive = tm_probe_open(name, &probing, &probe, &answer->health, &why) == TM_OK;
    if (!alive && !answer->health.reason[0])
        snprintf(answer->health.reason, sizeof answer->health.reason, "%s: %.300s", name,
                 why.message);
    if (!alive) return false;
    snprintf(out->source, sizeof out->source, "%s", name);
    snprintf(out->scope, sizeof out->scope, "%s", tm_probe_scope(probe));
    tm_probe_close(probe);
    return true;
}

tm_status tm_energy_source_choose(const tm_energy_source_options *o, tm_energy_source_choice *out,
                                  tm_error *err)
{
    memset(out, 0, sizeof *out);
    tm_status status = tm_energy_source_check(o, err);
    if (status != TM_OK) return status;
    if (strcmp(o->source, "none") == 0) {
        snprintf(out->missing, sizeof out->missing, "not asked for: --energy=auto measures it");
        return TM_OK;
    }
    out->later = strcmp(o->source, "meter") == 0 && !o->command[0] && !o->csv[0];
    if (out->later) {
        snprintf(out->source, sizeof out->source, "meter");
        snprintf(out->scope, sizeof out->scope, "system");
        return TM_OK;
    }
    bool alive = false;
    if (strcmp(o->source, "auto") != 0)
        alive = answers(o, o->source, out);
    else
        for (const char *const *s = tm_probe_energy_sources(); *s && !alive && out->n_tried < 8;
             s++)
            alive = answers(o, *s, out);
    if (alive) return TM_OK;
    explain(out);
    if (!o->required) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "energy is required and no source of it is alive: %s",
                   out->missing);
}

tm_json *tm_energy_source_choice_to_json(const tm_energy_source_options *o,
                                         const tm_energy_source_choice *choice)
{
    tm_json *json = tm_energy_source_to_json(o), *sources = tm_json_array();
    if (o->root[0]) tm_json_put_string(json, "sysfs_root", o->root);
    if (choice->source[0]) {
        tm_json_put_string(json, "chosen", choice->source);
        tm_json_put_string(json, "scope", choice->scope);
    } else {
        tm_json_put_missing(json, "chosen", choice->missing);
    }
    for (int i = 0; i < choice->n_tried; i++) {
        const tm_energy_source_answer *a = &choice->tried[i];
        tm_json *row = tm_json_object();
        tm_json_put_string(row, "name", a->name);
        tm_json_put_string(row, "status", tm_probe_state_text(a->health.state));
        tm_json_put_string(row, "reason", a->health.reason);
        tm_json_put_string(row, "fix", a->health.fix);
        tm_json_append(sources, row);
    }
    tm_json_set(json, "sources", sources);
    return json;
}

double tm_energy_source_predict_seconds(const tm_energy_source_options *o, int n_windows)
{
    if (n_windows == 0) return 0;
    return OPEN_SECONDS + o->idle_seconds +
           n_windows * (o->seconds + o->idle_seconds + WINDOW_EXTRA);
}
