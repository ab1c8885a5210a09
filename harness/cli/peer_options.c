#include "harness/cli/peer_options.h"

#include "kernels/kernel.h"

#include <string.h>

#define GROUP "Other engines"

const tm_option tm_peer_options[] = {
    {"peer", NULL, TM_LIST(tm_peer_settings, peers), "NAME=PROGRAM,FILE[,ARGUMENT...];...",
     .help = "also measure another engine with its model file: a program with llama-bench's "
             "options, or any command whose arguments have {model}, {threads}, {prompt} or {gen}; "
             "NAME can be the baseline",
     .group = GROUP, .separator = ';'},
    {"peer-pattern", NULL, TM_TEXT(tm_peer_settings, pattern), "REGEX",
     .help = "find a command's tokens/s in its output: the first group, or the groups pp and tg of "
             "a PCRE2 pattern (default: a number before \"tokens/s\", \"tok/s\" or \"t/s\")",
     .group = GROUP},
    {0},
};

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

/* A pattern without a command to read is a mistake. */
static tm_status check_pattern(const tm_peer_settings *settings, const tm_peers *peers,
                               tm_error *err)
{
    for (int i = 0; i < peers->n; i++)
        if (tm_peer_is_command(&peers->items[i])) return TM_OK;
    if (!settings->pattern) return TM_OK;
    return tm_fail(
        err, TM_ARG,
        "--peer-pattern: no peer is a command with {model}, {threads}, {prompt} or {gen} "
        "in its arguments");
}

tm_status tm_peers_parse(const tm_peer_settings *settings, tm_peers *out, tm_error *err)
{
    char one[TM_PEER_TEXT];
    const char *text = settings->peers;
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
        tm_status status = tm_peer_parse(one, settings->pattern, &out->items[out->n++], err);
        if (status == TM_OK) status = check_name(out, err);
        if (status != TM_OK) return status;
        text += n + (text[n] == ';');
    }
    return check_pattern(settings, out, err);
}
