/* `ternmark kernels --bench` and `--gbench`: which rows, running them, and what they print. */
#ifndef TM_HARNESS_CLI_CMD_KERNELS_BENCH_H
#define TM_HARNESS_CLI_CMD_KERNELS_BENCH_H

#include "harness/cli/command.h"

typedef struct tm_kernels_request {
    const char *models;  /* "synth:2B-4T,..." */
    const char *tokens;  /* "1,8,..." */
    const char *kernels; /* names or families; NULL: every kernel */
    double seconds;      /* of timing for a row */
    bool warm, cold;     /* both or neither: both */
    bool gbench;
    const char *const *flags; /* Google Benchmark's */
    int n_flags;
} tm_kernels_request;

/* Runs and prints it. Sets the call's exit status: 1 a kernel failed its check, 3 nothing could be timed. */
tm_status tm_kernels_bench(const tm_kernels_request *request, tm_call *call,
                           tm_error *err) TM_MUST_USE;

#endif
