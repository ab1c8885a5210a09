/* The lines of the energy sources and counters. The doctor opens and reads each of them. */
#include "harness/doctor/doctor.h"
#include "harness/probe/probe.h"
#include "harness/base/sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static void energy_line(const tm_doctor_options *options, const char *source, bool sgx,
                        tm_doctor *out, bool *any)
{
    char name[40];
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options probing = {
        .root = options->root, .spin_seconds = options->spin_seconds, .clock = options->clock};
    snprintf(name, sizeof name, "energy %s", source);
    tm_doctor_line *line = tm_doctor_add(out, name);
    if (tm_probe_open(source, &probing, &probe, &health, &err) != TM_OK) {
        tm_doctor_ok(line, "%s", tm_probe_state_text(health.state));
        tm_doctor_missing(line, health.fix, "%s", err.message);
        return;
    }
    size_t at = 0;
    int n_dead = 0;
    *any = true;
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const char *reason;
        tm_probe_state state = tm_probe_channel_state(probe, i, &reason);
        const char *text = tm_probe_channel(probe, i)->name;
        if (state != TM_PROBE_OK) {
            if (n_dead++ == 0) tm_doctor_warn(line, "", "%s", reason);
            continue;
        }
        if (at + strlen(text) + 3 >= sizeof line->value) {
            memcpy(line->value + sizeof line->value - 4, "...", 4);
            break;
        }
        at += (size_t)snprintf(line->value + at, sizeof line->value - at, "%s%s", at ? ", " : "",
                               text);
    }
    if (n_dead == 0 && sgx && strcmp(source, "hwmon") != 0)
        tm_doctor_warn(line, "disable SGX in the firmware setup",
                       "this processor has SGX; if it is enabled, the counters are filtered, which "
                       "distorts short windows by up to half");
    tm_probe_close(probe);
}

/* One line for the processor's events and one for the kernel's. */
static void counter_lines(const tm_doctor_options *options, tm_doctor *out)
{
    static const char *const software[] = {"task_clock", "page_faults", "context_switches",
                                           "cpu_migrations"};
    static const char recorded[] = "the counters of a recorded machine cannot be opened";
    tm_doctor_line *soft = tm_doctor_add(out, "counters software");
    tm_doctor_line *hard = tm_doctor_add(out, "counters hardware");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options probing = {.spin_seconds = options->spin_seconds};
    if (strcmp(options->root, "/") != 0) {
        tm_doctor_missing(soft, "", "%s", recorded);
        tm_doctor_missing(hard, "", "%s", recorded);
        return;
    }
    if (tm_probe_open("counters", &probing, &probe, &health, &err) != TM_OK) {
        tm_doctor_missing(soft, "", "%s", err.message);
        tm_doctor_missing(hard, "", "%s", err.message);
        return;
    }
    bool denied = false, cycles = false, instructions = false;
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const tm_probe_channel_info *c = tm_probe_channel(probe, i);
        const char *reason;
        tm_probe_state state = tm_probe_channel_state(probe, i, &reason);
        bool is_soft = i < 6; /* these six come from getrusage */
        for (size_t k = 0; k < sizeof software / sizeof software[0]; k++)
            is_soft = is_soft || strcmp(c->name, software[k]) == 0;
        tm_doctor_line *line = is_soft ? soft : hard;
        if (state != TM_PROBE_OK) {
            if (line->status == TM_DOCTOR_OK) tm_doctor_warn(line, "", "%s", reason);
            denied = denied || state == TM_PROBE_DENIED;
            continue;
        }
        cycles = cycles || strcmp(c->name, "cycles") == 0;
        instructions = instructions || strcmp(c->name, "instructions") == 0;
        size_t at = strlen(line->value);
        snprintf(line->value + at, sizeof line->value - at, "%s%s", at ? ", " : "", c->name);
    }
    if (!cycles || !instructions) hard->status = TM_DOCTOR_MISSING;
    if (hard->status == TM_DOCTOR_MISSING && denied)
        snprintf(hard->fix, sizeof hard->fix, "%s",
                 health.fix[0] ? health.fix : TM_DOCTOR_FIX_PARANOID);
    else if (hard->status == TM_DOCTOR_MISSING)
        snprintf(hard->fix, sizeof hard->fix, "%s", TM_DOCTOR_FIX_PMU);
    tm_probe_close(probe);
}

void tm_doctor_read_energy(const tm_doctor_options *options, tm_doctor *out)
{
    char flags[8192];
    bool any = false;
    bool sgx = tm_sysfs_field(options->root, "proc/cpuinfo", "flags", flags, sizeof flags) &&
               strstr(flags, " sgx ");
    for (const char *const *s = tm_probe_energy_sources(); *s; s++)
        if (strcmp(*s, "meter") != 0) energy_line(options, *s, sgx, out, &any);
    tm_doctor_line *line = tm_doctor_add(out, "energy");
    if (any)
        tm_doctor_ok(line, "measurable");
    else {
        tm_doctor_ok(line, "not measurable");
        tm_doctor_missing(
            line, "measure with an external meter",
            "no energy source is available; joules are missing and are not estimated");
    }
}

void tm_doctor_read_probes(const tm_doctor_options *options, tm_doctor *out)
{
    tm_doctor_read_energy(options, out);
    counter_lines(options, out);
}
