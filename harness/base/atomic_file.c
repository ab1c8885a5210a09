#include "harness/base/atomic_file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINKS_MAX 40 /* as the kernel follows */

int tm_write_all(int fd, const void *data, size_t size)
{
    const char *bytes = data;
    sigset_t pipe_only, before;
    int why = 0;
    /* A write to a closed pipe must fail here and not signal the process. */
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_only, &before);
    while (size > 0 && why == 0) {
        ssize_t n = write(fd, bytes, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            why = errno;
            if (why == EPIPE) sigtimedwait(&pipe_only, NULL, &(struct timespec){0, 0});
        } else if (n == 0) {
            why = ENOSPC;
        } else {
            bytes += n;
            size -= (size_t)n;
        }
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return why;
}

/* Replaces a symbolic link by what it points to, whether that exists or not. Returns 0 or an
 * errno. */
static int follow_links(char path[PATH_MAX])
{
    char target[PATH_MAX], folder[PATH_MAX];
    for (int i = 0; i < LINKS_MAX; i++) {
        ssize_t n = readlink(path, target, sizeof target - 1);
        if (n < 0) return 0; /* no link, or nothing there */
        target[n] = 0;
        if (target[0] != '/') {
            memcpy(folder, path, strlen(path) + 1);
            const char *parent = dirname(folder);
            size_t room = sizeof target - 1 - (size_t)n, length = strlen(parent);
            if (length + 1 > room) return ENAMETOOLONG;
            memmove(target + length + 1, target, (size_t)n + 1);
            memcpy(target, parent, length);
            target[length] = '/';
        }
        memcpy(path, target, strlen(target) + 1);
    }
    return ELOOP;
}

static int write_in_place(const char *path, const void *data, size_t size)
{
    /* Without O_NONBLOCK a FIFO would block until a process opens it for reading. */
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return errno;
    int flags = fcntl(fd, F_GETFL), why = 0;
    if (flags < 0 || fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) != 0) why = errno;
    if (why == 0) why = tm_write_all(fd, data, size);
    if (close(fd) != 0 && why == 0) why = errno;
    return why;
}

/* old: the file that is replaced, for its permissions; NULL: there is none. */
static int write_and_rename(const char *path, const struct stat *old, const void *data, size_t size)
{
    char part[PATH_MAX];
    int n = snprintf(part, sizeof part, "%s.%ld.part", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof part) return ENAMETOOLONG;
    /* A killed process of the same number may have left this name behind. */
    unlink(part);
    int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (fd < 0) return errno;
    int why = 0;
    if (old && fchmod(fd, old->st_mode & 07777) != 0) why = errno;
    if (why == 0) why = tm_write_all(fd, data, size);
    if (close(fd) != 0 && why == 0) why = errno;
    if (why == 0 && rename(part, path) != 0) why = errno;
    if (why != 0) unlink(part);
    return why;
}

/* Such a path may lead to a regular file that another process holds open: "> file" of a shell. */
static bool is_special(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

tm_status tm_atomic_file_write(const char *path, const void *data, size_t size, tm_error *err)
{
    char target[PATH_MAX];
    struct stat st;
    int why;
    if (strlen(path) >= sizeof target)
        return tm_fail(err, TM_IO, "%.200s...: a path of %zu bytes is too long (limit %d)", path,
                       strlen(path), PATH_MAX - 1);
    bool is_there = stat(path, &st) == 0;
    if (is_there && S_ISDIR(st.st_mode))
        return tm_fail(err, TM_ARG, "%s: is a folder; give the name of a file", path);
    if ((is_there && !S_ISREG(st.st_mode)) ||
        (is_there && is_special(path) && strncmp(path, "/dev/shm/", 9) != 0)) {
        why = write_in_place(path, data, size);
        if (why == ENXIO && S_ISFIFO(st.st_mode))
            return tm_fail(err, TM_IO, "%s: no process reads this pipe; start the reader first",
                           path);
    } else {
        memcpy(target, path, strlen(path) + 1);
        why = follow_links(target);
        if (why == 0) why = write_and_rename(target, is_there ? &st : NULL, data, size);
    }
    if (why == 0) return TM_OK;
    return tm_fail(err, TM_IO, "%s: cannot write %zu bytes: %s", path, size, strerror(why));
}

tm_status tm_make_folders(const char *path, tm_error *err)
{
    char folder[PATH_MAX];
    struct stat st;
    size_t length = strlen(path);
    if (length >= sizeof folder)
        return tm_fail(err, TM_IO, "%.200s...: a path of %zu bytes is too long (limit %d)", path,
                       length, PATH_MAX - 1);
    memcpy(folder, path, length + 1);
    for (char *c = folder; *c;) {
        c += strspn(c, "/");
        c += strcspn(c, "/");
        char end = *c;
        *c = 0;
        if (folder[0] && mkdir(folder, 0777) != 0) {
            int why = errno;
            /* A read-only parent reports EROFS or EACCES for a folder that exists. */
            bool is_folder = stat(folder, &st) == 0 && S_ISDIR(st.st_mode);
            if (!is_folder)
                return tm_fail(err, TM_IO, "%s: cannot make this folder: %s", folder,
                               why == EEXIST ? "a file is in its place" : strerror(why));
        }
        *c = end;
    }
    return TM_OK;
}

tm_status tm_make_folders_of_file(const char *path, tm_error *err)
{
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder) return tm_make_folders(path, err);
    memcpy(folder, path, length);
    folder[length] = 0;
    return tm_make_folders(folder, err);
}
