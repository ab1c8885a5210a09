/* The CPUs of the machine below a root: which exist, which the recorded process may use, their
 * cores and their kinds. For this process on this machine, use engine/pool.h.
 *
 * Source: Linux, Documentation/ABI/testing/sysfs-devices-system-cpu (online, topology, cache),
 * arch/arm64/kernel/cpuinfo.c (a CPU's own part number in /proc/cpuinfo). */
#ifndef TM_HARNESS_MACHINE_MACHINE_CORES_H
#define TM_HARNESS_MACHINE_MACHINE_CORES_H

#include "kernels/base.h"

#define TM_CPUS_MAX       4096
#define TM_CORE_KINDS_MAX 8

/* Cores of one model with the same private and shared caches. */
typedef struct tm_core_kind {
    char model[48];  /* "Cortex-A725"; "" if cpuinfo names no core model */
    char cpus[160];  /* "0-4,10-14" */
    char caches[96]; /* level, type and size of each: "1D48K 1I32K 2U1280K" */
    int first_cpu, n_cpus;
} tm_core_kind;

typedef struct tm_machine_cores {
    int n_cpus;                 /* online; >= 1 */
    int n_cores;                /* physical, as far as the topology tells; >= 1 */
    int usable[TM_CPUS_MAX];    /* [n_usable] that root/proc/self may use, ascending */
    int n_usable, usable_cores; /* >= 1 */
    tm_core_kind kinds[TM_CORE_KINDS_MAX];
    int n_kinds; /* >= 1; in the order of their first CPUs */
} tm_machine_cores;

/* NULL: no memory. Freed by free(). */
tm_machine_cores *tm_machine_cores_read(const char *root);

/* A cache in the kernel's words. */
typedef struct tm_cache {
    int64_t level;
    char type[32]; /* "Data", "Instruction", "Unified" */
    char size[32]; /* "48K" */
} tm_cache;

/* The first cache of a CPU, from number *index on, whose type and size are known. *index becomes
 * its number. False: no more caches. */
bool tm_cache_next(const char *root, int cpu, int *index, tm_cache *out);

/* The processor's name from the Arm part numbers of all kinds: "Cortex-A725 + Cortex-X925". "" if
 * cpuinfo has no part number. */
void tm_machine_cores_model(const tm_machine_cores *cores, char *text, size_t size);

#endif
