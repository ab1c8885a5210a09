/* Turns SIGINT and SIGTERM into a tm_interrupt, so that nothing runs in a signal handler. */
#ifndef TM_HARNESS_CLI_INTERRUPT_H
#define TM_HARNESS_CLI_INTERRUPT_H

#include "harness/base/interrupt.h"

/* Blocks both signals in this process and in threads started later, but not in child processes. If
 * the system has no descriptor for them, the signals keep their default action and the result is
 * TM_INTERRUPT_NEVER. */
tm_interrupt tm_interrupt_open(void);
/* Runs work(arg) in a thread and waits. False: an interrupt came first and the work is still
 * running; the caller must leave with _exit and read nothing that the work writes. Without a thread
 * (no memory, TM_INTERRUPT_NEVER) the work runs here and is not interrupted. */
bool tm_interrupt_run(const tm_interrupt *interrupt, void (*work)(void *arg), void *arg);
/* The same, but an interrupt ends the program, with a message in the name of the command.
 * before_exit: called with arg first; NULL: nothing. The work may still be running. */
void tm_interrupt_run_or_exit(const char *command, void (*work)(void *arg), void *arg,
                              void (*before_exit)(void *arg));
/* 128 + the signal that came (130, 143), or 130 if it is unknown. Closes the descriptor. */
int tm_interrupt_exit_status(const tm_interrupt *interrupt);

#endif
