/* Counters of this process: getrusage, and perf's software and hardware events. An event that
 * cannot be opened stays in the list with the reason.
 *
 * Source: getrusage(2), perf_event_open(2). */
#include "harness/probe/probe_counters.h"

#include "harness/base/sysfs.h"
#include "harness/probe/probe_source.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    USER_SECONDS,
    SYSTEM_SECONDS,
    MINOR_FAULTS,
    MAJOR_FAULTS,
    VOLUNTARY_SWITCHES,
    INVOLUNTARY_SWITCHES,
    EVENT
};

#define PMUS "sys/bus/event_source/devices"

#define CACHE(level, result)                                                                       \
    (PERF_COUNT_HW_CACHE_##level | PERF_COUNT_HW_CACHE_OP_READ << 8 |                              \
     PERF_COUNT_HW_CACHE_RESULT_##result << 16)

static const struct {
    const char *name, *unit;
    int code;
    uint32_t type;
    uint64_t config;
    double scale;
    bool may_rest;
} rows[] = {
    {"cpu_user", "seconds", USER_SECONDS, 0, 0, 1e-6, true},
    {"cpu_system", "seconds", SYSTEM_SECONDS, 0, 0, 1e-6, true},
    {"minor_faults", "count", MINOR_FAULTS, 0, 0, 1, true},
    {"major_faults", "count", MAJOR_FAULTS, 0, 0, 1, true},
    {"voluntary_switches", "count", VOLUNTARY_SWITCHES, 0, 0, 1, true},
    {"involuntary_switches", "count", INVOLUNTARY_SWITCHES, 0, 0, 1, true},
    {"task_clock", "seconds", EVENT, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_TASK_CLOCK, 1e-9, false},
    {"page_faults", "count", EVENT, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_PAGE_FAULTS, 1, true},
    {"context_switches", "count", EVENT, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CONTEXT_SWITCHES, 1,
     true},
    {"cpu_migrations", "count", EVENT, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_MIGRATIONS, 1, true},
    {"cycles", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES, 1, false},
    {"instructions", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS, 1, false},
    {"branches", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_INSTRUCTIONS, 1, true},
    {"branch_misses", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES, 1, true},
    {"cache_references", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_REFERENCES, 1,
     true},
    {"cache_misses", "count", EVENT, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CACHE_MISSES, 1, true},
    {"stalled_cycles_frontend", "count", EVENT, PERF_TYPE_HARDWARE,
     PERF_COUNT_HW_STALLED_CYCLES_FRONTEND, 1, true},
    {"l1d_reads", "count", EVENT, PERF_TYPE_HW_CACHE, CACHE(L1D, ACCESS), 1, true},
    {"l1d_read_misses", "count", EVENT, PERF_TYPE_HW_CACHE, CACHE(L1D, MISS), 1, true},
    {"llc_reads", "count", EVENT, PERF_TYPE_HW_CACHE, CACHE(LL, ACCESS), 1, true},
    {"llc_read_misses", "count", EVENT, PERF_TYPE_HW_CACHE, CACHE(LL, MISS), 1, true},
    {"dtlb_read_misses", "count", EVENT, PERF_TYPE_HW_CACHE, CACHE(DTLB, MISS), 1, true},
};

static int open_event(uint32_t type, uint64_t config, bool user_only)
{
    struct perf_event_attr attr = {
        .type = type,
        .size = sizeof attr,
        .config = config,
        .inherit = 1, /* also count threads that start later */
        .exclude_kernel = user_only,
        .exclude_hv = user_only,
        .read_format = PERF_FORMAT_TOTAL_TIME_ENABLED | PERF_FORMAT_TOTAL_TIME_RUNNING,
    };
    return (int)syscall(SYS_perf_event_open, &attr, 0, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

static void set_unavailable(tm_channel *c, int why)
{
    c->state = TM_PROBE_MISSING;
    if (why == EACCES || why == EPERM) {
        c->state = TM_PROBE_DENIED;
        snprintf(c->reason, sizeof c->reason,
                 "%s: perf_event_open is not permitted (perf_event_paranoid, or a container's "
                 "system call filter)",
                 c->info.name);
    } else if (why == ENOENT || why == EOPNOTSUPP || why == ENODEV)
        snprintf(c->reason, sizeof c->reason,
                 "%s: the kernel does not offer this event (no PMU, or the PMU lacks it)",
                 c->info.name);
    else
        snprintf(c->reason, sizeof c->reason, "%s: perf_event_open: %s", c->info.name,
                 strerror(why));
}

/* On a hybrid processor each kind of core has a PMU, whose folder lists its CPUs, and an event
 * without a PMU counts on one kind only. Returns their number and the types of at most two. Source:
 * Linux, tools/perf/util/pmus.c (is_pmu_core), include/uapi/linux/perf_event.h;
 * PERF_PMU_TYPE_SHIFT. */
static int find_core_pmus(const char *root, int64_t types[2])
{
    char path[PATH_MAX], text[256];
    struct dirent **entries = NULL;
    int n_pmus = 0;
    snprintf(path, sizeof path, "%s/" PMUS, root);
    int n = scandir(path, &entries, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        int64_t type;
        snprintf(path, sizeof path, PMUS "/%.200s/cpus", entries[i]->d_name);
        bool has_cpus = tm_sysfs_text(root, path, text, sizeof text) && text[0];
        snprintf(path, sizeof path, PMUS "/%.200s/type", entries[i]->d_name);
        free(entries[i]);
        if (!has_cpus || !tm_sysfs_int(root, path, &type)) continue;
        if (n_pmus < 2) types[n_pmus] = type;
        n_pmus++;
    }
    free(entries);
    return n_pmus;
}

/* Opens an event on both kinds of cores; read_counters adds the two. */
static void open_on_both(tm_channel *c, uint32_t type, uint64_t config, const int64_t types[2],
                         bool user_only)
{
    c->fd = open_event(type, config | (uint64_t)types[0] << 32, user_only);
    if (c->fd < 0) return;
    c->second_fd = open_event(type, config | (uint64_t)types[1] << 32, user_only);
    if (c->second_fd >= 0) return;
    int why = errno;
    close(c->fd);
    c->fd = -1;
    errno = why;
}

static bool is_wanted(const tm_probe_counters_options *o, const char *name)
{
    for (int i = 0; i < o->n_events; i++)
        if (strcmp(o->events[i].name, name) == 0) return true;
    return o->n_events == 0;
}

static tm_status open_counters(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    const tm_probe_counters_options *o = probe->own;
    int64_t types[2] = {0};
    int n_pmus = find_core_pmus(probe->options.root, types);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        tm_channel *c;
        if (!is_wanted(o, rows[i].name)) continue;
        tm_status status = tm_probe_add(probe, &c, err);
        if (status != TM_OK) return status;
        snprintf(c->info.name, sizeof c->info.name, "%s", rows[i].name);
        snprintf(c->info.scope, sizeof c->info.scope, "process");
        snprintf(c->info.unit, sizeof c->info.unit, "%s", rows[i].unit);
        c->info.method = rows[i].code == EVENT ? "perf" : "getrusage";
        c->scale = rows[i].scale;
        c->may_rest = rows[i].may_rest;
        c->code = rows[i].code;
        if (rows[i].code != EVENT) continue;
        bool hardware = rows[i].type != PERF_TYPE_SOFTWARE;
        bool user_only = o->user_mode_only && hardware;
        if (hardware && n_pmus > 2) {
            c->state = TM_PROBE_MISSING;
            snprintf(
                c->reason, sizeof c->reason,
                "%s: this processor has %d kinds of cores with a PMU each; at most 2 are added",
                c->info.name, n_pmus);
            continue;
        }
        for (int turn = 0; turn < 2; turn++) {
            if (hardware && n_pmus == 2)
                open_on_both(c, rows[i].type, rows[i].config, types, user_only);
            else
                c->fd = open_event(rows[i].type, rows[i].config, user_only);
            if (c->fd >= 0 || user_only || (errno != EACCES && errno != EPERM)) break;
            user_only = true;
        }
        if (user_only) snprintf(c->info.scope, sizeof c->info.scope, "process, user mode only");
        if (c->fd < 0) set_unavailable(c, errno);
    }
    snprintf(health->fix, sizeof health->fix, "sudo sysctl kernel.perf_event_paranoid=2");
    return TM_OK;
}

static uint64_t microseconds(struct timeval t)
{
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

static tm_probe_state read_counters(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    (void)probe;
    if (channel->code == EVENT) {
        uint64_t got[3];
        if (read(channel->fd, got, sizeof got) != (ssize_t)sizeof got) {
            snprintf(out->reason, sizeof out->reason, "perf: %s: %s", channel->info.name,
                     strerror(errno));
            return TM_PROBE_INVALID;
        }
        out->raw = got[0];
        out->enabled_ns = got[1];
        out->running_ns = got[2];
        if (channel->second_fd < 0) return TM_PROBE_OK;
        /* A thread runs on one kind of core at a time, so the running times add up. */
        if (read(channel->second_fd, got, sizeof got) != (ssize_t)sizeof got) {
            snprintf(out->reason, sizeof out->reason, "perf: %s: %s", channel->info.name,
                     strerror(errno));
            return TM_PROBE_INVALID;
        }
        out->raw += got[0];
        if (got[1] > out->enabled_ns) out->enabled_ns = got[1];
        out->running_ns += got[2];
        if (out->running_ns > out->enabled_ns) out->running_ns = out->enabled_ns;
        return TM_PROBE_OK;
    }
    struct rusage u;
    if (getrusage(RUSAGE_SELF, &u) != 0) {
        snprintf(out->reason, sizeof out->reason, "getrusage: %s", strerror(errno));
        return TM_PROBE_INVALID;
    }
    switch (channel->code) {
    case USER_SECONDS:
        out->raw = microseconds(u.ru_utime);
        break;
    case SYSTEM_SECONDS:
        out->raw = microseconds(u.ru_stime);
        break;
    case MINOR_FAULTS:
        out->raw = (uint64_t)u.ru_minflt;
        break;
    case MAJOR_FAULTS:
        out->raw = (uint64_t)u.ru_majflt;
        break;
    case VOLUNTARY_SWITCHES:
        out->raw = (uint64_t)u.ru_nvcsw;
        break;
    default:
        out->raw = (uint64_t)u.ru_nivcsw;
    }
    return TM_PROBE_OK;
}

const tm_probe_source tm_probe_counters = {.name = "counters",
                                           .role = TM_PROBE_ROLE_EVENTS,
                                           .own_size = sizeof(tm_probe_counters_options),
                                           .open = open_counters,
                                           .read = read_counters};
