/* Writes whole files. A reader, or a later run, finds the old content or the new, never a part. */
#ifndef TM_HARNESS_BASE_ATOMIC_FILE_H
#define TM_HARNESS_BASE_ATOMIC_FILE_H

#include "kernels/base.h"

/* Writes a temporary file next to `path` and renames it. A symbolic link is followed: its target
 * is replaced, the link stays. A path that exists and is no regular file (a device, FIFO or
 * socket, or anything in /dev or /proc) is written in place; a FIFO that no process reads is an
 * error. After an error the earlier file is untouched and no partial file is left. Errors: IO,
 * ARG (a folder), NOMEM. */
tm_status tm_atomic_file_write(const char *path, const void *data, size_t size,
                               tm_error *err) TM_MUST_USE;

/* Makes the folder and every missing folder above it. "" is the current folder. Errors: IO. */
tm_status tm_make_folders(const char *path, tm_error *err) TM_MUST_USE;
/* The same for the folder that holds the file `path`. */
tm_status tm_make_folders_of_file(const char *path, tm_error *err) TM_MUST_USE;

/* Writes everything. Returns 0 or an errno; EPIPE raises no signal in this process. */
int tm_write_all(int fd, const void *data, size_t size) TM_MUST_USE;

#endif
