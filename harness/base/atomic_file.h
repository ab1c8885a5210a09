/* Writes whole files. A reader, or a later run, finds the old content or the new, never a part. */
#ifndef TM_HARNESS_BASE_ATOMIC_FILE_H
#define TM_HARNESS_BASE_ATOMIC_FILE_H

#include "kernels/base.h"

/* Replaces the file `path` by `data`, or leaves it as it was. A symbolic link is followed: its
 * target is replaced, the link stays. A path that exists and is no regular file (a device, FIFO or
 * socket, or anything in /dev or /proc) is written in place; a FIFO that no process reads is an
 * error. After an error the earlier file is untouched and no partial file is left.
 * Errors: IO, ARG (a folder), NOMEM. */
tm_status tm_atomic_file_write(const char *path, const void *data, size_t size,
                               tm_error *err) TM_MUST_USE;

/* The same for data that is too large for memory: open, write to fd, commit. The data goes to a
 * file without a name, which also disappears when the process is killed, or to a named one next to
 * `path` where the file system cannot do that. {.fd = -1}: not open. */
typedef struct tm_atomic_file {
    int fd;
    char *path;   /* owned: as given, for messages */
    char *target; /* owned: what commit replaces; NULL: fd is the file itself, written in place */
    char *part;   /* owned: the temporary file; NULL: it has no name yet */
} tm_atomic_file;
/* Errors: as of writing. */
tm_status tm_atomic_file_open(const char *path, tm_atomic_file *out, tm_error *err) TM_MUST_USE;
/* Closes the file in every case. Errors: IO. */
tm_status tm_atomic_file_commit(tm_atomic_file *file, tm_error *err) TM_MUST_USE;
/* Does nothing to a file that is not open. */
void tm_atomic_file_abandon(tm_atomic_file *file);

/* Whether `path` can be written, to fail before minutes of measuring. Errors: as of writing. */
tm_status tm_atomic_file_check(const char *path, tm_error *err) TM_MUST_USE;

/* Makes the folder and every missing folder above it. "" is the current folder. Errors: IO. */
tm_status tm_make_folders(const char *path, tm_error *err) TM_MUST_USE;
/* The same for the folder that holds the file `path`. */
tm_status tm_make_folders_of_file(const char *path, tm_error *err) TM_MUST_USE;

/* Writes everything. Returns 0 or an errno; EPIPE raises no signal in this process. */
int tm_write_all(int fd, const void *data, size_t size) TM_MUST_USE;

#endif
