/* Some of the CPUs of this process, which the user chose by number or by kind of core. */
#ifndef TM_HARNESS_MACHINE_CPU_CHOICE_H
#define TM_HARNESS_MACHINE_CPU_CHOICE_H

#include "engine/topology.h"

/* Characters of a choice as the user writes it, with the NUL. */
#define TM_CPU_CHOICE_SIZE 64

#define TM_CORES_ALL         "all"
#define TM_CORES_PERFORMANCE "performance" /* the kind that hwloc ranks highest */
#define TM_CORES_EFFICIENCY  "efficiency"  /* all other kinds */

typedef struct tm_cpu_choice {
    int *cpus;  /* [n_cpus], ascending, owned; NULL: all, so nothing is limited */
    int n_cpus; /* 0: all */
    int n_cores;
} tm_cpu_choice;

/* text: "all" or "", "performance", "efficiency", or CPU numbers as "0-3,8".
 * Errors: ARG (neither; a CPU that does not exist, is offline, or that a cgroup or an affinity mask
 * excludes), UNSUPPORTED (the cores are of one kind), IO, NOMEM. */
tm_status tm_cpu_choice_open(const char *text, tm_cpu_choice *out, tm_error *err) TM_MUST_USE;
/* The same among given CPUs of a machine below `root`. */
tm_status tm_cpu_choice_find(const char *root, const tm_topology *usable, const char *text,
                             tm_cpu_choice *out, tm_error *err) TM_MUST_USE;
void tm_cpu_choice_close(tm_cpu_choice *choice);

/* Limits the calling thread and what it starts to the CPUs of `text`; *before, which starts as {0},
 * restores its mask. Errors: those of opening, and of tm_affinity_limit. */
tm_status tm_cpu_choice_enter(const char *text, tm_affinity *before, tm_error *err) TM_MUST_USE;

#endif
