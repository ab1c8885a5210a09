/* --peer of run and bench: other engines to measure in the same run. */
#ifndef TM_HARNESS_CLI_PEER_OPTIONS_H
#define TM_HARNESS_CLI_PEER_OPTIONS_H

#include "harness/cli/options.h"
#include "harness/measure/peer.h"

#define TM_PEERS_MAX 16

/* As given on the command line. */
typedef struct tm_peer_settings {
    const char *peers, *pattern;
} tm_peer_settings;

/* --peer and --peer-pattern. Offsets are those of tm_peer_settings. */
extern const tm_option tm_peer_options[];

typedef struct tm_peers {
    tm_peer items[TM_PEERS_MAX];
    int n;
} tm_peers;

/* The peers of --peer, none without it. Errors: ARG (those of tm_peer_parse; a repeated name; the
 * name of a kernel; too many; a pattern and no command to use it for). */
tm_status tm_peers_parse(const tm_peer_settings *settings, tm_peers *out,
                         tm_error *err) TM_MUST_USE;

#endif
