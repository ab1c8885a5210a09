#include "harness/machine/machine.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "engine/pool.h"
#include "harness/machine/cgroup.h"
#include "harness/base/hash.h"
#include "harness/machine/machine_hardware.h"
#include "harness/base/sysfs.h"
#include "harness/base/version.h"
#include "kernels/cpu.h"

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

static void put_text(tm_json *json, const char *key, const char *root, const char *path)
{
    char text[256], reason[320];
    if (tm_sysfs_text(root, path, text, sizeof text) && text[0]) {
        tm_json_put_string(json, key, text);
        return;
    }
    snprintf(reason, sizeof reason, "/%s is not readable", path);
    tm_json_put_missing(json, key, reason);
}

static void put_turbo(tm_json *json, const char *root)
{
    int64_t value;
    if (tm_sysfs_int(root, "sys/devices/system/cpu/intel_pstate/no_turbo", &value))
        tm_json_put_string(json, "turbo", value ? "off" : "on");
    else if (tm_sysfs_int(root, "sys/devices/system/cpu/cpufreq/boost", &value))
        tm_json_put_string(json, "turbo", value ? "on" : "off");
    else
        tm_json_put_missing(json, "turbo",
                            "neither intel_pstate/no_turbo nor cpufreq/boost is there: the kernel "
                            "does not show how far the clock may rise");
}

static void put_smt(tm_json *json, const char *root)
{
    int64_t value;
    if (tm_sysfs_int(root, "sys/devices/system/cpu/smt/active", &value))
        tm_json_put_string(json, "smt", value ? "on" : "off");
    else
        tm_json_put_missing(json, "smt", "/sys/devices/system/cpu/smt/active is not readable");
}

static void put_limits(tm_machine *env, const char *root)
{
    tm_cgroup group;
    int64_t available = -1;
    tm_json *json = env->environment;
    tm_cgroup_read(root, &group);
    if (!tm_sysfs_kb(root, "proc/meminfo", "MemAvailable", &available)) available = -1;
    env->memory_available_bytes = available;
    snprintf(env->memory_limit, sizeof env->memory_limit, "MemAvailable");
    if (group.memory_left_bytes >= 0 && (available < 0 || group.memory_left_bytes < available)) {
        env->memory_available_bytes = group.memory_left_bytes;
        snprintf(env->memory_limit, sizeof env->memory_limit, "cgroup memory limit");
    }
    if (env->memory_available_bytes >= 0)
        tm_json_put_int(json, "memory_available_bytes", env->memory_available_bytes);
    else
        tm_json_put_missing(json, "memory_available_bytes", "/proc/meminfo has no MemAvailable");
    tm_json_put_string(json, "memory_available_by", env->memory_limit);

    const char *none = group.known ? "no limit is set" : "no control group is readable";
    if (group.memory_limit_bytes >= 0)
        tm_json_put_int(json, "cgroup_memory_limit_bytes", group.memory_limit_bytes);
    else
        tm_json_put_missing(json, "cgroup_memory_limit_bytes", none);
    if (group.cpu_limit > 0)
        tm_json_put_number(json, "cgroup_cpu_limit", group.cpu_limit);
    else
        tm_json_put_missing(json, "cgroup_cpu_limit", none);

    int64_t swap;
    if (tm_sysfs_kb(root, "proc/meminfo", "SwapTotal", &swap))
        tm_json_put_int(json, "swap_total_bytes", swap);
    else
        tm_json_put_missing(json, "swap_total_bytes", "/proc/meminfo has no SwapTotal");
}

static void put_load(tm_machine *env, const char *root)
{
    char text[128], *end;
    env->load_average = NAN;
    if (tm_sysfs_text(root, "proc/loadavg", text, sizeof text)) {
        double load = strtod(text, &end);
        if (end != text && load >= 0) env->load_average = load;
    }
    if (isfinite(env->load_average))
        tm_json_put_number(env->environment, "load_average", env->load_average);
    else
        tm_json_put_missing(env->environment, "load_average", "/proc/loadavg is not readable");

    int64_t all, stolen;
    if (tm_machine_cpu_ticks(root, &all, &stolen) && all > 0)
        tm_json_put_number(env->environment, "steal_percent_since_boot",
                           100.0 * (double)stolen / (double)all);
    else
        tm_json_put_missing(env->environment, "steal_percent_since_boot",
                            "/proc/stat is not readable");
}

static void put_build(tm_json *json)
{
    char isa[128], date[32];
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc);
    tm_json_put_string(json, "date", date);
    tm_json_put_string(json, "version", tm_version());
    tm_json_put_string(json, "commit", tm_commit());
    tm_json_put_string(json, "compiler", tm_compiler());
    tm_json_put_string(json, "build_mode", tm_build_mode());
    tm_json_put_string(json, "isa_used", tm_isa_text(tm_cpu_isa(), isa, sizeof isa));
}

static void read_environment(tm_machine *env, const char *root, int cpu)
{
    char text[256];
    tm_json *json = env->environment;
    put_build(json);
    put_text(json, "kernel", root, "proc/sys/kernel/osrelease");
    tm_json_put_int(json, "usable_cpus", env->n_cpus);
    tm_json_put_int(json, "usable_cores", env->n_cores);
    snprintf(text, sizeof text, "sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu);
    put_text(json, "governor", root, text);
    put_turbo(json, root);
    put_smt(json, root);
    if (tm_sysfs_choice(root, "sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text))
        tm_json_put_string(json, "transparent_huge_pages", text);
    else
        tm_json_put_missing(json, "transparent_huge_pages",
                            "/sys/kernel/mm/transparent_hugepage/enabled is not readable");
    put_text(json, "clock_source", root,
             "sys/devices/system/clocksource/clocksource0/current_clocksource");
    put_text(json, "perf_event_paranoid", root, "proc/sys/kernel/perf_event_paranoid");
    put_limits(env, root);
    put_load(env, root);
}

tm_status tm_machine_read(const char *root, tm_machine *out, tm_error *err)
{
    char text[64];
    memset(out, 0, sizeof *out);
    if (!tm_sysfs_text(root, "proc/cpuinfo", text, sizeof text))
        return tm_fail(err, TM_IO, "%s: proc/cpuinfo is not readable", root);
    out->machine = tm_json_object();
    out->environment = tm_json_object();
    if (!out->machine || !out->environment) {
        tm_machine_free(out);
        return tm_fail(err, TM_NOMEM, "no memory to describe the machine");
    }
    bool live = strcmp(root, "/") == 0;
    tm_machine_hardware machine;
    tm_status status = tm_machine_hardware_read(root, live, out->machine, &machine, err);
    if (status != TM_OK) {
        tm_machine_free(out);
        return status;
    }
    memcpy(out->cpu_model, machine.cpu_model, sizeof out->cpu_model);
    out->virtual_machine = machine.virtual_machine;
    out->emulated = machine.emulated;
    out->n_cpus = live ? tm_usable_cpus() : machine.n_cpus;
    out->n_cores = live ? tm_usable_cores() : machine.n_cores;
    read_environment(out, root, machine.first_cpu);
    char *printed = tm_json_print(out->machine, false);
    if (!printed) {
        tm_machine_free(out);
        return tm_fail(err, TM_NOMEM, "no memory to describe the machine");
    }
    snprintf(out->fingerprint, sizeof out->fingerprint, "%016llx",
             (unsigned long long)tm_hash(TM_HASH_START, printed, strlen(printed)));
    free(printed);
    return TM_OK;
}

void tm_machine_free(tm_machine *env)
{
    tm_json_free(env->machine);
    tm_json_free(env->environment);
    env->machine = env->environment = NULL;
}
