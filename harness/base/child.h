/* A child process that exchanges lines over pipes, and how it ended. The one place that starts
 * processes.
 *
 * A child has its own process group, so that killing it kills what it started. The system kills it
 * when this process dies. It inherits no descriptor but its pipes.
 */
#ifndef TM_HARNESS_BASE_CHILD_H
#define TM_HARNESS_BASE_CHILD_H

#include "harness/base/clock.h"
#include "harness/base/interrupt.h"

typedef struct tm_child tm_child;

/* How a child ended and what it used. */
typedef struct tm_child_end {
    bool ok;              /* exited with 0 */
    int exit_code;        /* -1 if a signal ended it */
    int signal;           /* 0 if it exited */
    char reason[120];     /* "exited with 3", "was killed by SIGSEGV" */
    char last_words[256]; /* the last line of its stderr that is not empty, printable; "" if none */
    int64_t max_rss_bytes;
    double cpu_seconds;
} tm_child_end;

/* argv: NULL-terminated; argv[0] is a path. Errors: IO, NOMEM, CHILD (it could not be started: the
 * path and why). */
tm_status tm_child_open(const char *const *argv, tm_child **out, tm_error *err) TM_MUST_USE;
/* The same with variables set in its environment: "NAME=VALUE" each, ended by NULL; NULL: none. */
tm_status tm_child_open_with(const char *const *argv, const char *const *variables, tm_child **out,
                             tm_error *err) TM_MUST_USE;

/* Replaces the clock of the time-outs below; NULL: the system's. Borrowed. */
void tm_child_set_clock(tm_child *child, const tm_clock *clock);

/* Writes all of the text. Errors: CHILD if the child no longer reads. */
tm_status tm_child_write(tm_child *child, const char *text, size_t length,
                         tm_error *err) TM_MUST_USE;

/* The next line of the child's stdout without its newline, valid until the next call. *line is NULL
 * at the end of the output.
 * timeout_seconds: longest silence. If this process was stopped meanwhile, that time counts as at
 *     most an eighth of it.
 * interrupt: may be NULL.
 * Errors: TIMEOUT ("no answer for 120 s"), INTERRUPTED, CHILD (a line above 64 MiB, a NUL byte),
 * NOMEM. */
tm_status tm_child_read_line(tm_child *child, double timeout_seconds, const tm_interrupt *interrupt,
                             const char **line, tm_error *err) TM_MUST_USE;

/* All lines up to the end of the output, each with a newline. Free *text, which is NULL
 * after an error. Errors: those of reading a line, CHILD for more than max_bytes. */
tm_status tm_child_read_all(tm_child *child, size_t max_bytes, double timeout_seconds,
                            const tm_interrupt *interrupt, char **text, size_t *length,
                            tm_error *err) TM_MUST_USE;

/* Waits up to grace_seconds for the child to end, kills its group and frees it. end may be NULL. */
void tm_child_close(tm_child *child, double grace_seconds, tm_child_end *end);
/* Terminates the child's group with SIGTERM, so that it can release what it holds, waits up to
 * grace_seconds until all of it has ended, then does the same as closing. */
void tm_child_stop(tm_child *child, double grace_seconds, tm_child_end *end);

#endif
