#include "harness/cli/interrupt.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

tm_interrupt tm_interrupt_open(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, &before) != 0) return TM_INTERRUPT_NEVER;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) sigprocmask(SIG_SETMASK, &before, NULL);
    return (tm_interrupt){fd < 0 ? -1 : fd};
}

/* Allocated, since the work can outlive the caller of tm_interrupt_run. */
typedef struct job {
    void (*work)(void *arg);
    void *arg;
    int done_fd;
} job;

static void *run(void *arg)
{
    const uint64_t one = 1;
    job *j = arg;
    j->work(j->arg);
    (void)!write(j->done_fd, &one, sizeof one);
    return NULL;
}

bool tm_interrupt_run(const tm_interrupt *interrupt, void (*work)(void *arg), void *arg)
{
    pthread_t thread;
    int fd = tm_interrupt_fd(interrupt);
    job *j = fd >= 0 ? malloc(sizeof *j) : NULL;
    if (j) *j = (job){work, arg, eventfd(0, EFD_CLOEXEC)};
    if (!j || j->done_fd < 0 || pthread_create(&thread, NULL, run, j) != 0) {
        if (j && j->done_fd >= 0) close(j->done_fd);
        free(j);
        work(arg);
        return true;
    }
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = j->done_fd, .events = POLLIN}};
    while (poll(p, 2, -1) < 0) {
    } /* EINTR: another signal */
    if (!p[1].revents) return false;
    pthread_join(thread, NULL);
    close(j->done_fd);
    free(j);
    return true;
}

void tm_interrupt_run_or_exit(const char *command, void (*work)(void *arg), void *arg,
                              void (*before_exit)(void *arg))
{
    tm_interrupt interrupt = tm_interrupt_open();
    if (tm_interrupt_run(&interrupt, work, arg)) return;
    if (before_exit) before_exit(arg);
    fprintf(stderr, "ternmark %s: interrupted\n", command);
    _exit(tm_interrupt_exit_status(&interrupt));
}

int tm_interrupt_exit_status(const tm_interrupt *interrupt)
{
    struct signalfd_siginfo info;
    int fd = tm_interrupt_fd(interrupt);
    int status = 128 + SIGINT;
    if (fd < 0) return status;
    if (read(fd, &info, sizeof info) == (ssize_t)sizeof info) status = 128 + (int)info.ssi_signo;
    close(fd);
    return status;
}
