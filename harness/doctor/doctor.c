#include "harness/doctor/doctor.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "harness/machine/cgroup.h"
#include "harness/machine/machine.h"
#include "harness/base/sysfs.h"
#include "harness/base/version.h"
#include "kernels/cpu.h"

const char *tm_doctor_status_text(tm_doctor_status status)
{
    return status == TM_DOCTOR_OK ? "ok" : status == TM_DOCTOR_WARN ? "warn" : "missing";
}

tm_doctor_line *tm_doctor_add(tm_doctor *doctor, const char *name)
{
    int room = (int)(sizeof doctor->lines / sizeof doctor->lines[0]);
    tm_doctor_line *line = &doctor->lines[doctor->n_lines < room ? doctor->n_lines++ : room - 1];
    memset(line, 0, sizeof *line);
    snprintf(line->name, sizeof line->name, "%s", name);
    return line;
}

/* A line of what `object` says under `key`: ok, or missing with its reason. */
static tm_doctor_line *say(tm_doctor *out, const char *name, const tm_json *object, const char *key)
{
    char missing[96];
    tm_doctor_line *line = tm_doctor_add(out, name);
    const tm_json *value = tm_json_get(object, key);
    if (tm_json_is_string(value))
        tm_doctor_ok(line, "%s", tm_json_text(value, ""));
    else if (tm_json_is_number(value))
        tm_doctor_ok(line, "%.15g", tm_json_double(value, 0));
    else {
        line->status = TM_DOCTOR_MISSING;
        snprintf(missing, sizeof missing, "%s_missing", key);
        snprintf(line->detail, sizeof line->detail, "%s",
                 tm_json_text(tm_json_get(object, missing), "not known"));
    }
    return line;
}

void tm_doctor_ok(tm_doctor_line *line, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(line->value, sizeof line->value, fmt, args);
    va_end(args);
    line->status = TM_DOCTOR_OK;
}

TM_PRINTF(4, 0)
static void fill(tm_doctor_line *line, tm_doctor_status status, const char *fix, const char *fmt,
                 va_list args)
{
    line->status = status;
    vsnprintf(line->detail, sizeof line->detail, fmt, args);
    snprintf(line->fix, sizeof line->fix, "%s", fix);
}

void tm_doctor_warn(tm_doctor_line *line, const char *fix, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(line, TM_DOCTOR_WARN, fix, fmt, args);
    va_end(args);
}

void tm_doctor_missing(tm_doctor_line *line, const char *fix, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fill(line, TM_DOCTOR_MISSING, fix, fmt, args);
    va_end(args);
}

static bool is(const tm_doctor_line *line, const char *value)
{
    return line->status == TM_DOCTOR_OK && strcmp(line->value, value) == 0;
}

/* "L1 data 32 KiB, L2 unified 1280 KiB". */
static void put_caches(const tm_json *object, char *text, size_t size)
{
    text[0] = 0;
    for (const tm_json *c = tm_json_at(tm_json_get(object, "caches"), 0); c; c = tm_json_next(c)) {
        size_t at = strlen(text);
        snprintf(text + at, size - at, "%sL%g %s %g KiB", at ? ", " : "",
                 tm_json_double(tm_json_get(c, "level"), NAN),
                 tm_json_text(tm_json_get(c, "type"), "?"),
                 tm_json_double(tm_json_get(c, "size_bytes"), NAN) / 1024);
    }
}

/* "CPUs 0-11 (12); CPUs 12-19 (8)", and the caches of all but the first kind, which have their own
 * line. */
static void core_kinds_line(const tm_json *kinds, tm_doctor *out)
{
    char caches[200], detail[sizeof out->lines[0].detail];
    tm_doctor_line *line = tm_doctor_add(out, "core_kinds");
    snprintf(
        detail, sizeof detail,
        "cores differ in speed or caches: threads go to the fastest first, and of more threads "
        "than those each takes rows by its speed");
    for (const tm_json *k = tm_json_at(kinds, 0); k; k = tm_json_next(k)) {
        size_t at = strlen(line->value);
        const char *model = tm_json_text(tm_json_get(k, "model"), "");
        const char *cpus = tm_json_text(tm_json_get(k, "cpus"), "?");
        snprintf(line->value + at, sizeof line->value - at, "%sCPUs %s (%g%s%s)", at ? "; " : "",
                 cpus, tm_json_double(tm_json_get(k, "n_cpus"), NAN), model[0] ? " " : "", model);
        put_caches(k, caches, sizeof caches);
        if (k == tm_json_at(kinds, 0) || !caches[0]) continue;
        at = strlen(detail);
        snprintf(detail + at, sizeof detail - at, "; CPUs %s: %s", cpus, caches);
    }
    tm_doctor_warn(line, "", "%s", detail);
}

static void numa_line(const tm_machine *env, tm_doctor *out)
{
    double without = tm_json_double(tm_json_get(env->machine, "numa_nodes_without_cpus"), 0);
    tm_doctor_line *line = say(out, "numa_nodes", env->machine, "numa_nodes");
    if (line->status == TM_DOCTOR_OK && strcmp(line->value, "1") != 0)
        tm_doctor_warn(
            line, "numactl --cpunodebind=0 --membind=0 ternmark run SUITE",
            "threads and weights on several nodes: bandwidth depends on where pages lie");
    size_t at = strlen(line->detail);
    if (without > 0)
        snprintf(line->detail + at, sizeof line->detail - at,
                 "%s%g more without a CPU: memory of an accelerator, or far away", at ? "; " : "",
                 without);
}

static void read_processor(const tm_machine *env, const char *root, tm_doctor *out)
{
    char isa[128];
    bool live = strcmp(root, "/") == 0;
    tm_doctor_line *line = say(out, "cpu", env->machine, "cpu_model");
    line = tm_doctor_add(out, "cpus");
    tm_doctor_ok(line, "%d usable, %d cores, %g in the machine", env->n_cpus, env->n_cores,
                 tm_json_double(tm_json_get(env->machine, "cpus"), NAN));
    line = tm_doctor_add(out, "isa");
    if (live) {
        tm_doctor_ok(line, "%s", tm_isa_text(tm_cpu_isa(), isa, sizeof isa));
        if (tm_cpu_isa() == TM_ISA_NONE)
            tm_doctor_warn(line, "", "only the scalar kernels run here; their speed says nothing");
    } else {
        tm_doctor_missing(line, "", "a recorded machine cannot be asked");
    }
    const tm_json *kinds = tm_json_get(env->machine, "core_kinds");
    line = tm_doctor_add(out, "caches");
    put_caches(env->machine, line->value, sizeof line->value);
    if (!line->value[0]) {
        tm_doctor_missing(line, "", "%s",
                          tm_json_text(tm_json_get(env->machine, "caches_missing"), "not known"));
    } else if (kinds)
        snprintf(line->detail, sizeof line->detail, "of CPUs %s",
                 tm_json_text(tm_json_get(tm_json_at(kinds, 0), "cpus"), "?"));
    if (kinds) core_kinds_line(kinds, out);
    numa_line(env, out);
    char text[64];
    line = tm_doctor_add(out, "microcode");
    if (tm_sysfs_field(root, "proc/cpuinfo", "microcode", text, sizeof text))
        tm_doctor_ok(line, "%s", text);
    else {
        tm_doctor_missing(line, "", "/proc/cpuinfo does not say");
    }
}

static void read_clock_control(const tm_machine *env, const char *root, tm_doctor *out)
{
    char text[200];
    tm_doctor_line *line = say(out, "governor", env->environment, "governor");
    if (line->status == TM_DOCTOR_OK && !is(line, "performance"))
        tm_doctor_warn(line, "sudo cpupower frequency-set -g performance",
                       "the clock follows the load: short windows run slower than long ones");
    line = say(out, "turbo", env->environment, "turbo");
    if (is(line, "on")) {
        bool intel =
            tm_sysfs_text(root, "sys/devices/system/cpu/intel_pstate/no_turbo", text, sizeof text);
        tm_doctor_warn(line,
                       intel ? "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
                             : "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost",
                       "the clock depends on temperature and on how many cores work");
    }
    line = say(out, "smt", env->environment, "smt");
    if (is(line, "on"))
        tm_doctor_warn(
            line, "echo off | sudo tee /sys/devices/system/cpu/smt/control",
            "two threads may share a core; ternmark pins one thread per core where it can");
    line = tm_doctor_add(out, "isolated_cpus");
    if (!tm_sysfs_text(root, "sys/devices/system/cpu/isolated", text, sizeof text)) {
        tm_doctor_missing(line, "", "/sys/devices/system/cpu/isolated is not readable");
    } else {
        tm_doctor_ok(line, "%s", text[0] ? text : "none");
        if (!text[0])
            snprintf(line->detail, sizeof line->detail,
                     "other processes may run on any CPU that is measured");
    }
    line = tm_doctor_add(out, "aslr");
    if (!tm_sysfs_text(root, "proc/sys/kernel/randomize_va_space", text, sizeof text)) {
        tm_doctor_missing(line, "", "/proc/sys/kernel/randomize_va_space is not readable");
    } else {
        tm_doctor_ok(line, "%s", text);
        if (strcmp(text, "0") == 0)
            tm_doctor_warn(
                line, "sudo sysctl kernel.randomize_va_space=2",
                "every process has the same addresses: one layout's luck becomes the figure");
    }
    line = say(out, "clock_source", env->environment, "clock_source");
    if (line->status == TM_DOCTOR_OK &&
        (is(line, "hpet") || is(line, "acpi_pm") || is(line, "jiffies")))
        tm_doctor_warn(line,
                       "echo tsc | sudo tee /sys/devices/system/clocksource/clocksource0/"
                       "current_clocksource",
                       "reading this clock takes a system call of about a microsecond");
    line = say(out, "perf_event_paranoid", env->environment, "perf_event_paranoid");
    if (line->status == TM_DOCTOR_OK && atoi(line->value) > 2)
        tm_doctor_warn(line, "sudo sysctl kernel.perf_event_paranoid=2",
                       "above 2 only root, or a program with CAP_PERFMON, may open counters");
}

static void read_memory(const tm_machine *env, const char *root, tm_doctor *out)
{
    const double gib = 1 << 30;
    char text[32];
    tm_cgroup group;
    tm_doctor_line *line =
        say(out, "transparent_huge_pages", env->environment, "transparent_huge_pages");
    if (is(line, "never"))
        tm_doctor_warn(line, "echo madvise | sudo tee /sys/kernel/mm/transparent_hugepage/enabled",
                       "weights lie on 4 KiB pages: reading them costs more table walks");
    line = tm_doctor_add(out, "huge_pages");
    if (tm_sysfs_field(root, "proc/meminfo", "HugePages_Total", text, sizeof text))
        tm_doctor_ok(line, "%s reserved", text);
    else {
        tm_doctor_missing(line, "", "/proc/meminfo has no HugePages_Total");
    }
    line = tm_doctor_add(out, "memory");
    if (env->memory_available_bytes >= 0)
        tm_doctor_ok(line, "%.1f GiB available of %g GiB",
                     (double)env->memory_available_bytes / gib,
                     tm_json_double(tm_json_get(env->machine, "memory_gib"), NAN));
    else {
        tm_doctor_missing(line, "", "/proc/meminfo has no MemAvailable");
    }
    if (env->memory_available_bytes >= 0)
        snprintf(line->detail, sizeof line->detail, "set by %s", env->memory_limit);
    tm_cgroup_read(root, &group);
    line = tm_doctor_add(out, "cgroup_memory");
    if (!group.known) {
        tm_doctor_missing(line, "", "no control group is readable");
    } else if (group.memory_limit_bytes < 0)
        tm_doctor_ok(line, "no limit");
    else {
        tm_doctor_ok(line, "%.1f GiB, %.1f GiB left", (double)group.memory_limit_bytes / gib,
                     (double)group.memory_left_bytes / gib);
        snprintf(line->detail, sizeof line->detail, "set in /%s", group.memory_group);
    }
    line = tm_doctor_add(out, "cgroup_cpu");
    if (!group.known) {
        tm_doctor_missing(line, "", "no control group is readable");
    } else if (!(group.cpu_limit > 0))
        tm_doctor_ok(line, "no limit");
    else {
        tm_doctor_ok(line, "%g CPUs' worth of time", group.cpu_limit);
        tm_doctor_warn(line, "docker run without --cpus; use --cpuset-cpus instead",
                       "set in /%s: when it is used up all threads stop until the next period",
                       group.cpu_group);
    }
}

static void read_state(const tm_machine *env, tm_doctor *out)
{
    tm_doctor_line *line = say(out, "load_average", env->environment, "load_average");
    if (line->status == TM_DOCTOR_OK) {
        tm_doctor_ok(line, "%.2f", env->load_average);
        if (env->load_average > 0.1 * env->n_cpus)
            tm_doctor_warn(line, "ps aux --sort=-%cpu | head",
                           "other work runs beside what is measured");
    }
    line = say(out, "steal_percent_since_boot", env->environment, "steal_percent_since_boot");
    if (line->status == TM_DOCTOR_OK) {
        double steal = strtod(line->value, NULL);
        tm_doctor_ok(line, "%.3g", steal);
        if (steal > 1)
            tm_doctor_warn(line, "choose a machine whose CPUs are not shared",
                           "the hypervisor gave this machine's CPU time to others");
    }
    line = tm_doctor_add(out, "virtual_machine");
    tm_doctor_ok(line, "%s", env->virtual_machine ? "yes" : "no");
    if (env->virtual_machine)
        tm_doctor_warn(line, "",
                       "clock, caches and counters are what the hypervisor shows and shares");
    line = tm_doctor_add(out, "emulated");
    tm_doctor_ok(line, "%s", env->emulated ? "yes" : "no");
    if (env->emulated)
        tm_doctor_warn(line, "run on the machine itself",
                       "instructions are emulated: no time means anything");
    (void)say(out, "kernel", env->environment, "kernel");
    line = tm_doctor_add(out, "build");
    tm_doctor_ok(line, "%s", tm_build_mode());
    if (strcmp(tm_build_mode(), "release") != 0)
        tm_doctor_warn(line, "make", "only a release build may be timed");
}

/* The hottest zone, and how far the nearest passive or critical limit is. */
static void read_thermal(const char *root, tm_doctor *out)
{
    int n = 0, n_throttled = 0;
    double hottest = -INFINITY;
    char path[PATH_MAX], type[48], hot_type[48] = "";
    for (int i = 0; i < 256; i++) {
        int64_t millidegrees;
        snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/temp", i);
        if (!tm_sysfs_int(root, path, &millidegrees)) {
            if (i > 32) break;
            continue;
        }
        n++;
        snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/type", i);
        if (!tm_sysfs_text(root, path, type, sizeof type))
            snprintf(type, sizeof type, "zone %d", i);
        if (1e-3 * (double)millidegrees > hottest) {
            hottest = 1e-3 * (double)millidegrees;
            memcpy(hot_type, type, sizeof hot_type);
        }
        for (int trip = 0; trip < 16; trip++) {
            int64_t limit;
            char kind[32];
            snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/trip_point_%d_type", i,
                     trip);
            if (!tm_sysfs_text(root, path, kind, sizeof kind)) break;
            snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/trip_point_%d_temp", i,
                     trip);
            if (strcmp(kind, "passive") == 0 && tm_sysfs_int(root, path, &limit) && limit > 0 &&
                millidegrees >= limit)
                n_throttled++;
        }
    }
    tm_doctor_line *line = tm_doctor_add(out, "thermal");
    if (n == 0) {
        tm_doctor_missing(line, "", "no /sys/class/thermal/thermal_zone*/temp");
        return;
    }
    tm_doctor_ok(line, "%.1f C (%s, hottest of %d)", hottest, hot_type, n);
    if (n_throttled > 0)
        tm_doctor_warn(line, "let the machine cool down",
                       "a zone is at its limit: the clock is held back");
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Drivers name what feeds a machine as they like (AC, ADP1, macsmc-ac, ucsi-source-psy-USBC000:001):
 * only `type` says what a supply is. A port of a laptop may be idle while another feeds it. Source:
 * Linux, Documentation/ABI/testing/sysfs-class-power. */
static void read_power_supply(const char *root, tm_doctor *out)
{
    int n_feeding = 0, n_online = 0, n_batteries = 0;
    char path[PATH_MAX], text[32];
    struct dirent **entries = NULL;
    tm_doctor_line *line = tm_doctor_add(out, "power_supply");
    snprintf(path, sizeof path, "%s/sys/class/power_supply", root);
    int n = scandir(path, &entries, is_visible, NULL);
    for (int i = 0; i < n; i++) {
        int64_t online;
        char folder[128];
        snprintf(folder, sizeof folder, "sys/class/power_supply/%.80s", entries[i]->d_name);
        free(entries[i]);
        snprintf(path, sizeof path, "%s/type", folder);
        if (!tm_sysfs_text(root, path, text, sizeof text)) continue;
        bool feeds = strcmp(text, "Mains") == 0 || strncmp(text, "USB", 3) == 0;
        snprintf(path, sizeof path, "%s/scope", folder); /* "Device": a mouse's battery */
        if (strcmp(text, "Battery") == 0)
            n_batteries += !tm_sysfs_text(root, path, text, sizeof text) || text[0] != 'D';
        snprintf(path, sizeof path, "%s/online", folder);
        if (!feeds || !tm_sysfs_int(root, path, &online)) continue;
        n_feeding++;
        n_online += online > 0;
    }
    free(entries);
    bool mains = n_online > 0, battery = !mains && n_feeding > 0 && n_batteries > 0;
    tm_doctor_ok(line, "%s", mains ? "mains" : battery ? "battery" : "no battery is shown");
    if (battery)
        tm_doctor_warn(line, "connect the mains", "on battery the firmware lowers limits of power");
}

tm_status tm_doctor_read(const tm_doctor_options *options, tm_doctor *out, tm_error *err)
{
    tm_machine env;
    out->n_lines = 0;
    tm_status status = tm_machine_read(options->root, &env, err);
    if (status != TM_OK) return status;
    read_processor(&env, options->root, out);
    read_clock_control(&env, options->root, out);
    read_memory(&env, options->root, out);
    read_state(&env, out);
    read_thermal(options->root, out);
    read_power_supply(options->root, out);
    tm_doctor_read_live(options, &env, out);
    tm_doctor_read_probes(options, out);
    tm_machine_free(&env);
    return TM_OK;
}

tm_json *tm_doctor_to_json(const tm_doctor *doctor)
{
    tm_json *array = tm_json_array();
    if (!array) return NULL;
    for (int i = 0; i < doctor->n_lines; i++) {
        const tm_doctor_line *line = &doctor->lines[i];
        tm_json *row = tm_json_object();
        tm_json_put_string(row, "name", line->name);
        tm_json_put_string(row, "status", tm_doctor_status_text(line->status));
        if (line->value[0])
            tm_json_put_string(row, "value", line->value);
        else
            tm_json_put_missing(row, "value", line->detail);
        tm_json_put_string(row, "detail", line->detail);
        tm_json_put_string(row, "fix", line->fix);
        tm_json_append(array, row);
    }
    return array;
}
