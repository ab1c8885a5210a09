#include "harness/cli/energy_options.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define S     tm_energy_settings
#define GROUP "Energy"

const tm_option tm_energy_options[] = {
    {"energy", NULL, TM_TEXT(S, energy), "SOURCE",
     .help = "measure energy: auto, the name of a source, require[=NAME] or none (default none, of "
             "`energy` require); a source that is named must work",
     .group = GROUP},
    {"energy-seconds", NULL, TM_NUMBER(S, seconds), "SECONDS",
     .help = "repeat the work for at least SECONDS per energy window (default 10)", .group = GROUP,
     .low = TM_ENERGY_SECONDS_MIN, .high = TM_ENERGY_SECONDS_MAX},
    {"idle", NULL, TM_NUMBER(S, idle), "SECONDS",
     .help = "measure idle power for SECONDS before and after each window (default 10; 0: never)",
     .group = GROUP, .high = TM_ENERGY_SECONDS_MAX},
    {"meter-marker", NULL, TM_FLAG(S, marker), NULL,
     .help = "begin with a load pattern that `ternmark import` finds in a meter's log",
     .group = GROUP},
    {"sysfs-root", NULL, TM_DIR(S, root), "DIR",
     .help = "read the sources below DIR, for tests; all energy is marked fake", .group = GROUP},
    {0},
};

static tm_option row_of(const tm_probe_option *option, int index)
{
    size_t i = (size_t)index;
    tm_option row = {.name = option->name,
                     .kind = option->kind == TM_PROBE_OPTION_FILE ? TM_OPTION_FILE : TM_OPTION_TEXT,
                     .offset = offsetof(S, texts) + i * sizeof(const char *),
                     .value = option->placeholder,
                     .help = option->help,
                     .group = GROUP};
    if (option->kind != TM_PROBE_OPTION_NUMBER) return row;
    row.kind = TM_OPTION_NUMBER;
    row.offset = offsetof(S, numbers) + i * sizeof(double);
    row.low = option->low;
    row.high = option->high;
    return row;
}

const tm_option *tm_energy_source_rows(void)
{
    static tm_option rows[TM_ENERGY_SETTINGS_MAX + 1];
    const tm_probe_option *option;
    for (int i = 0; (option = tm_probe_user_option(i, NULL)); i++) {
        assert(i < TM_ENERGY_SETTINGS_MAX && "a new option of a source: raise the limit");
        rows[i] = row_of(option, i);
    }
    return rows;
}

tm_status tm_energy_adjust(const tm_energy_settings *s, tm_suite *suite, tm_error *err)
{
    tm_energy_source_options *o = &suite->energy;
    tm_status status = s->energy ? tm_energy_source_parse(s->energy, o, err) : TM_OK;
    if (status == TM_OK)
        status = tm_energy_source_override(o, s->texts, s->numbers, !s->energy, err);
    if (status != TM_OK) return status;
    /* The marker only helps with meters whose log is imported later. */
    if (s->marker && !s->energy && strcmp(o->source, "none") == 0) strcpy(o->source, "meter");
    if (s->root && strlen(s->root) >= sizeof o->root)
        return tm_fail(err, TM_ARG, "--sysfs-root is longer than %zu characters",
                       sizeof o->root - 1);
    if (s->root) strcpy(o->root, s->root);
    if (!isnan(s->seconds)) o->seconds = s->seconds;
    if (!isnan(s->idle)) o->idle_seconds = s->idle;
    if (s->marker) o->marker = true;
    return tm_energy_source_check(o, err);
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
                health->fix[0] ? "; fix: " : "", health->fix);
    }
    if (status == TM_OK) return TM_OK;
    if (strcmp(suite->energy.source, "auto") == 0)
        return tm_fail(err, TM_UNSUPPORTED, "energy is required, but no source works");
    return tm_fail(err, TM_UNSUPPORTED,
                   "the energy source %s does not work; with --energy=auto a run continues without "
                   "joules",
                   suite->energy.source);
}
