/* Running gnuplot: a child with a time limit whose complaints are kept. */
#include "reports/output/plot.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LIMIT_MS = 60000 };

extern char **environ;

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Reads until the child closes its end. False when the time is up. */
static bool drain(int from, char *said, size_t size)
{
    const int64_t end = now_ms() + LIMIT_MS;
    size_t kept = 0;
    for (;;) {
        char buffer[512];
        int64_t left = end - now_ms();
        struct pollfd p = {.fd = from, .events = POLLIN};
        int ready = left > 0 ? poll(&p, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR) continue;
        if (ready <= 0) return false;
        ssize_t n = read(from, buffer, sizeof buffer);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return true;
        for (ssize_t i = 0; i < n && kept + 1 < size; i++)
            said[kept++] = (unsigned char)buffer[i] < 0x20 ? ' ' : buffer[i];
        said[kept] = '\0';
    }
}

/* Starts gnuplot in `directory` with its output on a pipe. Returns errno's kind of number, 0:
 * fine. */
static int start(const char *directory, char *script, pid_t *child, int *from)
{
    int ends[2];
    char *argv[] = {"gnuplot", script, NULL};
    posix_spawn_file_actions_t actions;
    if (pipe2(ends, O_CLOEXEC) != 0) return errno;
    int why = posix_spawn_file_actions_init(&actions);
    if (why == 0) {
        why = posix_spawn_file_actions_addchdir_np(&actions, directory);
        if (!why) why = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
        if (!why) why = posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
        if (!why) why = posix_spawn_file_actions_adddup2(&actions, ends[1], 2);
        if (!why) why = posix_spawnp(child, "gnuplot", &actions, NULL, argv, environ);
        posix_spawn_file_actions_destroy(&actions);
    }
    close(ends[1]);
    if (why)
        close(ends[0]);
    else
        *from = ends[0];
    return why;
}

static tm_status check_made(const char *directory, const char *stem, const char *suffix,
                            const char *said, tm_error *err)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/%s.%s", directory, stem, suffix);
    if (stat(path, &st) == 0 && st.st_size > 0) return TM_OK;
    return tm_fail(err, TM_UNSUPPORTED, "gnuplot made no %s.%s; it said: %.200s", stem, suffix,
                   said[0] ? said : "nothing");
}

static void remove_made(const char *directory, const char *stem, const char *suffix)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s.%s", directory, stem, suffix);
    unlink(path); /* not there: nothing of an earlier run can be taken for this one's */
}

tm_status tm_plot_run(const char *directory, const char *stem, tm_error *err)
{
    char script[4096], said[300] = "";
    pid_t child;
    int from = -1, result;
    if (strlen(directory) + strlen(stem) > 4000)
        return tm_fail(err, TM_IO, "%.200s...: the path is too long", directory);
    snprintf(script, sizeof script, "%s.gp", stem);
    remove_made(directory, stem, "png");
    remove_made(directory, stem, "svg");
    int why = start(directory, script, &child, &from);
    struct stat st;
    if (why == ENOENT && stat(directory, &st) != 0)
        return tm_fail(err, TM_IO, "%s: no such directory", directory);
    if (why == ENOENT)
        return tm_fail(err, TM_UNSUPPORTED,
                       "gnuplot is not installed: install it and run `gnuplot *.gp` in %s",
                       directory);
    if (why)
        return tm_fail(err, TM_CHILD, "cannot start gnuplot in %s: %s", directory, strerror(why));
    bool is_done = drain(from, said, sizeof said);
    if (!is_done) kill(child, SIGKILL);
    close(from);
    while (waitpid(child, &result, 0) < 0 && errno == EINTR) continue;
    if (!is_done)
        return tm_fail(err, TM_TIMEOUT, "gnuplot %s.gp: not done after %d s", stem,
                       LIMIT_MS / 1000);
    if (!WIFEXITED(result) || WEXITSTATUS(result) != 0)
        return tm_fail(err, TM_CHILD, "gnuplot %s.gp failed: %.200s", stem,
                       said[0] ? said : "it said nothing");
    tm_status status = check_made(directory, stem, "png", said, err);
    return status == TM_OK ? check_made(directory, stem, "svg", said, err) : status;
}
