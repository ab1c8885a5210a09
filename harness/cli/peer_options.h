/* --peer of run and bench: other engines to measure in the same run. */
#ifndef TM_HARNESS_CLI_PEER_OPTIONS_H
#define TM_HARNESS_CLI_PEER_OPTIONS_H

#include "harness/measure/peer.h"

#define TM_PEERS_MAX  16
#define TM_PEER_VALUE "NAME=PROGRAM,FILE;..."
#define TM_PEER_HELP                                                                               \
    "also measure another engine: a program with llama-bench's options, its model file, and more " \
    "arguments; NAME can be the baseline"

typedef struct tm_peers {
    tm_peer items[TM_PEERS_MAX];
    int n;
} tm_peers;

/* "NAME=PROGRAM,FILE[,ARGUMENT...][;...]"; NULL: none. Errors: ARG (those of tm_peer_parse; a
 * repeated name; the name of a kernel; too many). */
tm_status tm_peers_parse(const char *text, tm_peers *out, tm_error *err) TM_MUST_USE;

#endif
