#include "harness/machine/pi_firmware.h"

#include "harness/base/sysfs.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_CHIPS 64

/* On a Pi 5 the folder is soc@107c000000, on earlier ones soc. */
static void find_throttled(const char *root, tm_pi_firmware *out)
{
    char pattern[400];
    glob_t found = {0};
    size_t skip = strlen(root) + (root[0] && root[strlen(root) - 1] == '/' ? 0 : 1);
    snprintf(pattern, sizeof pattern, "%s%ssys/devices/platform/soc*/soc*:firmware/get_throttled",
             root, skip > strlen(root) ? "/" : "");
    if (glob(pattern, 0, NULL, &found) == 0 &&
        strlen(found.gl_pathv[0] + skip) < sizeof out->throttled)
        strcpy(out->throttled, found.gl_pathv[0] + skip);
    globfree(&found);
}

void tm_pi_firmware_find(const char *root, tm_pi_firmware *out)
{
    char path[80], name[32];
    memset(out, 0, sizeof *out);
    find_throttled(root, out);
    for (int i = 0; i < MAX_CHIPS && !out->alarm[0]; i++) {
        snprintf(path, sizeof path, "sys/class/hwmon/hwmon%d/name", i);
        if (!tm_sysfs_text(root, path, name, sizeof name) || strcmp(name, "rpi_volt") != 0)
            continue;
        snprintf(out->alarm, sizeof out->alarm, "sys/class/hwmon/hwmon%d/in0_lcrit_alarm", i);
    }
}

bool tm_pi_firmware_read(const char *root, const tm_pi_firmware *firmware, unsigned *flags)
{
    char text[32], *end;
    int64_t alarm;
    bool known = false;
    *flags = 0;
    if (firmware->throttled[0] && tm_sysfs_text(root, firmware->throttled, text, sizeof text)) {
        *flags = (unsigned)strtoul(text, &end, 16);
        known = end != text && *end == 0;
        if (!known) *flags = 0;
    }
    if (firmware->alarm[0] && tm_sysfs_int(root, firmware->alarm, &alarm)) {
        if (alarm > 0) *flags |= TM_PI_UNDER_VOLTAGE;
        known = true;
    }
    return known;
}

const char *tm_pi_firmware_text(unsigned flags, char *text, size_t size)
{
    static const struct {
        unsigned flag;
        const char *text;
    } rows[] = {{TM_PI_UNDER_VOLTAGE, "under-voltage"},
                {TM_PI_FREQUENCY_CAPPED, "frequency capped"},
                {TM_PI_THROTTLED, "throttled"},
                {TM_PI_SOFT_LIMIT, "soft temperature limit"}};
    size_t n = 0;
    text[0] = 0;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0] && n < size; i++)
        if (flags & rows[i].flag)
            n += (size_t)snprintf(text + n, size - n, "%s%s", n ? ", " : "", rows[i].text);
    return text;
}
