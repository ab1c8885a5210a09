/* Which CPUs this process may use, in the order in which threads should fill them.
 * Internal to the engine; only topology.c includes hwloc. */
#ifndef TM_ENGINE_TOPOLOGY_H
#define TM_ENGINE_TOPOLOGY_H

#include "kernels/base.h"

/* CPUs (operating-system numbers) in the calling thread's affinity mask, which a cpuset cgroup has
 * already narrowed: one per physical core first, the fastest kind of core first, then their
 * hardware siblings. */
typedef struct tm_topology {
    int *cpus;   /* [n_cpus], owned */
    int *nodes;  /* [n_cpus], the memory node of each; 0 if unknown */
    int *kinds;  /* [n_cpus], the kind of core, higher is faster; -1 if unknown */
    int n_cpus;  /* >= 1 */
    int n_cores; /* physical cores among them: the first n_cores of cpus */
} tm_topology;

/* A thread's affinity mask, kept to restore it. */
typedef struct tm_affinity {
    void *mask; /* owned; NULL: nothing to restore */
    int n_cpus;
} tm_affinity;

/* If hwloc knows nothing (no readable /sys), every CPU counts as a core, in ascending order.
 * Errors: IO (the mask cannot be read), NOMEM. */
tm_status tm_topology_open(tm_topology *out, tm_error *err) TM_MUST_USE;
/* The same for given CPUs, ascending. Errors: NOMEM. */
tm_status tm_topology_of(const int *cpus, int n_cpus, tm_topology *out, tm_error *err) TM_MUST_USE;
void tm_topology_close(tm_topology *topology);
/* Index of a CPU in the list; -1: it is absent. */
int tm_topology_find(const tm_topology *topology, int cpu);

/* Pins the calling thread to one CPU; false if the system refuses. The mask that the thread had
 * before it was first pinned is kept, and tm_topology_open uses it until the thread is released. */
bool tm_thread_pin(int cpu);
void tm_thread_release(void);

/* Limits the calling thread, which is not pinned, and all that it starts from now on to some CPUs.
 * n_cpus 0: changes nothing. Errors: IO (the system refuses), NOMEM. */
tm_status tm_affinity_limit(const int *cpus, int n_cpus, tm_affinity *before,
                            tm_error *err) TM_MUST_USE;
void tm_affinity_restore(tm_affinity *before);

#endif
