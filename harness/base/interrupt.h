/* Whether the user has interrupted the program. A descriptor becomes readable on ^C, so that a wait
 * can poll it beside others and nothing runs in a signal handler. The command line installs it
 * (harness/cli/interrupt.h). */
#ifndef TM_HARNESS_BASE_INTERRUPT_H
#define TM_HARNESS_BASE_INTERRUPT_H

#include "kernels/base.h"

typedef struct tm_interrupt {
    int fd; /* readable once interrupted; -1: never */
} tm_interrupt;

#define TM_INTERRUPT_NEVER ((tm_interrupt){-1})

/* Does not wait. NULL: never interrupted. */
bool tm_interrupted(const tm_interrupt *interrupt);
/* The descriptor for poll(2), which ignores -1. NULL: -1. */
int tm_interrupt_fd(const tm_interrupt *interrupt);

#endif
