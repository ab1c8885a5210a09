/* The `power` PMU of perf: the RAPL counters, one event per domain, extended to 64 bits by the
 * kernel. The events are system-wide. The PMU's cpumask names one CPU per socket or die to open
 * them on.
 *
 * Source: Linux, arch/x86/events/rapl.c; perf_event_open(2). */
#include "harness/probe/probe_source.h"

#include "harness/base/sysfs.h"

#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FOLDER   "sys/bus/event_source/devices/power"
#define MAX_CPUS 64
static const struct {
    const char *event, *name, *scope;
    bool may_rest;
} domains[] = {
    {"energy-pkg", "package", "package", false}, {"energy-ram", "dram", "dram", false},
    {"energy-psys", "psys", "psys", false},      {"energy-cores", "core", "core", true},
    {"energy-gpu", "uncore", "uncore", true},
};

static tm_status add_event(tm_probe *probe, int which, int type, int cpu, tm_error *err)
{
    char path[PATH_MAX], text[64], *end;
    const char *root = probe->options.root;
    snprintf(path, sizeof path, FOLDER "/events/%s", domains[which].event);
    if (!tm_sysfs_text(root, path, text, sizeof text)) return TM_OK;
    tm_channel *c;
    tm_status status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) return status;
    snprintf(c->info.name, sizeof c->info.name, "%s of cpu %d", domains[which].name, cpu);
    snprintf(c->info.scope, sizeof c->info.scope, "%s", domains[which].scope);
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    c->info.method = "counter";
    c->may_rest = domains[which].may_rest;
    struct perf_event_attr attr = {.type = (uint32_t)type, .size = sizeof attr};
    bool known = strncmp(text, "event=", 6) == 0;
    if (known) attr.config = strtoull(text + 6, &end, 0);
    known = known && end != text + 6 && *end == 0;
    char unit[32] = "", scale[64] = "";
    snprintf(path, sizeof path, FOLDER "/events/%s.unit", domains[which].event);
    known = known && tm_sysfs_text(root, path, unit, sizeof unit) && strcmp(unit, "Joules") == 0;
    snprintf(path, sizeof path, FOLDER "/events/%s.scale", domains[which].event);
    known = known && tm_sysfs_text(root, path, scale, sizeof scale);
    c->scale = strtod(scale, &end);
    if (!known || end == scale || *end || !(c->scale > 0) || c->scale > 1) {
        c->state = TM_PROBE_INVALID;
        c->scale = 1;
        snprintf(
            c->reason, sizeof c->reason,
            "power/%s: event \"%.30s\", unit \"%s\" and scale \"%.30s\" are not a count of joules",
            domains[which].event, text, unit, scale);
        return TM_OK;
    }
    c->fd = (int)syscall(SYS_perf_event_open, &attr, -1, cpu, -1, PERF_FLAG_FD_CLOEXEC);
    if (c->fd >= 0) return TM_OK;
    c->state = errno == EACCES || errno == EPERM ? TM_PROBE_DENIED : TM_PROBE_MISSING;
    snprintf(c->reason, sizeof c->reason, "power/%s on cpu %d: %s", domains[which].event, cpu,
             strerror(errno));
    return TM_OK;
}

/* File capabilities stay until the program is built again. */
static void give_recipe(tm_probe_health *health)
{
    char program[256];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program);
    if (n > 0 && (size_t)n < sizeof program)
        snprintf(health->fix, sizeof health->fix,
                 "sudo setcap cap_perfmon+ep '%.*s' (Linux 5.8 and newer; again after each build)",
                 (int)n, program);
    else
        snprintf(health->fix, sizeof health->fix, "sudo sysctl kernel.perf_event_paranoid=0");
}

static tm_status open_perf(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    const char *root = probe->options.root;
    char text[1024];
    int64_t type;
    int cpus[MAX_CPUS + 1];
    if (!tm_sysfs_int(root, FOLDER "/type", &type) || type < 0 || type > INT_MAX)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING,
                               "sudo modprobe rapl, on the machine itself (x86 only)",
                               "perf: the kernel has no PMU named power (/" FOLDER ")");
    int n = tm_sysfs_text(root, FOLDER "/cpumask", text, sizeof text)
                ? tm_sysfs_cpu_list(text, cpus, MAX_CPUS + 1)
                : 0;
    if (n == 0)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "",
                               "perf: /" FOLDER "/cpumask lists no CPU");
    if (n > MAX_CPUS)
        return tm_probe_refuse(
            health, err, TM_PROBE_MISSING, "",
            "perf: /" FOLDER "/cpumask lists more than %d CPUs, which is the limit", MAX_CPUS);
    for (int i = 0; i < (int)(sizeof domains / sizeof domains[0]); i++)
        for (int k = 0; k < n; k++) {
            tm_status status = add_event(probe, i, (int)type, cpus[k], err);
            if (status != TM_OK) return status;
        }
    give_recipe(health);
    return TM_OK;
}

static tm_probe_state read_perf(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)probe;
    if (read(channel->fd, &out->raw, sizeof out->raw) == (ssize_t)sizeof out->raw)
        return TM_PROBE_OK;
    snprintf(out->reason, sizeof out->reason, "perf: %s: %s", channel->info.name, strerror(errno));
    return TM_PROBE_INVALID;
}

const tm_probe_source tm_probe_perf = {
    .name = "perf", .role = TM_PROBE_ROLE_ENERGY, .open = open_perf, .read = read_perf};
