#include "harness/machine/cpu_choice.h"

#include "harness/base/sysfs.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define CPUS    "sys/devices/system/cpu/"
#define HIGHEST 65535 /* a CPU number: beyond Linux's limit of 8192 */

/* "0-3" at *p; moves *p behind it. */
static bool read_range(const char **p, int *low, int *high)
{
    char *end;
    if (!isdigit((unsigned char)**p)) return false;
    long first = strtol(*p, &end, 10), last = first;
    if (*end == '-') {
        if (!isdigit((unsigned char)end[1])) return false;
        last = strtol(end + 1, &end, 10);
    }
    *p = end;
    *low = (int)first;
    *high = (int)last;
    return first <= last && last <= HIGHEST;
}

/* Whether the kernel's list in a file of the machine has a CPU; true if the file is not readable.
 * text: the list. */
static bool is_in_file(const char *root, const char *path, int cpu, char *text, size_t size)
{
    int low, high;
    if (!tm_sysfs_text(root, path, text, size)) return true;
    for (const char *p = text; read_range(&p, &low, &high); p++) {
        if (cpu >= low && cpu <= high) return true;
        if (*p != ',') break;
    }
    return false;
}

/* Why a CPU that is not usable is not. */
static tm_status refuse(const char *root, int cpu, const char *text, tm_error *err)
{
    char list[200], usable[200];
    if (!is_in_file(root, CPUS "present", cpu, list, sizeof list))
        return tm_fail(err, TM_ARG, "CPUs \"%s\": CPU %d does not exist; this machine has %s", text,
                       cpu, list);
    if (!is_in_file(root, CPUS "online", cpu, list, sizeof list))
        return tm_fail(err, TM_ARG,
                       "CPUs \"%s\": CPU %d is offline, online are %s; to change that, write 1 to "
                       "/" CPUS "cpu%d/online",
                       text, cpu, list, cpu);
    if (!tm_sysfs_field(root, "proc/self/status", "Cpus_allowed_list", usable, sizeof usable))
        strcpy(usable, "others");
    return tm_fail(err, TM_ARG,
                   "CPUs \"%s\": this process may not use CPU %d, only %s; a cgroup's cpuset or an "
                   "affinity mask (taskset) excludes it",
                   text, cpu, usable);
}

static tm_status choose_listed(const char *root, const tm_topology *usable, const char *text,
                               bool *is_chosen, tm_error *err)
{
    const char *p = text;
    int low, high;
    for (;; p++) {
        if (!read_range(&p, &low, &high) || (*p && *p != ','))
            return tm_fail(err, TM_ARG,
                           "CPUs \"%s\": expected " TM_CORES_PERFORMANCE ", " TM_CORES_EFFICIENCY
                           ", " TM_CORES_ALL " or CPU numbers such as 0-3,8",
                           text);
        for (int cpu = low; cpu <= high; cpu++) {
            int at = tm_topology_find(usable, cpu);
            if (at < 0) return refuse(root, cpu, text, err);
            is_chosen[at] = true;
        }
        if (!*p) return TM_OK;
    }
}

static tm_status choose_kind(const tm_topology *usable, const char *text, bool *is_chosen,
                             tm_error *err)
{
    bool fast = strcmp(text, TM_CORES_PERFORMANCE) == 0;
    int highest = usable->kinds[0], lowest = highest;
    for (int i = 0; i < usable->n_cpus; i++) {
        if (usable->kinds[i] > highest) highest = usable->kinds[i];
        if (usable->kinds[i] < lowest) lowest = usable->kinds[i];
    }
    if (lowest < 0 || lowest == highest)
        return tm_fail(err, TM_UNSUPPORTED,
                       "%s cores: the %d CPUs that this process may use are of one kind, as far as "
                       "hwloc can tell; choose CPUs by number, e.g. --cpus 0-3",
                       text, usable->n_cpus);
    for (int i = 0; i < usable->n_cpus; i++) is_chosen[i] = (usable->kinds[i] == highest) == fast;
    return TM_OK;
}

static int compare(const void *a, const void *b)
{
    return *(const int *)a - *(const int *)b;
}

tm_status tm_cpu_choice_find(const char *root, const tm_topology *usable, const char *text,
                             tm_cpu_choice *out, tm_error *err)
{
    *out = (tm_cpu_choice){.n_cores = usable->n_cores};
    if (!*text || strcmp(text, TM_CORES_ALL) == 0) return TM_OK;
    bool is_kind =
        strcmp(text, TM_CORES_PERFORMANCE) == 0 || strcmp(text, TM_CORES_EFFICIENCY) == 0;
    bool *is_chosen = calloc((size_t)usable->n_cpus, sizeof *is_chosen);
    int *cpus = calloc((size_t)usable->n_cpus, sizeof *cpus);
    tm_topology chosen = {0};
    tm_status status = TM_OK;
    if (!is_chosen || !cpus)
        status = tm_fail(err, TM_NOMEM, "no memory for a list of %d CPUs", usable->n_cpus);
    else if (is_kind)
        status = choose_kind(usable, text, is_chosen, err);
    else
        status = choose_listed(root, usable, text, is_chosen, err);
    int n = 0;
    for (int i = 0; status == TM_OK && i < usable->n_cpus; i++)
        if (is_chosen[i]) cpus[n++] = usable->cpus[i];
    if (status == TM_OK) {
        qsort(cpus, (size_t)n, sizeof *cpus, compare);
        status = tm_topology_of(cpus, n, &chosen, err);
    }
    if (status == TM_OK) *out = (tm_cpu_choice){cpus, n, chosen.n_cores};
    if (status != TM_OK) free(cpus);
    free(is_chosen);
    tm_topology_close(&chosen);
    return status;
}

tm_status tm_cpu_choice_open(const char *text, tm_cpu_choice *out, tm_error *err)
{
    tm_topology usable;
    *out = (tm_cpu_choice){0};
    tm_status status = tm_topology_open(&usable, err);
    if (status != TM_OK) return status;
    status = tm_cpu_choice_find("/", &usable, text, out, err);
    tm_topology_close(&usable);
    return status;
}

void tm_cpu_choice_close(tm_cpu_choice *choice)
{
    free(choice->cpus);
    *choice = (tm_cpu_choice){0};
}

tm_status tm_cpu_choice_enter(const char *text, tm_affinity *before, tm_error *err)
{
    tm_cpu_choice choice;
    *before = (tm_affinity){0};
    if (!*text) return TM_OK;
    tm_status status = tm_cpu_choice_open(text, &choice, err);
    if (status == TM_OK) status = tm_affinity_limit(choice.cpus, choice.n_cpus, before, err);
    tm_cpu_choice_close(&choice);
    return status;
}
