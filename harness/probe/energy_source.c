#include "harness/probe/energy_source.h"

#include "harness/base/json_reader.h"
#include "harness/probe/probe_source.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TRACE_HZ      4   /* enough to plot some tens of seconds; costs 0.01 % of a core */
#define OPEN_SECONDS  1   /* to open a source and test whether it works */
#define WINDOW_EXTRA  1.5 /* settling, and the last repetition, which ends after the window's end */
#define CLAUSE_LENGTH 110 /* of a source that does not work */

/* A source's own options, built from the settings. Holds any of them. */
typedef union own_options {
    double align;
    unsigned char bytes[128];
} own_options;

void tm_energy_source_init(tm_energy_source_options *options)
{
    *options = (tm_energy_source_options){.source = "none", .seconds = 10, .idle_seconds = 10};
}

tm_status tm_energy_source_parse(const char *text, tm_energy_source_options *options, tm_error *err)
{
    static const char *const words[] = {"auto", "none", "require"};
    const char *names[20];
    const tm_probe_source *source;
    int n = 0;
    bool required = strncmp(text, "require", 7) == 0 && (text[7] == 0 || text[7] == '=');
    const char *name = !required ? text : text[7] ? text + 8 : "auto";
    if (required && strcmp(name, "none") == 0)
        return tm_fail(err, TM_ARG, "\"%s\" requires an energy source but names none", text);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) names[n++] = words[i];
    for (int i = 0; (source = tm_probe_source_at(i)) && n < 19; i++)
        if (source->role != TM_PROBE_ROLE_EVENTS) names[n++] = source->name;
    names[n] = NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(names[i], "require") == 0 || strcmp(names[i], name) != 0) continue;
        snprintf(options->source, sizeof options->source, "%s", name);
        options->required = required;
        return TM_OK;
    }
    return tm_unknown_name(err, "energy source", name, names);
}

static bool is_text(const tm_probe_option *option)
{
    return option->kind != TM_PROBE_OPTION_NUMBER;
}

static bool is_set(const tm_energy_source_options *o, int index)
{
    const tm_probe_option *option = tm_probe_user_option(index, NULL);
    return is_text(option) ? o->settings[index].text[0] != 0 : o->settings[index].number != 0;
}

/* The source of a name, and its own options from the settings; the texts are borrowed. */
static const tm_probe_source *build_own(const tm_energy_source_options *o, const char *name,
                                        own_options *own)
{
    const tm_probe_source *source;
    const tm_probe_option *option;
    const char *owner;
    memset(own, 0, sizeof *own);
    for (int i = 0; (option = tm_probe_user_option(i, &owner)); i++) {
        if (strcmp(owner, name) != 0 || !is_set(o, i)) continue;
        const char *text = o->settings[i].text;
        if (is_text(option))
            memcpy(own->bytes + option->offset, &text, sizeof text);
        else
            memcpy(own->bytes + option->offset, &o->settings[i].number, sizeof(double));
    }
    for (int i = 0; (source = tm_probe_source_at(i)); i++)
        if (strcmp(source->name, name) == 0) break;
    assert(!source || source->own_size <= sizeof own->bytes);
    return source;
}

tm_energy_setting *tm_energy_source_setting(tm_energy_source_options *options, const char *key)
{
    const tm_probe_option *option;
    int i = 0;
    while ((option = tm_probe_user_option(i, NULL)) && strcmp(option->key, key) != 0) i++;
    assert(option && i < TM_ENERGY_SETTINGS_MAX);
    return &options->settings[i];
}

/* Clears the settings that select a source. */
static void clear_selection(tm_energy_source_options *options, const char *source)
{
    const tm_probe_option *option;
    const char *owner;
    for (int i = 0; (option = tm_probe_user_option(i, &owner)); i++)
        if (option->selects && strcmp(owner, source) == 0)
            options->settings[i] = (tm_energy_setting){0};
}

tm_status tm_energy_source_override(tm_energy_source_options *options, const char *const *texts,
                                    const double *numbers, bool may_select, tm_error *err)
{
    const tm_probe_option *option;
    const char *source;
    for (int i = 0; (option = tm_probe_user_option(i, &source)); i++) {
        if (!option->selects || (!texts[i] && isnan(numbers[i]))) continue;
        clear_selection(options, source);
        if (may_select && strcmp(options->source, "none") == 0)
            snprintf(options->source, sizeof options->source, "%s", source);
    }
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++) {
        tm_energy_setting *setting = &options->settings[i];
        if (!isnan(numbers[i])) setting->number = numbers[i];
        if (!texts[i]) continue;
        if (strlen(texts[i]) >= sizeof setting->text)
            return tm_fail(err, TM_ARG, "--%s is longer than %zu characters", option->name,
                           sizeof setting->text - 1);
        strcpy(setting->text, texts[i]);
    }
    return TM_OK;
}

/* "--meter or --meter-csv": the options that select a source. */
static void list_selecting(const char *source, char *out, size_t size)
{
    const tm_probe_option *option;
    const char *owner;
    size_t n = 0;
    out[0] = 0;
    for (int i = 0; (option = tm_probe_user_option(i, &owner)) && n < size; i++)
        if (option->selects && strcmp(owner, source) == 0)
            n += (size_t)snprintf(out + n, size - n, "--%s, ", option->name);
}

tm_status tm_energy_source_check(const tm_energy_source_options *o, tm_error *err)
{
    const tm_probe_source *source;
    const tm_probe_option *option;
    const char *owner;
    own_options own;
    char list[120];
    if (o->idle_seconds > 0 && o->idle_seconds < TM_ENERGY_SECONDS_MIN)
        return tm_fail(
            err, TM_ARG,
            "idle time of %g s: at least %d s are required to measure power, or 0 for no "
            "idle time",
            o->idle_seconds, TM_ENERGY_SECONDS_MIN);
    for (int i = 0; (source = tm_probe_source_at(i)); i++) {
        if (!source->check) continue;
        (void)build_own(o, source->name, &own);
        tm_status status = source->check(&own, err);
        if (status != TM_OK) return status;
    }
    for (int i = 0; (option = tm_probe_user_option(i, &owner)); i++)
        if (option->selects && is_set(o, i) && strcmp(o->source, "auto") != 0 &&
            strcmp(o->source, owner) != 0)
            return tm_fail(err, TM_ARG,
                           "the energy source is %s, but --%s \"%.120s\" belongs to the source %s",
                           o->source, option->name, o->settings[i].text, owner);
    source = build_own(o, o->source, &own);
    if (!source || !source->is_live || source->is_live(&own) || o->marker) return TM_OK;
    list_selecting(o->source, list, sizeof list);
    return tm_fail(err, TM_ARG,
                   "the energy source %s needs %sor --meter-marker to import its log later",
                   o->source, list);
}

tm_json *tm_energy_source_to_json(const tm_energy_source_options *o)
{
    tm_json *json = tm_json_object();
    const tm_probe_option *option;
    tm_json_put_string(json, "source", o->source);
    tm_json_put_bool(json, "require", o->required);
    tm_json_put_number(json, "seconds", o->seconds);
    tm_json_put_number(json, "idle_seconds", o->idle_seconds);
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++) {
        if (!is_set(o, i)) continue;
        if (is_text(option))
            tm_json_put_string(json, option->key, o->settings[i].text);
        else
            tm_json_put_number(json, option->key, o->settings[i].number);
    }
    tm_json_put_bool(json, "marker", o->marker);
    return json;
}

tm_status tm_energy_source_from_json(const tm_json *json, const char *what,
                                     tm_energy_source_options *o, tm_error *err)
{
    const char *known[6 + TM_ENERGY_SETTINGS_MAX] = {"source", "require", "seconds", "idle_seconds",
                                                     "marker"};
    const tm_probe_option *option;
    char source[32] = "";
    tm_error why;
    tm_json_reader r = {.json = json, .err = err, .what = what};
    bool is_object = tm_json_is_object(json);
    if (tm_json_is_string(json))
        snprintf(source, sizeof source, "%s", tm_json_text(json, ""));
    else if (!is_object)
        return tm_fail(err, TM_FORMAT, "%s: neither the name of a source nor an object", what);
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++) known[5 + i] = option->key;
    if (is_object) {
        tm_read_only_keys(&r, known);
        tm_read_optional_text(&r, "source", source, sizeof source);
    }
    if (r.status == TM_OK && source[0] && tm_energy_source_parse(source, o, &why) != TM_OK)
        tm_read_fail(&r, "%s", why.message);
    if (!is_object) return r.status;
    tm_read_optional_bool(&r, "require", &o->required);
    tm_read_optional_number(&r, "seconds", TM_ENERGY_SECONDS_MIN, TM_ENERGY_SECONDS_MAX,
                            &o->seconds);
    tm_read_optional_number(&r, "idle_seconds", 0, TM_ENERGY_SECONDS_MAX, &o->idle_seconds);
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++) {
        tm_energy_setting *s = &o->settings[i];
        if (is_text(option))
            tm_read_optional_text(&r, option->key, s->text, sizeof s->text);
        else
            tm_read_optional_number(&r, option->key, option->low, option->high, &s->number);
    }
    tm_read_optional_bool(&r, "marker", &o->marker);
    return r.status;
}

static tm_status open_source(const tm_energy_source_options *o, const char *name,
                             const tm_clock *clock, double trace_hz, tm_probe **out,
                             tm_probe_health *health, tm_error *err)
{
    own_options own;
    (void)build_own(o, name, &own);
    const tm_probe_options probing = {.root = o->root[0] ? o->root : NULL,
                                      .clock = clock,
                                      .min_seconds = TM_ENERGY_SECONDS_MIN,
                                      .window_seconds = o->seconds,
                                      .trace_hz = trace_hz,
                                      .own = &own};
    return tm_probe_open(name, &probing, out, health, err);
}

tm_status tm_energy_source_open(const tm_energy_source_options *options, const tm_clock *clock,
                                tm_probe **out, tm_probe_health *health, tm_error *err)
{
    return open_source(options, options->source, clock, TRACE_HZ, out, health, err);
}

/* "a; b; c" of the sources that do not work. Their sentences contain their names. */
static void list_reasons(tm_energy_source_choice *out)
{
    size_t n = 0;
    out->missing[0] = 0;
    for (int i = 0; i < out->n_tried && n + 1 < sizeof out->missing; i++)
        n += (size_t)snprintf(out->missing + n, sizeof out->missing - n, "%s%.*s", n ? "; " : "",
                              CLAUSE_LENGTH, out->tried[i].health.reason);
}

static bool try_source(const tm_energy_source_options *o, const char *name,
                       tm_energy_source_choice *out)
{
    tm_probe *probe;
    tm_error why = {0};
    tm_energy_source_answer *answer = &out->tried[out->n_tried++];
    snprintf(answer->name, sizeof answer->name, "%s", name);
    own_options own;
    const tm_probe_source *source = build_own(o, name, &own);
    if (o->dry && source && source->is_live && source->is_live(&own)) {
        snprintf(out->source, sizeof out->source, "%s", name);
        snprintf(out->scope, sizeof out->scope, "system");
        return true;
    }
    bool works = open_source(o, name, NULL, 0, &probe, &answer->health, &why) == TM_OK;
    if (!works && !answer->health.reason[0])
        snprintf(answer->health.reason, sizeof answer->health.reason, "%s: %.300s", name,
                 why.message);
    if (!works) return false;
    snprintf(out->source, sizeof out->source, "%s", name);
    snprintf(out->scope, sizeof out->scope, "%s", tm_probe_scope(probe));
    if (strcmp(o->source, "auto") == 0 && tm_probe_is_foreign(probe)) {
        answer->health.state = TM_PROBE_MISSING;
        snprintf(answer->health.reason, sizeof answer->health.reason,
                 "%s: %.80s may measure something other than the processor or the machine", name,
                 out->scope);
        snprintf(answer->health.fix, sizeof answer->health.fix, "take it by name: --energy=%s",
                 name);
        out->source[0] = out->scope[0] = 0;
        works = false;
    }
    tm_probe_close(probe);
    return works;
}

tm_status tm_energy_source_choose(const tm_energy_source_options *o, tm_energy_source_choice *out,
                                  tm_error *err)
{
    const tm_probe_source *source;
    own_options own;
    memset(out, 0, sizeof *out);
    tm_status status = tm_energy_source_check(o, err);
    if (status != TM_OK) return status;
    if (strcmp(o->source, "none") == 0) {
        snprintf(out->missing, sizeof out->missing, "not requested: use --energy=auto");
        return TM_OK;
    }
    source = build_own(o, o->source, &own);
    out->later = source && source->is_live && !source->is_live(&own);
    if (out->later) {
        snprintf(out->source, sizeof out->source, "%s", o->source);
        snprintf(out->scope, sizeof out->scope, "system"); /* an external meter's */
        return TM_OK;
    }
    bool works = false, is_auto = strcmp(o->source, "auto") == 0;
    if (!is_auto)
        works = try_source(o, o->source, out);
    else
        for (const char *const *s = tm_probe_energy_sources(); *s && !works && out->n_tried < 8;
             s++)
            works = try_source(o, *s, out);
    if (works) return TM_OK;
    list_reasons(out);
    if (is_auto && !o->required) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "energy is required, but no source works: %s",
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
