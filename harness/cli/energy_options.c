#include "harness/cli/energy_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

void tm_energy_settings_init(tm_energy_settings *s)
{
    *s = (tm_energy_settings){.seconds = NAN, .idle = NAN, .offset = NAN};
}

void tm_energy_add_options(tm_option *options, tm_energy_settings *s)
{
    const tm_option rows[TM_ENERGY_OPTIONS] = {
        {"energy", NULL, TM_OPTION_TEXT, &s->energy, 0, 0, "SOURCE",
         "joules from auto, powercap, perf, hwmon, meter ..., require[=NAME] or none (default)"},
        {"energy-seconds", NULL, TM_OPTION_REAL, &s->seconds, TM_ENERGY_SECONDS_MIN,
         TM_ENERGY_SECONDS_MAX, "S", "shortest window of energy; work is repeated (default 10)"},
        {"idle", NULL, TM_OPTION_REAL, &s->idle, 0, TM_ENERGY_SECONDS_MAX, "S",
         "idle time measured before and after a window (default 10; 0: none)"},
        {"meter", NULL, TM_OPTION_TEXT, &s->meter, 0, 0, "COMMAND",
         "prints \"time watts\" or \"time joules\" and then samples"},
        {"meter-csv", NULL, TM_OPTION_TEXT, &s->meter_csv, 0, 0, "FILE",
         "the same, in a file that a logger writes while the work runs"},
        {"meter-offset", NULL, TM_OPTION_REAL, &s->offset, -TM_METER_OFFSET_MAX,
         TM_METER_OFFSET_MAX, "S", "seconds added to the meter's times to get this machine's"},
        {"meter-marker", NULL, TM_OPTION_FLAG, &s->marker, 0, 0, NULL,
         "begin with a pattern of load, to find the run in a meter's log afterwards"},
        {"sysfs-root", NULL, TM_OPTION_TEXT, &s->root, 0, 0, "DIR",
         "for tests: meters from below DIR; all of their joules are marked fake"}};
    tm_options_append(options, rows, TM_ENERGY_OPTIONS);
}

static tm_status put_text(const char *name, const char *text, char *out, size_t size, tm_error *err)
{
    if (!text) return TM_OK;
    if (strlen(text) >= size)
        return tm_fail(err, TM_ARG, "--%s is longer than %zu characters", name, size - 1);
    strcpy(out, text);
    return TM_OK;
}

tm_status tm_energy_adjust(const tm_energy_settings *s, tm_suite *suite, tm_error *err)
{
    tm_energy_source_options *o = &suite->energy;
    tm_status status = TM_OK;
    if (s->energy)
        status = tm_energy_source_parse(s->energy, o, err);
    else if ((s->meter || s->meter_csv || s->marker) && strcmp(o->source, "none") == 0)
        snprintf(o->source, sizeof o->source, "meter");
    if (s->meter || s->meter_csv) o->command[0] = o->csv[0] = 0;
    if (status == TM_OK) status = put_text("meter", s->meter, o->command, sizeof o->command, err);
    if (status == TM_OK) status = put_text("meter-csv", s->meter_csv, o->csv, sizeof o->csv, err);
    if (status == TM_OK) status = put_text("sysfs-root", s->root, o->root, sizeof o->root, err);
    if (!isnan(s->seconds)) o->seconds = s->seconds;
    if (!isnan(s->idle)) o->idle_seconds = s->idle;
    if (!isnan(s->offset)) o->csv_offset_seconds = s->offset;
    if (s->marker) o->marker = true;
    return status == TM_OK ? tm_energy_source_check(o, err) : status;
}

int tm_energy_choose(const char *command, const tm_suite *suite, tm_energy_source_choice *choice)
{
    tm_error err = {0};
    tm_status status = tm_energy_source_choose(&suite->energy, choice, &err);
    if (status != TM_OK && status != TM_UNSUPPORTED) return tm_report_error(command, &err);
    for (int i = 0; i < choice->n_tried; i++) {
        const tm_probe_health *health = &choice->tried[i].health;
        if (health->state == TM_PROBE_OK) continue;
        fprintf(stderr, "ternmark %s: no energy from %s%s%s\n", command, health->reason,
                health->fix[0] ? "; to mend it: " : "", health->fix);
    }
    if (status == TM_OK) return 0;
    bool any = strcmp(suite->energy.source, "auto") == 0;
    fprintf(stderr, "ternmark %s: energy is required%s%s and no source of it is alive\n", command,
            any ? "" : " from ", any ? "" : suite->energy.source);
    return 5;
}
