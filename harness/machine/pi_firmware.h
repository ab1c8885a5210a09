/* What the firmware of a Raspberry Pi reports about its supply and its heat.
 *
 * Source: Raspberry Pi, config.txt and vcgencmd get_throttled; Linux of Raspberry Pi,
 * drivers/firmware/raspberrypi.c (the file, in hexadecimal); Linux, drivers/hwmon/
 * raspberrypi-hwmon.c (the alarm). */
#ifndef TM_HARNESS_MACHINE_PI_FIRMWARE_H
#define TM_HARNESS_MACHINE_PI_FIRMWARE_H

#include "kernels/base.h"

#define TM_PI_UNDER_VOLTAGE    0x1u
#define TM_PI_FREQUENCY_CAPPED 0x2u
#define TM_PI_THROTTLED        0x4u
#define TM_PI_SOFT_LIMIT       0x8u /* of the temperature */
#define TM_PI_NOW              0xfu
#define TM_PI_SINCE_BOOT       16 /* the same bits, shifted by this, since boot */

/* The files to read, found once. Both "": not a Raspberry Pi. */
typedef struct tm_pi_firmware {
    char throttled[200]; /* get_throttled */
    char alarm[80];      /* of rpi_volt */
} tm_pi_firmware;

void tm_pi_firmware_find(const char *root, tm_pi_firmware *out);
/* All flags. False if neither file is readable. */
bool tm_pi_firmware_read(const char *root, const tm_pi_firmware *firmware, unsigned *flags);
/* "under-voltage, throttled" of the flags of now; "" if none is set. Returns text. */
const char *tm_pi_firmware_text(unsigned flags, char *text, size_t size);

#endif
