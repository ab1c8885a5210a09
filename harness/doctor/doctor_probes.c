/* The doctor's lines that open sources of energy and counters and probe them. */
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
    tm_probe_options probing = {.root = options->root, .spin_seconds = options->spin_seconds};
    snprintf(name, sizeof name, "energy %s", source);
    tm_doctor_line *line = tm_doctor_add(out, name);
    if (tm_probe_open(source, &probing, &probe, &health, &err) != TM_OK) {
        line->status = TM_DOCTOR_MISSING;
        snprintf(line->value, sizeof line->value, "%s", tm_probe_state_text(health.state));
        snprintf(line->detail, sizeof line->detail, "%s", err.message);
        snprintf(line->fix, sizeof line->fix, "%s", health.fix);
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
            if (n_dead++ == 0) snprintf(line->detail, sizeof line->detail, "%s", reason);
            continue;
        }
        if (at + strlen(text) + 3 >= sizeof line->value) {
            memcpy(line->value + sizeof line->value - 4, "...", 4);
            break;
        }
        at += (size_t)snprintf(line->value + at, sizeof line->value - at, "%s%s", at ? ", " : "",
                               text);
    }
    line->status = n_dead ? TM_DOCTOR_WARN : TM_DOCTOR_OK;
    if (n_dead == 0 && sgx && strcmp(source, "hwmon") != 0) {
        line->status = TM_DOCTOR_WARN;
        snprintf(line->detail, sizeof line->detail,
                 "this processor has SGX: where it is enabled the counters are filtered, which "
                 "distorts short windows by up to half");
        snprintf(line->fix, sizeof line->fix, "disable SGX in the firmware's set-up");
    }
    tm_probe_close(probe);
}

/* One line for the processor's events, one for the system's. */
static void counter_lines(const tm_doctor_options *options, tm_doctor *out)
{
    static const char *const software[] = {"task_clock", "page_faults", "context_switches",
                                           "cpu_migrations"};
    tm_doctor_line *soft = tm_doctor_add(out, "counters software");
    tm_doctor_line *hard = tm_doctor_add(out, "counters hardware");
    tm_probe *probe;
    tm_probe_health health;
    tm_error err = {0};
    tm_probe_options probing = {.spin_seconds = options->spin_seconds};
    if (strcmp(options->root, "/") != 0) {
        soft->status = hard->status = TM_DOCTOR_MISSING;
        snprintf(soft->detail, sizeof soft->detail,
                 "a recorded machine: its counters cannot be opened");
        snprintf(hard->detail, sizeof hard->detail, "%s", soft->detail);
        return;
    }
    if (tm_probe_open("counters", &probing, &probe, &health, &err) != TM_OK) {
        soft->status = hard->status = TM_DOCTOR_MISSING;
        snprintf(soft->detail, sizeof soft->detail, "%s", err.message);
        snprintf(hard->detail, sizeof hard->detail, "%s", err.message);
        return;
    }
    bool denied = false, cycles = false, instructions = false;
    for (int i = 0; i < tm_probe_n_channels(probe); i++) {
        const tm_probe_channel_info *c = tm_probe_channel(probe, i);
        const char *reason;
        tm_probe_state state = tm_probe_channel_state(probe, i, &reason);
        bool is_soft = i < 6; /* of getrusage */
        for (size_t k = 0; k < sizeof software / sizeof software[0]; k++)
            is_soft = is_soft || strcmp(c->name, software[k]) == 0;
        tm_doctor_line *line = is_soft ? soft : hard;
        if (state != TM_PROBE_OK) {
            if (line->status == TM_DOCTOR_OK)
                snprintf(line->detail, sizeof line->detail, "%s", reason);
            line->status = TM_DOCTOR_WARN;
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
                 health.fix[0] ? health.fix : "sudo sysctl kernel.perf_event_paranoid=2");
    else if (hard->status == TM_DOCTOR_MISSING)
        snprintf(hard->fix, sizeof hard->fix,
                 "give the virtual machine a PMU (qemu: -cpu host,pmu=on), or measure on the "
                 "machine itself");
    tm_probe_close(probe);
}

void tm_doctor_read_probes(const tm_doctor_options *options, tm_doctor *out)
{
    char flags[8192];
    bool any = false;
    bool sgx = tm_sysfs_field(options->root, "proc/cpuinfo", "flags", flags, sizeof flags) &&
               strstr(flags, " sgx ");
    for (const char *const *s = tm_probe_energy_sources(); *s; s++)
        if (strcmp(*s, "meter") != 0) energy_line(options, *s, sgx, out, &any);
    tm_doctor_line *line = tm_doctor_add(out, "energy");
    if (any)
        snprintf(line->value, sizeof line->value, "measurable");
    else {
        line->status = TM_DOCTOR_MISSING;
        snprintf(line->value, sizeof line->value, "not measurable");
        snprintf(line->detail, sizeof line->detail,
                 "no source of energy is alive here; joules stay missing, none are estimated");
        snprintf(line->fix, sizeof line->fix, "measure with an external meter");
    }
    counter_lines(options, out);
}
