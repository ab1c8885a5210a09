/* How much of the machine's CPU time went elsewhere while a command measured. */
#ifndef TM_HARNESS_CLI_CPU_USE_H
#define TM_HARNESS_CLI_CPU_USE_H

#include "kernels/base.h"

/* CPU seconds since boot: all, busy without stolen ones, and stolen by the hypervisor; and those of
 * this process and its ended children. `all` is 0 if /proc/stat cannot be read. */
typedef struct tm_cpu_use {
    double all, busy, stolen, own;
} tm_cpu_use;

tm_cpu_use tm_cpu_use_read(void);

/* Percent of the time between two readings. NaN: not readable, or no time passed. */
double tm_cpu_use_others(const tm_cpu_use *before, const tm_cpu_use *after);
double tm_cpu_use_stolen(const tm_cpu_use *before, const tm_cpu_use *after);

/* Above so many percent the machine was busy. */
#define TM_CPU_USE_BUSY 5.0
/* "the machine was quiet: other processes used 1 % of its CPU time". Returns out. */
char *tm_cpu_use_text(double others, double stolen, char *out, size_t size);

#endif
