/* The machine and the state it is in, read from /proc and /sys below a root directory, so that
 * recorded machines can be tested. What is not there is missing with a reason.
 *
 * `machine` is what stays: processor, cores, caches, memory. `environment` is what may change from
 * run to run: governor, limits, load. The fingerprint is a hash of the first.
 */
#ifndef TM_HARNESS_MACHINE_MACHINE_H
#define TM_HARNESS_MACHINE_MACHINE_H

#include "harness/base/hash.h"
#include "harness/base/json.h"

typedef struct tm_machine {
    tm_json *machine;               /* object; owned */
    tm_json *environment;           /* object; owned */
    char fingerprint[24];           /* of `machine` */
    char cpu_model[96];             /* "" when not known */
    int n_cpus;                     /* this process may use */
    int n_cores;                    /* physical, among them */
    int64_t memory_available_bytes; /* least of MemAvailable and what cgroups leave; -1 unknown */
    char memory_limit[96];          /* what sets it: "MemAvailable", "cgroup memory limit" */
    double load_average;            /* of the last minute; NaN not known */
    bool virtual_machine;
    bool emulated; /* instructions are emulated (qemu user mode): no time means anything */
} tm_machine;

/* root: "/" for this machine, else a directory holding proc/ and sys/. Errors: IO when root has no
 * proc/cpuinfo, NOMEM. */
tm_status tm_machine_read(const char *root, tm_machine *out, tm_error *err) TM_MUST_USE;
void tm_machine_free(tm_machine *env);

/* Jiffies of /proc/stat's first line: of all, and stolen by the hypervisor. False: unreadable. */
bool tm_machine_cpu_ticks(const char *root, int64_t *all, int64_t *stolen);

#endif
