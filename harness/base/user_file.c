#include "harness/base/user_file.h"
#include "harness/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
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

tm_status tm_user_file_read(const char *path, size_t limit, char *text, size_t *length,
                            tm_error *err)
{
    int fd;
    ssize_t got = -1;
    size_t n = 0;
    tm_status status = tm_user_file_open(path, TM_USER_FILE_TIMEOUT_MS, &fd, err);
    if (status != TM_OK) return status;
    while (n <= limit && (got = read(fd, text + n, limit + 1 - n)) != 0) {
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) break;
        n += (size_t)got;
    }
    if (got < 0)
        status = tm_fail(err, TM_IO, "%s: %s", path, strerror(errno));
    else if (n > limit)
        status = tm_fail(err, TM_FORMAT, "%s: larger than %zu bytes", path, limit);
    close(fd);
    text[n <= limit ? n : 0] = 0;
    *length = n;
    return status;
}
