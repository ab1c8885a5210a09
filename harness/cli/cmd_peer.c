/* ternmark peer: another engine as a worker, JSON lines on stdin and stdout. */
#include "harness/cli/commands.h"
#include "harness/measure/peer.h"
#include "harness/measure/worker.h"

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    tm_peer peer;
    (void)settings;
    tm_status status = tm_peer_parse(call->arguments[0], &peer, err);
    return status == TM_OK ? tm_worker_serve(tm_peer_answer_request, &peer, 0, 1, err) : status;
}

const tm_command tm_command_peer = {
    .name = "peer",
    .synopsis = "NAME=PROGRAM,FILE[,ARGUMENT...]",
    .summary = "measure another engine for another process",
    .description =
        "Answers one request as `ternmark worker` does, with the times of an engine that accepts "
        "llama-bench's options. `ternmark run` and `ternmark bench` start it for --peer.",
    .is_internal = true,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
