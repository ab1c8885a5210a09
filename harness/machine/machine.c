#include "harness/machine/machine.h"

#include "engine/pool.h"
#include "harness/base/sysfs.h"
#include "harness/machine/machine_hardware.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CPU_FOLDER "sys/devices/system/cpu"

bool tm_machine_cpu_ticks(const char *root, int64_t *all, int64_t *stolen)
{
    char text[512];
    long long t[8];
    if (!tm_sysfs_text(root, "proc/stat", text, sizeof text)) return false;
    /* user nice system idle iowait irq softirq steal; guest times are inside user and nice. */
    if (sscanf(text, "cpu %lld %lld %lld %lld %lld %lld %lld %lld", &t[0], &t[1], &t[2], &t[3],
               &t[4], &t[5], &t[6], &t[7]) != 8)
        return false;
    *all = 0;
    for (int i = 0; i < 8; i++) *all += t[i];
    *stolen = t[7];
    return true;
}

size_t tm_machine_cache_bytes(const tm_machine *machine, int level)
{
    double largest = 0;
    for (int i = 0; i < machine->caches.n; i++)
        if (level == 0 || machine->caches.items[i].level == level)
            largest = fmax(largest, machine->caches.items[i].size_bytes);
    return (size_t)largest;
}

TM_PRINTF(2, 3)
static void miss(tm_machine_text *out, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    out->value[0] = 0;
    vsnprintf(out->missing, sizeof out->missing, fmt, args);
    va_end(args);
}

static void read_text(const char *root, const char *path, tm_machine_text *out)
{
    if (!tm_sysfs_text(root, path, out->value, sizeof out->value) || !out->value[0])
        miss(out, "/%s is not readable", path);
}

static void set_switch(tm_machine_text *out, bool on)
{
    snprintf(out->value, sizeof out->value, "%s", on ? "on" : "off");
}

static void read_switches(const char *root, tm_machine *out)
{
    int64_t value;
    if (tm_sysfs_int(root, CPU_FOLDER "/intel_pstate/no_turbo", &value))
        set_switch(&out->turbo, !value);
    else if (tm_sysfs_int(root, CPU_FOLDER "/cpufreq/boost", &value))
        set_switch(&out->turbo, value);
    else
        miss(&out->turbo, "the kernel has neither intel_pstate/no_turbo nor cpufreq/boost, so the "
                          "clock's limit is unknown");
    if (tm_sysfs_int(root, CPU_FOLDER "/smt/active", &value))
        set_switch(&out->smt, value);
    else
        miss(&out->smt, "/" CPU_FOLDER "/smt/active is not readable");
    tm_machine_text *huge = &out->transparent_huge_pages;
    if (!tm_sysfs_choice(root, "sys/kernel/mm/transparent_hugepage/enabled", huge->value,
                         sizeof huge->value))
        miss(huge, "/sys/kernel/mm/transparent_hugepage/enabled is not readable");
}

static void read_limits(const char *root, tm_machine *out)
{
    int64_t available;
    tm_cgroup_read(root, &out->cgroup);
    if (!tm_sysfs_kb(root, "proc/meminfo", "MemAvailable", &available)) available = -1;
    const int64_t left = out->cgroup.memory_left_bytes;
    const bool is_cgroup = left >= 0 && (available < 0 || left < available);
    out->memory_available_bytes = is_cgroup ? left : available;
    snprintf(out->memory_limit, sizeof out->memory_limit, "%s",
             is_cgroup ? "cgroup memory limit" : "MemAvailable");
    if (!tm_sysfs_kb(root, "proc/meminfo", "SwapTotal", &out->swap_total_bytes))
        out->swap_total_bytes = -1;
}

static void read_load(const char *root, tm_machine *out)
{
    char text[128], *end;
    int64_t all, stolen;
    out->load_average = out->steal_percent = NAN;
    if (tm_sysfs_text(root, "proc/loadavg", text, sizeof text)) {
        double load = strtod(text, &end);
        if (end != text && load >= 0) out->load_average = load;
    }
    if (tm_machine_cpu_ticks(root, &all, &stolen) && all > 0)
        out->steal_percent = 100.0 * (double)stolen / (double)all;
}

/* Two alike machines, and one before and after an upgrade, are told apart by these. The machine-id
 * itself stays here: only a hash of it is recorded, as machine-id(5) asks. */
static void read_identity(const char *root, tm_machine *out)
{
    static const char *const files[] = {"etc/machine-id",
                                        "sys/firmware/devicetree/base/serial-number"};
    static const char salt[] = "ternmark";
    char text[200];
    uint64_t hash = tm_hash(TM_HASH_START, salt, sizeof salt);
    bool has_id = false;
    read_text(root, "proc/sys/kernel/hostname", &out->host);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        if (!tm_sysfs_text(root, files[i], text, sizeof text) || !text[0] ||
            strcmp(text, "uninitialized") == 0) /* an image that has not started yet */
            continue;
        hash = tm_hash(hash, text, strlen(text));
        has_id = true;
    }
    if (has_id)
        snprintf(out->host_id.value, sizeof out->host_id.value, "%016llx",
                 (unsigned long long)hash);
    else
        miss(&out->host_id, "neither /%s nor /%s is readable", files[0], files[1]);
    if (!tm_sysfs_field(root, "proc/cpuinfo", "microcode", out->microcode.value,
                        sizeof out->microcode.value))
        miss(&out->microcode, "/proc/cpuinfo names no microcode");
    read_text(root, "sys/class/dmi/id/bios_version", &out->bios);
}

static void read_environment(const char *root, tm_machine *out)
{
    char path[96];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(out->date, sizeof out->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    read_identity(root, out);
    read_text(root, "proc/sys/kernel/osrelease", &out->kernel);
    snprintf(path, sizeof path, CPU_FOLDER "/cpu%d/cpufreq/scaling_governor", out->first_cpu);
    read_text(root, path, &out->governor);
    read_switches(root, out);
    read_text(root, "sys/devices/system/clocksource/clocksource0/current_clocksource",
              &out->clock_source);
    read_text(root, "proc/sys/kernel/perf_event_paranoid", &out->perf_event_paranoid);
    read_limits(root, out);
    read_load(root, out);
}

static tm_status take_fingerprint(tm_machine *out, tm_error *err)
{
    tm_json *json = tm_machine_hardware_to_json(out);
    char *printed = json ? tm_json_print(json, false) : NULL;
    tm_json_free(json);
    if (!printed) return tm_fail(err, TM_NOMEM, "no memory to describe the machine");
    snprintf(out->fingerprint, sizeof out->fingerprint, "%016llx",
             (unsigned long long)tm_hash(TM_HASH_START, printed, strlen(printed)));
    free(printed);
    return TM_OK;
}

tm_status tm_machine_read(const char *root, tm_machine *out, tm_error *err)
{
    char text[64];
    bool live = strcmp(root, "/") == 0;
    memset(out, 0, sizeof *out);
    if (!tm_sysfs_text(root, "proc/cpuinfo", text, sizeof text))
        return tm_fail(err, TM_IO, "%s: proc/cpuinfo is not readable", root);
    tm_status status = tm_machine_hardware_read(root, live, out, err);
    if (status != TM_OK) return status;
    if (live) {
        out->n_cpus = tm_usable_cpus();
        out->n_cores = tm_usable_cores();
    }
    read_environment(root, out);
    return take_fingerprint(out, err);
}
