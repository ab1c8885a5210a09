#include "harness/doctor/doctor.h"

#include "harness/base/sysfs.h"

#include <dirent.h>
#include <limits.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *tm_doctor_status_text(tm_doctor_status status)
{
    return status == TM_DOCTOR_OK ? "ok" : status == TM_DOCTOR_WARN ? "warn" : "missing";
}

tm_doctor_line *tm_doctor_add(tm_doctor *doctor, const char *name)
{
    bool has_room = doctor->n_lines < TM_DOCTOR_LINES_MAX;
    tm_doctor_line *line = has_room ? &doctor->lines[doctor->n_lines++] : &doctor->spare;
    doctor->n_dropped += !has_room;
    memset(line, 0, sizeof *line);
    snprintf(line->name, sizeof line->name, "%s", name);
    return line;
}

tm_status tm_doctor_check(const tm_doctor *doctor, tm_error *err)
{
    if (doctor->n_dropped == 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED,
                   "doctor: %d lines exceed the limit of %d; raise TM_DOCTOR_LINES_MAX",
                   doctor->n_lines + doctor->n_dropped, TM_DOCTOR_LINES_MAX);
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

/* The hottest zone, and whether any zone has reached a limit at which the kernel throttles. */
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
                       "a zone is at its limit, so the clock is throttled");
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

/* Drivers give a supply any name (AC, ADP1, macsmc-ac, ucsi-source-psy-USBC000:001), so only `type`
 * tells what it is. A laptop may have several ports of which one is in use. Source: Linux,
 * Documentation/ABI/testing/sysfs-class-power. */
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
        snprintf(path, sizeof path, "%s/scope", folder); /* "Device": a battery of a mouse */
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
        tm_doctor_warn(line, "connect the machine to mains power",
                       "on battery, the firmware lowers the power limits");
}

tm_status tm_doctor_read(const tm_doctor_options *options, tm_doctor *out, tm_error *err)
{
    tm_machine machine;
    out->n_lines = out->n_dropped = 0;
    tm_status status = tm_machine_read(options->root, &machine, err);
    if (status != TM_OK) return status;
    tm_doctor_read_machine(&machine, options->root, out);
    read_thermal(options->root, out);
    read_power_supply(options->root, out);
    tm_doctor_read_live(options, &machine, out);
    tm_doctor_read_probes(options, out);
    return tm_doctor_check(out, err);
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
