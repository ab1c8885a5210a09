#include "harness/base/user_file.h"
#include "harness/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A FIFO opened with O_NONBLOCK reports no event until its first writer has opened it. */
static bool has_begun(int fd, int patience_ms)
{
    const int64_t end_ns = tm_now_ns() + (int64_t)patience_ms * 1000000;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (;;) {
        int64_t left_ns = end_ns - tm_now_ns();
        int n = poll(&p, 1, left_ns > 0 ? (int)(left_ns / 1000000) : 0);
        if (n > 0) return true;
        if (n == 0 || errno != EINTR) return false;
    }
}

tm_status tm_user_file_open(const char *path, int patience_ms, int *fd, tm_error *err)
{
    struct stat st;
    tm_status status;
    *fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (*fd < 0 || fstat(*fd, &st) != 0) {
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
        goto fail;
    }
    if (S_ISDIR(st.st_mode)) {
        status = tm_fail(err, TM_ARG, "%s: is a folder, not a file", path);
        goto fail;
    }
    if (patience_ms == 0 && !S_ISREG(st.st_mode)) {
        status = tm_fail(err, TM_ARG, "%s: not a regular file", path);
        goto fail;
    }
    if (S_ISFIFO(st.st_mode) && !has_begun(*fd, patience_ms)) {
        status =
            tm_fail(err, TM_ARG, "%s: no data from the pipe within %g s", path, patience_ms * 1e-3);
        goto fail;
    }
    /* Later reads may block, as on any pipe. */
    int flags = fcntl(*fd, F_GETFL);
    if (flags >= 0 && fcntl(*fd, F_SETFL, flags & ~O_NONBLOCK) == 0) return TM_OK;
    status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
fail:
    if (*fd >= 0) close(*fd);
    *fd = -1;
    return status;
}

/* Reads up to `size` bytes; fewer if the file ends. Returns 0 or an errno. */
static int read_up_to(int fd, char *text, size_t size, size_t *length)
{
    *length = 0;
    while (*length < size) {
        ssize_t got = read(fd, text + *length, size - *length);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) return errno;
        if (got == 0) break;
        *length += (size_t)got;
    }
    return 0;
}

tm_status tm_user_file_read(const char *path, size_t limit, char *text, size_t *length,
                            tm_error *err)
{
    int fd;
    tm_status status = tm_user_file_open(path, TM_USER_FILE_TIMEOUT_MS, &fd, err);
    if (status != TM_OK) return status;
    int why = read_up_to(fd, text, limit + 1, length);
    if (why != 0)
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(why));
    else if (*length > limit)
        status = tm_fail(err, TM_FORMAT, "%s: larger than %zu bytes", path, limit);
    close(fd);
    text[*length <= limit ? *length : 0] = 0;
    return status;
}

tm_status tm_user_file_read_all(const char *path, char **text, size_t *length, tm_error *err)
{
    struct stat st;
    int fd, why = 0;
    *text = NULL;
    *length = 0;
    tm_status status = tm_user_file_open(path, 0, &fd, err);
    if (status != TM_OK) return status;
    if (fstat(fd, &st) != 0) why = errno;
    size_t size = why == 0 ? (size_t)st.st_size : 0;
    *text = malloc(size + 1);
    if (!*text) status = tm_fail(err, TM_NOMEM, "%s: no memory for %zu bytes", path, size);
    if (status == TM_OK && why == 0) why = read_up_to(fd, *text, size, length);
    close(fd);
    if (status == TM_OK && why != 0) status = tm_fail(err, TM_IO, "%s: %s", path, strerror(why));
    if (status == TM_OK) {
        (*text)[*length] = 0;
    } else {
        free(*text);
        *text = NULL;
    }
    return status;
}
