/* RAPL through the powercap interface. Zones are identified by their `name`, never by their number.
 *
 * Source: Linux, Documentation/power/powercap/powercap.rst and drivers/powercap/intel_rapl_common.c
 * (which also serves AMD). */
#include "harness/probe/probe_source.h"

#include "harness/base/sysfs.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "sys/class/powercap"
/* Uses its own group instead of chmod a+r: since CVE-2020-8694 only root may read the files. */
#define RECIPE                                                                                     \
    "sudo groupadd -f energy; sudo usermod -aG energy $USER; echo 'SUBSYSTEM==\"powercap\", "      \
    "KERNEL==\"intel-rapl*:*\", RUN+=\"/bin/chgrp energy /sys%p/energy_uj\", "                     \
    "RUN+=\"/bin/chmod g+r /sys%p/energy_uj\"' | sudo tee /etc/udev/rules.d/90-powercap.rules; "   \
    "sudo udevadm control -R; sudo udevadm trigger -c add -s powercap; then log in again"

/* "intel-rapl:0:1" -> "intel-rapl:0". False for a top-level zone. */
static bool to_parent(char *id)
{
    char *colon = strrchr(id, ':');
    if (!colon || strchr(id, ':') == colon) return false;
    *colon = 0;
    return true;
}

static bool zone_name(const char *root, const char *id, char *name, size_t size)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, FOLDER "/%s/name", id);
    return tm_sysfs_text(root, path, name, size) && name[0];
}

static bool is_package(const char *name)
{
    return strncmp(name, "package-", 8) == 0;
}

/* "psys", or "psys-1" for a socket after the first. */
static bool is_psys(const char *name)
{
    return strncmp(name, "psys", 4) == 0 && (!name[4] || name[4] == '-');
}

/* "dram" below "package-1" -> "dram package-1": every socket has sub-zones of the same names. */
static void name_channel(const char *root, const char *id, const char *name, char *out, size_t size)
{
    char above[NAME_MAX + 1], parent[48];
    snprintf(above, sizeof above, "%s", id);
    while (!is_package(name) && to_parent(above))
        if (zone_name(root, above, parent, sizeof parent) && is_package(parent)) {
            snprintf(out, size, "%.14s %s", name, parent);
            return;
        }
    snprintf(out, size, "%s", name);
}

static bool is_mmio(const char *id)
{
    return strstr(id, "-mmio");
}

static tm_status add_zone(tm_probe *probe, const char *id, tm_error *err)
{
    const char *root = probe->options.root;
    char name[48], unique[64], path[PATH_MAX];
    int64_t range;
    if (!zone_name(root, id, name, sizeof name)) return TM_OK;
    name_channel(root, id, name, unique, sizeof unique);
    /* A package appears twice if it has both interfaces, registers and memory-mapped. */
    bool is_twin = false;
    for (int i = 0; i < probe->n_channels; i++)
        is_twin |= strcmp(probe->channels[i].info.name, unique) == 0 &&
                   is_mmio(probe->channels[i].path[0]) != is_mmio(id);
    tm_channel *c;
    tm_status status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) return status;
    snprintf(c->info.name, sizeof c->info.name, "%s", unique);
    snprintf(c->info.scope, sizeof c->info.scope, "%s",
             is_package(name) ? "package"
             : is_psys(name)  ? "psys"
                              : name);
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    c->info.method = "counter";
    c->is_twin = is_twin;
    c->scale = 1e-6;
    c->may_rest = !is_package(name) && !is_psys(name) && strcmp(name, "dram") != 0;
    snprintf(c->path[0], sizeof c->path[0], FOLDER "/%.100s/energy_uj", id);
    snprintf(path, sizeof path, FOLDER "/%s/max_energy_range_uj", id);
    if (tm_sysfs_int(root, path, &range) && range > 0)
        c->range = (uint64_t)range;
    else {
        c->state = TM_PROBE_INVALID;
        snprintf(c->reason, sizeof c->reason, "%s: max_energy_range_uj is not readable", unique);
    }
    return TM_OK;
}

static int by_interface(const struct dirent **a, const struct dirent **b)
{
    int mmio = (int)is_mmio((*a)->d_name) - (int)is_mmio((*b)->d_name);
    return mmio ? mmio : strcmp((*a)->d_name, (*b)->d_name);
}

static int is_zone(const struct dirent *entry)
{
    return strncmp(entry->d_name, "intel-rapl", 10) == 0 && strchr(entry->d_name, ':');
}

static tm_status open_powercap(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    char folder[PATH_MAX];
    struct dirent **entries = NULL;
    tm_status status = TM_OK;
    snprintf(folder, sizeof folder, "%s/" FOLDER, probe->options.root);
    int n = scandir(folder, &entries, is_zone, by_interface);
    for (int i = 0; i < n; i++) {
        if (status == TM_OK) status = add_zone(probe, entries[i]->d_name, err);
        free(entries[i]);
    }
    free(entries);
    if (status != TM_OK) return status;
    snprintf(health->fix, sizeof health->fix, "%s", RECIPE);
    if (probe->n_channels == 0 && n > 0)
        return tm_probe_refuse(
            health, err, TM_PROBE_DENIED,
            "start the container with --security-opt systempaths=unconfined, or with "
            "-v /sys/devices/virtual/powercap:/sys/devices/virtual/powercap:ro",
            "powercap: /" FOLDER " lists %d RAPL zones, but a container masks their files", n);
    if (probe->n_channels == 0)
        return tm_probe_refuse(
            health, err, TM_PROBE_MISSING,
            "sudo modprobe intel_rapl_msr, on the machine itself (virtual machines "
            "and processors other than Intel's and AMD's do not have it)",
            "powercap: /" FOLDER " has no RAPL zone%s%s", n < 0 ? ": " : "",
            n < 0 ? strerror(errno) : "");
    return TM_OK;
}

static tm_probe_state read_powercap(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    return tm_probe_read_file(probe->options.root, channel->path[0], &channel->fd, out);
}

const tm_probe_source tm_probe_powercap = {
    .name = "powercap", .role = TM_PROBE_ROLE_ENERGY, .open = open_powercap, .read = read_powercap};
