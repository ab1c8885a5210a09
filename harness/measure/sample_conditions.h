/* The conditions of a timed region: CPU frequency, throttling, temperature, load. They are read
 * before and after the region, never inside it. What a machine does not report is missing, with the
 * reason.
 *
 * The frequency at the edges is not a mean over the region. A dip between them shows in the
 * throttle counters if the processor has them, otherwise only in the times themselves.
 *
 * Source: Linux, Documentation/admin-guide/pm/cpufreq.rst (kHz), driver-api/thermal/sysfs-api.rst
 * and hwmon/sysfs-interface.rst (millidegrees), drivers/thermal/intel/therm_throt.c (events since
 * boot). */
#ifndef TM_HARNESS_MEASURE_SAMPLE_CONDITIONS_H
#define TM_HARNESS_MEASURE_SAMPLE_CONDITIONS_H

#include "harness/machine/pi_firmware.h"
#include "harness/record/record.h"

#define TM_SAMPLE_CONDITIONS_CPUS_MAX    256
#define TM_SAMPLE_CONDITIONS_SENSORS_MAX 64
/* A frequency drop of this share marks the sample. Two readings in a row may differ by 2 %. */
#define TM_SAMPLE_CONDITIONS_CLOCK_DROP 0.05

/* The files to read, found once, so that reading does not search for them. */
typedef struct tm_sample_conditions {
    const char *root; /* borrowed */
    int cpus[TM_SAMPLE_CONDITIONS_CPUS_MAX];
    int n_cpus; /* that the threads are pinned to; 0: they are not pinned */
    const char *clock_file;
    bool has_throttle_counts;
    /* [n_cpus]: which of a CPU's counters to add up. */
    struct {
        bool core, package;
    } counts[TM_SAMPLE_CONDITIONS_CPUS_MAX];
    char sensors[TM_SAMPLE_CONDITIONS_SENSORS_MAX][96]; /* [n_sensors]: files of millidegrees */
    int n_sensors;
    char clock_missing[160], throttle_missing[160], temperature_missing[160];
    double first_hz; /* after the first region; NaN: there was none yet */
    char quota[200]; /* file with the throttled periods of the control group; "": none */
    tm_pi_firmware pi;
} tm_sample_conditions;

typedef struct tm_sample_condition {
    tm_measured frequency_hz;            /* mean of the CPUs */
    tm_measured throttle_events;         /* since boot; each core and each package counts once */
    tm_measured temperature_celsius;     /* of the processor's hottest sensor */
    tm_measured load_average;            /* over the last minute */
    int64_t ns;                          /* when it was read */
    double busy_seconds, stolen_seconds; /* of the pinned CPUs, since boot; NaN: unknown */
    double own_seconds;                  /* CPU time of this process */
    int64_t throttled_periods;           /* of the control group; -1: unknown */
    unsigned pi_flags;                   /* TM_PI_*; 0 also if unknown */
    bool has_pi_flags;
} tm_sample_condition;

/* root: "/" or a recorded machine. cpus: [n_cpus], which the threads are pinned to; none if n_cpus
 * is 0. */
void tm_sample_conditions_open(const char *root, const int *cpus, int n_cpus,
                               tm_sample_conditions *out);
void tm_sample_conditions_read(const tm_sample_conditions *conditions, tm_sample_condition *out);

/* Puts the conditions into a sample. Marks it if the frequency fell during the region or since the
 * first region, if the processor or the control group was throttled, if the firmware of a Raspberry
 * Pi held it back, or if others took CPU time. */
void tm_sample_conditions_put(tm_sample_conditions *conditions, const tm_sample_condition *before,
                              const tm_sample_condition *after, tm_record *record);

#endif
