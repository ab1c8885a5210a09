/* Files that a user names for reading. None is waited for for ever: to open a FIFO that nobody writes to
 * would block, where signals are taken by a descriptor even against ^C. */
#ifndef TM_HARNESS_BASE_USER_FILE_H
#define TM_HARNESS_BASE_USER_FILE_H

#include "kernels/base.h"

/* What a suite, a group of counters or a meter's log may take to begin when it comes from a pipe. */
#define TM_USER_FILE_TIMEOUT_MS 10000

/* A descriptor to close. patience_ms: how long a pipe may take to bring its first byte (or to end without
 * one); 0: only a regular file will do. Errors: IO, ARG (a folder; a pipe that stays silent; no regular
 * file). */
tm_status tm_user_file_open(const char *path, int patience_ms, int *fd, tm_error *err) TM_MUST_USE;

/* The whole of it, from 1 to `limit` bytes of text[limit + 1], terminated by NUL; pipes as above. Errors: of
 * opening, IO, FORMAT (longer). */
tm_status tm_user_file_read(const char *path, size_t limit, char *text, size_t *length,
                            tm_error *err) TM_MUST_USE;

#endif
