#include "harness/machine/cgroup.h"
#include "harness/base/sysfs.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Version 1 prints "no limit" as the largest multiple of the page size, which is above 2^60. */
#define NO_LIMIT (1ll << 60)

/* The path after "<number>:<controllers>:" on the line whose controllers include `name`. name
 * "": the line of version 2. */
static bool group_of(const char *root, const char *name, char *path, size_t size)
{
    char text[8192], *save = NULL;
    if (!tm_sysfs_text(root, "proc/self/cgroup", text, sizeof text)) return false;
    for (char *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group) continue;
        controllers++;
        *group++ = 0;
        bool found = name[0] == 0 && controllers[0] == 0;
        char *inner = NULL;
        for (char *c = strtok_r(controllers, ",", &inner); c && !found;
             c = strtok_r(NULL, ",", &inner))
            found = name[0] && strcmp(c, name) == 0;
        if (!found || strlen(group) >= size) continue;
        strcpy(path, group);
        return true;
    }
    return false;
}

static bool value_in(const char *root, const char *folder, const char *file, int64_t *out)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/%s", folder, file);
    return tm_sysfs_int(root, path, out);
}

static int64_t page_cache_of(const char *root, const char *folder, const char *key)
{
    char path[PATH_MAX], text[64];
    snprintf(path, sizeof path, "%s/memory.stat", folder);
    return tm_sysfs_field(root, path, key, text, sizeof text) ? strtoll(text, NULL, 10) : 0;
}

static void memory_at(const char *root, const char *folder, bool v2, tm_cgroup *out)
{
    int64_t limit, used;
    char path[PATH_MAX], text[64];
    if (v2) {
        snprintf(path, sizeof path, "%s/memory.max", folder);
        if (!tm_sysfs_text(root, path, text, sizeof text)) return;
        out->known = true;
        if (!value_in(root, folder, "memory.max", &limit)) return; /* "max" */
        if (!value_in(root, folder, "memory.current", &used)) used = 0;
        used -= page_cache_of(root, folder, "inactive_file");
    } else {
        if (!value_in(root, folder, "memory.limit_in_bytes", &limit)) return;
        out->known = true;
        if (limit >= NO_LIMIT) return;
        if (!value_in(root, folder, "memory.usage_in_bytes", &used)) used = 0;
        used -= page_cache_of(root, folder, "total_inactive_file");
    }
    int64_t left = limit - (used > 0 ? used : 0);
    if (left < 0) left = 0;
    if (out->memory_left_bytes >= 0 && left >= out->memory_left_bytes) return;
    out->memory_limit_bytes = limit;
    out->memory_left_bytes = left;
    snprintf(out->memory_group, sizeof out->memory_group, "%s", folder);
}

static void cpu_at(const char *root, const char *folder, bool v2, tm_cgroup *out)
{
    int64_t quota, period;
    if (v2) {
        char path[PATH_MAX], text[64];
        long long q, p;
        snprintf(path, sizeof path, "%s/cpu.max", folder);
        if (!tm_sysfs_text(root, path, text, sizeof text)) return;
        out->known = true;
        if (sscanf(text, "%lld %lld", &q, &p) != 2) return; /* "max 100000" */
        quota = q;
        period = p;
    } else {
        if (!value_in(root, folder, "cpu.cfs_quota_us", &quota) ||
            !value_in(root, folder, "cpu.cfs_period_us", &period))
            return;
        out->known = true;
    }
    if (quota <= 0 || period <= 0) return;
    double cpus = (double)quota / (double)period;
    if (out->cpu_limit > 0 && cpus >= out->cpu_limit) return;
    out->cpu_limit = cpus;
    snprintf(out->cpu_group, sizeof out->cpu_group, "%s", folder);
}

static void walk(const char *root, const char *mount, const char *group, bool v2,
                 void (*at)(const char *, const char *, bool, tm_cgroup *), tm_cgroup *out)
{
    char folder[PATH_MAX];
    if (strstr(group, "/../")) group = "/"; /* outside this namespace */
    int n = snprintf(folder, sizeof folder, "%s%s", mount, strcmp(group, "/") == 0 ? "" : group);
    if (n >= (int)sizeof folder) return;
    for (;;) {
        at(root, folder, v2, out);
        char *slash = strrchr(folder, '/');
        if (strlen(folder) <= strlen(mount) || !slash) return;
        *slash = 0;
    }
}

void tm_cgroup_read(const char *root, tm_cgroup *out)
{
    char group[PATH_MAX / 2];
    memset(out, 0, sizeof *out);
    out->memory_limit_bytes = out->memory_left_bytes = -1;
    if (group_of(root, "", group, sizeof group)) {
        walk(root, "sys/fs/cgroup", group, true, memory_at, out);
        walk(root, "sys/fs/cgroup", group, true, cpu_at, out);
        walk(root, "sys/fs/cgroup/unified", group, true, memory_at, out);
        walk(root, "sys/fs/cgroup/unified", group, true, cpu_at, out);
    }
    if (group_of(root, "memory", group, sizeof group))
        walk(root, "sys/fs/cgroup/memory", group, false, memory_at, out);
    if (group_of(root, "cpu", group, sizeof group)) {
        walk(root, "sys/fs/cgroup/cpu", group, false, cpu_at, out);
        walk(root, "sys/fs/cgroup/cpu,cpuacct", group, false, cpu_at, out);
    }
}
