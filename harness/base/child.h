/* A child process that talks in lines over pipes, and how it ended.
 *
 * It has its own process group, so that killing it kills what it started, and the system kills it
 * when this process dies. It inherits no descriptor but its pipes.
 */
#ifndef TM_HARNESS_BASE_CHILD_H
#define TM_HARNESS_BASE_CHILD_H

#include "kernels/base.h"

typedef struct tm_child tm_child;

/* How a child ended and what it used. */
typedef struct tm_child_end {
    bool ok;              /* exited with 0 */
    int exit_code;        /* -1 when a signal ended it */
    int signal;           /* 0 when it exited */
    char reason[120];     /* "exited with 3", "was killed by SIGSEGV" */
    char last_words[256]; /* the last line of its stderr that is not empty, printable; "" none */
    int64_t max_rss_bytes;
    double cpu_seconds;
} tm_child_end;

/* argv: NULL-terminated, argv[0] a path. Errors: IO, CHILD (could not be started: the path and
 * why). */
tm_status tm_child_open(const char *const *argv, tm_child **out, tm_error *err) TM_MUST_USE;

/* Writes it all. Errors: CHILD when the child no longer reads. */
tm_status tm_child_write(tm_child *child, const char *text, size_t length,
                         tm_error *err) TM_MUST_USE;

/* The next line of its stdout, without its newline, valid until the next call; *line is NULL at the
 * end of its output. timeout_seconds: of its silence; a time in which this process stood still counts for
 * an eighth of it at most. interrupt_fd: a descriptor that becomes readable to interrupt, or -1.
 * Errors: TIMEOUT ("no answer for 120 s"), INTERRUPTED, CHILD (a line above 64 MiB, a NUL byte),
 * NOMEM. */
tm_status tm_child_read_line(tm_child *child, double timeout_seconds, int interrupt_fd,
                             const char **line, tm_error *err) TM_MUST_USE;

/* All lines up to the end of its output, joined without their newlines: *text is to be freed, NULL after an
 * error. Errors: as above for each line, CHILD for more than max_bytes. */
tm_status tm_child_read_all(tm_child *child, size_t max_bytes, double timeout_seconds,
                            int interrupt_fd, char **text, size_t *length,
                            tm_error *err) TM_MUST_USE;

/* Waits up to grace_seconds for it to end, then kills its group; frees it. end may be NULL. */
void tm_child_close(tm_child *child, double grace_seconds, tm_child_end *end);

#endif
