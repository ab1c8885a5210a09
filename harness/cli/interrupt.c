#include "harness/cli/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

int tm_interrupt_open(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (sigprocmask(SIG_BLOCK, &set, &before) != 0) return -1;
    int fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (fd < 0) sigprocmask(SIG_SETMASK, &before, NULL);
    return fd;
}

bool tm_interrupt_came(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    return fd >= 0 && poll(&p, 1, 0) == 1;
}

int tm_interrupt_exit_status(int fd)
{
    struct signalfd_siginfo info;
    int status = 128 + SIGINT;
    if (fd < 0) return status;
    if (read(fd, &info, sizeof info) == (ssize_t)sizeof info) status = 128 + (int)info.ssi_signo;
    close(fd);
    return status;
}
