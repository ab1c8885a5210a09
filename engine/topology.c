#include "engine/topology.h"

#include <errno.h>
#include <hwloc.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

/* Linux's limit is 8192 (NR_CPUS); beyond this the mask is not read. */
#define MAX_CPUS 65536

/* The calling thread's mask before it was pinned here, or NULL. */
static _Thread_local cpu_set_t *unpinned;
static _Thread_local int unpinned_cpus;

/* The calling thread's mask in a set of *n CPUs, or NULL with errno. Free with CPU_FREE. */
static cpu_set_t *read_mask(int *n)
{
    for (*n = 1024; *n <= MAX_CPUS; *n *= 2) {
        cpu_set_t *set = CPU_ALLOC((size_t)*n);
        if (!set) {
            errno = ENOMEM;
            return NULL;
        }
        if (sched_getaffinity(0, CPU_ALLOC_SIZE((size_t)*n), set) == 0) return set;
        int saved = errno;
        CPU_FREE(set);
        errno = saved;
        if (saved != EINVAL) return NULL; /* EINVAL: the kernel's mask is longer */
    }
    return NULL;
}

typedef struct place {
    int cpu, sibling, kind, order, node;
} place;

/* Siblings last, faster cores first, otherwise hwloc's order, which fills a package. */
static int compare_places(const void *left, const void *right)
{
    const place *a = left, *b = right;
    if (a->sibling != b->sibling) return a->sibling < b->sibling ? -1 : 1;
    if (a->kind != b->kind) return a->kind > b->kind ? -1 : 1;
    return a->order < b->order ? -1 : a->order > b->order;
}

/* Fills kind, sibling, order and node of each place from hwloc; false if hwloc lacks one of them.
 */
static bool ask_hwloc(place *places, int n)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) != 0) return false;
    if (hwloc_topology_load(topology) != 0) {
        hwloc_topology_destroy(topology);
        return false;
    }
    bool known = true;
    for (int i = 0; known && i < n; i++) {
        hwloc_obj_t pu = hwloc_get_pu_obj_by_os_index(topology, (unsigned)places[i].cpu);
        if (!pu) {
            known = false;
            break;
        }
        hwloc_obj_t core = hwloc_get_ancestor_obj_by_type(topology, HWLOC_OBJ_CORE, pu);
        places[i].order = (int)pu->logical_index;
        /* hwloc ranks kinds from the most efficient to the fastest; -1: unknown. */
        places[i].kind = hwloc_cpukinds_get_by_cpuset(topology, pu->cpuset, 0);
        int node = pu->nodeset ? hwloc_bitmap_first(pu->nodeset) : -1;
        places[i].node = node < 0 ? 0 : node;
        /* Usable siblings of the same core that come before: places are ascending. */
        places[i].sibling = 0;
        for (int j = 0; core && j < i; j++)
            places[i].sibling += hwloc_bitmap_isset(core->cpuset, (unsigned)places[j].cpu) != 0;
    }
    hwloc_topology_destroy(topology);
    return known;
}

tm_status tm_topology_of(const int *cpus, int n, tm_topology *out, tm_error *err)
{
    void *lists = NULL, *memory = NULL;
    memset(out, 0, sizeof *out);
    tm_status status = tm_alloc(&memory, (size_t)n, sizeof(place), "list of usable CPUs", err);
    if (status == TM_OK)
        status = tm_alloc(&lists, 3 * (size_t)n, sizeof(int), "list of usable CPUs", err);
    if (status != TM_OK) {
        tm_free(memory);
        return status;
    }
    place *places = memory;
    for (int i = 0; i < n; i++) places[i] = (place){.cpu = cpus[i], .order = cpus[i]};
    if (!ask_hwloc(places, n))
        for (int i = 0; i < n; i++)
            places[i] = (place){.cpu = places[i].cpu, .order = i, .kind = -1};
    qsort(places, (size_t)n, sizeof *places, compare_places);
    *out = (tm_topology){.cpus = lists, .n_cpus = n};
    out->nodes = out->cpus + n;
    out->kinds = out->nodes + n;
    for (int i = 0; i < n; i++) {
        out->cpus[i] = places[i].cpu;
        out->nodes[i] = places[i].node;
        out->kinds[i] = places[i].kind;
        out->n_cores += places[i].sibling == 0;
    }
    tm_free(memory);
    return TM_OK;
}

tm_status tm_topology_open(tm_topology *out, tm_error *err)
{
    int n_mask = unpinned_cpus;
    cpu_set_t *mask = unpinned ? unpinned : read_mask(&n_mask);
    void *cpus = NULL;
    memset(out, 0, sizeof *out);
    if (!mask)
        return tm_fail(err, TM_IO, "reading this thread's CPU affinity mask: %s", strerror(errno));

    size_t mask_bytes = CPU_ALLOC_SIZE((size_t)n_mask);
    int n = CPU_COUNT_S(mask_bytes, mask);
    tm_status status = n < 1 ? tm_fail(err, TM_IO, "this thread's CPU affinity mask is empty")
                             : tm_alloc(&cpus, (size_t)n, sizeof(int), "list of usable CPUs", err);
    if (status == TM_OK) {
        int *list = cpus;
        for (int cpu = 0, i = 0; i < n; cpu++)
            if (CPU_ISSET_S((size_t)cpu, mask_bytes, mask)) list[i++] = cpu;
        status = tm_topology_of(list, n, out, err);
    }
    tm_free(cpus);
    if (mask != unpinned) CPU_FREE(mask);
    return status;
}

void tm_topology_close(tm_topology *topology)
{
    tm_free(topology->cpus);
    memset(topology, 0, sizeof *topology);
}

int tm_topology_find(const tm_topology *topology, int cpu)
{
    for (int i = 0; i < topology->n_cpus; i++)
        if (topology->cpus[i] == cpu) return i;
    return -1;
}

/* Lets the calling thread run on some CPUs only; 0 or an errno. n_mask: CPUs of a mask. */
static int limit(const int *cpus, int n, int n_mask)
{
    cpu_set_t *set = CPU_ALLOC((size_t)n_mask);
    if (!set) return ENOMEM;
    size_t bytes = CPU_ALLOC_SIZE((size_t)n_mask);
    int code = 0;
    CPU_ZERO_S(bytes, set);
    for (int i = 0; i < n; i++) {
        if (cpus[i] < 0 || cpus[i] >= n_mask)
            code = EINVAL;
        else
            CPU_SET_S((size_t)cpus[i], bytes, set);
    }
    if (code == 0 && sched_setaffinity(0, bytes, set) != 0) code = errno;
    CPU_FREE(set);
    return code;
}

bool tm_thread_pin(int cpu)
{
    if (!unpinned) {
        unpinned = read_mask(&unpinned_cpus);
        if (!unpinned) return false;
    }
    bool pinned = limit(&cpu, 1, unpinned_cpus) == 0;
    if (!pinned) tm_thread_release();
    return pinned;
}

void tm_thread_release(void)
{
    if (!unpinned) return;
    /* Errors are ignored: CPUs that the process has lost meanwhile cannot be restored. */
    (void)sched_setaffinity(0, CPU_ALLOC_SIZE((size_t)unpinned_cpus), unpinned);
    CPU_FREE(unpinned);
    unpinned = NULL;
}

tm_status tm_affinity_limit(const int *cpus, int n_cpus, tm_affinity *before, tm_error *err)
{
    *before = (tm_affinity){0};
    if (n_cpus == 0) return TM_OK;
    before->mask = read_mask(&before->n_cpus);
    int code = before->mask ? limit(cpus, n_cpus, before->n_cpus) : errno;
    if (code == 0) return TM_OK;
    CPU_FREE(before->mask);
    before->mask = NULL;
    return tm_fail(err, TM_IO, "limiting this process to %d CPU%s: %s", n_cpus, tm_plural(n_cpus),
                   strerror(code));
}

void tm_affinity_restore(tm_affinity *before)
{
    if (!before->mask) return;
    (void)sched_setaffinity(0, CPU_ALLOC_SIZE((size_t)before->n_cpus), before->mask);
    CPU_FREE(before->mask);
    before->mask = NULL;
}
