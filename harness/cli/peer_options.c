#include "harness/cli/peer_options.h"

#include "kernels/kernel.h"

#include <string.h>

static tm_status check_name(const tm_peers *peers, tm_error *err)
{
    const char *name = peers->items[peers->n - 1].name;
    const tm_kernel *kernel;
    if (strcmp(name, "auto") == 0 || tm_kernel_find(name) ||
        tm_kernel_pick(name, &kernel, NULL) != TM_ARG)
        return tm_fail(err, TM_ARG,
                       "--peer %s: this is the name of a kernel or family; use another name", name);
    for (int i = 0; i < peers->n - 1; i++)
        if (strcmp(peers->items[i].name, name) == 0)
            return tm_fail(err, TM_ARG, "--peer: two peers are named %s", name);
    return TM_OK;
}

tm_status tm_peers_parse(const char *text, tm_peers *out, tm_error *err)
{
    char one[1024];
    memset(out, 0, sizeof *out);
    while (text && *text) {
        size_t n = strcspn(text, ";");
        if (n >= sizeof one)
            return tm_fail(err, TM_ARG,
                           "--peer: %zu characters in one peer exceed the limit of %zu", n,
                           sizeof one - 1);
        if (out->n == TM_PEERS_MAX)
            return tm_fail(err, TM_ARG, "--peer: more than %d peers", TM_PEERS_MAX);
        memcpy(one, text, n);
        one[n] = 0;
        tm_status status = tm_peer_parse(one, &out->items[out->n++], err);
        if (status == TM_OK) status = check_name(out, err);
        if (status != TM_OK) return status;
        text += n + (text[n] == ';');
    }
    return TM_OK;
}
