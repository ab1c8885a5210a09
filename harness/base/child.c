#include "harness/base/child.h"

#include "harness/base/atomic_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define MAX_LINE  (64u << 20)
#define MAX_WORDS 4096 /* bytes kept from the end of its stderr */
#define SLICES    8    /* of a time-out, see patience */

struct tm_child {
    pid_t pid;
    const tm_clock *clock;    /* borrowed; NULL: the system's */
    int to, from, words_from; /* its stdin, stdout, stderr; -1 if closed */
    char *line;               /* read from its stdout and not yet consumed */
    size_t line_room, line_used;
    size_t handed; /* bytes of `line` that the last call returned, newline included */
    char words[MAX_WORDS + 1];
    size_t n_words;
};

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

/* Runs between fork and exec: only async-signal-safe calls. */
static _Noreturn void become(const char *const *argv, char **environment, int in, int out,
                             int words, int failed, pid_t parent)
{
    sigset_t none;
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127); /* the parent died before prctl */
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    /* Close what this process inherited. Kernels before 5.11 lack this call; there only the
     * program's own descriptors, which are close-on-exec, stay closed to the child. */
    (void)syscall(SYS_close_range, 3u, ~0u, CLOSE_RANGE_CLOEXEC); /* musl has no wrapper */
    if (dup2(in, 0) >= 0 && dup2(out, 1) >= 0 && dup2(words, 2) >= 0)
        execve(argv[0], (char *const *)argv, environment);
    int why = errno;
    (void)!write(failed, &why, sizeof why);
    _exit(127);
}

static bool make_pipe(int fds[2])
{
    if (pipe2(fds, O_CLOEXEC) != 0) return false;
    /* Descriptors 0 to 2 may be free here. dup2 onto itself would keep close-on-exec. */
    for (int i = 0; i < 2; i++) {
        if (fds[i] > 2) continue;
        int moved = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
        if (moved < 0) return false;
        close(fds[i]);
        fds[i] = moved;
    }
    return true;
}

/* Whether one of the variables replaces this entry of the environment. */
static bool is_replaced(const char *entry, const char *const *variables)
{
    for (int i = 0; variables && variables[i]; i++) {
        size_t n = strcspn(variables[i], "=") + 1;
        if (strncmp(entry, variables[i], n) == 0) return true;
    }
    return false;
}

/* The environment of this process with the variables set. Free the array; it borrows its
 * entries. */
static char **merge_environment(const char *const *variables)
{
    size_t n = 0, n_set = 0, k = 0;
    while (environ && environ[n]) n++;
    while (variables && variables[n_set]) n_set++;
    char **out = calloc(n + n_set + 1, sizeof *out);
    for (size_t i = 0; out && i < n; i++)
        if (!is_replaced(environ[i], variables)) out[k++] = environ[i];
    for (size_t i = 0; out && i < n_set; i++) out[k++] = (char *)variables[i];
    return out;
}

tm_status tm_child_open(const char *const *argv, tm_child **out, tm_error *err)
{
    return tm_child_open_with(argv, NULL, out, err);
}

tm_status tm_child_open_with(const char *const *argv, const char *const *variables, tm_child **out,
                             tm_error *err)
{
    int in[2] = {-1, -1}, from[2] = {-1, -1}, words[2] = {-1, -1}, failed[2] = {-1, -1}, why = 0;
    tm_status status = TM_OK;
    *out = NULL;
    tm_child *child = calloc(1, sizeof *child);
    char **environment = merge_environment(variables);
    if (!child || !environment) {
        free(child);
        free(environment);
        return tm_fail(err, TM_NOMEM, "no memory for a child process");
    }
    child->to = child->from = child->words_from = -1;
    if (!make_pipe(in) || !make_pipe(from) || !make_pipe(words) || !make_pipe(failed)) {
        status = tm_fail(err, TM_IO, "a pipe to a child process: %s", strerror(errno));
        goto fail;
    }
    pid_t parent = getpid();
    child->pid = fork();
    if (child->pid == 0) become(argv, environment, in[0], from[1], words[1], failed[1], parent);
    if (child->pid < 0) {
        status = tm_fail(err, TM_CHILD, "%s: could not be started: %s", argv[0], strerror(errno));
        goto fail;
    }
    setpgid(child->pid, child->pid); /* parent and child both try: the first one wins */
    close_fd(&failed[1]);
    ssize_t got;
    do got = read(failed[0], &why, sizeof why);
    while (got < 0 && errno == EINTR);
    if (got == sizeof why) {
        waitpid(child->pid, NULL, 0);
        status = tm_fail(err, TM_CHILD, "%s: could not be started: %s", argv[0], strerror(why));
        goto fail;
    }
    close_fd(&failed[0]);
    close_fd(&in[0]);
    close_fd(&from[1]);
    close_fd(&words[1]);
    child->to = in[1];
    child->from = from[0];
    child->words_from = words[0];
    fcntl(child->words_from, F_SETFL, O_NONBLOCK);
    free(environment);
    *out = child;
    return TM_OK;
fail:
    free(environment);
    for (int i = 0; i < 2; i++) {
        close_fd(&in[i]);
        close_fd(&from[i]);
        close_fd(&words[i]);
        close_fd(&failed[i]);
    }
    free(child);
    return status;
}

void tm_child_set_clock(tm_child *child, const tm_clock *clock)
{
    child->clock = clock;
}

tm_status tm_child_write(tm_child *child, const char *text, size_t length, tm_error *err)
{
    int why = tm_write_all(child->to, text, length);
    return why == 0 ? TM_OK
                    : tm_fail(err, TM_CHILD, "the worker no longer reads: %s", strerror(why));
}

/* Keeps the end of the child's stderr. */
static void read_words(tm_child *child)
{
    char block[4096];
    for (;;) {
        ssize_t got = read(child->words_from, block, sizeof block);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0 && errno == EAGAIN) return;
        if (got <= 0) {
            close_fd(&child->words_from);
            return;
        }
        size_t n = (size_t)got, over = child->n_words + n;
        over = over > MAX_WORDS ? over - MAX_WORDS : 0;
        if (over > child->n_words) over = child->n_words;
        memmove(child->words, child->words + over, child->n_words - over);
        child->n_words -= over;
        memcpy(child->words + child->n_words, block, n);
        child->n_words += n;
    }
}

static tm_status grow(tm_child *child, tm_error *err)
{
    if (child->line_used + 1 < child->line_room) return TM_OK;
    if (child->line_room >= MAX_LINE)
        return tm_fail(err, TM_CHILD, "the worker answered with a line of more than %u MiB",
                       MAX_LINE >> 20);
    size_t room = child->line_room ? child->line_room * 2 : 65536;
    char *more = realloc(child->line, room);
    if (!more) return tm_fail(err, TM_NOMEM, "no memory for a line of %zu bytes", room);
    child->line = more;
    child->line_room = room;
    return TM_OK;
}

/* Returns the next whole line that was read. At the end of the output the last line may lack its
 * newline. */
static bool take_line(tm_child *child, bool ended, const char **line, size_t *length)
{
    char *newline = child->line_used ? memchr(child->line, '\n', child->line_used) : NULL;
    if (!newline && !(ended && child->line_used)) return false;
    *length = newline ? (size_t)(newline - child->line) : child->line_used;
    child->line[*length] = 0;
    child->handed = newline ? *length + 1 : *length;
    *line = child->line;
    return true;
}

/* A time-out, spent in slices. Each slice counts as at most its own length: if this process was
 * stopped, or the whole machine was, the child may have been stopped as well. */
typedef struct patience {
    const tm_clock *clock;
    double seconds; /* the whole time-out */
    int64_t slice_ns, left_ns, seen_ns;
} patience;

static patience patience_of(const tm_child *child, double seconds)
{
    int64_t all_ns = (int64_t)(seconds * 1e9);
    return (patience){.clock = child->clock,
                      .seconds = seconds,
                      .slice_ns = all_ns / SLICES,
                      .left_ns = all_ns,
                      .seen_ns = tm_clock_now(child->clock)};
}

static void spend(patience *p)
{
    int64_t now = tm_clock_now(p->clock), spent = now - p->seen_ns;
    p->left_ns -= spent < p->slice_ns ? spent : p->slice_ns;
    p->seen_ns = now;
}

/* Waits for the child's output. Output that is already there is read even after the time-out. */
static tm_status wait_for_output(tm_child *child, patience *p, const tm_interrupt *interrupt,
                                 bool *readable, tm_error *err)
{
    struct pollfd fds[] = {{.fd = child->from, .events = POLLIN},
                           {.fd = child->words_from, .events = POLLIN},
                           {.fd = tm_interrupt_fd(interrupt), .events = POLLIN}};
    spend(p);
    int64_t wait_ns = p->left_ns < p->slice_ns ? p->left_ns : p->slice_ns;
    int n = tm_clock_poll(p->clock, fds, 3, wait_ns);
    if (n < 0 && errno != EINTR)
        return tm_fail(err, TM_IO, "waiting for the worker: %s", strerror(errno));
    *readable = n > 0 && fds[0].revents;
    if (n > 0 && fds[1].revents) read_words(child);
    if (n > 0 && fds[2].revents) return tm_fail(err, TM_INTERRUPTED, "interrupted");
    if (wait_ns <= 0 && !*readable)
        return tm_fail(err, TM_TIMEOUT, "no answer for %g s", p->seconds);
    return TM_OK;
}

tm_status tm_child_read_line(tm_child *child, double timeout_seconds, const tm_interrupt *interrupt,
                             const char **line, tm_error *err)
{
    patience p = patience_of(child, timeout_seconds);
    size_t length;
    *line = NULL;
    child->line_used -= child->handed;
    if (child->handed) memmove(child->line, child->line + child->handed, child->line_used);
    child->handed = 0;
    while (!take_line(child, child->from < 0, line, &length)) {
        bool readable = false;
        if (child->from < 0) return TM_OK;
        tm_status status = wait_for_output(child, &p, interrupt, &readable, err);
        if (status == TM_OK && readable) status = grow(child, err);
        if (status != TM_OK) return status;
        if (!readable) continue;
        ssize_t got = read(child->from, child->line + child->line_used,
                           child->line_room - child->line_used - 1);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0)
            close_fd(&child->from);
        else
            child->line_used += (size_t)got;
    }
    if (strlen(*line) != length)
        return tm_fail(err, TM_CHILD, "the worker answered with a NUL byte");
    return TM_OK;
}

static void last_words(const tm_child *child, char *text, size_t size)
{
    size_t end = child->n_words;
    while (end > 0 && isspace((unsigned char)child->words[end - 1])) end--;
    size_t begin = end;
    while (begin > 0 && child->words[begin - 1] != '\n') begin--;
    size_t n = end - begin < size - 1 ? end - begin : size - 1;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)child->words[begin + i];
        text[i] = c < 32 || c > 126 ? '?' : (char)c;
    }
    text[n] = 0;
}

/* sigabbrev_np is glibc's alone. */
static const char *signal_name(int signal)
{
    static const struct {
        int signal;
        const char *name;
    } names[] = {
#define NAME(signal) {signal, #signal}
        NAME(SIGHUP),  NAME(SIGINT),  NAME(SIGQUIT), NAME(SIGILL),  NAME(SIGTRAP), NAME(SIGABRT),
        NAME(SIGBUS),  NAME(SIGFPE),  NAME(SIGKILL), NAME(SIGUSR1), NAME(SIGSEGV), NAME(SIGUSR2),
        NAME(SIGPIPE), NAME(SIGALRM), NAME(SIGTERM), NAME(SIGXCPU), NAME(SIGXFSZ), NAME(SIGSYS),
#undef NAME
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].signal == signal) return names[i].name;
    return strsignal(signal);
}

static void describe(int how, const struct rusage *usage, tm_child_end *end)
{
    memset(end, 0, sizeof *end);
    end->exit_code = -1;
    if (WIFSIGNALED(how)) {
        end->signal = WTERMSIG(how);
        snprintf(end->reason, sizeof end->reason, "was killed by %s%s", signal_name(end->signal),
                 end->signal == SIGKILL ? " (perhaps the system ran out of memory)" : "");
    } else {
        end->exit_code = WEXITSTATUS(how);
        end->ok = end->exit_code == 0;
        snprintf(end->reason, sizeof end->reason, "exited with %d", end->exit_code);
    }
    end->max_rss_bytes = (int64_t)usage->ru_maxrss * 1024;
    end->cpu_seconds = (double)usage->ru_utime.tv_sec + (double)usage->ru_stime.tv_sec +
                       ((double)usage->ru_utime.tv_usec + (double)usage->ru_stime.tv_usec) * 1e-6;
}

tm_status tm_child_read_all(tm_child *child, size_t max_bytes, double timeout_seconds,
                            const tm_interrupt *interrupt, char **text, size_t *length,
                            tm_error *err)
{
    *length = 0;
    *text = malloc(max_bytes);
    if (!*text) return tm_fail(err, TM_NOMEM, "no memory for an answer");
    for (;;) {
        const char *line;
        tm_status status = tm_child_read_line(child, timeout_seconds, interrupt, &line, err);
        if (status == TM_OK && !line) return TM_OK;
        size_t n = status == TM_OK ? strlen(line) : 0;
        if (status == TM_OK && n + 1 > max_bytes - *length)
            status = tm_fail(err, TM_CHILD, "an answer of more than %zu bytes", max_bytes);
        if (status != TM_OK) {
            free(*text);
            *text = NULL;
            return status;
        }
        memcpy(*text + *length, line, n);
        *length += n;
        (*text)[(*length)++] = '\n';
    }
}

/* Reads what is left of the child's output, so that a full pipe does not block it. Returns true at
 * the end, when no process of its group can write any more. */
static bool drain(tm_child *child)
{
    char block[4096];
    struct pollfd fd = {.fd = child->from, .events = POLLIN};
    if (child->words_from >= 0) read_words(child);
    while (child->from >= 0 && poll(&fd, 1, 0) > 0) {
        ssize_t got = read(child->from, block, sizeof block);
        if (got > 0 || (got < 0 && errno == EINTR)) continue;
        close_fd(&child->from);
    }
    return child->from < 0 && child->words_from < 0;
}

static bool has_ended(const tm_child *child)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 ||
           info.si_pid != 0;
}

/* whole: waits for all processes that hold the child's pipes, not for the child alone */
static void end_child(tm_child *child, double grace_seconds, bool whole, tm_child_end *end)
{
    int how = 0;
    struct rusage usage = {0};
    patience p = patience_of(child, grace_seconds);
    close_fd(&child->to);
    for (;;) {
        if (!whole && child->words_from >= 0) read_words(child); /* a full pipe would block it */
        bool ended = has_ended(child);
        if (whole) ended = drain(child) && ended;
        if (ended || p.left_ns <= 0) break;
        tm_clock_sleep(child->clock, 1000000);
        spend(&p);
    }
    /* Kill the group even if the child has ended, since its own children may still run. The child
     * is not reaped yet, so no other group can have its number. */
    kill(-child->pid, SIGKILL);
    pid_t got;
    do got = wait4(child->pid, &how, 0, &usage);
    while (got < 0 && errno == EINTR);
    if (child->words_from >= 0) read_words(child);
    if (end) {
        describe(how, &usage, end);
        if (got < 0) snprintf(end->reason, sizeof end->reason, "ended unseen");
        last_words(child, end->last_words, sizeof end->last_words);
    }
    close_fd(&child->from);
    close_fd(&child->words_from);
    free(child->line);
    free(child);
}

void tm_child_close(tm_child *child, double grace_seconds, tm_child_end *end)
{
    if (child) end_child(child, grace_seconds, false, end);
}

void tm_child_stop(tm_child *child, double grace_seconds, tm_child_end *end)
{
    if (!child) return;
    kill(-child->pid, SIGTERM);
    end_child(child, grace_seconds, true, end);
}
