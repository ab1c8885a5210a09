/* The machine and its state, read from /proc and /sys below a root directory, so that recorded
 * machines can be tested. It is a plain struct and becomes JSON only when it is written.
 *
 * The hardware part stays the same: processor, cores, caches, memory. Its hash is the fingerprint.
 * The environment part may change from run to run: governor, limits, load.
 */
#ifndef TM_HARNESS_MACHINE_MACHINE_H
#define TM_HARNESS_MACHINE_MACHINE_H

#include "harness/base/hash.h"
#include "harness/base/json.h"
#include "harness/machine/cgroup.h"
#include "harness/machine/machine_cores.h"

#define TM_MACHINE_CACHES_MAX 16

/* A text, or the reason why it is unknown. */
typedef struct tm_machine_text {
    char value[200];   /* "" if unknown */
    char missing[128]; /* why; "" if known */
} tm_machine_text;

typedef struct tm_machine_cache {
    int level;
    char type[32]; /* "data", "instruction", "unified" */
    double size_bytes;
    char shared_by_cpus[256]; /* "0-3"; "" if unknown */
} tm_machine_cache;

/* The caches that one CPU uses. */
typedef struct tm_machine_caches {
    tm_machine_cache items[TM_MACHINE_CACHES_MAX];
    int n;            /* 0: unknown */
    char missing[80]; /* why */
} tm_machine_caches;

/* CPUs of one core model with the same caches. */
typedef struct tm_machine_core_kind {
    char cpus[160]; /* "0-4,10-14" */
    char model[48]; /* "Cortex-A725"; "" if unknown */
    int n_cpus;
    tm_machine_caches caches;
} tm_machine_core_kind;

typedef struct tm_machine {
    /* Hardware. */
    char fingerprint[24];
    char cpu_model[96]; /* "" if unknown */
    tm_machine_text architecture, cpu_family, cpu_model_number, cpu_stepping;
    int n_cpus;         /* that this process may use */
    int n_cores;        /* physical, of those CPUs */
    int n_online_cpus;  /* of the machine */
    int n_online_cores; /* physical, as far as the topology tells */
    int first_cpu;      /* that this process may use */
    tm_machine_caches caches;
    tm_machine_core_kind core_kinds[TM_CORE_KINDS_MAX];
    int n_core_kinds;   /* 0 if all cores are alike */
    int n_numa_nodes;   /* with CPUs; 0: unknown */
    int n_memory_nodes; /* NUMA nodes without a CPU */
    int64_t memory_gib; /* -1: unknown */
    tm_machine_text product;
    bool virtual_machine;
    bool emulated; /* qemu user mode translates instructions: no time means anything */

    /* Environment. */
    char date[32]; /* UTC, when this was read */
    /* Which of several alike machines it is: its name, and a hash of its machine-id and of the
     * serial number of a board. */
    tm_machine_text host, host_id;
    tm_machine_text microcode, bios;
    tm_machine_text kernel, governor, turbo, smt, transparent_huge_pages, clock_source;
    tm_machine_text perf_event_paranoid;
    tm_cgroup cgroup;
    int64_t memory_available_bytes; /* least of MemAvailable and what cgroups leave; -1: unknown */
    char memory_limit[96];          /* what sets it: "MemAvailable", "cgroup memory limit" */
    int64_t swap_total_bytes;       /* -1: unknown */
    double load_average;            /* of the last minute; NaN: unknown */
    double steal_percent; /* of CPU time since boot, given to other guests; NaN: unknown */
} tm_machine;

/* root: "/" for this machine, otherwise a directory with proc/ and sys/. Errors: IO if root has no
 * proc/cpuinfo, NOMEM. */
tm_status tm_machine_read(const char *root, tm_machine *out, tm_error *err) TM_MUST_USE;

/* The two parts as JSON objects, as they stand in a run record. Unknown values are null and have a
 * <key>_missing. The environment includes this build. NULL: no memory. */
tm_json *tm_machine_hardware_to_json(const tm_machine *machine);
tm_json *tm_machine_environment_to_json(const tm_machine *machine);

/* The largest cache of a level, or of any level if 0. Returns 0 if unknown. */
size_t tm_machine_cache_bytes(const tm_machine *machine, int level);

/* Jiffies in the first line of /proc/stat: all, and those stolen by the hypervisor. False if it is
 * unreadable. */
bool tm_machine_cpu_ticks(const char *root, int64_t *all, int64_t *stolen);

#endif
