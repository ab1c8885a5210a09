/* What control groups allow this process to use: memory and CPU time, versions 1 and 2. */
#ifndef TM_HARNESS_MACHINE_CGROUP_H
#define TM_HARNESS_MACHINE_CGROUP_H

#include "kernels/base.h"

typedef struct tm_cgroup {
    int64_t memory_limit_bytes; /* of the tightest group; -1: no limit */
    int64_t memory_left_bytes;  /* limit minus what is used and not reclaimable; -1: no limit */
    char memory_group[160];     /* that group's folder */
    double cpu_limit;           /* in CPUs; 0: no limit */
    char cpu_group[160];
    bool known; /* a memory or cpu controller was readable */
} tm_cgroup;

/* Walks from the process's group (root/proc/self/cgroup) to the top, since every group on the
 * way may set a limit. In a container that shows only a part of the tree, the walk ends at the
 * top of that part. */
void tm_cgroup_read(const char *root, tm_cgroup *out);

#endif
