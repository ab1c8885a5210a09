/* `ternmark kernels --bench` and `--gbench`: chooses the rows, runs and prints them. */
#ifndef TM_HARNESS_CLI_CMD_KERNELS_BENCH_H
#define TM_HARNESS_CLI_CMD_KERNELS_BENCH_H

#include "harness/cli/command.h"

typedef struct tm_kernels_request {
    const char *models;  /* "synth:2B-4T,..." */
    const char *tokens;  /* "1,8,..." */
    const char *kernels; /* names or families; NULL: every kernel */
    double seconds;      /* of timing per row */
    bool warm, cold;     /* neither: both */
    bool gbench;
    const char *const *flags; /* for Google Benchmark */
    int n_flags;
} tm_kernels_request;

/* Sets the exit status of the call: 1 if a kernel failed its check, 3 if nothing could be timed. */
tm_status tm_kernels_bench(const tm_kernels_request *request, tm_call *call,
                           tm_error *err) TM_MUST_USE;

#endif
