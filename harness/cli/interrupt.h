/* SIGINT and SIGTERM as a descriptor that becomes readable, so that nothing runs in a signal
 * handler. */
#ifndef TM_HARNESS_CLI_INTERRUPT_H
#define TM_HARNESS_CLI_INTERRUPT_H

#include <stdbool.h>

/* Blocks both signals for this process and the threads it starts; children start without. Returns a
 * descriptor, or -1 where the system has none: then the signals act as usual. */
int tm_interrupt_open(void);
/* Whether one of them came; fd -1: no. */
bool tm_interrupt_came(int fd);
/* 128 + the signal that came (130, 143); 130 when none is known. Closes the descriptor. */
int tm_interrupt_exit_status(int fd);

#endif
