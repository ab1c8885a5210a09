#include "harness/base/interrupt.h"

#include <poll.h>

bool tm_interrupted(const tm_interrupt *interrupt)
{
    struct pollfd p = {.fd = tm_interrupt_fd(interrupt), .events = POLLIN};
    return p.fd >= 0 && poll(&p, 1, 0) > 0;
}

int tm_interrupt_fd(const tm_interrupt *interrupt)
{
    return interrupt ? interrupt->fd : -1;
}
