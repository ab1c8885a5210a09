/* What the control groups of this process leave it: memory and CPU time, versions 1 and 2. */
#ifndef TM_HARNESS_MACHINE_CGROUP_H
#define TM_HARNESS_MACHINE_CGROUP_H

#include "kernels/base.h"

typedef struct tm_cgroup {
    int64_t memory_limit_bytes; /* of the tightest group; -1: none */
    int64_t
        memory_left_bytes;  /* limit less what is in use and cannot be given back; -1: no limit */
    char memory_group[160]; /* that group's folder */
    double cpu_limit;       /* CPUs' worth of time; 0: none */
    char cpu_group[160];
    bool known; /* a memory or cpu controller was readable */
} tm_cgroup;

/* Walks from the process's group (root/proc/self/cgroup) up to the top: any group above may limit.
 * A container that shows only its own part is read at the top of what it shows. */
void tm_cgroup_read(const char *root, tm_cgroup *out);

#endif
