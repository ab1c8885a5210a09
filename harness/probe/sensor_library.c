#include "harness/probe/sensor_library.h"

#include "harness/base/dynlib.h"

#include <sensors/error.h>
#include <sensors/sensors.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY "libsensors.so.5"

#define FUNCTIONS(X)                                                                               \
    X(init)                                                                                        \
    X(cleanup)                                                                                     \
    X(get_detected_chips)                                                                          \
    X(get_features)                                                                                \
    X(get_all_subfeatures)                                                                         \
    X(get_label)                                                                                   \
    X(get_value)                                                                                   \
    X(strerror)

struct tm_sensors {
    const char *const *version;
    int n_chips;
#define MEMBER(name) __typeof__(sensors_##name) *name;
    FUNCTIONS(MEMBER)
#undef MEMBER
};

static const tm_dynlib_function functions[] = {
    {"libsensors_version", offsetof(tm_sensors, version)},
#define ROW(name) {"sensors_" #name, offsetof(tm_sensors, name)},
    FUNCTIONS(ROW)
#undef ROW
};

tm_status tm_sensors_open(tm_sensors **out, tm_error *err)
{
    *out = NULL;
    tm_sensors *s = calloc(1, sizeof *s);
    if (!s) return tm_fail(err, TM_NOMEM, "no memory to open libsensors");
    tm_status status = tm_dynlib_open(LIBRARY, "libsensors", functions,
                                      sizeof functions / sizeof functions[0], s, err);
    if (status == TM_OK) {
        int code = s->init(NULL); /* the system's sensors.conf */
        if (code != 0) {
            s->cleanup();
            status = tm_fail(err, TM_UNSUPPORTED, "libsensors cannot be initialized: %s",
                             s->strerror(code));
        }
    }
    if (status != TM_OK) {
        free(s);
        return status;
    }
    for (int nr = 0; s->get_detected_chips(NULL, &nr);) s->n_chips++;
    *out = s;
    return TM_OK;
}

void tm_sensors_close(tm_sensors *sensors)
{
    if (!sensors) return;
    sensors->cleanup();
    free(sensors);
}

const char *tm_sensors_version(const tm_sensors *sensors)
{
    return *sensors->version;
}

int tm_sensors_n_chips(const tm_sensors *sensors)
{
    return sensors->n_chips;
}

/* Finds the chip whose files are in .../hwmonN, or in .../hwmonN/device for old drivers. */
static const sensors_chip_name *find_chip(const tm_sensors *s, const char *folder)
{
    const sensors_chip_name *chip;
    size_t n = strlen(folder);
    for (int nr = 0; (chip = s->get_detected_chips(NULL, &nr));) {
        const char *at = chip->path ? strstr(chip->path, folder) : NULL;
        if (at && at > chip->path && at[-1] == '/' && (!at[n] || at[n] == '/')) return chip;
    }
    return NULL;
}

tm_sensor_find tm_sensors_find(const tm_sensors *sensors, const char *folder, const char *input,
                               char *label, size_t size)
{
    const sensors_chip_name *chip = find_chip(sensors, folder);
    const sensors_feature *feature;
    if (!chip) return TM_SENSOR_UNKNOWN;
    for (int nr = 0; (feature = sensors->get_features(chip, &nr));) {
        if (strcmp(feature->name, input) != 0) continue;
        char *text = sensors->get_label(chip, feature);
        snprintf(label, size, "%s", text ? text : input);
        free(text);
        return TM_SENSOR_KNOWN;
    }
    return TM_SENSOR_IGNORED;
}

tm_status tm_sensors_read(const tm_sensors *sensors, const char *folder, const char *file,
                          double *value, tm_error *err)
{
    const sensors_chip_name *chip = find_chip(sensors, folder);
    const sensors_feature *feature;
    const sensors_subfeature *sub;
    for (int nr = 0; chip && (feature = sensors->get_features(chip, &nr));)
        for (int k = 0; (sub = sensors->get_all_subfeatures(chip, feature, &k));) {
            if (strcmp(sub->name, file) != 0) continue;
            int code = sensors->get_value(chip, sub->number, value);
            if (code == 0) return TM_OK;
            return tm_fail(err, TM_IO, "%s of %s: libsensors: %s", file, folder,
                           sensors->strerror(code));
        }
    return tm_fail(err, TM_IO, "%s of %s: libsensors does not know it", file, folder);
}
