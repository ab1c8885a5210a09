/* The condition of the machine around a timed region: clock, throttling, temperature, load. Read
 * before and after the region, never inside it; what a machine does not show is missing with a reason.
 *
 * A clock read at the edges is no mean over the region: a dip between them shows in the throttle
 * counters, where the processor has them, and else only in the times themselves.
 *
 * Source: Linux, Documentation/admin-guide/pm/cpufreq.rst (kHz), driver-api/thermal/sysfs-api.rst and
 * hwmon/sysfs-interface.rst (millidegrees), drivers/thermal/intel/therm_throt.c (events since boot). */
#ifndef TM_HARNESS_MEASURE_SAMPLE_CONDITIONS_H
#define TM_HARNESS_MEASURE_SAMPLE_CONDITIONS_H

#include "harness/record/record.h"

#define TM_SAMPLE_CONDITIONS_CPUS_MAX    256
#define TM_SAMPLE_CONDITIONS_SENSORS_MAX 64
/* A clock this much lower marks its sample: what reading it twice in a row may differ by is 2 %. */
#define TM_SAMPLE_CONDITIONS_CLOCK_DROP 0.05

/* What is read, found once so that reading opens files and looks for none. */
typedef struct tm_sample_conditions {
    const char *root; /* borrowed */
    int cpus[TM_SAMPLE_CONDITIONS_CPUS_MAX];
    int n_cpus; /* whose clock counts: 0 when threads are not pinned */
    const char *clock_file;
    bool has_throttle_counts;
    struct {
        bool core, package;
    } counts[TM_SAMPLE_CONDITIONS_CPUS_MAX];            /* [n_cpus] whose counters are added up */
    char sensors[TM_SAMPLE_CONDITIONS_SENSORS_MAX][96]; /* files of millidegrees */
    int n_sensors;
    char clock_missing[160], throttle_missing[160], temperature_missing[160];
    double first_hz; /* after the first region seen; NaN: none yet */
} tm_sample_conditions;

typedef struct tm_sample_condition {
    tm_measured frequency_hz;        /* mean of the CPUs */
    tm_measured throttle_events;     /* of the CPUs' cores and packages, each once, since boot */
    tm_measured temperature_celsius; /* of the hottest sensor of the processor */
    tm_measured load_average;        /* of the last minute */
} tm_sample_condition;

/* root: "/" or a recorded machine. cpus: [n_cpus] the threads are pinned to; n_cpus 0: they are not. */
void tm_sample_conditions_open(const char *root, const int *cpus, int n_cpus,
                               tm_sample_conditions *out);
void tm_sample_conditions_read(const tm_sample_conditions *conditions, tm_sample_condition *out);

/* The figures of a sample, and a mark for each that spoils it: a clock that fell within the region or
 * against the first one, throttling. */
void tm_sample_conditions_put(tm_sample_conditions *conditions, const tm_sample_condition *before,
                              const tm_sample_condition *after, tm_record *record);

#endif
