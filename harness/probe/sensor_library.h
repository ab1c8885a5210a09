/* The door to libsensors, opened at run time. It knows what no file of hwmon does: the machine's owner's
 * sensors.conf, which names inputs, corrects values (a board's shunt resistors) and leaves out inputs
 * that are not wired. What there is to measure is found in hwmon's own files; this says how to read it.
 *
 * libsensors reads the live machine only, and leaves out chips on buses it does not know (SCMI's):
 * those, energies (which it hands out as floating joules) and recorded machines are read from hwmon.
 *
 * Source: sensors/sensors.h of lm-sensors 3.6; sensors.conf(5). */
#ifndef TM_HARNESS_PROBE_SENSOR_LIBRARY_H
#define TM_HARNESS_PROBE_SENSOR_LIBRARY_H

#include "kernels/base.h"

typedef struct tm_sensors tm_sensors;

typedef enum tm_sensor_find {
    TM_SENSOR_UNKNOWN, /* libsensors does not show this chip */
    TM_SENSOR_IGNORED, /* sensors.conf leaves this input out */
    TM_SENSOR_KNOWN,
} tm_sensor_find;

/* One at a time in a process: the library's state is global. Errors: UNSUPPORTED with the reason, NOMEM. */
tm_status tm_sensors_open(tm_sensors **out, tm_error *err) TM_MUST_USE;
void tm_sensors_close(tm_sensors *sensors);

const char *tm_sensors_version(const tm_sensors *sensors);
int tm_sensors_n_chips(const tm_sensors *sensors);

/* An input ("power1", "in2", "temp1") of the chip in a folder of hwmon ("hwmon3"). label: the owner's,
 * else the driver's, else the input's own name. */
tm_sensor_find tm_sensors_find(const tm_sensors *sensors, const char *folder, const char *input,
                               char *label, size_t size);
/* Its value by the file that holds it ("power1_average"), in W, V, A or degrees Celsius. Errors: IO. */
tm_status tm_sensors_read(const tm_sensors *sensors, const char *folder, const char *file,
                          double *value, tm_error *err) TM_MUST_USE;

#endif
