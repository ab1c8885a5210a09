/* Meters on the board, from hwmon. Per chip it uses the first kind of file that exists:
 * energyN_input, powerN_average, powerN_input, voltage times current. Rails are never added,
 * because a board's input rail contains the others.
 *
 * The channels come from hwmon's files. On the live machine, if libsensors is installed and knows
 * the chip, libsensors names the rails and reads watts, volts and amperes, so that the owner's
 * sensors.conf applies. Energies are always read from the files, as whole microjoules.
 *
 * Source: Linux, Documentation/hwmon/sysfs-interface.rst (microjoules, microwatts, millivolts,
 * milliamperes), ina3221.rst, drivers/hwmon/smpro-hwmon.c and xgene-hwmon.c (Ampere's labels),
 * amd_energy.rst (removed in 6.x, still built for older kernels). */
#include "harness/probe/probe_source.h"

#include "harness/base/sysfs.h"
#include "harness/probe/sensor_library.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FOLDER "sys/class/hwmon"
#define RECIPE                                                                                     \
    "sudo groupadd -f energy; sudo usermod -aG energy $USER; echo \"SUBSYSTEM==\\\"hwmon\\\", "    \
    "RUN+=\\\"/bin/sh -c 'cd /sys%p; chgrp energy energy*_input power*_input; chmod g+r "          \
    "energy*_input power*_input'\\\"\" | sudo tee /etc/udev/rules.d/90-hwmon.rules; sudo udevadm " \
    "control -R; sudo udevadm trigger -c add -s hwmon; then log in again"
#define MAX_INDEX 512 /* amd_energy has one per core */

enum { BY_FILE, BY_LIBRARY }; /* tm_channel.code */

/* Chips that do not measure the processor or its board. */
static const char *const others[] = {"amdgpu", "nouveau", "i915", "xe", "nvme", "drivetemp"};
/* Chips on which inN and currN are the voltage and the current of the same channel. */
static const char *const pairing[] = {"ina3221", "ina2xx", "ina209", "ina219",
                                      "ina226",  "ina233", "ina238"};

/* Chips that measure the processor, its board or the whole machine. Source: Linux, drivers/hwmon,
 * drivers/power/supply. */
static const char *const machines[] = {
    "power_meter", "amd_energy", "zenpower",   "fam15h_power", "ina3221",      "ina2xx",
    "ina209",      "ina219",     "ina220",     "ina226",       "ina230",       "ina231",
    "ina233",      "ina237",     "ina238",     "ina260",       "scmi_sensors", "scpi_sensors",
    "smpro_hwmon", "apm_xgene",  "ibmpowernv", "occ",          "macsmc_hwmon", "corsairpsu"};

static bool is_one_of(const char *name, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(name, list[i]) == 0) return true;
    return false;
}

/* An optical module, "sfp_1", reports optical power. Source: Linux, drivers/net/phy/sfp.c. */
static bool is_other(const char *name)
{
    return is_one_of(name, others, sizeof others / sizeof others[0]) ||
           strncmp(name, "sfp", 3) == 0;
}

/* A battery or a charger has its own chip, whose name depends on the maker (BAT0, CMB1,
 * macsmc_battery). Its device is a power supply, which has a type. Source: Linux,
 * drivers/power/supply/power_supply_hwmon.c, Documentation/ABI/testing/sysfs-class-power. */
static bool is_power_supply(const char *root, const char *folder)
{
    static const char *const types[] = {"Battery", "Mains", "UPS", "USB", "Wireless"};
    char path[PATH_MAX], type[32];
    snprintf(path, sizeof path, "%s/device/type", folder);
    return tm_sysfs_text(root, path, type, sizeof type) &&
           is_one_of(type, types, sizeof types / sizeof types[0]);
}

/* "hwmon3" of "sys/class/hwmon/hwmon3/device/power1_average". */
static const char *hwmon_of(const char *path, char name[32])
{
    const char *begin = path + strlen(FOLDER "/");
    snprintf(name, 32, "%.*s", (int)(strcspn(begin, "/") < 31 ? strcspn(begin, "/") : 31), begin);
    return name;
}

static bool has(const char *root, const char *folder, const char *kind, int index, const char *item)
{
    char path[PATH_MAX];
    tm_reading r = {0};
    snprintf(path, sizeof path, "%s/%s%d_%s", folder, kind, index, item);
    return tm_probe_read_file(root, path, NULL, &r) != TM_PROBE_MISSING;
}

/* A channel that is disabled or not connected, which Nvidia labels "NC" on its modules. Source:
 * Linux, Documentation/hwmon/sysfs-interface.rst (in[0-*]_enable); jetson_stats,
 * jtop/core/power.py. */
static bool is_unused(const char *root, const char *folder, const char *kind, int index)
{
    int64_t enabled;
    char path[PATH_MAX], label[48];
    snprintf(path, sizeof path, "%s/%s%d_enable", folder, kind, index);
    if (tm_sysfs_int(root, path, &enabled) && enabled == 0) return true;
    snprintf(path, sizeof path, "%s/%s%d_label", folder, kind, index);
    if (tm_sysfs_text(root, path, label, sizeof label) && strcmp(label, "NC") == 0) return true;
    /* An ACPI meter that measures a battery. Source: acpi_power_meter.rst. */
    snprintf(path, sizeof path, "%s/%s%d_is_battery", folder, kind, index);
    return tm_sysfs_int(root, path, &enabled) && enabled == 1;
}

static bool name_taken(const tm_probe *probe, const char *name)
{
    for (int i = 0; i < probe->n_channels - 1; i++)
        if (strcmp(probe->channels[i].info.name, name) == 0) return true;
    return false;
}

/* False if sensors.conf ignores the rail. label: "" if the library has none. */
static bool find_in_library(const tm_probe *probe, const char *folder, const char *kind, int index,
                            char *label, size_t size, bool *known)
{
    char input[32], ignored[48], hwmon[32];
    const char *chip = hwmon_of(folder, hwmon);
    label[0] = 0;
    *known = false;
    if (!probe->private) return true;
    snprintf(input, sizeof input, "%s%d", kind, index);
    tm_sensor_find found = tm_sensors_find(probe->private, chip, input, label, size);
    *known = found == TM_SENSOR_KNOWN;
    if (!*known || strcmp(label, input) == 0) label[0] = 0;
    if (*known && strcmp(kind, "in") == 0) {
        snprintf(input, sizeof input, "curr%d", index);
        found = tm_sensors_find(probe->private, chip, input, ignored, sizeof ignored);
    }
    return found != TM_SENSOR_IGNORED;
}

/* The scope of a channel; "": a rail.
 *
 * An ACPI power meter measures the whole server, unless oem_info says otherwise. Nvidia's Grace has
 * a meter per socket with its memory, meters of parts of the socket (CPU, SysIO), and one of the
 * whole module, GPU included. An Apple machine's PSTR is labelled as the power of all of it; the
 * adapter's may also charge a battery. Source: Linux, Documentation/hwmon/acpi_power_meter.rst,
 * drivers/hwmon/macsmc-hwmon.c, arch/arm64/boot/dts/apple/hwmon-common.dtsi; Nvidia, Grace
 * Performance Tuning Guide (power and thermals). */
static const char *scope_of(const char *chip, const char *label)
{
    if (strcmp(chip, "amd_energy") == 0)
        return strncmp(label, "Esocket", 7) == 0 ? "package" : "core";
    if (strcmp(chip, "macsmc_hwmon") == 0)
        return strcmp(label, "Total System Power") == 0 ? "system" : "";
    if (strcmp(chip, "power_meter") != 0) return "";
    if (strncmp(label, "Grace Power", 11) == 0) return "socket";
    return strstr(label, " Power Socket ") ? "" : "system";
}

/* A file of milliseconds, in seconds; 0 if it is missing or not positive. */
static double read_seconds(const char *root, const char *path)
{
    int64_t milliseconds;
    bool found = tm_sysfs_int(root, path, &milliseconds) && milliseconds > 0;
    return found ? 1e-3 * (double)milliseconds : 0;
}

/* How late the values of a channel are. A mean over a long time says nothing about a window that is
 * not much longer. Between two updates a chip may take the mean, as the INA2xx do. Source: Linux,
 * Documentation/hwmon/sysfs-interface.rst (update_interval, power[1-*]_average_interval),
 * ina2xx.rst, drivers/hwmon/acpi_power_meter.c. */
static void find_times(tm_probe *probe, tm_channel *c, const char *folder, int index)
{
    char path[PATH_MAX];
    const char *root = probe->options.root;
    double window = probe->options.window_seconds;
    c->is_timed = !c->may_rest;
    if (c->kind != TM_CHANNEL_POWER) return;
    snprintf(path, sizeof path, "%s/update_interval", folder);
    c->refresh_seconds = c->mean_seconds = read_seconds(root, path);
    c->is_timed = c->refresh_seconds == 0;
    if (!strstr(c->path[0], "_average")) return;
    snprintf(path, sizeof path, "%s/power%d_average_interval", folder, index);
    c->mean_seconds = read_seconds(root, path);
    if (!(window > 0) || c->mean_seconds <= window / TM_PROBE_SAMPLES_MIN) return;
    c->state = TM_PROBE_INVALID;
    snprintf(c->reason, sizeof c->reason,
             "%s is a mean over %.3g s (power%d_average_interval), more than a tenth of the window "
             "of %.3g s; use --energy-seconds %.0f",
             c->info.name, c->mean_seconds, index, window,
             ceil(TM_PROBE_SAMPLES_MIN * c->mean_seconds));
}

static tm_status add_rail(tm_probe *probe, const char *folder, const char *chip, const char *kind,
                          int index, const char *item, tm_error *err)
{
    char path[PATH_MAX], label[48], hwmon[32];
    bool energy = strcmp(kind, "energy") == 0, known;
    tm_channel *c;
    if (is_unused(probe->options.root, folder, kind, index)) return TM_OK;
    if (!find_in_library(probe, folder, kind, index, label, sizeof label, &known)) return TM_OK;
    tm_status status = tm_probe_add(probe, &c, err);
    if (status != TM_OK) return status;
    c->code = known && !energy ? BY_LIBRARY : BY_FILE;
    bool acpi = strcmp(chip, "power_meter") == 0;
    snprintf(path, sizeof path, "%s/%s%d_%s", folder, kind, index, acpi ? "oem_info" : "label");
    if (!label[0] && (!tm_sysfs_text(probe->options.root, path, label, sizeof label) || !label[0]))
        snprintf(label, sizeof label, "%s %s%d", chip, kind, index);
    /* Two chips of one type have the same labels. */
    snprintf(c->info.name, sizeof c->info.name, "%s", label);
    if (name_taken(probe, c->info.name))
        snprintf(c->info.name, sizeof c->info.name, "%.40s %.20s", label, hwmon_of(folder, hwmon));
    snprintf(c->info.scope, sizeof c->info.scope, "%s", scope_of(chip, label));
    if (!c->info.scope[0]) snprintf(c->info.scope, sizeof c->info.scope, "rail %s", c->info.name);
    snprintf(c->info.unit, sizeof c->info.unit, "joules");
    c->is_foreign = !is_one_of(chip, machines, sizeof machines / sizeof machines[0]);
    c->kind = energy ? TM_CHANNEL_COUNTER : TM_CHANNEL_POWER;
    c->info.method = energy ? "counter" : "integrated";
    c->scale = 1e-6;
    c->may_rest = strcmp(c->info.scope, "core") == 0; /* the spin is on one core */
    snprintf(c->path[0], sizeof c->path[0], "%.100s/%s%d_%s", folder, kind, index, item);
    if (strcmp(kind, "in") == 0)
        snprintf(c->path[1], sizeof c->path[1], "%.100s/curr%d_input", folder, index);
    find_times(probe, c, folder, index);
    return TM_OK;
}

/* Adds all rails of a chip, from the best kind of file only: a rail may appear in several kinds. */
static tm_status add_rails(tm_probe *probe, const char *folder, const char *chip, tm_error *err)
{
    const char *root = probe->options.root;
    tm_status status = TM_OK;
    int before = probe->n_channels;
    for (int i = 1; i < MAX_INDEX && status == TM_OK; i++) {
        if (!has(root, folder, "energy", i, "input")) {
            if (i > 8) break;
            continue;
        }
        status = add_rail(probe, folder, chip, "energy", i, "input", err);
    }
    if (status != TM_OK || probe->n_channels > before) return status;
    for (int i = 1; i <= 32 && status == TM_OK; i++)
        if (has(root, folder, "power", i, "average"))
            status = add_rail(probe, folder, chip, "power", i, "average", err);
        else if (has(root, folder, "power", i, "input"))
            status = add_rail(probe, folder, chip, "power", i, "input", err);
    if (status != TM_OK || probe->n_channels > before) return status;
    if (!is_one_of(chip, pairing, sizeof pairing / sizeof pairing[0])) return TM_OK;
    /* ina3221 has three channels; in4 to in6 are shunt voltages, curr4 is the sum of the
     * currents. */
    for (int i = 1; i <= 3 && status == TM_OK; i++)
        if (has(root, folder, "in", i, "input") && has(root, folder, "curr", i, "input"))
            status = add_rail(probe, folder, chip, "in", i, "input", err);
    return status;
}

/* Drivers with the old kind of registration keep their files, and sometimes their name, in the
 * device's folder, as ACPI's power meter did until 2025. */
static tm_status add_chip(tm_probe *probe, const char *folder, tm_error *err)
{
    const char *root = probe->options.root;
    char chip[48], path[PATH_MAX], device[120];
    int before = probe->n_channels;
    snprintf(device, sizeof device, "%.100s/device", folder);
    snprintf(path, sizeof path, "%s/name", folder);
    if (!tm_sysfs_text(root, path, chip, sizeof chip)) {
        snprintf(path, sizeof path, "%s/name", device);
        if (!tm_sysfs_text(root, path, chip, sizeof chip)) return TM_OK;
    }
    if (is_other(chip) || is_power_supply(root, folder)) return TM_OK;
    tm_status status = add_rails(probe, folder, chip, err);
    if (status != TM_OK || probe->n_channels > before) return status;
    return add_rails(probe, device, chip, err);
}

/* Several meters of "the whole machine" are parts of it, such as its supplies, or the same power
 * twice. They are never added. */
static void name_systems(tm_probe *probe)
{
    int n = 0;
    for (int i = 0; i < probe->n_channels; i++)
        n += strcmp(probe->channels[i].info.scope, "system") == 0;
    for (int i = 0; i < probe->n_channels && n > 1; i++) {
        tm_probe_channel_info *info = &probe->channels[i].info;
        if (strcmp(info->scope, "system") == 0)
            snprintf(info->scope, sizeof info->scope, "rail %s", info->name);
    }
}

static int is_hwmon(const struct dirent *entry)
{
    return strncmp(entry->d_name, "hwmon", 5) == 0;
}

static tm_status open_hwmon(tm_probe *probe, tm_probe_health *health, tm_error *err)
{
    char folder[PATH_MAX], chip_folder[120];
    struct dirent **entries = NULL;
    tm_status status = TM_OK;
    tm_sensors *sensors = NULL;
    tm_error why;
    /* Without the library the files are read directly. */
    if (strcmp(probe->options.root, "/") == 0 && tm_sensors_open(&sensors, &why) == TM_OK)
        probe->private = sensors;
    snprintf(folder, sizeof folder, "%s/" FOLDER, probe->options.root);
    int n = scandir(folder, &entries, is_hwmon, alphasort);
    for (int i = 0; i < n; i++) {
        snprintf(chip_folder, sizeof chip_folder, FOLDER "/%.80s", entries[i]->d_name);
        if (status == TM_OK) status = add_chip(probe, chip_folder, err);
        free(entries[i]);
    }
    free(entries);
    if (status != TM_OK) return status;
    name_systems(probe);
    if (probe->n_channels == 0)
        return tm_probe_refuse(health, err, TM_PROBE_MISSING, "use an external meter (--meter)",
                               "hwmon: no chip below /" FOLDER " measures energy or power");
    snprintf(health->fix, sizeof health->fix, "%s", RECIPE);
    return TM_OK;
}

/* Watts as whole microwatts, the unit of the files. */
static tm_probe_state to_microwatts(const tm_channel *channel, double watts, tm_reading *out)
{
    if (!(watts >= 0 && watts < 1e9)) {
        snprintf(out->reason, sizeof out->reason, "%s: %g W is not a valid power",
                 channel->info.name, watts);
        return TM_PROBE_INVALID;
    }
    out->raw = (uint64_t)(1e6 * watts + 0.5);
    return TM_PROBE_OK;
}

/* Reads "sys/class/hwmon/hwmon3/power1_input" as "power1_input" of "hwmon3". */
static tm_status read_by_library(const tm_sensors *sensors, const char *path, double *value,
                                 tm_error *err)
{
    char hwmon[32];
    return tm_sensors_read(sensors, hwmon_of(path, hwmon), strrchr(path, '/') + 1, value, err);
}

static tm_probe_state read_library(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    double value = 0, current = 1;
    tm_error why;
    tm_status status = read_by_library(probe->private, channel->path[0], &value, &why);
    bool is_pair = channel->path[1][0];
    if (status == TM_OK && is_pair)
        status = read_by_library(probe->private, channel->path[1], &current, &why);
    if (is_pair) channel->digit = fmax(1, 1e3 * (value + current));
    if (status == TM_OK) return to_microwatts(channel, value * current, out);
    snprintf(out->reason, sizeof out->reason, "%.190s", why.message);
    return TM_PROBE_INVALID;
}

static tm_probe_state read_hwmon(tm_probe *probe, tm_channel *channel, tm_reading *out)
{
    if (channel->code == BY_LIBRARY) return read_library(probe, channel, out);
    tm_probe_state state =
        tm_probe_read_file(probe->options.root, channel->path[0], &channel->fd, out);
    if (state != TM_PROBE_OK || !channel->path[1][0]) return state;
    uint64_t millivolts = out->raw;
    state = tm_probe_read_file(probe->options.root, channel->path[1], &channel->second_fd, out);
    if (state != TM_PROBE_OK) return state;
    /* A millivolt and a milliampere, in microwatts. */
    channel->digit = fmax(1, (double)millivolts + (double)out->raw);
    if (__builtin_mul_overflow(millivolts, out->raw, &out->raw)) {
        snprintf(out->reason, sizeof out->reason, "%s: voltage times current overflows",
                 channel->info.name);
        return TM_PROBE_INVALID;
    }
    return TM_PROBE_OK;
}

static void close_hwmon(tm_probe *probe)
{
    tm_sensors_close(probe->private);
    probe->private = NULL;
}

const tm_probe_source tm_probe_hwmon = {.name = "hwmon",
                                        .role = TM_PROBE_ROLE_ENERGY,
                                        .open = open_hwmon,
                                        .read = read_hwmon,
                                        .close = close_hwmon};
