/* Reads the hardware part of tm_machine: processor, cores, caches, memory, virtualization. */
#ifndef TM_HARNESS_MACHINE_MACHINE_HARDWARE_H
#define TM_HARNESS_MACHINE_MACHINE_HARDWARE_H

#include "harness/machine/machine.h"

/* live: root is this machine's, so that the processor may be asked by its own instructions too.
 * Errors: NOMEM. */
tm_status tm_machine_hardware_read(const char *root, bool live, tm_machine *out,
                                   tm_error *err) TM_MUST_USE;

#endif
