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

/* Such a path may lead to a regular file that another process holds open: "> file" of a shell. */
static bool is_special(const char *path)
{
    return (strncmp(path, "/dev/", 5) == 0 && strncmp(path, "/dev/shm/", 9) != 0) ||
           strncmp(path, "/proc/", 6) == 0;
}

/* Returns a descriptor, or -1 with errno. */
static int open_in_place(const char *path)
{
    /* Without O_NONBLOCK a FIFO would block until a process opens it for reading. */
    int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0) return -1;
    int flags = fcntl(fd, F_GETFL);
    if (flags >= 0 && fcntl(fd, F_SETFL, flags & ~O_NONBLOCK) == 0) return fd;
    int why = errno;
    close(fd);
    errno = why;
    return -1;
}

/* The temporary name of a file; a killed process of the same number may have left it behind. */
static char *part_name(const char *target)
{
    char *part = NULL;
    if (asprintf(&part, "%s.%ld.part", target, (long)getpid()) < 0) return NULL;
    unlink(part);
    return part;
}

/* A file without a name; -1: this file system has none, or no way to name it later. */
static int open_unnamed(const char *target)
{
    char folder[PATH_MAX], name[64];
    memcpy(folder, target, strlen(target) + 1);
    int fd = open(dirname(folder), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666);
    if (fd < 0) return -1;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    if (access(name, F_OK) == 0) return fd;
    close(fd);
    return -1;
}

/* old: the existing file, whose permissions the new one gets; NULL for a new file. Returns 0 or an
 * errno. */
static int open_temporary(tm_atomic_file *f, const struct stat *old)
{
    f->fd = open_unnamed(f->target);
    if (f->fd < 0) {
        f->part = part_name(f->target);
        if (!f->part) return ENOMEM;
        f->fd = open(f->part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (f->fd < 0) return errno;
    return old && fchmod(f->fd, old->st_mode & 07777) != 0 ? errno : 0;
}

/* is_there: with *st. Returns 0 or an errno. */
static int open_file(tm_atomic_file *f, bool is_there, const struct stat *st)
{
    if (is_there && (!S_ISREG(st->st_mode) || is_special(f->path))) {
        f->fd = open_in_place(f->path);
        return f->fd < 0 ? errno : 0;
    }
    char target[PATH_MAX];
    memcpy(target, f->path, strlen(f->path) + 1);
    int why = follow_links(target);
    if (why != 0) return why;
    f->target = strdup(target);
    return f->target ? open_temporary(f, is_there ? st : NULL) : ENOMEM;
}

tm_status tm_atomic_file_open(const char *path, tm_atomic_file *out, tm_error *err)
{
    struct stat st;
    *out = (tm_atomic_file){.fd = -1};
    if (strlen(path) >= PATH_MAX)
        return tm_fail(err, TM_IO, "%.200s...: a path of %zu bytes is too long (limit %d)", path,
                       strlen(path), PATH_MAX - 1);
    bool is_there = stat(path, &st) == 0;
    if (is_there && S_ISDIR(st.st_mode))
        return tm_fail(err, TM_ARG, "%s: is a folder; give the name of a file", path);
    out->path = strdup(path);
    int why = out->path ? open_file(out, is_there, &st) : ENOMEM;
    if (why == 0) return TM_OK;
    tm_atomic_file_abandon(out);
    if (why == ENXIO && is_there && S_ISFIFO(st.st_mode))
        return tm_fail(err, TM_IO, "%s: no process reads this pipe; start the reader first", path);
    return tm_fail(err, TM_IO, "%s: cannot be written: %s", path, strerror(why));
}

/* Gives the unnamed file its temporary name. Returns 0 or an errno. */
static int name_file(tm_atomic_file *f)
{
    char source[64];
    f->part = part_name(f->target);
    if (!f->part) return ENOMEM;
    snprintf(source, sizeof source, "/proc/self/fd/%d", f->fd);
    return linkat(AT_FDCWD, source, AT_FDCWD, f->part, AT_SYMLINK_FOLLOW) == 0 ? 0 : errno;
}

tm_status tm_atomic_file_commit(tm_atomic_file *f, tm_error *err)
{
    int why = f->target && !f->part ? name_file(f) : 0;
    if (close(f->fd) != 0 && why == 0) why = errno;
    f->fd = -1;
    if (why == 0 && f->part && rename(f->part, f->target) != 0) why = errno;
    tm_status status =
        why == 0 ? TM_OK : tm_fail(err, TM_IO, "%s: cannot be written: %s", f->path, strerror(why));
    if (why == 0) {
        free(f->part); /* it has become the file */
        f->part = NULL;
    }
    tm_atomic_file_abandon(f);
    return status;
}

void tm_atomic_file_abandon(tm_atomic_file *f)
{
    if (f->fd >= 0) close(f->fd);
    if (f->part) unlink(f->part);
    free(f->part);
    free(f->target);
    free(f->path);
    *f = (tm_atomic_file){.fd = -1};
}

tm_status tm_atomic_file_write(const char *path, const void *data, size_t size, tm_error *err)
{
    tm_atomic_file file;
    tm_status status = tm_atomic_file_open(path, &file, err);
    if (status != TM_OK) return status;
    int why = tm_write_all(file.fd, data, size);
    if (why == 0) return tm_atomic_file_commit(&file, err);
    tm_atomic_file_abandon(&file);
    return tm_fail(err, TM_IO, "%s: cannot write %zu bytes: %s", path, size, strerror(why));
}

tm_status tm_atomic_file_check(const char *path, tm_error *err)
{
    struct stat st;
    tm_atomic_file file;
    /* To open a pipe and close it again would end its reader's input. */
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)) {
        if (access(path, W_OK) == 0) return TM_OK;
        return tm_fail(err, TM_IO, "%s: cannot be written: %s", path, strerror(errno));
    }
    tm_status status = tm_atomic_file_open(path, &file, err);
    if (status == TM_OK) tm_atomic_file_abandon(&file);
    return status;
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
