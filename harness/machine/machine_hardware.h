/* The part of the environment that stays: processor, cores, caches, memory, what it runs in. */
#ifndef TM_HARNESS_MACHINE_MACHINE_HARDWARE_H
#define TM_HARNESS_MACHINE_MACHINE_HARDWARE_H

#include "harness/base/json.h"

typedef struct tm_machine_hardware {
    char cpu_model[96]; /* "" when not known */
    int n_cpus;         /* that the recorded process may use; >= 1 */
    int n_cores;        /* physical, among them, as far as the topology tells; >= 1 */
    int first_cpu;      /* of them */
    bool virtual_machine, emulated;
} tm_machine_hardware;

/* Fills *out and describes it in `json`, an empty object. live: the root is this machine's, so that
 * instructions of the processor may be asked too. Errors: NOMEM. */
tm_status tm_machine_hardware_read(const char *root, bool live, tm_json *json,
                                   tm_machine_hardware *out, tm_error *err) TM_MUST_USE;

#endif
