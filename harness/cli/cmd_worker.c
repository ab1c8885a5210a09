/* ternmark worker: runs one arm for another process, JSON lines on stdin and stdout. */
#include "harness/cli/commands.h"
#include "harness/cli/interrupt.h"
#include "harness/measure/peer.h"
#include "harness/measure/worker.h"

static tm_status run(void *settings, tm_call *call, tm_error *err)
{
    tm_peer peer;
    (void)settings;
    if (call->n_arguments == 0) return tm_worker_serve(tm_worker_answer_engine, NULL, 0, 1, err);
    const char *pattern = call->n_arguments > 1 ? call->arguments[1] : NULL;
    tm_status status = tm_peer_parse(call->arguments[0], pattern, &peer, err);
    const tm_interrupt interrupt = status == TM_OK ? tm_interrupt_open() : TM_INTERRUPT_NEVER;
    peer.interrupt = &interrupt;
    return status == TM_OK ? tm_worker_serve(tm_peer_answer_request, &peer, 0, 1, err) : status;
}

const tm_command tm_command_worker = {
    .name = "worker",
    .synopsis = "[PEER [PATTERN]]",
    .summary = "measure for another process (JSON lines on stdin and stdout)",
    .description =
        "Reads one request from standard input and answers it on standard output, in JSON "
        "lines that harness/measure/worker.h describes. Other commands start it for every "
        "process that they measure. With PEER, as --peer has it, another engine is measured.",
    .is_internal = true,
    .max_arguments = 2,
    .run = run,
};
