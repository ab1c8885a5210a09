/* The parent's side of the worker protocol: one worker process from its start to its end. What the
 * lines of its answer mean is up to the caller. */
#ifndef TM_HARNESS_MEASURE_WORKER_PROCESS_H
#define TM_HARNESS_MEASURE_WORKER_PROCESS_H

#include "harness/base/interrupt.h"
#include "harness/measure/worker.h"

typedef struct tm_worker_process {
    const char *const *argv;      /* NULL-terminated; argv[0] is the path of the program */
    const char *const *variables; /* to set in its environment, as tm_child_open_with; or NULL */
    const tm_worker_request *request;
    /* Gets every line from LOADED to DONE, and owns what is in it. */
    tm_status (*on_line)(void *arg, tm_worker_line *line, tm_error *err);
    /* Longest silence before the next line, in seconds. */
    double (*patience)(void *arg);
    void *arg;
    const tm_interrupt *interrupt; /* NULL: never */
} tm_worker_process;

/* Starts the program, sends the request and hands over the lines until DONE. Errors: those of
 * on_line; the worker's own, from its ERROR line; CHILD (could not be started, ended early, another
 * protocol), FORMAT (an answer that makes no sense), TIMEOUT, INTERRUPTED, NOMEM. */
tm_status tm_worker_process_run(const tm_worker_process *process, tm_error *err) TM_MUST_USE;

#endif
