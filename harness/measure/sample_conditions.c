#include "harness/measure/sample_conditions.h"

#include "harness/base/clock.h"
#include "harness/base/sysfs.h"
#include "harness/machine/cgroup.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define CPUS     "sys/devices/system/cpu"
#define MAX_DIRS 64
/* CPU time of others that marks a sample, of the region and in the kernel's ticks. */
#define OTHERS_SHARE 0.02
#define OTHERS_TICKS 3

/* Chips that measure the processor's temperature. The chip of a thermal zone is named after the
 * zone's type. Source: Linux, drivers/hwmon (smpro-hwmon.c, xgene-hwmon.c),
 * drivers/thermal/thermal_hwmon.c. */
static const char *const chips[] = {"coretemp", "k10temp", "zenpower", "smpro_hwmon", "apm_xgene"};

static bool cpu_file(const tm_sample_conditions *c, int cpu, const char *file, int64_t *value)
{
    char path[160];
    snprintf(path, sizeof path, CPUS "/cpu%d/%s", cpu, file);
    return tm_sysfs_int(c->root, path, value);
}

/* The kernel measures cpuinfo_avg_freq (Linux 6.14) over its last tick. scaling_cur_freq is the
 * same on x86, but may be the requested frequency elsewhere. On Arm the first fails with EAGAIN for
 * an idle CPU. The two are never mixed in one mean. */
static void find_clock(tm_sample_conditions *c)
{
    static const char *const files[] = {"cpufreq/cpuinfo_avg_freq", "cpufreq/scaling_cur_freq"};
    int64_t khz;
    if (c->n_cpus == 0) {
        snprintf(c->clock_missing, sizeof c->clock_missing,
                 "the threads are not pinned, so their CPUs are unknown");
        return;
    }
    for (int i = 0; i < 2; i++)
        if (cpu_file(c, c->cpus[0], files[i], &khz) && khz > 0) {
            c->clock_file = files[i];
            return;
        }
    snprintf(c->clock_missing, sizeof c->clock_missing,
             "/" CPUS "/cpu%d/cpufreq has no frequency: the system does not control it",
             c->cpus[0]);
}

/* All CPUs of a core, and of a package, count the same throttle event, so only one of them is added
 * up. Without a known topology every CPU counts. */
static void find_owners(tm_sample_conditions *c)
{
    int64_t core[TM_SAMPLE_CONDITIONS_CPUS_MAX], package[TM_SAMPLE_CONDITIONS_CPUS_MAX];
    for (int i = 0; i < c->n_cpus; i++) {
        bool known = cpu_file(c, c->cpus[i], "topology/core_id", &core[i]) &&
                     cpu_file(c, c->cpus[i], "topology/physical_package_id", &package[i]);
        if (!known) core[i] = package[i] = -1 - i;
        c->counts[i].core = c->counts[i].package = true;
        for (int k = 0; k < i; k++) {
            if (package[k] != package[i]) continue;
            c->counts[i].package = false;
            if (core[k] == core[i]) c->counts[i].core = false;
        }
    }
}

static void find_throttle_counts(tm_sample_conditions *c)
{
    int64_t count;
    if (c->n_cpus == 0)
        snprintf(c->throttle_missing, sizeof c->throttle_missing,
                 "the threads are not pinned, so their CPUs are unknown");
    else if (cpu_file(c, c->cpus[0], "thermal_throttle/core_throttle_count", &count)) {
        c->has_throttle_counts = true;
        find_owners(c);
    } else
        snprintf(c->throttle_missing, sizeof c->throttle_missing,
                 "/" CPUS "/cpu%d/thermal_throttle does not exist (Intel's processors have it, "
                 "virtual machines do not)",
                 c->cpus[0]);
}

static void add_sensor(tm_sample_conditions *c, const char *path)
{
    int64_t value;
    if (c->n_sensors == TM_SAMPLE_CONDITIONS_SENSORS_MAX || !tm_sysfs_int(c->root, path, &value))
        return;
    snprintf(c->sensors[c->n_sensors++], sizeof c->sensors[0], "%s", path);
}

/* Recognizes a zone's type or a chip's name: "x86_pkg_temp", "cpu-thermal", "soc0_thermal", and
 * "package-thermal" and "bigcore0-thermal" of a Rockchip. */
static bool is_of_processor(const char *type)
{
    static const char *const words[] = {"cpu", "pkg", "soc", "package", "bigcore", "littlecore"};
    char lower[48];
    size_t n = 0;
    for (; type[n] && n < sizeof lower - 1; n++) lower[n] = (char)tolower((unsigned char)type[n]);
    lower[n] = 0;
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(lower, words[i])) return true;
    return false;
}

static bool is_chip_of_processor(const char *name)
{
    size_t n = strlen(name), tail = strlen("_thermal");
    for (size_t i = 0; i < sizeof chips / sizeof chips[0]; i++)
        if (strcmp(name, chips[i]) == 0) return true;
    return n > tail && strcmp(name + n - tail, "_thermal") == 0 && is_of_processor(name);
}

/* A management processor's chip also measures memory and voltage regulators, which run hotter. */
static bool is_other_part(const char *label)
{
    return strstr(label, "DIMM") || strstr(label, "VRD");
}

static void add_chip(tm_sample_conditions *c, int index)
{
    char path[96], text[48];
    snprintf(path, sizeof path, "sys/class/hwmon/hwmon%d/name", index);
    if (!tm_sysfs_text(c->root, path, text, sizeof text) || !is_chip_of_processor(text)) return;
    for (int k = 1; k <= MAX_DIRS; k++) {
        snprintf(path, sizeof path, "sys/class/hwmon/hwmon%d/temp%d_label", index, k);
        if (tm_sysfs_text(c->root, path, text, sizeof text) && is_other_part(text)) continue;
        snprintf(path, sizeof path, "sys/class/hwmon/hwmon%d/temp%d_input", index, k);
        add_sensor(c, path);
    }
}

/* Finds the processor's sensors in hwmon, otherwise its thermal zones, otherwise any thermal zone,
 * because its temperature still follows the processor's. */
static void find_sensors(tm_sample_conditions *c)
{
    char path[96], type[48];
    for (int i = 0; i < MAX_DIRS; i++) add_chip(c, i);
    for (int any = 0; any < 2 && c->n_sensors == 0; any++)
        for (int i = 0; i < MAX_DIRS; i++) {
            snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/type", i);
            if (!tm_sysfs_text(c->root, path, type, sizeof type)) continue;
            snprintf(path, sizeof path, "sys/class/thermal/thermal_zone%d/temp", i);
            if (any || is_of_processor(type)) add_sensor(c, path);
        }
    if (c->n_sensors == 0)
        snprintf(c->temperature_missing, sizeof c->temperature_missing,
                 "neither /sys/class/hwmon nor /sys/class/thermal has a processor sensor");
}

/* The control group whose quota limits this process. */
static void find_quota(tm_sample_conditions *c)
{
    tm_cgroup group;
    tm_cgroup_read(c->root, &group);
    if (group.cpu_limit > 0) snprintf(c->quota, sizeof c->quota, "%s/cpu.stat", group.cpu_group);
}

void tm_sample_conditions_open(const char *root, const int *cpus, int n_cpus,
                               tm_sample_conditions *out)
{
    memset(out, 0, sizeof *out);
    out->root = root;
    out->n_cpus = n_cpus < TM_SAMPLE_CONDITIONS_CPUS_MAX ? n_cpus : TM_SAMPLE_CONDITIONS_CPUS_MAX;
    if (out->n_cpus > 0) memcpy(out->cpus, cpus, (size_t)out->n_cpus * sizeof *cpus);
    out->first_hz = NAN;
    find_clock(out);
    find_throttle_counts(out);
    find_sensors(out);
    find_quota(out);
    tm_pi_firmware_find(root, &out->pi);
}

/* CPU time of the pinned CPUs since boot. Source: proc_stat(5). */
static void read_cpu_time(const tm_sample_conditions *c, tm_sample_condition *out)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    double tick = 1.0 / (double)sysconf(_SC_CLK_TCK), busy = 0, stolen = 0;
    char name[16], line[256], path[512];
    int n = 0;
    out->busy_seconds = out->stolen_seconds = NAN;
    snprintf(path, sizeof path, "%s/proc/stat", c->root);
    FILE *f = c->n_cpus > 0 ? fopen(path, "re") : NULL;
    if (!f) return;
    while (fgets(line, sizeof line, f)) {
        unsigned long long t[FIELDS] = {0};
        int cpu;
        if (sscanf(line, "cpu%d %llu %llu %llu %llu %llu %llu %llu %llu", &cpu, &t[USER], &t[NICE],
                   &t[SYSTEM], &t[IDLE], &t[IOWAIT], &t[IRQ], &t[SOFTIRQ], &t[STEAL]) < 5)
            continue;
        snprintf(name, sizeof name, "cpu%d ", cpu);
        if (strncmp(line, name, strlen(name)) != 0) continue; /* "cpu  12", their sum */
        for (int i = 0; i < c->n_cpus; i++) {
            if (c->cpus[i] != cpu) continue;
            n++;
            busy += tick * (double)(t[USER] + t[NICE] + t[SYSTEM] + t[IRQ] + t[SOFTIRQ]);
            stolen += tick * (double)t[STEAL];
        }
    }
    fclose(f);
    if (n < c->n_cpus) return;
    out->busy_seconds = busy;
    out->stolen_seconds = stolen;
}

static int64_t read_throttled_periods(const tm_sample_conditions *c)
{
    char text[64];
    bool found =
        c->quota[0] && tm_sysfs_field(c->root, c->quota, "nr_throttled", text, sizeof text);
    return found ? strtoll(text, NULL, 10) : -1;
}

static void read_clock(const tm_sample_conditions *c, tm_measured *out)
{
    double sum = 0;
    int64_t khz;
    if (!c->clock_file) {
        tm_measured_miss(out, "%s", c->clock_missing);
        return;
    }
    for (int i = 0; i < c->n_cpus; i++) {
        if (!cpu_file(c, c->cpus[i], c->clock_file, &khz) || khz <= 0) {
            tm_measured_miss(
                out, "/" CPUS "/cpu%d/%s is not readable (Arm reports no mean for an idle CPU)",
                c->cpus[i], c->clock_file);
            return;
        }
        sum += 1e3 * (double)khz;
    }
    tm_measured_set(out, sum / c->n_cpus);
}

static void read_throttle_counts(const tm_sample_conditions *c, tm_measured *out)
{
    static const char *const files[] = {"thermal_throttle/core_throttle_count",
                                        "thermal_throttle/package_throttle_count"};
    int64_t sum = 0, count;
    if (!c->has_throttle_counts) {
        tm_measured_miss(out, "%s", c->throttle_missing);
        return;
    }
    for (int i = 0; i < c->n_cpus; i++)
        for (int k = 0; k < 2; k++) {
            if (!(k == 0 ? c->counts[i].core : c->counts[i].package)) continue;
            if (cpu_file(c, c->cpus[i], files[k], &count)) {
                sum += count;
            } else if (k == 0) {
                tm_measured_miss(out, "/" CPUS "/cpu%d/%s is not readable", c->cpus[i], files[k]);
                return;
            }
        }
    tm_measured_set(out, (double)sum);
}

static void read_temperature(const tm_sample_conditions *c, tm_measured *out)
{
    double hottest = -INFINITY;
    int64_t millidegrees;
    if (c->n_sensors == 0) {
        tm_measured_miss(out, "%s", c->temperature_missing);
        return;
    }
    for (int i = 0; i < c->n_sensors; i++)
        if (tm_sysfs_int(c->root, c->sensors[i], &millidegrees) &&
            1e-3 * (double)millidegrees > hottest)
            hottest = 1e-3 * (double)millidegrees;
    if (isfinite(hottest))
        tm_measured_set(out, hottest);
    else
        tm_measured_miss(out, "/%s is no longer readable", c->sensors[0]);
}

static void read_load(const tm_sample_conditions *c, tm_measured *out)
{
    char text[128], *end;
    double load = NAN;
    if (tm_sysfs_text(c->root, "proc/loadavg", text, sizeof text)) {
        load = strtod(text, &end);
        if (end == text || !(load >= 0)) load = NAN;
    }
    if (isfinite(load))
        tm_measured_set(out, load);
    else
        tm_measured_miss(out, "/proc/loadavg is not readable");
}

void tm_sample_conditions_read(const tm_sample_conditions *conditions, tm_sample_condition *out)
{
    read_clock(conditions, &out->frequency_hz);
    read_throttle_counts(conditions, &out->throttle_events);
    read_temperature(conditions, &out->temperature_celsius);
    read_load(conditions, &out->load_average);
    read_cpu_time(conditions, out);
    out->throttled_periods = read_throttled_periods(conditions);
    out->has_pi_flags = tm_pi_firmware_read(conditions->root, &conditions->pi, &out->pi_flags);
    out->ns = tm_now_ns();
    struct rusage usage;
    out->own_seconds = NAN;
    if (getrusage(RUSAGE_SELF, &usage) == 0)
        out->own_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static bool is_lower(double hz, double than)
{
    return hz < (1 - TM_SAMPLE_CONDITIONS_CLOCK_DROP) * than; /* false if one is NaN */
}

/* Marks a sample during which others ran on its CPUs. The load average would also count this
 * program's processes before. */
static void mark_others(const tm_sample_conditions *c, const tm_sample_condition *before,
                        const tm_sample_condition *after, tm_record *record)
{
    double ticks = OTHERS_TICKS / (double)sysconf(_SC_CLK_TCK);
    double seconds = 1e-9 * (double)(after->ns - before->ns) * c->n_cpus;
    double least = fmax(OTHERS_SHARE * seconds, ticks);
    double stolen = after->stolen_seconds - before->stolen_seconds;
    double others =
        after->busy_seconds - before->busy_seconds - (after->own_seconds - before->own_seconds);
    int64_t periods = after->throttled_periods - before->throttled_periods;
    if (stolen > least)
        tm_record_mark(record, "the hypervisor took %.2g s of the CPUs' %.2g s", stolen, seconds);
    if (others > least)
        tm_record_mark(record, "other processes took %.2g s of the CPUs' %.2g s", others, seconds);
    if (before->throttled_periods >= 0 && periods > 0)
        tm_record_mark(record, "the control group's CPU quota stopped the process in %lld periods",
                       (long long)periods);
}

/* Marks a sample during which the firmware held the processor back: at an edge, or in between,
 * which shows in the flags since boot if it was the first time. */
static void mark_pi(const tm_sample_condition *before, const tm_sample_condition *after,
                    tm_record *record)
{
    char text[100];
    unsigned since = (after->pi_flags & ~before->pi_flags) >> TM_PI_SINCE_BOOT;
    unsigned flags = (before->pi_flags | after->pi_flags | since) & TM_PI_NOW;
    if (before->has_pi_flags && after->has_pi_flags && flags)
        tm_record_mark(record, "the firmware reports %s",
                       tm_pi_firmware_text(flags, text, sizeof text));
}

void tm_sample_conditions_put(tm_sample_conditions *c, const tm_sample_condition *before,
                              const tm_sample_condition *after, tm_record *record)
{
    double first = before->frequency_hz.value, last = after->frequency_hz.value;
    record->sample.frequency_before_hz = before->frequency_hz;
    record->sample.frequency_after_hz = after->frequency_hz;
    record->sample.temperature_before_celsius = before->temperature_celsius;
    record->sample.temperature_after_celsius = after->temperature_celsius;
    record->sample.load_average = before->load_average;
    record->sample.throttle_events = after->throttle_events;
    if (!after->throttle_events.missing[0]) {
        double events = after->throttle_events.value - before->throttle_events.value;
        if (before->throttle_events.missing[0])
            record->sample.throttle_events = before->throttle_events;
        else
            tm_measured_set(&record->sample.throttle_events, events);
        if (events > 0)
            tm_record_mark(record, "the processor was thermally throttled %.0f times", events);
    }
    mark_others(c, before, after, record);
    mark_pi(before, after, record);
    if (is_lower(last, first))
        tm_record_mark(record, "the clock fell by %.0f %% during the region",
                       100 * (1 - last / first));
    else if (is_lower(last, c->first_hz))
        tm_record_mark(record, "the clock was %.0f %% below that of the first repetition",
                       100 * (1 - last / c->first_hz));
    if (isnan(c->first_hz)) c->first_hz = last;
}
