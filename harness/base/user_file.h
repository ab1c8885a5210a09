/* Files that a user names for reading. Opening never blocks indefinitely: a FIFO without a
 * writer would block, even against ^C, because signals arrive through a descriptor. */
#ifndef TM_HARNESS_BASE_USER_FILE_H
#define TM_HARNESS_BASE_USER_FILE_H

#include "kernels/base.h"

/* How long a pipe may take to deliver the first byte of a suite, a counter group or a meter's
 * log. */
#define TM_USER_FILE_TIMEOUT_MS 10000

/* Close *fd when done. patience_ms: how long a pipe may take to deliver its first byte, or to
 * end; 0: accept only a regular file. Errors: IO, ARG (a folder, a silent pipe, not a regular
 * file). */
tm_status tm_user_file_open(const char *path, int patience_ms, int *fd, tm_error *err) TM_MUST_USE;

/* Reads a whole file of at most `limit` bytes into text[limit + 1] and terminates it with NUL.
 * Errors: those of opening, IO, FORMAT (too long). */
tm_status tm_user_file_read(const char *path, size_t limit, char *text, size_t *length,
                            tm_error *err) TM_MUST_USE;

/* Reads a whole regular file of any size and terminates it with NUL; free *text. Bytes that another
 * process appends meanwhile are left out. Errors: those of opening, IO, NOMEM. */
tm_status tm_user_file_read_all(const char *path, char **text, size_t *length,
                                tm_error *err) TM_MUST_USE;

#endif
