/* Loads libsensors at run time. It applies the sensors.conf of the machine's owner, which names
 * inputs, corrects values (for a board's shunt resistors) and ignores inputs that are not
 * connected. The channels themselves are found in hwmon's files; this module only reads their
 * values.
 *
 * libsensors reads only the live machine, and does not know chips on some buses (SCMI). Such chips,
 * recorded machines, and energies (which it returns as floating-point joules) are read from hwmon's
 * files.
 *
 * Source: sensors/sensors.h of lm-sensors 3.6; sensors.conf(5). */
#ifndef TM_HARNESS_PROBE_SENSOR_LIBRARY_H
#define TM_HARNESS_PROBE_SENSOR_LIBRARY_H

#include "kernels/base.h"

typedef struct tm_sensors tm_sensors;

typedef enum tm_sensor_find {
    TM_SENSOR_UNKNOWN, /* libsensors does not know the chip */
    TM_SENSOR_IGNORED, /* sensors.conf ignores the input */
    TM_SENSOR_KNOWN,
} tm_sensor_find;

/* One at a time per process, because the library's state is global. Errors: UNSUPPORTED with the
 * reason, NOMEM. */
tm_status tm_sensors_open(tm_sensors **out, tm_error *err) TM_MUST_USE;
void tm_sensors_close(tm_sensors *sensors);

const char *tm_sensors_version(const tm_sensors *sensors);
int tm_sensors_n_chips(const tm_sensors *sensors);

/* Finds an input ("power1", "in2", "temp1") of the chip in one of hwmon's folders ("hwmon3").
 * label: the owner's, otherwise the driver's, otherwise the input's name. */
tm_sensor_find tm_sensors_find(const tm_sensors *sensors, const char *folder, const char *input,
                               char *label, size_t size);
/* Reads the value of a file ("power1_average") in W, V, A or degrees Celsius. Errors: IO. */
tm_status tm_sensors_read(const tm_sensors *sensors, const char *folder, const char *file,
                          double *value, tm_error *err) TM_MUST_USE;

#endif
