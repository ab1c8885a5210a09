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
/* Runs work(arg) in a thread of its own while this one waits. True: it ended. False: an interrupt
 * came first, and the work goes on, since nothing may be asked inside a measurement: the caller
 * takes no more from it than what the two guard with a lock, and leaves with _exit. fd -1, or no
 * memory for a thread: here. */
bool tm_interrupt_run(int fd, void (*work)(void *arg), void *arg);
/* 128 + the signal that came (130, 143); 130 when none is known. Closes the descriptor. */
int tm_interrupt_exit_status(int fd);

#endif
