#include "harness/cli/energy_options.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#define S     tm_energy_settings
#define GROUP "Energy"

const tm_option tm_energy_options[] = {
    {"energy", NULL, TM_TEXT(S, energy), "SOURCE",
     .help = "joules from auto, powercap, perf, hwmon, meter ..., require[=NAME] or none (default)",
     .group = GROUP},
    {"energy-seconds", NULL, TM_NUMBER(S, seconds), "SECONDS",
     .help = "shortest window of energy; work is repeated (default 10)", .group = GROUP,
     .low = TM_ENERGY_SECONDS_MIN, .high = TM_ENERGY_SECONDS_MAX},
    {"idle", NULL, TM_NUMBER(S, idle), "SECONDS",
     .help = "idle time measured before and after a window (default 10; 0: none)", .group = GROUP,
     .high = TM_ENERGY_SECONDS_MAX},
    {"meter", NULL, TM_TEXT(S, meter), "COMMAND",
     .help = "prints \"time watts\" or \"time joules\" and then samples", .group = GROUP},
    {"meter-csv", NULL, TM_FILE(S, meter_csv), "FILE",
     .help = "the same, in a file that a logger writes while the work runs", .group = GROUP},
    {"meter-offset", NULL, TM_NUMBER(S, offset), "SECONDS",
     .help = "seconds added to the meter's times to get this machine's", .group = GROUP,
     .low = -TM_METER_OFFSET_MAX, .high = TM_METER_OFFSET_MAX},
    {"meter-marker", NULL, TM_FLAG(S, marker), NULL,
     .help = "begin with a pattern of load, to find the run in a meter's log afterwards",
     .group = GROUP},
    {"sysfs-root", NULL, TM_DIR(S, root), "DIR",
     .help = "for tests: meters from below DIR; all of their joules are marked fake",
     .group = GROUP},
    {0}};

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

tm_status tm_energy_choose(const char *command, const tm_suite *suite,
                           tm_energy_source_choice *choice, tm_error *err)
{
    tm_status status = tm_energy_source_choose(&suite->energy, choice, err);
    if (status != TM_OK && status != TM_UNSUPPORTED) return status;
    for (int i = 0; i < choice->n_tried; i++) {
        const tm_probe_health *health = &choice->tried[i].health;
        if (health->state == TM_PROBE_OK) continue;
        fprintf(stderr, "ternmark %s: no energy from %s%s%s\n", command, health->reason,
                health->fix[0] ? "; to mend it: " : "", health->fix);
    }
    if (status == TM_OK) return TM_OK;
    bool any = strcmp(suite->energy.source, "auto") == 0;
    return tm_fail(err, TM_UNSUPPORTED, "energy is required%s%s and no source of it is alive",
                   any ? "" : " from ", any ? "" : suite->energy.source);
}
