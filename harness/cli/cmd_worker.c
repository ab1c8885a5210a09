/* ternmark worker: runs one arm for another process, JSON lines on stdin and stdout. */
#include "harness/cli/commands.h"
#include "harness/measure/worker.h"

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    (void)settings;
    (void)call;
    return tm_worker_serve(tm_worker_answer_engine, NULL, 0, 1, err);
}

const tm_command tm_command_worker = {
    .name = "worker",
    .synopsis = "",
    .summary = "measure for another process (JSON lines on stdin and stdout)",
    .description =
        "Reads one request from standard input and answers it on standard output, in JSON "
        "lines that harness/measure/worker.h describes. Other commands start it for every "
        "process that they measure.",
    .is_internal = true,
    .run = run,
};
